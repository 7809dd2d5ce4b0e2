"""Requests that event routing refuses, by nginx or by itself: always with the error object of this API."""

import os

import pytest
from event_service import USER_HEADER, error
from harness import raw, together, wait_for
from queue_service import basic

ABSENT = "6cf47199-5abf-4ae3-a40d-9d6283d0ee21"
PATHS = ["/receive", "/receive/", "/eventmatch", "/eventmatch/" + ABSENT, "/eventmatch?limit=1", "/events/" + ABSENT]


@pytest.mark.parametrize("mount", ["", "/a.b"])
def test_a_body_that_is_too_large_is_refused_with_the_limit_of_its_route(serve_events, mount):
    service = serve_events(MOUNT_POINT=mount or "/", MAX_BODY_BYTES="300k", MAX_EVENT_BYTES="500k", RESPONDERS=1)
    huge = b'"' + b"x" * (2 << 20) + b'"'
    for path in PATHS:
        limit = 500 << 10 if path.startswith("/receive") else 300 << 10
        assert str(limit) in error(service.api("POST", path, huge), 413), path
    for path in ("/receivex", "/eventmatches", "/event", "/"):
        assert service.api("POST", path, huge).text == "413: A body may have no more than 307200 bytes.", path
    # Longer than the other routes accept, but not too long for this one.
    assert service.send('{"data": "%s"}' % ("x" * (400 << 10)))
    assert service.ask("GET", "/eventmatch", user="u").status == 403


def test_malformed_http_is_refused(router):
    for path in PATHS:
        bad = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\nConnection: close\r\n\r\n" % path
        error(raw(router, bad.encode()), 400)
        error(raw(router, bad.replace("Content-Length: x", "X-Long: " + "x" * 9000).encode()), 431)
        error(raw(router, bad.replace("Content-Length: x", "Transfer-Encoding: x").encode()), 501)
        for tail in ("&" if "?" in path else "?", "" if "?" in path else "/"):
            error(raw(router, bad.replace(path, path + tail + "x" * 9000).encode()), 414)
    long = "POST %s" + "x" * 9000 + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    for path in ("/eventmatches/", "/", "/?/eventmatch?"):
        assert raw(router, (long % path).encode()).text == "414: The URL is too long.", path
        error(raw(router, bad.replace("POST", "TRACE").replace("Content-Length: x\r\n", "").encode()), 405)


def test_too_many_requests_are_refused(serve_events):
    service = serve_events(RATE_LIMIT=1, RATE_LIMIT_BURST=1)
    for method, path in (("POST", "/receive"), ("GET", "/eventmatch")):
        answers = [service.api(method, path, "{}") for _ in range(6)]
        late = next(answer for answer in answers if answer.status == 429)
        error(late, 429)
        assert late.headers["retry-after"] == "1"


def test_a_request_without_a_responder_is_refused(serve_events):
    service = serve_events(RESPONDERS=1)
    os.unlink(os.path.join(service.directory, "run", "responder-1.sock"))

    def refused():
        """Kept connections to the responder still work; more requests at a time need a new one."""
        answers = together(12, lambda _: service.api("POST", "/receive", "{}"))
        return next((answer for answer in answers if answer.status != 200), None)

    answer = wait_for(refused)
    assert "responder" in error(answer, 502) and answer.headers["retry-after"] == "1"


def test_a_user_has_no_more_subscriptions_than_the_limit(serve_events):
    service = serve_events(EVENTS_MAX_SUBSCRIPTIONS=2, RESPONDERS=2)
    wanted = {"name": "n", "jsonpath": "$", "target_url": "http://127.0.0.1:1/"}
    answers = together(8, lambda _: service.ask("POST", "/eventmatch", wanted, "u"))
    assert sorted(answer.status for answer in answers) == [200] * 2 + [409] * 6
    for refused in (answer for answer in answers if answer.status == 409):
        assert error(refused, 409) == "A user can have at most 2 subscriptions."
    made = service.ask("GET", "/eventmatch", user="u").json()
    assert len(made) == 2
    service.subscribe("v", "http://127.0.0.1:1/", "$")
    service.change(made[0], name="other")
    assert service.ask("DELETE", "/eventmatch/" + made[0]["uuid"], user="u").status == 200
    service.subscribe("u", "http://127.0.0.1:1/", "$")
    error(service.ask("POST", "/eventmatch", wanted, "u"), 409)


def test_each_error_is_the_error_object(router):
    allowed = {"receive": "OPTIONS, POST", "eventmatch": "DELETE, GET, HEAD, POST, PUT"}
    for method, path, body, headers, status in [
        ("GET", "/receive", None, {}, 405),
        ("OPTIONS", "/receive", None, {}, 405),
        ("PATCH", "/eventmatch", "{}", {}, 405),
        ("GET", "/eventmatch/x/y/z", None, {}, 404),
        ("GET", "/eventmatch/x", None, {}, 400),
        ("GET", "/eventmatch/" + ABSENT, None, {}, 403),
        ("PUT", "/eventmatch", "{}", {}, 404),
        ("POST", "/eventmatch", "{", {}, 400),
        ("POST", "/eventmatch", "a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
        ("POST", "/receive", "a=b", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ("GET", "/eventmatch", None, {USER_HEADER: ".."}, 400),
    ]:
        answer = router.call(method, path, body, headers)
        error(answer, status)
        # A path that does not exist allows no method.
        assert answer.headers.get("allow") == (None if path.endswith("x/y/z") else allowed[path.split("/")[1]]), path


def test_a_refused_login_is_asked_for_again(serve_events, tmp_path):
    tmp_path.chmod(0o755)
    users = tmp_path / "users"
    users.write_text("alice:{PLAIN}x\n")
    service = serve_events(USER_SOURCE="basic", USER_FILE=users, RESPONDERS=1, MOUNT_POINT="/m")
    for headers in ({}, basic("alice", "y"), basic("bob", "x")):
        answer = service.call("GET", "/eventmatch", headers=headers)
        error(answer, 401)
        assert "realm=" in answer.headers["www-authenticate"]
    error(service.call("GET", "/eventmatch", headers=basic("alice", "x")), 403)
