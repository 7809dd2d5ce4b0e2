"""Responders of this version that a supervisor of an older version has started: the test is that supervisor, which starts
processes without a heartbeat."""

import os
import re
import socket
import subprocess

from harness import PROGRAM, environment, wait_for


def nginx_workers(service):
    return {pid for pid, line in service.children().items() if "nginx: worker" in line}


def test_templates_that_the_supervisor_could_not_fill_in_are_filled_in_by_a_responder(serve, tmp_path):
    service = serve(RESPONDERS=1)
    run = os.path.join(service.directory, "run")
    locations, main = (os.path.join(run, name) for name in ("locations.conf", "nginx.conf"))
    with open(locations) as file:
        right = file.read()
    with open(locations, "a") as file:
        file.write("\n@WORD_OF_A_LATER_VERSION@\n")
    # What the supervisor found out stays, even where this process would find something else.
    with open(main) as file:
        text = re.sub("worker_rlimit_nofile [0-9]+;", "worker_rlimit_nofile 4321;", file.read())
    user = re.findall("^user .*;$", text, re.M)
    with open(main, "w") as file:
        file.write(text)
    before = nginx_workers(service)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen(16)
    reading, writing = os.pipe()
    # The descriptor has to be 3 in that process. In this one the test runner may have a 3 of its own.
    command = ["bash", "-c", 'exec "$@" 3>&%d' % writing, "bash", PROGRAM, "respond", "--parent", str(os.getpid()), "--ready", "3"]
    process = subprocess.Popen(
        command, env=environment(service.directory, APP_PORT=service.port, **service.settings), stdin=listener,
        stderr=subprocess.PIPE, pass_fds=(writing,))
    try:
        os.close(writing)
        assert os.read(reading, 1) == b"\x01"
        # The limits of connections follow from that number.
        with open(locations) as file:
            assert re.sub("[0-9]+;", "n;", file.read()) == re.sub("[0-9]+;", "n;", right)
        with open(main) as file:
            text = file.read()
        assert "worker_rlimit_nofile 4321;" in text and re.findall("^user .*;$", text, re.M) == user
        # nginx has read them.
        wait_for(lambda: nginx_workers(service) and not nginx_workers(service) & before)
        assert service.hook(service.create(), "x").status == 200
    finally:
        process.terminate()
        complaint = process.communicate(timeout=20)[1].decode()
        os.close(reading)
        listener.close()
    assert process.returncode == 0 and "completed nginx's configuration" in complaint
