"""Deliveries to receivers of every kind: how many attempts there are, when, and what the log has."""

import base64
import json
import re
import subprocess
import time
from email.utils import formatdate

import pytest
from harness import free_port
from webhook_examples import LATE, moment, waits
from webhook_service import Receiver, header_of, new_environment

# What a receiver does: its rule, the number of attempts by the fixed policy, and the error_kind of the last one.
RECEIVERS = {
    "200": ({}, 1, None),
    "201": ({"status": 201}, 1, None),
    "204": ({"status": 204}, 1, None),
    "299": ({"status": 299}, 1, None),
    "500": ({"status": 500}, 4, "status"),
    "404": ({"status": 404}, 4, "status"),
    "recovers": ({"status": [500, 503, 200]}, 3, None),
    "recovers-last": ({"status": [500, 500, 500, 200]}, 4, None),
    "301": ({"status": 301, "redirect": "/redirected"}, 4, "status"),
    "302": ({"status": 302, "redirect": "/redirected"}, 4, "status"),
    "303": ({"status": 303, "redirect": "/redirected"}, 4, "status"),
    "307": ({"status": 307, "redirect": "/redirected"}, 4, "status"),
    "308": ({"status": 308, "redirect": "/redirected"}, 4, "status"),
    "304": ({"status": 304}, 4, "status"),
    "reset": ({"fault": "reset"}, 4, "reset"),
    "reset-early": ({"fault": "reset_early"}, 4, "reset"),
    "reset-mid": ({"fault": "reset_mid", "body_bytes": 4096}, 4, "reset"),
    "close": ({"fault": "close"}, 4, "reset"),
    "truncate": ({"fault": "truncate", "body_bytes": 4096}, 4, "reset"),
    "garbage": ({"fault": "garbage"}, 4, "protocol"),
    "hang": ({"fault": "hang"}, 4, "timeout"),
    "half": ({"fault": "half"}, 4, "timeout"),
    "slow": ({"delay": 3}, 4, "timeout"),
    "slow-body": ({"drip": {"bytes": 30, "chunk": 1, "interval": 0.2}}, 4, "timeout"),
    "slow-head": ({"drip": {"bytes": 30, "chunk": 4, "interval": 0.3, "where": "headers"}}, 4, "timeout"),
    "slow-endless": ({"endless": True, "drip": {"bytes": 1, "interval": 0.3}}, 4, "timeout"),
    "reads-late": ({"read_delay": 2}, 4, "timeout"),
    "endless": ({"endless": True, "drip": {"bytes": 1, "interval": 0.001}}, 1, None),
    "long": ({"body_bytes": 8 << 20}, 1, None),
    "long-failure": ({"status": 500, "body_bytes": 8 << 20}, 4, "status"),
    "bomb": ({"gzip_bomb": 32 << 20}, 1, None),
    "410": ({"status": 410}, 1, "status"),
    "abort": ({"status": 500, "headers": {"webhook-delivery": "abort-message"}}, 1, "status"),
    "disable": ({"status": 500, "headers": {"webhook-delivery": "disable"}}, 1, "status"),
    "other-wish": ({"status": 500, "headers": {"webhook-delivery": "something"}}, 4, "status"),
    "429": ({"status": [429, 200], "headers": {"retry-after": "3"}}, 2, None),
    "503": ({"status": [503, 200], "headers": {"retry-after": "2"}}, 2, None),
    "retry-after-0": ({"status": [503, 200], "headers": {"retry-after": "0"}}, 2, None),
    "retry-after-nonsense": ({"status": [503, 200], "headers": {"retry-after": "soon"}}, 2, None),
    "429-forever": ({"status": 429, "headers": {"retry-after": "1"}}, 4, "status"),
}


@pytest.fixture(scope="module")
def outcomes(hub, receiver, tmp_path_factory):
    """One delivery to each receiver, all at the same time: when they began, {name: (webhook, log, environment)}."""
    made = {}
    in_4_seconds = {"status": [503, 200], "headers": {"retry-after": formatdate(time.time() + 6, usegmt=True)}}
    places = {name: receiver.url("/" + name) for name in RECEIVERS}
    for name, (rule, _, _) in RECEIVERS.items():
        receiver.rule("/" + name, **rule)
    receiver.rule("/date", **in_4_seconds)
    places["date"] = receiver.url("/date")
    places["refused"] = "http://127.0.0.1:%d/" % free_port()
    secure = self_signed(tmp_path_factory.mktemp("secure"))
    places["tls"] = secure.url("/", scheme="https")
    places["unknown"] = "http://nowhere.invalid/"
    for name, url in places.items():
        environment = new_environment()
        made[name] = (hub.add(environment, url), environment)
    began = time.time()
    for name, (_, environment) in made.items():
        assert hub.publish(environment, event_id=name, data={"name": name})["deliveries"] == 1
    yield began, {name: (webhook, hub.settle(webhook), environment) for name, (webhook, environment) in made.items()}
    secure.stop()


def self_signed(directory):
    """A receiver with a certificate that no authority has signed."""
    pair = directory / "pair.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", pair, "-out", pair], check=True, capture_output=True)
    return Receiver(directory, None, "--tls-cert", str(pair))


@pytest.mark.parametrize("name", RECEIVERS)
def test_each_receiver_gets_its_attempts_a_second_apart(hub, receiver, outcomes, name):
    _, attempts, kind = RECEIVERS[name]
    webhook, log, _ = outcomes[1][name]
    assert [line["attempt"] for line in log] == list(range(1, attempts + 1))
    assert [line["final"] for line in log] == [False] * (attempts - 1) + [True]
    assert log[-1]["error_kind"] == kind and (log[-1]["error"] is None) == (kind is None), log[-1]
    assert all(line["error_kind"] for line in log[:-1])
    assert {(line["event"], line["event_id"], line["trigger"]) for line in log} == {
        ("pipeline-created", name, "scheduled")
    }
    # Durations are rounded to a millisecond.
    least = {"429": 3, "503": 2}.get(name, 1)
    assert all(least - 0.002 <= wait <= least + LATE for wait in waits(log)), waits(log)
    for line, after in zip(log, log[1:] + [None]):
        if after is None:
            assert line["next_retry_at"] is None
        else:
            assert -0.002 <= moment(after["triggered_at"]) - moment(line["next_retry_at"]) <= LATE
    # The receiver got these attempts and no others.
    if name in ("reset", "close"):
        # A call over a kept connection was sent again at once on another.
        assert attempts <= len(receiver.wait(attempts, "/" + name)) <= 2 * attempts
    elif name != "reset-early":
        assert len(receiver.wait(attempts, "/" + name)) == attempts
    statistics = hub.statistics(webhook)
    assert (statistics["pending"], statistics["circuit"]) == (0, "closed")
    assert (statistics["delivered"], statistics["given_up"]) == ((1, 0) if kind is None else (0, 1))
    assert statistics["failed_attempts"] == attempts - (kind is None)


def test_redirects_are_never_followed(receiver, outcomes):
    assert outcomes[1]["301"][1][0]["response_headers"]["location"] == "/redirected"
    assert receiver.arrivals("/redirected") == []


@pytest.mark.parametrize("name", ["hang", "half", "slow", "slow-body", "slow-head", "slow-endless", "reads-late"])
def test_an_attempt_ends_at_its_timeout(receiver, outcomes, name):
    assert all(1000 <= line["duration_ms"] <= 1000 + 1000 * LATE for line in outcomes[1][name][1])


@pytest.mark.parametrize("name, kind", [("refused", "connect"), ("tls", "tls"), ("unknown", "dns")])
def test_unreachable_receivers_get_as_many_attempts(outcomes, name, kind):
    webhook, log, _ = outcomes[1][name]
    assert [(line["attempt"], line["error_kind"], line["status_code"]) for line in log] == [
        (number, kind, None) for number in range(1, 5)
    ]
    assert all(1 - 0.002 <= wait <= 1 + LATE for wait in waits(log)), waits(log)
    assert {(line["response_headers"], line["response_body"]) for line in log} == {(None, None)}


def test_retry_after_may_be_a_date(receiver, outcomes):
    first, second = receiver.arrivals("/date")
    log = outcomes[1]["date"][1]
    date = moment("%sZ" % time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(outcomes[0])))
    assert len(log) == 2 and second["t"] >= date + 4 and second["t"] - first["t"] < 8


def test_410_and_the_header_webhook_delivery_disable_for_good(hub, receiver, outcomes):
    for name, reason in (("410", "the receiver answered 410 Gone"), ("disable", "the receiver asked to be disabled")):
        webhook, _, environment = outcomes[1][name]
        shown = hub.webhook(webhook)
        assert shown["disabled_until"].startswith("9999-12-31") and shown["disabled_reason"] == reason
        assert hub.publish(environment, event_id="later")["deliveries"] == 0
        newest, _ = hub.attempts(webhook)
        assert (newest["error_kind"], newest["attempt"], newest["status_code"]) == ("disabled", 0, None)
        assert newest["final"] and len(receiver.arrivals("/" + name)) == 1
        # What it missed can be recovered.
        receiver.rule("/" + name)
        assert "disabled_until" not in hub.change(webhook, disabled_until=None)
        answer = hub.api("POST", "/webhooks/%s/recover" % webhook["webhook_id"], {"since": "2020-01-01T00:00:00Z"})
        assert answer.status == 202 and answer.json() == {"deliveries": 2, "more": False}
        log = hub.settle(webhook)
        recovered = {(line["trigger"], line["event_id"], line["status_code"]) for line in log[-2:]}
        assert recovered == {("recover", name, 200), ("recover", "later", 200)}


def test_abort_message_disables_nothing(hub, outcomes):
    webhook, _, environment = outcomes[1]["abort"]
    assert "disabled_until" not in hub.webhook(webhook)
    assert hub.publish(environment)["deliveries"] == 1


def test_the_log_has_the_beginning_of_a_long_answer(receiver, outcomes):
    for name in ("long", "endless", "bomb", "long-failure"):
        line = outcomes[1][name][1][-1]
        assert line["response_truncated"] and len(line["response_body"]) <= 16384
    assert outcomes[1]["long"][1][0]["response_body"] == "x" * 16384
    assert outcomes[1]["endless"][1][0]["response_body"] == "e" * 16384
    # Nothing is decompressed.
    bomb = outcomes[1]["bomb"][1][0]
    assert base64.b64decode(bomb["response_body_base64"]).startswith(b"\x1f\x8b")
    assert bomb["response_headers"]["content-encoding"] == "gzip"
    # And little more was read.
    assert all(end["sent"] < 4 << 20 for end in receiver.ends("/endless"))


def test_long_answers_do_not_fill_the_memory_of_the_worker(hub, outcomes):
    (worker,) = hub.workers()
    with open("/proc/%d/smaps_rollup" % worker) as file:
        private = sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty", "Private_Clean")))
    assert private < 60 << 10


def test_a_call_has_the_documented_headers_and_body(hub, receiver, outcomes):
    webhook, log, environment = outcomes[1]["500"]
    calls = receiver.arrivals("/500")
    for number, call in enumerate(calls, 1):
        assert call["method"] == "POST" and call["sha256"] == calls[0]["sha256"]
        assert header_of(call, "Content-Type") == "application/json"
        assert re.fullmatch(r"Postroom/\d+\.\d+\.\d+", header_of(call, "User-Agent"))
        assert header_of(call, "X-3dverse-Event") == "pipeline-created"
        assert header_of(call, "X-3dverse-Attempt") == str(number)
        assert header_of(call, "webhook-id") == "500"
        assert header_of(call, "Host") == "127.0.0.1:%d" % receiver.port
        assert header_of(call, "Content-Length") == str(call["len"])
        for absent in ("Expect", "Accept", "Transfer-Encoding", "Accept-Encoding"):
            assert header_of(call, absent) is None
        stamp = header_of(call, "X-3dverse-Signature-Timestamp")
        assert stamp == header_of(call, "webhook-timestamp") and 0 <= call["t"] - int(stamp) < 2
    assert len({header_of(call, "X-3dverse-Delivery") for call in calls}) == 1
    # They are a second apart, and each has its own time and signature.
    assert len({header_of(call, "webhook-timestamp") for call in calls}) > 2
    assert len({header_of(call, "X-3dverse-Signature") for call in calls}) > 2
    body = json.loads(calls[0]["body"])
    assert list(body) == ["event", "event_id", "environment_id", "timestamp", "data"]
    assert body["environment_id"] == environment and body["data"] == {"name": "500"}
    assert calls[0]["body"] == log[0]["request_body"]


def test_a_webhook_shows_its_last_attempts(hub, receiver, outcomes):
    webhook, log, _ = outcomes[1]["recovers"]
    shown = hub.webhook(webhook)
    assert shown["last_triggered"] == {
        "log_id": log[-1]["log_id"],
        "event": "pipeline-created",
        "event_id": "recovers",
        "triggered_at": log[-1]["triggered_at"],
        "attempt": 3,
        "status_code": 200,
        "duration_ms": log[-1]["duration_ms"],
    }
    # A later success does not clear it.
    errored = shown["last_errored"]
    assert (errored["log_id"], errored["status_code"], errored["error_kind"]) == (log[1]["log_id"], 503, "status")
    assert set(errored) - set(shown["last_triggered"]) == {"errored_at", "error", "error_kind"}
    assert "last_errored" not in hub.webhook(outcomes[1]["200"][0])
