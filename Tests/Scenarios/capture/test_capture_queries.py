"""Capture: looking, acknowledging, subpaths, and the status page."""

import http.client
import json
import re

import pytest
import yaml
from harness import exchange, free_port, wait_for

MIB = 1 << 20

# ---------------------------------------------------------------- looking and acknowledging


def numbers(answer):
    assert answer.status == 200, answer.text
    return [n["id"] for n in answer.json()["notifications"]]


def test_a_look_removes_nothing(shared, endpoint):
    for body in "abc":
        shared.hook(endpoint, body)
    assert numbers(shared.look(endpoint)) == [1, 2, 3]
    assert numbers(shared.look(endpoint, "?after=1")) == [2, 3]
    assert numbers(shared.look(endpoint, "?after=0&limit=2")) == [1, 2]
    assert numbers(shared.look(endpoint, "?after=3")) == []
    assert numbers(shared.look(endpoint, "?after=18446744073709551615")) == []
    assert shared.bodies(endpoint) == ["a", "b", "c"]


def test_a_look_before_an_id_returns_the_newest_below_it(shared, endpoint):
    assert numbers(shared.look(endpoint, "?before=1")) == []
    for body in "abcdef":
        shared.hook(endpoint, body)
    assert numbers(shared.look(endpoint, "?before=18446744073709551615&limit=2")) == [5, 6]
    assert numbers(shared.look(endpoint, "?before=5&limit=2")) == [3, 4]
    assert numbers(shared.look(endpoint, "?before=3&limit=2")) == [1, 2]
    assert numbers(shared.look(endpoint, "?before=1&limit=2")) == []
    # The rows are the same as in other looks, and what is gone is left out.
    assert shared.look(endpoint, "?before=5&limit=2").body == shared.look(endpoint, "?after=2&limit=2").body
    assert shared.call("DELETE", "/manage/endpoint/%s/notifications?through=3" % endpoint).status == 204
    assert numbers(shared.look(endpoint, "?before=6")) == [4, 5]
    assert shared.bodies(endpoint) == ["d", "e", "f"]
    assert numbers(shared.look(endpoint, "?before=7")) == []
    assert shared.look("nobody", "?before=7").status == 404


@pytest.mark.parametrize("query", ["after=1", "wait=1", "match=$.json", "refused&wait=1"])
def test_a_look_before_an_id_does_not_wait_or_search(shared, endpoint, query):
    answer = shared.look(endpoint, "?before=3&" + query)
    assert answer.status == 400 and "exclude each other" in answer.text


def test_an_acknowledgement_removes_notifications_up_to_its_number(shared, endpoint):
    for body in "abcd":
        shared.hook(endpoint, body)
    path = "/manage/endpoint/%s/notifications?through=" % endpoint
    assert shared.call("DELETE", path + "2").status == 204
    assert numbers(shared.look(endpoint)) == [3, 4]
    assert shared.call("DELETE", path + "2").status == 204
    assert shared.call("DELETE", path + "0").status == 204
    assert numbers(shared.look(endpoint)) == [3, 4]
    assert shared.call("DELETE", path + "99").status == 204
    assert numbers(shared.look(endpoint)) == []
    shared.hook(endpoint, "e")
    assert numbers(shared.look(endpoint)) == [5]


@pytest.mark.parametrize(
    "query",
    ["?after=x", "?after=-1", "?after=", "?limit=0", "?limit=1001", "?limit=x", "?wait=61", "?wait=-1", "?wait=x", "?wait=nan"]
    + ["?before=x", "?before=0", "?before=-1", "?before=", "?before=18446744073709551616"],
)
def test_a_query_with_a_wrong_value_is_400(shared, endpoint, query):
    assert shared.look(endpoint, query).status == 400


def test_a_misspelt_parameter_is_400(shared, endpoint):
    shared.hook(endpoint, "a")
    answer = shared.look(endpoint, "?mtach=%24.b&wait=30")
    assert answer.status == 400 and b"mtach" in answer.body


def test_an_acknowledgement_needs_a_number(shared, endpoint):
    for query in ("", "?through=", "?through=x", "?through=-1", "?after=1"):
        assert shared.call("DELETE", "/manage/endpoint/%s/notifications%s" % (endpoint, query)).status == 400


def test_a_look_or_acknowledgement_at_an_unknown_endpoint_is_404(shared):
    for method, query in (("GET", ""), ("GET", "?wait=5"), ("DELETE", "?through=1")):
        assert shared.call(method, "/manage/endpoint/%s/notifications%s" % ("x" * 32, query)).status == 404


def test_other_methods_on_notifications_are_405(shared, endpoint):
    answer = shared.call("POST", "/manage/endpoint/%s/notifications" % endpoint)
    assert answer.status == 405 and answer.headers["allow"] == "DELETE,GET"


# ---------------------------------------------------------------- subpaths


def test_a_path_below_the_id_is_404_unless_subpaths_are_on(shared, endpoint):
    assert shared.hook(endpoint, suffix="/any").status == 404
    assert shared.configure(endpoint, enabled=True, subpaths=True).status == 204
    assert shared.hook(endpoint, suffix="/any/th%2Fing//x/?q=1").status == 200
    assert shared.hook(endpoint, suffix="/").status == 200
    assert [(n["path"], n["query"]) for n in shared.collect(endpoint)] == [("/any/th%2Fing//x/", "q=1"), ("/", None)]
    assert shared.configure(endpoint, enabled=True).status == 204
    assert shared.hook(endpoint, suffix="/still").status == 200
    assert shared.configure(endpoint, enabled=True, subpaths=False).status == 204
    assert shared.hook(endpoint, suffix="/gone").status == 404


# ---------------------------------------------------------------- status page


def counters(service):
    found = re.findall(r"Total (.*): (\d+) \(with (\d+) errors\)", service.call("GET", "/manage").text)
    return {label: (int(total), int(errors)) for label, total, errors in found}


def test_the_counters_of_the_status_page_are_those_of_all_responders(serve):
    service = serve(RESPONDERS=3)
    endpoint = service.create()
    for _ in range(20):
        assert service.hook(endpoint).status == 200
        assert service.hook("nope").status == 404
    for _ in range(5):
        service.collect(endpoint)
        service.call("GET", "/manage/endpoint/nope")
        service.configure(endpoint, enabled=True)
        service.call("PUT", "/manage/endpoint/" + endpoint, "{")
    service.hook(endpoint, b"no gzip", {"Content-Encoding": "gzip"})
    service.call("DELETE", "/manage/endpoint/" + endpoint)
    service.call("DELETE", "/manage/endpoint/" + endpoint)
    expected = {
        "created notifications": (1, 0),
        "collection requests": (10, 5),
        "received notifications": (41, 21),
        "configure requests": (10, 5),
        "deleted endpoints": (2, 1),
    }
    # A refusal is answered before the counts are committed.
    wait_for(lambda: counters(service) == expected, 5)


def test_the_status_page_lists_the_newest_thousand_endpoints(serve):
    service = serve(MAX_ACTIVE_ENDPOINTS=3000, DURABILITY="process")
    c = service.connection()
    for _ in range(1200):
        service.call("POST", "/manage/endpoint", connection=c)
    page = service.call("GET", "/manage").text
    assert "ENDPOINTS (1200 total)" in page and "Only the newest 1000 are listed" in page
    assert page.count("uncollected notifications") == 1000


def test_the_openapi_document_is_served(shared):
    answer = shared.call("GET", "/openapi.yaml")
    assert answer.status == 200 and answer.text.startswith("openapi: 3.1")
    assert answer.headers["content-type"] == "application/yaml"
    # scripts/openapi makes the JSON from the YAML.
    document = yaml.safe_load(answer.text)
    for path in ("/openapi.json", "/api/openapi.json"):
        answer = shared.call("GET", path)
        assert answer.status == 200 and answer.headers["content-type"] == "application/json", path
        assert answer.json() == document
        assert shared.call("HEAD", path).status == 200
        assert shared.call("POST", path, b"x").status == 405
    for path in ("/.postroom-openapi.json", "/.postroom-openapi.", "/api/openapi.yaml"):
        assert shared.call("GET", path).status == 404, path


def test_the_openapi_document_is_served_below_a_mount_point_and_at_the_other_port(serve):
    port = free_port()
    service = serve(MOUNT_POINT="/a.b", API_SERVER_PORT=port, RESPONDERS=1)
    document = service.call("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for path in ("/a.b/openapi.json", "/a.b/api/openapi.json"):
        connection.request("GET", path)
        assert json.loads(connection.getresponse().read()) == document
    for path in ("/openapi.json", "/a_b/openapi.json"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (404, True)
    connection.close()


def test_a_large_answer_is_complete(shared, endpoint):
    body = "0123456789abcdef" * 65536
    for _ in range(30):
        assert shared.hook(endpoint, body).status == 200
    assert [n["body"] == body for n in shared.collect(endpoint)] == [True] * 30


def test_pipelined_requests_are_answered_in_order(shared, endpoint):
    one = b"POST /webhook/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%s\r\n%d"
    requests = b"".join(one % (endpoint.encode(), b"Connection: close\r\n" if i == 7 else b"", i) for i in range(8))
    assert exchange(shared, requests).count(b"HTTP/1.1 200") == 8
    assert shared.bodies(endpoint) == list("01234567")


def test_any_bytes_become_json_that_a_strict_parser_accepts(shared, endpoint):
    shared.hook(endpoint, bytes(range(256)), {"X-Q": '"\\'}, suffix="?%ff\\\"")
    answer = shared.call("GET", "/manage/endpoint/" + endpoint)
    assert answer.body.isascii()
    json.loads(answer.body, parse_constant=lambda token: pytest.fail(token))


def test_clients_that_disconnect_while_they_wait_take_no_notification(shared, endpoint):
    waiting = [shared.begin_look(endpoint, "?wait=60") for _ in range(20)]
    assert not [look for look in waiting if look.is_answered]
    for look in waiting:
        look.connection.close()
    assert shared.hook(endpoint, "x").status == 200
    assert shared.bodies(endpoint) == ["x"]


def test_a_look_returns_a_few_megabytes_at_a_time(shared, endpoint):
    for _ in range(12):
        assert shared.hook(endpoint, "x" * MIB).status == 200
    seen = []
    while True:
        found = numbers(shared.look(endpoint, "?after=%d" % (seen[-1] if seen else 0)))
        if not found:
            break
        assert len(found) <= 5
        seen += found
    assert seen == list(range(1, 13))


def test_a_look_before_an_id_leaves_out_the_older_ones_of_many_megabytes(shared, endpoint):
    for _ in range(12):
        assert shared.hook(endpoint, "x" * MIB).status == 200
    assert shared.hook(endpoint, "newest").status == 200
    seen = []
    while found := numbers(shared.look(endpoint, "?before=%d" % (seen[0] if seen else 1 << 60))):
        assert len(found) <= 5
        seen = found + seen
    assert seen == list(range(1, 14))


def test_an_endpoint_keeps_no_more_than_max_endpoint_bytes(serve):
    service = serve(MAX_ENDPOINT_BYTES="1m")
    endpoint = service.create()
    statuses = [service.hook(endpoint, "x" * 300_000).status for _ in range(5)]
    assert statuses == [200, 200, 200, 507, 507]
    assert service.hook(endpoint, "small").status == 200
    assert len(service.collect(endpoint)) == 4
    assert service.hook(endpoint, "x" * 300_000).status == 200
