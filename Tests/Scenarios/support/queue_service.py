"""A service with queues, its users, and threads that send and read."""

import base64
import json
import os

from harness import Senders, Service, Threads, wait_for

USERS = ("admin", "alice", "bob")


def password(user):
    return user + "-secret"


def plain_user(name, queues, **members):
    return {"name": name, "pass_hash": "plain;;" + password(name), "queues": list(queues), **members}


def configuration(queues, users=USERS, **members):
    """A configuration: queues, given by name or in full, and users who may listen to all of them."""
    queues = [queue if isinstance(queue, dict) else {"name": queue} for queue in queues]
    names = [queue["name"] for queue in queues]
    return {
        "listen_host": "127.0.0.1",
        "listen_port": 8080,
        "users": [plain_user(name, names, can_reload=name == "admin") for name in users],
        "queues": queues,
        **members,
    }


def basic(user, secret=None):
    token = "%s:%s" % (user, password(user) if secret is None else secret)
    return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}


def roomy(name, **members):
    """A queue that never drops a message."""
    return {"name": name, "max_message_count": 10**9, "max_queue_size": 10**12, **members}


class QueueService(Service):
    """A service whose queues are configured by a file in DATA_DIR."""

    def __init__(self, directory, config=None, **settings):
        super().__init__(directory, **settings)
        self.config = os.path.join(self.directory, "options.conf")
        if config is not None:
            os.makedirs(self.directory, exist_ok=True)
            self.write(config)

    def write(self, config):
        """Replaces the file, as an editor does, by a dictionary, a text or bytes."""
        if isinstance(config, dict):
            config = json.dumps(config, indent=2)
        with open(self.config + ".edited", "wb") as file:
            file.write(config.encode() if isinstance(config, str) else config)
        os.rename(self.config + ".edited", self.config)

    def text(self):
        with open(self.config, encoding="utf-8") as file:
            return file.read()

    def ask(self, method, path, body=None, user="alice", secret=None, headers=None, **options):
        """A request with a login."""
        return self.call(method, path, body, {**basic(user, secret), **(headers or {})}, **options)

    def post(self, queue, body=b"", headers=None, **options):
        body = body.encode() if isinstance(body, str) else body
        return self.call("POST", "/q/" + queue, body, headers, **options)

    def send(self, queue, *bodies):
        for body in bodies:
            answer = self.post(queue, body)
            assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)

    def listen(self, client, queue, **options):
        answer = self.ask("POST", "/listen/%s/%s" % (client, queue), **options)
        assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)
        return client

    def read(self, client, query="", **options):
        return self.ask("POST", "/read/%s%s" % (client, query), **options)

    def begin_read(self, client, query):
        return self.begin("POST", "/read/%s%s" % (client, query), basic("alice"))

    def texts(self, client, query="", **options):
        return [text for _, text in read_messages(self.read(client, query, **options))]

    def acknowledge(self, client, number, **options):
        return self.ask("POST", "/ack/%s/%s" % (client, number), **options)

    def overview(self, query="", user="alice"):
        answer = self.ask("GET", "/queues" + query, user=user)
        assert answer.status == 200, answer.text
        return answer.json()

    def reload(self):
        return self.ask("POST", "/reload", user="admin")

    def load(self, config):
        self.write(config)
        answer = self.reload()
        assert (answer.status, answer.body) == (200, b""), (answer.status, answer.text)

    def set_password(self, user, new, secret=None):
        return self.ask("POST", "/setPassword", json.dumps({"password": new}), user=user, secret=secret)

    def logs_in(self, user, secret=None, **options):
        """Whether the password is right; None if the service does not check it."""
        status = self.read("nobody-listens-so", user=user, secret=secret, **options).status
        assert status in (404, 403, 429), status
        return {404: True, 403: False, 429: None}[status]


def read_messages(answer):
    """The ids and texts of the messages in an answer."""
    assert answer.status == 200, (answer.status, answer.text)
    return [(message["id"], message["message"]) for message in answer.json()["messages"]]


def error(answer, status, refresh=False):
    """The answer must be an Error object; returns its message."""
    assert answer.status == status, (answer.status, answer.text)
    body = answer.json()
    assert body["refresh"] is refresh and body["message"]
    assert set(body) - {"current_message"} == {"refresh", "message"}
    return body["message"]


class QueueSenders(Senders):
    def post(self, queue, body, connection):
        return self.service.post(queue, body, connection=connection)


class QueueReaders(Threads):
    """Threads that read, one for each client; `found` has the messages of each in the order of the answers."""

    def __init__(self, service, clients, query=""):
        self.service, self.query, self.failures = service, query, []
        self.found = {client: [] for client in clients}
        super().__init__(clients)

    def run(self, client):
        connection = self.service.connection()
        while not self.stopping.is_set():
            try:
                answer = self.service.read(client, self.query, connection=connection)
                if answer.status == 200:
                    self.take(client, read_messages(answer), connection)
                else:
                    self.failures.append((client, answer.status, answer.text))
            except Exception as error:  # noqa: BLE001
                self.failures.append((client, repr(error)))
                connection.close()
                connection = self.service.connection()
            self.stopping.wait(0.02)
        connection.close()

    def take(self, client, messages, connection):
        self.found[client] += messages

    def drain(self):
        """Waits until each client has read all messages that were posted before."""
        for client, found in self.found.items():
            current = self.service.overview()
            log = {queue["name"]: queue["current_message"] for queue in current["queues"]}
            follows = {entry["name"]: log[entry["queue"]] for entry in current["clients"]}[client]
            wait_for(lambda: (found[-1][0] if found else 0) >= follows or self.failures)


class AcknowledgingReaders(QueueReaders):
    """Readers with ack=manual that leave out some acknowledgements, so that messages come again."""

    def __init__(self, service, clients):
        super().__init__(service, clients, "?ack=manual&wait=1")

    def take(self, client, messages, connection):
        self.found[client] += messages
        if messages and len(self.found[client]) % 5:
            answer = self.service.acknowledge(client, messages[-1][0], connection=connection)
            if answer.status != 200:
                self.failures.append((client, "ack", answer.status, answer.text))
