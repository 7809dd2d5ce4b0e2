import json

import pytest
from harness import Service, wait_for
from webhook_service import LOOPBACK


@pytest.fixture
def endpoint(shared):
    made = shared.create()
    yield made
    shared.call("DELETE", "/manage/endpoint/" + made)


class ForwardingService(Service):
    """Forwards notifications to receivers on this machine."""

    def __init__(self, directory, **settings):
        super().__init__(
            directory, **{"ENDPOINT_FORWARDING": "true", "DELIVERY_ALLOW_SUBNETS": LOOPBACK, "RESPONDERS": 2, **settings}
        )

    def begin_forwards(self, endpoint, notifications, urls):
        body = json.dumps({"notifications": list(notifications), "urls": list(urls)})
        return self.call("POST", "/manage/endpoint/%s/forwards" % endpoint, body)

    def forward(self, endpoint, notifications, urls):
        """Begins forwards, and returns them as they were answered."""
        answer = self.begin_forwards(endpoint, notifications, urls)
        assert answer.status == 202, (answer.status, answer.text)
        return answer.json()["forwards"]

    def listed(self, endpoint, query=""):
        answer = self.call("GET", "/manage/endpoint/%s/forwards%s" % (endpoint, query))
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json()

    def forwards(self, endpoint, query=""):
        """Oldest first."""
        return self.listed(endpoint, query)["forwards"][::-1]

    def backlog(self, endpoint):
        return self.listed(endpoint)["backlog"]

    def states(self, endpoint):
        return [forward["state"] for forward in self.forwards(endpoint)]

    def wait_over(self, endpoint, seconds=20.0):
        """Waits until no forward is pending, and returns all."""
        wait_for(lambda: "pending" not in self.states(endpoint), seconds)
        return self.forwards(endpoint)

    def standing(self, endpoint, *urls, **members):
        answer = self.configure(endpoint, enabled=True, forwards=list(urls), **members)
        assert answer.status == 204, (answer.status, answer.text)
        return endpoint


@pytest.fixture
def forwarding(tmp_path):
    """Starts services that forward and end with the test: forwarding(RESPONDERS=1)."""
    started = []

    def start(**settings):
        service = ForwardingService(tmp_path / ("data%d" % len(started)), **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="module")
def forwarding_hub(tmp_path_factory):
    """One service that forwards, for all tests of a file."""
    service = ForwardingService(tmp_path_factory.mktemp("hub"), WEBHOOKS_WRITE_TIMEOUT="2s").start()
    yield service
    service.check()
    service.stop()
