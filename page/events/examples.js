// The event and the expressions of docs/jsonpath.md.

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
