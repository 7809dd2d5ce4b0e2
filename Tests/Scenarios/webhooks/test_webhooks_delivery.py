"""Deliveries to receivers of every kind: how many attempts there are, when, and what the log tells of them."""

import base64
import json
import re
import subprocess
import time
from datetime import datetime
from email.utils import formatdate

import pytest
from harness import free_port, wait_for
from webhook_service import Receiver, header_of, new_environment

# What a busy machine adds to a wait. Nothing is ever early.
LATE = 0.4


def ended(attempt):
    """When an attempt of the log was over, in seconds."""
    return moment(attempt["triggered_at"]) + attempt["duration_ms"] / 1000


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def waits(log):
    """From the end of each attempt to the start of the next."""
    return [moment(after["triggered_at"]) - ended(before) for before, after in zip(log, log[1:])]


# What a receiver does: the rule, the number of attempts that follow under the fixed policy, and how the last one ends.
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
    """One delivery to each of these, all at the same time: {name: (webhook, log, environment)}."""
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
    """A receiver that nobody vouches for."""
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
    # To a millisecond, which durations are rounded to.
    least = {"429": 3, "503": 2}.get(name, 1)
    assert all(least - 0.002 <= wait <= least + LATE for wait in waits(log)), waits(log)
    for line, after in zip(log, log[1:] + [None]):
        if after is None:
            assert line["next_retry_at"] is None
        else:
            assert -0.002 <= moment(after["triggered_at"]) - moment(line["next_retry_at"]) <= LATE
    # All that was tried came, and nothing else.
    if name in ("reset", "close"):
        # What came over a kept connection was sent once more on another.
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
def test_an_attempt_takes_no_longer_than_it_may(receiver, outcomes, name):
    assert all(1000 <= line["duration_ms"] <= 1000 + 1000 * LATE for line in outcomes[1][name][1])


@pytest.mark.parametrize("name, kind", [("refused", "connect"), ("tls", "tls"), ("unknown", "dns")])
def test_receivers_that_cannot_be_reached_are_tried_as_often(outcomes, name, kind):
    webhook, log, _ = outcomes[1][name]
    assert [(line["attempt"], line["error_kind"], line["status_code"]) for line in log] == [
        (number, kind, None) for number in range(1, 5)
    ]
    assert all(1 - 0.002 <= wait <= 1 + LATE for wait in waits(log)), waits(log)
    assert {(line["response_headers"], line["response_body"]) for line in log} == {(None, None)}


def test_a_date_to_retry_after_is_waited_for(receiver, outcomes):
    first, second = receiver.arrivals("/date")
    log = outcomes[1]["date"][1]
    date = moment("%sZ" % time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(outcomes[0])))
    assert len(log) == 2 and second["t"] >= date + 4 and second["t"] - first["t"] < 8


def test_a_receiver_that_is_gone_is_disabled_far_ahead(hub, receiver, outcomes):
    for name, reason in (("410", "the receiver answered 410 Gone"), ("disable", "the receiver asked for it")):
        webhook, _, environment = outcomes[1][name]
        shown = hub.webhook(webhook)
        assert shown["disabled_until"].startswith("9999-12-31") and shown["disabled_reason"] == reason
        assert hub.publish(environment, event_id="later")["deliveries"] == 0
        newest, _ = hub.attempts(webhook)
        assert (newest["error_kind"], newest["attempt"], newest["status_code"]) == ("disabled", 0, None)
        assert newest["final"] and len(receiver.arrivals("/" + name)) == 1
        # What it was spared can be had later.
        receiver.rule("/" + name)
        assert "disabled_until" not in hub.change(webhook, disabled_until=None)
        answer = hub.api("POST", "/webhooks/%s/recover" % webhook["webhook_id"], {"since": "2020-01-01T00:00:00Z"})
        assert answer.status == 202 and answer.json() == {"deliveries": 2, "more": False}
        log = hub.settle(webhook)
        recovered = {(line["trigger"], line["event_id"], line["status_code"]) for line in log[-2:]}
        assert recovered == {("recover", name, 200), ("recover", "later", 200)}


def test_a_message_that_is_not_wanted_again_disables_nothing(hub, outcomes):
    webhook, _, environment = outcomes[1]["abort"]
    assert "disabled_until" not in hub.webhook(webhook)
    assert hub.publish(environment)["deliveries"] == 1


def test_of_a_long_answer_the_log_has_the_beginning(receiver, outcomes):
    for name in ("long", "endless", "bomb", "long-failure"):
        line = outcomes[1][name][1][-1]
        assert line["response_truncated"] and len(line["response_body"]) <= 16384
    assert outcomes[1]["long"][1][0]["response_body"] == "x" * 16384
    assert outcomes[1]["endless"][1][0]["response_body"] == "e" * 16384
    # As it came: nothing is decompressed.
    bomb = outcomes[1]["bomb"][1][0]
    assert base64.b64decode(bomb["response_body_base64"]).startswith(b"\x1f\x8b")
    assert bomb["response_headers"]["content-encoding"] == "gzip"
    # And little more than is kept was read.
    assert all(end["sent"] < 4 << 20 for end in receiver.ends("/endless"))


def test_the_worker_stays_small_whatever_receivers_send(hub, outcomes):
    (worker,) = hub.workers()
    with open("/proc/%d/smaps_rollup" % worker) as file:
        private = sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty", "Private_Clean")))
    assert private < 60 << 10


def test_what_is_sent_says_what_it_is(hub, receiver, outcomes):
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
    # A second apart: each has its own time and signature.
    assert len({header_of(call, "webhook-timestamp") for call in calls}) > 2
    assert len({header_of(call, "X-3dverse-Signature") for call in calls}) > 2
    body = json.loads(calls[0]["body"])
    assert list(body) == ["event", "event_id", "environment_id", "timestamp", "data"]
    assert body["environment_id"] == environment and body["data"] == {"name": "500"}
    assert calls[0]["body"] == log[0]["request_body"]


def test_a_webhook_tells_of_its_last_attempts(hub, receiver, outcomes):
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
    # A success that comes later does not clear it.
    errored = shown["last_errored"]
    assert (errored["log_id"], errored["status_code"], errored["error_kind"]) == (log[1]["log_id"], 503, "status")
    assert set(errored) - set(shown["last_triggered"]) == {"errored_at", "error", "error_kind"}
    assert "last_errored" not in hub.webhook(outcomes[1]["200"][0])


# ------------------------------------------------------------ policies


def test_without_retries_there_is_one_attempt(serve_webhooks, receive):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=0)
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    assert webhook["retry_policy"] == "fixed"
    service.publish(environment)
    (line,) = service.settle(webhook)
    assert line["final"] and line["next_retry_at"] is None
    time.sleep(1.5)
    assert len(receiver.arrivals()) == 1


def test_another_fixed_policy_is_kept_to_as_exactly(serve_webhooks, receive):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=5, WEBHOOKS_RETRY_INTERVAL="250ms")
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    service.publish(environment)
    log = service.settle(webhook)
    assert len(log) == 6 and all(0.248 <= wait <= 0.25 + LATE for wait in waits(log)), waits(log)
    assert len(receiver.arrivals()) == 6


def test_a_schedule_has_an_attempt_for_each_wait_and_a_little_jitter(serve_webhooks, receive):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_RETRY_SCHEDULE="0.2s,0.4s")
    environment = new_environment()
    webhooks = [service.add(environment, receiver.url("/%d" % number)) for number in range(20)]
    assert service.publish(environment)["deliveries"] == 20
    logs = [service.settle(webhook, *webhooks)[:] for webhook in webhooks]
    drawn = []
    for number, log in enumerate(logs):
        assert [line["attempt"] for line in log] == [1, 2, 3] and len(receiver.arrivals("/%d" % number)) == 3
        for wait, line, found in zip((0.2, 0.4), log, waits(log)):
            assert wait - 0.002 <= found <= 1.1 * wait + LATE
            drawn.append(round((moment(line["next_retry_at"]) - ended(line)) / wait, 2))
    # When the next one is due was told at the end of each attempt, so it shows the jitter alone.
    assert min(drawn) >= 0.99 and len(set(drawn)) > 4
    assert sorted(drawn)[len(drawn) // 2] <= 1.15, drawn


def test_a_change_of_the_settings_reaches_webhooks_and_deliveries_that_are_there(serve_webhooks, receive):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=1, WEBHOOKS_RETRY_INTERVAL="3s")
    environment = new_environment()
    fixed = service.add(environment, receiver.url("/fixed"))
    standard = service.add(environment, receiver.url("/standard"), retry_policy="standard")
    own = service.add(environment, receiver.url("/own"), retry_policy=["200ms"])
    service.publish(environment)
    wait_for(lambda: all(service.attempts(webhook) for webhook in (fixed, standard)))
    service.stop()
    service.settings["WEBHOOKS_RETRY_SCHEDULE"] = "200ms,200ms,200ms"
    service.start()
    # The first wait was over before; the rest are as the settings say now.
    assert len(service.settle(fixed)) == 4 and len(service.settle(standard)) == 4 and len(service.settle(own)) == 2
    shown = [service.webhook(webhook)["retry_policy"] for webhook in (fixed, standard, own)]
    assert shown == ["fixed", "standard", ["0.2s"]]
    service.stop()
    del service.settings["WEBHOOKS_RETRY_SCHEDULE"]
    service.settings.update(WEBHOOKS_MAX_RETRIES=0)
    service.start()
    service.publish(environment)
    assert [line["attempt"] for line in service.settle(fixed)] == [1, 2, 3, 4, 1]


def test_a_webhook_may_have_a_policy_of_its_own(hub, receiver):
    environment = new_environment()
    receiver.rule("/own", status=500)
    own = hub.add(environment, receiver.url("/own"), retry_policy=["100ms", 0.2, "0.3s"])
    once = hub.add(environment, receiver.url("/own"), retry_policy=[])
    hub.publish(environment)
    log = hub.settle(own)
    assert len(log) == 4 and len(hub.settle(once)) == 1
    assert all(wait - 0.002 <= found <= 1.1 * wait + LATE for wait, found in zip((0.1, 0.2, 0.3), waits(log)))


def test_what_fails_again_and_again_is_left_alone_for_a_while(hub, receiver):
    environment = new_environment()
    receiver.rule("/broken", status=500)
    webhook = hub.add(environment, receiver.url("/broken"), retry_policy=["1h"])
    for _ in range(40):
        hub.publish(environment)
    wait_for(lambda: hub.statistics(webhook)["circuit"] == "open")
    time.sleep(0.5)
    statistics = hub.statistics(webhook)
    # Sixteen may have been in flight when the tenth failed.
    tried = len(receiver.arrivals("/broken"))
    assert 10 <= tried <= 26 and statistics["failed_attempts"] == tried
    assert statistics["pending"] == 40 and statistics["circuit_probe_at"]
    time.sleep(0.5)
    assert len(receiver.arrivals("/broken")) == tried


# ------------------------------------------------------------ disabling


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + seconds)) + "Z"


def test_nothing_is_sent_to_a_disabled_webhook(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/later"), disabled_until=stamp(3600))
    assert "disabled_reason" not in webhook
    assert hub.publish(environment)["deliveries"] == 0
    (line,) = hub.attempts(webhook)
    assert (line["error_kind"], line["attempt"], line["final"]) == ("disabled", 0, True)
    time.sleep(0.3)
    assert receiver.arrivals("/later") == [] and hub.statistics(webhook)["pending"] == 0
    # Whoever asks for a delivery in so many words gets it.
    assert hub.api("POST", "/webhooks/%s/test" % webhook["webhook_id"]).status == 202
    receiver.wait(1, "/later")


def test_a_webhook_that_was_disabled_until_now_is_not(hub, receiver):
    environment = new_environment()
    past = hub.add(environment, receiver.url("/past"), disabled_until=stamp(-60))
    soon = hub.add(environment, receiver.url("/soon"), disabled_until=stamp(2))
    assert hub.publish(environment)["deliveries"] == 1
    assert [line["status_code"] for line in hub.settle(past)] == [200]
    time.sleep(2.1)
    assert hub.publish(environment)["deliveries"] == 2
    assert [line["error_kind"] for line in hub.settle(soon)] == ["disabled", None]
    assert len(receiver.arrivals("/soon")) == 1


def test_disabling_puts_aside_what_is_pending(hub, receiver):
    environment = new_environment()
    receiver.rule("/pending", status=500)
    webhook = hub.add(environment, receiver.url("/pending"), retry_policy=["1h"])
    for _ in range(3):
        hub.publish(environment)
    wait_for(lambda: len(hub.attempts(webhook)) == 3)
    assert hub.statistics(webhook)["pending"] == 3
    hub.change(webhook, disabled_until=stamp(3600))
    hub.publish(environment)
    # What waits is left until its time comes; nothing new is sent.
    assert [line["error_kind"] for line in hub.attempts(webhook)] == ["disabled", "status", "status", "status"]
    assert len(receiver.arrivals("/pending")) == 3


def test_gone_can_be_a_failure_like_others(serve_webhooks, receive):
    receiver = receive({"*": {"status": 410}})
    service = serve_webhooks(WEBHOOKS_DISABLE_ON_GONE="false", WEBHOOKS_MAX_RETRIES=1, WEBHOOKS_RETRY_INTERVAL="100ms")
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    service.publish(environment)
    assert len(service.settle(webhook)) == 2 and "disabled_until" not in service.webhook(webhook)


# ------------------------------------------------------------ what is sent


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_every_method_has_the_body(hub, receiver, method):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/method-" + method + "?a=1&b=%20"), method=method)
    hub.publish(environment, data={"text": "käse \U0001f9c0", "number": 1.50})
    (line,) = hub.settle(webhook)
    (call,) = receiver.arrivals("/method-" + method)
    assert call["method"] == method.upper() and line["method"] == method and call["query"] == "a=1&b=%20"
    # Data is as it was published, to the byte.
    assert call["body"].endswith(', "data": {"text": "k\\u00e4se \\ud83e\\uddc0", "number": 1.5}}')
    assert call["body"] == line["request_body"]


def test_custom_headers_are_sent_and_shown_to_nobody(hub, receiver):
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
    # A mask that is sent back keeps what it stands for.
    hub.change(webhook, custom_headers={**masked, "X-Tenant": "blue"})
    hub.publish(environment)
    second = receiver.wait(2, "/headers")[1]
    assert header_of(second, "authorization") == "Bearer s3cret-token" and header_of(second, "x-tenant") == "blue"


def test_custom_headers_may_replace_what_is_told_of_the_body(hub, receiver):
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


def test_only_what_is_subscribed_to_is_sent_and_only_in_its_environment(hub, receiver):
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


def test_connections_are_kept(hub, receive):
    receiver = receive()
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/"))
    for _ in range(50):
        hub.publish(environment)
    hub.settle(webhook)
    calls = receiver.arrivals()
    assert len(calls) == 50 and len({call["conn"] for call in calls}) <= 16


def test_a_connection_that_the_receiver_ends_after_each_answer_costs_no_attempt(hub, receiver):
    environment = new_environment()
    receiver.rule("/no-keep", keepalive=False)
    webhook = hub.add(environment, receiver.url("/no-keep"))
    for _ in range(10):
        hub.publish(environment)
    assert [line["attempt"] for line in hub.settle(webhook)] == [1] * 10


# ------------------------------------------------------------ order and limits


def test_an_ordered_webhook_gets_one_event_after_the_other(hub, receiver):
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


def test_in_order_what_is_given_up_makes_room_for_the_next(hub, receiver):
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


def test_no_more_than_so_many_a_second(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/rated"), rate_limit=5)
    for _ in range(15):
        hub.publish(environment)
    log = hub.settle(webhook)
    # Waiting for one's turn is no attempt.
    assert [line["attempt"] for line in log] == [1] * 15
    times = [call["t"] for call in receiver.arrivals("/rated")]
    for first in range(15):
        for last in range(first, 15):
            # As many at once as a second allows, and then one each 0.2 s.
            assert last - first + 1 <= 5 + 5 * (times[last] - times[first] + 0.05)
    assert 1.9 <= times[-1] - times[0] <= 2 + 2 * LATE


def test_a_receiver_that_hangs_delays_nobody_else(serve_webhooks, receive):
    receiver = receive({"/hangs": {"fault": "hang"}})
    service = serve_webhooks(SHUTDOWN_SECONDS=1)

    def late(paths):
        """How long deliveries to each of these take, but for the one that hangs; the slowest twentieth left out."""
        environment = new_environment()
        webhooks = [service.add(environment, receiver.url(path)) for path in paths]
        published = {}
        for number in range(40):
            event = "%s-%d" % (environment, number)
            published[event] = time.time()
            assert service.publish(environment, event_id=event)["deliveries"] == 20
            time.sleep(0.1)
        service.settle(*webhooks[:19])
        calls = [call for call in receiver.arrivals() if call["id"] in published and call["path"] != "/hangs"]
        assert len(calls) == 40 * len(set(paths) - {"/hangs"})
        found = sorted(call["t"] - published[call["id"]] for call in calls)
        return found[int(0.95 * len(found))], webhooks[-1]

    # Until the first webhook is made, the worker looks twice a second whether there is one.
    service.settle(service.add(new_environment(), receiver.url("/first")))
    time.sleep(0.6)
    others = ["/%d" % number for number in range(19)]
    before, _ = late([*others, "/19"])
    after, stuck = late([*others, "/hangs"])
    assert after < 1.5 * before + 0.05, (before, after)
    # It holds what one destination may hold, and the rest waits.
    assert len(receiver.arrivals("/hangs")) == 16 and service.statistics(stuck)["pending"] == 40


def test_deliveries_survive_an_orderly_end(serve_webhooks, receive):
    receiver = receive({"/busy": {"delay": 1}, "/fails": {"status": [500, 200]}})
    service = serve_webhooks(WEBHOOKS_RETRY_INTERVAL="2s")
    environment = new_environment()
    busy = service.add(environment, receiver.url("/busy"))
    fails = service.add(environment, receiver.url("/fails"))
    service.publish(environment)
    receiver.wait(1, "/busy")
    wait_for(lambda: len(service.attempts(fails)) == 1)
    assert service.stop() == 0
    # What was being sent was waited for, and is not sent again.
    service.start()
    assert [line["status_code"] for line in service.settle(busy)] == [200]
    assert [line["attempt"] for line in service.settle(fails)] == [1, 2]
    assert (len(receiver.arrivals("/busy")), len(receiver.arrivals("/fails"))) == (1, 2)
