"""The example: the first minute has something to see."""

from inspecting import ROWS, choose, wait_for_rows

BADGES = "return Object.fromEntries(%s.map(row => [row.id, [...row.querySelectorAll('.badge')].map(one => one.textContent)]))" % ROWS


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
