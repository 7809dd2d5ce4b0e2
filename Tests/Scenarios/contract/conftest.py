"""Runs the black-box suites of the original APIs against a service; POSTROOM_CONTRACT says how it is set up."""

import os
import random
import shutil
import tempfile

from certificates import certificate
from harness import Service, free_port
from webhook_service import WebhookService

LIMITS = dict(
    MAX_ACTIVE_ENDPOINTS=4,
    MAX_ENDPOINT_NOTIFICATIONS=3,
    MAX_IDLE_DURATION_SECONDS=2,
    MAX_DURATION_SECONDS=5,
    CLEANUP_FREQUENCY_SECONDS=0.25,
)


def routing_settings():
    """The settings for a service that asks the policy service of the suite, and soon disables a target that fails."""
    port = free_port()
    os.environ["POLICY_PORT"] = str(port)
    return dict(
        USER_SOURCE="header",
        POLICY_URL="http://127.0.0.1:%d" % port,
        EVENTS_RETRY_SCHEDULE="200ms",
        MAX_EVENT_BYTES="32m",
    )


def pytest_configure(config):
    kind = os.environ.get("POSTROOM_CONTRACT", "root")
    config.directory = tempfile.TemporaryDirectory()
    settings, scheme = {"RESPONDERS": 3}, "http"
    if kind in ("mount", "queue-mount", "routing-mount"):
        settings["MOUNT_POINT"] = "/deep/mount/"
    elif kind == "limits":
        settings.update(LIMITS)
    elif kind == "tls":
        cert, key = certificate(config.directory.name)
        settings.update(TLS_CERTIFICATE=cert, TLS_CERTIFICATE_KEY=key)
        os.environ.update(REQUESTS_CA_BUNDLE=cert, SSL_CERT_FILE=cert)
        scheme = "https"
    if kind.startswith("queue"):
        path = os.path.join(config.directory.name, "options.conf")
        shutil.copy(os.path.join(os.path.dirname(__file__), "queue_options.json"), path)
        settings["QUEUE_CONFIG"] = path
        os.environ["CONFIG_PATH"] = path
    if kind.startswith("routing"):
        settings.update(routing_settings())
    service = WebhookService if kind.startswith("routing") else Service
    config.service = service(config.directory.name, **settings).start()
    # A second worker; the service has one of its own.
    config.worker = config.service.beside("work") if kind == "routing" else None
    os.environ["BASE_URL"] = "%s://127.0.0.1:%d%s" % (scheme, config.service.port, config.service.mount)
    os.environ["PUBLIC_URL"] = "%s://localhost:%d%s" % (scheme, config.service.port, config.service.mount)


def pytest_unconfigure(config):
    if getattr(config, "worker", None):
        config.worker.terminate()
        config.worker.wait(30)
    if hasattr(config, "service"):
        config.service.stop()
        config.directory.cleanup()


def pytest_collection_modifyitems(items):
    """Shuffles the cases of the queue suite: its queues keep what earlier cases left, and none may depend on that."""
    if os.environ.get("POSTROOM_CONTRACT", "").startswith("queue"):
        seed = os.environ.get("POSTROOM_ORDER", str(random.randrange(10**6)))
        print("order of the cases: POSTROOM_ORDER=%s" % seed)
        random.Random(seed).shuffle(items)
