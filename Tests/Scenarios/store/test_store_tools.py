"""The commands of `postroom store`: export, import, compact, check, migrate."""

import base64
import json
import os

import pytest
from disks import fill, needs_root
from harness import postroom, wait_for


def filled(service):
    endpoints = [service.create() for _ in range(3)]
    service.configure(endpoints[1], enabled=False, subpaths=True)
    service.configure(endpoints[2], enabled=True, subpaths=True)
    for number in range(5):
        service.hook(endpoints[0], "body %d \u00e9" % number, {"X-N": str(number)}, suffix="?n=%d" % number)
    service.call("DELETE", "/manage/endpoint/%s/notifications?through=2" % endpoints[0])
    service.hook(endpoints[2], bytes(range(256)), suffix="/%ff/x")
    service.hook(endpoints[2], "caf\u00e9".encode("latin-1"), {"Content-Type": "text/plain; charset=latin-1"})
    return endpoints


def shown(service, endpoints):
    return [service.look(endpoint).json() for endpoint in endpoints]


def test_export_and_import_copy_endpoints_and_notifications(serve, tmp_path):
    service = serve()
    endpoints = filled(service)
    before = shown(service, endpoints)
    export = postroom(service.directory, "store", "export")
    assert export.returncode == 0
    lines = [json.loads(line) for line in export.stdout.splitlines()]
    assert [line["kind"] for line in lines[:2]] == ["postroom", "counters"]
    assert sum(line["kind"] == "notification" for line in lines) == 5

    other = tmp_path / "other"
    os.makedirs(other / "var")
    result = postroom(other / "var", "store", "import", stdin=export.stdout)
    assert result.returncode == 0, result.stderr
    assert result.stdout == b"3 endpoints, 5 notifications, 0 queues, 0 messages, 0 webhooks, 0 subscriptions, 0 deliveries\n"
    twin = serve(other)
    assert shown(twin, endpoints) == before
    assert twin.hook(endpoints[1]).status == 500
    assert twin.hook(endpoints[0], "next").status == 200
    # The exported store may have used 6 and higher ids since.
    assert twin.collect(endpoints[0])[-1]["id"] > 1000
    twin.check()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda lines: [], "the input is empty"),
        (lambda lines: lines[1:], "line 1"),
        (lambda lines: lines[:1] + [b"{"], "line 2"),
        (lambda lines: lines[:-1] + lines[2:3] + lines[-1:], "duplicate endpoint"),
        (lambda lines: lines[:3] + lines[4:], "missing"),
        (lambda lines: lines[:2] + lines[3:], "does not follow"),
        (lambda lines: [lines[0].replace(b'"schema": ', b'"schema": 9')] + lines[1:], "newer"),
        (lambda lines: lines[:-1] + [b'{"kind": "surprise"}'], 'unknown "kind"'),
    ],
    ids=["empty", "no-head", "no-json", "twice", "gap", "orphan", "newer", "unknown"],
)
def test_a_faulty_export_is_named_and_nothing_is_imported(serve, tmp_path, change, words):
    service = serve()
    filled(service)
    lines = postroom(service.directory, "store", "export").stdout.splitlines()
    other = tmp_path / "other"
    os.makedirs(other)
    result = postroom(other, "store", "import", stdin=b"\n".join(change(lines)))
    assert result.returncode == 1 and words in result.stderr.decode(), result.stderr
    assert b"0 endpoints, 0 notifications, 0 queues, 0 messages, 0 webhooks, 0 subscriptions, 0 deliveries: sound" in postroom(other, "store", "check").stdout


def test_import_compact_and_migrate_refuse_a_store_in_use(serve):
    service = serve()
    for command in ("import", "compact", "migrate"):
        result = postroom(service.directory, "store", command, stdin=b"")
        assert result.returncode == 1 and b"in use by another process" in result.stderr


def test_import_refuses_a_store_with_endpoints(serve):
    service = serve()
    filled(service)
    export = postroom(service.directory, "store", "export").stdout
    service.stop()
    result = postroom(service.directory, "store", "import", stdin=export)
    assert result.returncode == 1 and b"the store is not empty: it has 3 endpoints" in result.stderr


def test_compact_shrinks_the_file_and_loses_nothing(serve):
    service = serve(MAX_ENDPOINT_NOTIFICATIONS=1000)
    endpoints = filled(service)
    bulk = service.create()
    for _ in range(200):
        service.hook(bulk, b"x" * 50000)
    before = shown(service, endpoints)
    service.call("DELETE", "/manage/endpoint/" + bulk)
    service.stop()
    path = os.path.join(service.directory, "store.mdb")
    size = os.path.getsize(path)
    result = postroom(service.directory, "store", "compact")
    assert result.returncode == 0, result.stderr
    assert os.path.getsize(path) < size / 10
    service.start()
    assert shown(service, endpoints) == before
    service.check()


@pytest.mark.parametrize("layout", [1, 2, 3])
def test_migrate_brings_an_older_layout_to_the_newest_and_loses_nothing(serve, layout):
    service = serve()
    endpoints = filled(service)
    before = shown(service, endpoints)
    service.stop()
    path = os.path.join(service.directory, "store.mdb")
    with open(path, "r+b") as file:
        content = file.read()
        newest = int.from_bytes(content.split(b"schema", 1)[1][:8], "big")
        assert newest > layout
        file.seek(0)
        file.write(content.replace(b"schema" + newest.to_bytes(8, "big"), b"schema" + layout.to_bytes(8, "big")))
    # Commands that only read do not migrate.
    for command in ("check", "export"):
        result = postroom(service.directory, "store", command)
        assert result.returncode != 0 and b'schema version %d; run "postroom store migrate" to migrate it to version %d' % (layout, newest) in result.stderr
    assert postroom(service.directory, "store", "migrate").returncode == 0
    assert postroom(service.directory, "store", "check").returncode == 0
    service.start()
    assert shown(service, endpoints) == before
    service.check()


def test_a_check_without_a_store_fails_with_a_message(tmp_path):
    result = postroom(tmp_path, "store", "check")
    assert result.returncode == 1 and b"there is no store" in result.stderr


def test_a_file_that_is_not_a_store_is_named_and_not_changed(tmp_path):
    os.makedirs(tmp_path / "data0" / "var")
    path = tmp_path / "data0" / "var" / "store.mdb"
    path.write_bytes(b"something else" * 1000)
    from harness import Service

    service = Service(tmp_path / "data0").start(wait=False)
    assert service.process.wait(20) == 1
    assert "store.mdb" in service.log() and path.read_bytes().startswith(b"something else")


def test_expiry_removes_endpoints_and_their_notifications(serve):
    service = serve(MAX_IDLE_DURATION_SECONDS=0.5, CLEANUP_FREQUENCY_SECONDS=0.2)
    endpoints = [service.create() for _ in range(30)]
    for endpoint in endpoints:
        service.hook(endpoint, "x")
    wait_for(lambda: "ENDPOINTS (0 total)" in service.call("GET", "/manage").text)
    assert service.hook(endpoints[0]).status == 404
    assert "0 endpoints, 0 notifications" in service.check()


def test_a_binary_body_is_exported_in_base64(serve):
    service = serve()
    endpoint = service.create()
    service.hook(endpoint, b"\xff\x00")
    lines = [json.loads(line) for line in postroom(service.directory, "store", "export").stdout.splitlines()]
    assert base64.b64decode(lines[-2]["bodyBase64"]) == b"\xff\x00" and "body" not in lines[-2]


@needs_root
def test_a_service_starts_on_a_full_disk(serve, small_disk):
    service = serve(small_disk, RESPONDERS=2)
    endpoint = service.create()
    assert service.hook(endpoint, "kept").status == 200
    for stop in (service.stop, service.kill_all) * 3:
        fill(small_disk / "ballast")
        stop()
        fill(small_disk / "more")
        service.start()
        assert [n["body"] for n in service.look(endpoint).json()["notifications"]] == ["kept"]
    assert service.bodies(endpoint) == ["kept"]


@needs_root
def test_compact_keeps_the_owner_and_mode_of_the_store(serve):
    service = serve()
    service.create()
    service.stop()
    path = os.path.join(service.directory, "store.mdb")
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o640)
    assert postroom(service.directory, "store", "compact").returncode == 0
    status = os.stat(path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65534, 0o640)


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode()}


def test_export_and_import_copy_queues(serve, tmp_path):
    login = basic("reader", "secret-1")
    signed = {"method": "hmac-sha256", "key": "k\u00e9y", "header_name": "X-Signature"}
    configuration = {
        "listen_host": "127.0.0.1",
        "listen_port": 1,
        "users": [{"name": "reader", "pass_hash": "plain;;secret-1", "queues": ["a", "b"], "can_reload": True}],
        "queues": [
            {"name": "a", "max_message_count": 3, "whitelist_ip": ["127.0.0.0/8", "::1"]},
            {"name": "b", "auth": signed},
        ],
    }
    path = tmp_path / "options.conf"
    path.write_text(json.dumps(configuration))
    service = serve(QUEUE_CONFIG=path)
    for client, queue in (("ahead", "a"), ("behind", "a"), ("cut", "b")):
        assert service.call("GET", "/listen/%s/%s" % (client, queue), headers=login).status == 200
    for body in (b"1", b"\xff\x00", "drei \u2603".encode(), b"4"):
        assert service.call("POST", "/q/a", body).status == 200
    assert service.call("GET", "/read/ahead", headers=login).status == 410  # the first message has rolled off
    configuration["users"][0]["queues"] = ["a"]
    path.write_text(json.dumps(configuration))
    assert service.call("POST", "/reload", headers=login).status == 200
    assert "3 messages" in service.check()

    export = postroom(service.directory, "store", "export").stdout
    other = tmp_path / "other"
    os.makedirs(other / "var")
    result = postroom(other / "var", "store", "import", stdin=export)
    assert result.stdout == b"0 endpoints, 0 notifications, 2 queues, 3 messages, 0 webhooks, 0 subscriptions, 0 deliveries\n", result.stderr
    again = postroom(other / "var", "store", "export").stdout
    assert again.splitlines()[1:] == export.splitlines()[1:]

    copy = serve(other, QUEUE_CONFIG=path)
    copy.check()
    assert copy.call("GET", "/read/cut", headers=login).status == 410
    assert json.loads(copy.call("GET", "/read/ahead", headers=login).body)["messages"] == []
    assert copy.call("GET", "/read/behind", headers=login).status == 410
    assert copy.call("POST", "/q/a", b"5").status == 200
    (read,) = json.loads(copy.call("GET", "/read/behind", headers=login).body)["messages"]
    # The exported store may have used 5 and higher ids since.
    assert read["message"] == "5" and read["id"] > 1000
    assert copy.call("POST", "/q/b", b"unsigned").status == 403


def test_export_and_import_copy_webhooks_and_deliveries(serve, tmp_path):
    secret = {"DB_ENCRYPTION_SECRET": "0123456789abcdef0123456789abcdef", "DELIVERY_ALLOW_SUBNETS": "127.0.0.0/8"}
    environment = "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50"
    service = serve(WEBHOOKS_RETRY_INTERVAL="1h", **secret)
    webhook = {
        "name": "n\u00e9",
        "url": "http://127.0.0.1:9/",
        "events": ["job-created"],
        "custom_headers": {"X-Token": "hidden-token"},
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }

    def call(service, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        answer = service.call(method, "/api" + path, body and json.dumps(body), headers=headers)
        assert answer.status < 300, answer.text
        return answer.json()

    made = call(service, "POST", "/environments/%s/webhooks" % environment, webhook)
    event = {"event": "job-created", "event_id": "one", "data": {"n": 1}}
    call(service, "POST", "/environments/%s/events" % environment, event)
    logs = "/webhooks/%s/logs" % made["webhook_id"]
    wait_for(lambda: len(call(service, "GET", logs)) == 1)  # the attempt fails: nothing listens there
    paths = ["/environments/%s/webhooks" % environment, logs, "/environments/%s/settings" % environment]
    before = [call(service, "GET", path) for path in paths]
    assert "1 webhooks, 0 subscriptions, 1 deliveries: sound" in service.check()

    export = postroom(service.directory, "store", "export", **secret).stdout
    assert b"hidden-token" not in export and b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in export
    other = tmp_path / "other"
    os.makedirs(other / "var")
    result = postroom(other / "var", "store", "import", stdin=export, **secret)
    assert result.stdout.endswith(b"1 webhooks, 0 subscriptions, 1 deliveries\n"), result.stderr

    def timeless(lines):
        """The lines without times of the steady clock: their conversion differs by some microseconds each time."""
        lines = [json.loads(line) for line in lines.splitlines()[1:]]
        for line in lines:
            for name in ("due", "created"):
                line.pop(name, None)
            line.get("state", {}).pop("failingSince", None)
        return lines

    again = postroom(other / "var", "store", "export", **secret).stdout
    assert timeless(again) == timeless(export)

    from harness import Service

    stranger = Service(other, DB_ENCRYPTION_SECRET="x" * 32).start(wait=False)
    assert stranger.process.wait(20) != 0 and "DB_ENCRYPTION_SECRET" in stranger.log()
    twin = serve(other, WEBHOOKS_RETRY_INTERVAL="1h", **secret)
    assert [call(twin, "GET", path) for path in paths] == before
    assert call(twin, "POST", "/environments/%s/events" % environment, event)["event_id"] == "one"
    assert len(call(twin, "GET", logs)) == 1
    twin.check()
