"""Logins: limits on guesses, which all responders share, and broken or hostile requests."""

import base64
import itertools
import string
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from harness import exchange, wait_for
from queue_service import QueueService, basic, configuration, error, password, read_messages

USERS = ["user%d" % number for number in range(40)]
users = iter(USERS)
addresses = ("198.51.%d.%d" % (number // 250, number % 250 + 1) for number in itertools.count())


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all tests; each uses other users, and other addresses, which it sends as a trusted proxy."""
    service = QueueService(
        tmp_path_factory.mktemp("logins"), configuration(["a"], ["admin", "alice", *USERS]), TRUSTED_PROXIES="127.0.0.1", RESPONDERS=4
    ).start()
    yield service
    service.stop()


def attempt(service, user, secret, address, **options):
    headers = {"X-Forwarded-For": address}
    return service.read("nobody-listens-so", user=user, secret=secret, headers=headers, **options)


numbers = itertools.count()


def guess():
    """A new wrong password: the same one again would not count as another failure."""
    return "guess-%d" % next(numbers)


def guesses(service, names, address):
    """The answers to one guess for each name, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda name: attempt(service, name, guess(), address), names))


def seconds_to_wait(answer):
    error(answer, 429)
    seconds = int(answer.headers["retry-after"])
    assert 1 <= seconds <= 60
    return seconds


def test_all_responders_count_the_guesses_at_a_user_together(service):
    user, other, address, elsewhere = next(users), next(users), next(addresses), next(addresses)
    started = time.monotonic()
    answers = guesses(service, [user] * 48, address)
    checked = [answer for answer in answers if answer.status == 403]
    # 20, and one more every 3 seconds; each of the 4 responders may check one that the others do not know yet.
    assert 20 <= len(checked) <= 20 + 4 + (time.monotonic() - started) / 3
    for answer in answers:
        if answer.status != 403:
            seconds_to_wait(answer)
    # Now the right password is not checked either, from any address.
    seconds_to_wait(attempt(service, user, password(user), address))
    seconds_to_wait(attempt(service, user, password(user), elsewhere))
    assert attempt(service, other, password(other), address).status == 404


def test_the_right_password_is_accepted_after_the_wait(service):
    user, address = next(users), next(addresses)
    # One at a time: several at once may exceed the limit, and make the wait longer.
    while (answer := attempt(service, user, guess(), address)).status == 403:
        pass
    # Some 3 seconds; no setting makes it shorter.
    time.sleep(seconds_to_wait(answer))
    assert attempt(service, user, password(user), address).status == 404
    # A login does not reset the count: after one more guess the user has to wait again.
    assert attempt(service, user, guess(), next(addresses)).status in (403, 429)
    seconds_to_wait(attempt(service, user, guess(), next(addresses)))


def test_failures_at_other_addresses_do_not_lock_a_user_out(service):
    user, home, elsewhere = next(users), next(addresses), next(addresses)
    assert attempt(service, user, password(user), home).status == 404
    assert guesses(service, [user] * 30, elsewhere)[-1].status == 429
    for _ in range(5):
        assert attempt(service, user, password(user), home).status == 404
    seconds_to_wait(attempt(service, user, password(user), elsewhere))
    # Guesses at the user's own address have their own limit.
    assert guesses(service, [user] * 30, home)[-1].status == 429
    seconds_to_wait(attempt(service, user, password(user), home))


def test_guesses_at_many_names_lock_out_only_their_address(service):
    user, address = next(users), next(addresses)
    assert attempt(service, user, password(user), address).status == 404
    started = time.monotonic()
    answers = guesses(service, ["name%d" % number for number in range(150)], address)
    refused = [answer for answer in answers if answer.status == 403]
    assert 100 <= len(refused) <= 100 + 4 + (time.monotonic() - started)
    seconds_to_wait(answers[-1])
    seconds_to_wait(attempt(service, user, password(user), address))
    assert attempt(service, user, password(user), next(addresses)).status == 404
    # Messages need no login.
    assert service.post("a", "x", {"X-Forwarded-For": address}).status == 200


def test_the_ipv6_addresses_of_one_network_count_as_one_address(service):
    networks = ["2001:db8:0:%x::%x" % (number // 50, number + 1) for number in range(150)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: attempt(service, "v6-%d" % number, "x", networks[number]), range(150)))
    assert {answer.status for answer in answers} == {403}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda number: attempt(service, "v6-%d" % number, "x", "2001:db8:1:1::%x" % number), range(1, 150))
        )
    assert answers[-1].status == 429


def test_guesses_on_all_routes_count(service):
    user, address = next(users), next(addresses)
    headers = {"X-Forwarded-For": address}
    routes = [("GET", "/queues"), ("POST", "/reload"), ("GET", "/listen/c/a"), ("POST", "/setPassword"), ("POST", "/ack/c/1")]
    answers = [service.ask(*route, user=user, secret=guess(), headers=headers).status for route in routes * 5]
    assert answers[:20] == [403] * 20 and set(answers[20:]) <= {403, 429} and answers[-1] == 429


def test_the_count_of_failures_survives_a_restart(serve_queues):
    service = serve_queues(configuration(["a"]))
    for _ in range(30):
        service.logs_in("bob", guess())
    service.stop()
    service.start()
    assert service.logs_in("bob") is None and service.logs_in("alice")
    service.check()


# ---------------------------------------------------------------- hostile


def encoded(credentials):
    return "Basic " + base64.b64encode(credentials).decode()


BROKEN = [
    "", " ", "Basic", "Basic ", "Basic =", "Basic !!!!", "Basic YQ", "Basic YWxpY2U6YWxpY2Utc2VjcmV0 x", "Basic,", "Bearer x",
    "Digest username=alice", "Negotiate", "basicYWxpY2U6YQ==", "Basic YWxpY2U", encoded(b"alice"), encoded(b""),
    encoded(b"\xff:\xff"), encoded(b"alice:\xed\xa0\x80"), "Basic " + "A" * 6000, "Basic " + "/" * 6000, "Basic " + "=" * 6000,
    "\xe9\xff Basic", encoded(b"alice:alice-secret") + ", " + encoded(b"alice:alice-secret"),
]  # fmt: skip


@pytest.mark.parametrize("field", BROKEN, ids=[repr(field)[:30] for field in BROKEN])
def test_a_login_that_cannot_be_parsed_is_401(service, field):
    for method, path in (("GET", "/read/c"), ("GET", "/queues"), ("POST", "/setPassword")):
        answer = service.call(method, path, headers={"Authorization": field})
        error(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_two_authorization_headers_are_refused(service):
    one = "Authorization: %s\r\n" % basic("alice")["Authorization"]
    answer = exchange(service, ("GET /queues HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n" % (one + one)).encode())
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "name, secret",
    [(b"", b""), (b"", b"x"), (b"a" * 5000, b"x"), (b"alice", b"x" * 5000), (b"\0", b"\0"), (b"alice\0", b"alice-secret")]
    + [(b"alice\n", b"alice-secret"), (b"ALICE", b"alice-secret"), ("\u00e9" * 2000 + "\U0001f600", "\u00e9")]
    + [("al\u00edce", "x"), (b"alice ", b"alice-secret"), (b"alice", b"alice-secret\0")],
    ids=str,
)
def test_unusual_names_and_passwords_are_refused(service, name, secret):
    name, secret = (text.encode() if isinstance(text, str) else text for text in (name, secret))
    headers = {"Authorization": encoded(name + b":" + secret), "X-Forwarded-For": next(addresses)}
    error(service.call("GET", "/queues", headers=headers), 403)


def status_of(service, request):
    """The status of the answer; None if the connection was closed without one."""
    answer = exchange(service, request)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ") and b"<html" not in answer, answer[:200]
    return int(answer.split()[1]) if answer else None


def test_header_fields_that_are_too_long_are_refused(service):
    name = encoded(b"n" * 8192 + b":x")
    for field in ("Authorization: " + name, "Authorization: Basic " + "A" * 1000000, "X-Any: " + "v" * 1000000, "n" * 1000000 + ": v"):
        request = "GET /queues HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n\r\n" % field
        # nginx does not read the rest of the request. Then its answer may be lost when it closes the connection.
        assert status_of(service, request.encode()) in (431, 400, None)
        assert service.logs_in("alice")
    many = "".join("X-%d: %s\r\n" % (number, "v" * 1000) for number in range(1000))
    assert status_of(service, ("GET /queues HTTP/1.1\r\nHost: h\r\n%s\r\n" % many).encode()) in (431, 400, None)
    assert service.logs_in("alice")


def test_max_header_bytes_allows_longer_names_and_passwords(serve_queues):
    service = serve_queues(configuration(["a"]), MAX_HEADER_BYTES="64k")
    error(service.ask("GET", "/queues", user="n" * 8192), 403)
    error(service.ask("GET", "/queues", user="alice", secret="n" * 40000), 403)
    name = "c" * 40000
    assert service.ask("GET", "/listen/%s/a" % name).status == 200
    service.send("a", "x")
    assert service.texts(name) == ["x"] and service.texts(name) == []


NOT_FOUND = [
    "/q/../manage", "/q/%2e%2e/manage", "//read/x", "/read//x", "/read/x/", "/read/", "/read", "/read/%2e%2e",
    "/read/..", "/read/.", "/read/a%2fb", "/read/a/b", "/listen/a", "/listen/a/", "/listen//a", "/listen/a%2fa",
    "/ack/x", "/ack/x/1/2", "/queues/", "/queues/x", "/reload/", "/time/", "/time/x", "/.postroom-message",
    "/.postroom/413", "/q/%2e%2e/.postroom-message", "/read/x;y", "/Q/a", "/READ/x", "/read\\x", "/%72ead/x",
    "http://127.0.0.1/read/x",
]  # fmt: skip
BAD_REQUESTS = [
    "/read/%00", "/read/x%00", "/read/%ff", "/read/%c3%28", "/read/%", "/read/%zz", "/listen/../../a",
    "/listen/a/../../../etc/passwd", "/listen/%ff/a", "/listen/a/%ff", "/read/x?wait=%ff", "/read/x?ack=%00",
    "http:///read/x", "*",
]  # fmt: skip


@pytest.mark.parametrize("path, status", [(path, 404) for path in NOT_FOUND] + [(path, 400) for path in BAD_REQUESTS])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unusual_path_is_400_or_404(service, method, path, status):
    request = "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: %s\r\n\r\n"
    assert status_of(service, (request % (method, path, basic("alice")["Authorization"])).encode()) == status


@pytest.mark.parametrize(
    "path, status",
    [(path, 404) for path in ("/q/", "/q", "/q/a/b", "/q/a%2fb", "//q/a", "/q//a", "/q/../q/a", "/q/a/")]
    + [(path, 400) for path in ("/q/%ff", "/q/a%00")]
    # The answer does not tell whether a queue exists.
    + [(path, 200) for path in ("/q/nonesuch", "/q/..", "/q/A", "/q/a+b", "/q/" + "a" * 4000)],
)
def test_a_post_to_an_unusual_queue_is_refused_or_stores_nothing(service, path, status):
    before = service.overview()["queues"]
    request = "POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx" % path
    assert status_of(service, request.encode()) == status
    after = service.overview()["queues"]
    assert [queue["current_message"] for queue in after] == [queue["current_message"] for queue in before]


@pytest.mark.parametrize("name", ["n" * 4000, "\u00e9" * 600, *sorted(set(string.printable + "\x7f\u00a0\ufeff\U0001f600") - {"/"}), ".", "..", "%", "%2f"])
def test_a_client_may_have_any_name_without_a_slash(service, name):
    path = quote(name, safe="")
    if name in (".", ".."):
        path = path.replace(".", "%2e")
    service.listen(path, "a")
    service.send("a", "to " + name)
    assert [text for _, text in read_messages(service.read(path))] == ["to " + name]
    assert name in [client["name"] for client in service.overview()["clients"]]
    assert service.ask("POST", "/unlisten/" + path).status == 200


def test_no_process_has_ended_and_the_store_is_sound(service):
    """After all tests of this file."""
    wait_for(lambda: len(service.responders()) == 4)
    assert "ended" not in service.log() and "Fatal" not in service.log(), service.log()[-2000:]
    service.check()
