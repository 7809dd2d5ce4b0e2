"""A full store: acknowledged events are delivered, and deletions make room."""

import os
import time

from harness import wait_for
from webhook_service import new_environment


def processor_seconds(pid):
    """The processor time that a process has used."""
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_store_full_of_deliveries_delivers_all_acknowledged_events_and_can_be_emptied(serve_webhooks, receive):
    receiver = receive({"/fails": {"status": 500, "body": "y" * 20000}})
    service = serve_webhooks(MAX_STORE_BYTES="24m", WEBHOOKS_MAX_RETRIES=2, WEBHOOKS_RETRY_INTERVAL="100ms")
    environment = new_environment()
    webhooks = [service.add(environment, receiver.url(path)) for path in ("/fails", "/takes")]
    path = "/environments/%s/events" % environment
    event = {"event": "pipeline-created", "data": "x" * 30000}
    sent, refused = 0, 0
    while refused < 300:
        answer = service.api("POST", path, event)
        assert answer.status in (202, 503), answer.text
        sent, refused = sent + (answer.status == 202), refused + (answer.status == 503)
    assert sent > 100

    service.settle(*webhooks)
    assert service.statistics(webhooks[0])["given_up"] == sent
    assert service.statistics(webhooks[1])["delivered"] == sent
    # The worker is idle: it does not try again and again to make room.
    worker = service.workers()[0]
    before = processor_seconds(worker)
    time.sleep(1)
    assert processor_seconds(worker) - before < 0.2

    for webhook in webhooks:
        assert service.call("DELETE", "/webhooks/" + webhook["webhook_id"]).status == 204
    wait_for(lambda: service.api("POST", path, event).status == 202, 30)
    assert service.stop() == 0
    service.check()
