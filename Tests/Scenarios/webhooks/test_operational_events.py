"""Operational events: in the log, among the metrics, and as calls to OPS_EVENTS_URL."""

import base64
import hashlib
import hmac
import json

import pytest
from harness import wait_for
from webhook_service import WebhookService, header_of, new_environment

SECRET = bytes(range(24))


@pytest.fixture
def reporting(tmp_path, receive, clock):
    """A service, the receiver of its operational events, and a function that returns these: [(type, data)]."""
    operators = receive()
    service = WebhookService(
        tmp_path / "data", OPS_EVENTS_URL=operators.url("/ops"),
        OPS_EVENTS_SECRET="whsec_" + base64.b64encode(SECRET).decode(), WEBHOOKS_RETRY_INTERVAL="100ms",
        **clock.settings,
    ).start()

    def events():
        found = []
        for arrival in operators.arrivals("/ops"):
            body = json.loads(arrival["body"])
            assert set(body) == {"type", "timestamp", "data"}
            found.append((body["type"], body["data"]))
        return found

    yield service, operators, events
    service.stop()


def counted(service):
    head = "operational_events_total{"
    return {name.split('"')[1]: count for name, count in service.metrics().items() if name.startswith(head)}


def test_failures_and_recoveries_are_logged_counted_and_sent(reporting, receive):
    service, operators, events = reporting
    receiver, environment = receive({"/hook": {"status": 500}}), new_environment()
    webhook = service.add(environment, receiver.url("/hook"))
    service.publish(environment, event_id="one")
    service.finish()
    assert sorted(name for name, _ in events()) == ["message.attempt.failing", "message.exhausted"]
    for _, data in events():
        assert (data["webhook_id"], data["environment_id"]) == (webhook["webhook_id"], environment)
        assert (data["event"], data["event_id"], data["attempts"]) == ("pipeline-created", "one", 4)
        assert (data["status_code"], data["error_kind"]) == (500, "status")
    receiver.rule("/hook", status=200)
    log = service.attempts(webhook)
    service.api("POST", "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], log[0]["log_id"]))
    service.finish()
    assert events()[2][0] == "message.recovered" and events()[2][1]["event_id"] == "one"
    receiver.rule("/hook", status=410)
    service.publish(environment, event_id="two")
    service.finish()
    assert sorted((name, data.get("reason")) for name, data in events()[3:]) == [
        ("endpoint.disabled", "the receiver answered 410 Gone"), ("message.exhausted", None)
    ]
    expected = {
        "endpoint.disabled": 1, "endpoint.failing": 0, "message.attempt.failing": 1, "message.exhausted": 2,
        "message.recovered": 1,
    }
    assert counted(service) == expected
    for name, count in expected.items():
        lines = [line for line in service.log().splitlines() if ": %s " % name in line]
        assert len(lines) == count and all("webhook_id=" + webhook["webhook_id"] in line for line in lines)
    for arrival in operators.arrivals("/ops"):
        identity, sent = header_of(arrival, "webhook-id"), header_of(arrival, "webhook-timestamp")
        signed = ("%s.%s.%s" % (identity, sent, arrival["body"])).encode()
        token = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        assert header_of(arrival, "webhook-signature") == token
    service.stop()
    service.check()
    with_secret = open(service.directory + "/store.mdb", "rb").read()
    assert SECRET not in with_secret and base64.b64encode(SECRET) not in with_secret


def test_failed_operational_calls_are_retried_and_cause_no_events(reporting, receive):
    service, operators, events = reporting
    operators.rule("/ops", status=[500, 500, 200])
    service.settings["WEBHOOKS_RETRY_SCHEDULE"] = "200ms,200ms,200ms,200ms,200ms"
    service.stop()
    service.start()
    receiver, environment = receive({"/hook": {"status": 500}}), new_environment()
    service.add(environment, receiver.url("/hook"), retry_policy=[])
    service.publish(environment, event_id="one")
    wait_for(lambda: len(events()) == 3)
    assert {name for name, _ in events()} == {"message.exhausted"}
    assert len({header_of(arrival, "webhook-id") for arrival in operators.arrivals("/ops")}) == 1
    operators.rule("/ops", status=410)
    service.publish(environment, event_id="two")
    wait_for(lambda: len(events()) == 4)
    operators.rule("/ops", status=200)
    # The receiver was not disabled by its 410, and the failed calls caused no events.
    service.publish(environment, event_id="three")
    service.finish()
    assert [data["event_id"] for _, data in events()] == ["one"] * 3 + ["two", "three"]
    assert counted(service)["message.exhausted"] == sum(counted(service).values()) == 3


def test_an_operational_event_survives_a_kill_and_a_change_of_the_url(reporting, clock, receive):
    service, operators, _ = reporting
    operators.stop()
    receiver, environment = receive({"/hook": {"status": 500}}), new_environment()
    service.add(environment, receiver.url("/hook"), retry_policy=[])
    service.publish(environment, event_id="one")
    wait_for(lambda: ": message.exhausted " in service.log())
    service.kill_all()
    others = receive()
    service.settings["OPS_EVENTS_URL"] = others.url("/others")
    service.start()
    # The next attempt is made 5 s after the first.
    clock.advance(6)
    service.finish()
    (arrival,) = others.arrivals()
    assert json.loads(arrival["body"])["data"]["event_id"] == "one"
    service.stop()
    service.check()
    for name in ("OPS_EVENTS_URL", "OPS_EVENTS_SECRET"):
        del service.settings[name]
    service.start()
    service.publish(environment, event_id="two")
    wait_for(lambda: service.log().count(": message.exhausted ") == 2)
    service.finish()
    assert len(others.arrivals()) == 1
    service.stop()
    service.check()
