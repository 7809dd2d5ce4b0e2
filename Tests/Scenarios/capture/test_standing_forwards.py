"""Endpoints that send each notification on, and what the store has of forwards."""

import base64
import os
import signal

import pytest
from exports import made_anew
from harness import Senders, free_port, postroom, wait_for
from operations_port import samples


def settings(service, endpoint):
    return service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()


def bodies(receiver, path):
    return sorted(arrival["body"] for arrival in receiver.arrivals(path))


def test_each_notification_is_sent_on_to_each_url_whether_or_not_it_is_collected(forwarding, receiver):
    service = forwarding()
    endpoint = service.create()
    service.hook(endpoint, "before")
    service.standing(endpoint, receiver.url("/one"), receiver.url("/two"))
    assert settings(service, endpoint)["forwards"] == [receiver.url("/one"), receiver.url("/two")]
    assert settings(service, endpoint)["forwarding"] is True
    for number in range(5):
        service.hook(endpoint, "%d" % number)
        service.collect(endpoint)
    receiver.wait(5, "/one")
    receiver.wait(5, "/two")
    assert bodies(receiver, "/one") == bodies(receiver, "/two") == ["0", "1", "2", "3", "4"]
    done = service.wait_over(endpoint)
    assert [f["state"] for f in done] == ["delivered"] * 10 and all(f["standing"] for f in done)
    # A PUT without the member leaves it, and null takes it away.
    service.configure(endpoint, enabled=True)
    assert len(settings(service, endpoint)["forwards"]) == 2
    service.configure(endpoint, enabled=True, forwards=None)
    assert settings(service, endpoint)["forwards"] == []
    service.hook(endpoint, "after")
    other = service.standing(service.create(), receiver.url("/three"))
    service.hook(other, "x")
    receiver.wait(1, "/three")
    assert len(receiver.arrivals("/one")) == 5
    service.check()


def test_what_fails_is_tried_again_by_the_schedule(forwarding, receiver):
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="10ms,20ms,30ms")
    receiver.rule("/third", status=[500, 503, 200])
    receiver.rule("/never", status=500)
    endpoint = service.standing(service.create(), receiver.url("/third"), receiver.url("/never"))
    service.hook(endpoint, "x")
    third, never = service.wait_over(endpoint)
    assert (third["state"], third["attempts"], third["status"]) == ("delivered", 3, 200)
    assert (never["state"], never["attempts"], never["status"]) == ("failed", 4, 500)
    assert len(receiver.arrivals("/third")) == 3 and len(receiver.arrivals("/never")) == 4
    # By hand there is one attempt.
    service.forward(endpoint, [1], [receiver.url("/never")])
    assert service.wait_over(endpoint)[-1]["attempts"] == 1


def test_a_pending_retry_shows_when_it_is_made_and_survives_a_restart(forwarding, receive):
    receiver = receive({"/back": {"status": [500, 200]}})
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="2s")
    endpoint = service.standing(service.create(), receiver.url("/back"))
    service.hook(endpoint, "x")
    wait_for(lambda: (service.forwards(endpoint) or [{}])[0].get("status") == 500)
    (found,) = service.forwards(endpoint)
    assert found["state"] == "pending" and found["nextAttempt"] > found["at"]
    assert service.backlog(endpoint)["pending"] == 1
    assert service.stop() == 0
    service.start()
    (done,) = service.wait_over(endpoint)
    assert (done["state"], done["attempts"]) == ("delivered", 2)


@pytest.mark.parametrize("whole", [False, True])
def test_nothing_acknowledged_is_lost_when_processes_are_killed(forwarding, receive, whole):
    receiver = receive()
    service = forwarding(MAX_ENDPOINT_NOTIFICATIONS=100000, WEBHOOKS_WRITE_TIMEOUT="1s")
    endpoint = service.standing(service.create(), receiver.url("/all"))
    with Senders(service, [endpoint], 3) as senders:
        wait_for(lambda: len(senders.sent()) > 20)
        if whole:
            service.kill_all()
        else:
            os.kill(service.workers()[0], signal.SIGKILL)
            sent = len(senders.sent())
            wait_for(lambda: len(senders.sent()) > sent + 20)
    if whole:
        service.start()
    expected = set(senders.sent())
    wait_for(lambda: expected <= set(bodies(receiver, "/all")), 30)
    service.wait_over(endpoint, 30)
    service.check()


def test_the_newest_forwards_that_are_over_are_kept_and_all_that_are_pending(forwarding):
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="1h")
    url = "http://127.0.0.1:%d/" % free_port()
    endpoint = service.standing(service.create(), url + "standing")
    connection = service.connection()
    for _ in range(100):
        service.hook(endpoint, "x", connection=connection)
    wait_for(lambda: all(f["attempts"] == 1 and f["nextAttempt"] for f in service.forwards(endpoint, "?limit=100")))
    over = lambda: [f["id"] for f in service.forwards(endpoint, "?limit=1000") if f["state"] == "failed"]
    begun = 100
    for _ in range(2):
        begun = service.forward(endpoint, range(1, 101), ["%s%d" % (url, n) for n in range(8)])[-1]["id"]
        wait_for(lambda: service.backlog(endpoint)["pending"] == 100)
    # They are dropped some at a time, when others begin.
    for _ in range(15):
        begun = service.forward(endpoint, [1], [url])[-1]["id"]
        wait_for(lambda: service.backlog(endpoint)["pending"] == 100)
    kept = over()
    assert 500 <= len(kept) < 600 and kept == list(range(begun - len(kept) + 1, begun + 1))
    assert [f["id"] for f in service.forwards(endpoint, "?limit=1000") if f["state"] == "pending"] == list(range(1, 101))
    service.check()


def test_urls_that_are_taken_away_have_no_more_attempts(forwarding, receiver):
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="1h")
    receiver.rule("/down", status=500)
    endpoint = service.standing(service.create(), receiver.url("/down"), receiver.url("/up"))
    service.hook(endpoint, "x")
    wait_for(lambda: [f["status"] for f in service.forwards(endpoint)] == [500, 200])
    assert service.backlog(endpoint)["pending"] == 1
    service.standing(endpoint, receiver.url("/up"))
    down, up = service.forwards(endpoint)
    assert (down["state"], up["state"]) == ("failed", "delivered") and "was removed" in down["reason"]
    assert service.backlog(endpoint)["pending"] == service.backlog(endpoint)["bytes"] == 0
    service.check()


def test_a_full_backlog_is_named_and_captures_go_on(forwarding):
    url = "http://127.0.0.1:%d/" % free_port()
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="1h", MAX_ENDPOINT_NOTIFICATIONS=2000)
    endpoint = service.standing(service.create(), *["%s%d" % (url, n) for n in range(10)])
    connection = service.connection()
    for number in range(101):
        assert service.hook(endpoint, "%d" % number, connection=connection).status == 200
    backlog = service.backlog(endpoint)
    assert (backlog["pending"], backlog["missed"], backlog["limits"]["pending"]) == (1000, 10, 1000)
    last = service.forwards(endpoint, "?limit=10")
    assert {f["state"] for f in last} == {"failed"} and {f["notification"] for f in last} == {101}
    assert all("backlog of forwards was full" in f["reason"] for f in last)
    assert len(service.collect(endpoint)) == 101
    service.hook(endpoint, "x")
    answer = service.begin_forwards(endpoint, [102], [url])
    assert answer.status == 507 and "Too many forwards are pending: 1000 of at most 1000" in answer.text
    service.check()


def test_a_backlog_is_bounded_in_bytes(forwarding):
    url = "http://127.0.0.1:%d/" % free_port()
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="1h", MAX_ENDPOINT_BYTES="100k")
    endpoint = service.standing(service.create(), url)
    for _ in range(3):
        assert service.hook(endpoint, bytes(40 << 10)).status == 200
        service.collect(endpoint)
    backlog = service.backlog(endpoint)
    assert (backlog["pending"], backlog["missed"]) == (2, 1) and 80 << 10 < backlog["bytes"] <= 100 << 10
    service.check()


def test_a_loop_of_endpoints_ends(forwarding):
    service = forwarding()
    one, two = service.create(), service.create()
    base = "http://127.0.0.1:%d/webhook/" % service.port
    service.standing(one, base + two)
    service.standing(two, base + one)
    service.hook(one, "round")
    wait_for(lambda: [f["state"] for f in service.forwards(two)] == ["delivered", "failed"])
    first, last = service.forwards(two)
    assert "forwarded 3 times before" in last["reason"] and last["attempts"] == 0
    assert [f["state"] for f in service.wait_over(one)] == ["delivered"] * 2
    counts = [
        [field["value"] for n in service.collect(endpoint) for field in n["headers"] if field["name"] == "Postroom-Forward"]
        for endpoint in (one, two)
    ]
    assert counts == [["2"], ["1", "3"]]


@pytest.mark.parametrize("value, reason", [
    ("x", "Postroom-Forward is not a number"), ("-1", "Postroom-Forward is not a number"), ("3", "forwarded 3 times before"),
])  # fmt: skip
def test_a_request_that_may_be_in_a_loop_is_kept_and_not_sent_on(forwarding, receiver, value, reason):
    service = forwarding()
    endpoint = service.standing(service.create(), receiver.url("/loop"))
    assert service.hook(endpoint, "x", {"Postroom-Forward": value}).status == 200
    begun = service.forward(endpoint, [1], [receiver.url("/loop")])
    for forward in service.forwards(endpoint) + begun:
        assert (forward["state"], forward["attempts"]) == ("failed", 0) and reason in forward["reason"]
    backlog = service.backlog(endpoint)
    assert (backlog["pending"], backlog["missed"]) == (0, 0) and not receiver.arrivals("/loop")
    assert len(service.collect(endpoint)) == 1


def test_wrong_settings_are_refused_with_their_reason(forwarding):
    service = forwarding()
    endpoint = service.create()
    for value, reason in (
        ("http://a.test/", '"forwards" must be a list of at most 10 URLs'),
        (["http://a.test/", "mailto:a@b"], "forwards[1]: the URL must begin with http:// or https://"),
        (["http://u@a.test/"], "forwards[0]: the URL must not have a user name or password"),
        (["http://a.test/%d" % n for n in range(11)], "at most 10 URLs"),
        (["http://a.test/", "http://a.test/"], "forwards[1]: the URL is in the list already"),
        (["http://a.test:0/"], "forwards[0]: the port"),
        (["http://a.test/", "http://169.254.169.254/x"], "forwards[1]: the address 169.254.169.254 is in 169.254.0.0/16"),
        (["http://[fe80::1]/"], "forwards[0]: the address fe80::1 is in fe80::/10"),
    ):
        answer = service.configure(endpoint, enabled=True, forwards=value)
        assert answer.status == 400 and reason in answer.text, answer.text
    assert settings(service, endpoint)["forwards"] == []


def test_forwards_that_are_turned_off_wait_until_they_are_turned_on_again(forwarding, receive):
    receiver = receive({"/wait": {"status": [500, 200]}})
    service = forwarding(ENDPOINT_FORWARDING_RETRY_SCHEDULE="100ms")
    endpoint = service.standing(service.create(), receiver.url("/wait"))
    service.hook(endpoint, "x")
    receiver.wait(1, "/wait")
    service.stop()
    before = len(receiver.arrivals("/wait"))
    service.settings["ENDPOINT_FORWARDING"] = "false"
    service.start()
    service.hook(endpoint, "not sent on")
    assert settings(service, endpoint)["forwards"] == [receiver.url("/wait")] and settings(service, endpoint)["forwarding"] is False
    # What is shown can be sent back. A URL can be taken away, and none can be added.
    shown = settings(service, endpoint)
    assert service.configure(endpoint, **shown).status == 204 and settings(service, endpoint)["forwards"] == shown["forwards"]
    answer = service.configure(endpoint, enabled=True, forwards=[*shown["forwards"], receiver.url("/other")])
    assert answer.status == 400 and "ENDPOINT_FORWARDING" in answer.text
    service.stop()
    assert len(receiver.arrivals("/wait")) == before
    service.settings["ENDPOINT_FORWARDING"] = "true"
    service.start()
    assert [f["state"] for f in service.wait_over(endpoint)] == ["delivered"]
    assert "not sent on" not in bodies(receiver, "/wait")


def test_urls_that_are_set_can_be_sent_back_when_the_rules_have_changed(forwarding):
    service = forwarding()
    endpoint = service.standing(service.create(), "http://127.0.0.1:9/one", "http://127.0.0.1:9/two")
    service.stop()
    service.settings["DELIVERY_ALLOW_SUBNETS"] = "10.0.0.0/8"
    service.settings["ENDPOINT_FORWARDING"] = "false"
    service.start()
    shown = settings(service, endpoint)
    assert service.configure(endpoint, **shown).status == 204
    assert service.configure(endpoint, enabled=True, forwards=shown["forwards"][1:]).status == 204
    assert settings(service, endpoint)["forwards"] == ["http://127.0.0.1:9/two"]
    assert service.configure(endpoint, **shown).status == 400


# ---------------------------------------------------------------- the store


def test_an_export_has_forwards_and_what_pending_ones_send(forwarding, receive):
    receiver = receive({"/later": {"fault": "hang"}})
    service = forwarding(WEBHOOKS_WRITE_TIMEOUT="60s", SHUTDOWN_SECONDS=0.1)
    endpoint = service.create()
    service.hook(endpoint, bytes(range(256)))
    service.forward(endpoint, [1], [receiver.url("/done")])
    receiver.wait(1, "/done")
    service.wait_over(endpoint)
    service.standing(endpoint, receiver.url("/later"))
    service.hook(endpoint, b"second \xff")
    service.collect(endpoint)
    receiver.wait(1, "/later")
    receiver.rule("/later", status=200)
    exported = made_anew(service)
    assert b'"kind":"forward"' in exported.replace(b" ", b"") and b'"kind":"forwardContent"' in exported.replace(b" ", b"")
    service.check()
    done, later = service.wait_over(endpoint, 40)
    assert (done["state"], later["state"], later["standing"]) == ("delivered", "delivered", True)
    assert base64.b64decode(receiver.arrivals("/later")[-1]["body_b64"]) == b"second \xff"
    settings = service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    assert settings["forwards"] == [receiver.url("/later")]
    service.hook(endpoint, "third")
    wait_for(lambda: len(service.forwards(endpoint)) == 3)
    assert service.forwards(endpoint)[-1]["id"] > later["id"]


def test_metrics_count_forwards(forwarding, receiver):
    service = forwarding(OPS_SERVER_PORT=free_port())
    endpoint = service.create()
    service.hook(endpoint, "x")
    receiver.rule("/500", status=500)
    service.forward(endpoint, [1], [receiver.url("/ok"), receiver.url("/500"), "http://127.0.0.1:%d/" % free_port()])
    service.wait_over(endpoint)
    found = samples(service)
    assert found["postroom_forwards_pending"] == 0 and found["postroom_forwards_missed_total"] == 0
    assert found['postroom_forwards_total{result="success",error_kind=""}'] == 1
    assert found['postroom_forwards_total{result="failure",error_kind="status"}'] == 1
    assert found['postroom_forwards_total{result="failure",error_kind="connect"}'] == 1


def test_check_and_repair_know_forwards(forwarding, receive):
    receiver = receive({"/hang": {"fault": "hang"}})
    service = forwarding(SHUTDOWN_SECONDS=0.1, WEBHOOKS_WRITE_TIMEOUT="60s")
    endpoint = service.create()
    service.hook(endpoint, "x")
    service.forward(endpoint, [1], [receiver.url("/hang")])
    receiver.wait(1, "/hang")
    service.stop()
    service.check()
    assert postroom(service.directory, "store", "repair").returncode == 0
    service.check()
    receiver.rule("/hang", status=200)
    service.start()
    assert [f["state"] for f in service.wait_over(endpoint, 40)] == ["delivered"]
