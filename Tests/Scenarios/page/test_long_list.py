"""A list of many requests: the document has those in view, and all can be reached, found and read."""

import json

import pytest
from harness import Service
from inspecting import ROWS, page_of
from tab import PHONE

COUNT = 450


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A service, and an endpoint with as many requests as the page loads in three steps."""
    service = Service(tmp_path_factory.mktemp("crowded"), RESPONDERS=1, MAX_ENDPOINT_NOTIFICATIONS=1000).start()
    endpoint = service.create()
    for number in range(1, COUNT + 1):
        assert service.hook(endpoint, json.dumps({"number": number})).status == 200
    yield service, endpoint
    service.stop()


SELECTED = "document.querySelector('[role=option][aria-selected=true]')"
IN_VIEW = """(() => {
  const box = document.querySelector('.scroller').getBoundingClientRect(), row = %s?.getBoundingClientRect();
  return row !== undefined && row.top >= box.top - 1 && row.bottom <= box.bottom + 1;
})()""" % SELECTED


def load_all(tab):
    for loaded in (200, 400, COUNT):
        tab.wait("document.querySelector('#count').textContent === '%d requests'" % loaded)
        if loaded < COUNT:
            tab.run("document.querySelector('.more button').click()")


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
    tab.wait("document.querySelector('#count').textContent === '200 requests'")
    tab.find("#filter").send_keys('body:" 17}"')
    for searched in (200, 400):
        tab.wait("document.querySelector('#count').textContent === '0 of %d requests'" % searched)
        assert tab.text(".more") == "Search older ones too: load them" and tab.find(".more button").is_displayed()
        tab.find(".more button").click()
    tab.wait("JSON.stringify(%s.map(row => row.id)) === '[\"row-17\"]'" % ROWS)
    tab.find(".more button").click()
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
    tab.wait("document.querySelector('#count').textContent === '203 requests'")
    assert tab.run("return " + first) == before
    tab.find("#new-rows").click()
    tab.wait("document.querySelector('.scroller').scrollTop === 0 && %s" % IN_VIEW)
