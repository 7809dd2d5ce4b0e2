"""Subscriptions of Amazon SNS that endpoints confirm."""

import json
import os
import signal

import pytest
from exports import made_anew
from harness import wait_for
from sns import HOST, SNS, SNSService, asking, needs_root, subscribe_url
from webhook_service import LOOPBACK

# Nothing listens here.
CLOSED = "127.0.88.2"


@pytest.fixture
def amazon(tmp_path, resolver):
    """Starts what stands for Amazon SNS: amazon(status=503)."""
    started = []

    def start(**rule):
        started.append(SNS(tmp_path / "sns", resolver, **rule))
        return started[0]

    yield start
    for sns in started:
        sns.stop()


@pytest.fixture
def confirming(tmp_path, resolver):
    """Starts a service that trusts `amazon`."""
    started = []

    def start(sns, **settings):
        started.append(SNSService(tmp_path / "service", resolver, sns, **settings).start())
        return started[0]

    yield start
    for service in started:
        service.stop()


def subscribed(service):
    endpoint = service.create()
    answer = service.configure(endpoint, enabled=True, recipes=[{"name": "sns"}])
    assert answer.status == 204, answer.text
    return endpoint


def ask(service, endpoint, token, url=None):
    answer = service.hook(endpoint, asking(token, url), {"Content-Type": "text/plain; charset=UTF-8"})
    assert (answer.status, answer.body) == (200, b"")


def confirmations(service, endpoint):
    answer = service.look(endpoint)
    assert answer.status == 200, answer.text
    return [n["confirmation"] for n in answer.json()["notifications"]]


def states(service, endpoint):
    return [found["state"] for found in confirmations(service, endpoint)]


# ---------------------------------------------------------------- Amazon answers


@needs_root
def test_a_subscription_is_confirmed_with_one_call(amazon, confirming):
    sns = amazon()
    service = confirming(sns)
    endpoint = subscribed(service)
    for _ in range(3):
        ask(service, endpoint, "one")
    wait_for(lambda: states(service, endpoint) == ["confirmed"] * 3)
    ask(service, endpoint, "one")
    ask(service, endpoint, "two")
    wait_for(lambda: states(service, endpoint) == ["confirmed"] * 5)
    assert sns.tokens() == ["one", "two"]
    call = sns.arrivals()[0]
    assert (call["method"], call["path"], call["len"]) == ("GET", "/", 0)
    assert ["Host", HOST] in call["headers"] and call["query"] == subscribe_url("one").partition("?")[2]
    (found,) = [n for n in service.look(endpoint).json()["notifications"] if n["id"] == 5]
    assert found["answeredBy"] == "recipe:sns" and found["status"] == 200
    confirmation = found["confirmation"]
    assert (confirmation["status"], confirmation["error"]) == (200, None) and confirmation["at"] > found["receivedAt"]
    assert "confirmed a subscription of Amazon SNS" in service.log()
    service.check()


@needs_root
def test_the_documented_message_is_confirmed(amazon, confirming):
    """https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html, in another region."""
    sns = amazon()
    service = confirming(sns)
    endpoint = subscribed(service)
    topic = "arn:aws:sns:eu-west-1:123456789012:MyTopic"
    message = {
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37",
        "TopicArn": topic,
        "Message": "You have chosen to subscribe to the topic %s.\nTo confirm the subscription, visit the SubscribeURL "
        "included in this message." % topic,
        "SubscribeURL": "https://%s/?Action=ConfirmSubscription&TopicArn=%s&Token=2336412f37" % (HOST, topic),
        "Timestamp": "2012-04-26T20:45:04.751Z", "SignatureVersion": "1",
        "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7fUQvi2egU3N858fiTDN6bkkOxYDVrY0Ad8L10"
        "Hs3zH81mtnPk5uvvolIC1CXGu43obcgFxeL3khZl8IKvO61GWB6jI9b5+gLPoBc1Q=",
        "SigningCertURL": "https://%s/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem" % HOST,
    }
    headers = {
        "x-amz-sns-message-type": "SubscriptionConfirmation", "x-amz-sns-message-id": message["MessageId"],
        "x-amz-sns-topic-arn": topic, "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    assert service.hook(endpoint, json.dumps(message, indent=2), headers).status == 200
    wait_for(lambda: states(service, endpoint) == ["confirmed"])
    assert sns.tokens() == ["2336412f37"]
    (found,) = service.collect(endpoint)
    assert found["answeredBy"] == "recipe:sns"


@needs_root
def test_a_confirmation_survives_a_crash_before_its_call(amazon, confirming):
    sns = amazon()
    service = confirming(sns)
    endpoint = subscribed(service)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    ask(service, endpoint, "one")
    assert states(service, endpoint) == ["pending"]
    service.kill_all()
    assert sns.tokens() == []
    service.start()
    wait_for(lambda: states(service, endpoint) == ["confirmed"])
    assert sns.tokens() == ["one"]
    service.check()


@needs_root
def test_a_call_that_fails_is_made_again(amazon, confirming):
    sns = amazon(status=[503, 429, 200])
    service = confirming(sns)
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    wait_for(lambda: confirmations(service, endpoint)[0]["status"] == 503)
    assert states(service, endpoint) == ["pending"]
    # Asking again does not hasten the next call.
    ask(service, endpoint, "one")
    wait_for(lambda: states(service, endpoint) == ["confirmed"] * 2, 40)
    assert sns.tokens() == ["one"] * 3
    times = [call["m"] for call in sns.arrivals()]
    assert times[1] - times[0] > 1.9 and times[2] - times[1] > 14.9


@needs_root
@pytest.mark.parametrize("status", [302, 400, 403])
def test_a_call_that_is_refused_is_not_made_again_unless_asked_for(amazon, confirming, status):
    sns = amazon(status=[status, 200], headers={"Location": "https://127.0.0.1/"})
    service = confirming(sns)
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    wait_for(lambda: states(service, endpoint) == ["failed"])
    (found,) = confirmations(service, endpoint)
    assert found["status"] == status and str(status) in found["error"]
    assert "gave up confirming a subscription of Amazon SNS" in service.log()
    ask(service, endpoint, "one")
    wait_for(lambda: states(service, endpoint) == ["confirmed"] * 2)
    assert sns.tokens() == ["one"] * 2


@needs_root
def test_a_host_that_leads_to_this_machine_is_not_called(amazon, confirming):
    sns = amazon()
    service = confirming(sns, DELIVERY_ALLOW_SUBNETS="")
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    wait_for(lambda: confirmations(service, endpoint)[0]["error"])
    (found,) = confirmations(service, endpoint)
    assert "may not be called" in found["error"] and (found["state"], found["status"]) == ("pending", None)
    assert sns.tokens() == []


@needs_root
def test_calls_are_not_made_faster_than_two_a_second(amazon, confirming):
    sns = amazon()
    service = confirming(sns)
    endpoints = [subscribed(service) for _ in range(3)]
    for endpoint in endpoints:
        for number in range(2):
            ask(service, endpoint, "%s%d" % (endpoint, number))
    sns.wait(6)
    times = [call["m"] for call in sns.arrivals()]
    assert times[-1] - times[0] > 2.4, times


# ---------------------------------------------------------------- Amazon does not answer


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&Token=1", "http://169.254.169.254/latest/meta-data",
        subscribe_url("1", action="Unsubscribe"), subscribe_url("1") + "&Action=Unsubscribe",
        subscribe_url("1", host="sns.eu-west-1.amazonaws.com.evil.example"), subscribe_url("1").replace("https", "http"),
        subscribe_url("1", host=HOST + ":8443"), subscribe_url("1", host="s3.eu-west-1.amazonaws.com"),
    ])
def test_nothing_but_a_confirmation_is_called(shared, endpoint, url):
    assert shared.configure(endpoint, enabled=True, recipes=[{"name": "sns"}]).status == 204
    ask(shared, endpoint, "1", url)
    (found,) = confirmations(shared, endpoint)
    assert found["state"] == "failed" and found["status"] is None and "SubscribeURL" in found["error"]


def test_other_messages_have_no_confirmation(shared, endpoint):
    assert shared.configure(endpoint, enabled=True, recipes=[{"name": "sns"}]).status == 204
    assert shared.hook(endpoint, '{"Type": "Notification", "Message": "hello"}').status == 200
    (found,) = shared.collect(endpoint)
    assert found["answeredBy"] is None and "confirmation" not in found


def test_a_confirmation_is_given_up_after_six_calls(serve, resolver, clock):
    resolver.lead(HOST, CLOSED)
    libraries = "%s %s" % (resolver.settings["LD_PRELOAD"], clock.settings["LD_PRELOAD"])
    service = serve(DELIVERY_ALLOW_SUBNETS=LOOPBACK, **{**resolver.settings, **clock.settings, "LD_PRELOAD": libraries})
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    for number in range(1, 6):
        wait_for(lambda number=number: service.log().count("trying again") == number)
        assert states(service, endpoint) == ["pending"]
        clock.advance(1900)
    wait_for(lambda: states(service, endpoint) == ["failed"])
    (found,) = confirmations(service, endpoint)
    assert found["status"] is None and found["error"]
    assert service.log().count("gave up confirming a subscription of Amazon SNS") == 1
    service.check()


@pytest.fixture
def unanswered(serve, resolver):
    resolver.lead(HOST, CLOSED)
    return serve(DELIVERY_ALLOW_SUBNETS=LOOPBACK, **resolver.settings)


def test_an_endpoint_has_twenty_pending_confirmations_at_most(unanswered):
    service = unanswered
    endpoint, other = subscribed(service), subscribed(service)
    for number in range(22):
        ask(service, endpoint, "token%d" % number)
    found = confirmations(service, endpoint)
    assert [f["state"] for f in found] == ["pending"] * 20 + ["failed"] * 2
    assert "too many" in found[-1]["error"]
    ask(service, other, "one")
    assert states(service, other) == ["pending"]
    service.check()
    # They end with the endpoint, and leave room for others.
    assert service.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    service.check()


def test_two_hundred_are_pending_at_most(unanswered):
    service = unanswered
    endpoints = [subscribed(service) for _ in range(11)]
    for number, endpoint in enumerate(endpoints):
        for token in range(20):
            ask(service, endpoint, "%d-%d" % (number, token))
    found = [states(service, endpoint) for endpoint in endpoints]
    assert found == [["pending"] * 20] * 10 + [["failed"] * 20]
    assert service.call("DELETE", "/manage/endpoint/" + endpoints[0]).status == 204
    ask(service, endpoints[-1], "again")
    assert states(service, endpoints[-1])[-1] == "pending"
    service.check()


def test_what_is_pending_ends_with_the_recipe(unanswered):
    service = unanswered
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    assert service.configure(endpoint, enabled=True, cors=True).status == 204
    assert states(service, endpoint) == ["pending"]
    assert service.configure(endpoint, enabled=True, recipes=[{"name": "slack"}]).status == 204
    (found,) = confirmations(service, endpoint)
    assert found["state"] == "failed" and "recipe" in found["error"]
    service.check()


def test_confirmations_survive_an_export(unanswered):
    service = unanswered
    endpoint = subscribed(service)
    ask(service, endpoint, "one")
    ask(service, endpoint, "two", "https://evil.example/")
    wait_for(lambda: confirmations(service, endpoint)[0]["error"])
    made_anew(service)
    assert states(service, endpoint) == ["pending", "failed"]
    # The calls go on.
    before = service.log().count("trying again")
    wait_for(lambda: service.log().count("trying again") > before, 40)
    service.check()
