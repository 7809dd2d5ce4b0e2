"""Messages of Amazon SNS, and what stands for its host: a receiver on an address of this machine, at port 443.

The host's name leads there by the resolver of tests, and its certificate is trusted by the service, which sees another file
in place of the machine's certificates."""

import json
import subprocess
import sys

from certificates import EC
from disks import needs_root
from harness import PROGRAM
from webhook_service import LOOPBACK, Receiver, WebhookService

__all__ = ["HOST", "SNS", "SNSService", "asking", "needs_root", "subscribe_url"]

HOST = "sns.eu-west-1.amazonaws.com"
ADDRESS = "127.0.88.1"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def subscribe_url(token, host=HOST, action="ConfirmSubscription"):
    return "https://%s/?Action=%s&TopicArn=%s&Token=%s" % (host, action, TOPIC, token)


def asking(token, url=None):
    """The message that asks to confirm a subscription."""
    return json.dumps(
        {"Type": "SubscriptionConfirmation", "MessageId": "165545c9", "Token": token, "TopicArn": TOPIC,
         "SubscribeURL": url or subscribe_url(token), "Timestamp": "2026-11-26T20:45:04.751Z"})


def certificate(directory):
    pair = str(directory / "sns.pem")
    command = ["openssl", "req", "-x509", *EC, "-days", "2", "-subj", "/CN=sns", "-addext", "subjectAltName=DNS:" + HOST]
    subprocess.run([*command, "-keyout", pair, "-out", pair], check=True, capture_output=True)
    return pair


class SNS(Receiver):
    """Answers in place of Amazon SNS."""

    def __init__(self, directory, resolver, **rule):
        directory.mkdir()
        self.certificate = certificate(directory)
        super().__init__(
            directory, {"/": rule}, "--host", ADDRESS, "--port", "443", "--tls-cert", self.certificate,
            python=sys.executable)
        resolver.lead(HOST, ADDRESS)

    def tokens(self):
        """The tokens of the calls so far, in their order."""
        return [call["query"].rpartition("Token=")[2] for call in self.arrivals()]


class SNSService(WebhookService):
    """Trusts the certificate of an `SNS`, and may call it."""

    def __init__(self, directory, resolver, sns, **settings):
        super().__init__(directory, **{"DELIVERY_ALLOW_SUBNETS": LOOPBACK, **resolver.settings, **settings})
        script = 'mount --bind "$0" %s && exec "$@"' % AUTHORITIES
        self.command = ["unshare", "--mount", "sh", "-c", script, sns.certificate, PROGRAM, "serve"]
