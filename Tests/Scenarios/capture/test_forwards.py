"""Notifications that a client has sent on to other addresses."""

import base64
import gzip
import hmac
import json
import os
import signal
import time
import uuid

import libraries
import pytest
from harness import exchange, free_port, wait_for


@pytest.fixture
def hub(forwarding_hub):
    return forwarding_hub


def body_of(arrival):
    return base64.b64decode(arrival["body_b64"]) if "body_b64" in arrival else arrival["body"].encode()


def dead(path=""):
    """A URL at which nothing listens."""
    return "http://127.0.0.1:%d/%s" % (free_port(), path)


# ---------------------------------------------------------------- what is sent


def test_bytes_and_fields_are_sent_as_they_were_captured(hub, receiver):
    endpoint = hub.create()
    hub.configure(endpoint, enabled=True, subpaths=True)
    body = bytes(range(256)) * 3
    sent = [
        ("User-Agent", "test/1"), ("X-First", "1"), ("Content-Type", "application/octet-stream"), ("X-Empty", ""),
        ("X-Umlaut", "gr\xfc\xdfe"), ("Authorization", "Bearer t"), ("Cookie", "a=b"), ("Accept-Encoding", "br"), ("X-Last", "a, b"),
    ]  # fmt: skip
    hop = [
        ("Connection", "X-Named, close"), ("X-Named", "1"), ("TE", "trailers"), ("Upgrade", "h2c"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"), ("Proxy-Authorization", "Basic eA=="), ("Trailer", "X-T"), ("Postroom-Forward", "1"),
    ]  # fmt: skip
    head = "".join("%s: %s\r\n" % field for field in sent[:4] + hop + sent[4:])
    request = "PUT /webhook/%s/a%%2Fb//c?x=%%20&y HTTP/1.1\r\nHost: sender.test\r\nContent-Length: %d\r\n%s\r\n"
    request = (request % (endpoint, len(body), head)).encode("latin-1") + body
    assert exchange(hub, request).startswith(b"HTTP/1.1 200 ")
    other = hub.create()
    hub.configure(other, enabled=True, subpaths=True)
    urls = [receiver.url("/exact/?k=v"), "http://127.0.0.1:%d/webhook/%s" % (hub.port, other)]
    begun = hub.forward(endpoint, [1], urls)[0]
    assert (begun["state"], begun["attempts"], begun["notification"], begun["standing"]) == ("pending", 0, 1, False)
    done = hub.wait_over(endpoint)[0]
    assert (done["state"], done["attempts"], done["status"], done["error"]) == ("delivered", 1, 200, None)
    assert done["nextAttempt"] is None and done["milliseconds"] >= 0 and done["url"] == receiver.url("/exact/?k=v")
    (arrival,) = receiver.wait(1, "/exact/a/b//c")
    assert (arrival["method"], arrival["query"]) == ("PUT", "k=v&x=%20&y")
    (found,) = hub.collect(other)
    assert (found["path"], found["query"]) == ("/a%2Fb//c", "x=%20&y")
    assert base64.b64decode(found["bodyBase64"]) == body
    assert body_of(arrival) == body
    fields = [tuple(field) for field in arrival["headers"] if field[0] not in ("Host", "Content-Length")]
    assert fields == [*sent, ("Postroom-Forward", "2")]
    assert ["Host", "127.0.0.1:%d" % receiver.port] in arrival["headers"]


def test_a_compressed_body_is_sent_compressed(hub, receiver):
    endpoint = hub.create()
    body = gzip.compress(b"text " * 1000)
    hub.hook(endpoint, body, {"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    hub.forward(endpoint, [1], [receiver.url("/gzip")])
    (arrival,) = receiver.wait(1, "/gzip")
    assert body_of(arrival) == body and ["Content-Encoding", "gzip"] in arrival["headers"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_request_without_a_body_is_sent_without_one(hub, receiver, method):
    endpoint = hub.create()
    hub.call(method, "/webhook/" + endpoint)
    hub.forward(endpoint, [1], [receiver.url("/" + method)])
    (arrival,) = receiver.wait(1, "/" + method)
    assert arrival["method"] == method and "Content-Length" not in [name for name, _ in arrival["headers"]]
    assert [forward["state"] for forward in hub.wait_over(endpoint)] == ["delivered"]


def test_a_head_request_with_a_length_is_sent_without_one(hub, receiver):
    endpoint = hub.create()
    hub.call("HEAD", "/webhook/" + endpoint, headers={"Content-Length": "0"})
    hub.forward(endpoint, [1], [receiver.url("/head")])
    assert [forward["state"] for forward in hub.wait_over(endpoint)] == ["delivered"]
    assert [arrival["method"] for arrival in receiver.arrivals("/head")] == ["HEAD"]


def test_a_library_verifies_the_signature_at_the_target(hub, receive):
    libraries.need("standardwebhooks")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    receiver = receive(None, "--verify", secret, python=libraries.PYTHON)
    endpoint = hub.create()
    seconds, body = str(int(time.time())), '{"n": 1,  "s": "gr\u00fc\u00dfe"}'.encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, b"msg_1.%s.%s" % (seconds.encode(), body), "sha256")
    headers = {
        "webhook-id": "msg_1", "webhook-timestamp": seconds, "Content-Type": "application/json",
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }  # fmt: skip
    hub.hook(endpoint, body, headers)
    hub.forward(endpoint, [1], [receiver.url("/signed")])
    (arrival,) = receiver.wait(1, "/signed")
    assert [check["ok"] for check in arrival["verify"]] == [True], arrival["verify"]
    assert [forward["status"] for forward in hub.wait_over(endpoint)] == [200]


def test_a_long_body_arrives_whole(hub, receiver):
    endpoint = hub.create()
    body = os.urandom(5 << 20)
    assert hub.hook(endpoint, body).status == 200
    hub.forward(endpoint, [1], [receiver.url("/long")])
    (arrival,) = receiver.wait(1, "/long")
    assert arrival["len"] == len(body)
    hub.wait_over(endpoint)
    assert hub.backlog(endpoint)["bytes"] == 0


# ---------------------------------------------------------------- results


def test_each_target_has_its_own_result(hub, receiver):
    receiver.rule("/fails", status=503, body="not now", headers={"content-type": "text/plain"})
    receiver.rule("/moved", redirect=receiver.url("/elsewhere"))
    receiver.rule("/hangs", fault="hang")
    endpoint = hub.create()
    for number in range(3):
        hub.hook(endpoint, "n%d" % number)
    gone = dead()
    urls = [receiver.url("/works"), receiver.url("/fails"), gone, receiver.url("/moved"), receiver.url("/hangs")]
    begun = hub.forward(endpoint, [3, 1], urls)
    assert [(f["notification"], f["url"]) for f in begun] == [(n, url) for n in (3, 1) for url in urls]
    assert [f["id"] for f in begun] == list(range(1, 11))
    results = {(f["notification"], f["url"]): f for f in hub.wait_over(endpoint)}
    assert len(results) == 10
    for number in (3, 1):
        works, fails, lost, moved, hangs = (results[number, url] for url in urls)
        assert (works["state"], works["status"]) == ("delivered", 200)
        assert (fails["state"], fails["status"], fails["error"], fails["response"]) == ("failed", 503, "status", "not now")
        assert fails["reason"] == "the target answered 503"
        assert (lost["state"], lost["status"], lost["error"]) == ("failed", None, "connect")
        assert (moved["state"], moved["status"]) == ("failed", 302) and "redirects are not followed" in moved["reason"]
        assert (hangs["state"], hangs["error"], hangs["attempts"]) == ("failed", "timeout", 1)
    assert not receiver.arrivals("/elsewhere")
    assert sorted(body_of(a) for a in receiver.arrivals("/works")) == [b"n0", b"n2"]
    # Once more, by hand.
    hub.forward(endpoint, [1], [receiver.url("/works")])
    receiver.wait(3, "/works")


def test_a_response_is_shown_up_to_512_bytes(hub, receiver):
    receiver.rule("/chatty", body="\u20ac" * 1000, headers={"content-type": "text/plain; charset=utf-8"})
    endpoint = hub.create()
    hub.hook(endpoint, "x")
    hub.forward(endpoint, [1], [receiver.url("/chatty")])
    (done,) = hub.wait_over(endpoint)
    assert done["response"] == "\u20ac" * 170


def test_what_was_collected_meanwhile_is_sent_all_the_same(hub, receiver):
    receiver.rule("/slow", delay=1)
    endpoint = hub.create()
    for number in range(8):
        hub.hook(endpoint, "%d" % number)
    hub.forward(endpoint, range(1, 9), [receiver.url("/slow")])
    hub.collect(endpoint)
    assert [f["state"] for f in hub.wait_over(endpoint)] == ["delivered"] * 8
    assert sorted(body_of(a) for a in receiver.arrivals("/slow")) == [b"%d" % n for n in range(8)]


def test_forwards_are_listed_newest_first_in_pages(hub, receiver):
    endpoint = hub.create()
    assert hub.listed(endpoint)["forwards"] == []
    hub.hook(endpoint, "x")
    for _ in range(3):
        hub.forward(endpoint, [1], [receiver.url("/a"), receiver.url("/b")])
    hub.wait_over(endpoint)
    ids = lambda query: [f["id"] for f in hub.listed(endpoint, query)["forwards"]]
    assert ids("") == [6, 5, 4, 3, 2, 1] and ids("?limit=2") == [6, 5] and ids("?before=3") == [2, 1]
    for query, name in (("?limit=0", "limit"), ("?limit=1001", "limit"), ("?before=0", "before"), ("?before=x", "before")):
        answer = hub.call("GET", "/manage/endpoint/%s/forwards%s" % (endpoint, query))
        assert answer.status == 400 and '"%s"' % name in answer.text


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("notifications", "urls", "reason"),
    [
        ([1], ["ftp://a.test/"], "urls[0]: the URL must begin with http:// or https://"),
        ([1], ["http://a.test/", "https://u:p@a.test/"], "urls[1]: the URL must not have a user name or password"),
        ([1], ["http://a.test/#x"], "must not have a fragment"),
        ([1], ["http://a.test/" + "x" * 2048], "at most 2048 are allowed"),
        ([1], ["http://a.test/", "http://a.test/"], "urls[1]: the URL is in the list already"),
        ([1], [], '"urls" must not be empty'),
        ([1], ["http://a.test/%d" % n for n in range(11)], '"urls" must be a list of at most 10 URLs'),
        ([1], "http://a.test/", '"urls" must be a list'),
        ([], ["http://a.test/"], '"notifications" must be a list of 1 to 100'),
        (list(range(1, 102)), ["http://a.test/"], '"notifications" must be a list of 1 to 100'),
        ([1, "2"], ["http://a.test/"], '"notifications" must be a list'),
        ([1, 1], ["http://a.test/"], '"notifications" has 1 more than once'),
        ([0], ["http://a.test/"], "whole numbers from 1 on"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(hub, notifications, urls, reason):
    endpoint = hub.create()
    hub.hook(endpoint, "x")
    body = json.dumps({"notifications": notifications, "urls": urls})
    answer = hub.call("POST", "/manage/endpoint/%s/forwards" % endpoint, body)
    assert answer.status == 400 and reason in answer.text, answer.text
    assert hub.listed(endpoint)["forwards"] == []


def test_other_wrong_requests(hub):
    endpoint = hub.create()
    for body, reason in (
        ("[]", 'The body must be an object like {"notifications"'), ("", "The body is not JSON"),
        ('{"urls": [}', "The body is not JSON: line 1, column 11: expected a value."), ('{"urls": []}', '"notifications" is missing'),
        ('{"notifications": 1}', '"notifications" must be a list'), ('{"notifications": [1], "urls": {}}', '"urls" must be a list'),
    ):
        answer = hub.call("POST", "/manage/endpoint/%s/forwards" % endpoint, body)
        assert answer.status == 400 and reason in answer.text
    answer = hub.call("POST", "/manage/endpoint/%s/forwards" % endpoint, '{"notifications": [1], "url": "x"}')
    assert answer.status == 400 and '"url" is not known' in answer.text
    answer = hub.call("DELETE", "/manage/endpoint/%s/forwards" % endpoint)
    assert (answer.status, answer.headers["allow"]) == (405, "GET,POST")
    unknown = "A" * 32
    assert hub.begin_forwards(unknown, [1], ["http://a.test/"]).status == 404
    assert hub.call("GET", "/manage/endpoint/%s/forwards" % unknown).status == 404


def test_notifications_that_are_not_there_are_named_and_nothing_is_sent(hub, receiver):
    endpoint = hub.create()
    for _ in range(3):
        hub.hook(endpoint, "x")
    hub.call("DELETE", "/manage/endpoint/%s/notifications?through=1" % endpoint)
    answer = hub.begin_forwards(endpoint, [1, 2, 9], [receiver.url("/none")])
    assert answer.status == 404 and "the notifications 1, 9: they were collected" in answer.text
    hub.configure(endpoint, enabled=False)
    hub.hook(endpoint, "refused")
    answer = hub.begin_forwards(endpoint, [4], [receiver.url("/none")])
    assert answer.status == 404
    assert hub.listed(endpoint)["forwards"] == [] and not receiver.arrivals("/none")


def test_nothing_is_forwarded_by_default(forwarding, receiver):
    service = forwarding(ENDPOINT_FORWARDING="false")
    endpoint = service.create()
    service.hook(endpoint, "x")
    for method in ("GET", "POST"):
        answer = service.call(method, "/manage/endpoint/%s/forwards" % endpoint)
        assert answer.status == 403 and "ENDPOINT_FORWARDING" in answer.text
    answer = service.configure(endpoint, enabled=True, forwards=[receiver.url("/off")])
    assert answer.status == 400 and "ENDPOINT_FORWARDING" in answer.text
    assert service.configure(endpoint, enabled=True, forwards=[]).status == 204
    settings = service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    assert (settings["forwarding"], settings["forwards"]) == (False, [])


def test_private_addresses_are_not_called(forwarding, receiver):
    service = forwarding(DELIVERY_ALLOW_SUBNETS="127.0.0.9/32")
    endpoint = service.create()
    service.hook(endpoint, "x")
    for url in (receiver.url("/guarded"), "http://169.254.169.254/"):
        answer = service.begin_forwards(endpoint, [1], ["http://a.test/", url])
        assert answer.status == 400 and "urls[1]: the address" in answer.text and "DELIVERY_ALLOW_SUBNETS" in answer.text
    # A name has its address when it is called.
    service.forward(endpoint, [1], [receiver.url("/guarded", host="localhost")])
    (done,) = service.wait_over(endpoint)
    assert (done["state"], done["error"]) == ("failed", "blocked_ip") and "may not be called" in done["reason"]
    assert not receiver.arrivals("/guarded")


def test_https_can_be_required(forwarding):
    service = forwarding(WEBHOOKS_HTTPS_ONLY="true")
    endpoint = service.create()
    service.hook(endpoint, "x")
    answer = service.begin_forwards(endpoint, [1], ["http://a.test/"])
    assert answer.status == 400 and "must begin with https://" in answer.text


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("whole", [False, True])
def test_a_killed_worker_loses_no_forward(forwarding, receive, whole):
    receiver = receive({"/kill": {"delay": 3}})
    service = forwarding()
    endpoint = service.create()
    for number in range(6):
        service.hook(endpoint, "%d" % number)
    service.forward(endpoint, range(1, 7), [receiver.url("/kill")])
    receiver.wait(1, "/kill")
    if whole:
        service.kill_all()
        service.start()
    else:
        os.kill(service.workers()[0], signal.SIGKILL)
    receiver.rule("/kill", status=200)
    assert [f["state"] for f in service.wait_over(endpoint, 30)] == ["delivered"] * 6
    assert {body_of(a) for a in receiver.arrivals("/kill")} == {b"%d" % n for n in range(6)}
    service.check()


def test_a_stop_waits_for_attempts_and_writes_their_results(forwarding, receive):
    receiver = receive({"/stop": {"delay": 1}})
    service = forwarding()
    endpoint = service.create()
    service.hook(endpoint, "x")
    service.forward(endpoint, [1], [receiver.url("/stop")])
    receiver.wait(1, "/stop")
    assert service.stop() == 0
    service.start()
    (done,) = service.forwards(endpoint)
    assert (done["state"], done["attempts"]) == ("delivered", 1)


def test_a_stop_writes_results_while_a_delivery_hangs(forwarding, receive):
    receiver = receive({"/hang": {"fault": "hang"}, "/slow": {"delay": 1}})
    service = forwarding(WEBHOOKS_WRITE_TIMEOUT="30s", SHUTDOWN_SECONDS=4)
    environment = "/environments/" + str(uuid.uuid4())
    json_type = {"Content-Type": "application/json"}
    webhook = json.dumps({"name": "hangs", "url": receiver.url("/hang"), "events": ["job-completed"]})
    assert service.call("POST", environment + "/webhooks", webhook, json_type).status == 201
    assert service.call("POST", environment + "/events", '{"event": "job-completed", "data": {}}', json_type).status == 202
    receiver.wait(1, "/hang")
    endpoint = service.create()
    service.hook(endpoint, "x")
    service.forward(endpoint, [1], [receiver.url("/slow")])
    receiver.wait(1, "/slow")
    service.stop()
    service.start()
    (done,) = service.forwards(endpoint)
    assert (done["state"], done["attempts"]) == ("delivered", 1)


def test_notifications_that_are_long_together_are_forwarded_in_several_requests(hub, receiver):
    endpoint = hub.create()
    for _ in range(3):
        assert hub.hook(endpoint, bytes(4 << 20)).status == 200
    answer = hub.begin_forwards(endpoint, [1, 2, 3], [receiver.url("/together")])
    assert answer.status == 413 and "One request forwards at most 8388608, or a single notification" in answer.text
    for number in (1, 2, 3):
        hub.forward(endpoint, [number], [receiver.url("/together")])
    assert [f["state"] for f in hub.wait_over(endpoint)] == ["delivered"] * 3


def test_a_deleted_endpoint_ends_its_forwards(forwarding, receive):
    receiver = receive({"/gone": {"delay": 1}})
    service = forwarding()
    endpoint = service.create()
    for _ in range(10):
        service.hook(endpoint, "x")
    service.forward(endpoint, range(1, 11), [receiver.url("/gone")])
    receiver.wait(1, "/gone")
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    other = service.create()
    service.hook(other, "y")
    service.forward(other, [1], [receiver.url("/other")])
    receiver.wait(1, "/other")
    wait_for(lambda: len(receiver.ends("/gone")) == len(receiver.arrivals("/gone")))
    # Four are in flight at a time.
    assert len(receiver.arrivals("/gone")) <= 4
    service.check()


def test_an_endpoint_with_hanging_targets_delays_no_other(forwarding, receive):
    receiver = receive({"/hang*": {"fault": "hang"}})
    service = forwarding(WEBHOOKS_WRITE_TIMEOUT="30s")
    busy, other = service.create(), service.create()
    for _ in range(20):
        service.hook(busy, "x")
    service.forward(busy, range(1, 21), [receiver.url("/hang%d" % n) for n in range(10)])
    # 16 are in flight at the host.
    wait_for(lambda: len(receiver.arrivals()) >= 16)
    service.hook(other, "y")
    service.forward(other, [1], [receiver.url("/fine")])
    receiver.wait(1, "/fine", 5)
    service.hook(busy, "z")
    service.forward(busy, [21], [receiver.url("/fine", host="localhost")])
    receiver.wait(2, "/fine", 5)
    assert len(receiver.arrivals()) == 16 + 2
    assert [f["state"] for f in service.wait_over(other)] == ["delivered"]
    service.kill_all()
