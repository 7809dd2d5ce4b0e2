"""Connections to Kafka brokers: lost ones, TLS, logins, and topics that are missing."""

import time

import pytest
from certificates import certificate, client_certificate
from harness import wait_for
from kafka_broker import event
from kafka_proxy import KafkaProxy
from webhook_examples import EVENTS
from webhook_service import new_environment


def test_an_unreachable_broker_is_logged_once_and_once_more_when_it_is_back(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, LOG_LEVEL="DEBUG")
    service.add(environment, receiver.url("/hook"))
    broker.publish(("pipeline-created", event(environment)))
    receiver.wait(1, "/hook")
    workers = service.workers()
    unreachable = "no Kafka broker can be reached"
    for turn in (1, 2):
        broker.tell("down")
        wait_for(lambda turn=turn: service.log().count(unreachable) == turn)
        # Each failed connection is logged at debug level: wait for two more of them.
        wait_for(lambda: service.log().rpartition(unreachable)[2].count("Connection refused") >= 2)
        service.publish(environment)
        receiver.wait(2 * turn, "/hook")
        broker.tell("up")
        wait_for(lambda turn=turn: service.log().count("a Kafka broker can be reached again") == turn)
        broker.publish(("pipeline-created", event(environment)))
        receiver.wait(2 * turn + 1, "/hook")
    assert service.log().count(unreachable) == 2
    assert service.workers() == workers


@pytest.fixture
def between():
    """Starts proxies that end with the test."""
    started = []

    def start(broker, **options):
        started.append(KafkaProxy(broker.address, **options))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


def test_brokers_are_reached_through_tls_with_a_certificate_and_a_login(
    serve_webhooks, receive, broke, between, tmp_path
):
    certificate(str(tmp_path))
    authority, client, key = client_certificate(tmp_path)
    server = [str(tmp_path / name) for name in ("cert.pem", "key.pem")]
    broker, receiver, environment = broke(), receive(), new_environment()
    proxy = between(broker, certificates=(authority, *server))
    settings = dict(
        KAFKA_BROKERS=proxy.address, KAFKA_SECURITY_PROTOCOL="sasl_ssl", KAFKA_SASL_USERNAME="reader",
        KAFKA_SASL_PASSWORD="s3cret-word", KAFKA_SSL_CA_LOCATION=server[0], KAFKA_SSL_CERTIFICATE_LOCATION=client,
        KAFKA_SSL_KEY_LOCATION=key,
    )
    service = serve_webhooks(**settings)
    service.add(environment, receiver.url("/hook"))
    broker.publish(("pipeline-created", event(environment)))
    receiver.wait(1, "/hook")
    assert set(proxy.clients) == {"client"} and set(proxy.logins) == {b"\0reader\0s3cret-word"}
    assert "s3cret-word" not in service.log()
    # A broker with a certificate of another authority gets no login.
    logins = len(proxy.logins)
    service = serve_webhooks(**{**settings, "KAFKA_SSL_CA_LOCATION": authority})
    wait_for(lambda: proxy.failed_handshakes)
    assert len(proxy.logins) == logins


def test_missing_topics_are_created_with_the_replication_factor(serve_webhooks, receive, broke, between):
    broker, receiver, environment = broke(prefix="new-"), receive(), new_environment()
    for name in EVENTS:
        broker.tell("hide new-" + name)
    proxy = between(broker, make=lambda topic: broker.tell("show " + topic))
    service = serve_webhooks(
        KAFKA_BROKERS=proxy.address, KAFKA_TOPIC_PREFIX="new-", KAFKA_TOPIC_REPLICATION_FACTOR=3
    )
    wait_for(lambda: len(proxy.made) == len(EVENTS))
    # -1: the broker's default number of partitions.
    assert sorted(proxy.made) == sorted(("new-" + name, -1, 3) for name in EVENTS)
    wait_for(lambda: service.log().count("created a missing Kafka topic") == len(EVENTS))
    service.add(environment, receiver.url("/hook"))
    broker.publish(("new-pipeline-created", event(environment)))
    receiver.wait(1, "/hook", 30)


def test_topics_that_cannot_be_created_are_logged_and_the_others_are_read(serve_webhooks, receive, broke, between):
    broker, receiver, environment = broke(), receive(), new_environment()
    for name in EVENTS:
        broker.tell("hide " + name)
    service = serve_webhooks(KAFKA_BROKERS=between(broker).address)
    service.add(environment, receiver.url("/hook"))
    broker.publish(("events", event(environment, event="pipeline-created")))
    receiver.wait(1, "/hook", 30)
    wait_for(lambda: "Topic Admin API" in service.log())
    assert service.log().count("Topic Admin API") == 1


def test_without_a_broker_the_service_starts_serves_and_stops(serve_webhooks, receive):
    receiver, environment = receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS="127.0.0.1:1")
    service.add(environment, receiver.url("/hook"))
    service.publish(environment)
    receiver.wait(1, "/hook")
    wait_for(lambda: "no Kafka broker can be reached" in service.log())
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 3
