"""Requests that an endpoint refuses are kept beside the notifications, in bounded numbers."""

import base64
import gzip

from harness import exchange

MIB = 1 << 20


def refused(service, endpoint, query=""):
    answer = service.look(endpoint, "?refused" + query)
    assert answer.status == 200, answer.text
    return answer.json()["notifications"]


def test_what_is_refused_is_listed_with_the_reason_and_is_not_collected(shared, endpoint):
    corrupt = gzip.compress(b"x", mtime=0) + b"trailing"
    assert shared.hook(endpoint, corrupt, {"Content-Encoding": "gzip"}).status == 400
    assert shared.hook(endpoint, gzip.compress(bytes(MIB + 1), mtime=0), {"Content-Encoding": "gzip"}).status == 413
    shared.configure(endpoint, enabled=False)
    assert shared.hook(endpoint, "down", suffix="?a=b").status == 500
    rows = refused(shared, endpoint)
    assert [(row["refused"], row["status"], row["id"]) for row in rows] == [("undecodable", 400, 1), ("too-large", 413, 2), ("disabled", 500, 3)]
    assert base64.b64decode(rows[0]["bodyBase64"]) == corrupt and rows[0]["bodyFault"] == "corrupt-data"
    assert rows[1]["bodyBytes"] < 2000
    assert (rows[2]["body"], rows[2]["query"], rows[2]["bodyBytes"]) == ("down", "a=b", 4)
    assert rows[2]["url"].endswith("/webhook/%s?a=b" % endpoint)
    assert shared.call("GET", "/manage/endpoint/%s/notifications/1/body?refused" % endpoint).body == corrupt
    assert shared.collect(endpoint) == [] and len(refused(shared, endpoint)) == 3
    assert [row["id"] for row in refused(shared, endpoint, "&after=1&limit=1")] == [2]
    assert refused(shared, endpoint, "&before=3&limit=1") == rows[1:2]
    assert refused(shared, endpoint, "&before=9007199254740991") == rows


def test_of_a_body_that_is_too_large_the_head_and_the_announced_length_are_kept(shared, endpoint):
    answer = shared.hook(endpoint, bytes(MIB + 1), {"X-Mark": "m"}, suffix="?q")
    assert answer.status == 413 and str(MIB) in answer.text
    (row,) = refused(shared, endpoint)
    assert (row["method"], row["body"], row["bodyBytes"], row["query"]) == ("POST", "", MIB + 1, "q")
    assert {"name": "X-Mark", "value": "m"} in row["headers"]
    # The length of a chunked body is not announced.
    head = b"PUT /webhook/%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" % endpoint.encode()
    assert exchange(shared, head + b"%x\r\nx" % (MIB + 1)).startswith(b"HTTP/1.1 413 ")
    row = refused(shared, endpoint)[-1]
    assert (row["method"], row["refused"], row["bodyBytes"]) == ("PUT", "too-large", None)


def test_a_full_endpoint_shows_what_it_refused_and_keeps_the_newest(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=2)
    endpoint = service.create()
    connection = service.connection()
    sent = [service.hook(endpoint, str(number), connection=connection).status for number in range(40)]
    assert sent == [200] * 2 + [507] * 38
    rows = refused(service, endpoint)
    assert [row["body"] for row in rows] == [str(number) for number in range(20, 40)]
    assert {row["refused"] for row in rows} == {"full"}
    assert service.bodies(endpoint) == ["0", "1"]
    service.check()
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    assert service.look(endpoint, "?refused").status == 404
    service.check()


def test_a_path_that_the_endpoint_does_not_accept_is_kept_with_its_reason(shared, endpoint):
    answer = shared.hook(endpoint, "paid", suffix="/orders/")
    assert answer.status == 404 and "subpaths is false" in answer.text
    (row,) = refused(shared, endpoint)
    assert (row["refused"], row["status"], row["body"], row["path"]) == ("path", 404, "paid", "/orders/")
    assert shared.collect(endpoint) == []


def test_an_error_is_one_line_whatever_the_id_is(shared):
    answer = shared.hook("a%0d%0aX:%201")
    assert answer.status == 404 and answer.text.isprintable(), answer.text


def test_an_unknown_endpoint_keeps_nothing_and_answers_as_before(shared):
    assert shared.hook("nobody", bytes(MIB + 1)).status == 413
    assert shared.look("nobody", "?refused").status == 404
