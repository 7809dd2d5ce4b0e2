"""The bytes of random bodies come back as they were sent, whatever their headers say about them.

CAPTURE_BODIES sets how many are sent: 500 by default, 10000 for a long run. CAPTURE_SEED repeats a run."""

import base64
import collections
import gzip
import hashlib
import json
import os
import random
import zlib

from harness import wait_for

COUNT = int(os.environ.get("CAPTURE_BODIES", 500))
SEED = int(os.environ.get("CAPTURE_SEED", random.randrange(1 << 32)))
CHARSETS = [
    None, "utf-8", "UTF8", "us-ascii", "iso-8859-1", "latin1", "ISO-8859-15", "windows-1252", "koi8-r", "shift_jis",
    "euc-jp", "gb18030", "big5", "euc-kr", "utf-16", "utf-16le", "utf-16be", "iso-2022-jp", "unknown-1", "", '"utf-8"']
TYPES = ["text/plain", "application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/html"]


def raw_deflate(body):
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


# The longest body of a refused request that is kept.
REFUSED_BYTES = 256 << 10
# Name of a case: the label, and what is done to a body.
CODINGS = {
    "none": (None, lambda body, _: body),
    "identity": ("identity", lambda body, _: body),
    "gzip": ("gzip", lambda body, _: gzip.compress(body, 1)),
    "x-gzip": ("x-gzip", lambda body, _: gzip.compress(body, 1)),
    "gzip in two members": ("GZIP", lambda body, _: gzip.compress(body[:9], 1) + gzip.compress(body[9:], 1)),
    "deflate": ("deflate", lambda body, _: zlib.compress(body, 1)),
    "deflate without a frame": ("deflate", lambda body, _: raw_deflate(body)),
    "gzip twice": ("gzip, gzip", lambda body, _: gzip.compress(gzip.compress(body, 1), 1)),
    "deflate in gzip": ("deflate, gzip", lambda body, _: gzip.compress(zlib.compress(body, 1), 1)),
    "unknown": ("br", lambda body, _: body),
    "cut gzip": ("gzip", lambda body, dice: (whole := gzip.compress(body, 1))[:dice.randrange(1, len(whole))]),
    "not gzip": ("gzip", lambda body, _: b"\x1f\x8c" + body),
}
# Those of which ?decoded returns the body.
DECODED = ["none", "identity", "gzip", "x-gzip", "gzip in two members", "deflate"]


def length(dice):
    return dice.choice([0, dice.randrange(20), dice.randrange(2000), dice.randrange(2000), dice.randrange(20_000)]
                       + ([dice.randrange(400_000)] if dice.random() < 0.2 else []))


def content(dice, charset):
    """Bytes of all kinds: random ones, text in the charset, with or without an error, JSON, forms, blanks, zeros."""
    count = length(dice)
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(count)
    if kind == 1:
        return bytes([dice.choice(b"\0 \n\r\xff\xef")]) * count
    text = "".join(dice.choices("abc \r\n\t\"\\{}é€ßж日本語😀\u2028\ufeff\0", k=count // 3))
    if kind == 2:
        text = json.dumps({"text": text, "number": 1.0}, ensure_ascii=dice.random() < 0.5)
    encoding = charset if charset not in (None, "", '"utf-8"', "unknown-1") else "utf-8"
    body = text.encode(encoding, errors="ignore")
    if kind == 3 and body:
        position = dice.randrange(len(body))
        body = body[:position] + dice.randbytes(1) + body[position + 1:]
    return body


def pieces(dice, body):
    """The body in pieces, each a chunk of the request."""
    while body:
        count = dice.choice([1, 10, 1000, 100_000])
        yield body[:count]
        body = body[count:]


def test_random_bodies_come_back_byte_for_byte(serve):
    print("CAPTURE_SEED=%d" % SEED)
    dice = random.Random(SEED)
    service = serve(RESPONDERS=2, DURABILITY="process")
    endpoint = service.create()
    path = "/manage/endpoint/%s/notifications" % endpoint
    connection = service.connection(60)
    outcomes, digests, last = collections.Counter(), set(), 0
    for number in range(COUNT):
        charset, coding = dice.choice(CHARSETS), dice.choice(list(CODINGS))
        body = content(dice, charset)
        label, encode = CODINGS[coding]
        wire = encode(body, dice)
        headers = {"Content-Type": dice.choice(TYPES) + ("; charset=" + charset if charset is not None else "")}
        if label:
            headers["Content-Encoding"] = label
        what = (SEED, number, coding, charset, len(body))
        is_chunked = dice.random() < 0.3
        connection.request(
            dice.choice(["POST", "PUT", "PATCH", "DELETE", "GET"]), "/webhook/" + endpoint,
            pieces(dice, wire) if is_chunked else wire, headers)
        answer = connection.getresponse()
        answer.read()
        outcomes[coding, answer.status] += 1
        refused = answer.status == 400
        assert answer.status == 200 or refused and label in ("gzip", "deflate"), (what, answer.status)
        query = "?refused" if refused else ""
        look = "%s?refused&after=%d" % (path, last) if refused else path
        # The answer to a refused request does not wait until it is stored.
        (found,) = wait_for(lambda: service.call("GET", look, connection=connection).json()["notifications"])
        if refused:
            last = found["id"]
            # Of a longer body only the head is kept.
            wire = wire if len(wire) <= REFUSED_BYTES else b""
        # By its number, as it was sent.
        got = service.call("GET", "%s/%d/body%s" % (path, found["id"], query), connection=connection)
        assert got.status == 200 and hashlib.sha256(got.body).digest() == hashlib.sha256(wire).digest(), what
        digests.add(hashlib.sha256(got.body).digest())
        # In the list, as text or in Base64.
        shown = base64.b64decode(found["bodyBase64"]) if "bodyBase64" in found else found["body"].encode()
        assert shown == wire, what
        if coding in DECODED:
            got = service.call("GET", "%s/%d/body?decoded" % (path, found["id"]), connection=connection)
            assert hashlib.sha256(got.body).digest() == hashlib.sha256(body).digest(), what
        if not refused:
            gone = service.call("DELETE", "%s?through=%d" % (path, found["id"]), connection=connection)
            assert gone.status == 204, what
    connection.close()
    assert all(outcomes[coding, 200] for coding in CODINGS if coding != "not gzip"), outcomes
    assert outcomes["not gzip", 400] and len(digests) > COUNT // 2, outcomes
    print(dict(outcomes))
    service.check()
