"""Faulty configuration files, and starts with and without a file."""

import copy
import json
import os
import random
import shutil
import socket
import time

import pytest
from harness import Threads
from queue_service import QueueService, configuration, error

is_root = os.geteuid() == 0

OLD = configuration(["open"], max_message_size=7)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One service for all tests in which the configuration must not change."""
    service = QueueService(tmp_path_factory.mktemp("kept"), OLD, RESPONDERS=3, MAX_MESSAGE_BYTES=100000).start()
    service.listen("reader", "open")
    yield service
    service.stop()


@pytest.fixture
def faulty(kept):
    """The same service; after the test, the old configuration must still be in force."""
    yield kept
    kept.send("open", "1234567")
    error(kept.post("open", "12345678"), 413)
    assert kept.logs_in("alice") and kept.logs_in("bob")
    error(kept.read("reader"), 410, refresh=True)
    path = kept.config
    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.path.lexists(path) and os.remove(path)
    kept.load(OLD)
    assert os.listdir(os.path.dirname(path)).count("options.conf") == 1


# ---------------------------------------------------------------- files that cannot be used

NEW = """\
{
  "listen_host": "127.0.0.1",
  "listen_port": 8080,
  "max_message_size": 3,
  "users": [
    {"name": "admin", "can_reload": true, "pass_hash": "plain;;admin-secret"},
    {"name": "alice", "queues": ["open"], "pass_hash": "plain;;alice-secret"},
    {"name": "bob", "pass_hash": "plain;;bob-secret"}
  ],
  "queues": [{"name": "open"}]
}
"""


# A text of NEW, what replaces it, with "\u00a7" at the place of the fault, and words of the message.
FAULTS = [
    (NEW, NEW[:-2] + "\u00a7", ""),
    (NEW, "{\n \u00a7not json", ""),
    (NEW, "\u00a7", ""),
    (NEW, NEW + "\u00a7]", ""),
    ('"can_reload": true,', '"can_reload": true,\u00a7,', ""),
    (NEW, "\u00a7[]", "an object"),
    (NEW, '\n\t\u00a7"x"', "an object"),
    (NEW, '\u00a7{"listen_host": "", "listen_port": 1, "queues": []}', '"users" is missing'),
    (NEW, '{"listen_host": "", "listen_port": 1, "queues": [], "users": \u00a7{}}', "an array"),
    (NEW, '{"listen_host": "", "listen_port": 1, "users": [], "queues": \u00a7null}', "an array"),
    ('{"name": "bob", "pass_hash": "plain;;bob-secret"}', '\u00a7{"name": "bob"}', '"pass_hash" is missing'),
    ('{"name": "bob", ', '\u00a7{"name": "alice", ', "the same name"),
    ('"bob", "pass_hash"', '\u00a7{"x": "bob"}, "pass_hash"', "must be a string"),
    ('{"name": "open"}', '{"name": "open"}, \u00a7{"auth": {}}', '"name" is missing'),
    ('{"name": "open"}', '{"name": "open"}, \u00a7"name"', "an object"),
    ('{"name": "open"}', '{"name": "open", \u00a7"max_mesage_size": 1}', "max_mesage_size"),
    ('{"name": "open"}', '{"name": \u00a7["open"]}', "must be a string"),
    ('"listen_port": 8080', '\u00a7"\u00e9\u00e9": 8080, "listen_port": 8080', "\u00e9\u00e9"),
    ('"listen_port": 8080', '"listen_port": 8080, \u00a7"listen_port": 8080', "duplicate member"),
    ('"127.0.0.1"', "\u00a71", "must be a string"),
    ("8080", '\u00a7"8080"', "a whole number"),
    ("8080", "\u00a765536", "a whole number"),
    ('"queues": ["open"]', '"queues": \u00a75', "an array"),
    ('"queues": ["open"]', '"queues": ["open",\n\u00a7[]]', "a queue"),
    ("true", '\u00a7"yes"', "true or false"),
    ('"plain;;bob-secret"', '\u00a7"md5;;x"', "sha512"),
    ('"plain;;bob-secret"', '\u00a7"bob-secret"', "TYPE;SALT;VALUE"),
    ('"plain;;bob-secret"', "\u00a7null", "must be a string"),
    ('"max_message_size": 3', '"max_message_size": \u00a7-1', "a whole number"),
    ('"max_message_size": 3', '"max_message_size": \u00a7"3"', "a whole number"),
    ('"max_message_size": 3', '"max_message_size": \u00a7null', "a whole number"),
    ('"max_message_size": 3', '"max_queue_size": \u00a71.5', "a whole number"),
    ('"max_message_size": 3', '"max_message_count": \u00a7' + "9" * 30, "a whole number"),
    ('"max_message_size": 3', '"max_message_size": \u00a7100001', "MAX_MESSAGE_BYTES"),
    ('{"name": "open"}', '{"name": "open", "whitelist_ip": ["10.0.0.1", \u00a7"10.0.0.256"]}', "an IP address"),
    ('{"name": "open"}', '{"name": "open", "whitelist_ip": ["::/0", \u00a7"10.0.0.0/33"]}', "an IP address"),
    ('{"name": "open"}', '{"name": "open", "whitelist_ip": \u00a7"127.0.0.1"}', "an array"),
    ('{"name": "open"}', '{"name": "open", "auth": {"method": \u00a7"hmac-md5", "key": "k"}}', "hmac"),
    ('{"name": "open"}', '{"name": "open", "auth": {"method": \u00a7""}}', "hmac"),
    ('{"name": "open"}', '{"name": "open", "auth": {"key": \u00a75}}', "must be a string"),
    ('{"name": "open"}', '{"name": "open", "auth": \u00a7[]}', "an object"),
]


@pytest.mark.parametrize("old, new, words", FAULTS, ids=[repr(new)[-40:] for _, new, _ in FAULTS])
def test_a_fault_is_named_with_its_place_and_nothing_changes(faulty, old, new, words):
    assert NEW.count(old) == 1
    before, _, behind = NEW.replace(old, new).partition("\u00a7")
    faulty.write(before + behind)
    message = error(faulty.reload(), 422)
    line = before.rpartition("\n")[2]
    place = "line %d, column %d" % (before.count("\n") + 1, len(line.encode()) + 1)
    assert place in message and words in message, message


@pytest.mark.parametrize(
    "content", [b'{"\xff": 1}', bytes(range(256)) * 100, b"[" * 200000, b'{"a":' * 200000, b"/*" * 1000, b"\0" * 1000, b"\xef\xbb\xbf"]
)
def test_a_file_that_is_not_json_is_refused_with_its_place(faulty, content):
    faulty.write(content)
    assert "line 1, column" in error(faulty.reload(), 422)
    error(faulty.set_password("alice", "alice-changed"), 422)
    with open(faulty.config, "rb") as file:
        assert file.read() == content


def test_every_fault_is_named(faulty):
    config = copy.deepcopy(OLD)
    config["queues"] += [{"name": number} for number in range(30)]
    config["listen_port"] = "x"
    faulty.write(config)
    message = error(faulty.reload(), 422)
    assert "listen_port" in message and "queues[1].name" in message and "queues[19].name" in message
    assert message.endswith("And 11 more.")


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)


def large(path):
    with open(path, "w") as file:
        file.write(json.dumps(configuration(["open"], max_message_size=3)) + " " * 50_000_000)


def unreadable(path):
    with open(path, "w") as file:
        file.write(NEW)
    os.chmod(path, 0)


@pytest.mark.parametrize(
    "place",
    [fifo, unix_socket, large, os.mkdir, lambda path: None]
    + [lambda path, target=target: os.symlink(target, path) for target in ("nowhere", "/dev/zero", "/proc/self/mem", "options.conf")]
    + [pytest.param(unreadable, marks=pytest.mark.skipif(is_root, reason="root may read everything"))],
    ids=["fifo", "socket", "50 MB", "directory", "missing", "dangling", "endless", "memory", "loop", "unreadable"],
)
def test_an_unreadable_file_is_refused_at_once(faulty, place):
    os.remove(faulty.config)
    place(faulty.config)
    directory = sorted(os.listdir(faulty.directory))
    started = time.monotonic()
    error(faulty.reload(), 409)
    error(faulty.set_password("alice", "alice-changed"), 409)
    assert time.monotonic() - started < 5
    assert sorted(os.listdir(faulty.directory)) == directory


class Rewriting(Threads):
    """A thread that writes two texts to a file in turn, again and again."""

    def __init__(self, path, texts, how):
        self.path, self.texts, self.how, self.turns = path, texts, how, 0
        super().__init__([0])

    def run(self, _):
        dice = random.Random(1)
        while not self.stopping.is_set():
            self.how(self.path, self.texts[self.turns % 2])
            self.turns += 1
            time.sleep(dice.choice((0.001, 0.003, 0.003, 0.05)))


def renamed(path, text):
    with open(path + ".edited", "wb") as file:
        file.write(text)
    os.rename(path + ".edited", path)


def truncated(path, text):
    with open(path, "wb", buffering=0) as file:
        file.write(text)


def overwritten(path, text):
    with open(path, "r+b", buffering=0) as file:
        file.write(text)


@pytest.mark.parametrize("how", [renamed, truncated, overwritten])
def test_a_file_that_is_being_written_is_read_completely_or_refused(serve_queues, how):
    names = {letter: ["%s%d" % (letter, number) for number in range(100)] for letter in "xy"}

    def text(letter):
        config = configuration([])
        for user in config["users"]:
            user["queues"] = names["x"] + names["y"]
        queues = ",\n".join('{"name": "%s"} /* %s */' % (name, "-" * 4000) for name in names[letter])
        return json.dumps(config, indent=1).replace('"queues": []', '"queues": [%s]' % queues, 1).encode()

    texts = [text("x"), text("y")]
    assert len(texts[0]) == len(texts[1]) > 400000
    service = serve_queues(texts[0].decode(), RESPONDERS=3)
    connection = service.connection()
    statuses = []
    with Rewriting(service.config, texts, how) as rewriting:
        for _ in range(80):
            answer = service.ask("POST", "/reload", user="admin", connection=connection)
            statuses.append(answer.status)
            assert answer.status in (200, 409, 422), answer.text
            found = [queue["name"] for queue in service.overview(user="bob")["queues"]]
            assert found in (sorted(names["x"]), sorted(names["y"])), (statuses, found)
    assert rewriting.turns > 20 and 200 in statuses
    service.load(text("y"))
    assert [queue["name"] for queue in service.overview()["queues"]] == sorted(names["y"])


# ---------------------------------------------------------------- starts


def test_a_start_without_a_file_has_no_queues_and_no_logins(serve_queues):
    service = serve_queues()
    assert not os.path.exists(service.config)
    assert service.post("example", "x").status == 200
    for user, secret in (("admin", "admin"), ("admin", ""), ("", ""), ("admin", "admin-secret"), ("test", "test")):
        assert not service.logs_in(user, secret)
    assert not os.path.exists(service.config)
    assert service.hook(service.create(), "x").status == 200


@pytest.mark.parametrize(
    "text, words",
    [("{", "line 1, column 2"), (NEW.replace("8080", '"x"'), "line 3, column 18, listen_port")]
    + [("", "line 1, column 1"), (None, "not a regular file")],
    ids=["cut", "type", "empty", "directory"],
)
def test_a_faulty_file_stops_the_first_start_with_one_line(tmp_path, text, words):
    # With a secret in the settings, the start makes none and does not log that.
    service = QueueService(tmp_path / "data", text, DB_ENCRYPTION_SECRET="s" * 32)
    if text is None:
        os.makedirs(service.config)
    service.start(wait=False)
    assert service.process.wait(20) == 1
    (line,) = service.log().splitlines()
    assert "QUEUE_CONFIG" in line and service.config in line and words in line
    # With a correct file the service starts.
    if text is not None:
        service.write(NEW)
        assert service.start().logs_in("alice") and service.stop() == 0


def test_the_first_start_names_all_faults_of_the_file(tmp_path):
    service = QueueService(tmp_path / "data", '{"users": 5}').start(wait=False)
    assert service.process.wait(20) == 1
    assert [words for words in ("listen_host", "listen_port", "queues", "an array") if words not in service.log()] == []


@pytest.mark.parametrize("what", ["missing", "faulty", "directory"])
def test_a_later_start_without_a_correct_file_keeps_the_queues_and_warns(serve_queues, what):
    service = serve_queues(configuration(["a"]))
    service.listen("reader", "a")
    service.send("a", "kept")
    service.stop()
    os.remove(service.config)
    if what == "faulty":
        service.write('{\n"x')
    elif what == "directory":
        os.mkdir(service.config)
    logged = len(service.raw_log())
    service.start()
    said = service.log().encode()[logged:].decode(errors="replace")
    assert "QUEUE_CONFIG was not applied; the queues stay as they were" in said and "options.conf" in said
    assert what != "faulty" or "line 2, column" in said
    assert service.texts("reader") == ["kept"]
    error(service.reload(), 422 if what == "faulty" else 409)
    service.send("a", "more")
    assert service.texts("reader") == ["more"]


def test_a_start_applies_changes_that_were_made_while_the_service_was_stopped(serve_queues):
    service = serve_queues(configuration(["a", "b"]))
    service.listen("reader", "a")
    service.listen("other", "b")
    service.send("a", "kept")
    service.stop()
    service.write(configuration(["a", "c"]))
    service.start()
    assert service.texts("reader") == ["kept"]
    error(service.read("other"), 410)
    service.listen("third", "c")
