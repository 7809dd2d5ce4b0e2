"""Exports from a file and imports into a database, and the other way round; commands that are for files alone."""

import os
import re
import tarfile

import pytest
from harness import postroom

STORES = os.path.join(os.path.dirname(__file__), "..", "store", "stores")


@pytest.fixture
def full(tmp_path):
    """The data directory of a store that has records of every kind."""
    with tarfile.open(os.path.join(STORES, "layout-8.tar.xz")) as stored:
        stored.extractall(tmp_path / "full")
    run(tmp_path / "full", "migrate")
    return tmp_path / "full"


def run(directory, *arguments, stdin=None, **settings):
    done = postroom(directory, "store", *arguments, stdin=stdin, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def comparable(exported):
    """The lines without times, of which an import moves some to the present, and without the next numbers, which have a gap."""
    lines = [line for line in exported.splitlines() if not line.startswith(b'{"kind": "deliveries"')]
    return sorted(re.sub(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*Z"', b"", line) for line in lines)


def test_a_store_comes_through_a_database_unchanged(full, database, tmp_path):
    before = run(full, "export")
    assert {kind in before for kind in (b'"webhook"', b'"subscription"', b'"message"', b'"notification"', b'"attempt"')} == {True}
    run(tmp_path / "local", "import", stdin=before, **database)
    stored = run(tmp_path / "local", "export", **database)
    assert comparable(stored) == comparable(before)
    assert run(tmp_path / "local", "check", **database).endswith(b": sound\n")
    run(tmp_path / "back", "import", stdin=stored)
    assert comparable(run(tmp_path / "back", "export")) == comparable(before)


def test_numbers_continue_after_a_gap_when_a_store_was_imported(serve, database):
    exporting = serve()
    endpoint = exporting.create()
    exporting.hook(endpoint, "exported")
    exported = run(exporting.directory, "export")
    exporting.hook(endpoint, "since")
    exporting.stop()
    run(exporting.directory, "import", stdin=exported, **database)
    importing = serve(DB_ENCRYPTION_SECRET="0123456789abcdef0123456789abcdef", **database)
    importing.hook(endpoint, "next")
    numbers = [(n["id"], n["body"]) for n in importing.look(endpoint).json()["notifications"]]
    assert numbers[0] == (1, "exported") and numbers[1][0] > 1_000_000 and numbers[1][1] == "next"


def test_an_import_needs_an_empty_store(full, database, tmp_path):
    exported = run(full, "export")
    run(tmp_path / "local", "import", stdin=exported, **database)
    again = postroom(tmp_path / "local", "store", "import", stdin=exported, **database)
    assert again.returncode == 1 and b"the store is not empty" in again.stderr


def test_an_import_that_is_cut_off_leaves_nothing(full, database, tmp_path):
    exported = run(full, "export")
    cut = postroom(tmp_path / "local", "store", "import", stdin=exported[: len(exported) // 2], **database)
    assert cut.returncode == 1 and b"nothing was imported" in cut.stderr
    run(tmp_path / "local", "import", stdin=exported, **database)


@pytest.mark.parametrize("command", ["compact", "repair"])
def test_what_is_for_files_is_refused(database, tmp_path, command):
    done = postroom(tmp_path / "local", "store", command, **database)
    assert done.returncode == 1 and b"this command is for a store in a file" in done.stderr


def test_a_role_that_may_only_serve_serves(serve, server, database, tmp_path):
    name = database["DB_DATABASE"]
    secret = {"DB_ENCRYPTION_SECRET": "0123456789abcdef0123456789abcdef"}
    made = serve(**secret, **database)
    endpoint = made.create()
    made.stop()
    server.psql(
        "create role serving login password 'serving';"
        "grant usage on schema postroom to serving;"
        "grant select, insert, update, delete on all tables in schema postroom to serving", name)
    service = serve(**secret, **server.settings(DB_DATABASE=name, DB_AUTH_USER="serving", DB_AUTH_PASS="serving"))
    assert service.hook(endpoint, "x").status == 200
    service.stop()
    refused = postroom(
        tmp_path, "serve",
        **server.settings(DB_DATABASE="postgres", DB_AUTH_USER="serving", DB_AUTH_PASS="serving"))
    assert refused.returncode == 1 and b"permission denied" in refused.stderr
