"""What is measured: services on 127.0.0.1, each started for one measurement and ended after it.

All but the peer stand behind nginx with the same configuration, the one that `postroom serve` writes.
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
    """One request; returns the answer's body, and fails where the status is no 2xx."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=seconds) as answer:
        return answer.read()


def compact(directory):
    """Leaves a store as if it had been made in one go, without holes that nothing measured has made."""
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
                print(program.said(), file=sys.stderr)
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
        """Where a request may be posted to."""
        return self.base + "/"

    def processes(self):
        """The processes of nginx, and those of responders."""
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
        """Seconds of CPU time so far: nginx's, and the responders'."""
        nginx, responders = self.processes()
        return sum(map(processor_seconds, nginx)), sum(map(processor_seconds, responders))

    def memory(self):
        """Private bytes of the responder that has the most, the store's mapping left out."""
        return max((private_bytes(process, without=["store.mdb"]) for process in self.processes()[1]), default=0)


class Postroom(Subject):
    """`postroom serve` with nginx, as one would run it."""

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
    """Something else behind nginx with Postroom's configuration."""

    def __init__(self, directory):
        super().__init__()
        self.directory = Path(directory)
        self.run = self.directory / "run"

    def start(self):
        # It writes the files, and has shown once it answers that they are right.
        with Postroom(self.directory, port=self.port, RESPONDERS=1):
            owner = (self.run / "responder-1.sock").stat()
        self.adapt(owner)
        command = [NGINX, "-p", str(self.run), "-c", str(self.run / "nginx.conf"), "-e", "stderr"]
        self.programs.append(Program(command))

    def adapt(self, owner):
        """Puts the subject in the responders' place; `owner` is whom their socket belonged to."""
        raise NotImplementedError

    def replace(self, name, old, new):
        path = self.run / name
        text = path.read_text()
        if text.count(old) != 1:
            raise RuntimeError(f"{path} does not hold \"{old}\" once")
        path.write_text(text.replace(old, new))


class NginxAlone(BehindOurNginx):
    name = "nginx alone, `return 200`"

    def adapt(self, owner):
        # Of the location that is not inside another.
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
    """cactus_client_notifications, the service whose clients Postroom serves too: aiohttp, in memory, no nginx."""

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
        """Returns the Python that has it, or says why there is none."""
        python = Path(directory) / "bin/python"
        steps = [
            ["/usr/bin/python3", "-m", "venv", str(directory)],
            # It asks for a later Python than it needs.
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
    """Compiles one of the C files beside this one."""
    target = Path(directory) / source.removesuffix(".c")
    compiler = shutil.which("gcc") or "cc"
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(target), str(ROOT / "Benchmarks" / source), *options], check=True)
    return target
