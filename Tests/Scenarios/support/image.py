"""Carries out the Dockerfile without a container engine: each stage begins with the files of this machine."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess

from containers import command_in
from harness import ROOT

# Patterns of .dockerignore that this understands: names at the top, and names anywhere.
with open(os.path.join(ROOT, ".dockerignore")) as file:
    IGNORED = [line for line in file.read().split("\n") if line and not line.startswith("#")]


def is_ignored(path):
    name = os.path.basename(path)
    return any(
        fnmatch.fnmatch(name, pattern[3:]) if pattern.startswith("**/") else fnmatch.fnmatch(path, pattern)
        for pattern in IGNORED
    )


def instructions():
    """The instructions of the Dockerfile as (name, text), without comments and with joined lines."""
    with open(os.path.join(ROOT, "Dockerfile")) as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


class Stage:
    """A stage of the build. `path` comes before others in PATH while its commands run."""

    def __init__(self, root, path=""):
        self.root, self.path, self.directory = root, path, "/"
        self.environment, self.user, self.stop_signal, self.ports, self.volumes = {}, "root", None, [], []
        self.health, self.command = None, []

    def carry_out(self, name, text, stages):
        """Carries out one instruction; `stages` has the earlier stages by name."""
        getattr(self, "do_" + name.lower())(text, stages)

    def do_workdir(self, text, stages):
        self.directory = text
        os.makedirs(self.root + text, exist_ok=True)

    def do_copy(self, text, stages):
        words = text.split()
        source = stages[words.pop(0).removeprefix("--from=")].root if words[0].startswith("--from=") else None
        *froms, to = words
        target = self.root + os.path.normpath(os.path.join(self.directory, to))
        for path in froms:
            if source:
                subprocess.run(["cp", "-a", source + path + ("." if path.endswith("/") else ""), target], check=True)
                continue
            path = os.path.join(ROOT, path)
            if os.path.isdir(path):
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=ignored_names)
            else:
                assert not is_ignored(os.path.relpath(path, ROOT)), path
                os.makedirs(target, exist_ok=True)
                shutil.copy(path, target)

    def do_run(self, text, stages):
        command = command_in(
            self.root, "--chdir=" + self.directory, "--setenv=PATH=%s/usr/sbin:/usr/bin:/sbin:/bin" % self.path,
            "/bin/sh", "-c", text)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        assert done.returncode == 0, (text, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])

    def do_env(self, text, stages):
        self.environment.update(word.split("=", 1) for word in shlex.split(text))

    def do_label(self, text, stages):
        assert all("=" in word for word in shlex.split(text))

    def do_volume(self, text, stages):
        self.volumes += text.split()

    def do_expose(self, text, stages):
        self.ports += [int(word) for word in text.split()]

    def do_user(self, text, stages):
        self.user = text

    def do_stopsignal(self, text, stages):
        self.stop_signal = text

    def do_healthcheck(self, text, stages):
        self.health = json.loads(text.split("CMD", 1)[1])

    def do_entrypoint(self, text, stages):
        self.command = json.loads(text) + self.command

    def do_cmd(self, text, stages):
        self.command += json.loads(text)


def ignored_names(directory, names):
    """For shutil.copytree: the names in a directory that do not belong to the build."""
    return [name for name in names if is_ignored(os.path.relpath(os.path.join(directory, name), ROOT))]
