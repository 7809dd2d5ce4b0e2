"""Sends the example requests of api/openapi.yaml to a service, and compares its answers with the example answers."""

import http.client
import json
import os
import re
import subprocess

import libraries
from harness import PROGRAM, ROOT, Answer, environment

VALIDATION = os.path.join(ROOT, "Tests", "Support", "openapi_validation.py")

# What differs each time, and stands in an example for anything of its kind. The first ones stay the same for the whole
# tour.
LASTING = [
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", r"(?<![\w-])[A-Za-z0-9_-]{32}(?![\w-])",
    r"(?<=orders\.)[A-Za-z0-9_-]{22}(?![\w-])",
]  # fmt: skip
KINDS = LASTING + [
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
    r"(?<!\d)1[78]\d{8}(?!\d)",
    r"(?<=whsec_)[A-Za-z0-9+/]{32,}={0,2}",
    r"[A-Za-z0-9+/_-]{43,}={0,2}",
]
TOKEN = re.compile("|".join("(%s)" % kind for kind in KINDS))
LOOSE = [kind.removeprefix(r"(?<![\w-])").removesuffix(r"(?![\w-])") for kind in KINDS]
VOLATILE = ("duration_ms", "milliseconds", "oldest_age_seconds", "newest_age_seconds", "lag_seconds")

EVIL = {"Origin": "https://evil.example"}
ELSEWHERE = {"Host": "evil.example"}
LONG = "/x" * 5000

# Answers that need a damaged or full store, a dead responder or a crowd. Other scenarios make them; here their texts
# are compared with those in the program.
RARE = {
    (name, "")
    for name in (
        "Damaged", "NoResponder", "Unavailable", "NoAnswerInTime", "StoreFull", "OperationsUnavailable", "QueueDamaged",
        "QueueUnavailable", "QueueFull", "WebhookDamaged", "WebhookNoResponder", "WebhookUnavailable",
        "WebhookNoAnswerInTime", "EventDamaged", "EventNoResponder", "EventUnavailable", "EventNoAnswerInTime",
        "EventStoreFull",
    )
} | {
    ("TooManyRequests", "waiting"), ("QueueTooMany", "waiting"), ("NoRoom", "full"), ("createEndpoint 507", "full"),
    ("forwardNotifications 507", "full"), ("retryEventDelivery 410", ""), ("EventForbidden", "user"), ("checkReadiness 503", "stalled"),
}  # fmt: skip


class Tour:
    """What an example calls one thing, the service calls another: `known` translates."""

    def __init__(self, description, known=None):
        self.description = description
        self.known = dict(known or {})
        self.seen = set()
        self.values = []

    # ------------------------------------------------------------ translation

    def put(self, value):
        """A value of the description as the service knows it."""
        if isinstance(value, dict):
            return {name: self.put(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.put(item) for item in value]
        if isinstance(value, str):
            for text in sorted(self.known, key=len, reverse=True):
                value = value.replace(text, self.known[text])
        return value

    def same(self, example, actual, place):
        """Fails unless a value is what an example shows; learns what ids are this time."""
        if isinstance(example, dict):
            assert isinstance(actual, dict) and list(example) == list(actual), (place, example, actual)
            for name in example:
                if name in VOLATILE and example[name] is not None:
                    assert isinstance(actual[name], int) and actual[name] >= 0, (place, name, actual[name])
                else:
                    self.same(example[name], actual[name], "%s.%s" % (place, name))
        elif isinstance(example, list):
            assert isinstance(actual, list) and len(example) == len(actual), (place, example, actual)
            for index, (left, right) in enumerate(zip(example, actual)):
                self.same(left, right, "%s[%d]" % (place, index))
        elif isinstance(example, str):
            self.same_text(self.put(example), actual, place)
        else:
            assert type(example) is type(actual) and example == actual, (place, example, actual)

    def same_text(self, example, actual, place):
        assert isinstance(actual, str), (place, example, actual)
        pattern, tokens, end, lasting = "", [], 0, set(self.known.values())
        for match in TOKEN.finditer(example):
            kind = next(index for index, group in enumerate(match.groups()) if group)
            pattern += re.escape(example[end:match.start()])
            end = match.end()
            if match.group() in lasting:
                pattern += re.escape(match.group())
            else:
                pattern += "(%s)" % LOOSE[kind]
                tokens.append((kind, match.group()))
        found = re.fullmatch(pattern + re.escape(example[end:]), actual)
        assert found, (place, example, actual)
        for (kind, token), value in zip(tokens, found.groups()):
            if kind < len(LASTING):
                self.known.setdefault(token, value)

    # ------------------------------------------------------------ requests

    def ask(
        self, service, name, answer="", *, request=None, media=None, status=None, at=None, where=None, query="",
        headers=None, body=None, known=None, anew=None, part=False, **options
    ):
        """Sends an operation's example request, and compares the answer with an example of the operation.

        - answer, request: the names of the examples, where there are several.
        - at, where, query, body: what is sent instead of the path, of its parameters, and of the example body.
        - known: what the example says, and this service says otherwise. anew: an id that is another one this time.
        - part: the example leaves something out.
        """
        operation = self.description.operation(name)
        before = self.known
        self.known = {**before, **(known or {})}
        self.known.pop(anew, None)
        path = at or self.path(operation, where or {})
        sent = dict(headers or {})
        if body is None and "requestBody" in operation.members and operation.method != "get":
            media, body = self.body(operation, media, request)
        if media and not any(key.lower() == "content-type" for key in sent):
            sent["Content-Type"] = media
        response = send(service, operation.method.upper(), path + query, body, sent, **options)
        responses = operation.members["responses"]
        expected = str(status or min(responses))
        assert str(response.status) == expected, (name, expected, response.status, response.text)
        self.compare(operation, expected, response, answer, part)
        learned = {key: value for key, value in self.known.items() if key not in (known or {}) and key != anew}
        self.known = {**before, **learned}
        return response

    def path(self, operation, where):
        path = operation.path
        for parameter in operation.parameters:
            if parameter["in"] == "path":
                value = where.get(parameter["name"], self.put(str(parameter["example"])))
                path = path.replace("{%s}" % parameter["name"], str(value))
        return path

    def body(self, operation, media, name):
        content = self.description.resolve(operation.members["requestBody"])["content"]
        media = media or next(iter(content))
        examples = self.description.examples(content[media])
        name = next(iter(examples)) if name is None else name
        self.seen.add((operation.id, "request", media, name))
        value = self.put(examples[name])
        return media, value.encode() if media == "application/octet-stream" else json.dumps(value).encode()

    def compare(self, operation, status, response, name, part):
        place = operation.members["responses"][status]
        owner = place.get("$ref", "%s %s" % (operation.id, status))
        content = self.description.resolve(place).get("content", {})
        media = response.headers.get("content-type", "").partition(";")[0]
        if not response.body:
            assert not any("schema" in entry for entry in content.values()), (operation.id, status, "there is no body")
            return
        assert media in content, (operation.id, status, media, response.text)
        value = json.loads(response.body) if media.endswith("json") else response.text
        self.values.append(["%s %s" % (operation.id, status), content[media]["schema"], value])
        examples = self.description.examples(content[media])
        assert name in examples, (operation.id, status, name, list(examples))
        shown = common(examples[name], value) if part else value
        self.same(examples[name], shown, "%s %s %s" % (operation.id, status, name))
        self.seen.add((owner, media, name))

    # ------------------------------------------------------------ what was seen

    def unseen(self, tag, elsewhere):
        """The examples of a tag's operations that were neither sent nor answered, and are not texts of the program."""
        missing = []
        texts = program_texts()
        for operation in self.description.operations():
            if operation.members["tags"] != [tag]:
                continue
            body = self.description.resolve(operation.members.get("requestBody", {}))
            for media, entry in body.get("content", {}).items():
                for name in self.description.examples(entry):
                    if (operation.id, "request", media, name) not in self.seen:
                        missing.append((operation.id, "request", media, name))
            for status, place in operation.members["responses"].items():
                owner = place.get("$ref", "%s %s" % (operation.id, status))
                for media, entry in self.description.resolve(place).get("content", {}).items():
                    for name, value in self.description.examples(entry).items():
                        key = (owner, media, name)
                        if key in self.seen:
                            continue
                        short = owner.rpartition("/")[2]
                        known = (short, name) in elsewhere or (short, "") in elsewhere
                        text = value if isinstance(value, str) else value.get("message")
                        if not known or text.strip("\n") not in texts:
                            missing.append((operation.id, status, *key))
        return missing


def common(example, value):
    """What a value has of an example: the first items of a list, the same members, the same lines."""
    if isinstance(example, dict):
        return {name: common(example[name], value[name]) for name in example if name in value}
    if isinstance(example, list):
        return value[:len(example)]
    if isinstance(example, str) and "\n" in example:
        lines = value.splitlines(keepends=True)
        return "".join(line for line in example.splitlines(keepends=True) if line in lines)
    return value


def send(service, method, path, body=None, headers=None, port=None):
    """A request with these headers and no others but Host and Content-Length."""
    connection = http.client.HTTPConnection("127.0.0.1", port or service.port, timeout=30)
    headers = headers or {}
    connection.putrequest(method, service.mount + path, skip_accept_encoding=True, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def program_texts():
    """All texts in the program, and in the files that it writes for nginx."""
    with open(PROGRAM, "rb") as file:
        texts = file.read().decode("latin-1")
    shown = subprocess.run(
        [PROGRAM, "locations"], env=environment("/nonexistent"), capture_output=True, text=True, timeout=20)
    assert shown.returncode == 0, shown.stderr
    return texts + shown.stdout.replace("\\'", "'")


def faults(description, values):
    """The values that their schemas do not allow, one line each; [name, schema, value]."""
    given = {"components": description.document["components"], "values": values}
    done = subprocess.run(
        [libraries.PYTHON, VALIDATION], input=json.dumps(given), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def crowd(tour, service, name, answer="", **options):
    """One request too many, for a service that takes one a second."""
    for _ in range(20):
        while service.call("GET", "/healthz").status != 429:
            pass
        try:
            return tour.ask(service, name, answer, status=429, **options)
        except AssertionError as error:
            # A second has passed.
            failure = error
    raise failure


def check(tour, tag):
    """Nothing is left out, and every answer is what its schema allows."""
    assert not tour.unseen(tag, RARE)
    libraries.need("jsonschema_rs")
    assert not faults(tour.description, tour.values)
