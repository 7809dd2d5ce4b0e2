"""Costly expressions of one user delay that user's matches, not those of others."""

from event_service import event, on
from harness import wait_for

EVENTS = 30
LIST = {"list": list(range(50))}
# Costly, but within the time limit for an expression.
COSTLY = "$.data.list[?@ == %d || count($..*) < 0 || count($..*) < 0]"


def test_three_hundred_costly_expressions_of_one_user_delay_no_other_user(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=1)
    for number in range(300):
        service.subscribe("heavy", receiver.url("/heavy"), COSTLY % number)
    made = service.subscribe("light", receiver.url("/light"), on("light"))
    service.settle(service.send(event("light")), made, "delivered")
    sent = [service.send(event("light", number, data=LIST)) for number in range(EVENTS)]
    receiver.wait(1 + EVENTS, "/light", seconds=60)
    # By then most of the other user's matches are still to come: 50 for each event, one for each number in the list.
    assert len(receiver.arrivals("/heavy")) < EVENTS * 50 / 2
    receiver.wait(EVENTS * 50, "/heavy", seconds=240)
    for one in sent:
        wait_for(lambda one=one: service.history(one, "light")["state"] == "matched")
    service.finish()
    assert [len(receiver.arrivals(path)) for path in ("/light", "/heavy")] == [1 + EVENTS, EVENTS * 50]
