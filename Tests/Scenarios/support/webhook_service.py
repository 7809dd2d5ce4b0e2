"""A service with outbound webhooks, receivers of their calls, and what stands in for DNS and the clock."""

import http.client
import json
import os
import struct
import subprocess
import sys
import uuid

from harness import PROGRAM, ROOT, Answer, Service, environment, free_port, wait_for
from operations_port import samples

# The receivers of tests are on this machine, which Postroom calls only if that is allowed.
LOOPBACK = "127.0.0.0/8,::1/128"


class Receiver:
    """Runs receiver.py on a port of 127.0.0.1. `python` is an interpreter that has the libraries which it needs."""

    def __init__(self, directory, rules=None, *arguments, python=sys.executable):
        os.makedirs(directory, exist_ok=True)
        self.log_path = os.path.join(str(directory), "arrivals")
        program = os.path.join(ROOT, "Tests", "Support", "receiver.py")
        self.process = subprocess.Popen(
            [python, program, "--log", self.log_path, "--rules", "/dev/stdin", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.process.stdin.write(json.dumps(rules or {}).encode())
        self.process.stdin.close()
        ready = self.process.stdout.readline()
        assert ready.startswith(b"READY "), ready
        self.port = json.loads(ready[6:])["port"]
        self.records, self.read_to = [], 0

    def url(self, path, host="127.0.0.1", scheme="http"):
        return "%s://%s:%d%s" % (scheme, host, self.port, path)

    def log(self):
        """All lines of the log so far."""
        with open(self.log_path, "rb") as log:
            log.seek(self.read_to)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.read_to += len(whole)
        self.records += [json.loads(line) for line in whole.splitlines()]
        return self.records

    def arrivals(self, path=None):
        """The requests so far, in their order; with a path, only those for it."""
        found = [r for r in self.log() if r.get("ev", "arrival") == "arrival" and path in (None, r["path"])]
        return sorted(found, key=lambda record: record["n"])

    def ends(self, path):
        """How the requests for a path ended so far, in their order."""
        found = [record for record in self.log() if record.get("ev") == "done" and record["path"] == path]
        return sorted(found, key=lambda record: record["n"])

    def wait(self, count, path=None, seconds=20.0):
        wait_for(lambda: len(self.arrivals(path)) >= count, seconds)
        return self.arrivals(path)

    def tell(self, what, body=None):
        """Sends a control request, and returns the answer."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request("GET" if body is None else "POST", "/__receiver/" + what, body=body)
        answer = Answer(c.getresponse())
        c.close()
        assert answer.status == 200, answer.text
        return answer.json()

    def rule(self, path, **rule):
        self.tell("rules", json.dumps({path: rule}))

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Resolver:
    """Decides what host names resolve to, in services that are started with `settings`."""

    def __init__(self, directory, library):
        self.hosts = os.path.join(str(directory), "hosts")
        self.settings = {"LD_PRELOAD": library, "TEST_HOSTS": self.hosts}
        self.names = {}

    def lead(self, name, *addresses):
        """Has a name resolve to addresses. Without any, there is no such name; "hangs": the lookup is not answered."""
        self.names[name] = addresses
        with open(self.hosts + ".new", "w") as hosts:
            hosts.writelines(" ".join([name, *addresses]) + "\n" for name, addresses in self.names.items())
        os.rename(self.hosts + ".new", self.hosts)

    def asked(self, name):
        """How often a name was looked up."""
        try:
            with open(self.hosts + ".asked") as asked:
                return asked.read().split("\n").count(name)
        except FileNotFoundError:
            return 0


class Clock:
    """The clock of services that are started with `settings`, which a test can set forward. Due times, leases and the
    age of cached answers are by this clock; the time of day is not."""

    def __init__(self, directory, library):
        self.path = os.path.join(str(directory), "clock")
        self.settings = {"LD_PRELOAD": library, "TEST_CLOCK": self.path}
        self.microseconds = 0
        self.advance(0)

    def advance(self, seconds):
        self.microseconds += int(seconds * 1e6)
        # The processes have the file mapped, so it is changed in place.
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        os.pwrite(file, struct.pack("=q", self.microseconds), 0)
        os.close(file)


def header_of(arrival, name):
    """The value of a header that came once; None if it did not come."""
    values = [value for key, value in arrival["headers"] if key.lower() == name.lower()]
    assert len(values) <= 1, values
    return values[0] if values else None


class WebhookService(Service):
    """A service that may deliver to this machine, with an operations port."""

    def __init__(self, directory, **settings):
        defaults = {"DELIVERY_ALLOW_SUBNETS": LOOPBACK, "OPS_SERVER_PORT": free_port()}
        super().__init__(directory, **{**defaults, **settings})

    def metrics(self):
        """The samples of /metrics: {name and labels: value}, without the prefix of all names."""
        return {name.removeprefix("postroom_"): value for name, value in samples(self).items()}

    def finish(self, seconds=20.0):
        """Waits until each event is matched and each delivery is over. What has not come by then never comes."""

        def is_finished():
            found = self.metrics()
            return found["events_waiting"] == found["pending"] == 0

        wait_for(is_finished, seconds)

    def beside(self, command):
        """Starts another process on the same store, as another supervisor would."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                [PROGRAM, command],
                env=environment(self.directory, APP_PORT=self.port, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def api(self, method, path, body=None, headers=None, **options):
        """Sends a request whose body is JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        given = {"Content-Type": "application/json"} if body is not None else {}
        return self.call(method, path, body, {**given, **(headers or {})}, **options)

    def add(self, environment, url, prefix="", **members):
        """Creates a webhook, by default for one type of event."""
        wanted = {"name": "test", "url": url, "events": ["pipeline-created"], **members}
        answer = self.api("POST", "%s/environments/%s/webhooks" % (prefix, environment), wanted)
        assert answer.status == 201, (answer.status, answer.text)
        return answer.json()

    def publish(self, environment, event="pipeline-created", data=None, headers=None, **members):
        body = {"event": event, "data": {"pipeline_id": "p"} if data is None else data, **members}
        answer = self.api("POST", "/environments/%s/events" % environment, body, headers)
        assert answer.status == 202, (answer.status, answer.text)
        return answer.json()

    def webhook(self, webhook):
        answer = self.call("GET", "/webhooks/" + identity(webhook))
        assert answer.status == 200, answer.text
        return answer.json()

    def change(self, webhook, **members):
        answer = self.api("PATCH", "/webhooks/" + identity(webhook), members)
        assert answer.status == 200, answer.text
        return answer.json()

    def attempts(self, webhook, query=""):
        """The log of a webhook, newest first."""
        answer = self.call("GET", "/webhooks/%s/logs%s" % (identity(webhook), query))
        assert answer.status == 200, answer.text
        return answer.json()

    def statistics(self, webhook):
        answer = self.call("GET", "/webhooks/%s/stats" % identity(webhook))
        assert answer.status == 200, answer.text
        return answer.json()

    def settle(self, *webhooks, seconds=30.0):
        """Waits until nothing is pending for a webhook; returns the log of the first one, oldest first."""
        for webhook in webhooks:
            wait_for(lambda webhook=webhook: self.statistics(webhook)["pending"] == 0, seconds)
        return self.attempts(webhooks[0])[::-1]

    def key(self, environment):
        answer = self.call("GET", "/environments/%s/settings" % environment)
        assert answer.status == 200, answer.text
        return answer.json()["public_verification_key"]


def identity(webhook):
    return webhook if isinstance(webhook, str) else webhook["webhook_id"]


def new_environment():
    return str(uuid.uuid4())


def refusal(answer, status, code):
    """Checks that an answer is the documented error object, and returns its message."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert set(body) == {"error_code", "http_code", "internal_message", "message", "stacktrace"}
    assert (body["http_code"], body["error_code"]) == (status, code), body
    assert (body["internal_message"], body["stacktrace"]) == ("", []) and body["message"]
    assert answer.headers["content-type"].startswith("application/json")
    return body["message"]
