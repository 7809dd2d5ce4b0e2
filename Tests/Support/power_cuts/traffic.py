"""Clients of all four APIs, which note in a history what they were answered."""

import http.client
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from history import body
from queue_service import basic

JSON = {"Content-Type": "application/json"}
LOGIN = basic("alice")


class Client(threading.Thread):
    """Calls a service again and again on its own connection, until `stopping` is set."""

    # Between two calls, in seconds.
    pause = 0.0

    def __init__(self, traffic, name):
        super().__init__(daemon=True, name=name)
        self.traffic, self.history, self.random = traffic, traffic.history, traffic.random_of(name)
        self.connection = None
        self.numbers = itertools.count()

    def run(self):
        while not self.traffic.stopping.is_set():
            try:
                self.step()
            except (OSError, http.client.HTTPException):
                self.connection = None
                time.sleep(0.02)
            if self.pause:
                time.sleep(self.pause * self.random.uniform(0, 2))

    def new_name(self):
        return "%s-%s-%d" % (self.traffic.run_name, self.name, next(self.numbers))

    def call(self, note, method, path, content=None, headers=None, read=lambda answer: None):
        """Sends the request of a call, which must have just begun, and notes the answer."""
        if self.connection is None:
            self.connection = self.traffic.service.connection(20)
        self.connection.request(method, path, body=content, headers=headers or {})
        response = self.connection.getresponse()
        answer = response.read()
        done = time.monotonic_ns()
        result = read(answer) if 200 <= response.status < 300 else None
        note.status, note.result, note.end = response.status, result, done
        if response.status >= 300:
            self.traffic.refusals[response.status] += 1
            time.sleep(0.02)
        return note


def notifications(answer):
    return [(entry["id"], entry["body"]) for entry in json.loads(answer)["notifications"]]


def messages(answer):
    """The messages of a read, and the number of the newest of the queue."""
    answer = json.loads(answer)
    return [(entry["id"], entry["message"]) for entry in answer["messages"]], answer["current_message"]


class Hooks(Client):
    def step(self):
        endpoint, name = self.random.choice(self.traffic.endpoints), self.new_name()
        note = self.history.begin("hook", endpoint, name)
        self.call(note, "POST", "/webhook/" + endpoint, body(name))


class Creators(Client):
    """Creates endpoints, sends to them, and deletes them."""

    pause = 0.05

    def step(self):
        note = self.history.begin("create", None)
        made = self.call(note, "POST", "/manage/endpoint", read=lambda answer: json.loads(answer)["endpointId"]).result
        if made is None:
            return
        for _ in range(self.random.randint(0, 3)):
            name = self.new_name()
            self.call(self.history.begin("hook", made, name), "POST", "/webhook/" + made, body(name))
        if self.random.random() < 0.7:
            self.call(self.history.begin("delete", made), "DELETE", "/manage/endpoint/" + made)


class Viewers(Client):
    """Follows an endpoint, and removes nothing."""

    def __init__(self, traffic, name):
        super().__init__(traffic, name)
        self.endpoint, self.after = self.random.choice(traffic.endpoints), 0

    def step(self):
        note = self.history.begin("look", self.endpoint)
        path = "/manage/endpoint/%s/notifications?limit=20&wait=1&after=%d" % (self.endpoint, self.after)
        found = self.call(note, "GET", path, read=notifications).result
        if found:
            self.after = found[-1][0]
        if self.random.random() < 0.02:
            self.endpoint, self.after = self.random.choice(self.traffic.endpoints), 0


class Collectors(Client):
    """Empties endpoints in both ways: looks and removes, or collects."""

    pause = 0.02

    def __init__(self, traffic, name, endpoints):
        super().__init__(traffic, name)
        self.endpoints = endpoints

    def step(self):
        endpoint = self.random.choice(self.endpoints)
        path = "/manage/endpoint/" + endpoint
        if self.random.random() < 0.3:
            self.call(self.history.begin("collect", endpoint), "GET", path, read=notifications)
            return
        note = self.history.begin("look", endpoint)
        found = self.call(note, "GET", path + "/notifications?limit=50&wait=1", read=notifications).result
        if found:
            through = self.random.choice(found)[0]
            note = self.history.begin("remove", endpoint, through)
            self.call(note, "DELETE", "%s/notifications?through=%d" % (path, through))


class Publishers(Client):
    def step(self):
        queue, name = self.random.choice(self.traffic.queues), self.new_name()
        self.call(self.history.begin("publish", queue, name), "POST", "/q/" + queue, body(name))
        time.sleep(0.003)


class ManualReaders(Client):
    """Reads one client of a queue, and acknowledges most of what it has read."""

    def step(self):
        client, queue = self.name, self.traffic.clients[self.name]
        note = self.history.begin("read", queue, client)
        path = "/read/%s?ack=manual&wait=1&limit=30" % client
        found = self.call(note, "POST", path, headers=LOGIN, read=messages).result
        if found and found[0] and self.random.random() < 0.8:
            number = self.random.choice(found[0])[0]
            self.call(self.history.begin("ack", client, number), "POST", "/ack/%s/%d" % (client, number), headers=LOGIN)


class AutomaticReaders(Client):
    def step(self):
        client, queue = self.name, self.traffic.clients[self.name]
        note = self.history.begin("take", queue, client)
        self.call(note, "POST", "/read/%s?wait=1&limit=30" % client, headers=LOGIN, read=messages)


class WebhookEvents(Client):
    pause = 0.02

    def step(self):
        name = self.new_name()
        content = json.dumps({"event": "pipeline-created", "data": {"text": name}})
        path = "/environments/%s/events" % self.traffic.environment
        note = self.history.begin("event", "webhook", name)
        self.call(note, "POST", path, content, JSON, read=lambda answer: json.loads(answer)["event_id"])


class RoutedEvents(Client):
    pause = 0.02

    def step(self):
        name = self.new_name()
        event = {"eventType": "org.example.test", "eventID": name, "source": "/test", "data": {"text": name}}
        note = self.history.begin("event", "subscription", name)
        self.call(note, "POST", "/receive", json.dumps(event), JSON, read=lambda answer: answer.decode().strip())


class LogReaders(Client):
    pause = 0.03

    def step(self):
        note = self.history.begin("log", "webhook")
        path = "/webhooks/%s/logs?limit=20" % self.traffic.webhook
        self.call(note, "GET", path, read=lambda answer: [
            (line["log_id"], line["event_id"], line["attempt"], line["status_code"]) for line in json.loads(answer)])


class Target:
    """Receives the calls of webhooks and subscriptions. One event in ten is refused at first."""

    def __init__(self, random):
        target, refused = self, set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"] or 0))
                event = self.headers["webhook-id"]
                status = 200
                if random.random() < 0.1 and event not in refused:
                    refused.add(event)
                    status = 500
                target.history.begin("called", self.path, event).answered(status, content)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.history = None
        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Callers are killed at any time."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.server.server_address[1], path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
