"""One user's costly expressions delay that user's own matches, and not another's."""

from event_service import event, on
from harness import wait_for

EVENTS = 30
LIST = {"list": list(range(50))}
# Costly, and within what an event may take.
COSTLY = "$.data.list[?@ == %d || count($..*) < 0 || count($..*) < 0]"


def test_three_hundred_costly_expressions_of_one_user_delay_no_other(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=1)
    for number in range(300):
        service.subscribe("heavy", receiver.url("/heavy"), COSTLY % number)
    made = service.subscribe("light", receiver.url("/light"), on("light"))
    service.settle(service.send(event("light")), made, "delivered")
    sent = [service.send(event("light", number, data=LIST)) for number in range(EVENTS)]
    receiver.wait(1 + EVENTS, "/light", seconds=60)
    # By then most of the other user's matches are still to come: the list has 50 of the 300 numbers.
    assert len(receiver.arrivals("/heavy")) < EVENTS * 50 / 2
    receiver.wait(EVENTS * 50, "/heavy", seconds=240)
    for one in sent:
        wait_for(lambda one=one: service.history(one, "light")["state"] == "matched")
    service.finish()
    assert [len(receiver.arrivals(path)) for path in ("/light", "/heavy")] == [1 + EVENTS, EVENTS * 50]
