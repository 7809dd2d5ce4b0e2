"""Retries by each policy, and what disables a webhook."""

import time

from harness import wait_for
from webhook_examples import LATE, ended, moment, stamp, waits
from webhook_service import new_environment

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
    service.finish()
    assert len(receiver.arrivals()) == 1


def test_the_fixed_policy_follows_its_settings(serve_webhooks, receive):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=5, WEBHOOKS_RETRY_INTERVAL="250ms")
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    service.publish(environment)
    log = service.settle(webhook)
    assert len(log) == 6 and all(0.248 <= wait <= 0.25 + LATE for wait in waits(log)), waits(log)
    assert len(receiver.arrivals()) == 6


def test_a_schedule_has_an_attempt_for_each_wait_with_jitter(serve_webhooks, receive):
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
    # The log has when the next attempt was due: the wait and its jitter, without what a busy machine adds.
    assert min(drawn) >= 0.99 and len(set(drawn)) > 4
    assert sorted(drawn)[len(drawn) // 2] <= 1.15, drawn


def test_a_change_of_the_settings_applies_to_existing_webhooks_and_deliveries(serve_webhooks, receive, clock):
    receiver = receive({"*": {"status": 500}})
    service = serve_webhooks(WEBHOOKS_MAX_RETRIES=1, WEBHOOKS_RETRY_INTERVAL="1m", **clock.settings)
    environment = new_environment()
    fixed = service.add(environment, receiver.url("/fixed"))
    standard = service.add(environment, receiver.url("/standard"), retry_policy="standard")
    own = service.add(environment, receiver.url("/own"), retry_policy=["200ms"])
    service.publish(environment)
    wait_for(lambda: all(service.attempts(webhook) for webhook in (fixed, standard)))
    service.stop()
    service.settings["WEBHOOKS_RETRY_SCHEDULE"] = "200ms,200ms,200ms"
    service.start()
    # The first wait is the old one. It is not over yet.
    assert [len(service.attempts(webhook)) for webhook in (fixed, standard)] == [1, 1]
    clock.advance(60)
    assert len(service.settle(fixed)) == 4 and len(service.settle(standard)) == 4 and len(service.settle(own)) == 2
    shown = [service.webhook(webhook)["retry_policy"] for webhook in (fixed, standard, own)]
    assert shown == ["fixed", "standard", ["0.2s"]]
    service.stop()
    del service.settings["WEBHOOKS_RETRY_SCHEDULE"]
    service.settings.update(WEBHOOKS_MAX_RETRIES=0)
    service.start()
    service.publish(environment)
    assert [line["attempt"] for line in service.settle(fixed)] == [1, 2, 3, 4, 1]


def test_a_webhook_may_have_its_own_policy(hub, receiver):
    environment = new_environment()
    receiver.rule("/own", status=500)
    own = hub.add(environment, receiver.url("/own"), retry_policy=["100ms", 0.2, "0.3s"])
    once = hub.add(environment, receiver.url("/own"), retry_policy=[])
    hub.publish(environment)
    log = hub.settle(own)
    assert len(log) == 4 and len(hub.settle(once)) == 1
    assert all(wait - 0.002 <= found <= 1.1 * wait + LATE for wait, found in zip((0.1, 0.2, 0.3), waits(log)))


def test_repeated_failures_open_the_circuit(hub, receiver):
    environment = new_environment()
    receiver.rule("/broken", status=500)
    webhook = hub.add(environment, receiver.url("/broken"), retry_policy=["1h"])
    for _ in range(40):
        hub.publish(environment)
    wait_for(lambda: hub.statistics(webhook)["circuit"] == "open")
    wait_for(lambda: hub.metrics()["inflight"] == 0)
    statistics = hub.statistics(webhook)
    # Sixteen may have been in flight when the tenth failed.
    tried = len(receiver.arrivals("/broken"))
    assert 10 <= tried <= 26 and statistics["failed_attempts"] == tried and statistics["pending"] == 40
    # The next attempt is made half a minute after the circuit opened.
    last = max(ended(line) for line in hub.attempts(webhook))
    assert 29 < moment(statistics["circuit_probe_at"]) - last < 31


def test_a_disabled_webhook_is_not_called(hub, receiver):
    environment = new_environment()
    webhook = hub.add(environment, receiver.url("/later"), disabled_until=stamp(3600))
    assert "disabled_reason" not in webhook
    assert hub.publish(environment)["deliveries"] == 0
    (line,) = hub.attempts(webhook)
    assert (line["error_kind"], line["attempt"], line["final"]) == ("disabled", 0, True)
    assert hub.statistics(webhook)["pending"] == 0 and receiver.arrivals("/later") == []
    # A test calls it all the same.
    assert hub.api("POST", "/webhooks/%s/test" % webhook["webhook_id"]).status == 202
    receiver.wait(1, "/later")


def test_a_webhook_is_disabled_only_until_its_time(hub, receiver):
    environment = new_environment()
    past = hub.add(environment, receiver.url("/past"), disabled_until=stamp(-60))
    soon = hub.add(environment, receiver.url("/soon"), disabled_until=stamp(1))
    assert hub.publish(environment)["deliveries"] == 1
    assert [line["status_code"] for line in hub.settle(past)] == [200]
    time.sleep(max(0, moment(soon["disabled_until"]) - time.time()))
    assert hub.publish(environment)["deliveries"] == 2
    assert [line["error_kind"] for line in hub.settle(soon)] == ["disabled", None]
    assert len(receiver.arrivals("/soon")) == 1


def test_pending_deliveries_stay_when_a_webhook_is_disabled(hub, receiver):
    environment = new_environment()
    receiver.rule("/pending", status=500)
    webhook = hub.add(environment, receiver.url("/pending"), retry_policy=["1h"])
    for _ in range(3):
        hub.publish(environment)
    wait_for(lambda: len(hub.attempts(webhook)) == 3)
    assert hub.statistics(webhook)["pending"] == 3
    hub.change(webhook, disabled_until=stamp(3600))
    hub.publish(environment)
    # They are left until their time comes, and nothing new is sent.
    assert [line["error_kind"] for line in hub.attempts(webhook)] == ["disabled", "status", "status", "status"]
    assert hub.statistics(webhook)["pending"] == 3
    assert len(receiver.arrivals("/pending")) == 3


def test_without_webhooks_disable_on_gone_410_is_an_ordinary_failure(serve_webhooks, receive):
    receiver = receive({"*": {"status": 410}})
    service = serve_webhooks(WEBHOOKS_DISABLE_ON_GONE="false", WEBHOOKS_MAX_RETRIES=1, WEBHOOKS_RETRY_INTERVAL="100ms")
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    service.publish(environment)
    assert len(service.settle(webhook)) == 2 and "disabled_until" not in service.webhook(webhook)
