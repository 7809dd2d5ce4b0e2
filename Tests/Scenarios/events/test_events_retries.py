"""Failed deliveries of events: further attempts, and disabled subscriptions."""

import datetime
import email.utils

import pytest
from event_service import EventService, event, numbers, on, token
from harness import free_port, wait_for


@pytest.fixture(scope="module")
def retrying(tmp_path_factory):
    """A service that makes two more attempts."""
    service = EventService(tmp_path_factory.mktemp("retrying"), RESPONDERS=2, EVENTS_RETRY_SCHEDULE="500ms,1s").start()
    yield service
    service.stop()


def gaps(receiver, path):
    times = [arrival["m"] for arrival in receiver.arrivals(path)]
    return [later - earlier for earlier, later in zip(times, times[1:])]


def send_one(service, receiver, **members):
    key = token()
    made = service.subscribe(token("u"), receiver.url("/"), on(key), **members)
    return made, service.send(event(key))


def send_to_each(service, receiver, paths):
    """Subscribes each path, and posts an event that matches all. Returns the subscriptions and the event."""
    key = token()
    made = {path: service.subscribe(token("u"), receiver.url(path), on(key)) for path in paths}
    return made, service.send(event(key))


def test_a_temporary_error_is_retried_by_the_schedule_then_disables(retrying, receive):
    rules = {"/%d" % status: {"status": status, "body": "not now é"} for status in (408, 425, 500, 501, 502, 503, 504, 599)}
    receiver = receive(rules)
    made, sent = send_to_each(retrying, receiver, rules)
    for path, one in made.items():
        assert retrying.wait_disabled(one)["error"] == "not now é" and retrying.state(sent, one) == "failed", path
        first, second = gaps(receiver, path)
        assert 0.5 <= first < 1.5 and 1 <= second < 2.5, path
        lines = retrying.lines(one)
        assert [(line["attempt"], line["target_status_code"], line["final"]) for line in lines] == [
            (3, int(path[1:]), True),
            (2, int(path[1:]), False),
            (1, int(path[1:]), False),
        ]


def test_an_error_that_passes_disables_nothing(retrying, receive):
    receiver = receive({"*": {"status": [503, 500, 200]}})
    made, sent = send_one(retrying, receiver)
    retrying.settle(sent, made, "delivered")
    now = retrying.subscription(made)
    assert (now["disabled"], now["error"], now["updated"]) == (None, None, made["updated"])


def test_any_other_error_is_retried_as_often_then_disables(retrying, receive):
    statuses = (400, 401, 403, 404, 405, 409, 413, 415, 422, 451, 499)
    rules = {"/%d" % status: {"status": status, "body": "never"} for status in statuses}
    receiver = receive(rules)
    made, sent = send_to_each(retrying, receiver, rules)
    for path, one in made.items():
        assert retrying.wait_disabled(one)["error"] == "never" and retrying.state(sent, one) == "failed", path
        assert len(receiver.arrivals(path)) == 3, path


def test_410_disables_without_a_retry(retrying, receive):
    receiver = receive({"*": {"status": 410, "headers": {"Retry-After": "1"}, "body": "moved out"}})
    made, sent = send_one(retrying, receiver)
    assert retrying.wait_disabled(made)["error"] == "moved out"
    retrying.finish()
    assert len(receiver.arrivals()) == 1 and retrying.state(sent, made) == "failed"
    (line,) = retrying.lines(made)
    assert (line["final"], line["next_retry"]) == (True, None)


def test_redirects_are_not_followed(retrying, receive):
    receiver = receive()
    paths = ["/%d" % status for status in (301, 302, 303, 304, 307, 308)]
    for path in paths:
        receiver.rule(path, status=int(path[1:]), redirect=receiver.url("/elsewhere"), body="over there")
    made, _ = send_to_each(retrying, receiver, paths)
    for path, one in made.items():
        assert retrying.wait_disabled(one) and len(receiver.arrivals(path)) == 3, path
    assert receiver.arrivals("/elsewhere") == []


def test_retry_after_is_waited_for(retrying, receive):
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=4)
    waits = {"/seconds": "3", "/date": email.utils.format_datetime(until, usegmt=True)}
    rules = {
        "/%d%s" % (status, path): {"status": [status, 200], "headers": {"Retry-After": wait}}
        for status in (429, 503)
        for path, wait in waits.items()
    }
    receiver = receive(rules)
    made, sent = send_to_each(retrying, receiver, rules)
    for path, one in made.items():
        retrying.settle(sent, one, "delivered")
        (gap,) = gaps(receiver, path)
        if path.endswith("/date"):
            assert 0 <= receiver.arrivals(path)[1]["t"] - until.timestamp() < 3, path
        else:
            assert 2.5 <= gap < 6, path


def test_a_broken_answer_is_retried(retrying, receive):
    kinds = {"/reset": "reset", "/close": "reset", "/garbage": "protocol", "/truncate": "reset"}
    rules = {path: {"fault": path[1:], "body_bytes": 100} for path in kinds}
    receiver = receive(rules)
    made, _ = send_to_each(retrying, receiver, rules)
    for path, one in made.items():
        assert retrying.wait_disabled(one)["error"] and len(receiver.arrivals(path)) >= 3, path
        found = [(line["error_kind"], line["target_status_code"]) for line in retrying.lines(one)]
        assert found == [(kinds[path], None)] * 3, path


def test_a_refused_connection_is_retried(retrying):
    key = token()
    made = retrying.subscribe(token("u"), "http://127.0.0.1:%d/" % free_port(), on(key))
    retrying.send(event(key))
    assert retrying.wait_disabled(made)["error"]
    assert [line["error_kind"] for line in retrying.lines(made)] == ["connect"] * 3


def test_deliveries_that_wait_when_a_target_is_disabled_fail_and_can_be_replayed(retrying, receive):
    receiver = receive({"*": {"status": [500, 410], "delay": 0.2}})
    key, user = token(), token("u")
    made = retrying.subscribe(user, receiver.url("/"), on(key))
    first = retrying.send(event(key, 1))
    retrying.settle(first, made, "retrying")
    second = retrying.send(event(key, 2))
    retrying.wait_disabled(made)
    retrying.settle(first, made, "failed")
    assert len(receiver.arrivals()) == 2
    assert retrying.lines(made)[0]["error_kind"] == "disabled" and retrying.state(second, made) == "failed"
    receiver.rule("/", status=200)
    retrying.change(made, disabled=None, error=None)
    answer = retrying.ask("POST", "/eventmatch/%s/replay" % made["uuid"], {"since": "2020-01-01T00:00:00"}, user)
    assert answer.status == 202
    for one in (first, second):
        retrying.settle(one, made, "delivered")
    assert sorted(numbers(receiver, "/", key)[2:]) == [1, 2]


# ---------------------------------------------------------------- the policy service


def test_a_policy_service_that_fails_is_asked_again(serve_events, receive):
    policy = receive({"/events/soon": {"status": [503, 302, 200]}, "/events/never": {"status": 500, "body": "policy fell over"}})
    receiver = receive()
    service = serve_events(POLICY_URL=policy.url(""), EVENTS_RETRY_SCHEDULE="500ms,500ms", RESPONDERS=1)
    soon = service.subscribe("soon", receiver.url("/soon"), "$")
    never = service.subscribe("never", receiver.url("/never"), "$")
    sent = service.send({"a": 1})
    service.settle(sent, soon, "delivered")
    assert [line["policy_status_code"] for line in service.lines(soon)] == [200, 302, 503]
    assert service.wait_disabled(never)["error"] == "policy fell over"
    assert len(policy.arrivals("/events/never")) == 3 and receiver.arrivals("/never") == []
    assert service.subscription(soon)["disabled"] is None


def test_an_unreachable_policy_service_fails_deliveries_and_disables_nothing(serve_events, receive):
    port = free_port()
    receiver = receive()
    service = serve_events(POLICY_URL="http://127.0.0.1:%d" % port, EVENTS_RETRY_SCHEDULE="300ms", RESPONDERS=1)
    made = service.subscribe("u", receiver.url("/"), "$")
    sent = [service.send({"data": {"n": number}}) for number in range(3)]
    for one in sent:
        service.settle(one, made, "failed")
    now = service.subscription(made)
    assert (now["disabled"], now["error"]) == (None, None) and receiver.arrivals() == []
    assert {line["error_kind"] for line in service.lines(made)} == {"policy"}
    policy = receive(None, "--port", str(port))
    answer = service.ask("POST", "/eventmatch/%s/replay" % made["uuid"], {"since": "2020-01-01T00:00:00"}, "u")
    assert answer.status == 202
    for one in sent:
        service.settle(one, made, "delivered")
    assert sorted(numbers(receiver, "/", "n")) == [0, 1, 2] and len(policy.arrivals("/events/u")) == 3


def test_policy_is_asked_before_each_attempt(serve_events, receive):
    policy = receive({"*": {"status": [200, 412]}})
    receiver = receive({"*": {"status": 503, "headers": {"Retry-After": "1"}}})
    service = serve_events(POLICY_URL=policy.url(""), EVENTS_RETRY_SCHEDULE="300ms,300ms", RESPONDERS=1)
    made = service.subscribe("u", receiver.url("/"), "$")
    sent = service.send({"a": 1})
    service.settle(sent, made, "withheld")
    assert len(receiver.arrivals()) == 1 and len(policy.arrivals()) == 2
    assert service.subscription(made)["disabled"] is None
    wait_for(lambda: len(service.lines(made)) == 2)
