"""A service that routes events, and events for it."""

import json
import uuid

from harness import wait_for
from webhook_service import WebhookService

USER_HEADER = "Http-Remote-User"


def token(prefix="k"):
    """A unique name."""
    return prefix + uuid.uuid4().hex[:12]


def on(key):
    """An expression that matches the events of a key."""
    return "$.data." + key


def event(key, number=0, data=None, **members):
    """An event of CloudEvents 0.1 whose data has a member with the name `key`."""
    return {
        "cloudEventsVersion": "0.1",
        "eventType": "org.example.test",
        "eventID": str(number),
        "source": "/test",
        "extensions": {},
        "data": {key: number, **(data or {})},
        **members,
    }


def error(answer, status):
    """Checks that an answer is the error object of this API, and returns its message."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert list(body) == ["status", "message", "traceback", "version"]
    assert body["status"].startswith("%d " % status) and body["message"] and body["traceback"] == "" and body["version"]
    assert answer.headers["content-type"] == "application/json"
    return body["message"]


class EventService(WebhookService):
    """A service that trusts the header with the user, and does not retry deliveries."""

    def __init__(self, directory, **settings):
        super().__init__(directory, **{"USER_SOURCE": "header", "EVENTS_RETRY_SCHEDULE": "", **settings})

    def ask(self, method, path, body=None, user=None, headers=None, **options):
        """Sends a request of a user."""
        named = {USER_HEADER: user.encode()} if user is not None else {}
        return self.api(method, path, body, {**named, **(headers or {})}, **options)

    def subscribe(self, user, url, jsonpath, **members):
        wanted = {"name": "test", "jsonpath": jsonpath, "target_url": url, **members}
        answer = self.ask("POST", "/eventmatch", wanted, user)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def subscription(self, made):
        answer = self.ask("GET", "/eventmatch/" + made["uuid"], user=made["user"])
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def change(self, made, **members):
        answer = self.ask("PUT", "/eventmatch/" + made["uuid"], members, made["user"])
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def send(self, body, headers=None, **options):
        """Posts an event, and returns its id."""
        answer = self.api("POST", "/receive", body, headers, **options)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.text

    def history(self, sent, user):
        """The history of an event, as a user sees it."""
        answer = self.ask("GET", "/events/" + sent, user=user)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def states(self, sent, user):
        """The states of an event's deliveries to a user: {subscription: state}."""
        return {delivery["eventmatch"]: delivery["state"] for delivery in self.history(sent, user)["deliveries"]}

    def state(self, sent, made):
        return self.states(sent, made["user"]).get(made["uuid"])

    def settle(self, sent, made, state, seconds=20.0):
        """Waits until a delivery has a state."""
        wait_for(lambda: self.state(sent, made) == state, seconds)

    def lines(self, made, query=""):
        """The attempts for a subscription, newest first."""
        answer = self.ask("GET", "/eventmatch/%s/deliveries%s" % (made["uuid"], query), user=made["user"])
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def wait_disabled(self, made):
        return wait_for(lambda: (now := self.subscription(made))["disabled"] and now)


def numbers(receiver, path, key):
    """The numbers of the events that arrived at a path, in their order."""
    return [json.loads(arrival["body"])["data"][key] for arrival in receiver.arrivals(path)]
