#!/usr/bin/env python3
"""Uses Postroom with the client that openapi-python-client has made from its description.

generated_client.py PART reads what it needs as JSON from standard input, and prints what it got as JSON. The package
`postroom_client` must be found by Python.
"""

import base64
import datetime
import io
import json
import sys
import time
import uuid

from postroom_client import AuthenticatedClient, Client, models
from postroom_client.api.capture import (
    acknowledge_notifications, collect_notifications, configure_endpoint, create_endpoint, delete_endpoint,
    list_notifications, send_to_endpoint, send_to_subpath,
)  # fmt: skip
from postroom_client.api.events import (
    change_subscription, create_subscription, delete_subscription, get_event, get_subscription, list_deliveries,
    list_subscriptions, post_event, post_events, replay_events,
)  # fmt: skip
from postroom_client.api.operations import check_health, check_liveness, get_description, get_metrics, get_version
from postroom_client.api.queues import (
    acknowledge_messages, get_time, list_queues, listen, read_messages, send_message, unlisten,
)  # fmt: skip
from postroom_client.api.webhooks import (
    change_webhook, create_webhook, get_environment_settings, get_statistics, list_event_types, list_log_entries,
    list_webhooks, publish_event, retry_delivery,
)  # fmt: skip
from postroom_client.types import File


def until(condition):
    deadline = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.05)
    return found


def binary(content):
    return File(payload=io.BytesIO(content))


def capture(client, given):
    endpoint = create_endpoint.sync(client=client)
    assert isinstance(endpoint, models.CreatedEndpoint)
    name = endpoint.endpoint_id
    assert endpoint.fully_qualified_endpoint.endswith("/webhook/" + name)
    assert configure_endpoint.sync_detailed(
        name, client=client, body=models.Configuration(enabled=True, subpaths=True)).status_code == 204
    assert send_to_endpoint.sync_detailed(name, client=client, body=binary(b"hello")).status_code == 200
    assert send_to_subpath.sync_detailed(name, "orders", client=client, body=binary(b"\xff")).status_code == 200
    first, second = list_notifications.sync(name, client=client, wait=10.0).notifications
    assert (first.id, first.method, first.body, first.path) == (1, "POST", "hello", "")
    assert first.headers[0].name == "Host" and abs((now() - first.received_at).total_seconds()) < 60
    assert (second.path, base64.b64decode(second.body_base_64)) == ("/orders", b"\xff")
    assert [n.id for n in list_notifications.sync(name, client=client, before=2).notifications] == [1]
    assert acknowledge_notifications.sync_detailed(name, client=client, through=1).status_code == 204
    assert [n.id for n in collect_notifications.sync(name, client=client).notifications] == [2]
    assert collect_notifications.sync(name, client=client).notifications == []
    assert delete_endpoint.sync_detailed(name, client=client).status_code == 204
    # An error is a line of text.
    refused = collect_notifications.sync_detailed(name, client=client)
    assert refused.status_code == 404 and name in refused.parsed
    return {}


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def queues(client, given):
    login = AuthenticatedClient(
        base_url=given["url"], token=base64.b64encode(given["login"].encode()).decode(), prefix="Basic",
        raise_on_unexpected_status=True)  # fmt: skip
    assert listen.sync_detailed("billing", "orders", client=login).status_code == 200
    assert send_message.sync_detailed("orders", client=client, body=binary(b"hello")).status_code == 200
    ack = models.ReadMessagesAck.MANUAL
    for _ in range(2):
        found = read_messages.sync("billing", client=login, ack=ack, wait=10.0)
        assert [(message.id, message.message) for message in found.messages] == [(1, "hello")]
    assert acknowledge_messages.sync_detailed("billing", 1, client=login).status_code == 200
    assert read_messages.sync("billing", client=login, ack=ack).messages == []
    overview = list_queues.sync(client=login)
    assert (overview.queues[0].name, overview.queues[0].depth) == ("orders", 1)
    assert (overview.clients[0].name, overview.clients[0].lag, overview.next_) == ("billing", 0, None)
    assert overview.time == get_time.sync(client=client)
    assert unlisten.sync_detailed("billing", client=login).status_code == 200
    refused = read_messages.sync_detailed("billing", client=login)
    assert refused.status_code == 404 and isinstance(refused.parsed, models.QueueError)
    assert list_queues.sync_detailed(client=client).status_code == 401
    return {}


def webhooks(client, given):
    environment = uuid.uuid4()
    key = get_environment_settings.sync(environment, client=client).public_verification_key
    assert key.algorithm == models.VerificationKeyAlgorithm.ED25519 and key.next_ is None
    wanted = models.WebhookInput(
        name="builds", url=given["target"], events=[models.EventName.JOB_COMPLETED], secret=True,
        retry_policy=models.RetryPolicyName.STANDARD)  # fmt: skip
    webhook = create_webhook.sync(environment, client=client, body=wanted)
    assert isinstance(webhook, models.Webhook) and webhook.environment_id == environment
    assert [one.webhook_id for one in list_webhooks.sync(environment, client=client)] == [webhook.webhook_id]
    change = models.WebhookChange(retry_policy=[5, "1m30s"], description="Tells the build server.")
    changed = change_webhook.sync(webhook.webhook_id, client=client, body=change)
    assert (changed.retry_policy, changed.name) == (["5s", "1m30s"], "builds")
    event = models.EventInput(event=models.EventName.JOB_COMPLETED, event_id="job-17", data={"job": 17})
    accepted = publish_event.sync(environment, client=client, body=event)
    assert (accepted.event_id, accepted.deliveries, accepted.duplicate) == ("job-17", 1, False)
    cloud = models.PublishedCloudEvent(
        specversion=models.PublishedCloudEventSpecversion.VALUE_0, id="job-18", source="/builds",
        type_=models.EventName.JOB_COMPLETED, data={"job": 18})  # fmt: skip
    assert publish_event.sync(environment, client=client, body=cloud).deliveries == 1
    until(lambda: get_statistics.sync(webhook.webhook_id, client=client).delivered == 2)
    entry = list_log_entries.sync(webhook.webhook_id, client=client, limit=1)[0]
    assert (entry.status_code, entry.error_kind, entry.final) == (200, None, True)
    redelivery = retry_delivery.sync(webhook.webhook_id, entry.log_id, client=client)
    assert isinstance(redelivery.delivery_id, uuid.UUID)
    assert len(list_event_types.sync(client=client)) == 8
    wrong = models.WebhookInput(name="x", url="http://10.0.0.1/", events=[models.EventName.JOB_CREATED])
    refused = create_webhook.sync_detailed(environment, client=client, body=wrong)
    assert refused.status_code == 400 and refused.parsed.error_code == 1004
    return {"secret": webhook.secret, "key": key.key, "environment": str(environment)}


def events(client, given):
    wanted = models.SubscriptionInput(
        name="ingests", jsonpath="$.data.size", target_url=given["target"], format_=models.Format.CLOUDEVENTS,
        auth=models.SubscriptionAuth(
            type_=models.SubscriptionAuthType.HEADER, header=models.HeaderAuth(type_="Bearer", credentials="6f2c")),
    )  # fmt: skip
    made = create_subscription.sync(client=client, body=wanted)
    assert isinstance(made, models.Subscription) and made.disabled is None
    assert [one.uuid for one in list_subscriptions.sync(client=client)] == [made.uuid]

    def cloud(name):
        return models.CloudEvent(
            specversion=models.CloudEventSpecversion.VALUE_0, id=name, source="/files", type_="files.ingest",
            time=now(), data={"size": 4096})  # fmt: skip

    structured = post_event.sync(client=client, body=cloud("structured"))
    data = models.PlainEvent.from_dict({"size": 4096})
    in_headers = post_event.sync(
        client=client, body=data, ce_specversion=models.PostEventCeSpecversion.VALUE_0, ce_id="binary",
        ce_source="/files", ce_type="files.ingest")  # fmt: skip
    former = models.PlainEvent.from_dict({"cloudEventsVersion": "0.1", "eventID": "former", "data": {"size": 1}})
    plain = post_event.sync(client=client, body=former)
    batch = post_events.sync(client=client, body=[cloud("first"), cloud("second")]).split("\n")
    assert len(batch) == 2
    for name in (structured, in_headers, plain, *batch):
        history = until(lambda name=name: delivered(client, name))
        assert history.deliveries[0].eventmatch == made.uuid and history.matched == 1
    attempts = list_deliveries.sync(made.uuid, client=client)
    assert len(attempts) == 5 and {attempt.target_status_code for attempt in attempts} == {200}
    change = models.SubscriptionChange(disabled=None, error=None, name="renamed")
    assert change_subscription.sync(made.uuid, client=client, body=change).name == "renamed"
    assert get_subscription.sync(made.uuid, client=client).auth.to_dict() == {}
    replay = replay_events.sync(made.uuid, client=client, body=models.ReplayInput(since="2020-01-01"))
    assert (replay.since, replay.all_) == ("2020-01-01T00:00:00", False)
    assert delete_subscription.sync_detailed(made.uuid, client=client).status_code == 200
    refused = list_subscriptions.sync_detailed(client=client)
    assert refused.status_code == 403 and isinstance(refused.parsed, models.EventError)
    return {}


def delivered(client, name):
    history = get_event.sync(uuid.UUID(name), client=client)
    done = history.deliveries and history.deliveries[0].state == models.EventDeliveryState.DELIVERED
    return history if done else None


def operations(client, given):
    assert check_health.sync(client=client) == "ok\n"
    assert get_description.sync(client=client).info.to_dict()["title"] == "Postroom"
    operators = Client(base_url=given["operations"], raise_on_unexpected_status=True)
    assert check_liveness.sync(client=operators) == "ok\n"
    assert get_version.sync(client=operators).env == "development"
    assert "postroom_capture_endpoints" in get_metrics.sync(client=operators)
    return {}


def main():
    given = json.load(sys.stdin)
    client = Client(base_url=given["url"], raise_on_unexpected_status=True)
    parts = {part.__name__: part for part in (capture, queues, webhooks, events, operations)}
    print(json.dumps(parts[sys.argv[1]](client, given)))


main()
