"""Thousands of senders whose answers a rule holds back, and others beside them."""

import collections
import selectors
import socket
import time

from harness import postroom, wait_for, wait_until_arrived

RULE = [{"when": {"method": ["POST"]}, "then": {"status": 202, "body": "{json:$.number}", "delay_ms": 30_000}}]
ADDRESSES = ["127.0.0.%d" % number for number in range(2, 6)]


class Senders:
    """Senders that wait for their answer, each on its own socket: (endpoint, address) for each."""

    def __init__(self, service, places):
        self.selector = selectors.DefaultSelector()
        for number, (endpoint, address) in enumerate(places):
            s = socket.create_connection(("127.0.0.1", service.port), source_address=(address, 0))
            body = b'{"number": %d}' % number
            head = "POST /webhook/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            s.sendall((head % (endpoint, len(body))).encode() + body)
            self.selector.register(s, selectors.EVENT_READ, number)
        for key in self.selector.get_map().values():
            wait_until_arrived(key.fileobj)

    def __len__(self):
        """How many wait."""
        return len(self.selector.get_map())

    def answers(self, count):
        """{number: (status, body)} of those that are answered; waits until these are `count`."""
        found, deadline = {}, time.monotonic() + 60
        while len(found) < count or self.selector.select(0):
            assert time.monotonic() < deadline, "%d of %d are answered" % (len(found), count)
            for key, _ in self.selector.select(0.1):
                self.selector.unregister(key.fileobj)
                key.fileobj.settimeout(10)
                with key.fileobj, key.fileobj.makefile("rb") as stream:
                    head, _, body = stream.read().partition(b"\r\n\r\n")
                found[key.data] = (int(head.split()[1]), body.decode())
        return found

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def delaying(service, count):
    endpoints = [service.create() for _ in range(count)]
    for endpoint in endpoints:
        assert service.configure(endpoint, enabled=True, responses=RULE).status == 204
    return endpoints


def stored(service, endpoints):
    return sum(
        len(service.look(endpoint, "?limit=1000").json()["notifications"]) for endpoint in endpoints)


def test_others_are_answered_while_2000_senders_wait_for_their_answers(serve):
    service = serve(RESPONDERS=2, DURABILITY="process", MAX_ENDPOINT_NOTIFICATIONS=1000)
    endpoints, other = delaying(service, 8), service.create()
    looking = service.begin_look(other, "?after=1&wait=60")
    senders = Senders(service, [(endpoints[n % 8], ADDRESSES[n // 2 % 4]) for n in range(2000)])
    wait_for(lambda: stored(service, endpoints) == 2000)
    # All kinds of requests, at an endpoint of its own and at those of the senders, which a GET passes without delay.
    assert service.hook(other, "x").status == 200 and service.bodies(other) == ["x"]
    assert service.call("GET", "/webhook/" + endpoints[0]).status == 200
    assert service.call("POST", "/manage/endpoint").status == 201
    assert service.call("GET", "/healthz").status == 200
    assert postroom(service.directory, "health", APP_PORT=service.port).returncode == 0
    assert service.configure(endpoints[1], enabled=True, cors=True).status == 204
    assert not looking.is_answered
    service.hook(other, "y")
    assert [n["body"] for n in looking.answer().json()["notifications"]] == ["y"]
    assert senders.answers(0) == {} and len(senders) == 2000
    # Each gets its own answer when the service stops, if not before.
    assert service.stop() == 0
    assert senders.answers(2000) == {number: (202, str(number)) for number in range(2000)}
    service.start()
    assert stored(service, endpoints) == 2001
    service.check()


def test_one_endpoint_and_one_address_leave_places_for_others(serve):
    service = serve(RESPONDERS=2, DURABILITY="process", MAX_ENDPOINT_NOTIFICATIONS=2000)
    first, *rest = delaying(service, 5)
    senders = Senders(service, [(first, ADDRESSES[0])] * 900)
    # A quarter of the 2,880 places is for one endpoint: the other answers are not held back.
    at_once = senders.answers(180)
    assert {status for status, _ in at_once.values()} == {202}
    wait_for(lambda: stored(service, [first]) == 900)
    service.come_to_rest()
    assert len(senders) == 720 and senders.answers(0) == {}
    # And a half for one address.
    more = Senders(service, [(endpoint, ADDRESSES[0]) for endpoint in rest for _ in range(250)])
    assert len(more.answers(280)) == 280
    service.come_to_rest()
    assert collections.Counter([len(senders), len(more)]) == {720: 2}
    others = Senders(service, [(endpoint, ADDRESSES[1]) for endpoint in rest for _ in range(100)])
    service.come_to_rest()
    assert others.answers(0) == {} and len(others) == 400
    for crowd in (senders, more, others):
        crowd.close()
