"""Events as senders write them: compressed, escaped, of an older version, with a byte order mark, nested, repeated."""

import base64
import gzip
import json
import zlib

import pytest
from event_service import error, numbers, on, token
from harness import together
from webhook_service import header_of, new_environment

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


def delivered(router, receiver, **members):
    """Subscribes to the events of a new key. Returns the key, and a function that waits for arrivals."""
    key = token()
    router.subscribe(key, receiver.url("/" + key), on(key), **members)
    return key, lambda count=1: receiver.wait(count, "/" + key)


# ------------------------------------------------------------ content codings


@pytest.mark.parametrize(
    "coding, coded",
    [
        ("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("identity", bytes),
        ("identity, gzip", gzip.compress), ("gzip, deflate", lambda body: zlib.compress(gzip.compress(body, mtime=0))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["binary", "structured", "batch", "plain"])
def test_a_compressed_event_is_delivered_uncompressed(router, receiver, kind, coding, coded):
    key, arrived = delivered(router, receiver, format="cloudevents-binary")
    data = {key: 1, "text": "x" * 3000}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": data}
    body, headers = {
        "binary": (data, {**BINARY, "Content-Type": "application/json"}),
        "structured": (event, {"Content-Type": "application/cloudevents+json"}),
        "batch": ([event], {"Content-Type": "application/cloudevents-batch+json"}),
        "plain": (event, {"Content-Type": "application/json"}),
    }[kind]
    router.send(coded(json.dumps(body).encode()), {**headers, "Content-Encoding": coding})
    arrival = arrived()[0]
    assert json.loads(arrival["body"]) == data and header_of(arrival, "Content-Encoding") is None


def test_compressed_binary_data_is_stored_uncompressed(router, receiver):
    key = token()
    router.subscribe(key, receiver.url("/" + key), '$[?(@["subject"] = "%s")]' % key, format="cloudevents-binary")
    image = bytes(range(256)) * 8
    headers = {**BINARY, "ce-subject": key, "Content-Type": "image/png"}
    sent = router.send(gzip.compress(image, mtime=0), {**headers, "Content-Encoding": "gzip"})
    assert base64.b64decode(router.history(sent, key)["event"]["data_base64"]) == image


def test_a_body_that_cannot_be_uncompressed_is_refused(router):
    def refused(status, body, coding, path="/receive"):
        return error(router.api("POST", path, body, {**BINARY, "Content-Encoding": coding}), status)

    for coding in ("br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", "x"):
        assert "gzip" in refused(415, b"x" * 20, coding), coding
        refused(415, b"x" * 20, coding, "/eventmatch")
    for coding in ("gzip", "deflate"):
        refused(400, b"{}", coding)
    assert "is incomplete" in refused(400, gzip.compress(b'{"a": "%s"}' % (b"x" * 5000))[:-20], "gzip")
    # The limit applies to the uncompressed body, and is noticed before it fills the memory.
    assert str(16 << 20) in refused(413, gzip.compress(b" " * (64 << 20)), "gzip")


def test_an_endpoint_can_be_configured_by_a_compressed_body(router):
    endpoint = router.create()
    body = gzip.compress(b"\xef\xbb\xbf" + b'{"enabled": false}', mtime=0)
    assert router.call("PUT", "/manage/endpoint/" + endpoint, body, {"Content-Encoding": "gzip"}).status == 204
    assert router.hook(endpoint).status == 500
    assert router.call("PUT", "/manage/endpoint/" + endpoint, b"x", {"Content-Encoding": "gzip"}).status == 400


# ------------------------------------------------------------ attributes


@pytest.mark.parametrize(
    "sent, kept",
    [
        ("/my%20context", "/my%20context"), ("/caf%C3%A9", "/café"), ("/caf%E9", "/caf%E9"), ("/a%2Fb", "/a/b"), ("/100%25", "/100%25"),
        ("/my%2520context", "/my%20context"), ('"/my%20context"', "/my%20context"), ("/s%22q%22", "/s%22q%22"), ("/%3Cb%3E", "/%3Cb%3E"),
    ],
)  # fmt: skip
def test_a_source_is_decoded_unless_only_its_encoded_form_is_valid(router, sent, kept):
    key = token()
    data = json.dumps({key: 1})
    event = router.send(data, {**BINARY, "ce-source": sent, "ce-subject": "a%20b", "Content-Type": "application/json"})
    found = router.history(event, key)["event"]
    assert (found["source"], found["subject"]) == (kept, "a b")


def test_a_source_that_is_invalid_in_both_forms_is_refused(router):
    for source in ("a b", '"a b"', "", "%ZZ", "/{x}", "a%20b c"):
        error(router.api("POST", "/receive", "{}", {**BINARY, "ce-source": source}), 400)
    for name, value in (("ce-subject", "%E9"), ("ce-type", "%FF"), ("ce-other", "%E9")):
        error(router.api("POST", "/receive", "{}", {**BINARY, name: value}), 400)


# ------------------------------------------------------------ version 0.3


def former(**members):
    return {"specversion": "0.3", "id": "1", "source": "/s", "type": "t", **members}


STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}


def test_an_event_of_version_0_3_is_delivered_as_it_came_or_as_version_1_0(router, receiver):
    key, plain = delivered(router, receiver)
    today = router.subscribe(key, receiver.url("/today" + key), on(key), format="cloudevents")
    event = former(schemaurl="https://example.org/s.json", subject="s", time="2026-11-22T06:05:37Z", data={key: 7}, other="x")
    for headers, body in (
        (STRUCTURED, event), ({"Content-Type": "application/json"}, event), ({"Content-Type": "application/cloudevents-batch+json"}, [event]),
        ({**{"ce-" + name: value for name, value in event.items() if name != "data"}, "Content-Type": "application/json"}, {key: 7}),
    ):  # fmt: skip
        router.send(json.dumps(body), headers)
    for arrival in plain(4):
        assert json.loads(arrival["body"]).items() >= event.items()
    for arrival in receiver.wait(4, "/today" + key):
        found = json.loads(arrival["body"])
        assert (found["specversion"], found["dataschema"], found["other"], found["data"]) == ("1.0", event["schemaurl"], "x", {key: 7})
        assert "schemaurl" not in found
    assert numbers(receiver, "/" + key, key) == [7] * 4 and today["format"] == "cloudevents"


def test_data_of_version_0_3_may_be_base64(router, receiver):
    key = token()
    made = '$[?(@["subject"] = "%s")]' % key
    router.subscribe(key, receiver.url("/" + key), made, format="cloudevents-binary")
    router.subscribe(key, receiver.url("/structured" + key), made, format="cloudevents")
    image = bytes(range(256))
    text = base64.b64encode(image).decode()
    event = former(subject=key, datacontenttype="image/png", datacontentencoding="base64", data=text)
    router.send(json.dumps(event), STRUCTURED)
    headers = {"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-subject": key, "Content-Type": "image/png"}
    sent = router.send(image, headers)
    found = router.history(sent, key)["event"]
    assert (found["datacontentencoding"], found["data"]) == ("base64", text)
    router.send(text, {**headers, "ce-datacontentencoding": "base64"})
    receiver.wait(3, "/" + key)
    for arrival in receiver.wait(3, "/structured" + key):
        found = json.loads(arrival["body"])
        assert (found["specversion"], found["data_base64"]) == ("1.0", text) and "datacontentencoding" not in found


@pytest.mark.parametrize(
    "members",
    [
        {"specversion": "0.2"}, {"specversion": "2.0"}, {"schemaurl": "a b"}, {"datacontentencoding": "gzip"}, {"id": ""}, {"source": ""},
        {"datacontentencoding": "base64", "data": {}}, {"datacontentencoding": "base64", "data": "!"}, {"data_base64": "AA=="}, {"time": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_event_of_version_0_3_is_refused_and_the_error_names_the_member(router, members):
    assert next(iter(members)).split("_")[0] in error(router.api("POST", "/receive", former(**members), STRUCTURED), 400)


def test_an_event_for_webhooks_may_be_of_version_0_3(hub):
    path = "/environments/%s/events" % new_environment()
    event = {"specversion": "0.3", "id": "job-7", "source": "/s", "type": "job-completed", "data": {"job": 7}}
    answer = hub.api("POST", path, event, {"Content-Type": "application/cloudevents+json"})
    assert answer.status == 202 and answer.json()["event_id"] == "job-7"
    assert hub.api("POST", path, {**event, "datacontentencoding": "base64"}).status == 400


# ------------------------------------------------------------ marks and depth


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-8"])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "binary"]
)
def test_an_event_may_begin_with_a_byte_order_mark(router, receiver, encoding, kind):
    key, arrived = delivered(router, receiver)
    event = {"specversion": "1.0", "id": "1", "source": "/é", "type": "t", "data": {key: 3}}
    headers = {**BINARY, "Content-Type": "application/json"} if kind == "binary" else {"Content-Type": kind}
    body = event["data"] if kind == "binary" else [event] if "batch" in kind else event
    router.send(json.dumps(body, ensure_ascii=False).encode(encoding), headers)
    assert json.loads(arrived()[0]["body"])["data"] == {key: 3}


def test_a_subscription_may_begin_with_a_byte_order_mark(router):
    wanted = json.dumps({"name": "né", "jsonpath": "$.none", "target_url": "http://127.0.0.1:1/"}, ensure_ascii=False)
    answer = router.ask("POST", "/eventmatch", wanted.encode("utf-8-sig"), token("u"))
    assert answer.status == 200 and answer.json()["name"] == "né"
    for body in (b"\xff\xff{}", b"\xfe", b"\xef\xbb\xbf", b"\xef\xbb\xbf{\xff}", b"\0", b"{}\0\0"):
        error(router.api("POST", "/receive", body), 400)
        error(router.ask("POST", "/eventmatch", body, "u"), 400)


def test_an_event_may_be_nested_a_thousand_deep(router, receiver):
    key, arrived = delivered(router, receiver)
    formatted = router.subscribe(key, receiver.url("/formatted" + key), on(key), format="cloudevents")
    deep = router.subscribe(key, receiver.url("/deep" + key), '$..["%s"]' % ("deep" + key))

    def nested(levels):
        """An object with nested arrays: so many levels in all."""
        inner = '{"deep%s": 1}' % key
        return '{"data": {"%s": 1}, "in": %s%s%s}' % (key, "[" * (levels - 2), inner, "]" * (levels - 2))

    sent = router.send(nested(1000))
    assert arrived()[0]["body"].count("[") == 998
    receiver.wait(1, "/deep" + key)
    receiver.wait(1, "/formatted" + key)
    # Python's reader of JSON does not go as deep.
    assert router.ask("GET", "/events/" + sent, user=key).text.count("[" * 998) == 1
    assert deep["uuid"] != formatted["uuid"]
    assert "1000 levels" in error(router.api("POST", "/receive", nested(1001)), 400)
    error(router.api("POST", "/receive", "[" * 100_000), 400)


# ------------------------------------------------------------ the same event


def cloud_event(key, number, source="/s", **members):
    return {"specversion": "1.0", "id": str(number), "source": source, "type": "t", "data": {key: number}, **members}


def test_a_repeated_event_is_stored_once_with_events_deduplicate(serve_events, receive):
    service, receiver = serve_events(EVENTS_DEDUPLICATE="true", RESPONDERS=3), receive()
    key, _ = delivered(service, receiver)
    first = service.send(cloud_event(key, 1), STRUCTURED)
    assert service.send(cloud_event(key, 1, subject="again"), STRUCTURED) == first
    binary = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "Content-Type": "application/json"}
    assert service.send({key: 1}, binary) == first and service.send(cloud_event(key, 1)) == first
    # With another source or another id it is another event.
    others = {service.send(cloud_event(key, 1, "/other"), STRUCTURED), service.send(cloud_event(key, 2), STRUCTURED)}
    batch = [cloud_event(key, number) for number in (1, 3, 3, 2, 4)] + [{"cloudEventsVersion": "0.1", "data": {key: 5}}]
    ids = service.send(batch, {"Content-Type": "application/cloudevents-batch+json"}).split("\n")
    assert ids[0] == first and ids[1] == ids[2] and ids[3] in others and len(set(ids) | others) == 6
    older = {"cloudEventsVersion": "0.1", "eventID": "9", "source": "/s", "data": {key: 9}}
    assert service.send(older) == service.send(older)
    # An event that is not a CloudEvent is new each time.
    assert service.send({"data": {key: 6}, "id": "1", "source": "/s"}) != service.send({"data": {key: 6}, "id": "1", "source": "/s"})
    service.finish()
    assert sorted(numbers(receiver, "/" + key, key)) == [1, 1, 2, 3, 4, 5, 6, 6, 9]
    service.check()
    # Also after a restart, and when several senders post it at once.
    service.stop()
    service.start()
    assert service.send(cloud_event(key, 1), STRUCTURED) == first
    for number in range(10, 20):
        assert len(set(together(6, lambda _, number=number: service.send(cloud_event(key, number), STRUCTURED)))) == 1


def test_a_repeated_event_is_another_event_by_default(router):
    key = token()
    assert router.send(cloud_event(key, 1), STRUCTURED) != router.send(cloud_event(key, 1), STRUCTURED)
