"""What a newcomer tries in the first minutes."""

from inspecting import ROWS, STATE, choose, page_of, wait_for_rows
from tab import PHONE

BADGES = "return Object.fromEntries(%s.map(row => [row.id, [...row.querySelectorAll('.badge')].map(one => one.textContent)]))" % ROWS
COUNT = "document.getElementById('count').textContent"


def test_escape_empties_the_filter_and_closes_the_menu(shared, open_page, endpoint):
    shared.hook(endpoint, "x")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.press("/")
    tab.find("#filter").send_keys("zzz")
    tab.wait(COUNT + " === '0 of 1 request'")
    tab.press("ESCAPE")
    tab.wait(COUNT + " === '1 request'")
    assert tab.run("return document.activeElement.id") != "filter"
    tab.find(".menu summary").click()
    tab.press("ESCAPE")
    assert not tab.run("return document.querySelector('.menu').open")


def test_what_curl_calls_a_form_is_shown_as_what_it_is(shared, open_page, endpoint):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in ('{"id": 7, "sum": "1=1"}', "hello", "a=1&b=2"):
        shared.hook(endpoint, body, form)
    tab = page_of(open_page, shared, endpoint)
    for row, view in (("row-1", "Pretty"), ("row-2", "Pretty"), ("row-3", "Form")):
        choose(tab, row)
        assert tab.text(".views [aria-pressed=true]") == view


def test_the_preview_says_what_comes_before_the_rules(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint)
    tab.find("#receiver").click()
    preview = "document.getElementById('preview')?.textContent"
    tab.wait(preview + " === '200 by the endpoint, as usual'")
    path = "document.querySelector('[placeholder=\"/orders?a=1\"]')"
    tab.run(path + ".value = '/a'; " + path + ".dispatchEvent(new Event('input', {bubbles: true}))")
    tab.wait(preview + ".startsWith('The endpoint does not accept paths after its id: the sender gets 404.')")
    tab.run("[...document.querySelectorAll('dialog .check')].find(one => one.textContent.includes('Enabled')).querySelector('input').click()")
    tab.wait(preview + ".startsWith('The endpoint is disabled: every sender gets 500.')")
    tab.allow("404").run("document.getElementById('try-send').click()")
    tab.wait("document.getElementById('status').textContent.startsWith('Sent. The answer was 404')")
    # Above the dialog.
    assert tab.run("return document.getElementById('status').matches(':popover-open')")


def test_a_deleted_endpoint_is_no_error_for_who_deleted_it(serve, open_page):
    service = serve(RESPONDERS=1)
    tab = page_of(open_page, service, service.create()).allow("404")
    tab.run("[...document.querySelectorAll('.menu button')].find(one => one.textContent === 'Delete endpoint…').click()")
    tab.find("dialog .danger").click()
    tab.wait(STATE + " === 'gone'")
    assert tab.run("return document.getElementById('status').className") == ""
    assert "is deleted" in tab.text(".empty-state")
    assert tab.run("return document.getElementById('receiver').disabled")


def test_a_name_that_is_not_used_is_reported(shared, open_page):
    tab = open_page(shared, "/")
    tab.run("document.getElementById('name').value = 'orders'; document.querySelector('button.primary').click()")
    tab.wait("document.getElementById('status').textContent.startsWith('This installation does not allow names')")


def test_the_count_is_right_after_a_pause(shared, open_page, endpoint):
    shared.hook(endpoint, "one")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.press("p")
    tab.wait(STATE + " === 'paused'")
    shared.hook(endpoint, "two")
    tab.press("p")
    wait_for_rows(tab, "row-2", "row-1")
    assert tab.text("#room") == "2 of 100"


def test_verdicts_are_seen_on_a_phone(shared, open_page, endpoint):
    shared.configure(endpoint, enabled=True, verify={"preset": "github", "secret": "s"})
    shared.hook(endpoint, "x")
    tab = page_of(open_page, shared, endpoint).resize(*PHONE)
    wait_for_rows(tab, "row-1")
    badge = tab.find("#row-1 .badge")
    assert badge.is_displayed() and badge.text == "signature wrong"
    assert tab.run("return document.getElementById('row-1').offsetHeight") == 44
    assert tab.axe() == []
    tab.screenshot("phone-badges")
    shared.configure(endpoint, enabled=True, verify=None)


# ------------------------------------------------------------ the example


def example(open_page, service):
    tab = open_page(service, "/")
    # Chromium reports the answer that the first attempt at a delivery gets.
    tab.allow("/webhook/.* 503")
    tab.find("#example").click()
    tab.wait("document.getElementById('state')?.textContent === 'live'")
    wait_for_rows(tab, *["row-%d" % number for number in (8, 7, 6, 5, 3, 2, 1)])
    return tab


def test_the_example_shows_verdicts_attempts_a_handshake_and_every_kind_of_body(shared, open_page):
    tab = example(open_page, shared)
    badges = tab.run(BADGES)
    assert badges["row-8"] == ["signature wrong"] and badges["row-7"] == ["signature valid"] and badges["row-5"] == ["2 attempts"]
    choose(tab, "row-8")
    assert "the same JSON" in tab.text("#detail") or "serial" in tab.text("#detail").lower(), tab.text("#detail")
    choose(tab, "row-6")
    assert "fault.png" in tab.text("#panel")
    choose(tab, "row-3")
    assert "Grüße, zwölf ✓" in tab.text("#panel")
    choose(tab, "row-5")
    assert "9007199254740993" in tab.text("#panel") and "12.50" in tab.text("#panel")
    endpoint = tab.run("return location.hash.slice(1)")
    answers = [(one["status"], one["answeredBy"]) for one in shared.look(endpoint).json()["notifications"]]
    assert answers[0] == (200, "recipe:slack") and answers[3][0] == 503 and answers[4][0] == 200
    tab.screenshot("example")


def test_the_example_says_so_when_no_endpoint_can_be_created(serve, open_page):
    service = serve(RESPONDERS=1, MAX_ACTIVE_ENDPOINTS=1)
    service.create()
    tab = open_page(service, "/").allow("/manage/endpoint")
    tab.find("#example").click()
    tab.wait("!document.querySelector('[role=alert]').hidden")
    assert not tab.run("return document.getElementById('example').disabled")
    assert tab.run("return " + "location.pathname") == "/"
