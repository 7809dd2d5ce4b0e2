"""How nginx serves the inspector: addresses, types, headers, and what is there without it."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness import PROGRAM, ROOT, Service, environment, free_port, install_share, raw

PAGE = pathlib.Path(ROOT, "page")
FILES = sorted(str(path.relative_to(PAGE)) for path in PAGE.rglob("*.*") if path.suffix != ".html")
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HEADERS = {
    "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache", "x-robots-tag": "noindex",
}  # fmt: skip
# The answers of the page's addresses that are not the page or a file of it: method, path, status, and where it leads.
OTHERS = [
    ("GET", "/inspect/", 302, "../inspect"), ("GET", "/inspect/?a=b", 302, "../inspect?a=b"), ("GET", "/page", 302, "inspect"),
    ("GET", "/page/", 302, "../inspect"), ("HEAD", "/page/index.html", 302, "../inspect"),
    ("GET", "/page/none.js", 404, None), ("HEAD", "/page/none.js", 404, None), ("GET", "/page/none", 404, None),
    ("GET", "/page/deeper/app.js", 404, None), ("GET", "/page/endpoint", 404, None), ("GET", "/page/endpoint/", 404, None),
    ("GET", "/page/common/endpoint/list.js", 404, None), ("GET", "/page/endpoint/../app.css/", 404, None),
    ("GET", "/page/app.js/", 404, None), ("GET", "/page/app.js%00.svg", 400, None),
    ("GET", "/page/.app.js", 404, None), ("GET", "/page/x/..%2fnone.js", 404, None),
    ("POST", "/inspect", 405, None), ("PUT", "/inspect/", 405, None), ("DELETE", "/page", 405, None),
    ("OPTIONS", "/page/app.js", 405, None), ("PATCH", "/page/", 405, None),
]  # fmt: skip


def content(name):
    return (PAGE / name).read_bytes()


@pytest.fixture(scope="module", params=["/", "/hooks/in"])
def service(request, tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("serving"), MOUNT_POINT=request.param, RESPONDERS=1).start()
    yield service
    service.stop()


def check_headers(answer):
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def varies(service, path, headers):
    """The fields of the request that the answer depends on."""
    connection = service.connection()
    connection.request("GET", service.mount + path, headers=headers)
    values = connection.getresponse().getheader("vary", "")
    connection.close()
    return set(values.split(", "))


def check_page(answer, body=True):
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body == (content("index.html") if body else b"")
    check_headers(answer)


# ------------------------------------------------------------ addresses, types and headers


def test_the_page_is_at_inspect_for_everybody(service):
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, BROWSER):
        check_page(service.call("GET", "/inspect", headers=headers))
        check_page(service.call("HEAD", "/inspect?endpoint=x", headers=headers), body=False)


@pytest.mark.parametrize("accept", [
    BROWSER["Accept"], "text/html", "*/*, Text/HTML ;q=0.5", "application/xml,text/html",
])  # fmt: skip
def test_the_page_is_at_the_mount_point_for_browsers(service, accept):
    check_page(service.call("GET", "/", headers={"Accept": accept}))
    check_page(service.call("HEAD", "/?x", headers={"Accept": accept}), body=False)
    assert "Accept" in varies(service, "/", {"Accept": accept})


@pytest.mark.parametrize("headers", [
    {}, {"Accept": ""}, {"Accept": "*/*"}, {"Accept": "text/*"}, {"Accept": "application/json"}, {"Accept": "text/html5"},
    {"Accept": "x-text/html"}, {"User-Agent": "text/html"},
])  # fmt: skip
def test_programs_get_404_at_the_mount_point(service, headers):
    answer = service.call("GET", "/", headers=headers)
    assert (answer.status, answer.text) == (404, "404: Not Found") and varies(service, "/", headers) == {"Accept"}
    assert "content-security-policy" not in answer.headers
    assert service.call("HEAD", "/", headers=headers).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_get_404_at_the_mount_point(service, method):
    assert service.call(method, "/", "x", headers=BROWSER).status == 404


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_its_type_its_bytes_and_the_headers(service, name):
    answer = service.call("GET", "/page/" + name)
    assert answer.status == 200 and answer.body == content(name)
    assert answer.headers["content-type"] == TYPES[name.rsplit(".", 1)[1]]
    check_headers(answer)
    head = service.call("HEAD", "/page/" + name)
    assert head.body == b"" and int(head.headers["content-length"]) == len(content(name))
    check_headers(head)


@pytest.mark.parametrize("method, path, status, location", OTHERS)
def test_every_other_answer_has_the_headers_too(service, method, path, status, location):
    answer = service.call(method, path, headers={"Accept": "text/html"})
    assert (answer.status, answer.headers.get("location")) == (status, location)
    if status >= 400:
        text = {400: "400: The request is not valid.", 404: "404: Not Found", 405: "405: Method Not Allowed"}[status]
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text == ("" if method == "HEAD" else text)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD"
    # What nginx cannot parse belongs to no address.
    if status != 400:
        check_headers(answer)


def test_a_body_of_any_length_is_refused_with_its_method(serve):
    service = serve(RESPONDERS=1, MAX_BODY_BYTES="1k")
    answer = service.call("POST", "/inspect", b"x" * 5000)
    assert answer.status == 405
    check_headers(answer)


def test_the_files_of_nginx_are_not_below_the_page(service):
    for path in ("/.postroom-page/index.html", "/.postroom-page/root", "/.postroom-page-refusals/404", "/.postroom-root"):
        for mount in ("", service.mount):
            answer = raw(service, b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % (mount + path).encode())
            assert (answer.status, answer.text) == (404, "404: Not Found"), path


# ------------------------------------------------------------ reloads


@pytest.mark.parametrize("path", ["/inspect", "/", *("/page/" + name for name in FILES)])
def test_a_reload_costs_no_body(service, path):
    first = service.call("GET", path, headers=BROWSER)
    assert first.headers["etag"]
    for tag in (first.headers["etag"], "W/" + first.headers["etag"], '"x", %s' % first.headers["etag"]):
        again = service.call("GET", path, headers={**BROWSER, "If-None-Match": tag})
        assert (again.status, again.body) == (304, b"") and again.headers["etag"] == first.headers["etag"]
        check_headers(again)
    assert service.call("GET", path, headers={**BROWSER, "If-None-Match": '"other"'}).status == 200
    assert service.call("GET", path, headers={**BROWSER, "If-Modified-Since": first.headers["last-modified"]}).status == 200


def test_files_are_compressed_for_who_accepts_it(service):
    for path, name in (("/inspect", "index.html"), *(("/page/" + name, name) for name in FILES)):
        if len(content(name)) < 256:
            continue
        # A proxy between adds Via.
        answer = service.call("GET", path, headers={"Accept-Encoding": "gzip", "Via": "1.1 proxy"})
        assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(answer.body) == content(name)
        assert varies(service, path, {"Accept-Encoding": "gzip"}) == {"Accept-Encoding"}
        check_headers(answer)
        again = service.call("GET", path, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]})
        assert again.status == 304
        assert "content-encoding" not in service.call("GET", path).headers


# ------------------------------------------------------------ style sheets


def selectors(sheet):
    text = re.sub(r"/\*.*?\*/", "", content(sheet).decode(), flags=re.DOTALL)
    rules = [rule for rule in re.findall(r"([^{}]+)\{", text) if not rule.strip().startswith("@")]
    return [one.strip() for rule in rules for one in re.split(r",(?![^()]*\))", rule)]


def names(selector):
    """The classes and ids of a selector, in order."""
    return re.findall(r"[.#][A-Za-z][\w-]*", selector)


def test_a_style_sheet_of_a_view_changes_no_other_view():
    (first,) = re.findall(r'rel="stylesheet" href="page/([^"]+)"', content("index.html").decode())
    # They are loaded with their views, and stay.
    sheets = [name for name in FILES if name.endswith("/%s.css" % name.split("/")[0]) and not name.startswith("overview/")]
    assert first == "app.css" and len(sheets) == 3
    shared = {name for selector in selectors(first) for name in names(selector)}
    owners = {}
    for sheet in sheets:
        for selector in selectors(sheet):
            # What limits it to a part of the view.
            owner = next((name for name in names(selector) if name not in shared), None)
            assert owner, "%s: %s is not limited to the view" % (sheet, selector)
            assert owners.setdefault(owner, sheet) == sheet, "%s and %s: %s" % (owners[owner], sheet, selector)


# ------------------------------------------------------------ without it, and installed


@pytest.mark.parametrize("value", ["off", "false"])
def test_inspector_off_removes_the_page(serve, value):
    service = serve(RESPONDERS=1, INSPECTOR=value, MOUNT_POINT="/hooks")
    nothing = service.call("GET", "/nothing", headers=BROWSER)
    for path in ("/", "/inspect", "/inspect/", "/page", "/page/", "/page/app.js", "/page/index.html"):
        for method in ("GET", "POST"):
            answer = service.call(method, path, headers=BROWSER)
            assert (answer.status, answer.text) == (404, "404: Not Found"), path
            assert answer.headers.keys() == nothing.headers.keys()


def test_a_page_that_is_not_installed_is_an_error_unless_it_is_off(tmp_path):
    program = tmp_path / "bin" / "postroom"
    os.makedirs(program.parent)
    shutil.copy(PROGRAM, program)
    page = os.path.join(os.path.dirname(install_share(tmp_path)), "page")
    with open(os.path.join(page, "app.css"), "a") as style:
        style.write("/* installed */")
    service = Service(tmp_path / "data", program=str(program), RESPONDERS=1).start()
    try:
        assert service.call("GET", "/page/app.css").text.endswith("/* installed */")
    finally:
        service.stop()
    shutil.rmtree(page)
    for arguments in (["serve"], ["locations"], ["preflight"]):
        failed = subprocess.run(
            [program, *arguments], env=environment(tmp_path / "other", APP_PORT=free_port()), capture_output=True, timeout=60)
        assert failed.returncode != 0
        assert "cannot find the page of the inspector, %s/index.html" % page in failed.stderr.decode(), arguments
        assert "INSPECTOR=false" in failed.stderr.decode()
    service = Service(tmp_path / "data", program=str(program), RESPONDERS=1, INSPECTOR="off").start()
    try:
        assert service.call("GET", "/healthz").status == 200
    finally:
        service.stop()
