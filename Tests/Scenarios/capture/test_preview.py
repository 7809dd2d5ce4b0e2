"""What a sender would be answered, without a request: POST /manage/endpoint/{id}/preview."""

import base64
import gzip
import hashlib
import hmac
import json
import time

import pytest

RULES = [
    {"when": {"path": "/pay*", "match": "$.amount"}, "then": {"status": 503, "headers": {"Retry-After": "5"}, "body": "later", "delay_ms": 20}},
    {"then": {"status": 201, "body": "{header:X-Who} {query:q} {json:$.id}"}},
]  # fmt: skip


def preview(service, endpoint, request=None, **members):
    answer = service.call("POST", "/manage/endpoint/%s/preview" % endpoint, json.dumps({"request": request or {}, **members}))
    assert answer.status == 200, answer.text
    return answer.json()


def configure(service, endpoint, **members):
    assert service.configure(endpoint, enabled=True, **members).status == 204


def settings(service, endpoint):
    return service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()


def test_rules_that_are_not_stored_answer(shared, endpoint):
    before = settings(shared, endpoint)
    found = preview(shared, endpoint, {"path": "/pay/1", "body": '{"amount": 5}'}, responses=RULES)
    assert (found["answeredBy"], found["status"], found["body"], found["delay_ms"], found["refused"]) == (
        "response:0", 503, "later", 20, False)
    assert {"name": "Retry-After", "value": "5"} in found["headers"] and found["verification"] is None
    found = preview(
        shared, endpoint, {"query": "q=a%20b", "headers": [{"name": "X-Who", "value": "me"}], "body": '{"id": 7}'}, responses=RULES)
    assert (found["answeredBy"], found["status"], found["body"]) == ("response:1", 201, "me a b 7")
    after = settings(shared, endpoint)
    assert {**after, "lastUsed": 0, "removedAt": 0} == {**before, "lastUsed": 0, "removedAt": 0}
    assert shared.look(endpoint).json()["notifications"] == []


def test_without_changes_the_stored_settings_answer_and_nothing_goes_on(shared, endpoint):
    assert preview(shared, endpoint) == {
        "answeredBy": None, "status": 200, "headers": [], "body": "", "delay_ms": 0, "refused": False, "verification": None}
    configure(shared, endpoint, recipes=[{"name": "asana"}],
              responses=[{"then": {"sequence": [{"body": "one"}, {"body": "two"}, {"body": "three"}]}}])
    assert [preview(shared, endpoint)["body"] for _ in range(3)] == ["one"] * 3
    assert shared.hook(endpoint).text == "one"
    assert preview(shared, endpoint)["body"] == "two" and shared.hook(endpoint).text == "two"
    # Other rules begin at their beginning.
    changed = [{"then": {"sequence": [{"body": "ONE"}, {"body": "two"}]}}]
    assert preview(shared, endpoint, responses=changed)["body"] == "ONE"
    for _ in range(2):
        found = preview(shared, endpoint, {"headers": {"X-Hook-Secret": "s"}})
        assert found["answeredBy"] == "recipe:asana" and {"name": "X-Hook-Secret", "value": "s"} in found["headers"]
    assert settings(shared, endpoint)["recipes"] == [{"name": "asana"}]
    assert preview(shared, endpoint, recipes=None, responses=None)["answeredBy"] is None
    configure(shared, endpoint, recipes=None, responses=None)


def test_a_stored_secret_signs_and_verifies_behind_its_mask(shared, endpoint):
    configure(shared, endpoint, verify={"preset": "github", "secret": "hush", "reject": True})
    mac = "sha256=" + hmac.new(b"hush", b"body", hashlib.sha256).hexdigest()
    good = {"headers": {"X-Hub-Signature-256": mac}, "body": "body"}
    found = preview(shared, endpoint, good)
    assert found["verification"]["valid"] is True and not found["refused"]
    found = preview(shared, endpoint, {**good, "body": "other"})
    assert (found["status"], found["answeredBy"], found["refused"]) == (401, "verify", True)
    assert found["verification"]["cause"] == "unknown" and "hush" not in json.dumps(found)
    masked = settings(shared, endpoint)["verify"]
    assert masked["secret"] == "***"
    assert preview(shared, endpoint, good, verify={**masked, "reject": False})["verification"]["valid"] is True
    assert preview(shared, endpoint, good, verify={**masked, "secret": "other"})["verification"]["valid"] is False
    configure(shared, endpoint, verify=None)


def test_a_notification_is_a_request_for_a_preview(shared, endpoint):
    """Bytes that are not text, compressed bodies, and the time at which a signature was right."""
    body = bytes(range(256)) * 10
    shared.hook(endpoint, gzip.compress(body), {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}, suffix="?a=b")
    (found,) = shared.collect(endpoint)
    echoed = preview(shared, endpoint, found, responses=[{"then": {"body": "{query:a}{hmac-sha256-hex:body}"}, "secret": "s"}])
    sent = base64.b64decode(found["bodyBase64"])
    assert echoed["body"] == "b" + hmac.new(b"s", sent, hashlib.sha256).hexdigest()
    back = preview(shared, endpoint, found, responses=[{"then": {"body": "{body}"}}])
    assert base64.b64decode(back["bodyBase64"]) == body
    at = int(time.time()) - 100_000
    mac = hmac.new(b"s", b"%d.{}" % at, hashlib.sha256).hexdigest()
    old = {"headers": {"Stripe-Signature": "t=%d,v1=%s" % (at, mac)}, "body": "{}"}
    verify = {"preset": "stripe", "secret": "s"}
    assert preview(shared, endpoint, old, verify=verify)["verification"]["cause"] == "timestamp"
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    assert preview(shared, endpoint, {**old, "receivedAt": then}, verify=verify)["verification"]["valid"] is True


def test_a_url_is_signed_as_the_request_says_it_was_called(shared, endpoint):
    url = "https://hooks.example.org/webhook/%s?x=1" % endpoint
    mac = base64.b64encode(hmac.new(b"s", url.encode() + b"a1", hashlib.sha1).digest()).decode()
    request = {"url": url, "query": "x=1", "body": "a=1",
               "headers": {"X-Twilio-Signature": mac, "Content-Type": "application/x-www-form-urlencoded"}}
    verify = {"preset": "twilio", "secret": "s"}
    assert preview(shared, endpoint, request, verify=verify)["verification"]["valid"] is True
    assert preview(shared, endpoint, {**request, "url": None}, verify=verify)["verification"]["valid"] is False


@pytest.mark.parametrize("body, reason", [
    ("", "The body is not JSON"), ("{", "The body is not JSON"), ("[]", "The body must be an object"),
    ("{}", 'The member "request" must be an object'), ('{"request": 1}', 'The member "request" must be an object'),
    ('{"request": {}, "rules": []}', 'The member "rules" is not known; known are recipes, responses, verify, request.'),
    ('{"request": {}, "enabled": true}', 'The member "enabled" is not known'),
    ('{"request": {"method": ""}}', '"request.method"'), ('{"request": {"method": "A B"}}', '"request.method"'),
    ('{"request": {"method": 1}}', '"request.method" must be a text'),
    ('{"request": {"path": "a"}}', '"request.path" must be empty, or begin with "/"'),
    ('{"request": {"query": []}}', '"request.query" must be a text'),
    ('{"request": {"headers": "X: y"}}', '"request.headers" must be a list'),
    ('{"request": {"headers": {"X": 1}}}', '"request.headers" must be a list'),
    ('{"request": {"headers": {"X Y": "1"}}}', '"request.headers" must be a list'),
    ('{"request": {"headers": [{"name": "X"}]}}', '"request.headers" must be a list'),
    ('{"request": {"headers": [1]}}', '"request.headers" must be a list'),
    ('{"request": {"headers": [{"name": "X", "value": "", "valueBase64": "?"}]}}', '"request.headers.valueBase64" must be Base64'),
    ('{"request": {"body": {}}}', '"request.body" must be a text'), ('{"request": {"bodyBase64": "?"}}', '"request.bodyBase64" must be Base64'),
    ('{"request": {"urlBase64": 1}}', '"request.urlBase64" must be Base64'),
    ('{"request": {"receivedAt": "yesterday"}}', '"request.receivedAt" must be a time'),
    ('{"request": {}, "responses": [{"then": {"status": 99}}]}', "responses[0].then.status: must be a whole number"),
    ('{"request": {}, "recipes": [{"name": "no"}]}', "recipes[0].name: must be one of"),
    ('{"request": {"headers": {"Content-Encoding": "gzip"}, "body": "no gzip"}}', "The body cannot be read: its compressed data is corrupt."),
])  # fmt: skip
def test_wrong_input_is_named(shared, endpoint, body, reason):
    answer = shared.call("POST", "/manage/endpoint/%s/preview" % endpoint, body)
    assert answer.status == 400 and reason in answer.text, answer.text


def test_other_methods_unknown_endpoints_and_long_bodies_are_refused(shared, endpoint):
    path = "/manage/endpoint/%s/preview" % endpoint
    for method in ("GET", "PUT", "DELETE"):
        answer = shared.call(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert shared.call("POST", "/manage/endpoint/%s/preview" % ("x" * 32), '{"request": {}}').status == 404
    answer = shared.call("POST", path, json.dumps({"request": {"body": "x" * (1 << 20)}}))
    assert (answer.status, answer.text) == (413, "413: A body may have no more than 1048576 bytes.")
    answer = shared.call("POST", path, json.dumps({"request": {"headers": [{"name": "a", "value": ""}] * 20000}}))
    assert answer.status == 400 and '"request.headers" must have at most 65536 bytes' in answer.text
    answer = shared.call("POST", path, '{"request": {}}', {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
