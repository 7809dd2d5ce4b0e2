#!/usr/bin/env python3
"""Verifies signatures of webhooks with the PyPI packages that receivers use. Each input line is an order in JSON:

  {"with": name, "secret": text, "headers": {name: value, ...}, "body": Base64, "url": text}

The answer is {"valid": true}, or {"valid": false, "error": text}.
"""

import base64
import json
import sys
import urllib.parse

import gidgethub.sansio
import slack_sdk.signature
import standardwebhooks
import stripe
import svix
import twilio.request_validator


class Fields(dict):
    """The fields of a form, as web frameworks give them to a validator."""

    def getlist(self, name):
        return self[name]


def header(order, name):
    return next(value for key, value in order["headers"].items() if key.lower() == name.lower())


def verify_github(order, body):
    gidgethub.sansio.validate_event(body, signature=header(order, "X-Hub-Signature-256"), secret=order["secret"])


def verify_stripe(order, body):
    signature = header(order, "Stripe-Signature")
    if b'"object"' in body:
        assert stripe.Webhook.construct_event(body, signature, order["secret"]).id == "evt_1"
    else:
        assert stripe.WebhookSignature.verify_header(body, signature, order["secret"], 300)


def verify_slack(order, body):
    assert slack_sdk.signature.SignatureVerifier(order["secret"]).is_valid_request(body, order["headers"])


def verify_standard_webhooks(order, body):
    standardwebhooks.Webhook(order["secret"]).verify(body, order["headers"], json_parse=False)


def verify_svix(order, body):
    svix.Webhook(order["secret"]).verify(body, order["headers"])


def verify_twilio(order, body):
    validator = twilio.request_validator.RequestValidator(order["secret"])
    if "form" in header(order, "Content-Type"):
        body = Fields(urllib.parse.parse_qs(body.decode(), keep_blank_values=True))
    else:
        body = body.decode()
    settings = order["headers"].get("X-Twilio-Webhooks-Signature-Settings")
    algorithm = twilio.request_validator.get_signature_algorithm(settings)
    assert validator.validate(order["url"], body, header(order, "X-Twilio-Signature"), algorithm)


def answer(order):
    try:
        globals()["verify_" + order["with"].replace("-", "_")](order, base64.b64decode(order["body"]))
        return {"valid": True}
    except Exception as error:  # Each library has its own.
        return {"valid": False, "error": repr(error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
