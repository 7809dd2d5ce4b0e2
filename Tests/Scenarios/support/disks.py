"""Small disks that scenarios fill, and disks that fail when a test says so (Tests/Support/failing_disk.c)."""

import contextlib
import mmap
import os
import struct

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def fill(path):
    """Writes a file until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


FIELDS = (
    "holds_syncs", "holds_writes", "sync_microseconds", "syncs_until_failure", "writes_until_failure", "full_odds",
    "syncs", "writes", "failures", "writer", "syncer",
)  # fmt: skip
BYTES = 64
FILES = ("journal", "store.mdb")


class Faults:
    """The faults of one file; a field is read and set as an attribute."""

    def __init__(self, memory, start):
        object.__setattr__(self, "memory", memory)
        object.__setattr__(self, "start", start)

    def __getattr__(self, name):
        return struct.unpack_from("=i", self.memory, self.start + 4 * FIELDS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("=i", self.memory, self.start + 4 * FIELDS.index(name), value)


class FailingDisk:
    """The faults of the files of one service, and the settings with which it meets them."""

    def __init__(self, path, library):
        path.write_bytes(bytes(BYTES * len(FILES)))
        self.file = open(path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.journal, self.store = (Faults(self.memory, BYTES * number) for number in range(len(FILES)))
        self.settings = {"LD_PRELOAD": library, "FAILING_DISK": str(path)}

    @contextlib.contextmanager
    def holding(self, *held):
        """Syncs of the files wait meanwhile; of both if none is given."""
        for faults in held or (self.journal, self.store):
            faults.holds_syncs = 1
        try:
            yield
        finally:
            self.release()

    def release(self):
        for faults in (self.journal, self.store):
            faults.holds_syncs = faults.holds_writes = 0

    def close(self):
        self.release()
        self.memory.close()
        self.file.close()
