"""The handshake of CloudEvents: as senders ask Postroom, and as Postroom asks targets."""

import json
import time

import pytest
from event_service import EventService, error, event, on, token
from queue_service import basic
from webhook_service import header_of

# ---------------------------------------------------------------- a sender asks Postroom


def ask(service, origin, **headers):
    given = {"WebHook-Request-Origin": origin} if origin is not None else {}
    return service.call("OPTIONS", "/receive", headers={**given, **headers})


def test_without_allowed_origins_no_sender_gets_consent(router):
    answer = ask(router, "a.example")
    error(answer, 403)
    assert "webhook-allowed-origin" not in answer.headers
    error(ask(router, None), 405)


def test_an_allowed_origin_gets_consent_with_a_rate(serve_events):
    service = serve_events(EVENTS_ALLOWED_ORIGINS="a.example, B.example", EVENTS_ALLOWED_RATE=120, RESPONDERS=1)
    for origin in ("a.example", "A.Example", "b.example"):
        answer = ask(service, origin, **{"WebHook-Request-Rate": "1000"})
        assert (answer.status, answer.body) == (200, b"")
        assert (answer.headers["webhook-allowed-origin"], answer.headers["webhook-allowed-rate"]) == (origin, "120")
        assert answer.headers["allow"] == "OPTIONS, POST"
    for origin in ("c.example", "a.example.evil", "", "a.example, b.example"):
        answer = ask(service, origin)
        error(answer, 403)
        assert "webhook-allowed-origin" not in answer.headers


def test_with_a_star_every_origin_gets_consent_without_a_login(serve_events, tmp_path):
    tmp_path.chmod(0o755)
    users = tmp_path / "users"
    users.write_text("alice:{PLAIN}x\n")
    service = serve_events(EVENTS_ALLOWED_ORIGINS="*", USER_SOURCE="basic", USER_FILE=users, RESPONDERS=1)
    answer = ask(service, "anybody.example")
    assert (answer.headers["webhook-allowed-origin"], answer.headers["webhook-allowed-rate"]) == ("*", "*")
    assert service.call("OPTIONS", "/eventmatch", headers=basic("alice", "x")).status == 405


# ---------------------------------------------------------------- Postroom asks a target


ORIGIN = "hub.example"
ALLOWS = {"headers": {"WebHook-Allowed-Origin": ORIGIN}}


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    directory = tmp_path_factory.mktemp("asking")
    service = EventService(directory, EVENTS_ORIGIN=ORIGIN, RESPONDERS=2, EVENTS_RETRY_SCHEDULE="500ms").start()
    yield service
    service.stop()


def methods(receiver):
    return [arrival["method"] for arrival in receiver.arrivals("/")]


@pytest.mark.parametrize("allowed", [ORIGIN, "*", "Hub.Example"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_target_that_consents_is_asked_once_whatever_the_status_of_its_answer(asking, receive, allowed, status):
    receiver = receive({"/": {"steps": [{"status": status, "headers": {"WebHook-Allowed-Origin": allowed}}, {"status": 200}]}})
    key, user = token(), token("u")
    made = asking.subscribe(user, receiver.url("/"), on(key), handshake=True, format="cloudevents")
    assert made["handshake"] is True
    for number in range(3):
        sent = asking.send(event(key, number))
        asking.settle(sent, made, "delivered")
    assert methods(receiver) == ["OPTIONS", "POST", "POST", "POST"]
    asked = receiver.arrivals("/")[0]
    assert asked["body"] == "" and header_of(asked, "Authorization") is None
    assert [header_of(arrival, "WebHook-Request-Origin") for arrival in receiver.arrivals("/")] == [ORIGIN] * 4
    assert all(line["target_status_code"] == 200 for line in asking.lines(made))


def test_without_handshake_a_target_is_not_asked(asking, receive):
    receiver = receive()
    key = token()
    made = asking.subscribe(token("u"), receiver.url("/"), on(key))
    asking.settle(asking.send(event(key)), made, "delivered")
    assert methods(receiver) == ["POST"] and header_of(receiver.arrivals()[0], "WebHook-Request-Origin") is None


@pytest.mark.parametrize("headers", [{}, {"WebHook-Allowed-Origin": "other.example"}, {"Allow": "POST"}, {"WebHook-Allowed-Rate": "9"}])
def test_a_target_that_does_not_consent_is_asked_again_then_disabled_and_sent_nothing(asking, receive, headers):
    receiver = receive({"*": {"headers": headers}})
    key, user = token(), token("u")
    made = asking.subscribe(user, receiver.url("/"), on(key), handshake=True)
    sent = asking.send(event(key))
    now = asking.wait_disabled(made)
    assert ORIGIN in now["error"]
    assert methods(receiver) == ["OPTIONS", "OPTIONS"]
    assert asking.state(sent, made) == "failed"
    assert [line["error_kind"] for line in asking.lines(made)] == ["consent", "consent"]
    # Once enabled, it is asked again, and the event can be delivered.
    receiver.rule("/", **ALLOWS)
    asking.change(made, disabled=None, error=None)
    line = asking.lines(made)[0]["id"]
    assert asking.ask("POST", "/eventmatch/%s/deliveries/%d/retry" % (made["uuid"], line), user=user).status == 202
    asking.settle(sent, made, "delivered")
    assert methods(receiver)[2:] == ["OPTIONS", "POST"]


def test_a_target_that_does_not_answer_the_handshake_is_asked_again(asking, receive):
    receiver = receive({"/": {"steps": [{"fault": "reset"}, ALLOWS, {"status": 200}]}})
    key = token()
    made = asking.subscribe(token("u"), receiver.url("/"), on(key), handshake=True)
    asking.settle(asking.send(event(key)), made, "delivered")
    assert methods(receiver) == ["OPTIONS", "OPTIONS", "POST"]


def test_consent_ends_with_another_target_or_without_handshake(asking, receive):
    first, second = (receive({"*": {"headers": {"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "6000"}}}) for _ in range(2))
    key = token()
    made = asking.subscribe(token("u"), first.url("/"), on(key), handshake=True)
    asking.settle(asking.send(event(key, 0)), made, "delivered")
    for target, handshake, calls in [
        (second.url("/"), None, ["OPTIONS", "POST"]),
        (second.url("/"), None, ["POST"]),
        (second.url("/"), False, ["POST"]),
        (second.url("/"), True, ["OPTIONS", "POST"]),
    ]:
        before = len(methods(second))
        made = asking.change(made, target_url=target, **({} if handshake is None else {"handshake": handshake}))
        assert made.get("handshake", False) is (handshake is not False)
        asking.settle(asking.send(event(key, 1)), made, "delivered")
        assert methods(second)[before:] == calls
    assert methods(first) == ["OPTIONS", "POST"]


def test_a_target_is_sent_no_more_than_its_allowed_rate(asking, receive):
    receiver = receive({"/": {"headers": {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "120"}}})
    key = token()
    made = asking.subscribe(token("u"), receiver.url("/"), on(key), handshake=True)
    asking.settle(asking.send(event(key, 0)), made, "delivered")
    started = time.monotonic()
    for number in range(1, 7):
        asking.send(event(key, number))
    assert time.monotonic() - started < 2
    receiver.wait(8)
    times = [arrival["m"] for arrival in receiver.arrivals("/")[2:]]
    # 120 a minute are two a second.
    assert times[-1] - times[0] >= 1.8
    assert sorted(numbers_sent(receiver, key)) == list(range(7))
    asking.change(made, handshake=False)
    for number in range(7, 17):
        asking.send(event(key, number))
    receiver.wait(18, seconds=3)


def numbers_sent(receiver, key):
    return [json.loads(arrival["body"])["data"][key] for arrival in receiver.arrivals() if arrival["method"] == "POST"]
