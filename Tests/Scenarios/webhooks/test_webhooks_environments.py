"""Which environments exist, by another service: PROJECT_MANAGEMENT_API_URI."""

import json
import os
import selectors
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import free_port, postroom, wait_for
from webhook_service import Clock, Receiver, WebhookService, new_environment, refusal

WEBHOOK = {"name": "x", "url": "http://93.184.216.34/", "events": ["pipeline-created"]}
EVENT = {"event": "pipeline-created", "data": {"pipeline_id": "p"}}
# All routes of an environment, and the status of the answer if the environment exists.
ROUTES = [
    ("GET", "/webhooks", None, 200),
    ("POST", "/webhooks", WEBHOOK, 201),
    ("POST", "/events", EVENT, 202),
    ("GET", "/settings", None, 200),
    ("POST", "/settings/rotate", None, 200),
]


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Stands in for the project-management service: any environment exists unless a rule says otherwise."""
    receiver = Receiver(tmp_path_factory.mktemp("projects"), {"/api/*": {"status": 200, "body": "{}"}})
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def asking(tmp_path_factory, projects, clock_library):
    """A service that asks `projects`, and whose `clock` a test can set forward."""
    clock = Clock(tmp_path_factory.mktemp("clock"), clock_library)
    settings = dict(RESPONDERS=2, PROJECT_MANAGEMENT_API_URI=projects.url("/api/"), **clock.settings)
    service = WebhookService(tmp_path_factory.mktemp("asking"), **settings).start()
    service.clock = clock
    yield service
    service.stop()


def place(environment):
    return "/api/environments/" + environment


def where(projects, **rule):
    """A new environment that `projects` answers by a rule."""
    environment = new_environment()
    projects.rule(place(environment), **rule)
    return environment


def ask(service, environment, method="GET", path="/webhooks", body=None, prefix=""):
    return service.api(method, "%s/environments/%s%s" % (prefix, environment, path), body)


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_every_route_works_in_an_environment_that_exists(asking, projects, prefix):
    environment = where(projects, status=204)
    for method, path, body, status in ROUTES:
        assert ask(asking, environment, method, path, body, prefix).status == status
    calls = projects.arrivals(place(environment))
    # Each responder asks once.
    assert 1 <= len(calls) <= 2 and {call["method"] for call in calls} == {"GET"}


@pytest.mark.parametrize("status", [404, 410])
def test_every_route_is_refused_in_an_environment_that_does_not_exist(asking, projects, status):
    environment = where(projects, status=status)
    for method, path, body, _ in ROUTES:
        refusal(ask(asking, environment, method, path, body), 404, 1201)


@pytest.mark.parametrize(
    "rule", [{"status": s} for s in (301, 400, 401, 429, 500, 503)] + [{"fault": "close"}, {"fault": "garbage"}]
)
def test_without_an_answer_requests_are_refused_and_asked_again_after_two_seconds(asking, projects, rule):
    environment = where(projects, **rule)
    for method, path, body, _ in ROUTES:
        answer = ask(asking, environment, method, path, body)
        refusal(answer, 503, 1503)
        assert answer.headers["retry-after"] == "5"
    projects.rule(place(environment), status=200)
    asking.clock.advance(2)
    # Some of these requests are answered by each responder.
    assert all(ask(asking, environment).json() == [] for _ in range(8))


def test_an_event_that_was_refused_without_an_answer_can_be_posted_again(asking, projects, receiver):
    environment = new_environment()
    asking.add(environment, receiver.url("/once-" + environment))
    other = where(projects, status=500)
    event = {**EVENT, "event_id": "e"}
    refusal(ask(asking, other, "POST", "/events", event), 503, 1503)
    projects.rule(place(other), status=200)
    asking.clock.advance(2)
    answer = ask(asking, other, "POST", "/events", event)
    assert (answer.status, answer.json()) == (202, {"event_id": "e", "deliveries": 0, "duplicate": False})
    # Events of an environment that is known are accepted all the same.
    assert asking.publish(environment)["deliveries"] == 1
    receiver.wait(1, "/once-" + environment)


def test_paths_without_an_environment_ask_nothing(asking, projects):
    before = len(projects.arrivals())
    assert asking.call("GET", "/webhooks/events").status == 200
    refusal(asking.call("GET", "/webhooks/" + new_environment()), 404, 1200)
    refusal(asking.call("GET", "/environments/x/webhooks"), 404, 1002)
    refusal(asking.call("DELETE", "/environments/%s/webhooks" % new_environment()), 405, 1300)
    assert len(projects.arrivals()) == before


def test_a_negative_answer_is_asked_again_after_five_seconds(asking, projects):
    environment = where(projects, status=404)
    refusal(ask(asking, environment), 404, 1201)
    projects.rule(place(environment), status=200)
    asking.clock.advance(5)
    assert ask(asking, environment).status == 200


def test_a_positive_answer_bridges_an_outage_of_five_minutes(serve_webhooks, projects, clock):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=1, **clock.settings)
    environment, other = new_environment(), where(projects, status=404)
    assert ask(service, environment).status == 200
    refusal(ask(service, other), 404, 1201)
    # It is fresh for 30 s. Then the service is asked again, and the first request waits for the answer, for up to 3 s.
    projects.rule(place(environment), fault="hang")
    projects.rule(place(other), fault="close")
    assert ask(service, environment).status == 200 and len(projects.arrivals(place(environment))) == 1
    clock.advance(30)
    start = time.monotonic()
    assert ask(service, environment).status == 200
    assert time.monotonic() - start > 2.9 and len(projects.arrivals(place(environment))) == 2
    # Until the service answers again, no request waits, and one question is asked every two seconds.
    projects.rule(place(environment), fault="close")
    for count in (3, 4):
        clock.advance(2)
        for _ in range(20):
            assert ask(service, environment, "POST", "/events", EVENT).status == 202
        wait_for(lambda count=count: len(projects.arrivals(place(environment))) >= count)
    assert len(projects.arrivals(place(environment))) <= 4 + (time.monotonic() - start - 3) / 2
    # A negative answer is not bridged, nor is an older one.
    refusal(ask(service, other), 503, 1503)
    clock.advance(300)
    refusal(ask(service, environment), 503, 1503)
    projects.rule(place(environment), status=404)
    clock.advance(2)
    refusal(ask(service, environment), 404, 1201)


def test_an_unreachable_project_management_is_logged_once(serve_webhooks):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI="http://127.0.0.1:%d" % free_port(), RESPONDERS=1)
    for _ in range(3):
        refusal(ask(service, new_environment()), 503, 1503)
    assert service.log().count("the project-management service does not answer; its environments cannot be checked") == 1


def test_questions_that_hang_delay_no_other_request(asking, projects):
    known = new_environment()
    hanging = [where(projects, fault="hang") for _ in range(8)]
    with ThreadPoolExecutor(24) as pool:
        for _ in range(8):
            assert ask(asking, known).status == 200
        start = time.monotonic()
        slow = [pool.submit(ask, asking, environment) for environment in hanging * 3]
        times = []
        while time.monotonic() < start + 2:
            before = time.monotonic()
            assert ask(asking, known, "POST", "/events", EVENT).status == 202
            assert asking.call("GET", "/webhooks/events").status == 200
            times.append(time.monotonic() - before)
        assert not any(answer.done() for answer in slow)
        for answer in slow:
            refusal(answer.result(), 503, 1503)
        assert 2.9 < time.monotonic() - start < 6
    assert max(times) < 1, max(times)
    # Each responder asks once.
    assert all(len(projects.arrivals(place(environment))) <= 2 for environment in hanging)


class Crowd:
    """Many requests at once, each on its own connection."""

    def __init__(self, service, requests):
        self.selector, self.found = selectors.DefaultSelector(), {}
        self.start = time.monotonic()
        for number, (method, path) in enumerate(requests):
            client = socket.create_connection((service.host, service.port))
            client.sendall(("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (method, path)).encode())
            self.found[number] = b""
            self.selector.register(client, selectors.EVENT_READ, number)

    def answers(self, count):
        """The status and body of each answer, once so many are whole."""
        while len(self.found) - len(self.selector.get_map()) < count:
            assert time.monotonic() < self.start + 30
            for key, _ in self.selector.select(1):
                data = key.fileobj.recv(65536)
                self.found[key.data] += data
                if not data:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
        whole = set(self.found) - {key.data for key in self.selector.get_map().values()}
        texts = [self.found[number] for number in sorted(whole)]
        return [(int(text.split(b" ", 2)[1]), text.split(b"\r\n\r\n", 1)[1]) for text in texts]

    def leave(self):
        """Closes the connections that wait for answers."""
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            key.fileobj.close()


def test_thousands_of_requests_share_one_question_of_each_responder(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=4)
    environment = where(projects, delay=1.5)
    path = "/environments/%s/webhooks" % environment
    answers = Crowd(service, [("GET", path)] * 2000).answers(2000)
    assert {status for status, _ in answers} == {200}
    assert 1 <= len(projects.arrivals(place(environment))) <= 4


def test_many_questions_are_asked_at_the_same_time(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=1)
    crowd = Crowd(service, [("GET", "/environments/%s/settings" % new_environment()) for _ in range(500)])
    assert {status for status, _ in crowd.answers(500)} == {200}


def test_a_thousand_requests_of_an_address_may_wait(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=1)
    environment = where(projects, fault="hang")
    crowd = Crowd(service, [("GET", "/environments/%s/webhooks" % environment)] * 1300)
    codes = [json.loads(body)["error_code"] for status, body in crowd.answers(1300) if status == 503]
    assert (codes.count(1503), codes.count(1504)) == (1000, 300)
    assert service.call("GET", "/webhooks/events").status == 200


def test_requests_whose_clients_have_gone_make_room(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=1)
    environment = where(projects, fault="hang")
    crowd = Crowd(service, [("GET", "/environments/%s/webhooks" % environment)] * 1100)
    # A hundred are refused, so the others wait.
    assert all(json.loads(body)["error_code"] == 1504 for _, body in crowd.answers(100))
    crowd.leave()

    def waited():
        """Whether one more request waits, while the question is still pending."""
        assert projects.ends(place(environment)) == []
        return json.loads(ask(service, environment).body)["error_code"] == 1503

    wait_for(waited)


def wait_in(service, projects, pool):
    """Posts eight events, and returns the pending answers once all eight requests wait, each for its own question."""
    environments = [where(projects, delay=1) for _ in range(8)]
    waiting = [pool.submit(ask, service, environment, "POST", "/events", EVENT) for environment in environments]
    for environment in environments:
        projects.wait(1, place(environment))
    return waiting


def test_a_stop_answers_the_requests_that_wait(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=2)
    with ThreadPoolExecutor(8) as pool:
        waiting = wait_in(service, projects, pool)
        assert service.stop() == 0
        assert [answer.result().status for answer in waiting] == [202] * 8


def test_requests_that_wait_in_a_killed_responder_are_answered_by_another(serve_webhooks, projects):
    service = serve_webhooks(PROJECT_MANAGEMENT_API_URI=projects.url("/api"), RESPONDERS=2)
    with ThreadPoolExecutor(8) as pool:
        waiting = wait_in(service, projects, pool)
        os.kill(service.responders()[0], signal.SIGKILL)
        answers = [answer.result() for answer in waiting]
    assert [answer.status for answer in answers] == [202] * 8
    assert len({answer.json()["event_id"] for answer in answers}) == 8


def test_without_the_setting_any_uuid_is_an_environment(hub, projects):
    before = len(projects.arrivals())
    assert ask(hub, new_environment()).status == 200
    assert len(projects.arrivals()) == before


@pytest.mark.parametrize(
    "value", ["localhost:8101/api", "ftp://x/", "http://", "http://user:word@x/", "http://x/?a=b", "http://x/#a", "x"]
)
def test_an_invalid_setting_is_refused(tmp_path, value):
    result = postroom(tmp_path, "settings", PROJECT_MANAGEMENT_API_URI=value)
    assert result.returncode != 0 and b"PROJECT_MANAGEMENT_API_URI is " in result.stderr


def test_the_setting_is_shown(tmp_path):
    for value in ("", "http://localhost:8101/api", "https://projects.example.org"):
        shown = postroom(tmp_path, "settings", PROJECT_MANAGEMENT_API_URI=value).stdout.decode().splitlines()
        assert "PROJECT_MANAGEMENT_API_URI=" + value in shown
