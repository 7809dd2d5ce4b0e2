"""Playing the receiver: the settings of an endpoint, and what a sender would hear."""

import json

import pytest
from inspecting import page_of, wait_for_rows
from tab import PHONE


def test_the_receiver_is_played_from_the_page(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint)
    tab.find("#receiver").click()
    tab.wait("document.querySelector('dialog[open] form')")
    tab.run("document.querySelectorAll('[name=answers]')[1].click()")
    tab.run("document.querySelector('dialog input[type=number]').value = '299'")
    tab.run("document.querySelector('dialog form').requestSubmit()")
    tab.wait("!document.querySelector('dialog')")
    assert shared.hook(endpoint).status == 299
    tab.find("#receiver").click()
    tab.wait("document.querySelector('dialog[open] form')")
    tab.run("document.querySelector('dialog input[type=number]').value = '999'; document.querySelector('dialog form').requestSubmit()")
    tab.allow("400").wait("!document.querySelector('dialog [role=alert]').hidden")
    assert tab.text("dialog [role=alert]").startswith("Status: must be a whole number")
    assert shared.hook(endpoint).status == 299


def apply(tab, change):
    """Changes the settings in the form and presses Apply where it is, without scrolling to it."""
    tab.run(change)
    assert tab.run("""
        const place = document.querySelector("dialog [type=submit]").getBoundingClientRect();
        const found = document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2);
        found?.click();
        return found?.type""") == "submit"


@pytest.mark.parametrize("size", [(1280, 757), PHONE])
def test_apply_can_be_pressed_wherever_the_form_is_and_leads_to_the_fault(shared, open_page, endpoint, size):
    tab = page_of(open_page, shared, endpoint).allow("400").resize(*size)
    tab.find("#receiver").click()
    tab.wait("document.querySelector('dialog[open] form')")
    cases = [
        ("document.querySelectorAll('[name=answers]')[1].click(); document.querySelector('dialog input[type=number]').value = '999'", "Status", "Status: must be"),
        ("document.querySelector('dialog input[type=number]').value = 200; document.querySelector('dialog textarea').value = 'none'", "Header fields (Name: value), one on each line", '"none" is not a header field'),
        ("document.querySelector('dialog textarea').value = ''; [...document.querySelectorAll('.recipe input')].find(one => one.parentElement.textContent.trim() === 'zoom').click()", "zoom: Secret", "Handshakes of providers, zoom, Secret: "),
        ("document.querySelectorAll('.recipe :checked').forEach(one => one.click()); document.querySelector('[placeholder=never]').value = 'soon'", "Remove it so many seconds from now (never: at the limits of the installation; empty: as it is)", "Remove it so many seconds from now: write"),
        ("document.querySelector('[placeholder=never]').value = '0'", "Remove it so many seconds from now (never: at the limits of the installation; empty: as it is)", "Remove it so many seconds from now must be"),
    ]  # fmt: skip
    for change, field, told in cases:
        apply(tab, change)
        tab.wait("!document.querySelector('dialog form [role=alert]').hidden && document.querySelector('dialog form [role=alert]').textContent.startsWith(%s)" % json.dumps(told))
        (focused,) = [node for node in tab.accessibility().all() if node.properties.get("focused") and node.role != "RootWebArea"]
        assert focused.name == field and focused.properties["invalid"] == "true" and focused.properties["description"].startswith(told)
        assert tab.run("return document.querySelectorAll('dialog [aria-invalid]').length") == 1
        assert tab.run("""
            const place = document.activeElement.getBoundingClientRect();
            return document.elementFromPoint(place.x + 5, place.y + place.height / 2) === document.activeElement""")
    assert tab.axe() == []
    tab.screenshot("receiver-fault-%d" % size[0])
    apply(tab, "document.querySelector('[placeholder=never]').value = ''")
    tab.wait("!document.querySelector('dialog')")


def test_errors_name_the_fields_of_the_form(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint).allow("400")
    for recipe, alert in (("meta", "Handshakes of providers, meta, Verify token: "), ("zoom", "Handshakes of providers, zoom, Secret: ")):
        tab.find("#receiver").click()
        tab.wait("document.querySelector('dialog[open] form')")
        tab.run("[...document.querySelectorAll('.recipe input')].find(one => one.parentElement.textContent.trim() === arguments[0]).click()", recipe)
        tab.run("document.querySelector('dialog form').requestSubmit()")
        tab.wait("!document.querySelector('dialog [role=alert]').hidden")
        assert tab.text("dialog form [role=alert]").startswith(alert)
        tab.press("ESCAPE")
        tab.wait("!document.querySelector('dialog')")
    tab.find("#receiver").click()
    tab.wait("document.querySelector('dialog[open] form')")
    tab.run("""
        const select = document.querySelector("dialog select[aria-label='Check signatures']");
        select.value = 'github';
        select.dispatchEvent(new Event('change', {bubbles: true}));
        document.querySelector('dialog form').requestSubmit();""")
    tab.wait("!document.querySelector('dialog [role=alert]').hidden")
    assert tab.text("dialog form [role=alert]").startswith("Check signatures, Secret: ")


PREVIEW = "document.getElementById('preview')?.textContent"


def test_the_preview_shows_what_a_sender_would_hear_before_anything_is_changed(shared, open_page, endpoint):
    shared.hook(endpoint, '{"id": 17}', suffix="?who=me")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.find("#receiver").click()
    tab.wait(PREVIEW + " === '200 by the endpoint, as usual'")
    tab.run("document.querySelectorAll('[name=answers]')[2].click()")
    rules = "document.querySelector('dialog textarea[rows=\"10\"]')"
    tab.run(rules + ".value = arguments[0]; " + rules + ".dispatchEvent(new Event('input', {bubbles: true}))", json.dumps(
        [{"then": {"status": 503, "delay_ms": 1500, "headers": {"X-Id": "{json:$.id}"}, "body": "<script>{query:who}\u202e"}}]))
    tab.wait(PREVIEW + ".startsWith('503 after 1,500 ms by rule 1')")
    assert "x-id: 17" in tab.text("#preview").lower() and "<script>meU+202E" in tab.text("#preview")
    # Another request than the one that is chosen in the list.
    tab.run("const source = document.querySelector('.receiver > fieldset select'); source.value = 'own'; source.dispatchEvent(new Event('input', {bubbles: true}))")
    tab.wait("!" + PREVIEW + ".includes('17')")
    tab.allow("400").run(rules + ".value = '[{}, {}]'; " + rules + ".dispatchEvent(new Event('input', {bubbles: true}))")
    tab.wait(PREVIEW + ".includes('Rule 1, then: is required')")
    tab.screenshot("preview")
    assert tab.axe() == []
    # Nothing was sent, and nothing was changed.
    assert shared.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()["responses"] == []
    tab.run("document.getElementById('try-send').click()")
    tab.wait("document.getElementById('status').textContent.startsWith('Sent. The answer was 200')")
    found = shared.collect(endpoint)
    assert [n["body"] for n in found] == ['{"id": 17}', '{"hello": "world"}']


def test_settings_that_are_not_touched_stay_as_they_are(shared, open_page, endpoint):
    shared.configure(
        endpoint, enabled=False, overflow="drop-oldest", expires=5000, delivery_header="x-id",
        recipes=[{"name": "trello"}, {"name": "cloudevents", "rate": 7}, {"name": "asana"}],
        responses=[{"when": {"method": ["PUT"]}, "secret": "s", "then": {"body": "{hmac-sha1-hex:body}\r\n"}}, {"then": {"status": 201}}],
        verify={"preset": "hmac", "secret": "k", "header": "x-sig", "algorithm": "sha256", "encoding": "hex", "prefix": "a "})
    before = settings(shared, endpoint)
    tab = page_of(open_page, shared, endpoint)
    for change in ("", "[...document.querySelectorAll('dialog input[type=checkbox]')].find(box => box.parentElement.textContent.includes('CORS')).click();"):
        tab.find("#receiver").click()
        tab.wait("document.querySelector('dialog[open] form')")
        tab.run(change + "document.querySelector('dialog form').requestSubmit()")
        tab.wait("!document.querySelector('dialog')")
        after = settings(shared, endpoint)
        assert after.pop("cors") == (change != "") and after == {name: value for name, value in before.items() if name != "cors"}


def settings(service, endpoint):
    """The settings without what changes by itself."""
    found = service.call("GET", "/manage/endpoint/%s/settings" % endpoint).json()
    return {name: value for name, value in found.items() if name not in ("lastUsed", "removedAt")}
