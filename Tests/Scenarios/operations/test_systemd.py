"""The units that `make install` installs, run by systemd in a container."""

import contextlib
import json
import os

import containers
import pytest
import systemd
from harness import ROOT, wait_for

UNITS = sorted(name.replace("@.", "@1.") for name in os.listdir(os.path.join(ROOT, "systemd")))
OWN_UNITS = ["postroom-responder@1.socket", "postroom-responder@2.socket", "postroom-worker.service"]


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    reason = containers.missing()
    if reason:
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        try:
            machine = stack.enter_context(systemd.machine(str(tmp_path_factory.mktemp("systemd"))))
        except AssertionError as error:
            pytest.skip("systemd cannot be started in a container: %s" % str(error)[-300:])
        yield machine


@pytest.fixture
def machine(booted):
    yield booted
    booted.run("systemctl", "disable", "--now", "postroom.service", "nginx.service", *OWN_UNITS)
    booted.run("systemctl", "stop", "postroom-responder@1.service", "postroom-responder@2.service")
    booted.run("systemctl", "reset-failed")
    booted.run("rm", "-rf", "/etc/postroom.env", "/var/lib/postroom")


def settings(machine, **values):
    machine.write("/etc/postroom.env", "".join('%s="%s"\n' % pair for pair in values.items()), 0o600)


def ask(machine, *arguments):
    return machine.output("curl", "-sS", "--max-time", "20", *arguments)


def check_sandbox(machine, unit, capabilities=0):
    """The sandbox of a unit must be in force for its main process, and not only be written in the unit."""
    pid = machine.show(unit, "MainPID")
    status, first = (
        dict(line.split(":\t", 1) for line in machine.output("cat", "/proc/%s/status" % process).splitlines())
        for process in (pid, 1)
    )
    assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0027")
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == capabilities
    assert int(status["Seccomp_filters"]) > int(first["Seccomp_filters"])
    assert set(status["Uid"].split()) == {machine.output("id", "-u", "postroom").strip()}

    def write(path):
        """The error of a process that writes in the unit's file system."""
        return machine.run("nsenter", "--target", pid, "--mount", "touch", path).stderr.decode()

    for path in ("/usr/x", "/etc/x", "/home/x", "/var/lib/x", "/sys/fs/cgroup/x"):
        assert "Read-only file system" in write(path) or "Permission denied" in write(path), (path, write(path))
    assert write("/var/lib/postroom/x") == write("/tmp/only-here") == ""
    assert not os.path.exists(machine.path("/tmp/only-here"))
    # systemd's measure of what a unit leaves open, from 0 to 10.
    done = machine.run("systemd-analyze", "security", "--no-pager", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout.decode()[-300:]


def test_a_start_is_over_when_the_service_answers_and_a_reload_replaces_the_processes(machine):
    settings(machine, APP_PORT=80, RESPONDERS=2, LOG_FORMAT="json")
    machine.systemctl("enable", "--now", "postroom")
    # The service answers at once, because of Type=notify.
    made = json.loads(ask(machine, "-X", "POST", "http://127.0.0.1/manage/endpoint"))
    ask(machine, "-d", "kept", "http://127.0.0.1/webhook/" + made["endpointId"])
    assert machine.show("postroom.service", "SubState") == "running"
    main = machine.show("postroom.service", "MainPID")

    def responders():
        return sorted(machine.output("pgrep", "-f", "postroom respond").split())

    before = responders()
    machine.systemctl("reload", "postroom.service")
    wait_for(lambda: "reload done" in machine.journal())
    wait_for(lambda: len(responders()) == 2 and not set(before) & set(responders()))
    assert machine.show("postroom.service", "MainPID") == main
    seen = json.loads(ask(machine, "http://127.0.0.1/manage/endpoint/" + made["endpointId"]))
    assert [entry["body"] for entry in seen["notifications"]] == ["kept"]
    assert "ok" in ask(machine, "http://127.0.0.1:3616/health/ready")
    # CAP_NET_BIND_SERVICE, for port 80.
    check_sandbox(machine, "postroom.service", capabilities=1 << 10)
    machine.systemctl("stop", "postroom.service")
    assert machine.show("postroom.service", "Result") == "success"


def test_a_unit_with_wrong_settings_is_not_started_again(machine):
    settings(machine, APP_PORT=99999, RESPONDERS=0)
    for unit in ("postroom.service", "postroom-worker.service"):
        assert machine.run("systemctl", "start", unit).returncode != 0
        assert machine.show(unit, "ExecMainStatus") == "78"
        assert machine.show(unit, "ActiveState") == "failed" and machine.show(unit, "NRestarts") == "0"
    told = machine.journal()
    assert "APP_PORT is" in told and "RESPONDERS is" in told


def test_responders_and_worker_run_as_units_behind_another_nginx(machine):
    """The responders look up names, and the worker makes calls."""
    settings(
        machine, APP_PORT=8080, SERVER_URL="http://127.0.0.1:8081", DELIVERY_ALLOW_SUBNETS="127.0.0.0/8,::1/128",
        PROJECT_MANAGEMENT_API_URI="http://127.0.0.1:8081/projects")
    machine.systemctl("enable", "--now", *OWN_UNITS)
    locations = machine.output("env", "DATA_DIR=/var/lib/postroom", "postroom", "locations")
    machine.write("/etc/nginx/postroom-locations.conf", locations)
    machine.write("/etc/nginx/nginx.conf", """
        user www-data; pid /run/nginx.pid; error_log stderr; worker_processes 1;
        events {} http {
            log_format calls '$request_uri'; access_log off;
            upstream postroom {
                server unix:/run/postroom/responder-1.sock max_fails=0;
                server unix:/run/postroom/responder-2.sock max_fails=0;
                server unix:/run/postroom/responder-1.sock max_fails=0;
                server unix:/run/postroom/responder-2.sock max_fails=0;
                keepalive 8;
            }
            server { listen 127.0.0.1:8080; include /etc/nginx/postroom-locations.conf; }
            server {
                listen 127.0.0.1:8081; listen [::1]:8081;
                location /projects/ { return 200; }
                location /called { access_log /var/log/nginx/calls calls; return 200; }
            }
        }
        """)
    machine.systemctl("restart", "nginx.service")
    base = "http://127.0.0.1:8080"
    environment = base + "/environments/7d1f6a52-3f6e-4a55-9d1c-0a6a9a1b2c3d"
    body = {"name": "here", "url": "http://localhost:8081/called", "events": ["job-completed"]}
    head = ["-H", "Content-Type: application/json"]
    made = json.loads(ask(machine, *head, "-d", json.dumps(body), environment + "/webhooks"))
    assert "webhook_id" in made, (made, machine.journal())
    event = {"event": "job-completed", "event_id": "job-1", "data": {"job": 1}}
    assert json.loads(ask(machine, *head, "-d", json.dumps(event), environment + "/events"))["deliveries"] == 1
    wait_for(lambda: machine.run("cat", "/var/log/nginx/calls").stdout == b"/called\n")
    assert "<!DOCTYPE html>" in ask(machine, base + "/inspect")
    # The socket stays open while a responder is replaced.
    machine.systemctl("restart", "postroom-responder@1.service")
    for _ in range(4):
        assert json.loads(ask(machine, base + "/webhooks/" + made["webhook_id"]))["name"] == "here"
    for unit in ("postroom-responder@1.service", "postroom-responder@2.service", "postroom-worker.service"):
        assert machine.show(unit, "SubState") == "running" and machine.show(unit, "NRestarts") == "0"
        check_sandbox(machine, unit)


def test_systemd_finds_no_fault_in_the_units(machine):
    done = machine.run("systemd-analyze", "verify", *UNITS)
    assert done.returncode == 0 and b"postroom" not in done.stderr, done.stderr
