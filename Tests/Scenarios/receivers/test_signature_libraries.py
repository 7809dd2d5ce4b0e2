"""Notifications verified as their receivers do: with the libraries of the providers, from what Postroom hands out."""

import base64
import gzip
import hashlib
import json
import os
import subprocess
import time
import urllib.parse
from types import SimpleNamespace

import libraries
import pytest
from harness import ROOT
from signing import BODY_PRESETS, base64_of, code, fields, key_of, secret_of, signed, verification

PACKAGES = ["gidgethub", "slack_sdk", "standardwebhooks", "stripe", "svix", "twilio"]


@pytest.fixture(scope="module")
def receiver():
    """Tests/Support/webhook_receivers.py: whether a library takes the signature."""
    for package in PACKAGES:
        libraries.need(package)
    program = os.path.join(ROOT, "Tests", "Support", "webhook_receivers.py")
    process = subprocess.Popen([libraries.PYTHON, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(library, secret, headers, body, url=""):
        order = {"with": library, "secret": secret, "headers": headers, "url": url}
        process.stdin.write(json.dumps({**order, "body": base64.b64encode(body).decode()}).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(10)


EVENT = json.dumps(
    {"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"for": "Café – 10 €"}}},
    ensure_ascii=False, indent=1).encode() + b"\n"
FORM = urllib.parse.urlencode(
    [("text", "Café & 10 €"), ("b", "2"), ("a", ""), ("b", "1"), ("b", "2"), ("empty", "")]).encode()
MULTIPART = (
    b'--x1\r\nContent-Disposition: form-data; name="note"\r\n\r\nCaf\xc3\xa9\r\n'
    b'--x1\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\na\n\r\n--x1--\r\n')
BINARY = bytes(range(256)) * 5


def sent(kind, body, wire=None, **headers):
    headers = {"Content-Type": kind, **headers}
    return SimpleNamespace(signed=body, wire=wire or body, headers=headers)


TEXTS = {
    "json": sent("application/json; charset=utf-8", EVENT),
    "form": sent("application/x-www-form-urlencoded", FORM),
    "multipart": sent("multipart/form-data; boundary=x1", MULTIPART),
    "empty": sent("application/json", b""),
    "byte order mark": sent("application/json", b"\xef\xbb\xbf{}"),
    "gzip": sent("application/json", EVENT, gzip.compress(EVENT), **{"Content-Encoding": "gzip"}),
}
# Libraries that decode a body as UTF-8 do not take these.
OTHERS = {
    "latin-1": sent("text/plain; charset=iso-8859-1", b"caf\xe9 \xa4\r\n"),
    "binary": sent("application/octet-stream", BINARY),
    "gzip of bytes": sent("application/octet-stream", BINARY, gzip.compress(BINARY), **{"Content-Encoding": "gzip"}),
}


def sending(service, endpoint, message, headers):
    """Sends a message; returns its notification and a function that returns the bytes that were signed."""
    answer = service.hook(endpoint, message.wire, {**message.headers, **headers})
    assert answer.status == 200, answer.text
    (found,) = service.look(endpoint).json()["notifications"]
    path = "/manage/endpoint/%s/notifications/%d/body" % (endpoint, found["id"])
    wire = service.call("GET", path)
    assert (wire.status, wire.body) == (200, message.wire)
    decoded = service.call("GET", path + "?decoded").body
    assert service.collect(endpoint) == [found]
    return found, {field["name"]: field["value"] for field in found["headers"]}, decoded


def configured(service, endpoint, **verify):
    answer = service.configure(endpoint, enabled=True, verify=verify)
    assert answer.status == 204, answer.text


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("library", ["standard-webhooks", "svix", "github", "stripe", "slack"])
def test_a_library_and_the_verdict_agree(shared, endpoint, receiver, library, kind):
    preset = "standard-webhooks" if library == "svix" else library
    configured(shared, endpoint, **verification(preset))
    message = TEXTS[kind]
    for key, is_valid in [(key_of(preset), True), (b"another key", False)]:
        headers = signed("svix" if library == "svix" else preset, message.signed, key)
        found, headers, body = sending(shared, endpoint, message, headers)
        assert receiver(library, secret_of(preset), headers, body)["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid, found["verification"]
    assert found["verification"]["cause"] == "unknown"


@pytest.mark.parametrize("library", ["standard-webhooks", "stripe", "slack"])
def test_a_library_and_the_verdict_agree_on_times(shared, endpoint, receiver, library):
    configured(shared, endpoint, **verification(library))
    for minutes, is_valid in [(-4, True), (4, True), (-6, False), (-60 * 24, False)]:
        headers = signed(library, EVENT, at=time.time() + 60 * minutes)
        found, headers, body = sending(shared, endpoint, TEXTS["json"], headers)
        assert receiver(library, secret_of(library), headers, body)["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid, found["verification"]
    assert found["verification"]["cause"] == "timestamp"


@pytest.mark.parametrize(
    "library, header, wrong",
    [("standard-webhooks", "webhook-signature", "{0} v1,AAAA"), ("standard-webhooks", "webhook-signature", "v1,AAAA {0}"),
     ("standard-webhooks", "webhook-signature", "v1a,AAAA {0}"), ("stripe", "Stripe-Signature", "{0},v1=00"),
     ("stripe", "Stripe-Signature", "v1=00,{0}"), ("stripe", "Stripe-Signature", "v0=00,{0},x=y")])
def test_one_of_several_signatures_is_enough(shared, endpoint, receiver, library, header, wrong):
    """As after a change of the secret: senders sign with the old and with the new one."""
    configured(shared, endpoint, **verification(library))
    for key, is_valid in [(None, True), (b"another key", False)]:
        headers = signed(library, EVENT, key)
        headers[header] = wrong.format(headers[header])
        found, headers, body = sending(shared, endpoint, TEXTS["json"], headers)
        assert receiver(library, secret_of(library), headers, body)["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid, found["verification"]


@pytest.mark.parametrize(
    "change, minutes, is_valid",
    [("{0}", 60 * 24, True), ("{0}, v1=00", 0, True), ("{0},t=1", 0, True), ("t=1,{0}", 0, False), ("v1=00, {0}", 0, False)])
def test_stripe_takes_times_in_the_future_but_no_blanks(shared, endpoint, receiver, change, minutes, is_valid):
    configured(shared, endpoint, **verification("stripe"))
    headers = signed("stripe", EVENT, at=time.time() + 60 * minutes)
    headers["Stripe-Signature"] = change.format(headers["Stripe-Signature"])
    found, headers, body = sending(shared, endpoint, TEXTS["json"], headers)
    assert receiver("stripe", secret_of("stripe"), headers, body)["valid"] is is_valid
    assert found["verification"]["valid"] is is_valid, found["verification"]


def test_stripe_takes_no_blank_before_v1(shared, endpoint, receiver):
    configured(shared, endpoint, **verification("stripe"))
    headers = signed("stripe", EVENT)
    headers["Stripe-Signature"] = headers["Stripe-Signature"].replace(",", ", ")
    found, headers, body = sending(shared, endpoint, TEXTS["json"], headers)
    assert receiver("stripe", secret_of("stripe"), headers, body)["valid"] is False
    assert found["verification"]["valid"] is False and "no blank after a comma" in found["verification"]["reason"]


@pytest.mark.parametrize("kind", OTHERS)
def test_the_library_for_github_verifies_bytes_that_are_not_utf_8(shared, endpoint, receiver, kind):
    configured(shared, endpoint, **verification("github"))
    message = OTHERS[kind]
    for key, is_valid in [(None, True), (b"another key", False)]:
        found, headers, body = sending(shared, endpoint, message, signed("github", message.signed, key))
        assert receiver("github", secret_of("github"), headers, body)["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid, found["verification"]


@pytest.mark.parametrize("kind", [*TEXTS, *OTHERS])
@pytest.mark.parametrize("preset", [*BODY_PRESETS, "3dverse", "standard-webhooks-v1a"])
def test_bodies_of_all_kinds_are_verified(shared, endpoint, preset, kind):
    configured(shared, endpoint, **verification(preset))
    message = {**TEXTS, **OTHERS}[kind]
    found, _, body = sending(shared, endpoint, message, signed(preset, message.signed))
    assert body == message.signed and found["verification"]["valid"] is True, found["verification"]


# ---------------------------------------------------------------- Twilio


def url(service, endpoint, suffix=""):
    return "http://127.0.0.1:%d/webhook/%s%s" % (service.port, endpoint, suffix)


@pytest.mark.parametrize("suffix", ["", "?a=1", "?x=%2Fy+z&%C3%A9=%20"])
@pytest.mark.parametrize("has_port", [True, False])
def test_twilio_verifies_the_url_that_is_handed_out(shared, endpoint, receiver, suffix, has_port):
    configured(shared, endpoint, **verification("twilio"))
    target = url(shared, endpoint, suffix)
    target = target if has_port else target.replace(":%d" % shared.port, "")
    for body in (FORM, b"", b"Body=%e2%82%ac+%00&From=%2B14158675309"):
        for key, is_valid in [(None, True), (b"another key", False)]:
            headers = {"Content-Type": TEXTS["form"].headers["Content-Type"], **signed("twilio", body, key, url=target)}
            assert shared.hook(endpoint, body, headers, suffix).status == 200
            (found,) = shared.collect(endpoint)
            headers = {field["name"]: field["value"] for field in found["headers"]}
            sent = found["body"].encode()
            assert sent == body
            assert receiver("twilio", secret_of("twilio"), headers, sent, found["url"])["valid"] is is_valid
            assert found["verification"]["valid"] is is_valid, found["verification"]


SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


@pytest.mark.parametrize(
    "settings, algorithm, is_valid",
    [("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", "sha256", True), ("key=k, algorithm = hmac_sha256", "sha256", True),
     ("key=k,algorithm=HMAC_SHA256", "sha1", False), ("key=k,algorithm=HMAC_SHA1", "sha1", True), ("key=k", "sha1", True),
     ("key=k", "sha256", False), ("algorithm=HMAC_SHA512", "sha512", False)])
def test_twilio_signs_with_the_algorithm_of_its_settings(shared, endpoint, receiver, settings, algorithm, is_valid):
    configured(shared, endpoint, **verification("twilio"))
    text = (url(shared, endpoint) + fields(FORM)).encode()
    signature = base64_of(code(key_of("twilio"), text, algorithm))
    headers = {"X-Twilio-Signature": signature, SETTINGS: settings}
    found, headers, body = sending(shared, endpoint, TEXTS["form"], headers)
    assert receiver("twilio", secret_of("twilio"), headers, body, found["url"])["valid"] is is_valid
    assert found["verification"]["valid"] is is_valid, found["verification"]
    assert is_valid or found["verification"]["cause"] == "algorithm"


@pytest.mark.parametrize("value", ["x" * 64, ""])
def test_twilio_signs_the_fields_of_a_form_also_if_the_url_has_a_hash(shared, endpoint, receiver, value):
    configured(shared, endpoint, **verification("twilio"))
    suffix = "?bodySHA256=" + value
    for body, is_valid in [(FORM, True), (b"", False)]:
        headers = {**TEXTS["form"].headers, **signed("twilio", body, url=url(shared, endpoint, suffix))}
        assert shared.hook(endpoint, FORM, headers, suffix).status == 200
        (found,) = shared.collect(endpoint)
        headers = {field["name"]: field["value"] for field in found["headers"]}
        assert receiver("twilio", secret_of("twilio"), headers, FORM, found["url"])["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid, found["verification"]


def test_twilio_verifies_a_json_body_by_the_hash_in_the_url(shared, endpoint, receiver):
    configured(shared, endpoint, **verification("twilio"))
    suffix = "?bodySHA256=" + hashlib.sha256(EVENT).hexdigest()
    signature = base64_of(code(key_of("twilio"), url(shared, endpoint, suffix).encode(), "sha1"))
    for body, is_valid in [(EVENT, True), (EVENT + b" ", False)]:
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/json"}
        assert shared.hook(endpoint, body, headers, suffix).status == 200
        (found,) = shared.collect(endpoint)
        assert receiver("twilio", secret_of("twilio"), headers, found["body"].encode(), found["url"])["valid"] is is_valid
        assert found["verification"]["valid"] is is_valid
    assert found["verification"]["cause"] == "body"
