"""Queues: bytes, restarts, addresses and paths."""

import base64
import json
import os
import socket
import subprocess
import time

import pytest
from certificates import certificate
from harness import exchange, postroom, wait_for
from queue_examples import NAMES, joined
from queue_service import configuration, error, read_messages, roomy

# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("body", [b"\xff\x00\xfe", bytes(range(256)), b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_bodies_that_are_not_text_are_returned_byte_for_byte(queues, body):
    queue = NAMES[0]
    client = joined(queues, queue)
    assert queues.post(queue, body).status == 200
    (message,) = queues.read(client).json()["messages"]
    assert base64.b64decode(message["messageBase64"]) == body
    assert message["message"] == body.decode("utf-8", "replace")


@pytest.mark.parametrize("text", ["", "\u00e9\U0001f600", "\ufeffx\0\x7f\x1b\r\n", '"\\/', "a;b"])
def test_a_text_has_no_base64_form(queues, text):
    queue = NAMES[0]
    client = joined(queues, queue)
    assert queues.post(queue, text.encode()).status == 200
    (message,) = queues.read(client).json()["messages"]
    assert set(message) == {"id", "message"} and message["message"] == text


SIGNED = {"name": "signed", "auth": {"method": "hmac-sha256", "key": "k", "header_name": "X-Signature"}}


def test_a_message_may_have_max_message_size_and_not_a_byte_more(serve_queues):
    service = serve_queues(configuration([roomy("large"), SIGNED], max_message_size=2000000), RESPONDERS=3)
    service.listen("reader", "large")
    body = os.urandom(1000000).hex()
    service.send("large", body, body[::-1])
    assert service.texts("reader") == [body, body[::-1]]
    assert "2000000" in error(service.post("large", body + "x"), 413)
    error(service.read("reader"), 410, refresh=True)
    service.send("large", "next")
    assert read_messages(service.read("reader")) == [(4, "next")]
    # Readers are not told of a message whose signature is wrong.
    service.listen("other", "signed")
    error(service.post("signed", body + "x", {"X-Signature": "0" * 64}), 403)
    assert service.texts("other") == []


def test_readers_are_told_of_a_message_over_max_message_bytes(serve_queues, tmp_path):
    cert, key = certificate(str(tmp_path))
    large = tmp_path / "large"
    large.write_bytes(b"x" * 3000000)
    service = serve_queues(
        configuration(["open", SIGNED, {"name": "closed", "whitelist_ip": ["192.0.2.1"]}]),
        MAX_MESSAGE_BYTES=100000,
        TLS_CERTIFICATE=cert,
        TLS_CERTIFICATE_KEY=key,
    )

    def curl(path, *arguments):
        result = subprocess.run(
            ["curl", "-s", "--cacert", cert, "-w", "\n%{http_code} %{content_type}", *arguments]
            + ["https://127.0.0.1:%d%s" % (service.port, path)],
            capture_output=True,
            timeout=60,
        )
        body, _, status = result.stdout.decode().rpartition("\n")
        status, _, kind = status.partition(" ")
        return int(status), kind, json.loads(body) if kind.startswith("application/json") else body

    login = ["-u", "alice:alice-secret"]
    for queue in ("open", "signed", "closed"):
        assert curl("/listen/of-%s/%s" % (queue, queue), *login, "-d", "")[0] == 200
    ways = [
        ["--http1.1", "--data-binary", "@%s" % large],
        ["--http1.1", "--data-binary", "@%s" % large, "-H", "Expect:"],
        ["--http1.1", "-H", "Transfer-Encoding: chunked", "--data-binary", "@%s" % large],
        ["--http2", "--data-binary", "@%s" % large],
        ["--http2", "-T", "-", "-X", "POST"],
    ]
    for number, way in enumerate(ways, 1):
        with open(large, "rb") as body:
            result = subprocess.run(
                ["curl", "-s", "--cacert", cert, "-w", "\n%{http_code}", *way, "https://127.0.0.1:%d/q/open" % service.port],
                stdin=body, capture_output=True, timeout=60,
            )  # fmt: skip
        text, _, status = result.stdout.decode().rpartition("\n")
        assert status == "413" and json.loads(text)["refresh"] is False, (way, result.stdout[:300], result.stderr)
        status, _, told = curl("/read/of-open", *login)
        assert (status, told["refresh"]) == (410, True), (way, told)
        status, _, after = curl("/read/of-open", *login)
        assert (status, after["messages"], after["current_message"]) == (200, [], number)
        for arguments, expected in (([], 403), (["-H", "X-Signature: " + "0" * 64], 413)):
            status, kind, told = curl("/q/signed", "-H", "Content-Type: text/plain", *arguments, "--data-binary", "@%s" % large)
            assert (status, told["refresh"]) == (expected, False), told
        assert curl("/q/closed", "--data-binary", "@%s" % large)[0] == 403
        for client in ("of-signed", "of-closed"):
            status, _, after = curl("/read/" + client, *login)
            assert (status, after["messages"], after["current_message"]) == (200, [], 0)
        # The answer does not tell that a queue does not exist, as for a short message.
        assert curl("/q/nonesuch", "--data-binary", "@%s" % large)[0] == 200


# ---------------------------------------------------------------- restarts


def wait_for_second_after(text):
    """Waits for the next second: the time of a store is in whole seconds, and another one made now has another time."""
    wait_for(lambda: time.time() >= int(text) + 1)


def test_a_restart_keeps_queues_ids_clients_cursors_and_the_time_of_the_store(serve_queues):
    service = serve_queues(configuration([roomy("a"), "small"], max_message_count=3))
    for client in ("reader", "behind", "manual"):
        service.listen(client, "a")
    service.listen("lost", "small")
    service.send("a", "1", "2")
    assert service.texts("reader") == ["1", "2"]
    service.acknowledge("manual", 1)
    service.send("small", *"abcd")

    def standing():
        overview = service.overview()
        for queue in overview["queues"]:
            del queue["oldest_age_seconds"], queue["newest_age_seconds"]
        for client in overview["clients"]:
            del client["lag_seconds"]
        return overview

    before = standing()
    for stop in (service.stop, service.kill_all):
        stop()
        wait_for_second_after(before["time"])
        service.start()
        assert standing() == before and before["time"] == service.call("GET", "/time").text
        error(service.ask("POST", "/listen/reader/a"), 400)
    service.send("a", "3")
    assert read_messages(service.read("reader")) == [(3, "3")]
    assert read_messages(service.read("behind")) == [(1, "1"), (2, "2"), (3, "3")]
    assert read_messages(service.read("manual", "?ack=manual")) == [(2, "2"), (3, "3")]
    error(service.read("lost"), 410, refresh=True)
    service.check()


def test_the_time_is_when_the_store_was_made(serve_queues):
    earliest = int(time.time())
    service = serve_queues(configuration(["a"]))
    started = service.call("GET", "/time")
    assert started.headers["content-type"].startswith("text/plain") and started.headers["cache-control"] == "no-store"
    assert earliest <= int(started.text) <= time.time()
    service.listen("reader", "a")
    service.send("a", "1")
    service.load(configuration(["a", "b"]))
    service.stop()
    result = postroom(service.directory, "store", "compact")
    assert result.returncode == 0, result.stderr
    wait_for_second_after(started.text)
    service.start()
    assert service.call("GET", "/time").text == started.text
    assert read_messages(service.read("reader")) == [(1, "1")]
    service.stop()
    for name in os.listdir(service.directory):
        if name.startswith("store.") or name == "secret.key":
            os.remove(os.path.join(service.directory, name))
    service.start()
    # A client that compares the times sees that messages are lost.
    assert int(service.call("GET", "/time").text) > int(started.text)
    error(service.read("reader"), 404)


# ---------------------------------------------------------------- addresses


def guarded(*addresses):
    return configuration([{"name": "guarded", "whitelist_ip": list(addresses)}])


def posts_from(service, forwarded):
    """Whether the queue accepts a message with this header."""
    status = service.post("guarded", "x", {} if forwarded is None else {"X-Forwarded-For": forwarded}).status
    assert status in (200, 403)
    return status == 200


def test_whitelist_ip_uses_the_address_that_a_trusted_proxy_names(serve_queues):
    service = serve_queues(
        guarded("10.1.0.0/16", "203.0.113.7", "2001:db8:1::/48"), TRUSTED_PROXIES="127.0.0.1,10.200.0.0/24"
    )
    taken = ["10.1.0.0", "10.1.255.255", "203.0.113.7", "2001:db8:1::1", "2001:DB8:1:ffff::", "198.51.100.1, 10.1.2.3"]
    taken += ["10.1.2.3, 10.200.0.9"]
    assert [forwarded for forwarded in taken if not posts_from(service, forwarded)] == []
    refused = [None, "10.2.0.0", "203.0.113.8", "2001:db8:2::1", "10.1.2.3, 198.51.100.1", "10.1.2.3, 10.200.1.9"]
    refused += ["nonsense", "10.1.2", "", "10.1.2.3, nonsense"]
    assert [forwarded for forwarded in refused if posts_from(service, forwarded)] == []
    for name in ("X-Real-IP", "Forwarded", "Client-IP", "REMOTE_ADDR", "X-Forwarded-Host", "True-Client-IP"):
        assert service.post("guarded", "x", {name: "10.1.2.3"}).status == 403, name


def test_the_address_that_another_client_names_is_ignored(serve_queues):
    service = serve_queues(guarded("10.1.0.0/16"), TRUSTED_PROXIES="192.0.2.1")
    assert not posts_from(service, "10.1.2.3")
    service.load(guarded("127.0.0.0/8"))
    assert posts_from(service, "10.1.2.3") and posts_from(service, None)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6_addresses_are_compared_as_numbers(serve_queues):
    service = serve_queues(guarded("::1"), APP_HOST="::1")
    for addresses, expected in (
        (["::1"], True),
        (["0:0:0:0:0:0:0:1"], True),
        (["::/64"], True),
        (["fe80::/10", "::1/128"], True),
        (["::2"], False),
        (["127.0.0.1", "0.0.0.0/0"], False),
        (["2001:db8::/32"], False),
    ):
        service.load(guarded(*addresses))
        assert posts_from(service, None) is expected, addresses


# ---------------------------------------------------------------- paths


def test_a_path_with_dots_does_not_bypass_the_body_limits(serve_queues):
    """nginx chooses the limit by the normalized path; the responder chooses the route by the path as sent."""
    service = serve_queues(configuration([roomy("q")], max_message_size=50000), MAX_BODY_BYTES=1000, MAX_MESSAGE_BYTES=100000)
    endpoint = service.create()
    service.configure(endpoint, enabled=True, subpaths=True)
    for path, status in (
        ("/webhook/%s/../../q/q", b"413"),
        ("/webhook/%s/%%2e%%2e/%%2e%%2e/q/q", b"413"),
        ("//webhook/%s/../../q/q", b"404"),
    ):
        path = path % endpoint
        request = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n" % path
        answer = exchange(service, request.encode() + b"x" * 5000)
        assert answer.split()[1] == status, (path, answer[:100])
    assert service.bodies(endpoint) == []
    assert service.post("q", b"x" * 5000).status == 200
