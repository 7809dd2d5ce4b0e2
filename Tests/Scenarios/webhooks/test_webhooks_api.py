"""The webhooks API: each operation, each error and where it is, as a client sees them through nginx."""

import base64
import json
import os
import time
from datetime import datetime, timedelta, timezone

import pytest
from harness import raw, together, wait_for
from webhook_service import new_environment, refusal

EVENTS = [
    "pipeline-created",
    "pipeline-download-progress",
    "pipeline-extraction-progress",
    "pipeline-status-changed",
    "pipeline-completed",
    "job-created",
    "job-status-changed",
    "job-completed",
]
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOBODY = "11111111-2222-4333-8444-555555555555"


def body(**members):
    return {"name": "n", "url": "http://example.com/", "events": ["job-created"], **members}


def create(hub, members, environment=None):
    return hub.api("POST", "/environments/%s/webhooks" % (environment or new_environment()), members)


# ------------------------------------------------------------ each operation


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_each_documented_operation(hub, receiver, prefix):
    environment = new_environment()
    webhooks = "%s/environments/%s/webhooks" % (prefix, environment)
    answer = hub.call("GET", webhooks)
    assert (answer.status, answer.json()) == (200, [])
    wanted = {
        "name": "First",
        "url": receiver.url("/first"),
        "events": ["job-created", "job-completed"],
        "method": "put",
        "description": "A text",
        "disabled_until": "2020-01-02T03:04:05.678Z",
        "custom_headers": {"X-One": "1"},
    }
    answer = hub.api("POST", webhooks, wanted)
    assert answer.status == 201
    made = answer.json()
    assert {name: made[name] for name in wanted} == {**wanted, "custom_headers": {"X-One": "***"}}
    assert made["environment_id"] == environment and made["created_at"] == made["updated_at"]
    assert (made["retry_policy"], made["ordered"]) == ("fixed", False)
    assert not {"last_triggered", "last_errored", "secret", "rate_limit", "disabled_reason"} & set(made)
    path = "%s/webhooks/%s" % (prefix, made["webhook_id"])
    answer = hub.call("GET", path)
    assert (answer.status, answer.json()) == (200, made)
    second = hub.add(environment, receiver.url("/second"), prefix)
    # In the order they were made.
    assert hub.call("GET", webhooks).json() == [made, second]

    answer = hub.api("PUT", path, {"name": "Second", "url": receiver.url("/first"), "events": ["pipeline-created"]})
    assert answer.status == 200
    changed = answer.json()
    assert (changed["name"], changed["events"], changed["method"]) == ("Second", ["pipeline-created"], "post")
    # What a whole replacement does not name is gone.
    assert not {"description", "disabled_until", "custom_headers"} & set(changed)
    assert changed["created_at"] == made["created_at"] and changed["updated_at"] > made["updated_at"]

    answer = hub.api("PATCH", path, {"description": "Another"})
    assert answer.status == 200
    assert {**changed, "description": "Another", "updated_at": answer.json()["updated_at"]} == answer.json()

    answer = hub.call("GET", prefix + "/webhooks/events")
    assert answer.status == 200 and [event["name"] for event in answer.json()] == EVENTS

    answer = hub.api("POST", "%s/environments/%s/events" % (prefix, environment), {"event": EVENTS[0], "data": 1})
    assert answer.status == 202 and set(answer.json()) == {"event_id", "deliveries", "duplicate"}
    assert (answer.json()["deliveries"], answer.json()["duplicate"]) == (2, False)
    (line,) = hub.settle(made)
    assert hub.call("GET", path + "/logs").json() == [line]
    answer = hub.call("GET", path + "/stats")
    assert answer.status == 200 and answer.json() == {
        "pending": 0,
        "delivered": 1,
        "failed_attempts": 0,
        "given_up": 0,
        "consecutive_failures": 0,
        "failing_since": None,
        "circuit": "closed",
        "circuit_probe_at": None,
    }
    answer = hub.api("POST", path + "/test", {"event": "job-completed"})
    assert answer.status == 202 and answer.json()["event"] == "job-completed"
    answer = hub.api("POST", "%s/logs/%s/retry" % (path, line["log_id"]))
    assert answer.status == 202 and set(answer.json()) == {"delivery_id"}
    answer = hub.api("POST", path + "/recover", {"since": "2020-01-01T00:00:00Z"})
    assert (answer.status, answer.json()) == (202, {"deliveries": 0, "more": False})
    answer = hub.call("GET", "%s/environments/%s/settings" % (prefix, environment))
    assert answer.status == 200 and set(answer.json()) == {"public_verification_key"}

    answer = hub.call("DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    refusal(hub.call("GET", path), 404, 1200)
    assert [webhook["webhook_id"] for webhook in hub.call("GET", webhooks).json()] == [second["webhook_id"]]


def test_a_log_line_has_the_documented_members(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/line?body=thanks"))
    published = hub.publish(environment, event_id="one", data={"a": 1})
    assert published == {"event_id": "one", "deliveries": 1, "duplicate": False}
    (line,) = hub.settle(webhook)
    headers = line.pop("request_headers"), line.pop("response_headers")
    began, took = line.pop("triggered_at"), line.pop("duration_ms")
    timestamp = json.loads(line["request_body"])["timestamp"]
    assert line.pop("request_body") == (
        '{"event": "pipeline-created", "event_id": "one", "environment_id": "%s", "timestamp": "%s", "data": {"a": 1}}'
        % (environment, timestamp)
    )
    assert line == {
        "log_id": line["log_id"],
        "webhook_id": webhook["webhook_id"],
        "environment_id": environment,
        "event": "pipeline-created",
        "event_id": "one",
        "attempt": 1,
        "trigger": "scheduled",
        "method": "post",
        "url": receiver.url("/line?body=thanks"),
        "status_code": 200,
        "response_body": "thanks",
        "response_truncated": False,
        "error_kind": None,
        "error": None,
        "next_retry_at": None,
        "final": True,
    }
    assert headers[0]["X-3dverse-Attempt"] == "1" and headers[1]["content-type"] == "text/plain"
    assert timestamp <= began <= (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat() and took < 1000


def test_each_event_is_described_with_a_schema_and_an_example(hub):
    for event in hub.call("GET", "/webhooks/events").json():
        assert set(event) == {"name", "description", "category", "schema", "example"}
        assert event["category"] == event["name"].split("-")[0] and event["description"].endswith(".")
        assert event["example"]["event"] == event["name"]
        assert event["schema"]["type"] == "object"
        assert set(event["schema"]["required"]) <= set(event["example"])


def test_a_head_has_the_headers_of_a_get(hub):
    webhook = hub.add(new_environment(), "http://example.com/")
    for path in ("/webhooks/" + webhook["webhook_id"], "/environments/%s/webhooks" % new_environment()):
        answer = hub.call("HEAD", path)
        assert answer.status == 200 and answer.body == b"" and answer.headers["content-type"].startswith("application/json")


def test_below_a_mount_point(serve_webhooks):
    service = serve_webhooks(MOUNT_POINT="/hooks")
    webhook = service.add(new_environment(), "http://example.com/")
    assert service.call("GET", "/api/webhooks/" + webhook["webhook_id"]).json() == webhook
    service.mount = ""
    assert service.call("GET", "/webhooks/" + webhook["webhook_id"]).status == 404


# ------------------------------------------------------------ errors


TOO_MANY_HEADERS = {"X-%d" % number: "x" for number in range(11)}

REFUSED = [
    ("", 1000, "The body is not JSON"),
    ("{", 1000, "The body is not JSON"),
    (b'{"name": "\xff"}', 1000, "UTF-8"),
    ("[]", 1001, "must be an object"),
    ('{"name": "a", "name": "b", "url": "http://example.com/", "events": ["job-created"]}', 1001, "name: it is there"),
    ({}, 1001, "name: it is missing. url: it is missing. events: it is missing."),
    (body(name=None), 1001, "name: it cannot be null"),
    (body(name=""), 1001, "name: "),
    (body(name=1), 1001, "name: "),
    (body(name="x" * 256), 1001, "name: "),
    (body(name="a\0b"), 1001, "name: "),
    (body(description=1), 1001, "description: "),
    (body(description="x" * 4097), 1001, "description: "),
    (body(events=[]), 1001, "events: "),
    (body(events="job-created"), 1001, "events: "),
    (body(events={}), 1001, "events: "),
    (body(events=["job-created", 1]), 1001, "events[1]: "),
    (body(events=["job-created", "job-exploded"]), 1003, 'events[1]: there is no event "job-exploded"'),
    (body(events=["*"]), 1003, "events[0]: "),
    (body(method="POST"), 1001, "method: "),
    (body(method="head"), 1001, "method: "),
    (body(method=1), 1001, "method: "),
    (body(disabled_until="tomorrow"), 1001, "disabled_until: "),
    (body(disabled_until="2026-02-30T00:00:00Z"), 1001, "disabled_until: "),
    (body(disabled_until="2026-01-01T00:00:00"), 1001, "disabled_until: "),
    (body(disabled_until=1760000000), 1001, "disabled_until: "),
    (body(url=1), 1001, "url: "),
    (body(url=""), 1004, "url: "),
    (body(url="example.com"), 1004, "url: "),
    (body(url="ftp://example.com/"), 1004, "url: "),
    (body(url="http://user@example.com/"), 1004, "url: "),
    (body(url="http://example.com/" + "x" * 16384), 1004, "url: "),
    (body(url="http://10.0.0.1/"), 1004, "DELIVERY_ALLOW_SUBNETS"),
    (body(custom_headers={}), 1005, "custom_headers: "),
    (body(custom_headers=TOO_MANY_HEADERS), 1005, "but there are 11"),
    (body(custom_headers=[]), 1005, "custom_headers: "),
    (body(custom_headers={"X-A": 1}), 1005, "custom_headers.X-A: "),
    (body(custom_headers={"X-A": ""}), 1005, "custom_headers.X-A: "),
    (body(custom_headers={"X-A": " a"}), 1005, "custom_headers.X-A: "),
    (body(custom_headers={"X-A": "a\r\nX-B: b"}), 1005, "custom_headers.X-A: "),
    (body(custom_headers={"X-A": "x" * 4097}), 1005, "custom_headers.X-A: "),
    (body(custom_headers={"X A": "a"}), 1005, "custom_headers.X A: "),
    (body(custom_headers={"X-A:": "a"}), 1005, "custom_headers.X-A:: "),
    (body(custom_headers={"X-A": "a", "x-a": "b"}), 1005, "custom_headers.x-a: "),
    (body(custom_headers={"X-A": "***"}), 1005, "custom_headers.X-A: "),
    (body(rate_limit=0), 1001, "rate_limit: "),
    (body(rate_limit="5"), 1001, "rate_limit: "),
    (body(ordered="yes"), 1001, "ordered: "),
    (body(retry_policy="never"), 1001, "retry_policy: "),
    (body(retry_policy=["5s", "soon"]), 1001, "retry_policy[1]: "),
    (body(retry_policy=["-1s"]), 1001, "retry_policy[0]: "),
    (body(retry_policy=[0] * 101), 1001, "retry_policy: "),
    (body(retry_policy=["400h", "400h"]), 1001, "retry_policy: "),
    (body(secret="short"), 1001, "secret: "),
    (body(secret="whsec_" + base64.b64encode(b"x" * 23).decode()), 1001, "secret: "),
    (body(secret="whsec_***"), 1001, "secret: "),
    (body(secret=1), 1001, "secret: "),
    (body(webhoook=1), 1001, "webhoook: there is no such member"),
    (body(name="", url="x", events=["y"]), 1001, "events[0]: "),
]


@pytest.mark.parametrize("wanted, code, place", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_made_is_refused_with_its_place(hub, wanted, code, place):
    environment = new_environment()
    assert place in refusal(create(hub, wanted, environment), 400, code)
    assert hub.call("GET", "/environments/%s/webhooks" % environment).json() == []


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection", "TE", "Upgrade", "Expect"])
def test_headers_that_are_the_senders_own_are_refused(hub, name):
    assert "custom_headers.%s: " % name in refusal(create(hub, body(custom_headers={name: "x"})), 400, 1005)


@pytest.mark.parametrize(
    "name", ["X-3dverse-Signature", "x-3dverse-signature-timestamp", "X_3dverse_Signature", "Webhook-Id", "webhook_signature"]
)
def test_headers_of_the_signature_are_refused(hub, name):
    assert "custom_headers.%s: " % name in refusal(create(hub, body(custom_headers={name: "x"})), 400, 1005)


def test_a_change_is_refused_as_a_whole(hub):
    webhook = hub.add(new_environment(), "http://example.com/")
    path = "/webhooks/" + webhook["webhook_id"]
    for members, code in (
        ({"name": "new", "url": "x"}, 1004),
        ({"name": "new", "custom_headers": {"X-A": "***"}}, 1005),
        ({"name": "new", "events": None}, 1001),
        ({"name": "new", "secret": "whsec_***"}, 1001),
    ):
        refusal(hub.api("PATCH", path, members), 400, code)
    refusal(hub.api("PUT", path, {"name": "new"}), 400, 1001)
    assert hub.webhook(webhook) == webhook


WEBHOOK_ROUTES = [
    ("GET", "/webhooks/%s"),
    ("PUT", "/webhooks/%s"),
    ("PATCH", "/webhooks/%s"),
    ("DELETE", "/webhooks/%s"),
    ("GET", "/webhooks/%s/logs"),
    ("GET", "/webhooks/%s/stats"),
    ("POST", "/webhooks/%s/test"),
    ("POST", "/webhooks/%s/recover"),
    ("POST", "/webhooks/%s/logs/1/retry"),
]
ENVIRONMENT_ROUTES = [
    ("GET", "/environments/%s/webhooks"),
    ("POST", "/environments/%s/webhooks"),
    ("POST", "/environments/%s/events"),
    ("GET", "/environments/%s/settings"),
    ("POST", "/environments/%s/settings/rotate"),
]


def sent_to(path):
    if path.endswith("/recover"):
        return {"since": "2026-01-01T00:00:00Z"}
    return None if path.endswith(("/test", "/retry")) else body()


@pytest.mark.parametrize("method, path", WEBHOOK_ROUTES)
def test_a_webhook_that_is_not_there(hub, method, path):
    refusal(hub.api(method, path % NOBODY, None if method in ("GET", "DELETE") else sent_to(path)), 404, 1200)


@pytest.mark.parametrize("method, path", WEBHOOK_ROUTES + ENVIRONMENT_ROUTES)
@pytest.mark.parametrize("text", ["x", NOBODY + "0", NOBODY[:-1] + "g", "%20"])
def test_an_id_that_is_none(hub, method, path, text):
    answer = hub.api(method, path % text, None if method in ("GET", "DELETE") else sent_to(path))
    assert "UUID" in refusal(answer, 404, 1002)


@pytest.mark.parametrize(
    "path", ["/webhooks", "/environments", "/api/webhooks/", "/environments/%s" % NOBODY, "/webhooks/%s/nothing" % NOBODY]
)
def test_a_path_that_leads_nowhere(hub, path):
    refusal(hub.call("GET", path), 404, 1002)


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("DELETE", "/environments/%s/webhooks", "GET,HEAD,POST"),
        ("POST", "/webhooks/%s", "DELETE,GET,HEAD,PATCH,PUT"),
        ("POST", "/webhooks/events", "GET,HEAD"),
        ("POST", "/webhooks/%s/logs", "GET,HEAD"),
        ("PUT", "/environments/%s/settings", "GET,HEAD"),
        ("GET", "/environments/%s/settings/rotate", "POST"),
        ("GET", "/environments/%s/events", "POST"),
        ("GET", "/webhooks/%s/test", "POST"),
        ("GET", "/webhooks/%s/recover", "POST"),
        ("GET", "/webhooks/%s/logs/1/retry", "POST"),
        ("POST", "/webhooks/%s/stats", "GET,HEAD"),
        ("OPTIONS", "/webhooks/%s", "DELETE,GET,HEAD,PATCH,PUT"),
    ],
)
def test_a_method_that_is_not_for_this(hub, method, path, allowed):
    answer = hub.call(method, path % NOBODY if "%s" in path else path)
    refusal(answer, 405, 1300)
    assert answer.headers["allow"] == allowed


def test_a_body_that_is_too_large(hub):
    environment = new_environment()
    largest = json.dumps(body(name="n")).encode()
    largest += b" " * ((256 << 10) - len(largest))
    assert create(hub, largest).status == 201
    assert "262144" in refusal(create(hub, largest + b" "), 413, 1301)
    path = "/environments/%s/events" % environment
    refusal(hub.api("POST", path, {"event": "job-created", "data": "x" * (256 << 10)}), 413, 1301)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"])
def test_a_body_that_is_not_said_to_be_json(hub, kind):
    path = "/environments/%s/webhooks" % new_environment()
    refusal(hub.call("POST", path, json.dumps(body()), {"Content-Type": kind}), 415, 1302)


def test_a_body_in_a_content_coding(hub):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refusal(hub.call("POST", "/environments/%s/webhooks" % new_environment(), b"x", headers), 415, 1302)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/cloudevents+json", None])
def test_a_body_that_is_said_to_be_json_or_nothing(hub, kind):
    headers = {"Content-Type": kind} if kind else {}
    path = "/environments/%s/webhooks" % new_environment()
    assert hub.call("POST", path, json.dumps(body()), headers).status == 201


def test_an_environment_has_a_hundred_webhooks_at_most(hub):
    environment = new_environment()
    with_one = together(8, lambda _: [create(hub, body(), environment).status for _ in range(14)])
    statuses = [status for statuses in with_one for status in statuses]
    assert sorted(statuses) == [201] * 100 + [400] * 12
    assert "100" in refusal(create(hub, body(), environment), 400, 1001)
    assert len(hub.call("GET", "/environments/%s/webhooks" % environment).json()) == 100


def test_what_is_debugged_is_not_shown(hub):
    assert b'"internal_message": ""' in hub.call("GET", "/webhooks/" + NOBODY).body


def test_a_store_without_room_is_503(serve_webhooks):
    service = serve_webhooks(MAX_STORE_BYTES="16m")
    environment = new_environment()
    webhook = service.add(environment, "http://127.0.0.1:1/", disabled_until="2999-01-01T00:00:00Z")
    path = "/environments/%s/events" % environment
    for _ in range(200):
        answer = service.api("POST", path, {"event": "pipeline-created", "data": "x" * 200000})
        if answer.status != 202:
            break
    assert "full" in refusal(answer, 503, 1501) and answer.headers["retry-after"]
    # What is there can be read and deleted.
    assert service.webhook(webhook) == webhook
    assert service.call("DELETE", "/webhooks/" + webhook["webhook_id"]).status == 204


# ------------------------------------------------------------ changes


def test_what_is_shown_can_be_sent_back(hub, receiver):
    environment = new_environment()
    receiver.rule("/back", status=[500, 200])
    webhook = hub.add(
        environment,
        receiver.url("/back"),
        custom_headers={"Authorization": "Bearer abc"},
        secret=True,
        rate_limit=2.5,
        ordered=True,
        retry_policy=["100ms", "1m30s"],
        description="d",
        disabled_until="2020-01-01T00:00:00Z",
    )
    hub.publish(environment)
    hub.settle(webhook)
    shown = hub.webhook(webhook)
    assert {"last_triggered", "last_errored"} <= set(shown) and shown["secret"] == "whsec_***"
    path = "/webhooks/" + webhook["webhook_id"]
    for method in ("PUT", "PATCH"):
        answer = hub.api(method, path, shown)
        assert answer.status == 200
        after = answer.json()
        assert {**after, "updated_at": shown["updated_at"]} == shown
    hub.publish(environment)
    assert ["Authorization", "Bearer abc"] in receiver.wait(3, "/back")[2]["headers"]
    # What is read-only stays, whatever is sent for it.
    forged = dict.fromkeys(["webhook_id", "environment_id", "created_at", "updated_at", "last_triggered"], "forged")
    after = hub.change(webhook, **forged, disabled_reason=1, last_errored=[])
    assert not [name for name in forged if after[name] == "forged"]


def test_a_partial_change_keeps_the_rest_and_null_takes_away(hub):
    whole = body(
        description="d",
        method="get",
        disabled_until="2999-01-01T00:00:00Z",
        custom_headers={"X-A": "a", "X-B": "b"},
        rate_limit=5,
        ordered=True,
        retry_policy="standard",
        secret=SECRET,
    )
    webhook = create(hub, whole).json()
    assert webhook["secret"] == SECRET and hub.webhook(webhook)["secret"] == "whsec_***"
    before = {**webhook, "secret": "whsec_***"}
    before.pop("updated_at")
    for name, value in (
        ("name", "other"),
        ("url", "https://example.com/other"),
        ("events", ["pipeline-completed"]),
        ("method", "delete"),
        ("description", "e"),
        ("disabled_until", "2998-01-01T00:00:00.000Z"),
        ("rate_limit", 0.5),
        ("ordered", False),
        ("retry_policy", ["5s"]),
    ):
        before[name] = value
        after = hub.change(webhook, **{name: value})
        assert {name: value for name, value in after.items() if name != "updated_at"} == before
    for name, value in (
        ("description", None),
        ("disabled_until", None),
        ("custom_headers", None),
        ("rate_limit", None),
        ("secret", None),
        ("method", "post"),
        ("retry_policy", "fixed"),
    ):
        after = hub.change(webhook, **{name: None})
        assert after.get(name) == value
    unchanged = hub.change(webhook)
    assert unchanged == hub.webhook(webhook) == after


def test_an_event_that_is_named_twice_counts_once(hub):
    webhook = create(hub, body(events=["job-created", "job-completed", "job-created"])).json()
    assert webhook["events"] == ["job-created", "job-completed"]


@pytest.mark.parametrize(
    "wanted, shown",
    [
        ("fixed", "fixed"),
        ("standard", "standard"),
        (["90s", 0.25, "1h"], ["1m30s", "0.25s", "1h"]),
        ([], []),
        (None, "fixed"),
    ],
)
def test_retry_policies_are_shown_as_they_are_set(hub, wanted, shown):
    assert create(hub, body(retry_policy=wanted)).json()["retry_policy"] == shown


def test_secrets_are_shown_once(hub):
    environment = new_environment()
    webhook = create(hub, body(secret=True), environment).json()
    assert webhook["secret"].startswith("whsec_") and len(base64.b64decode(webhook["secret"][6:])) == 32
    assert hub.webhook(webhook)["secret"] == "whsec_***"
    assert hub.call("GET", "/environments/%s/webhooks" % environment).json()[0]["secret"] == "whsec_***"
    assert hub.change(webhook, name="x")["secret"] == "whsec_***"
    other = hub.change(webhook, secret=True)["secret"]
    assert other != webhook["secret"] and other != "whsec_***"
    assert hub.change(webhook, secret=SECRET)["secret"] == SECRET
    assert "secret" not in hub.change(webhook, secret=False)


@pytest.mark.parametrize(
    "given, shown",
    [
        ("2999-01-02T03:04:05Z", "2999-01-02T03:04:05.000Z"),
        ("2999-01-02T03:04:05.6789Z", "2999-01-02T03:04:05.678Z"),
        ("2999-01-02T03:04:05+02:00", "2999-01-02T01:04:05.000Z"),
        ("2999-01-02t03:04:05z", "2999-01-02T03:04:05.000Z"),
    ],
)
def test_dates_are_shown_in_utc(hub, given, shown):
    assert create(hub, body(disabled_until=given)).json()["disabled_until"] == shown


def test_a_webhook_that_is_deleted_gets_nothing_more(hub, receiver):
    environment = new_environment()
    receiver.rule("/deleted", status=500)
    webhook = hub.add(environment, receiver.url("/deleted"))
    hub.publish(environment)
    receiver.wait(1, "/deleted")
    assert hub.call("DELETE", "/webhooks/" + webhook["webhook_id"]).status == 204
    refusal(hub.call("DELETE", "/webhooks/" + webhook["webhook_id"]), 404, 1200)
    time.sleep(1.5)
    assert len(receiver.arrivals("/deleted")) == 1
    assert hub.publish(environment)["deliveries"] == 0


# ------------------------------------------------------------ events


EVENT_REFUSED = [
    ("{", 1000, ""),
    ("1", 1001, "object"),
    ({"data": 1}, 1001, "event: it is missing"),
    ({"event": "job-created"}, 1001, "data: it is missing"),
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
    ({"specversion": "0.4", "id": "1", "type": "job-created", "data": 1}, 1001, "specversion: "),
    ({"specversion": "1.0", "type": "job-created", "data": 1}, 1001, "id: "),
    ({"specversion": "1.0", "id": "1", "type": "job-created", "data_base64": "eA=="}, 1001, "data_base64: "),
]


@pytest.mark.parametrize("event, code, place", EVENT_REFUSED, ids=range(len(EVENT_REFUSED)))
def test_what_is_no_event_is_refused_with_its_place(hub, event, code, place):
    assert place in refusal(hub.api("POST", "/environments/%s/events" % new_environment(), event), 400, code)


def test_an_event_id_is_taken_once(hub, receiver):
    environment, other = new_environment(), new_environment()
    webhook = hub.add(environment, receiver.url("/once"))
    hub.add(other, receiver.url("/once-elsewhere"))
    first = hub.publish(environment, event_id="a", data=1)
    assert first == {"event_id": "a", "deliveries": 1, "duplicate": False}
    assert hub.publish(environment, event_id="a", data=2) == {**first, "duplicate": True}
    # It is the environment's own.
    assert hub.publish(other, event_id="a") == first
    hub.settle(webhook)
    (call,) = receiver.arrivals("/once")
    assert json.loads(call["body"])["data"] == 1


def test_an_idempotency_key_is_taken_once(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/key"))
    key = {"Idempotency-Key": "k-1"}
    first = hub.publish(environment, headers=key)
    assert first["duplicate"] is False
    assert hub.publish(environment, headers=key) == {**first, "duplicate": True}
    assert hub.publish(environment, headers=key, event_id="mine") == {**first, "duplicate": True}
    # An event's id is no key, nor a key an id.
    assert hub.publish(environment, event_id="k-1")["duplicate"] is False
    assert hub.publish(environment, headers={"Idempotency-Key": first["event_id"]})["duplicate"] is False
    hub.settle(webhook)
    assert len(receiver.arrivals("/key")) == 3
    for bad in ("", "a b", "x" * 256):
        answer = hub.api("POST", "/environments/%s/events" % environment, {"event": "job-created", "data": 1}, {"Idempotency-Key": bad})
        assert "Idempotency-Key" in refusal(answer, 400, 1001)


def test_the_same_event_at_the_same_moment_is_one(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/race"))
    answers = together(16, lambda _: hub.publish(environment, event_id="same"))
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 15
    hub.settle(webhook)
    assert len(receiver.arrivals("/race")) == 1


def test_a_cloud_event_is_taken_too(hub, receiver):
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


def test_events_without_an_id_are_given_one_each(hub):
    environment = new_environment()
    ids = {hub.publish(environment)["event_id"] for _ in range(5)}
    assert len(ids) == 5 and all(len(event) == 36 for event in ids)


# ------------------------------------------------------------ logs


@pytest.fixture(scope="module")
def logged(hub, receiver):
    """A webhook whose log has 5 events of two kinds: failures with three statuses, and successes."""
    environment = new_environment()
    receiver.rule("/logged", steps=[{"status": status} for status in (200, 500, 503, 404, 204)])
    webhook = hub.add(environment, receiver.url("/logged"), events=EVENTS, retry_policy=[])
    for number in range(5):
        hub.publish(environment, EVENTS[number % 2], event_id="e%d" % number)
        wait_for(lambda number=number: len(hub.attempts(webhook)) == number + 1)
    return webhook


@pytest.mark.parametrize(
    "query, ids",
    [
        ("", [4, 3, 2, 1, 0]),
        ("?limit=2", [4, 3]),
        ("?limit=1000", [4, 3, 2, 1, 0]),
        ("?event=pipeline-created", [4, 2, 0]),
        ("?event=pipeline-download-progress", [3, 1]),
        ("?event=job-created", []),
        ("?status=success", [4, 0]),
        ("?status=failure", [3, 2, 1]),
        ("?status=503", [2]),
        ("?status=204", [4]),
        ("?status=failure&event=pipeline-created", [2]),
        ("?status=failure&limit=1", [3]),
    ],
)
def test_a_log_is_filtered(hub, logged, query, ids):
    assert [line["event_id"] for line in hub.attempts(logged, query)] == ["e%d" % number for number in ids]


def test_a_log_is_read_in_pages(hub, logged):
    found, query = [], "?limit=2"
    while page := hub.attempts(logged, query):
        found += page
        query = "?limit=2&before=%s" % page[-1]["log_id"]
    assert found == hub.attempts(logged)
    assert len(hub.attempts(logged, "?limit=2&before=%d&status=failure" % found[1]["log_id"])) == 2


@pytest.mark.parametrize(
    "query, code, place",
    [
        ("?limit=0", 1001, "limit"),
        ("?limit=1001", 1001, "limit"),
        ("?limit=x", 1001, "limit"),
        ("?before=x", 1001, "before"),
        ("?before=-1", 1001, "before"),
        ("?event=nothing", 1003, "event"),
        ("?status=99", 1001, "status"),
        ("?status=bad", 1001, "status"),
    ],
)
def test_a_question_that_cannot_be_understood(hub, logged, query, code, place):
    answer = hub.call("GET", "/webhooks/%s/logs%s" % (logged["webhook_id"], query))
    assert '"%s"' % place in refusal(answer, 400, code)


def test_statistics_count_what_has_happened(hub, receiver):
    environment = new_environment()
    receiver.rule("/counted", status=[200, 500, 500, 500])
    webhook = hub.add(environment, receiver.url("/counted"), retry_policy=["100ms"])
    hub.publish(environment)
    hub.settle(webhook)
    hub.publish(environment)
    hub.settle(webhook)
    statistics = hub.statistics(webhook)
    assert (statistics["delivered"], statistics["failed_attempts"], statistics["given_up"]) == (1, 2, 1)
    assert statistics["consecutive_failures"] == 2 and statistics["failing_since"]


# ------------------------------------------------------------ sending again


def test_a_single_line_is_retried_once(hub, receiver):
    environment = new_environment()
    receiver.rule("/retried", status=500)
    webhook = hub.add(environment, receiver.url("/retried"), retry_policy=[])
    hub.publish(environment, event_id="again")
    (line,) = hub.settle(webhook)
    path = "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], line["log_id"])
    answer = hub.api("POST", path)
    assert answer.status == 202
    _, again = hub.settle(webhook)
    assert (again["trigger"], again["event_id"], again["final"], again["attempt"]) == ("manual", "again", True, 1)
    first, second = receiver.arrivals("/retried")
    assert first["body"] == second["body"] and first["id"] == second["id"]
    assert ["X-3dverse-Delivery", answer.json()["delivery_id"]] in second["headers"]
    receiver.rule("/retried")
    assert hub.api("POST", path).status == 202
    assert hub.settle(webhook)[-1]["status_code"] == 200
    other = hub.add(environment, receiver.url("/retried"))
    for wrong in ("0", "999999999", "x", "-1", str(1 << 70)):
        refusal(hub.api("POST", "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], wrong)), 404, 1202)
    # A line of another webhook's log.
    refusal(hub.api("POST", "/webhooks/%s/logs/%s/retry" % (other["webhook_id"], line["log_id"])), 404, 1202)


def test_what_was_given_up_is_recovered(hub, receiver):
    environment = new_environment()
    receiver.rule("/recovered", status=[500, 200, 500, 500, 200])
    webhook = hub.add(environment, receiver.url("/recovered"), retry_policy=[])
    for number in range(4):
        hub.publish(environment, event_id="e%d" % number)
        wait_for(lambda number=number: len(hub.attempts(webhook)) == number + 1)
    lines = hub.attempts(webhook)[::-1]
    path = "/webhooks/%s/recover" % webhook["webhook_id"]
    window = {"since": lines[1]["triggered_at"], "until": lines[3]["triggered_at"]}
    assert hub.api("POST", path, window).json() == {"deliveries": 1, "more": False}
    assert [(line["event_id"], line["trigger"]) for line in hub.settle(webhook)[4:]] == [("e2", "recover")]
    answer = hub.api("POST", path, {"since": lines[0]["triggered_at"]})
    assert answer.json() == {"deliveries": 2, "more": False}
    assert sorted(line["event_id"] for line in hub.settle(webhook)[5:]) == ["e0", "e3"]
    # All that was given up has been delivered since.
    assert hub.api("POST", path, {"since": lines[0]["triggered_at"]}).json()["deliveries"] == 0


def test_what_was_given_up_and_has_failed_again_since_is_recovered_too(hub, receiver):
    environment = new_environment()
    receiver.rule("/again", status=500)
    webhook = hub.add(environment, receiver.url("/again"), retry_policy=[])
    hub.publish(environment)
    (line,) = hub.settle(webhook)
    until = datetime.now(timezone.utc).isoformat()
    assert hub.api("POST", "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], line["log_id"])).status == 202
    assert len(hub.settle(webhook)) == 2
    window = {"since": line["triggered_at"], "until": until}
    path = "/webhooks/%s/recover" % webhook["webhook_id"]
    assert hub.api("POST", path, window).json() == {"deliveries": 1, "more": False}


@pytest.mark.parametrize(
    "wanted, place",
    [
        ({}, "since: it is missing"),
        ({"since": None}, "since: "),
        ({"since": "yesterday"}, "since: "),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since: it is later"),
        ({"since": "2999-01-01T00:00:00Z"}, "since: it is later"),
        ({"since": "2026-01-01T00:00:00Z", "until": 5}, "until: "),
        ({"since": "2026-01-01T00:00:00Z", "to": "x"}, "to: "),
    ],
)
def test_a_window_that_cannot_be_recovered(hub, wanted, place):
    webhook = hub.add(new_environment(), "http://example.com/")
    assert place in refusal(hub.api("POST", "/webhooks/%s/recover" % webhook["webhook_id"], wanted), 400, 1001)


def test_a_test_sends_an_example_once(hub, receiver):
    environment = new_environment()
    receiver.rule("/tested", status=[200, 500])
    webhook = hub.add(environment, receiver.url("/tested"), events=["job-created"])
    path = "/webhooks/%s/test" % webhook["webhook_id"]
    answer = hub.api("POST", path)
    assert answer.status == 202 and answer.json()["event"] == "job-created"
    hub.settle(webhook)
    # Of an event that it does not subscribe to, too; and a failure is not repeated.
    assert hub.api("POST", path, {"event": "pipeline-completed"}).status == 202
    log = hub.settle(webhook)
    assert [(line["trigger"], line["event"], line["final"]) for line in log] == [
        ("test", "job-created", True),
        ("test", "pipeline-completed", True),
    ]
    examples = {event["name"]: event["example"] for event in hub.call("GET", "/webhooks/events").json()}
    for call in receiver.wait(2, "/tested"):
        sent = json.loads(call["body"])
        assert sent["environment_id"] == environment and sent["data"] == examples[sent["event"]]["data"]
    refusal(hub.api("POST", path, {"event": "nothing"}), 400, 1003)
    refusal(hub.api("POST", path, {"evnt": "job-created"}), 400, 1001)
    refusal(hub.api("POST", path, "["), 400, 1000)


# ------------------------------------------------------------ settings


def test_the_key_of_an_environment_is_made_once(hub):
    environment = new_environment()
    keys = together(8, lambda _: hub.key(environment))
    assert all(key == keys[0] for key in keys)
    key = keys[0]
    assert (key["algorithm"], key["encoding"], key["signed_content"]) == ("ed25519", "spki-pem", "{timestamp}.{body}")
    assert key["signature_header"] == "X-3dverse-Signature"
    assert key["signature_timestamp_header"] == "X-3dverse-Signature-Timestamp"
    assert key["key"].startswith("-----BEGIN PUBLIC KEY-----\n")
    assert (key["jwk"]["kty"], key["jwk"]["crv"], key["jwk"]["kid"]) == ("OKP", "Ed25519", key["key_id"])
    assert key["next"] is None and key["previous"] is None
    assert hub.key(new_environment())["key"] != key["key"]


def test_a_rotation_is_announced_a_day_ahead(hub):
    environment = new_environment()
    before = hub.key(environment)
    path = "/environments/%s/settings/rotate" % environment
    answer = hub.api("POST", path)
    assert answer.status == 200
    after = answer.json()["public_verification_key"]
    announced = after["next"]
    assert (after["key_id"], after["previous"]) == (before["key_id"], None) and announced["key"] != before["key"]
    signs_from = datetime.fromisoformat(announced["signs_from"].replace("Z", "+00:00"))
    assert 86390 < (signs_from - datetime.now(timezone.utc)).total_seconds() <= 86400
    # Who asks twice is told of the same one.
    assert hub.api("POST", path).json()["public_verification_key"]["next"] == announced
    assert hub.key(environment) == after


# ------------------------------------------------------------ through nginx


@pytest.mark.parametrize("mount", ["", "/a.b"])
def test_what_nginx_refuses_by_itself_is_the_documented_object_and_elsewhere_a_line(serve_webhooks, mount):
    service = serve_webhooks(MOUNT_POINT=mount or "/", MAX_BODY_BYTES="300k", RESPONDERS=1)
    huge = b"x" * (2 << 20)
    for path in ("/environments/%s/events" % NOBODY, "/api/webhooks/%s?x=1" % NOBODY, "/webhooks"):
        assert "262144" in refusal(service.api("POST", path, huge), 413, 1301), path
        bad = "POST %s%s HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\nConnection: close\r\n\r\n" % (mount, path)
        refusal(raw(service, bad.encode()), 400, 1000)
        refusal(raw(service, bad.replace("Content-Length: x", "X-Long: " + "x" * 9000).encode()), 431, 1000)
        refusal(raw(service, bad.replace(" HTTP", ("&" if "?" in bad else "?") + "x" * 9000 + " HTTP", 1).encode()), 414, 1000)
        refusal(raw(service, bad.replace("Content-Length: x", "Transfer-Encoding: x").encode()), 501, 1500)
        refusal(raw(service, bad.replace("POST", "TRACE").replace("Content-Length: x\r\n", "").encode()), 405, 1300)
    for path in ("/webhook/abc", "/environment/x", "/webhooksx", "/", "/api/manage", "/read/webhooks"):
        answer = service.api("POST", path, huge)
        assert (answer.status, answer.text) == (413, "413: A body may have no more than 307200 bytes."), path
    os.unlink(os.path.join(service.directory, "run", "responder-1.sock"))

    def refused(path):
        """Connections that were kept still work; more at a time need a new one."""
        answers = together(12, lambda _: service.call("GET", path))
        return next((answer for answer in answers if answer.status != 200), None)

    answer = wait_for(lambda: refused("/api/webhooks/events"))
    assert "responder" in refusal(answer, 502, 1501) and answer.headers["retry-after"] == "1"
    assert wait_for(lambda: refused("/manage")).text == "502: No responder could answer."


def test_too_many_requests_are_the_documented_object(serve_webhooks):
    service = serve_webhooks(RATE_LIMIT=1, RATE_LIMIT_BURST=1)
    answers = [service.call("GET", "/webhooks/events") for _ in range(6)]
    late = next(answer for answer in answers if answer.status == 429)
    refusal(late, 429, 1303)
    assert late.headers["retry-after"] == "1"
    assert service.call("GET", "/time").text == "429: Too many requests from this address."


def test_everything_is_there_again_after_a_start(serve_webhooks, receive):
    receiver = receive()
    service = serve_webhooks()
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"), custom_headers={"X-A": "a"}, secret=SECRET)
    service.publish(environment, event_id="before")
    service.settle(webhook)
    before = [service.webhook(webhook), service.attempts(webhook), service.key(environment), service.statistics(webhook)]
    service.stop()
    service.start()
    assert [
        service.webhook(webhook), service.attempts(webhook), service.key(environment), service.statistics(webhook)
    ] == before
    assert service.publish(environment, event_id="before")["duplicate"] is True
    service.check()
