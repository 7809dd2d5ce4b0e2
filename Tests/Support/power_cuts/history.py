"""What clients did and were answered, with the times (CLOCK_MONOTONIC, in ns) by which a power cut is judged."""

import math
import time
import zlib

NEVER = math.inf


class Call:
    """A request. `start` is before it was sent, `end` after its whole answer had come: until then it may have had its effect,
    from then on it must have."""

    __slots__ = ("kind", "source", "given", "start", "end", "status", "result")

    def __init__(self, kind, source, given=None):
        self.kind, self.source, self.given = kind, source, given
        self.start, self.end, self.status, self.result = time.monotonic_ns(), NEVER, None, None

    def answered(self, status, result=None):
        self.status, self.result, self.end = status, result, time.monotonic_ns()

    @property
    def is_done(self):
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_refused(self):
        """Whether the program has answered that it did nothing. After other errors it may have done it."""
        return self.status is not None and (400 <= self.status < 500 or self.status == 507)

    @property
    def done(self):
        """When it had certainly had its effect."""
        return self.end if self.is_done else NEVER

    @property
    def refused(self):
        """When it was certain that it has no effect."""
        return self.end if self.is_refused else NEVER

    def may_have_been_done(self, time):
        return self.start < time < self.refused


class History:
    """The calls of one run, after the content that the store had before."""

    def __init__(self, content=None, shown=None):
        self.content, self.calls = content, []
        # When a write first found the disk full: from then on, what is finished may be dropped to make room. A process that
        # is started later does not do so.
        self.full_since = NEVER
        # The highest number that clients had seen of each source before: {source: number}.
        self.shown = shown or {}

    def begin(self, kind, source, given=None):
        call = Call(kind, source, given)
        self.calls.append(call)
        return call


def body(name):
    """The content that belongs to a name: mostly short, sometimes longer than a page, rarely much longer."""
    seed = zlib.crc32(name.encode())
    share, size = seed % 100, seed // 100
    if share < 60:
        length = size % 350
    elif share < 85:
        length = 400 + size % 2600
    elif share < 98:
        length = 4000 + size % 26000
    else:
        length = 100_000 + size % 200_000
    text = "%s|%08x" % (name, seed)
    return text + (text * (length // len(text) + 1))[:length]


def name_of(text):
    """The name that a content begins with, if the content is that of the name."""
    name = text.partition("|")[0]
    return name if text == body(name) else None
