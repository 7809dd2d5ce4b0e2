"""Runs `postroom serve` with nginx, responders and a worker, on a port of 127.0.0.1."""

import fcntl
import http.client
import itertools
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import database

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAM = os.environ.get("POSTROOM", os.path.join(ROOT, ".build", "release", "postroom"))

# Tests open as many sockets as the system allows.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


# Every process of a test run has its own ports, below those of outgoing connections (from 32768 on): the port of a
# service is still free when it is started again.
PORTS_PER_PROCESS = 2_000
process_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
first_port = 12_000 + process_number * PORTS_PER_PROCESS
ports = itertools.cycle(range(first_port, first_port + PORTS_PER_PROCESS))


def compiled(name, directory):
    """Tests/Support/NAME.c as a library for LD_PRELOAD."""
    library = os.path.join(str(directory), name + ".so")
    source = os.path.join(ROOT, "Tests", "Support", name + ".c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def free_port():
    """A free port of 127.0.0.1 that no other process of this test run uses."""
    for port in itertools.islice(ports, PORTS_PER_PROCESS):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("all ports of this test process are in use")


def wait_for(condition, seconds=20.0, pause=0.02):
    """Waits until the condition is true, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, "the condition is not true after %s s" % seconds
        time.sleep(pause)


def environment(directory, **settings):
    # The last one is of scripts/coverage.
    kept = ("PATH", "HOME", "LANG", "LD_PRELOAD", "LLVM_PROFILE_FILE")
    plain = {name: value for name, value in os.environ.items() if name in kept}
    plain["DATA_DIR"] = str(directory)
    plain.update(database.settings(directory))
    # Services of several tests run at a time.
    plain["OPS_SERVER_PORT"] = "0"
    # Many services are started; each would write 64 MiB first.
    plain["JOURNAL_BYTES"] = str(4 << 20)
    plain.update({name: str(value) for name, value in settings.items()})
    return plain


def install_share(prefix):
    """Copies what the program reads to where `make install` puts it; returns the directory of the templates."""
    for name in ("nginx", "api", "page"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(prefix, "share", "postroom", name))
    return os.path.join(prefix, "share", "postroom", "nginx")


def postroom(directory, *arguments, stdin=None, timeout=120, **settings):
    """Runs a command of `postroom` to its end."""
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

    def stop(self):
        """Ends the service in order, and returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_all()
                raise
        return self.process.returncode

    def children(self):
        """The processes of this service without the supervisor: {pid: command line}."""
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
        """Kills every process of the service at once."""
        pids = [self.process.pid, *self.children()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) and alive(pid) for pid in pids))

    def note_crash(self):
        """Writes the mark that a service of version 0.1 with DURABILITY=process leaves when the machine crashes."""
        with open(os.path.join(self.directory, "running"), "w") as mark:
            mark.write("another-start-of-the-machine process\n")

    def come_to_rest(self):
        """Waits until nginx and the responders have read all that was sent to them, and sleep.

        A request that is not answered by then waits for something that has not happened yet. Each process is checked
        twice: if none has run in between, all of them slept at the same time."""

        def sleeps():
            pids = [pid for pid, line in self.children().items() if "nginx: worker" in line or " respond" in line]
            before = [sleep_of(pid) for pid in pids]
            return None not in before and before == [sleep_of(pid) for pid in pids]

        wait_for(sleeps, pause=0.001)

    # ------------------------------------------------------------ HTTP

    def begin(self, method, path, headers=None):
        """Sends a request, and returns when it is answered or waits."""
        return BegunRequest(self, method, path, headers)

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

    def hook(self, endpoint, body=b"", headers=None, suffix="", connection=None):
        return self.call("POST", "/webhook/" + endpoint + suffix, body, headers, connection)

    def collect(self, endpoint):
        answer = self.call("GET", "/manage/endpoint/" + endpoint)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()["notifications"]

    def look(self, endpoint, query="", **options):
        return self.call("GET", "/manage/endpoint/%s/notifications%s" % (endpoint, query), **options)

    def begin_look(self, endpoint, query):
        return self.begin("GET", "/manage/endpoint/%s/notifications%s" % (endpoint, query))

    def configure(self, endpoint, **members):
        return self.call("PUT", "/manage/endpoint/" + endpoint, json.dumps(members))

    def bodies(self, endpoint):
        return [n["body"] for n in self.collect(endpoint)]

    def check(self):
        """Runs `postroom store check`, which must find no fault; returns its output."""
        result = postroom(self.directory, "store", "check")
        assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
        return result.stdout.decode()


class BegunRequest:
    """A request whose answer is read later."""

    def __init__(self, service, method, path, headers):
        self.connection = service.connection(10)
        self.connection.request(method, service.mount + path, headers=headers or {})
        wait_until_arrived(self.connection.sock)
        service.come_to_rest()

    @property
    def is_answered(self):
        return bool(select.select([self.connection.sock], [], [], 0)[0])

    def answer(self):
        answer = Answer(self.connection.getresponse())
        self.connection.close()
        return answer


def wait_until_arrived(sock):
    """Waits until the other side of a TCP connection has received all that was sent (tcp(7), SIOCOUTQ)."""
    wait_for(lambda: fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)) == bytes(4), pause=0.001)


def sleep_of(pid):
    """How often a process has gone to sleep, if it now sleeps until there are events and no thread waits for the disk."""
    try:
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, thread)) as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] != "S":
                    return None
        with open("/proc/%d/wchan" % pid) as function, open("/proc/%d/status" % pid) as status:
            if "poll" in function.read():
                return next(line for line in status if line.startswith("voluntary_ctxt_switches"))
    except OSError:
        pass
    return None


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def exchange(service, request):
    """Sends bytes on a new connection, and returns the whole answer."""
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
    """Sends the bytes of a request on a new connection, and returns the answer."""
    head, _, text = exchange(service, request).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    status = int(lines[0].split()[1])
    return SimpleNamespace(status=status, headers=headers, text=text.decode(), json=lambda: json.loads(text))


def together(count, run):
    """Runs `run(0)`, `run(1)` and so on at the same time, and returns their results."""
    barrier = threading.Barrier(count)

    def start(index):
        barrier.wait(10)
        return run(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


class Threads:
    """Runs the method `run` in threads for the duration of a with block; `stopping` is set at its end."""

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
    """Threads that post numbered bodies to endpoints, each on its own connection, the next after each answer."""

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
