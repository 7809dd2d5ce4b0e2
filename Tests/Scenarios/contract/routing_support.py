"""Helpers of the event-routing suite: endpoints, a client, and waiting. The environment has BASE_URL, where the service
answers, and POLICY_PORT, where the policy service of the suite listens."""

import json
import os
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import requests
from event_service import USER_HEADER
from harness import wait_for

BASE_URL = os.environ["BASE_URL"]
POLICY_PORT = int(os.environ["POLICY_PORT"])
DEFAULT_USER = "default_user"
# How many seconds to wait for a delivery, or for a subscription to be disabled.
PATIENCE = 20.0

FIELDS = {
    "uuid", "name", "jsonpath", "user", "disabled", "error", "target_url",
    "version", "extensions", "auth", "created", "updated", "deleted",
}
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$")
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def token():
    return uuid.uuid4().hex[:12]


def media_type(response):
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower()


class Call:
    """One request seen by an endpoint of the suite."""

    def __init__(self, method, raw, headers, body):
        parts = urlsplit(raw)
        self.method, self.raw = method, raw
        self.path, self.query = parts.path, parts.query
        self.headers, self.body = headers, body
        self.at = time.monotonic()

    def header(self, name):
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        return found[0] if found else None

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self):
        return "<%s %s %r>" % (self.method, self.raw, self.body[:80])


class Endpoint:
    """A recording HTTP endpoint; answers are chosen by path."""

    def __init__(self, port):
        self.calls, self.rules, self.cond = [], {}, threading.Condition()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def read_body(self):
                if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
                    parts = []
                    while True:
                        size = int(self.rfile.readline().split(b";")[0], 16)
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                        if not size:
                            return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def answer(self):
                call = Call(self.command, self.path, list(self.headers.items()), self.read_body())
                with endpoint.cond:
                    endpoint.calls.append(call)
                    endpoint.cond.notify_all()
                rule = endpoint.rules.get(call.path, (200, {}, b"{}"))
                if callable(rule):
                    rule = rule(call)
                if rule is None:
                    self.close_connection = True
                    return
                status, headers, body = rule
                body = body.encode("utf-8") if isinstance(body, str) else body
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    if status != 204:
                        self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    if status != 204 and self.command != "HEAD":
                        self.wfile.write(body)
                except OSError:
                    pass

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_OPTIONS = do_PATCH = answer

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256
            allow_reuse_address = True

        server = Server(("127.0.0.1", port), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def seen(self, path=None):
        with self.cond:
            return [c for c in self.calls if path in (None, c.path)]

    def wait(self, path, count=1, timeout=PATIENCE):
        end = time.monotonic() + timeout
        with self.cond:
            while True:
                found = [c for c in self.calls if c.path == path and c.method == "POST"]
                left = end - time.monotonic()
                if len(found) >= count or left <= 0:
                    return found
                self.cond.wait(left)

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)


class Policy(Endpoint):
    """The fake policy service: POST /events/<user> answers 200 unless told otherwise."""

    def say(self, user, status, body='{"status": "success"}'):
        self.rules["/events/" + user] = (status, {}, body)

    def asked(self, user):
        return [c for c in self.seen() if unquote(c.path) == "/events/" + user]


_started = {}


def policy_endpoint():
    if "policy" not in _started:
        _started["policy"] = Policy(POLICY_PORT)
    return _started["policy"]


def target_endpoint():
    if "target" not in _started:
        _started["target"] = Endpoint(0)
    return _started["target"]


class Client:
    """The service under test."""

    def __init__(self, target):
        self.target, self.made, self.http = target, [], requests.Session()

    def headers(self, user, extra=None):
        head = {"Content-Type": "application/json"}
        if user is not None:
            head[USER_HEADER] = user.encode("utf-8") if isinstance(user, str) else user
        head.update(extra or {})
        return head

    def request(self, method, path, user=None, body=None, headers=None, raw=None, timeout=30):
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode("utf-8"))
        return self.http.request(method, BASE_URL + path, headers=self.headers(user, headers), data=data,
                                 timeout=timeout, allow_redirects=False)

    def post(self, user, body=None, **kw):
        response = self.request("POST", "/eventmatch", user, body, **kw)
        if response.status_code == 200:
            made = response.json()
            self.made.append((made["uuid"], made["user"]))
        return response

    def create(self, user, path=None, /, **fields):
        body = {"name": "conformance", "jsonpath": "$.data"}
        if path is not None:
            body["target_url"] = self.target.url(path)
        body.update(fields)
        response = self.post(user, body)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, user, ident):
        return self.request("GET", "/eventmatch/" + ident, user)

    def list(self, user):
        return self.request("GET", "/eventmatch", user)

    def put(self, user, ident, body=None, **kw):
        return self.request("PUT", "/eventmatch/" + ident, user, body, **kw)

    def delete(self, user, ident):
        return self.request("DELETE", "/eventmatch/" + ident, user)

    def send(self, event, content_type="application/json", headers=None, raw=None):
        head = dict(headers or {})
        if content_type is not None:
            head["Content-Type"] = content_type
        data = raw if raw is not None else json.dumps(event).encode("utf-8")
        return self.http.post(BASE_URL + "/receive", data=data, headers=head, timeout=30)

    def wait_disabled(self, sub):
        return wait_for(lambda: (now := self.get(sub["user"], sub["uuid"]).json())["disabled"] and now, PATIENCE)

    def finished(self, sent, user, seconds=PATIENCE):
        """Waits until an event is matched and each of its deliveries to a user's subscriptions is over. What has not come
        by then never comes.

        Returns the states of these deliveries, {subscription: state}, and how many subscriptions of all users matched.
        """

        def found():
            history = self.request("GET", "/events/" + sent.text, user).json()
            states = {delivery["eventmatch"]: delivery["state"] for delivery in history["deliveries"]}
            is_over = history["state"] == "matched" and not {"pending", "retrying"} & set(states.values())
            return is_over and (states, history["matched"])

        return wait_for(found, seconds)

    def clean(self):
        for ident, user in reversed(self.made):
            try:
                self.delete(user, ident)
            except requests.RequestException:
                pass
        self.made.clear()


def event(key, data=None, **attributes):
    """A CloudEvents 0.1 event whose data holds a member named after the test's own key."""
    body = {
        "cloudEventsVersion": "0.1",
        "eventType": "org.pacifica.metadata.ingest",
        "eventID": "metadata.ingest." + key,
        "eventTime": "2019-04-05T17:31:00",
        "source": "http://metadata.pacifica.org/transactions?_id=1234",
        "contentType": "application/json",
        "extensions": {},
        "data": {key: 1, **(data or {})},
    }
    body.update(attributes)
    return body


def assert_error(response, status):
    """An error answer: JSON with the status line's text and a message."""
    assert response.status_code == status, response.text
    assert media_type(response) == "application/json"
    body = response.json()
    assert body["status"].startswith(str(status)), body
    assert isinstance(body["message"], str) and body["message"]
    assert body["traceback"] == ""
