"""Expressions are tried, and become subscriptions."""

import json

import pytest
from subscribing import HOSTILE, badges, click, look, opened, type_into
from tab import PHONE
from webhook_service import WebhookService


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = WebhookService(tmp_path_factory.mktemp("events"), RESPONDERS=2, EVENTS_RETRY_SCHEDULE="").start()
    yield service
    service.stop()


def results(tab, dialect):
    """The paths and values that are shown for a dialect."""
    return tab.run(
        "return [...document.querySelectorAll(`[data-dialect=${arguments[0]}] tbody tr`)].map(row => [...row.children].map(cell => cell.textContent))", dialect)


def test_results_appear_in_both_dialects_as_one_types(service, open_page):
    tab = opened(open_page, service, "/try")
    assert tab.text("#verdict").startswith("A subscription with this expression gets this event.")
    look(tab, "events-try")
    type_into(tab, "#event", '{"files": [{"size": 96.0}, {"size": 4000}], "n": 12345678901234567890}')
    type_into(tab, "#expression", "$.files[?(@.size < 100)]")
    tab.wait("document.getElementById('verdict').textContent.includes('does not get')")
    assert results(tab, "rfc9535") == [["$['files'][0]", '{"size": 96.0}']] and results(tab, "legacy") == []
    assert "used by default" in badges(tab, "[data-dialect=legacy]")
    type_into(tab, "#expression", "$.n")
    tab.wait("document.querySelector('[data-dialect=rfc9535] td')?.textContent === '12345678901234567890'")
    # An example, with the keyboard.
    click(tab, "Examples")
    tab.run("document.querySelector('.examples button').focus()")
    tab.press("ENTER")
    assert tab.run("return document.activeElement.id") == "expression"
    tab.wait("document.getElementById('verdict').classList.contains('bad')")


def test_faults_are_shown_at_their_place(service, open_page):
    tab = opened(open_page, service, "/try")
    type_into(tab, "#expression", "$['é', ].x[")
    tab.wait("document.querySelector('.faults')")
    assert "Line 1, column 9" in tab.text(".faults") and tab.text(".faults mark") == "]"
    assert tab.run("return document.getElementById('expression').getAttribute('aria-invalid')") == "true"
    look(tab, "events-fault")
    type_into(tab, "#expression", "$")
    tab.allow("400")
    type_into(tab, "#event", '{\n  "a": }')
    tab.wait("document.getElementById('event-fault').textContent.includes('line 2, column 8')")
    type_into(tab, "#event", "{}")
    tab.wait("document.getElementById('event-fault').textContent === '' && document.querySelector('[data-dialect=rfc9535] td')")


def test_only_the_newest_answer_is_shown(service, open_page):
    tab = opened(open_page, service, "/try")
    tab.run("""
        const send = fetch, waiting = [];
        window.release = () => waiting.shift()();
        window.waits = () => waiting.length;
        window.fetch = async (...given) => { const answer = await send(...given); await new Promise(go => waiting.push(go)); return answer; };
        """)
    type_into(tab, "#expression", "$.eventType")
    tab.wait("waits() === 1")
    tab.run("""
        window.seen = [];
        new MutationObserver(() => seen.push(document.querySelector("[data-dialect=rfc9535] tbody th")?.textContent))
            .observe(document.querySelector(".dialects"), {childList: true});
        """)
    for text in ("$.eventID", "$.source"):
        type_into(tab, "#expression", text)
        # Timers run in their order: that of the page has run by then.
        tab.run("await new Promise(go => setTimeout(go, 300))")
    tab.run("release()")
    tab.wait("waits() === 1")
    tab.run("release()")
    tab.wait("seen.length > 0")
    assert tab.run("return seen") == ["$['source']"]


def test_hostile_texts_and_long_events_are_harmless(service, open_page):
    tab = opened(open_page, service, "/try")
    type_into(tab, "#event", json.dumps({HOSTILE: HOSTILE, "long": "y" * 500_000}))
    type_into(tab, "#expression", "$.*")
    tab.wait("document.querySelectorAll('[data-dialect=rfc9535] tbody tr').length === 2")
    (path, value), (_, long) = results(tab, "rfc9535")
    assert "<script>" in path and "U+202E" in value and len(long) < 5000 and long.endswith("cut")
    tab.resize(*PHONE)
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth") and tab.axe() == []


def test_the_form_explains_what_is_wrong_with_an_expression(service, open_page):
    def faults():
        return tab.run("return [...document.querySelectorAll('dialog .faults li')].map(one => [one.querySelector('strong').textContent, one.querySelector('mark').textContent])")

    tab = opened(open_page, service, "/try")
    type_into(tab, "#expression", "$.data")
    tab.wait("document.querySelector('.verdict button')")
    click(tab, "Use it in a new subscription")
    expression, dialect = tab.find("dialog textarea"), tab.find("dialog select")
    for selector, text in (("dialog input", "n"), ("dialog [type=url]", "https://example.invalid/")):
        tab.find(selector).send_keys(text)
    expression.clear()
    expression.send_keys("$.a[?@.b ==]")
    # While one types; in the dialect that is chosen, or in both.
    tab.wait("document.querySelectorAll('dialog .faults li').length === 2")
    dialect.send_keys("RFC")
    tab.wait("document.querySelectorAll('dialog .faults li').length === 1")
    assert faults() == [["RFC 9535", "]"]] and tab.axe() == []
    tab.allow("400")
    click(tab, "Save")
    tab.wait("document.activeElement.ariaInvalid === 'true'")
    (focused,) = [node for node in tab.accessibility().all("textbox") if node.properties.get("focused")]
    assert focused.name == "JSONPath expression" and "column 12" in focused.properties["description"]
    tab.screenshot("events-form-fault")
    # It is valid in the other dialect.
    expression.clear()
    expression.send_keys("$.data[?(@.size < 100)]")
    dialect.send_keys("default")
    tab.wait("document.querySelectorAll('dialog .faults').length === 0")
    tab.press("ESCAPE")


def test_an_expression_becomes_a_subscription(service, open_page):
    tab = opened(open_page, service, "/try")
    type_into(tab, "#expression", "$.data.files[?(@.size < 100)]")
    tab.wait("document.querySelector('[data-dialect=rfc9535] > button')")
    click(tab, "Use it in this dialect")
    tab.run("""
        const [name, , target] = document.querySelectorAll("dialog input, dialog textarea");
        name.value = "from the tester";
        """)
    tab.find("dialog input[type=url]").send_keys("ftp://example.org/")
    tab.allow("400")
    click(tab, "Save")
    tab.wait("document.querySelector('dialog [role=alert]').textContent.startsWith('Target URL: ')")
    assert tab.run("return document.activeElement.type") == "url" and tab.run("return document.activeElement.ariaInvalid") == "true"
    assert tab.axe() == []
    tab.screenshot("events-form")
    tab.find("dialog input[type=url]").clear()
    tab.find("dialog input[type=url]").send_keys("https://example.invalid/x")
    click(tab, "Save")
    tab.wait("location.hash.length > 20 && document.querySelector('.events .is-live')")
    made = service.api("GET", "/eventmatch/" + tab.run("return location.hash.split('/').pop()")).json()
    assert (made["name"], made["dialect"], made["jsonpath"]) == ("from the tester", "rfc9535", "$.data.files[?(@.size < 100)]")
    service.api("DELETE", "/eventmatch/" + made["uuid"])
