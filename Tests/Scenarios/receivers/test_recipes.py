"""Handshakes of providers, each with the request that the provider's documentation shows."""

import base64
import hashlib
import hmac
import json
from types import SimpleNamespace

import pytest

SECRET = "6e2d5a8b"


def mac(text, secret=SECRET):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def handshake(name, method="POST", headers=None, body="", suffix="", parameters=None, **answer):
    """A request, and what the provider requires of the answer: `text`, `json` or `header`, and `type`."""
    if body and not isinstance(body, str):
        body = json.dumps(body)
    return pytest.param(
        SimpleNamespace(
            name=name, method=method, headers=headers or {}, body=body, suffix=suffix,
            recipe={"name": name, **(parameters or {})}, answer=answer),
        id=name)


SLACK = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
EVENT_GRID = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
ZOOM = "qgg8vlvZRS6UYooatFL8Aw"
X = "9b4507b3-9040-4669-9ca3-6b94edb50553"
ASANA = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"
XERO = '{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "S0m3r4Nd0mt3xt"}'
XERO_HEADERS = {"X-Xero-Signature": base64.b64encode(mac(XERO)).decode(), "Content-Type": "application/json"}
JSON = {"Content-Type": "application/json"}

HANDSHAKES = [
    # https://api.slack.com/events/url_verification
    handshake(
        "slack", headers=JSON,
        body={"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": SLACK, "type": "url_verification"},
        text=SLACK, type="text/plain"),
    # https://developers.facebook.com/docs/graph-api/webhooks/getting-started
    handshake(
        "meta", "GET", suffix="?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock",
        parameters={"verify_token": "meatyhamhock"}, text="1158201444"),
    # https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
    handshake(
        "microsoft-graph", headers={"Content-Type": "text/plain; charset=utf-8"},
        suffix="?validationToken=Validation%3A%20Testing%20client%20application%20reachability%20for%20subscription%20"
        "Request-Id%3A%20522a8e7e-096a-494c-aaf1-ac0dcfca45b7",
        text="Validation: Testing client application reachability for subscription "
        "Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7", type="text/plain"),
    # https://dev.twitch.tv/docs/eventsub/handling-webhook-events
    handshake(
        "twitch",
        headers={
            **JSON, "Twitch-Eventsub-Message-Id": "e76c6bd4-55c9-4987-8304-da1588d8988b",
            "Twitch-Eventsub-Message-Retry": "0", "Twitch-Eventsub-Message-Type": "webhook_callback_verification",
            "Twitch-Eventsub-Message-Signature":
                "sha256=f56bf6ce06a1adf46fa27831d7d15d012cf4ec9b51e6c19f0d4b6bfa4d8e1c79",
            "Twitch-Eventsub-Message-Timestamp": "2019-11-16T10:11:12.634234626Z",
            "Twitch-Eventsub-Subscription-Type": "channel.follow", "Twitch-Eventsub-Subscription-Version": "1"},
        body={
            "challenge": "pogchamp-kappa-360noscope-vohiyo",
            "subscription": {
                "id": "f1c2a387-161a-49f9-a165-0f21d7a4e1c4", "status": "webhook_callback_verification_pending",
                "type": "channel.follow", "version": "1", "cost": 1, "condition": {"broadcaster_user_id": "12826"},
                "transport": {"method": "webhook", "callback": "https://example.com/webhooks/callback"},
                "created_at": "2019-11-16T10:11:12.634234626Z"}},
        text="pogchamp-kappa-360noscope-vohiyo", type="text/plain"),
    # https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
    handshake(
        "event-grid", headers={**JSON, "aeg-event-type": "SubscriptionValidation"},
        body=[{
            "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
            "topic": "/subscriptions/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "subject": "",
            "data": {
                "validationCode": EVENT_GRID,
                "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/myeventsub/validate?id="},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": "2022-10-28T04:23:35.1981776Z", "metadataVersion": "1", "dataVersion": "1"}],
        json={"validationResponse": EVENT_GRID}),
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
    handshake(
        "cloudevents", "OPTIONS",
        headers={"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"},
        header={"webhook-allowed-origin": "eventemitter.example.com", "webhook-allowed-rate": "*"}),
    # https://developers.zoom.us/docs/api/webhooks/
    handshake(
        "zoom", headers=JSON,
        body={"payload": {"plainToken": ZOOM}, "event_ts": 1654503849680, "event": "endpoint.url_validation"},
        parameters={"secret": SECRET}, json={"plainToken": ZOOM, "encryptedToken": mac(ZOOM).hex()}),
    # https://developer.x.com/en/docs/x-api/enterprise/account-activity-api/guides/securing-webhooks
    handshake(
        "x", "GET", suffix="?crc_token=%s&nonce=MTU5ODk0" % X, parameters={"secret": SECRET},
        json={"response_token": "sha256=" + base64.b64encode(mac(X)).decode()}),
    # https://developers.asana.com/docs/webhooks-guide
    handshake(
        "asana", headers={**JSON, "X-Hook-Secret": ASANA}, body="{}", parameters={"armed": True},
        header={"x-hook-secret": ASANA}),
    # https://smartsheet.redoc.ly/tag/webhooksDescription
    handshake(
        "smartsheet", headers={**JSON, "Smartsheet-Hook-Challenge": "94a6c0fa-ac47-4ec0-b3e4-5c9b0ad8b7ef"},
        body={"challenge": "94a6c0fa-ac47-4ec0-b3e4-5c9b0ad8b7ef", "webhookId": 4503604829677444},
        header={"smartsheet-hook-response": "94a6c0fa-ac47-4ec0-b3e4-5c9b0ad8b7ef"}),
    # https://developer.okta.com/docs/concepts/event-hooks/
    handshake(
        "okta", "GET", headers={"X-Okta-Verification-Challenge": "my verification challenge"},
        json={"verification": "my verification challenge"}),
    # https://www.dropbox.com/developers/reference/webhooks
    handshake(
        "dropbox", "GET", suffix="?challenge=abc123", text="abc123", type="text/plain",
        header={"x-content-type-options": "nosniff"}),
    # https://developer.nylas.com/docs/v3/notifications/
    handshake("nylas", "GET", suffix="?challenge=bc609b38-c81f-47fb-a275-1d9bd61be968",
              text="bc609b38-c81f-47fb-a275-1d9bd61be968"),
    # https://developer.adobe.com/events/docs/guides/
    handshake("adobe", "GET", suffix="?challenge=8ec8d794-e0ab-42df-9017-e3dada8e84f7",
              text="8ec8d794-e0ab-42df-9017-e3dada8e84f7"),
    # https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
    handshake("trello", "HEAD", text=""),
    # https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/
    handshake("xero", headers=XERO_HEADERS, body=XERO, parameters={"secret": SECRET}, text=""),
]


def configured(service, endpoint, *recipes):
    answer = service.configure(endpoint, enabled=True, recipes=recipes)
    assert answer.status == 204, answer.text


def send(service, endpoint, sent):
    return service.call(
        sent.method, "/webhook/" + endpoint + sent.suffix, sent.body.encode() or None, sent.headers)


def check(answer, expected):
    assert answer.status == 200, (answer.status, answer.text)
    if "text" in expected:
        assert answer.text == expected["text"]
    if "json" in expected:
        assert answer.json() == expected["json"]
        assert answer.headers["content-type"].startswith("application/json")
    if "type" in expected:
        assert answer.headers["content-type"].partition(";")[0] == expected["type"]
    for name, value in expected.get("header", {}).items():
        assert answer.headers[name] == value


@pytest.mark.parametrize("sent", HANDSHAKES)
def test_the_documented_request_gets_the_answer_that_the_provider_expects(shared, endpoint, sent):
    configured(shared, endpoint, sent.recipe)
    check(send(shared, endpoint, sent), sent.answer)
    (found,) = shared.collect(endpoint)
    assert (found["answeredBy"], found["status"], found["body"]) == ("recipe:" + sent.name, 200, sent.body)
    # A recipe answers nothing but its handshake.
    answer = shared.hook(endpoint, '{"type": "event"}', {"Content-Type": "application/json"})
    assert (answer.status, answer.body) == (200, b"")
    assert [n["answeredBy"] for n in shared.collect(endpoint)] == [None]


def test_recipes_of_one_endpoint_do_not_take_each_others_handshakes(shared, endpoint):
    handshakes = [parameter.values[0] for parameter in HANDSHAKES]
    configured(shared, endpoint, *[sent.recipe for sent in handshakes])
    for sent in handshakes:
        check(send(shared, endpoint, sent), sent.answer)
    # Dropbox, Nylas and Adobe send the same: the first of them answers.
    expected = ["dropbox" if sent.name in ("nylas", "adobe") else sent.name for sent in handshakes]
    assert [n["answeredBy"] for n in shared.collect(endpoint)] == ["recipe:" + name for name in expected]


@pytest.mark.parametrize(
    "signature", ["", "AAAA", base64.b64encode(mac(XERO, "other")).decode(), base64.b64encode(mac(XERO + " ")).decode()])
def test_xero_gets_an_empty_401_for_a_wrong_signature(shared, endpoint, signature):
    configured(shared, endpoint, {"name": "xero", "secret": SECRET})
    answer = shared.hook(endpoint, XERO, {"X-Xero-Signature": signature})
    assert (answer.status, answer.body) == (401, b"")


def test_meta_gets_an_empty_403_for_a_wrong_token_and_a_right_one_is_compared_decoded(shared, endpoint):
    configured(shared, endpoint, {"name": "meta", "verify_token": "meaty ham&hock"})
    query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    answer = shared.call("GET", "/webhook/" + endpoint + query + "meatyhamhock")
    assert (answer.status, answer.body) == (403, b"")
    answer = shared.call("GET", "/webhook/" + endpoint + query + "meaty+ham%26hock")
    assert (answer.status, answer.text) == (200, "1158201444")


def test_smartsheet_and_zoom_are_answered_again_and_again(shared, endpoint):
    handshakes = [p.values[0] for p in HANDSHAKES if p.values[0].name in ("smartsheet", "zoom")]
    configured(shared, endpoint, *[sent.recipe for sent in handshakes])
    for _ in range(3):
        for sent in handshakes:
            check(send(shared, endpoint, sent), sent.answer)
