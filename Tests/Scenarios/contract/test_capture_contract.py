"""Black-box contract of the notification endpoint HTTP API.

BASE_URL is the address of the service including its mount point. PUBLIC_URL is the public address that it was
configured with, i.e. SERVER_URL joined with MOUNT_POINT. The service is on this machine, and has the default settings.
Tests leave no endpoint behind.
"""

import gzip
import http.client
import json
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest
import requests

BASE, PUBLIC = os.environ["BASE_URL"], os.environ["PUBLIC_URL"]
PARTS = urlsplit(BASE)
HOST, PORT, MOUNT = PARTS.hostname, PARTS.port or (443 if PARTS.scheme == "https" else 80), PARTS.path
TIMEOUT = 30
MIB = 1024 * 1024

SEP2 = "application/sep+xml"
XML = (
    '<Notification xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>/edev/1/derp</subscribedResource>'
    "<status>0</status><subscriptionURI>/edev/1/sub/7</subscriptionURI></Notification>"
)


def call(method, path, **kwargs):
    kwargs.setdefault("timeout", TIMEOUT)
    return requests.request(method, BASE + path, allow_redirects=False, **kwargs)


def connection():
    kind = http.client.HTTPSConnection if PARTS.scheme == "https" else http.client.HTTPConnection
    return kind(HOST, PORT, timeout=TIMEOUT)


def raw(method, target, headers=(), body=b"", length=True):
    """One request exactly as spelled: the path is not normalised, nothing is added but Host and Content-Length."""
    c = connection()
    try:
        c.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            c.putheader(name, value)
        if length:
            c.putheader("Content-Length", str(len(body)))
        c.endheaders(body or None)
        r = c.getresponse()
        return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()
    finally:
        c.close()


class Endpoint:
    """One notification endpoint and the calls a client and a notifier make on it."""

    def __init__(self):
        self.created = call("POST", "/manage/endpoint")
        assert self.created.status_code == 201, self.created.text
        answer = self.created.json()
        self.id = answer["endpointId"]
        self.public_url = answer["fullyQualifiedEndpoint"]
        self.target = MOUNT + "/webhook/" + self.id

    def manage(self, method, **kwargs):
        return call(method, "/manage/endpoint/" + self.id, **kwargs)

    def hook(self, method="POST", body=None, headers=None, suffix=""):
        return call(method, "/webhook/" + self.id + suffix, data=body, headers=headers)

    def collect(self):
        response = self.manage("GET")
        assert response.status_code == 200, response.text
        return response.json()["notifications"]

    def configure(self, enabled):
        return self.manage("PUT", json={"enabled": enabled})

    def accepts(self):
        """Whether the webhook is taking notifications right now (empties the queue)."""
        status = self.hook(body="probe").status_code
        assert status in (200, 500)
        self.collect()
        return status == 200


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.manage("DELETE")


@pytest.fixture
def other():
    made = Endpoint()
    yield made
    made.manage("DELETE")


def values(notification, name):
    """All values recorded under a header name, compared without regard to case, in order."""
    return [h["value"] for h in notification["headers"] if h["name"].lower() == name.lower()]


def parse_time(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", text), text
    whole, _, fraction = text[:-1].partition(".")
    stamp = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return stamp + timedelta(seconds=float("0." + (fraction or "0")))


def status_text():
    response = call("GET", "/manage")
    assert response.status_code == 200
    return response.text


def block_of(endpoint):
    lines = status_text().splitlines()
    return lines[lines.index("Endpoint %s..." % endpoint.id[:4]) :][:5]


def counter(label):
    for line in status_text().splitlines():
        match = re.fullmatch(re.escape(label) + r": (\d+) \(with (\d+) errors\)", line)
        if match:
            return int(match.group(1))
    raise AssertionError(label)


def endpoint_total(text):
    return int(re.search(r"ENDPOINTS \((\d+) total\)", text).group(1))


# ---------------------------------------------------------------- creating


def test_create_answers_201_with_json():
    made = Endpoint()
    made.manage("DELETE")
    assert made.created.status_code == 201
    assert made.created.headers["Content-Type"].split(";")[0].strip() == "application/json"


def test_create_names_both_members_as_strings(endpoint):
    answer = endpoint.created.json()
    assert isinstance(answer["endpointId"], str) and answer["endpointId"]
    assert isinstance(answer["fullyQualifiedEndpoint"], str) and answer["fullyQualifiedEndpoint"]


def test_created_id_needs_no_escaping_and_is_long(endpoint):
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,128}", endpoint.id)


def test_public_url_is_absolute_http(endpoint):
    parts = urlsplit(endpoint.public_url)
    assert parts.scheme in ("http", "https") and parts.netloc
    assert not parts.query and not parts.fragment


def test_public_url_ends_with_mount_point_and_webhook_path(endpoint):
    mount = urlsplit(BASE).path
    assert urlsplit(endpoint.public_url).path.endswith(mount + "/webhook/" + endpoint.id)


def test_public_url_has_no_doubled_slash(endpoint):
    assert "//" not in endpoint.public_url.split("://", 1)[1]


def test_public_url_is_the_configured_one(endpoint):
    assert endpoint.public_url == PUBLIC + "/webhook/" + endpoint.id


def test_created_ids_are_unique():
    made = [Endpoint() for _ in range(25)]
    for one in made:
        one.manage("DELETE")
    assert len({one.id for one in made}) == 25


@pytest.mark.parametrize(
    "body, headers",
    [
        (None, {"Accept": "application/json", "Content-Type": "application/octet-stream"}),
        ("{}", {"Content-Type": "application/json"}),
        ("[1, 2", {"Content-Type": "application/json"}),
        ("a=b", {"Content-Type": "application/x-www-form-urlencoded"}),
        (XML, {"Content-Type": SEP2}),
    ],
    ids=["as-the-client-sends", "json", "broken-json", "form", "xml"],
)
def test_create_takes_no_notice_of_a_body(body, headers):
    response = call("POST", "/manage/endpoint", data=body, headers=headers)
    assert response.status_code == 201
    call("DELETE", "/manage/endpoint/" + response.json()["endpointId"])


def test_create_takes_no_notice_of_a_query():
    response = call("POST", "/manage/endpoint?name=x")
    assert response.status_code == 201
    call("DELETE", "/manage/endpoint/" + response.json()["endpointId"])


# ---------------------------------------------------------------- collecting


def test_new_endpoint_has_nothing_to_collect(endpoint):
    response = endpoint.manage("GET")
    assert response.status_code == 200
    assert response.json()["notifications"] == []


def test_collect_answers_json(endpoint):
    assert endpoint.manage("GET").headers["Content-Type"].split(";")[0].strip() == "application/json"


def test_collected_notification_has_all_members(endpoint):
    endpoint.hook(body=XML, headers={"Content-Type": SEP2})
    (notification,) = endpoint.collect()
    assert isinstance(notification["method"], str)
    assert isinstance(notification["body"], str)
    assert isinstance(notification["receivedAt"], str)
    assert "remote" in notification and (notification["remote"] is None or isinstance(notification["remote"], str))
    assert isinstance(notification["headers"], list)


def test_collected_headers_are_name_value_objects(endpoint):
    endpoint.hook(body=XML, headers={"X-One": "1"})
    (notification,) = endpoint.collect()
    assert notification["headers"]
    for header in notification["headers"]:
        assert isinstance(header["name"], str) and header["name"]
        assert isinstance(header["value"], str)


def test_collect_consumes(endpoint):
    endpoint.hook(body="once")
    assert [n["body"] for n in endpoint.collect()] == ["once"]
    assert endpoint.collect() == []


def test_collect_keeps_arrival_order(endpoint):
    sent = ["n%d" % i for i in range(20)]
    for body in sent:
        assert endpoint.hook(body=body).status_code == 200
    assert [n["body"] for n in endpoint.collect()] == sent


def test_collect_gives_only_what_arrived_since(endpoint):
    endpoint.hook(body="a")
    endpoint.collect()
    endpoint.hook(body="b")
    endpoint.hook(body="c")
    assert [n["body"] for n in endpoint.collect()] == ["b", "c"]


def test_collect_takes_no_notice_of_a_query(endpoint):
    endpoint.hook(body="a")
    response = endpoint.manage("GET", params={"limit": "0"})
    assert response.status_code == 200
    assert [n["body"] for n in response.json()["notifications"]] == ["a"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1, */*;q=0", "text/plain", ""])
def test_collect_is_json_whatever_is_asked_for(endpoint, accept):
    response = endpoint.manage("GET", headers={"Accept": accept})
    assert response.status_code == 200 and response.json()["notifications"] == []


def test_collect_takes_no_notice_of_a_body(endpoint):
    endpoint.hook(body="x")
    assert [n["body"] for n in endpoint.manage("GET", data="{}").json()["notifications"]] == ["x"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PATCH", "PROPFIND"])
def test_other_methods_do_not_consume(endpoint, method):
    endpoint.hook(body="kept")
    status = raw(method, MOUNT + "/manage/endpoint/" + endpoint.id)[0]
    assert status < 500
    assert [n["body"] for n in endpoint.collect()] == ["kept"]


def test_answer_is_strict_json_in_utf8(endpoint):
    endpoint.hook(body="\u00e9 \U0001f600 \x00 \u2028".encode())
    response = endpoint.manage("GET")

    def refuse(token):
        raise AssertionError(token)

    parsed = json.loads(response.content.decode("utf-8"), parse_constant=refuse)
    assert parsed["notifications"][0]["body"] == "\u00e9 \U0001f600 \x00 \u2028"
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", response.content)


# ---------------------------------------------------------------- notifying


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_every_method_is_recorded(endpoint, method):
    response = endpoint.hook(method)
    assert response.status_code == 200
    (notification,) = endpoint.collect()
    assert notification["method"] == method
    assert notification["body"] == ""


def test_success_has_no_content(endpoint):
    response = endpoint.hook(body=XML, headers={"Content-Type": SEP2})
    assert response.status_code == 200
    assert response.content == b""


@pytest.mark.parametrize(
    "body",
    [
        XML,
        '<?xml version="1.0" encoding="UTF-8"?>\n' + XML,
        '{"a": [1, 2, {"b": null}]}',
        "plain",
        "a=1&b=2",
        "line one\r\nline two\n\ttabbed\n",
        "  spaces kept  ",
        'quotes " and \\ backslashes \\n / slashes',
        "caf\u00e9 \u65e5\u672c\u8a9e \U0001f50c",
        "".join(map(chr, range(0x20))) + "\x7f",
        "\u2028\u2029\u0085\u00a0",
        "\\u0041 \\ud83d",
    ],
    ids=[
        "xml",
        "xml-declaration",
        "json",
        "plain",
        "form",
        "line-ends",
        "spaces",
        "escapes",
        "unicode",
        "controls",
        "separators",
        "fake-escapes",
    ],
)
def test_body_is_kept_verbatim(endpoint, body):
    assert endpoint.hook(body=body.encode("utf-8")).status_code == 200
    (notification,) = endpoint.collect()
    assert notification["body"] == body


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_body_is_kept_for_other_methods(endpoint, method):
    assert endpoint.hook(method, body=XML).status_code == 200
    (notification,) = endpoint.collect()
    assert (notification["method"], notification["body"]) == (method, XML)


@pytest.mark.parametrize("size", [1, 8192, 65536, 100_000, 524_288, MIB])
def test_body_sizes(endpoint, size):
    body = ("0123456789abcdef" * (size // 16 + 1))[:size]
    assert endpoint.hook(body=body).status_code == 200
    (notification,) = endpoint.collect()
    assert notification["body"] == body


def test_too_large_body_is_refused_or_kept_whole(endpoint):
    body = "x" * (MIB + 65536)
    try:
        status = endpoint.hook(body=body).status_code
    except requests.ConnectionError:
        status = 413  # the connection may be closed before the whole body was sent
    kept = [n["body"] for n in endpoint.collect()]
    assert (status == 200 and kept == [body]) or (400 <= status < 500 and kept == [])


def test_chunked_body(endpoint):
    response = endpoint.hook(body=iter([b"<a>", b"one", b"</a>"]), headers={"Content-Type": SEP2})
    assert response.status_code == 200
    (notification,) = endpoint.collect()
    assert notification["body"] == "<a>one</a>"


def test_gzip_body_is_decoded(endpoint):
    headers = {"Content-Type": SEP2, "Content-Encoding": "gzip"}
    assert endpoint.hook(body=gzip.compress(XML.encode()), headers=headers).status_code == 200
    (notification,) = endpoint.collect()
    assert notification["body"] == XML
    assert values(notification, "Content-Encoding") == ["gzip"]


@pytest.mark.parametrize("charset", ["ISO-8859-1", "iso-8859-1", "utf-8", "UTF-8", "utf-16"])
def test_declared_charset_is_honoured(endpoint, charset):
    headers = {"Content-Type": "text/xml; charset=" + charset}
    assert endpoint.hook(body="<a>caf\u00e9</a>".encode(charset), headers=headers).status_code == 200
    (notification,) = endpoint.collect()
    assert notification["body"] == "<a>caf\u00e9</a>"


@pytest.mark.parametrize("charset", ["no-such-charset", "us-ascii"])
def test_undecodable_by_its_declared_charset_is_kept_as_utf_8(endpoint, charset):
    headers = {"Content-Type": "text/xml; charset=" + charset}
    assert endpoint.hook(body="caf\u00e9".encode(), headers=headers).status_code == 200
    assert [n["body"] for n in endpoint.collect()] == ["caf\u00e9"]


@pytest.mark.parametrize(
    "body, text",
    [(b"\xff\xfe\x00", "\ufffd\ufffd\0"), (b"<a>caf\xe9</a>", "<a>caf\ufffd</a>"), (b"\xc0\x80", "\ufffd\ufffd")],
    ids=["binary", "latin1", "overlong"],
)
def test_undecodable_body_is_kept_with_replacements(endpoint, body, text):
    assert endpoint.hook(body=body, headers={"Content-Type": SEP2}).status_code == 200
    assert [n["body"] for n in endpoint.collect()] == [text]


def test_webhook_takes_a_query(endpoint):
    assert endpoint.hook(body="q", suffix="?a=b&c=%20").status_code == 200
    assert [n["body"] for n in endpoint.collect()] == ["q"]


@pytest.mark.parametrize("content_type", [SEP2, "text/xml; charset=utf-8", "application/json", "x"])
def test_content_type_is_recorded_once_and_verbatim(endpoint, content_type):
    endpoint.hook(body=XML, headers={"Content-Type": content_type})
    (notification,) = endpoint.collect()
    assert values(notification, "Content-Type") == [content_type]


def test_custom_headers_are_recorded(endpoint):
    endpoint.hook(body=XML, headers={"X-Trace-Id": "abc-123", "Authorization": "Bearer t0ken", "X-Empty-ish": "-"})
    (notification,) = endpoint.collect()
    assert values(notification, "X-Trace-Id") == ["abc-123"]
    assert values(notification, "Authorization") == ["Bearer t0ken"]
    assert values(notification, "X-Empty-ish") == ["-"]


def test_host_is_recorded(endpoint):
    endpoint.hook(body=XML)
    (notification,) = endpoint.collect()
    assert len(values(notification, "Host")) == 1 and values(notification, "Host")[0]


def test_received_at_is_utc_and_now(endpoint):
    before = datetime.now(timezone.utc)
    endpoint.hook(body="t")
    after = datetime.now(timezone.utc)
    (notification,) = endpoint.collect()
    slack = timedelta(seconds=2)
    assert before - slack <= parse_time(notification["receivedAt"]) <= after + slack


def test_received_at_never_goes_back(endpoint):
    for i in range(10):
        endpoint.hook(body=str(i))
    stamps = [parse_time(n["receivedAt"]) for n in endpoint.collect()]
    assert len(stamps) == 10 and stamps == sorted(stamps)


def test_received_at_is_the_time_of_arrival(endpoint):
    times = []
    for body in "ab":
        times.append(datetime.now(timezone.utc))
        endpoint.hook(body=body)
    times.append(datetime.now(timezone.utc))
    first, second = (parse_time(notification["receivedAt"]) for notification in endpoint.collect())
    assert times[0] <= first <= times[1] <= second <= times[2]


def test_remote_is_the_address_of_the_sender(endpoint):
    endpoint.hook(body="r")
    (notification,) = endpoint.collect()
    assert notification["remote"] == "127.0.0.1"


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
def test_unknown_endpoint_is_404(method):
    assert call(method, "/webhook/no-such-endpoint-0000000000000000").status_code == 404


def test_endpoints_do_not_share_notifications(endpoint, other):
    endpoint.hook(body="mine")
    other.hook(body="theirs")
    assert [n["body"] for n in endpoint.collect()] == ["mine"]
    assert [n["body"] for n in other.collect()] == ["theirs"]


def test_header_values_are_kept_verbatim(endpoint):
    wanted = {
        "X-Punct": 'a,b; c="d" (e) <f> {g} [h] 100% \\ \' `',
        "X-Colon": "urn:x:y://z?q=1&r=2#f",
        "X-Inner-Space": "a  b\tc",
        "X-Json": '{"k": "v"}',
    }
    assert raw("POST", endpoint.target, list(wanted.items()), b"b")[0] == 200
    (n,) = endpoint.collect()
    for name, value in wanted.items():
        assert values(n, name) == [value]


def test_blanks_around_a_header_value_are_dropped(endpoint):
    assert raw("POST", endpoint.target, [("X-Pad", "   padded  ")], b"b")[0] == 200
    (n,) = endpoint.collect()
    assert values(n, "X-Pad") == ["padded"]


def test_many_and_long_headers(endpoint):
    sent = [("X-N-%d" % i, "v%d" % i) for i in range(50)] + [("X-Long", "l" * 3500)]
    assert raw("POST", endpoint.target, sent, b"b")[0] == 200
    (n,) = endpoint.collect()
    for name, value in sent:
        assert values(n, name) == [value]


def test_identity_encoding_is_no_encoding(endpoint):
    assert endpoint.hook(body=b"<a/>", headers={"Content-Encoding": "identity"}).status_code == 200
    assert [n["body"] for n in endpoint.collect()] == ["<a/>"]


def test_chunked_in_many_pieces(endpoint):
    pieces = [b"%d," % i for i in range(500)]
    assert endpoint.hook(body=iter(pieces), headers={"Content-Type": SEP2}).status_code == 200
    (n,) = endpoint.collect()
    assert n["body"] == b"".join(pieces).decode()


def test_chunked_and_empty(endpoint):
    c = connection()
    c.putrequest("POST", endpoint.target)
    c.putheader("Transfer-Encoding", "chunked")
    c.endheaders(b"0\r\n\r\n")
    assert c.getresponse().status == 200
    c.close()
    assert [n["body"] for n in endpoint.collect()] == [""]


def test_body_of_a_get_is_recorded(endpoint):
    assert raw("GET", endpoint.target, [("Content-Type", "text/plain")], b"in a get")[0] == 200
    assert [(n["method"], n["body"]) for n in endpoint.collect()] == [("GET", "in a get")]


@pytest.mark.parametrize("method", ["PROPFIND", "REPORT", "MKCOL", "LOCK", "SUBSCRIBE", "NOTIFY"])
def test_unusual_methods_are_recorded(endpoint, method):
    assert raw(method, endpoint.target, [], b"b")[0] == 200
    assert [(n["method"], n["body"]) for n in endpoint.collect()] == [(method, "b")]


def test_success_to_head_and_options_has_no_content(endpoint):
    for method in ("HEAD", "OPTIONS"):
        status, _, content = raw(method, endpoint.target)
        assert (status, content) == (200, b"")
    assert [n["method"] for n in endpoint.collect()] == ["HEAD", "OPTIONS"]


def test_expect_continue(endpoint):
    assert endpoint.hook(body="waited", headers={"Expect": "100-continue"}).status_code == 200
    assert [n["body"] for n in endpoint.collect()] == ["waited"]


def test_http_1_0(endpoint):
    if PARTS.scheme != "http":
        pytest.skip("plain HTTP only")
    with socket.create_connection((HOST, PORT), timeout=30) as s:
        s.sendall(("POST %s HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nold" % endpoint.target).encode())
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
    assert re.match(rb"HTTP/1\.[01] 200", answer)
    assert [n["body"] for n in endpoint.collect()] == ["old"]


def test_query_and_body_do_not_mix(endpoint):
    assert (
        endpoint.hook(body="b=2", suffix="?a=1", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 200
    )
    assert [n["body"] for n in endpoint.collect()] == ["b=2"]


# ---------------------------------------------------------------- configuring


def test_new_endpoint_is_enabled(endpoint):
    assert endpoint.accepts()


def test_configure_answers_204_without_content(endpoint):
    for enabled in (False, True):
        response = endpoint.configure(enabled)
        assert response.status_code == 204
        assert response.content == b""


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "HEAD"])
def test_disabled_webhook_answers_500(endpoint, method):
    endpoint.configure(False)
    assert endpoint.hook(method).status_code == 500


def test_disabled_webhook_records_nothing(endpoint):
    endpoint.hook(body="before")
    endpoint.configure(False)
    endpoint.hook(body="during")
    endpoint.configure(True)
    endpoint.hook(body="after")
    assert [n["body"] for n in endpoint.collect()] == ["before", "after"]


def test_disabled_endpoint_can_be_collected(endpoint):
    endpoint.hook(body="before")
    endpoint.configure(False)
    assert [n["body"] for n in endpoint.collect()] == ["before"]
    assert endpoint.collect() == []
    assert endpoint.hook(body="x").status_code == 500


def test_enabling_again_brings_the_webhook_back(endpoint):
    endpoint.configure(False)
    assert not endpoint.accepts()
    endpoint.configure(True)
    assert endpoint.accepts()


@pytest.mark.parametrize("enabled", [True, False])
def test_configuring_twice_is_the_same_as_once(endpoint, enabled):
    assert endpoint.configure(enabled).status_code == 204
    assert endpoint.configure(enabled).status_code == 204
    assert endpoint.accepts() is enabled


def test_disabling_one_leaves_the_other(endpoint, other):
    endpoint.configure(False)
    assert other.accepts()
    assert not endpoint.accepts()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=utf-8"}, {"Accept": "application/json"}],
    ids=["none", "text", "json-charset", "accept"],
)
def test_configure_does_not_insist_on_a_content_type(endpoint, headers):
    assert endpoint.manage("PUT", data='{"enabled": false}', headers=headers).status_code == 204
    assert not endpoint.accepts()


@pytest.mark.parametrize(
    "body",
    ['{"enabled":false,"other":[1,{}]}', '{"z":null,"enabled":false}', ' \r\n\t{ "enabled" : false }\n', '{"enabled": false}'],
)
def test_configure_takes_any_json_spelling_and_extra_members(endpoint, body):
    assert endpoint.manage("PUT", data=body).status_code == 204
    assert not endpoint.accepts()


BAD_CONFIGURATIONS = {
    "empty": "",
    "truncated": '{"enabled": fal',
    "trailing-text": '{"enabled": false} x',
    "single-quotes": "{'enabled': false}",
    "xml": "<enabled>false</enabled>",
    "no-members": "{}",
    "other-member": '{"disabled": true}',
    "empty-list": "[]",
    "list": '[{"enabled": false}]',
    "string": '"enabled"',
    "number": "7",
    "null": "null",
    "trailing-comma": '{"enabled": false, }',
    "bare-key": "{enabled: false}",
    "python": '{"enabled": False}',
    "nested-list": '[[{"enabled": false}]]',
    "nul": "\x00",
}


@pytest.mark.parametrize("body", BAD_CONFIGURATIONS.values(), ids=BAD_CONFIGURATIONS.keys())
def test_bad_configuration_is_refused_and_changes_nothing(endpoint, body):
    endpoint.hook(body="kept")
    response = endpoint.manage("PUT", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert [n["body"] for n in endpoint.collect()] == ["kept"]
    assert endpoint.accepts()


@pytest.mark.parametrize("body", ["", "{}", '{"enabled": tru', '[{"enabled": true}]'])
def test_bad_configuration_does_not_enable(endpoint, body):
    endpoint.configure(False)
    response = endpoint.manage("PUT", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert not endpoint.accepts()


TRUE_LIKE = {'"true"', '"yes"', '"1"', "1"}


@pytest.mark.parametrize("value", sorted(TRUE_LIKE) + ['"false"', '"banana"', "0", "2", "null", "[]", "{}"])
@pytest.mark.parametrize("before", [True, False])
def test_values_that_are_not_booleans_are_true_or_refused(endpoint, value, before):
    endpoint.configure(before)
    status = endpoint.manage("PUT", data='{"enabled": %s}' % value, headers={"Content-Type": "application/json"}).status_code
    assert status == (204 if value in TRUE_LIKE else 400)
    assert endpoint.accepts() is (value in TRUE_LIKE or before)


def test_configuring_an_unknown_endpoint_is_404():
    assert call("PUT", "/manage/endpoint/no-such-endpoint", json={"enabled": True}).status_code == 404


def test_collecting_an_unknown_endpoint_is_404():
    assert call("GET", "/manage/endpoint/no-such-endpoint").status_code == 404


def test_too_large_configuration_is_refused_or_applied(endpoint):
    try:
        status = endpoint.manage("PUT", data='{"enabled": false, "x": "' + "a" * (2 * MIB) + '"}').status_code
    except requests.ConnectionError:
        status = 413
    now = endpoint.accepts()
    assert (status == 204 and not now) or (400 <= status < 500 and now)


def test_bad_configuration_of_an_unknown_endpoint_is_refused():
    assert call("PUT", "/manage/endpoint/no-such-endpoint", data="{").status_code == 400


# ---------------------------------------------------------------- deleting


def test_delete_answers_204_without_content(endpoint):
    response = endpoint.manage("DELETE")
    assert response.status_code == 204
    assert response.content == b""


def test_deleted_endpoint_is_gone(endpoint):
    endpoint.manage("DELETE")
    assert endpoint.manage("GET").status_code == 404
    assert endpoint.configure(True).status_code == 404
    assert endpoint.hook(body="x").status_code == 404


def test_delete_with_uncollected_notifications(endpoint):
    endpoint.hook(body="lost")
    assert endpoint.manage("DELETE").status_code == 204
    assert endpoint.manage("GET").status_code == 404


def test_delete_a_disabled_endpoint(endpoint):
    endpoint.configure(False)
    assert endpoint.manage("DELETE").status_code == 204
    assert endpoint.hook(body="x").status_code == 404


def test_deleting_again_is_harmless(endpoint):
    endpoint.manage("DELETE")
    assert endpoint.manage("DELETE").status_code == 204


def test_deleting_an_unknown_endpoint_is_harmless():
    assert call("DELETE", "/manage/endpoint/no-such-endpoint").status_code == 204


def test_deleting_one_leaves_the_other(endpoint, other):
    other.hook(body="kept")
    endpoint.manage("DELETE")
    assert [n["body"] for n in other.collect()] == ["kept"]


def test_no_content_really_has_none(endpoint):
    for method, body in (("PUT", b'{"enabled": true}'), ("DELETE", b"")):
        status, headers, content = raw(method, MOUNT + "/manage/endpoint/" + endpoint.id, [], body)
        assert status == 204 and content == b""
        assert headers.get("content-length", "0") == "0"
        assert "transfer-encoding" not in headers


def test_delete_takes_no_notice_of_a_body(endpoint):
    assert endpoint.manage("DELETE", data="{}").status_code == 204
    assert endpoint.manage("GET").status_code == 404


# ---------------------------------------------------------------- status page


def test_status_is_plain_text():
    response = call("GET", "/manage")
    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0].strip() == "text/plain"


@pytest.mark.parametrize("heading", ["CACTUS Client Notifications", "SETTINGS", "STATS", "ENDPOINTS ("])
def test_status_has_its_sections(heading):
    assert any(line.startswith(heading) for line in status_text().splitlines())


@pytest.mark.parametrize(
    "pattern",
    [
        r"Started: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)",
        r"Max Active Endpoints: \d+",
        r"Max Endpoint Notifications: \d+",
        r"Cleanup Frequency: \d+(\.\d+)?s",
        r"Max Endpoint Idle Time: \d+(\.\d+)?s",
        r"Max Endpoint Total Time: \d+(\.\d+)?s",
        r"Mount Point: .*",
        r"Public URL: .+",
        r"Total collection requests: \d+ \(with \d+ errors\)",
        r"Total received notifications: \d+ \(with \d+ errors\)",
        r"Total configure requests: \d+ \(with \d+ errors\)",
    ],
)
def test_status_has_its_lines(pattern):
    assert any(re.fullmatch(pattern, line) for line in status_text().splitlines())


def test_status_counts_endpoints():
    before = endpoint_total(status_text())
    made = [Endpoint() for _ in range(3)]
    during = endpoint_total(status_text())
    for one in made:
        one.manage("DELETE")
    after = endpoint_total(status_text())
    assert (during, after) == (before + 3, before)


def test_status_describes_an_endpoint(endpoint):
    endpoint.hook(body="1")
    endpoint.hook(body="2")
    block = block_of(endpoint)
    assert "    2 uncollected notifications" in block
    assert "    Enabled: True" in block
    assert any(line.startswith("    Created: ") for line in block)
    assert any(line.startswith("    Last Touched: ") for line in block)


def test_status_shows_a_disabled_endpoint(endpoint):
    endpoint.configure(False)
    assert "    Enabled: False" in block_of(endpoint)


def test_status_does_not_give_away_ids(endpoint):
    assert endpoint.id not in status_text()


def test_status_consumes_nothing(endpoint):
    endpoint.hook(body="kept")
    status_text()
    assert [n["body"] for n in endpoint.collect()] == ["kept"]


def test_status_counts_what_is_waiting(endpoint):
    for i in range(7):
        endpoint.hook(body=str(i))
    assert "    7 uncollected notifications" in block_of(endpoint)
    endpoint.collect()
    assert "    0 uncollected notifications" in block_of(endpoint)


def test_status_counters_go_up(endpoint):
    labels = ["Total received notifications", "Total collection requests", "Total configure requests"]
    before = [counter(label) for label in labels]
    for _ in range(3):
        endpoint.hook(body="x")
    for _ in range(2):
        endpoint.collect()
    endpoint.configure(True)
    assert [counter(label) for label in labels] == [before[0] + 3, before[1] + 2, before[2] + 1]


# ---------------------------------------------------------------- routing


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/manage"),
        ("PUT", "/manage"),
        ("DELETE", "/manage"),
        ("GET", "/manage/endpoint"),
        ("PUT", "/manage/endpoint"),
        ("DELETE", "/manage/endpoint"),
        ("POST", "/manage/endpoint/{id}"),
        ("PATCH", "/manage/endpoint/{id}"),
    ],
)
def test_wrong_method_is_405(endpoint, method, path):
    assert call(method, path.format(id=endpoint.id)).status_code == 405


def test_wrong_method_names_the_right_ones(endpoint):
    def allowed(response):
        return {m.strip() for m in response.headers["Allow"].split(",")}

    assert "GET" in allowed(call("POST", "/manage"))
    assert "POST" in allowed(call("GET", "/manage/endpoint"))
    assert {"GET", "PUT", "DELETE"} <= allowed(endpoint.manage("POST"))


@pytest.mark.parametrize("wrong", ["%00", "%FF", "a%2Fb", "a" * 1000, "{endpoint_id}", "%20", "%3Cscript%3E"])
@pytest.mark.parametrize("path", ["/webhook/", "/manage/endpoint/"])
def test_odd_ids_are_client_errors(path, wrong):
    assert 400 <= raw("GET", MOUNT + path + wrong, length=False)[0] < 500


@pytest.mark.parametrize(
    "path",
    ["/nope", "/webhook", "/webhooks/x", "/manage/endpoints", "/manage/nope", "/manage/endpoint/{id}/more", "/webhook/{id}/more"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path_is_404(endpoint, method, path):
    assert call(method, path.format(id=endpoint.id)).status_code == 404
    assert endpoint.collect() == []


# ---------------------------------------------------------------- at the same time


def test_parallel_notifications_are_all_kept(endpoint):
    sent = ["p%d" % i for i in range(50)]
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda body: endpoint.hook(body=body).status_code, sent))
    assert set(statuses) == {200}
    assert sorted(n["body"] for n in endpoint.collect()) == sorted(sent)


def test_parallel_creations_are_distinct():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Endpoint(), range(24)))
        list(pool.map(lambda one: one.manage("DELETE"), made))
    assert len({one.id for one in made}) == 24


def test_one_connection_through_a_whole_life():
    c = connection()

    def go(method, path, body=None):
        c.request(method, MOUNT + path, body=body)
        r = c.getresponse()
        return r.status, r.read()

    status, content = go("POST", "/manage/endpoint")
    assert status == 201
    one = json.loads(content)["endpointId"]
    steps = [
        ("POST", "/webhook/" + one, "a", 200),
        ("PUT", "/manage/endpoint/" + one, '{"enabled": false}', 204),
        ("POST", "/webhook/" + one, "b", 500),
        ("POST", "/webhook/nope", "c", 404),
        ("PATCH", "/manage/endpoint/" + one, None, 405),
        ("PUT", "/manage/endpoint/" + one, '{"enabled": true}', 204),
        ("HEAD", "/webhook/" + one, None, 200),
        ("POST", "/webhook/" + one, "d", 200),
        ("GET", "/manage", None, 200),
    ]
    for method, path, body, expected in steps:
        assert go(method, path, body)[0] == expected, (method, path)
    status, content = go("GET", "/manage/endpoint/" + one)
    assert [n["body"] for n in json.loads(content)["notifications"]] == ["a", "", "d"]
    assert go("DELETE", "/manage/endpoint/" + one)[0] == 204
    c.close()


def test_whole_life_of_an_endpoint():
    one = Endpoint()
    headers = {"Content-Type": SEP2}
    assert one.hook("POST", "req1", headers).status_code == 200
    assert one.configure(False).status_code == 204
    assert one.hook("POST", "req2", headers).status_code == 500
    assert one.configure(True).status_code == 204
    assert one.hook("PUT", "req3", headers).status_code == 200
    assert [(n["method"], n["body"]) for n in one.collect()] == [("POST", "req1"), ("PUT", "req3")]
    assert one.collect() == []
    assert one.manage("DELETE").status_code == 204
    assert one.hook("POST", "req4", headers).status_code == 404
