"""Signs requests as senders do, for each preset of `verify`."""

import base64
import hashlib
import hmac
import time
import urllib.parse

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET_BYTES = bytes(range(60, 92))
SECRET = base64.b64encode(SECRET_BYTES).decode()
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(PRIVATE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
TIMED = ["standard-webhooks", "standard-webhooks-v1a", "stripe", "slack", "3dverse"]
# Those that make an HMAC of the body, with or without a time.
BODY_PRESETS = ["standard-webhooks", "github", "stripe", "slack", "shopify", "hmac"]
# Those that sign the body.
SIGNERS = [*BODY_PRESETS, "standard-webhooks-v1a", "3dverse"]
ALL = [*SIGNERS, "twilio", "gitlab"]


def verification(preset, secret=None):
    """The member `verify`; `standard-webhooks-v1a` is the preset with a public key."""
    if preset in ("3dverse", "standard-webhooks-v1a"):
        return {"preset": preset.removesuffix("-v1a"), "public_key": "whpk_" + PUBLIC_KEY}
    members = {"preset": preset, "secret": secret or secret_of(preset)}
    if preset == "hmac":
        members.update(header="X-Signed", algorithm="sha512", encoding="base64", prefix="v9:")
    return members


def secret_of(preset):
    return "whsec_" + SECRET if preset in ("standard-webhooks", "stripe") else SECRET


def key_of(preset):
    """The key that the provider makes of its secret."""
    return SECRET_BYTES if preset in ("standard-webhooks", "svix") else secret_of(preset).encode()


def code(key, text, algorithm="sha256"):
    return hmac.new(key, text, algorithm).digest()


def base64_of(code):
    return base64.b64encode(code).decode()


def signed(preset, body, key=None, at=None, url=""):
    """The headers that sign `body`, with the right key and now unless the arguments say otherwise.

    `url` is what Twilio signs beside the fields of the form."""
    key = key_of(preset) if key is None else key
    stamp = str(int(time.time() if at is None else at))
    timed = stamp.encode() + b"." + body
    if preset == "standard-webhooks":
        return named("webhook", stamp, "v1," + base64_of(code(key, b"msg_1." + timed)))
    if preset == "svix":
        return named("svix", stamp, "v1," + base64_of(code(key, b"msg_1." + timed)))
    if preset == "standard-webhooks-v1a":
        return named("webhook", stamp, "v1a," + base64_of(private(key).sign(b"msg_1." + timed)))
    if preset == "3dverse":
        signature = base64_of(private(key).sign(timed))
        return {"X-3dverse-Signature": signature, "X-3dverse-Signature-Timestamp": stamp}
    if preset == "github":
        return {"X-Hub-Signature-256": "sha256=" + code(key, body).hex()}
    if preset == "stripe":
        return {"Stripe-Signature": "t=%s,v1=%s" % (stamp, code(key, timed).hex())}
    if preset == "slack":
        signature = "v0=" + code(key, b"v0:%s:" % stamp.encode() + body).hex()
        return {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": stamp}
    if preset == "shopify":
        return {"X-Shopify-Hmac-Sha256": base64_of(code(key, body))}
    if preset == "hmac":
        return {"X-Signed": "v9:" + base64_of(code(key, body, "sha512"))}
    if preset == "twilio":
        return {"X-Twilio-Signature": base64_of(code(key, (url + fields(body)).encode(), hashlib.sha1))}
    assert preset == "gitlab"
    return {"X-Gitlab-Token": key.decode()}


def private(key):
    """The private key, unless a test gives another one."""
    return key if isinstance(key, Ed25519PrivateKey) else PRIVATE_KEY


def named(kind, stamp, signature):
    return {kind + "-id": "msg_1", kind + "-timestamp": stamp, kind + "-signature": signature}


def fields(form):
    """The fields of a form as Twilio signs them."""
    found = sorted(set(urllib.parse.parse_qsl(form.decode(), keep_blank_values=True)))
    return "".join(name + value for name, value in found)
