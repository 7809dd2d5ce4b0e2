"""One user's costly expressions delay that user's own matches, and not another's."""

import time

from events import event, on, token

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
    started = time.monotonic()
    sent = [service.send(event("light", number, data=LIST)) for number in range(3)]
    for one in sent:
        service.settle(one, made, "delivered", 60)
    light = time.monotonic() - started
    # The other user's matches come too, if later: the list has 50 of the 300 numbers.
    receiver.wait(3 * 50, "/heavy", seconds=240)
    heavy = time.monotonic() - started
    assert len(receiver.arrivals("/heavy")) == 3 * 50
    assert light < heavy / 4, (light, heavy)
    for one in sent:
        assert service.history(one, "light")["state"] in ("matched", "waiting")
