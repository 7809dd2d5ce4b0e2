"""The page in a browser, what its policy refuses, and what it may ask of the service."""

import http.server
import os
import shutil
import subprocess
import sys
import threading

import pytest
from browser import session_members
from certificates import certificate
from harness import PROGRAM, Service, install_share, wait_for
from tab import DESKTOP, PHONE, origin

TLS = "with TLS"


@pytest.fixture(scope="module", params=["/", "/hooks/in", TLS])
def service(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("opening")
    settings = {"MOUNT_POINT": request.param}
    if request.param == TLS:
        settings = dict(zip(("TLS_CERTIFICATE", "TLS_CERTIFICATE_KEY"), certificate(str(directory))))
    service = Service(directory / "data", PROGRAM, RESPONDERS=1, **settings).start()
    yield service
    service.stop()


@pytest.fixture
def other_site():
    """The address of an empty page of another site: `localhost` and 127.0.0.1 are two sites."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "http://localhost:%d/" % server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


# ------------------------------------------------------------ the page


@pytest.mark.parametrize("path", ["/", "/inspect", "/inspect/", "/page", "/page/"])
def test_the_page_opens_with_its_style_its_program_and_its_icon(service, open_page, path):
    tab = open_page(service, path)
    loaded = tab.run("return performance.getEntriesByType('resource').map(entry => [entry.name, entry.responseStatus])")
    base = origin(service) + service.mount
    assert {base + "/page/app.css", base + "/page/app.js"} <= {name for name, _ in loaded}
    assert all(name.startswith(base + "/page/") and status == 200 for name, status in loaded), loaded
    assert tab.run("return document.styleSheets[0].cssRules.length") > 0
    icon = tab.run("return fetch(document.querySelector('link[rel=icon]').href).then(answer => answer.ok)")
    assert icon


HOSTILE = """<!DOCTYPE html><title>hostile</title><link rel="icon" href="page/icon.svg">
<style>p { color: red }</style><p style="color: red" onclick="document.title = 'clicked'">text</p>
<script>document.title = "inline"</script><img alt="" src="http://127.0.0.1:1/x.png">
<form action="manage/endpoint" method="post"></form>
"""


def test_what_the_policy_refuses_is_recorded(tmp_path, open_page):
    """A page that captured text could have become, if the page let it."""
    program = tmp_path / "bin" / "postroom"
    os.makedirs(program.parent)
    shutil.copy(PROGRAM, program)
    with open(os.path.join(install_share(tmp_path), "..", "page", "index.html"), "w") as file:
        file.write(HOSTILE)
    service = Service(tmp_path / "data", str(program), RESPONDERS=1).start()
    try:
        tab = open_page(service)
        tab.find("p").click()
        tab.run("document.forms[0].submit(); await fetch('http://127.0.0.1:1/').catch(() => {})")
        for sink in ("document.body.innerHTML = '<b>x</b>'", "document.scripts[0].text = '1'"):
            assert tab.run("try { %s } catch (error) { return error.name }" % sink) == "TypeError", sink
        assert tab.run("return [document.title, getComputedStyle(document.querySelector('p')).color]") == ["hostile", "rgb(0, 0, 0)"]
        found = set(tab.violations())
    finally:
        service.stop()
    assert found >= {
        ("style-src-elem", "inline"), ("style-src-attr", "inline"), ("script-src-elem", "inline"), ("script-src-attr", "inline"),
        ("img-src", "http://127.0.0.1:1/x.png"), ("connect-src", "http://127.0.0.1:1/"),
        ("form-action", origin(service) + "/manage/endpoint"), ("require-trusted-types-for", "trusted-types-sink"),
    }  # fmt: skip
    # Chromium has lines of its own about them.
    assert len(tab.console()) >= len(found) and tab.browser.complaints() == []


def test_a_fault_of_a_view_is_not_taken_for_a_service_that_does_not_answer(tmp_path, open_page):
    program = tmp_path / "bin" / "postroom"
    os.makedirs(program.parent)
    shutil.copy(PROGRAM, program)
    page = os.path.join(install_share(tmp_path), "..", "page")
    with open(os.path.join(page, "queues", "queues.js"), "w") as file:
        file.write("export const open = () => nothing.there;")
    webhooks = os.path.join(page, "webhooks", "webhooks.js")
    os.rename(webhooks, webhooks + ".away")
    service = Service(tmp_path / "data", str(program), RESPONDERS=1).start()
    try:
        tab = open_page(service, "/inspect#/queues").allow("404")
        alert = "document.querySelector('[role=alert]')?.textContent"
        tab.wait(alert + "?.startsWith('The page has a fault')")
        assert any("nothing is not defined" in line for line in tab.console())
        tab.run("document.querySelector('nav a[href$=webhooks]').click()")
        tab.wait(alert + "?.includes('the service does not answer')")
        assert any("Failed to fetch dynamically imported module" in line for line in tab.console())
        assert tab.axe() == []
        os.rename(webhooks + ".away", webhooks)
        tab.find("main button").click()
        tab.wait("document.querySelector('h1').textContent === 'Webhooks'")
    finally:
        service.stop()


def test_a_line_in_the_console_counts_until_a_test_has_looked_at_it_or_allows_it(service, open_page):
    tab = open_page(service)
    tab.run("console.debug('one'); setTimeout(() => { throw new Error('two') }); return fetch('nothing')")
    lines = wait_for(lambda: len(tab.browser.complaints()) == 3 and tab.browser.complaints())
    assert "one" in lines[0] and any("two" in line for line in lines) and any("404" in line for line in lines)
    tab.allow("one").allow("Error: two")
    rest = tab.browser.complaints()
    assert len(rest) == 1 and "404" in rest[0]
    tab.console()
    assert tab.browser.complaints() == []


# ------------------------------------------------------------ what pages may ask of the service


def test_the_page_may_use_the_api_of_its_service(service, open_page):
    """Its Referrer-Policy hides its address, but not its origin."""
    tab = open_page(service)
    done = tab.run("""
        const done = [];
        const call = async (method, path, body) => {
            const headers = body ? {"Content-Type": "application/json"} : {};
            const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
            done.push(answer.status);
            return answer.status === 204 ? null : answer.text();
        };
        const {endpointId} = JSON.parse(await call("POST", "manage/endpoint", {}));
        const own = `manage/endpoint/${endpointId}`;
        await call("PUT", own, {enabled: true});
        await call("POST", `webhook/${endpointId}`, {hello: "world"});
        const looked = JSON.parse(await call("GET", `${own}/notifications?wait=1`));
        const collected = JSON.parse(await call("GET", own));
        await call("DELETE", `${own}/notifications?through=1`);
        await call("DELETE", own);
        const shown = looked.notifications[0].headers.find(field => field.name === "Origin").value;
        return [done, shown, looked.notifications[0].body, collected.notifications.length];
        """)
    assert done == [[201, 204, 200, 200, 200, 204, 204], origin(service), '{"hello":"world"}', 1]


def test_a_page_of_another_site_may_not(serve, open_page, other_site):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    tab = open_page()
    tab.visit(other_site)
    tab.run(
        """
        const base = arguments[0], own = `${base}/manage/endpoint/${arguments[1]}`;
        const send = (url, options) => fetch(url, options).catch(() => {});
        await send(`${base}/manage/endpoint`, {method: "POST", mode: "no-cors", body: "{}"});
        await send(`${base}/manage/endpoint`, {method: "POST", mode: "no-cors", referrerPolicy: "no-referrer"});
        await send(own, {mode: "no-cors"});
        await send(own, {method: "DELETE"});
        await send(own, {method: "PUT", body: '{"enabled": false}'});
        await send(`${base}/webhook/${arguments[1]}`, {method: "POST", mode: "no-cors", body: "sent"});
        """, origin(service), endpoint)  # fmt: skip
    # Any page may send to an endpoint, which shows that the requests have arrived.
    assert service.bodies(endpoint) == ["kept", "sent"]
    assert "ENDPOINTS (1 total)" in service.call("GET", "/manage").text
    assert len(tab.console()) >= 4


# ------------------------------------------------------------ the browser


def test_the_browser_reaches_only_this_machine(open_page):
    from selenium.common.exceptions import WebDriverException

    tab = open_page()
    for address in ("http://example.org/", "https://192.0.2.1/", "http://[2001:db8::1]/"):
        with pytest.raises(WebDriverException, match="ERR_NAME_NOT_RESOLVED"):
            tab.visit(address)


def test_the_browser_ends_with_the_process_that_has_started_it(browser, tmp_path):
    program = "import sys; sys.path += %r; from browser import Browser; print(Browser(%r).leader, flush=True); input()"
    paths = [path for path in sys.path if "Scenarios" in path]
    process = subprocess.Popen(
        [sys.executable, "-c", program % (paths, str(tmp_path))], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        leader = int(process.stdout.readline())
        assert len(session_members(leader)) > 3
    finally:
        process.kill()
        process.communicate()
    wait_for(lambda: not session_members(leader))


def test_a_tab_has_the_size_and_the_preferences_that_a_test_sets(service, open_page):
    tab = open_page(service)

    def matches(query):
        return tab.run("return matchMedia(arguments[0]).matches", query)

    for width, height in (DESKTOP, PHONE):
        tab.resize(width, height)
        assert tab.run("return [innerWidth, innerHeight]") == [width, height]
    for scheme in ("dark", "light"):
        tab.prefer(scheme=scheme)
        assert matches("(prefers-color-scheme: %s)" % scheme)
    assert not matches("(prefers-reduced-motion: reduce)")
    tab.prefer(motion="reduce")
    assert matches("(prefers-reduced-motion: reduce)") and matches("(prefers-color-scheme: light)")
    with open(tab.screenshot("page"), "rb") as picture:
        assert picture.read().startswith(b"\x89PNG")


def test_a_tab_has_a_clipboard_downloads_and_keys(service, open_page):
    tab = open_page(service)
    assert tab.clipboard("copied") == "copied"
    tab.run("""
        const link = Object.assign(document.createElement("a"), {download: "a.bin"});
        link.href = URL.createObjectURL(new Blob([new Uint8Array([0, 255, 10])]));
        link.click();
        """)
    assert tab.downloaded("a.bin") == b"\x00\xff\n"
    tab.run("window.pressed = []; addEventListener('keydown', event => pressed.push(event.key))")
    tab.press("j", "ARROW_DOWN", "SHIFT+TAB")
    assert tab.run("return pressed") == ["j", "ArrowDown", "Shift", "Tab"]


def test_axe_and_the_tree_of_accessibility_see_the_page(service, open_page):
    tab = open_page(service)
    assert tab.axe() == []
    tree = tab.accessibility()
    assert tree.role == "RootWebArea" and tree.name and tree.all("main")
    tab.run("document.body.append(document.createElement('button'))")
    assert [node.name for node in tab.accessibility().all("button")][-1] == ""
    assert any(line.startswith("button-name (critical)") for line in tab.axe())


def test_tests_do_not_see_what_others_have_stored(serve, open_page, browser):
    service = serve(RESPONDERS=1)
    tab = open_page(service)
    tab.run("localStorage.setItem('a', '1'); document.cookie = 'a=1'")
    browser.reset()
    tab = open_page(service)
    assert tab.run("return [localStorage.length, document.cookie]") == [0, ""]
