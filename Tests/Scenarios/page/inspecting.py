"""The page of an endpoint, as tests use it."""

import json
import re

from tab import DESKTOP, PHONE

ROWS = "[...document.querySelectorAll('#list [role=option]')]"
STATE = "document.getElementById('state')?.textContent"


def page_of(open_page, service, endpoint):
    tab = open_page(service, "/inspect#" + endpoint)
    tab.wait(STATE + " === 'live'")
    return tab


def rows(tab):
    return tab.run("return %s.map(row => row.id)" % ROWS)


def wait_for_rows(tab, *wanted):
    """Waits until the list has these rows, newest first."""
    tab.wait("JSON.stringify(%s.map(row => row.id)) === %s" % (ROWS, json.dumps(json.dumps(wanted, separators=(",", ":")))))


def file_base(endpoint):
    """The beginning of the names of an endpoint's files."""
    return re.sub("[^A-Za-z0-9-]", "-", endpoint[:8])


def look_at(tab, name):
    """Takes pictures of a view at both widths, in light and dark, and returns what axe-core finds wrong. It leaves it narrow."""
    found = []
    for kind, size in (("", DESKTOP), ("-phone", PHONE)):
        tab.resize(*size)
        for scheme in ("light", "dark"):
            tab.prefer(scheme=scheme, motion="reduce")
            tab.screenshot(name + kind + "-" + scheme)
            found += tab.axe()
    return found


def choose(tab, row):
    tab.find("#" + row).click()
    tab.wait("document.getElementById('%s').getAttribute('aria-selected') === 'true'" % row)


def view(tab, name):
    tab.run("[...document.querySelectorAll('.views button, [role=tab]')].find(one => one.textContent === arguments[0]).click()", name)
    return tab.text("#panel")
