"""Commands that read the store slowly, or are stopped while they do: intake goes on, and the file stays bounded."""

import json
import os
import select
import signal
import struct
import subprocess
import time

import pytest
from disks import needs_root
from harness import PROGRAM, Threads, environment, postroom, wait_for

MEGABYTE = 1 << 20


def command(service, *arguments, **options):
    return subprocess.Popen(
        [PROGRAM, *arguments], env=environment(service.directory, **options.pop("settings", {})), stdin=subprocess.DEVNULL,
        **options)


class Load(Threads):
    """Posts large bodies and deletes them again: their pages can be used again once no reader sees them."""

    BYTES = 100_000

    def __init__(self, service, count=2):
        self.service = service
        self.statuses = set()
        self.posted = [0] * count
        super().__init__(range(count))

    def run(self, index):
        connection = self.service.connection()
        endpoint = self.service.create()
        while not self.stopping.is_set():
            self.statuses.add(self.service.hook(endpoint, b"x" * self.BYTES, connection=connection).status)
            path = "/manage/endpoint/%s/notifications?through=%d" % (endpoint, 1 << 40)
            self.statuses.add(self.service.call("DELETE", path, connection=connection).status)
            self.posted[index] += self.BYTES

    @property
    def bytes(self):
        return sum(self.posted)


def store_bytes(service):
    return os.path.getsize(os.path.join(service.directory, "store.mdb"))


def filled(service, count, size=500_000):
    endpoint = service.create()
    connection = service.connection()
    for _ in range(count):
        assert service.hook(endpoint, b"k" * size, connection=connection).status == 200
    return endpoint


def readers(service):
    """The processes that read the store at this moment (LMDB's lock file: each reader has 64 bytes)."""
    with open(os.path.join(service.directory, "store.mdb-lock"), "rb") as file:
        content = file.read()
    found = set()
    for start in range(128, len(content) - 16, 64):
        transaction, process = struct.unpack_from("<Qi", content, start)
        if process and transaction != (1 << 64) - 1:
            found.add(process)
    return found


def child_of(process):
    """The process of a command that reads the store for it; `None` before it has begun."""
    with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as file:
        children = file.read().split()
    return int(children[0]) if children else None


def stopped_while_it_reads(service, begin, reader=child_of, attempts=20):
    """A command that `begin` starts, and its process that reads the store, which is stopped in the middle of that.

    A command that had read everything before it was stopped is ended, and another is started.
    """
    for _ in range(attempts):
        process = begin()
        deadline = time.monotonic() + 2
        while process.poll() is None and time.monotonic() < deadline:
            child = reader(process)
            if child in readers(service):
                try:
                    os.kill(child, signal.SIGSTOP)
                    if child in readers(service):
                        return process, child
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # It has ended meanwhile.
                break
        process.kill()
        process.communicate(timeout=20)
    raise AssertionError("it had read everything before it was stopped, %d times" % attempts)


def test_an_export_that_nobody_reads_does_not_keep_the_store(serve):
    service = serve(RESPONDERS=2, MAX_STORE_BYTES="64m")
    kept = filled(service, 8)
    export = command(service, "store", "export", stdout=subprocess.PIPE)
    try:
        # It has something to send, and more than a pipe holds.
        assert select.select([export.stdout], [], [], 20)[0]
        with Load(service) as load:
            wait_for(lambda: load.bytes > 192 * MEGABYTE or load.statuses - {200, 204}, 60)
        assert load.statuses == {200, 204}
        assert store_bytes(service) < 48 * MEGABYTE
        assert export.poll() is None
        lines = [json.loads(line) for line in export.stdout]
        assert export.wait(20) == 0
    finally:
        export.kill()
        export.stdout.close()
    assert lines[-1]["kind"] == "end" and lines[-1]["counts"]["notification"] >= 8
    assert sum(line.get("body") == "k" * 500_000 for line in lines) == 8
    assert len(service.bodies(kept)) == 8


@pytest.mark.parametrize("target", ["file", "pipe"])
def test_a_stopped_export_is_ended_when_it_keeps_too_much(serve, tmp_path, target):
    """In a shell, the export to a file stops with its parent; here the process that reads the store is stopped alone."""
    service = serve(RESPONDERS=2, MAX_STORE_BYTES="256m")
    filled(service, 60)

    def begin():
        with open(tmp_path / "export", "wb") as file:
            output = file if target == "file" else subprocess.PIPE
            return command(service, "store", "export", stdout=output, stderr=subprocess.PIPE)

    export, child = stopped_while_it_reads(service, begin)
    try:
        with Load(service) as load:
            wait_for(lambda: "process=%d" % child in service.log() or load.statuses - {200, 204}, 60)
            _, errors = export.communicate(timeout=20)
            wait_for(lambda: child not in readers(service))
            size, sent = store_bytes(service), load.bytes
            wait_for(lambda: load.bytes > sent + 192 * MEGABYTE or load.statuses - {200, 204}, 60)
        assert load.statuses == {200, 204}
        # It grows by no more than two checkpoints keep.
        assert size < 240 * MEGABYTE and store_bytes(service) < size + 40 * MEGABYTE
        assert export.returncode == 75 and b"the service has ended this command" in errors
        assert "keeps it from working; ending it" in service.log() and "store export" in service.log()
    finally:
        export.kill()
    service.check()


def test_a_stopped_command_that_writes_is_ended_when_it_keeps_too_much(serve):
    """It holds a snapshot for as long as it has the store open."""
    service = serve(RESPONDERS=2, MAX_STORE_BYTES="256m")

    def begin():
        return command(service, "events", "purge", stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    purge, _ = stopped_while_it_reads(service, begin, reader=lambda process: process.pid)
    try:
        with Load(service) as load:
            wait_for(lambda: "process=%d" % purge.pid in service.log() or load.statuses - {200, 204}, 60)
            _, errors = purge.communicate(timeout=20)
        assert load.statuses == {200, 204}
        assert purge.returncode == 75 and b"the service has ended this command" in errors
        assert store_bytes(service) < 240 * MEGABYTE
    finally:
        purge.kill()
    service.check()


def test_an_export_to_a_pipe_without_a_temporary_directory_says_what_to_do(serve, tmp_path):
    service = serve(RESPONDERS=1)
    missing = str(tmp_path / "missing")
    result = postroom(service.directory, "store", "export", TMPDIR=missing)
    assert result.returncode == 1 and result.stdout == b""
    assert missing.encode() in result.stderr and b"set TMPDIR to a directory with more room" in result.stderr
    with open(tmp_path / "export", "wb") as file:
        export = command(service, "store", "export", stdout=file, settings={"TMPDIR": missing})
        assert export.wait(20) == 0
    assert (tmp_path / "export").read_bytes().splitlines()[-1].startswith(b'{"kind": "end"')


@needs_root
def test_an_export_leaves_room_on_the_disk_of_its_temporary_file(serve, small_disk):
    service = serve(RESPONDERS=1)
    result = postroom(service.directory, "store", "export", TMPDIR=str(small_disk))
    assert result.returncode == 1 and result.stdout == b""
    assert b"has no room for the export" in result.stderr and os.listdir(small_disk) == []
