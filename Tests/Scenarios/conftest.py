import contextlib
import shutil

import pytest
from event_service import EventService
from harness import Service, compiled
from queue_service import QueueService
from webhook_service import Clock, Receiver, Resolver, WebhookService


@contextlib.contextmanager
def ending(start):
    """Lends `start`, which is given how many it has started before, and stops what it returned."""
    started = []

    def begin(*arguments, **settings):
        service = start(len(started), *arguments, **settings)
        started.append(service)
        return service.start()

    yield begin
    for service in started:
        service.stop()


@pytest.fixture
def serve(tmp_path):
    """Starts services that end with the test: serve(RESPONDERS=4) or serve(directory, ...)."""

    def start(number, directory=None, **settings):
        return Service(directory or tmp_path / ("data%d" % number), **settings)

    with ending(start) as begin:
        yield begin


@pytest.fixture
def serve_queues(tmp_path):
    """The same with queues: serve_queues(configuration, RESPONDERS=4)."""

    def start(number, config=None, directory=None, **settings):
        return QueueService(directory or tmp_path / ("data%d" % number), config, **settings)

    with ending(start) as begin:
        yield begin


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service with default settings for all tests of a file."""
    service = Service(tmp_path_factory.mktemp("shared"), RESPONDERS=3, MAX_BODY_BYTES="1m").start()
    yield service
    service.stop()


@pytest.fixture
def serve_webhooks(tmp_path):
    """The same where webhooks of this machine are called: serve_webhooks(WEBHOOKS_MAX_RETRIES=0)."""

    def start(number, **settings):
        return WebhookService(tmp_path / ("data%d" % number), **settings)

    with ending(start) as begin:
        yield begin


@pytest.fixture
def serve_events(tmp_path):
    """The same where users are named by a header: serve_events(POLICY_URL=policy.url(""))."""

    def start(number, **settings):
        return EventService(tmp_path / ("data%d" % number), **settings)

    with ending(start) as begin:
        yield begin


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


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """One service that routes events and asks nobody, for all tests of a file."""
    service = EventService(tmp_path_factory.mktemp("router"), RESPONDERS=2).start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def resolver_library(tmp_path_factory):
    """Tests/Support/resolver.c."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    return compiled("resolver", tmp_path_factory.mktemp("resolver"))


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    """Tests/Support/clock.c."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    return compiled("clock", tmp_path_factory.mktemp("clock"))


@pytest.fixture
def clock(tmp_path, clock_library):
    """A clock that the test can set forward."""
    return Clock(tmp_path, clock_library)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory, resolver_library):
    """Names of all tests of a file."""
    return Resolver(tmp_path_factory.mktemp("hosts"), resolver_library)
