"""Requests that are forwarded from the page."""

import json

import pytest
from harness import Service
from inspecting import choose, look_at, page_of, wait_for_rows
from tab import PHONE
from webhook_service import LOOPBACK

DIALOG = "document.querySelector('dialog[open]')"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    directory = tmp_path_factory.mktemp("forwarding")
    service = Service(directory, RESPONDERS=2, ENDPOINT_FORWARDING="true", DELIVERY_ALLOW_SUBNETS=LOOPBACK).start()
    yield service
    service.stop()


def press(tab, label, within="document"):
    tab.run("[...%s.querySelectorAll('button')].find(one => one.textContent === arguments[0]).click()" % within, label)


def results(tab):
    return tab.run("return [...%s.querySelectorAll('tbody tr')].map(row => [...row.children].map(cell => cell.textContent))" % DIALOG)


def test_a_request_is_forwarded_and_each_target_shows_its_result(service, open_page, receiver):
    receiver.rule("/no", status=503, body="not <b>now</b>", headers={"content-type": "text/plain"})
    endpoint = service.create()
    service.hook(endpoint, "first")
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-1")
    choose(tab, "row-1")
    press(tab, "Forward\u2026", "document.getElementById('detail')")
    tab.wait(DIALOG)
    press(tab, "Forward", DIALOG)
    tab.wait(DIALOG + ".querySelector('[role=alert]').textContent.startsWith('Write an address')")
    urls = [receiver.url("/yes"), receiver.url("/no")]
    tab.find("dialog textarea").send_keys("\n".join(urls))
    press(tab, "Forward", DIALOG)
    tab.wait(DIALOG + ".querySelector('[role=status]').textContent === '1 delivered, 1 failed'")
    yes, no = results(tab)
    assert yes[:2] == ["#1 POST", urls[0]] and yes[2].startswith("200 in ")
    assert no == ["#1 POST", urls[1], "the target answered 503not <b>now</b>"]
    tab.screenshot("forward")
    assert tab.axe() == []
    press(tab, "Forward again", DIALOG)
    receiver.wait(2, "/yes")
    press(tab, "Close", DIALOG)
    # The addresses are remembered.
    press(tab, "Forward\u2026", "document.getElementById('detail')")
    tab.wait(DIALOG)
    assert tab.run("return %s.querySelector('textarea').value" % DIALOG) == "\n".join(urls)
    # An address that is not one.
    tab.allow("400")
    tab.run("%s.querySelector('textarea').value = arguments[0]" % DIALOG, "http://a.test/\n\nftp://a.test/")
    press(tab, "Forward", DIALOG)
    tab.wait(DIALOG + ".querySelector('[role=alert]').textContent.startsWith('Line 3: the URL must begin with http')")


def test_all_that_the_filter_shows_is_forwarded(service, open_page, receiver):
    endpoint = service.create()
    for name in ("keep", "skip", "keep"):
        service.hook(endpoint, name)
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-3", "row-2", "row-1")
    tab.find("#filter").send_keys("body:keep")
    wait_for_rows(tab, "row-3", "row-1")
    tab.run("document.getElementById('forward-shown').click()")
    tab.wait(DIALOG)
    assert "2 requests are forwarded" in tab.text("dialog")
    tab.run("%s.querySelector('textarea').value = arguments[0]" % DIALOG, receiver.url("/shown"))
    press(tab, "Forward", DIALOG)
    tab.wait(DIALOG + ".querySelector('[role=status]').textContent === '2 delivered'")
    assert [arrival["body"] for arrival in receiver.arrivals("/shown")] == ["keep", "keep"]


def test_what_was_collected_is_left_out(service, open_page):
    endpoint = service.create()
    service.hook(endpoint, "x")
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-1")
    tab.find("#collect").click()
    tab.wait(DIALOG)
    tab.find("dialog .primary").click()
    tab.wait("document.querySelector('#row-1').textContent.includes('collected')")
    tab.run("document.getElementById('forward-shown').click()")
    tab.wait(DIALOG)
    assert "None of the requests shown can be forwarded: what was refused or collected" in tab.text("dialog")
    press(tab, "Close", DIALOG)
    service.hook(endpoint, "waits")
    wait_for_rows(tab, "row-2", "row-1")
    tab.run("document.getElementById('forward-shown').click()")
    tab.wait(DIALOG)
    assert "1 request is forwarded" in tab.text("dialog") and "1 other is left out" in tab.text("dialog")


def looking(open_page, service, endpoint, url, answer="real(url, options)"):
    """A dialog whose forward to a URL was begun, with `looks`, the signals of its looks, and `waiting`, the pauses between them."""
    service.hook(endpoint, "x")
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-1")
    tab.run("""
        const [real, later] = [window.fetch, window.setTimeout];
        window.looks = [];
        window.waiting = new Set();
        window.fetch = (url, options) => {
            if (!String(url).includes("/forwards?")) return real(url, options);
            looks.push(options.signal);
            return %s;
        };
        window.setTimeout = (action, pause) => {
            const mark = {};
            if (pause === 500) waiting.add(mark);
            return later(() => { waiting.delete(mark); action(); }, pause);
        };
        document.getElementById("forward-shown").click();""" % answer)
    tab.wait(DIALOG)
    tab.run("%s.querySelector('textarea').value = arguments[0]" % DIALOG, url)
    press(tab, "Forward", DIALOG)
    tab.wait("looks.length > 0")
    return tab


STATUS = DIALOG + ".querySelector('[role=status]').textContent"


def test_forwarding_again_ends_the_looks_at_what_was_forwarded_before(service, open_page, receiver):
    answers = "looks.length > 1 ? real(url, options) : new Promise((_, fail) => options.signal?.addEventListener('abort', () => fail(options.signal.reason)))"
    tab = looking(open_page, service, service.create(), receiver.url("/again"), answers)
    press(tab, "Forward again", DIALOG)
    tab.wait(STATUS + " === '1 delivered'")
    assert tab.run("return [looks[0].aborted, looks[1].aborted]") == [True, False]


def test_the_looks_end_with_the_endpoint(service, open_page, receiver):
    receiver.rule("/slow", delay=3)
    endpoint = service.create()
    tab = looking(open_page, service, endpoint, receiver.url("/slow")).allow("404")
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    tab.wait("!%s.includes('waiting')" % STATUS)
    assert tab.run("return [%s, waiting.size]" % STATUS) == ["Endpoint '%s' does not exist or was removed." % endpoint, 0]


def test_a_forward_that_is_no_longer_listed_is_said_to_be(service, open_page, receiver):
    answer = "Promise.resolve(new Response(JSON.stringify({forwards: []})))"
    tab = looking(open_page, service, service.create(), receiver.url("/old"), answer)
    tab.wait(STATUS + " === '0 delivered, 1 no longer kept'")
    assert results(tab)[0][2] == "no longer kept" and tab.run("return waiting.size") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialogs_fit_a_phone(service, open_page, receiver, scheme):
    endpoint = service.create()
    service.hook(endpoint, "x")
    tab = page_of(open_page, service, endpoint)
    tab.prefer(scheme=scheme)
    tab.resize(*PHONE)
    wait_for_rows(tab, "row-1")
    tab.run("document.getElementById('forward-shown').click()")
    tab.wait(DIALOG)
    tab.run("%s.querySelector('textarea').value = arguments[0]" % DIALOG, receiver.url("/" + "long" * 40))
    press(tab, "Forward", DIALOG)
    tab.wait(DIALOG + ".querySelector('[role=status]').textContent === '1 delivered'")
    tab.screenshot("forward-phone-" + scheme)
    assert tab.run("return %s.scrollWidth <= %s.clientWidth" % (DIALOG, DIALOG))
    assert tab.axe() == []


def test_standing_forwards_are_settings(service, open_page, receiver):
    endpoint = service.create()
    tab = page_of(open_page, service, endpoint)
    tab.find("#receiver").click()
    tab.wait(DIALOG)
    legend = "[...%s.querySelectorAll('fieldset')].find(one => one.textContent.startsWith('Forward each'))" % DIALOG
    tab.run("%s.querySelector('textarea').value = arguments[0]" % legend, receiver.url("/standing"))
    tab.run("%s.scrollIntoView()" % legend)
    tab.screenshot("standing")
    press(tab, "Apply", DIALOG)
    tab.wait("!" + DIALOG)
    settings = service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    assert settings["forwards"] == [receiver.url("/standing")]
    service.hook(endpoint, "sent on")
    receiver.wait(1, "/standing")


def test_without_forwarding_the_page_explains_it(shared, open_page, endpoint):
    shared.hook(endpoint, "x")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    choose(tab, "row-1")
    press(tab, "Forward\u2026", "document.getElementById('detail')")
    tab.wait(DIALOG)
    assert "ENDPOINT_FORWARDING" in tab.text("dialog") and not tab.run("return %s.querySelector('textarea')" % DIALOG)
    press(tab, "Close", DIALOG)
    tab.find("#receiver").click()
    tab.wait(DIALOG)
    assert "ENDPOINT_FORWARDING" in tab.text("dialog")


def rows_of(tab):
    """The forwards in the table: request, target, state, result, attempts."""
    return tab.run(
        "return [...%s.querySelectorAll('tbody tr')].map(row => [...row.children].slice(0, 5).map(cell => cell.textContent.trim()))" % DIALOG)


def test_the_forwards_of_an_endpoint_are_listed_stopped_and_made_again(service, open_page, receiver):
    receiver.rule("/down", status=503, body="later")
    endpoint = service.create()
    up, down = receiver.url("/up"), receiver.url("/down")
    service.configure(endpoint, enabled=True, forwards=[up, down])
    service.hook(endpoint, "first", suffix="?a=1")
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-1")
    # The head says that there are some.
    tab.wait("document.querySelector('.facts .link').textContent === 'forwards to 2 addresses'")
    tab.find(".facts .link").click()
    tab.wait(DIALOG + "?.textContent.includes('the target answered 503')")
    (second, first) = rows_of(tab)
    assert first[:3] == ["#1 POST /?a=1", up + " each request", "delivered"] and first[3].startswith("200 in ") and first[4] == "1"
    assert second[:3] == ["#1 POST /?a=1", down + " each request", "waiting"] and "next attempt" in second[3]
    assert tab.text("dialog [role=status]").startswith("1 waiting.")
    assert look_at(tab, "forwards") == []
    assert tab.run("return %s.scrollWidth <= %s.clientWidth" % (DIALOG, DIALOG))
    # Stopped: what waits for this address ends.
    tab.run("%s.querySelector('[data-stop=\"' + arguments[0] + '\"]').click()" % DIALOG, down)
    tab.wait(DIALOG + ".querySelector('[role=status]').textContent.startsWith('0 waiting.')")
    assert service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()["forwards"] == [up]
    assert len(receiver.arrivals("/down")) >= 1
    # Made again.
    tab.run("%s.querySelector('[data-again=\"1\"]').click()" % DIALOG)
    receiver.wait(2, "/up")
    tab.wait("[...%s.querySelectorAll('tbody tr')].filter(row => row.textContent.includes('delivered')).length === 2" % DIALOG)
    tab.run("const choice = %s.querySelector('select'); choice.value = 'pending'; choice.dispatchEvent(new Event('change'))" % DIALOG)
    assert "None." in tab.text("dialog .forwards")


def test_the_list_of_forwards_says_that_older_ones_are_not_searched_yet(service, open_page, receiver):
    receiver.rule("/first", status=503)
    endpoint = service.create()
    for _ in range(10):
        service.hook(endpoint, "x")

    def forward(notifications, paths):
        body = {"notifications": notifications, "urls": [receiver.url(path) for path in paths]}
        assert service.call("POST", "/manage/endpoint/%s/forwards" % endpoint, json.dumps(body)).status == 202

    forward([1], ["/first"])
    forward(list(range(1, 11)), ["/after/%d" % number for number in range(10)])
    tab = page_of(open_page, service, endpoint)
    tab.run("document.getElementById('forwards').click()")
    tab.wait(DIALOG + "?.querySelectorAll('tbody tr').length === 100")
    tab.wait(DIALOG + ".querySelector('[role=status]').textContent.startsWith('0 waiting.')")
    more = "[...%s.querySelectorAll('button')].find(one => one.textContent.includes('lder ones'))" % DIALOG
    assert tab.run("return %s.textContent" % more) == "Load older ones"
    choose_state = "const choice = %s.querySelector('select'); choice.value = arguments[0]; choice.dispatchEvent(new Event('change'))" % DIALOG
    tab.run(choose_state, "failed")
    assert tab.text("dialog .empty") == "None of the newest 100. Older ones are not searched yet."
    assert tab.run("return %s.textContent" % more) == "Search older ones too: load them" and tab.axe() == []
    tab.run("%s.click()" % more)
    tab.wait("[...%s.querySelectorAll('tbody th')].map(one => one.textContent.trim()).join() === '#1 POST /'" % DIALOG)
    assert tab.run("return %s.hidden" % more)
    tab.run(choose_state, "pending")
    assert tab.text("dialog .empty") == "None."


def test_without_forwarding_the_list_of_forwards_explains_it(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint)
    tab.allow("403").run("document.getElementById('forwards').click()")
    tab.wait(DIALOG + "?.textContent.includes('ENDPOINT_FORWARDING')")
