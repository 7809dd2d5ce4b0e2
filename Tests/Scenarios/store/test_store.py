"""A full disk and a full map: which requests are refused, and how space is made."""

import os

from disks import fill, needs_root
from harness import wait_for


@needs_root
def test_a_full_disk_is_507_until_there_is_space(serve, small_disk):
    service = serve(small_disk, RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000)
    full, other = service.create(), service.create()
    kept = 0
    for _ in range(20):
        assert service.hook(other, "kept %d" % kept).status == 200
        kept += 1
    fill(small_disk / "ballast")

    statuses = set()
    for number in range(400):
        answer = service.hook(full, b"x" * 50000)
        statuses.add(answer.status)
        assert answer.status in (200, 507), answer.text
    assert 507 in statuses and "full" in answer.text

    assert service.call("GET", "/manage").status == 200
    assert service.call("POST", "/manage/endpoint").status in (201, 507)
    assert len(service.look(other).json()["notifications"]) == kept
    assert service.bodies(other) == ["kept %d" % number for number in range(kept)]
    for _ in range(50):
        assert service.configure(other, enabled=True).status == 204
        assert service.collect(other) == []
    assert service.hook("nope").status == 404

    os.remove(small_disk / "ballast")
    wait_for(lambda: service.hook(full, b"again").status == 200)
    assert service.hook(other, "again").status == 200
    assert service.bodies(other) == ["again"]
    service.check()


@needs_root
def test_a_long_request_is_507_where_the_disk_has_little_room(serve, small_disk):
    """64 MiB of a disk are left for the store."""
    service = serve(small_disk, RESPONDERS=2)
    endpoint = service.create()
    for length in (300 << 10, 4 << 20):
        answer = service.hook(endpoint, bytes(length))
        assert (answer.status, answer.text) == (507, "The disk has no room for a request of this length.")
        assert service.hook(endpoint, b"short").status == 200
    assert service.bodies(endpoint) == ["short"] * 2
    service.check()


@needs_root
def test_a_collection_makes_space_on_a_full_disk(serve, small_disk):
    service = serve(small_disk, RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()
    sent = 0
    while service.hook(endpoint, b"x" * 20000).status == 200:
        sent += 1
        assert sent < 5000
    fill(small_disk / "ballast")
    assert len(service.collect(endpoint)) == sent
    # Collected notifications are kept for some seconds, because nginx may repeat the request.
    wait_for(lambda: service.hook(endpoint, b"x" * 20000).status == 200, 30, 0.2)
    service.check()


def test_a_full_map_is_507_and_an_acknowledgement_makes_space(serve):
    service = serve(MAX_STORE_BYTES="16m", MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()
    sent = 0
    while (status := service.hook(endpoint, b"x" * 100000).status) == 200:
        sent += 1
        assert sent < 1000
    assert status == 507 and sent > 100
    # Collected notifications are kept for two minutes, because nginx may repeat the request; acknowledged ones are not.
    acknowledged = service.call("DELETE", "/manage/endpoint/%s/notifications?through=%d" % (endpoint, sent))
    assert acknowledged.status == 204
    wait_for(lambda: service.hook(endpoint, b"x" * 100000).status == 200, 30, 0.2)
