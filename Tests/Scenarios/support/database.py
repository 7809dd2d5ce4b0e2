"""A database for each data directory, where the scenarios run on PostgreSQL: TEST_POSTGRESQL names the server, as DB_URI does."""

import hashlib
import os
import subprocess

SERVER = os.environ.get("TEST_POSTGRESQL", "")


def settings(directory):
    """The settings that keep the store of a data directory in a database, which is made when it is first asked for."""
    if not SERVER:
        return {}
    host, _, port = SERVER.partition(":")
    name = "t" + hashlib.sha256(str(directory).encode()).hexdigest()[:24]
    login = ["-h", host, "-p", port, "-U", "postgres"]
    there = subprocess.run(["psql", *login, "-Atc", f"select 1 from pg_database where datname = '{name}'", "postgres"],
                           capture_output=True, text=True, check=True)
    if not there.stdout.strip():
        subprocess.run(["createdb", *login, name], check=True)
    return {"DB_URI": SERVER, "DB_DATABASE": name, "DB_AUTH_USER": "postgres"}
