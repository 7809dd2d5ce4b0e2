"""CloudEvents in each mode of HTTP, with the library cloudevents as sender and as receiver."""

import base64
import datetime
import json
import os
import subprocess

import libraries
import pytest
from event_service import error, event, on, token
from harness import ROOT
from webhook_service import header_of


@pytest.fixture(scope="module")
def peer():
    """Tests/Support/cloudevents_peer.py: peer(write="binary", attributes={...})."""
    libraries.need("cloudevents")
    program = os.path.join(ROOT, "Tests", "Support", "cloudevents_peer.py")
    process = subprocess.Popen([libraries.PYTHON, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(**order):
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(10)


def body_of(arrival):
    return base64.b64decode(arrival["body_b64"]) if "body_b64" in arrival else arrival["body"].encode()


def read(peer, arrival):
    """An arrival as the library reads it: (attributes, data)."""
    headers = {name: value for name, value in arrival["headers"]}
    found = peer(read=headers, body=base64.b64encode(body_of(arrival)).decode())
    return plain(found["attributes"]), data_of(found)


def data_of(found):
    """Data as bytes, if it is a text or bytes: binary mode cannot tell these apart."""
    data = base64.b64decode(found["base64"]) if "base64" in found else found.get("data")
    return data.encode() if isinstance(data, str) else data


def plain(attributes):
    """Attributes in one form: modes differ in how they write times, and binary mode makes numbers texts."""
    found = {name: str(value) for name, value in attributes.items() if value is not None}
    if "time" in found:
        time = datetime.datetime.fromisoformat(found["time"].replace("Z", "+00:00"))
        found["time"] = time.astimezone(datetime.timezone.utc).isoformat()
    return found


def attributes(**more):
    return {"specversion": "1.0", "source": "/test", "time": "2026-11-22T06:05:37Z", **more}


EVENTS = {
    "json": (attributes(datacontenttype="application/json"), {"data": {"a": [1, 2.5, None, True, "é"], "": {}}}),
    "no type": (attributes(), {"data": {"a": 1}}),
    "suffix": (attributes(datacontenttype="application/vnd.x+json; v=1"), {"data": {"a": 1}}),
    "text": (attributes(datacontenttype="text/plain; charset=utf-8"), {"data": "Grüße, \"you\" 日本\n"}),
    "xml": (attributes(datacontenttype="application/xml"), {"data": "<a>é</a>"}),
    "bytes": (attributes(datacontenttype="application/octet-stream"), {"base64": base64.b64encode(bytes(range(256))).decode()}),
    "image": (attributes(datacontenttype="image/png"), {"base64": base64.b64encode(b"\x89PNG\x00\xff").decode()}),
    "none": (attributes(), {}),
    "none of a type": (attributes(datacontenttype="application/json"), {}),
    "all": (
        attributes(
            subject='é € "quoted" 100% a/b?c ☃😀', dataschema="https://example.com/schema?x=1#y", time="2026-11-22T06:05:37.123456+02:00",
            datacontenttype="application/json", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            comexampleext="ünï %41 \\ \"", partitionkey="a b",
        ),
        {"data": {"a": 1}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["structured", "binary"])
@pytest.mark.parametrize("case", EVENTS)
def test_the_library_reads_in_each_format_what_it_sent_in_each_mode(router, receive, peer, case, mode):
    given, data = EVENTS[case]
    given = {"id": token("id"), "type": token("type"), **given}
    receiver = receive()
    for form in ("json", "cloudevents", "cloudevents-binary"):
        router.subscribe(token("u"), receiver.url("/" + form), '$[?(@.type = "%s")]' % given["type"], format=form)
    message = peer(write=mode, attributes=given, **data)
    headers = {name.title(): value for name, value in message["headers"].items()}
    answer = router.call("POST", "/receive", base64.b64decode(message["body"]), headers)
    assert answer.status == 200, answer.text
    receiver.wait(3)
    structured, binary, whole = (receiver.arrivals("/" + form)[0] for form in ("cloudevents", "cloudevents-binary", "json"))
    wanted = (plain(given), data_of(data))
    assert header_of(structured, "Content-Type").startswith("application/cloudevents+json")
    assert read(peer, structured) == wanted
    assert header_of(binary, "ce-id") == given["id"]
    assert header_of(binary, "Content-Type") == given.get("datacontenttype", "application/json" if data else None)
    # Data without a type is JSON, and binary mode has to say so.
    read_attributes, read_data = read(peer, binary)
    if "datacontenttype" not in given:
        read_attributes.pop("datacontenttype", None)
    assert (read_attributes, read_data) == wanted
    # The format json is JSON whatever the sender's mode was, with a member for extensions.
    assert header_of(whole, "Content-Type") == "application/json"
    kept = json.loads(body_of(whole))
    assert kept.pop("extensions") == {} and kept["id"] == given["id"] and kept["type"] == given["type"]
    assert router.history(answer.text, "")["event"]["id"] == given["id"]


@pytest.mark.parametrize("form", ["cloudevents", "cloudevents-binary"])
def test_the_library_reads_events_that_were_no_cloudevents_1_0(router, receive, peer, form):
    receiver = receive()
    key = token()
    router.subscribe(
        token("u"), receiver.url("/"), "$..%s" % key, format=form, extensions={"Sub-Scription": "s", "n": 7, "deep": {"a": 1}, "z": None}
    )
    old = event(
        key, eventTime="2019-04-05T17:31:00", contentType="application/json", eventID="one", extensions={"Some-Thing": "é", "n": 1}
    )
    router.send(old)
    found, data = read(peer, receiver.wait(1)[0])
    assert data == {key: 0}
    assert found == {
        "specversion": "1.0", "id": "one", "source": "/test", "type": "org.example.test", "time": "2019-04-05T17:31:00+00:00",
        "datacontenttype": "application/json", "something": "é", "n": "7", "subscription": "s", "deep": '{"a": 1}',
    }  # fmt: skip
    # JSON that is not a CloudEvent becomes the data of one.
    sent = router.send({key: [1]})
    found, data = read(peer, receiver.wait(2)[1])
    assert data == {key: [1]} and found["id"] == sent and found["source"] and found["type"]


# ---------------------------------------------------------------- batches


def one(key, number, **members):
    return {"specversion": "1.0", "id": str(number), "source": "/test", "type": "t", "data": {key: number}, **members}


BATCH = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}


def test_each_event_of_a_batch_is_an_event(router, receive):
    receiver = receive()
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), on(key))
    batch = [one(key, number) for number in range(50)] + [event(key, 50)]
    ids = router.send(batch, BATCH).split("\n")
    assert len(set(ids)) == 51
    receiver.wait(51)
    assert sorted(json.loads(arrival["body"])["data"][key] for arrival in receiver.arrivals()) == list(range(51))
    for number, sent in enumerate(ids):
        assert router.history(sent, user)["event"]["data"] == {key: number}
        router.settle(sent, made, "delivered")
    assert router.send([], BATCH) == ""


def test_a_batch_with_an_invalid_event_is_refused_whole(router, receive):
    receiver = receive()
    key = token()
    router.subscribe(token("u"), receiver.url("/"), "$..%s" % key)
    for bad in (1, [], {}, one(key, 9, id=""), one(key, 9, specversion="2.0"), None):
        answer = router.api("POST", "/receive", [one(key, 0), bad], BATCH)
        assert error(answer, 400).startswith("[1]: ")
    for body in ("{}", "1", "", "[", json.dumps([one(key, 0)] * 10_001)):
        error(router.api("POST", "/receive", body, BATCH), 400)
    router.send({"data": {key: "last"}})
    router.finish()
    assert [json.loads(arrival["body"])["data"] for arrival in receiver.arrivals()] == [{key: "last"}]


# ---------------------------------------------------------------- invalid events


STRUCTURED = {"Content-Type": "application/cloudevents+json"}
CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "Content-Type": "application/json"}
GOOD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"id": ""}, {"id": 1}, {"source": "a b"}, {"source": ""}, {"type": ""}, {"specversion": "0.4"}, {"specversion": 1.0}]
    + [{"time": "yesterday"}, {"time": "2026-01-01 00:00:00Z"}, {"dataschema": "no scheme"}, {"datacontenttype": "json"}, {"subject": ""}]
    + [{"Upper": "x"}, {"with-dash": "x"}, {"": "x"}, {"a" * 65: "x"}, {"n": 1.5}, {"n": 2**31}, {"n": []}, {"n": {}}]
    + [{"s": "a\nb"}, {"s": "\ufffe"}, {"data": 1, "data_base64": "AA=="}, {"data_base64": "!"}, {"data_base64": 1}],
    ids=lambda change: json.dumps(change)[:40],
)
def test_an_invalid_structured_event_is_refused_and_the_error_names_the_member(router, change):
    body = {**GOOD, **change}
    body = {name: value for name, value in body.items() if value is not None}
    message = error(router.api("POST", "/receive", body, STRUCTURED), 400)
    assert any(name[:60] in message for name in change), message


@pytest.mark.parametrize(
    "change",
    [{"ce-id": None}, {"ce-id": ""}, {"ce-source": "a b"}, {"ce-specversion": "0.4"}, {"ce-time": "now"}, {"ce-with-dash": "x"}]
    + [{"ce-s": "%FF"}, {"ce-s": "%00"}, {"ce-data": "x"}, {"ce-datacontenttype": "text/plain"}],
    ids=str,
)
def test_an_invalid_binary_event_is_refused(router, change):
    headers = {name: value for name, value in {**CE, **change}.items() if value is not None}
    error(router.api("POST", "/receive", b"{}", headers), 400)
    error(router.api("POST", "/receive", b"{", CE), 400)


def test_header_values_are_decoded_once(router):
    sent = router.send(b"{}", {**CE, "ce-a": "%2541", "ce-b": '"quoted \\"%20\\" \\\\"', "ce-c": "100%", "CE-D": "x"})
    found = router.history(sent, "")["event"]
    assert (found["a"], found["b"], found["c"], found["d"]) == ("%41", 'quoted " " \\', "100%", "x")
