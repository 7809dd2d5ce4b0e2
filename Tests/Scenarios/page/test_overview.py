"""The overview at the operations port: where it is, what it shows of a running service, how honest it is, and how it reads metrics."""

import http.client
import http.server
import json
import pathlib
import re
import threading

import pytest
from harness import ROOT, Answer
from tab import DESKTOP, PHONE
from test_serving import BROWSER, HEADERS, TYPES
from webhook_service import WebhookService

PAGE = pathlib.Path(ROOT, "page")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = WebhookService(tmp_path_factory.mktemp("overview"), RESPONDERS=2, EVENTS_RETRY_SCHEDULE="").start()
    yield service
    service.stop()


def address(service):
    return "http://127.0.0.1:%s/" % service.settings["OPS_SERVER_PORT"]


def fetch(service, path, method="GET", headers=BROWSER):
    connection = http.client.HTTPConnection("127.0.0.1", int(service.settings["OPS_SERVER_PORT"]), timeout=20)
    connection.request(method, path, headers=headers)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def value(tab, label):
    """What is shown beside a label."""
    return tab.run("return [...document.querySelectorAll('dt')].find(one => one.textContent === arguments[0])?.nextSibling.querySelector('.value').textContent", label)


def watched(tab, url):
    tab.visit(url)
    tab.wait("document.querySelector('.overview .is-live')")
    return tab


# ------------------------------------------------------------ where it is


def test_browsers_get_it_at_the_operations_port_and_nowhere_else(service):
    for method in ("GET", "HEAD"):
        answer = fetch(service, "/", method)
        assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.body == ((PAGE / "overview.html").read_bytes() if method == "GET" else b"")
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    for path in ("app.css", "overview/overview.js", "common/dom.js", "icon.svg"):
        answer = fetch(service, "/page/" + path)
        assert answer.status == 200 and answer.headers["content-type"] == TYPES[path.rsplit(".", 1)[1]]
        assert answer.body == (PAGE / path).read_bytes() and {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    for path in ("/page/overview.html", "/page/", "/page/none.js", "/page/../metrics/", "/inspect", "/manage", "/webhook/x"):
        assert fetch(service, path).status in (400, 404), path
    assert fetch(service, "/page/app.css", "POST").status == 405
    for path in ("/page/overview.html", "/overview.html", "/overview", "/metrics", "/health/ready", "/version"):
        assert service.call("GET", path, headers=BROWSER).status == 404, path


def test_programs_get_what_they_always_got(service, serve_webhooks):
    without = serve_webhooks(RESPONDERS=1, INSPECTOR="off")
    for path in ("/", "/health/live", "/health/ready", "/version", "/none", "/page/app.css"):
        given = {} if path != "/page/app.css" else BROWSER
        answers = [fetch(one, path, headers=given) for one in (service, without)]
        if path == "/page/app.css":
            assert answers[1].status == 404
            continue
        assert answers[0].status == answers[1].status and answers[0].body == answers[1].body
        assert {k: v for k, v in answers[0].headers.items() if k not in ("date", "vary")} == {k: v for k, v in answers[1].headers.items() if k != "date"}
    assert fetch(without, "/").status == 404 and fetch(without, "/").text == fetch(without, "/", headers={}).text
    assert fetch(service, "/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


# ------------------------------------------------------------ what it shows


def test_a_service_at_work(service, open_page, receive):
    receiver = receive({"/good": {"status": 200}, "/bad": {"status": 500}})
    for path, member in (("/good", "good"), ("/bad", "bad")):
        body = {"name": path, "jsonpath": "$." + member, "target_url": receiver.url(path)}
        assert service.api("POST", "/eventmatch", body).status == 200
    tab = watched(open_page(), address(service))
    assert tab.text(".notice.good") == "healthy" and tab.run("return document.title") == "Overview – Postroom"
    endpoint = service.create()

    def work():
        for number in range(20):
            service.hook(endpoint, "x")
            service.api("POST", "/receive", {"good": number})
        service.api("POST", "/receive", {"bad": 1})
        service.call("GET", "/eventmatch/x")

    work()
    tab.wait("[...document.querySelectorAll('tbody th')].some(one => one.textContent === 'status')", 30)
    work()
    rates = tab.wait(
        "(rows => rows.every(row => row[1] !== '0/s') && rows)([...document.querySelectorAll('.full tbody tr')].slice(0, 3).filter((_, n) => n !== 1)"
        ".map(row => [...row.children].map(cell => cell.textContent)))", 30)  # fmt: skip
    assert all(re.fullmatch(r"[\d.,]+/s", row[1]) and re.fullmatch(r"[\d.]+ m?s", row[5]) for row in rates), rates
    tab.wait("[...document.querySelectorAll('dd')].some(one => one.textContent.includes('1 of 2 disabled'))", 30)
    charts = tab.run("return [...document.querySelectorAll('.full svg')].map(one => one.getAttribute('aria-label'))")
    assert re.fullmatch(r"Capture: Requests per second over the last \d.*: now [\d.,]+/s, lowest [\d.,]+/s, highest [\d.,]+/s\.", charts[0]), charts
    assert value(tab, "Version") in fetch(service, "/version").text and " of " in value(tab, "Room of the store")
    assert "endpoint.disabled" in tab.text(".overview") and "not reported" not in tab.text(".overview")
    for scheme in ("light", "dark"):
        tab.prefer(scheme=scheme)
        for size in (DESKTOP, PHONE):
            tab.resize(*size)
            assert tab.axe() == [], (scheme, size)
            assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
            tab.screenshot("overview-%s-%d" % (scheme, size[0]))


@pytest.fixture
def imitation(service):
    """An operations port whose metrics the test writes: (its address, what it answers by path)."""
    answers = {"/health/ready": (200, "ok\n"), "/version": (200, '{"version": "1"}'), "/metrics": (200, "")}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path in answers:
                status, text = answers[self.path]
                body, headers = text.encode(), {"Content-Type": "text/plain"}
            else:
                answer = fetch(service, self.path)
                status, body, headers = answer.status, answer.body, {name: answer.headers[name] for name in ("content-type", "content-security-policy")}
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "http://127.0.0.1:%d/" % server.server_port, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_forwards_that_wait_and_fail_are_shown(imitation, open_page):
    url, answers = imitation
    metrics = ('postroom_forwards_pending 3\npostroom_forwards_total{result="success",error_kind=""} 9\npostroom_forwards_total{result="failure",error_kind="status"} %d\n'
               'postroom_forwards_total{result="failure",error_kind="timeout"} 1\npostroom_forwards_missed_total 2\n')  # fmt: skip
    answers["/metrics"] = (200, metrics % 4)
    tab = watched(open_page(), url)
    assert value(tab, "Forwards that are not finished") == "3" and value(tab, "Not begun, as a backlog was full") == "2"
    assert value(tab, "Attempts that failed, in all") == "5"
    answers["/metrics"] = (200, metrics % 400)
    rate = "[...document.querySelectorAll('.card')].find(one => one.firstChild.textContent === 'Forwards of requests').querySelectorAll('dd')[2].querySelector('.value.bad')"
    assert re.fullmatch(r"[\d.,]+/s", tab.wait(rate + "?.textContent"))


def test_what_a_process_does_not_report_and_what_is_wrong_is_said_plainly(imitation, open_page):
    url, answers = imitation
    hostile = '<img src=x onerror=alert(1)>\\"\u202e'
    answers["/metrics"] = (200, 'postroom_store_bytes 5e8\npostroom_store_limit_bytes 1e9\npostroom_requests_total{route="/receive",status="200"} 500\n'
                                'postroom_deliveries_total{result="failure",error_kind="%s"} 7\nnonsense\npostroom_info{version="1"} 1\n' % hostile)  # fmt: skip
    tab = watched(open_page(), url)
    assert value(tab, "Deliveries that are not finished") == "not reported" and value(tab, "Room of the store") == "500 MB of 1.0 GB (50.0 %)"
    assert "1 line of the metrics could not be read." in tab.text(".overview") and "U+202E" in tab.text(".overview")
    # The service is started again, with another version, and is not ready.
    answers["/metrics"] = (200, 'postroom_requests_total{route="/receive",status="200"} 30\npostroom_info{version="2"} 1\n')
    answers["/health/ready"] = (503, "The store is full.\n")
    tab.allow("503")
    tab.wait("document.querySelector('.overview > .notice.bad')?.textContent === 'not ready (503): The store is full.'")
    tab.wait("document.querySelector('.overview').textContent.includes('Counters began anew')")
    assert "Processes of different versions answer: 1, 2." in tab.text(".overview")
    assert value(tab, "Room of the store") == "not reported" and tab.axe() == []
    answers["/metrics"] = (503, "The store cannot be used.\n")
    tab.wait("document.querySelector('.state').textContent.startsWith('reconnecting')")
    assert "The store cannot be used." in tab.run("return document.querySelector('.state').title")
    answers["/metrics"] = (200, "")
    tab.wait("document.querySelector('.state').textContent === 'live'")


# ------------------------------------------------------------ metrics


@pytest.fixture
def read(service, open_page):
    """Runs a function with the reader of the text format of Prometheus, the given texts as readings, and NaN and infinities as texts in what it returns."""
    tab = open_page(service)

    def read(script, *texts):
        return json.loads(tab.run(
            """
            const { Metrics, Change } = await import(new URL("page/overview/metrics.js", document.baseURI));
            const readings = arguments[0].map(text => new Metrics(text));
            const shown = (key, value) => typeof value === "number" && !Number.isFinite(value) ? String(value) : value === undefined ? "undefined" : value;
            return JSON.stringify((() => { %s })(), shown);
            """ % script, texts))  # fmt: skip

    return read


@pytest.mark.parametrize("line, labels, value", [
    ("postroom_a 1", {}, 1), ("postroom_a{} 1", {}, 1), (" \tpostroom_a\t{ b = \"c\" , } \t2.5e-3 1700000000000 ", {"b": "c"}, 0.0025),
    (r'postroom_a{b="\\ \" \n \x",c="é} 7"} -3', {"b": "\\ \" \n \\x", "c": "é} 7"}, -3), ('postroom_a{b=""} +Inf', {"b": ""}, "Infinity"),
    ("postroom_a -Inf", {}, "-Infinity"), ("postroom_a NaN", {}, "NaN"), ("postroom_a{b=\"}\"}1", {"b": "}"}, 1), ("postroom_a 12345678901234567890", {}, 12345678901234567000),
])  # fmt: skip
def test_a_sample_is_read(read, line, labels, value):
    found = read("return readings[0].all('a')", line)
    assert [(one["labels"], one["value"]) for one in found] == [(labels, value)]


@pytest.mark.parametrize("line", [
    "postroom_a", "postroom_a x", "postroom_a{b=c} 1", 'postroom_a{b="c} 1', 'postroom_a{b="c" d="e"} 1', "9a 1", "postroom_a 1 2 3",
    "postroom_a{,} 1", "postroom_a 0x10", "postroom_a 1_000", 'postroom_a{b="c"', "<html>",
])  # fmt: skip
def test_a_line_that_is_not_a_sample_is_counted_and_left_out(read, line):
    found = read("return [readings[0].faults, readings[0].sum('b'), [...readings[0].samples.keys()]]", line + "\r\npostroom_b 2\n")
    assert found == [1, 2, ["postroom_b"]]


def test_comments_types_and_what_is_missing(read):
    text = '# any "comment" {\n# HELP postroom_a \\n what\n# TYPE postroom_a counter\n\n   # TYPE postroom_c gauge\npostroom_b{x="1"} 1\npostroom_b{x="2"} 2\n'
    script = "const [r] = readings; return [r.faults, r.all('a'), r.sum('a'), r.all('c'), r.sum('b'), r.sum('b', l => l.x === '2'), r.all('d'), r.labels('d')]"
    assert read(script, text) == [0, [], 0, [], 3, 2, "undefined", {}]


def test_rates_come_from_differences_and_a_counter_may_begin_anew(read):
    before, after = 'postroom_a{x="1"} 10\npostroom_a{x="2"} 100\n', 'postroom_a{x="1"} 14\npostroom_a{x="2"} 6\npostroom_a{x="3"} 2\n'
    script = """
        const change = new Change(...readings, 2);
        return [change.rate("a", l => l.x === "1"), change.rate("a", l => l.x === "2"), change.rate("a"), change.wasReset, change.rate("b")];
        """
    assert read(script, before, after) == [2, 3, 6, True, "undefined"]
    assert read("const c = new Change(...readings, 2); return [c.rate('a'), c.wasReset]", before, before) == [0, False]


def test_quantiles_are_those_of_what_was_counted_between(read):
    def histogram(*counts):
        bounds = ("0.1", "0.5", "+Inf")
        return "".join('postroom_h_bucket{route="/a",le="%s"} %d\n' % pair for pair in zip(bounds, counts))

    script = "const c = new Change(...readings, 1); return [c.quantile('h', 0.5), c.quantile('h', 0.9), c.quantile('h', 1), c.quantile('x', 0.5)]"
    assert read(script, histogram(0, 0, 0), histogram(10, 20, 20)) == [0.1, pytest.approx(0.42), 0.5, "undefined"]
    assert read(script, histogram(0, 0, 0), histogram(0, 0, 4)) == [0.5, 0.5, 0.5, "undefined"]
    assert read(script, histogram(5, 9, 9), histogram(5, 9, 9)) == [None, None, None, "undefined"]
