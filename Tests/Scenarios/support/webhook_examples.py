"""Webhooks and values that several scenarios use."""

import time
from datetime import datetime, timezone

from webhook_service import new_environment

EVENTS = [
    "pipeline-created",
    "pipeline-download-progress",
    "pipeline-extraction-progress",
    "pipeline-status-changed",
    "pipeline-completed",
    "job-created",
    "job-status-changed",
    "job-completed",
]


NOBODY = "11111111-2222-4333-8444-555555555555"


def body(**members):
    return {"name": "n", "url": "http://example.com/", "events": ["job-created"], **members}


def create(hub, members, environment=None):
    return hub.api("POST", "/environments/%s/webhooks" % (environment or new_environment()), members)


# How many seconds later than due an attempt may be, on a busy machine. None is ever early.
LATE = 0.4


def ended(attempt):
    """When an attempt of the log ended, in seconds since 1970."""
    return moment(attempt["triggered_at"]) + attempt["duration_ms"] / 1000


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def waits(log):
    """The seconds from the end of each attempt to the start of the next."""
    return [moment(after["triggered_at"]) - ended(before) for before, after in zip(log, log[1:])]


def stamp(seconds):
    """The time so many seconds from now, as the API takes it."""
    return datetime.fromtimestamp(time.time() + seconds, timezone.utc).isoformat(timespec="milliseconds")
