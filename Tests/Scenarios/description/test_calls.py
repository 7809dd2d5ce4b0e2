"""The calls that Postroom makes: each is as api/openapi.yaml describes it in `webhooks`."""

import json

import libraries
from description import Description
from harness import wait_for
from tour import Tour, faults


def called(tour, name, arrival, example=None, media="application/json"):
    """Compares a call that a receiver got with the description of such calls, and with an example of its body."""
    operation = next(o for o in tour.description.operations("webhooks") if o.id == name)
    assert arrival["method"].lower() == operation.method
    sent = {header.lower(): value for header, value in arrival["headers"]}
    described = {p["name"].lower(): p for p in operation.parameters}
    others = {"host", "content-length", "content-type", "accept", "authorization"}
    assert {header for header in sent if not header.startswith("ce-")} <= set(described) | others, sent
    # Each call is a delivery of its own.
    before = dict(tour.known)
    for header, parameter in described.items():
        assert header in sent or not parameter.get("required"), (name, header, sent)
        if header in sent:
            tour.same(tour.put(str(parameter["example"])), sent[header], "%s %s" % (name, header))
    tour.known = before
    if example is None:
        assert "requestBody" not in operation.members and not arrival["body"]
        return sent
    content = operation.members["requestBody"]["content"][media]
    body = json.loads(arrival["body"])
    tour.values.append([name, content["schema"], body])
    tour.same(tour.description.examples(content)[example], body, "%s %s" % (name, example))
    tour.seen.add((name, media, example))
    return sent


def test_the_examples_of_calls_that_are_made(begin, receive):
    tour = Tour(Description())
    receiver = receive({"/hook": {"status": 200}, "/agrees": {"headers": {"WebHook-Allowed-Origin": "*"}}})
    tour.known["https://example.org/hook"] = receiver.url("/hook")
    service = begin(
        OPS_EVENTS_URL=receiver.url("/ops"), OPS_EVENTS_SECRET="whsec_" + "A" * 32, EVENTS_ORIGIN="hooks.example.org",
        WEBHOOKS_RETRY_INTERVAL="100ms", WEBHOOKS_MAX_RETRIES=3, POLICY_URL=receiver.url("/policy"),
        PROJECT_MANAGEMENT_API_URI=receiver.url("/projects"), EVENTS_RETRY_SCHEDULE="",
    )  # fmt: skip
    tour.ask(service, "createWebhook", "more", request="more")
    called(tour, "answerEnvironmentRequest", receiver.wait(1)[0])
    assert receiver.arrivals()[0]["path"] == "/projects/environments/7d1f6a52-3f6e-4a55-9d1c-0a6a9a1b2c3d"
    tour.ask(service, "publishEvent", "new")
    sent = called(tour, "receiveWebhookCall", receiver.wait(1, "/hook")[0], "")
    # The custom headers of the webhook.
    assert sent["authorization"] == "Bearer 6f2c"
    assert sent["x-3dverse-signature"] and sent["webhook-timestamp"] == sent["x-3dverse-signature-timestamp"]

    operation = tour.description.operation("createSubscription")
    content = operation.members["requestBody"]["content"]["application/json"]
    least = tour.put(tour.description.examples(content)["least"])
    for name, format in {"/json": "json", "/agrees": "cloudevents", "/binary": "cloudevents-binary"}.items():
        wanted = {**least, "target_url": receiver.url(name), "extensions": {"tenant": "blue"}, "format": format}
        wanted["handshake"] = name == "/agrees"
        assert service.call("POST", "/eventmatch", json.dumps(wanted)).status == 200
    tour.ask(service, "postEvent", request="former")
    called(tour, "receiveEvent", receiver.wait(1, "/json")[0], "json")
    asked, delivered = receiver.wait(2, "/agrees")
    called(tour, "answerConsentRequest", asked)
    sent = called(tour, "receiveEvent", delivered, "structured", "application/cloudevents+json")
    assert sent["content-type"].startswith("application/cloudevents+json") and "webhook-request-origin" in sent
    sent = called(tour, "receiveEvent", receiver.wait(1, "/binary")[0], "binary")
    assert sent["content-type"] == "application/json" and sent["ce-tenant"] == "blue" and sent["ce-id"] == "f2a1-17"
    question = receiver.arrivals("/policy/events/default_user")[0]
    called(tour, "answerPolicyRequest", question, "")

    # What operators are told: a delivery that is given up, and a subscription that is disabled.
    receiver.rule("/hook", status=500)
    wanted = {"name": "fails", "url": receiver.url("/hook"), "events": ["job-created"]}
    path = "/environments/7d1f6a52-3f6e-4a55-9d1c-0a6a9a1b2c3d/"
    webhook = service.call("POST", path + "webhooks", json.dumps(wanted)).json()["webhook_id"]
    service.call("DELETE", tour.put("/webhooks/f3a1c85f-6cbf-498a-9c6d-8e845b360052"))
    tour.known["0ddf57d5-b629-4513-ac52-e2b94164a663"] = webhook
    service.call("POST", path + "events", json.dumps({"event": "job-created", "event_id": "job-19", "data": 1}))

    def told(kind):
        return [a for a in receiver.arrivals("/ops") if json.loads(a["body"])["type"] == kind]

    wait_for(lambda: told("message.exhausted"))
    tour.known.update({"job-completed": "job-created", "job-17": "job-19"})
    called(tour, "receiveOperationalEvent", told("message.exhausted")[0], "exhausted")
    receiver.rule("/hook", status=410, body="gone")
    subscription = service.call("POST", "/eventmatch", json.dumps(least)).json()["uuid"]
    tour.known["45f0ad02-8512-4b0d-86d9-5cf04bd0e1d9"] = subscription
    tour.ask(service, "postEvent", request="former", anew="4a2ed2d1-8e70-4d6a-ae06-1a7d61d7ecf4")
    wait_for(lambda: told("endpoint.disabled"))
    tour.known["message.exhausted"] = "endpoint.disabled"
    called(tour, "receiveOperationalEvent", told("endpoint.disabled")[0], "disabled")
    examples = {
        (operation.id, media, name)
        for operation in tour.description.operations("webhooks")
        for media, entry in operation.members.get("requestBody", {}).get("content", {}).items()
        for name in tour.description.examples(entry)
    }
    assert examples <= tour.seen, examples - tour.seen
    libraries.need("jsonschema_rs")
    assert not faults(tour.description, tour.values)
