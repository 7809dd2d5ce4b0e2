"""The view of webhooks: an environment, one webhook with its statistics, charts and attempts, and everything that can be done."""

import json

import pytest
from harness import free_port, wait_for
from tab import DESKTOP, PHONE
from webhook_service import header_of, new_environment

HOSTILE = "<img src=x onerror=alert(1)>\u202e\u2066" + "y" * 200
LIVE = "document.querySelector('.state')?.textContent === 'live'"
# Views load anew when the browser says that it is online.
REFRESH = "dispatchEvent(new Event('online'))"
CHIPS = "[...document.querySelectorAll('.chip .result')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def receiver_rules(receiver):
    receiver.tell("rules", json.dumps({
        "/fails": {"status": 500, "body": "no"}, "/gone": {"status": 410},
        "/second": {"steps": [{"status": 503, "headers": {"X-Odd": HOSTILE.encode("ascii", "ignore").decode()}, "body": HOSTILE}, {"status": 200, "body": '{"ok": true}'}], "per": "id"},
    }))  # fmt: skip
    return receiver


@pytest.fixture(scope="module")
def busy(hub, receiver_rules):
    """An environment with three webhooks and their attempts."""
    environment = new_environment()
    good = hub.add(
        environment, receiver_rules.url("/second"), name="build pipeline", events=["job-completed", "pipeline-completed"],
        retry_policy=["100ms"])
    hub.add(environment, receiver_rules.url("/gone"), name=HOSTILE, events=["job-completed"])
    hub.add(environment, receiver_rules.url("/fails"), name="fails", retry_policy=["10ms", "10ms", "1h"], events=["job-completed"])
    for number in range(8):
        hub.publish(environment, event="job-completed", event_id="busy-%d" % number, data={"job": number, "status": "succeeded"})
    hub.settle(good)
    return environment


@pytest.fixture
def environment():
    return new_environment()


def opened(open_page, hub, environment, webhook=None):
    tab = open_page(hub, "/inspect#/webhooks/" + environment + ("/" + webhook["webhook_id"] if webhook else ""))
    tab.wait(LIVE)
    return tab


def told(tab, text):
    tab.wait("document.getElementById('status').textContent.includes(%s)" % json.dumps(text))


def press(tab, label, within="document"):
    tab.run("[...%s.querySelectorAll('button')].find(one => one.textContent === arguments[0]).click()" % within, label)


def fill(tab, **values):
    """Fills fields of the dialog that is open, by their labels."""
    for label, value in values.items():
        tab.run(
            "const field = [...document.querySelectorAll('dialog .field')].find(one => one.textContent.startsWith(arguments[0]));"
            "const input = field.querySelector('input, textarea, select'); input.value = arguments[1];"
            "input.dispatchEvent(new Event('change'))", label, value)  # fmt: skip


# ------------------------------------------------------------ environments


def test_an_environment_is_made_opened_and_remembered(hub, open_page, environment):
    tab = open_page(hub, "/inspect#/webhooks")
    tab.wait("document.getElementById('new-environment')")
    tab.find("#environment").send_keys("no uuid\n")
    tab.wait("!document.querySelector('[role=alert]').hidden")
    tab.find("#environment").clear()
    tab.find("#environment").send_keys("http://x/environments/%s/webhooks\n" % environment.upper())
    tab.wait("location.hash === '#/webhooks/%s'" % environment)
    tab.wait(LIVE)
    assert "This environment has no webhooks." in tab.text("main")
    tab.driver.back()
    tab.wait("document.getElementById('new-environment')")
    assert tab.run("return [...document.querySelectorAll('.plain-list a')].map(one => one.textContent)") == [environment]
    tab.find("#new-environment").click()
    tab.wait(LIVE)
    assert tab.run("return /^#\\/webhooks\\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(location.hash)")


def test_a_webhook_is_created_changed_disabled_and_deleted(hub, open_page, environment, receiver):
    tab = opened(open_page, hub, environment).allow("400")
    press(tab, "New webhook")
    tab.wait("document.querySelector('dialog')")
    fill(tab, Name="first", URL="nonsense")
    press(tab, "Create", "document.querySelector('dialog')")
    tab.wait("document.querySelector('dialog [role=alert]').textContent.startsWith('URL: ')")
    assert tab.run("return document.activeElement.type") == "url" and tab.run("return document.activeElement.ariaInvalid") == "true"
    fill(tab, URL=receiver.url("/created"), Custom="X-Token: hidden-value", Secret="make")
    tab.run("[...document.querySelectorAll('dialog .check')].find(one => one.textContent.trim().startsWith('job-completed')).querySelector('input').click()")
    press(tab, "Create", "document.querySelector('dialog')")
    tab.wait("document.getElementById('secret')?.value.startsWith('whsec_')")
    press(tab, "Close", "document.querySelector('dialog')")
    tab.wait("document.querySelector('main tbody a')?.textContent === 'first'")
    (webhook,) = hub.call("GET", "/environments/%s/webhooks" % environment).json()
    assert webhook["events"] == ["job-completed"] and webhook["retry_policy"] == "standard"
    assert webhook["custom_headers"] == {"X-Token": "***"} and webhook["secret"] == "whsec_***"
    tab.find("main tbody a").click()
    tab.wait("document.getElementById('edit') && !document.getElementById('edit').disabled")
    tab.find("#edit").click()
    tab.wait("document.querySelector('dialog')")
    fill(tab, Name="renamed", Retries="list", Waits="1s, 2m")
    press(tab, "Save", "document.querySelector('dialog')")
    tab.wait("document.querySelector('h1 bdi').textContent === 'renamed'")
    found = hub.webhook(webhook)
    assert found["retry_policy"] == ["1s", "2m"] and found["custom_headers"] == {"X-Token": "***"} and found["secret"] == "whsec_***"
    tab.find("#toggle").click()
    told(tab, "The webhook is disabled.")
    tab.wait("document.getElementById('toggle').textContent === 'Enable'")
    assert hub.webhook(webhook)["disabled_until"].startswith("9999")
    tab.find("#toggle").click()
    tab.wait("document.getElementById('toggle').textContent === 'Disable'")
    assert "disabled_until" not in hub.webhook(webhook)
    assert "hidden-value" not in tab.run("return document.documentElement.outerHTML")
    tab.find("#delete").click()
    tab.wait("document.querySelector('dialog')")
    press(tab, "Delete", "document.querySelector('dialog')")
    tab.wait("location.hash === '#/webhooks/%s'" % environment)
    tab.wait("document.querySelector('main').textContent.includes('has no webhooks')")


def test_the_key_is_rotated_after_a_question(hub, open_page, environment):
    tab = opened(open_page, hub, environment)
    before = hub.key(environment)
    for said in ("The new key signs from", "already under way"):
        tab.find("#rotate").click()
        tab.wait("document.querySelector('dialog')")
        assert "does not sign yet" in tab.text("dialog")
        press(tab, "Rotate", "document.querySelector('dialog')")
        told(tab, said)
    after = hub.key(environment)
    assert after["key_id"] == before["key_id"] and after["next"]
    tab.wait("document.querySelector('main').textContent.includes('%s')" % after["next"]["key_id"])


# ------------------------------------------------------------ one webhook


def test_attempts_of_a_delivery_are_one_item_and_show_request_and_response(hub, open_page, environment, receiver_rules):
    webhook = hub.add(environment, receiver_rules.url("/second"), name=HOSTILE, custom_headers={"X-Token": "hidden-value"}, retry_policy=["10ms"])
    tab = opened(open_page, hub, environment, webhook)
    assert "No attempts yet." in tab.text("main")
    hub.publish(environment, event_id="one", data={"text": HOSTILE})
    tab.wait("JSON.stringify(%s) === '[\"503\",\"200\"]'" % CHIPS)
    assert tab.run("return document.querySelectorAll('.delivery').length") == 1
    assert tab.text(".delivery .badge") == "delivered"
    tab.find(".chip").click()
    tab.wait("document.querySelector('.sides')")
    request, response = tab.run("return [...document.querySelectorAll('.sides section')].map(one => one.textContent)")
    assert "POST" in request and "X-Token***" in request and "onerror" in request and "Status 503" in response and "U+202E" in response
    assert tab.run("return document.querySelectorAll('main img, main script').length") == 0
    assert "status: " in tab.text(".facts-list") and "hidden-value" not in tab.run("return document.documentElement.outerHTML")
    # The figures are those of the API.
    assert tab.text(".figures dl > :last-child") == "Paused after failuresno"
    tab.wait("[...document.querySelectorAll('.figures dd')].slice(0, 4).map(one => one.textContent).join() === '0,1,1,0'")
    tab.wait("document.querySelector('figure > svg')?.getAttribute('aria-label').startsWith('Attempts over time: 1 succeeded, 1 failed')")
    # A refresh keeps what is chosen, and the focus.
    tab.run("document.getElementById('retry').focus()")
    hub.publish(environment, event_id="two")
    tab.run(REFRESH)
    tab.wait("document.querySelectorAll('.delivery').length === 2")
    assert tab.run("return document.activeElement.id") == "retry" and "one" in tab.text(".facts-list")
    tab.find("#retry").click()
    told(tab, "Sent again.")
    tab.wait("document.querySelectorAll('.delivery').length === 3")
    assert tab.text(".delivery .badge.plain") == "retry"


def test_a_test_event_and_a_recovery_say_what_they_did(hub, open_page, environment, receiver_rules):
    webhook = hub.add(environment, receiver_rules.url("/fails"), events=["job-created"], retry_policy=["10ms"])
    hub.publish(environment, event="job-created", event_id="lost")
    hub.settle(webhook)
    tab = opened(open_page, hub, environment, webhook)
    tab.wait("document.querySelector('.delivery .badge')?.textContent === 'given up'")
    receiver_rules.rule("/fails", status=200)
    tab.find("#recover").click()
    tab.wait("document.querySelector('dialog')")
    press(tab, "Recover", "document.querySelector('dialog')")
    told(tab, "1 delivery was started.")
    tab.wait("document.querySelector('.delivery .badge').textContent === 'delivered'")
    tab.find("#test").click()
    tab.wait("document.querySelector('dialog')")
    fill(tab, Events="pipeline-completed")
    press(tab, "Send", "document.querySelector('dialog')")
    told(tab, "A test of pipeline-completed was sent.")
    tab.wait("document.querySelectorAll('.delivery').length === 3")
    assert header_of(receiver_rules.arrivals("/fails")[-1], "X-3dverse-Event") == "pipeline-completed"
    # Only what failed.
    tab.run("const one = document.querySelector('.timeline-head select'); one.value = 'failure'; one.dispatchEvent(new Event('change'))")
    assert tab.run("return document.querySelectorAll('.delivery').length") == 1
    receiver_rules.rule("/fails", status=500)


def test_a_disabled_webhook_and_a_waiting_delivery_say_so(hub, open_page, environment, receiver_rules):
    gone = hub.add(environment, receiver_rules.url("/gone"), name="gone", events=["job-created"])
    waits = hub.add(environment, receiver_rules.url("/fails"), name="waits", events=["job-created"], retry_policy=["1h"])
    hub.publish(environment, event="job-created")
    wait_for(lambda: "disabled_until" in hub.webhook(gone) and hub.attempts(waits))
    hub.publish(environment, event="job-created", event_id="not-sent")
    tab = opened(open_page, hub, environment)
    tab.wait("document.querySelector('main tbody').textContent.includes('disabled')")
    tab = opened(open_page, hub, environment, gone)
    tab.wait("document.querySelector('.chip .result')?.textContent === 'not sent: disabled'")
    tab = opened(open_page, hub, environment, waits)
    tab.wait("/next attempt in (1 h|59 min)/.test(document.querySelector('.delivery').textContent)")


def test_a_webhook_that_is_paused_after_failures_says_so(hub, open_page, environment, receiver_rules):
    webhook = hub.add(environment, receiver_rules.url("/fails"), events=["job-created"], retry_policy=["50ms", "1h"])
    for number in range(12):
        hub.publish(environment, event="job-created", event_id="paused-%d" % number)
    wait_for(lambda: hub.statistics(webhook)["circuit"] == "open")
    tab = opened(open_page, hub, environment)
    tab.wait("document.querySelector('main td .badge.warn')?.textContent === 'paused after failures'")
    assert tab.axe() == []
    tab = opened(open_page, hub, environment, webhook)
    assert tab.text(".figures dl > :last-child").startswith("Paused after failuresyes (next attempt ")
    tab.wait("document.querySelector('.deliveries').textContent.includes('next attempt after the pause')")


def test_an_attempt_without_an_answer_has_its_error_as_the_last_one_too(hub, open_page, environment):
    dead = hub.add(environment, "http://127.0.0.1:%d/" % free_port(), name="dead", events=["job-created"], retry_policy=["1h"])
    hub.publish(environment, event="job-created")
    wait_for(lambda: hub.attempts(dead))
    tab = opened(open_page, hub, environment)
    tab.wait("[...document.querySelectorAll('main td .status')].map(one => one.textContent).join() === 'connect,connect'")


def test_older_lines_are_loaded(hub, open_page, environment, receiver):
    webhook = hub.add(environment, receiver.url("/many"), events=["job-created"])
    for number in range(130):
        hub.publish(environment, event="job-created", event_id="many-%d" % number)
    hub.settle(webhook)
    tab = opened(open_page, hub, environment, webhook)
    tab.wait("document.querySelectorAll('.delivery').length === 100")
    press(tab, "Load older ones")
    tab.wait("document.querySelectorAll('.delivery').length === 130")
    tab.wait("document.querySelector('main').textContent.includes('The log has no older ones.')")
    # Arrows move between the attempts.
    tab.run("document.querySelector('.chip').focus()")
    tab.press("ARROW_DOWN", "ENTER")
    tab.wait("document.querySelector('.sides')")


def test_what_is_not_there_is_said(hub, open_page, environment):
    tab = open_page(hub, "/inspect#/webhooks/%s/%s" % (environment, new_environment())).allow("404")
    tab.wait("document.querySelector('[role=alert]')?.textContent !== ''")


# ------------------------------------------------------------ how it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(hub, open_page, scheme, size, busy):
    name = "webhooks-%s-%d" % (scheme, size[0])
    tab = open_page().resize(*size).prefer(scheme=scheme)
    tab.open(hub, "/inspect#/webhooks/" + busy)
    tab.wait(LIVE)
    tab.wait("![...document.querySelectorAll('main td.number')].some(cell => cell.textContent === '\u2026')")
    assert tab.axe() == []
    tab.screenshot(name)
    press(tab, "New webhook")
    tab.wait("document.querySelector('dialog')")
    assert tab.axe() == []
    tab.screenshot(name + "-new")
    press(tab, "Cancel", "document.querySelector('dialog')")
    tab.find("main tbody a").click()
    tab.wait("document.querySelectorAll('.chip').length >= 16")
    assert tab.axe() == []
    tab.screenshot(name + "-one")
    tab.find(".chip").click()
    tab.wait("document.querySelector('.sides')")
    assert tab.axe() == []
    tab.screenshot(name + "-attempt")
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
    assert tab.run("return document.querySelector('nav [aria-current=page]').textContent") == "Webhooks"


def test_the_breadcrumbs_say_where_they_lead(hub, open_page, environment):
    webhook = hub.add(environment, "https://example.invalid/", name="one")
    tab = opened(open_page, hub, environment, webhook)
    assert tab.text("h1 a") == "Webhooks of %s\u2026" % environment[:8]
    tab.find("h1 a").click()
    tab.wait("document.querySelector('.wide-table tbody a')?.textContent === 'one'")
    assert tab.run("return location.hash") == "#/webhooks/" + environment
    assert tab.text("h1 a") == "Environments"
    tab.find("h1 a").click()
    tab.wait("document.getElementById('environment')")
