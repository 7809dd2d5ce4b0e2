import pytest
from webhook_service import LOOPBACK


@pytest.fixture
def begin(serve_queues):
    """Starts services of all APIs that end with the test: begin(RATE_LIMIT=1)."""

    def start(config=None, **settings):
        wanted = {
            "SERVER_URL": "http://localhost:8080", "DELIVERY_ALLOW_SUBNETS": LOOPBACK, "RESPONDERS": 2, **settings
        }
        return serve_queues(config, **wanted)

    return start


@pytest.fixture
def hurried(begin):
    """A service that takes one request a second from an address."""
    return begin(RATE_LIMIT=1)
