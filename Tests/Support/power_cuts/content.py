"""The content of a store, as `postroom store export` writes it."""

import base64
import json


class Content:
    def __init__(self, export):
        # By endpoint or queue: (number, body) in their order.
        self.notifications, self.messages = {}, {}
        self.cursors, self.currents = {}, {}
        # By event id: the lines of the event, its pending deliveries and its attempts.
        self.events, self.deliveries, self.attempts = {}, {}, {}
        self.lines = {}
        self.next_line = 0
        self.is_complete = False
        numbers = {}
        for text in export.splitlines():
            line = json.loads(text)
            kind = line["kind"]
            if kind == "endpoint":
                self.notifications[line["id"]] = []
            elif kind == "notification":
                self.notifications[line["endpoint"]].append((line["id"], text_of(line)))
            elif kind == "queue":
                self.messages[line["name"]] = []
                self.currents[line["name"]] = line["current_message"]
            elif kind == "message":
                self.messages[line["queue"]].append((line["id"], text_of(line)))
            elif kind == "client":
                self.cursors[line["name"]] = line["cursor"]
            elif kind == "parcel":
                self.events[line["eventID"]] = line
                numbers[line["number"]] = line["eventID"]
            elif kind == "delivery":
                self.deliveries.setdefault(numbers.get(line["parcel"]), []).append(line)
            elif kind == "attempt":
                self.attempts.setdefault(line["eventID"], []).append(line)
                self.lines[line["number"]] = (line["eventID"], line["count"], line.get("status"))
            elif kind == "deliveries":
                self.next_line = line["nextLine"]
            elif kind == "end":
                self.is_complete = True

    def is_due(self, event):
        """Whether an event waits to be matched, or is to be delivered."""
        return "waiting" in self.events[event].get("routed", {}) or event in self.deliveries

    def essence(self):
        """All that a second start must leave as it is."""
        return {
            "notifications": self.notifications,
            "messages": self.messages,
            "cursors": self.cursors,
            "currents": self.currents,
            "events": sorted(self.events),
            "deliveries": {event: sorted(line["id"] for line in lines) for event, lines in self.deliveries.items()},
            "log": self.lines,
        }


def text_of(line):
    if "bodyBase64" in line:
        return base64.b64decode(line["bodyBase64"]).decode(errors="replace")
    return line.get("body", "")
