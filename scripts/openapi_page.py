"""The page that shows an OpenAPI document to people. It has no script, and takes nothing from elsewhere."""

import base64
import hashlib
import html
import json
import re

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1d2329; --faint: #57606a; --page: #ffffff; --raised: #f4f6f8; --line: #d3d9df; --link: #0b57a4;
  --get: #0b6b3a; --post: #0b57a4; --put: #8a4b00; --patch: #8a4b00; --delete: #a1201c; --options: #5a3d8a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e3e8ed; --faint: #9aa5b1; --page: #14181c; --raised: #1e242a; --line: #3a434d; --link: #7cb8f2;
    --get: #6fce99; --post: #7cb8f2; --put: #f0b46c; --patch: #f0b46c; --delete: #f49a94; --options: #c3a8f0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--text); background: var(--page);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
a { color: var(--link); }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.5rem 0 0.5rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: 0.25rem; margin-top: 2.5rem; }
h4 { font-size: 1rem; margin-top: 1rem; }
p, ul { margin: 0.5rem 0; }
ul { padding-left: 1.25rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875rem; }
pre {
  margin: 0.5rem 0; padding: 0.75rem; overflow-x: auto; overflow-wrap: normal; background: var(--raised);
  border: 1px solid var(--line); border-radius: 0.375rem;
}
details { margin: 0.5rem 0; border: 1px solid var(--line); border-radius: 0.375rem; }
details > summary { padding: 0.5rem 0.75rem; cursor: pointer; }
details[open] > summary { border-bottom: 1px solid var(--line); }
details > div { padding: 0 0.75rem 0.5rem; scroll-margin-top: 4rem; }
details details { background: var(--page); }
nav ul { list-style: none; padding: 0; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; text-transform: uppercase; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); } .patch { color: var(--patch); }
.delete { color: var(--delete); } .options { color: var(--options); }
.member { margin: 0.5rem 0; padding-left: 0.75rem; border-left: 3px solid var(--line); }
.member p { margin: 0.125rem 0; }
.faint { color: var(--faint); }
.status { font-weight: 700; display: inline-block; min-width: 3.5rem; }
"""


def style_hash():
    """What Content-Security-Policy calls the style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


# ------------------------------------------------------------ text


def inline(text):
    """One line of Markdown: code, bold, emphasis."""
    parts = re.split(r"(`[^`]+`)", text)
    done = []
    for part in parts:
        if part.startswith("`") and len(part) > 2:
            done.append("<code>%s</code>" % html.escape(part[1:-1]))
            continue
        part = html.escape(part, quote=False)
        part = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
        done.append(re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", part))
    return "".join(done)


def markdown(text):
    """Paragraphs and lists."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        if block.startswith("- "):
            items = re.split(r"\n- ", block[2:])
            blocks.append("<ul>%s</ul>" % "".join("<li>%s</li>" % inline(" ".join(item.split())) for item in items))
        else:
            blocks.append("<p>%s</p>" % inline(" ".join(block.split())))
    return "\n".join(blocks)


def folded(kind, summary, content, name=""):
    identity = ' id="%s"' % name if name else ""
    # A browser opens what a link leads into, and not what it leads to.
    return '<details class="%s"><summary>%s</summary><div%s>\n%s\n</div></details>' % (kind, summary, identity, content)


def link(kind, name):
    return '<a href="#%s-%s">%s</a>' % (kind, name, html.escape(name))


class Page:
    def __init__(self, document):
        self.document = document
        self.components = document["components"]

    def resolve(self, node):
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = {**self.components[kind][name], **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    # -------------------------------------------------------- schemas

    def kind(self, schema):
        """The type of a schema in a few words."""
        if "$ref" in schema:
            return link("schema", schema["$ref"].split("/")[-1])
        for keyword, word in (("oneOf", " or "), ("allOf", " and ")):
            if keyword in schema:
                return word.join(self.kind(part) for part in schema[keyword])
        types = schema.get("type", "any value")
        types = [types] if isinstance(types, str) else types
        words = []
        for name in types:
            if name == "array" and "items" in schema:
                words.append("array of %s" % self.kind(schema["items"]))
            else:
                words.append(name)
        text = " or ".join(words)
        notes = [schema["format"]] if "format" in schema else []
        notes += ["Base64"] if schema.get("contentEncoding") == "base64" else []
        return text + "".join(", " + note for note in notes + self.limits(schema))

    @staticmethod
    def limits(schema):
        notes = []
        if "const" in schema:
            notes.append("always <code>%s</code>" % html.escape(json.dumps(schema["const"])))
        if "enum" in schema:
            notes.append("one of " + ", ".join("<code>%s</code>" % html.escape(str(value)) for value in schema["enum"]))
        for low, high, what in (
            ("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"),
            ("minProperties", "maxProperties", " members"),
        ):  # fmt: skip
            bounds = [schema.get(low), schema.get(high)]
            if bounds[0] is not None and bounds[1] is not None:
                notes.append("%s to %s%s" % (bounds[0], bounds[1], what))
            elif bounds[0] is not None:
                notes.append("at least %s%s" % (bounds[0], what))
            elif bounds[1] is not None:
                notes.append("at most %s%s" % (bounds[1], what))
        if "pattern" in schema:
            notes.append("pattern <code>%s</code>" % html.escape(schema["pattern"]))
        if "default" in schema:
            notes.append("default <code>%s</code>" % html.escape(json.dumps(schema["default"])))
        return notes

    def member(self, name, schema, required, place=""):
        """A member, parameter or header."""
        words = [self.kind(schema)] + ([place] if place else []) + (["required"] if required else [])
        text = schema.get("description", "")
        return '<div class="member"><code>%s</code> <span class="faint">%s</span>%s%s</div>' % (
            html.escape(name), ", ".join(words), markdown(text) if text else "", self.inside(schema))

    def inside(self, schema):
        """The members of a schema that has no name of its own."""
        if "$ref" in schema:
            return ""
        found = []
        for name, member in schema.get("properties", {}).items():
            found.append(self.member(name, member, name in schema.get("required", [])))
        if isinstance(schema.get("additionalProperties"), dict):
            found.append(self.member("any other name", schema["additionalProperties"], False))
        for part in schema.get("allOf", []) + schema.get("oneOf", []):
            found.append(self.inside(part))
        if isinstance(schema.get("items"), dict):
            found.append(self.inside(schema["items"]))
        return "".join(found)

    # -------------------------------------------------------- operations

    def examples(self, holder):
        named = holder.get("examples", {})
        found = [("", holder["example"])] if "example" in holder else [
            (self.resolve(entry).get("summary", name), self.resolve(entry)["value"]) for name, entry in named.items()]
        text = ""
        for title, value in found:
            shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            text += '<p class="faint">Example%s</p><pre><code>%s</code></pre>' % (
                ": " + inline(title) if title else "", html.escape(shown, quote=False))
        return text

    def contents(self, content):
        text = ""
        for media, entry in content.items():
            schema = entry.get("schema")
            kind = ' <span class="faint">%s</span>' % self.kind(schema) if schema else ""
            text += "<p><code>%s</code>%s</p>%s%s" % (media, kind, self.inside(schema or {}), self.examples(entry))
        return text

    def response(self, response):
        """Headers, schemas and examples of an answer."""
        text = ""
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            text += self.member(name, {**header["schema"], "description": header["description"]}, False, "header")
        return text + self.contents(response.get("content", {}))

    def responses(self, operation):
        text = "<h4>Answers</h4>"
        for status, response in operation["responses"].items():
            head = '<span class="status">%s</span> ' % status
            if "$ref" in response:
                name = response["$ref"].split("/")[-1]
                text += "<p>%s%s: %s</p>" % (head, link("response", name), inline(first(self.resolve(response))))
                continue
            rest = markdown(response["description"]) + self.response(response)
            if response.get("content") or response.get("headers"):
                text += folded("response", head + inline(first(response)), rest)
            else:
                text += "<p>%s%s</p>" % (head, inline(" ".join(response["description"].split())))
        return text

    def operation(self, path, method, item):
        operation = item[method]
        head = '<span class="method %s">%s</span> <code>%s</code> %s' % (
            method, method, html.escape(path), inline(operation["summary"]))
        text = markdown(operation.get("description", ""))
        for entry in item.get("x-also", []) + operation.get("x-also", []):
            words = [entry["method"]] if "method" in entry else []
            words += ["<code>%s</code>" % html.escape(entry["path"])] if "path" in entry else []
            words += ["as <code>%s</code>" % entry["mediaType"]] if "mediaType" in entry else []
            text += '<p class="faint">Also: %s</p>' % " ".join(words)
        for server in item.get("servers", []):
            text += "<p>At <code>%s</code>. %s</p>" % (html.escape(server["url"]), inline(server["description"]))
        logins = [link("security", name) for entry in operation.get("security", []) for name in entry]
        if logins:
            optional = {} in operation["security"]
            text += "<p>Login: %s%s</p>" % (" or ".join(logins), ", or none" if optional else "")
        parameters = [self.resolve(p) for p in item.get("parameters", []) + operation.get("parameters", [])]
        if parameters:
            text += "<h4>Parameters</h4>"
        for parameter in parameters:
            schema = {**parameter["schema"], "description": parameter["description"]}
            text += self.member(parameter["name"], schema, parameter.get("required"), "in the " + parameter["in"])
            if "example" in parameter:
                shown = html.escape(str(parameter["example"]), quote=False)
                text += '<p class="faint">Example: <code>%s</code></p>' % shown
        if "requestBody" in operation:
            body = self.resolve(operation["requestBody"])
            text += "<h4>Body%s</h4>%s%s" % (
                "" if body.get("required") else " (optional)", markdown(body.get("description", "")),
                self.contents(body["content"]))
        text += '<p class="faint">Operation <code>%s</code></p>' % operation["operationId"]
        return folded("operation", head, text + self.responses(operation), "operation-" + operation["operationId"])

    def group(self, part, tag=None):
        """The operations of a tag, or all calls."""
        return "\n".join(
            self.operation(path if part == "paths" else "", method, item)
            for path, item in self.document[part].items() for method in METHODS
            if method in item and tag in (None, item[method]["tags"][0]))

    # -------------------------------------------------------- the page

    def sections(self):
        for tag in self.document["tags"]:
            yield tag["name"], markdown(tag["description"]) + self.group("paths", tag["name"])
        yield "Calls that Postroom makes", self.group("webhooks")
        text = "<p>Answers that several operations give.</p>"
        for name, response in self.components["responses"].items():
            text += folded(
                "response", "%s: %s" % (html.escape(name), inline(first(response))),
                markdown(response["description"]) + self.response(response), "response-" + name)
        yield "Answers", text
        text = ""
        for name, schema in self.components["schemas"].items():
            content = '<p class="faint">%s</p>%s%s' % (
                self.kind(schema), markdown(schema["description"]), self.inside(schema))
            text += folded("schema", "<code>%s</code>" % html.escape(name), content, "schema-" + name)
        yield "Schemas", text
        text = ""
        for name, scheme in self.components["securitySchemes"].items():
            words = [scheme["type"]] + [scheme[key] for key in ("scheme", "name") if key in scheme]
            text += '<div class="member" id="security-%s"><code>%s</code> <span class="faint">%s</span>%s</div>' % (
                name, name, ", ".join(words), markdown(scheme["description"]))
        yield "Logins", text

    def text(self):
        info = self.document["info"]
        sections = list(self.sections())
        names = {title: title.split()[0].lower() for title, _ in sections}
        contents = "".join('<li><a href="#%s">%s</a></li>' % (names[title], title) for title, _ in sections)
        body = "\n".join(
            '<section id="%s">\n<h2>%s</h2>\n%s\n</section>' % (names[title], title, text) for title, text in sections)
        return PAGE % {
            "title": info["title"], "version": info["version"], "summary": inline(info["summary"]), "style": STYLE,
            "description": markdown(info["description"]), "contents": contents, "body": body,
        }


def first(response):
    """The first sentence of a description."""
    text = " ".join(response["description"].split())
    return re.split(r"(?<=[.])\s", text)[0]


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s %(version)s: API</title>
<style>%(style)s</style>
</head>
<body>
<header>
<h1>%(title)s <span class="faint">%(version)s</span></h1>
<p>%(summary)s</p>
<p>The same as <a href="openapi.yaml">YAML</a> and as <a href="openapi.json">JSON</a>, for tools.</p>
</header>
<nav aria-label="Contents"><ul>%(contents)s</ul></nav>
<main>
<section id="about">
<h2>About</h2>
%(description)s
</section>
%(body)s
</main>
</body>
</html>
"""


def page(document):
    return Page(document).text()
