"""The overview's reader of the text format of Prometheus, and what it makes of two readings."""

import json

import pytest


@pytest.fixture
def read(shared, open_page):
    """Runs a function with the module, the given texts as readings, and NaN and infinities as texts in what it returns."""
    tab = open_page(shared)

    def read(script, *texts):
        return json.loads(tab.run(
            """
            const { Metrics, Change } = await import(new URL("page/overview/metrics.js", document.baseURI));
            const readings = arguments[0].map(text => new Metrics(text));
            const shown = (key, value) => typeof value === "number" && !Number.isFinite(value) ? String(value) : value === undefined ? "undefined" : value;
            return JSON.stringify((() => { %s })(), shown);
            """ % script, texts))  # fmt: skip

    return read


@pytest.mark.parametrize("line, labels, value", [
    ("postroom_a 1", {}, 1), ("postroom_a{} 1", {}, 1), (" \tpostroom_a\t{ b = \"c\" , } \t2.5e-3 1700000000000 ", {"b": "c"}, 0.0025),
    (r'postroom_a{b="\\ \" \n \x",c="é} 7"} -3', {"b": "\\ \" \n \\x", "c": "é} 7"}, -3), ('postroom_a{b=""} +Inf', {"b": ""}, "Infinity"),
    ("postroom_a -Inf", {}, "-Infinity"), ("postroom_a NaN", {}, "NaN"), ("postroom_a{b=\"}\"}1", {"b": "}"}, 1), ("postroom_a 12345678901234567890", {}, 12345678901234567000),
])  # fmt: skip
def test_a_sample_is_read(read, line, labels, value):
    found = read("return readings[0].all('a')", line)
    assert [(one["labels"], one["value"]) for one in found] == [(labels, value)]


@pytest.mark.parametrize("line", [
    "postroom_a", "postroom_a x", "postroom_a{b=c} 1", 'postroom_a{b="c} 1', 'postroom_a{b="c" d="e"} 1', "9a 1", "postroom_a 1 2 3",
    "postroom_a{,} 1", "postroom_a 0x10", "postroom_a 1_000", 'postroom_a{b="c"', "<html>",
])  # fmt: skip
def test_a_line_that_is_not_a_sample_is_counted_and_left_out(read, line):
    found = read("return [readings[0].faults, readings[0].sum('b'), [...readings[0].samples.keys()]]", line + "\r\npostroom_b 2\n")
    assert found == [1, 2, ["postroom_b"]]


def test_comments_types_and_what_is_missing(read):
    text = '# any "comment" {\n# HELP postroom_a \\n what\n# TYPE postroom_a counter\n\n   # TYPE postroom_c gauge\npostroom_b{x="1"} 1\npostroom_b{x="2"} 2\n'
    script = "const [r] = readings; return [r.faults, r.all('a'), r.sum('a'), r.all('c'), r.sum('b'), r.sum('b', l => l.x === '2'), r.all('d'), r.labels('d')]"
    assert read(script, text) == [0, [], 0, [], 3, 2, "undefined", {}]


def test_rates_come_from_differences_and_a_counter_may_begin_anew(read):
    before, after = 'postroom_a{x="1"} 10\npostroom_a{x="2"} 100\n', 'postroom_a{x="1"} 14\npostroom_a{x="2"} 6\npostroom_a{x="3"} 2\n'
    script = """
        const change = new Change(...readings, 2);
        return [change.rate("a", l => l.x === "1"), change.rate("a", l => l.x === "2"), change.rate("a"), change.wasReset, change.rate("b")];
        """
    assert read(script, before, after) == [2, 3, 6, True, "undefined"]
    assert read("const c = new Change(...readings, 2); return [c.rate('a'), c.wasReset]", before, before) == [0, False]


def test_quantiles_are_those_of_what_was_counted_between(read):
    def histogram(*counts):
        bounds = ("0.1", "0.5", "+Inf")
        return "".join('postroom_h_bucket{route="/a",le="%s"} %d\n' % pair for pair in zip(bounds, counts))

    script = "const c = new Change(...readings, 1); return [c.quantile('h', 0.5), c.quantile('h', 0.9), c.quantile('h', 1), c.quantile('x', 0.5)]"
    assert read(script, histogram(0, 0, 0), histogram(10, 20, 20)) == [0.1, pytest.approx(0.42), 0.5, "undefined"]
    assert read(script, histogram(0, 0, 0), histogram(0, 0, 4)) == [0.5, 0.5, 0.5, "undefined"]
    assert read(script, histogram(5, 9, 9), histogram(5, 9, 9)) == [None, None, None, "undefined"]
