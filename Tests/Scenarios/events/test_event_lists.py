"""Lists of subscriptions and of deliveries, a page at a time and whole, and subscriptions that a PUT deletes."""

import json
import uuid

import pytest
from event_service import error, event, on, token


def listed(router, user, query=""):
    answer = router.ask("GET", "/eventmatch" + query, user=user)
    assert answer.status == 200, (answer.status, answer.text)
    return [subscription["uuid"] for subscription in answer.json()]


def test_subscriptions_are_listed_in_pages(router, receiver):
    user = token("u")
    made = [router.subscribe(user, receiver.url("/"), on(token()))["uuid"] for _ in range(5)]
    router.subscribe(token("u"), receiver.url("/"), on(token()))
    assert listed(router, user) == made
    pages, query = [], "?limit=2"
    while page := listed(router, user, query):
        pages.append(page)
        query = "?limit=2&after=" + page[-1]
    assert pages == [made[:2], made[2:4], made[4:]]
    made.append(router.subscribe(user, receiver.url("/"), on(token()))["uuid"])
    assert listed(router, user, query) == made[5:]
    assert listed(router, user, "?after=" + made[3]) == made[4:]
    assert listed(router, user, "?limit=1000&after=" + made[0].replace("-", "").upper()) == made[1:]


def test_a_page_that_cannot_be_is_refused(router, receiver):
    user = token("u")
    router.subscribe(user, receiver.url("/"), on(token()))
    for query in ("?limit=0", "?limit=1001", "?limit=x", "?limit=-1", "?after=x", "?after="):
        error(router.ask("GET", "/eventmatch" + query, user=user), 400)
    error(router.ask("GET", "/eventmatch?limit=2", user=token("u")), 403)


def test_a_page_after_a_subscription_that_is_gone_is_not_found(router, receiver):
    user, other = token("u"), token("u")
    made = [router.subscribe(user, receiver.url("/"), on(token()))["uuid"] for _ in range(2)]
    theirs = router.subscribe(other, receiver.url("/"), on(token()))["uuid"]
    router.ask("DELETE", "/eventmatch/" + made[0], user=user)
    for after in (made[0], theirs, str(uuid.uuid4())):
        error(router.ask("GET", "/eventmatch?after=" + after, user=user), 404)
    assert listed(router, user, "?after=" + made[1]) == []


@pytest.mark.parametrize("time", ["1990-01-01", "2999-12-31T00:00:00"])
def test_a_time_in_deleted_deletes(router, receiver, time):
    user, key = token("u"), token()
    made = router.subscribe(user, receiver.url("/"), on(key))
    path = "/eventmatch/" + made["uuid"]
    # All that is wrong with it changes nothing.
    error(router.ask("PUT", path, {"deleted": time, "jsonpath": "$["}, user), 400)
    error(router.ask("PUT", path, {"deleted": time}, token("u")), 403)
    assert listed(router, user) == [made["uuid"]]
    assert router.change(made, deleted=None)["deleted"] is None
    error(router.ask("PUT", path, {"deleted": time}, user), 403)
    error(router.ask("GET", path, user=user), 403)
    error(router.ask("GET", "/eventmatch", user=user), 403)
    assert router.states(router.send(event(key)), user) == {}


def test_a_long_list_of_deliveries_has_all_that_its_pages_have(router, receive):
    user, key = token("u"), token()
    receiver = receive({"*": {"status": 200, "body": "long " * 2000}})
    made = router.subscribe(user, receiver.url("/"), on(key))
    sent = [router.send(event(key, number)) for number in range(12)]
    for one in sent:
        router.settle(one, made, "delivered")
    whole = router.lines(made)
    assert len(whole) == 12 and len(json.dumps(whole)) > 64_000, whole[0]
    pages, before = [], ""
    while page := router.lines(made, "?limit=1" + before):
        pages += page
        before = "&before=%d" % page[-1]["id"]
    assert whole == pages
