"""The examples of api/openapi.yaml: the APIs of webhooks and of events take and answer what they show."""

import json
import os
import signal

from description import Description
from harness import wait_for
from tour import ELSEWHERE, EVIL, LONG, Tour, check, crowd

JSON = {"Content-Type": "application/json"}


def test_the_examples_of_webhooks(begin, hurried, receive):
    tour = Tour(Description())
    receiver = receive({"/hook": {"status": 200}, "/projects/*": {"status": 404}})
    tour.known["https://example.org/hook"] = receiver.url("/hook")
    service = begin(WEBHOOKS_RETRY_INTERVAL="100ms")

    def state():
        path = tour.put("/webhooks/0ddf57d5-b629-4513-ac52-e2b94164a663/stats")
        return service.call("GET", path).json()

    tour.ask(service, "listEventTypes", "part", part=True)
    tour.ask(service, "getEnvironmentSettings", "one")
    tour.ask(service, "createWebhook", "least", request="least")
    tour.ask(service, "listWebhooks", "one")
    tour.ask(service, "getWebhook", "new")
    tour.ask(service, "changeWebhook", "rename", request="rename")
    tour.ask(service, "replaceWebhook", "one")
    tour.ask(service, "changeWebhook", "enable", request="enable")
    tour.ask(service, "publishEvent", "new")
    tour.ask(service, "publishEvent", "again")
    wait_for(lambda: state()["delivered"] == 1)
    tour.ask(service, "listLogEntries", "success")
    receiver.rule("/hook", status=503, body="not now")
    answer = tour.ask(service, "publishEvent", "new", media="application/cloudevents+json", known={"job-17": "job-18"})
    wait_for(lambda: state()["given_up"] == 1)
    answer = tour.ask(service, "listLogEntries", "failure", query="?limit=1&status=failure")
    assert answer.headers["link"] == '<?limit=1&before=5&status=failure>; rel="next"'
    tour.ask(service, "getWebhook", "used")
    tour.ask(service, "getStatistics")
    receiver.rule("/hook", status=200)
    tour.ask(service, "recoverDeliveries")
    tour.ask(service, "testWebhook")
    tour.ask(service, "retryDelivery")
    tour.ask(service, "rotateKey", "rotated")
    tour.ask(service, "createWebhook", "more", request="more")

    wrong = b'{"name": "x", "url": "https://example.org/hook", "events": ["job-done"]}'
    tour.ask(service, "createWebhook", "event", body=wrong, headers=JSON, status=400)
    wrong = b'{"name": "x", "url": "http://10.0.0.1/", "events": ["job-completed"]}'
    tour.ask(service, "createWebhook", "url", body=wrong, headers=JSON, status=400)
    wrong = b'{"name": "x", "url": "https://example.org/hook"}'
    tour.ask(service, "createWebhook", "member", body=wrong, headers=JSON, status=400)
    tour.ask(service, "listLogEntries", "query", query="?limit=0", status=400)
    tour.ask(service, "createWebhook", "type", headers={"Content-Type": "text/plain"}, status=415)
    tour.ask(service, "createWebhook", "coding", headers={"Content-Encoding": "gzip"}, status=415)
    tour.ask(service, "createWebhook", body=bytes(262145), headers=JSON, status=413)
    tour.ask(service, "getWebhook", at="/webhooks" + LONG, status=414)
    tour.ask(service, "getWebhook", headers=EVIL, status=403)
    tour.ask(service, "getWebhook", headers=ELSEWHERE, status=421)
    tour.ask(service, "retryDelivery", "entry", where={"log_id": 999}, status=404)
    tour.ask(service, "getWebhook", "id", where={"webhook_id": "x"}, status=404)
    tour.ask(service, "deleteWebhook")
    tour.ask(service, "getWebhook", "webhook", status=404)
    crowd(tour, hurried, "listEventTypes")
    asking = begin(PROJECT_MANAGEMENT_API_URI=receiver.url("/projects"))
    tour.ask(asking, "listWebhooks", "environment", status=404)
    check(tour, "Webhooks")


def test_the_examples_of_events(begin, hurried, receive, tmp_path):
    tour = Tour(Description())
    receiver = receive({"/hook": {"status": 503, "body": "not now"}})
    tour.known["https://example.org/hook"] = receiver.url("/hook")
    tour.known["https://example.org/other"] = receiver.url("/other")
    service = begin(EVENTS_ALLOWED_ORIGINS="sender.example.org", EVENTS_ALLOWED_RATE=120)

    def attempts():
        event = service.call("GET", tour.put("/events/4a2ed2d1-8e70-4d6a-ae06-1a7d61d7ecf4")).json()
        return event["state"] == "matched" and event["deliveries"][0]["attempts"]

    tour.ask(service, "listSubscriptions", "unknown", status=403)
    tour.ask(service, "createSubscription", "least", request="least")
    tour.ask(service, "listSubscriptions", "one")
    tour.ask(service, "getSubscription", "enabled")
    tour.ask(service, "postEvent", request="former")
    wait_for(attempts)
    tour.ask(service, "getEvent")
    tour.ask(service, "listDeliveries", "failure")
    tour.ask(service, "retryEventDelivery")
    tour.ask(service, "changeSubscription", "move", request="move")
    tour.ask(service, "replayEvents")
    tour.ask(service, "createSubscription", "more", request="more")
    tour.ask(service, "createSubscription", "taken", body=json.dumps({
        "uuid": tour.put("45f0ad02-8512-4b0d-86d9-5cf04bd0e1d9"), "name": "x", "jsonpath": "$.x",
        "target_url": receiver.url("/other"),
    }).encode(), status=409)  # fmt: skip
    event = "4a2ed2d1-8e70-4d6a-ae06-1a7d61d7ecf4"
    tour.ask(service, "postEvent", media="application/cloudevents+json", anew=event)
    headers = {p["name"]: str(p["example"]) for p in tour.description.operation("postEvent").parameters}
    tour.ask(service, "postEvent", request="binary", headers=headers, anew=event)
    tour.ask(service, "postEvents")
    origin = {"WebHook-Request-Origin": "sender.example.org"}
    answer = tour.ask(service, "askForConsent", headers=origin)
    documented = tour.description.operation("askForConsent").members["responses"]["200"]["headers"]
    for name in ("WebHook-Allowed-Origin", "WebHook-Allowed-Rate"):
        assert answer.headers[name.lower()] == documented[name]["example"]
    tour.ask(service, "askForConsent", "origin", headers={"WebHook-Request-Origin": "evil.example"}, status=403)
    tour.ask(service, "askForConsent", status=405)
    for name in ("both", "text", "wrong"):
        tour.ask(service, "tryExpression", name, request=name)
    # The worker does not begin with the replays, and the supervisor does not replace it.
    stopped = [service.process.pid, *service.workers()]
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        for _ in range(16):
            tour.ask(service, "replayEvents", status=202)
        tour.ask(service, "replayEvents", status=409)
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)

    tour.ask(service, "createSubscription", "notJSON", body=b"{x", status=400)
    tour.ask(service, "createSubscription", "missing", body=b'{"name": "x", "target_url": "http://x.org/"}', status=400)
    wrong = b'{"name": "x", "jsonpath": "$.x", "target_url": "ftp://x.org/"}'
    tour.ask(service, "createSubscription", "target", body=wrong, status=400)
    wrong = b'{"name": "x", "jsonpath": "$[", "target_url": "http://x.org/"}'
    tour.ask(service, "createSubscription", "jsonpath", body=wrong, status=400)
    tour.ask(service, "changeSubscription", "moved", body=b'{"user": "bob"}', status=400)
    tour.ask(service, "getSubscription", "id", where={"event_uuid": "x"}, status=400)
    tour.ask(service, "getSubscription", "path", at="/eventmatch/a/b/c", status=404)
    tour.ask(service, "listSubscriptions", "query", query="?x=1", status=404)
    tour.ask(service, "postEvent", body=bytes((16 << 20) + 1), status=413)
    tour.ask(service, "createSubscription", body=b"{}", headers={"Content-Encoding": "br"}, status=415)
    tour.ask(service, "getSubscription", at="/eventmatch" + LONG, status=414)
    tour.ask(service, "getSubscription", "site", headers=EVIL, status=403)
    tour.ask(service, "postEvent", "site", headers=EVIL, status=403)
    tour.ask(service, "askForConsent", "site", headers={**origin, **EVIL}, status=403)
    tour.ask(service, "getSubscription", headers=ELSEWHERE, status=421)
    tour.ask(service, "deleteSubscription")
    crowd(tour, hurried, "listSubscriptions")

    # Where a failure is the last one.
    strict = begin(EVENTS_RETRY_SCHEDULE="", EVENTS_MAX_SUBSCRIPTIONS=1)
    second = Tour(tour.description, {"https://example.org/hook": receiver.url("/hook")})
    second.ask(strict, "createSubscription", "least", request="least")
    second.ask(strict, "createSubscription", "tooMany", status=409, known={"100000": "1"})
    second.ask(strict, "postEvent", request="former")
    path = second.path(tour.description.operation("getSubscription"), {})
    wait_for(lambda: strict.call("GET", path).json()["disabled"])
    second.ask(strict, "postEvent", request="former", anew=event)
    wait_for(lambda: "missed" in strict.call("GET", path).json())
    second.ask(strict, "getSubscription", "disabled")
    second.ask(strict, "changeSubscription", "enable", request="enable")

    users = tmp_path / "users"
    users.write_text("alice:$5$x$x\n")
    closed = begin(USER_SOURCE="basic", USER_FILE=users)
    tour.ask(closed, "listSubscriptions", status=401)
    tour.seen |= second.seen
    tour.values += second.values
    check(tour, "Events")
