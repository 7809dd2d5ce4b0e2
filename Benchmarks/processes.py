"""Starts and ends processes, and reads their CPU time and memory from /proc."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(process):
    """The user and system time of all threads of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def arguments(process):
    return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")


def tree(root):
    """A process and all that descend from it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, rest = [], [root]
    while rest:
        process = rest.pop()
        found.append(process)
        rest += children.get(process, [])
    return found


def private_bytes(process, without=()):
    """The private memory of a process, without the mappings of some files."""
    total, counts = 0, True
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split(maxsplit=5)
        if "-" in words[0] and not words[0].endswith(":"):
            counts = not (len(words) == 6 and any(words[5].endswith(name) for name in without))
        elif counts and words[0] in ("Private_Clean:", "Private_Dirty:"):
            total += int(words[1]) * 1024
    return total


class Program:
    """A program that runs until `stop`, with all that it starts itself."""

    def __init__(self, command, environment=None, **options):
        self.command = command
        self.messages = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=self.messages, stderr=self.messages, start_new_session=True, **options)

    @property
    def id(self):
        return self.process.pid

    def require_running(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended with status {self.process.returncode}: {self.last_output()}")

    def last_output(self):
        """The end of its output."""
        size = os.fstat(self.messages.fileno()).st_size
        return os.pread(self.messages.fileno(), 500, max(0, size - 500)).decode(errors="replace").strip()

    def stop(self, signal_number=signal.SIGTERM, seconds=30):
        """Asks the program to end; after `seconds`, kills it and what it has started."""
        family = tree(self.id) if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        for process in family:
            if process != self.id and not self._is_ours(process):
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        self.messages.close()

    def _is_ours(self, process):
        """Whether the process is still one of the program's session."""
        try:
            return os.getsid(process) == self.id
        except ProcessLookupError:
            return False


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} seconds")
        time.sleep(0.01)
