"""The log of a webhook, its statistics, and retry, recover and test."""

import json
from datetime import datetime, timezone

import pytest
from harness import wait_for
from webhook_examples import EVENTS
from webhook_service import new_environment, refusal

# ------------------------------------------------------------ logs


@pytest.fixture(scope="module")
def logged(hub, receiver):
    """A webhook whose log has 5 events of two kinds: failures with three statuses, and successes."""
    environment = new_environment()
    receiver.rule("/logged", steps=[{"status": status} for status in (200, 500, 503, 404, 204)])
    webhook = hub.add(environment, receiver.url("/logged"), events=EVENTS, retry_policy=[])
    for number in range(5):
        hub.publish(environment, EVENTS[number % 2], event_id="e%d" % number)
        wait_for(lambda number=number: len(hub.attempts(webhook)) == number + 1)
    return webhook


@pytest.mark.parametrize(
    "query, ids",
    [
        ("", [4, 3, 2, 1, 0]),
        ("?limit=2", [4, 3]),
        ("?limit=1000", [4, 3, 2, 1, 0]),
        ("?event=pipeline-created", [4, 2, 0]),
        ("?event=pipeline-download-progress", [3, 1]),
        ("?event=job-created", []),
        ("?status=success", [4, 0]),
        ("?status=failure", [3, 2, 1]),
        ("?status=503", [2]),
        ("?status=204", [4]),
        ("?status=failure&event=pipeline-created", [2]),
        ("?status=failure&limit=1", [3]),
    ],
)
def test_the_log_is_filtered(hub, logged, query, ids):
    assert [line["event_id"] for line in hub.attempts(logged, query)] == ["e%d" % number for number in ids]


def test_the_log_is_read_in_pages(hub, logged):
    found, query = [], "?limit=2"
    while page := hub.attempts(logged, query):
        found += page
        query = "?limit=2&before=%s" % page[-1]["log_id"]
    assert found == hub.attempts(logged)
    assert len(hub.attempts(logged, "?limit=2&before=%d&status=failure" % found[1]["log_id"])) == 2


@pytest.mark.parametrize(
    "query, code, place",
    [
        ("?limit=0", 1001, "limit"),
        ("?limit=1001", 1001, "limit"),
        ("?limit=x", 1001, "limit"),
        ("?before=x", 1001, "before"),
        ("?before=-1", 1001, "before"),
        ("?event=nothing", 1003, "event"),
        ("?status=99", 1001, "status"),
        ("?status=bad", 1001, "status"),
    ],
)
def test_an_invalid_query_is_refused(hub, logged, query, code, place):
    answer = hub.call("GET", "/webhooks/%s/logs%s" % (logged["webhook_id"], query))
    assert '"%s"' % place in refusal(answer, 400, code)


def test_statistics_count_deliveries_and_failures(hub, receiver):
    environment = new_environment()
    receiver.rule("/counted", status=[200, 500, 500, 500])
    webhook = hub.add(environment, receiver.url("/counted"), retry_policy=["100ms"])
    hub.publish(environment)
    hub.settle(webhook)
    hub.publish(environment)
    hub.settle(webhook)
    statistics = hub.statistics(webhook)
    assert (statistics["delivered"], statistics["failed_attempts"], statistics["given_up"]) == (1, 2, 1)
    assert statistics["consecutive_failures"] == 2 and statistics["failing_since"]


# ------------------------------------------------------------ retry, recover, test


def test_retry_makes_one_attempt(hub, receiver):
    environment = new_environment()
    receiver.rule("/retried", status=500)
    webhook = hub.add(environment, receiver.url("/retried"), retry_policy=[])
    hub.publish(environment, event_id="again")
    (line,) = hub.settle(webhook)
    path = "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], line["log_id"])
    answer = hub.api("POST", path)
    assert answer.status == 202
    _, again = hub.settle(webhook)
    assert (again["trigger"], again["event_id"], again["final"], again["attempt"]) == ("manual", "again", True, 1)
    first, second = receiver.arrivals("/retried")
    assert first["body"] == second["body"] and first["id"] == second["id"]
    assert ["X-3dverse-Delivery", answer.json()["delivery_id"]] in second["headers"]
    receiver.rule("/retried")
    assert hub.api("POST", path).status == 202
    assert hub.settle(webhook)[-1]["status_code"] == 200
    other = hub.add(environment, receiver.url("/retried"))
    for wrong in ("0", "999999999", "x", "-1", str(1 << 70)):
        refusal(hub.api("POST", "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], wrong)), 404, 1202)
    # A line of another webhook's log.
    refusal(hub.api("POST", "/webhooks/%s/logs/%s/retry" % (other["webhook_id"], line["log_id"])), 404, 1202)


def test_recover_delivers_what_was_given_up(hub, receiver):
    environment = new_environment()
    receiver.rule("/recovered", status=[500, 200, 500, 500, 200])
    webhook = hub.add(environment, receiver.url("/recovered"), retry_policy=[])
    for number in range(4):
        hub.publish(environment, event_id="e%d" % number)
        wait_for(lambda number=number: len(hub.attempts(webhook)) == number + 1)
    lines = hub.attempts(webhook)[::-1]
    path = "/webhooks/%s/recover" % webhook["webhook_id"]
    window = {"since": lines[1]["triggered_at"], "until": lines[3]["triggered_at"]}
    assert hub.api("POST", path, window).json() == {"deliveries": 1, "more": False}
    assert [(line["event_id"], line["trigger"]) for line in hub.settle(webhook)[4:]] == [("e2", "recover")]
    answer = hub.api("POST", path, {"since": lines[0]["triggered_at"]})
    assert answer.json() == {"deliveries": 2, "more": False}
    assert sorted(line["event_id"] for line in hub.settle(webhook)[5:]) == ["e0", "e3"]
    # All has been delivered since.
    assert hub.api("POST", path, {"since": lines[0]["triggered_at"]}).json()["deliveries"] == 0


def test_recover_delivers_what_has_failed_again_since(hub, receiver):
    environment = new_environment()
    receiver.rule("/again", status=500)
    webhook = hub.add(environment, receiver.url("/again"), retry_policy=[])
    hub.publish(environment)
    (line,) = hub.settle(webhook)
    until = datetime.now(timezone.utc).isoformat()
    assert hub.api("POST", "/webhooks/%s/logs/%s/retry" % (webhook["webhook_id"], line["log_id"])).status == 202
    assert len(hub.settle(webhook)) == 2
    window = {"since": line["triggered_at"], "until": until}
    path = "/webhooks/%s/recover" % webhook["webhook_id"]
    assert hub.api("POST", path, window).json() == {"deliveries": 1, "more": False}


@pytest.mark.parametrize(
    "wanted, place",
    [
        ({}, "since: is required"),
        ({"since": None}, "since: "),
        ({"since": "yesterday"}, "since: "),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since: must not be later"),
        ({"since": "2999-01-01T00:00:00Z"}, "since: must not be later"),
        ({"since": "2026-01-01T00:00:00Z", "until": 5}, "until: "),
        ({"since": "2026-01-01T00:00:00Z", "to": "x"}, "to: "),
    ],
)
def test_an_invalid_recover_is_refused(hub, wanted, place):
    webhook = hub.add(new_environment(), "http://example.com/")
    assert place in refusal(hub.api("POST", "/webhooks/%s/recover" % webhook["webhook_id"], wanted), 400, 1001)


def test_a_test_sends_one_example(hub, receiver):
    environment = new_environment()
    receiver.rule("/tested", status=[200, 500])
    webhook = hub.add(environment, receiver.url("/tested"), events=["job-created"])
    path = "/webhooks/%s/test" % webhook["webhook_id"]
    answer = hub.api("POST", path)
    assert answer.status == 202 and answer.json()["event"] == "job-created"
    hub.settle(webhook)
    # Also of an event type that it does not subscribe to. A failure is not retried.
    assert hub.api("POST", path, {"event": "pipeline-completed"}).status == 202
    log = hub.settle(webhook)
    assert [(line["trigger"], line["event"], line["final"]) for line in log] == [
        ("test", "job-created", True),
        ("test", "pipeline-completed", True),
    ]
    examples = {event["name"]: event["example"] for event in hub.call("GET", "/webhooks/events").json()}
    for call in receiver.wait(2, "/tested"):
        sent = json.loads(call["body"])
        assert sent["environment_id"] == environment and sent["data"] == examples[sent["event"]]["data"]
    refusal(hub.api("POST", path, {"event": "nothing"}), 400, 1003)
    refusal(hub.api("POST", path, {"evnt": "job-created"}), 400, 1001)
    refusal(hub.api("POST", path, "["), 400, 1000)
