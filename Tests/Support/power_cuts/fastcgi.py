"""A client of FastCGI: calls a responder without an nginx."""

import socket
import struct

BEGIN, END, PARAMETERS, BODY, OUTPUT = 1, 3, 4, 5, 6


class Reply:
    def __init__(self, output):
        head, _, self.body = output.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line)
        self.status = int(fields.get("Status", "200").split()[0])


def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def stream(kind, content):
    parts = [content[start : start + 65535] for start in range(0, len(content), 65535)]
    return b"".join(record(kind, part) for part in [*parts, b""])


def length(text):
    return struct.pack(">B", len(text)) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)


def call(path, method, target, body=b"", **headers):
    """Sends a request to the responder that listens at a path, and returns its reply."""
    parameters = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        **{"HTTP_" + name.upper(): value for name, value in headers.items()},
    }
    pairs = b"".join(
        length(name) + length(value) + name + value
        for name, value in ((name.encode(), value.encode()) for name, value in parameters.items())
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        begin = record(BEGIN, struct.pack(">HB5x", 1, 0))
        connection.sendall(begin + stream(PARAMETERS, pairs) + stream(BODY, body))
        file, output = connection.makefile("rb"), b""
        while True:
            header = file.read(8)
            if len(header) < 8:
                raise ConnectionError("the responder closed the connection after %r" % output[:200])
            _, kind, _, count, padding, _ = struct.unpack(">BBHHBB", header)
            content = file.read(count)
            file.read(padding)
            if kind == OUTPUT:
                output += content
            elif kind == END:
                return Reply(output)
