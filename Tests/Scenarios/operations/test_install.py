"""`make run`: that it serves what it builds. `make install`: what it copies, and that the copy serves."""

import os
import pathlib
import signal
import subprocess
import urllib.request

import pytest
from harness import PROGRAM, ROOT, Service, free_port, wait_for


@pytest.fixture
def source(tmp_path):
    """A source directory without a build, in which programs that build or install packages fail."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("Makefile", "systemd", "nginx", "api", "page"):
        os.symlink(os.path.join(ROOT, name), source / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("swift", "sudo", "apt-get"):
        (programs / name).write_text("#!/bin/sh\necho called $0 >&2; exit 9\n")
        (programs / name).chmod(0o755)
    return source


def make_install(source, image):
    return subprocess.run(
        ["make", "-C", str(source), "install", "PREFIX=/usr", "DESTDIR=" + str(image)],
        env={"PATH": "%s:/usr/bin:/bin" % (source.parent / "programs")}, capture_output=True, text=True)


def test_make_install_without_a_build_fails_and_builds_nothing(source, tmp_path):
    done = make_install(source, tmp_path / "image")
    assert done.returncode != 0 and 'run "make build" first' in done.stderr and "called" not in done.stderr
    assert not (tmp_path / "image").exists()


def test_make_install_copies_everything_and_the_copy_serves(source, tmp_path):
    built = source / ".build" / "release"
    built.mkdir(parents=True)
    os.symlink(PROGRAM, built / "postroom")
    done = make_install(source, tmp_path / "image")
    assert done.returncode == 0, done.stderr
    prefix = tmp_path / "image" / "usr"
    installed = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    templates = {"share/postroom/nginx/" + name for name in os.listdir(os.path.join(ROOT, "nginx"))}
    units = {"lib/systemd/system/" + name for name in os.listdir(os.path.join(ROOT, "systemd"))}
    descriptions = {"share/postroom/api/openapi." + kind for kind in ("html", "json", "yaml")}
    page = pathlib.Path(ROOT, "page")
    inspector = {"share/postroom/page/" + str(path.relative_to(page)) for path in page.rglob("*") if path.is_file()}
    assert installed == {"bin/postroom"} | templates | units | descriptions | inspector
    for unit in units:
        assert "@PREFIX@" not in (prefix / unit).read_text()
    service = Service(tmp_path / "data", program=str(prefix / "bin" / "postroom"), RESPONDERS=1).start()
    try:
        endpoint = service.create()
        assert service.hook(endpoint, "x").status == 200 and service.bodies(endpoint) == ["x"]
        assert service.call("GET", "/openapi.json").json()["openapi"].startswith("3.")
        for name in ("app.css", "app.js", "icon.svg", "endpoint/list.js"):
            assert service.call("GET", "/page/" + name).body == (prefix / "share" / "postroom" / "page" / name).read_bytes()
    finally:
        service.stop()


def test_make_run_builds_and_serves_until_it_is_interrupted(source, tmp_path):
    for name in ("scripts", "packages.txt"):
        os.symlink(os.path.join(ROOT, name), source / name)
    swift = source.parent / "programs" / "swift"
    swift.write_text(f'#!/bin/sh\n[ "$*" = "build --product postroom" ] && mkdir -p .build/debug && ln -s {PROGRAM} .build/debug/postroom\n')
    port = free_port()
    with open(tmp_path / "log", "w") as log:
        run = subprocess.Popen(
            ["make", "-C", str(source), "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={"PATH": f"{swift.parent}:/usr/bin:/bin", "APP_PORT": str(port), "OPS_SERVER_PORT": "0", "RESPONDERS": "1"})
    try:
        wait_for(lambda: run.poll() is not None or "Create an endpoint" in (tmp_path / "log").read_text())
        created = urllib.request.Request(f"http://127.0.0.1:{port}/manage/endpoint", method="POST")
        assert urllib.request.urlopen(created, timeout=10).status == 201, (tmp_path / "log").read_text()
    finally:
        os.killpg(run.pid, signal.SIGINT)
    run.wait(20)
    assert (source / "var" / "store.mdb").exists()
