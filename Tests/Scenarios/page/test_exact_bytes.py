"""The page of an endpoint: exact bytes, whatever a sender sends."""

import base64
import gzip
import subprocess

import pytest
from harness import wait_for
from inspecting import file_base, page_of, view, wait_for_rows

HOSTILE = {
    "script": b"</script><script>document.title='x'</script><img src=x onerror=alert(1)><style>*{display:none}</style>",
    "directions": "a \u202eevil\u202c \u2028 \u2029 \ufeff \u200b z".encode(),
    "quotes": b"it's \"$HOME\" `id` $(id) \\ %s !! ; # & | > < * ? [a] {b} ~ @/etc/passwd\n",
    "at": b"@/etc/passwd",
    "every byte": bytes(range(256)) * 3,
    "controls": bytes(range(1, 32)) + b"\x7f",
    "lines": b"a\r\nb\nc\rd\n\n",
    "deep": b"[" * 20000 + b"]" * 20000,
    "numbers": b'{"big": 12345678901234567890.10, "a": 1, "a": 2, "e": 1E+2}',
    "one line": b"x" * 1000000,
    "latin": "caf\u00e9".encode("latin-1"),
    "many nodes": b"\x00" * 100000,
    "many tokens": b"[" + b"0," * 30000 + b"0]",
    "option": b"-- -n\x00\x01",
    "parts": b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_harm_neither_the_page_nor_the_command_nor_the_file(shared, open_page, endpoint, name):
    body = HOSTILE[name]
    head = {"Content-Type": "application/json", "X-Long": "v" * 7000, "X-Quote": "'$(id)' `id` \\", "User-Agent": "u", "Accept": "a/b"}
    assert shared.hook(endpoint, body, head, suffix="?q='$(id)&x=[1-3]{a,b}").status == 200
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-1")
    title = tab.run("return document.title")
    for one in ("Raw", "Hex", "Headers", "Query", "Meta", "Body"):
        view(tab, one)
    assert tab.run("return document.title") == title and tab.run("return document.querySelectorAll('img, script, style').length") == 2
    tab.find(".detail-head .actions button:nth-child(3)").click()
    files = "%s-1.bin" % file_base(endpoint)
    assert tab.downloaded(files) == body
    tab.allow_clipboard().press("u")
    command = wait_for(lambda: (lambda text: text if "curl" in text else None)(tab.clipboard()))
    run = subprocess.run(["sh"], input=command.encode(), cwd=tab.browser.downloads, capture_output=True, timeout=30)
    assert run.returncode == 0, run.stderr
    again = shared.collect(endpoint)[-1]
    assert again["id"] == 2 and again["query"] == "q='$(id)&x=[1-3]{a,b}"
    sent = {h["name"]: h["value"] for h in again["headers"]}
    assert {k: sent.get(k) for k in head} == head
    assert bytes_of(again) == body


def bytes_of(notification):
    return base64.b64decode(notification["bodyBase64"]) if "bodyBase64" in notification else notification["body"].encode()


def test_hidden_characters_are_shown_and_numbers_stay_as_they_were_sent(shared, open_page, endpoint):
    shared.hook(endpoint, HOSTILE["numbers"])
    tab = page_of(open_page, shared, endpoint)
    tab.wait("document.querySelector('.json-number')")
    assert "12345678901234567890.10" in tab.text("#panel") and tab.text("#panel").count('"a"') == 2
    shared.hook(endpoint, HOSTILE["directions"])
    tab.wait("document.querySelector('.hidden-character')?.textContent === 'U+202E'")


def test_forms_and_parts_are_tables(shared, open_page, endpoint):
    tab = page_of(open_page, shared, endpoint)
    shared.hook(endpoint, "a=1&b=two+words", {"Content-Type": "application/x-www-form-urlencoded"})
    tab.wait("document.querySelector('#panel tbody')?.textContent.includes('two words')")


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_part_is_saved_with_its_own_bytes(shared, open_page, endpoint, coding):
    file = bytes(range(256)) + b"\r\n--not-the-end\r\n"
    head = 'Content-Disposition: form-data; name="f"; filename="../../x.html"\r\nContent-Type: text/html'
    body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncaf\xe9\r\n--b\r\n" + head.encode() + b"\r\n\r\n" + file + b"\r\n--b--\r\n"
    fields = {"Content-Type": "multipart/form-data; boundary=b"}
    if coding:
        body, fields["Content-Encoding"] = gzip.compress(body), coding
    assert shared.hook(endpoint, body, fields).status == 200
    tab = page_of(open_page, shared, endpoint)
    tab.wait("document.querySelectorAll('#panel tbody tr').length === 2")
    for number, wanted in ((1, b"caf\xe9"), (2, file)):
        tab.run("document.querySelectorAll('#panel tbody button')[arguments[0]].click()", number - 1)
        assert tab.downloaded("%s-1.part-%d.bin" % (file_base(endpoint), number)) == wanted
    assert tab.axe() == []
