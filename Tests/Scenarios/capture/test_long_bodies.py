"""Bodies up to the default limit."""

import gzip
import hashlib
import hmac
import os

from harness import together, wait_for

LIMIT = 25 << 20


def digest(service, endpoint, number, query=""):
    answer = service.call("GET", "/manage/endpoint/%s/notifications/%d/body%s" % (endpoint, number, query), timeout=60)
    assert answer.status == 200
    return hashlib.sha256(answer.body).digest()


def spools(service):
    """The files without a name, in memory or on the disk, in which the responders collect requests."""
    found = []
    for pid in service.responders():
        directory = "/proc/%d/fd" % pid
        for descriptor in os.listdir(directory):
            try:
                target = os.readlink(os.path.join(directory, descriptor))
            except FileNotFoundError:
                continue
            if target.startswith("/memfd:request") or "/run/temporary/" in target:
                found.append(target)
    return found


def test_bodies_up_to_the_limit_are_kept_also_several_at_a_time(serve):
    service = serve(RESPONDERS=1, MAX_ENDPOINT_BYTES="200m")
    endpoint = service.create()
    bodies = [os.urandom(LIMIT if number == 0 else 9 << 20) for number in range(6)]
    short = service.create()
    answers = together(7, lambda n: service.hook(endpoint, bodies[n]).status if n < 6 else service.hook(short, "short").status)
    assert answers == [200] * 7 and service.bodies(short) == ["short"]
    digests = {digest(service, endpoint, number) for number in range(1, 7)}
    assert digests == {hashlib.sha256(body).digest() for body in bodies}
    assert service.hook(endpoint, bytes(LIMIT + 1)).status == 413
    service.check()
    # Nothing of them is left but what the store has.
    wait_for(lambda: spools(service) == [])
    temporary = os.path.join(service.directory, "run", "temporary")
    assert [name for _, _, files in os.walk(temporary) for name in files] == []


def test_the_signatures_of_long_bodies_are_checked_also_several_at_a_time(serve):
    service = serve(RESPONDERS=1, MAX_ENDPOINT_BYTES="200m")
    endpoint = service.create()
    assert service.configure(endpoint, enabled=True, verify={"preset": "github", "secret": "hush"}).status == 204
    bodies = [b"01234567"[number : number + 1] * (LIMIT if number == 0 else 1000 if number > 3 else 9 << 20) for number in range(8)]

    def send(number):
        digest = hmac.new(b"hush" if number % 2 == 0 else b"other", bodies[number], hashlib.sha256).hexdigest()
        return service.hook(endpoint, bodies[number], {"X-Hub-Signature-256": "sha256=" + digest}).status

    assert together(8, send) == [200] * 8
    kept = [service.look(endpoint, "?after=%d&limit=1" % after, timeout=60).json()["notifications"][0] for after in range(8)]
    assert {int(n["body"][0]): n["verification"]["valid"] for n in kept} == {n: n % 2 == 0 for n in range(8)}
    service.check()


def test_a_body_that_is_long_only_decompressed_is_kept_as_sent(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    plain = bytes(LIMIT)
    sent = gzip.compress(plain, mtime=0)
    assert service.hook(endpoint, sent, {"Content-Encoding": "gzip"}).status == 200
    assert digest(service, endpoint, 1) == hashlib.sha256(sent).digest()
    assert digest(service, endpoint, 1, "?decoded") == hashlib.sha256(plain).digest()
    assert os.path.getsize(os.path.join(service.directory, "store.mdb")) < 8 << 20
    assert service.hook(endpoint, gzip.compress(bytes(LIMIT + 1)), {"Content-Encoding": "gzip"}).status == 413


def test_a_configuration_is_limited_to_one_mebibyte(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    body = '{"enabled": false, "x": "%s"}' % ("x" * (1 << 20))
    answer = service.call("PUT", "/manage/endpoint/" + endpoint, body)
    assert answer.status == 413 and "1048576" in answer.text
    assert service.hook(endpoint).status == 200
