"""Settings of endpoints that the original does not have: overflow, CORS, expiry, pins and names."""

import datetime

import pytest
from harness import postroom, together, wait_for


def settings(service, endpoint):
    answer = service.call("GET", "/manage/endpoint/%s/settings" % endpoint)
    assert answer.status == 200, answer.text
    return answer.json()


SHOWN = ["forwarding", "name", "created", "lastUsed", "pending", "limits", "newest", "removedAt"]


def settable(service, endpoint):
    """The settings that can be configured. Times are converted between two clocks, which differ by some microseconds."""
    found = {name: value for name, value in settings(service, endpoint).items() if name not in SHOWN}
    if found["expires"]:
        found["expires"] = round(datetime.datetime.fromisoformat(found["expires"].replace("Z", "+00:00")).timestamp())
    return found


def configure(service, endpoint, **members):
    answer = service.configure(endpoint, **{"enabled": True, **members})
    assert answer.status == 204, answer.text


def test_what_is_left_out_stays_and_null_removes(shared, endpoint):
    new = settings(shared, endpoint)
    assert list(new) == [
        "enabled", "subpaths", "overflow", "cors", "pinned", "expires", "delivery_header", "recipes", "responses", "verify",
        "forwards", *SHOWN]
    new = settable(shared, endpoint)
    assert list(new.values()) == [True, False, "refuse", False, False, None, None, [], [], None, []]
    time = "2100-01-01T00:00:00Z"
    assert shared.configure(endpoint, enabled=True, expires=time).status == 400
    configure(shared, endpoint, overflow="drop-oldest", cors=True, expires=1000)
    changed = settable(shared, endpoint)
    assert (changed["overflow"], changed["cors"]) == ("drop-oldest", True) and changed["expires"]
    configure(shared, endpoint, subpaths=True, anything=[1])
    assert settable(shared, endpoint) == {**changed, "subpaths": True}
    # What was read can be sent back, with one change.
    assert shared.configure(endpoint, **{**settings(shared, endpoint), "cors": False}).status == 204
    assert settable(shared, endpoint) == {**changed, "subpaths": True, "cors": False}
    configure(shared, endpoint, overflow=None, cors=None, pinned=None, expires=None, subpaths=False)
    assert settable(shared, endpoint) == new


@pytest.mark.parametrize(
    "member, value",
    [("overflow", "drop"), ("overflow", 1), ("overflow", True), ("cors", "no"), ("cors", []), ("pinned", 2), ("pinned", True)]
    + [("expires", 0), ("expires", -1), ("expires", "soon"), ("expires", True), ("expires", "2020-01-01T00:00:00Z"), ("expires", 1e7)],
)
def test_a_bad_member_is_refused_with_its_name_and_changes_nothing(shared, endpoint, member, value):
    before = settable(shared, endpoint)
    answer = shared.configure(endpoint, **{"enabled": False, member: value})
    assert answer.status == 400 and '"%s"' % member in answer.text
    assert settable(shared, endpoint) == before


def test_the_settings_of_an_unknown_endpoint_are_404(shared):
    assert shared.call("GET", "/manage/endpoint/nobody/settings").status == 404
    assert shared.call("PUT", "/manage/endpoint/nobody/settings").status == 405


def time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_settings_show_what_an_endpoint_has_and_may_have(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=7, MAX_ENDPOINT_BYTES=50_000, MAX_BODY_BYTES=40_000)
    endpoint = service.create()
    found = settings(service, endpoint)
    assert found["limits"] == {"notifications": 7, "bytes": 50_000, "body": 40_000}
    assert (found["pending"], found["newest"]) == ({"notifications": 0, "bytes": 0}, 0)
    for number in range(3):
        assert service.hook(endpoint, "x" * 10_000).status == 200
    found = settings(service, endpoint)
    assert (found["pending"]["notifications"], found["newest"]) == (3, 3) and 30_000 < found["pending"]["bytes"] < 33_000
    assert service.call("DELETE", "/manage/endpoint/%s/notifications?through=2" % endpoint).status == 204
    found = settings(service, endpoint)
    assert (found["pending"]["notifications"], found["newest"]) == (1, 3) and 10_000 < found["pending"]["bytes"] < 11_000
    assert len(service.collect(endpoint)) == 1
    found = settings(service, endpoint)
    assert (found["pending"], found["newest"]) == ({"notifications": 0, "bytes": 0}, 3)
    # What it shows can be sent back, and is ignored.
    assert service.configure(endpoint, **{**found, "pending": [], "limits": 1, "newest": 99, "removedAt": "soon"}).status == 204
    after = settings(service, endpoint)
    assert {**after, "lastUsed": None, "removedAt": None} == {**found, "lastUsed": None, "removedAt": None}


def test_settings_show_when_the_endpoint_will_be_removed(serve):
    service = serve(MAX_IDLE_DURATION_SECONDS=1000, MAX_DURATION_SECONDS=5000, ALLOW_PINNED_ENDPOINTS="true")
    endpoint = service.create()

    def left(**members):
        configure(service, endpoint, **members)
        found = settings(service, endpoint)
        return found["removedAt"] and round((time(found["removedAt"]) - time(found["lastUsed"])).total_seconds())

    assert left() == 1000
    assert left(expires=2000) == 1000
    assert left(expires=200) == 200
    found = settings(service, endpoint)
    assert found["removedAt"] == found["expires"]
    assert left(pinned=True) == 200
    assert left(expires=None, pinned=True) is None
    assert left(pinned=False) == 1000


def test_what_is_in_force_can_be_sent_back_when_it_could_not_be_set_any_more(serve):
    service = serve(MAX_DURATION_SECONDS=5000, ALLOW_PINNED_ENDPOINTS="true")
    pinned, expiring, other = service.create(), service.create(), service.create()
    configure(service, pinned, pinned=True, expires=100_000)
    configure(service, expiring, expires=4000)
    service.stop()
    service.settings.update(MAX_DURATION_SECONDS=3000, ALLOW_PINNED_ENDPOINTS="false")
    service.start()
    for endpoint in (pinned, expiring):
        before = settable(service, endpoint)
        configure(service, endpoint, **{**settings(service, endpoint), "cors": True})
        assert settable(service, endpoint) == {**before, "cors": True}
    answer = service.configure(expiring, enabled=True, expires=4000)
    assert answer.status == 400 and "at most 3000 seconds" in answer.text
    for change in ({"pinned": True}, {"expires": 4000}):
        assert service.configure(other, enabled=True, **change).status == 400


# ---------------------------------------------------------------- overflow


def test_an_endpoint_can_drop_the_oldest_by_number_and_by_bytes(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=3, MAX_ENDPOINT_BYTES=100_000)
    endpoint = service.create()
    configure(service, endpoint, overflow="drop-oldest")
    for number in range(5):
        assert service.hook(endpoint, str(number)).status == 200
    assert [(n["id"], n["body"]) for n in service.look(endpoint).json()["notifications"]] == [(3, "2"), (4, "3"), (5, "4")]
    assert service.hook(endpoint, b"x" * 60_000).status == 200
    assert service.hook(endpoint, b"y" * 60_000).status == 200
    assert [n["body"][0] for n in service.look(endpoint).json()["notifications"]] == ["y"]
    # One that has no room in an empty endpoint is refused, and drops nothing.
    assert service.hook(endpoint, b"z" * 100_001).status == 507
    service.check()
    assert [n["id"] for n in service.collect(endpoint)] == [7]
    assert service.hook(endpoint, "next").status == 200 and service.bodies(endpoint) == ["next"]
    service.check()


# ---------------------------------------------------------------- CORS

PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a, content-type"}


def test_pages_may_send_to_an_endpoint_that_allows_it(shared, endpoint):
    page = {"Origin": "https://app.example"}
    answer = shared.hook(endpoint, "x", page)
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers
    configure(shared, endpoint, cors=True)
    answer = shared.call("OPTIONS", "/webhook/" + endpoint, headers=PREFLIGHT)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*" and answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "x-a, content-type"
    answer = shared.hook(endpoint, "y", page)
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "*"
    # Without a page that asks, OPTIONS is a request like others.
    assert shared.call("OPTIONS", "/webhook/" + endpoint).status == 200
    assert [(n["method"], n["body"]) for n in shared.collect(endpoint)] == [("POST", "x"), ("POST", "y"), ("OPTIONS", "")]
    # A page can read a refusal too.
    shared.configure(endpoint, enabled=False)
    answer = shared.hook(endpoint, "x", page)
    assert answer.status == 500 and answer.headers["access-control-allow-origin"] == "*"


def test_a_preflight_to_other_endpoints_is_a_notification(shared, endpoint):
    assert shared.call("OPTIONS", "/webhook/" + endpoint, headers=PREFLIGHT).status == 200
    assert [n["method"] for n in shared.collect(endpoint)] == ["OPTIONS"]
    assert shared.call("OPTIONS", "/webhook/nobody", headers=PREFLIGHT).status == 404


def test_pages_may_not_manage_an_endpoint_that_they_may_send_to(shared, endpoint):
    configure(shared, endpoint, cors=True)
    assert shared.call("GET", "/manage/endpoint/" + endpoint, headers={"Origin": "https://app.example"}).status == 403


# ---------------------------------------------------------------- expiry and pins


def test_an_endpoint_ends_when_it_expires_although_it_is_used(serve):
    service = serve(CLEANUP_FREQUENCY_SECONDS=0.1, RESPONDERS=1)
    endpoint, other = service.create(), service.create()
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    configure(service, endpoint, expires=time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    wait_for(lambda: service.hook(endpoint).status == 404)
    assert datetime.datetime.now(datetime.timezone.utc) >= time
    wait_for(lambda: "ENDPOINTS (1 total)" in service.call("GET", "/manage").text)
    assert service.hook(other).status == 200
    service.check()


def test_a_pinned_endpoint_stays_until_it_is_unpinned(serve):
    service = serve(
        ALLOW_PINNED_ENDPOINTS="true", MAX_IDLE_DURATION_SECONDS=0.5, MAX_DURATION_SECONDS=0.7, CLEANUP_FREQUENCY_SECONDS=0.1,
        MAX_ACTIVE_ENDPOINTS=64,
    )  # fmt: skip
    pinned = []
    for number in range(20):
        pinned.append(service.create())
        configure(service, pinned[-1], pinned=True)
    others = [service.create() for _ in range(2)]
    wait_for(lambda: all(service.look(endpoint).status == 404 for endpoint in others))
    # The others are removed from the store too, although many that stay are older.
    wait_for(lambda: "ENDPOINTS (20 total)" in service.call("GET", "/manage").text)
    assert all(service.hook(endpoint, "x").status == 200 for endpoint in pinned)
    service.check()
    configure(service, pinned[0], pinned=False)
    wait_for(lambda: "ENDPOINTS (19 total)" in service.call("GET", "/manage").text)
    configure(service, pinned[1], pinned=True, expires=0.2)
    wait_for(lambda: "ENDPOINTS (18 total)" in service.call("GET", "/manage").text)
    assert service.hook(pinned[1]).status == 404 and service.bodies(pinned[2]) == ["x"]
    service.check()


# ---------------------------------------------------------------- names


def create(service, body):
    return service.call("POST", "/manage/endpoint", body)


def test_a_name_stands_for_the_id_in_all_routes(serve):
    service = serve(ALLOW_NAMED_ENDPOINTS="true", SERVER_URL="http://127.0.0.1")
    secret = create(service, '{"name": "orders"}').json()
    name, _, rest = secret["endpointId"].partition(".")
    assert name == "orders" and len(rest) == 22 and secret["fullyQualifiedEndpoint"] == "http://127.0.0.1/webhook/" + secret["endpointId"]
    plain = create(service, '{"name": "orders", "secret": false}').json()
    assert plain["endpointId"] == "orders"
    for endpoint in (secret["endpointId"], "orders"):
        assert service.hook(endpoint, endpoint).status == 200
        assert settings(service, endpoint)["name"] == endpoint
        configure(service, endpoint, cors=True)
        assert service.call("GET", "/manage/endpoint/%s/notifications/1/body" % endpoint).body == endpoint.encode()
        assert service.bodies(endpoint) == [endpoint]
    answer = create(service, '{"name": "orders", "secret": false}')
    assert answer.status == 409 and "orders" in answer.text
    assert service.hook("order").status == 404
    service.check()
    # It moves to another store with its name.
    lines = postroom(service.directory, "store", "export").stdout
    assert b'"name": "orders"' in lines
    assert service.call("DELETE", "/manage/endpoint/orders").status == 204
    assert service.hook("orders").status == 404
    assert create(service, '{"name": "orders", "secret": false}').status == 201


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a b", "\u00e9", "x" * 65, "A" * 32])
def test_a_bad_name_is_refused(serve, name):
    service = serve(ALLOW_NAMED_ENDPOINTS="true", RESPONDERS=1)
    answer = create(service, ('{"name": "%s", "secret": false}' % name).encode())
    assert answer.status == 400 and '"name"' in answer.text


def test_of_many_who_want_a_name_at_a_time_one_gets_it(serve):
    service = serve(ALLOW_NAMED_ENDPOINTS="true", RESPONDERS=3)
    statuses = together(12, lambda _: create(service, '{"name": "one", "secret": false}').status)
    assert sorted(statuses) == [201] + [409] * 11


@pytest.mark.parametrize("body", ['{"name": "orders"}', "{", "[]", '{"name": 3}', "x" * 100])
def test_without_the_setting_a_body_is_not_read(shared, body):
    made = create(shared, body)
    assert made.status == 201 and len(made.json()["endpointId"]) == 32
    shared.call("DELETE", "/manage/endpoint/" + made.json()["endpointId"])


def test_with_the_setting_a_body_must_ask_for_a_name_or_be_empty(serve):
    service = serve(ALLOW_NAMED_ENDPOINTS="true", RESPONDERS=1)
    for body in ("", "{}"):
        made = create(service, body)
        assert made.status == 201 and len(made.json()["endpointId"]) == 32
    for body, word in [
        ("{", "not JSON: line 1, column 2"), ("[]", 'an object like {"name": "orders"}, or empty'), ("x" * 100, "not JSON"),
        ('{"nmae": "a"}', '"nmae" is not known'),
        ('{"Name": "a"}', '"Name" is not known'), ('{"secret": false}', '"name" is missing'),
        ('{"name": "a", "expires": 60}', '"expires" is not known'), ('{"name": "a"}' + " " * (1 << 20), "no more than 1048576 bytes"),
    ]:
        refused = create(service, body)
        assert refused.status == 400 and word in refused.text, (body, refused.text)


def test_the_name_of_an_endpoint_that_is_over_is_free(serve):
    service = serve(ALLOW_NAMED_ENDPOINTS="true", CLEANUP_FREQUENCY_SECONDS=1000, RESPONDERS=1)
    assert create(service, '{"name": "one", "secret": false}').status == 201
    service.hook("one", "old")
    configure(service, "one", expires=0.2)
    wait_for(lambda: create(service, '{"name": "one", "secret": false}').status == 201)
    assert service.bodies("one") == []
    service.check()


def test_times_do_not_change_from_one_look_to_the_next(shared, endpoint):
    looks = [shared.call("GET", "/manage/endpoint/%s/settings" % endpoint).json() for _ in range(50)]
    assert all(look == looks[0] for look in looks)
