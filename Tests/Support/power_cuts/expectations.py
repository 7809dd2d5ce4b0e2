"""Compares the content of a store after a power cut with what clients had been answered before it."""

from collections import defaultdict

from history import NEVER, name_of


class Item:
    """A notification or a message."""

    def __init__(self, start, acknowledged, refused=NEVER):
        self.start, self.acknowledged, self.refused = start, acknowledged, refused
        # The number that readers were shown, from when on. Before, it may change: a transaction whose process dies leaves
        # its number to another one, and either may be the one that a power cut keeps.
        self.shown, self.number = NEVER, None


class Source:
    """An endpoint or a queue: its items by name, and what removes them."""

    def __init__(self):
        self.created, self.items, self.names = 0, {}, {}
        # The calls that remove: up to a number, all that is there, or the endpoint itself.
        self.removals, self.collections, self.deletions = [], [], []
        # (end, highest number) of each answer.
        self.views = []

    def stored(self, name, start, acknowledged, refused=NEVER):
        self.items[name] = Item(start, acknowledged, refused)

    def show(self, found, end, faults, what):
        """Notes an answer with numbers and contents."""
        for number, text in found:
            name = name_of(text)
            item = self.items.get(name)
            if item is None:
                faults.append("in the run: %s has content that nobody sent: %d %.80r" % (what, number, text))
                continue
            if self.names.setdefault(number, name) != name or item.number not in (None, number):
                faults.append("in the run: %s: number %d has been shown for %s and for %s" % (what, number, self.names[number], name))
            item.number = number
            item.shown = min(item.shown, end)
        if found:
            self.views.append((end, max(number for number, _ in found)))

    def is_known(self, time):
        """Whether a client knows that it exists."""
        return any(end <= time for end, _ in self.views) or any(item.acknowledged <= time for item in self.items.values())

    def highest_shown(self, time):
        return max((number for end, number in self.views if end <= time), default=0)

    def compare(self, found, time, what, kept, reboots=()):
        """The faults of the items that a store has after a power cut.

        - kept: the time up to which all must be there: that of the cut, or an earlier one
        - reboots: when the machine was started again, which may have taken back what came before"""
        numbers = {}
        for number, text in found:
            name = name_of(text)
            item = self.items.get(name)
            if item is None or item.start >= time:
                yield "foreign: %s has content that nobody had sent: %d %.80r" % (what, number, text)
                continue
            if name in numbers:
                yield "doubled: %s has %s twice" % (what, name)
            if item.shown <= time and item.number != number:
                yield "renumbered: %s: %s has number %d and had %d" % (what, name, number, item.number)
            other = self.names.get(number, name)
            if other != name and self.items[other].shown <= time:
                yield "reused: %s: number %d was %s and is %s" % (what, number, other, name)
            if item.refused <= kept:
                yield "refused: %s has %s, which was refused %s before" % (what, name, ago(time, item.refused))
            numbers[name] = number
        must_be_gone = max((call.given for call in self.removals if call.done <= kept), default=0)
        taken = {name_of(text) for call in self.collections if call.done <= kept for _, text in call.result}
        for name, number in numbers.items():
            if name in taken or number <= must_be_gone:
                yield "back: %s has %s (number %s) again, which was removed" % (what, name, number)
        for name, item in self.missing(numbers, time):
            if item.acknowledged <= kept:
                yield "lost: %s lacks %s (number %s), which was acknowledged %s before" % (
                    what, name, item.number, ago(time, item.acknowledged))
            elif item.shown <= kept:
                yield "shown and lost: %s lacks %s (number %s), which a reader was shown %s before" % (
                    what, name, item.number, ago(time, item.shown))
            elif item.shown <= time and item.number < (highest := self.highest(numbers, item, reboots)):
                yield "hole: %s has number %d, but lacks %s (number %d), which came before" % (what, highest, name, item.number)

    def highest(self, numbers, item, reboots):
        """The highest number of what is present and was sent before the machine was started again after an item was sent."""
        end = min((reboot for reboot in reboots if reboot > item.start), default=NEVER)
        return max((number for name, number in numbers.items() if self.items[name].start < end), default=0)

    def missing(self, present, time):
        """The items that are not present, although no call may have removed them."""
        may_be_gone = max((call.given for call in self.removals if call.may_have_been_done(time)), default=0)
        taken = set()
        for call in self.collections:
            if call.may_have_been_done(time):
                if not call.is_done:
                    # Without an answer it may have taken anything.
                    return
                taken |= {name_of(text) for _, text in call.result}
        for name, item in self.items.items():
            if name not in present and name not in taken and not (item.number is not None and item.number <= may_be_gone):
                yield name, item


def ago(time, earlier):
    return "%.3f ms" % ((time - earlier) / 1e6) if earlier else "in an earlier run"


class Expectations:
    """All that the calls of a run have established. `faults` has those that need no power cut.

    - waits: whether answers wait for the disk. If they do not, a power cut takes back the last changes, but leaves all that
      the store had before the run"""

    def __init__(self, history, waits=True, reboots=()):
        self.waits = waits
        # With answers that wait for the disk, a start of the machine takes back nothing.
        self.reboots = () if waits else tuple(reboots)
        self.faults, self.full_since = [], history.full_since
        self.endpoints, self.queues = defaultdict(Source), defaultdict(Source)
        # (call, number) of each call that moves a client's cursor.
        self.first_cursors, self.cursors = {}, defaultdict(list)
        self.events, self.lines = {}, []
        # When the target first received each event, and first accepted it.
        self.called, self.delivered = {}, {}
        # Events that were delivered in an earlier run.
        self.over = set()
        self.shown_before = dict(history.shown)
        if history.content:
            self.begin_with(history.content)
        calls = list(history.calls)
        for call in calls:
            if call.kind in ("hook", "publish"):
                source = (self.endpoints if call.kind == "hook" else self.queues)[call.source]
                source.stored(call.given, call.start, call.done, call.refused)
        for call in calls:
            getattr(self, "note_" + call.kind)(call)

    def begin_with(self, content):
        """Takes the content from which the run began as acknowledged and shown."""
        for sources, found in ((self.endpoints, content.notifications), (self.queues, content.messages)):
            for name, items in found.items():
                source = sources[name]
                for _, text in items:
                    source.stored(name_of(text), -1, 0)
                source.show(items, 0, self.faults, name)
        for client, cursor in content.cursors.items():
            self.first_cursors[client] = cursor
        for event in content.events:
            self.events[event] = 0
            if not content.is_due(event):
                self.over.add(event)

    # MARK: Calls

    def note_hook(self, call):
        pass

    def note_publish(self, call):
        pass

    def note_create(self, call):
        if call.is_done:
            self.endpoints[call.result].created = call.end

    def note_delete(self, call):
        self.endpoints[call.source].deletions.append(call)

    def note_look(self, call):
        if call.is_done:
            self.endpoints[call.source].show(call.result, call.end, self.faults, call.source)

    def note_remove(self, call):
        self.endpoints[call.source].removals.append(call)

    def note_collect(self, call):
        self.note_look(call)
        self.endpoints[call.source].collections.append(call)

    def note_read(self, call):
        if call.is_done:
            found, newest = call.result
            self.queues[call.source].show(found, call.end, self.faults, call.source)
            self.queues[call.source].views.append((call.end, newest))

    def note_take(self, call):
        self.note_read(call)
        number = max((number for number, _ in call.result[0]), default=0) if call.is_done else NEVER
        self.cursors[call.given].append((call, number))

    def note_ack(self, call):
        self.cursors[call.source].append((call, call.given))

    def note_event(self, call):
        if call.is_done:
            self.events[call.result] = call.end

    def note_called(self, call):
        for times in (self.called, self.delivered) if call.is_done else (self.called,):
            times[call.given] = min(times.get(call.given, NEVER), call.end)

    def note_log(self, call):
        if call.is_done:
            self.lines.append((call.end, call.result))

    def first_views(self):
        """When each item that a reader was shown before its sender had an answer was shown first."""
        sources = [*self.endpoints.values(), *self.queues.values()]
        items = [item for source in sources for item in source.items.values()]
        return [item.shown for item in items if item.shown < item.acknowledged]

    # MARK: Judgement

    def compare(self, content, time):
        """The faults of a store's content after a power cut."""
        return self.compare_all(content, time, time if self.waits else 0)

    def compare_all(self, content, time, kept):
        yield from self.compare_endpoints(content, time, kept)
        yield from self.compare_queues(content, time, kept)
        for client in {**self.first_cursors, **self.cursors}:
            first, moves = self.first_cursors.get(client, 0), self.cursors[client]
            least = max([first, *(number for call, number in moves if call.done <= kept)])
            most = max([first, *(number for call, number in moves if call.may_have_been_done(time))])
            cursor = content.cursors.get(client)
            if cursor is None or not least <= cursor <= most:
                yield "cursor: client %s is at %s, and must be from %s to %s" % (client, cursor, least, most)
        yield from self.compare_events(content, time, kept)

    def compare_queues(self, content, time, kept):
        for name, queue in self.queues.items():
            if name not in content.messages:
                if queue.is_known(kept):
                    yield "lost: queue %s" % name
                continue
            yield from queue.compare(content.messages[name], time, "queue " + name, kept, self.reboots)
            if content.currents[name] < queue.highest_shown(kept):
                yield "shown and lost: queue %s is at %d, and %d was shown" % (name, content.currents[name], queue.highest_shown(kept))

    def compare_endpoints(self, content, time, kept):
        for name, endpoint in self.endpoints.items():
            found = content.notifications.get(name)
            if found is None:
                if endpoint.created <= kept and not any(call.may_have_been_done(time) for call in endpoint.deletions):
                    yield "lost: endpoint %s" % name
            elif any(call.done <= kept for call in endpoint.deletions):
                yield "back: endpoint %s, which was deleted" % name
            else:
                yield from endpoint.compare(found, time, "endpoint " + name, kept, self.reboots)

    def compare_events(self, content, time, kept):
        for event, acknowledged in self.events.items():
            if acknowledged > kept:
                continue
            if event not in content.events:
                if not self.may_be_dropped(event, time):
                    yield "lost: event %s, which was acknowledged %s before" % (event, ago(time, acknowledged))
                continue
            attempts = content.attempts.get(event, [])
            is_over = event in self.over or any(line["final"] for line in attempts) or self.may_be_dropped(event, time)
            if not is_over and not content.is_due(event):
                yield "lost: the delivery of event %s, after %d attempts" % (event, len(attempts))
            deliveries = content.deliveries.get(event, [])
            if len(deliveries) > 1:
                yield "doubled: event %s has %d deliveries" % (event, len(deliveries))
        for event, called in self.called.items():
            if called <= kept and event not in content.events and not self.may_be_dropped(event, time):
                yield "called and lost: event %s, which the target received %s before" % (event, ago(time, called))
        for end, lines in self.lines:
            if end > kept:
                continue
            for number, event, count, status in lines:
                if number not in content.lines and self.full_since < time:
                    continue
                if content.lines.get(number) != (event, count, status):
                    yield "shown and lost: line %d of the log is %s, and was %s" % (
                        number, content.lines.get(number), (event, count, status))

    def oldest_loss(self, content, time):
        """How long before a power cut the oldest item was acknowledged that is missing, in ns."""
        found = [time]
        for sources, contents in ((self.endpoints, content.notifications), (self.queues, content.messages)):
            for name, source in sources.items():
                if not source.deletions:
                    present = {name_of(text) for _, text in contents.get(name, [])}
                    found += [item.acknowledged for _, item in source.missing(present, time)]
        return time - min(found)

    def may_be_dropped(self, event, time):
        """Whether an event, or the log of its delivery, may have made room: the disk has been full, and it was delivered."""
        return self.full_since < time and (event in self.over or self.delivered.get(event, NEVER) < time)

    def shown(self, time):
        """The highest number of each endpoint and queue that a client had seen: {source: number}."""
        found = dict(self.shown_before)
        for sources in (self.endpoints, self.queues):
            for name, source in sources.items():
                found[name] = max(found.get(name, 0), source.highest_shown(time))
        lines = [line[0] for end, lines in self.lines if end <= time for line in lines]
        found["log"] = max([found.get("log", 0), *lines])
        return found
