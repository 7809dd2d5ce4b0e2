"""The page that shows the description to people: complete, readable, and made of nothing from elsewhere."""

import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from description import API, Description
from harness import PROGRAM, ROOT, free_port
from tour import send

sys.path.insert(0, os.path.join(ROOT, "scripts"))
import openapi_page  # noqa: E402

VOID = {"meta", "br", "hr", "img", "link", "input", "base"}


class Reader(HTMLParser):
    """What a page consists of: elements, attributes, and the text below each id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.open, self.texts = set(), [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("id")))
        for name, value in attributes:
            if name == "id":
                assert value not in self.texts, value
                self.texts[value] = ""

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, name in self.open:
            if name:
                self.texts[name] += data


@pytest.fixture(scope="module")
def page():
    with open(os.path.join(API, "openapi.html"), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def reader(page):
    return Reader(page)


def test_page_and_json_are_what_the_script_makes_of_the_yaml(page):
    document = Description().document
    assert page == openapi_page.page(document), "run scripts/openapi"
    with open(os.path.join(API, "openapi.json"), encoding="utf-8") as file:
        assert json.load(file) == document, "run scripts/openapi"
    with open(os.path.join(ROOT, "nginx", "locations.conf"), encoding="utf-8") as file:
        assert "style-src '%s'" % openapi_page.style_hash() in file.read(), "run scripts/openapi"


def test_the_page_is_served_and_may_load_nothing(shared, page):
    answer = shared.call("GET", "/openapi.html")
    assert answer.status == 200 and answer.text == page
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-cache"
    policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    style = "'%s'" % openapi_page.style_hash()
    none = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert policy == {**none, "style-src": style}
    assert re.findall(r"<style>(.*?)</style>", page, re.S) == [openapi_page.STYLE]
    answer = shared.call("HEAD", "/openapi.html")
    assert (answer.status, answer.body) == (200, b"")
    assert shared.call("POST", "/openapi.html", b"x").status == 405
    assert shared.call("GET", "/.postroom-openapi.html").status == 404


def test_the_page_is_served_below_a_mount_point_and_at_the_other_port(serve, page, reader):
    port = free_port()
    service = serve(MOUNT_POINT="/a.b", API_SERVER_PORT=port, RESPONDERS=1)
    for other in (None, port):
        answer = send(service, "GET", "/openapi.html", port=other)
        assert answer.status == 200 and answer.text == page and "content-security-policy" in answer.headers
    # Its links lead somewhere there too.
    for target in links(reader):
        if not target.startswith("#"):
            assert service.call("GET", "/" + target).status == 200, target
    service.mount = ""
    for path in ("/openapi.html", "/a_b/openapi.html"):
        assert service.call("GET", path).status == 404


def test_each_form_is_installed_beside_the_templates(tmp_path):
    made = subprocess.run(
        ["make", "-s", "install", "DESTDIR=%s" % tmp_path, "PREFIX=/usr", "program=" + PROGRAM], cwd=ROOT, timeout=60)
    assert made.returncode == 0
    share = tmp_path / "usr" / "share" / "postroom"
    assert sorted(os.listdir(share / "api")) == ["openapi.html", "openapi.json", "openapi.yaml"]
    assert (share / "nginx" / "locations.conf").exists()


def links(reader):
    return [value for _, name, value in reader.attributes if name in ("href", "src", "srcset", "action", "data")]


def test_the_page_links_to_itself_and_to_the_other_forms_only(page, reader):
    assert {target for target in links(reader) if not target.startswith("#")} == {"openapi.yaml", "openapi.json"}
    lost = {target for target in links(reader) if target.startswith("#")} - {"#" + name for name in reader.texts}
    assert not lost
    foreign = {"script", "iframe", "object", "embed", "img", "link", "form", "base", "svg", "audio", "video"}
    assert not reader.elements & foreign
    names = {name for _, name, _ in reader.attributes}
    assert names <= {"lang", "charset", "name", "content", "class", "id", "href", "aria-label"}
    assert "url(" not in openapi_page.STYLE and "@import" not in openapi_page.STYLE


def test_the_page_has_every_operation_with_all_that_belongs_to_it(reader):
    description = Description()
    operations = [*description.operations(), *description.operations("webhooks")]
    shown = {name.removeprefix("operation-") for name in reader.texts if name.startswith("operation-")}
    assert shown == {operation.id for operation in operations}
    for operation in operations:
        text = plain(reader.texts["operation-" + operation.id])
        wanted = [parameter["name"] for parameter in operation.parameters] + list(operation.members["responses"])
        wanted += [entry.get("method", entry.get("path")) for entry in operation.members.get("x-also", [])]
        body = description.resolve(operation.members.get("requestBody", {}))
        wanted += examples(description, body) + list(body.get("content", {}))
        for response in operation.members["responses"].values():
            if "$ref" in response:
                wanted.append(response["$ref"].split("/")[-1])
            else:
                wanted += examples(description, response)
        assert not [part for part in wanted if plain(part) not in text], operation.id
    page_text = plain(" ".join(text for name, text in reader.texts.items() if "-" not in name))
    for operation in operations:
        assert plain(operation.members["summary"]) in page_text
        if operation.path in description.document["paths"]:
            assert operation.path in page_text
    for tag in description.document["tags"]:
        assert plain(tag["description"]) in plain(reader.texts[tag["name"].lower()])


def examples(description, holder):
    """The examples of a body or an answer, as the page writes them."""
    values = [value for entry in holder.get("content", {}).values() for value in description.examples(entry).values()]
    return [value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False) for value in values]


def plain(text):
    return " ".join(html.unescape(text).replace("`", "").split())


def test_the_page_has_every_schema_member_answer_and_login(reader):
    description = Description()
    components = description.document["components"]
    for name, schema in components["schemas"].items():
        text = reader.texts["schema-" + name]
        for part in [schema, *schema.get("allOf", [])]:
            assert all(member in text for member in part.get("properties", {})), name
    for name, response in components["responses"].items():
        text = plain(reader.texts["response-" + name])
        assert all(plain(example) in text for example in examples(description, response))
    for name in components["securitySchemes"]:
        assert reader.texts["security-" + name]


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_each_colour_of_the_text_can_be_read_on_each_background(palette):
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 at least."""
    style = openapi_page.STYLE
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--(\w+): #([0-9a-f]{6});", light if palette == "light" else dark.split("\n}")[0]))
    assert set(colours) == set(re.findall(r"--(\w+):", light)) and "color-scheme: light dark" in style
    for name in set(colours) - {"page", "raised", "line"}:
        for background in ("page", "raised"):
            low, high = sorted(luminance(colours[part]) for part in (name, background))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, background)


def luminance(colour):
    parts = [int(colour[index:index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_nothing_on_the_page_is_wider_than_a_telephone(page, reader):
    style = openapi_page.STYLE
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "table" not in reader.elements
    assert re.search(r"body \{[^}]*overflow-wrap: anywhere", style) and re.search(r"pre \{[^}]*overflow-x: auto", style)
    # 360 pixels are 22.5 rem.
    widths = re.findall(r"(?<![\w-])(?:min-)?width: ([\d.]+)(\w+)", style)
    assert widths and all(unit == "rem" and float(width) <= 5 for width, unit in widths)
