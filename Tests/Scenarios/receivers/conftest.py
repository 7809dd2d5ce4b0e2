import pytest
from harness import Service


@pytest.fixture
def endpoint(shared):
    made = shared.create()
    yield made
    shared.call("DELETE", "/manage/endpoint/" + made)


@pytest.fixture(scope="module")
def shared_service():
    """Starts services that end with the tests of a file."""
    started = []

    def start(directory, **settings):
        started.append(Service(directory, RESPONDERS=2, **settings).start())
        return started[-1]

    yield start
    for service in started:
        service.stop()
