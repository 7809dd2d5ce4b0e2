"""What scenarios of event routing need: a service, and events for it."""

import json
import uuid

from harness import wait_for
from webhook_service import WebhookService

USER_HEADER = "Http-Remote-User"


def token(prefix="k"):
    """A name that no other test has."""
    return prefix + uuid.uuid4().hex[:12]


def on(key):
    """An expression for the events of a key."""
    return "$.data." + key


def event(key, number=0, data=None, **members):
    """An event of version 0.1 whose data has a member of a name of its own."""
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
    """The error object of this API and nothing else; returns its message."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert list(body) == ["status", "message", "traceback", "version"]
    assert body["status"].startswith("%d " % status) and body["message"] and body["traceback"] == "" and body["version"]
    assert answer.headers["content-type"] == "application/json"
    return body["message"]


class EventService(WebhookService):
    """A service that believes the header which names a user, and soon gives up a target that fails."""

    def __init__(self, directory, **settings):
        super().__init__(directory, **{"USER_SOURCE": "header", "EVENTS_RETRY_SCHEDULE": "", **settings})

    def ask(self, method, path, body=None, user=None, headers=None, **options):
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
        """Returns the event's id."""
        answer = self.api("POST", "/receive", body, headers, **options)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.text

    def history(self, sent, user):
        """What became of an event, as a user sees it."""
        answer = self.ask("GET", "/events/" + sent, user=user)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def states(self, sent, user):
        """How the deliveries of an event stand to the subscriptions of a user."""
        return {delivery["eventmatch"]: delivery["state"] for delivery in self.history(sent, user)["deliveries"]}

    def state(self, sent, made):
        return self.states(sent, made["user"]).get(made["uuid"])

    def settle(self, sent, made, state, seconds=20.0):
        """Waits until a delivery stands so."""
        wait_for(lambda: self.state(sent, made) == state, seconds)

    def lines(self, made, query=""):
        """The history of a subscription, newest first."""
        answer = self.ask("GET", "/eventmatch/%s/deliveries%s" % (made["uuid"], query), user=made["user"])
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def wait_disabled(self, made):
        return wait_for(lambda: (now := self.subscription(made))["disabled"] and now)


def numbers(receiver, path, key):
    """The numbers of the events that arrived, in the order they came."""
    return [json.loads(arrival["body"])["data"][key] for arrival in receiver.arrivals(path)]
