"""`postroom events`: an operator's commands for events, beside the running service."""

import json
import re
import uuid

import pytest
from harness import postroom, wait_for


def events(service, *arguments):
    """Runs `postroom events ...` on the service's DATA_DIR, and returns its exit status, its output and its errors."""
    result = postroom(service.directory, "events", *arguments)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def send(service, **members):
    answer = service.call("POST", "/receive", json.dumps(members), {"Content-Type": "application/json"})
    assert answer.status == 200
    return answer.text


def subscribe(service, url, jsonpath="$"):
    body = json.dumps({"name": "n", "jsonpath": jsonpath, "target_url": url})
    answer = service.call("POST", "/eventmatch", body, {"Content-Type": "application/json"})
    assert answer.status == 200, answer.text
    return answer.json()["uuid"]


def settled(service, event, attempts):
    def state():
        history = service.call("GET", "/events/" + event).json()
        made = [attempt for delivery in history["deliveries"] for attempt in delivery["attempts"]]
        return history["state"] == "matched" and len(made) == attempts

    wait_for(state)


@pytest.fixture
def service(serve_webhooks):
    return serve_webhooks(EVENTS_RETRY_SCHEDULE="1s")


def test_get_shows_events_with_their_deliveries(service, receive):
    target = receive({"/no": {"status": 410}})
    taken, refused = subscribe(service, target.url("/yes")), subscribe(service, target.url("/no"))
    first = send(service, eventType="a", text="é\n")
    settled(service, first, 2)
    second = send(service, eventType="b")
    settled(service, second, 1)

    status, shown, errors = events(service, "get", first)
    lines = shown.splitlines()
    assert (status, errors) == (0, "") and lines[0] == "Event - " + first
    assert lines[1] == '{"eventType": "a", "text": "\\u00e9\\n"}'
    pattern = r"    ELM (\S+) \((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?)\) policy (\S+) target (\S+)"
    rows = [re.fullmatch(pattern, line).group(1, 3, 4) for line in lines[2:4]]
    assert rows == [(taken, "-", "200"), (refused, "-", "410")]
    assert len(lines) == 5 and re.fullmatch(r" {8}error status: .*410.*", lines[4])

    # Between two dates, by default of the last day, and at most --limit of them.
    def found(*arguments):
        status, shown, errors = events(service, "get", *arguments)
        assert (status, errors) == (0, "")
        return re.findall(r"^Event - (\S+)$", shown, re.M)

    assert found() == [first, second] and found("--limit", "1") == [first]
    assert found("--end-date", "2020-01-01 00:00:00", "--start-date", "2019-01-01 00:00:00") == []
    assert found("--start-date", "01.01.2020", "--date-format", "%d.%m.%Y") == [first, second]
    assert found(second.upper(), first) == [second, first]


def test_an_invalid_date_or_id_is_refused(service):
    for arguments, reason in (
        (("get", "--start-date", "yesterday"), '--start-date is "yesterday", but must be'),
        (("get", "--end-date", "2026-02-30 00:00:00"), "--end-date is"),
        (("get", "--start-date", "2020-01-02 00:00:00", "--end-date", "2020-01-01 00:00:00"), "later than --end-date"),
        (("get", "x"), '"x" is not a UUID'),
        (("retry", "x"), '"x" is not a UUID'),
        (("purge", "--older-than-date", "1"), "--older-than-date is"),
    ):
        status, shown, errors = events(service, *arguments)
        assert status == 1 and shown == "" and reason in errors


def test_an_unknown_event_is_named(service):
    unknown = str(uuid.uuid4())
    for command, shown in (("get", ""), ("retry", ""), ("purge", "removed 0 events\n")):
        status, output, errors = events(service, command, unknown)
        assert (status, output) == (0, shown) and unknown in errors


def test_retry_delivers_to_every_subscription_that_matches_now(service, receive):
    target = receive()
    subscribe(service, target.url("/old"), "$.a")
    event = send(service, a=1)
    settled(service, event, 1)
    subscribe(service, target.url("/new"), "$.a")
    subscribe(service, target.url("/other"), "$.b")
    assert events(service, "retry", event) == (0, "%s - None\n" % event, "")
    service.finish()
    assert [len(target.arrivals(path)) for path in ("/old", "/new", "/other")] == [2, 1, 0]
    assert events(service, "get", event)[1].count("    ELM ") == 3


def test_purge_removes_events_with_their_history(service, receive):
    target = receive()
    subscription = subscribe(service, target.url("/"))
    named, other = send(service, a=1), send(service, a=2)
    settled(service, named, 1)
    settled(service, other, 1)
    assert events(service, "purge", named) == (0, "removed 1 events\n", "")
    assert service.call("GET", "/events/" + named).status == 403
    lines = service.call("GET", "/eventmatch/%s/deliveries" % subscription).json()
    assert named not in json.dumps(lines) and other in json.dumps(lines)
    # Nothing is older than a day.
    assert events(service, "purge") == (0, "removed 0 events\n", "")
    assert events(service, "purge", "--older-than-date", "2100-01-01 00:00:00") == (0, "removed 1 events\n", "")
    assert events(service, "get") == (0, "", "")
    assert service.call("GET", "/eventmatch/" + subscription).status == 200


# ---------------------------------------------------------------- POSTROOM_PACIFICA_CONFIG


def test_settings_are_read_from_an_ini_file_of_pacifica(serve_webhooks, tmp_path):
    path = tmp_path / "config.ini"
    path.write_text("[DEFAULT]\ndefault_user = somebody\n[celery]\nbroker_url = redis://:passphrase@localhost\n[notifications]\nuser_header = X-User\n")
    service = serve_webhooks(POSTROOM_PACIFICA_CONFIG=path, USER_SOURCE="header")
    body = json.dumps({"name": "n", "jsonpath": "$", "target_url": "http://127.0.0.1:1/"})
    users = [service.api("POST", "/eventmatch", body, headers).json()["user"] for headers in ({}, {"X-User": "me"})]
    assert users == ["somebody", "me"]
    assert "names=celery.broker_url" in service.log() and "passphrase" not in service.log()

    shown = postroom(service.directory, "settings", POSTROOM_PACIFICA_CONFIG=path, USER_HEADER="X-Other").stdout.decode()
    assert "\nDEFAULT_USER=somebody\n" in shown and "\nUSER_HEADER=X-Other\n" in shown
    assert "\nPOSTROOM_PACIFICA_CONFIG=%s\n" % path in shown
    path.write_text("[notifications]\nuser_header\n")
    refused = postroom(service.directory, "serve", POSTROOM_PACIFICA_CONFIG=path)
    assert refused.returncode == 78 and refused.stderr.decode() == "Error: %s:2: expected name = value\n" % path
