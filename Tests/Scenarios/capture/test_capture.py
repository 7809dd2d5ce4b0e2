"""What the capture API adds to the contract of the original, and where it corrects it."""

import base64
import gzip
import hashlib
import random
import re
import zlib

import pytest
from harness import exchange

MIB = 1 << 20


def only(notifications):
    (notification,) = notifications
    return notification


def values(notification, name):
    return [h["value"] for h in notification["headers"] if h["name"].lower() == name.lower()]


# ---------------------------------------------------------------- members


def test_the_members_of_the_original_come_first_and_in_its_order(shared, endpoint):
    shared.hook(endpoint, "x")
    assert list(only(shared.collect(endpoint)))[:5] == ["method", "headers", "body", "receivedAt", "remote"]


def test_answers_have_the_spaces_and_escapes_of_the_original(shared, endpoint):
    assert shared.call("GET", "/manage/endpoint/" + endpoint).body == b'{"notifications": []}'
    shared.hook(endpoint, "\u00e9\U0001f600\x7f\n".encode())
    assert b'"body": "\\u00e9\\ud83d\\ude00\\u007f\\n"' in shared.call("GET", "/manage/endpoint/" + endpoint).body


def test_ids_start_at_one_and_continue_after_a_collection(shared, endpoint):
    for body in ("a", "b"):
        shared.hook(endpoint, body)
    assert [n["id"] for n in shared.collect(endpoint)] == [1, 2]
    shared.hook(endpoint, "c")
    assert [n["id"] for n in shared.collect(endpoint)] == [3]


@pytest.mark.parametrize("suffix, query", [("", None), ("?", ""), ("?a=b&c=%20+d", "a=b&c=%20+d"), ("?a?b", "a?b")])
def test_the_query_is_kept_as_sent(shared, endpoint, suffix, query):
    shared.hook(endpoint, suffix=suffix)
    notification = only(shared.collect(endpoint))
    assert (notification["query"], notification["path"]) == (query, "")


def test_the_remote_address_is_that_of_the_connection(shared, endpoint):
    shared.hook(endpoint, headers={"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7"})
    assert only(shared.collect(endpoint))["remote"] == "127.0.0.1"


def test_a_trusted_proxy_may_name_the_client(serve):
    service = serve(TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8")
    endpoint = service.create()
    service.hook(endpoint, headers={"X-Forwarded-For": "203.0.113.9, 10.1.1.1"})
    assert only(service.collect(endpoint))["remote"] == "203.0.113.9"


# ---------------------------------------------------------------- bytes


def test_a_body_that_is_not_text_keeps_every_byte(shared, endpoint):
    body = bytes(range(256)) * 3
    assert shared.hook(endpoint, body).status == 200
    notification = only(shared.collect(endpoint))
    assert base64.b64decode(notification["bodyBase64"]) == body
    assert notification["body"] == body.decode("utf-8", "replace")


def test_a_text_has_no_base64_form(shared, endpoint):
    shared.hook(endpoint, "text")
    assert "bodyBase64" not in only(shared.collect(endpoint))


@pytest.mark.parametrize(
    "charset, body",
    [("windows-1252", b"\x80uro"), ("shift_jis", "\u65e5\u672c".encode("shift_jis")), ("UTF-16LE", "x\u00e9".encode("utf-16-le"))]
    + [('"latin-1"', b"caf\xe9"), ("koi8-r", "\u043c\u0438\u0440".encode("koi8-r")), ("utf_8", "\u00e9".encode())],
)
def test_a_body_is_decoded_from_its_charset(shared, endpoint, charset, body):
    assert shared.hook(endpoint, body, {"Content-Type": "text/plain; a=b; charset=%s" % charset}).status == 200
    assert only(shared.collect(endpoint))["body"] == body.decode(charset.strip('"'))


@pytest.mark.parametrize("charset, body", [("us-ascii", b"\xe9"), ("utf-16", b"\x00\xd8"), ("nonesuch", b"caf\xe9"), ("rot13", b"x")])
def test_a_body_that_cannot_be_decoded_from_its_charset_keeps_every_byte(shared, endpoint, charset, body):
    assert shared.hook(endpoint, body, {"Content-Type": "text/plain; charset=" + charset}).status == 200
    assert base64.b64decode(only(shared.collect(endpoint))["bodyBase64"]) == body


def raw_deflate(body):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    "coding, body",
    [("gzip", gzip.compress(b"hello", mtime=0)), ("GZIP", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)), ("gzip", b"")]
    + [("x-gzip", gzip.compress(b"hello", mtime=0)), ("X-GZip", gzip.compress(b"hello", mtime=0))]
    + [("deflate", zlib.compress(b"hello")), ("Deflate", raw_deflate(b"hello"))],
)
def test_compressed_bodies_are_decompressed(shared, endpoint, coding, body):
    assert shared.hook(endpoint, body, {"Content-Encoding": coding}).status == 200
    assert only(shared.collect(endpoint))["body"] == ("hello" if body else "")


@pytest.mark.parametrize(
    "body, status",
    [(b"no gzip", 400)]
    + [(gzip.compress(b"hello", mtime=0)[:-8] + b"\0" * 8, 400), (gzip.compress(b"x", mtime=0) + b"trailing", 400)]
    + [(gzip.compress(b"x" * MIB, mtime=0), 200), (gzip.compress(b"x" * (MIB + 1), mtime=0), 413), (gzip.compress(b"\0" * 50_000_000, mtime=0), 413)],
    ids=["not-gzip", "checksum", "trailing", "at-the-limit", "over-it", "bomb"],
)
def test_a_compressed_body_that_is_broken_or_too_long_is_refused(shared, endpoint, body, status):
    answer = shared.hook(endpoint, body, {"Content-Encoding": "gzip"})
    assert answer.status == status
    assert (answer.text == "") is (status == 200)
    assert len(shared.collect(endpoint)) == (1 if status == 200 else 0)


@pytest.mark.parametrize("coding", ["br", "zstd", "x-compress", "gzip, gzip"])
def test_a_body_with_another_coding_is_kept_as_sent(shared, endpoint, coding):
    body = gzip.compress(b"hello", mtime=0)
    assert shared.hook(endpoint, body, {"Content-Encoding": coding}).status == 200
    notification = only(shared.collect(endpoint))
    assert base64.b64decode(notification["bodyBase64"]) == body and notification["bodyFault"] == "unknown-coding"


@pytest.mark.parametrize("cut, text", [(-1, "hello"), (-9, "hello"), (5, "")])
def test_compressed_data_that_ends_too_early_is_kept_and_read_as_far_as_it_goes(shared, endpoint, cut, text):
    body = gzip.compress(b"hello", mtime=0)[:cut]
    assert shared.hook(endpoint, body, {"Content-Encoding": "gzip"}).status == 200
    notification = only(shared.look(endpoint).json()["notifications"])
    assert notification["body"] == text and notification["bodyFault"] == "incomplete-data"
    assert base64.b64decode(notification["bodyBase64"]) == body
    path = "/manage/endpoint/%s/notifications/%d/body" % (endpoint, notification["id"])
    assert shared.call("GET", path).body == body and shared.call("GET", path + "?decoded").body == text.encode()


# ---------------------------------------------------------------- bytes as they were sent


def bodies(seed):
    """Bodies of any length and content, each with a coding, a charset, and what it says decompressed."""
    choices = random.Random(seed)
    codings = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate, "br": bytes}
    for _ in range(150):
        length = choices.choice([0, 1, 5, 300, 7_000, 20_000, 60_000, choices.randrange(400_000)])
        kind = choices.choice(["text", "bytes", "zeros"])
        plain = {"text": lambda: "é日x".encode() * (length // 6), "bytes": lambda: choices.randbytes(length), "zeros": lambda: bytes(length)}[kind]()
        coding = choices.choice(list(codings))
        charset = choices.choice(["", "utf-8", "latin-1", "utf-16le", "shift_jis", "gb18030", "us-ascii", "nonesuch"])
        sent = codings[coding](plain) if plain else plain
        if coding in ("gzip", "deflate") and sent and choices.random() < 0.2:
            sent, plain = sent[: choices.randrange(1, len(sent))], None
        headers = {"Content-Type": "text/plain; charset=" + charset if charset else "application/octet-stream"}
        yield sent, plain, {**headers, **({"Content-Encoding": coding} if coding else {})}


@pytest.mark.parametrize("seed", range(4))
def test_every_body_is_handed_out_byte_for_byte(shared, endpoint, seed):
    connection = shared.connection()
    for sent, plain, headers in bodies(seed):
        assert shared.hook(endpoint, sent, headers, connection=connection).status == 200
        notification = only(shared.look(endpoint).json()["notifications"])
        told = base64.b64decode(notification["bodyBase64"]) if "bodyBase64" in notification else notification["body"].encode()
        assert told == sent, headers
        path = "/manage/endpoint/%s/notifications/%d/body" % (endpoint, notification["id"])
        answer = shared.call("GET", path)
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(sent).digest()
        assert answer.headers["content-length"] == str(len(sent))
        decoded = shared.call("GET", path + "?decoded=1").body
        if plain is None:
            assert zlib.decompressobj(47).decompress(sent).startswith(decoded) or not decoded
        else:
            assert decoded == plain
        shared.collect(endpoint)


def test_the_bytes_are_an_attachment_that_no_browser_interprets(shared, endpoint):
    shared.hook(endpoint, "<script>")
    answer = shared.call("GET", "/manage/endpoint/%s/notifications/1/body" % endpoint)
    assert answer.headers["content-type"] == "application/octet-stream" and answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="notification-1"'


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "99999999999999999999"])
def test_a_body_that_is_not_there_is_404(shared, endpoint, number):
    shared.hook(endpoint, "x")
    for suffix in ("", "?decoded"):
        answer = shared.call("GET", "/manage/endpoint/%s/notifications/%s/body%s" % (endpoint, number, suffix))
        assert answer.status == 404 and endpoint in answer.text
    assert shared.call("GET", "/manage/endpoint/nobody/notifications/1/body").status == 404
    assert shared.call("POST", "/manage/endpoint/%s/notifications/1/body" % endpoint).status == 405


def test_a_body_of_which_an_answer_would_be_long_counts_as_long_as_it_is_shown(serve):
    service = serve(MAX_ENDPOINT_BYTES=1_200_000)
    endpoint, body = service.create(), gzip.compress(bytes(500_000), mtime=0)
    headers = {"Content-Encoding": "gzip"}
    assert [service.hook(endpoint, body, headers).status for _ in range(3)] == [200, 200, 507]
    assert [len(n["body"]) for n in service.collect(endpoint)] == [500_000] * 2
    assert service.hook(endpoint, body, headers).status == 200
    service.check()


# ---------------------------------------------------------------- the URL


@pytest.mark.parametrize("target", ["/webhook/{id}", "/webhook/{id}?", "/%77ebhook/{id}?a=%2F+%zz&b=c?d", "/webhook/{id}?\xe9\xff"])
def test_the_url_is_the_one_that_was_called(shared, endpoint, target):
    target = target.format(id=endpoint).encode("latin-1")
    answer = exchange(shared, b"POST %s HTTP/1.1\r\nHost: Some.Host:81\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % target)
    assert answer.startswith(b"HTTP/1.1 200 ")
    notification = only(shared.collect(endpoint))
    url = b"http://Some.Host:81" + target
    assert notification["url"] == url.decode("utf-8", "replace")
    assert base64.b64decode(notification.get("urlBase64", base64.b64encode(url))) == url
    assert ("urlBase64" in notification) is (b"\xff" in url)


def test_a_trusted_proxy_may_name_the_scheme_and_the_host(serve):
    names = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hooks.example.org:8443, inner", "Host": "inner"}
    for trusted, start in [("127.0.0.1", "https://hooks.example.org:8443/"), ("192.0.2.1", "http://inner/")]:
        service = serve(TRUSTED_PROXIES=trusted)
        endpoint = service.create()
        service.hook(endpoint, headers=names, suffix="?x")
        assert only(service.collect(endpoint))["url"] == start + "webhook/%s?x" % endpoint
        service.hook(endpoint, headers={"X-Forwarded-Proto": "gopher", "Host": "inner"})
        assert only(service.collect(endpoint))["url"] == "http://inner/webhook/" + endpoint


def test_header_bytes_that_are_not_utf8_become_replacement_characters_and_are_kept(shared, endpoint):
    c = shared.connection()
    c.putrequest("POST", "/webhook/" + endpoint)
    c.putheader("X-Odd", b"caf\xe9")
    c.putheader("X-Fine", "caf\u00e9".encode())
    c.putheader("Content-Length", "0")
    c.endheaders()
    assert c.getresponse().status == 200
    answer = shared.call("GET", "/manage/endpoint/" + endpoint)
    odd = only([h for h in only(answer.json()["notifications"])["headers"] if h["name"] == "X-Odd"])
    assert odd["value"] == "caf\ufffd" and base64.b64decode(odd["valueBase64"]) == b"caf\xe9"
    fine = only([h for h in only(answer.json()["notifications"])["headers"] if h["name"] == "X-Fine"])
    assert fine == {"name": "X-Fine", "value": "caf\u00e9"}


def test_repeated_and_unusual_headers_are_kept(shared, endpoint):
    c = shared.connection()
    c.putrequest("POST", "/webhook/" + endpoint)
    for name, value in [("X-Twice", "1"), ("X-Twice", "2"), ("X_Under", "u"), ("X.Dot", "d"), ("X-Empty", "")]:
        c.putheader(name, value)
    c.putheader("Content-Length", "0")
    c.endheaders()
    assert c.getresponse().status == 200
    notification = only(shared.collect(endpoint))
    assert ", ".join(values(notification, "X-Twice")) == "1, 2"
    assert values(notification, "X-Under") == ["u"]
    assert values(notification, "X.Dot") == ["d"]
    assert values(notification, "X-Empty") == [""]
    assert [h["name"] for h in notification["headers"]][0] == "Host"


# ---------------------------------------------------------------- refusals


def test_a_body_over_the_limit_is_413_and_names_the_limit(shared, endpoint):
    answer = shared.hook(endpoint, b"x" * (MIB + 1))
    assert answer.status == 413 and "1048576" in answer.text and "<" not in answer.text


@pytest.mark.parametrize(
    "body",
    ["", "{", '{"enabled": fal', "[]", '[{"enabled": true}]', "7", "null", "{}", '{"disabled": true}', "\ufeff{}", "[" * 5000]
    + ['{"enabled": %s}' % value for value in ('"ok"', "null", "2", "0", "-1", "[]", "{}", "NaN", '"banana"', '""')]
    + ['{"enabled": true, "subpaths": 3}', '{"enabled": true} x'],
)
def test_an_invalid_configuration_is_400_with_a_reason_and_changes_nothing(shared, endpoint, body):
    answer = shared.call("PUT", "/manage/endpoint/" + endpoint, body.encode())
    assert answer.status == 400 and len(answer.text) > 10
    assert shared.hook(endpoint).status == 200


@pytest.mark.parametrize("body", [b'{"enabled": "\xff"}', b"\xff\xfe{\x00}\x00"])
def test_a_configuration_that_is_not_utf8_is_400(shared, endpoint, body):
    assert shared.call("PUT", "/manage/endpoint/" + endpoint, body).status == 400


@pytest.mark.parametrize("body", ['{"Enabled": false}', '{"enabled": true, "ENABLED": false}', '{"enabled": false, "subpaths": true}'])
def test_names_in_a_configuration_may_have_any_case(shared, endpoint, body):
    assert shared.call("PUT", "/manage/endpoint/" + endpoint, body).status == 204
    assert shared.hook(endpoint).status == 500


def test_a_404_names_the_id_as_plain_text(shared):
    answer = shared.call("GET", "/manage/endpoint/%3Cscript%3E")
    assert answer.status == 404 and "<script>" in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8" and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/webhook/{id}/", "/webhook//{id}", "//webhook/{id}", "/Webhook/{id}", "/webhook/./{id}", "/x/../webhook/{id}"]
)
def test_other_spellings_of_a_path_are_404(shared, endpoint, path):
    c = shared.connection()
    c.putrequest("POST", path.format(id=endpoint))
    c.putheader("Content-Length", "0")
    c.endheaders()
    assert c.getresponse().status == 404


def test_an_escaped_path_is_the_same_path(shared, endpoint):
    escaped = "".join("%%%02x" % ord(character) for character in endpoint)
    assert shared.call("POST", "/%77ebhook/" + escaped).status == 200


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"garbage\r\n\r\n", 400),
        (b"foo / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /webhook/%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 405),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST /manage HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /manage HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", 400),
    ],
    ids=["garbage", "method", "nul", "escape", "trace", "long-target", "long-field", "no-host", "length", "chunk"],
)
def test_a_request_that_nginx_refuses_gets_a_plain_text(shared, request_bytes, status):
    answer = exchange(shared, request_bytes)
    assert re.match(rb"HTTP/1\.1 %d " % status, answer), answer[:200]
    assert b"%d: " % status in answer and b"<html" not in answer
