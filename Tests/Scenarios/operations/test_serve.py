"""`postroom serve`: start, reload, stop, and the nginx that it runs."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from certificates import certificate, client_certificate, secure
from harness import PROGRAM, Service, environment, free_port, install_share, postroom, wait_for, wait_until_arrived


def test_the_last_line_of_the_start_is_a_command_that_creates_an_endpoint(serve):
    service = serve()
    command = service.log().strip().splitlines()[-1].strip()
    assert command.startswith("curl -X POST http://127.0.0.1:")
    answer = subprocess.run(command.split() + ["-s"], capture_output=True, timeout=20)
    assert json.loads(answer.stdout)["endpointId"]


@pytest.mark.parametrize(
    "name, value",
    [("APP_PORT", "99999999"), ("APP_PORT", "x"), ("APP_PORT", ""), ("APP_PORT", "1.5"), ("APP_HOST", "nowhere")]
    + [("MAX_IDLE_DURATION_SECONDS", value) for value in ("inf", "nan", "", "1h", "0x10")]
    + [("MAX_ACTIVE_ENDPOINTS", "1.5"), ("CLEANUP_FREQUENCY_SECONDS", "0"), ("LOG_LEVEL", "LOUD"), ("LOG_FORMAT", "xml")]
    + [("MOUNT_POINT", "/a b"), ("MOUNT_POINT", "/x?y"), ("MOUNT_POINT", "/../x"), ("DURABILITY", "none"), ("RESPONDERS", "0")]
    + [("MAX_BODY_BYTES", "0"), ("MAX_STORE_BYTES", "1k"), ("TLS_CERTIFICATE", "/nonexistent"), ("TLS_CLIENT_VERIFY", "maybe")]
    + [("RATE_LIMIT", "0"), ("TRUSTED_PROXIES", "everyone"), ("DATA_DIR", "")],
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(tmp_path, name, value):
    for command in (["settings"], ["serve"]):
        result = postroom(tmp_path / "data", *command, **{name: value})
        assert result.returncode != 0
        (line,) = result.stderr.decode().strip().splitlines()
        assert name in line and '"%s"' % value in line and ", but must be " in line


def test_numbers_in_settings_have_the_forms_that_the_original_accepts(tmp_path):
    result = postroom(
        tmp_path, "settings", APP_PORT=" +8_081 ", MAX_IDLE_DURATION_SECONDS="1e3", MAX_DURATION_SECONDS="-5",
        MAX_ACTIVE_ENDPOINTS="-1", MOUNT_POINT="api/", LOG_LEVEL="DEBUG",
    )  # fmt: skip
    shown = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
    assert shown["APP_PORT"] == "8081" and shown["SERVER_URL"] == "http://localhost:8081"
    assert shown["MAX_IDLE_DURATION_SECONDS"] == "1000.0" and shown["MAX_DURATION_SECONDS"] == "-5.0"
    assert shown["MAX_ACTIVE_ENDPOINTS"] == "-1" and shown["MOUNT_POINT"] == "/api" and shown["LOG_LEVEL"] == "DEBUG"


@pytest.mark.parametrize(
    "server_url, mount, expected",
    [("https://h:1", "/", "https://h:1/webhook/"), ("https://h:1/", " /api ", "https://h:1/api/webhook/")]
    + [("https://h/base/", "/a/b", "https://h/base/a/b/webhook/"), ("https://h:1//", "/api/", "https://h:1//api/webhook/")]
    + [("", "/api", "/api/webhook/"), ("https://h:1", "api", "https://h:1/api/webhook/")],
)
def test_the_url_of_an_endpoint_consists_of_server_url_and_mount_point(serve, server_url, mount, expected):
    service = serve(SERVER_URL=server_url, MOUNT_POINT=mount)
    service.mount = mount.strip().rstrip("/")
    service.mount = service.mount if service.mount.startswith("/") or not service.mount else "/" + service.mount
    answer = service.call("POST", "/manage/endpoint").json()
    assert answer["fullyQualifiedEndpoint"] == expected + answer["endpointId"]


def test_every_path_outside_the_mount_point_is_404(serve):
    service = serve(MOUNT_POINT="/deep/mount")
    service.mount = ""
    for path in ("/", "/manage", "/deep", "/deep/mount", "/deep/mount/", "/deep/mountx/manage", "/healthz"):
        answer = service.call("GET", path)
        assert (answer.status, answer.text) == (404, "404: Not Found"), path
    assert service.call("GET", "/deep/mount/healthz").text == "ok\n"


def test_a_second_serve_on_the_same_directory_is_refused(serve):
    service = serve()
    result = postroom(service.directory, "serve", APP_PORT=free_port())
    assert result.returncode == 1 and b'another "postroom serve" already uses DATA_DIR' in result.stderr


def test_a_data_dir_that_is_too_long_for_a_socket_is_refused(tmp_path):
    result = postroom(tmp_path / ("d" * 100), "serve")
    assert result.returncode == 78 and b"DATA_DIR" in result.stderr and b"bytes" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_every_process_within_ten_seconds(serve, number):
    service = serve(RESPONDERS=3)
    children = service.children()
    assert len(service.responders()) == 3 and len(service.workers()) == 1
    started = time.monotonic()
    service.process.send_signal(number)
    assert service.process.wait(15) == 0
    assert time.monotonic() - started < 10
    assert not [pid for pid in children if os.path.exists("/proc/%d" % pid)]


def test_a_stop_lets_requests_finish(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    c = service.connection()
    c.putrequest("POST", "/webhook/" + endpoint)
    c.putheader("Content-Length", "4")
    c.endheaders(b"la")
    wait_until_arrived(c.sock)
    service.come_to_rest()
    service.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "is shutting down" in " ".join(service.children().values()))
    c.send(b"te")
    assert c.getresponse().status == 200
    assert service.process.wait(15) == 0
    service.start()
    assert service.bodies(endpoint) == ["late"]


def program_of(pid):
    """The inode of the file that a process runs; None if the process has ended."""
    try:
        return os.stat("/proc/%d/exe" % pid).st_ino
    except FileNotFoundError:
        return None


def test_a_reload_starts_the_new_binary(tmp_path):
    program = tmp_path / "prefix" / "bin" / "postroom"
    os.makedirs(program.parent)
    install_share(tmp_path / "prefix")
    shutil.copy(PROGRAM, program)
    service = Service(tmp_path / "data", program=str(program), RESPONDERS=2).start()
    try:
        before = program_of(service.responders()[0])
        shutil.copy(PROGRAM, str(program) + ".new")
        os.rename(str(program) + ".new", program)
        service.process.send_signal(signal.SIGHUP)
        new = os.stat(program).st_ino
        assert new != before
        wait_for(lambda: [program_of(pid) for pid in service.responders()] == [new, new])
        assert service.call("GET", "/healthz").status == 200
    finally:
        service.stop()


def test_the_old_processes_stay_if_the_new_binary_does_not_start(tmp_path):
    program = tmp_path / "prefix" / "bin" / "postroom"
    os.makedirs(program.parent)
    install_share(tmp_path / "prefix")
    shutil.copy(PROGRAM, program)
    service = Service(tmp_path / "data", program=str(program), RESPONDERS=2).start()
    try:
        before = service.responders()
        broken = tmp_path / "broken"
        broken.write_text("#!/bin/sh\nexit 3\n")
        broken.chmod(0o755)
        os.rename(broken, program)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the old processes stay" in service.log())
        assert service.responders() == before
        assert service.call("GET", "/healthz").status == 200
    finally:
        service.stop()


def test_health_succeeds_only_while_the_service_runs(serve):
    service = serve(RESPONDERS=1)
    assert service.call("GET", "/healthz").status == 200
    assert postroom(service.directory, "health", APP_PORT=service.port).returncode == 0
    service.stop()
    assert postroom(service.directory, "health", APP_PORT=service.port).returncode == 1


def test_ids_of_endpoints_are_not_logged(serve):
    service = serve(LOG_LEVEL="DEBUG")
    endpoint = service.create()
    service.hook(endpoint)
    service.hook(endpoint[::-1])
    service.collect(endpoint)
    service.stop()
    assert endpoint not in service.log() and endpoint[::-1] not in service.log()


# ---------------------------------------------------------------- nginx


def test_another_nginx_can_include_the_files(tmp_path):
    service = Service(tmp_path / "data", arguments=["--no-nginx"], MOUNT_POINT="/hooks", RESPONDERS=2)
    service.start(wait=False)
    nginx = None
    try:
        run = os.path.join(service.directory, "run")
        wait_for(lambda: "locations.conf" in service.log())
        own = tmp_path / "own"
        own.mkdir()
        (own / "nginx.conf").write_text(
            """daemon off; pid %(own)s/pid; error_log %(own)s/log; %(user)s
            events {} http { access_log off; client_body_temp_path %(own)s/b; fastcgi_temp_path %(own)s/f;
            proxy_temp_path %(own)s/p; uwsgi_temp_path %(own)s/u; scgi_temp_path %(own)s/s;
            include %(run)s/upstream.conf;
            gzip off; etag off; expires 1d; charset latin1; add_header X-Mine 1;
            server { listen 127.0.0.1:%(port)d; include %(run)s/locations.conf; location / { return 200 mine; }
            location ~ "[.]js$" { return 200 mine; } } }"""
            % dict(own=own, run=run, port=service.port, user="user root;" if os.geteuid() == 0 else "")
        )
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "log")])

        def answers():
            try:
                return service.call("GET", "/healthz").status == 200
            except OSError:
                return False

        wait_for(answers)
        endpoint = service.create()
        assert service.hook(endpoint, "x").status == 200 and service.bodies(endpoint) == ["x"]
        page = service.call("GET", "/page/app.js", headers={"Accept-Encoding": "gzip"})
        assert page.headers["content-type"] == "text/javascript; charset=utf-8" and "etag" in page.headers
        assert page.headers["cache-control"] == "no-cache" and "x-mine" not in page.headers
        assert service.call("GET", "/", headers={"Accept": "text/html"}).headers["content-type"] == "text/html; charset=utf-8"
        service.mount = ""
        assert service.call("GET", "/else").text == "mine" and service.call("GET", "/else.js").text == "mine"
    finally:
        if nginx:
            nginx.terminate()
            nginx.wait()
        service.stop()


def test_rate_limit_and_connection_limit_refuse_requests(serve):
    service = serve(RATE_LIMIT=5, RATE_LIMIT_BURST=3)
    statuses = [service.call("GET", "/manage") for _ in range(12)]
    refused = [answer for answer in statuses if answer.status == 429]
    assert refused and refused[0].text == "429: Too many requests from this address." and refused[0].headers["retry-after"] == "1"
    assert statuses[0].status == 200

    service = serve(CONNECTION_LIMIT=2)
    endpoint = service.create()
    looks = [service.begin_look(endpoint, "?wait=30") for _ in range(4)]
    assert [look.answer().status for look in looks if look.is_answered] == [429, 429]
    assert service.stop() == 0
    assert [look.answer().status for look in looks[:2]] == [200, 200]


def test_max_body_bytes_and_max_header_bytes_limit_requests(serve):
    service = serve(MAX_BODY_BYTES="2k", MAX_HEADER_BYTES="16k")
    endpoint = service.create()
    assert service.hook(endpoint, b"x" * 2048).status == 200
    answer = service.hook(endpoint, b"x" * 2049)
    assert answer.status == 413 and "2048" in answer.text
    assert service.hook(endpoint, headers={"X-Long": "x" * 12000}).status == 200

    service = serve(MAX_BODY_BYTES="5m")
    endpoint = service.create()
    body = "x" * (5 << 20)
    assert service.hook(endpoint, body).status == 200
    assert service.bodies(endpoint) == [body]


def test_tls_client_ca_refuses_clients_without_a_certificate(serve, tmp_path):
    server, key = certificate(str(tmp_path))
    authority, client, client_key = client_certificate(tmp_path)
    settings = dict(TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key, TLS_CLIENT_CA=authority)
    service = serve(**settings)
    answer = service.call("GET", "/manage", connection=secure(service, server))
    assert answer.status == 400 and "<html" not in answer.text
    assert service.call("GET", "/manage", connection=secure(service, server, client, client_key)).status == 200

    service = serve(TLS_CLIENT_VERIFY="optional", **settings)
    assert service.call("GET", "/manage", connection=secure(service, server)).status == 200


def test_a_reload_reads_a_renewed_certificate(serve, tmp_path):
    server, key = certificate(str(tmp_path))
    service = serve(TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key)

    def serial():
        c = secure(service, server)
        c.connect()
        return c.sock.getpeercert()["serialNumber"]

    before = serial()
    certificate(str(tmp_path))
    service.process.send_signal(signal.SIGHUP)

    def renewed():
        try:
            return serial() != before
        except ssl.SSLError:
            return False

    wait_for(renewed)


def test_another_supervisor_can_start_a_responder(tmp_path):
    """Like systemd, with the listening socket as descriptor 0."""
    data = tmp_path / "data"
    data.mkdir()
    path = str(tmp_path / "responder.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        process = subprocess.Popen([PROGRAM, "respond"], stdin=listener, env=environment(data))
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(path)
            name_values = b"\x0e\x03REQUEST_METHODGET" + b"\x0b\x08REQUEST_URI/healthz"
            s.sendall(b"\x01\x01\x00\x01\x00\x08\x00\x00" + b"\x00\x01\x00\x00\x00\x00\x00\x00")
            s.sendall(b"\x01\x04\x00\x01" + len(name_values).to_bytes(2, "big") + b"\x00\x00" + name_values)
            s.sendall(b"\x01\x04\x00\x01\x00\x00\x00\x00" + b"\x01\x05\x00\x01\x00\x00\x00\x00")
            assert b"Status: 200 OK" in s.recv(4096)
        # Long requests are collected there.
        assert (data / "run" / "temporary").is_dir()
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_a_responder_that_cannot_collect_requests_on_the_disk_says_so(tmp_path):
    run = tmp_path / "data" / "run"
    run.mkdir(parents=True)
    (run / "temporary").touch()
    log = tmp_path / "log"
    with socket.socket(socket.AF_UNIX) as listener, open(log, "wb") as output:
        listener.bind(str(tmp_path / "responder.sock"))
        listener.listen(16)
        process = subprocess.Popen([PROGRAM, "respond"], stdin=listener, stderr=output, env=environment(run.parent))
    try:
        wait_for(lambda: "cannot create files in %s: Not a directory" % (run / "temporary") in log.read_text())
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert log.read_text().count("are collected in memory") == 1


def test_a_responder_without_a_socket_fails_with_a_message(tmp_path):
    result = postroom(tmp_path, "respond", stdin=b"")
    assert result.returncode == 1 and b"descriptor 0 is not a listening socket" in result.stderr


def test_a_body_over_the_limit_gets_the_same_answer_over_http_2(serve, tmp_path):
    server, key = certificate(str(tmp_path))
    service = serve(TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key)
    (tmp_path / "large").write_bytes(b"x" * ((25 << 20) + 1))
    for version in ("--http2", "--http1.1"):
        result = subprocess.run(
            ["curl", "-s", version, "--cacert", server, "--data-binary", "@" + str(tmp_path / "large")]
            + ["https://127.0.0.1:%d/webhook/x" % service.port],
            capture_output=True,
            timeout=20,
        )
        assert result.stdout == b"A body may have no more than 26214400 bytes.", (version, result)


def test_a_broken_fastcgi_request_leaks_no_descriptor(serve):
    service = serve(RESPONDERS=1)
    (pid,) = service.responders()
    service.call("GET", "/healthz")
    before = len(os.listdir("/proc/%d/fd" % pid))
    begin = b"\x01\x01\x00\x01\x00\x08\x00\x00" + b"\x00\x01\x01\x00\x00\x00\x00\x00"
    for prefix in (b"", b"\x01\x01\x00", begin, begin + b"\x01\x04\x00\x01\x00\x10\x00\x00\x03", begin + b"\x01\x05"):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(os.path.join(service.directory, "run", "responder-1.sock"))
                s.sendall(prefix)
    wait_for(lambda: len(os.listdir("/proc/%d/fd" % pid)) <= before + 2)


def test_the_service_goes_on_when_nobody_reads_its_log(tmp_path):
    service = Service(tmp_path / "data", RESPONDERS=1)
    reading, writing = os.pipe()
    service.process = subprocess.Popen(
        service.command,
        env=environment(service.directory, APP_PORT=service.port),
        stdout=writing,
        stderr=writing,
        stdin=subprocess.DEVNULL,
    )
    os.close(writing)
    wait_for(lambda: b"Create an endpoint" in os.read(reading, 65536))
    os.close(reading)
    os.kill(service.responders()[0], signal.SIGKILL)
    wait_for(lambda: service.responders())
    assert service.stop() == 0
    assert not os.path.exists(os.path.join(service.directory, "running"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs nginx as another user")
def test_root_may_keep_data_in_a_directory_that_is_closed_to_others(serve, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "var").mkdir(mode=0o700)
    service = serve(closed)
    assert service.hook(service.create()).status == 200
