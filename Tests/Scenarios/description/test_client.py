"""A client that a generator makes from the description does the work of all APIs."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess

import libraries
import pytest
from description import Description
from harness import ROOT, free_port
from queue_service import QueueService, configuration, password
from webhook_service import LOOPBACK, header_of

PROGRAM = os.path.join(ROOT, "Tests", "Support", "generated_client.py")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = QueueService(
        tmp_path_factory.mktemp("service"), configuration(["orders"]), RESPONDERS=2, DELIVERY_ALLOW_SUBNETS=LOOPBACK,
        MOUNT_POINT="/hub", OPS_SERVER_PORT=free_port(),
    ).start()  # fmt: skip
    yield service
    service.stop()


@pytest.fixture(scope="module")
def package(service, tmp_path_factory):
    """A directory with the package postroom_client, made from the description that the service serves."""
    libraries.need("openapi_python_client")
    directory = tmp_path_factory.mktemp("client")
    done = subprocess.run(
        [os.path.join(libraries.BIN, "openapi-python-client"), "generate", "--meta", "none"]
        + ["--url", "http://127.0.0.1:%d/hub/openapi.json" % service.port]
        + ["--output-path", str(directory / "postroom_client"), "--fail-on-warning"],
        # It formats what it writes with ruff.
        env={**os.environ, "PATH": libraries.BIN + ":" + os.environ["PATH"]}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search("warning|error", done.stdout + done.stderr, re.IGNORECASE), done.stdout + done.stderr
    return directory


def run(package, service, part, **given):
    given = {"url": "http://127.0.0.1:%d/hub" % service.port, **given}
    done = subprocess.run(
        [libraries.PYTHON, PROGRAM, part], input=json.dumps(given), capture_output=True, text=True,
        env={"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_client_has_each_operation_once(package):
    def snake(name):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()

    operations = list(Description().operations())
    expected = {(operation.members["tags"][0].lower(), snake(operation.id) + ".py") for operation in operations}
    found = {
        (tag, name)
        for tag in os.listdir(package / "postroom_client" / "api")
        if os.path.isdir(package / "postroom_client" / "api" / tag)
        for name in os.listdir(package / "postroom_client" / "api" / tag)
        if name.endswith(".py") and name != "__init__.py"
    }
    assert found == expected and len(expected) == len(operations)


def test_the_client_creates_an_endpoint_sends_to_it_and_collects(package, service):
    run(package, service, "capture")


def test_the_client_listens_to_a_queue_sends_reads_and_acknowledges(package, service):
    run(package, service, "queues", login="alice:" + password("alice"))


def test_the_client_creates_a_webhook_and_its_receiver_gets_the_event(package, service, receive):
    receiver = receive()
    made = run(package, service, "webhooks", target=receiver.url("/hook"))
    arrivals = receiver.wait(3, "/hook")
    # In any order, and the last one of them once more.
    assert {header_of(arrival, "webhook-id") for arrival in arrivals} == {"job-17", "job-18"}
    for arrival in arrivals:
        body = json.loads(arrival["body"])
        job = int(header_of(arrival, "webhook-id").removeprefix("job-"))
        assert (body["environment_id"], body["data"]) == (made["environment"], {"job": job})
        signed = [header_of(arrival, name) for name in ("webhook-id", "webhook-timestamp")] + [arrival["body"]]
        secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
        signature = base64.b64encode(hmac.new(secret, ".".join(signed).encode(), hashlib.sha256).digest()).decode()
        assert "v1," + signature in header_of(arrival, "webhook-signature").split()


def test_the_client_subscribes_and_its_target_gets_each_kind_of_event(package, service, receive):
    receiver = receive()
    run(package, service, "events", target=receiver.url("/target"))
    arrivals = receiver.wait(5, "/target")[:5]
    assert {header_of(arrival, "authorization") for arrival in arrivals} == {"Bearer 6f2c"}
    types = {header_of(arrival, "content-type").partition(";")[0] for arrival in arrivals}
    assert types == {"application/cloudevents+json"}
    bodies = [json.loads(arrival["body"]) for arrival in arrivals]
    assert {body["id"] for body in bodies} == {"structured", "binary", "former", "first", "second"}
    assert all(body["specversion"] == "1.0" for body in bodies)


def test_the_client_checks_the_health_and_reads_the_version(package, service):
    run(package, service, "operations", operations="http://127.0.0.1:%s" % service.settings["OPS_SERVER_PORT"])
