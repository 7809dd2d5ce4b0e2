"""`postroom import pacifica`: subscriptions and events are imported from PostgreSQL and from SQLite."""

import datetime
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import uuid

import pytest
from harness import free_port, postroom, wait_for

TABLES = """
CREATE TABLE notificationsystem (part VARCHAR(255) NOT NULL PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE eventlog (uuid {uuid} NOT NULL PRIMARY KEY, jsondata TEXT NOT NULL, created {time});
CREATE TABLE eventmatch (uuid {uuid} NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, jsonpath TEXT NOT NULL,
    "user" VARCHAR(255) NOT NULL, disabled {time}, error TEXT, target_url TEXT NOT NULL, version VARCHAR(255) NOT NULL,
    extensions TEXT NOT NULL, auth TEXT, created {time}, updated {time}, deleted {time});
CREATE TABLE eventlogmatch (uuid {uuid} NOT NULL PRIMARY KEY,
    event_log_id {uuid} NOT NULL REFERENCES eventlog (uuid), event_match_id {uuid} NOT NULL REFERENCES eventmatch (uuid),
    policy_status_code TEXT NOT NULL, policy_resp_body TEXT NOT NULL, target_status_code TEXT NOT NULL,
    target_resp_body TEXT NOT NULL, created {time});
CREATE INDEX eventlogmatch_event_log_id ON eventlogmatch (event_log_id);
INSERT INTO notificationsystem VALUES ('major', 3), ('minor', 0);
"""


class SQLite:
    """The tables as peewee creates and fills them in a file: UUIDs without hyphens, a blank before the time of day."""

    def __init__(self, directory):
        self.path = os.path.join(str(directory), "notifications.sqlite3")
        self.url = "sqliteext:////" + self.path.lstrip("/")
        self.connection = sqlite3.connect(self.path)
        self.connection.executescript(TABLES.format(uuid="TEXT", time="DATETIME"))

    def insert(self, table, rows):
        for row in rows:
            values = [v.hex if isinstance(v, uuid.UUID) else str(v) if isinstance(v, datetime.datetime) else v for v in row.values()]
            names = ", ".join('"%s"' % name for name in row)
            self.connection.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, names, ", ".join("?" * len(values))), values)
        self.connection.commit()

    def stop(self):
        self.connection.close()


class PostgreSQL:
    """A server in a temporary directory that listens on 127.0.0.1 only."""

    def __init__(self):
        found = sorted(os.listdir("/usr/lib/postgresql"), key=float)[-1]
        self.programs = "/usr/lib/postgresql/%s/bin" % found
        self.directory = tempfile.mkdtemp(prefix="postroom-pg-")
        # The server refuses to run as root.
        self.user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        secret = os.path.join(self.directory, "secret")
        with open(secret, "w") as file:
            file.write("pass'w\\ord\n")
        os.chmod(secret, 0o644)
        data = os.path.join(self.directory, "data")
        self.run("initdb", "-D", data, "-U", "notifications", "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
        self.port = free_port()
        options = "listen_addresses=127.0.0.1", "unix_socket_directories=" + self.directory, "fsync=off", "port=%d" % self.port
        arguments = [os.path.join(self.programs, "postgres"), "-D", data]
        for option in options:
            arguments += ["-c", option]
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, **self.identity())
        wait_for(lambda: self.psql("SELECT 1", check=False).returncode == 0)
        self.psql(TABLES.format(uuid="UUID", time="TIMESTAMP"))
        self.url = "postgresext+pool://notifications:pass'w\\ord@127.0.0.1:%d/postgres?max_connections=4&sslmode=disable" % self.port

    def identity(self):
        same = {"cwd": self.directory, "env": {"PATH": os.environ["PATH"], "PGPASSWORD": "pass'w\\ord"}}
        if os.geteuid() == 0:
            same.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        return same

    def run(self, program, *arguments, check=True, **options):
        command = [os.path.join(self.programs, program), *arguments]
        return subprocess.run(command, check=check, capture_output=True, timeout=60, **self.identity(), **options)

    def psql(self, statements, check=True):
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "notifications", "-d", "postgres")
        return self.run("psql", *address, "-qX", "-v", "ON_ERROR_STOP=1", check=check, input=statements.encode())

    def insert(self, table, rows):
        def literal(value):
            return "NULL" if value is None else "'%s'" % str(value).replace("'", "''")

        names = ", ".join('"%s"' % name for name in rows[0])
        values = ", ".join("(%s)" % ", ".join(map(literal, row.values())) for row in rows)
        self.psql("INSERT INTO %s (%s) VALUES %s;" % (table, names, values))

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.directory)


@pytest.fixture(params=["sqlite", "postgresql"])
def former(request, tmp_path):
    """An empty database of the service that is replaced."""
    if request.param == "postgresql" and not os.path.isdir("/usr/lib/postgresql"):
        pytest.skip("there is no PostgreSQL")
    database = SQLite(tmp_path) if request.param == "sqlite" else PostgreSQL()
    yield database
    database.stop()


NOW = datetime.datetime.utcnow().replace(microsecond=250_000)


def minutes_ago(minutes):
    return NOW - datetime.timedelta(minutes=minutes)


def subscription(**columns):
    return {
        "uuid": uuid.uuid4(), "name": "nämé", "jsonpath": '$[?(@["eventType"] = "a")]', "user": "dave", "disabled": None,
        "error": None, "target_url": "http://127.0.0.1:1/", "version": "v0.1", "extensions": "{}", "auth": "{}",
        "created": minutes_ago(900), "updated": minutes_ago(800), "deleted": None, **columns,
    }


def event(body, age):
    return {"uuid": uuid.uuid4(), "jsondata": body if isinstance(body, str) else json.dumps(body), "created": minutes_ago(age)}


def match(event, subscription, policy, target, body="", age=50):
    return {
        "uuid": uuid.uuid4(), "event_log_id": event["uuid"], "event_match_id": subscription["uuid"], "policy_status_code": policy,
        "policy_resp_body": '{"status": "success"}', "target_status_code": target, "target_resp_body": body, "created": minutes_ago(age),
    }


def take_over(former, service):
    """Runs the import, and returns its exit status and the lines of its output and of its errors."""
    command = ("import", "pacifica", "--database", former.url)
    result = postroom(service.directory, *command, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8")
    return result.returncode, result.stdout.decode().splitlines(), result.stderr.decode().splitlines()


def get(service, path, user="dave"):
    return service.call("GET", path, headers={"Http-Remote-User": user})


def test_subscriptions_and_events_are_imported(former, serve_webhooks, receive):
    target = receive()
    service = serve_webhooks(USER_SOURCE="header", EVENTS_RETRY_SCHEDULE="1s")
    auth = {"type": "basic", "basic": {"username": "u", "password": "sésame"}}
    live = subscription(
        target_url=target.url("/live"), auth=json.dumps(auth), extensions='{"k": {"n": 1e3}}', version="v9", created=minutes_ago(999)
    )
    off = subscription(disabled=minutes_ago(60), error="Boom: 503 é", user="Ωmega")
    gone = subscription(deleted=minutes_ago(10))
    wrong = subscription(jsonpath="$.a[")
    outside = subscription(target_url="not a url")
    broken = subscription(extensions='{"a": NaN}')
    former.insert("eventmatch", [live, off, gone, wrong, outside, broken])
    first = event({"eventType": "a", "text": "é", "data": [1]}, 55)
    second, old = event({"eventType": "b"}, 45), event({}, 60 * 24 * 31)
    strange = event('{"a": NaN}', 44)
    former.insert("eventlog", [first, second, old, strange])
    rows = [match(first, live, "200", "200", "ok"), match(first, off, "200", "503", "Boom: 503 é", age=49)]
    rows += [match(second, off, "500", ""), match(second, live, "200", ""), match(first, gone, "200", "200")]
    former.insert("eventlogmatch", rows)

    status, shown, errors = take_over(former, service)
    assert status == 2, errors
    assert shown == [
        "subscriptions: 4 imported (2 of them disabled), 0 already here, 1 deleted, 1 refused",
        "events: 2 imported, 0 already here, 1 older than WEBHOOKS_RETENTION, 1 refused",
        "attempts: 4 imported, 1 left out because their subscriptions are not here",
    ]
    messages = sorted(errors)
    assert len(messages) == 4 and "event" in messages[0] and "jsondata: must be JSON" in messages[0]
    for row, words in ((wrong, "is disabled: jsonpath: "), (outside, "is disabled: target_url: "), (broken, "is left out: extensions: must be JSON")):
        ids = (str(row["uuid"]), row["uuid"].hex)
        assert any(words in line and any(one in line for one in ids) for line in messages), messages

    def shown_as(row):
        return get(service, "/eventmatch/%s" % row["uuid"], row["user"].encode().decode("latin-1")).json()

    assert shown_as(live) == {
        "uuid": str(live["uuid"]), "name": "nämé", "jsonpath": live["jsonpath"], "user": "dave", "disabled": None, "error": None,
        "target_url": live["target_url"], "version": "v9", "extensions": {"k": {"n": 1000.0}}, "auth": auth,
        "created": live["created"].isoformat(), "updated": live["updated"].isoformat(), "deleted": None,
    }
    assert [shown_as(off)[name] for name in ("disabled", "error")] == [off["disabled"].isoformat(), off["error"]]
    for row, place in ((wrong, "jsonpath: "), (outside, "target_url: ")):
        kept = shown_as(row)
        assert kept["disabled"] and kept["error"].startswith(place)
        assert [kept[name] for name in ("jsonpath", "target_url")] == [row["jsonpath"], row["target_url"]]
    assert [row["uuid"] for row in get(service, "/eventmatch").json()][0] == str(live["uuid"]), "the oldest is first"
    assert get(service, "/eventmatch/%s" % gone["uuid"]).status == 403
    with open(os.path.join(service.directory, "store.mdb"), "rb") as file:
        assert "sésame".encode() not in file.read()

    history = get(service, "/events/%s" % first["uuid"]).json()
    assert (history["state"], history["event"]) == ("matched", json.loads(first["jsondata"]))
    assert history["received"] == first["created"].isoformat()
    delivered = history["deliveries"][0]
    assert (delivered["eventmatch"], delivered["state"]) == (str(live["uuid"]), "delivered")
    attempt = delivered["attempts"][0]
    assert (attempt["policy_status_code"], attempt["target_status_code"], attempt["target_resp_body"]) == (200, 200, "ok")
    assert attempt["created"] == rows[0]["created"].isoformat()
    lines = postroom(service.directory, "events", "get", str(second["uuid"])).stdout.decode().splitlines()
    when = rows[2]["created"].isoformat()
    rows_shown = [line for line in lines[2:] if line.startswith("    ELM")]
    assert rows_shown == ["    ELM %s (%s) policy %s target -" % (row["uuid"], when, code) for row, code in ((live, 200), (off, 500))]

    # A second import changes nothing, not even a subscription that its owner has changed since.
    change = json.dumps({"name": "mine", "auth": auth, "extensions": {"k": 1}})
    changed = service.call("PUT", "/eventmatch/%s" % live["uuid"], change, {"Http-Remote-User": "dave"})
    assert changed.status == 200
    status, shown, _ = take_over(former, service)
    assert status == 2 and shown[-1] == "nothing was new"
    assert shown[0] == "subscriptions: 0 imported (0 of them disabled), 4 already here, 1 deleted, 1 refused"
    assert shown[1].startswith("events: 0 imported, 2 already here")
    assert shown_as(live)["name"] == "mine"

    # The subscriptions get new events. Imported events are not delivered, not even by a replay of that time.
    since = json.dumps({"since": minutes_ago(600).isoformat(), "all": True})
    replay = service.call("POST", "/eventmatch/%s/replay" % live["uuid"], since, {"Http-Remote-User": "dave"})
    assert replay.status == 202
    sent = service.api("POST", "/receive", {"eventType": "a", "new": True}).text
    target.wait(1, "/live")
    # Replays are made in the order in which they were asked for: after one of the new event, the one before is over.
    since = {"since": get(service, "/events/" + sent).json()["received"], "all": True}
    replay = service.api("POST", "/eventmatch/%s/replay" % live["uuid"], since, {"Http-Remote-User": "dave"})
    assert replay.status == 202
    target.wait(2, "/live")
    service.finish()
    bodies = [json.loads(arrival["body"]) for arrival in target.arrivals("/live")]
    assert bodies == [{"eventType": "a", "new": True, "extensions": {"k": 1}}] * 2
    service.check()


def test_many_pages_of_rows_are_imported(former, serve_webhooks):
    service = serve_webhooks()
    if isinstance(former, PostgreSQL):
        former.psql(
            """INSERT INTO eventmatch SELECT gen_random_uuid(), 'n' || i, '$.a', 'default_user', NULL, NULL, 'http://127.0.0.1:1/', 'v0.1',
            '{}', '{}', now() - interval '1 hour', now(), NULL FROM generate_series(1, 450) i;
            INSERT INTO eventlog SELECT gen_random_uuid(), '{"i": ' || i || '}', now() - interval '1 hour' FROM generate_series(1, 120) i;"""
        )
    else:
        former.insert("eventmatch", [subscription(user="default_user", name="n%d" % i) for i in range(1, 451)])
        former.insert("eventlog", [event({"i": i}, 60) for i in range(1, 121)])
    status, shown, errors = take_over(former, service)
    assert (status, errors) == (0, [])
    assert shown[0].startswith("subscriptions: 450 imported") and shown[1].startswith("events: 120 imported")
    names = {row["name"] for row in service.call("GET", "/eventmatch").json()}
    assert names == {"n%d" % i for i in range(1, 451)}
    listed = postroom(service.directory, "events", "get", "--limit", "1000").stdout.decode()
    assert {json.loads(line)["i"] for line in listed.splitlines() if line.startswith("{")} == set(range(1, 121))


def test_rows_with_equal_times_or_none_are_imported_once_each(former, serve_webhooks):
    service = serve_webhooks()
    # Exactly a page, less, and more, of each kind.
    made = [subscription(user="default_user", created=created) for created in [minutes_ago(60)] * 200 + [None] * 401 + [minutes_ago(90)]]
    events = [{**event({"i": i}, 0), "created": created} for i, created in enumerate([minutes_ago(60)] * 101 + [None] * 120)]
    attempts = [{**match(events[i], made[0], "200", "200", str(age)), "created": created}
        for i in (0, -1) for age, created in ((1, minutes_ago(30)), (2, minutes_ago(40)), (0, None))]  # fmt: skip
    former.insert("eventmatch", made)
    former.insert("eventlog", events)
    former.insert("eventlogmatch", attempts)
    before = datetime.datetime.utcnow()
    for known in (False, True):
        status, shown, errors = take_over(former, service)
        assert (status, errors) == (0, [])
        counts = ("0", "602", "0", "221") if known else ("602", "0", "221", "0")
        assert shown[0].startswith("subscriptions: %s imported (0 of them disabled), %s already here" % counts[:2])
        assert shown[1].startswith("events: %s imported, %s already here" % counts[2:])
    listed = service.call("GET", "/eventmatch").json()
    assert sorted(row["uuid"] for row in listed) == sorted(str(row["uuid"]) for row in made)
    # Oldest first. Rows without a time get that of the import.
    assert listed[0]["uuid"] == str(made[-1]["uuid"])
    times = [datetime.datetime.fromisoformat(row["created"]) for row in listed]
    assert times == sorted(times) and sum(time >= before for time in times) == 401
    for timed, has_time in ((events[0], True), (events[-1], False)):
        history = service.call("GET", "/events/%s" % timed["uuid"]).json()
        assert (datetime.datetime.fromisoformat(history["received"]) < before) == has_time
        (delivered,) = history["deliveries"]
        assert [attempt["target_resp_body"] for attempt in delivered["attempts"]] == ["0", "2", "1"]
    listed = postroom(service.directory, "events", "get", "--limit", "1000").stdout.decode()
    assert sorted(json.loads(line)["i"] for line in listed.splitlines() if line.startswith("{")) == list(range(221))
    service.check()


def test_a_database_that_cannot_be_read_is_an_error_of_one_line(tmp_path):
    def refusal(url):
        result = postroom(tmp_path / "var", "import", "pacifica", "--database", url, timeout=60)
        assert result.returncode == 1 and result.stdout == b"" and result.stderr.count(b"\n") == 1, result.stderr
        return result.stderr.decode()

    assert "cannot read the database: sqlite3_open_v2" in refusal("sqlite:///%s/missing" % tmp_path)
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 99)
    assert "cannot read the database" in refusal("sqlite:////%s/text" % str(tmp_path).lstrip("/"))
    sqlite3.connect(tmp_path / "empty").close()
    assert "no such table: eventmatch" in refusal("sqlite:////%s/empty" % str(tmp_path).lstrip("/"))
    assert "cannot read the database: PQconnectdb" in refusal("postgres://u:secret@127.0.0.1:1/x")
    assert "secret" not in refusal("postgres://u:secret@127.0.0.1:1/x")
    for url in ("mysql://u@h/d", "sqlite:///:memory:", "postgres://h", "x"):
        assert "--database must be a URL" in refusal(url)
    older = SQLite(tmp_path)
    older.connection.execute("UPDATE notificationsystem SET value = 2 WHERE part = 'major'")
    older.connection.commit()
    assert "schema version 2" in refusal(older.url)


def test_an_import_that_fails_midway_reports_what_it_has_imported(serve_webhooks, tmp_path):
    service = serve_webhooks()
    former = SQLite(tmp_path)
    former.insert("eventmatch", [subscription(name="n%d" % i) for i in range(3)])
    former.connection.execute("DROP TABLE eventlog")
    former.connection.commit()
    status, shown, errors = take_over(former, service)
    assert status == 1 and shown[0].startswith("subscriptions: 3 imported") and shown[1].startswith("events: 0 imported")
    assert "stopped before its end" in errors[0] and "no such table: eventlog" in errors[1]
    assert "3 subscriptions" in service.check()
    former.stop()
