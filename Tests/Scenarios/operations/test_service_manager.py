"""What `postroom serve` reports to the service manager that started it (sd_notify(3)). The test is the manager; test_systemd.py
has a real one."""

import contextlib
import os
import signal
import socket
import struct
import time

import pytest
from harness import wait_for


class Manager:
    """A socket at an address of unix(7). An abstract address has a NUL where the variable has an at sign."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(20)

    def report(self):
        """The process that sent the next report, and the lines of that."""
        text, [(_, _, credentials)], _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        return struct.unpack("iII", credentials)[0], text.decode().split("\n")

    def is_idle(self):
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(4096)
        except BlockingIOError:
            return True


@pytest.mark.parametrize("address", ["notify", "@postroom-test"])
def test_the_supervisor_alone_reports_start_reload_and_stop(serve, tmp_path, address):
    address = "%s-%d" % (address, os.getpid()) if address.startswith("@") else str(tmp_path / address)
    manager = Manager(address)
    service = serve(RESPONDERS=2, NOTIFY_SOCKET=address)
    supervisor = service.process.pid
    assert manager.report() == (supervisor, ["READY=1"])
    before = service.responders()
    began = time.monotonic()
    service.process.send_signal(signal.SIGHUP)
    sender, (state, since) = manager.report()
    assert (sender, state) == (supervisor, "RELOADING=1")
    name, _, microseconds = since.partition("=")
    assert name == "MONOTONIC_USEC" and began <= int(microseconds) / 1e6 <= time.monotonic()
    assert manager.report() == (supervisor, ["READY=1"])
    wait_for(lambda: len(service.responders()) == 2 and not set(service.responders()) & set(before))
    assert service.stop() == 0
    assert manager.report() == (supervisor, ["STOPPING=1"])
    assert manager.is_idle()


def open_files(pid):
    paths = []
    for name in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            paths.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
    return paths


def test_a_reload_is_over_for_the_manager_too_when_new_processes_do_not_serve(serve, tmp_path):
    """The secret is another one by then: with that, no process can read what the store has sealed."""
    manager = Manager(str(tmp_path / "notify"))
    service = serve(RESPONDERS=2, NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert manager.report()[1] == ["READY=1"]
    before = service.responders() + service.workers()
    # The worker opens this file after it has read the secret, and responders open their first epoll.
    wait_for(lambda: any(path.endswith("worker.lock") for path in open_files(before[-1])))
    wait_for(lambda: all(any("eventpoll" in path for path in open_files(pid)) for pid in before[:-1]))
    secret = os.path.join(service.directory, "secret.key")
    with open(secret, "rb") as file:
        right = file.read()
    with open(secret, "wb") as file:
        file.write(right[::-1])
    service.process.send_signal(signal.SIGHUP)
    assert manager.report()[1][0] == "RELOADING=1"
    assert manager.report()[1] == ["READY=1"]
    wait_for(lambda: "the old processes stay" in service.log())
    assert service.responders() + service.workers() == before
    assert service.hook(service.create(), "x").status == 200
    with open(secret, "wb") as file:
        file.write(right)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload done: all responders and the worker were replaced" in service.log())
    wait_for(lambda: len(service.responders()) == 2 and not set(service.responders()) & set(before))
