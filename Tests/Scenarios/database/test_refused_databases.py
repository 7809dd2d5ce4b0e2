"""Databases that cannot be used: what a start says, what requests are answered, and that the service goes on by itself."""

import contextlib
import os

import pytest
from harness import free_port, postroom, wait_for
from postgresql_server import PASSWORD


def refused(tmp_path, settings):
    """The line with which a start is refused."""
    result = postroom(tmp_path, "serve", APP_PORT=free_port(), **settings)
    assert result.returncode == 1
    lines = [line for line in result.stderr.decode().splitlines() if line]
    assert len(lines) == 1 and result.stdout == b"", (result.stdout, lines)
    assert PASSWORD not in lines[0] and lines[0].startswith("Error: cannot open the store: PostgreSQL")
    return lines[0]


def test_a_start_without_a_server_is_refused(tmp_path):
    port = free_port()
    line = refused(tmp_path, {"DB_URI": "127.0.0.1:%d" % port, "DB_AUTH_PASS": PASSWORD})
    assert "port %d failed: Connection refused" % port in line


def test_a_start_with_a_wrong_password_is_refused_without_showing_it(tmp_path, database):
    line = refused(tmp_path, {**database, "DB_AUTH_PASS": "wrong-secret"})
    assert 'password authentication failed for user "postgres"' in line and "wrong-secret" not in line


def test_a_start_without_the_database_is_refused(tmp_path, server):
    assert 'database "missing" does not exist' in refused(tmp_path, server.settings(DB_DATABASE="missing"))


def test_a_start_without_the_right_to_make_the_schema_is_refused(tmp_path, server, database):
    server.psql("create role guest login password 'guest'")
    settings = {**database, "DB_AUTH_USER": "guest", "DB_AUTH_PASS": "guest"}
    assert "permission denied for database" in refused(tmp_path, settings)


def read_only(server, is_so):
    server.psql("alter system set default_transaction_read_only = %s" % ("on" if is_so else "off"))
    server.psql("select pg_reload_conf()")
    wait_for(lambda: server.psql("show default_transaction_read_only") == ("on" if is_so else "off"))


def test_a_start_on_a_server_that_takes_no_writes_is_refused(tmp_path, server, database):
    read_only(server, True)
    try:
        assert "session is read-only" in refused(tmp_path, database)
    finally:
        read_only(server, False)


def is_refused(answer):
    if answer.status != 503:
        return False
    assert int(answer.headers["retry-after"]) > 0 and PASSWORD not in answer.text
    return True


def test_a_service_goes_on_when_its_server_takes_writes_again(serve, server, database):
    service = serve(RESPONDERS=2, **database)
    endpoint, processes = service.create(), set(service.children())
    read_only(server, True)
    try:
        wait_for(lambda: is_refused(service.hook(endpoint, "refused")))
        assert is_refused(service.call("POST", "/manage/endpoint"))
    finally:
        read_only(server, False)
    wait_for(lambda: service.hook(endpoint, "kept").status == 200)
    wait_for(lambda: service.look(endpoint).status == 200)
    assert set(service.children()) == processes
    assert "read-only" in service.log()


@contextlib.contextmanager
def allowing(server, database, connections):
    """Has a database allow so many connections of other users than superusers, and ends those that it has."""
    name = database["DB_DATABASE"]
    server.psql("alter database %s connection limit %d" % (name, connections))
    server.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname = '%s'" % name)
    yield
    server.psql("alter database %s connection limit -1" % name)


@pytest.fixture
def plain(server, database):
    """The same database for a user who is not a superuser: limits apply to that one."""
    server.psql("create role plain%d login password 'plain'" % server.databases)
    server.psql("alter database %s owner to plain%d" % (database["DB_DATABASE"], server.databases))
    return {**database, "DB_AUTH_USER": "plain%d" % server.databases, "DB_AUTH_PASS": "plain"}


def test_a_service_goes_on_when_there_is_a_connection_for_it_again(serve, server, plain):
    service = serve(RESPONDERS=2, **plain)
    endpoint, processes = service.create(), set(service.children())
    with allowing(server, plain, 0):
        wait_for(lambda: is_refused(service.hook(endpoint, "refused")))
        assert is_refused(service.look(endpoint))
    wait_for(lambda: service.hook(endpoint, "kept").status == 200)
    wait_for(lambda: service.look(endpoint).status == 200)
    assert set(service.children()) == processes
    assert "too many connections for database" in service.log()


def test_a_start_without_a_connection_for_it_is_refused(tmp_path, server, plain):
    with allowing(server, plain, 0):
        assert "too many connections for database" in refused(tmp_path, plain)


def test_the_password_is_in_no_process_title(serve, database):
    service = serve(RESPONDERS=2, **database)
    assert service.children()
    for pid in [service.process.pid, *service.children()]:
        with contextlib.suppress(OSError), open(os.path.join("/proc", str(pid), "cmdline"), "rb") as title:
            assert PASSWORD.encode() not in title.read()
    assert PASSWORD not in service.log()
