"""Events from Kafka, and the environments that exist by PROJECT_MANAGEMENT_API_URI."""

import os
import signal

import pytest
from harness import wait_for
from kafka_broker import WAITING, event
from webhook_service import new_environment


def skipped(service):
    """The metrics of skipped events: those of environments that do not exist, and messages that are not events."""
    metrics = service.metrics()
    return [metrics['events_left_out_total{reason="%s"}' % reason] for reason in ("unknown_environment", "unreadable")]


def test_events_of_environments_that_do_not_exist_are_logged_counted_and_skipped(serve_webhooks, receive, broke):
    broker, receiver, environment, missing = broke(), receive(), new_environment(), new_environment()
    receiver.rule("/api/environments/" + missing, status=404)
    service = serve_webhooks(KAFKA_BROKERS=broker.address, PROJECT_MANAGEMENT_API_URI=receiver.url("/api"))
    service.add(environment, receiver.url("/hook"))
    messages = [
        ("pipeline-created", event(environment if n % 3 else missing, event_id="e%d" % n), "k") for n in range(90)
    ]
    broker.publish(*messages, ("pipeline-created", "{", "k"))
    receiver.wait(60, "/hook")
    logged = "left out a Kafka event of an environment that does not exist"
    wait_for(lambda: service.log().count(logged) == 30)
    assert all(missing in line and "offset" in line for line in service.log().splitlines() if logged in line)
    wait_for(lambda: skipped(service) == [30, 1])
    service.stop()
    service.start()
    broker.publish(("pipeline-created", event(environment, event_id="last"), "k"))
    receiver.wait(61, "/hook")
    # The others were not read again, and the counts are kept.
    assert service.log().count(logged) == 30 and skipped(service) == [30, 1]
    assert len(receiver.arrivals("/hook")) == 61
    # The answer is reused: there were only a few questions, for the first batches and after the restart.
    assert len(receiver.arrivals("/api/environments/" + environment)) <= 4


@pytest.mark.parametrize("rule, is_killed", [({"status": 500}, True), ({"fault": "hang"}, False)])
def test_events_wait_in_kafka_while_project_management_does_not_answer(serve_webhooks, receive, broke, rule, is_killed):
    broker, receiver, known, unanswered = broke(), receive(), new_environment(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, PROJECT_MANAGEMENT_API_URI=receiver.url("/api"))
    for environment in (known, unanswered):
        service.add(environment, receiver.url("/hook"))
    # The worker has asked for neither yet.
    question = "/api/environments/" + unanswered
    receiver.rule(question, **rule)
    broker.publish(*(
        ("pipeline-created", event(environment, event_id="%s-%d" % (environment, n)), "k")
        for n in range(20) for environment in (known, unanswered)
    ))
    wait_for(lambda: WAITING in service.log())
    # Events that are posted over HTTP are delivered meanwhile.
    service.publish(known)
    receiver.wait(1, "/hook")
    # Once the worker asks again, it has tried to store the batch again, and has not logged that again.
    receiver.wait(len(receiver.arrivals(question)) + 1, question)
    service.finish()
    assert service.log().count(WAITING) == 1 and len(receiver.arrivals("/hook")) == 1
    if is_killed:
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
    receiver.rule(question, status=200)
    receiver.wait(41, "/hook", seconds=60)
    # A message of the same partition comes after all others.
    broker.publish(("pipeline-created", event(known, event_id="last"), "k"))
    receiver.wait(42, "/hook")
    service.finish()
    assert len(receiver.arrivals("/hook")) == 42
