"""Signatures, verified as receivers do: with libraries of others, and with nothing but the published keys."""

import base64
import json
import os
import re

import libraries
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from harness import wait_for
from webhook_service import header_of, new_environment

METHODS = ["get", "post", "put", "patch", "delete"]


def verify(pem, signature, message):
    """Verifies a signature by the type of the key; raises InvalidSignature."""
    key = load_pem_public_key(pem.encode())
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    else:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def is_signed(call, key):
    """Whether the headers that a key names have its signature of `timestamp.body`."""
    signature = base64.b64decode(header_of(call, key["signature_header"]), validate=True)
    stamp = header_of(call, key["signature_timestamp_header"])
    assert re.fullmatch("[0-9]+", stamp) and abs(int(stamp) - call["t"]) < 5
    try:
        verify(key["key"], signature, ("%s.%s" % (stamp, call["body"])).encode())
        return True
    except InvalidSignature:
        return False


def tokens(call, version):
    """The signatures of a version in the header webhook-signature."""
    found = [token.split(",") for token in header_of(call, "webhook-signature").split(" ")]
    return [base64.b64decode(value, validate=True) for name, value in found if name == version]


def signers(call, keys):
    """The names of those keys whose `v1a` signature the call has."""
    message = ("%s.%s.%s" % (header_of(call, "webhook-id"), header_of(call, "webhook-timestamp"), call["body"])).encode()
    found = []
    for signature in tokens(call, "v1a"):
        for name, key in keys.items():
            try:
                verify(key["key"], signature, message)
                found.append(name)
            except InvalidSignature:
                pass
    assert len(found) == len(tokens(call, "v1a"))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_a_call_is_verified_with_the_published_key(hub, receiver, method):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/key-" + method), method=method)
    other = hub.key(new_environment())
    hub.publish(environment, data={"text": "käse", "deep": [1.0, {"a": None}]})
    hub.settle(webhook)
    (call,) = receiver.arrivals("/key-" + method)
    key = hub.key(environment)
    assert is_signed(call, key) and not is_signed(call, other)
    assert not is_signed({**call, "body": call["body"] + " "}, key)
    assert signers(call, {"own": key, "other": other}) == ["own"]
    assert tokens(call, "v1") == []
    # The JWK is the same key.
    x = base64.urlsafe_b64decode(key["jwk"]["x"] + "=")
    Ed25519PublicKey.from_public_bytes(x).verify(
        base64.b64decode(header_of(call, "X-3dverse-Signature")),
        ("%s.%s" % (header_of(call, "X-3dverse-Signature-Timestamp"), call["body"])).encode(),
    )


def test_every_attempt_has_its_own_signature(hub, receiver):
    environment = new_environment()
    receiver.rule("/anew", status=[500, 500, 200])
    webhook = hub.add(environment, receiver.url("/anew"), secret=True)
    hub.publish(environment)
    hub.settle(webhook)
    calls = receiver.arrivals("/anew")
    key = hub.key(environment)
    assert len(calls) == 3 and all(is_signed(call, key) and signers(call, {"own": key}) for call in calls)
    assert len({header_of(call, "webhook-signature") for call in calls}) == 3
    assert len({header_of(call, "webhook-id") for call in calls}) == 1


@pytest.mark.parametrize(
    "algorithm, members",
    [("rsa-sha256", {"kty", "n", "e", "kid"}), ("ecdsa-p256-sha256", {"kty", "crv", "x", "y", "kid"})],
)
def test_rsa_and_ecdsa_sign_the_same_content(serve_webhooks, receive, algorithm, members):
    receiver = receive()
    service = serve_webhooks(
        WEBHOOKS_SIGNATURE_ALGORITHM=algorithm,
        WEBHOOKS_SIGNATURE_HEADER="X-Signed",
        WEBHOOKS_SIGNATURE_TIMESTAMP_HEADER="X-Signed-At",
    )
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    service.publish(environment)
    service.settle(webhook)
    (call,) = receiver.arrivals()
    key = service.key(environment)
    assert (key["algorithm"], key["signature_header"], key["signature_timestamp_header"]) == (
        algorithm,
        "X-Signed",
        "X-Signed-At",
    )
    assert is_signed(call, key) and set(key["jwk"]) == members
    assert header_of(call, "X-3dverse-Signature") is None
    # Standard Webhooks has no signature of these types.
    assert header_of(call, "webhook-signature") is None and header_of(call, "webhook-id")


@pytest.mark.parametrize("library", ["standardwebhooks", "svix"])
def test_libraries_of_receivers_verify_v1(hub, receive, library):
    libraries.need(library)
    secret = "whsec_" + base64.b64encode(os.urandom(24)).decode()
    receiver = receive(None, "--verify", secret, "--verify-lib", library, python=libraries.PYTHON)
    environment = new_environment()
    right = [hub.add(environment, receiver.url("/" + method), method=method, secret=secret) for method in METHODS]
    wrong = hub.add(environment, receiver.url("/wrong"), secret=True, retry_policy=[])
    none = hub.add(environment, receiver.url("/none"), retry_policy=[])
    hub.publish(environment, data={"text": "käse"})
    for webhook in right:
        assert [line["status_code"] for line in hub.settle(webhook)] == [200]
    # A receiver that cannot verify answers 401.
    for webhook in (wrong, none):
        assert [line["status_code"] for line in hub.settle(webhook)] == [401]
    # After a change, the new secret signs.
    hub.change(wrong, secret=secret)
    hub.change(right[0], secret=True)
    hub.publish(environment)
    assert hub.settle(wrong)[-1]["status_code"] == 200
    wait_for(lambda: hub.attempts(right[0])[0]["status_code"] == 401)


def test_the_library_accepts_unusual_event_ids(hub, receive):
    libraries.need("standardwebhooks")
    secret = "whsec_" + base64.b64encode(os.urandom(64)).decode()
    receiver = receive(None, "--verify", secret, python=libraries.PYTHON)
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/"), secret=secret)
    for event in ("x" * 255, "~!@#$%^&*()_+", "1"):
        hub.publish(environment, event_id=event)
    assert [line["status_code"] for line in hub.settle(webhook)] == [200] * 3
    assert sorted(call["id"] for call in receiver.arrivals()) == sorted(["x" * 255, "~!@#$%^&*()_+", "1"])


def test_every_call_can_be_verified_during_a_rotation(serve_webhooks, receive):
    receiver = receive()
    service = serve_webhooks(WEBHOOKS_ROTATION_OVERLAP="2s", RESPONDERS=2)
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    keys, states = {}, []

    def look():
        """Makes a call, and notes in `states` which keys are published, and which of them verify it."""
        shown = service.key(environment)
        for key in filter(None, (shown, shown["next"], shown["previous"])):
            keys.setdefault(key["key_id"], {**key, "name": "key %d" % (len(keys) + 1)})
        count = len(receiver.arrivals())
        service.publish(environment)
        call = receiver.wait(count + 1)[-1]
        signed = [key["name"] for key in keys.values() if is_signed(call, key)]
        both = sorted(keys[key]["name"] for key in signers(call, keys))
        assert len(signed) == 1 and signed[0] in both
        named = [keys[shown[other]["key_id"]]["name"] if shown[other] else None for other in ("next", "previous")]
        # A receiver that loaded the keys before the call has this one: as the key, or as the next one.
        assert signed[0] in (keys[shown["key_id"]]["name"], named[0])
        state = (keys[shown["key_id"]]["name"], *named, signed[0], both)
        if state[0] == state[3] and (not states or states[-1] != state):
            states.append(state)

    look()
    assert service.api("POST", "/environments/%s/settings/rotate" % environment).status == 200
    wanted = [
        ("key 1", None, None, "key 1", ["key 1"]),
        ("key 1", "key 2", None, "key 1", ["key 1"]),
        ("key 2", None, "key 1", "key 2", ["key 1", "key 2"]),
        ("key 2", None, None, "key 2", ["key 2"]),
    ]

    def is_over():
        look()
        return states[-1] == wanted[-1]

    wait_for(is_over, pause=0.1)
    # There may be others, if a key changed between the settings and the call.
    assert [state for state in states if state in wanted] == wanted and len(states) <= 6, states
    # The key can be rotated again.
    assert service.api("POST", "/environments/%s/settings/rotate" % environment).status == 200
    look()
    assert states[-1] == ("key 2", "key 3", None, "key 2", ["key 2"])
    assert all(line["status_code"] == 200 for line in service.settle(webhook))


def test_without_an_overlap_a_new_key_signs_at_once(serve_webhooks, receive):
    receiver = receive()
    service = serve_webhooks(WEBHOOKS_ROTATION_OVERLAP="0")
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    old = service.key(environment)
    assert service.api("POST", "/environments/%s/settings/rotate" % environment).status == 200
    new = service.key(environment)
    assert new["key_id"] != old["key_id"] and new["next"] is None and new["previous"] is None
    service.publish(environment)
    service.settle(webhook)
    (call,) = receiver.arrivals()
    assert is_signed(call, new) and signers(call, {"old": old, "new": new}) == ["new"]


def test_keys_survive_a_restart(serve_webhooks, receive):
    receiver = receive()
    for secret in ("", "0123456789abcdef0123456789abcdef"):
        service = serve_webhooks(DB_ENCRYPTION_SECRET=secret)
        environment = new_environment()
        webhook = service.add(environment, receiver.url("/" + secret), secret=True)
        key = service.key(environment)
        service.stop()
        service.start()
        assert service.key(environment) == key
        service.publish(environment)
        service.settle(webhook)
        (call,) = receiver.arrivals("/" + secret)
        assert is_signed(call, key) and len(tokens(call, "v1")) == 1


def test_the_log_has_the_signature_and_what_it_signs(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/log"))
    hub.publish(environment)
    (line,) = hub.settle(webhook)
    key = hub.key(environment)
    stamp = line["request_headers"]["X-3dverse-Signature-Timestamp"]
    verify(
        key["key"],
        base64.b64decode(line["request_headers"]["X-3dverse-Signature"]),
        ("%s.%s" % (stamp, line["request_body"])).encode(),
    )
    assert json.loads(line["request_body"])["environment_id"] == environment
