"""The views of events: subscriptions, and what became of them."""

import json
import re

import pytest
from event_service import token
from harness import wait_for
from subscribing import HOSTILE, click, hold, look, opened, send, type_into
from webhook_service import WebhookService


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = WebhookService(tmp_path_factory.mktemp("events"), RESPONDERS=2, EVENTS_RETRY_SCHEDULE="").start()
    yield service
    service.stop()


def test_a_dialog_ends_with_its_view(service, open_page, subscribe):
    made = subscribe()
    tab = opened(open_page, service)
    click(tab, "test")
    tab.wait("document.querySelector('.properties code')")
    click(tab, "Edit…")
    tab.wait("document.querySelector('dialog[open]')")
    tab.run("history.back()")
    tab.wait("document.querySelector('[data-id=\"%s\"]')" % made["uuid"])
    assert tab.run("return document.querySelectorAll('dialog').length") == 0


def test_no_subscriptions(service, open_page):
    tab = open_page(service, "/inspect#/events").allow("403")
    tab.wait("document.querySelector('.events .is-live')")
    assert "There are no subscriptions yet." in tab.text(".events")
    assert tab.run("return document.querySelector('nav [aria-current=page]').textContent") == "Events"
    assert tab.axe() == []


def test_the_list_shows_what_became_of_each(service, open_page, subscribe, receive):
    receiver = receive({"/fails": {"status": 410, "body": HOSTILE}})
    good = subscribe(receiver.url("/ok"), name=HOSTILE)
    bad = subscribe(receiver.url("/fails"), '$[?(@["eventType"] = "files.ingest")]', name="fails", dialect="legacy")
    idle = subscribe(name="idle", jsonpath="$.nothing")
    tab = opened(open_page, service)
    send(service)
    tab.wait("document.querySelector('[data-id=\"%s\"] .badge.bad')?.textContent === 'disabled'" % bad["uuid"], 30)
    tab.wait("[...document.querySelectorAll('.last')].every(one => !one.textContent.includes('…'))")
    tab.wait("document.querySelector('[data-id=\"%s\"] .last').textContent.includes('410')" % bad["uuid"])
    assert re.match(r"Disabled since \d+ \w+ \d{4}, [\d:]{8}: <script>", tab.text('[data-id="%s"] .trouble' % bad["uuid"]))
    assert "Legacy" in tab.text('[data-id="%s"]' % bad["uuid"]) and "U+202E" in tab.text('[data-id="%s"] .trouble' % bad["uuid"])
    assert "default dialect" in tab.text('[data-id="%s"]' % idle["uuid"])
    assert "200" in tab.text('[data-id="%s"] .last' % good["uuid"]) and "none in the log" in tab.text('[data-id="%s"] .last' % idle["uuid"])
    look(tab, "events-list")
    click(tab, "fails")
    tab.wait("location.hash.endsWith('%s')" % bad["uuid"])


def test_a_subscription_is_watched_and_changed(service, open_page, subscribe, receive):
    receiver = receive({"/hook": {"status": 500, "body": "no <b>room</b>"}})
    extensions = '{"n": 12345678901234567890.0}'
    made = subscribe(receiver.url("/hook"), "$.data.watched", name="watched")
    service.api("PUT", "/eventmatch/" + made["uuid"], '{"extensions": %s, "auth": {"type": "header", "header": {"type": "Bearer", "credentials": "c"}}}' % extensions)
    tab = opened(open_page, service, "/" + made["uuid"])
    sent = send(service, {"eventType": "a.b", "data": {"watched": 1}})
    # The last attempt has failed: the subscription is disabled.
    tab.wait("document.querySelector('.timeline li.bad') && document.querySelector('.events h1 .badge').textContent === 'disabled'", 30)
    tab.find(".timeline summary").click()
    tab.wait("document.querySelector('.inside pre')?.textContent === 'no <b>room</b>'")
    assert "a.b" in tab.text(".timeline summary") and "POST " + receiver.url("/hook") in tab.text(".inside")
    look(tab, "events-one")
    send(service, {"data": {"watched": 2}})
    tab.wait("document.querySelector('.events').textContent.includes('1 event was missed')", 30)
    assert tab.run("return document.querySelector('.timeline details').open")

    receiver.rule("/hook", status=200)
    click(tab, "Enable")
    tab.wait("document.querySelector('.events h1 .badge').textContent === 'enabled'")
    now = service.api("GET", "/eventmatch/" + made["uuid"])
    assert extensions in now.text and now.json()["auth"]["header"]["credentials"] == "c" and now.json()["error"] is None
    click(tab, "Replay…")
    assert tab.axe() == []
    tab.screenshot("events-replay")
    click(tab, "Start")
    tab.wait("[...document.querySelectorAll('.timeline .badge')].some(one => one.textContent === 'replay')", 30)
    tab.wait("!document.querySelector('.events').textContent.includes('was missed')")
    click(tab, "Deliver once more", "document.querySelector('.timeline details[open]')")
    tab.wait("[...document.querySelectorAll('.timeline .badge')].some(one => one.textContent === 'asked for')", 30)

    click(tab, "Edit…")
    tab.wait("document.querySelector('dialog')")
    tab.run("document.querySelector('dialog input').value = 'renamed'")
    click(tab, "Save")
    tab.wait("document.querySelector('.events h1').textContent.startsWith('renamed')")
    now = service.api("GET", "/eventmatch/" + made["uuid"])
    assert extensions in now.text and now.json()["auth"]["header"]["credentials"] == "c"
    tab.run("document.querySelector('.timeline details[open] a').click()")
    tab.wait("location.hash.endsWith('%s') && document.querySelector('.events .is-live')" % sent)
    assert "delivered" in tab.text(".events .card h3")
    tab.run("history.back()")
    tab.wait("document.querySelector('.events h1')?.textContent.startsWith('renamed')")
    click(tab, "Delete…")
    click(tab, "Delete")
    tab.allow("403")
    tab.wait("location.hash === '#/events'")
    assert service.api("GET", "/eventmatch/" + made["uuid"]).status == 403


def test_a_delivery_that_was_set_aside_was_not_attempted_again(serve_webhooks, open_page, receive):
    service = serve_webhooks(EVENTS_RETRY_SCHEDULE="1s")
    receiver = receive({"/hook": {"status": 500, "body": "no room"}})
    made = service.api("POST", "/eventmatch", {"name": "aside", "jsonpath": "$", "target_url": receiver.url("/hook")}).json()
    match = "/eventmatch/" + made["uuid"]
    send(service)
    receiver.wait(1, "/hook")
    service.api("PUT", match, {"disabled": "2026-01-01T00:00:00"})
    wait_for(lambda: service.api("GET", match + "/deliveries?limit=1").json()[0]["error_kind"] == "disabled")
    tab = opened(open_page, service, "/" + made["uuid"])
    tab.wait("document.querySelectorAll('.timeline summary').length === 2")
    tab.find(".timeline summary").click()
    tab.wait("document.querySelector('.inside')")
    assert "not attempted" in tab.text(".timeline summary") and "Request" not in tab.text(".inside")
    assert "attempt 1" in tab.text(".timeline li:last-child summary")


def test_no_delivery_is_missing_when_many_are_made_between_two_looks(service, open_page, subscribe, receive):
    made = subscribe(receive({"/hook": {"status": 200}}).url("/hook"), "$.burst")
    send(service, {"burst": -1})
    tab = opened(open_page, service, "/" + made["uuid"])
    tab.wait("document.querySelectorAll('.timeline li').length === 1")
    hold(tab)
    service.api("POST", "/receive", [{"specversion": "1.0", "type": "t", "source": "/s", "id": str(n), "burst": n} for n in range(130)], {
        "Content-Type": "application/cloudevents-batch+json"})  # fmt: skip
    service.finish()
    tab.run("release()")
    tab.wait("document.querySelectorAll('.timeline li').length === 131")


def test_a_view_that_stays_open_drops_the_oldest_deliveries(service, open_page, subscribe, receive):
    def batch(count):
        events = [{"specversion": "1.0", "type": "t", "source": "/s", "id": token("many"), "many": n} for n in range(count)]
        assert service.api("POST", "/receive", events, {"Content-Type": "application/cloudevents-batch+json"}).status == 200
        service.finish()

    made = subscribe(receive({"/hook": {"status": 200}}).url("/hook"), "$.many")
    batch(60)
    tab = opened(open_page, service, "/" + made["uuid"])
    tab.wait("document.querySelectorAll('.timeline li').length === 50")
    hold(tab)
    batch(480)
    tab.run("release()")
    tab.wait("document.querySelectorAll('.timeline li').length === 500")
    assert "30 older ones were dropped" in tab.text(".events")
    # What is loaded on request stays when others arrive.
    click(tab, "Load older ones")
    tab.wait("document.querySelectorAll('.timeline li').length === 540")
    assert "dropped" not in tab.text(".events")
    batch(1)
    tab.wait("document.querySelector('.events').textContent.includes('1 older one was dropped')")
    assert tab.run("return document.querySelectorAll('.timeline li').length") == 540


def test_an_event_is_shown_as_it_came(service, open_page, subscribe, receive):
    receiver = receive({"/hook": {"status": 200}})
    subscribe(receiver.url("/hook"), "$.shown")
    sent = send(service, json.dumps({"shown": HOSTILE, "n": 0}, ensure_ascii=False).replace('"n": 0', '"n": 12345678901234567890.10').encode())
    tab = opened(open_page, service)
    tab.find("#find").send_keys(" urn:uuid:%s\n" % sent)
    tab.wait("document.querySelector('.content') && document.querySelector('.events .card .timeline li.good')", 30)
    assert "12345678901234567890.10" in tab.text(".content") and "U+202E" in tab.text(".content")
    look(tab, "events-event")
    click(tab, "Try expressions with it")
    tab.wait("document.getElementById('event')?.value.includes('12345678901234567890.10')")
    tab = open_page(service, "/inspect#/events/event/%s" % token("x")).allow("400")
    tab.wait("document.querySelector('[role=alert]')?.textContent.includes('not a UUID')")


def test_a_delivery_of_a_subscription_that_is_unknown_has_its_id(service, open_page, subscribe, receive):
    made = subscribe(receive({"/hook": {"status": 200}}).url("/hook"), "$.unknown")
    sent = send(service, {"unknown": 1})
    tab = opened(open_page, service, "/try")
    tab.run("""
        const send = fetch;
        window.fetch = (url, options) =>
            String(url).includes("/eventmatch/") ? Promise.resolve(new Response('{"message": "Forbidden"}', {status: 403})) : send(url, options);
        location.hash = "/events/event/" + arguments[0];
        """, sent)
    tab.wait("document.querySelector('.card h3')?.textContent === '%s delivered'" % made["uuid"])
    tab.find(".card h3 a").click()
    tab.wait("location.hash === '#/events/%s'" % made["uuid"])


@pytest.mark.parametrize("status, message, told", [
    (401, "A login is needed.", "You are not logged in"), (403, "The request has no authenticated user.", "a client certificate, or a login at the server in front"),
])  # fmt: skip
def test_who_is_not_known_is_told_what_to_do(service, open_page, status, message, told):
    """Once the dialog of the browser is closed, the page gets the answer."""
    tab = opened(open_page, service, "/try")
    tab.run("window.fetch = async () => new Response(JSON.stringify({message: arguments[1]}), {status: arguments[0]}); location.hash = '/events'", status, message)
    tab.wait("document.querySelector('[role=alert]')?.textContent.includes(%s)" % json.dumps(told))
    assert tab.text(".state") == "stopped"


def test_an_event_is_published_and_its_deliveries_are_shown(service, subscribe, open_page, receiver):
    target = receiver.url("/published")
    made = subscribe(target, '$[?$.type == "order.paid"]', name="paid \u202eorders")
    tab = open_page(service, "/inspect#/events")
    tab.wait("document.querySelector('.events .is-live')")
    click(tab, "Publish an event")
    tab.wait("document.querySelector('#event')")
    assert tab.text("#kind") == "Sent as a CloudEvent."
    given = json.loads(tab.run("return document.querySelector('#event').value"))
    click(tab, "Publish", "document.querySelector('main form')")
    (arrival,) = receiver.wait(1, "/published")
    assert json.loads(arrival["body"])["id"] == given["id"]
    tab.wait("document.querySelector('.timeline li.good')")
    assert "matched 1 enabled subscription" in tab.text("section[aria-label]")
    tab.wait("document.querySelector('.card h3 a')?.textContent === 'paid U+202Eorders'")
    assert tab.text(".card h3") == "paid U+202Eorders delivered " + made["uuid"]
    assert tab.run("return document.querySelector('.card h3 a').hash") == "#/events/" + made["uuid"]
    look(tab, "events-publish")
    uuid = tab.text("#published a")
    assert service.api("GET", "/events/" + uuid).json()["event"] == {**given, "data": {"order": 17, "total": 120.5}}
    # A batch, something else, and what is refused.
    type_into(tab, "#event", json.dumps([{"specversion": "1.0", "type": "t", "source": "/s", "id": str(n)} for n in range(3)]))
    assert tab.text("#kind") == "Sent as a batch of CloudEvents."
    click(tab, "Publish", "document.querySelector('main form')")
    tab.wait("document.querySelectorAll('#published a').length === 3")
    many = [{"specversion": "1.0", "type": "t", "source": "/s", "id": "many-%d" % n} for n in range(103)]
    type_into(tab, "#event", json.dumps(many))
    click(tab, "Publish", "document.querySelector('main form')")
    tab.wait("document.querySelector('#published').textContent.startsWith('103 events are stored.')")
    assert tab.run("return document.querySelectorAll('#published a').length") == 100 and tab.text("#published").endswith(" and 3 more.")
    type_into(tab, "#event", "[]")
    click(tab, "Publish", "document.querySelector('main form')")
    tab.wait("document.querySelector('#published').textContent === 'The list is empty: no event is stored.'")
    for typed in ('{"n": 1}', '{"specversion": 1}'):
        type_into(tab, "#event", typed)
        assert "is not a CloudEvent" in tab.text("#kind")
    for typed in ("17", "", "{"):
        type_into(tab, "#event", typed)
        assert tab.text("#kind") == "This is not a JSON object or a list."
    tab.allow("400")
    click(tab, "Publish", "document.querySelector('main form')")
    tab.wait("!document.querySelector('main form [role=alert]').hidden")
    assert tab.text("#published") == "" and tab.run("return document.activeElement.id") == "event"
    (focused,) = [node for node in tab.accessibility().all("textbox") if node.properties.get("focused")]
    assert focused.properties["invalid"] == "true" and focused.properties["description"].startswith(tab.text("main form [role=alert]"))
    click(tab, "New example")
    assert json.loads(tab.run("return document.querySelector('#event').value"))["id"] != given["id"]
