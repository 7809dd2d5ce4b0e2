"""The user of a request of event routing, by each USER_SOURCE."""

import json
import os
import subprocess

import pytest
from certificates import certificate, client_certificate, secure
from event_service import USER_HEADER, EventService, error, token
from harness import exchange, postroom, wait_for
from queue_service import basic

TARGET = "http://127.0.0.1:9/"
WANTED = {"name": "test", "jsonpath": "$", "target_url": TARGET}
# Headers in which proxies and frameworks pass a user on.
FORGED = {USER_HEADER: "bob", "Remote-User": "bob", "REMOTE_USER": "bob", "X-Remote-User": "bob", "X-Forwarded-User": "bob"}


def make(service, headers=None, connection=None):
    """Creates a subscription, and returns its user; or the answer, if it is refused."""
    answer = service.api("POST", "/eventmatch", WANTED, headers, connection=connection)
    return answer.json()["user"] if answer.status == 200 else answer


# ---------------------------------------------------------------- none, or a header


def test_a_header_with_a_user_is_ignored_and_logged_unless_it_is_set(serve_events):
    service = serve_events(USER_SOURCE="none", DEFAULT_USER="everybody")
    assert "ignoring the header that names the user" not in service.log()
    assert make(service, FORGED) == "everybody"
    assert make(service, basic("bob", "x")) == "everybody"
    assert service.ask("GET", "/eventmatch", user="alice").json()[0]["user"] == "everybody"
    warnings = [line for line in service.log().splitlines() if "ignoring the header that names the user" in line]
    # Once by each responder, not for each request.
    assert 1 <= len(warnings) <= len(service.responders()) and USER_HEADER in warnings[0]


def test_by_default_everybody_is_the_default_user(serve_webhooks):
    assert make(serve_webhooks(), FORGED) == "default_user"


@pytest.mark.parametrize(
    "value, user", [(b"alice", "alice"), (b" \tal ice ", "al ice"), (b"", ""), ("é日".encode(), "é日"), (b"a,b", "a,b")]
)
def test_with_user_source_header_the_header_names_the_user(router, value, user):
    assert make(router, {USER_HEADER: value}) == user


@pytest.mark.parametrize("value", [b".", b"..", b"x" * 256, b"\xff\xfe"])
def test_a_user_that_cannot_be_in_the_url_of_a_policy_service_is_refused(router, value):
    answer = make(router, {USER_HEADER: value})
    error(answer, 400)


def test_the_name_of_the_header_can_be_set(serve_events):
    service = serve_events(USER_HEADER="X-Somebody", DEFAULT_USER="guest")
    assert make(service, {"x-somebody": "carol", USER_HEADER: "bob"}) == "carol"
    assert make(service, {USER_HEADER: "bob"}) == "guest"


def test_a_repeated_header_names_neither_user(router):
    request = b"GET /eventmatch HTTP/1.1\r\nHost: h\r\n%s: a%s\r\n%s: b%s\r\nConnection: close\r\n\r\n"
    key = token().encode()
    name = USER_HEADER.encode()
    for user in (b"a" + key, b"b" + key):
        router.subscribe(user.decode(), TARGET, "$")
    assert exchange(router, request % (name, key, name, key)).startswith(b"HTTP/1.1 403 ")


# ---------------------------------------------------------------- basic


SECRETS = {"alice": "wonder:land", "bob": "builder", "Zoë": "pässword"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A service whose users log in, with one subscription of alice's."""
    directory = tmp_path_factory.mktemp("guarded")
    path = directory / "users"
    lines = []
    for name, secret in SECRETS.items():
        hashed = subprocess.run(["openssl", "passwd", "-apr1", secret], check=True, capture_output=True, text=True)
        lines.append("%s:%s" % (name, hashed.stdout))
    path.write_text("".join(lines))
    path.chmod(0o644)
    for parent in (directory, directory.parent):
        parent.chmod(0o755)
    service = EventService(directory, USER_SOURCE="basic", USER_FILE=path, RESPONDERS=2).start()
    service.made = service.api("POST", "/eventmatch", WANTED, basic("alice", SECRETS["alice"])).json()
    assert service.made["user"] == "alice"
    yield service
    service.stop()


PATHS = ["/eventmatch", "/eventmatch/", "/eventmatch/{uuid}", "/eventmatch/{uuid}/", "/eventmatch/{uuid}/deliveries"]
PATHS += ["/events/{uuid}", "/eventmatch?event_uuid={uuid}"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("login", [{}, basic("alice", "wrong"), basic("eve", "x"), {"Authorization": "Basic !"}, FORGED])
def test_without_a_valid_login_the_answer_asks_for_one(guarded, path, login):
    answer = guarded.call("GET", path.format(uuid=guarded.made["uuid"]), headers=login)
    assert "password" in error(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize("user", SECRETS)
def test_a_login_decides_the_user_whatever_headers_say(guarded, user):
    login = basic(user, SECRETS[user])
    made = guarded.api("POST", "/eventmatch", WANTED, {**login, **FORGED})
    assert made.json()["user"] == user
    for headers in (login, {**login, **FORGED}):
        found = guarded.call("GET", "/eventmatch", headers=headers).json()
        assert {entry["user"] for entry in found} == {user}
        answer = guarded.call("GET", "/eventmatch/" + guarded.made["uuid"], headers=headers)
        assert answer.status == (200 if user == "alice" else 403)
    assert guarded.call("DELETE", "/eventmatch/" + made.json()["uuid"], headers=login).status == 200


def test_events_can_be_posted_without_a_login(guarded):
    sent = guarded.send({"data": 1})
    assert guarded.call("GET", "/events/" + sent, headers=basic("bob", SECRETS["bob"])).json()["event"] == {"data": 1}


# Paths that nginx and a responder might read differently.
SLIPS = [
    b"//eventmatch", b"/%65ventmatch", b"/eventmatch/../eventmatch", b"/x/../eventmatch", b"/receive/../eventmatch",
    b"/eventmatch/", b"/eventmatch//", b"/./eventmatch", b"/eventmatch/.", b"/eventmatch;x", b"/eventmatch%2f", b"/eventmatch?",
    b"/receive/%2e%2e/eventmatch", b"/eventmatch/%2e%2e", b"/eventmatch/..", b"/q/../eventmatch", b"/q/..%2feventmatch",
    b"/eventmatch#", b"/eventmatch#/../receive", b"/eventmatch/../receive", b"/eventmatch/../manage", b"/EVENTMATCH",
    b"/eventmatch%00", b"/eventmatch%3f", b"/eventmatch\\..\\receive", b"\\eventmatch", b"/api/eventmatch", b"/api/../eventmatch",
    b"http://127.0.0.1/eventmatch", b"http://x/receive/../eventmatch", b"/webhook/../eventmatch", b"/%2feventmatch", b"/%2e/eventmatch",
    b"/eventmatch/%s", b"//eventmatch/%s", b"/eventmatch//%s", b"/eventmatch/%s/../../receive", b"/eventmatch/%s/..%%2f..%%2freceive",
    b"/eventmatch/%s/deliveries/..", b"/eventmatch/%s%%2f..%%2f..%%2freceive", b"/eventmatch/%s/..", b"/eventmatch/%s/../..",
    b"/eventmatch?event_uuid=%s", b"/receive/../eventmatch?event_uuid=%s", b"/.postroom-text/../eventmatch/%s",
    b"/eventmatch/%s/%%2e%%2e/%%2e%%2e/webhook/x",
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"POST"])
def test_no_spelling_of_a_path_avoids_the_login(guarded, slip, method):
    target = slip % guarded.made["uuid"].encode() if b"%s" in slip else slip
    body = json.dumps(WANTED).encode() if method == b"POST" else b""
    head = b"%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nRemote-User: alice\r\nHttp-Remote-User: alice\r\n" % (method, target)
    answer = exchange(guarded, head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    status = int(answer.split(b" ", 2)[1])
    own = guarded.call("GET", "/eventmatch", headers=basic("alice", SECRETS["alice"])).json()
    assert [entry["uuid"] for entry in own] == [guarded.made["uuid"]]
    # A path may be that of another API, such as /receive, which refuses it.
    assert 400 <= status <= 405 and guarded.made["uuid"].encode() not in answer.partition(b"\r\n\r\n")[2], answer


@pytest.mark.parametrize("target", ["/%65ventmatch", "/eventmatch/", "/eventmatch/%7B{uuid}%7D"])
def test_a_login_is_valid_for_other_spellings_of_a_path(guarded, target):
    answer = guarded.call("GET", target.format(uuid=guarded.made["uuid"]), headers=basic("alice", SECRETS["alice"]))
    assert answer.status == 200 and guarded.made["uuid"] in answer.text


def test_user_source_basic_needs_a_file_that_exists(tmp_path):
    for settings in ({}, {"USER_FILE": tmp_path / "nowhere"}):
        result = postroom(tmp_path / "data", "serve", USER_SOURCE="basic", **settings)
        assert result.returncode != 0 and b"USER_FILE" in result.stderr and len(result.stderr.splitlines()) == 1


# ---------------------------------------------------------------- certificate


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A service whose users have certificates; clients without one can use what needs no user."""
    directory = tmp_path_factory.mktemp("certified")
    server, key = certificate(str(directory))
    authority = client_certificate(directory)[0]
    service = EventService(
        directory, USER_SOURCE="certificate", TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key, TLS_CLIENT_CA=authority,
        TLS_CLIENT_VERIFY="optional", RESPONDERS=2,
    ).start()  # fmt: skip
    service.authority, service.certificates = server, directory
    yield service
    service.stop()


NAMES = [
    ("/CN=client", "client"),
    ("/C=DE/O=Example/OU=Unit/CN=worker 7", "worker 7"),
    ("/CN=worker/O=Example/emailAddress=boss@example.com", "worker"),
    ("/O=Example, Inc./CN=Smith, John", "Smith, John"),
    ("/O=x,CN=boss/CN=worker", "worker"),
    ("/O=CN=boss/CN=worker", "worker"),
    ("/CN=worker/O=x,CN=boss", "worker"),
    ("/CN=worker/O=x\\+CN=boss", "worker"),
    ("/CN=first/CN=last", "last"),
    ("/O=Example/CN=me+serialNumber=7", "me"),
    ("/O=Example/serialNumber=7+CN=me", "me"),
    ("/CN=Jörg 日本", "Jörg 日本"),
    ("/CN=a\\+b \\\\ \"c\" <d>; #e=f", 'a+b \\ "c" <d>; #e=f'),
    ("/CN=#00", "#00"),
    ("/CN= blanks ", " blanks "),
    ("/CN=\\\\2C", "\\2C"),
]


@pytest.mark.parametrize("subject, user", NAMES)
def test_the_common_name_of_a_certificate_is_the_user(certified, subject, user):
    _, cert, key = client_certificate(certified.certificates, subject)
    for headers in ({}, {**FORGED, "SSL-Client-S-DN": "CN=bob", "SSL-Client-Verify": "SUCCESS"}):
        assert make(certified, headers, secure(certified, certified.authority, cert, key)) == user


@pytest.mark.parametrize("subject", ["/O=Example", "/O=x,CN=boss", "/O=CN=boss", "/OU=a/O=b\\+CN=boss", "/UID=7/DC=CN=x"])
def test_a_certificate_without_a_common_name_names_no_user(certified, subject):
    _, cert, key = client_certificate(certified.certificates, subject)
    error(make(certified, FORGED, secure(certified, certified.authority, cert, key)), 403)


def test_without_a_certificate_there_is_no_user_and_events_can_be_posted(certified):
    paths = {"/eventmatch": 403, "//eventmatch": 404, "/%65ventmatch": 403, "/receive/../eventmatch": 404}
    for path, status in paths.items():
        answer = certified.call("GET", path, headers=FORGED, connection=secure(certified, certified.authority))
        assert answer.status == status, path
    error(make(certified, FORGED, secure(certified, certified.authority)), 403)
    answer = certified.api("POST", "/receive", {}, connection=secure(certified, certified.authority))
    assert answer.status == 200


def test_a_certificate_of_another_authority_is_refused(certified, tmp_path):
    _, cert, key = client_certificate(tmp_path, "/CN=client")
    assert make(certified, {}, secure(certified, certified.authority, cert, key)).status == 400


def test_another_nginx_names_users_by_their_certificates_too(certified, tmp_path):
    settings = dict(certified.settings, RESPONDERS=1)
    service = EventService(tmp_path / "data", arguments=["--no-nginx"], **settings)
    service.start(wait=False)
    nginx = None
    try:
        wait_for(lambda: "locations.conf" in service.log())
        shown = postroom(service.directory, "locations", **settings)
        assert shown.returncode == 0, shown.stderr
        own = tmp_path / "own"
        own.mkdir()
        (own / "locations").write_bytes(shown.stdout)
        (own / "nginx.conf").write_text(
            """daemon off; pid %(own)s/pid; error_log %(own)s/log; %(user)s
            events {} http { access_log off; client_body_temp_path %(own)s/b; fastcgi_temp_path %(own)s/f;
            proxy_temp_path %(own)s/p; uwsgi_temp_path %(own)s/u; scgi_temp_path %(own)s/s;
            upstream postroom { server unix:%(run)s/responder-1.sock max_fails=0; }
            server { listen 127.0.0.1:%(port)d ssl; ssl_certificate %(TLS_CERTIFICATE)s; ssl_certificate_key %(TLS_CERTIFICATE_KEY)s;
            ssl_client_certificate %(TLS_CLIENT_CA)s; ssl_verify_client optional; include %(own)s/locations; } }"""
            % dict(
                settings, own=own, run=os.path.join(service.directory, "run"), port=service.port,
                user="user root;" if os.geteuid() == 0 else "",
            )  # fmt: skip
        )
        command = ["/usr/sbin/nginx", "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "log")]
        tested = subprocess.run([*command, "-t"], capture_output=True)
        assert tested.returncode == 0, tested.stderr
        nginx = subprocess.Popen(command)

        def answers():
            try:
                return service.call("GET", "/healthz", connection=secure(service, certified.authority)).status == 200
            except OSError:
                return False

        wait_for(answers)
        for subject, user in NAMES:
            _, cert, key = client_certificate(certified.certificates, subject)
            assert make(service, FORGED, secure(service, certified.authority, cert, key)) == user
        error(make(service, FORGED, secure(service, certified.authority)), 403)
        stranger = client_certificate(tmp_path, "/CN=client")
        assert make(service, {}, secure(service, certified.authority, *stranger[1:])).status == 400
    finally:
        if nginx:
            nginx.terminate()
            nginx.wait()
        service.stop()


def test_user_source_certificate_needs_an_authority(tmp_path):
    result = postroom(tmp_path, "serve", USER_SOURCE="certificate")
    assert result.returncode != 0 and b"TLS_CLIENT_CA" in result.stderr and len(result.stderr.splitlines()) == 1
