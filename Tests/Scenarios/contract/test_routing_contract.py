"""Black-box contract of the event-routing API: subscriptions, receiving, policy, delivery.

The suite starts a policy service and a receiver. The service must ask http://127.0.0.1:POLICY_PORT, and must be allowed
to deliver to this machine.
"""
import base64
import json
import os
import threading
from urllib.parse import unquote, urlsplit

import pytest

from harness import ROOT
from routing_support import (
    BASE_URL, DEFAULT_USER, FIELDS, PATIENCE, STAMP, USER_HEADER, UUID_TEXT, Client,
    assert_error, event, media_type, policy_endpoint, target_endpoint, token,
)

ABSENT = "6cf47199-5abf-4ae3-a40d-9d6283d0ee21"
BASIC = {"type": "basic", "basic": {"username": "aladdin", "password": "open sesame"}}
BEARER = {"type": "header", "header": {"type": "Bearer", "credentials": "somerandomsharedsecret"}}


@pytest.fixture
def policy():
    return policy_endpoint()


@pytest.fixture
def target():
    return target_endpoint()


@pytest.fixture
def api(policy, target):
    client = Client(target)
    yield client
    client.clean()


@pytest.fixture
def user():
    return "u" + token()


@pytest.fixture
def other():
    return "v" + token()


@pytest.fixture
def key():
    return "k" + token()


def on(key):
    return "$.data." + key


def still_routes(api, target, key):
    """The service goes on delivering after whatever happened before."""
    path = "/alive" + token()
    api.create("w" + token(), path, jsonpath=on(key))
    assert api.send(event(key)).status_code == 200
    assert target.wait(path)


# ---------------------------------------------------------------- create and get

def test_create_answers_the_whole_subscription(api, user):
    response = api.post(user, {"name": "first", "jsonpath": "$.data", "target_url": "http://127.0.0.1:9/x"})
    assert response.status_code == 200
    assert media_type(response) == "application/json"
    made = response.json()
    assert set(made) >= FIELDS
    assert UUID_TEXT.fullmatch(made["uuid"])
    assert made["name"] == "first" and made["jsonpath"] == "$.data"
    assert made["target_url"] == "http://127.0.0.1:9/x"
    assert made["user"] == user
    assert made["version"] == "v0.1"
    assert made["extensions"] == {} and made["auth"] == {}
    assert made["disabled"] is None and made["error"] is None and made["deleted"] is None


def test_timestamps_are_naive_iso_text(api, user):
    made = api.create(user, "/x")
    assert STAMP.match(made["created"]) and STAMP.match(made["updated"])
    assert made["created"] <= made["updated"]


def test_every_create_gets_its_own_uuid(api, user):
    assert api.create(user, "/x")["uuid"] != api.create(user, "/x")["uuid"]


def test_get_answers_what_create_answered(api, user):
    made = api.create(user, "/x", auth=BASIC, extensions={"a": 1})
    response = api.get(user, made["uuid"])
    assert response.status_code == 200 and media_type(response) == "application/json"
    assert response.json() == made


def test_owner_comes_from_the_header_not_the_body(api, user, other):
    assert api.create(user, "/x", user=other)["user"] == user


def test_without_the_header_the_default_user_owns(api):
    made = api.create(None, "/x")
    assert made["user"] == DEFAULT_USER
    assert api.get(None, made["uuid"]).json()["uuid"] == made["uuid"]
    assert api.get(DEFAULT_USER, made["uuid"]).status_code == 200


def test_header_name_is_case_insensitive(api, user):
    made = api.create(user, "/x")
    response = api.request("GET", "/eventmatch/" + made["uuid"], headers={USER_HEADER.lower(): user})
    assert response.status_code == 200


@pytest.mark.parametrize("auth", [BASIC, BEARER], ids=["basic", "header"])
def test_auth_is_kept_and_shown(api, user, auth):
    assert api.create(user, "/x", auth=auth)["auth"] == auth


def test_extensions_are_kept_as_given(api, user):
    given = {"a": {"b": [1, 2.5, None, True, "é"]}, "c": ""}
    made = api.create(user, "/x", extensions=given)
    assert made["extensions"] == given
    assert api.get(user, made["uuid"]).json()["extensions"] == given


def test_names_hold_any_unicode(api, user):
    made = api.create(user, "/x", name="é日本😀 \"q\" \\ /")
    assert api.get(user, made["uuid"]).json()["name"] == "é日本😀 \"q\" \\ /"


def test_unknown_members_are_dropped(api, user):
    made = api.create(user, "/x", colour="blue")
    assert "colour" not in made


def test_version_may_be_given(api, user):
    assert api.create(user, "/x", version="v0.2")["version"] == "v0.2"


def test_trailing_slash_is_the_same_collection(api, user):
    response = api.request("POST", "/eventmatch/", user, {"name": "n", "jsonpath": "$", "target_url": "http://127.0.0.1:9/"})
    assert response.status_code == 200
    api.made.append((response.json()["uuid"], user))
    assert api.request("GET", "/eventmatch/", user).json()[0]["uuid"] == response.json()["uuid"]


@pytest.mark.parametrize("change", [
    {"name": 1}, {"name": None}, {"jsonpath": 1}, {"jsonpath": None}, {"target_url": 1}, {"target_url": None},
    {"extensions": []}, {"extensions": None}, {"extensions": "x"}, {"version": 1}, {"error": 1}, {"disabled": True},
    {"auth": None}, {"auth": []}, {"auth": {}}, {"auth": {"type": "digest"}}, {"auth": {"type": 1}},
    {"auth": {"type": "basic", "basic": {"username": "u"}}},
    {"auth": {"type": "basic", "basic": {"username": "u", "password": 1}}},
    {"auth": {"type": "header", "header": {"type": "Bearer"}}},
    {"auth": {"type": "header", "header": {"credentials": "x"}}},
], ids=lambda change: json.dumps(change))
def test_create_refuses_wrong_types(api, user, change):
    body = {"name": "n", "jsonpath": "$", "target_url": "http://127.0.0.1:9/", **change}
    assert_error(api.post(user, body), 400)
    assert api.list(user).status_code == 403


@pytest.mark.parametrize("missing", ["name", "jsonpath", "target_url"])
def test_create_needs_name_jsonpath_and_target(api, user, missing):
    body = {"name": "n", "jsonpath": "$", "target_url": "http://127.0.0.1:9/"}
    del body[missing]
    assert_error(api.post(user, body), 400)
    assert api.list(user).status_code == 403


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b"1", b'"x"', b"{'a': 1}", b'{"name": "\xff"}'])
def test_create_refuses_what_is_not_a_json_object(api, user, raw):
    assert_error(api.request("POST", "/eventmatch", user, raw=raw), 400)


@pytest.mark.parametrize("expr", [
    "", "$.", "$..", "$[", "$[]", "$data", "@.data", "$.data[", "$.data[]", "$.data[?()]", "$.data[?(@.a = )]",
    "$.data[?(@.a = 1]", "$.data[?(@.a <> 1)]", "$.data.list[1:2:3:4]", "$.data.nosuchfunction(1)", '$["data]',
])
def test_create_refuses_a_malformed_expression(api, user, expr):
    assert_error(api.post(user, {"name": "n", "jsonpath": expr, "target_url": "http://127.0.0.1:9/"}), 400)
    assert api.list(user).status_code == 403


def test_uuid_in_capitals_is_the_same(api, user):
    made = api.create(user, "/x")
    response = api.get(user, made["uuid"].upper())
    assert response.status_code == 200 and response.json() == made


@pytest.mark.parametrize("ident", ["x" * 36, "1234", "-", "%00", "6cf47199-5abf-4ae3-a40d-9d6283d0ee2g"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_malformed_uuids_are_refused(api, user, method, ident):
    response = api.request(method, "/eventmatch/" + ident, user, {"name": "n"} if method == "PUT" else None)
    assert response.status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_path_that_leaves_the_collection_is_refused(api, user, method):
    # It leads above the root; below a mount point it is another path, which does not exist.
    status = 404 if urlsplit(BASE_URL).path else 400
    assert api.request(method, "/eventmatch/..%2f..%2fetc", user, {}).status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_foreign_and_absent_answers_are_alike(api, user, other, method):
    made = api.create(user, "/x")
    body = {"name": "n"} if method == "PUT" else None
    foreign, absent = (api.request(method, "/eventmatch/" + ident, other, body) for ident in (made["uuid"], ABSENT))
    assert_error(foreign, 403)
    assert_error(absent, 403)
    for part in ("status", "message"):
        assert foreign.json()[part] == absent.json()[part]


def test_users_differ_by_case(api, user):
    made = api.create(user, "/x")
    assert_error(api.get(user.upper(), made["uuid"]), 403)
    assert_error(api.list(user.upper()), 403)


@pytest.mark.parametrize("shape", ["%s b", "%s@example.com", "o'%s", "dom\\%s", "%s+x", "%s%%41", "%s.y-z_~"])
def test_unusual_users_reach_policy_whole(api, policy, target, key, shape):
    name = shape % ("q" + token())
    made = api.create(name, "/" + key, jsonpath=on(key))
    assert made["user"] == name
    api.send(event(key))
    assert target.wait("/" + key)
    asked = [call for call in policy.seen() if key in call.body.decode()]
    assert len(asked) == 1
    assert unquote(asked[0].path) == "/events/" + name and " " not in asked[0].raw


# ---------------------------------------------------------------- who sees what

def test_another_user_may_not_get(api, user, other):
    made = api.create(user, "/x")
    assert_error(api.get(other, made["uuid"]), 403)
    assert_error(api.get(None, made["uuid"]), 403)


def test_an_unknown_uuid_looks_like_a_foreign_one(api, user):
    response = api.get(user, ABSENT)
    assert_error(response, 403)
    assert response.json()["status"] == "403 Forbidden"


def test_list_holds_only_ones_own(api, user, other):
    mine = {api.create(user, "/x")["uuid"] for _ in range(3)}
    theirs = api.create(other, "/x")["uuid"]
    response = api.list(user)
    assert response.status_code == 200 and media_type(response) == "application/json"
    assert {item["uuid"] for item in response.json()} == mine
    assert [item["uuid"] for item in api.list(other).json()] == [theirs]


def test_list_items_are_whole_subscriptions(api, user):
    made = api.create(user, "/x", auth=BEARER, extensions={"k": "v"})
    assert api.list(user).json() == [made]


def test_list_of_a_user_without_any_is_forbidden(api, user):
    assert_error(api.list(user), 403)


def test_created_disabled_means_disabled(api, target, user, other, key):
    made = api.create(user, "/" + key, jsonpath=on(key), disabled="2020-01-01T00:00:00")
    assert made["disabled"].startswith("2020-01-01T00:00:00")
    probe = api.create(other, "/probe" + key, jsonpath=on(key))
    assert api.finished(api.send(event(key)), other) == ({probe["uuid"]: "delivered"}, 1)
    assert not target.seen("/" + key)


# ---------------------------------------------------------------- update

def test_put_changes_what_it_names(api, user):
    made = api.create(user, "/x")
    response = api.put(user, made["uuid"], {"target_url": "http://127.0.0.1:9/new"})
    assert response.status_code == 200 and media_type(response) == "application/json"
    now = response.json()
    assert now["target_url"] == "http://127.0.0.1:9/new"
    for same in ("uuid", "name", "jsonpath", "user", "created", "version", "disabled", "error", "deleted"):
        assert now[same] == made[same]
    assert now["updated"] > made["updated"]
    assert api.get(user, made["uuid"]).json() == now


def test_put_of_name_and_jsonpath(api, user):
    made = api.create(user, "/x")
    now = api.put(user, made["uuid"], {"name": "second", "jsonpath": "$.data.*"}).json()
    assert (now["name"], now["jsonpath"]) == ("second", "$.data.*")


def test_put_resets_extensions_and_auth_unless_named(api, user):
    made = api.create(user, "/x", auth=BASIC, extensions={"a": 1})
    now = api.put(user, made["uuid"], {"name": "second"}).json()
    assert now["extensions"] == {} and now["auth"] == {}


def test_put_sets_extensions_and_auth(api, user):
    made = api.create(user, "/x")
    now = api.put(user, made["uuid"], {"extensions": {"z": [1]}, "auth": BEARER}).json()
    assert now["extensions"] == {"z": [1]} and now["auth"] == BEARER


def test_put_of_nothing_only_touches_updated(api, user):
    made = api.create(user, "/x")
    now = api.put(user, made["uuid"], {}).json()
    assert {**now, "updated": ""} == {**made, "updated": ""}


def test_put_disables_and_enables(api, user):
    made = api.create(user, "/x")
    now = api.put(user, made["uuid"], {"disabled": "2020-01-01T00:00:00", "error": "by hand"}).json()
    assert now["disabled"].startswith("2020-01-01T00:00:00") and now["error"] == "by hand"
    now = api.put(user, made["uuid"], {"name": "still off"}).json()
    assert now["disabled"] and now["error"] == "by hand"
    now = api.put(user, made["uuid"], {"disabled": None, "error": None}).json()
    assert now["disabled"] is None and now["error"] is None


def test_put_by_another_user_changes_nothing(api, user, other):
    made = api.create(user, "/x")
    assert_error(api.put(other, made["uuid"], {"name": "theirs"}), 403)
    assert api.get(user, made["uuid"]).json() == made


@pytest.mark.parametrize("body", [
    {"name": 3}, {"target_url": None}, {"jsonpath": "$["}, {"auth": {"type": "digest"}}, {"extensions": []}, {"disabled": "soon"},
], ids=lambda body: json.dumps(body))
def test_a_refused_put_changes_nothing(api, user, body):
    made = api.create(user, "/x", auth=BASIC, extensions={"a": 1})
    assert_error(api.put(user, made["uuid"], body), 400)
    assert api.get(user, made["uuid"]).json() == made


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null"])
def test_put_refuses_what_is_not_a_json_object(api, user, raw):
    made = api.create(user, "/x")
    assert_error(api.request("PUT", "/eventmatch/" + made["uuid"], user, raw=raw), 400)
    assert api.get(user, made["uuid"]).json() == made


def test_put_cannot_give_a_subscription_away(api, user, other):
    made = api.create(user, "/x")
    api.put(user, made["uuid"], {"user": other})
    assert api.get(user, made["uuid"]).json()["user"] == user
    assert_error(api.get(other, made["uuid"]), 403)


# ---------------------------------------------------------------- delete

def test_delete_answers_200_without_a_body(api, user):
    made = api.create(user, "/x")
    response = api.delete(user, made["uuid"])
    assert response.status_code == 200 and response.content == b""


def test_what_is_deleted_is_gone(api, user):
    kept, made = api.create(user, "/x"), api.create(user, "/x")
    api.delete(user, made["uuid"])
    assert_error(api.get(user, made["uuid"]), 403)
    assert_error(api.put(user, made["uuid"], {"name": "back"}), 403)
    assert_error(api.delete(user, made["uuid"]), 403)
    assert [item["uuid"] for item in api.list(user).json()] == [kept["uuid"]]


def test_deleting_the_last_one_empties_the_list(api, user):
    made = api.create(user, "/x")
    api.delete(user, made["uuid"])
    assert_error(api.list(user), 403)


def test_another_user_may_not_delete(api, user, other):
    made = api.create(user, "/x")
    assert_error(api.delete(other, made["uuid"]), 403)
    assert api.get(user, made["uuid"]).json() == made


# ---------------------------------------------------------------- methods and paths

@pytest.mark.parametrize("method,path", [
    ("GET", "/receive"), ("PUT", "/receive"), ("DELETE", "/receive"), ("PATCH", "/eventmatch"), ("PATCH", "/eventmatch/" + ABSENT),
])
def test_other_methods_are_not_allowed(api, user, method, path):
    assert_error(api.request(method, path, user), 405)


@pytest.mark.parametrize("method,path", [("GET", "/nothing/here"), ("POST", "/nothing/here"), ("GET", "/")])
def test_other_paths_are_not_found(api, user, method, path):
    assert api.request(method, path, user).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_put_and_delete_need_a_uuid(api, user, method):
    assert_error(api.request(method, "/eventmatch", user, {}), 404)


def test_head_answers_as_get_without_a_body(api, user, other):
    made = api.create(user, "/x")
    response = api.request("HEAD", "/eventmatch/" + made["uuid"], user)
    assert response.status_code == 200 and response.content == b"" and media_type(response) == "application/json"
    assert api.request("HEAD", "/eventmatch/" + made["uuid"], other).status_code == 403


# ---------------------------------------------------------------- receive

def test_receive_answers_an_identifier(api, key):
    first, second = api.send(event(key)), api.send(event(key))
    assert first.status_code == second.status_code == 200
    ids = [UUID_TEXT.fullmatch(r.text.strip().strip('"')) for r in (first, second)]
    assert all(ids) and ids[0].group() != ids[1].group()


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json; charset=utf-8", "application/cloudevents+json; charset=utf-8", "text/plain", None,
])
def test_receive_takes_json_under_any_of_these_types(api, target, user, key, content_type):
    api.create(user, "/" + key, jsonpath=on(key))
    assert api.send(event(key), content_type).status_code == 200
    assert target.wait("/" + key)[0].json == event(key)


@pytest.mark.parametrize("raw", [b"", b"{", b"{bad", b'{"a": "\xff"}'])
def test_receive_refuses_what_is_not_json(api, raw):
    assert_error(api.send(None, raw=raw), 400)


# ---------------------------------------------------------------- delivery

def test_a_matching_event_is_posted_to_the_target(api, target, user, key):
    made = api.create(user, "/" + key + "?a=1&b=x%20y", jsonpath=on(key))
    sent = event(key)
    assert api.finished(api.send(sent), user) == ({made["uuid"]: "delivered"}, 1)
    calls = target.seen("/" + key)
    assert len(calls) == 1
    assert (calls[0].method, calls[0].query) == ("POST", "a=1&b=x%20y")
    assert (calls[0].header("Content-Type") or "").split(";")[0] == "application/json"
    assert calls[0].json == sent
    assert calls[0].header("Authorization") is None


def test_an_event_that_does_not_match_goes_nowhere(api, policy, target, user, other, key):
    api.create(user, "/no" + key, jsonpath="$.data.elsewhere")
    made = api.create(other, "/yes" + key, jsonpath=on(key))
    assert api.finished(api.send(event(key)), other) == ({made["uuid"]: "delivered"}, 1)
    assert not target.seen("/no" + key) and not policy.asked(user)


def test_policy_is_asked_about_the_owner_with_the_event(api, policy, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), extensions={"added": 1})
    sent = event(key, extensions={"kept": True})
    api.send(sent)
    delivered = target.wait("/" + key)[0]
    asked = policy.asked(user)
    assert len(asked) == 1
    assert (asked[0].method, asked[0].raw) == ("POST", "/events/" + user)
    assert asked[0].header("Content-Type").split(";")[0] == "application/json"
    assert asked[0].json == sent
    assert asked[0].at <= delivered.at


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_of_policy_allows(api, policy, target, user, key, status):
    policy.say(user, status, "no json here" if status == 200 else "")
    api.create(user, "/" + key, jsonpath=on(key))
    api.send(event(key))
    assert target.wait("/" + key)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412])
def test_a_client_error_of_policy_withholds_the_event(api, policy, target, user, other, key, status):
    policy.say(user, status, '{"message": "Precondition Failed"}')
    made = api.create(user, "/no" + key, jsonpath=on(key))
    allowed = api.create(other, "/yes" + key, jsonpath=on(key))
    sent = api.send(event(key))
    assert api.finished(sent, user) == ({made["uuid"]: "withheld"}, 2)
    assert api.finished(sent, other) == ({allowed["uuid"]: "delivered"}, 2)
    assert policy.asked(user) and not target.seen("/no" + key)
    now = api.get(user, made["uuid"]).json()
    assert now["disabled"] is None and now["error"] is None


def test_a_server_error_of_policy_disables(api, policy, target, user, key):
    policy.say(user, 500, "policy fell over é")
    made = api.create(user, "/" + key, jsonpath=on(key))
    api.send(event(key))
    now = api.wait_disabled(made)
    assert STAMP.match(now["disabled"]) and now["error"] == "policy fell over é"
    assert not target.seen("/" + key)


def test_extensions_of_the_subscription_win(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), extensions={"b": {"z": 9}, "new": True})
    api.send(event(key, extensions={"a": 1, "b": {"c": 2}}))
    assert target.wait("/" + key)[0].json["extensions"] == {"a": 1, "b": {"z": 9}, "new": True}


def test_extensions_are_added_to_an_event_without_any(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    sent = event(key)
    del sent["extensions"]
    api.send(sent)
    assert target.wait("/" + key)[0].json == {**sent, "extensions": {}}


def test_basic_credentials_are_sent(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), auth=BASIC)
    api.send(event(key))
    expected = "Basic " + base64.b64encode(b"aladdin:open sesame").decode()
    assert target.wait("/" + key)[0].header("Authorization") == expected


def test_header_credentials_are_sent(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), auth=BEARER)
    api.send(event(key))
    assert target.wait("/" + key)[0].header("Authorization") == "Bearer somerandomsharedsecret"


def test_any_header_scheme_may_be_named(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), auth={"type": "header", "header": {"type": "Token", "credentials": "a b=c"}})
    api.send(event(key))
    assert target.wait("/" + key)[0].header("Authorization") == "Token a b=c"


def test_credentials_do_not_reach_policy(api, policy, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key), auth=BEARER)
    api.send(event(key))
    assert target.wait("/" + key)
    assert policy.asked(user)[0].header("Authorization") is None


def test_each_subscriber_gets_the_event_by_their_own_policy(api, policy, target, key):
    users = ["m%d%s" % (i, token()) for i in range(4)]
    policy.say(users[1], 412)
    for number, name in enumerate(users):
        api.create(name, "/%s/%d" % (key, number), jsonpath=on(key), extensions={"n": number})
    sent = api.send(event(key))
    for number in (0, 2, 3):
        assert target.wait("/%s/%d" % (key, number))[0].json["extensions"] == {"n": number}
    assert list(api.finished(sent, users[1])[0].values()) == ["withheld"]
    assert all(policy.asked(name) for name in users) and not target.seen("/%s/1" % key)


def test_two_subscriptions_of_a_user_both_deliver(api, target, user, key):
    api.create(user, "/%s/a" % key, jsonpath=on(key))
    api.create(user, "/%s/b" % key, jsonpath="$..%s" % key)
    api.send(event(key))
    assert target.wait("/%s/a" % key) and target.wait("/%s/b" % key)


def test_the_same_event_sent_twice_is_delivered_twice(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    api.send(event(key, eventID="one"))
    api.send(event(key, eventID="two"))
    assert {call.json["eventID"] for call in target.wait("/" + key, 2)} == {"one", "two"}


def test_event_content_survives(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    sent = event(key, {"text": "パソコン資産 é \u0007 \\u00e9 \" /", "none": None, "t": True, "int": 9007199254740993,
                       "neg": -0.25, "small": 1e-7, "list": [[], {}, ""], "": {"": 0}}, custom={"deep": [{"er": 1}]})
    api.send(sent)
    assert target.wait("/" + key)[0].json == sent


def test_an_event_of_version_1_0_is_routed_too(api, target, user, key):
    api.create(user, "/" + key, jsonpath='$[?(@.type = "com.example.%s")]' % key)
    sent = {"specversion": "1.0", "type": "com.example." + key, "source": "/mycontext", "id": "A234", "subject": None,
            "time": "2018-04-05T17:31:00Z", "datacontenttype": "application/json", "data": {"a": 1}}
    api.send(sent, "application/cloudevents+json")
    got = dict(target.wait("/" + key)[0].json)
    assert got.pop("extensions", {}) == {}
    assert {k: v for k, v in got.items() if v is not None} == {k: v for k, v in sent.items() if v is not None}


@pytest.mark.parametrize("body", [[], [1], 1, 1.5, "x", None, True, {"extensions": 5}], ids=json.dumps)
def test_what_is_not_an_event_is_refused_and_harms_nothing(api, target, user, key, body):
    api.create(user, "/odd" + key, jsonpath="$")
    assert_error(api.send(body), 400)
    still_routes(api, target, key)


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"": ""}], ids=json.dumps)
def test_an_event_may_be_any_object(api, target, user, key, body):
    api.create(user, "/odd" + key, jsonpath="$")
    assert api.send(body).status_code == 200
    assert target.wait("/odd" + key)[0].json == {**body, "extensions": {}}
    still_routes(api, target, key)


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "18446744073709551616",
                                    "123456789012345678901234567890", "0.1", "1e21", "-0.0", "5e-324"])
def test_numbers_keep_their_value(api, target, user, key, number):
    api.create(user, "/" + key, jsonpath=on(key))
    text = json.dumps(event(key)).replace('"%s": 1' % key, '"%s": 1, "n": %s' % (key, number))
    api.send(None, raw=text.encode())
    got = target.wait("/" + key)[0].json["data"]["n"]
    assert got == json.loads(number)


def test_a_large_event_arrives_whole(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    rows = [{"destinationTable": "Files", "_id": n, "name": "file-%d" % n, "hashsum": "f1d2d2f9" * 5} for n in range(12000)]
    sent = event(key, {"rows": rows})
    assert api.send(sent).status_code == 200
    assert target.wait("/" + key, timeout=3 * PATIENCE)[0].json == sent


@pytest.fixture
def held(target):
    """Has the target answer requests for a path only when the test ends: held(path)."""
    released = threading.Event()

    def hold(path):
        target.rules[path] = lambda call: released.wait(PATIENCE) and (200, {}, "{}")

    yield hold
    released.set()


def test_receiving_does_not_wait_for_the_target(api, target, held, user, key):
    held("/" + key)
    made = api.create(user, "/" + key, jsonpath=on(key))
    sent = api.send(event(key))
    assert sent.status_code == 200 and target.wait("/" + key)
    # The target has still not answered.
    history = api.request("GET", "/events/" + sent.text, user).json()
    assert history["deliveries"] == [{"eventmatch": made["uuid"], "state": "pending", "attempts": []}]


def test_extensions_of_one_do_not_reach_another(api, target, user, key):
    api.create(user, "/%s/a" % key, jsonpath=on(key), extensions={"mine": 1})
    api.create(user, "/%s/b" % key, jsonpath=on(key))
    api.create(user, "/%s/c" % key, jsonpath=on(key), extensions={"ours": 2})
    api.send(event(key, extensions={"base": 0}))
    got = {name: target.wait("/%s/%s" % (key, name))[0].json["extensions"] for name in "abc"}
    assert got == {"a": {"base": 0, "mine": 1}, "b": {"base": 0}, "c": {"base": 0, "ours": 2}}


def test_one_event_to_forty_subscriptions(api, target, user, key):
    made = [api.create(user, "/%s/%d" % (key, number), jsonpath=on(key))["uuid"] for number in range(40)]
    states, matched = api.finished(api.send(event(key)), user, 3 * PATIENCE)
    assert matched == 40 and states == dict.fromkeys(made, "delivered")
    assert all(len(target.seen("/%s/%d" % (key, number))) == 1 for number in range(40))


def test_policy_is_asked_for_every_event(api, policy, target, user, other, key):
    made = api.create(user, "/" + key, jsonpath=on(key))
    api.create(other, "/probe" + key, jsonpath=on(key))
    api.send(event(key, eventID="1"))
    assert target.wait("/" + key) and target.wait("/probe" + key)
    policy.say(user, 412)
    assert api.finished(api.send(event(key, eventID="2")), user) == ({made["uuid"]: "withheld"}, 2)
    assert len(policy.asked(user)) == 2 and target.wait("/probe" + key, 2)
    assert len(target.seen("/" + key)) == 1
    policy.say(user, 200)
    api.send(event(key, eventID="3"))
    assert [call.json["eventID"] for call in target.wait("/" + key, 2)] == ["1", "3"]


# ---------------------------------------------------------------- failure, disabling, enabling

@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_of_the_target_changes_nothing(api, target, user, key, status):
    target.rules["/" + key] = (status, {}, "")
    made = api.create(user, "/" + key, jsonpath=on(key))
    assert api.finished(api.send(event(key)), user) == ({made["uuid"]: "delivered"}, 1)
    assert len(target.seen("/" + key)) == 1 and api.get(user, made["uuid"]).json() == made


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 500])
def test_an_error_of_the_target_disables_with_its_text(api, target, user, key, status):
    target.rules["/" + key] = (status, {}, '{"why": "no %d é"}' % status)
    made = api.create(user, "/" + key, jsonpath=on(key))
    api.send(event(key))
    now = api.wait_disabled(made)
    assert now["disabled"] and STAMP.match(now["disabled"])
    assert now["error"] == '{"why": "no %d é"}' % status
    assert now["deleted"] is None
    assert api.list(user).json()[0]["disabled"] == now["disabled"]


def test_a_refused_connection_disables(api, user, key):
    made = api.create(user, jsonpath=on(key), target_url="http://127.0.0.1:1/nobody/home")
    api.send(event(key))
    now = api.wait_disabled(made)
    assert now["disabled"] and now["error"]


def test_a_failing_target_harms_only_its_own_subscription(api, target, user, other, key):
    target.rules["/bad" + key] = (500, {}, "boom")
    bad = api.create(user, "/bad" + key, jsonpath=on(key))
    good = api.create(user, "/good" + key, jsonpath=on(key))
    third = api.create(other, "/third" + key, jsonpath=on(key))
    api.send(event(key))
    assert api.wait_disabled(bad)["disabled"]
    assert target.wait("/good" + key) and target.wait("/third" + key)
    assert api.get(user, good["uuid"]).json()["disabled"] is None
    assert api.get(other, third["uuid"]).json()["disabled"] is None


def test_a_disabled_subscription_rests_until_enabled(api, target, user, other, key):
    target.rules["/" + key] = (500, {}, "boom")
    made = api.create(user, "/" + key, jsonpath=on(key))
    probe = api.create(other, "/probe" + key, jsonpath=on(key))
    api.send(event(key, eventID="one"))
    assert api.wait_disabled(made)["disabled"]
    del target.rules["/" + key]
    before = len(target.seen("/" + key))
    assert api.finished(api.send(event(key, eventID="two")), other) == ({probe["uuid"]: "delivered"}, 1)
    assert len(target.seen("/" + key)) == before
    api.put(user, made["uuid"], {"disabled": None, "error": None})
    api.send(event(key, eventID="three"))
    assert target.wait("/" + key, before + 1)[-1].json["eventID"] == "three"
    assert api.get(user, made["uuid"]).json()["disabled"] is None


def test_disabling_by_hand_stops_delivery(api, target, user, other, key):
    made = api.create(user, "/" + key, jsonpath=on(key))
    probe = api.create(other, "/probe" + key, jsonpath=on(key))
    api.put(user, made["uuid"], {"disabled": "2020-01-01T00:00:00"})
    assert api.finished(api.send(event(key)), other) == ({probe["uuid"]: "delivered"}, 1)
    assert not target.seen("/" + key)


def test_a_deleted_subscription_gets_nothing(api, target, user, other, key):
    made = api.create(user, "/" + key, jsonpath=on(key))
    probe = api.create(other, "/probe" + key, jsonpath=on(key))
    api.delete(user, made["uuid"])
    assert api.finished(api.send(event(key)), other) == ({probe["uuid"]: "delivered"}, 1)
    assert not target.seen("/" + key)


def test_updates_apply_to_the_next_event(api, target, user, key):
    made = api.create(user, "/old" + key, jsonpath="$.data.elsewhere")
    api.put(user, made["uuid"], {"jsonpath": on(key), "target_url": target.url("/new" + key), "auth": BEARER, "extensions": {"e": 1}})
    api.send(event(key))
    call = target.wait("/new" + key)[0]
    assert call.header("Authorization") == "Bearer somerandomsharedsecret"
    assert call.json["extensions"] == {"e": 1}
    assert not target.seen("/old" + key)


def test_twenty_events_all_arrive_once(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    for number in range(20):
        api.send(event(key, eventID=str(number)))
    calls = target.wait("/" + key, 20, 3 * PATIENCE)
    assert sorted(int(call.json["eventID"]) for call in calls) == list(range(20))


def test_an_expression_that_cannot_be_evaluated_hurts_nobody_else(api, target, user, key):
    for number in range(3):
        api.create("s%d%s" % (number, key), "/%s/%d" % (key, number),
                   jsonpath="$.data.list[::0]" if number == 1 else on(key))
    api.send(event(key, {"list": [1, 2, 3]}))
    assert target.wait("/%s/0" % key) and target.wait("/%s/2" % key)


def test_a_slow_target_does_not_hold_up_another(api, target, held, key):
    held("/slow" + key)
    api.create("a" + key, "/slow" + key, jsonpath=on(key))
    made = api.create("b" + key, "/fast" + key, jsonpath=on(key))
    sent = api.send(event(key))
    assert target.wait("/slow" + key)
    # The slow target has still not answered.
    assert api.finished(sent, "b" + key) == ({made["uuid"]: "delivered"}, 2)


def test_a_batch_is_taken_as_its_events(api, target, user, key):
    api.create(user, "/" + key, jsonpath=on(key))
    batch = [{"specversion": "1.0", "type": "t", "source": "/s", "id": str(n), "data": {key: n}} for n in range(3)]
    response = api.send(batch, "application/cloudevents-batch+json")
    assert response.status_code == 200
    assert {call.json["id"] for call in target.wait("/" + key, 3)} == {"0", "1", "2"}


@pytest.mark.parametrize("url", ["", "not a url", "ftp://127.0.0.1/x", "file:///etc/passwd", "http:///x",
                                 "http://127.0.0.1:99999/x", "http://[::1/x"])
def test_an_invalid_target_is_refused(api, user, key, url):
    assert_error(api.post(user, {"name": "n", "jsonpath": on(key), "target_url": url}), 400)


@pytest.mark.parametrize("url", ["http://nosuch.invalid/x", "https://127.0.0.1:1/x"])
def test_an_unreachable_target_disables(api, user, key, url):
    made = api.create(user, jsonpath=on(key), target_url=url)
    api.send(event(key))
    assert api.wait_disabled(made)["error"]


def test_a_target_that_hangs_up_disables(api, target, user, key):
    target.rules["/" + key] = lambda call: None
    made = api.create(user, "/" + key, jsonpath=on(key))
    api.send(event(key))
    now = api.wait_disabled(made)
    assert now["disabled"] and now["error"]


def test_a_fragment_is_not_sent(api, target, user, key):
    api.create(user, "/" + key + "?a=b#frag", jsonpath=on(key))
    api.send(event(key))
    assert target.wait("/" + key)[0].raw == "/" + key + "?a=b"


# ---------------------------------------------------------------- the expression language of subscriptions

DATA = {
    "num": 10, "neg": -3, "flt": 2.5, "yes": True, "no": False, "nul": None, "str": "Hello", "empty": "",
    "list": [1, 2, 3, 4], "tags": ["red", "green"], "obj": {"x": {"y": "deep"}},
    "objs": [{"k": "a", "v": 1}, {"k": "b", "v": 2, "extra": None}, {"k": "c", "mimetype": "text/plain"}],
}
MATCHING = [
    "$", "$.data", '$["data"]', "$.data.num", '$.data["str"]', "$.data.nul", "$.data.no", "$.data.empty",
    "$.data.list[0]", "$.data.list[-1]", "$.data.list[1:3]", "$.data.list[::2]", "$.data.list[-2:]", "$.data.list[7,1]",
    "$.data.*", "$.data.list[*]", '$.data["num","missing"]', "$..y", "$..list[3]", "$.data..y", "$.*.num",
    '$[?(@.eventType = "org.pacifica.metadata.ingest")]',
    '$.data.objs[*][?(@.k = "b")]', "$.data.objs[*][?(@.v > 1)]", "$.data.objs[*][?(@.v < 2)]", "$.data.objs[*][?(@.v <= 1)]",
    "$.data.objs[*][?(@.v >= 2)].k", '$.data.objs[*][?(@.k != "a")]', "$.data.objs[*][?(@.extra)]",
    '$.data.objs[*][?(@.k = "b" and @.v = 2)]', '$.data.objs[*][?(@.k = "z" or @.v = 2)]', "$[?(not @.data.missing)]",
    "$[?(not (@.data.missing or @.data.absent))]", "$.data[?(@.num = 10)].str", "$[?(@.data.num = 10.0)]",
    "$[?(@.data.flt = 2.5)]", "$[?(@.data.neg < 0)]", "$[?(@.data.yes = true)]", "$[?(@.data.nul = null)]",
    "$[?(@.data.list.length() = 4)]", "$.data.str[length()]", "$.data.objs.*[?(@.mimetype = \"text/plain\")].k",
    '$[?(@["eventID"] and (@["eventType"] = "org.pacifica.metadata.ingest"))]["data"]["objs"][*]'
    '[?((@["k"] = "c") and (@["mimetype"] = "text/plain"))]["k"]',
]
NOT_MATCHING = [
    "$.nothing", "$.data.missing", "$.data.list[9]", "$.data.list[-9]", "$.data.list[9:12]", "$.data.str[0]", "$.data.num.*",
    '$.data.list["0"]', "$..zzz", '$[?(@.eventType = "other")]', '$.data.objs[*][?(@.k = "z")]', "$.data.objs[*][?(@.v >= 3)]",
    '$.data.objs[*][?(@.k = "b" and @.v = 1)]', "$.data.objs[*][?(@.none)]", "$[?(not @.data.num)]",
    '$.data.objs[?(@.k = "a")]', "$.data[?(@.num > 10)].str", '$[?(@.data.str > "A")]', "$[?(@.data.num = \"10\")]",
    "$[?(@.data.str.length() > 9)]", "$[?(@.data.missing = null)]",
]
STANDARD = [
    ("$['data']['num']", True), ("$.data['num']", True), ("$['data']['missing']", False),
    ("$.data.objs[?@.k == 'b']", True), ("$.data.objs[?@.k == 'z']", False), ("$.data.objs[?@['v'] >= 2]", True),
    ("$.data.objs[?@.k == 'b' && @.v == 2]", True), ("$.data.objs[?@.k == 'b' && @.v == 1]", False),
    ("$.data.objs[?@.k == 'z' || @.v == 2]", True), ("$.data.objs[?!@.extra && !@.v]", True),
    ("$.data[?length(@) == 5]", True), ("$.data[?count(@.*) > 9]", False), ("$.data.tags[?match(@, 'r.d')]", True),
    ("$.data.tags[?match(@, 'r')]", False), ("$.data.tags[?search(@, 'ee')]", True), ("$.data.objs[?value(@.k) == 'c']", True),
    ("$.data.tags[?@ < 'h']", True), ("$.data.tags[?@ > 'z']", False), ("$.data.objs[?@.missing == @.absent]", True),
    ("$..[?@.y == 'deep']", True), ("$.data.list[?@ == $.data.list[2]]", True), ("$['data']['list'][::-1]", True),
]
FINE_DATA = {
    "t": True, "f": False, "one": 1, "zero": 0, "s": "Hello", "e": "", "n": None, "and": 1, "list": [1, 2, 3, {"x": True, "y": "s"}],
    "o": {"k": "one", "i": 2, "keys": ["s", "e"]}, "é": 1, "nested": [[1, [2, [3]]]], "idx": [0, 3], "b": [{"c": [{"d": 5}]}], "pairs": {"list": "no", "length": 7},
}
FINE = [
    ("$[?(@.data.none and @.data.t or @.data.s)]", False), ("$[?((@.data.s) or (@.data.none and @.data.absent))]", True),
    ("$[?(not @.data.one = 2)]", True), ("$[?(not not @.data.one)]", True), ("$[?(@.data.t = 1)]", True),
    ("$[?(@.data.e = false)]", False), ("$[?(@.data.one = 1.0)]", True), ("$[?(@.data.none != 1)]", False),
    ("$[?(not @.data.none = 1)]", True), ("$[?(@.data.n != 1)]", True), ("$[?(@.data.list[*] = 3)]", True),
    ("$[?(@.data.list[*] > 3)]", False), ("$[?(@..d = 5)]", True), ('$[?(@.data.s < "Z")]', False),
    ("$[?(-1 < @.data.zero)]", True), ("$[?(@.data.idx = [0, 3])]", True), ("$[?(1)]", True), ("$[?(0)]", False),
    ("$[?(1 = 2)].data.s", False), ("$[?(@.data.f)]", True), ("$[?(@.data.n)]", True), ("$[?(@)]", True),
    ("$.data.list[?(@.x)]", False), ("$.data.list[*][?(@.x)]", True), ("$..[?(@.x)].y", True),
    ("$.data[?(@.s)][?(@.one = 1)].zero", True), ("$.data.list.length()", True), ("$.data.o.length()", False),
    ('$[?(@.data.s[charAt(0)] = "H")]', True), ("$.data.s[charAt(99)]", False), ('$[?(@.data.s[substring(1,3)] = "el")]', True),
    ('$.data.o.keys()[*][?(@ = "i")]', True), ("$.data.o.values()[*][?(@ = 2)]", True),
    ('$[?(@.data.o.entries()[0] = ["k", "one"])]', True), ("$.data.list[$.data.one]", True), ("$.data[$.data.o.k]", True),
    ("  $ . data . s  ", True), ('$.data["and"]', True), ('$.data["é"]', True), ("$..[1][1][0]", True),
    ("$.data.list[2:1]", False), ("$.data.list[-9:2]", True), ("$.data.list[:1,2:]", True), ("$.data.s[0:2]", False),
]
_outcome = {}


def outcome(name, expressions, data=DATA):
    """Which of the expressions are refused, and which let one and the same event through."""
    if name not in _outcome:
        target, key = target_endpoint(), token()
        policy_endpoint()
        client, codes = Client(target), []
        try:
            for number, expr in enumerate(expressions):
                codes.append(client.post("x" + key, {"name": "n", "jsonpath": expr, "target_url": target.url("/%s/%d" % (key, number))}).status_code)
            last = client.create("x" + key, "/%s/last" % key, jsonpath="$.data")["uuid"]
            states, _ = client.finished(client.send(event("k" + key, data)), "x" + key, 4 * PATIENCE)
            assert states[last] == "delivered"
            _outcome[name] = {expr: (codes[number], bool(target.seen("/%s/%d" % (key, number))))
                              for number, expr in enumerate(expressions)}
        finally:
            client.clean()
    return _outcome[name]


@pytest.mark.parametrize("expr", MATCHING)
def test_expression_matches(expr):
    assert outcome("legacy", MATCHING + NOT_MATCHING)[expr] == (200, True)


@pytest.mark.parametrize("expr", NOT_MATCHING)
def test_expression_does_not_match(expr):
    assert outcome("legacy", MATCHING + NOT_MATCHING)[expr] == (200, False)


@pytest.mark.parametrize("expr,matches", FINE)
def test_expression_in_finer_points(expr, matches):
    assert outcome("fine", [case[0] for case in FINE], FINE_DATA)[expr] == (200, matches)


@pytest.mark.parametrize("expr,matches", STANDARD)
def test_standard_expression(expr, matches):
    assert outcome("standard", [case[0] for case in STANDARD])[expr] == (200, matches)


# ---------------------------------------------------------------- the RFC 9535 compliance cases, through routing

def compliance_suite(name):
    with open(os.path.join(ROOT, "Tests", "JSONPathTests", "ComplianceSuite", name), encoding="utf-8") as file:
        return json.load(file)


def rooted(selector):
    """The selector with every root identifier outside string literals moved below $['data']."""
    out, quote, skip = [], None, False
    for char in selector:
        out.append("$['data']" if char == "$" and quote is None else char)
        if skip:
            skip = False
        elif quote:
            skip = char == "\\"
            quote = None if char == quote else quote
        elif char in "'\"":
            quote = char
    return "".join(out)


def test_compliance_cases_through_routing():
    target, user = target_endpoint(), "c" + token()
    policy_endpoint()
    client, wrong, groups = Client(target), [], {}
    cases = compliance_suite("cts.json")["tests"]
    overlap = compliance_suite("legacy_overlap.json")
    spared = set(overlap["legacy_meaning"]) | set(overlap["legacy_accepts"])
    try:
        for case in cases:
            if case["name"] in spared:
                continue
            if case.get("invalid_selector"):
                body = {"name": "n", "jsonpath": rooted(case["selector"]), "target_url": "http://127.0.0.1:9/"}
                if client.post(user, body).status_code < 400:
                    wrong.append("accepted: " + case["name"])
            else:
                groups.setdefault(json.dumps(case["document"], sort_keys=True), []).append(case)
        client.clean()
        for text, members in groups.items():
            key, due = token(), []
            for number, case in enumerate(members):
                path = "/%s/%d" % (key, number)
                code = client.post(user, {"name": "n", "jsonpath": rooted(case["selector"]), "target_url": target.url(path)}).status_code
                if code != 200:
                    wrong.append("refused: " + case["name"])
                elif any(case.get("results", [case.get("result")])):
                    due.append((path, case["name"]))
            last = client.create(user, "/%s/last" % key, jsonpath="$.eventID")["uuid"]
            states, _ = client.finished(client.send({**event(key), "data": json.loads(text)}), user)
            assert states[last] == "delivered"
            reached = {call.path for call in target.seen()}
            paths = {path for path, _ in due}
            wrong += ["not matched: " + name for path, name in due if path not in reached]
            wrong += ["matched: " + case["name"] for number, case in enumerate(members)
                      if "/%s/%d" % (key, number) in reached - paths]
            client.clean()
    finally:
        client.clean()
    assert not wrong, "%d of %d: %s" % (len(wrong), len(cases), wrong[:40])
