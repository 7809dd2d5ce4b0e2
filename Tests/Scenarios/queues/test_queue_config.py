"""Reloads of the configuration file, and passwords that are written into it."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import together
from queue_service import QueueReaders, QueueSenders, configuration, error, password, roomy

is_root = os.geteuid() == 0

# ---------------------------------------------------------------- under load


def test_a_reload_under_load_fails_no_request_and_all_responders_see_it_at_once(serve_queues):
    def variant(closed):
        guarded = {"name": "guarded", "whitelist_ip": ["192.0.2.1"] if closed else []}
        sized = {"name": "sized", "max_message_size": 10 if closed else 20}
        config = configuration([roomy("a"), roomy("b"), guarded, sized])
        config["users"][2]["queues"] = ["a"] if closed else ["b"]
        return config

    service = serve_queues(variant(False), RESPONDERS=4)
    clients = [service.listen("%s%d" % (queue, number), queue) for queue in "ab" for number in range(2)]

    def probe(closed):
        def run(index):
            if index % 3 == 0:
                return service.post("guarded", "x").status == (403 if closed else 200)
            if index % 3 == 1:
                return service.post("sized", b"x" * 15).status == (413 if closed else 200)
            return [queue["name"] for queue in service.overview(user="bob")["queues"]] == (["a"] if closed else ["b"])

        return run

    turns = 24
    with QueueReaders(service, clients) as readers, ThreadPoolExecutor(8) as pool:
        with QueueSenders(service, ["a", "b"], 4) as senders:
            for turn in range(turns):
                closed = turn % 2 == 0
                service.load(variant(closed))
                assert all(pool.map(probe(closed), range(24))), turn
        readers.drain()
    assert senders.failures == [] and readers.failures == []
    assert len(senders.sent()) > 10 * turns
    for name in "01":
        assert sorted(text for queue in "ab" for _, text in readers.found[queue + name]) == senders.sent()
    service.check()


def test_simultaneous_reloads_all_succeed(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    service.write(configuration(["a", "b"]))
    assert [answer.status for answer in together(12, lambda _: service.reload())] == [200] * 12
    service.listen("reader", "b")


def test_all_responders_accept_a_new_password_once_it_is_set(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    for user in ("alice", "bob", "admin"):
        old = password(user)
        for turn in range(3):
            new = "%s-%d \u00e9;:" % (user, turn)
            answer = service.set_password(user, new, old)
            assert (answer.status, answer.body) == (200, b"")
            answers = together(16, lambda index: service.logs_in(user, old if index < 5 else new))
            assert answers == [False] * 5 + [True] * 11
            old = new


def test_a_password_set_under_load_fails_no_request(serve_queues):
    service = serve_queues(configuration([roomy("a")]), RESPONDERS=4)
    service.listen("reader", "a")
    secret = password("bob")
    with QueueReaders(service, ["reader"]) as readers:
        with QueueSenders(service, ["a"], 4) as senders:
            for turn in range(30):
                assert service.set_password("bob", "password %d" % turn, secret).status == 200
                secret = "password %d" % turn
                assert service.logs_in("bob", secret)
        readers.drain()
    assert senders.failures == [] and readers.failures == []
    assert sorted(text for _, text in readers.found["reader"]) == senders.sent()


# ---------------------------------------------------------------- the file

COMMENTED = """\
// written by hand, \u00e9
{ "listen_host": "h", "listen_port": 1,
\t"queues": [{"name": "a"} /* the only one */],
  "users":[ {"pass_hash"  :
      "plain;;alice-secret"   , "name":"alice","queues":["a"]},
    {"name": "bob", "pass_hash": "plain;;bob-secret", "queues": ["a"]}, // and bob
    {"name": "admin", "pass_hash": "plain;;admin-secret", "can_reload": 1}
 ]}

"""


def hash_in(text, user):
    """The stored hash of a user in a file with comments; no comment here contains a quote."""
    text = re.sub(r"//.*|/\*.*?\*/", "", text)
    return next(entry["pass_hash"] for entry in json.loads(text)["users"] if entry["name"] == user)


def is_of(stored, secret):
    kind, salt, value = stored.split(";")
    return kind == "sha512" and value == hashlib.sha512((secret + salt).encode()).hexdigest()


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_new_password_changes_one_text_in_the_file_and_nothing_else(serve_queues, mode):
    service = serve_queues(COMMENTED)
    edited = COMMENTED.replace("plain;;bob-secret", "plain;;bob-edited").replace('{"name": "a"}', '{"name": "b"}, {"name": "a"}')
    service.write(edited)
    os.chmod(service.config, mode)
    if is_root:
        os.chown(service.config, 65534, 65533)
    before = os.stat(service.config)
    assert service.set_password("alice", "alice-changed").status == 200
    text = service.text()
    stored = hash_in(text, "alice")
    assert text == edited.replace("plain;;alice-secret", stored) and is_of(stored, "alice-changed")
    after = os.stat(service.config)
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, mode)
    assert after.st_ino != before.st_ino
    assert sorted(name for name in os.listdir(service.directory) if "options" in name) == ["options.conf"]
    # Other changes in the file take effect at the next reload.
    assert service.logs_in("bob") and not service.logs_in("bob", "bob-edited")
    error(service.ask("POST", "/listen/reader/b", secret="alice-changed"), 404)
    assert service.reload().status == 200
    assert service.logs_in("bob", "bob-edited") and service.logs_in("alice", "alice-changed")
    assert not service.logs_in("alice")


def test_a_symbolic_link_to_the_file_stays_a_link(serve_queues, tmp_path):
    target = tmp_path / "elsewhere" / "real.conf"
    target.parent.mkdir()
    service = serve_queues(configuration(["a"]))
    os.rename(service.config, target)
    os.symlink(target, service.config)
    assert service.set_password("alice", "alice-changed").status == 200
    assert os.path.islink(service.config) and is_of(hash_in(target.read_text(), "alice"), "alice-changed")
    assert service.reload().status == 200 and service.logs_in("alice", "alice-changed")


def test_two_users_can_set_their_passwords_at_the_same_time(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    users = ["alice", "bob"]
    secrets = {user: password(user) for user in users}
    for turn in range(50):
        new = {user: "%s changed %d" % (user, turn) for user in users}
        answers = together(2, lambda index: service.set_password(users[index], new[users[index]], secrets[users[index]]))
        assert [answer.status for answer in answers] == [200, 200]
        secrets = new
        assert all(is_of(hash_in(service.text(), user), secrets[user]) for user in users), turn
    assert service.reload().status == 200
    assert all(service.logs_in(user, secrets[user]) for user in users)


def test_a_user_who_is_no_longer_in_the_file_cannot_set_a_password(serve_queues):
    service = serve_queues(configuration(["a"]))
    changed = configuration(["a"], users=["admin", "alice"])
    service.write(changed)
    text = service.text()
    error(service.set_password("bob", "bob-changed"), 409)
    assert service.text() == text and service.logs_in("bob")


@pytest.fixture
def closed_directory(tmp_path):
    """A directory, and a function after which not even root can write in it."""
    directory = tmp_path / "closed"
    directory.mkdir()
    if is_root:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(directory)], check=True)
    yield directory, lambda: subprocess.run(
        ["mount", "-o", "remount,ro", str(directory)] if is_root else ["chmod", "500", str(directory)], check=True
    )
    if is_root:
        subprocess.run(["umount", "-l", str(directory)], check=True)
    else:
        directory.chmod(0o700)


def test_the_old_password_stays_if_the_file_cannot_be_written(serve_queues, closed_directory):
    directory, close = closed_directory
    path = directory / "options.conf"
    path.write_text(json.dumps(configuration(["a"])))
    service = serve_queues(QUEUE_CONFIG=path)
    assert service.set_password("bob", "bob-changed").status == 200
    close()
    before = path.read_text()
    error(service.set_password("alice", "alice-changed"), 503)
    assert service.logs_in("alice") and not service.logs_in("alice", "alice-changed")
    assert path.read_text() == before and os.listdir(directory) == ["options.conf"]
    assert service.reload().status == 200


def test_queue_password_hash_argon2id_is_used_for_new_passwords(serve_queues):
    service = serve_queues(configuration(["a"]), QUEUE_PASSWORD_HASH="argon2id")
    assert service.set_password("alice", "alice \u00e9-changed").status == 200
    kind, salt, value = hash_in(service.text(), "alice").split(";")
    assert kind == "argon2id" and re.fullmatch("[0-9a-f]{64}", value) and len(salt) >= 16
    for _ in range(2):
        assert service.logs_in("alice", "alice \u00e9-changed") and not service.logs_in("alice")
        assert service.reload().status == 200
    # Back to sha512.
    service.stop()
    service.settings["QUEUE_PASSWORD_HASH"] = "sha512"
    service.start()
    assert service.set_password("alice", "alice-third", "alice \u00e9-changed").status == 200
    assert is_of(hash_in(service.text(), "alice"), "alice-third")


@pytest.mark.skipif(not shutil.which("argon2"), reason="needs the command argon2")
def test_argon2id_hashes_are_those_of_the_argon2_command(serve_queues):
    def reference(secret, salt, *form):
        command = ["argon2", salt, "-id", "-t", "2", "-k", "19456", "-p", "1", "-l", "32", *form]
        result = subprocess.run(command, input=secret.encode(), capture_output=True, check=True, timeout=60)
        return result.stdout.decode().strip()

    config = configuration(["a"])
    config["users"][2]["pass_hash"] = "argon2id;;" + reference("of elsewhere", "0123456789", "-e")
    service = serve_queues(config, QUEUE_PASSWORD_HASH="argon2id")
    assert service.logs_in("bob", "of elsewhere") and not service.logs_in("bob", "of elsewher")
    assert service.set_password("alice", "alice \u00e9-changed").status == 200
    _, salt, value = hash_in(service.text(), "alice").split(";")
    assert value == reference("alice \u00e9-changed", salt, "-r")
