"""How receiver.py verifies the signatures of webhooks."""

import base64, os, time


class HmacCheck:
    """Standard Webhooks v1 through the reference library."""
    def __init__(self, secret, lib="standardwebhooks"):
        if lib == "svix":
            from svix.webhooks import Webhook
            self._verify = Webhook(secret).verify
        else:
            from standardwebhooks.webhooks import Webhook
            hook = Webhook(secret)
            self._verify = lambda body, headers: hook.verify(body, headers, json_parse=False)
        self.name = lib

    def check(self, body, headers):
        self._verify(body, headers)


def load_public(text):
    """whpk_<base64>, PEM text, or a file holding either -> a cryptography public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    if os.path.exists(text):
        with open(text) as f:
            text = f.read().strip()
    if text.startswith("whpk_"):
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text[5:]))
    return load_pem_public_key(text.replace("\\n", "\n").encode())


def verify_public(key, signature, message):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    else:
        raise ValueError("unsupported key type")


class Ed25519Check:
    """Standard Webhooks v1a (no published Python library does it): any v1a token over id.timestamp.body."""
    name = "v1a"

    def __init__(self, key, tolerance=300):
        self.key, self.tolerance = load_public(key), tolerance

    def check(self, body, headers):
        stamp = headers["webhook-timestamp"]
        if abs(time.time() - int(stamp)) > self.tolerance:
            raise ValueError("timestamp outside the tolerance")
        message = f"{headers['webhook-id']}.{stamp}.".encode() + body
        tokens = [t.split(",", 1)[1] for t in headers["webhook-signature"].split(" ") if t.startswith("v1a,")]
        if not tokens:
            raise ValueError("no v1a signature")
        for token in tokens:
            try:
                return verify_public(self.key, base64.b64decode(token, validate=True), message)
            except Exception as e:
                last = e
        raise ValueError(f"no v1a signature matches ({type(last).__name__})")


class TimestampBodyCheck:
    """X-3dverse style: base64 signature header over `timestamp.body`, timestamp in its own header."""
    def __init__(self, key, signature_header, timestamp_header, tolerance=300):
        self.key, self.tolerance = load_public(key), tolerance
        self.sig_h, self.ts_h = signature_header.lower(), timestamp_header.lower()
        self.name = "public-key"

    def check(self, body, headers):
        stamp = headers[self.ts_h]
        if abs(time.time() - int(stamp)) > self.tolerance:
            raise ValueError("timestamp outside the tolerance")
        verify_public(self.key, base64.b64decode(headers[self.sig_h], validate=True), stamp.encode() + b"." + body)
