"""Starts the real thing: nginx, responders and worker from one `postroom serve`, on a port of 127.0.0.1."""

import base64
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("POSTROOM", os.path.join(ROOT, ".build", "release", "postroom"))


# Tests open as many sockets as the system lets them.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


given_ports = set()


def free_port():
    """A port that nobody listens at, and that this process was not given before."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given_ports:
            given_ports.add(port)
            return port


def wait_for(condition, seconds=20.0, pause=0.02):
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, "it did not happen within %s s" % seconds
        time.sleep(pause)


def environment(directory, **settings):
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LD_PRELOAD")}
    plain["DATA_DIR"] = str(directory)
    # Services of several tests run at a time.
    plain["OPS_SERVER_PORT"] = "0"
    plain.update({name: str(value) for name, value in settings.items()})
    return plain


def postroom(directory, *arguments, stdin=None, timeout=120, **settings):
    """Runs a subcommand to its end."""
    return subprocess.run(
        [PROGRAM, *arguments], env=environment(directory, **settings), input=stdin, timeout=timeout, capture_output=True
    )


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Service:
    def __init__(self, directory, program=PROGRAM, arguments=(), **settings):
        os.makedirs(directory, exist_ok=True)
        self.directory = os.path.join(str(directory), "var")
        self.port = int(settings.pop("APP_PORT", 0)) or free_port()
        self.host = settings.get("APP_HOST", "127.0.0.1")
        self.mount = settings.get("MOUNT_POINT", "").rstrip("/")
        self.settings = settings
        self.command = [program, "serve", *arguments]
        self.log_path = os.path.join(str(directory), "log")
        self.process = None

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                self.command,
                env=environment(self.directory, APP_PORT=self.port, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            wait_for(lambda: self.process.poll() is not None or b"Create an endpoint" in self.raw_log()[start:], 30)
            assert self.process.poll() is None, self.log()
        return self

    def raw_log(self):
        with open(self.log_path, "rb") as log:
            return log.read()

    def log(self):
        return self.raw_log().decode(errors="replace")

    def stop(self, timeout=30):
        """Ends the service in order, and returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill_all()
                raise
        return self.process.returncode

    def children(self):
        """The processes of this service but the supervisor: {pid: command line}."""
        found, known = {}, {self.process.pid}
        grew = True
        table = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % name) as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
                with open("/proc/%s/cmdline" % name) as line:
                    table[int(name)] = (int(fields[1]), fields[0], line.read().replace("\0", " ").strip())
            except OSError:
                continue
        while grew:
            grew = False
            for pid, (parent, state, line) in table.items():
                if parent in known and pid not in known and state != "Z":
                    known.add(pid)
                    found[pid] = line
                    grew = True
        return found

    def responders(self):
        return sorted(pid for pid, line in self.children().items() if " respond" in line)

    def workers(self):
        return sorted(pid for pid, line in self.children().items() if " work" in line and "nginx" not in line)

    def kill_all(self):
        """Every process of the service at once, as when the machine's memory runs out."""
        pids = [self.process.pid, *self.children()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) and alive(pid) for pid in pids))

    # ------------------------------------------------------------ HTTP

    def connection(self, timeout=30):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, connection=None, timeout=30):
        c = connection or self.connection(timeout)
        c.request(method, self.mount + path, body=body, headers=headers or {})
        answer = Answer(c.getresponse())
        if connection is None:
            c.close()
        return answer

    def create(self):
        answer = self.call("POST", "/manage/endpoint")
        assert answer.status == 201, (answer.status, answer.text)
        return answer.json()["endpointId"]

    def hook(self, endpoint, body=b"", headers=None, method="POST", suffix="", connection=None):
        return self.call(method, "/webhook/" + endpoint + suffix, body, headers, connection)

    def collect(self, endpoint):
        answer = self.call("GET", "/manage/endpoint/" + endpoint)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()["notifications"]

    def look(self, endpoint, query="", **options):
        return self.call("GET", "/manage/endpoint/%s/notifications%s" % (endpoint, query), **options)

    def configure(self, endpoint, **members):
        return self.call("PUT", "/manage/endpoint/" + endpoint, json.dumps(members))

    def bodies(self, endpoint):
        return [n["body"] for n in self.collect(endpoint)]

    def check(self):
        """`postroom store check`, which must find nothing."""
        result = postroom(self.directory, "store", "check")
        assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
        return result.stdout.decode()


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def exchange(service, request):
    """Sends bytes on a connection of their own, and returns all that comes back."""
    with socket.create_connection((service.host, service.port), timeout=10) as s:
        s.sendall(request)
        answer = b""
        s.settimeout(10)
        try:
            while chunk := s.recv(65536):
                answer += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    return answer


def raw(service, request):
    """What a whole request on a connection of its own is answered."""
    head, _, text = exchange(service, request).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    return SimpleNamespace(status=int(lines[0].split()[1]), headers=headers, text=text.decode(), json=lambda: json.loads(text))


def together(count, run):
    """Runs `run(0)`, `run(1)` and so on at the same moment, and returns what they returned."""
    barrier = threading.Barrier(count)

    def start(index):
        barrier.wait(10)
        return run(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


class Threads:
    """Runs `run` of the class in threads for as long as a with block lasts; `stopping` tells them of its end."""

    def __init__(self, arguments):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(argument,)) for argument in arguments]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Senders(Threads):
    """Threads that post numbered bodies to endpoints as fast as they are answered, each on a kept connection."""

    def __init__(self, service, endpoints, count):
        self.service = service
        self.endpoints = endpoints
        self.acknowledged = [[] for _ in range(count)]
        self.failures = []
        super().__init__(range(count))

    def run(self, index):
        connection = self.service.connection()
        number = 0
        while not self.stopping.is_set():
            body = "%d-%d" % (index, number)
            number += 1
            endpoint = self.endpoints[number % len(self.endpoints)]
            try:
                answer = self.post(endpoint, body, connection)
                if answer.status == 200:
                    self.acknowledged[index].append(body)
                else:
                    self.failures.append((body, answer.status, answer.text))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((body, repr(error)))
                connection.close()
                connection = self.service.connection()
        connection.close()

    def post(self, endpoint, body, connection):
        return self.service.hook(endpoint, body, connection=connection)

    def sent(self):
        return sorted(body for bodies in self.acknowledged for body in bodies)


# ------------------------------------------------------------ queues

USERS = ("admin", "alice", "bob")


def password(user):
    return user + "-secret"


def plain_user(name, queues, **members):
    return {"name": name, "pass_hash": "plain;;" + password(name), "queues": list(queues), **members}


def configuration(queues, users=USERS, **members):
    """What a configuration file holds: queues, given by name or in full, and users who may listen to all of them."""
    queues = [queue if isinstance(queue, dict) else {"name": queue} for queue in queues]
    names = [queue["name"] for queue in queues]
    return {
        "listen_host": "127.0.0.1",
        "listen_port": 8080,
        "users": [plain_user(name, names, can_reload=name == "admin") for name in users],
        "queues": queues,
        **members,
    }


def basic(user, secret=None):
    token = "%s:%s" % (user, password(user) if secret is None else secret)
    return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}


def roomy(name, **members):
    """A queue that keeps whatever a test sends."""
    return {"name": name, "max_message_count": 10**9, "max_queue_size": 10**12, **members}


class QueueService(Service):
    """A service whose queues are configured by a file in DATA_DIR."""

    def __init__(self, directory, config=None, **settings):
        super().__init__(directory, **settings)
        self.config = os.path.join(self.directory, "options.conf")
        if config is not None:
            os.makedirs(self.directory, exist_ok=True)
            self.write(config)

    def write(self, config):
        """Replaces the file, as an editor does: a dictionary, a text or bytes."""
        if isinstance(config, dict):
            config = json.dumps(config, indent=2)
        with open(self.config + ".edited", "wb") as file:
            file.write(config.encode() if isinstance(config, str) else config)
        os.rename(self.config + ".edited", self.config)

    def text(self):
        with open(self.config, encoding="utf-8") as file:
            return file.read()

    def ask(self, method, path, body=None, user="alice", secret=None, headers=None, **options):
        """A request with a login."""
        return self.call(method, path, body, {**basic(user, secret), **(headers or {})}, **options)

    def post(self, queue, body=b"", headers=None, **options):
        body = body.encode() if isinstance(body, str) else body
        return self.call("POST", "/q/" + queue, body, headers, **options)

    def send(self, queue, *bodies):
        for body in bodies:
            answer = self.post(queue, body)
            assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)

    def listen(self, client, queue, **options):
        answer = self.ask("POST", "/listen/%s/%s" % (client, queue), **options)
        assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)
        return client

    def read(self, client, query="", **options):
        return self.ask("POST", "/read/%s%s" % (client, query), **options)

    def texts(self, client, query="", **options):
        return [text for _, text in read_messages(self.read(client, query, **options))]

    def acknowledge(self, client, number, **options):
        return self.ask("POST", "/ack/%s/%s" % (client, number), **options)

    def overview(self, query="", user="alice"):
        answer = self.ask("GET", "/queues" + query, user=user)
        assert answer.status == 200, answer.text
        return answer.json()

    def reload(self):
        return self.ask("POST", "/reload", user="admin")

    def load(self, config):
        self.write(config)
        answer = self.reload()
        assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)

    def set_password(self, user, new, secret=None, **options):
        return self.ask("POST", "/setPassword", json.dumps({"password": new}), user=user, secret=secret, **options)

    def logs_in(self, user, secret=None, **options):
        """Whether the login is right; None where it is not looked at."""
        status = self.read("nobody-listens-so", user=user, secret=secret, **options).status
        assert status in (404, 403, 429), status
        return {404: True, 403: False, 429: None}[status]


def read_messages(answer):
    """The ids and texts that a read handed out."""
    assert answer.status == 200, (answer.status, answer.text)
    return [(message["id"], message["message"]) for message in answer.json()["messages"]]


def error(answer, status, refresh=False):
    """An Error object and nothing else; returns its text."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert body["refresh"] is refresh and body["message"]
    assert set(body) - {"current_message"} == {"refresh", "message"}
    return body["message"]


class QueueSenders(Senders):
    def post(self, queue, body, connection):
        return self.service.post(queue, body, connection=connection)


class QueueReaders(Threads):
    """Threads that read, one for each client; `found` has what each was given, in the order it was."""

    def __init__(self, service, clients, query=""):
        self.service, self.query, self.failures = service, query, []
        self.found = {client: [] for client in clients}
        super().__init__(clients)

    def run(self, client):
        connection = self.service.connection()
        while not self.stopping.is_set():
            try:
                answer = self.service.read(client, self.query, connection=connection)
                if answer.status == 200:
                    self.take(client, read_messages(answer), connection)
                else:
                    self.failures.append((client, answer.status, answer.text))
            except Exception as error:  # noqa: BLE001
                self.failures.append((client, repr(error)))
                connection.close()
                connection = self.service.connection()
            self.stopping.wait(0.02)
        connection.close()

    def take(self, client, messages, connection):
        self.found[client] += messages

    def drain(self, seconds=20):
        """Ends the threads once each client has been given all that was posted before."""
        for client, found in self.found.items():
            current = self.service.overview()
            log = {queue["name"]: queue["current_message"] for queue in current["queues"]}
            follows = {entry["name"]: log[entry["queue"]] for entry in current["clients"]}[client]
            wait_for(lambda: (found[-1][0] if found else 0) >= follows or self.failures, seconds)


class AcknowledgingReaders(QueueReaders):
    """The same with ack=manual; some acknowledgements are left out, so that messages come again."""

    def __init__(self, service, clients):
        super().__init__(service, clients, "?ack=manual&wait=1")

    def take(self, client, messages, connection):
        self.found[client] += messages
        if messages and len(self.found[client]) % 5:
            answer = self.service.acknowledge(client, messages[-1][0], connection=connection)
            if answer.status != 200:
                self.failures.append((client, "ack", answer.status, answer.text))


# ------------------------------------------------------------ outbound webhooks

# Receivers of tests are on this machine, where nothing is delivered to unless it is allowed.
LOOPBACK = "127.0.0.0/8,::1/128"


class Receiver:
    """receiver.py on a port of 127.0.0.1; `python` is the one that has the libraries which arguments ask for."""

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
        """Every line so far."""
        with open(self.log_path, "rb") as log:
            log.seek(self.read_to)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.read_to += len(whole)
        self.records += [json.loads(line) for line in whole.splitlines()]
        return self.records

    def arrivals(self, path=None):
        """The requests that came, those for a path if one is given, in the order they came."""
        found = [r for r in self.log() if r.get("ev", "arrival") == "arrival" and path in (None, r["path"])]
        return sorted(found, key=lambda record: record["n"])

    def ends(self, path):
        """What became of the requests for a path, in the order they came."""
        found = [record for record in self.log() if record.get("ev") == "done" and record["path"] == path]
        return sorted(found, key=lambda record: record["n"])

    def wait(self, count, path=None, seconds=20.0):
        wait_for(lambda: len(self.arrivals(path)) >= count, seconds)
        return self.arrivals(path)

    def tell(self, what, body=None):
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
    """Names that lead where a test wants, for services that are given `settings`."""

    def __init__(self, directory, library):
        self.hosts = os.path.join(str(directory), "hosts")
        self.settings = {"LD_PRELOAD": library, "TEST_HOSTS": self.hosts}
        self.names = {}

    def lead(self, name, *addresses):
        """To addresses; without any there is no such name, and with "hangs" nobody tells."""
        self.names[name] = addresses
        with open(self.hosts + ".new", "w") as hosts:
            hosts.writelines(" ".join([name, *addresses]) + "\n" for name, addresses in self.names.items())
        os.rename(self.hosts + ".new", self.hosts)

    def asked(self, name):
        """How often it was looked up."""
        try:
            with open(self.hosts + ".asked") as asked:
                return asked.read().split("\n").count(name)
        except FileNotFoundError:
            return 0


def header_of(arrival, name):
    """The value of a header that came once; None where it did not come."""
    values = [value for key, value in arrival["headers"] if key.lower() == name.lower()]
    assert len(values) <= 1, values
    return values[0] if values else None


class WebhookService(Service):
    """A service that delivers to this machine."""

    def __init__(self, directory, **settings):
        super().__init__(directory, **{"DELIVERY_ALLOW_SUBNETS": LOOPBACK, **settings})

    def beside(self, command):
        """Another process of the same store, as another supervisor would start it."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                [PROGRAM, command],
                env=environment(self.directory, APP_PORT=self.port, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def api(self, method, path, body=None, headers=None, **options):
        """A request whose body is JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        given = {"Content-Type": "application/json"} if body is not None else {}
        return self.call(method, path, body, {**given, **(headers or {})}, **options)

    def add(self, environment, url, prefix="", **members):
        """Makes a webhook, by default for one kind of event."""
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
    """The documented error object and nothing else; returns its message."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert set(body) == {"error_code", "http_code", "internal_message", "message", "stacktrace"}
    assert (body["http_code"], body["error_code"]) == (status, code), body
    assert (body["internal_message"], body["stacktrace"]) == ("", []) and body["message"]
    assert answer.headers["content-type"].startswith("application/json")
    return body["message"]
