"""Many clients that wait at endpoints."""

import selectors
import socket
import time

from harness import wait_until_arrived


class Crowd:
    """Clients that wait at endpoints, each on its own socket, all in one thread."""

    def __init__(self, service, endpoints):
        self.selector = selectors.DefaultSelector()
        for endpoint in endpoints:
            s = socket.create_connection(("127.0.0.1", service.port))
            path = "/manage/endpoint/%s/notifications?wait=60" % endpoint
            s.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path.encode())
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, endpoint)
        for key in self.selector.get_map().values():
            wait_until_arrived(key.fileobj)
        service.come_to_rest()

    def __len__(self):
        """How many clients still wait."""
        return len(self.selector.get_map())

    def answers(self, count=0):
        """(endpoint, first line) for each client that has been answered; waits until these are `count`."""
        found, deadline = [], time.monotonic() + 20
        while len(found) < count or self.selector.select(0):
            assert time.monotonic() < deadline, "%d of %d are answered" % (len(found), count)
            for key, _ in self.selector.select(0.1):
                found.append((key.data, key.fileobj.recv(65536).split(b"\r\n")[0]))
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
        return found

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
