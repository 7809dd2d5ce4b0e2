"""The page of an endpoint: what it shows, and what it leaves alone."""

import json
import subprocess

import pytest
from harness import wait_for
from inspecting import ROWS, STATE, choose, file_base, page_of, rows, view, wait_for_rows
from tab import PHONE

# ------------------------------------------------------------ the first minute


def test_a_new_user_sees_a_request_after_two_clicks(shared, open_page):
    tab = open_page(shared, "/")
    tab.find("button.primary").click()
    tab.wait("document.getElementById('send-test')")
    assert "/inspect#" in tab.run("return location.href") and tab.run("return location.pathname") == "/inspect"
    url = tab.run("return document.getElementById('url').value")
    assert url in tab.text(".command code")
    tab.find("#send-test").click()
    wait_for_rows(tab, "row-1")
    tab.wait("document.querySelector('.json-name')?.textContent === '\"hello\"'")
    # The endpoint is listed on the first page from now on.
    tab.find("#home").click()
    tab.wait("document.querySelector('.plain-list a')?.textContent === arguments[0]".replace("arguments[0]", json.dumps(url.rsplit("/", 1)[1])))
    tab.find(".plain-list button").click()
    assert tab.run("return document.querySelectorAll('.plain-list li').length") == 0


def test_the_commands_stay_reachable_after_the_first_request(shared, open_page, endpoint):
    shared.hook(endpoint, "first")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.find(".menu summary").click()
    tab.find("#how-to-send").click()
    tab.wait("document.querySelector('dialog[open]')")
    url = tab.run("return document.getElementById('url').value")
    commands = tab.run("return [...document.querySelectorAll('dialog .command code')].map(one => one.textContent)")
    assert len(commands) == 3 and all(url in command for command in commands)
    assert subprocess.run(["sh", "-c", commands[0]], capture_output=True).returncode == 0
    wait_for_rows(tab, "row-2", "row-1")
    assert shared.look(endpoint).json()["notifications"][-1]["body"] == '{"hello": "world"}'
    tab.screenshot("how-to-send")
    assert tab.axe() == []
    tab.resize(*PHONE)
    assert tab.run("const box = document.querySelector('dialog'); return box.scrollWidth <= box.clientWidth") and tab.axe() == []
    tab.run("[...document.querySelectorAll('dialog button')].find(one => one.textContent === 'Send a test request').click()")
    wait_for_rows(tab, "row-3", "row-2", "row-1")


def test_an_endpoint_is_opened_by_its_url_its_id_or_its_page(shared, open_page, endpoint):
    for given in (endpoint, "http://127.0.0.1:%d/webhook/%s/below?a=b" % (shared.port, endpoint), "x/inspect#" + endpoint):
        tab = open_page(shared, "/")
        tab.find("#open").send_keys(given + "\n")
        tab.wait("location.hash === '#%s'" % endpoint)
    tab = open_page(shared, "/")
    tab.find("#open").send_keys("no such thing\n")
    tab.wait("!document.querySelector('[role=alert]').hidden")


# ------------------------------------------------------------ live


def test_requests_appear_as_they_arrive_and_stay_for_whoever_collects_them(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint)
    for number in range(3):
        shared.hook(endpoint, "request %d" % number)
        wait_for_rows(tab, *["row-%d" % (n + 1) for n in reversed(range(number + 1))])
        tab.wait("document.getElementById('panel').textContent.includes('request %d')" % number)
    assert tab.text("#room") == "3 of 100" and tab.text("#count") == "3 requests"
    assert shared.bodies(endpoint) == ["request 0", "request 1", "request 2"]


def test_a_selected_request_stays_selected_while_others_arrive(shared, open_page, endpoint):
    shared.hook(endpoint, "first")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.press("f")
    choose(tab, "row-1")
    for number in range(2, 32):
        shared.hook(endpoint, "body %d" % number)
    tab.wait(ROWS + ".length === 31")
    assert tab.run("return document.querySelector('[aria-selected=true]').id") == "row-1" and "first" in tab.text("#panel")
    tab.wait("document.getElementById('new-rows').textContent === '30 new requests'")
    tab.find("#new-rows").click()
    tab.wait("document.querySelector('[role=option][aria-selected=true]').id === 'row-31'")
    assert not tab.find("#new-rows").is_displayed()


def test_what_was_removed_while_the_page_did_not_look_is_a_gap(shared, open_page, endpoint):
    shared.hook(endpoint, "one")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tab.press("p")
    tab.wait(STATE + " === 'paused'")
    for text in ("two", "three", "four"):
        shared.hook(endpoint, text)
    shared.call("DELETE", "/manage/endpoint/%s/notifications?through=3" % endpoint)
    tab.press("p")
    wait_for_rows(tab, "row-4", "row-1")
    assert tab.text(".gap").startswith("2 requests are missing here")


def test_a_deleted_endpoint_is_gone_and_its_requests_stay_on_the_page(serve, open_page):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-1")
    tab.allow("404")
    service.call("DELETE", "/manage/endpoint/" + endpoint)
    tab.wait(STATE + " === 'gone'")
    assert rows(tab) == ["row-1"] and "kept" in tab.text("#panel")
    assert tab.run("return [...document.querySelectorAll('.menu button:disabled')].map(one => one.textContent)") == [
        "How to send", "Forward what is shown…", "Forwards…", "Delete endpoint…"]
    tab = open_page(service, "/inspect#" + endpoint).allow("404")
    tab.wait(STATE + " === 'gone'")


def test_an_endpoint_that_expires_is_gone(serve, open_page):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    tab = page_of(open_page, service, endpoint).allow("404")
    wait_for_rows(tab, "row-1")
    assert service.call("PUT", "/manage/endpoint/" + endpoint, '{"enabled": true, "expires": 1}').status == 204
    wait_for(lambda: service.call("GET", "/manage/endpoint/" + endpoint + "/settings").status == 404)
    # A request that waits for news ends later; the page begins a new one.
    tab.press("p", "p")
    tab.wait(STATE + " === 'gone'")
    assert "has expired" in tab.text("#status") and rows(tab) == ["row-1"]


def test_the_page_catches_up_after_a_restart_of_the_service(serve, open_page):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.hook(endpoint, "before")
    tab = page_of(open_page, service, endpoint).allow("ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|50[234]")
    wait_for_rows(tab, "row-1")
    service.kill_all()
    tab.wait(STATE + ".startsWith('reconnecting')")
    service.start()
    service.hook(endpoint, "after")
    tab.wait(STATE + " === 'live'", 40)
    wait_for_rows(tab, "row-2", "row-1")


def test_a_full_endpoint_shows_it_and_what_it_refused(serve, open_page):
    service = serve(RESPONDERS=1, MAX_ENDPOINT_NOTIFICATIONS=2)
    endpoint = service.create()
    assert [service.hook(endpoint, str(n)).status for n in range(3)] == [200, 200, 507]
    tab = page_of(open_page, service, endpoint)
    wait_for_rows(tab, "row-r1", "row-2", "row-1")
    assert tab.text("#room") == "2 of 2, full"
    choose(tab, "row-r1")
    assert "the endpoint was full. (507)" in tab.text("#detail")
    # The next one does not wait for the next look at the settings.
    tab.run("const send = fetch; window.fetch = (url, ...more) => (/settings$/.test(url) ? new Promise(() => {}) : send(url, ...more))")
    assert service.hook(endpoint, "3").status == 507
    wait_for_rows(tab, "row-r2", "row-r1", "row-2", "row-1")
    tab.reload().wait(STATE + " === 'live'")
    service.configure(endpoint, enabled=True, overflow="drop-oldest")
    tab.wait("document.getElementById('room').textContent === '2 of 2, full: the oldest are dropped'")


def test_attempts_of_one_delivery_are_one_item(shared, open_page, endpoint):
    for attempt in range(3):
        shared.hook(endpoint, "try %d" % attempt, {"webhook-id": "msg_1"})
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-3")
    assert "3 attempts" in tab.text("#row-3")
    assert "Attempt 3 of 3" in tab.text("#detail")
    tab.run("[...document.querySelectorAll('.notice button')][0].click()")
    tab.wait("document.getElementById('panel').textContent.includes('try 0')")


# ------------------------------------------------------------ find, keys


def test_the_filter_searches_everything(shared, open_page, endpoint):
    shared.hook(endpoint, "alpha", {"X-Signature": "abc"})
    assert shared.call("PUT", "/webhook/" + endpoint, "beta " + "x" * 3000).status == 200
    shared.hook(endpoint, "gamma", suffix="?order=17")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-3", "row-2", "row-1")
    for filter, wanted in [
        ("alpha", ["row-1"]), ("method:put", ["row-2"]), ("size:>1k", ["row-2"]), ("header:x-sig=abc", ["row-1"]), ("order=17", ["row-3"]),
        ("-method:put status:200", ["row-3", "row-1"]), ("nothing", []), ("", ["row-3", "row-2", "row-1"]),
    ]:  # fmt: skip
        tab.run("const field = document.getElementById('filter'); field.value = arguments[0]; field.dispatchEvent(new Event('input'))", filter)
        wait_for_rows(tab, *wanted)
    tab.run("const field = document.getElementById('filter'); field.value = 'size:big'; field.dispatchEvent(new Event('input'))")
    assert "size:big" in tab.text("#list-pane [role=alert]")


def test_everything_can_be_done_with_the_keyboard(shared, open_page, endpoint):
    for number in range(3):
        shared.hook(endpoint, '{"n": %d}' % number, suffix="?n=%d" % number)
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-3", "row-2", "row-1")

    def selected():
        return tab.run("return document.querySelector('[role=option][aria-selected=true]').id")

    tab.press("j")
    assert selected() == "row-2"
    tab.press("END")
    assert selected() == "row-1"
    tab.press("k", "HOME")
    assert selected() == "row-3"
    tab.press("2")
    assert tab.run("return document.querySelector('[role=tab][aria-selected=true]').id") == "tab-headers"
    tab.press("ENTER")
    assert tab.run("return document.activeElement.id") == "panel"
    tab.press("ESCAPE")
    assert tab.run("return document.activeElement.id") == "list"
    assert tab.run("return document.activeElement.getAttribute('aria-activedescendant')") == "row-3"
    tab.press("/", "p")
    assert tab.run("return document.getElementById('filter').value") == "p" and tab.run("return " + STATE) == "live"
    tab.press("ESCAPE", "/", "n", "=", "1", "ENTER")
    wait_for_rows(tab, "row-2")
    assert tab.run("return document.activeElement.id") == "list"
    tab.press("/", "ESCAPE", "?")
    tab.wait("document.querySelector('dialog[open] kbd')")
    tab.press("ESCAPE")
    tab.wait("!document.querySelector('dialog')")
    tab.allow_clipboard().press("c")
    assert tab.clipboard() == '{"n": 2}'


# ------------------------------------------------------------ collect, export


def test_collecting_saves_and_removes(shared, open_page, endpoint):
    for number in range(3):
        shared.hook(endpoint, "body %d" % number)
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-3", "row-2", "row-1")
    tab.find("#collect").click()
    tab.wait("document.querySelector('dialog[open]')")
    assert "3 notifications" in tab.text("dialog h2")
    tab.find("dialog button.primary").click()
    saved = json.loads(tab.downloaded("%s-1-3-collected.json" % file_base(endpoint)))
    assert [n["body"] for n in saved["notifications"]] == ["body 0", "body 1", "body 2"]
    tab.wait(ROWS + ".length === 3 && " + ROWS + ".every(row => row.textContent.includes('collected'))")
    assert shared.collect(endpoint) == []


def test_exports_have_every_request_and_every_byte(shared, open_page, endpoint):
    shared.hook(endpoint, '{"a": 1}', {"Content-Type": "application/json"}, suffix="?x=1&y=%20")
    shared.hook(endpoint, bytes(range(256)), {"Content-Type": "application/octet-stream"})
    kept = shared.look(endpoint).json()
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-2", "row-1")
    for index, kind in enumerate(("json", "har")):
        tab.run("document.querySelectorAll('.menu button')[%d].click()" % (index + 1))
        found = json.loads(tab.downloaded("%s-1-2.%s" % (file_base(endpoint), kind)))
        if kind == "json":
            assert found == kept
        else:
            entries = found["log"]["entries"]
            assert [entry["request"]["method"] for entry in entries] == ["POST", "POST"]
            assert entries[0]["request"]["queryString"] == [{"name": "x", "value": "1"}, {"name": "y", "value": " "}]
            assert entries[1]["request"]["postData"]["_base64"] == kept["notifications"][1]["bodyBase64"]


# ------------------------------------------------------------ for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_axe_finds_nothing(shared, open_page, endpoint, scheme, size):
    tab = open_page(shared, "/").prefer(scheme=scheme, motion="reduce")
    tab.resize(*size)
    assert tab.axe() == []
    tab.open(shared, "/inspect#" + endpoint)
    tab.wait(STATE + " === 'live'")
    assert tab.axe() == []
    shared.configure(endpoint, enabled=True, verify={"preset": "github", "secret": "s"})
    shared.hook(endpoint, '{"a": [1, "b", null]}', {"webhook-id": "m"}, suffix="?a=b")
    shared.hook(endpoint, "x", {"webhook-id": "m"})
    wait_for_rows(tab, "row-2")
    if size == PHONE:
        choose(tab, "row-2")
    for name in ("Headers", "Query", "Meta", "Body"):
        view(tab, name)
        assert tab.axe() == [], name
    tab.run("document.body.classList.remove('shows-detail')")
    tab.run("document.getElementById('receiver').click()")
    tab.wait("document.querySelector('dialog[open] form')")
    assert tab.axe() == []
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_screen_reader_finds_its_way(shared, open_page, endpoint):
    shared.hook(endpoint, "hello", suffix="?n=1")
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    tree = tab.accessibility()
    assert [node.name for node in tree.all("listbox")] == ["Requests, newest first"]
    (option,) = tree.all("option")
    assert option.name.startswith("POST /?n=1, 5 B, ") and option.properties["selected"]
    assert [node.name for node in tree.all("tab")] == ["Body", "Headers", "Query", "Meta"]
    assert all(node.name for node in tree.all("button") + tree.all("textbox") + tree.all("searchbox"))
