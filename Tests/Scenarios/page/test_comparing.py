"""Two requests are compared."""

from inspecting import page_of, wait_for_rows

LINES = "return [...document.querySelectorAll('dialog %s')].map(one => one.textContent.trim())"


def compared(shared, open_page, endpoint, first, second):
    """The page with the comparison of two requests, each a body and header fields."""
    shared.hook(endpoint, *first)
    shared.hook(endpoint, *second)
    tab = page_of(open_page, shared, endpoint)
    wait_for_rows(tab, "row-2", "row-1")
    tab.press("d", "j", "d")
    tab.wait("document.querySelector('dialog[open]')")
    return tab


def test_header_fields_and_values_of_json_are_compared(shared, open_page, endpoint):
    tab = compared(shared, open_page, endpoint, ('{"a": 1, "b": 2}', {"X-A": "1"}), ('{"a": 1, "b": 3}', {"X-A": "2"}))
    assert tab.run(LINES % ":is(del, ins)") == ["\u2212 X-A: 1", "+ X-A: 2", '\u2212   "b": 2', '+   "b": 3']


def test_lines_that_are_left_out_are_marked(shared, open_page, endpoint):
    body = "\n".join(map(str, range(20)))
    tab = compared(shared, open_page, endpoint, (body + "\nold",), (body + "\nnew",))
    shown = tab.run(LINES % "section:last-of-type .line")
    assert shown == ["\u2026 the same in both", "17", "18", "19", "\u2212 old", "+ new"]


def test_the_same_json_in_other_bytes_is_shown_as_it_was_sent(shared, open_page, endpoint):
    tab = compared(shared, open_page, endpoint, ('{"a": 1}',), ('{"a":1}',))
    assert tab.text("dialog section:last-of-type p") == "The same content, written in other bytes (8 B and 7 B)."
    assert tab.run(LINES % "section:last-of-type .line") == ['\u2212 {"a": 1}', '+ {"a":1}']


def test_equal_bodies_are_the_same(shared, open_page, endpoint):
    tab = compared(shared, open_page, endpoint, ("x",), ("x",))
    assert tab.text("dialog section:last-of-type p") == "The same in both."
