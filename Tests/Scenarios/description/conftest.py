import pytest
from queue_service import QueueService
from webhook_service import LOOPBACK


@pytest.fixture
def begin(tmp_path):
    """Starts services of all APIs that end with the test: begin(RATE_LIMIT=1)."""
    services = []

    def start(config=None, **settings):
        wanted = {
            "SERVER_URL": "http://localhost:8080", "DELIVERY_ALLOW_SUBNETS": LOOPBACK, "RESPONDERS": 2, **settings
        }
        service = QueueService(tmp_path / ("data%d" % len(services)), config, **wanted)
        services.append(service)
        return service.start()

    yield start
    for service in services:
        service.stop()


@pytest.fixture
def hurried(begin):
    """A service that takes one request a second from an address."""
    return begin(RATE_LIMIT=1)
