import pytest
from browser import Browser, need_browser
from tab import Tab


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all tests of a process."""
    need_browser()
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.stop()


@pytest.fixture
def open_page(browser):
    """Opens pages of services, each in a tab of its own: open_page(service) or open_page(service, "/"). After the test, the
    console must have no line, and no page may have violated its policy."""

    def open_page(service=None, path="/inspect"):
        tab = Tab(browser)
        return tab.open(service, path) if service else tab

    browser.reset()
    yield open_page
    complaints = browser.complaints()
    browser.reset()
    assert complaints == []


@pytest.fixture
def endpoint(shared):
    """An endpoint. It stays, as the page would be told that it is gone."""
    return shared.create()


@pytest.fixture
def subscribe(service):
    """Creates subscriptions of the file's `service`, which end with the test."""
    made = []

    def subscribe(url="https://example.invalid/", jsonpath="$", **members):
        answer = service.api("POST", "/eventmatch", {"name": "test", "jsonpath": jsonpath, "target_url": url, **members})
        assert answer.status == 200, answer.text
        made.append(answer.json())
        return made[-1]

    yield subscribe
    for one in made:
        service.api("DELETE", "/eventmatch/" + one["uuid"])
