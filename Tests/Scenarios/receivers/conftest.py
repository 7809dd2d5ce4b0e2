import pytest


@pytest.fixture
def endpoint(shared):
    made = shared.create()
    yield made
    shared.call("DELETE", "/manage/endpoint/" + made)
