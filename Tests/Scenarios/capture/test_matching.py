"""Looks for the first notification that a JSONPath query selects."""

import json
import urllib.parse

import pytest


def match(expression, **parameters):
    return "?" + urllib.parse.urlencode({"match": expression, **parameters})


def numbers(answer):
    assert answer.status == 200, answer.text
    return [n["id"] for n in answer.json()["notifications"]]


def test_a_look_returns_the_first_notification_that_matches(shared, endpoint):
    for number in range(1, 41):
        shared.hook(endpoint, json.dumps({"order": number, "paid": number % 10 == 0}))
    assert numbers(shared.look(endpoint, match("$.json[?@ == true]"))) == [10]
    assert numbers(shared.look(endpoint, match("$[?@.order == 33]"))) == [33]
    assert numbers(shared.look(endpoint, match("$.json[?@ == true]", after=10))) == [20]
    assert numbers(shared.look(endpoint, match("$.json[?@ == true]", after=40))) == []
    assert numbers(shared.look(endpoint, match("$[?@.order == 41]"))) == []
    assert len(shared.collect(endpoint)) == 40


@pytest.mark.parametrize(
    "expression",
    [
        "$[?@.method == 'x']", "$.json.id", "$.form", "$.query.missing", "$.headers['x-other']", "$.nothing",
        "$[?@ == '/webhook']",
    ])
def test_a_request_without_what_is_asked_for_does_not_match(shared, endpoint, expression):
    shared.hook(endpoint, "text")
    assert numbers(shared.look(endpoint, match(expression))) == []


@pytest.mark.parametrize(
    "expression",
    [
        "$[?@ == 'POST']", "$.query[?@ == 'a b']", "$.headers[?@ == 'one']", "$.form[?@ == 'cafe']", "$.url", "$.path",
        "$[?search(@, 'from=')]",
    ])
def test_all_parts_of_a_request_can_be_asked_for(shared, endpoint, expression):
    shared.hook(
        endpoint, "drink=cafe", {"X-Kind": "one", "Content-Type": "application/x-www-form-urlencoded"}, "?from=a+b")
    assert numbers(shared.look(endpoint, match(expression))) == [1]


def test_a_wait_goes_on_until_a_notification_matches(shared, endpoint):
    waiting = shared.begin_look(endpoint, match("$.json.done", wait=30))
    for number in range(5):
        shared.hook(endpoint, json.dumps({"step": number}))
    assert not waiting.is_answered
    shared.hook(endpoint, '{"done": null}')
    assert numbers(waiting.answer()) == [6]


def test_a_wait_for_a_match_ends_when_its_time_is_over(shared, endpoint):
    shared.hook(endpoint, "{}")
    assert numbers(shared.look(endpoint, match("$.json.done", wait=0.3))) == []


def test_long_bodies_are_tried_up_to_a_mebibyte(serve):
    service = serve(MAX_BODY_BYTES="4m")
    endpoint = service.create()
    long = json.dumps({"id": 7, "text": "x" * 900_000})
    for body in ("{}", long, json.dumps({"text": "x" * 1_500_000, "id": 8}), long, '{"id": 9}'):
        assert service.hook(endpoint, body).status == 200
    assert numbers(service.look(endpoint, match("$[?@.id == 7]"))) == [2]
    assert numbers(service.look(endpoint, match("$[?@.id == 7]", after=2))) == [4]
    assert numbers(service.look(endpoint, match("$[?@.id == 8]"))) == []
    assert numbers(service.look(endpoint, match("$[?@.id == 9]"))) == [5]
    found = service.look(endpoint, match("$[?@.id == 7]")).json()["notifications"]
    assert found[0]["body"] == long


@pytest.mark.parametrize("expression", ["", "json", "$[", "$.json[?", pytest.param("$" + ".x" * 2048, id="4097 bytes")])
def test_an_expression_that_is_not_valid_is_400(shared, endpoint, expression):
    answer = shared.look(endpoint, match(expression))
    assert answer.status == 400 and '"match"' in answer.text


def test_refused_requests_cannot_be_matched(shared, endpoint):
    assert shared.look(endpoint, match("$.json", refused="")).status == 400


def test_an_unknown_endpoint_is_404(shared):
    assert shared.look("x" * 32, match("$.json", wait=5)).status == 404


def test_a_wait_for_a_match_ends_with_404_when_the_endpoint_is_deleted(shared, endpoint):
    waiting = shared.begin_look(endpoint, match("$.json", wait=30))
    shared.call("DELETE", "/manage/endpoint/" + endpoint)
    assert waiting.answer().status == 404
