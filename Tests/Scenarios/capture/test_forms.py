"""Fields of forms and parts of multipart bodies, beside the body."""

import gzip

import pytest

URLENCODED = "application/x-www-form-urlencoded"


def only(service, endpoint):
    found = service.look(endpoint).json()["notifications"]
    assert service.collect(endpoint) == found
    return found[0]


def multipart(*parts):
    body = b"".join(b"--q\r\n%s\r\n\r\n%s\r\n" % (head, content) for head, content in parts) + b"--q--\r\n"
    return body, "multipart/form-data; boundary=q"


def test_fields_of_a_form(shared, endpoint):
    shared.hook(endpoint, "a=1&b=caf%E9&a=", {"Content-Type": URLENCODED + "; charset=latin1"})
    form = only(shared, endpoint)["form"]
    assert [(p["name"], p["value"], p["charset"], p["bytes"]) for p in form["parts"]] == [
        ("a", "1", "latin1", 1), ("b", "caf\u00e9", "latin1", 4), ("a", "", "latin1", 0)]
    assert all(p["filename"] is None and "offset" not in p and "valueBase64" not in p for p in form["parts"])
    assert form["faults"] == []


@pytest.mark.parametrize("padding", [0, 12_000, 100_000, 800_000])
@pytest.mark.parametrize("compressed", [False, True])
def test_parts_of_a_multipart_body_whatever_its_length(shared, endpoint, padding, compressed):
    content = bytes(range(256)) + b"z" * padding
    body, kind = multipart(
        (b'Content-Disposition: form-data; name="note"', "caf\u00e9".encode()),
        (b'Content-Disposition: form-data; name="file"; filename="x.bin"\r\nContent-Type: image/png', content))
    headers = {"Content-Type": kind, **({"Content-Encoding": "gzip"} if compressed else {})}
    assert shared.hook(endpoint, gzip.compress(body) if compressed else body, headers).status == 200
    number = shared.look(endpoint).json()["notifications"][0]["id"]
    decoded = shared.call("GET", "/manage/endpoint/%s/notifications/%d/body?decoded" % (endpoint, number)).body
    assert decoded == body
    note, file = only(shared, endpoint)["form"]["parts"]
    assert (note["name"], note["value"], note["filename"]) == ("note", "caf\u00e9", None)
    assert (file["name"], file["filename"], file["contentType"], file["bytes"]) == ("file", "x.bin", "image/png", len(content))
    assert decoded[file["offset"]:file["offset"] + file["bytes"]] == content
    assert [h["name"] for h in file["headers"]] == ["Content-Disposition", "Content-Type"]
    assert (file["value"] is None) == (len(content) > 16 << 10)


def test_what_is_wrong_with_a_form_is_said(shared, endpoint):
    shared.hook(endpoint, "--q\r\n\r\nunfinished", {"Content-Type": "multipart/form-data; boundary=q"})
    assert only(shared, endpoint)["form"]["faults"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_other_bodies_have_none(shared, endpoint, kind):
    shared.hook(endpoint, "a=1", {"Content-Type": kind} if kind else None)
    assert "form" not in only(shared, endpoint)


@pytest.mark.parametrize("count", [1 << 20, (1 << 20) + 1])
def test_a_form_has_at_most_1_MiB(serve, count):
    service = serve(MAX_BODY_BYTES="2m")
    endpoint = service.create()
    assert service.hook(endpoint, "a=" + "x" * (count - 2), {"Content-Type": URLENCODED}).status == 200
    assert ("form" in only(service, endpoint)) == (count == 1 << 20)


def test_a_body_that_cannot_be_decompressed_is_not_read_as_a_form(shared, endpoint):
    shared.hook(endpoint, "a=1", {"Content-Type": URLENCODED, "Content-Encoding": "br"})
    assert "form" not in only(shared, endpoint)


def test_refused_requests_have_it_too(shared, endpoint):
    assert shared.call("PUT", "/manage/endpoint/" + endpoint, '{"enabled": false}').status == 204
    assert shared.hook(endpoint, "a=1", {"Content-Type": URLENCODED}).status == 500
    refused = shared.call("GET", "/manage/endpoint/%s/notifications?refused" % endpoint).json()["notifications"]
    assert refused[0]["form"]["parts"][0]["value"] == "1"
