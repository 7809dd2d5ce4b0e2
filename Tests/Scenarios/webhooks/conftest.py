import libraries
import pytest
from kafka_broker import Broker


@pytest.fixture
def broke():
    """Starts brokers that end with the test: broke(prefix="a.")."""
    libraries.need("confluent_kafka")
    started = []

    def start(**options):
        started.append(Broker(**options))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()
