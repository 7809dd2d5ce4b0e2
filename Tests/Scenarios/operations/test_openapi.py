"""api/openapi.yaml: it describes every route, each part of it is described, and the service answers as it says."""

import os
import re
import subprocess

import libraries
import pytest
import yaml
from description import Description
from harness import ROOT, free_port
from tour import ELSEWHERE, EVIL, faults, send

TAGS = ["Capture", "Queues", "Webhooks", "Events", "Operations"]
VERBS = {
    "Acknowledge", "Answer", "Ask", "Change", "Check", "Collect", "Configure", "Create", "Delete", "Deliver", "Get",
    "List", "Make", "Post", "Publish", "Put", "Read", "Receive", "Remove", "Replace", "Replay", "Send", "Subscribe",
}  # fmt: skip


@pytest.fixture(scope="module")
def description():
    return Description()


def all_operations(description):
    return [*description.operations(), *description.operations("webhooks")]


# ------------------------------------------------------------ every route is described


def test_every_route_of_the_program_is_described(description):
    """The paths by which requests are counted, those of the operations port, and the files that nginx serves."""
    source = read("Sources/Program/PostroomService/Responder/Route.swift")
    routes = re.findall(r'case \.\w+: "(/[^"]*)"', source)
    operations = read("Sources/Program/PostroomService/Responder/Operations.swift")
    routes += ["/" + "/".join(re.findall(r'"(\w+)"', names)) for names in re.findall(r"case \[([^\]]*)\]", operations)]
    routes += re.findall(r"location = @MOUNT@(/[\w./]*openapi\.\w+) ", read("nginx/locations.conf"))
    assert len(routes) > 40

    def plain(path):
        return re.sub(r"\{\w+\}", "{}", path)

    described = {plain(path) for path in description.methods()}
    assert {plain(route) for route in routes} <= described
    # And the other way round: a path below /api, below an endpoint, or with a slash at its end is counted as the path
    # itself.
    routes = {plain(route) for route in routes} | {"/webhook/{}/{}", "/receive/"}
    assert {path for path in described if "/api/" not in path} == {path for path in routes if "/api/" not in path}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def test_every_path_has_the_described_methods_and_no_others(description, serve_webhooks):
    port = free_port()
    service = serve_webhooks(RESPONDERS=1, OPS_SERVER_PORT=port, DEBUG="true")
    methods = description.methods()
    values = {
        parameter["name"]: str(parameter["example"])
        for operation in description.operations() for parameter in operation.parameters if parameter["in"] == "path"
    }  # fmt: skip
    servers = {operation.path: operation.servers for operation in description.operations()}
    # The two paths of subscriptions list each other's methods: with `event_uuid` the first one is the second one.
    both = methods["/eventmatch"] | methods["/eventmatch/{event_uuid}"]
    checked = 0
    for path, described in methods.items():
        if path.startswith("/webhook/"):
            assert described >= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
            continue
        filled = re.sub(r"\{(\w+)\}", lambda name: values[name[1]], path)
        answer = send(service, "PROPFIND", filled, port=port if servers.get(path) else None)
        assert answer.status == 405, (path, answer.status)
        if "/openapi." in path:
            # nginx says nothing of methods.
            assert described == {"GET", "HEAD"}
        else:
            allowed = set(re.split(", ?", answer.headers["allow"]))
            assert allowed == (both if path.startswith("/eventmatch") and allowed == both else described), path
        checked += 1
    assert checked > 45


def test_a_twin_answers_as_the_operation_does(description, serve_queues):
    """HEAD and paths below /api, for operations that show something."""
    service = serve_queues({"listen_host": "", "listen_port": 1, "users": [], "queues": []}, RESPONDERS=1)
    values = dict.fromkeys(("environment_id", "webhook_id"), "7d1f6a52-3f6e-4a55-9d1c-0a6a9a1b2c3d")
    checked = 0
    for operation in description.operations():
        names = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
        if operation.method != "get" or operation.servers or not names <= set(values):
            continue

        def filled(path):
            return re.sub(r"\{(\w+)\}", lambda name: values[name[1]], path)

        own = send(service, "GET", filled(operation.path))
        for path, method, media in description.twins(operation):
            twin = send(service, method.upper(), filled(path))
            assert twin.status == own.status, (path, method)
            if method == "head":
                assert not twin.body
            if media:
                assert twin.headers["content-type"].startswith(media)
                continue
            assert twin.headers["content-type"] == own.headers["content-type"], (path, method)
            assert method == "head" or twin.body == own.body, (path, method)
            checked += 1
    assert checked > 20


def test_operations_refuse_other_sites_and_hosts_where_they_say_so(description, serve_webhooks):
    port = free_port()
    service = serve_webhooks(RESPONDERS=1, OPS_SERVER_PORT=port)
    refused = {"403": 0, "421": 0}
    for operation in description.operations():
        values = {p["name"]: str(p["example"]) for p in operation.parameters if p["in"] == "path"}
        responses = operation.members["responses"]
        forbidden = " ".join(description.resolve(responses.get("403", {})).get("description", "").split())
        for path, method, _ in [(operation.path, operation.method, None)] + description.twins(operation):
            filled = re.sub(r"\{(\w+)\}", lambda name: values[name[1]], path)
            for status, headers, is_said in (
                ("403", EVIL, "web page of another site" in forbidden), ("421", ELSEWHERE, "421" in responses),
            ):  # fmt: skip
                own = port if operation.servers else None
                answer = send(service, method.upper(), filled, headers=headers, port=own)
                is_refused = str(answer.status) == status and (
                    method == "head" or b"evil.example" in answer.body and b"ALLOWED_HOSTS" in answer.body)
                assert is_refused == is_said, (method, path, status, answer.status, answer.text)
                refused[status] += is_refused
    assert min(refused.values()) > 60, refused


# ------------------------------------------------------------ every part is described


def test_tags_and_summaries_are_those_of_the_pages(description):
    assert [tag["name"] for tag in description.document["tags"]] == TAGS
    assert all(tag["description"].endswith(".") for tag in description.document["tags"])
    names = [operation.id for operation in all_operations(description)]
    assert len(names) == len(set(names))
    for operation in all_operations(description):
        members = operation.members
        assert len(members["tags"]) == 1 and members["tags"][0] in TAGS, operation.id
        assert members["summary"].split()[0] in VERBS, (operation.id, members["summary"])
        assert not members["summary"].endswith("."), operation.id
        assert all(key.startswith("x-also") for key in members if key.startswith("x-")), operation.id
    # HEAD is a note at GET, so that generated clients do not have everything twice.
    assert "head" not in {operation.method for operation in description.operations()}
    assert not [path for path in description.document["paths"] if path.startswith("/api/")]


def schemas(schema, place):
    """A schema and all inside it: (place, schema)."""
    yield place, schema
    for name, member in schema.get("properties", {}).items():
        yield from schemas(member, "%s.%s" % (place, name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from schemas(schema[keyword], "%s.%s" % (place, keyword))
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index, member in enumerate(schema.get(keyword, [])):
            yield from schemas(member, "%s.%s[%d]" % (place, keyword, index))


def all_schemas(description):
    """Every schema of the document that is not a reference alone."""
    components = description.document["components"]
    for name, schema in components["schemas"].items():
        yield from schemas(schema, name)
    for name, header in components["headers"].items():
        yield from schemas({**header["schema"], "description": header["description"]}, name)
    for operation in all_operations(description):
        for place, holder in holders(description, operation):
            if "schema" in holder:
                described = {"description": holder["description"]} if "description" in holder else {}
                yield from schemas({**described, **holder["schema"]}, "%s %s" % (operation.id, place))


def holders(description, operation):
    """What has a schema and examples: parameters, bodies, headers of answers: (place, holder)."""
    for parameter in operation.parameters:
        yield "parameter " + parameter["name"], parameter
    body = description.resolve(operation.members.get("requestBody", {}))
    for media, entry in body.get("content", {}).items():
        yield "request " + media, entry
    for status, response in operation.members["responses"].items():
        response = description.resolve(response)
        assert response["description"].strip().endswith("."), (operation.id, status)
        for name, header in response.get("headers", {}).items():
            yield "%s header %s" % (status, name), description.resolve(header)
        for media, entry in response.get("content", {}).items():
            yield "%s %s" % (status, media), entry


def test_every_schema_has_a_type_and_every_member_a_description(description):
    found = 0
    for place, schema in all_schemas(description):
        found += 1
        if "$ref" in schema:
            assert "type" in description.resolve(schema) or set(description.resolve(schema)) & {"allOf", "oneOf"} or (
                schema["$ref"].endswith("/JSONValue")), place
        elif place != "JSONValue":
            assert set(schema) & {"type", "allOf", "oneOf"}, place
        assert description.resolve(schema).get("description"), place
        if schema.get("type") == "integer" and "const" not in schema and "enum" not in schema and "." in place:
            assert "minimum" in schema or place.endswith(("destination", "parcel")), place
    assert found > 500


def test_every_operation_has_an_example_of_what_it_takes_and_answers(description):
    for operation in all_operations(description):
        for place, holder in holders(description, operation):
            if operation.path not in description.document["paths"] and place.split()[0] not in ("request", "parameter"):
                # What others answer.
                continue
            if "schema" in holder and not place.endswith("text/html") or operation.id.startswith("postEvent"):
                assert description.examples(holder), (operation.id, place)


def test_every_example_is_what_its_schema_allows(description):
    libraries.need("jsonschema_rs")
    values = []
    for operation in all_operations(description):
        for place, holder in holders(description, operation):
            schema = holder.get("schema")
            for name, value in description.examples(holder).items() if schema else ():
                values.append(["%s %s %s" % (operation.id, place, name), schema, value])
    for place, schema in all_schemas(description):
        values += [[place, schema, value] for value in schema.get("examples", [])]
    assert len(values) > 500
    assert not faults(description, values)


def test_names_in_descriptions_are_those_of_the_document_and_the_settings(description):
    """What a description names in capital letters is a setting; what it names with a capital letter, a schema."""
    text = read("api/openapi.yaml")
    settings = set(re.findall(r"`([A-Z][A-Z_]+)`", read("docs/settings.md")))
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
    assert set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", text)) <= settings | methods
    assert set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", text)) <= set(description.document["components"]["schemas"])


# ------------------------------------------------------------ the service answers as described

# Not what waits for something to happen, nor queues, whose answers depend on logins and a configuration.
PATHS = {
    "capture and webhooks": "^/(api/)?(environments|webhooks|manage$|manage/endpoint$|healthz|openapi|time)",
    "events": "^/(receive|eventmatch|events)",
    "operations": "^/(health/|metrics|version|debug)",
}


@pytest.mark.parametrize("part", PATHS)
def test_generated_requests_get_described_answers(description, serve_webhooks, part):
    libraries.need("schemathesis")
    port = free_port()
    service = serve_webhooks(
        RESPONDERS=2, WEBHOOKS_WRITE_TIMEOUT="1s", MAX_ACTIVE_ENDPOINTS=100000, USER_SOURCE="header",
        OPS_SERVER_PORT=port, DEBUG=str(part == "operations").lower(),
    )  # fmt: skip
    # With HEAD and the other twins, which the tool does not know.
    path = os.path.join(service.directory, "openapi.yaml")
    with open(path, "w", encoding="utf-8") as file:
        yaml.dump(description.expanded(), file, yaml.CSafeDumper, allow_unicode=True)
    checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance"]
    checks += ["response_headers_conformance", "response_schema_conformance"]
    # No operation there leads to another one.
    phases = ["--phases", "examples,coverage,fuzzing"] if part == "operations" else []
    run = subprocess.run(
        [os.path.join(libraries.BIN, "schemathesis"), "run", path]
        + ["--url", "http://127.0.0.1:%d" % (port if part == "operations" else service.port)]
        + ["--checks", ",".join(checks), "--include-path-regex", PATHS[part]]
        # One user, who finds what it has made.
        + ["--header", "Http-Remote-User: generated"]
        + ["--max-examples", "10", "--max-time", "25", "--generation-database", "none", "--no-color"] + phases,
        cwd=service.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-4000:]
    assert b"passed" in run.stdout
