"""Health checks, metrics and log lines about a store that is full, lost or damaged."""

import contextlib
import http.client
import os
import shutil
import signal
import time

import pytest
from disks import needs_root
from harness import free_port, postroom, wait_for
from operations_port import ask, samples


def readiness(service):
    answer = ask(service, "/health/ready")
    return answer.status, answer.text


def gauges(service):
    """What the metrics say of the store."""
    prefix = "postroom_store_"
    return {name.removeprefix(prefix): value for name, value in samples(service).items() if name.startswith(prefix)}


def fill(service, endpoint, size):
    """Sends notifications until even an empty one is refused."""
    for _ in range(1000):
        if service.hook(endpoint, b"x" * size).status != 200:
            break
    # Small notifications may still have had space.
    while service.hook(endpoint, b"").status == 200:
        pass


def test_health_ready_names_a_full_store_and_the_remedy(serve):
    service = serve(RESPONDERS=2, OPS_SERVER_PORT=free_port(), MAX_STORE_BYTES="16m", MAX_ENDPOINT_NOTIFICATIONS=100000)
    assert readiness(service) == (200, "ok\n")
    before = gauges(service)
    assert before["full"] == 0 and before["limit_bytes"] == 16 << 20 and before["disk_free_bytes"] > 1 << 20
    assert before["bytes"] <= os.path.getsize(os.path.join(service.directory, "store.mdb"))
    endpoint = service.create()
    path = os.path.join(os.path.realpath(service.directory), "store.mdb")

    def full_store():
        # A checkpoint may make room again.
        fill(service, endpoint, 100000)
        status, text = readiness(service)
        full = gauges(service)
        return (text, full) if status == 503 and full["full"] == 1 else None

    text, full = wait_for(full_store)
    assert path in text and "MAX_STORE_BYTES" in text, text
    assert full["bytes"] > before["bytes"]
    line = next(line for line in service.log().splitlines() if "is full" in line)
    assert path in line and "MAX_STORE_BYTES" in line
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    wait_for(lambda: readiness(service)[0] == 200, 30, 0.2)
    after = gauges(service)
    assert after["full"] == 0 and after["free_bytes"] > before["free_bytes"]


@needs_root
def test_health_ready_names_a_full_disk(serve, small_disk):
    service = serve(small_disk, RESPONDERS=1, OPS_SERVER_PORT=free_port(), MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()

    def is_full():
        # A checkpoint may make room again.
        fill(service, endpoint, 50000)
        return readiness(service)[0] == 503

    wait_for(is_full)
    assert "Free space on the disk" in readiness(service)[1]
    assert gauges(service)["disk_free_bytes"] < 8 << 20


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_service_whose_store_is_removed_acknowledges_nothing(serve, durability):
    service = serve(RESPONDERS=2, OPS_SERVER_PORT=free_port(), DURABILITY=durability)
    endpoint = service.create()
    assert service.hook(endpoint, "kept").status == 200
    path = os.path.join(service.directory, "store.mdb")
    os.rename(path, path + ".away")
    if durability == "process":
        # With DURABILITY=process, a commit checks the file only 50 ms after the last check.
        time.sleep(0.06)
    for _ in range(8):
        assert service.hook(endpoint, "lost").status == 503
    status, text = readiness(service)
    assert status == 503 and "store.mdb was removed" in text, text
    assert "store.mdb was removed" in service.log()
    os.rename(path + ".away", path)
    wait_for(lambda: readiness(service)[0] == 200)
    assert service.hook(endpoint, "again").status == 200
    service.check()


def test_a_store_that_replaces_the_open_one_is_used(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    service.stop()
    path = os.path.join(service.directory, "store.mdb")
    shutil.copy(path, path + ".copy")
    service.start()
    before = service.responders()
    os.rename(path + ".copy", path)
    wait_for(lambda: service.hook(endpoint, "new").status == 200 and service.responders() != before)
    service.check()
    service.stop()
    service.start()
    assert service.bodies(endpoint)[:2] == ["kept", "new"]


@pytest.mark.parametrize("left", ["store.mark", "secret.key"])
@pytest.mark.parametrize("loss", [os.remove, lambda path: os.truncate(path, 0)], ids=["removed", "emptied"])
def test_a_lost_store_is_not_replaced_by_an_empty_one(serve, left, loss):
    service = serve(RESPONDERS=1)
    service.stop()
    path = os.path.join(service.directory, "store.mdb")
    loss(path)
    was_left = os.path.exists(path)
    os.remove(os.path.join(service.directory, {"store.mark": "secret.key", "secret.key": "store.mark"}[left]))
    for command in ("serve", "work"):
        result = postroom(service.directory, command, APP_PORT=service.port)
        (line,) = [line for line in result.stderr.decode().splitlines() if "store.mdb" in line]
        assert result.returncode == 1 and left in line and "backup" in line
        assert os.path.exists(path) is was_left and (not was_left or os.path.getsize(path) == 0)
    os.remove(os.path.join(service.directory, left))
    service.start()
    assert service.hook(service.create(), "anew").status == 200


def test_health_ready_names_a_truncated_store(serve):
    service = serve(RESPONDERS=1, OPS_SERVER_PORT=free_port(), MAX_ENDPOINT_NOTIFICATIONS=1000)
    endpoint = service.create()
    for _ in range(60):
        assert service.hook(endpoint, b"x" * 50000).status == 200
    path = os.path.join(service.directory, "store.mdb")
    os.truncate(path, os.path.getsize(path) - (1 << 20))
    status, text = readiness(service)
    assert status == 503 and "damaged" in text and path in text, text


@pytest.mark.parametrize("left", [0, 16384])
def test_a_store_that_was_cut_short_is_reported_until_it_is_complete_again(serve, left):
    """Processes that read the file crash; the ones that replace them answer 503 with the reason."""
    service = serve(RESPONDERS=2, OPS_SERVER_PORT=free_port(), MAX_ENDPOINT_NOTIFICATIONS=1000)
    endpoint = service.create()
    for _ in range(20):
        assert service.hook(endpoint, b"x" * 50000).status == 200
    path = os.path.join(service.directory, "store.mdb")
    shutil.copyfile(path, path + ".whole")
    os.truncate(path, left)
    with contextlib.suppress(OSError, http.client.HTTPException):
        service.hook(endpoint, "x")
    wait_for(lambda: "all requests are answered with 503" in service.log())

    def refused():
        try:
            status, text = readiness(service)
        except (OSError, http.client.HTTPException):
            return False
        return status == 503 and path in text and "backup" in text and service.hook(endpoint, "x").status == 503

    wait_for(refused)
    with open(path + ".whole", "rb") as whole, open(path, "r+b") as file:
        shutil.copyfileobj(whole, file)

    def answers():
        try:
            return service.hook(endpoint, "x").status == 200 and service.look(endpoint).status == 200
        except (OSError, http.client.HTTPException):
            return False

    # One responder may answer before the other does.
    wait_for(lambda: all(answers() for _ in range(10)), 60)
    assert len(service.bodies(endpoint)) >= 20


def test_a_stop_with_a_store_that_was_cut_short_names_the_remedy(serve):
    service = serve(RESPONDERS=1)
    service.create()
    path = os.path.join(service.directory, "store.mdb")
    os.truncate(path, 16384)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) == 1
    assert path in service.log().splitlines()[-1] and "store repair" in service.log().splitlines()[-1]
