"""The view of queues: logging in, how full queues are, how far clients have read, and the newest messages."""

import json
import urllib.parse

import pytest
from queue_service import QueueService, configuration, password, plain_user
from tab import DESKTOP, PHONE

# Views load anew when the browser says that it is online.
REFRESH = "dispatchEvent(new Event('online'))"
HOSTILE = "<script>alert(1)</script>\u202e\u0000 \u2028 ' \" & " + "x" * 300


def roomy(name, **members):
    return {"name": name, "max_message_count": 1000, **members}


@pytest.fixture(scope="module")
def queues(tmp_path_factory):
    names = ["orders", "bytes", "live", "sending", "many", "small", "wait", "twice"]
    config = configuration([roomy(name) for name in names if name != "small"] + [
        {"name": "small", "max_message_count": 3}, {"name": "signed", "auth": {"method": "hmac-sha256", "key": "k", "header_name": "X-S"}},
        {"name": "<b>\u202eodd /&?#%41"[:8] + " %25", "max_message_count": 5},
    ], users=["alice"])  # fmt: skip
    config["users"] += [plain_user("nobody", []), plain_user("guessed", ["orders"]), plain_user("j\u00f6rg", ["orders"])]
    config["users"][-1]["pass_hash"] = "plain;;p\u00e4ss:w\u00f6rd \u20ac"
    service = QueueService(tmp_path_factory.mktemp("queues"), config, RESPONDERS=2).start()
    yield service
    service.stop()


def log_in(open_page, service, path="", user="alice", secret=None):
    tab = open_page(service, "/inspect#/queues" + path)
    tab.wait("document.getElementById('user')")
    tab.find("#user").send_keys(user)
    tab.find("#password").send_keys((password(user) if secret is None else secret) + "\n")
    return tab


def shown(open_page, service, path="", **login):
    tab = log_in(open_page, service, path, **login)
    tab.wait("document.querySelector('.state')?.textContent === 'live'")
    return tab


def row(tab, table, name):
    """The texts of a row of a table, by its heading."""
    return tab.run(
        "const rows = [...document.querySelectorAll(`table[aria-label=\"${arguments[0]}\"] tbody tr`)];"
        "const row = rows.find(row => row.querySelector('th').textContent.startsWith(arguments[1]));"
        "return row && [...row.querySelectorAll('td')].map(cell => cell.textContent)", table, name)  # fmt: skip


# ------------------------------------------------------------ logging in


def test_a_user_logs_in_and_sees_how_full_the_queues_are_and_how_far_clients_have_read(queues, open_page):
    queues.listen("billing", "orders")
    queues.listen("audit", "orders")
    queues.send("orders", "a", "bb", "ccc")
    queues.read("audit", "?limit=2")
    tab = shown(open_page, queues)
    assert row(tab, "Queues of the user", "orders")[:2] == ["3 of 1,000", "6 B of 1.0 MB"]
    assert row(tab, "Queues of the user", "orders")[4:] == ["3", "2"]
    assert row(tab, "Clients", "billing")[:3] == ["orders", "behind", "3"]
    assert row(tab, "Clients", "audit")[:3] == ["orders", "behind", "1"] and row(tab, "Clients", "audit")[4] == "2"
    queues.read("audit")
    tab.run(REFRESH)
    tab.wait("[...document.querySelectorAll('table[aria-label=Clients] tbody tr')].some(row => row.textContent.includes('up to date'))")
    # The password is in memory only.
    kept = tab.run("return JSON.stringify([location.href, {...localStorage}, {...sessionStorage}, document.cookie])")
    assert password("alice") not in kept
    tab.reload()
    tab.wait("document.getElementById('password')")


def test_a_login_is_kept_for_the_tab_if_the_user_wants_it(queues, open_page):
    tab = open_page(queues, "/inspect#/queues")
    tab.wait("document.getElementById('keep')")
    tab.find("#keep").click()
    tab.find("#user").send_keys("j\u00f6rg")
    tab.find("#password").send_keys("p\u00e4ss:w\u00f6rd \u20ac\n")
    tab.wait("document.querySelector('.state')?.textContent === 'live'")
    tab.reload()
    tab.wait("document.querySelector('.state')?.textContent === 'live'")
    tab.find("#log-out").click()
    tab.wait("document.getElementById('password')")
    assert tab.run("return Object.keys(sessionStorage).length") == 0


def test_a_wrong_password_and_the_limit_of_logins_are_said(queues, open_page):
    tab = log_in(open_page, queues, user="guessed", secret="wrong").allow("403|429")
    tab.wait("document.querySelector('[role=alert]')?.textContent === 'Wrong user name or password.'")
    for number in range(25):
        queues.read("x", user="guessed", secret="guess%d" % number)
    tab.find("#password").send_keys("again\n")
    tab.wait(r"/^Too many logins have failed. Try again later. Next try in \d+ s.$/.test(document.querySelector('[role=alert]').textContent)")
    assert tab.run("return document.querySelector('.login button').disabled")
    # Without a login, the browser asks for none.
    assert queues.call("GET", "/queues").headers["www-authenticate"]
    tab.wait("!document.querySelector('.login button').disabled", 30)


def test_a_password_that_is_changed_ends_the_login(serve_queues, open_page):
    service = serve_queues(configuration(["a"], users=["alice"]))
    tab = shown(open_page, service).allow("403")
    service.set_password("alice", "another")
    tab.run(REFRESH)
    tab.wait("document.querySelector('[role=alert]')?.textContent.startsWith('You are not logged in any more')", 30)


def test_a_user_without_queues_and_a_queue_that_is_not_there(queues, open_page):
    tab = shown(open_page, queues, user="nobody")
    assert "may read no queue" in tab.text("main")
    tab = shown(open_page, queues, "/none")
    assert "There is no such queue" in tab.text("main")


# ------------------------------------------------------------ messages


def test_looking_at_messages_moves_no_cursor_and_shows_them_honestly(queues, open_page):
    queues.listen("reader", "bytes")
    bodies = [b"plain", HOSTILE.encode(), bytes(range(256)), '{"n": 12345678901234567890}'.encode(), b"", "\u00e4".encode() * 4000]
    for body in bodies:
        assert queues.post("bytes", body).status == 200
    tab = shown(open_page, queues, "/bytes")
    tab.wait("document.querySelectorAll('.message-row').length === 6")
    previews = tab.run("return [...document.querySelectorAll('.preview')].map(one => one.textContent)")
    assert previews[1:4] == ["empty", '{"n": 12345678901234567890}', "256 B of binary data"]
    assert "U+202E" in previews[4] and tab.run("return document.querySelectorAll('main script').length") == 0
    for toggle in tab.driver.find_elements("css selector", ".message-row"):
        toggle.click()
    text = "document.getElementById('message-%d').textContent"
    assert "12345678901234567890" in tab.run("return " + text % 4)
    assert "00000000  00 01 02 03" in tab.run("return " + text % 3)
    assert "The first 4.1 kB of 8.0 kB" in tab.run("return " + text % 6)
    for number in (3, 6):
        tab.run("document.querySelector('#message-%d .actions button:last-child').click()" % number)
        assert tab.downloaded("message-%d.bin" % number) == bodies[number - 1]
    assert len(queues.texts("reader")) == 6


def test_new_messages_appear_and_what_is_open_stays(queues, open_page):
    queues.send("live", "first")
    tab = shown(open_page, queues, "/live")
    tab.wait("document.querySelectorAll('.message-row').length === 1")
    tab.find(".message-row").click()
    tab.run("document.getElementById('message').value = 'being written'; document.getElementById('message').focus()")
    queues.send("live", "second")
    tab.wait("document.querySelectorAll('.message-row').length === 2")
    assert tab.run("return document.querySelector('li:last-child .message-row').getAttribute('aria-expanded')") == "true"
    assert tab.run("return [document.activeElement.id, document.activeElement.value]") == ["message", "being written"]


def test_a_queue_with_an_odd_name_is_opened_by_its_link(queues, open_page):
    tab = shown(open_page, queues)
    link = "[...document.querySelectorAll('main a')].find(one => one.textContent.includes('odd'))"
    name = tab.run("const link = %s; link.focus(); return decodeURIComponent(link.getAttribute('href').split('/').pop())" % link)
    # A refresh leaves the focus and a selection where they are.
    tab.run("getSelection().selectAllChildren(document.querySelector('tbody td'))")
    age = "document.querySelector('table').textContent"
    queues.send("orders", "more")
    before = tab.run("return " + age)
    tab.run(REFRESH)
    tab.wait("%s !== %s" % (age, json.dumps(before)))
    assert tab.run("return document.activeElement === %s && getSelection().toString()" % link)
    queues.post(urllib.parse.quote(name, safe=""), b"odd one")
    tab.run(link + ".click()")
    tab.wait("document.querySelector('.preview')?.textContent === 'odd one'")
    assert "U+202E" in tab.text("h1")


def test_older_messages_are_loaded_and_dropped_ones_are_marked(queues, open_page):
    queues.send("many", *map(str, range(150)))
    tab = shown(open_page, queues, "/many")
    count = "document.querySelectorAll('.message-row').length"
    tab.wait(count + " === 20")
    for expected in (120, 150):
        tab.run("[...document.querySelectorAll('main button')].find(one => one.textContent === 'Load older ones').click()")
        tab.wait("%s === %d" % (count, expected))
    assert "These are all messages" in tab.text("main")
    queues.listen("late", "small")
    queues.send("small", "1", "2", "3")
    tab = shown(open_page, queues, "/small")
    tab.wait(count + " === 3")
    tab.run("document.querySelector('li:last-child .message-row').click()")
    queues.send("small", "4", "5")
    tab.wait("document.querySelector('li:last-child .badge').checkVisibility()")
    assert tab.run("return [...document.querySelectorAll('.message-id')].map(one => one.textContent)") == ["#5", "#4", "#3", "#1"]
    # What a client has lost, and what it skips for that, is not to be read.
    assert row(tab, "Clients", "late") == ["has lost messages", "skips 5", "\u2013", "0"]
    assert queues.read("late").status == 410 and queues.texts("late") == []


def test_a_test_message_is_sent_and_one_that_is_too_long_is_not(queues, open_page):
    queues.listen("gets", "sending")
    tab = shown(open_page, queues, "/sending")
    tab.find("#message").send_keys("from the page")
    tab.find("form button").click()
    tab.wait("document.querySelector('.preview')?.textContent === 'from the page'")
    tab.run("document.getElementById('message').value = 'x'.repeat(20001)")
    tab.find("form button").click()
    tab.wait("document.getElementById('status').textContent.includes('was not sent')")
    assert queues.texts("gets") == ["from the page"]
    tab = shown(open_page, queues, "/signed")
    assert "takes signed messages only" in tab.text("main") and not tab.find("#message").is_displayed()


def test_an_older_answer_that_comes_last_closes_nothing(queues, open_page):
    queues.send("twice", "first")
    tab = shown(open_page, queues, "/twice")
    tab.wait("document.querySelectorAll('.message-row').length === 1")
    tab.find(".message-row").click()
    # The next answer with messages is kept back.
    tab.run("""
        const real = window.fetch;
        const kept = new Promise(resolve => window.release = resolve);
        window.overviews = 0;
        window.fetch = async (url, options) => {
            const answer = await real(url, options);
            if (String(url).endsWith("/queues")) window.overviews += 1;
            if (!String(url).includes("limit=") || window.isHeld) return answer;
            window.isHeld = true;
            await Promise.race([kept, new Promise((_, fail) => options.signal?.addEventListener("abort", () => fail(options.signal.reason)))]);
            return answer;
        };""")
    queues.send("twice", "second")
    tab.wait("window.isHeld", 30)
    tab.find("#message").send_keys("third")
    tab.find("form button").click()
    tab.wait("document.querySelectorAll('.message-row').length === 3")
    seen = tab.run("window.release(); return window.overviews")
    tab.run(REFRESH)
    tab.wait("window.overviews > %d && document.querySelector('.state').textContent === 'live'" % (seen + 1), 30)
    assert tab.run("return document.querySelector('li:last-child .message-row').getAttribute('aria-expanded')") == "true"


def test_the_view_catches_up_after_a_restart(serve_queues, open_page):
    service = serve_queues(configuration([roomy("a")], users=["alice"]), RESPONDERS=1)
    tab = shown(open_page, service, "/a").allow("ERR_|50[234]")
    service.kill_all()
    tab.wait("document.querySelector('.state').textContent.startsWith('reconnecting')", 30)
    service.start()
    service.send("a", "after")
    tab.wait("document.querySelector('.preview')?.textContent === 'after'", 40)


# ------------------------------------------------------------ how it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(queues, open_page, scheme, size):
    if not queues.overview()["queues"][-1]["depth"]:
        queues.send("wait", *['{"order": %d, "items": ["tea", "milk"], "total": 12.%02d}' % (n, n) for n in range(12)], HOSTILE)
        queues.post("wait", bytes(range(200)))
        queues.listen("slow", "small")
        queues.send("small", *"abcdef")
    name = "queues-%s-%d" % (scheme, size[0])
    tab = open_page().resize(*size).prefer(scheme=scheme)
    tab.open(queues, "/inspect#/queues")
    tab.wait("document.getElementById('user')")
    assert tab.axe() == []
    tab.screenshot(name + "-login")
    tab.find("#user").send_keys("alice")
    tab.find("#password").send_keys(password("alice") + "\n")
    tab.wait("document.querySelector('.state')?.textContent === 'live'")
    assert tab.axe() == []
    tab.screenshot(name)
    tab.run("[...document.querySelectorAll('main a')].find(one => one.textContent === 'wait').click()")
    tab.wait("document.querySelectorAll('.message-row').length >= 14")
    for number in (12, 14):
        tab.run("document.querySelector('[aria-controls=message-%d]').click()" % number)
    assert tab.axe() == []
    tab.screenshot(name + "-queue")
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
    assert tab.run("return document.querySelector('nav [aria-current=page]').textContent") == "Queues"
