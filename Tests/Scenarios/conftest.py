import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import QueueService, Receiver, Service, WebhookService  # noqa: E402


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


@pytest.fixture
def serve_webhooks(tmp_path):
    """The same where webhooks of this machine are called: serve_webhooks(WEBHOOKS_MAX_RETRIES=0)."""
    started = []

    def start(directory=None, **settings):
        service = WebhookService(directory or tmp_path / ("data%d" % len(started)), **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def receive(tmp_path):
    """Starts receivers that end with the test: receive({"/path": {"status": 500}})."""
    started = []

    def start(rules=None, *arguments, **options):
        receiver = Receiver(tmp_path / ("receiver%d" % len(started)), rules, *arguments, **options)
        started.append(receiver)
        return receiver

    yield start
    for receiver in started:
        receiver.stop()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    """One receiver for all tests of a file."""
    receiver = Receiver(tmp_path_factory.mktemp("receiver"))
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """One service with default settings but for its timeout, which calls webhooks of this machine."""
    service = WebhookService(tmp_path_factory.mktemp("hub"), RESPONDERS=3, WEBHOOKS_WRITE_TIMEOUT="1s").start()
    yield service
    service.stop()
