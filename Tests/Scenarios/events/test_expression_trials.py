"""Expressions that are tried at `/jsonpath`: with the outcome that subscriptions have, within limits, and without a trace."""

import concurrent.futures
import json

import pytest
from event_service import error, event, on, token
from harness import wait_for
from operations_port import samples
from queue_service import basic

EVENT = event("size", 4096, {"files": [{"name": "a.tiff", "size": 4000}, {"name": "b.txt", "size": 96}]})


def tried(service, expression, given=EVENT, **members):
    answer = service.api("POST", "/jsonpath", {"expression": expression, "event": given, **members})
    assert answer.status == 200 and answer.headers["content-type"] == "application/json", answer.text
    return answer.json()


@pytest.mark.parametrize("expression", [
    '$[?$.eventType == "org.example.test"]', "$.data.files[?@.size < 100]", "$.data.files[?(@.size < 100)]", "$.data.files[*][?(@.size < 100)]",
    "$.data.missing", "data.size", '$[?(@["eventType"] = "org.example.test")]', '$[?(@.eventType == "org.example.test")]', "$..name", "$.data.files.length()",
])  # fmt: skip
def test_a_trial_has_the_outcome_of_a_subscription(router, receiver, expression):
    """Each subscription gets what a trial says that it gets."""
    user, path = token(), "/" + token()
    for dialect in (None, "legacy", "rfc9535"):
        told = tried(router, expression, dialect=dialect)
        wanted = {"name": "test", "jsonpath": expression, "target_url": receiver.url(path), "dialect": dialect}
        made = router.ask("POST", "/eventmatch", wanted, user)
        assert made.status == (400 if told["dialect"] is None else 200)
        if made.status == 400:
            assert not told["matches"] and all(not entry["valid"] for entry in told["dialects"].values())
            continue
        sent = router.send(EVENT)
        wait_for(lambda: router.history(sent, user)["state"] == "matched")
        assert (router.state(sent, made.json()) is not None) == told["matches"]
        assert router.ask("DELETE", "/eventmatch/" + made.json()["uuid"], user=user).status == 200


def test_values_are_shown_as_they_were_written(router):
    text = '{"n": [1.0, 12345678901234567890, 1E5, -0], "t": "\\u00e9\\u202e"}'
    entry = tried(router, "$..[?@ != null]", text)["dialects"]["rfc9535"]
    shown = {node["path"]: node["value"] for node in entry["nodes"]}
    assert [shown["$['n'][%d]" % n] for n in range(4)] == ["1.0", "12345678901234567890", "1E5", "-0"]
    assert shown["$['t']"] == '"é\u202e"'


def test_nothing_is_stored_and_it_is_counted(serve_events):
    service = serve_events(RESPONDERS=1)
    before = samples(service)
    for _ in range(20):
        tried(service, "$")
    assert error(service.api("POST", "/jsonpath", {}), 400) == "expression: is required."
    after = samples(service)
    for status, count in ((200, 20), (400, 1)):
        assert after['postroom_requests_total{route="/jsonpath",status="%d"}' % status] == count
    # The worker commits something now and then.
    assert after["postroom_journal_frames_total"] - before["postroom_journal_frames_total"] < 20
    assert service.ask("GET", "/eventmatch").status == 403


def test_wrong_requests_have_clear_errors(router):
    def refused(body, status=400, headers=None, method="POST", path="/jsonpath"):
        return error(router.api(method, path, body, headers), status)

    assert "line 1, column 2" in refused(b"{x")
    assert refused({"expression": "$", "event": "{\n1}"}).startswith("event: is not JSON: line 2, column 1")
    assert refused({"expression": "$", "event": []}) == "event: must be a JSON object, or the text of one."
    assert refused({"expression": "$" * 16385, "event": {}}) == "expression: must have at most 16384 bytes."
    assert "not a form" in refused(b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert "1048576 bytes" in refused({"expression": "$", "event": {"a": "x" * (1 << 20)}}, 413)
    assert "gzip" in refused({}, 415, {"Content-Encoding": "br"})
    assert "evil.example" in refused({}, 403, {"Origin": "https://evil.example"})
    assert "evil.example" in refused({}, 421, {"Host": "evil.example"})
    assert refused(None, 405, method="GET") == "Only POST can be used here."
    assert refused({}, 404, path="/jsonpath/x") == "Nothing matches the given URI."
    assert refused({}, 404, path="/jsonpath?x=1") == "Unexpected query string parameters: x"


def test_a_trial_asks_for_the_login_that_subscriptions_ask_for(serve_events, tmp_path):
    users = tmp_path / "users"
    users.write_text("alice:{PLAIN}secret\n")
    service = serve_events(USER_SOURCE="basic", USER_FILE=users, RESPONDERS=1, MOUNT_POINT="/m")
    body = {"expression": on("size"), "event": EVENT}
    error(service.api("POST", "/jsonpath", body), 401)
    assert service.api("POST", "/jsonpath", body, basic("alice", "secret")).json()["matches"]


def test_hostile_trials_are_bounded_and_others_are_answered(serve_events):
    """Each takes as many steps as an evaluation may; more at once than are accepted are refused."""
    service = serve_events(RESPONDERS=1)
    body = json.dumps({"expression": "$..[?count($..*) == 0]", "event": {"a": [0] * 250_000}})
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(service.api, "POST", "/jsonpath", body) for _ in range(32)]
        healths = [service.call("GET", "/healthz").status for _ in range(20)]
        answers = [answer.result() for answer in answers]
    assert healths == [200] * 20
    assert {answer.status for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status == 503:
            assert error(answer, 503) == "Too many expressions are being tried. Try again." and answer.headers["retry-after"]
        else:
            assert not answer.json()["matches"] and not answer.json()["dialects"]["rfc9535"]["complete"]
    deep = json.dumps({"expression": "$..*", "event": json.dumps({"a": 1}).replace("1", "[" * 998 + "]" * 998)})
    assert service.api("POST", "/jsonpath", deep).json()["dialects"]["rfc9535"]["count"] == 998
    deeper = json.dumps({"expression": "$", "event": '{"a": ' + "[" * 1000 + "]" * 1000 + "}"})
    assert "nested deeper" in error(service.api("POST", "/jsonpath", deeper), 400)
