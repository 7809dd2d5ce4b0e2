#!/usr/bin/env python3
"""Writes and reads CloudEvents of HTTP with the PyPI package `cloudevents`. Each input line is an order in JSON:

  {"write": "structured" or "binary", "attributes": {...}, "data": ..., "base64": text}  answers {"headers", "body"}
  {"read": {name: value, ...}, "body": text}  answers {"attributes", "data"} or {"attributes", "base64"}

Bodies and binary data are in Base64; a time is a string.
"""

import base64
import json
import sys

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse


def write(order):
    attributes = dict(order["attributes"])
    if "time" in attributes:
        attributes["time"] = isoparse(attributes["time"])
    data = base64.b64decode(order["base64"]) if "base64" in order else order.get("data")
    make = http.to_structured if order["write"] == "structured" else http.to_binary
    message = make(CloudEvent(attributes=attributes, data=data), JSONFormat())
    return {"headers": message.headers, "body": base64.b64encode(message.body).decode()}


def read(order):
    message = http.HTTPMessage(headers=order["read"], body=base64.b64decode(order["body"]))
    event = http.from_http(message, JSONFormat(), CloudEvent)
    attributes = {name: getattr(value, "isoformat", lambda v=value: v)() for name, value in event.get_attributes().items()}
    data = event.get_data()
    if isinstance(data, bytes):
        return {"attributes": attributes, "base64": base64.b64encode(data).decode()}
    return {"attributes": attributes, "data": data}


for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps(write(order) if "write" in order else read(order)), flush=True)
