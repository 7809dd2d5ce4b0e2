"""Exports to a pipe that is read slowly: intake goes on, and the file stays bounded."""

import json
import os
import select
import subprocess

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
