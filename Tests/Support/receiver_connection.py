"""A connection of receiver.py."""

import select, socket, struct, time


class Gone(Exception):
    pass


class Conn:
    def __init__(self, sock, idle):
        self.s, self.buf = sock, b""
        self.s.settimeout(idle)

    def more(self):
        data = self.s.recv(65536)
        if not data:
            raise Gone
        self.buf += data

    def read_head(self):
        while b"\r\n\r\n" not in self.buf:
            if len(self.buf) > 1 << 20:
                raise Gone
            self.more()
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        return head

    def take(self, n):
        parts, have = [self.buf], len(self.buf)
        while have < n:
            data = self.s.recv(min(1 << 20, n - have))
            if not data:
                raise Gone
            parts.append(data)
            have += len(data)
        data = b"".join(parts)
        self.buf = data[n:]
        return data[:n]

    def read_body(self, h):
        if "chunked" in h.get("transfer-encoding", "").lower():
            out = b""
            while True:
                while b"\r\n" not in self.buf:
                    self.more()
                line, self.buf = self.buf.split(b"\r\n", 1)
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    while True:
                        while b"\r\n" not in self.buf:
                            self.more()
                        line, self.buf = self.buf.split(b"\r\n", 1)
                        if not line:
                            return out
                out += self.take(size)
                self.take(2)
        return self.take(int(h.get("content-length") or 0))

    def wait(self, seconds):
        """Sleep, but leave (Gone) as soon as the peer closes."""
        end = time.monotonic() + seconds
        watch = True
        while (left := end - time.monotonic()) > 0:
            if not watch:
                time.sleep(left)
                return
            readable, _, _ = select.select([self.s], [], [], left)
            if readable:
                data = self.s.recv(65536)
                if not data:
                    raise Gone
                self.buf += data
                watch = False

    def send(self, data):
        self.s.sendall(data)
        return len(data)

    def drip(self, data, chunk, interval):
        sent = 0
        for i in range(0, len(data), chunk):
            sent += self.send(data[i:i + chunk])
            if i + chunk < len(data):
                self.wait(interval)
        return sent

    def reset(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()
