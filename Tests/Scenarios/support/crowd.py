"""Clients that wait at endpoints, in large numbers."""

import selectors
import socket
import time


class Crowd:
    """Many clients that wait, on sockets of their own, in one thread."""

    def __init__(self, service, endpoints):
        self.selector = selectors.DefaultSelector()
        for endpoint in endpoints:
            s = socket.create_connection(("127.0.0.1", service.port))
            path = "/manage/endpoint/%s/notifications?wait=60" % endpoint
            s.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path.encode())
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, endpoint)

    def answers(self, seconds):
        """(endpoint, time, first line) for each answer that arrives within the time."""
        deadline = time.monotonic() + seconds
        while self.selector.get_map() and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.1):
                line = key.fileobj.recv(65536).split(b"\r\n")[0]
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                yield key.data, time.monotonic(), line

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
