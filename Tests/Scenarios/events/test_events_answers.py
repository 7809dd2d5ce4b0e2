"""Answers of event routing: about targets that may not be called, things that do not exist, dates, and errors."""

import json
import re

import pytest
from event_service import EventService, error, event, on, token
from harness import postroom, wait_for

ABSENT = "6cf47199-5abf-4ae3-a40d-9d6283d0ee21"


# ------------------------------------------------------------ targets


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A service that calls public addresses only."""
    service = EventService(tmp_path_factory.mktemp("closed"), RESPONDERS=1, DELIVERY_ALLOW_SUBNETS="").start()
    yield service
    service.stop()


def wanted(url, **members):
    return {"name": "n", "jsonpath": "$.none", "target_url": url, **members}


@pytest.mark.parametrize("url", ["http://localhost:9/hook", "http://LOCALHOST/", "https://localhost:1", "http://u:p@localhost:9/#x"])
def test_a_target_whose_name_resolves_to_a_closed_address_is_refused_at_once(closed, url):
    user = token("u")
    message = error(closed.ask("POST", "/eventmatch", wanted(url), user), 400)
    assert message.startswith("target_url: ") and "localhost" in message and "DELIVERY_ALLOW_SUBNETS" in message
    error(closed.ask("GET", "/eventmatch", user=user), 403)
    made = closed.subscribe(user, "http://no-such-name.invalid/", "$.none")
    assert "localhost" in error(closed.ask("PUT", "/eventmatch/" + made["uuid"], {"target_url": url}, user), 400)
    assert closed.subscription(made)["target_url"] == "http://no-such-name.invalid/"


def test_a_name_that_does_not_resolve_may_be_a_target(closed):
    user = token("u")
    made = closed.subscribe(user, "http://no-such-name.invalid/", "$.none")
    changed = closed.change(made, target_url="http://no-other-name.invalid/", name="changed")
    assert (changed["target_url"], changed["name"]) == ("http://no-other-name.invalid/", "changed")
    # A target that stays the same is not checked again.
    assert closed.change(made, name="again", target_url=changed["target_url"])["name"] == "again"


def test_localhost_may_be_a_target_if_loopback_is_allowed(router, receiver):
    key = token()
    made = router.subscribe(key, receiver.url("/" + key, host="localhost"), on(key))
    router.settle(router.send(event(key)), made, "delivered")


# ------------------------------------------------------------ things that do not exist


def test_everything_that_does_not_exist_is_answered_403(router):
    user = token("u")
    made = router.subscribe(user, "http://127.0.0.1:1/", "$.none")
    own = "/eventmatch/" + made["uuid"]
    for method, path, body in (
        ("GET", "/events/" + ABSENT, None), ("HEAD", "/events/" + ABSENT, None), ("GET", "/eventmatch/" + ABSENT, None),
        ("PUT", "/eventmatch/" + ABSENT, {}), ("DELETE", "/eventmatch/" + ABSENT, None),
        ("GET", "/eventmatch/%s/deliveries" % ABSENT, None), ("POST", "/eventmatch/%s/replay" % ABSENT, {"since": "2026-01-01"}),
        ("POST", "/eventmatch/%s/deliveries/1/retry" % ABSENT, None), ("POST", own + "/deliveries/1/retry", None),
    ):  # fmt: skip
        answer = router.ask(method, path, body, user)
        assert answer.status == 403, (method, path, answer.text)
        if method != "HEAD":
            assert error(answer, 403) == "Forbidden"
    error(router.ask("POST", own + "/deliveries/x/retry", user=user), 400)
    error(router.ask("GET", "/events/x", user=user), 400)


# ------------------------------------------------------------ dates


def test_the_times_of_a_replay_may_have_a_zone(router):
    user = token("u")
    path = "/eventmatch/%s/replay" % router.subscribe(user, "http://127.0.0.1:1/", "$.none")["uuid"]
    for since, until, begin, end in (
        ("2026-11-22T06:05:37+02:00", "2026-11-22T06:05:37Z", "2026-11-22T04:05:37", "2026-11-22T06:05:37"),
        ("2026-11-22t06:05:37.5-01:30", "2026-11-22T08:00:00", "2026-11-22T07:35:37.500000", "2026-11-22T08:00:00"),
        ("2026-11-22", "2026-11-22 06:05", "2026-11-22T00:00:00", "2026-11-22T06:05:00"),
    ):
        answer = router.ask("POST", path, {"since": since, "until": until}, user)
        assert answer.status == 202 and (answer.json()["since"], answer.json()["until"]) == (begin, end)
    for wrong in ("yesterday", "2026-02-30T00:00:00Z", "2026-11-22T06:05:37+99:00", "", 7):
        assert "2026-11-22T06:05:37Z" in error(router.ask("POST", path, {"since": wrong}, user), 400)


def test_commands_take_dates_of_rfc_3339(serve_events):
    service = serve_events(RESPONDERS=1)
    sent = service.send(event("k"))

    def shown(*arguments):
        result = postroom(service.directory, "events", *arguments)
        assert (result.returncode, result.stderr) == (0, b"")
        return re.findall(r"^Event - (\S+)$", result.stdout.decode(), re.M)

    for start, end in (
        ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00+02:00"), ("2020-01-01T00:00:00.5-01:00", "2100-01-01t00:00:00z"),
        ("2020-01-01T00:00:00", "2100-01-01 00:00:00"),
    ):  # fmt: skip
        assert shown("get", "--start-date", start, "--end-date", end) == [sent]
        assert shown("get", "--start-date", start, "--date-format", "%d.%m.%Y", "--end-date", "01.01.2100") == [sent]
    assert shown("get", "--start-date", "2099-01-01T00:00:00Z", "--end-date", "2100-01-01T00:00:00Z") == []
    # 23:00 in a zone two hours ahead is 21:00 UTC.
    assert shown("get", "--start-date", "2019-12-31T23:00:00+02:00", "--end-date", "2019-12-31T22:00:00Z") == []
    for wrong in ("2026-02-30T00:00:00Z", "2026-11-22T06:05:37+0200x", "T"):
        result = postroom(service.directory, "events", "purge", "--older-than-date", wrong)
        assert result.returncode == 1 and b"2026-11-22T06:05:37Z" in result.stderr
    assert postroom(service.directory, "events", "purge", "--older-than-date", "2020-01-01T00:00:00Z").stdout == b"removed 0 events\n"


# ------------------------------------------------------------ errors


def test_get_shows_the_error_of_each_failed_delivery(serve_events, receive):
    service = serve_events(RESPONDERS=1)
    target = receive({"/no": {"status": 410, "body": "gone\nfor good"}})
    refused = service.subscribe("u", target.url("/no"), "$.data.k")
    nobody = service.subscribe("u", "http://127.0.0.1:1/", "$.data.k")
    taken = service.subscribe("u", target.url("/yes"), "$.data.k")
    sent = service.send(event("k"))
    wait_for(lambda: sorted(service.states(sent, "u").values()) == ["delivered", "failed", "failed"])
    result = postroom(service.directory, "events", "get", sent)
    lines = result.stdout.decode().splitlines()[2:]
    blocks = {}
    for line in lines:
        if line.startswith("    ELM "):
            blocks[line.split()[1]] = found = []
        else:
            found.append(line)
    assert list(blocks) == [refused["uuid"], nobody["uuid"], taken["uuid"]] and blocks[taken["uuid"]] == []
    assert len(blocks[refused["uuid"]]) == 1 and re.fullmatch(r" {8}error status: .*410.*", blocks[refused["uuid"]][0])
    assert len(blocks[nobody["uuid"]]) == 1 and re.fullmatch(r" {8}error connect: .+", blocks[nobody["uuid"]][0])


# ------------------------------------------------------------ the end of an answer


def test_no_json_answer_ends_with_a_newline(serve_events, receive):
    service, target = serve_events(RESPONDERS=1), receive()
    key = token()
    made = service.subscribe(key, target.url("/"), on(key))
    sent = service.send(event(key))
    service.settle(sent, made, "delivered")
    endpoint = service.create()
    environment = "/environments/" + ABSENT
    hook = service.api("POST", environment + "/webhooks", {"name": "n", "url": target.url("/"), "events": ["job-created"]})
    answers = [hook] + [
        service.ask(method, path, body, key)
        for method, path, body in (
            ("GET", "/eventmatch", None), ("GET", "/eventmatch/" + made["uuid"], None), ("GET", "/events/" + sent, None),
            ("GET", "/eventmatch/%s/deliveries" % made["uuid"], None), ("GET", "/events/" + ABSENT, None), ("POST", "/receive", "{"),
            ("POST", "/eventmatch/%s/replay" % made["uuid"], {"since": "2026-01-01"}), ("POST", "/manage/endpoint", None),
            ("GET", "/manage/endpoint/" + endpoint, None), ("GET", "/manage/endpoint/%s/notifications" % endpoint, None),
            ("GET", "/queues", None), ("GET", "/read/x", None), ("GET", environment + "/webhooks", None),
            ("GET", environment + "/settings", None), ("GET", "/webhooks/events", None), ("GET", "/webhooks/" + ABSENT, None),
            ("GET", "/webhooks/%s/logs" % hook.json()["webhook_id"], None), ("GET", "/webhooks/%s/stats" % hook.json()["webhook_id"], None),
            ("POST", "/eventmatch", "x" * (2 << 20)), ("POST", environment + "/events", "x" * (2 << 20)),
        )
    ]  # fmt: skip
    for answer in answers:
        assert answer.headers["content-type"].startswith("application/json") and json.loads(answer.body) is not None
        assert answer.body[-1:] in (b"}", b"]"), answer.body[-40:]
