"""A proxy for a mock cluster of one broker that adds what the cluster lacks: TLS, logins, and creating topics."""

import re
import socket
import ssl
import struct
import threading

API_VERSIONS, SASL_HANDSHAKE, CREATE_TOPICS, SASL_AUTHENTICATE = 18, 17, 19, 36
OFFERED = {SASL_HANDSHAKE: (0, 1), CREATE_TOPICS: (0, 4), SASL_AUTHENTICATE: (0, 0)}
UNSUPPORTED_VERSION = 35


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def bytes(self, form="h"):
        count = max(0, self.take(form))
        self.at += count
        return self.data[self.at - count : self.at]


class KafkaProxy:
    """`make(topic)` creates a topic at the cluster; None: topics cannot be created. `certificates` are for TLS:
    (authority of the clients, certificate, key)."""

    def __init__(self, address, make=None, certificates=None):
        self.host, port = address.split(":")
        self.offered = {api: versions for api, versions in OFFERED.items() if make or api != CREATE_TOPICS}
        self.upstream, self.make = int(port), make
        self.logins, self.clients, self.made = [], [], []
        self.failed_handshakes = 0
        self.context = None
        if certificates:
            authority, certificate, key = certificates
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
            self.context.load_verify_locations(authority)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = "127.0.0.1:%d" % self.port
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            if self.context:
                try:
                    client = self.context.wrap_socket(client, server_side=True)
                except OSError:
                    self.failed_handshakes += 1
                    raise
                self.clients.append(dict(part[0] for part in client.getpeercert()["subject"])["commonName"])
            server = socket.create_connection((self.host, self.upstream))
        except OSError:
            return client.close()
        connection = Connection(self, client, server)
        threading.Thread(target=connection.answers, daemon=True).start()
        connection.requests()


class Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.asked, self.lock = {}, threading.Lock()

    @staticmethod
    def frames(source):
        stream = source.makefile("rb")
        while len(head := stream.read(4)) == 4:
            yield stream.read(struct.unpack(">i", head)[0])

    def send(self, body):
        with self.lock:
            self.client.sendall(struct.pack(">i", len(body)) + body)

    def requests(self):
        try:
            for frame in self.frames(self.client):
                reader = Reader(frame)
                api, version, number = reader.take("h"), reader.take("h"), reader.take("i")
                reader.bytes()
                if api == API_VERSIONS:
                    self.asked[number] = version
                own = {SASL_HANDSHAKE: self.handshake, SASL_AUTHENTICATE: self.log_in, CREATE_TOPICS: self.create}.get(api)
                if own:
                    self.send(struct.pack(">i", number) + own(reader))
                else:
                    self.server.sendall(struct.pack(">i", len(frame)) + frame)
        except OSError:
            pass
        self.close()

    def handshake(self, reader):
        return struct.pack(">hi", 0, 1) + text(reader.bytes().decode())

    def log_in(self, reader):
        self.proxy.logins.append(reader.bytes("i"))
        return struct.pack(">hhi", 0, -1, 0)

    def create(self, reader):
        names = []
        for _ in range(reader.take("i")):
            name, partitions, replication = reader.bytes().decode(), reader.take("i"), reader.take("h")
            assert reader.take("i") == reader.take("i") == 0
            self.proxy.make(name)
            self.proxy.made.append((name, partitions, replication))
            names.append(name)
        return struct.pack(">ii", 0, len(names)) + b"".join(text(name) + struct.pack(">hh", 0, -1) for name in names)

    def answers(self):
        ports = [b"127.0.0.1" + struct.pack(">i", port) for port in (self.proxy.upstream, self.proxy.port)]
        try:
            for frame in self.frames(self.server):
                version = self.asked.pop(struct.unpack_from(">i", frame)[0], None)
                # The mock cluster names no controller, and clients ask the controller to create topics.
                frame = re.sub(rb"(mockCluster\w+)\0{4}", lambda match: match[1] + b"\0\0\0\1", frame)
                self.send(frame.replace(*ports) if version is None else self.offer(frame, version))
        except OSError:
            pass
        self.close()

    def offer(self, frame, version):
        """Adds the requests that the proxy answers to those that the broker offers."""
        is_flexible = version >= 3 and struct.unpack_from(">h", frame, 4)[0] != UNSUPPORTED_VERSION
        form, tail = (">B", b"\0") if is_flexible else (">i", b"")
        count = struct.unpack_from(form, frame, 6)[0]
        start = 6 + struct.calcsize(form)
        more = b"".join(struct.pack(">hhh", api, *versions) + tail for api, versions in self.proxy.offered.items())
        return frame[:6] + struct.pack(form, count + len(self.proxy.offered)) + more + frame[start:]

    def close(self):
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
