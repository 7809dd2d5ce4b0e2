"""What endpoints answer to senders, as clients have configured it, and the signatures that they check."""

import hashlib
import hmac
import json
import time
from urllib.parse import quote

import pytest

from exports import made_anew
from harness import exchange


def configured(service, endpoint, **members):
    answer = service.configure(endpoint, enabled=True, **members)
    assert answer.status == 204, answer.text


def settings(service, endpoint):
    answer = service.call("GET", "/manage/endpoint/%s/settings" % endpoint)
    assert answer.status == 200, answer.text
    return answer.json()


def signed(secret, body):
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()}


PAYMENTS = [
    {"when": {"method": ["POST"], "path": "/pay*", "match": "$.amount"},
     "then": {"status": 503, "headers": {"Retry-After": "5"}, "body": "try later"}},
    {"then": {"status": 201, "body": "id {json:$.id} from {query:source}"}},
]


def test_rules_answer_senders(shared, endpoint):
    configured(shared, endpoint, subpaths=True, responses=PAYMENTS)
    answer = shared.hook(endpoint, '{"amount": 5}', suffix="/pay/1")
    assert (answer.status, answer.text, answer.headers["retry-after"]) == (503, "try later", "5")
    answer = shared.hook(endpoint, '{"id": 7}', suffix="/?source=shop")
    assert (answer.status, answer.text) == (201, "id 7 from shop")
    found = shared.collect(endpoint)
    assert [(n["answeredBy"], n["status"]) for n in found] == [("response:0", 503), ("response:1", 201)]
    assert "verification" not in found[0]
    configured(shared, endpoint, responses=None)
    assert shared.hook(endpoint, "{}").status == 200
    assert "answeredBy" not in shared.collect(endpoint)[0]


def test_json_in_another_charset_is_json_for_rules_and_for_those_who_wait(shared, endpoint):
    configured(shared, endpoint, responses=[{"when": {"match": "$.name"}, "then": {"body": "{json:$.name}"}}])
    body, headers = '{"name": "caf\u00e9"}'.encode("latin-1"), {"Content-Type": "application/json; charset=iso-8859-1"}
    assert shared.hook(endpoint, body, headers).text == "caf\u00e9"
    found = shared.look(endpoint, "?match=" + quote('$.json[?@ == "caf\u00e9"]')).json()["notifications"]
    assert [n["id"] for n in found] == [1]
    configured(shared, endpoint, responses=None)


def test_a_secret_stays_with_its_rule(shared, endpoint):
    body = "{hmac-sha1-hex:body}"
    rules = [{"when": {"query": {"r": str(n)}}, "secret": "secret %d" % n, "then": {"body": body}} for n in range(3)]
    configured(shared, endpoint, responses=rules)
    shown = settings(shared, endpoint)["responses"]
    configured(shared, endpoint, responses=[shown[2], shown[0]])
    for number in (0, 2):
        expected = hmac.new(b"secret %d" % number, b"x", hashlib.sha1).hexdigest()
        assert shared.hook(endpoint, "x", suffix="?r=%d" % number).text == expected
    refused = shared.configure(endpoint, enabled=True, responses=[{"secret": "***", "then": {"body": body}}])
    assert refused.status == 400 and "responses[0].secret" in refused.text and "which one" in refused.text
    configured(shared, endpoint, responses=None)


def test_a_sequence_goes_on_over_a_restart_and_begins_again_with_new_rules(serve):
    service = serve()
    endpoint = service.create()
    rules = [{"then": {"sequence": [{"status": 503}, {"status": 500}, {"status": 200}]}}]
    configured(service, endpoint, responses=rules)
    assert service.hook(endpoint).status == 503
    configured(service, endpoint, cors=True, recipes=[{"name": "slack"}], responses=rules)
    service.stop()
    service.start()
    assert [service.hook(endpoint).status for _ in range(3)] == [500, 200, 200]
    configured(service, endpoint, responses=rules)
    assert service.hook(endpoint).status == 200
    configured(service, endpoint, responses=[{"then": {"sequence": [{"status": 410}, {"status": 200}]}}])
    assert service.hook(endpoint).status == 410
    service.check()


def test_concurrent_senders_get_each_answer_of_a_sequence_once(shared, endpoint):
    statuses = list(range(400, 420))
    configured(
        shared, endpoint, responses=[{"then": {"sequence": [{"status": s} for s in statuses] + [{"status": 200}]}}])
    waiting = [shared.begin("POST", "/webhook/" + endpoint) for _ in range(30)]
    answers = sorted(w.answer().status for w in waiting)
    assert answers == [200] * 10 + statuses


def test_recipes_answer_handshakes(shared, endpoint):
    configured(
        shared, endpoint,
        recipes=[{"name": "slack"}, {"name": "meta", "verify_token": "t"}, {"name": "zoom", "secret": "s"}])
    answer = shared.hook(endpoint, '{"type": "url_verification", "challenge": "c1"}')
    assert answer.status == 200 and "c1" in answer.text
    query = "?hub.mode=subscribe&hub.verify_token=%s&hub.challenge=17"
    answer = shared.call("GET", "/webhook/" + endpoint + query % "t")
    assert (answer.status, answer.text) == (200, "17")
    assert shared.call("GET", "/webhook/" + endpoint + query % "wrong").status == 403
    answer = shared.hook(endpoint, '{"event": "endpoint.url_validation", "payload": {"plainToken": "p"}}')
    assert answer.json() == {
        "plainToken": "p", "encryptedToken": hmac.new(b"s", b"p", hashlib.sha256).hexdigest()}
    assert [n["answeredBy"] for n in shared.collect(endpoint)] == [
        "recipe:slack", "recipe:meta", "recipe:meta", "recipe:zoom"]
    assert "s" not in [r.get("secret") for r in settings(shared, endpoint)["recipes"]]


def test_asana_disarms_itself(shared, endpoint):
    configured(shared, endpoint, recipes=[{"name": "asana", "armed": True}])
    assert shared.hook(endpoint, headers={"X-Hook-Secret": "one"}).headers["x-hook-secret"] == "one"
    assert "x-hook-secret" not in shared.hook(endpoint, headers={"X-Hook-Secret": "two"}).headers
    assert settings(shared, endpoint)["recipes"] == [{"name": "asana", "armed": False}]


def test_signatures_are_verified_and_explained(shared, endpoint):
    configured(shared, endpoint, verify={"preset": "github", "secret": "hush"})
    assert shared.hook(endpoint, "right", signed("hush", "right")).status == 200
    assert shared.hook(endpoint, "wrong", signed("other", "wrong")).status == 200
    assert shared.hook(endpoint, "line", signed("hush", "line\n")).status == 200
    assert shared.hook(endpoint, "none").status == 200
    verdicts = [n["verification"] for n in shared.collect(endpoint)]
    assert [v["valid"] for v in verdicts] == [True, False, False, False]
    assert [v["cause"] for v in verdicts] == [None, "unknown", "newline", "missing-header"]
    assert "hush" not in json.dumps(verdicts)
    assert settings(shared, endpoint)["verify"]["secret"] == "***"


def test_a_wrong_signature_can_be_refused(shared, endpoint):
    configured(shared, endpoint, verify={"preset": "github", "secret": "hush", "reject": True})
    assert shared.hook(endpoint, "a", signed("hush", "a")).status == 200
    assert shared.hook(endpoint, "b", signed("other", "b")).status == 401
    assert [n["body"] for n in shared.collect(endpoint)] == ["a"]
    refused = shared.look(endpoint, "?refused").json()["notifications"]
    assert [(n["body"], n["refused"], n["status"]) for n in refused] == [("b", "unverified", 401)]
    assert refused[0]["verification"]["valid"] is False


def test_a_secret_that_is_sent_back_as_stars_stays(shared, endpoint):
    configured(shared, endpoint, verify={"preset": "github", "secret": "hush"})
    configured(shared, endpoint, verify={"preset": "github", "secret": "***", "reject": True})
    assert shared.hook(endpoint, "a", signed("hush", "a")).status == 200
    assert shared.hook(endpoint, "a", signed("***", "a")).status == 401


def test_an_answer_is_held_back_and_others_are_not(shared, endpoint):
    other = shared.create()
    configured(shared, endpoint, responses=[{"then": {"status": 202, "delay_ms": 1500}}])
    started = time.monotonic()
    waiting = shared.begin("POST", "/webhook/" + endpoint)
    assert shared.hook(other).status == 200
    assert not waiting.is_answered
    assert len(shared.look(endpoint, "?wait=20").json()["notifications"]) == 1
    assert waiting.answer().status == 202 and time.monotonic() - started >= 1.5


@pytest.mark.parametrize(
    "members, place",
    [
        ({"responses": [{"then": {"status": 200}}] * 1000}, "responses"),
        ({"responses": [{"then": {"status": 99}}]}, "responses[0].then.status"),
        ({"responses": [{"when": {"match": "$["}, "then": {}}]}, "responses[0].when.match"),
        ({"responses": [{"then": {"headers": {"Content-Length": "5"}}}]}, "responses[0].then.headers"),
        ({"responses": "x"}, "responses"),
        ({"recipes": [{"name": "nobody"}]}, "recipes[0].name"),
        ({"recipes": [{"name": "zoom"}]}, "recipes[0].secret"),
        ({"recipes": [{"name": "sns", "secret": "s"}]}, "recipes[0].secret"),
        ({"verify": {"preset": "nobody"}}, "verify.preset"),
        ({"verify": {"preset": "github", "secret": "***"}}, "verify.secret"),
    ])
def test_settings_that_are_not_valid_are_refused_with_their_place(shared, endpoint, members, place):
    answer = shared.configure(endpoint, enabled=True, **members)
    assert answer.status == 400 and place in answer.text, answer.text
    assert shared.hook(endpoint).status == 200


def test_a_sender_cannot_inject_header_fields(shared, endpoint):
    configured(shared, endpoint, responses=[{"then": {"headers": {"X-Echo": "<{json:$.x}>"}}}])
    answer = shared.hook(endpoint, json.dumps({"x": "a\r\nX-Evil: 1"}))
    assert answer.headers["x-echo"] == "<a  X-Evil: 1>" and "x-evil" not in answer.headers


@pytest.mark.parametrize("count", [10, 20_000, 100_000, 600_000])
def test_what_the_sender_was_answered_is_shown_whatever_the_length_of_the_body(shared, endpoint, count):
    configured(shared, endpoint, responses=[{"then": {"status": 202}}], verify={"preset": "github", "secret": "hush"})
    body = "x" * count
    for secret in ("hush", "other"):
        assert shared.hook(endpoint, body, signed(secret, body)).status == 202
    found = shared.look(endpoint).json()["notifications"]
    assert [(n["answeredBy"], n["status"]) for n in found] == [("response:0", 202)] * 2
    assert [n["verification"]["valid"] for n in found] == [True, False]
    assert shared.collect(endpoint) == found


def test_a_header_value_that_is_not_utf_8_is_echoed_byte_for_byte(shared, endpoint):
    configured(shared, endpoint, responses=[{"then": {"headers": {"X-Echo": "<{header:X-Odd}>"}}}])
    answer = shared.hook(endpoint, "x", {"X-Odd": b"caf\xe9 \xff"})
    assert answer.headers["x-echo"].encode("latin-1") == b"<caf\xe9 \xff>"


@pytest.mark.parametrize("status, phrase", [(200, b"OK"), (503, b"Service Unavailable"), (299, b"Status 299")])
def test_the_status_line_has_a_phrase(shared, endpoint, status, phrase):
    configured(shared, endpoint, responses=[{"then": {"status": status}}])
    request = b"POST /webhook/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx" % endpoint.encode()
    assert exchange(shared, request).startswith(b"HTTP/1.1 %d %s\r\n" % (status, phrase))


def test_settings_and_verdicts_survive_an_export(serve):
    service = serve()
    endpoint = service.create()
    configured(
        service, endpoint, responses=[{"then": {"sequence": [{"status": 503}, {"status": 204}]}}],
        verify={"preset": "github", "secret": "hush"})
    assert service.hook(endpoint, "a", signed("hush", "a")).status == 503
    before = (settings(service, endpoint), service.look(endpoint).json())
    assert b"hush" not in made_anew(service)
    assert service.look(endpoint).json() == before[1]
    after = settings(service, endpoint)
    for member in ("responses", "verify", "recipes"):
        assert after[member] == before[0][member]
    assert service.hook(endpoint, "b", signed("hush", "b")).status == 204
    assert [n["verification"]["valid"] for n in service.collect(endpoint)] == [True, True]
    service.check()
