"""Starts the program on an image of a power cut, and reads and uses the store that it finds."""

import contextlib
import glob
import json
import os
import signal
import socket
import subprocess
import uuid

import fastcgi
from content import Content
from harness import PROGRAM, ROOT, environment
from history import body
from queue_service import basic

SECONDS = 60
ENDPOINT_LENGTH = 32
LOGIN = {"authorization": basic("alice")["Authorization"]}


def compile_library(directory):
    """Tests/Support/power_cut as a library for LD_PRELOAD."""
    library = os.path.join(str(directory), "power_cut.so")
    sources = sorted(glob.glob(os.path.join(ROOT, "Tests", "Support", "power_cut", "*.c")))
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, *sources, "-ldl", "-lpthread"], check=True)
    return library


class Boot:
    """A start of the machine: settings of the processes that see its number."""

    def __init__(self, library, directory):
        path = os.path.join(directory, "boot-" + uuid.uuid4().hex)
        with open(path, "w") as file:
            file.write(str(uuid.uuid4()) + "\n")
        self.settings = {"LD_PRELOAD": library, "POWER_CUT_BOOT": path}


class Fault(Exception):
    """What is wrong with a store after a power cut: kind and text."""


class Machine:
    """The program on one DATA_DIR, as after a start of the machine."""

    def __init__(self, directory, boot, settings):
        self.directory, self.settings = directory, {**settings, **boot.settings}

    def run(self, *arguments, record=None):
        """Runs a command, which must succeed; returns its output."""
        settings = dict(self.settings)
        if record:
            settings.update(POWER_CUT_DATA=self.directory, POWER_CUT_LOG=record)
        done = subprocess.run(
            [PROGRAM, *arguments, "--parent", str(os.getpid())],
            env=environment(self.directory, **settings), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
        if done.returncode != 0:
            text = (done.stdout[-2000:] + done.stderr[-2000:]).decode(errors="replace")
            raise Fault("%s: exit status %d: %s" % (" ".join(arguments), done.returncode, text))
        return done.stdout

    def recover(self, record=None):
        self.run("store", "migrate", record=record)

    def check(self):
        self.run("store", "check")

    def content(self):
        content = Content(self.run("store", "export"))
        if not content.is_complete:
            raise Fault("export: it is not complete")
        return content

    @contextlib.contextmanager
    def responder(self, record=None):
        """A responder; lends a function that calls it, whose `process` may be killed."""
        path = os.path.join(os.path.dirname(self.directory), "responder.sock")
        settings = dict(self.settings)
        if record:
            settings.update(POWER_CUT_DATA=self.directory, POWER_CUT_LOG=record)
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        with socket.socket(socket.AF_UNIX) as listener, open(path + ".log", "wb") as log:
            listener.bind(path)
            listener.listen(16)
            process = subprocess.Popen(
                [PROGRAM, "respond"], env=environment(self.directory, **settings), stdin=listener.fileno(), stdout=log, stderr=log)
        try:
            try:
                def call(*arguments, **headers):
                    return fastcgi.call(path, *arguments, **headers)

                call.process = process
                yield call
            except OSError as error:
                with open(path + ".log", errors="replace") as log:
                    raise Fault("responder: %r, exit status %s: %s" % (error, process.poll(), log.read()[-2000:])) from error
            if process.poll() == -signal.SIGKILL:
                return
            process.send_signal(signal.SIGTERM)
            if process.wait(SECONDS) != 0:
                raise Fault("responder: exit status %d" % process.returncode)
        finally:
            process.kill()
            process.wait()

    def use(self, call, shown, name):
        """Sends something to each source, and reads it. Its number must be above those that clients have seen:
        {source: number}."""
        for source, number in sorted(shown.items()):
            text = body("%s-%s" % (name, source))
            if len(source) == ENDPOINT_LENGTH:
                reply = call("POST", "/webhook/" + source, text.encode())
                if reply.status == 404:
                    continue
                path = "/manage/endpoint/%s/notifications?limit=1000&after=%d" % (source, number)
                found = [(entry["id"], entry["body"]) for entry in self.read(call, "GET", path)["notifications"]]
            else:
                client = "new-" + uuid.uuid4().hex
                self.expect(call("POST", "/listen/%s/%s" % (client, source), **LOGIN))
                reply = call("POST", "/q/" + source, text.encode())
                answer = self.read(call, "POST", "/read/%s?ack=manual" % client, **LOGIN)
                found = [(entry["id"], entry["message"]) for entry in answer["messages"] if entry["id"] > number]
                self.expect(call("POST", "/unlisten/" + client, **LOGIN))
            self.expect(reply)
            if [content for _, content in found].count(text) != 1:
                raise Fault("reused: a number of %s up to %d, which was shown before the power cut, is given again" % (source, number))

    def read_time(self, call):
        """Since when no message has been lost."""
        reply = call("GET", "/time")
        self.expect(reply)
        return reply.body

    def read(self, call, method, target, **headers):
        reply = call(method, target, **headers)
        self.expect(reply)
        return json.loads(reply.body)

    def expect(self, reply):
        if reply.status != 200:
            raise Fault("responder: status %d: %r" % (reply.status, reply.body[:300]))
