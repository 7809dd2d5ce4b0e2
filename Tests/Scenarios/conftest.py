import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import QueueService, Service  # noqa: E402


@pytest.fixture
def serve(tmp_path):
    """Starts services that end with the test: serve(RESPONDERS=4) or serve(directory, ...)."""
    started = []

    def start(directory=None, **settings):
        service = Service(directory or tmp_path / ("data%d" % len(started)), **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def serve_queues(tmp_path):
    """The same with queues: serve_queues(configuration, RESPONDERS=4)."""
    started = []

    def start(config=None, directory=None, **settings):
        service = QueueService(directory or tmp_path / ("data%d" % len(started)), config, **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service with default settings for all tests of a file."""
    service = Service(tmp_path_factory.mktemp("shared"), RESPONDERS=3).start()
    yield service
    service.stop()
