"""Black-box contract of the webhook queue HTTP interface.

Needs pytest and requests, and a running server.  Environment:

  BASE_URL     where the server answers, e.g. http://127.0.0.1:8080
  CONFIG_PATH  the configuration file the server was started with; it must have
               been a copy of queue_options.json from this folder (listen_host and
               listen_port may differ), and both the server and the tests must
               be able to write it

The tests must run on the host of the server (the IP whitelist cases expect to be
seen as a loopback address).  They may be run again and again against one server:
no case expects an empty queue, and every client name is used once.
"""

import copy
import hashlib
import hmac
import itertools
import json
import os
import re
import threading
import time
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from harness import wait_for

BASE_URL = os.environ["BASE_URL"]
CONFIG_PATH = Path(os.environ["CONFIG_PATH"])
SAMPLE = Path(__file__).resolve().parent / "queue_options.json"

PASSWORDS = {
    "admin": "admin-secret",
    "alice": "alice-secret",
    "bob": "bob-secret",
    "carol": "carol-secret",
    "Dora Field": "a:b:c-secret",
}

# A login that is refused: 403 today; 401 is the textbook answer.
REFUSED = {401, 403}
# A request body or a configuration that cannot be used.
UNUSABLE = {400, 409, 415, 422}

_local = threading.local()


# ---------------------------------------------------------------- helpers


def call(method, path, **kw):
    if not hasattr(_local, "http"):
        _local.http = requests.Session()
        _local.http.trust_env = False
    return _local.http.request(method, BASE_URL + path, timeout=30, allow_redirects=False, **kw)


def basic(name, password):
    token = b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": "Basic " + token}


def assert_empty(r):
    assert r.status_code == 200, (r.status_code, r.text)
    assert r.content == b""


def assert_error(r, statuses, refresh=False):
    """An Error object: exactly a text message and a boolean refresh."""
    if isinstance(statuses, int):
        statuses = {statuses}
    assert r.status_code in statuses, (r.status_code, r.text)
    body = json.loads(r.content)
    assert set(body) == {"message", "refresh"}
    assert isinstance(body["message"], str) and body["message"]
    assert body["refresh"] is refresh
    return body


def assert_list(r):
    """A MessageList object; returns the (id, message) pairs in it."""
    assert r.status_code == 200, (r.status_code, r.text)
    body = json.loads(r.content)
    assert set(body) == {"time", "current_message", "messages"}
    assert isinstance(body["time"], str) and re.fullmatch(r"[0-9]+", body["time"])
    assert type(body["current_message"]) is int and body["current_message"] >= 0
    assert isinstance(body["messages"], list)
    pairs = []
    for item in body["messages"]:
        assert set(item) == {"id", "message"}
        assert type(item["id"]) is int and type(item["message"]) is str
        pairs.append((item["id"], item["message"]))
    ids = [i for i, _ in pairs]
    assert ids == sorted(set(ids)), "ids must be unique and ascending"
    if ids:
        assert ids[0] >= 1 and ids[-1] <= body["current_message"]
    return pairs


class User:
    def __init__(self, name, password=None):
        self.name = name
        self.headers = basic(name, PASSWORDS[name] if password is None else password)

    def get(self, path):
        return call("GET", path, headers=self.headers)

    def listen(self, client, queue):
        return self.get(f"/listen/{client}/{queue}")

    def unlisten(self, client):
        return self.get(f"/unlisten/{client}")

    def read(self, client):
        return self.get(f"/read/{client}")

    def pairs(self, client):
        return assert_list(self.read(client))

    def texts(self, client):
        return [m for _, m in self.pairs(client)]

    def set_password(self, body):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return call("POST", "/setPassword", data=data, headers=self.headers)

    def known(self):
        """Whether the server takes the login."""
        return self.read(unique("absent")).status_code == 404

    def reload(self):
        return call("POST", "/reload", headers=self.headers)


admin, alice, bob = User("admin"), User("alice"), User("bob")


def post(queue, body=b"", **headers):
    if isinstance(body, str):
        body = body.encode()
    return call("POST", f"/q/{queue}", data=body, headers=headers)


def send(queue, *bodies):
    for body in bodies:
        assert_empty(post(queue, body))


def sign(algorithm, key, body):
    return hmac.new(key.encode(), body, algorithm).hexdigest()


_serial = itertools.count(1)


def unique(prefix="c"):
    return f"{prefix}{next(_serial)}-{uuid.uuid4().hex[:10]}"


def joined(queue, user=alice):
    """A new client of the queue, which has just carried an ordinary message."""
    client = unique()
    assert_empty(user.listen(client, queue))
    return client


class Config:
    """The server's configuration file."""

    def __init__(self):
        self.base = json.loads(SAMPLE.read_text("utf-8"))
        current = json.loads(CONFIG_PATH.read_text("utf-8"))
        for key in ("listen_host", "listen_port"):
            self.base[key] = current[key]

    def on_disk(self):
        return json.loads(CONFIG_PATH.read_text("utf-8"))

    def write(self, value):
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        CONFIG_PATH.write_text(text, "utf-8")

    def changed(self, change):
        value = copy.deepcopy(self.base)
        change(value)
        return value

    def apply(self, change):
        """Writes the sample with a change, reloads it, returns what was written."""
        value = self.changed(change)
        self.write(value)
        assert_empty(admin.reload())
        return value

    def restore(self):
        self.write(self.base)
        assert_empty(admin.reload())


def queue_of(conf, name):
    return next(q for q in conf["queues"] if q["name"] == name)


def user_of(conf, name):
    return next(u for u in conf["users"] if u["name"] == name)


def add_queue(name, **options):
    """A change that adds a queue, and lets alice read it."""

    def change(conf):
        conf["queues"].append({"name": name, "auth": {}, **options})
        user_of(conf, "alice")["queues"].append(name)

    return change


@pytest.fixture(scope="session", autouse=True)
def _sample_in_force():
    conf = Config()
    if conf.on_disk() != conf.base:
        conf.restore()
    else:
        admin.reload()  # in case the file was edited behind the server's back
    yield


@pytest.fixture
def config():
    conf = Config()
    yield conf
    conf.restore()


# ---------------------------------------------------------------- time and routes


def test_time_is_a_bare_unix_timestamp_without_login():
    r = call("GET", "/time")
    assert r.status_code == 200
    assert re.fullmatch(r"[0-9]+", r.text)
    assert 1_500_000_000 < int(r.text) <= time.time() + 5
    # It is not the time of day: it stays after the header Date has gone on.
    later = wait_for(lambda: (a := call("GET", "/time")).headers["Date"] != r.headers["Date"] and a, 5)
    assert later.text == r.text


def test_message_list_carries_the_same_time_as_a_string():
    client = joined("open")
    body = alice.read(client).json()
    assert body["time"] == call("GET", "/time").text


@pytest.mark.parametrize("path", ["/nothing", "/read", "/q/", "/listen/only-client", "/unlisten/a/b"])
def test_unknown_path_is_404(path):
    assert call("GET", path, headers=alice.headers).status_code in {404, 405}
    assert call("POST", path, headers=alice.headers).status_code in {404, 405}


@pytest.mark.parametrize(
    "method,path", [("GET", "/q/open"), ("PUT", "/q/open"), ("DELETE", "/q/open"), ("GET", "/setPassword")]
)
def test_wrong_method_is_refused_and_does_nothing(method, path):
    client = joined("open")
    r = call(method, path, data=b"nope", headers=alice.headers)
    assert r.status_code in {404, 405, 501}
    assert alice.texts(client) == []


def test_names_are_percent_decoded_utf8():
    client = "klient%20%C4%8D.%201%20" + unique()
    assert_empty(alice.listen(client, "with%20space%20%C3%A9"))
    send("with%20space%20%C3%A9", "hello")
    assert alice.texts(client) == ["hello"]
    assert_empty(alice.unlisten(client))


def test_query_strings_are_ignored():
    client = unique()
    assert_empty(alice.get(f"/listen/{client}/open?queue=open2"))
    assert_empty(call("POST", "/q/open?a=b/c&token=1", data=b"m"))
    assert [m for _, m in assert_list(alice.get(f"/read/{client}?since=0"))] == ["m"]


def test_chunked_upload():
    client = joined("open")
    assert_empty(call("POST", "/q/open", data=iter([b"one ", b"two ", "třü".encode()])))
    assert alice.texts(client) == ["one two třü"]


# ---------------------------------------------------------------- user login

ENDPOINTS = [
    ("GET", "/read/x"),
    ("GET", "/listen/x/open"),
    ("GET", "/unlisten/x"),
    ("POST", "/setPassword"),
    ("POST", "/reload"),
]


def attempt(method, path, headers):
    return call(method, path, data=b'{"password":"something"}' if method == "POST" else None, headers=headers)


@pytest.mark.parametrize("method,path", ENDPOINTS)
def test_login_is_required(method, path):
    assert_error(attempt(method, path, {}), REFUSED)


@pytest.mark.parametrize("method,path", ENDPOINTS)
def test_wrong_password_is_refused(method, path):
    assert_error(attempt(method, path, basic("alice", "not-the-password")), REFUSED)


@pytest.mark.parametrize(
    "name,password",
    [("nobody", "alice-secret"), ("ALICE", "alice-secret"), ("alice", ""), ("alice", "alice-secret "), ("", "")],
)
def test_unknown_names_and_near_misses_are_refused(name, password):
    assert_error(call("GET", "/read/x", headers=basic(name, password)), REFUSED)


@pytest.mark.parametrize("header", ["Bearer abc", "Basic", "Basic !!!", "Basic " + b64encode(b"alice").decode()])
def test_malformed_authorization_is_refused(header):
    assert_error(call("GET", "/read/x", headers={"Authorization": header}), REFUSED)


@pytest.mark.parametrize("name", sorted(PASSWORDS))
def test_plain_and_salted_password_hashes_log_in(name):
    # plain;;text   sha512;salt;hex(text+salt)   sha256;salt;hex(text+salt)
    assert_error(User(name).read(unique("absent")), 404)


def test_login_scheme_is_case_insensitive():
    token = basic("alice", "alice-secret")["Authorization"].split()[1]
    for scheme in ("basic", "BASIC"):
        r = call("GET", "/read/" + unique("absent"), headers={"Authorization": f"{scheme} {token}"})
        assert_error(r, 404)


# ---------------------------------------------------------------- listen, read, unlisten


def test_first_read_after_listen_is_empty():
    client = unique()
    assert_empty(alice.listen(client, "open"))
    assert alice.pairs(client) == []
    assert alice.pairs(client) == []


def test_earlier_messages_are_not_seen():
    send("open", "before")
    client = joined("open")
    send("open", "after")
    assert alice.texts(client) == ["after"]


def test_messages_arrive_once_in_order_with_consecutive_ids():
    client = joined("open")
    sent = [f"message {i}" for i in range(7)]
    send("open", *sent)
    r = alice.read(client)
    pairs = assert_list(r)
    assert [m for _, m in pairs] == sent
    first = pairs[0][0]
    assert [i for i, _ in pairs] == list(range(first, first + 7))
    assert r.json()["current_message"] == first + 6
    again = alice.read(client)
    assert assert_list(again) == []
    assert again.json()["current_message"] == first + 6


def test_two_clients_of_one_user_read_independently():
    one, two = joined("open"), joined("open")
    send("open", "a")
    assert alice.texts(one) == ["a"]
    send("open", "b")
    assert alice.texts(two) == ["a", "b"]
    assert alice.texts(one) == ["b"]


def test_client_names_are_per_user():
    name = unique("same")
    assert_empty(alice.listen(name, "open"))
    assert_empty(bob.listen(name, "open2"))
    send("open", "for alice")
    send("open2", "for bob")
    assert alice.texts(name) == ["for alice"]
    assert bob.texts(name) == ["for bob"]
    assert_empty(bob.unlisten(name))
    send("open", "still")
    assert alice.texts(name) == ["still"]


def test_other_users_cannot_read_or_drop_a_client():
    client = joined("open")
    send("open", "mine")
    assert_error(bob.read(client), 404)
    assert_error(bob.unlisten(client), 404)
    assert alice.texts(client) == ["mine"]


def test_queues_do_not_mix():
    one, two = joined("open"), joined("open2")
    send("open2", "second")
    assert alice.texts(one) == []
    assert alice.texts(two) == ["second"]


def test_listening_twice_is_an_error_and_keeps_pending_messages():
    client = joined("open")
    send("open", "pending")
    assert_error(alice.listen(client, "open"), {400, 409})
    assert_error(alice.listen(client, "open2"), {400, 409})
    send("open2", "elsewhere")
    assert alice.texts(client) == ["pending"]


def test_queue_outside_the_users_list_cannot_be_listened_to():
    client = unique()
    assert_error(alice.listen(client, "private"), {403, 404})
    assert_error(alice.read(client), 404)
    assert_empty(bob.listen(unique(), "private"))


def test_unknown_queue_cannot_be_listened_to():
    client = unique()
    assert_error(alice.listen(client, "no-such-queue"), {403, 404})
    assert_error(alice.listen(client, "ghost"), {403, 404})  # in the user's list, but not a queue
    assert_error(User("carol").listen(client, "open"), {403, 404})  # may listen to nothing
    assert_error(alice.unlisten(client), 404)


def test_unlisten_drops_the_client_and_its_pending_messages():
    client = joined("open")
    send("open", "lost")
    assert_empty(alice.unlisten(client))
    assert_error(alice.read(client), 404)
    assert_error(alice.unlisten(client), 404)
    assert_empty(alice.listen(client, "open2"))
    send("open2", "new start")
    assert alice.texts(client) == ["new start"]


def test_unknown_client_is_404():
    name = unique("never")
    assert_error(alice.read(name), 404)
    assert_error(alice.unlisten(name), 404)


def test_many_clients_on_one_queue():
    clients = [joined("open") for _ in range(60)]
    send("open", "to all")
    for client in clients:
        assert alice.texts(client) == ["to all"]
        assert_empty(alice.unlisten(client))


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        " leading and trailing \r\n",
        '{"json": ["kept", "as", {"is": null}]}',
        'quote " backslash \\ slash / <tag>&amp;',
        "tab\t nul\x00 bell\x07 delete\x7f",
        "žluťoučký kůň ☃ 漢字 \U0001f600 \u2028\u2029",
        "\ufeffstarts with a mark",
    ],
    ids=["empty", "spaces", "json", "specials", "control", "unicode", "bom"],
)
def test_message_text_is_returned_exactly(text):
    client = joined("open")
    send("open", text)
    assert alice.texts(client) == [text]


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_content_type_does_not_matter(content_type):
    client = joined("open")
    assert_empty(post("open", "a=1&b=2", **{"Content-Type": content_type}))
    assert alice.texts(client) == ["a=1&b=2"]


def test_bytes_that_are_not_utf8_do_no_harm():
    client = joined("open")
    r = post("open", b"\xff\xfe broken")
    # Refusing (4xx) is fine; so is delivering a replacement, with the exact bytes
    # beside it in a further key.
    assert r.status_code in {200, 400, 415, 422}
    send("open", "good")
    items = alice.read(client).json()["messages"]
    assert [set(item) >= {"id", "message"} for item in items] == [True] * (2 if r.status_code == 200 else 1)
    assert set(items[-1]) == {"id", "message"} and items[-1]["message"] == "good"


def test_posting_needs_no_login_and_no_listener():
    send("open", "nobody has to listen")
    assert_empty(call("POST", "/q/open", data=b"x", headers={"Authorization": "Bearer whatever"}))


def test_posting_to_an_unknown_queue_stores_nothing():
    r = post("no-such-queue", "x")
    # Deployed servers swallow it silently; saying so is as good.
    if r.status_code == 200:
        assert r.content == b""
    else:
        assert_error(r, 404)


# ---------------------------------------------------------------- message authentication


def test_hmac_sha256_signature_is_a_hex_digest_of_the_body():
    client = joined("signed")
    body = "payload – signed".encode()
    assert_empty(post("signed", body, **{"Foo-Auth": sign("sha256", "12345", body)}))
    assert alice.texts(client) == [body.decode()]


def test_signature_header_name_is_case_insensitive():
    client = joined("signed")
    body = b"abc"
    for name in ("foo-auth", "FOO-AUTH"):
        assert_empty(post("signed", body, **{name: sign("sha256", "12345", body)}))
    assert alice.texts(client) == ["abc", "abc"]


def test_bad_signatures_are_refused_and_leave_no_trace():
    client = joined("signed")
    body = b"payload"
    good = sign("sha256", "12345", body)
    assert_empty(post("signed", body, **{"Foo-Auth": good}))
    wrong = [
        {},
        {"Foo-Auth": ""},
        {"Foo-Auth": sign("sha256", "54321", body)},
        {"Foo-Auth": sign("sha256", "12345", body + b"\n")},
        {"Foo-Auth": sign("sha1", "12345", body)},
        {"Foo-Auth": hashlib.sha256(body).hexdigest()},
        {"Foo-Auth": good[:-1]},
        {"Foo-Auth": good + "00"},
        {"Foo-Auth": "12345"},
        {"X-Signature": good},
    ]
    for headers in wrong:
        assert_error(post("signed", body, **headers), REFUSED)
    assert_empty(post("signed", body, **{"Foo-Auth": good}))
    pairs = alice.pairs(client)
    assert [m for _, m in pairs] == ["payload", "payload"]
    assert pairs[1][0] == pairs[0][0] + 1  # refused messages use up no id


@pytest.mark.parametrize("queue,algorithm,key", [("sig-sha1", "sha1", "k-sha1"), ("sig-sha512", "sha512", "k-sha512")])
def test_other_hmac_hashes(queue, algorithm, key):
    client = joined(queue)
    body = b"other hashes"
    assert_empty(post(queue, body, **{"X-Signature": sign(algorithm, key, body)}))
    assert_error(post(queue, body, **{"X-Signature": sign("sha256", key, body)}), REFUSED)
    assert alice.texts(client) == ["other hashes"]


def test_hash_process_takes_the_plain_digest_of_the_body():
    client = joined("digest")
    body = b"digest me"
    assert_empty(post("digest", body, **{"X-Signature": hashlib.sha256(body).hexdigest()}))
    assert_error(post("digest", body, **{"X-Signature": sign("sha256", "unused", body)}), REFUSED)
    assert_error(post("digest", body, **{"X-Signature": hashlib.sha256(b"unused" + body).hexdigest()}), REFUSED)
    assert_error(post("digest", body), REFUSED)
    assert alice.texts(client) == ["digest me"]


def test_auth_block_without_a_method_is_ignored():
    client = joined("nomethod")
    send("nomethod", "unsigned")
    assert alice.texts(client) == ["unsigned"]


def test_ip_whitelist():
    allowed, denied, unlimited = joined("ip-ok"), joined("ip-no"), joined("ip-any")
    assert_empty(post("ip-ok", "in"))
    assert_error(post("ip-no", "out"), REFUSED)
    assert_empty(post("ip-any", "an empty list means anyone"))
    assert alice.texts(allowed) == ["in"]
    assert alice.texts(denied) == []
    assert alice.texts(unlimited) == ["an empty list means anyone"]


def test_ip_whitelist_does_not_replace_the_signature():
    client = joined("ip-signed")
    body = b"both"
    assert_error(post("ip-signed", body), REFUSED)
    assert_empty(post("ip-signed", body, **{"X-Signature": sign("sha256", "12345", body)}))
    assert alice.texts(client) == ["both"]


def test_unsigned_oversized_message_is_just_refused():
    client = joined("signed")
    assert_empty(post("signed", b"fine", **{"Foo-Auth": sign("sha256", "12345", b"fine")}))
    assert_error(post("signed", b"x" * 2001), REFUSED)
    assert alice.texts(client) == ["fine"]


def test_hash_process_without_a_key(config):
    config.apply(add_queue("bare-hash", auth={"method": "hash-sha256", "header_name": "X-Sig"}))
    r = post("bare-hash", b"b", **{"X-Sig": hashlib.sha256(b"b").hexdigest()})
    # The key is documented as only needed where applicable.
    assert_empty(r)
    assert_error(post("bare-hash", b"b", **{"X-Sig": hashlib.sha256(b"c").hexdigest()}), REFUSED)


# ---------------------------------------------------------------- limits


def test_message_size_limit_is_inclusive_and_in_bytes():
    send("small", "settle")
    client = joined("small")
    send("small", "x" * 10, "é" * 5)
    assert alice.texts(client) == ["x" * 10, "é" * 5]
    assert_error(post("small", "x" * 11), 413)
    assert_error(post("small", "é" * 6), 413)
    send("small", "settle")


def test_oversized_message_puts_every_client_into_an_error_once():
    send("small", "settle")
    one, two, reader = joined("small"), joined("small", bob), joined("small")
    send("small", "kept")
    assert alice.texts(reader) == ["kept"]
    assert_error(post("small", "far too large"), 413)
    send("small", "later")
    for user, client in ((alice, one), (bob, two), (alice, reader)):
        assert_error(user.read(client), 410, refresh=True)
        assert user.pairs(client) == []  # restarted at the newest message
    send("small", "next")
    for user, client in ((alice, one), (bob, two), (alice, reader)):
        assert user.texts(client) == ["next"]


def test_messages_after_an_oversized_one_are_delivered_again():
    send("small", "settle")
    client = joined("small")
    assert_error(post("small", "far too large"), 413)
    assert_error(alice.read(client), 410, refresh=True)
    send("small", "next")
    # Documented: the client goes on from the newest message.
    assert alice.texts(client) == ["next"]
    send("small", "and on")
    assert alice.texts(client) == ["and on"]


def test_global_size_limit_and_its_override_in_a_queue():
    client, roomy = joined("open"), joined("roomy")
    send("open", "x" * 2000)
    assert alice.texts(client) == ["x" * 2000]
    assert_error(post("open", "x" * 2001), 413)
    send("open", "settle")
    send("roomy", "y" * 5000)
    assert alice.texts(roomy) == ["y" * 5000]
    assert_error(post("roomy", "y" * 5001), 413)
    send("roomy", "settle")


def test_message_count_limit():
    full, over = joined("three"), None
    send("three", "a", "b", "c")
    over = joined("three")
    assert alice.texts(full) == ["a", "b", "c"]
    send("three", "d", "e", "f", "g")
    assert_error(alice.read(over), 410, refresh=True)
    assert alice.pairs(over) == []
    send("three", "h")
    assert alice.texts(over) == ["h"]
    assert_error(alice.read(full), 410, refresh=True)


def test_client_that_keeps_up_never_sees_the_count_limit():
    client = joined("three")
    for i in range(10):
        send("three", f"m{i}")
        assert alice.texts(client) == [f"m{i}"]


def test_global_count_limit():
    in_time, late = joined("open"), joined("open")
    send("open", *[f"n{i}" for i in range(40)])
    assert alice.texts(in_time) == [f"n{i}" for i in range(40)]
    send("open", "one more")
    assert_error(alice.read(late), 410, refresh=True)
    assert alice.texts(in_time) == ["one more"]


def test_queue_size_limit_is_the_sum_of_bytes():
    exact, over = joined("bytes20"), None
    send("bytes20", "x" * 8, "y" * 12)
    assert alice.texts(exact) == ["x" * 8, "y" * 12]
    over = joined("bytes20")
    send("bytes20", "1" * 10, "2" * 10, "3")
    assert_error(alice.read(over), 410, refresh=True)
    assert alice.pairs(over) == []
    send("bytes20", "4")
    assert alice.texts(over) == ["4"]


def test_queue_of_one(config):
    name = unique("one")
    config.apply(add_queue(name, max_message_count=1))
    client = joined(name)
    for text in ("a", "b"):
        send(name, text)
        assert alice.texts(client) == [text]
    send(name, "c", "d")
    assert_error(alice.read(client), 410, refresh=True)
    send(name, "e")
    assert alice.texts(client) == ["e"]


def test_client_that_joins_after_a_drop_is_not_in_error(config):
    name = unique("new")
    config.apply(add_queue(name, max_message_size=4))
    assert_error(post(name, "12345"), 413)
    client = joined(name)
    assert alice.pairs(client) == []
    send(name, "a", "b")
    assert alice.texts(client) == ["a", "b"]


# ---------------------------------------------------------------- many at once


def together(count, work):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_concurrent_posts_get_their_own_ids(config):
    name = unique("crowd")
    config.apply(add_queue(name, max_message_count=500))
    one, two = joined(name), joined(name)

    def work(k):
        for i in range(25):
            send(name, f"{k}:{i}")

    together(5, work)
    pairs = alice.pairs(one)
    assert [i for i, _ in pairs] == list(range(1, 126))
    for k in range(5):
        assert [m for _, m in pairs if m.startswith(f"{k}:")] == [f"{k}:{i}" for i in range(25)]
    assert alice.pairs(two) == pairs


def test_every_connection_sees_the_same_server():
    client = joined("open")
    started = call("GET", "/time").text
    assert set(together(12, lambda _: call("GET", "/time").text)) == {started}
    assert {json.loads(b)["time"] for b in together(12, lambda _: alice.read(client).content)} == {started}


# ---------------------------------------------------------------- setPassword


def test_set_password_takes_effect_and_is_written_at_once(config):
    config.apply(lambda conf: None)
    client = joined("open")
    assert_empty(alice.set_password({"password": "brand-new-1"}))
    assert_error(alice.read(client), REFUSED)
    renewed = User("alice", "brand-new-1")
    send("open", "same client")
    assert renewed.texts(client) == ["same client"]

    stored = config.on_disk()
    kind, salt, digest = user_of(stored, "alice")["pass_hash"].split(";")
    assert kind == "sha512" and salt
    assert digest == hashlib.sha512(("brand-new-1" + salt).encode()).hexdigest()
    # Everything else in the file is as before.
    user_of(stored, "alice")["pass_hash"] = "plain;;alice-secret"
    assert stored == config.base


def test_set_password_survives_a_reload(config):
    assert_empty(alice.set_password({"password": "brand-new-2"}))
    assert_empty(admin.reload())
    assert_error(alice.read("x"), REFUSED)
    assert_error(User("alice", "brand-new-2").read(unique("absent")), 404)


def test_short_password_is_refused(config):
    for password in ("", "12345"):
        assert_error(alice.set_password({"password": password}), 400)
    assert_error(alice.read(unique("absent")), 404)
    assert_empty(alice.set_password({"password": "123456"}))
    assert_error(User("alice", "123456").read(unique("absent")), 404)


@pytest.mark.parametrize(
    "body", [b"", b"just-text", b"{}", b'{"pass": "abcdefgh"}', b"password=abcdefgh", b"[]", b'{"password": 12345678}', b'{"password": null}']
)
def test_unusable_set_password_body_changes_nothing(body):
    before = CONFIG_PATH.read_text("utf-8")
    assert_error(alice.set_password(body), UNUSABLE)
    assert CONFIG_PATH.read_text("utf-8") == before
    assert_error(alice.read(unique("absent")), 404)


def test_password_length_is_in_characters(config):
    assert_error(alice.set_password({"password": "ěščřž"}), 400)  # five characters, ten bytes
    assert alice.known()
    assert_empty(alice.set_password({"password": "ěščřžý"}))
    assert User("alice", "ěščřžý").known()


def test_wrong_login_cannot_set_a_password():
    before = CONFIG_PATH.read_text("utf-8")
    assert_error(User("alice", "guess").set_password({"password": "intruder1"}), REFUSED)
    assert CONFIG_PATH.read_text("utf-8") == before
    assert alice.known()


# ---------------------------------------------------------------- reload


def test_reload_needs_the_permission():
    assert_error(alice.reload(), 403)
    assert_empty(admin.reload())


def test_reload_answers_to_post_as_documented_or_to_get_as_deployed():
    statuses = [call(verb, "/reload", headers=admin.headers).status_code for verb in ("POST", "GET")]
    assert statuses == [200, 200]


def test_reload_permission_defaults_to_no(config):
    config.apply(lambda conf: user_of(conf, "alice").pop("can_reload"))
    r = alice.reload()
    assert_error(r, 403)


def test_reload_adds_a_queue_whose_ids_start_at_one(config):
    name = unique("queue")
    config.apply(add_queue(name))
    client = joined(name)
    assert alice.read(client).json()["current_message"] == 0
    send(name, "first", "second")
    assert alice.pairs(client) == [(1, "first"), (2, "second")]


def test_reload_keeps_queues_clients_and_pending_messages(config):
    client = joined("open")
    send("open", "before reload")
    started = call("GET", "/time").text
    config.apply(add_queue(unique("queue")))
    send("open", "after reload")
    assert alice.texts(client) == ["before reload", "after reload"]
    assert call("GET", "/time").text == started


def test_reload_changes_the_limits_of_a_living_queue(config):
    name = unique("queue")
    config.apply(add_queue(name, max_message_size=5))
    client = joined(name)
    send(name, "12345")
    config.apply(add_queue(name, max_message_size=50, max_message_count=2))
    send(name, "1234567890")
    assert alice.texts(client) == ["12345", "1234567890"]
    send(name, "a", "b", "c")
    assert_error(alice.read(client), 410, refresh=True)


def test_reload_changes_the_global_limits(config):
    def change(conf):
        conf["max_message_size"] = 7

    config.apply(change)
    assert_error(post("open", "12345678"), 413)
    send("open", "1234567")
    send("roomy", "12345678")


def test_reload_changes_message_authentication(config):
    client = joined("open")

    def change(conf):
        queue_of(conf, "open")["auth"] = {"method": "hmac-sha256", "key": "zz", "header_name": "X-Z"}
        queue_of(conf, "signed")["auth"] = {}

    config.apply(change)
    assert_error(post("open", "x"), REFUSED)
    assert_empty(post("open", b"x", **{"X-Z": sign("sha256", "zz", b"x")}))
    assert alice.texts(client) == ["x"]
    send("signed", "needs nothing now")


def test_removed_queue_disconnects_its_clients(config):
    name = unique("queue")
    config.apply(add_queue(name))
    client, spare = joined(name), joined(name)
    send(name, "never read")
    config.apply(lambda conf: None)
    assert_error(alice.read(client), 410)
    assert_error(alice.read(client), 410)
    # Posting to it is now like posting to any unknown queue.
    assert post(name, "x").status_code in {200, 404}
    assert_error(alice.listen(client, name), {403, 404})
    # The name can be used again, or given up.
    assert_empty(alice.listen(client, "open"))
    send("open", "back")
    assert alice.texts(client) == ["back"]
    assert_empty(alice.unlisten(spare))
    assert_error(alice.unlisten(spare), 404)


def test_withdrawn_permission_disconnects_the_client(config):
    def withdraw(conf):
        user_of(conf, "alice")["queues"].remove("open2")

    client, other = joined("open2"), joined("open2", bob)
    config.apply(withdraw)
    send("open2", "m")
    assert_error(alice.read(client), 410)
    assert_error(alice.listen(client, "open2"), {403, 404})
    assert bob.texts(other) == ["m"]
    config.apply(lambda conf: None)
    assert_error(alice.read(client), 410)  # until it listens again
    assert_empty(alice.listen(client, "open2"))
    send("open2", "n")
    assert alice.texts(client) == ["n"]


def test_removed_user_cannot_log_in_and_loses_the_clients(config):
    client = joined("open")

    def remove(conf):
        conf["users"].remove(user_of(conf, "alice"))

    config.apply(remove)
    assert_error(alice.read(client), REFUSED)
    config.apply(lambda conf: None)
    assert_error(alice.read(client), 404)


def test_reload_takes_new_users_and_passwords(config):
    def change(conf):
        conf["users"].append({"name": "newcomer", "pass_hash": "plain;;hello-there", "can_reload": False, "queues": ["open"]})
        user_of(conf, "bob")["pass_hash"] = "plain;;bob-changed"

    kept = joined("open", bob)
    config.apply(change)
    newcomer = User("newcomer", "hello-there")
    client = joined("open", newcomer)
    send("open", "hi")
    assert newcomer.texts(client) == ["hi"]
    assert_error(bob.read(kept), REFUSED)
    assert User("bob", "bob-changed").texts(kept) == ["hi"]


@pytest.mark.parametrize("text", ["{ not json", "", "[]", '{"users": [], "queues": []}'], ids=["syntax", "empty", "array", "keys"])
def test_failed_reload_is_aborted(config, text):
    client = joined("open")
    send("open", "one")
    config.write(text)
    assert_error(admin.reload(), UNUSABLE | {500})
    send("open", "two")
    assert alice.texts(client) == ["one", "two"]
    assert_error(post("signed", "x"), REFUSED)


BROKEN = {
    "no users": lambda c: c.pop("users"),
    "queue without name": lambda c: c["queues"][0].pop("name"),
    "user without hash": lambda c: c["users"][-1].pop("pass_hash"),
    "unknown key": lambda c: c.update(max_mesage_size=1),
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_refused_configuration_changes_nothing(config, how):
    client = joined("open")
    send("open", "pending")

    def change(conf):
        conf["max_message_size"] = 3
        queue_of(conf, "signed")["auth"] = {}
        user_of(conf, "alice")["pass_hash"] = "plain;;other"
        BROKEN[how](conf)

    config.write(config.changed(change))
    assert_error(admin.reload(), UNUSABLE | {500})
    send("open", "longer than three")
    assert_error(post("signed", "x"), REFUSED)
    assert alice.texts(client) == ["pending", "longer than three"]


def test_optional_keys_may_be_left_out(config):
    def change(conf):
        conf["queues"].append({"name": "spartan"})
        conf["users"].append({"name": "spartan", "pass_hash": "plain;;spartan"})

    config.write(config.changed(change))
    r = admin.reload()
    assert_empty(r)
    send("spartan", "m")
    spartan = User("spartan", "spartan")
    assert spartan.known()
    assert_error(spartan.listen(unique(), "open"), {403, 404})


def test_reload_permission_follows_a_reload(config):
    config.apply(lambda conf: user_of(conf, "alice").update(can_reload=True))
    assert_empty(alice.reload())
    config.write(config.base)
    assert_empty(alice.reload())  # takes its own permission away
    assert_error(alice.reload(), 403)


def test_whitelist_follows_a_reload(config):
    def limited(addresses):
        def change(conf):
            queue_of(conf, "open")["whitelist_ip"] = addresses

        return change

    client = joined("open")
    config.apply(limited(["198.51.100.1"]))
    assert_error(post("open", "no"), REFUSED)
    config.apply(limited(["127.0.0.1", "::1"]))
    send("open", "yes")
    config.apply(limited([]))
    send("open", "anyone")
    assert alice.texts(client) == ["yes", "anyone"]


def test_lower_limits_do_not_discard_what_is_there(config):
    name = unique("shrink")
    config.apply(add_queue(name))
    quick, slow = joined(name), joined(name)
    send(name, *"abcdef")
    config.apply(add_queue(name, max_message_count=2, max_queue_size=3, max_message_size=1))
    assert alice.texts(quick) == list("abcdef")
    assert_error(post(name, "no"), 413)
    send(name, "g")
    assert_error(alice.read(slow), 410, refresh=True)


def test_dropping_an_override_falls_back_to_the_global_limit(config):
    name = unique("fall")
    config.apply(add_queue(name, max_message_size=3000))
    send(name, "x" * 3000)
    config.apply(add_queue(name))
    assert_error(post(name, "x" * 2001), 413)
    send(name, "x" * 2000)


def test_other_clients_of_the_user_are_untouched_by_a_removal(config):
    name = unique("gone")
    config.apply(add_queue(name))
    gone, stays = joined(name), joined("open")
    send("open", "one")
    config.apply(lambda conf: None)
    send("open", "two")
    assert_error(alice.read(gone), 410)
    assert alice.texts(stays) == ["one", "two"]
