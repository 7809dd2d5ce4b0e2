"""What the capture API does beside the contract of the original, and where it mends its faults."""

import base64
import gzip
import http.client
import json
import re
import zlib

import pytest
import yaml
from harness import exchange, free_port

MIB = 1 << 20


@pytest.fixture
def endpoint(shared):
    made = shared.create()
    yield made
    shared.call("DELETE", "/manage/endpoint/" + made)


def only(notifications):
    (notification,) = notifications
    return notification


def values(notification, name):
    return [h["value"] for h in notification["headers"] if h["name"].lower() == name.lower()]


# ---------------------------------------------------------------- members


def test_members_of_the_original_come_first_and_in_its_order(shared, endpoint):
    shared.hook(endpoint, "x")
    assert list(only(shared.collect(endpoint)))[:5] == ["method", "headers", "body", "receivedAt", "remote"]


def test_answers_are_written_as_the_original_writes_them(shared, endpoint):
    assert shared.call("GET", "/manage/endpoint/" + endpoint).body == b'{"notifications": []}'
    shared.hook(endpoint, "\u00e9\U0001f600\x7f\n".encode())
    assert b'"body": "\\u00e9\\ud83d\\ude00\\u007f\\n"' in shared.call("GET", "/manage/endpoint/" + endpoint).body


def test_sequence_numbers_count_from_one_and_go_on_after_collecting(shared, endpoint):
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


def test_the_remote_address_is_the_peers(shared, endpoint):
    shared.hook(endpoint, headers={"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7"})
    assert only(shared.collect(endpoint))["remote"] == "127.0.0.1"


def test_a_trusted_proxy_may_name_the_client(serve):
    service = serve(TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8")
    endpoint = service.create()
    service.hook(endpoint, headers={"X-Forwarded-For": "203.0.113.9, 10.1.1.1"})
    assert only(service.collect(endpoint))["remote"] == "203.0.113.9"


# ---------------------------------------------------------------- bytes


def test_a_body_that_is_no_text_keeps_every_byte(shared, endpoint):
    body = bytes(range(256)) * 3
    assert shared.hook(endpoint, body).status == 200
    notification = only(shared.collect(endpoint))
    assert base64.b64decode(notification["bodyBase64"]) == body
    assert notification["body"] == body.decode("utf-8", "replace")


def test_text_has_no_second_form(shared, endpoint):
    shared.hook(endpoint, "text")
    assert "bodyBase64" not in only(shared.collect(endpoint))


@pytest.mark.parametrize(
    "charset, body",
    [("windows-1252", b"\x80uro"), ("shift_jis", "\u65e5\u672c".encode("shift_jis")), ("UTF-16LE", "x\u00e9".encode("utf-16-le"))]
    + [('"latin-1"', b"caf\xe9"), ("koi8-r", "\u043c\u0438\u0440".encode("koi8-r")), ("utf_8", "\u00e9".encode())],
)
def test_charsets(shared, endpoint, charset, body):
    assert shared.hook(endpoint, body, {"Content-Type": "text/plain; a=b; charset=%s" % charset}).status == 200
    assert only(shared.collect(endpoint))["body"] == body.decode(charset.strip('"'))


@pytest.mark.parametrize("charset, body", [("us-ascii", b"\xe9"), ("utf-16", b"\x00\xd8"), ("nonesuch", b"caf\xe9"), ("rot13", b"x")])
def test_a_body_that_is_not_what_it_claims_keeps_every_byte(shared, endpoint, charset, body):
    assert shared.hook(endpoint, body, {"Content-Type": "text/plain; charset=" + charset}).status == 200
    assert base64.b64decode(only(shared.collect(endpoint))["bodyBase64"]) == body


def raw_deflate(body):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    "coding, body",
    [("gzip", gzip.compress(b"hello", mtime=0)), ("GZIP", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)), ("gzip", b"")]
    + [("deflate", zlib.compress(b"hello")), ("Deflate", raw_deflate(b"hello"))],
)
def test_compressed_bodies_are_decompressed(shared, endpoint, coding, body):
    assert shared.hook(endpoint, body, {"Content-Encoding": coding}).status == 200
    assert only(shared.collect(endpoint))["body"] == ("hello" if body else "")


@pytest.mark.parametrize(
    "body, status",
    [(gzip.compress(b"hello", mtime=0)[:-1], 400), (gzip.compress(b"hello", mtime=0)[:5], 400), (b"no gzip", 400)]
    + [(gzip.compress(b"hello", mtime=0)[:-8] + b"\0" * 8, 400), (gzip.compress(b"x", mtime=0) + b"trailing", 400)]
    + [(gzip.compress(b"x" * MIB, mtime=0), 200), (gzip.compress(b"x" * (MIB + 1), mtime=0), 413), (gzip.compress(b"\0" * 50_000_000, mtime=0), 413)],
    ids=["cut", "cut-early", "none", "checksum", "trailing", "at-the-limit", "over-it", "bomb"],
)
def test_broken_and_swollen_compression_is_refused(shared, endpoint, body, status):
    answer = shared.hook(endpoint, body, {"Content-Encoding": "gzip"})
    assert answer.status == status
    assert answer.text != "" or status == 200
    assert len(shared.collect(endpoint)) == (1 if status == 200 else 0)


@pytest.mark.parametrize("coding", ["br", "zstd", "x-gzip", "gzip, gzip"])
def test_other_codings_are_kept_as_sent(shared, endpoint, coding):
    body = gzip.compress(b"hello", mtime=0)
    assert shared.hook(endpoint, body, {"Content-Encoding": coding}).status == 200
    assert base64.b64decode(only(shared.collect(endpoint))["bodyBase64"]) == body


def test_header_bytes_that_are_no_utf8_become_replacement_characters_and_are_kept(shared, endpoint):
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


def test_repeated_and_unusual_headers_arrive(shared, endpoint):
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


def test_a_body_over_the_limit_is_413_in_our_own_words(shared, endpoint):
    answer = shared.hook(endpoint, b"x" * (MIB + 1))
    assert answer.status == 413 and "1048576" in answer.text and "<" not in answer.text


@pytest.mark.parametrize(
    "body",
    ["", "{", '{"enabled": fal', "[]", '[{"enabled": true}]', "7", "null", "{}", '{"disabled": true}', "\ufeff{}", "[" * 5000]
    + ['{"enabled": %s}' % value for value in ('"ok"', "null", "2", "0", "-1", "[]", "{}", "NaN", '"banana"', '""')]
    + ['{"enabled": true, "subpaths": 3}', '{"enabled": true} x'],
)
def test_a_configuration_that_is_none_is_400_with_a_reason_and_changes_nothing(shared, endpoint, body):
    answer = shared.call("PUT", "/manage/endpoint/" + endpoint, body.encode())
    assert answer.status == 400 and len(answer.text) > 10
    assert shared.hook(endpoint).status == 200


@pytest.mark.parametrize("body", [b'{"enabled": "\xff"}', b"\xff\xfe{\x00}\x00"])
def test_a_configuration_that_is_no_utf8_is_400(shared, endpoint, body):
    assert shared.call("PUT", "/manage/endpoint/" + endpoint, body).status == 400


@pytest.mark.parametrize("body", ['{"Enabled": false}', '{"enabled": true, "ENABLED": false}', '{"enabled": false, "subpaths": true}'])
def test_a_configuration_is_taken_as_the_original_takes_it(shared, endpoint, body):
    assert shared.call("PUT", "/manage/endpoint/" + endpoint, body).status == 204
    assert shared.hook(endpoint).status == 500


def test_404_names_the_id_as_plain_text(shared):
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


def test_a_fully_escaped_path_is_the_same_path(shared, endpoint):
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
def test_what_nginx_refuses_is_said_in_our_own_words(shared, request_bytes, status):
    answer = exchange(shared, request_bytes)
    assert re.match(rb"HTTP/1\.1 %d " % status, answer), answer[:200]
    assert b"%d: " % status in answer and b"<html" not in answer


# ---------------------------------------------------------------- looking and acknowledging


def numbers(answer):
    assert answer.status == 200, answer.text
    return [n["id"] for n in answer.json()["notifications"]]


def test_looking_leaves_everything_where_it_is(shared, endpoint):
    for body in "abc":
        shared.hook(endpoint, body)
    assert numbers(shared.look(endpoint)) == [1, 2, 3]
    assert numbers(shared.look(endpoint, "?after=1")) == [2, 3]
    assert numbers(shared.look(endpoint, "?after=0&limit=2")) == [1, 2]
    assert numbers(shared.look(endpoint, "?after=3")) == []
    assert numbers(shared.look(endpoint, "?after=18446744073709551615")) == []
    assert shared.bodies(endpoint) == ["a", "b", "c"]


def test_acknowledging_drops_what_was_seen_and_no_more(shared, endpoint):
    for body in "abcd":
        shared.hook(endpoint, body)
    path = "/manage/endpoint/%s/notifications?through=" % endpoint
    assert shared.call("DELETE", path + "2").status == 204
    assert numbers(shared.look(endpoint)) == [3, 4]
    assert shared.call("DELETE", path + "2").status == 204
    assert shared.call("DELETE", path + "0").status == 204
    assert numbers(shared.look(endpoint)) == [3, 4]
    assert shared.call("DELETE", path + "99").status == 204
    assert numbers(shared.look(endpoint)) == []
    shared.hook(endpoint, "e")
    assert numbers(shared.look(endpoint)) == [5]


@pytest.mark.parametrize(
    "query", ["?after=x", "?after=-1", "?after=", "?limit=0", "?limit=1001", "?limit=x", "?wait=61", "?wait=-1", "?wait=x", "?wait=nan"]
)
def test_a_query_that_makes_no_sense_is_400(shared, endpoint, query):
    assert shared.look(endpoint, query).status == 400


def test_acknowledging_needs_a_number(shared, endpoint):
    for query in ("", "?through=", "?through=x", "?through=-1", "?after=1"):
        assert shared.call("DELETE", "/manage/endpoint/%s/notifications%s" % (endpoint, query)).status == 400


def test_looking_and_acknowledging_at_nothing_is_404(shared):
    for method, query in (("GET", ""), ("GET", "?wait=5"), ("DELETE", "?through=1")):
        assert shared.call(method, "/manage/endpoint/%s/notifications%s" % ("x" * 32, query)).status == 404


def test_other_methods_on_notifications_are_405(shared, endpoint):
    answer = shared.call("POST", "/manage/endpoint/%s/notifications" % endpoint)
    assert answer.status == 405 and answer.headers["allow"] == "DELETE,GET"


# ---------------------------------------------------------------- subpaths


def test_a_path_below_the_id_is_404_unless_asked_for(shared, endpoint):
    assert shared.hook(endpoint, suffix="/any").status == 404
    assert shared.configure(endpoint, enabled=True, subpaths=True).status == 204
    assert shared.hook(endpoint, suffix="/any/th%2Fing//x/?q=1").status == 200
    assert shared.hook(endpoint, suffix="/").status == 200
    assert [(n["path"], n["query"]) for n in shared.collect(endpoint)] == [("/any/th%2Fing//x/", "q=1"), ("/", None)]
    assert shared.configure(endpoint, enabled=True).status == 204
    assert shared.hook(endpoint, suffix="/still").status == 200
    assert shared.configure(endpoint, enabled=True, subpaths=False).status == 204
    assert shared.hook(endpoint, suffix="/gone").status == 404


# ---------------------------------------------------------------- status page


def counters(service):
    found = re.findall(r"Total (.*): (\d+) \(with (\d+) errors\)", service.call("GET", "/manage").text)
    return {label: (int(total), int(errors)) for label, total, errors in found}


def test_counters_are_right_whichever_responder_counts(serve):
    service = serve(RESPONDERS=3)
    endpoint = service.create()
    for _ in range(20):
        assert service.hook(endpoint).status == 200
        assert service.hook("nope").status == 404
    for _ in range(5):
        service.collect(endpoint)
        service.call("GET", "/manage/endpoint/nope")
        service.configure(endpoint, enabled=True)
        service.call("PUT", "/manage/endpoint/" + endpoint, "{")
    service.hook(endpoint, b"x", {"Content-Encoding": "gzip"})
    service.call("DELETE", "/manage/endpoint/" + endpoint)
    service.call("DELETE", "/manage/endpoint/" + endpoint)
    assert counters(service) == {
        "created notifications": (1, 0),
        "collection requests": (10, 5),
        "received notifications": (41, 21),
        "configure requests": (10, 5),
        "deleted endpoints": (2, 1),
    }


def test_the_status_page_is_bounded(serve):
    service = serve(MAX_ACTIVE_ENDPOINTS=3000)
    c = service.connection()
    for _ in range(1200):
        service.call("POST", "/manage/endpoint", connection=c)
    page = service.call("GET", "/manage").text
    assert "ENDPOINTS (1200 total)" in page and "Only the newest 1000 are listed" in page
    assert page.count("uncollected notifications") == 1000


def test_the_openapi_document_is_served(shared):
    answer = shared.call("GET", "/openapi.yaml")
    assert answer.status == 200 and answer.text.startswith("openapi: 3.1")
    assert answer.headers["content-type"] == "application/yaml"
    # What scripts/openapi makes of it.
    document = yaml.safe_load(answer.text)
    for path in ("/openapi.json", "/api/openapi.json"):
        answer = shared.call("GET", path)
        assert answer.status == 200 and answer.headers["content-type"] == "application/json", path
        assert answer.json() == document
        assert shared.call("HEAD", path).status == 200
        assert shared.call("POST", path, b"x").status == 405
    for path in ("/.postroom-openapi.json", "/.postroom-openapi.", "/api/openapi.yaml"):
        assert shared.call("GET", path).status == 404, path


def test_the_openapi_document_is_served_below_a_mount_point_and_at_the_other_port(serve):
    port = free_port()
    service = serve(MOUNT_POINT="/a.b", API_SERVER_PORT=port, RESPONDERS=1)
    document = service.call("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for path in ("/a.b/openapi.json", "/a.b/api/openapi.json"):
        connection.request("GET", path)
        assert json.loads(connection.getresponse().read()) == document
    for path in ("/openapi.json", "/a_b/openapi.json"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (404, True)
    connection.close()


def test_large_answers_arrive_whole(shared, endpoint):
    body = "0123456789abcdef" * 65536
    for _ in range(30):
        assert shared.hook(endpoint, body).status == 200
    assert [n["body"] == body for n in shared.collect(endpoint)] == [True] * 30


def test_pipelined_requests_are_answered_in_order(shared, endpoint):
    one = b"POST /webhook/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%s\r\n%d"
    requests = b"".join(one % (endpoint.encode(), b"Connection: close\r\n" if i == 7 else b"", i) for i in range(8))
    assert exchange(shared, requests).count(b"HTTP/1.1 200") == 8
    assert shared.bodies(endpoint) == list("01234567")


def test_json_of_everything_is_what_a_strict_parser_takes(shared, endpoint):
    shared.hook(endpoint, bytes(range(256)), {"X-Q": '"\\'}, suffix="?%ff\\\"")
    answer = shared.call("GET", "/manage/endpoint/" + endpoint)
    assert answer.body.isascii()
    json.loads(answer.body, parse_constant=lambda token: pytest.fail(token))


def test_a_client_that_goes_away_disturbs_nobody(shared, endpoint):
    for _ in range(20):
        c = http.client.HTTPConnection("127.0.0.1", shared.port)
        c.putrequest("GET", "/manage/endpoint/%s/notifications?wait=60" % endpoint)
        c.endheaders()
        c.close()
    assert shared.hook(endpoint, "x").status == 200
    assert shared.bodies(endpoint) == ["x"]


def test_a_look_at_much_shows_some_megabytes_at_a_time(shared, endpoint):
    for _ in range(12):
        assert shared.hook(endpoint, "x" * MIB).status == 200
    seen = []
    while True:
        found = numbers(shared.look(endpoint, "?after=%d" % (seen[-1] if seen else 0)))
        if not found:
            break
        assert len(found) <= 5
        seen += found
    assert seen == list(range(1, 13))


def test_an_endpoint_keeps_no_more_bytes_than_it_may(serve):
    service = serve(MAX_ENDPOINT_BYTES="1m")
    endpoint = service.create()
    statuses = [service.hook(endpoint, "x" * 300_000).status for _ in range(5)]
    assert statuses == [200, 200, 200, 507, 507]
    assert service.hook(endpoint, "small").status == 200
    assert len(service.collect(endpoint)) == 4
    assert service.hook(endpoint, "x" * 300_000).status == 200
