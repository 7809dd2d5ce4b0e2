"""The container image: every step of the Dockerfile, and scripts/image."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import containers
import pytest
from harness import PROGRAM, ROOT, free_port, postroom, wait_for
from image import Stage, instructions


def packages(group):
    with open(os.path.join(ROOT, "packages.txt")) as file:
        return [line.split()[1] for line in file if line.split()[:1] == [group]]


def test_the_packages_to_serve_have_all_libraries_that_the_program_needs():
    headers = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"\(NEEDED\).*\[(.*)\]", headers)
    assert len(libraries) > 5
    # Every image of Debian has the last two.
    given = subprocess.run(
        ["dpkg", "-L", *packages("run"), "libc6", "libgcc-s1"], capture_output=True, text=True, check=True).stdout
    assert set(libraries) - {os.path.basename(path) for path in given.splitlines()} == set()


SWIFT = """#!/bin/sh
echo "$@" >> /swift-arguments
mkdir -p .build/release && cp /given/postroom .build/release/postroom
"""


def test_the_dockerfile_builds_an_image_that_serves_as_its_user(tmp_path):
    """Only `swift build` is replaced: it copies the program that is tested."""
    reason = containers.missing()
    if reason:
        pytest.skip(reason)
    stages, images = {}, {}
    with containers.files(str(tmp_path / "build")) as build, containers.files(str(tmp_path / "image")) as image:
        os.mkdir(build + "/given")
        shutil.copy(PROGRAM, build + "/given/postroom")
        with open(build + "/given/swift", "w") as swift:
            os.fchmod(swift.fileno(), 0o755)
            swift.write(SWIFT)
        # The image's user may also be a user of this machine.
        subprocess.run(["chroot", image, "userdel", "postroom"], capture_output=True)
        roots = iter([Stage(build, "/given:"), Stage(image)])
        for name, text in instructions():
            if name == "ARG":
                images.update([text.split("=")])
            elif name == "FROM":
                base, _, label = text.partition(" AS ")
                assert base.strip("${}") in images
                stage = stages[label] = next(roots)
            else:
                stage.carry_out(name, text, stages)
        with open(build + "/swift-arguments") as arguments:
            assert arguments.read() == "build -c release --product postroom --static-swift-stdlib -Xswiftc -gline-tables-only\n"
        # Debian 12, for which the packages are.
        assert "bookworm" in images["SWIFT_IMAGE"] and "bookworm" in images["BASE_IMAGE"]
        serve(stage, str(tmp_path))


def serve(stage, directory):
    """Runs the image as a container engine does."""
    assert stage.user == "postroom" and stage.volumes == [stage.environment["DATA_DIR"]] == ["/data"]
    settings = ["--setenv=%s=%s" % pair for pair in stage.environment.items()]
    arguments = ["--user=" + stage.user, *settings, *stage.command]
    with containers.Container(stage.root, os.path.join(directory, "log"), "postroom", *arguments) as container:
        wait_for(lambda: "Create an endpoint" in container.console())
        made = json.loads(container.output("curl", "-sS", "-X", "POST", "http://127.0.0.1:8080/manage/endpoint"))
        container.output("curl", "-sSf", "-d", "x", "http://127.0.0.1:8080/webhook/" + made["endpointId"])
        for port, path in zip(stage.ports, ("/healthz", "/health/ready"), strict=True):
            assert container.output("curl", "-sS", "http://127.0.0.1:%d%s" % (port, path)) == "ok\n"
        assert "<!DOCTYPE html>" in container.output("curl", "-sSf", "http://127.0.0.1:8080/inspect")
        # nginx's template has the address of all interfaces.
        assert "listen 0.0.0.0:8080" in container.output("cat", "/data/run/nginx.conf")
        environment = ["env", *("%s=%s" % pair for pair in stage.environment.items())]
        as_user = ["setpriv", "--reuid=" + stage.user, "--regid=" + stage.user, "--init-groups"]
        assert container.output(*as_user, *environment, *stage.health) == "ok\n"
        owners = {line.split()[0] for line in container.output("ps", "-e", "-o", "uid=,args=").splitlines()
                  if re.search("postroom|nginx", line)}  # fmt: skip
        assert owners == {"8080"} and os.stat(stage.root + "/data/store.mdb").st_uid == 8080
        os.kill(container.leader, getattr(signal, stage.stop_signal))
        assert container.process.wait(20) == 0, container.console()


ENGINES = ("docker", "podman", "buildah")


@pytest.mark.parametrize("engine", [*ENGINES, None])
def test_scripts_image_uses_the_first_engine_that_works(tmp_path, engine):
    for name in ENGINES:
        (tmp_path / name).write_text(
            '#!/bin/sh\n[ "$1" = info ] && exit %d\necho "%s $@"\n' % (0 if name == engine else 1, name))
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [os.path.join(ROOT, "scripts", "image"), "--build-arg", "BASE_IMAGE=x"],
        env={"PATH": "%s:/usr/bin:/bin" % tmp_path}, capture_output=True, text=True)
    if engine is None:
        assert done.returncode == 1 and "none of docker, podman and buildah" in done.stderr
        return
    version = postroom(tmp_path, "--version").stdout.decode().split()[-1]
    # Only docker's format has a place for the health check.
    form = "" if engine == "docker" else " --format docker"
    expected = "%s build%s -t postroom:%s -t postroom:latest --build-arg BASE_IMAGE=x .\n" % (engine, form, version)
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_ops_server_host_makes_the_operations_port_of_a_container_reachable(serve):
    """The setting of the documented docker command, with an address of this test."""
    with open(os.path.join(ROOT, "docs", "operations.md")) as file:
        lines = [line for line in file if "docker run" in line and "OPS_SERVER_HOST=0.0.0.0" in line]
    assert len(lines) == 1 and "-p 127.0.0.1:3616:3616" in lines[0]
    with open(os.path.join(ROOT, "Dockerfile")) as file:
        assert "\nEXPOSE 8080 3616\n" in file.read()
    port = free_port()
    serve(OPS_SERVER_HOST="127.0.0.2", OPS_SERVER_PORT=port, RESPONDERS=1)
    with socket.create_connection(("127.0.0.2", port), timeout=10) as connection:
        connection.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert b" 200 " in head and json.loads(body)["version"]
