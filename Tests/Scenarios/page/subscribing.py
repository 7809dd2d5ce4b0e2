"""The views of events, as tests use them."""

from tab import DESKTOP, PHONE

HOSTILE = '<script>alert(1)</script> \u202etxt.exe " \' & <img src=x onerror=alert(1)> ' + "x" * 180
EVENT = {"eventType": "files.ingest", "data": {"size": 4096, "n": 12345678901234567890}}


def send(service, given=EVENT):
    return service.api("POST", "/receive", given).text


def opened(open_page, service, rest=""):
    """The page at a view of events."""
    tab = open_page(service, "/inspect#/events" + rest)
    tab.wait("document.querySelector('.events .is-live, .tester .verdict.good, .tester .verdict.bad')")
    return tab


def type_into(tab, selector, text):
    tab.run(
        """
        const field = document.querySelector(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event("input", {bubbles: true}));
        """, selector, text)  # fmt: skip


def click(tab, text, within="document"):
    tab.run("[...%s.querySelectorAll('button, a, summary')].find(one => one.textContent.trim() === arguments[0]).click()" % within, text)


def badges(tab, selector):
    return tab.run("return [...document.querySelectorAll(arguments[0] + ' .badge')].map(one => one.textContent)", selector)


def look(tab, name):
    """Has nothing wrong with it for assistive technology, and fits, wide and narrow, light and dark."""
    for scheme in ("light", "dark"):
        tab.prefer(scheme=scheme)
        for size in (DESKTOP, PHONE):
            tab.resize(*size)
            assert tab.axe() == [], (scheme, size)
            assert tab.run("return document.documentElement.scrollWidth <= innerWidth"), size
            tab.screenshot("%s-%s-%d" % (name, scheme, size[0]))
    tab.resize(*DESKTOP)


def hold(tab):
    """Has requests of the page wait until `release()`, from the next look on."""
    tab.run("""
        const send = fetch;
        const all = new Promise((go) => window.release = go);
        window.waits = 0;
        window.fetch = async (...given) => { waits += 1; await all; return send(...given); };
        """)
    tab.wait("waits > 0")
