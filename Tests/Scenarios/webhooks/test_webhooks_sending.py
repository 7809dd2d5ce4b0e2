"""Calls of webhooks: their content, order, and rate."""

import json
import time

import pytest
from harness import wait_for
from webhook_examples import LATE
from webhook_service import header_of, new_environment

# ------------------------------------------------------------ content


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_every_method_sends_the_body(hub, receiver, method):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/method-" + method + "?a=1&b=%20"), method=method)
    hub.publish(environment, data={"text": "käse \U0001f9c0", "number": 1.50})
    (line,) = hub.settle(webhook)
    (call,) = receiver.arrivals("/method-" + method)
    assert call["method"] == method.upper() and line["method"] == method and call["query"] == "a=1&b=%20"
    # Data is what was published, byte for byte.
    assert call["body"].endswith(', "data": {"text": "k\\u00e4se \\ud83e\\uddc0", "number": 1.5}}')
    assert call["body"] == line["request_body"]


def test_custom_headers_are_sent_and_never_shown(hub, receiver):
    environment = new_environment()
    headers = {"Authorization": "Bearer s3cret-token", "X-Tenant": "grün, weiß", "x_under_score": "1"}
    webhook = hub.add(environment, receiver.url("/headers"), custom_headers=headers)
    masked = dict.fromkeys(headers, "***")
    assert webhook["custom_headers"] == masked and hub.webhook(webhook)["custom_headers"] == masked
    hub.publish(environment)
    (line,) = hub.settle(webhook)
    (call,) = receiver.arrivals("/headers")
    for name, value in headers.items():
        assert header_of(call, name).encode("latin-1").decode() == value
        assert line["request_headers"][name] == "***"
    assert line["request_headers"]["X-3dverse-Event"] == "pipeline-created"
    assert "s3cret" not in json.dumps(line) + json.dumps(hub.webhook(webhook)) + hub.log()
    # A mask that is sent back keeps the value.
    hub.change(webhook, custom_headers={**masked, "X-Tenant": "blue"})
    hub.publish(environment)
    second = receiver.wait(2, "/headers")[1]
    assert header_of(second, "authorization") == "Bearer s3cret-token" and header_of(second, "x-tenant") == "blue"


def test_custom_headers_may_replace_user_agent_and_content_type(hub, receiver):
    environment = new_environment()
    headers = {"user-agent": "mine", "Content-type": "application/vnd.example+json"}
    webhook = hub.add(environment, receiver.url("/agent"), custom_headers=headers)
    hub.publish(environment)
    (line,) = hub.settle(webhook)
    (call,) = receiver.arrivals("/agent")
    for name, value in headers.items():
        assert header_of(call, name) == value
        assert [shown for key, shown in line["request_headers"].items() if key.lower() == name.lower()] == ["***"]


def test_the_largest_event_arrives(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/large"))
    hub.publish(environment, data={"x": "y" * (255 << 10)})
    hub.settle(webhook)
    (call,) = receiver.arrivals("/large")
    assert json.loads(call["body"])["data"]["x"] == "y" * (255 << 10)


def test_a_webhook_gets_the_events_that_it_subscribes_to_in_its_environment(hub, receiver):
    environment, other = new_environment(), new_environment()
    jobs = hub.add(environment, receiver.url("/jobs"), events=["job-created", "job-completed"])
    pipelines = hub.add(environment, receiver.url("/pipelines"), events=["pipeline-completed", "job-completed"])
    hub.add(other, receiver.url("/elsewhere"), events=["job-created"])
    for event, count in (("job-created", 1), ("pipeline-created", 0), ("job-completed", 2), ("pipeline-completed", 1)):
        assert hub.publish(environment, event)["deliveries"] == count
    hub.settle(jobs, pipelines)
    assert sorted(header_of(call, "X-3dverse-Event") for call in receiver.arrivals("/jobs")) == [
        "job-completed",
        "job-created",
    ]
    assert len(receiver.arrivals("/pipelines")) == 2 and receiver.arrivals("/elsewhere") == []


def test_connections_are_reused(hub, receive):
    receiver = receive()
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/"))
    for _ in range(50):
        hub.publish(environment)
    hub.settle(webhook)
    calls = receiver.arrivals()
    assert len(calls) == 50 and len({call["conn"] for call in calls}) <= 16


def test_a_receiver_may_close_the_connection_after_each_answer(hub, receiver):
    environment = new_environment()
    receiver.rule("/no-keep", keepalive=False)
    webhook = hub.add(environment, receiver.url("/no-keep"))
    for _ in range(10):
        hub.publish(environment)
    assert [line["attempt"] for line in hub.settle(webhook)] == [1] * 10


# ------------------------------------------------------------ order and limits


def test_an_ordered_webhook_gets_one_event_at_a_time(hub, receiver):
    environment = new_environment()
    receiver.rule("/ordered", status=[500, 200], per="id")
    webhook = hub.add(environment, receiver.url("/ordered"), ordered=True, retry_policy=["300ms", "300ms"])
    ids = ["e%d" % number for number in range(6)]
    for event in ids:
        hub.publish(environment, event_id=event)
    hub.settle(webhook)
    calls = receiver.arrivals("/ordered")
    assert [call["id"] for call in calls] == [event for event in ids for _ in range(2)]
    assert all(call["inflight_path"] == 1 for call in calls)


def test_an_ordered_webhook_continues_after_an_event_was_given_up(hub, receiver):
    environment = new_environment()
    receiver.rule("/stuck", steps=[{"status": 500}, {"status": 500}, {"status": 200}])
    webhook = hub.add(environment, receiver.url("/stuck"), ordered=True, retry_policy=["200ms"])
    for event in ("a", "b", "c"):
        hub.publish(environment, event_id=event)
    log = hub.settle(webhook)
    assert [(line["event_id"], line["attempt"], line["status_code"]) for line in log] == [
        ("a", 1, 500),
        ("a", 2, 500),
        ("b", 1, 200),
        ("c", 1, 200),
    ]


def test_a_rate_limit_is_kept(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/rated"), rate_limit=5)
    for _ in range(15):
        hub.publish(environment)
    log = hub.settle(webhook)
    # Waiting is not an attempt.
    assert [line["attempt"] for line in log] == [1] * 15
    times = [call["t"] for call in receiver.arrivals("/rated")]
    for first in range(15):
        for last in range(first, 15):
            # Five at once, then one every 0.2 s.
            assert last - first + 1 <= 5 + 5 * (times[last] - times[first] + 0.05)
    assert 1.9 <= times[-1] - times[0] <= 2 + 2 * LATE


def test_a_receiver_that_hangs_delays_no_other(serve_webhooks, receive):
    receiver = receive({"/hangs": {"fault": "hang"}})
    service = serve_webhooks(SHUTDOWN_SECONDS=1)

    def late(paths):
        """The 95th percentile of the times from event to delivery at the paths that do not hang, and the last webhook."""
        environment = new_environment()
        webhooks = [service.add(environment, receiver.url(path)) for path in paths]
        published = {}
        for number in range(25):
            event = "%s-%d" % (environment, number)
            published[event] = time.time()
            assert service.publish(environment, event_id=event)["deliveries"] == 20
            time.sleep(0.1)
        service.settle(*webhooks[:19])
        calls = [call for call in receiver.arrivals() if call["id"] in published and call["path"] != "/hangs"]
        assert len(calls) == 25 * len(set(paths) - {"/hangs"})
        found = sorted(call["t"] - published[call["id"]] for call in calls)
        return found[int(0.95 * len(found))], webhooks[-1]

    others = ["/%d" % number for number in range(19)]
    before, _ = late([*others, "/19"])
    after, stuck = late([*others, "/hangs"])
    assert after < 1.5 * before + 0.05, (before, after)
    # As many calls as a destination may have at a time hang, and the rest waits.
    assert len(receiver.arrivals("/hangs")) == 16 and service.statistics(stuck)["pending"] == 25


def test_deliveries_survive_a_stop(serve_webhooks, receive):
    receiver = receive({"/busy": {"delay": 1}, "/fails": {"status": [500, 200]}})
    service = serve_webhooks(WEBHOOKS_RETRY_INTERVAL="1s")
    environment = new_environment()
    busy = service.add(environment, receiver.url("/busy"))
    fails = service.add(environment, receiver.url("/fails"))
    service.publish(environment)
    receiver.wait(1, "/busy")
    wait_for(lambda: len(service.attempts(fails)) == 1)
    assert service.stop() == 0
    # The stop waited for the call in flight, which is not made again.
    service.start()
    assert [line["status_code"] for line in service.settle(busy)] == [200]
    assert [line["attempt"] for line in service.settle(fails)] == [1, 2]
    assert (len(receiver.arrivals("/busy")), len(receiver.arrivals("/fails"))) == (1, 2)
