"""Rules and requests that are made to harm: too many, too long, too slow, or with more in them than a value."""

import json
import urllib.parse

import pytest
from harness import exchange

# Of a body after its placeholders are replaced, and of a header's value.
BODY_BYTES = 256 << 10
HEADER_BYTES = 4096
USUAL = {
    "server", "date", "content-type", "content-length", "connection", "x-content-type-options", "content-security-policy"}


def configure(service, endpoint, **members):
    return service.configure(endpoint, enabled=True, **members)


def configured(service, endpoint, **members):
    answer = configure(service, endpoint, **members)
    assert answer.status == 204, answer.text


def settings(service, endpoint):
    found = service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    return {name: value for name, value in found.items() if name not in ("created", "lastUsed", "removedAt")}


def refused(answer, *words):
    """A 400 that says in one short text what is wrong."""
    assert answer.status == 400 and answer.headers["content-type"].startswith("text/plain"), answer.text
    assert len(answer.text) < 2000 and all(word in answer.text for word in words), answer.text


def then(**members):
    return [{"then": members}]


# ---------------------------------------------------------------- Too many


def rule(number):
    return {
        "when": {"path": "/p%d" % number, "header": {"X-Kind": "k%d" % number}, "match": "$[?@.n == %d]" % number},
        "then": {"status": 400 + number, "body": "{json:$.n}"}}


def test_a_hundred_rules_are_taken_and_a_thousand_are_refused(shared, endpoint):
    configured(shared, endpoint, subpaths=True, responses=[rule(n) for n in range(100)])
    before = settings(shared, endpoint)
    for count in (101, 1000):
        answer = configure(shared, endpoint, responses=[rule(n) for n in range(count)], cors=True)
        refused(answer, "responses", "at most 100 rules", str(count))
    # Nothing of a refused change is kept.
    assert settings(shared, endpoint) == before
    answer = shared.hook(endpoint, '{"list": {"n": 99}}', {"X-Kind": "k99"}, "/p99")
    assert (answer.status, answer.text) == (499, "")


def test_a_thousand_faults_give_a_short_answer(shared, endpoint):
    faulty = {"when": {"match": "$["}, "then": {"status": 1, "headers": {"Status": "200"}, "delay_ms": -1}}
    refused(configure(shared, endpoint, responses=[faulty] * 100), "responses[0].when.match")
    refused(configure(shared, endpoint, responses=[{"x" * 500: 1}] * 100), "responses[0]")
    refused(configure(shared, endpoint, recipes=[{"name": "slack"}] * 1000), "recipes", "at most")
    refused(configure(shared, endpoint, recipes=[{"name": "slack"}] * 2), "recipes[1].name", "duplicate")


@pytest.mark.parametrize(
    "rules, words",
    [
        ([{"when": {"path": "/%d" % n}, "then": {"body": "x" * 1500}} for n in range(100)], "at most 131072 bytes together"),
        (then(body="x" * (32 << 10) + "x"), "responses[0].then.body"),
        (then(headers={"X-Long": "x" * 4097}), "responses[0].then.headers.X-Long"),
        (then(headers={"X-%d" % n: "x" for n in range(21)}), "responses[0].then.headers"),
        (then(body="{body}" * 21), "at most 20 placeholders"),
        (then(delay_ms=30_001), "responses[0].then.delay_ms"),
        (then(sequence=[{"status": 200}] * 51), "responses[0].then.sequence"),
        ([{"when": {"path": "/" + "*" * 1024}, "then": {}}], "responses[0].when.path"),
        ([{"when": {"match": "$" + ".a" * 512}, "then": {}}], "responses[0].when.match"),
        ([{"when": {"header": {"X-%d" % n: True for n in range(21)}}, "then": {}}], "responses[0].when.header"),
        ([{"when": {"method": ["M%d" % n for n in range(21)]}, "then": {}}], "responses[0].when.method"),
        (then(body="{json:$%s}" % ("[?@.a" * 200)), "responses[0].then.body"),
    ], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_too_long_for_a_rule_is_refused(shared, endpoint, rules, words):
    refused(configure(shared, endpoint, responses=rules), words)
    assert settings(shared, endpoint)["responses"] == []


def test_settings_that_are_no_json_or_nested_too_deeply_are_refused(shared, endpoint):
    path = "/manage/endpoint/" + endpoint
    for text in ('{"enabled": true, "responses": ' + "[" * 50_000, '{"enabled": true, "responses": %s%s}' % ("[" * 5000, "]" * 5000)):
        refused(shared.call("PUT", path, text))
    assert shared.call("PUT", path, '{"enabled": true, "responses": [%s' % (" " * (2 << 20))).status in (400, 413)
    assert settings(shared, endpoint)["responses"] == []


# ---------------------------------------------------------------- Too long


def test_a_body_that_placeholders_make_too_long_becomes_a_500(shared, endpoint):
    configured(shared, endpoint, responses=then(status=201, body="{body}" * 16))
    fits, longer = b"x" * (BODY_BYTES // 16), b"x" * (BODY_BYTES // 16 + 1)
    answer = shared.hook(endpoint, fits)
    assert (answer.status, answer.body) == (201, fits * 16)
    for body in (longer, b"x" * 1_000_000):
        answer = shared.hook(endpoint, body)
        assert answer.status == 500 and "responses[0] is too long" in answer.text and len(answer.body) < 200
    # What was sent is kept, and shows what the sender was answered.
    assert [(n["status"], len(n["body"])) for n in shared.collect(endpoint)] == [
        (201, len(fits)), (500, len(longer)), (500, 1_000_000)]


@pytest.mark.parametrize(
    "part, kind, body",
    [
        ("{json:$.x}", "application/json", json.dumps({"x": "x" * 900_000})),
        ("{json:$}", "application/json", json.dumps(["x" * 900_000])),
        ("{form:x}", "application/x-www-form-urlencoded", "x=" + "x" * 900_000),
        ("{form:x}", "application/x-www-form-urlencoded", "x=" + "%41" * 300_000),
    ], ids=["text", "value", "form", "escaped form"])
def test_every_placeholder_is_bounded(shared, endpoint, part, kind, body):
    for members in ({"body": part * 20}, {"body": part}, {"headers": {"X-Echo": part}}):
        configured(shared, endpoint, responses=then(**members))
        answer = shared.hook(endpoint, body, {"Content-Type": kind})
        assert answer.status == 500 and len(answer.body) < 200 and "x-echo" not in answer.headers
    assert len(shared.collect(endpoint)) == 3


def test_escapes_of_json_count_as_they_are_written(shared, endpoint):
    configured(
        shared, endpoint, responses=then(headers={"Content-Type": "application/json"}, body='{"a": "{json:$.x}"}'))
    answer = shared.hook(endpoint, json.dumps({"x": "\x01" * 40_000}))
    assert answer.status == 200 and answer.json() == {"a": "\x01" * 40_000}
    answer = shared.hook(endpoint, json.dumps({"x": "\x01" * 60_000}))
    assert answer.status == 500 and len(answer.body) < 200


def test_a_header_that_placeholders_make_too_long_becomes_a_500(shared, endpoint):
    configured(shared, endpoint, responses=then(headers={"X-Echo": "{query:a}{header:X-A}"}))
    half = "x" * (HEADER_BYTES // 2)
    answer = shared.hook(endpoint, "", {"X-A": half}, "?a=" + half)
    assert (answer.status, answer.headers["x-echo"]) == (200, 2 * half)
    answer = shared.hook(endpoint, "", {"X-A": half + "x"}, "?a=" + half)
    assert answer.status == 500 and "x-echo" not in answer.headers and len(answer.body) < 200


def test_twenty_hashes_of_a_long_body_are_bounded(shared, endpoint):
    text = "{hmac-sha512-hex:json:$.x}\n" * 20
    configured(shared, endpoint, responses=[{"secret": "s", "then": {"body": text}}])
    answer = shared.hook(endpoint, json.dumps({"x": "x" * 900_000}))
    lines = answer.text.split("\n")
    assert answer.status == 200 and len(lines) == 21
    # Those beyond the bound are empty.
    assert 0 < len([line for line in lines if line]) < 20


# ---------------------------------------------------------------- Too slow


@pytest.mark.parametrize(
    "when, body, suffix",
    [
        ({"match": "$..[?@..[?@..[?@.x]]]"}, json.dumps([[[[1] * 20] * 20] * 20]), ""),
        ({"match": "$..[?search(@, '(a|a)*b')]"}, json.dumps(["a" * 50_000]), ""),
        ({"match": "$" + "..*" * 20 + ".x"}, "[" * 100 + "]" * 100, ""),
        ({"path": "/" + "*a" * 500 + "b"}, "x", "/" + "a" * 6000),
    ], ids=["filters", "expression", "descendants", "path"])
def test_a_condition_that_would_take_long_does_not_hold(shared, endpoint, when, body, suffix):
    configured(shared, endpoint, subpaths=True, responses=[{"when": when, "then": {"status": 418}}] * 20)
    assert shared.hook(endpoint, body, suffix=suffix).status == 200
    (found,) = shared.collect(endpoint)
    assert found["answeredBy"] is None


# ---------------------------------------------------------------- More than a value


def head_of(service, request):
    """The header fields of the answer as they were sent: [(name, value)], and what follows them."""
    head, _, rest = exchange(service, request).partition(b"\r\n\r\n")
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"") and b"\0" not in head
    lines = head.split(b"\r\n")
    return lines[0], [tuple(line.split(b": ", 1)) for line in lines[1:]], rest


EVIL = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n\r\n<p>", "\r\nX-Evil: 1", "a\0b", "a\r\n X-Evil: 1", "a\x0b\x0c\x7f\x1b",
        "a\u010d\u010aX-Evil: 1", "a\u2028b\x85c", "Status: 404\r\nX-Accel-Redirect: /"]


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_a_value_cannot_become_a_header_field_or_a_body(shared, endpoint, evil):
    quoted = urllib.parse.quote(evil)
    sources = [
        ("{query:x}", "", "text/plain", "?x=" + quoted), ("{json:$.x}", json.dumps({"x": evil}), "application/json", ""),
        ("{json:$}", json.dumps([evil]), "application/json", ""), ("{body}", evil, "text/plain", ""),
        ("{form:x}", "x=" + quoted, "application/x-www-form-urlencoded", ""),
        ("{form:x}", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n%s\r\n--b--\r\n" % evil,
         "multipart/form-data; boundary=b", "")]
    for part, body, kind, suffix in sources:
        configured(shared, endpoint, responses=then(status=202, headers={"X-Echo": part, "Location": part}, body="end"))
        body = body.encode()
        request = (
            "POST /webhook/%s%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            % (endpoint, suffix, kind, len(body))).encode() + body
        line, fields, rest = head_of(shared, request)
        assert line.startswith(b"HTTP/1.1 202") and rest == b"end"
        assert {name.decode().lower() for name, _ in fields} <= USUAL | {"x-echo", "location"}, (part, fields)
        assert len(fields) == len({name for name, _ in fields})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-Evil: 1"}, {"X-A": "a\nb"}, {"X-A": "a\0"}, {"X-A\r\nX-Evil": "1"}, {"X-A: 1\r\nX-Evil": "1"}, {"": "1"},
        {"X A": "1"}, {"X-Ä": "1"}, {"Status": "404"}, {"X-Accel-Redirect": "/"}, {"x_accel_redirect": "/"},
        {"X-Accel-Buffering": "no"}, {"Transfer-Encoding": "chunked"}, {"content_length": "1"}, {"Connection": "close"},
        {"Set-Cookie": "a=b"}, {"X-A": "1", "x-a": "2"}, {"X-Content-Type-Options": "x"}, {"X-A": ["a"]},
    ], ids=ascii)
def test_a_rule_cannot_set_fields_of_the_service_or_inject_any(shared, endpoint, headers):
    refused(configure(shared, endpoint, responses=then(headers=headers)), "responses[0].then.headers")


CHALLENGE = "<script>alert(1)</script>\r\nX-Evil: 1"


@pytest.mark.parametrize(
    "recipe, query",
    [
        ({"name": "meta", "verify_token": "t"}, "?hub.mode=subscribe&hub.verify_token=t&hub.challenge="),
        ({"name": "dropbox"}, "?challenge="), ({"name": "nylas"}, "?challenge="), ({"name": "adobe"}, "?challenge="),
    ], ids=lambda value: value["name"] if isinstance(value, dict) else "")
def test_a_challenge_is_not_a_page(shared, endpoint, recipe, query):
    configured(shared, endpoint, recipes=[recipe])
    answer = shared.call("GET", "/webhook/" + endpoint + query + urllib.parse.quote(CHALLENGE))
    assert (answer.status, answer.text) == (200, CHALLENGE) and "x-evil" not in answer.headers
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]


def test_a_challenge_stays_one_text_in_json(shared, endpoint):
    evil = '", "verification": "x\\'
    configured(shared, endpoint, recipes=[{"name": "okta"}, {"name": "zoom", "secret": "s"}, {"name": "event-grid"}])
    answer = shared.call("GET", "/webhook/" + endpoint, headers={"X-Okta-Verification-Challenge": evil})
    assert answer.json() == {"verification": evil}
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": evil}}
    assert shared.hook(endpoint, json.dumps(body)).json()["plainToken"] == evil
    answer = shared.hook(
        endpoint, json.dumps([{"data": {"validationCode": evil}}]), {"aeg-event-type": "SubscriptionValidation"})
    assert answer.json() == {"validationResponse": evil}
