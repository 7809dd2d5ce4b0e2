"""The history of each event and of each subscription; retries by hand, and replays."""

import datetime
import os
import re
import signal

import pytest
from event_service import error, event, numbers, on, token
from harness import postroom, wait_for

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ABSENT = "6cf47199-5abf-4ae3-a40d-9d6283d0ee21"
LINE = [
    "id", "event", "type", "attempt", "trigger", "policy_status_code", "policy_resp_body", "target_status_code",
    "target_resp_body", "error_kind", "error", "duration_ms", "created", "next_retry", "final",
]  # fmt: skip


# ---------------------------------------------------------------- one event


def test_the_history_of_an_event_without_a_match_has_its_body_byte_for_byte(router):
    key = token()
    body = b'{"data": {"%s": 1.50, "z": "\\u00e9"}, "a": null}' % key.encode()
    sent = router.send(body)
    assert UUID.fullmatch(sent)
    found = wait_for(lambda: (f := router.history(sent, "anybody"))["state"] == "matched" and f)
    assert list(found) == ["uuid", "received", "state", "matched", "event", "deliveries"]
    assert (found["uuid"], found["matched"], found["deliveries"]) == (sent, 0, [])
    assert body in router.ask("GET", "/events/" + sent).body
    received = datetime.datetime.fromisoformat(found["received"])
    assert abs(received - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize("path", ["/events/%s", "/events/%s/", "/events/{%s}", "/events/urn:uuid:%s"])
def test_an_event_is_found_by_any_spelling_of_its_id(router, path):
    sent = router.send({"a": 1})
    assert router.call("GET", path % sent.upper()).json()["uuid"] == sent
    assert router.call("HEAD", path % sent).body == b""


def test_the_path_of_an_event_needs_a_known_uuid(router):
    error(router.call("GET", "/events/" + ABSENT), 403)
    error(router.call("GET", "/events/x"), 400)
    for path in ("/events", "/events/", "/events/%s/x" % ABSENT):
        error(router.call("GET", path), 404)
    error(router.call("DELETE", "/events/" + ABSENT), 405)
    error(router.call("GET", "/events/%s?x=1" % ABSENT), 404)


def test_an_event_waits_to_be_matched_while_the_worker_is_stopped(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=2)
    made = service.subscribe("u", receiver.url("/"), "$")
    sent = service.send({"data": 1})
    service.settle(sent, made, "delivered")
    # Stopped and not ended: the supervisor would start another one.
    workers = service.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        late = service.send({"data": 2})
        found = service.history(late, "u")
        assert (found["state"], found["matched"], found["deliveries"]) == ("waiting", 0, [])
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    service.settle(late, made, "delivered")


def test_a_delivery_is_pending_then_delivered(router, receive):
    receiver = receive({"*": {"delay": 1, "body": "thanks", "status": 202}})
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), on(key))
    sent = router.send(event(key))
    router.settle(sent, made, "pending")
    assert router.history(sent, user)["deliveries"] == [{"eventmatch": made["uuid"], "state": "pending", "attempts": []}]
    router.settle(sent, made, "delivered")
    (delivery,) = router.history(sent, user)["deliveries"]
    (line,) = delivery["attempts"]
    assert list(line) == LINE
    assert (line["event"], line["type"], line["attempt"]) == (sent, "org.example.test", 1)
    assert (line["target_status_code"], line["target_resp_body"]) == (202, "thanks")
    assert (line["policy_status_code"], line["error_kind"], line["error"], line["next_retry"]) == (None, None, None, None)
    assert line["final"] is True and line["duration_ms"] >= 1000
    assert router.lines(made) == [line]


def test_each_delivery_of_an_event_has_its_own_state(serve_events, receive):
    policy = receive({"*": {"status": 200}, "/events/withheld": {"status": 412, "body": "not for you"}})
    receiver = receive({"/flaky": {"status": [503, 200], "headers": {"Retry-After": "2"}}, "/bad": {"status": 410, "body": "gone fishing"}})
    service = serve_events(POLICY_URL=policy.url(""), EVENTS_RETRY_SCHEDULE="1s,1s", RESPONDERS=2)
    good = service.subscribe("good", receiver.url("/good"), "$")
    flaky = service.subscribe("flaky", receiver.url("/flaky"), "$")
    withheld = service.subscribe("withheld", receiver.url("/withheld"), "$")
    bad = service.subscribe("bad", receiver.url("/bad"), "$")
    sent = service.send({"eventType": "t", "data": 1})
    service.settle(sent, flaky, "retrying")
    (line,) = service.lines(flaky)
    assert line["final"] is False and line["target_status_code"] == 503 and line["next_retry"] > line["created"]
    for made, state in ((good, "delivered"), (withheld, "withheld"), (bad, "failed"), (flaky, "delivered")):
        service.settle(sent, made, state)
    assert [(line["attempt"], line["target_status_code"], line["final"]) for line in service.lines(flaky)] == [
        (2, 200, True),
        (1, 503, False),
    ]
    (line,) = service.lines(withheld)
    assert list(line) == LINE
    assert (line["event"], line["attempt"], line["error_kind"], line["final"]) == (sent, 1, "withheld", True)
    assert (line["policy_status_code"], line["target_status_code"]) == (412, None) and line["created"]
    # The user sees that an event was withheld, but neither the event nor the answer of the policy service.
    assert (line["type"], line["policy_resp_body"]) == (None, None)
    answer = service.ask("GET", "/events/" + sent, user="withheld")
    assert answer.json()["deliveries"][0]["attempts"] == [line]
    assert "not for you" not in answer.text and '"t"' not in answer.text
    # Operators see all.
    shown = postroom(service.directory, "events", "get", sent)
    assert shown.returncode == 0 and b'"eventType": "t"' in shown.stdout and b"412" in shown.stdout
    assert receiver.arrivals("/withheld") == []
    (line,) = service.lines(bad)
    assert (line["type"], line["policy_resp_body"]) == ("t", "")
    assert (line["policy_status_code"], line["target_status_code"], line["target_resp_body"]) == (200, 410, "gone fishing")
    assert service.subscription(bad)["error"] == "gone fishing"
    # Each user sees the deliveries to own subscriptions, and how many matched in all.
    assert service.history(sent, "good")["matched"] == 4
    for made in (good, flaky, withheld, bad):
        (delivery,) = service.history(sent, made["user"])["deliveries"]
        assert delivery["eventmatch"] == made["uuid"]
    assert service.history(sent, "stranger")["deliveries"] == []
    # The event itself is shown to users for whom it was approved.
    for user in ("good", "flaky", "bad"):
        assert service.history(sent, user)["event"] == {"eventType": "t", "data": 1}
    for user in ("withheld", "stranger"):
        assert service.history(sent, user)["event"] is None


def test_a_deleted_subscription_is_counted_in_the_history_and_not_named(router, receive):
    receiver = receive()
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), on(key))
    sent = router.send(event(key))
    router.settle(sent, made, "delivered")
    assert router.ask("DELETE", "/eventmatch/" + made["uuid"], user=user).status == 200
    found = router.history(sent, user)
    assert (found["matched"], found["deliveries"]) == (1, [])


# ---------------------------------------------------------------- one subscription


@pytest.mark.parametrize("method, path", [("GET", "/deliveries"), ("POST", "/deliveries/1/retry"), ("POST", "/replay")])
def test_another_users_subscription_is_answered_as_an_unknown_one(router, method, path):
    made = router.subscribe(token("u"), "http://127.0.0.1:9/", "$.never")
    answers = [
        error(router.ask(method, "/eventmatch/%s%s" % (one, path), body, user=token("v")), 403)
        for one in (made["uuid"], ABSENT)
        for body in [None if method == "GET" else {"since": "2020-01-01T00:00:00"}]
    ]
    assert answers == ["Forbidden", "Forbidden"]


def test_the_history_of_a_subscription_is_paged_and_filtered(router, receive):
    receiver = receive({"/some": {"status": [200, 200, 500, 200, 200], "per": "path"}})
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/some"), on(key))
    for number in range(5):
        if number == 3:
            router.wait_disabled(made)
            router.change(made, disabled=None, error=None)
        sent = router.send(event(key, number))
        wait_for(lambda n=number: len(router.lines(made)) == n + 1)
    lines = router.lines(made)
    assert [line["id"] for line in lines] == sorted((line["id"] for line in lines), reverse=True)
    assert lines[0]["event"] == sent
    assert [line["target_status_code"] for line in lines] == [200, 200, 500, 200, 200]
    paged, before = [], ""
    while page := router.lines(made, "?limit=2" + before):
        assert len(page) <= 2
        paged += page
        before = "&before=%d" % page[-1]["id"]
    assert paged == lines
    assert router.lines(made, "?status=failure") == [lines[2]]
    assert router.lines(made, "?status=success&limit=3") == [lines[0], lines[1], lines[3]]
    path = "/eventmatch/%s/deliveries" % made["uuid"]
    for query in ("?limit=0", "?limit=1001", "?limit=x", "?before=-1", "?status=maybe"):
        error(router.ask("GET", path + query, user=user), 400)
    error(router.ask("GET", path + "?colour=blue", user=user), 404)


# ---------------------------------------------------------------- retries by hand, and replays


def retry(service, made, line):
    return service.ask("POST", "/eventmatch/%s/deliveries/%s/retry" % (made["uuid"], line), user=made["user"])


def test_an_attempt_can_be_retried_by_hand(router, receive):
    receiver = receive({"/": {"status": [400, 400, 200]}})
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), on(key))
    sent = router.send(event(key, 7))
    router.settle(sent, made, "failed")
    first = router.lines(made)[0]
    assert router.subscription(made)["disabled"]
    # Also while the subscription is disabled. A retry by hand is one attempt, and disables nothing.
    for count, state in ((2, "failed"), (3, "delivered")):
        answer = retry(router, made, first["id"])
        assert answer.status == 202 and UUID.fullmatch(answer.json()["delivery_id"])
        wait_for(lambda n=count: len(router.lines(made)) == n)
        assert router.state(sent, made) == state
        assert router.lines(made)[0]["trigger"] == "manual"
    assert numbers(receiver, "/", key) == [7, 7, 7]
    error(retry(router, made, 10**9), 403)
    error(retry(router, made, "x"), 400)
    other = router.subscribe(user, receiver.url("/other"), "$.never")
    error(retry(router, other, first["id"]), 403)


def replay(service, made, **members):
    return service.ask("POST", "/eventmatch/%s/replay" % made["uuid"], members, user=made["user"])


MARKER = 99


def replayed(router, receiver, made, key, marker, **members):
    """The numbers of the events that a replay delivers.

    The replays of a subscription are made in the order in which they were asked for. A second one is of the marker
    alone: when it has arrived and no delivery is pending, the first replay is over and nothing more comes."""
    before = len(receiver.arrivals())
    answer = replay(router, made, **members)
    assert answer.status == 202, answer.text
    assert (answer.json()["since"], answer.json()["all"]) == (members["since"], members.get("all", False))
    moment = router.history(marker, made["user"])["received"]
    assert replay(router, made, since=moment, until=moment, all=True).status == 202
    wait_for(lambda: MARKER in numbers(receiver, "/", key)[before:])
    router.finish()
    found = sorted(numbers(receiver, "/", key)[before:])
    assert found.pop() == MARKER
    return found


def test_a_replay_delivers_what_was_missed_or_all(router, receive):
    receiver = receive()
    key, user = token(), token("u")
    before = router.send(event(key, 0))
    # It is tried with the subscriptions of that moment.
    wait_for(lambda: router.history(before, user)["state"] == "matched")
    made = router.subscribe(user, receiver.url("/"), on(key))
    marker = router.send(event(key, MARKER))
    sent = [router.send(event(key, number)) for number in (1, 2)]
    for one in (marker, *sent):
        router.settle(one, made, "delivered")
    router.change(made, disabled="2020-01-01T00:00:00")
    missed = [router.send(event(key, number)) for number in (3, 4)]
    router.send(event(token(), 5))
    router.finish()
    router.change(made, disabled=None)
    since = router.history(sent[0], user)["received"]
    assert replayed(router, receiver, made, key, marker, since=since) == [3, 4]
    assert all(router.state(one, made) == "delivered" for one in missed) and router.history(before, user)["matched"] == 0
    # Now nothing has been missed.
    assert replayed(router, receiver, made, key, marker, since=since) == []
    assert replayed(router, receiver, made, key, marker, since=since, all=True) == [1, 2, 3, 4]
    # An event from before the subscription.
    assert replayed(router, receiver, made, key, marker, since="2020-01-01T00:00:00", until=made["created"]) == [0]


def test_a_replay_uses_the_current_expression(router, receive):
    receiver = receive()
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), "$.data.never")
    marker, *sent = [router.send(event(key, number)) for number in (MARKER, 0, 1, 2)]
    router.finish()
    router.change(made, jsonpath="$.data[?@ == 1 || @ == %d]" % MARKER)
    since = router.history(sent[0], user)["received"]
    assert replayed(router, receiver, made, key, marker, since=since) == [1]


@pytest.mark.parametrize(
    "members",
    [{}, {"since": 1}, {"since": "soon"}, {"since": "2026-01-01T00:00:00", "until": "2025-01-01T00:00:00"}]
    + [{"since": "2026-01-01T00:00:00", "all": 1}, {"since": "2026-01-01T00:00:00", "all": None}]
    + [{"since": "2026-01-01T00:00:00", "more": 1}],
)
def test_an_invalid_replay_is_refused(router, members):
    made = router.subscribe(token("u"), "http://127.0.0.1:9/", "$.never")
    error(replay(router, made, **members), 400)


def test_the_history_survives_a_restart(serve_events, receive):
    receiver = receive({"/bad": {"status": 404}})
    service = serve_events(RESPONDERS=2)
    made = [service.subscribe("u", receiver.url(path), "$") for path in ("/", "/bad")]
    sent = service.send({"data": 1})
    service.settle(sent, made[0], "delivered")
    service.settle(sent, made[1], "failed")
    before = [service.history(sent, "u"), *map(service.lines, made), service.ask("GET", "/eventmatch", user="u").json()]
    service.stop()
    service.start()
    after = [service.history(sent, "u"), *map(service.lines, made), service.ask("GET", "/eventmatch", user="u").json()]
    assert after == before
