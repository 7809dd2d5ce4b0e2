"""A list of many requests: the document has those in view, and all can be reached, found and read."""

import json

import pytest
from harness import Service
from inspecting import ROWS, page_of
from tab import PHONE

COUNT = 450
# More than the page loads at a time.
MANY = 2350


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = Service(
        tmp_path_factory.mktemp("crowded"), RESPONDERS=1, MAX_ENDPOINT_NOTIFICATIONS=10000, DURABILITY="process").start()
    yield service
    service.stop()


def filled(service, count):
    endpoint = service.create()
    connection = service.connection()
    for number in range(1, count + 1):
        assert service.hook(endpoint, json.dumps({"number": number}), connection=connection).status == 200
    return endpoint


@pytest.fixture(scope="module")
def crowded(service):
    """A service, and an endpoint with as many requests as the page loads in three steps."""
    return service, filled(service, COUNT)


SELECTED = "document.querySelector('[role=option][aria-selected=true]')"
IN_VIEW = """(() => {
  const box = document.querySelector('.scroller').getBoundingClientRect(), row = %s?.getBoundingClientRect();
  return row !== undefined && row.top >= box.top - 1 && row.bottom <= box.bottom + 1;
})()""" % SELECTED


def loaded(tab, count):
    tab.wait("document.querySelector('#count').textContent === '%s'" % count)


def load_all(tab):
    loaded(tab, "200 requests")
    tab.run("document.querySelector('.more button').click()")
    loaded(tab, "%d requests" % COUNT)


@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_keys_and_scrolling_reach_every_request(crowded, open_page, size):
    service, endpoint = crowded
    tab = page_of(open_page, service, endpoint)
    tab.resize(*size)
    load_all(tab)
    assert tab.run("return %s.length" % ROWS) < 120
    tab.run("document.getElementById('list').focus()")
    tab.press("END")
    tab.wait("%s?.id === 'row-1' && %s" % (SELECTED, IN_VIEW))
    options = tab.run("return %s.map(row => [row.id, row.ariaSetSize, row.ariaPosInSet])" % ROWS)
    assert all(name == "row-%d" % (COUNT + 1 - int(place)) and total == str(COUNT) for name, total, place in options), options
    assert tab.run("return document.getElementById('list').getAttribute('aria-activedescendant')") == "row-1"
    tab.press("k", "k")
    tab.wait("%s?.id === 'row-3' && %s" % (SELECTED, IN_VIEW))
    tab.press("HOME")
    tab.wait("%s?.id === 'row-%d' && %s" % (SELECTED, COUNT, IN_VIEW))
    # Half way down: the rows there are in the document, and those above and below keep their room.
    tab.run("const scroller = document.querySelector('.scroller'); scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) / 2")
    middle = "%s.some(row => Math.abs(Number(row.id.slice(4)) - %d) < 5)" % (ROWS, COUNT / 2)
    tab.wait(middle)
    assert tab.axe() == []


def test_the_filter_finds_what_is_not_in_the_document(crowded, open_page):
    service, endpoint = crowded
    tab = page_of(open_page, service, endpoint)
    load_all(tab)
    tab.press("/")
    tab.find("#filter").send_keys('body:" 17}"')
    tab.wait("JSON.stringify(%s.map(row => row.id)) === '[\"row-17\"]'" % ROWS)
    assert tab.run("return %s[0].ariaSetSize" % ROWS) == "1"


def test_the_filter_says_that_older_requests_are_not_searched_yet(crowded, open_page):
    service, endpoint = crowded
    tab = page_of(open_page, service, endpoint)
    loaded(tab, "200 requests")
    tab.find("#filter").send_keys('body:" 17}"')
    loaded(tab, "0 of 200 requests")
    assert tab.text(".more") == "Search older ones too: load them" and tab.find(".more button").is_displayed()
    tab.find(".more button").click()
    tab.wait("JSON.stringify(%s.map(row => row.id)) === '[\"row-17\"]'" % ROWS)
    tab.wait("document.querySelector('.more').hidden")


def test_one_click_loads_many_older_requests_and_shows_how_many(service, open_page):
    tab = page_of(open_page, service, filled(service, MANY))
    loaded(tab, "200 requests")
    tab.run("""
        window.labels = [];
        const note = () => labels.at(-1) !== more.textContent && labels.push(more.textContent);
        const more = document.querySelector(".more");
        new MutationObserver(note).observe(more, {childList: true, characterData: true, subtree: true});
        const scroller = document.querySelector(".scroller");
        scroller.scrollTop = scroller.scrollHeight;
        """)
    # While it is under way, another click has no effect, and what is in view stays there.
    top = tab.run("""
        const button = document.querySelector(".more button");
        button.focus();
        button.click();
        button.click();
        return document.querySelector(".scroller").scrollTop;
        """)
    loaded(tab, "2,200 requests")
    tab.wait("document.querySelector('.more button').textContent === 'Load older ones'")
    steps = ["Loading older ones: %s" % format(count, ",") for count in range(0, 2000, 200)]
    assert tab.run("return labels") == [*steps, "Load older ones"]
    assert tab.run("return document.querySelector('.scroller').scrollTop") == top
    assert tab.run("return document.activeElement.parentElement.className") == "more"
    tab.press("ENTER")
    loaded(tab, "2,350 requests")
    tab.wait("document.querySelector('.more').hidden")


def test_what_is_in_view_stays_there_when_requests_arrive(crowded, open_page):
    service, endpoint = crowded
    tab = page_of(open_page, service, endpoint)
    tab.press("f")
    tab.run("document.querySelector('.scroller').scrollTop = 3000")
    first = """(() => {
      const top = document.querySelector('.scroller').getBoundingClientRect().top;
      const row = %s.find(row => row.getBoundingClientRect().bottom > top + 1);
      return row && [row.id, Math.round(row.getBoundingClientRect().top - top)].join();
    })()""" % ROWS
    tab.wait(first + " !== undefined")
    before = tab.run("return " + first)
    for _ in range(3):
        service.hook(endpoint, "new")
    tab.wait("document.getElementById('new-rows').textContent === '3 new requests'")
    loaded(tab, "203 requests")
    assert tab.run("return " + first) == before
    tab.find("#new-rows").click()
    tab.wait("document.querySelector('.scroller').scrollTop === 0 && %s" % IN_VIEW)
