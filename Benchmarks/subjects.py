"""The services that are measured, on 127.0.0.1. Each is started for one measurement and ended after it.

All except the peer are behind nginx, with the configuration that `postroom serve` writes.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from processes import Program, arguments, private_bytes, processor_seconds, tree, wait_until

ROOT = Path(__file__).resolve().parent.parent
POSTROOM = Path(os.environ.get("POSTROOM") or ROOT / ".build/release/postroom")
NGINX = os.environ.get("NGINX", "/usr/sbin/nginx")
UNLIMITED = 1_000_000_000
# Requests are remembered for two minutes.
FORGOTTEN_SECONDS = 130


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(method, url, body=None, seconds=30):
    """Makes one request, and returns the body of the answer. Fails if the status is not 2xx."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=seconds) as answer:
        return answer.read()


def compact(directory):
    """Compacts a store, so that pages freed by its preparation do not affect the measurement."""
    environment = {**os.environ, "DATA_DIR": str(directory)}
    subprocess.run([str(POSTROOM), "store", "compact"], env=environment, stdout=subprocess.DEVNULL, check=True)


class Subject:
    """A running service. `nginx_seconds` and `responder_seconds` are CPU time used so far."""

    name = ""
    programs: list = []

    def __init__(self, port=None):
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.programs = []

    def __enter__(self):
        try:
            self.start()
            wait_until(self.answers, f"the start of {self.name}")
            return self
        except BaseException:
            for program in self.programs:
                print(program.last_output(), file=sys.stderr)
            self.__exit__()
            raise

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.stop()

    def start(self):
        raise NotImplementedError

    def answers(self):
        for program in self.programs:
            program.require_running()
        try:
            call("POST", self.base + "/", b"", seconds=2)
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
        return True

    def url(self):
        """A URL that accepts POST requests."""
        return self.base + "/"

    def processes(self):
        """The processes of nginx, and those of the responders."""
        everything = [process for program in self.programs for process in tree(program.id)]
        nginx, responders = [], []
        for process in everything:
            with contextlib.suppress(OSError):
                words = arguments(process)
                if words[0].startswith("nginx:"):
                    nginx.append(process)
                elif self.is_responder(words):
                    responders.append(process)
        return nginx, responders

    def is_responder(self, words):
        return False

    def cost(self):
        """The seconds of CPU time so far of nginx, and of the responders."""
        nginx, responders = self.processes()
        return sum(map(processor_seconds, nginx)), sum(map(processor_seconds, responders))

    def memory(self):
        """The private bytes of the responder that has most, without the mapped store."""
        return max((private_bytes(process, without=["store.mdb"]) for process in self.processes()[1]), default=0)


class Postroom(Subject):
    """`postroom serve` with nginx, as it is usually run."""

    def __init__(self, directory, durability="process", port=None, **settings):
        super().__init__(port)
        self.name = f"Postroom, DURABILITY={durability}"
        self.directory = Path(directory)
        self.settings = {
            "APP_HOST": "127.0.0.1", "APP_PORT": str(self.port), "DATA_DIR": str(self.directory), "OPS_SERVER_PORT": "0",
            "LOG_LEVEL": "ERROR",
            "DURABILITY": durability, "MAX_ENDPOINT_NOTIFICATIONS": str(UNLIMITED), "MAX_ENDPOINT_BYTES": str(1 << 40),
            "MAX_ACTIVE_ENDPOINTS": str(UNLIMITED), **{name: str(value) for name, value in settings.items()},
        }
        self.endpoint = None

    def start(self):
        self.programs.append(Program([str(POSTROOM), "serve"], self.settings))

    def answers(self):
        self.programs[0].require_running()
        try:
            return call("GET", self.base + "/healthz", seconds=5) == b"ok\n"
        except OSError:
            return False

    def create(self):
        return json.loads(call("POST", self.base + "/manage/endpoint"))["endpointId"]

    def url(self):
        if self.endpoint is None:
            self.endpoint = self.create()
        return f"{self.base}/webhook/{self.endpoint}"

    def is_responder(self, words):
        return words[1:2] == ["respond"]


class BehindOurNginx(Subject):
    """Another service behind nginx, with Postroom's configuration."""

    def __init__(self, directory):
        super().__init__()
        self.directory = Path(directory)
        self.run = self.directory / "run"

    def start(self):
        # It writes the files; its answer shows that they are valid. "/" is a path like others without the inspector.
        with Postroom(self.directory, port=self.port, RESPONDERS=1, INSPECTOR="off"):
            owner = (self.run / "responder-1.sock").stat()
        self.adapt(owner)
        command = [NGINX, "-p", str(self.run), "-c", str(self.run / "nginx.conf"), "-e", "stderr"]
        self.programs.append(Program(command))

    def adapt(self, owner):
        """Replaces the responders by the subject; `owner` is the status of their socket."""
        raise NotImplementedError

    def replace(self, name, old, new):
        path = self.run / name
        text = path.read_text()
        if text.count(old) != 1:
            raise RuntimeError(f"{path} does not contain \"{old}\" exactly once")
        path.write_text(text.replace(old, new))


class NginxAlone(BehindOurNginx):
    name = "nginx alone, `return 200`"

    def adapt(self, owner):
        # The outer location, which is not inside another.
        begin = "location / {\n"
        self.replace("locations.conf", begin, begin + "    return 200;\n")


class CResponder(BehindOurNginx):
    name = "C responder, stores nothing"

    def __init__(self, directory, program):
        super().__init__(directory)
        self.program = program

    def adapt(self, owner):
        path = self.run / "responder-1.sock"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o660)
            listener.listen(4096)
            self.programs.append(Program([str(self.program)], stdin=listener))

    def is_responder(self, words):
        return words[0] == str(self.program)


class Peer(Subject):
    """cactus_client_notifications, the service whose API Postroom also has: aiohttp, in memory, no nginx."""

    name = "cactus_client_notifications 0.1.0"
    requirement = "cactus_client_notifications==0.1.0"
    start_code = (
        "from aiohttp import web; from cactus_client_notifications.server.main import app; import os; "
        "web.run_app(app, host='127.0.0.1', port=int(os.environ['APP_PORT']), print=None)")

    def __init__(self, python):
        super().__init__()
        self.python = str(python)
        self.endpoint = None

    @classmethod
    def install(cls, directory):
        """Installs the service. Returns its Python, or `None` and the reason."""
        python = Path(directory) / "bin/python"
        steps = [
            ["/usr/bin/python3", "-m", "venv", str(directory)],
            # It requires a later Python than it needs.
            [str(python), "-m", "pip", "install", "-q", "--ignore-requires-python", cls.requirement],
            [str(python), "-c", "import cactus_client_notifications.server.main"],
        ]
        for step in steps:
            try:
                done = subprocess.run(step, capture_output=True, text=True, timeout=180)
            except (OSError, subprocess.TimeoutExpired) as error:
                return None, str(error)
            if done.returncode != 0:
                return None, ([line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"])[-1]
        return python, None

    def start(self):
        environment = {
            "APP_PORT": str(self.port), "LOG_LEVEL": "ERROR", "MAX_ACTIVE_ENDPOINTS": str(UNLIMITED),
            "MAX_ENDPOINT_NOTIFICATIONS": str(UNLIMITED),
        }
        self.programs.append(Program([self.python, "-c", self.start_code], environment))

    def answers(self):
        self.programs[0].require_running()
        try:
            return b"STATS" in call("GET", self.base + "/manage", seconds=5)
        except OSError:
            return False

    def url(self):
        if self.endpoint is None:
            self.endpoint = json.loads(call("POST", self.base + "/manage/endpoint"))["endpointId"]
        return f"{self.base}/webhook/{self.endpoint}"

    def is_responder(self, words):
        return words[0] == self.python


def compile_c(directory, source, *options):
    """Compiles a C file of this directory."""
    target = Path(directory) / source.removesuffix(".c")
    compiler = shutil.which("gcc") or "cc"
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(target), str(ROOT / "Benchmarks" / source), *options], check=True)
    return target
