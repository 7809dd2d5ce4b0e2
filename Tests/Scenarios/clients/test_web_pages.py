"""Requests of web pages: pages of other sites can change nothing and read nothing."""

import json

import pytest
from event_service import USER_HEADER
from event_service import error as event_error
from harness import exchange, postroom, raw
from queue_service import QueueService, basic, configuration, error
from webhook_service import new_environment, refusal

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = QueueService(
        tmp_path_factory.mktemp("pages"), configuration(["a"]), RESPONDERS=2, SERVER_URL="https://hooks.example.org/",
        ALLOWED_HOSTS="ui.example.net, *.intra.example", DELIVERY_ALLOW_SUBNETS="127.0.0.0/8", USER_SOURCE="header",
    ).start()  # fmt: skip
    yield service
    service.stop()


def subscription(name="page"):
    return json.dumps({"name": name, "jsonpath": "$.none", "target_url": "http://127.0.0.1:1/"})


def page(service, method, path, body=None, host=None, **headers):
    """Sends a request as a browser does; underscores in header names stand for hyphens."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if host:
        sent["Host"] = host
    return service.call(method, path, body, sent)


# Content types that a page may send to another site without a preflight request.
SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; x=application/json"]


@pytest.mark.parametrize("kind", SIMPLE)
def test_a_page_of_another_site_changes_nothing(service, kind):
    user = "victim-" + kind[:12].replace("/", "-")
    environment = new_environment()
    key = service.call("GET", "/environments/%s/settings" % environment).json()["public_verification_key"]
    headers = {"Content_Type": kind, "Origin": EVIL, "Http_Remote_User": user}
    event_error(page(service, "POST", "/eventmatch", subscription(), **headers), 403)
    event_error(page(service, "POST", "/receive", "{}", **headers), 403)
    answer = page(service, "POST", "/manage/endpoint", "", **headers)
    assert answer.status == 403 and answer.headers["content-type"].startswith("text/plain") and EVIL in answer.text
    assert "ALLOWED_HOSTS" in answer.text
    refusal(page(service, "POST", "/environments/%s/settings/rotate" % environment, "", **headers), 403, 1101)
    refusal(page(service, "POST", "/environments/%s/events" % environment, "{}", **headers), 403, 1101)
    login = {"Authorization": basic("admin")["Authorization"]}
    error(page(service, "POST", "/setPassword", '{"password": "changed"}', **headers, **login), 403)
    error(page(service, "POST", "/reload", "", **headers, **login), 403)
    # Nothing has changed.
    event_error(service.call("GET", "/eventmatch", headers={USER_HEADER: user}), 403)
    assert service.call("GET", "/environments/%s/settings" % environment).json()["public_verification_key"] == key
    assert service.logs_in("admin")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"}, {"Origin": ""}, {"Origin": "x"}, {"Origin": "https://hooks.example.org.evil.example"},
        {"Origin": "https://evil.example:8080"}, {"Origin": "http://127.0.0.1"}, {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://hooks.example.org@evil.example"}, {"Origin": "https://intra.example"}, {"Sec_Fetch_Site": "cross-site"},
        {"Origin": EVIL, "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ],
    ids=str,
)  # fmt: skip
def test_a_page_with_an_unknown_origin_counts_as_another_site(service, headers):
    assert page(service, "POST", "/manage/endpoint", "", **headers).status == 403
    event_error(page(service, "POST", "/eventmatch", subscription(), Content_Type="application/json", **headers), 403)


def test_pages_of_this_service_and_of_allowed_hosts_may_use_it(service):
    own = "http://127.0.0.1:%d" % service.port
    for headers in (
        {"Origin": own, "Sec_Fetch_Site": "same-origin"},
        {"Origin": "https://hooks.example.org", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "https://hooks.example.org", "host": "hooks.example.org"},
        {"Origin": "https://hooks.example.org:8443", "host": "hooks.example.org:8443"},
        {"Origin": "http://hub:8080", "host": "hub:8080"},
        {"Origin": "https://ui.example.net:3000", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://a.intra.example", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}, {"Sec_Fetch_Site": "same-site"}, {},
    ):  # fmt: skip
        assert page(service, "POST", "/manage/endpoint", "", **headers).status == 201, headers


def test_a_link_on_another_page_shows_pages_and_changes_nothing(service):
    visit = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert page(service, "GET", "/manage", **visit).status == 200
    event_error(page(service, "GET", "/eventmatch", Http_Remote_User="nobody", **visit), 403)
    endpoint = service.create()
    service.hook(endpoint, b"kept")
    assert page(service, "GET", "/manage/endpoint/" + endpoint, **visit).status == 403
    assert page(service, "GET", "/manage/endpoint/%s/notifications" % endpoint, **visit).status == 200
    assert page(service, "GET", "/manage/endpoint/%s/notifications" % endpoint, Sec_Fetch_Site="cross-site").status == 403
    login = {"Authorization": basic("admin")["Authorization"]}
    for path in ("/reload", "/read/c", "/listen/c/a", "/unlisten/c"):
        error(page(service, "GET", path, **visit, **login), 403)
    assert service.bodies(endpoint) == ["kept"]


def test_any_page_may_post_to_an_endpoint_or_a_queue(service):
    endpoint = service.create()
    for method in ("POST", "OPTIONS", "GET"):
        answer = page(service, method, "/webhook/" + endpoint, Origin=EVIL, Sec_Fetch_Site="cross-site", host="evil.example")
        assert answer.status == 200
    assert len(service.collect(endpoint)) == 3
    service.listen("reader", "a")
    assert page(service, "POST", "/q/a", "from a page", Origin=EVIL, host="evil.example").status == 200
    assert service.texts("reader") == ["from a page"]
    assert page(service, "GET", "/healthz", host="evil.example").status == 200


REBOUND = ["evil.example", "evil.example:8080", "EVIL.example.", "127.0.0.1.evil.example", "localhost.evil.example", "intra.example"]


@pytest.mark.parametrize("host", REBOUND)
def test_a_page_whose_host_name_resolves_to_this_service_reads_nothing(service, host):
    made = json.loads(service.call("POST", "/eventmatch", subscription(), {USER_HEADER: "owner"}).body)
    for answer in (
        page(service, "GET", "/eventmatch", host=host, Http_Remote_User="owner"),
        page(service, "GET", "/eventmatch/" + made["uuid"], host=host, Http_Remote_User="owner", Sec_Fetch_Site="same-origin"),
        page(service, "POST", "/eventmatch", subscription(), host=host, Origin="http://" + host),
    ):
        assert "ALLOWED_HOSTS" in event_error(answer, 421) and made["uuid"] not in answer.text
    answer = page(service, "GET", "/manage", host=host)
    assert answer.status == 421 and "ALLOWED_HOSTS" in answer.text
    refusal(page(service, "GET", "/environments/%s/webhooks" % new_environment(), host=host), 421, 1304)
    error(page(service, "GET", "/queues", host=host, **basic("alice")), 421)
    # Senders may use any host name. A page under such a name still counts as another site.
    assert page(service, "POST", "/receive", "{}", host=host).status == 200
    event_error(page(service, "POST", "/receive", "{}", host=host, Origin="http://" + host), 403)


def test_the_service_answers_to_its_names_and_to_addresses(service):
    for host in (
        "hooks.example.org", "HOOKS.example.org:443", "hooks.example.org.", "ui.example.net", "a.intra.example", "a.b.intra.example:1",
        "localhost", "localhost:8080", "app.localhost", "127.0.0.1", "192.168.1.7:8080", "[::1]", "[2001:db8::7]:8080", "hub", "hub:8080",
    ):  # fmt: skip
        assert page(service, "GET", "/manage", host=host).status == 200, host
    old = exchange(service, b"GET /manage HTTP/1.0\r\n\r\n")
    assert old.startswith(b"HTTP/1.1 200 ")


def test_allowed_hosts_turns_the_check_of_host_names_off(serve_events):
    service = serve_events(ALLOWED_HOSTS="*", RESPONDERS=1, MOUNT_POINT="/hooks")
    assert page(service, "GET", "/manage", host="evil.example").status == 200
    assert page(service, "POST", "/manage/endpoint", "", host="evil.example", Origin=EVIL).status == 201
    assert page(service, "POST", "/manage/endpoint", "", Origin=EVIL).status == 403
    assert page(service, "POST", "/manage/endpoint", "", Origin="null").status == 403


def test_pages_are_checked_below_a_mount_point_and_at_the_operations_port(serve_events):
    from harness import free_port

    port = free_port()
    service = serve_events(RESPONDERS=1, MOUNT_POINT="/hooks", OPS_SERVER_PORT=port)
    assert page(service, "GET", "/manage", host="evil.example").status == 421
    assert page(service, "POST", "/eventmatch", subscription(), Origin=EVIL).status == 403
    service.port, service.mount = port, ""
    for path in ("/metrics", "/version", "/health/ready"):
        answer = page(service, "GET", path, host="evil.example")
        assert answer.status == 421 and "ALLOWED_HOSTS" in answer.text
        assert page(service, "GET", path, host="prometheus-target:%d" % port).status == 200
        assert page(service, "GET", path).status == 200
    assert page(service, "GET", "/metrics", Sec_Fetch_Site="cross-site").status == 403


def test_events_allowed_origins_names_pages_that_may_send_events(serve_events):
    service = serve_events(EVENTS_ALLOWED_ORIGINS="shop.example", RESPONDERS=1)
    assert page(service, "POST", "/receive", "{}", Origin="https://shop.example").status == 200
    assert page(service, "POST", "/receive", "{}", Origin=EVIL).status == 403
    assert page(service, "POST", "/eventmatch", subscription(), Origin="https://shop.example").status == 403


@pytest.mark.parametrize("value", ["a b", "http://x", "a:80", "*.", "a/b", "**"])
def test_a_wrong_host_name_in_allowed_hosts_is_refused(tmp_path, value):
    result = postroom(tmp_path, "settings", ALLOWED_HOSTS=value)
    assert result.returncode != 0 and b"ALLOWED_HOSTS is " in result.stderr


def test_an_invalid_host_field_is_refused(service):
    for host, status in (("a..b.example", 400), ("exa mple.com", 400), ("a.example:x", 421), ("a.example:99999", 421)):
        answer = raw(service, b"GET /manage HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host.encode())
        assert answer.status == status, host
