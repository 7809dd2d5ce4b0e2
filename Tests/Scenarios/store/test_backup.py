"""Backup and restore: exports, imports, and the secret beside the store."""

import datetime
import json
import os
import re
import shutil
import subprocess

import pytest
from harness import PROGRAM, ROOT, Service, environment, postroom, wait_for

HOOK = {"name": "w", "url": "http://127.0.0.1:9/", "events": ["job-created"], "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
ENVIRONMENT = "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50"


def chapters(page):
    """The commands of the first three blocks of a page: backup, restore, upgrade."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        text = file.read()
    for block in re.findall(r"^```console(?: no-test)?\n(.*?)^```", text, re.M | re.S)[:3]:
        yield [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def test_the_commands_of_the_page_back_up_restore_and_upgrade(serve, tmp_path):
    service = serve(RESPONDERS=1, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8")
    endpoint = service.create()
    service.hook(endpoint, "kept")
    answer = service.call(
        "POST", "/environments/%s/webhooks" % ENVIRONMENT, json.dumps(HOOK), {"Content-Type": "application/json"}
    )
    assert answer.status < 300
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "postroom").symlink_to(PROGRAM)
    # It returns the service of this test, and not another one of this machine.
    (programs / "pgrep").write_text("#!/bin/sh\necho %d\n" % service.process.pid)
    (programs / "pgrep").chmod(0o755)
    backup, restore, upgrade = chapters("docs/backup-restore-upgrade.md")
    env = environment(service.directory)
    env["PATH"] = "%s:%s" % (programs, env["PATH"])
    script = "\n".join(["set -e", *backup, *restore])
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 endpoints, 1 notifications" in result.stdout and "sound" in result.stdout
    assert (tmp_path / "backup.jsonl").stat().st_mode & 0o077 == 0

    before = service.responders()
    # The page's example of a process id stands for the one that `pgrep` lists.
    script = re.sub(r"kill -HUP \d+", "kill -HUP %d" % service.process.pid, "\n".join(upgrade))
    assert "kill -HUP %d" % service.process.pid in script
    subprocess.run(["bash", "-c", script], env=env, check=True, timeout=20)
    wait_for(lambda: service.responders() and not set(service.responders()) & set(before))
    service.stop()

    os.rename(tmp_path / "restored", tmp_path / "var")
    twin = Service(tmp_path, RESPONDERS=1).start()
    try:
        assert twin.bodies(endpoint) == ["kept"]
        # Its keys are encrypted with the secret that was restored.
        assert twin.call("GET", "/environments/%s/settings" % ENVIRONMENT).status == 200
        twin.check()
    finally:
        twin.stop()


def exported(service):
    result = postroom(service.directory, "store", "export")
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines(keepends=True)


def filled(serve):
    service = serve(RESPONDERS=1, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8")
    endpoints = [service.create() for _ in range(2)]
    for endpoint in endpoints:
        for number in range(3):
            service.hook(endpoint, "body %d" % number)
    return service, endpoints


@pytest.mark.parametrize(
    "cut, words",
    [
        (lambda lines: lines[:-1], "incomplete"),
        (lambda lines: lines[:-1] + [lines[-1][:9]], "not JSON"),
        (lambda lines: lines[:3], "incomplete"),
        (lambda lines: lines[:4] + [lines[4][:30]], "not JSON"),
        (lambda lines: lines[:4] + lines[-1:], 'kind "endpoint"'),
        (lambda lines: lines[:1] + lines[2:], 'kind "counters"'),
        (lambda lines: lines + lines[2:3], "unexpected line after the last line"),
    ],
    ids=["end", "half-of-the-end", "lines", "half-of-a-line", "between", "counters", "after-the-end"],
)
def test_an_export_with_missing_lines_is_refused(serve, tmp_path, cut, words):
    service, _ = filled(serve)
    other = tmp_path / "other"
    result = postroom(other, "store", "import", stdin=b"".join(cut(exported(service))))
    assert result.returncode == 1 and words in result.stderr.decode(), result.stderr
    assert "nothing was imported" in result.stderr.decode() and result.stdout == b""
    assert b"0 endpoints, 0 notifications" in postroom(other, "store", "check").stdout


def test_the_option_incomplete_imports_an_export_that_was_cut_off(serve, tmp_path):
    service, endpoints = filled(serve)
    lines = exported(service)
    (at,) = [number for number, line in enumerate(lines) if endpoints[1].encode() in line and b'"kind": "endpoint"' in line]
    other = tmp_path / "other"
    # Its first notification is complete, its second one is cut off.
    cut = b"".join(lines[: at + 2]) + lines[at + 2][:40]
    result = postroom(other / "var", "store", "import", "--incomplete", stdin=cut)
    assert result.returncode == 0 and b"2 endpoints, 4 notifications" in result.stdout, result.stderr
    assert b"the export has no last line" in result.stderr
    shutil.copy(os.path.join(service.directory, "secret.key"), other / "var")
    twin = serve(other)
    assert twin.bodies(endpoints[0]) == ["body 0", "body 1", "body 2"]
    twin.check()
    assert twin.bodies(endpoints[1]) == ["body 0"] and twin.hook(endpoints[1], "next").status == 200


def test_an_import_creates_its_directory_and_names_the_missing_secret(serve, tmp_path):
    service, _ = filled(serve)
    service.call("POST", "/environments/%s/webhooks" % ENVIRONMENT, json.dumps(HOOK), {"Content-Type": "application/json"})
    other = tmp_path / "not" / "there" / "yet"
    result = postroom(other, "store", "import", stdin=b"".join(exported(service)))
    assert result.returncode == 0 and os.path.exists(other / "store.mdb")
    assert "secret.key is missing" in result.stderr.decode()
    if os.geteuid() == 0:
        assert "chown -R USER" in result.stderr.decode()
    assert not os.path.exists(other / "secret.key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves files of another owner")
def test_an_import_warns_if_its_files_belong_to_another_owner_than_the_directory(serve, tmp_path):
    service, _ = filled(serve)
    other = tmp_path / "other"
    other.mkdir()
    os.chown(other, 65534, 65534)
    result = postroom(other, "store", "import", stdin=b"".join(exported(service)))
    assert result.returncode == 0 and "belongs to root, but the directory to nobody" in result.stderr.decode(), result.stderr
    assert "chown nobody: %s" % other in result.stderr.decode()


def test_the_idle_time_of_endpoints_starts_again_with_the_restore(serve, tmp_path):
    service, endpoints = filled(serve)
    age = datetime.timedelta(hours=500)

    def earlier(match):
        time = datetime.datetime.fromisoformat(match[2].decode()) - age
        return match[1] + time.isoformat().replace("+00:00", "Z").encode() + b'"'

    lines = [
        re.sub(rb'("(?:exportedAt|created|lastUsed)": ")([^"]+)"', earlier, line)
        for line in exported(service)
    ]
    assert str(datetime.datetime.now(datetime.timezone.utc) - age)[:10].encode() in lines[0]
    other = tmp_path / "other"
    shutil.copytree(service.directory, other / "var", ignore=lambda _, names: [name for name in names if name != "secret.key"])
    assert postroom(other / "var", "store", "import", stdin=b"".join(lines)).returncode == 0
    twin = serve(other, CLEANUP_FREQUENCY_SECONDS=0.1)
    assert [twin.bodies(endpoint) for endpoint in endpoints] == [["body 0", "body 1", "body 2"]] * 2


def test_a_missing_or_unreadable_secret_is_named_and_not_replaced(serve, tmp_path):
    service = serve(RESPONDERS=1)
    service.stop()
    path = os.path.join(service.directory, "secret.key")
    kept = tmp_path / "kept"
    shutil.move(path, kept)
    for command in ("serve", "work"):
        result = postroom(service.directory, command, APP_PORT=service.port)
        (line,) = result.stderr.decode().strip().splitlines()
        assert result.returncode == 1 and "secret.key is missing" in line and "backup" in line
        assert not os.path.exists(path)
    os.mkdir(path)
    result = postroom(service.directory, "work")
    assert result.returncode == 1 and b"cannot read" in result.stderr and b"secret.key" in result.stderr
    os.rmdir(path)
    with open(path, "wb") as file:
        file.write(kept.read_bytes()[:31])
    result = postroom(service.directory, "work")
    assert result.returncode == 1 and b"has 31 bytes" in result.stderr
    shutil.move(kept, path)
    service.start()
    assert service.hook(service.create(), "x").status == 200
