// The event and the expressions of docs/jsonpath.md, and an event to publish.

import { randomUUID } from "../common/uuid.js";

export const event = `{
  "eventType": "files.ingest",
  "eventID": "f-17",
  "source": "/instruments/7",
  "data": {
    "size": 4096,
    "user": "ada",
    "ok": true,
    "note": null,
    "tags": ["raw", "night"],
    "files": [
      {"name": "a.tiff", "size": 4000},
      {"name": "b.txt", "size": 96}
    ]
  }
}`;

/** A CloudEvent with an id of its own. */
export const cloudEvent = () => `{
  "specversion": "1.0",
  "type": "order.paid",
  "source": "/shop",
  "id": "${randomUUID()}",
  "time": "${new Date().toISOString()}",
  "data": {"order": 17, "total": 120.50}
}`;

export const expressions = [
  '$[?$.eventType == "files.ingest"]',
  '$[?$.eventType == "files.purge" || $.data.size > 4000]',
  "$.data.files[?@.size > 1000]",
  '$.data.files[?match(@.name, ".*[.]tiff")]',
  "$..name",
  '$[?(@["eventType"] = "files.ingest")]',
  "$.data.files[*][?(@.size < 100)]",
  "$.data.files[?(@.size < 100)]",
];
