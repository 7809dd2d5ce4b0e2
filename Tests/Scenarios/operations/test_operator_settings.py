"""Errors and warnings for operators: wrong settings, ports in use, settings that are probably mistakes."""

import os
import shlex
import socket
import subprocess

import pytest
from certificates import certificate
from harness import PROGRAM, Service, free_port, postroom, wait_for

COMMANDS = (["settings"], ["serve"], ["respond"], ["work"], ["health"], ["locations"], ["store", "check"], ["queues", "check"])


def test_every_wrong_setting_is_reported_in_its_own_line(tmp_path):
    wrong = dict(APP_PORT="x", RESPONDERS="0", SERVER_URL="foo", EVENTS_RETRY_SCHEDULE="-5s", TLS_CLIENT_VERIFY="maybe")
    for command in COMMANDS:
        result = postroom(tmp_path / "data", *command, **wrong)
        lines = result.stderr.decode().splitlines()
        assert result.returncode == 78, (command, result)
        assert sorted(line.split()[1] for line in lines) == sorted(wrong), lines
        assert all(line.startswith("Error: ") and ", but must be " in line for line in lines)
    assert not (tmp_path / "data").exists()


def test_a_shell_reads_the_output_of_settings_and_gets_the_same_settings(tmp_path):
    given = dict(
        APP_PORT=8123, DEFAULT_USER="a \"b\" $HOME `id` \\ 'c'", EVENTS_RETRY_SCHEDULE="", RATE_LIMIT="", MOUNT_POINT="/x",
        DB_ENCRYPTION_SECRET="s" * 32, WEBHOOKS_RETRY_SCHEDULE="250ms,90s", OPS_EVENTS_URL="http://1.1.1.1/?token=s3cret",
    )
    first = postroom(tmp_path, "settings", **given)
    assert first.returncode == 0 and first.stderr == b"" and b"s3cret" not in first.stdout and b"ssss" not in first.stdout
    (tmp_path / "env").write_bytes(first.stdout)
    again = subprocess.run(
        ["/bin/sh", "-c", "set -a; . %s; exec %s settings" % (shlex.quote(str(tmp_path / "env")), shlex.quote(PROGRAM))],
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere"}, cwd=tmp_path, capture_output=True,
    )
    assert again.returncode == 0, again.stderr
    hidden = [b"DB_ENCRYPTION_SECRET", b"OPS_EVENTS_URL"]
    kept = [line for line in first.stdout.splitlines() if not line.startswith(b"#")]
    assert kept == [line for line in again.stdout.splitlines() if line.split(b"=")[0] not in hidden]
    assert sorted(line.split()[1] for line in first.stdout.splitlines() if line.startswith(b"#")) == sorted(hidden)


@pytest.mark.parametrize(
    "name, value",
    [("OPS_EVENTS_URL", "http://user:s3cret@1.1.1.1/"), ("SERVER_URL", "https://user:s3cret@h/"),
     ("DB_URI", "postgres://user:s3cret@h/db"), ("POLICY_URL", "http//user:s3cret@h/"),
     ("PROJECT_MANAGEMENT_API_URI", "http://h/?token=s3cret")],
)
def test_passwords_in_urls_are_not_repeated(tmp_path, name, value):
    for command in (["settings"], ["serve"]):
        result = postroom(tmp_path / "data", *command, **{name: value})
        assert result.returncode == 78 and name.encode() in result.stderr
        assert b"s3cret" not in result.stderr + result.stdout
    result = postroom(tmp_path, "import", "pacifica", "postgres://user:s3cret@h/db")
    assert result.returncode != 0 and b"s3cret" not in result.stderr + result.stdout


def test_settings_that_are_probably_mistakes_cause_warnings(serve, tmp_path):
    odd = dict(RESPONDER=3, WEBHOOK_MAX_RETRIES=1, MAX_ENDPOINT_BYTES="1k", MAX_DURATION_SECONDS="-5")
    told = postroom(tmp_path, "settings", **odd)
    assert told.returncode == 0
    warnings = told.stderr.decode().splitlines()
    assert len(warnings) == 4 and all(line.startswith("Warning: ") for line in warnings)
    service = serve(RESPONDERS=1, **{name: value for name, value in odd.items() if name != "MAX_DURATION_SECONDS"})
    for text in ("did you mean RESPONDERS?", "did you mean WEBHOOKS_MAX_RETRIES?", "above the 1024 of MAX_ENDPOINT_BYTES"):
        assert service.log().count(text) == 1, text


def test_tls_makes_the_default_server_url_https(tmp_path):
    server, key = certificate(str(tmp_path))
    shown = postroom(tmp_path, "settings", TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key).stdout.decode()
    assert "\nSERVER_URL=https://localhost:8080\n" in shown


@pytest.mark.parametrize("name", ["APP_PORT", "API_SERVER_PORT", "OPS_SERVER_PORT"])
def test_a_port_in_use_is_reported_in_one_line_before_nginx_starts(tmp_path, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {"APP_PORT": free_port(), name: port}
        # nginx has not been started if it has logged nothing.
        result = postroom(tmp_path / "data", "serve", LOG_LEVEL="ERROR", **settings)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 1 and len(lines) == 1, lines
    assert lines[0].startswith("Error: %s is %d, but another program already listens at 127.0.0.1:%d;" % (name, port, port))
    assert not (tmp_path / "data" / "run" / "nginx.pid").exists()


def test_an_address_that_this_machine_does_not_have_is_reported(tmp_path):
    result = postroom(tmp_path / "data", "serve", APP_HOST="192.0.2.1", APP_PORT=free_port(), LOG_LEVEL="ERROR")
    assert result.stderr == b"Error: APP_HOST is 192.0.2.1, but this machine does not have that address\n"


def test_the_environment_of_nginx_has_no_settings(serve, tmp_path):
    """nginx has its own variable NGINX, for inherited sockets, and needs no passwords."""
    seen, program = tmp_path / "seen", tmp_path / "nginx"
    program.write_text("#!/bin/sh\nenv > %s\nexec /usr/sbin/nginx \"$@\"\n" % seen)
    program.chmod(0o755)
    service = serve(NGINX=program, DB_ENCRYPTION_SECRET="s" * 32, RESPONDERS=1)
    assert "invalid socket number" not in service.log()
    names = {line.split("=")[0] for line in seen.read_text().splitlines()}
    assert "PATH" in names and not names & {"NGINX", "DB_ENCRYPTION_SECRET", "DATA_DIR", "APP_PORT"}


def test_no_nginx_names_the_file_that_serves_the_operations_port(tmp_path):
    service = Service(tmp_path / "data", arguments=["--no-nginx"], RESPONDERS=1)
    service.start(wait=False)
    try:
        wait_for(lambda: "OPS_SERVER_PORT has no effect" in service.log())
        assert os.path.join(service.directory, "run", "operations.conf") in service.log()
    finally:
        service.stop()


def answer_to_beginning(port, first):
    """Sends the beginning of a request; returns the answer, or b"" if the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=6) as connection:
        connection.sendall(first)
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b""


def test_a_client_that_stops_in_a_request_is_dropped_after_the_read_timeout(serve):
    operations = free_port()
    service = serve(
        API_SERVER_READ_TIMEOUT="300ms", API_SERVER_WRITE_TIMEOUT="300ms", OPS_SERVER_PORT=operations,
        OPS_SERVER_READ_TIMEOUT="300ms", RESPONDERS=1)
    endpoint = service.create()
    for port in (service.port, operations):
        assert answer_to_beginning(port, b"GET / HTTP/1.1\r\nHost") == b"", port
    body = answer_to_beginning(
        service.port, b"POST /webhook/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab" % endpoint.encode())
    assert body == b"" or b" 408 " in body
    # Neither timeout limits how long a client waits for an answer.
    assert service.look(endpoint, "?wait=1").json() == {"notifications": []}
    assert service.bodies(endpoint) == []


def test_the_names_of_signature_headers_may_be_set_by_both_names_of_the_setting(tmp_path):
    shown = postroom(tmp_path, "settings", WEBHOOKS_SIGNATURE_HEADER="X-Mine").stdout.decode()
    assert "\nWEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_HEADER=X-Mine\n" in shown
    documented = {"WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER": "X-Time"}
    shown = postroom(tmp_path, "settings", **documented).stdout.decode()
    assert "\nWEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER=X-Time\n" in shown
