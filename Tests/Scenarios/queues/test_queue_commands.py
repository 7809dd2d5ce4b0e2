"""`postroom queues`, with and without a running service."""

import json
import os
import pty
import re
import shutil
import stat
import subprocess
import termios

import pytest
from harness import PROGRAM, environment, postroom, wait_for
from queue_service import QueueService, configuration, error, read_messages


def queues(service, *arguments, **options):
    """Runs `postroom queues ...` on the service's DATA_DIR; returns exit status, output and errors."""
    result = postroom(service.directory, "queues", *arguments, **options)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


# ---------------------------------------------------------------- init


@pytest.mark.parametrize("kind", ["sha512", "argon2id", "blake2b"])
def test_init_writes_an_example_with_a_password_that_is_shown_once(serve_queues, tmp_path, kind):
    service = QueueService(tmp_path / "data")
    status, shown, _ = queues(service, "init", QUEUE_PASSWORD_HASH=kind)
    assert status == 0 and shown.count("\n") == 1
    secret = shown.split()[-1]
    assert len(secret) >= 16 and service.config in shown
    assert stat.S_IMODE(os.stat(service.config).st_mode) == 0o600
    text = service.text()
    assert secret not in text and len(re.findall(r"^\s*//", text, re.M)) > 5 and '"%s;' % kind in text
    assert queues(service, "check")[0] == 0

    # A second init does not overwrite the file.
    assert queues(service, "init")[0] == 1 and service.text() == text
    service = serve_queues(directory=tmp_path / "data")
    assert service.logs_in("admin", secret) and not service.logs_in("admin", "admin")
    service.listen("reader", "example", user="admin", secret=secret)
    service.send("example", "x")
    assert read_messages(service.read("reader", user="admin", secret=secret)) == [(1, "x")]
    error(service.post("signed", "x"), 403)
    assert service.ask("POST", "/reload", user="admin", secret=secret).status == 200


def test_two_examples_have_different_secrets(tmp_path):
    texts, shown = [], []
    for name in ("a", "b"):
        service = QueueService(tmp_path / name)
        shown.append(queues(service, "init")[1].split()[-1])
        texts.append(service.text())
    keys = [re.search('"key": "([^"]*)"', text).group(1) for text in texts]
    assert shown[0] != shown[1] and keys[0] != keys[1] and not set(shown) & set(keys)


def test_init_does_not_overwrite_a_file_directory_or_link(tmp_path):
    service = QueueService(tmp_path / "data")
    os.makedirs(service.directory)
    for make in (lambda: os.mkdir(service.config), lambda: os.symlink("nowhere", service.config), lambda: open(service.config, "w").close()):
        make()
        status, _, complaint = queues(service, "init")
        assert status == 1 and "options.conf" in complaint and complaint.count("\n") == 1
        assert os.listdir(service.directory) == ["options.conf"]
        os.rmdir(service.config) if os.path.isdir(service.config) else os.remove(service.config)


# ---------------------------------------------------------------- check


def test_check_names_every_fault_and_warning(tmp_path):
    service = QueueService(tmp_path / "data", configuration(["a", "b"]))
    assert queues(service, "check")[:2] == (0, "2 queues, 3 users: valid\n")

    config = configuration([{"name": "a", "auth": {"method": "hmac-sha1"}}, "a", {"name": "b", "max_message_count": 0}])
    config["users"][1]["queues"].append("nonesuch")
    config["users"][2]["pass_hash"] = "sha1;;x"
    service.write(config)
    status, shown, _ = queues(service, "check")
    lines = shown.splitlines()
    assert status == 0 and lines[-1] == "2 queues, 3 users: valid"
    assert all(re.match(re.escape(service.config) + r": line \d+, column \d+, .*\(warning\)$", line) for line in lines[:-1])
    for words in ("there is no such queue", "no password has this hash", "keeps no messages", "same name", '"key"', '"header_name"'):
        assert words in shown

    config.update(surprise=1, listen_port="x", max_queue_size=-1)
    config["queues"].append({"name": 5})
    other = tmp_path / "other.conf"
    other.write_text(json.dumps(config, indent=1))
    status, shown, _ = queues(service, "check", str(other))
    assert status == 1 and len(shown.splitlines()) == 4
    for line, words in zip(shown.splitlines(), ("listen_port", "queues[3].name", "surprise", "max_queue_size")):
        assert line.startswith("%s: line " % other) and words in line
    status, shown, _ = queues(service, "check", MAX_MESSAGE_BYTES="10k")
    assert (status, shown.count("\n")) == (0, 7)
    service.write(configuration(["a"], max_message_size=10241))
    status, shown, _ = queues(service, "check", MAX_MESSAGE_BYTES="10k")
    assert status == 1 and "MAX_MESSAGE_BYTES" in shown


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: None, lambda path: open(path, "w").close()],
    ids=["fifo", "directory", "missing", "empty"],
)
def test_check_names_a_file_that_it_cannot_read(tmp_path, make):
    path = tmp_path / "odd.conf"
    make(path)
    result = postroom(tmp_path / "data", "queues", "check", str(path), timeout=20)
    (line,) = result.stdout.decode().splitlines()
    assert result.returncode == 1 and str(path) in line


# ---------------------------------------------------------------- load and list


def test_load_applies_the_file_to_the_running_service_or_changes_nothing(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=3)
    service.listen("reader", "a")
    service.send("a", "kept")
    service.write(configuration(["a", "b"]))
    error(service.ask("POST", "/listen/other/b"), 404)
    assert queues(service, "load") == (0, "", "")
    for number in range(6):
        service.listen("other%d" % number, "b")
    service.write('{\n "x')
    status, _, complaint = queues(service, "load")
    assert status == 1 and "nothing was changed" in complaint and "line 2, column" in complaint
    os.remove(service.config)
    status, _, complaint = queues(service, "load")
    assert status == 1 and "options.conf does not exist" in complaint
    assert service.texts("reader") == ["kept"]
    service.send("b", "x")
    assert service.texts("other0") == ["x"]


def test_list_shows_the_messages_and_clients_of_each_queue(serve_queues, tmp_path):
    service = serve_queues(configuration(["a", "b \u00e9"]))
    for user in ("alice", "bob"):
        service.listen("reader", "a", user=user)
    service.send("a", "four", "\u00e9\u00e9")
    for _ in range(2):
        status, shown, _ = queues(service, "list")
        first, second = shown.splitlines()
        assert status == 0 and re.fullmatch(r"a: 2 messages, 8 bytes, the oldest \d+ s old; last id 2; 2 clients", first)
        assert second == "b \u00e9: 0 messages, 0 bytes; last id 0; 0 clients"
        # The second time without the service.
        service.stop()
    assert queues(QueueService(tmp_path / "none"), "list")[0] == 1


# ---------------------------------------------------------------- passwd


def test_passwd_changes_a_password_of_the_running_service(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    os.chmod(service.config, 0o640)
    old = "alice-secret"
    for new in ("alice-changed", "six ch", "\u011b\u0161\u010d\u0159\u017e\u00fd", " ends with blanks  ", "a:b;c\"\\"):
        assert queues(service, "passwd", "alice", stdin=new.encode() + b"\n") == (0, "", "")
        for _ in range(6):
            assert service.logs_in("alice", new)
        assert not service.logs_in("alice", old)
        old = new
    assert service.logs_in("bob") and stat.S_IMODE(os.stat(service.config).st_mode) == 0o640
    assert service.reload().status == 200 and service.logs_in("alice", old)


@pytest.mark.parametrize(
    "user, stdin, words",
    [("nobody", b"long enough\n", "nobody"), ("alice", b"short\n", "at least 6"), ("alice", b"\n", "at least 6"), ("alice", b"", "no password")]
    + [("Alice", b"long enough\n", "Alice"), ("alice", "\u011b\u0161\u010d\u0159\u017e\n".encode(), "at least 6")],
)
def test_passwd_refuses_unknown_users_and_short_passwords(serve_queues, user, stdin, words):
    service = serve_queues(configuration(["a"]), RESPONDERS=1)
    text = service.text()
    status, shown, complaint = queues(service, "passwd", user, stdin=stdin)
    assert status == 1 and shown == "" and words in complaint and len(complaint.splitlines()) == 1
    assert service.text() == text and service.logs_in("alice")


def test_passwd_without_a_service_takes_effect_at_its_start(serve_queues, tmp_path):
    service = QueueService(tmp_path / "data", configuration(["a"]))
    assert queues(service, "passwd", "alice", stdin=b"alice-changed\n")[0] == 0
    service = serve_queues(directory=tmp_path / "data")
    assert service.logs_in("alice", "alice-changed") and not service.logs_in("alice")


def test_passwd_does_not_change_a_faulty_file(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=1)
    service.write('{"users": [')
    status, _, complaint = queues(service, "passwd", "alice", stdin=b"alice-changed\n")
    assert status == 1 and "line 1, column" in complaint
    assert service.text() == '{"users": [' and service.logs_in("alice")
    os.remove(service.config)
    assert queues(service, "passwd", "alice", stdin=b"alice-changed\n")[0] == 1
    assert not os.path.exists(service.config) and service.logs_in("alice")


def test_passwd_on_a_terminal_asks_and_does_not_show_what_is_typed(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=1)
    keyboard, terminal = pty.openpty()

    def echoes():
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

    assert echoes()
    command = [PROGRAM, "queues", "passwd", "alice"]
    process = subprocess.Popen(command, env=environment(service.directory), stdin=terminal, stdout=terminal, stderr=terminal)
    shown = b""
    while b"New password for alice: " not in shown:
        shown += os.read(keyboard, 100)
    wait_for(lambda: not echoes())
    os.write(keyboard, b"alice-typed\n")
    assert process.wait(20) == 0
    assert echoes()
    os.write(terminal, b"end")
    while b"end" not in shown:
        shown += os.read(keyboard, 100)
    assert shown.replace(b"\r", b"") == b"New password for alice: \nend"
    assert service.logs_in("alice", "alice-typed") and not service.logs_in("alice")
    os.close(keyboard)
    os.close(terminal)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "name, value",
    [("QUEUE_PASSWORD_HASH", value) for value in ("plain", "md5", "", "sha512,argon2id")]
    + [("MAX_MESSAGE_BYTES", value) for value in ("0", "-1", "", "2g", "1.5m", "x")],
)
def test_a_wrong_setting_stops_every_command_with_one_line_that_names_it(tmp_path, name, value):
    for command in (["settings"], ["serve"], ["queues", "init"]):
        result = postroom(tmp_path / "data", *command, **{name: value})
        assert result.returncode != 0
        (line,) = result.stderr.decode().strip().splitlines()
        assert name in line and '"%s"' % value in line and ", but must be " in line
    assert not os.path.exists(tmp_path / "data" / "options.conf")


def test_queue_config_names_the_file(serve_queues, tmp_path):
    path = tmp_path / "etc" / "queues.json"
    path.parent.mkdir()
    path.write_text(json.dumps(configuration(["a"])))
    service = serve_queues(QUEUE_CONFIG=path)
    assert service.logs_in("alice") and not os.path.exists(service.config)
    shutil.rmtree(path.parent)
    error(service.reload(), 409)
    assert service.logs_in("alice")
