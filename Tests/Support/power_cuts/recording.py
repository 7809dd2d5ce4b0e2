"""Reads what Tests/Support/power_cut has recorded: the changes of files and names, and when each became durable."""

import bisect
import glob
import math
import mmap
import os
import struct

WRITE, SYNC, TRUNCATE, EXTEND, CREATE, RENAME, UNLINK, LINK, SYNC_DIRECTORY, FAILED_SYNC = range(1, 11)
HEADER = struct.Struct("<5Q2I")
PAGE = 4096
NEVER = math.inf


class Change:
    """A write, or another size, of a file."""

    __slots__ = ("kind", "start", "end", "offset", "data", "durable_at")

    def __init__(self, kind, start, end, offset, data, durable_at=NEVER):
        self.kind, self.start, self.end, self.offset, self.data = kind, start, end, offset, data
        self.durable_at = durable_at

    @property
    def stop(self):
        return self.offset + len(self.data)

    def apply(self, content):
        """Makes the change to the bytes of the file."""
        size = self.stop if self.kind == WRITE else self.offset
        if size > len(content):
            content.extend(bytes(size - len(content)))
        if self.kind == WRITE:
            content[self.offset : self.stop] = self.data
        elif self.kind == TRUNCATE:
            del content[self.offset :]

    def pages(self):
        return range(self.offset // PAGE, (self.stop + PAGE - 1) // PAGE)


class File:
    """A file that the recording saw, under whichever names."""

    def __init__(self, base=None):
        # The path of its content before the recording; None: it was empty.
        self.base = base
        self.size = os.path.getsize(base) if base else 0
        self.changes, self.syncs, self.failures = [], [], []

    def add(self, change):
        if change.kind == TRUNCATE:
            if change.offset >= self.size:
                change.kind = EXTEND
            self.size = change.offset
        else:
            self.size = max(self.size, change.offset if change.kind == EXTEND else change.stop)
        self.changes.append(change)

    def forget(self):
        self.syncs = []
        for change in self.changes:
            change.durable_at = NEVER

    def settle(self):
        """Finds out when each change became durable: at the end of the first sync that began after it."""
        self.changes.sort(key=lambda change: change.end)
        if self.failures:
            self.changes = [piece for change in self.changes for piece in pieces(change)]
        self.syncs.sort()
        starts = [start for start, _ in self.syncs]
        ends = [NEVER] * (len(starts) + 1)
        for index in range(len(starts) - 1, -1, -1):
            ends[index] = min(ends[index + 1], self.syncs[index][1])
        for change in self.changes:
            if change.durable_at == NEVER:
                change.durable_at = ends[bisect.bisect_left(starts, change.end)]
        self.spoil()
        self.merge()

    def spoil(self):
        """What was not durable when a sync failed may never become so: the system does not write it again."""
        for start, end in self.failures:
            for change in self.changes:
                if change.end <= start and change.durable_at > end:
                    change.durable_at = NEVER

    def merge(self):
        """A page becomes durable as a whole, with the writes to it before."""
        shared = {
            page
            for change in self.changes
            if change.kind == WRITE and (change.durable_at == change.end or self.failures)
            for page in change.pages()
        }
        earlier = {}
        for change in self.changes:
            if change.kind != WRITE:
                continue
            for page in change.pages():
                if page not in shared:
                    continue
                for other in earlier.setdefault(page, []):
                    other.durable_at = min(other.durable_at, max(change.durable_at, other.end))
                earlier[page] = [other for other in earlier[page] if other.durable_at > change.end] + [change]


def pieces(change):
    """A write, page by page."""
    if change.kind != WRITE or len(change.data) <= PAGE:
        return [change]
    cuts = [change.offset, *range((change.offset // PAGE + 1) * PAGE, change.stop, PAGE), change.stop]
    return [
        Change(WRITE, change.start, change.end, start, change.data[start - change.offset : stop - change.offset], change.durable_at)
        for start, stop in zip(cuts, cuts[1:])
    ]


class Naming:
    """A change of names, which is durable once its directory has been synced."""

    def __init__(self, kind, start, end, names, file):
        self.kind, self.start, self.end, self.names, self.file = kind, start, end, names, file
        self.durable_at = NEVER

    def apply(self, names):
        first, *others = self.names
        if self.kind == CREATE:
            names[first] = self.file
        elif self.kind == RENAME:
            names.pop(first, None)
            if others and others[0]:
                names[others[0]] = self.file
        elif self.kind == LINK:
            names[others[0]] = self.file
        else:
            names.pop(first, None)


class Recording:
    """All records of one run.

    - base: a copy of the directory as it was before
    - inodes: {name: inode} of the files in the directory then
    - forgotten: names of files whose syncs are taken as never made
    - reboots: when the machine was started again, after all was on the disk"""

    def __init__(self, log, base, inodes, forgotten=(), reboots=()):
        self.names = {name: File(os.path.join(base, name)) for name in inodes}
        self.namings = []
        self.files = list(self.names.values())
        current = {inode: self.names[name] for name, inode in inodes.items()}
        linked = dict(self.names)
        records = sorted((record for path in glob.glob(os.path.join(log, "log.*")) for record in read(path)), key=lambda r: r[1])
        self.start, self.end = (records[0][0], records[-1][1]) if records else (0, 0)
        directories = []
        for start, end, inode, offset, kind, durable, data in records:
            if kind in (CREATE, RENAME, UNLINK, LINK):
                names = [name.decode() for name in bytes(data).split(b"\0")[:-1]]
                if kind == CREATE and (current.get(inode) is None or current[inode] not in linked.values()):
                    current[inode] = File()
                    self.files.append(current[inode])
                file = current.get(inode)
                if file is None and kind != UNLINK:
                    # Renamed into the directory: what it has was written elsewhere.
                    raise AssertionError("unknown file: %s" % names)
                naming = Naming(kind, start, end, names, file)
                naming.apply(linked)
                self.namings.append(naming)
            elif kind == SYNC_DIRECTORY:
                directories.append((start, end))
            elif kind in (SYNC, FAILED_SYNC):
                file = current.get(inode)
                if file:
                    (file.syncs if kind == SYNC else file.failures).append((start, end))
            else:
                file = current.setdefault(inode, File())
                file.add(Change(kind, start, end, offset, data, end if durable else NEVER))
        self.linked = linked
        for name in forgotten:
            if name in linked:
                linked[name].forget()
        for reboot in reboots:
            directories.append((reboot, reboot))
            for file in self.files:
                file.syncs.append((reboot, reboot))
        for file in self.files:
            file.settle()
        for naming in self.namings:
            naming.durable_at = min((end for start, end in directories if start >= naming.end), default=NEVER)
        self.note_moments()

    def moment(self, random):
        """A time just after the beginning or the end of a change or a sync. Half of them are those of syncs, which are fewer:
        what must be synced before something else is missing between two of them."""
        return random.choice(random.choice([self.syncs, self.syncs + self.moments]))

    def note_moments(self):
        syncs = {time + 1 for file in self.files for sync in file.syncs for time in sync}
        changes = {time + 1 for file in self.files for change in file.changes for time in (change.start, change.end)}
        names = {time + 1 for naming in self.namings for time in (naming.start, naming.end, naming.durable_at) if time != NEVER}
        self.syncs, self.moments = sorted(syncs), sorted(changes | names)

    def verify(self, directory):
        """Compares the files after the run with all that was recorded: a write that was missed would make every image wrong."""
        for name, file in self.linked.items():
            path = os.path.join(directory, name)
            content = bytearray(contents(file.base) if file.base else b"")
            for change in file.changes:
                change.apply(content)
            found = contents(path)
            assert content == found, "%s was changed in a way that was not recorded: %d bytes, %d recorded" % (
                path, len(found), len(content))


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def read(path):
    """The records of one process."""
    size = os.path.getsize(path)
    if size == 0:
        return
    with open(path, "rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    at = 0
    while at + HEADER.size <= size:
        start, end, inode, offset, length, kind, durable = HEADER.unpack_from(content, at)
        at += HEADER.size
        yield start, end, inode, offset, kind, durable, content[at : at + length]
        at += length
