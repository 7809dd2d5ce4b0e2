"""Builds what a power cut would have left: all that was synced before it, and of the rest any part.

Each sector has one of the contents that it had since the last sync: the system writes sectors whole, at any time and in any
order. Names are changed in their order, and the last changes may be missing. A file's size may be ahead of its content."""

import os
import shutil

from recording import EXTEND, TRUNCATE, WRITE

# LMDB's lock file, which a start finds as the processes left it or in any other state.
LOCK = "store.mdb-lock"


class Disk:
    """The files of a recording at rising times. `work` is a directory for the durable state of each file."""

    def __init__(self, recording, base, work):
        self.recording, self.base, self.work = recording, base, work
        os.makedirs(work)
        self.states = {file: DurableFile(file, os.path.join(work, str(i))) for i, file in enumerate(recording.files)}
        self.time = 0

    def image(self, time, directory, random):
        """Writes an image of a power cut at a time, which is not before that of the last image; returns a description."""
        assert time >= self.time
        self.time = time
        for state in self.states.values():
            state.advance(time)
        os.makedirs(directory)
        self.copy_others(directory, random)
        sector, description = random.choice([512, 4096]), []
        for name, file in sorted(self.names(time, random).items()):
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            done = self.states[file].write(time, path, sector, random)
            if done:
                description.append("%s: %s" % (name, done))
        return "sectors of %d bytes; %s" % (sector, "; ".join(description) or "all synced")

    def names(self, time, random):
        names, pending = dict(self.recording.names), []
        for naming in self.recording.namings:
            if naming.durable_at <= time:
                # The changes before it are durable too.
                for other in [*pending, naming]:
                    other.apply(names)
                pending = []
            elif naming.start < time:
                pending.append(naming)
        kept = random.choice([0, len(pending), random.randint(0, len(pending))])
        for naming in pending[:kept]:
            naming.apply(names)
        return names

    def copy_others(self, directory, random):
        """Copies what is not recorded."""
        for name in os.listdir(self.base):
            path = os.path.join(self.base, name)
            if name.endswith(("lock", "store.shared")) and os.path.isfile(path) and (name != LOCK or random.random() < 0.5):
                shutil.copyfile(path, os.path.join(directory, name))

    def remove(self):
        shutil.rmtree(self.work)


class DurableFile:
    """The durable content of a file at rising times, in a file of its own."""

    def __init__(self, file, path):
        self.path = path
        if file.base:
            shutil.copyfile(file.base, path)
        else:
            open(path, "wb").close()
        self.descriptor = None
        self.by_start = sorted(file.changes, key=lambda change: change.start)
        self.by_durability = sorted(file.changes, key=lambda change: (change.durable_at, change.end))
        self.started = self.durable = 0
        self.pending = []

    def advance(self, time):
        if self.durable < len(self.by_durability) and self.by_durability[self.durable].durable_at <= time:
            descriptor = os.open(self.path, os.O_RDWR)
            while self.durable < len(self.by_durability) and self.by_durability[self.durable].durable_at <= time:
                apply(self.by_durability[self.durable], descriptor)
                self.durable += 1
            os.close(descriptor)
        while self.started < len(self.by_start) and self.by_start[self.started].start < time:
            self.pending.append(self.by_start[self.started])
            self.started += 1
        self.pending = [change for change in self.pending if change.durable_at > time]
        self.pending.sort(key=lambda change: change.end)

    def write(self, time, path, sector, random):
        """Writes the durable content and a part of the rest; returns a description."""
        shutil.copyfile(self.path, path)
        if not self.pending:
            return ""
        descriptor = os.open(path, os.O_RDWR)
        try:
            if any(change.kind == TRUNCATE for change in self.pending):
                # Without a size that grows only, sectors do not stand for themselves: some first changes are there.
                kept = random.randint(0, len(self.pending))
                for change in self.pending[:kept]:
                    apply(change, descriptor)
                return "the first %d of %d changes" % (kept, len(self.pending))
            return self.write_sectors(descriptor, sector, random)
        finally:
            os.close(descriptor)

    def write_sectors(self, descriptor, sector, random):
        name, choose = choice(self.pending, random)
        kept = total = 0
        size = os.fstat(descriptor).st_size
        for number, writes in by_sector(self.pending, sector).items():
            count = choose(number * sector, writes)
            kept += count
            total += len(writes)
            start, stop = number * sector, (number + 1) * sector
            for change in writes[:count]:
                first, last = max(start, change.offset), min(stop, change.stop)
                os.pwrite(descriptor, change.data[first - change.offset : last - change.offset], first)
        sizes = [change.offset if change.kind == EXTEND else change.stop for change in self.pending]
        ahead = max(sizes[: random.choice([0, len(sizes), random.randint(0, len(sizes))])], default=0)
        if ahead > max(size, os.fstat(descriptor).st_size):
            os.ftruncate(descriptor, ahead)
        return "%d of %d unsynced sectors (%s)" % (kept, total, name)


def apply(change, descriptor):
    if change.kind == WRITE:
        os.pwrite(descriptor, change.data, change.offset)
    elif change.kind == TRUNCATE or change.offset > os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, change.offset)


def by_sector(changes, sector):
    """The writes to each sector, in their order."""
    found = {}
    for change in changes:
        if change.kind == WRITE:
            for number in range(change.offset // sector, (change.stop + sector - 1) // sector):
                found.setdefault(number, []).append(change)
    return found


def choice(changes, random):
    """Which part of the pending writes is there: a name, and a function that returns how many of a sector's writes are."""
    ends = [change.end for change in changes]
    offsets = sorted(change.offset for change in changes)
    moment, offset, share = random.choice(ends), random.choice(offsets), random.choice([0.05, 0.5, 0.95])
    recent = set(map(id, changes[-random.choice([1, 2, 5, 20]) :]))

    def some(_, writes):
        return len(writes) if random.random() < share else random.randint(0, len(writes) - 1)

    return random.choice(
        [
            ("none", lambda at, writes: 0),
            ("all", lambda at, writes: len(writes)),
            ("some", some),
            ("some", some),
            ("below an offset", lambda at, writes: len(writes) if at < offset else 0),
            ("above an offset", lambda at, writes: len(writes) if at >= offset else 0),
            ("the first two pages", lambda at, writes: len(writes) if at < 8192 else 0),
            ("all but the first two pages", lambda at, writes: len(writes) if at >= 8192 else 0),
            ("up to a time", lambda at, writes: sum(change.end <= moment for change in writes)),
            ("after a time", lambda at, writes: len(writes) if writes[-1].end > moment else 0),
            ("the last changes", lambda at, writes: len(writes) if id(writes[-1]) in recent else 0),
        ]
    )
