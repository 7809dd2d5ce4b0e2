import pytest
from queue_examples import NAMES
from queue_service import QueueService, configuration, roomy


@pytest.fixture(scope="module")
def queues(tmp_path_factory):
    """One service for all tests of a file that need no other settings; each test uses other queues."""
    service = QueueService(
        tmp_path_factory.mktemp("queues"), configuration([roomy(name) for name in NAMES]), RESPONDERS=4
    ).start()
    service.unused = iter(NAMES)
    yield service
    service.stop()


@pytest.fixture
def queue(queues):
    return next(queues.unused)
