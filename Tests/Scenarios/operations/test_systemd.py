"""The units, run by a real systemd as an operator would have it."""

import json
import os
import re

import pytest
import systemd
from harness import ROOT, wait_for


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    reason = systemd.missing()
    if reason:
        pytest.skip(reason)
    with systemd.Machine(tmp_path_factory.mktemp("systemd")) as machine:
        yield machine


@pytest.fixture(autouse=True)
def stopped(request):
    yield
    if "machine" in request.fixturenames:
        machine = request.getfixturevalue("machine")
        machine.run("systemctl", "stop", "postroom.service", "postroom-worker.service", "nginx.service")
        machine.run("systemctl", "stop", "postroom-responder@1.socket", "postroom-responder@1.service")
        machine.run("systemctl", "reset-failed")
        machine.run("rm", "-rf", "/etc/postroom.env", "/var/lib/postroom")


def settings(machine, **values):
    machine.write("/etc/postroom.env", "".join('%s="%s"\n' % pair for pair in values.items()), 0o600)


def ask(machine, *arguments):
    return machine.output("curl", "-sS", "--max-time", "20", *arguments)


def test_a_start_is_over_when_the_service_answers_and_a_reload_when_it_is_done(machine):
    settings(machine, APP_PORT=8080, RESPONDERS=2, LOG_FORMAT="json")
    machine.systemctl("start", "postroom.service")
    # Without waiting: Type=notify has done so.
    made = json.loads(ask(machine, "-X", "POST", "http://127.0.0.1:8080/manage/endpoint"))
    ask(machine, "-d", "kept", "http://127.0.0.1:8080/webhook/" + made["endpointId"])
    assert machine.show("postroom.service", "SubState") == "running"
    main = machine.show("postroom.service", "MainPID")

    def responders():
        return sorted(machine.output("pgrep", "-f", "postroom respond").split())

    before = responders()
    machine.systemctl("reload", "postroom.service")
    wait_for(lambda: "the reload is done" in machine.journal())
    wait_for(lambda: len(responders()) == 2 and not set(before) & set(responders()))
    assert machine.show("postroom.service", "MainPID") == main
    seen = json.loads(ask(machine, "http://127.0.0.1:8080/manage/endpoint/" + made["endpointId"]))
    assert [entry["body"] for entry in seen["notifications"]] == ["kept"]
    assert "ok" in ask(machine, "http://127.0.0.1:3616/health/ready")
    machine.systemctl("stop", "postroom.service")
    assert machine.show("postroom.service", "Result") == "success"


def test_wrong_settings_are_not_tried_again(machine):
    settings(machine, APP_PORT=99999, RESPONDERS=0)
    for unit in ("postroom.service", "postroom-worker.service"):
        assert machine.run("systemctl", "start", unit).returncode != 0
        assert machine.show(unit, "ExecMainStatus") == "78"
        assert machine.show(unit, "ActiveState") == "failed" and machine.show(unit, "NRestarts") == "0"
    told = machine.journal()
    assert "APP_PORT is" in told and "RESPONDERS is" in told


def test_responders_and_worker_of_their_own_do_all_that_serve_does(machine):
    """Behind another nginx: names are looked up by responders, calls are made by the worker."""
    settings(
        machine, APP_PORT=8080, SERVER_URL="http://127.0.0.1:8081", DELIVERY_ALLOW_SUBNETS="127.0.0.0/8,::1/128",
        PROJECT_MANAGEMENT_API_URI="http://127.0.0.1:8081/projects")
    machine.systemctl("start", "postroom-responder@1.socket", "postroom-worker.service")
    locations = machine.output("env", "DATA_DIR=/var/lib/postroom", "postroom", "locations")
    machine.write("/etc/nginx/postroom-locations.conf", locations)
    machine.write("/etc/nginx/nginx.conf", """
        user www-data; pid /run/nginx.pid; error_log stderr; worker_processes 1;
        events {} http {
            log_format calls '$request_uri'; access_log off;
            upstream postroom {
                server unix:/run/postroom/responder-1.sock max_fails=0;
                server unix:/run/postroom/responder-1.sock max_fails=0;
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
    # Replaced while the socket stays.
    machine.systemctl("restart", "postroom-responder@1.service")
    assert json.loads(ask(machine, base + "/webhooks/" + made["webhook_id"]))["name"] == "here"
    for unit in ("postroom-responder@1.service", "postroom-worker.service"):
        assert machine.show(unit, "SubState") == "running" and machine.show(unit, "NRestarts") == "0"
    assert os.stat(machine.path("/etc/postroom.env")).st_mode & 0o777 == 0o600


def test_the_units_can_be_read_by_systemd(machine):
    names = ["postroom.service", "postroom-worker.service", "postroom-responder@1.service", "postroom-responder@1.socket"]
    done = machine.run("systemd-analyze", "verify", *names)
    assert done.returncode == 0 and b"postroom" not in done.stderr, done.stderr


def unit(name):
    """The settings of a unit's service: {name: [value, ...]}."""
    found = {}
    with open(os.path.join(ROOT, "systemd", name)) as file:
        for line in file:
            match = re.match("([A-Za-z]+)=(.*)", line)
            if match:
                found.setdefault(match[1], []).append(match[2])
    return found


@pytest.mark.parametrize("name", ["postroom.service", "postroom-worker.service", "postroom-responder@.service"])
def test_a_units_sandbox_lets_the_process_do_what_it_does(name):
    """What systemd would keep from the processes without a container to try it in."""
    settings = unit(name)
    # Responders look up names and ask the project management; the worker calls receivers; nginx listens.
    assert set(settings["RestrictAddressFamilies"][0].split()) >= {"AF_UNIX", "AF_INET", "AF_INET6"}
    assert "PrivateNetwork" not in settings and "IPAddressDeny" not in settings
    # The store is in the one place that may be written.
    assert settings["ProtectSystem"] == ["strict"] and settings["StateDirectory"] == ["postroom"]
    assert settings["Environment"] == ["DATA_DIR=/var/lib/postroom"]
    assert settings["UMask"] == ["0027"] and settings["Type"] == ["notify"]
    assert settings["RestartPreventExitStatus"] == ["78"]
