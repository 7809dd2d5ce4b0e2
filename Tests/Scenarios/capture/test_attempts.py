"""Notifications that are attempts of one delivery of their sender."""

import json

import pytest
from exports import made_anew


def attempts(service, endpoint, query=""):
    """{id: the ids of the attempts}, of the notifications that have them."""
    answer = service.look(endpoint, query)
    assert answer.status == 200, answer.text
    return {n["id"]: n["attempts"] for n in answer.json()["notifications"] if "attempts" in n}


def send(service, endpoint, *values, name="webhook-id", body="x"):
    for value in values:
        assert service.hook(endpoint, body, {name: value}).status == 200


@pytest.mark.parametrize("name", ["webhook-id", "X-GitHub-Delivery", "Idempotency-Key", "IDEMPOTENCY-KEY"])
def test_the_newest_attempt_names_all(shared, endpoint, name):
    send(shared, endpoint, "a", "b", "a", name=name)
    assert shared.hook(endpoint, "x").status == 200
    assert shared.hook(endpoint, "x", {name: ""}).status == 200
    send(shared, endpoint, "a", name=name)
    assert attempts(shared, endpoint) == {2: [2], 6: [1, 3, 6]}
    # Also where the look begins later, or ends earlier.
    assert attempts(shared, endpoint, "?after=5") == {6: [1, 3, 6]}
    assert attempts(shared, endpoint, "?limit=3") == {2: [2]}
    assert len(shared.look(endpoint).json()["notifications"]) == 6


def test_what_belongs_together_has_the_same_field(shared, endpoint):
    send(shared, endpoint, "a")
    send(shared, endpoint, "a", name="Idempotency-Key")
    send(shared, endpoint, "A")
    assert attempts(shared, endpoint) == {1: [1], 2: [2], 3: [3]}
    # webhook-id goes before the others.
    for key in ("one", "two"):
        assert shared.hook(endpoint, "x", {"Idempotency-Key": key, "webhook-id": "w"}).status == 200
    assert attempts(shared, endpoint)[5] == [4, 5]


def test_attempts_of_other_endpoints_are_apart(shared, endpoint):
    other = shared.create()
    send(shared, endpoint, "a", "a")
    send(shared, other, "a")
    assert (attempts(shared, endpoint), attempts(shared, other)) == ({2: [1, 2]}, {1: [1]})


def test_what_is_collected_or_removed_does_not_count(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=4)
    endpoint = service.create()
    send(service, endpoint, "a", "a", "b", "a")
    service.check()
    assert service.call("DELETE", "/manage/endpoint/%s/notifications?through=1" % endpoint).status == 204
    assert attempts(service, endpoint) == {3: [3], 4: [2, 4]}
    service.check()
    # Those that are collected at a time belong together.
    assert {n["id"]: n.get("attempts") for n in service.collect(endpoint)} == {2: None, 3: [3], 4: [2, 4]}
    send(service, endpoint, "a")
    assert attempts(service, endpoint) == {5: [5]}
    service.check()
    assert service.configure(endpoint, enabled=True, overflow="drop-oldest").status == 204
    send(service, endpoint, "a", "a", "a", "a")
    assert attempts(service, endpoint) == {9: [6, 7, 8, 9]}
    service.check()
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    service.check()


def test_the_newest_hundred_are_named(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=300)
    endpoint = service.create()
    connection = service.connection()
    for _ in range(130):
        assert service.hook(endpoint, "x", {"webhook-id": "a"}, connection=connection).status == 200
    assert attempts(service, endpoint, "?limit=1000") == {130: list(range(31, 131))}
    service.check()


def test_long_answers_have_attempts_too(shared, endpoint):
    send(shared, endpoint, "a", "a", "b", body="x" * 100_000)
    send(shared, endpoint, "b")
    assert attempts(shared, endpoint) == {2: [1, 2], 4: [3, 4]}
    assert attempts(shared, endpoint, "?after=1") == {2: [1, 2], 4: [3, 4]}
    assert {n["id"]: n.get("attempts") for n in shared.collect(endpoint)} == {1: None, 2: [1, 2], 3: None, 4: [3, 4]}


def test_an_endpoint_can_name_a_field(shared, endpoint):
    send(shared, endpoint, "1", "1", name="X-Delivery")
    assert attempts(shared, endpoint) == {}
    assert shared.configure(endpoint, enabled=True, delivery_header="X-Delivery").status == 204
    settings = shared.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    assert settings["delivery_header"] == "X-Delivery"
    send(shared, endpoint, "1", "1", name="x-delivery")
    for delivery in ("2", ""):
        assert shared.hook(endpoint, "x", {"X-Delivery": delivery, "webhook-id": "w"}).status == 200
    send(shared, endpoint, "w")
    assert attempts(shared, endpoint) == {4: [3, 4], 5: [5], 7: [6, 7]}
    # Others stay, and null ends it.
    assert shared.configure(endpoint, enabled=True, cors=True).status == 204
    send(shared, endpoint, "2", name="X-Delivery")
    assert attempts(shared, endpoint)[8] == [5, 8]
    assert shared.configure(endpoint, enabled=True, delivery_header=None).status == 204
    send(shared, endpoint, "2", name="X-Delivery")
    assert 9 not in attempts(shared, endpoint)
    assert shared.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()["delivery_header"] is None


@pytest.mark.parametrize("value", ["", "X Delivery", "X-\u00e9", "x" * 129, 5, True, ["X"]])
def test_a_bad_name_of_a_field_is_refused(shared, endpoint, value):
    answer = shared.configure(endpoint, enabled=True, delivery_header=value)
    assert answer.status == 400 and '"delivery_header"' in answer.text


def test_attempts_survive_a_crash_and_an_export(serve):
    service = serve()
    endpoint = service.create()
    assert service.configure(endpoint, enabled=True, delivery_header="X-Delivery").status == 204
    send(service, endpoint, "a", "a")
    send(service, endpoint, "a", "a", name="X-Delivery", body="x" * 50_000)
    before = attempts(service, endpoint)
    assert before == {2: [1, 2], 4: [3, 4]}
    service.kill_all()
    service.start()
    assert attempts(service, endpoint) == before
    exported = made_anew(service)
    assert attempts(service, endpoint) == before
    service.check()
    send(service, endpoint, "a", name="X-Delivery")
    # An import leaves a gap.
    after = attempts(service, endpoint)
    assert after.pop(2) == [1, 2] and [ids[:2] for ids in after.values()] == [[3, 4]]
    lines = [json.loads(line) for line in exported.splitlines()]
    assert sum("delivery" in line or "deliveryBase64" in line for line in lines) == 4
