"""Addresses that may be called: public ones and those that an operator allows, in every notation."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import wait_for
from webhook_service import Receiver, WebhookService, new_environment, refusal

# This host, private networks, links, services of clouds, and IPv4 addresses within IPv6 ones.
CLOSED = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "00",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0x7f.0.0.0x1",
    "017700000001",
    "0177.0.0.01",
    "10.0.0.1",
    "10.1",
    "0xa000001",
    "100.64.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.257",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::0001]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:10.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[2002:7f00:1::]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[ff02::1]",
]

# URLs in which two programs may see different hosts.
AMBIGUOUS = [
    "http://127.0.0.1@example.com/",
    "http://example.com@127.0.0.1/",
    "http://user:password@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com:80:80/",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: x",
    "http://example.com#@127.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127.0.0.1%00.example.com/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1./",
    "http://256.256.256.256/",
    "http://1.2.3.4.5/",
    "http://0x7f.0x0.0x0.0x1.0x1/",
    "http://[::1/",
    "http://[::1].example.com/",
    "http:///path",
    "http://",
    "//127.0.0.1/",
    "127.0.0.1",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com/",
    "javascript:alert(1)",
    "",
]

OPEN = [
    "http://93.184.216.34/",
    "https://[2606:2800:220:1::1]:8443/x?y=z",
    "http://[64:ff9b::93.184.216.34]/",
    "HTTPS://Example.COM/",
    "http://example.com.:8080/",
    "http://172.32.0.1/",
    "http://11.0.0.1/",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, resolver):
    """A service that may not call this machine."""
    service = WebhookService(
        tmp_path_factory.mktemp("guarded"),
        RESPONDERS=2,
        DELIVERY_ALLOW_SUBNETS="",
        WEBHOOKS_MAX_RETRIES=1,
        WEBHOOKS_RETRY_INTERVAL="100ms",
        WEBHOOKS_WRITE_TIMEOUT="2s",
        **resolver.settings,
    ).start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def inner(tmp_path_factory):
    """A receiver on closed addresses: those of this machine."""
    receiver = Receiver(tmp_path_factory.mktemp("inner"), None, "--host", "127.0.0.1", "--host", "::1")
    yield receiver
    receiver.stop()


def ask(service, url):
    body = {"name": "x", "url": url, "events": ["pipeline-created"]}
    return service.api("POST", "/environments/%s/webhooks" % new_environment(), body)


@pytest.mark.parametrize("host", CLOSED)
def test_an_address_of_a_closed_network_is_refused_in_every_notation(guarded, host):
    for url in ("http://%s/" % host, "https://%s:8443/x" % host):
        message = refusal(ask(guarded, url), 400, 1004)
        assert message.startswith("url: ") and "DELIVERY_ALLOW_SUBNETS" in message


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_an_ambiguous_url_is_refused(guarded, url):
    assert refusal(ask(guarded, url), 400, 1004).startswith("url: ")


@pytest.mark.parametrize("url", OPEN)
def test_public_addresses_and_names_are_accepted(guarded, url):
    answer = ask(guarded, url)
    assert answer.status == 201 and answer.json()["url"] == url


def test_a_closed_address_is_refused_in_a_change_too(guarded):
    webhook = guarded.add(new_environment(), "http://example.com/")
    path = "/webhooks/" + webhook["webhook_id"]
    whole = {"name": "x", "url": "http://10.0.0.1/", "events": ["job-created"]}
    for answer in (guarded.api("PATCH", path, {"url": "http://127.1/"}), guarded.api("PUT", path, whole)):
        assert "DELIVERY_ALLOW_SUBNETS" in refusal(answer, 400, 1004)
    assert guarded.webhook(webhook)["url"] == "http://example.com/"


def test_a_name_that_later_resolves_to_a_closed_address_is_not_called(guarded, inner, resolver):
    environment = new_environment()
    resolver.lead("moving.test", "93.184.216.34")
    webhook = guarded.add(environment, inner.url("/name", host="moving.test"))
    resolver.lead("moving.test", "127.0.0.1", "::1")
    guarded.publish(environment)
    log = guarded.settle(webhook)
    assert [(line["error_kind"], line["status_code"]) for line in log] == [("blocked_ip", None)] * 2
    assert "127.0.0.1" in log[0]["error"] or "::1" in log[0]["error"]
    # Nor by a retry or by recover. A test is refused at once, when the responder looks the name up again, after 5 s.
    path = "/webhooks/" + webhook["webhook_id"]
    refused = wait_for(lambda: (a := guarded.api("POST", path + "/test")).status >= 400 and a)
    assert "moving.test" in refusal(refused, 400, 1004)
    assert guarded.api("POST", "%s/logs/%s/retry" % (path, log[0]["log_id"])).status == 202
    guarded.settle(webhook)
    assert guarded.api("POST", path + "/recover", {"since": "2020-01-01T00:00:00Z"}).status == 202
    log = guarded.settle(webhook)
    assert {line["trigger"] for line in log} - {"test"} == {"scheduled", "manual", "recover"}
    assert {line["error_kind"] for line in log} == {"blocked_ip"}
    # The only connection is the one that asks.
    assert inner.tell("stats")["connections"] == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["::1"], ["10.0.0.1", "93.184.216.34"], ["93.184.216.34", "192.168.0.1"],
        ["2606:2800:220:1::1", "fd00::1"], ["93.184.216.34", "::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["169.254.169.254"],
    ],
)
def test_a_name_that_resolves_to_a_closed_address_is_refused(guarded, resolver, addresses):
    name = "closed-%d.test" % len(resolver.names)
    resolver.lead(name, *addresses)
    message = refusal(ask(guarded, "https://%s:8443/x" % name), 400, 1004)
    assert message.startswith("url: the host %s " % name) and "DELIVERY_ALLOW_SUBNETS" in message
    webhook = guarded.add(new_environment(), "http://93.184.216.34/")
    path = "/webhooks/" + webhook["webhook_id"]
    whole = {"name": "x", "url": "http://%s/" % name, "events": ["job-created"]}
    for answer in (guarded.api("PATCH", path, {"url": "http://%s/" % name}), guarded.api("PUT", path, whole)):
        assert name in refusal(answer, 400, 1004)
    assert guarded.webhook(webhook)["url"] == "http://93.184.216.34/"


def test_localhost_is_refused(guarded):
    for name in ("localhost", "LOCALHOST", "this.localhost"):
        assert "DELIVERY_ALLOW_SUBNETS" in refusal(ask(guarded, "http://%s/" % name), 400, 1004)


def test_a_name_that_resolves_to_public_addresses_or_to_none_is_accepted(guarded, resolver):
    resolver.lead("open.test", "93.184.216.34", "2606:2800:220:1::1")
    resolver.lead("nowhere.test")
    for name in ("open.test", "nowhere.test"):
        assert ask(guarded, "http://%s/" % name).status == 201


def test_a_name_whose_lookup_hangs_is_accepted_and_delays_no_other_request(guarded, resolver):
    resolver.lead("hanging.test", "hangs")
    with ThreadPoolExecutor(20) as pool:
        start = time.monotonic()
        slow = [pool.submit(ask, guarded, "http://hanging.test/%d" % number) for number in range(20)]
        others = []
        while time.monotonic() < start + 2:
            before = time.monotonic()
            assert ask(guarded, "http://93.184.216.34/").status == 201
            others.append(time.monotonic() - before)
        assert not any(answer.done() for answer in slow)
        assert [answer.result().status for answer in slow] == [201] * 20
        assert 2.9 < time.monotonic() - start < 6
    assert max(others) < 1, max(others)
    # Each responder looks it up once.
    assert resolver.asked("hanging.test") <= 2


def test_a_url_that_stays_the_same_is_not_looked_up_again(serve_webhooks, resolver):
    service = serve_webhooks(RESPONDERS=1, DELIVERY_ALLOW_SUBNETS="", **resolver.settings)
    resolver.lead("staying.test", "93.184.216.34")
    webhook = service.add(new_environment(), "http://staying.test/")
    resolver.lead("staying.test", "10.0.0.1")
    # A new responder has no cached answers.
    service.stop()
    service.start()
    service.change(webhook, name="y")
    assert service.change(webhook, url="http://staying.test/")["name"] == "y"
    assert resolver.asked("staying.test") == 1
    path = "/webhooks/" + webhook["webhook_id"]
    assert "staying.test" in refusal(service.api("PATCH", path, {"url": "http://staying.test/other"}), 400, 1004)
    assert resolver.asked("staying.test") == 2


def test_a_redirect_to_a_closed_address_is_not_followed(serve_webhooks, inner, receive):
    # One network is allowed, and the redirect leads to another.
    receiver = receive(None, "--host", "127.0.0.2")
    service = serve_webhooks(
        DELIVERY_ALLOW_SUBNETS="127.0.0.2/32", WEBHOOKS_MAX_RETRIES=1, WEBHOOKS_RETRY_INTERVAL="100ms"
    )
    before = len(inner.arrivals())
    for status in (301, 302, 303, 307, 308):
        environment = new_environment()
        url = "%s?status=%d&redirect=%s" % (receiver.url("/", host="127.0.0.2"), status, inner.url("/redirected"))
        webhook = service.add(environment, url)
        service.publish(environment)
        log = service.settle(webhook)
        assert [(line["status_code"], line["error_kind"]) for line in log] == [(status, "status")] * 2
    assert len(inner.arrivals()) == before and len(receiver.arrivals()) == 10


def test_only_allowed_networks_can_be_called(serve_webhooks, inner, resolver):
    resolver.lead("opened.test", "127.0.0.1")
    service = serve_webhooks(DELIVERY_ALLOW_SUBNETS="127.0.0.0/8", **resolver.settings)
    environment = new_environment()
    opened = [service.add(environment, inner.url("/opened", host=host)) for host in ("127.0.0.1", "2130706433", "127.1")]
    opened += [service.add(environment, inner.url("/opened", host=host)) for host in ("opened.test", "localhost")]
    for host in ("10.0.0.1", "[::1]", "192.168.0.1", "0.0.0.0"):
        assert "DELIVERY_ALLOW_SUBNETS" in refusal(ask(service, "http://%s/" % host), 400, 1004)
    service.publish(environment)
    assert [service.settle(webhook)[0]["status_code"] for webhook in opened] == [200] * 5
    assert len(inner.wait(5, "/opened")) == 5


def test_an_address_that_is_no_longer_allowed_is_not_called(serve_webhooks, inner):
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=0)
    environment = new_environment()
    webhook = service.add(environment, inner.url("/closed-later"))
    service.publish(environment)
    assert service.settle(webhook)[0]["status_code"] == 200
    service.stop()
    service.settings["DELIVERY_ALLOW_SUBNETS"] = ""
    service.start()
    service.publish(environment)
    wait_for(lambda: len(service.attempts(webhook)) == 2)
    assert service.settle(webhook)[1]["error_kind"] == "blocked_ip"
    assert len(inner.arrivals("/closed-later")) == 1


def test_a_proxy_in_the_environment_variables_is_not_used(serve_webhooks, inner):
    service = serve_webhooks(http_proxy=inner.url("/proxy"), HTTP_PROXY=inner.url("/proxy"), all_proxy=inner.url("/"))
    environment = new_environment()
    before = len(inner.arrivals())
    webhook = service.add(environment, inner.url("/direct"))
    service.publish(environment)
    assert service.settle(webhook)[0]["status_code"] == 200
    assert [call["path"] for call in inner.arrivals()[before:]] == ["/direct"]


def test_webhooks_https_only_refuses_http(serve_webhooks):
    service = serve_webhooks(WEBHOOKS_HTTPS_ONLY="true")
    assert "https://" in refusal(ask(service, "http://example.com/"), 400, 1004)
    assert ask(service, "https://example.com/").status == 201
