"""Compares the content of a store after a power cut with what clients had been answered before it."""

from collections import defaultdict

from history import NEVER, name_of


class Item:
    """A notification or a message."""

    def __init__(self, start, acknowledged):
        self.start, self.acknowledged, self.shown, self.number = start, acknowledged, NEVER, None


class Source:
    """An endpoint or a queue: its items by name, and what removes them."""

    def __init__(self):
        self.created, self.items, self.names = 0, {}, {}
        # Of endpoints: (start, end, number), (start, end, names or None), (start, end).
        self.removals, self.collections, self.deletions = [], [], []
        # (end, highest number) of each answer.
        self.views = []

    def stored(self, name, start, acknowledged):
        self.items[name] = Item(start, acknowledged)

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

    def highest_shown(self, time):
        return max((number for end, number in self.views if end <= time), default=0)

    def compare(self, found, time, what):
        """The faults of the items that a store has after a power cut."""
        present = set()
        for number, text in found:
            name = name_of(text)
            item = self.items.get(name)
            if item is None or item.start >= time:
                yield "foreign: %s has content that nobody had sent: %d %.80r" % (what, number, text)
                continue
            if name in present:
                yield "doubled: %s has %s twice" % (what, name)
            present.add(name)
            if item.number not in (None, number):
                yield "renumbered: %s: %s has number %d and had %d" % (what, name, number, item.number)
            if self.names.get(number, name) != name:
                yield "reused: %s: number %d was %s and is %s" % (what, number, self.names[number], name)
        may_be_gone = max((through for start, _, through in self.removals if start < time), default=0)
        must_be_gone = max((through for _, end, through in self.removals if end <= time), default=0)
        taken, certainly_taken, anything = set(), set(), False
        for start, end, names in self.collections:
            if start < time:
                anything = anything or names is None
                taken |= names or set()
                if end <= time:
                    certainly_taken |= names or set()
        for name, item in self.items.items():
            number = item.number
            if name in present:
                if name in certainly_taken or number is not None and number <= must_be_gone:
                    yield "back: %s has %s (number %s) again, which was removed" % (what, name, number)
            elif anything or name in taken or number is not None and number <= may_be_gone:
                pass
            elif item.acknowledged <= time:
                yield "lost: %s lacks %s (number %s), which was acknowledged %s before" % (
                    what, name, number, ago(time, item.acknowledged))
            elif item.shown <= time:
                yield "shown and lost: %s lacks %s (number %s), which a reader was shown %s before" % (
                    what, name, number, ago(time, item.shown))


def ago(time, earlier):
    return "%.3f ms" % ((time - earlier) / 1e6) if earlier else "in an earlier run"


class Expectations:
    """All that the calls of a run have established. `faults` has those that need no power cut."""

    def __init__(self, history):
        self.faults, self.full_since = [], history.full_since
        self.endpoints, self.queues = defaultdict(Source), defaultdict(Source)
        self.cursors, self.events, self.called, self.lines = defaultdict(list), {}, {}, []
        # Events that were delivered in an earlier run.
        self.over = set()
        self.shown_before = dict(history.shown)
        if history.content:
            self.begin_with(history.content)
        calls = list(history.calls)
        for call in calls:
            if call.kind in ("hook", "publish"):
                source = (self.endpoints if call.kind == "hook" else self.queues)[call.source]
                source.stored(call.given, call.start, call.end if call.is_done else NEVER)
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
            self.cursors[client].append((-1, 0, cursor))
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
        self.endpoints[call.source].deletions.append((call.start, call.end if call.is_done else NEVER))

    def note_look(self, call):
        if call.is_done:
            self.endpoints[call.source].show(call.result, call.end, self.faults, call.source)

    def note_remove(self, call):
        end = call.end if call.is_done else NEVER
        self.endpoints[call.source].removals.append((call.start, end, call.given))

    def note_collect(self, call):
        names = None
        if call.is_done:
            self.note_look(call)
            names = {name_of(text) for _, text in call.result}
        elif call.status is not None:
            # An answer without success has collected nothing.
            names = set() if call.status < 500 else None
        self.endpoints[call.source].collections.append((call.start, call.end if call.is_done else NEVER, names))

    def note_read(self, call):
        if call.is_done:
            found, newest = call.result
            self.queues[call.source].show(found, call.end, self.faults, call.source)
            self.queues[call.source].views.append((call.end, newest))

    def note_take(self, call):
        self.note_read(call)
        if call.is_done:
            number = max((number for number, _ in call.result[0]), default=0)
            self.cursors[call.given].append((call.start, call.end, number))
        else:
            self.cursors[call.given].append((call.start, NEVER, NEVER))

    def note_ack(self, call):
        self.cursors[call.source].append((call.start, call.end if call.is_done else NEVER, call.given))

    def note_event(self, call):
        if call.is_done:
            self.events[call.result] = call.end

    def note_called(self, call):
        self.called[call.given] = min(self.called.get(call.given, NEVER), call.end)

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
        yield from self.compare_endpoints(content, time)
        for name, queue in self.queues.items():
            if name not in content.messages:
                yield "lost: queue %s" % name
                continue
            yield from queue.compare(content.messages[name], time, "queue " + name)
            if content.currents[name] < queue.highest_shown(time):
                yield "shown and lost: queue %s is at %d, and %d was shown" % (name, content.currents[name], queue.highest_shown(time))
        for client, moves in self.cursors.items():
            least = max((number for _, end, number in moves if end <= time), default=0)
            most = max((number for start, _, number in moves if start < time), default=0)
            cursor = content.cursors.get(client)
            if cursor is None or not least <= cursor <= most:
                yield "cursor: client %s is at %s, and must be from %s to %s" % (client, cursor, least, most)
        yield from self.compare_events(content, time)

    def compare_endpoints(self, content, time):
        for name, endpoint in self.endpoints.items():
            found = content.notifications.get(name)
            if found is None:
                if endpoint.created <= time and not any(start < time for start, _ in endpoint.deletions):
                    yield "lost: endpoint %s" % name
            elif any(end <= time for _, end in endpoint.deletions):
                yield "back: endpoint %s, which was deleted" % name
            else:
                yield from endpoint.compare(found, time, "endpoint " + name)

    def compare_events(self, content, time):
        for event, acknowledged in self.events.items():
            if acknowledged > time:
                continue
            if event not in content.events:
                yield "lost: event %s, which was acknowledged %s before" % (event, ago(time, acknowledged))
                continue
            attempts = content.attempts.get(event, [])
            is_over = event in self.over or any(line["final"] for line in attempts)
            if self.full_since < time:
                is_over = is_over or self.called.get(event, NEVER) < time
            if not is_over and not content.is_due(event):
                yield "lost: the delivery of event %s, after %d attempts" % (event, len(attempts))
            deliveries = content.deliveries.get(event, [])
            if len(deliveries) > 1:
                yield "doubled: event %s has %d deliveries" % (event, len(deliveries))
        for event, called in self.called.items():
            if called <= time and event not in content.events:
                yield "called and lost: event %s, which the target received %s before" % (event, ago(time, called))
        for end, lines in self.lines:
            if end > time:
                continue
            for number, event, count, status in lines:
                if number not in content.lines and self.full_since < time:
                    continue
                if content.lines.get(number) != (event, count, status):
                    yield "shown and lost: line %d of the log is %s, and was %s" % (
                        number, content.lines.get(number), (event, count, status))

    def shown(self, time):
        """The highest number of each endpoint and queue that a client had seen: {source: number}."""
        found = dict(self.shown_before)
        for sources in (self.endpoints, self.queues):
            for name, source in sources.items():
                found[name] = max(found.get(name, 0), source.highest_shown(time))
        lines = [line[0] for end, lines in self.lines if end <= time for line in lines]
        found["log"] = max([found.get("log", 0), *lines])
        return found
