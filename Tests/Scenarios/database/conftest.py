import pytest
from postgresql_server import Server, is_installed


@pytest.fixture(scope="module")
def server():
    """One PostgreSQL server for all tests of a file."""
    if not is_installed():
        pytest.skip("there is no PostgreSQL")
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def database(server):
    """The settings that choose an empty database."""
    return server.database()
