"""Mistakes of senders, one at a time: the verdict names each, for every preset with which it can be made."""

import base64
import gzip
import json
import random
import time
import zlib

import pytest
from harness import postroom, wait_for
from signing import (
    ALL, BODY_PRESETS, PRIVATE_KEY, SECRET, SECRET_BYTES, SIGNERS, TIMED, Ed25519PrivateKey, base64_of, code, key_of, secret_of,
    signed, verification)

BODY = '{"id": 7, "name": "Café", "url": "https://example.org/?a=1&b=2", "list": [1, true, null, {}]}'.encode()
FORM = b"From=%2B14158675309&Body=Caf%C3%A9&Empty="
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
JSON_TYPE = {"Content-Type": "application/json"}
OTHER_KEYS = {preset: b"another key" for preset in ALL}
OTHER_KEYS["3dverse"] = OTHER_KEYS["standard-webhooks-v1a"] = Ed25519PrivateKey.from_private_bytes(bytes(32))
SERVER_URL = "https://hooks.example.org"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, shared_service):
    return shared_service(tmp_path_factory.mktemp("faults"), SERVER_URL=SERVER_URL)


def configured(service, endpoint, **verify):
    answer = service.configure(endpoint, enabled=True, verify=verify)
    assert answer.status == 204, answer.text


def url(service, endpoint, suffix="", scheme="http"):
    return "%s://127.0.0.1:%d/webhook/%s%s" % (scheme, service.port, endpoint, suffix)


def secrets(preset):
    """The forms of a secret in which it must not be found."""
    if preset == "gitlab":
        return []
    return [SECRET, SECRET_BYTES.decode(), SECRET_BYTES.hex(), base64.b64encode(SECRET.encode()).decode()]


def everything(service, endpoint):
    """All that Postroom says about an endpoint to anybody, and its log."""
    path = "/manage/endpoint/" + endpoint
    answers = [service.call("GET", path + rest).text for rest in ("/settings", "/notifications", "/notifications?refused")]
    return "\n".join([*answers, service.call("GET", "/manage").text, service.log()])


def verdict(service, endpoint, preset, body, headers, suffix=""):
    """The verdict on a request; it is the same in all views, and none has the secret."""
    answer = service.hook(endpoint, body, headers, suffix)
    assert answer.status == 200 and answer.body == b""
    said = everything(service, endpoint)
    (found,) = service.collect(endpoint)
    shown = found["verification"]
    # Of a shared token the request itself has the text, in its header fields.
    said = json.dumps(shown) if preset == "gitlab" else said + json.dumps(found)
    for secret in [*secrets(preset), secret_of(preset)]:
        assert secret not in said and json.dumps(secret)[1:-1] not in said
    assert shown["preset"] == preset.removesuffix("-v1a")
    return shown


def check(shown, cause, *words):
    assert (shown["valid"], shown["cause"]) == (False, cause), shown
    assert all(word in shown["reason"] for word in words), shown["reason"]


def request(preset, body=BODY):
    """A body and its type, as the preset's provider sends it."""
    return (FORM, FORM_TYPE) if preset == "twilio" else (body, JSON_TYPE)


# ---------------------------------------------------------------- Keys


@pytest.mark.parametrize("preset", ALL)
def test_a_right_signature_a_wrong_key_and_no_signature(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    (body, kind), target = request(preset), url(shared, endpoint)
    headers = signed(preset, body, url=target)
    shown = verdict(shared, endpoint, preset, body, {**kind, **headers})
    assert (shown["valid"], shown["cause"], shown["reason"]) == (True, None, None)
    wrong = signed(preset, body, OTHER_KEYS[preset], url=target)
    check(verdict(shared, endpoint, preset, body, {**kind, **wrong}), "unknown")
    check(verdict(shared, endpoint, preset, body, kind), "missing-header", "is missing")
    for name in headers:
        left = {other: value for other, value in headers.items() if other != name}
        shown = verdict(shared, endpoint, preset, body, {**kind, **left})
        check(shown, "missing-header", name.title() if preset.startswith("standard") else name, "is missing")
        # What stands in its place is not a signature, and not a time.
        if preset != "gitlab" and not name.endswith("-id"):
            shown = verdict(shared, endpoint, preset, body, {**kind, **headers, name: "x"})
            assert not shown["valid"] and shown["cause"] in ("malformed-header", "encoding", "unknown"), shown


@pytest.mark.parametrize("preset", [*BODY_PRESETS, "twilio"])
def test_a_secret_that_is_taken_for_base64_or_for_text(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    (body, kind), target = request(preset), url(shared, endpoint)
    text = secret_of(preset).encode()
    if preset == "standard-webhooks":
        keys = [(text, "text of the secret as the key"), (SECRET.encode(), "text of the secret after whsec_ as the key")]
    elif preset == "stripe":
        keys = [(SECRET_BYTES, "decoded the secret after whsec_ from Base64"), (SECRET.encode(), "without whsec_")]
    else:
        keys = [(SECRET_BYTES, "decoded the secret from Base64")]
    keys.append((base64.b64encode(text), "the Base64 of the secret as the key"))
    for key, words in keys:
        shown = verdict(shared, endpoint, preset, body, {**kind, **signed(preset, body, key, url=target)})
        check(shown, "secret", words)


@pytest.mark.parametrize("preset", ["github", "shopify", "slack", "hmac", "twilio"])
def test_a_secret_with_a_newline_or_in_hexadecimal_digits(shared, endpoint, preset):
    (body, kind), target = request(preset), url(shared, endpoint)
    configured(shared, endpoint, **verification(preset))
    for end in (b"\n", b"\r\n"):
        headers = signed(preset, body, key_of(preset) + end, url=target)
        check(verdict(shared, endpoint, preset, body, {**kind, **headers}), "secret", "ends with a newline")
    configured(shared, endpoint, **verification(preset, SECRET + "\n"))
    headers = signed(preset, body, url=target)
    check(verdict(shared, endpoint, preset, body, {**kind, **headers}), "secret", "blank or newline")
    configured(shared, endpoint, **verification(preset, SECRET_BYTES.hex()))
    headers = signed(preset, body, SECRET_BYTES, url=target)
    check(verdict(shared, endpoint, preset, body, {**kind, **headers}), "secret", "hexadecimal")


def test_a_token_in_another_form(shared, endpoint):
    token = "token-of-gitlab"
    encoded = base64.b64encode(token.encode()).decode()
    for secret, sent, words in [(token, encoded, "token is the Base64 of"), (encoded, token, "is the Base64 of the token")]:
        configured(shared, endpoint, preset="gitlab", secret=secret)
        shown = verdict(shared, endpoint, "gitlab", BODY, {"X-Gitlab-Token": sent})
        check(shown, "secret", words)
        assert token not in json.dumps(shown) and encoded not in json.dumps(shown)


# ---------------------------------------------------------------- Bodies


@pytest.mark.parametrize("preset", SIGNERS)
def test_a_body_that_was_serialized_anew(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    value = json.loads(BODY)
    written = [
        (json.dumps(value), "json.dumps"), (json.dumps(value, separators=(",", ":"), ensure_ascii=False), "without blanks"),
        (json.dumps(value, indent=2, ensure_ascii=False), "two blanks"), (json.dumps(value, sort_keys=True), "sorted names"),
        (json.dumps(value, separators=(",", ":")).replace("/", "\\/"), "json_encode"),
    ]
    for text, words in written:
        headers = {**JSON_TYPE, **signed(preset, text.encode())}
        check(verdict(shared, endpoint, preset, BODY, headers), "serialization", words)
    # And the reverse: what was signed had blanks.
    headers = {**JSON_TYPE, **signed(preset, BODY)}
    compact = written[1][0].encode()
    check(verdict(shared, endpoint, preset, compact, headers), "serialization", "a blank after each comma")


@pytest.mark.parametrize("preset", SIGNERS)
def test_a_newline_at_the_end_of_a_body(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    cases = [
        (BODY, BODY + b"\n", "which was not sent"), (BODY, BODY + b"\r\n", "CR LF at its end"),
        (BODY + b"\n", BODY, "without the newline"), (BODY + b"\r\n", BODY, "without the newline"),
        (b"a\r\nb", b"a\nb", "LF instead of CR LF"), (b"a\nb", b"a\r\nb", "CR LF instead of LF"),
    ]
    for sent, what, words in cases:
        check(verdict(shared, endpoint, preset, sent, signed(preset, what)), "newline", words)


@pytest.mark.parametrize("coding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("preset", SIGNERS)
def test_compressed_bytes_that_were_signed(shared, endpoint, preset, coding, compress):
    configured(shared, endpoint, **verification(preset))
    wire = compress(BODY)
    headers = {**JSON_TYPE, "Content-Encoding": coding}
    shown = verdict(shared, endpoint, preset, wire, {**headers, **signed(preset, wire)})
    check(shown, "compressed", "signed the compressed bytes")
    assert verdict(shared, endpoint, preset, wire, {**headers, **signed(preset, BODY)})["valid"] is True


@pytest.mark.parametrize("preset", SIGNERS)
def test_a_body_of_100_kilobytes_that_was_signed_compressed_or_with_a_newline(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    dice = random.Random(1)
    body = json.dumps([dice.random() for _ in range(5000)]).encode()
    wire = gzip.compress(body)
    headers = {**JSON_TYPE, "Content-Encoding": "gzip", **signed(preset, wire)}
    check(verdict(shared, endpoint, preset, wire, headers), "compressed", "signed the compressed bytes")
    check(verdict(shared, endpoint, preset, body, signed(preset, body + b"\n")), "newline", "which was not sent")


@pytest.mark.parametrize("preset", SIGNERS)
def test_a_body_in_another_charset_or_changed_on_its_way(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    text = "Café"
    headers = signed(preset, text.encode("latin-1"))
    check(verdict(shared, endpoint, preset, text.encode(), headers), "charset", "ISO-8859-1")
    headers = signed(preset, text.encode())
    check(verdict(shared, endpoint, preset, text.encode("latin-1"), headers), "charset", "in UTF-8")
    check(verdict(shared, endpoint, preset, b"Cafe", headers), "unknown", "changed on its way")


@pytest.mark.parametrize("preset", BODY_PRESETS)
def test_two_mistakes_are_named_both(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    key = SECRET.encode() if preset == "standard-webhooks" else SECRET_BYTES
    headers = signed(preset, BODY + b"\n", key)
    check(verdict(shared, endpoint, preset, BODY, headers), "secret", "Base64", "newline")


# ---------------------------------------------------------------- Times


@pytest.mark.parametrize("preset", TIMED)
def test_a_time_that_is_too_far_from_now(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    cases = [
        (-10, "in the past", "10 minutes"), (10.5, "in the future", "10 minutes"), (-181, "in the past", "3 hours"),
        (-60 * 24 * 5, "in the past", "5 days"),
    ]
    if preset == "stripe":  # Its libraries look for old signatures only.
        cases = [case for case in cases if case[0] < 0]
    for minutes, direction, distance in cases:
        headers = signed(preset, BODY, at=time.time() + 60 * minutes)
        shown = verdict(shared, endpoint, preset, BODY, headers)
        check(shown, "timestamp", "signature is right", distance, direction)
    headers = signed(preset, BODY, at=time.time() * 1000)
    if preset != "stripe":
        check(verdict(shared, endpoint, preset, BODY, headers), "timestamp", "milliseconds")
    # Four minutes are allowed, and more if the client says so.
    headers = signed(preset, BODY, at=time.time() - 240)
    assert verdict(shared, endpoint, preset, BODY, headers)["valid"] is True
    headers = signed(preset, BODY, at=time.time() - 3000)
    for tolerance in (3600, 0):
        configured(shared, endpoint, **verification(preset), tolerance_seconds=tolerance)
        assert verdict(shared, endpoint, preset, BODY, headers)["valid"] is True
    # A wrong signature is not excused by a wrong time.
    configured(shared, endpoint, **verification(preset))
    headers = signed(preset, BODY, OTHER_KEYS[preset], at=time.time() - 3000)
    check(verdict(shared, endpoint, preset, BODY, headers), "unknown")


@pytest.mark.parametrize("preset", TIMED)
def test_a_body_that_was_signed_without_its_time(shared, endpoint, preset):
    configured(shared, endpoint, **verification(preset))
    headers = signed(preset, BODY)
    (name, value), = [(n, v) for n, v in headers.items() if n.lower().endswith("-signature")]
    if preset in ("3dverse", "standard-webhooks-v1a"):
        bare = base64_of(PRIVATE_KEY.sign(BODY))
    else:
        mac = code(key_of(preset), BODY)
        bare = base64_of(mac) if preset == "standard-webhooks" else mac.hex()
    before = {"standard-webhooks": "v1,", "standard-webhooks-v1a": "v1a,", "slack": "v0=", "3dverse": ""}
    headers[name] = before[preset] + bare if preset in before else value.partition("v1=")[0] + "v1=" + bare
    check(verdict(shared, endpoint, preset, BODY, headers), "base", "signed the body only")


# ---------------------------------------------------------------- URLs


def test_a_url_whose_scheme_or_host_differs(shared, endpoint):
    configured(shared, endpoint, **verification("twilio"))
    query = "?a=1&b=%20"
    path = "/webhook/" + endpoint
    targets = [
        (url(shared, endpoint, query, "https"), "signed the URL with https://"),
        ("https://127.0.0.1" + path + query, "signed the URL with https://"),
        (SERVER_URL + path + query, "begins with " + SERVER_URL),
        (url(shared, endpoint), "without its query"),
        (url(shared, endpoint, "/" + query), "slash at the end"),
    ]
    for target, words in targets:
        headers = {**FORM_TYPE, **signed("twilio", FORM, url=target)}
        check(verdict(shared, endpoint, "twilio", FORM, headers, query), "url", words)
    headers = {**FORM_TYPE, **signed("twilio", b"", url=url(shared, endpoint))}
    check(verdict(shared, endpoint, "twilio", FORM, headers), "base", "signed the URL only")


def test_a_trusted_proxy_names_the_url_that_the_sender_called(serve):
    service = serve(TRUSTED_PROXIES="127.0.0.1")
    endpoint = service.create()
    configured(service, endpoint, **verification("twilio"))
    target = "https://shop.example/webhook/" + endpoint
    headers = {
        **FORM_TYPE, **signed("twilio", FORM, url=target), "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}
    shown = verdict(service, endpoint, "twilio", FORM, headers)
    assert shown["valid"] is True and shown["base"].startswith(target + "Body")


# ---------------------------------------------------------------- Refusals


@pytest.mark.parametrize("preset", ALL)
def test_the_sender_of_a_refused_request_learns_neither_the_reason_nor_the_signature(serve_refusing, preset):
    service, endpoint = serve_refusing
    configured(service, endpoint, **verification(preset), reject=True)
    (body, kind), target = request(preset), url(service, endpoint)
    right = signed(preset, body, url=target)
    wrong = signed(preset, body, OTHER_KEYS[preset], url=target)
    for headers in ({}, wrong):
        answer = service.hook(endpoint, body, {**kind, **headers})
        assert answer.status == 401 and answer.text == "The signature of this request is not right.", answer.text
    assert service.collect(endpoint) == []
    # The answer does not wait until a refused request is stored.
    wait_for(lambda: len(service.look(endpoint, "?refused").json()["notifications"]) == 2)
    rows = service.look(endpoint, "?refused").json()["notifications"]
    assert [(row["refused"], row["verification"]["valid"]) for row in rows] == [("unverified", False)] * 2
    assert sorted(row["verification"]["cause"] for row in rows) == ["missing-header", "unknown"]
    said = everything(service, endpoint)
    assert not [secret for secret in [*secrets(preset), secret_of(preset)] if secret in said]
    assert service.hook(endpoint, body, {**kind, **right}).status == 200
    assert [n["verification"]["valid"] for n in service.collect(endpoint)] == [True]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory, shared_service):
    return shared_service(tmp_path_factory.mktemp("refusing"))


@pytest.fixture
def serve_refusing(refusing):
    endpoint = refusing.create()
    yield refusing, endpoint
    refusing.call("DELETE", "/manage/endpoint/" + endpoint)


def test_no_secret_is_in_a_plain_file_or_an_export(serve):
    service = serve()
    endpoint = service.create()
    for preset in ALL:
        configured(service, endpoint, **verification(preset))
        service.hook(endpoint, BODY, signed(preset, BODY, OTHER_KEYS[preset]))
    exported = postroom(service.directory, "store", "export")
    assert exported.returncode == 0
    assert SECRET.encode() not in exported.stdout and SECRET_BYTES not in exported.stdout
