"""What a button or a form makes is made once, however often it is pressed."""

import pytest
from inspecting import choose, page_of, wait_for_rows
from queue_service import QueueService, configuration, password
from webhook_service import LOOPBACK, new_environment

DIALOG = "document.querySelector('dialog[open]')"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    config = configuration([{"name": "orders"}], users=["alice"])
    service = QueueService(
        tmp_path_factory.mktemp("twice"), config, RESPONDERS=1, ENDPOINT_FORWARDING="true", DELIVERY_ALLOW_SUBNETS=LOOPBACK).start()
    yield service
    service.stop()


def watch(tab):
    """Counts the calls that change something in `made`; an answer comes when `answer()` is called, if `isHeld`."""
    tab.run("""
        const real = window.fetch;
        window.made = [];
        window.isHeld = false;
        window.fetch = async (url, options = {}) => {
            if ((options.method ?? "GET") === "GET") return real(url, options);
            made.push(options.method);
            if (isHeld) await new Promise(done => (window.answer = done));
            return real(url, options);
        };""")
    return tab


def double_click(tab, selector):
    from selenium.webdriver import ActionChains

    ActionChains(tab.focus().driver).double_click(tab.find(selector)).perform()


def press_twice(tab, selector, finished):
    """Presses a button twice: while the first call waits for its answer, and in a double click that is slower than the answer."""
    tab.run("made.length = 0; isHeld = true")
    tab.find(selector).click()
    tab.wait("made.length === 1")
    tab.find(selector).click()
    assert tab.run("return document.querySelector(arguments[0]).ariaDisabled", selector) == "true"
    tab.run("isHeld = false; answer()")
    tab.wait(finished)
    assert tab.run("return made.length") == 1


def test_a_message_is_sent_once(service, open_page):
    tab = open_page(service, "/inspect#/queues/orders")
    tab.wait("document.getElementById('user')")
    tab.find("#user").send_keys("alice")
    tab.find("#password").send_keys(password("alice") + "\n")
    tab.wait("document.querySelector('.state')?.textContent === 'live'")
    watch(tab)
    tab.find("#message").send_keys("once")
    press_twice(tab, "form.card [type=submit]", "document.querySelectorAll('.messages > li').length === 1")
    assert tab.run("return document.activeElement.textContent") == "Send"
    # The answer comes before the second click of a double click.
    tab.run("made.length = 0; document.getElementById('status').textContent = ''")
    tab.run("""
        const button = document.querySelector('form.card [type=submit]');
        button.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, detail: 1}));""")
    tab.wait("document.getElementById('status').textContent === 'Sent.'")
    tab.run("""
        const button = document.querySelector('form.card [type=submit]');
        button.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, detail: 2}));""")
    assert tab.run("return made.length") == 1
    # Pressed once more, it is sent once more.
    tab.run("document.querySelector('form.card').requestSubmit()")
    tab.wait("document.querySelectorAll('.messages > li').length === 3")


def test_an_endpoint_is_created_once(service, open_page):
    for selector in ("form.card [type=submit]", "#example"):
        tab = watch(open_page(service, "/")).allow("503")
        tab.run("isHeld = true")
        double_click(tab, selector)
        tab.wait("made.length === 1")
        tab.run("isHeld = false; answer()")
        tab.wait("location.hash !== ''")
        if selector != "#example":
            assert tab.run("return made.length") == 1


def test_a_test_request_and_a_forward_are_sent_once(service, open_page, receiver):
    endpoint = service.create()
    tab = watch(page_of(open_page, service, endpoint))
    press_twice(tab, "#send-test", "document.querySelectorAll('#list [role=option]').length === 1")
    wait_for_rows(tab, "row-1")
    choose(tab, "row-1")
    tab.run("document.getElementById('forward-shown').click()")
    tab.wait(DIALOG)
    tab.find("dialog textarea").send_keys(receiver.url("/twice"))
    press_twice(tab, "dialog [type=submit]", DIALOG + ".querySelector('[role=status]').textContent === '1 delivered'")
    assert len(receiver.arrivals("/twice")) == 1


def test_a_webhook_is_created_once(service, open_page):
    tab = watch(open_page(service, "/inspect#/webhooks/" + new_environment()))
    tab.wait("document.getElementById('new-webhook')")
    double_click(tab, "#new-webhook")
    tab.wait(DIALOG)
    assert tab.run("return document.querySelectorAll('dialog').length") == 1
    tab.run("""
        const [name, url] = document.querySelectorAll('dialog input');
        name.value = 'once';
        url.value = 'https://example.invalid/';
        document.querySelector('dialog fieldset input').checked = true;""")
    press_twice(tab, "dialog [type=submit]", "document.querySelectorAll('.wide-table tbody a').length === 1")


def test_a_subscription_is_created_once(service, open_page):
    tab = watch(open_page(service, "/inspect#/events").allow("403"))
    tab.wait("document.querySelector('.events .primary')")
    tab.find(".events .primary").click()
    tab.wait(DIALOG)
    tab.run("""
        const [name, url] = document.querySelectorAll('dialog input');
        name.value = 'once';
        url.value = 'https://example.invalid/';""")
    press_twice(tab, "dialog [type=submit]", "location.hash.length > '#/events/'.length")
