"""Errors of the webhooks API: codes, statuses, and the member that they name."""

import base64
import json

import pytest
from harness import together
from webhook_examples import NOBODY, body, create
from webhook_service import new_environment, refusal

TOO_MANY_HEADERS = {"X-%d" % number: "x" for number in range(11)}


REFUSED = [
    ("", 1000, "The body is not JSON"),
    ("{", 1000, "The body is not JSON"),
    (b'{"name": "\xff"}', 1000, "UTF-8"),
    ("[]", 1001, "must be an object"),
    ('{"name": "a", "name": "b", "url": "http://example.com/", "events": ["job-created"]}', 1001, "name: duplicate"),
    ({}, 1001, "name: is required. url: is required. events: is required."),
    (body(name=None), 1001, "name: must not be null"),
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
    (body(events=["job-created", "job-exploded"]), 1003, 'events[1]: unknown event "job-exploded"'),
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
    (body(custom_headers=TOO_MANY_HEADERS), 1005, "but has 11"),
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
    (body(webhoook=1), 1001, "webhoook: unknown member"),
    (body(name="", url="x", events=["y"]), 1001, "events[0]: "),
]


@pytest.mark.parametrize("wanted, code, place", REFUSED, ids=range(len(REFUSED)))
def test_an_invalid_webhook_is_refused_and_the_error_names_the_member(hub, wanted, code, place):
    environment = new_environment()
    assert place in refusal(create(hub, wanted, environment), 400, code)
    assert hub.call("GET", "/environments/%s/webhooks" % environment).json() == []


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection", "TE", "Upgrade", "Expect"])
def test_headers_of_the_connection_are_refused(hub, name):
    assert "custom_headers.%s: " % name in refusal(create(hub, body(custom_headers={name: "x"})), 400, 1005)


@pytest.mark.parametrize(
    "name", ["X-3dverse-Signature", "x-3dverse-signature-timestamp", "X_3dverse_Signature", "Webhook-Id", "webhook_signature"]
)
def test_headers_of_signatures_are_refused(hub, name):
    assert "custom_headers.%s: " % name in refusal(create(hub, body(custom_headers={name: "x"})), 400, 1005)


def test_a_change_with_an_invalid_member_changes_nothing(hub):
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
def test_an_unknown_webhook_is_not_found(hub, method, path):
    refusal(hub.api(method, path % NOBODY, None if method in ("GET", "DELETE") else sent_to(path)), 404, 1200)


@pytest.mark.parametrize("method, path", WEBHOOK_ROUTES + ENVIRONMENT_ROUTES)
@pytest.mark.parametrize("text", ["x", NOBODY + "0", NOBODY[:-1] + "g", "%20"])
def test_an_id_that_is_not_a_uuid_is_not_found(hub, method, path, text):
    answer = hub.api(method, path % text, None if method in ("GET", "DELETE") else sent_to(path))
    assert "UUID" in refusal(answer, 404, 1002)


@pytest.mark.parametrize(
    "path", ["/webhooks", "/environments", "/api/webhooks/", "/environments/%s" % NOBODY, "/webhooks/%s/nothing" % NOBODY]
)
def test_an_unknown_path_is_not_found(hub, path):
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
def test_another_method_is_not_allowed(hub, method, path, allowed):
    answer = hub.call(method, path % NOBODY if "%s" in path else path)
    refusal(answer, 405, 1300)
    assert answer.headers["allow"] == allowed


def test_a_body_that_is_too_large_is_refused(hub):
    environment = new_environment()
    largest = json.dumps(body(name="n")).encode()
    largest += b" " * ((256 << 10) - len(largest))
    assert create(hub, largest).status == 201
    assert "262144" in refusal(create(hub, largest + b" "), 413, 1301)
    path = "/environments/%s/events" % environment
    refusal(hub.api("POST", path, {"event": "job-created", "data": "x" * (256 << 10)}), 413, 1301)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"])
def test_a_body_of_another_media_type_is_refused(hub, kind):
    path = "/environments/%s/webhooks" % new_environment()
    refusal(hub.call("POST", path, json.dumps(body()), {"Content-Type": kind}), 415, 1302)


def test_a_compressed_body_is_refused(hub):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refusal(hub.call("POST", "/environments/%s/webhooks" % new_environment(), b"x", headers), 415, 1302)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/cloudevents+json", None])
def test_a_body_may_be_json_or_have_no_media_type(hub, kind):
    headers = {"Content-Type": kind} if kind else {}
    path = "/environments/%s/webhooks" % new_environment()
    assert hub.call("POST", path, json.dumps(body()), headers).status == 201


def test_an_environment_has_at_most_a_hundred_webhooks(hub):
    environment = new_environment()
    with_one = together(8, lambda _: [create(hub, body(), environment).status for _ in range(14)])
    statuses = [status for statuses in with_one for status in statuses]
    assert sorted(statuses) == [201] * 100 + [400] * 12
    assert "100" in refusal(create(hub, body(), environment), 400, 1001)
    assert len(hub.call("GET", "/environments/%s/webhooks" % environment).json()) == 100


def test_without_debug_the_internal_message_is_empty(hub):
    assert b'"internal_message": ""' in hub.call("GET", "/webhooks/" + NOBODY).body


def test_a_full_store_is_503(serve_webhooks):
    service = serve_webhooks(MAX_STORE_BYTES="16m")
    environment = new_environment()
    webhook = service.add(environment, "http://127.0.0.1:1/", disabled_until="2999-01-01T00:00:00Z")
    path = "/environments/%s/events" % environment
    for _ in range(200):
        answer = service.api("POST", path, {"event": "pipeline-created", "data": "x" * 200000})
        if answer.status != 202:
            break
    assert "full" in refusal(answer, 503, 1501) and answer.headers["retry-after"]
    # Webhooks can be read and deleted.
    assert service.webhook(webhook) == webhook
    assert service.call("DELETE", "/webhooks/" + webhook["webhook_id"]).status == 204
