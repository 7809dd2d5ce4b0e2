"""No user, expression, event or target delays or breaks what others get."""

import http.client
import json
import socket
import time

import pytest
from event_service import USER_HEADER, error, event, on, token
from harness import together, wait_for

TARGET = "http://127.0.0.1:9/"


def chain(depth, end):
    return {"a": chain(depth - 1, end)} if depth else end


# The end of the chain is counted once for each of its links, which takes longer than the time limit for an expression.
HEAVY = "$.data..[?count(@..*) == 1000000]"
LIST = {"list": [], "chain": chain(400, list(range(10_000)))}


@pytest.fixture
def routes(router, receive):
    """Posts an event, checks that an ordinary subscriber gets it soon, and returns the answer: routes(key, event)."""
    receiver = receive()

    def sends(key, body):
        made = router.subscribe(token("w"), receiver.url("/" + key), "$..%s" % key)
        answer = router.api("POST", "/receive", body)
        if answer.status == 200:
            router.settle(answer.text, made, "delivered", 3)
        return answer

    return sends


# ---------------------------------------------------------------- lists


def test_a_long_list_that_is_read_slowly_delays_no_other_request(serve_events):
    service = serve_events(RESPONDERS=1)
    big = {"a": "x" * 20_000}

    def subscribe(_):
        return [service.subscribe("many", TARGET, "$", extensions=big)["uuid"] for _ in range(50)]

    made = [uuid for uuids in together(8, subscribe) for uuid in uuids]
    asked = b"GET /eventmatch HTTP/1.1\r\nHost: h\r\n%s: many\r\n\r\n" % USER_HEADER.encode()
    readers = [socket.create_connection((service.host, service.port)) for _ in range(3)]
    for reader in readers:
        reader.sendall(asked)
    # The list is made as it is read, and the only responder has time for others.
    for _ in range(50):
        start = time.monotonic()
        service.subscribe("few", TARGET, "$")
        assert time.monotonic() - start < 2
    # A subscription that is deleted meanwhile is left out.
    assert service.ask("DELETE", "/eventmatch/" + made[-1], user="many").status == 200
    for reader in readers[:2]:
        response = http.client.HTTPResponse(reader)
        response.begin()
        assert response.status == 200 and response.getheader("Content-Type") == "application/json"
        listed = [row["uuid"] for row in json.loads(response.read())]
        assert len(listed) == len(set(listed)) and set(made[:-1]) - set(listed) == set()
        # The connection can be used again.
        reader.sendall(asked.replace(b"/eventmatch", b"/eventmatch?limit=7"))
        response = http.client.HTTPResponse(reader)
        response.begin()
        assert int(response.getheader("Content-Length")) > 0 and len(json.loads(response.read())) == 7
    # The third reader closes its connection in the middle of the list.
    for reader in readers:
        reader.close()
    head = service.ask("HEAD", "/eventmatch", user="many")
    assert head.status == 200 and head.body == b""
    assert len(service.ask("GET", "/eventmatch", user="many").json()) == len(made) - 1
    assert service.stop() == 0


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize("expression", [
    "$.data.list[::0]", "$.data.list[0:9007199254740991]", "$.data.list[-9007199254740991::1]", "$..*", "$..[*]..[*]",
    "$[?(@.data.list[*] = $.data.list[*])]", "$.data.list[?match(@, '(a|aa)*b')]", "$.data.text[?search(@, '(a+)+$')]",
    "$[?search(@.text, '(.*)*(.*)*x')]", "$.data.list[charAt(9)]", HEAVY, "$..[?count(@..*) > 1000000]",
])  # fmt: skip
def test_an_odd_expression_delays_no_other(router, routes, receive, expression):
    key, user = token(), token("u")
    made = router.subscribe(user, receive().url("/"), expression)
    try:
        assert routes(key, event(key, data={**LIST, "text": "a" * 5000})).status == 200
        assert router.subscription(made)["disabled"] is None
    finally:
        router.ask("DELETE", "/eventmatch/" + made["uuid"], user=user)


def test_an_expression_that_takes_too_long_is_reported_on_its_subscription_only(router, routes, receive):
    receiver = receive()
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), HEAVY)
    other = router.subscribe(user, receiver.url("/"), on(key))
    assert routes(key, event(key, data=LIST)).status == 200
    now = wait_for(lambda: (found := router.subscription(made))["error"] and found)
    assert "too long" in now["error"] and now["disabled"] is None
    assert router.subscription(other)["error"] is None
    # With a smaller event it is fast enough.
    router.change(made, jsonpath=HEAVY.replace("1000000", "1"), error=None)
    sent = router.send(event(token(), data={"list": [[5]]}))
    router.settle(sent, made, "delivered")
    # The report is gone, and comes again when another expression takes too long.
    assert router.subscription(made)["error"] is None
    router.change(made, jsonpath=HEAVY + "[0]")
    router.send(event(token(), data=LIST))
    wait_for(lambda: router.subscription(made)["error"])
    router.ask("DELETE", "/eventmatch/" + made["uuid"], user=user)


def test_many_expressions_that_take_too_long_delay_others_only_briefly(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=1)
    for number in range(20):
        service.subscribe("heavy", receiver.url("/heavy"), HEAVY.replace("1000000", "%d" % (10**6 + number)))
    made = service.subscribe("u", receiver.url("/u"), "$.data.list")
    started = time.monotonic()
    sent = service.send(event("x", data=LIST))
    service.settle(sent, made, "delivered", 60)
    assert time.monotonic() - started < 10
    # And not for each event: an expression that has taken too long three times is not tried for a while.
    for _ in range(2):
        sent = service.send(event("x", data=LIST))
    service.settle(sent, made, "delivered", 60)
    started = time.monotonic()
    for _ in range(10):
        sent = service.send(event("x", data=LIST))
    service.settle(sent, made, "delivered", 60)
    assert time.monotonic() - started < 5


# ---------------------------------------------------------------- users


USERS = [
    "../admin", "..%2fadmin", "a/b", "a//b", "/", "a?b=c", "a#b", "a;b", "a:b@c", "%", "%00", "%2e%2e", "\\..\\x", "'; --", '"<x>',
    "a b", "...", ".a", "é日😀", "x" * 255, "{}", "$.data", "a&b|c`d", "-", "~", "*",
]  # fmt: skip


def test_policy_is_asked_about_a_user_of_any_name(serve_events, receive):
    policy, receiver = receive(), receive()
    service = serve_events(POLICY_URL=policy.url("/base/"), RESPONDERS=1)
    for number, user in enumerate(USERS):
        made = service.subscribe(user.strip(), receiver.url("/%d" % number), "$.data.all")
        assert made["user"] == user.strip()
    sent = service.send(event("all"))
    receiver.wait(len(USERS))
    asked = sorted(arrival["path"] for arrival in policy.arrivals())
    assert asked == sorted("/base/events/" + user.strip() for user in USERS)
    assert {arrival["query"] for arrival in policy.arrivals()} == {""}
    for user in USERS:
        assert len(service.states(sent, user.strip())) == USERS.count(user)


def test_a_user_may_have_control_characters_and_must_be_utf_8(router, routes):
    wanted = {"name": "n", "jsonpath": "$.x", "target_url": TARGET}
    for name in (b"\x7f", b"a\tb"):
        assert router.api("POST", "/eventmatch", wanted, {USER_HEADER: name}).json()["user"] == name.decode()
    for name in (b"\xc3\x28", b"\xf0\x9f", b"a\x80b"):
        assert "UTF-8" in error(router.api("POST", "/eventmatch", wanted, {USER_HEADER: name}), 400)
    key = token()
    assert routes(key, event(key)).status == 200


# ---------------------------------------------------------------- events


def nested(depth, key):
    return b'{"%s": ' % key.encode() + b'{"a": ' * depth + b"1" + b"}" * depth + b"}"


ODD = {
    "deep": lambda key: nested(500, key),
    "wide": lambda key: json.dumps({key: 1, **{"m%d" % n: n for n in range(50_000)}}).encode(),
    "twice": lambda key: b'{"%s": 1, "%s": 2, "extensions": {}, "extensions": {"a": 1}}' % (key.encode(), key.encode()),
    "null": lambda key: b'{"%s": "\\u0000", "\\u0000": 1}' % key.encode(),
    "surrogate": lambda key: b'{"%s": "\\ud800", "\\udfff": 1}' % key.encode(),
    "numbers": lambda key: b'{"%s": 1e400, "n": -0, "m": %s}' % (key.encode(), b"9" * 4000),
    "extensions null": lambda key: b'{"%s": 1, "extensions": null}' % key.encode(),
    "long name": lambda key: b'{"%s": 1, "%s": 1}' % (key.encode(), b"n" * 1_000_000),
    "old with odd members": lambda key: b'{"%s": 1, "cloudEventsVersion": {}, "eventType": [], "eventID": 7}' % key.encode(),
    "mark": lambda key: b'\xef\xbb\xbf{"%s": 1}' % key.encode(),
}


@pytest.mark.parametrize("form", ["json", "cloudevents", "cloudevents-binary"])
@pytest.mark.parametrize("case", ODD)
def test_an_odd_event_is_delivered_and_delays_no_other(router, routes, receive, case, form):
    receiver = receive()
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), "$..%s" % key, format=form, extensions={"added": True})
    answer = routes(key, ODD[case](key))
    router.settle(answer.text, made, "delivered", 5)
    assert len(receiver.arrivals()) == 1
    again = token()
    assert routes(again, event(again)).status == 200


REFUSED = {
    "too deep": lambda key: nested(50_000, key),
    "deep lists": lambda key: b'{"%s": ' % key.encode() + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nan": lambda key: b'{"%s": NaN}' % key.encode(),
    "extensions list": lambda key: b'{"%s": 1, "extensions": []}' % key.encode(),
    "list": lambda key: b'[{"%s": 1}]' % key.encode(),
    "latin": lambda key: b'{"%s": "\xe9"}' % key.encode(),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_an_event_is_refused_and_delays_no_other(router, routes, case):
    key = token()
    error(routes(key, REFUSED[case](key)), 400)
    again = token()
    assert routes(again, event(again)).status == 200


def test_a_target_that_hangs_delays_no_other(serve_events, receive):
    receiver = receive({"/hangs": {"fault": "hang"}})
    service = serve_events(RESPONDERS=1)
    service.subscribe("u", receiver.url("/hangs"), "$.data")
    made = service.subscribe("v", receiver.url("/"), "$.data")
    for number in range(40):
        sent = service.send(event("n", number))
    started = time.monotonic()
    service.settle(sent, made, "delivered")
    receiver.wait(40, "/")
    assert time.monotonic() - started < 5
