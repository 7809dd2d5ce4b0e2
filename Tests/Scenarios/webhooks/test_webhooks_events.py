"""Publishing events for webhooks."""

import json

import pytest
from harness import together
from webhook_examples import NOBODY
from webhook_service import new_environment, refusal

EVENT_REFUSED = [
    ("{", 1000, ""),
    ("1", 1001, "object"),
    ({"data": 1}, 1001, "event: is required"),
    ({"event": "job-created"}, 1001, "data: is required"),
    ({"event": 1, "data": 1}, 1001, "event: "),
    ({"event": "job-exploded", "data": 1}, 1003, "event: "),
    ({"event": "job-created", "data": 1, "event_id": ""}, 1001, "event_id: "),
    ({"event": "job-created", "data": 1, "event_id": "a.b"}, 1001, "event_id: "),
    ({"event": "job-created", "data": 1, "event_id": "a b"}, 1001, "event_id: "),
    ({"event": "job-created", "data": 1, "event_id": "x" * 256}, 1001, "event_id: "),
    ({"event": "job-created", "data": 1, "event_id": 5}, 1001, "event_id: "),
    ({"event": "job-created", "data": 1, "timestamp": "now"}, 1001, "timestamp: "),
    ({"event": "job-created", "data": 1, "environment_id": "x"}, 1001, "environment_id: "),
    ({"event": "job-created", "data": 1, "environment_id": NOBODY}, 1001, "environment_id: "),
    ({"event": "job-created", "data": 1, "eventid": "x"}, 1001, "eventid: "),
    ({"specversion": "0.4", "id": "1", "source": "/", "type": "job-created", "data": 1}, 1001, "specversion: "),
    ({"specversion": "1.0", "source": "/", "type": "job-created", "data": 1}, 1001, "id: "),
    ({"specversion": "1.0", "id": "1", "type": "job-created", "data": 1}, 1001, "source: "),
    ({"specversion": "1.0", "id": "1", "type": "job-created", "data_base64": "eA=="}, 1001, "data_base64: "),
]


@pytest.mark.parametrize("event, code, place", EVENT_REFUSED, ids=range(len(EVENT_REFUSED)))
def test_an_invalid_event_is_refused_and_the_error_names_the_member(hub, event, code, place):
    assert place in refusal(hub.api("POST", "/environments/%s/events" % new_environment(), event), 400, code)


def test_an_event_id_is_stored_once(hub, receiver):
    environment, other = new_environment(), new_environment()
    webhook = hub.add(environment, receiver.url("/once"))
    hub.add(other, receiver.url("/once-elsewhere"))
    first = hub.publish(environment, event_id="a", data=1)
    assert first == {"event_id": "a", "deliveries": 1, "duplicate": False}
    assert hub.publish(environment, event_id="a", data=2) == {**first, "duplicate": True}
    # Ids of another environment are other ids.
    assert hub.publish(other, event_id="a") == first
    hub.settle(webhook)
    (call,) = receiver.arrivals("/once")
    assert json.loads(call["body"])["data"] == 1


def test_an_idempotency_key_is_stored_once(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/key"))
    key = {"Idempotency-Key": "k-1"}
    first = hub.publish(environment, headers=key)
    assert first["duplicate"] is False
    assert hub.publish(environment, headers=key) == {**first, "duplicate": True}
    assert hub.publish(environment, headers=key, event_id="mine") == {**first, "duplicate": True}
    # An event's id is not a key, and a key is not an id.
    assert hub.publish(environment, event_id="k-1")["duplicate"] is False
    assert hub.publish(environment, headers={"Idempotency-Key": first["event_id"]})["duplicate"] is False
    hub.settle(webhook)
    assert len(receiver.arrivals("/key")) == 3
    for bad in ("", "a b", "x" * 256):
        answer = hub.api("POST", "/environments/%s/events" % environment, {"event": "job-created", "data": 1}, {"Idempotency-Key": bad})
        assert "Idempotency-Key" in refusal(answer, 400, 1001)


def test_an_event_that_is_published_sixteen_times_at_once_is_stored_once(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/race"))
    answers = together(16, lambda _: hub.publish(environment, event_id="same"))
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 15
    hub.settle(webhook)
    assert len(receiver.arrivals("/race")) == 1


def test_a_cloudevent_is_accepted(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/cloud"))
    event = {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/test",
        "type": "pipeline-created",
        "time": "2026-01-02T03:04:05Z",
        "environmentid": environment,
        "extension": "x",
        "data": {"a": [1, 2]},
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = hub.api("POST", "/environments/%s/events" % environment, event, headers)
    assert (answer.status, answer.json()["event_id"]) == (202, "ce-1")
    hub.settle(webhook)
    (call,) = receiver.arrivals("/cloud")
    assert json.loads(call["body"]) == {
        "event": "pipeline-created",
        "event_id": "ce-1",
        "environment_id": environment,
        "timestamp": "2026-01-02T03:04:05.000Z",
        "data": {"a": [1, 2]},
    }


def test_events_without_an_id_get_one_each(hub):
    environment = new_environment()
    ids = {hub.publish(environment)["event_id"] for _ in range(5)}
    assert len(ids) == 5 and all(len(event) == 36 for event in ids)
