"""The webhooks API: each operation, as a client sees it through nginx."""

import base64
import json
import os
from datetime import datetime, timedelta, timezone

import pytest
from harness import raw, together, wait_for
from webhook_examples import EVENTS, NOBODY, body, create
from webhook_service import new_environment, refusal

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


# ------------------------------------------------------------ each operation


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_each_operation_answers_as_documented(hub, receiver, prefix):
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
    # In the order in which they were created.
    assert hub.call("GET", webhooks).json() == [made, second]

    answer = hub.api("PUT", path, {"name": "Second", "url": receiver.url("/first"), "events": ["pipeline-created"]})
    assert answer.status == 200
    changed = answer.json()
    assert (changed["name"], changed["events"], changed["method"]) == ("Second", ["pipeline-created"], "post")
    # PUT removes the members that it does not name.
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


def test_paths_are_below_the_mount_point(serve_webhooks):
    service = serve_webhooks(MOUNT_POINT="/hooks")
    webhook = service.add(new_environment(), "http://example.com/")
    assert service.call("GET", "/api/webhooks/" + webhook["webhook_id"]).json() == webhook
    service.mount = ""
    assert service.call("GET", "/webhooks/" + webhook["webhook_id"]).status == 404


# ------------------------------------------------------------ changes


def test_a_webhook_as_shown_can_be_sent_back(hub, receiver):
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
    # Read-only members stay the same, whatever is sent.
    forged = dict.fromkeys(["webhook_id", "environment_id", "created_at", "updated_at", "last_triggered"], "forged")
    after = hub.change(webhook, **forged, disabled_reason=1, last_errored=[])
    assert not [name for name in forged if after[name] == "forged"]


def test_patch_changes_the_named_members_and_null_resets_them(hub):
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


def test_an_event_type_that_is_named_twice_counts_once(hub):
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


def test_a_deleted_webhook_is_not_called_again(hub, receiver):
    environment = new_environment()
    receiver.rule("/deleted", status=500)
    receiver.rule("/kept", status=500)
    webhook = hub.add(environment, receiver.url("/deleted"))
    hub.publish(environment)
    receiver.wait(1, "/deleted")
    assert hub.call("DELETE", "/webhooks/" + webhook["webhook_id"]).status == 204
    refusal(hub.call("DELETE", "/webhooks/" + webhook["webhook_id"]), 404, 1200)
    assert hub.publish(environment)["deliveries"] == 0
    # The worker makes attempts in the order in which they are due, and the retry of this one is due later.
    kept = hub.add(environment, receiver.url("/kept"), retry_policy=["1s"])
    hub.publish(environment)
    assert len(hub.settle(kept)) == 2
    assert len(receiver.arrivals("/deleted")) == 1


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
    # A second rotation shows the same one.
    assert hub.api("POST", path).json()["public_verification_key"]["next"] == announced
    assert hub.key(environment) == after


# ------------------------------------------------------------ through nginx


@pytest.mark.parametrize("mount", ["", "/a.b"])
def test_refusals_by_nginx_are_error_objects_here_and_lines_of_text_elsewhere(serve_webhooks, mount):
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
        # A request to an endpoint is refused by the responder, which keeps what it knows of it.
        text = "A body may have no more than 307200 bytes."
        assert (answer.status, answer.text) == (413, text if path == "/webhook/abc" else "413: " + text), path
    os.unlink(os.path.join(service.directory, "run", "responder-1.sock"))

    def refused(path):
        """Kept connections to the responder still work; more requests at a time need a new one."""
        answers = together(12, lambda _: service.call("GET", path))
        return next((answer for answer in answers if answer.status != 200), None)

    answer = wait_for(lambda: refused("/api/webhooks/events"))
    assert "responder" in refusal(answer, 502, 1501) and answer.headers["retry-after"] == "1"
    assert wait_for(lambda: refused("/manage")).text == "502: No responder could answer."


def test_too_many_requests_are_answered_with_an_error_object(serve_webhooks):
    service = serve_webhooks(RATE_LIMIT=1, RATE_LIMIT_BURST=1)
    answers = [service.call("GET", "/webhooks/events") for _ in range(6)]
    late = next(answer for answer in answers if answer.status == 429)
    refusal(late, 429, 1303)
    assert late.headers["retry-after"] == "1"
    assert service.call("GET", "/time").text == "429: Too many requests from this address."


def test_everything_survives_a_restart(serve_webhooks, receive):
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
