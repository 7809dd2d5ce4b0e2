"""Reloads start the installed program, and migrate a store of an older layout."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tarfile

import pytest
from harness import PROGRAM, ROOT, Senders, Service, environment, install_share, postroom, wait_for
from queue_service import QueueService, read_messages

STORES = os.path.join(os.path.dirname(__file__), "stores")


class Installed(Service):
    """A service with its own copy of the program and the templates, as `make install` puts them."""

    def __init__(self, directory, **settings):
        self.prefix = directory / "prefix"
        self.program = self.prefix / "bin" / "postroom"
        os.makedirs(self.program.parent)
        self.templates = pathlib.Path(install_share(self.prefix))
        shutil.copy(PROGRAM, self.program)
        super().__init__(directory, program=str(self.program), **settings)

    def install(self):
        shutil.copy(PROGRAM, str(self.program) + ".new")
        os.rename(str(self.program) + ".new", self.program)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def processes(self):
        return self.responders() + self.workers()

    def nginx(self):
        return [pid for pid, line in self.children().items() if "nginx: master" in line]

    def answers(self):
        try:
            return self.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def restart_nginx(self):
        """Kills nginx; the supervisor starts it again with the files that are there."""
        before = self.nginx()
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: self.nginx() and self.nginx() != before and self.answers())


@pytest.fixture
def installed(tmp_path):
    started = []

    def start(**settings):
        service = Installed(tmp_path / ("i%d" % len(started)), **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


def renewed(service, before):
    """Whether all processes are new."""
    now = service.processes()
    return len(now) == len(before) and not set(now) & set(before)


class FreshSenders(Senders):
    """Senders with a new connection for each request: nginx closes idle connections when it reads its configuration."""

    def post(self, endpoint, body, connection):
        return self.service.hook(endpoint, body)


def test_a_reload_uses_the_new_program_and_its_templates(installed):
    service = installed(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000)
    supervisor, nginx, before = service.process.pid, service.nginx(), service.processes()
    locations = service.templates / "locations.conf"
    locations.write_text(locations.read_text() + "\nlocation = /new-in-this-version { return 204; }\n")
    endpoint = service.create()
    service.install()
    with FreshSenders(service, [endpoint], 4) as senders:
        service.reload()
        wait_for(lambda: renewed(service, before))
        sent = len(senders.sent())
        wait_for(lambda: len(senders.sent()) > sent + 20)
    assert senders.failures == []
    # The supervisor is the same process and runs the new file; nginx was not restarted.
    assert service.process.pid == supervisor and service.process.poll() is None and service.nginx() == nginx
    assert os.stat("/proc/%d/exe" % supervisor).st_ino == os.stat(service.program).st_ino
    wait_for(lambda: service.call("GET", "/new-in-this-version").status == 204)
    service.restart_nginx()
    assert sorted(service.bodies(endpoint)) == senders.sent()
    # A second reload works too.
    before = service.processes()
    service.reload()
    wait_for(lambda: renewed(service, before))
    assert service.stop() == 0
    assert not os.path.exists(os.path.join(service.directory, "running"))


def test_templates_of_another_version_are_not_used(installed):
    service = installed(RESPONDERS=1)
    before = service.processes()
    locations = service.templates / "locations.conf"
    locations.write_text(locations.read_text() + "\n@WORD_OF_A_LATER_VERSION@\n")
    service.reload()
    wait_for(lambda: "the old processes stay" in service.log())
    assert "@WORD_OF_A_LATER_VERSION@" in service.log() and service.processes() == before
    service.restart_nginx()
    service.stop()
    service.start(wait=False)
    assert service.process.wait(20) == 1 and "belongs to another version" in service.log()


def test_processes_that_end_during_a_reload_are_started_again(installed):
    service = installed(RESPONDERS=2)
    before = service.processes()
    os.kill(service.responders()[0], signal.SIGKILL)
    service.reload()
    os.kill(service.workers()[0], signal.SIGKILL)
    wait_for(lambda: renewed(service, before) and "reload done" in service.log())
    assert service.hook(service.create(), "x").status == 200
    assert len(service.children()) == len(before) + len(service.nginx()) + len([1 for line in service.children().values() if "nginx: worker" in line])


# ---------------------------------------------------------------- layouts


def newest_layout():
    with open(os.path.join(ROOT, "Sources", "Store", "MappedStore", "Core", "MappedStore.swift")) as file:
        return int(re.search(r"schemaVersion: UInt64 = (\d+)", file.read())[1])


OLDER_LAYOUT = 4


def make_older(service):
    """Writes the number of an older layout into the store, which may be in use; the records stay."""
    path = os.path.join(service.directory, "store.mdb")
    new, old = (b"schema" + number.to_bytes(8, "big") for number in (newest_layout(), OLDER_LAYOUT))

    def done():
        # A commit would copy the page meanwhile.
        writers = service.responders() + service.workers()
        for pid in writers:
            os.kill(pid, signal.SIGSTOP)
        try:
            with open(path, "r+b") as file:
                content = file.read()
                at = content.find(new)
                while at >= 0:
                    file.seek(at + len(b"schema"))
                    file.write(OLDER_LAYOUT.to_bytes(8, "big"))
                    at = content.find(new, at + 1)
        finally:
            for pid in writers:
                os.kill(pid, signal.SIGCONT)
        # A commit that was running may have written the old page.
        version = b"schema version %d" % OLDER_LAYOUT
        return all(version in postroom(service.directory, "store", "check").stderr for _ in range(2))

    wait_for(done)


def test_a_reload_that_migrates_the_store_fails_no_request(installed):
    service = installed(RESPONDERS=3, MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()
    before = service.processes()
    with Senders(service, [endpoint], 4) as senders:
        wait_for(lambda: len(senders.sent()) > 20)
        make_older(service)
        service.reload()
        wait_for(lambda: "the store is migrated" in service.log())
        wait_for(lambda: renewed(service, before))
        sent = len(senders.sent())
        wait_for(lambda: senders.failures or len(senders.sent()) > sent + 20)
    assert senders.failures == []
    assert "migrating the store: requests wait until it is done" in service.log()
    assert "a process ended" not in service.log()
    service.check()
    assert sorted(service.bodies(endpoint)) == senders.sent()


def test_a_migration_waits_for_other_processes_that_use_the_store(installed, faults):
    service = installed(RESPONDERS=1)
    endpoint = service.create()
    before = service.processes()
    # A command that waits for the sync of what it has committed.
    with open(os.path.join(service.directory, "options.conf"), "w") as file:
        json.dump({"listen_host": "x", "listen_port": 1, "users": [], "queues": [{"name": "a"}]}, file)
    faults.store.holds_writes = 1
    load = subprocess.Popen([PROGRAM, "queues", "load"], env=environment(service.directory, **faults.settings))
    try:
        wait_for(lambda: faults.store.writer == load.pid)
        faults.journal.holds_syncs = 1
        faults.store.holds_writes = 0
        wait_for(lambda: faults.journal.syncer == load.pid)
        make_older(service)
        service.reload()
        wait_for(lambda: "cannot be migrated while another process has it open" in service.log())
        assert "postroom queues load" in service.log()
        assert service.processes() == before and service.hook(endpoint, "meanwhile").status == 200
        faults.release()
        assert load.wait(20) == 0
        wait_for(lambda: "the store is migrated" in service.log() and renewed(service, before))
        assert service.hook(endpoint, "after").status == 200
        service.check()
    finally:
        load.kill()
        load.wait()


def test_commands_do_not_migrate_a_store_in_use(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    make_older(service)
    for command in (["work"], ["queues", "load"], ["queues", "passwd", "nobody"]):
        result = postroom(service.directory, *command, stdin=b"long-enough\n")
        (line,) = result.stderr.decode().strip().splitlines()
        assert result.returncode == 1 and "while other processes have it open" in line
        assert "has layout %d" % OLDER_LAYOUT in line
        assert "process %d" % service.responders()[0] in line
    assert service.hook(endpoint, "x").status == 200


def unpacked(directory, layout, **settings):
    """A service, not started, with a store of an older layout, and facts about its content."""
    service = QueueService(
        directory, MAX_IDLE_DURATION_SECONDS="1e9", MAX_DURATION_SECONDS="1e9", WEBHOOKS_RETENTION="87600h",
        WEBHOOKS_RETRY_INTERVAL="87600h", DELIVERY_ALLOW_SUBNETS="127.0.0.0/8", MAX_ENDPOINT_NOTIFICATIONS=100000,
        **settings,
    )  # fmt: skip
    os.makedirs(service.directory)
    with tarfile.open(os.path.join(STORES, "layout-%d.tar.xz" % layout)) as archive:
        archive.extractall(service.directory)
    with open(os.path.join(service.directory, "facts.json")) as file:
        return service, json.load(file)


def expect_all(service, facts, layout):
    """All that the older program has stored must be there."""
    assert service.bodies(facts["endpoint"]) == facts["bodies"]
    assert service.hook(facts["endpoint"], "next").status == 200 and service.hook(facts["disabled"]).status == 500
    assert [n["body"] for n in service.look(facts["endpoint"]).json()["notifications"]] == ["next"]
    if layout >= 2:
        assert [list(entry) for entry in read_messages(service.read("reader"))] == facts["messages"]
    if layout >= 3:
        assert len(service.call("GET", "/api/webhooks/%s/logs" % facts["webhook"]).json()) == facts["logs"]
        settings = service.call("GET", "/api/environments/%s/settings" % facts["environment"]).json()
        assert settings["public_verification_key"]["key"] == facts["key"]
    if layout >= 4:
        assert service.call("GET", "/eventmatch/" + facts["subscription"]).json()["disabled"]
        event = service.call("GET", "/events/" + facts["event"]).json()
        assert event["matched"] == 1 and event["event"]["data"] == {"n": 1}
    if layout >= 8:
        settings = service.call("GET", "/manage/endpoint/%s/settings" % facts["ruled"]).json()
        assert {name: settings[name] for name in facts["settings"]} == facts["settings"] and settings["forwards"] == []
        assert service.look(facts["ruled"]).json()["notifications"] == [facts["ruledNotification"]]


@pytest.mark.parametrize("layout", [1, 2, 3, 4, 5, 6, 7, 8])
def test_a_start_migrates_the_store_of_an_older_program_and_loses_nothing(tmp_path, layout):
    """The last program of each layout has written these stores; see stores/README.md."""
    service, facts = unpacked(tmp_path, layout, RESPONDERS=2)
    if layout < newest_layout():
        result = postroom(service.directory, "store", "check")
        assert result.returncode == 1 and b"schema version %d" % layout in result.stderr
    service.start()
    try:
        service.check()
        before = service.responders()
        endpoint = service.create()
        with Senders(service, [endpoint], 3) as senders:
            service.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(service.responders()) == 2 and not set(service.responders()) & set(before))
        assert senders.failures == [] and sorted(service.bodies(endpoint)) == senders.sent()
        expect_all(service, facts, layout)
        # The store was not closed before another start of the machine: numbers continue after a gap. From layout 7 on, that
        # was noted, so that there may be none.
        first = len(facts["bodies"]) + (2 if layout >= 7 else 3)
        assert [(n["body"], n["id"] >= first) for n in service.collect(facts["endpoint"])] == [("next", True)]
        service.check()
        assert service.stop() == 0
    finally:
        service.stop()


@pytest.mark.parametrize("layout", [1, 2, 3, 4, 5, 6, 7, 8])
def test_an_upgrade_after_a_crash_of_the_machine_migrates_and_checks_the_store(tmp_path, layout):
    service, facts = unpacked(tmp_path, layout, RESPONDERS=1, DURABILITY="process")
    service.note_crash()
    service.start()
    try:
        assert "the store is sound" in service.log()
        expect_all(service, facts, layout)
        service.check()
        assert service.stop() == 0
        assert "running" not in os.listdir(service.directory)
        service.check()
    finally:
        service.stop()


def test_an_upgrade_refuses_a_store_that_a_crash_of_the_machine_has_damaged(tmp_path):
    service, _ = unpacked(tmp_path, 5, RESPONDERS=1, DURABILITY="process")
    with open(os.path.join(service.directory, "store.mdb"), "r+b") as file:
        pages = iter(lambda: file.read(4096), b"")
        # The first two pages, the names of the tables, and the layout stay.
        lost = [n for n, page in enumerate(pages) if n > 1 and b"schema" not in page and b"queue-logs" not in page]
        for number in lost:
            file.seek(number * 4096)
            file.write(bytes(4096))
    service.note_crash()
    service.start(wait=False)
    assert service.process.wait(20) == 1
    assert "the store may be damaged" in service.log() and "postroom store repair" in service.log()
    assert postroom(service.directory, "store", "repair").returncode == 0
    service.start()
    try:
        assert service.hook(service.create(), "anew").status == 200
        service.check()
    finally:
        service.stop()


def listener(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(16)
    return s


def test_processes_of_an_older_supervisor_end_when_the_store_is_migrated(serve, tmp_path):
    """This test acts as a supervisor of an older version: it starts processes without a heartbeat."""
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    service.stop()
    parent = ["--parent", str(os.getpid())]
    env = environment(service.directory)
    socks = [listener(str(tmp_path / ("s%d" % number))) for number in range(2)]
    started = []

    def start(*command, stdin=subprocess.DEVNULL, ready=False):
        reading, writing = os.pipe()
        command = [PROGRAM, *command, *parent] + (["--ready", "3"] if ready else [])
        # The descriptor must be 3 in the new process; in this process the test runner may use 3.
        command = ["bash", "-c", 'exec "$@" 3>&%d' % writing, "bash", *command]
        process = subprocess.Popen(command, env=env, stdin=stdin, stderr=subprocess.PIPE, pass_fds=(writing,))
        os.close(writing)
        started.append(process)
        return process, reading

    def holders():
        inode = os.stat(os.path.join(service.directory, "store.lock")).st_ino
        with open("/proc/locks") as file:
            return {int(line.split()[4]) for line in file if "FLOCK" in line and line.split()[5].endswith(":%d" % inode)}

    try:
        old = []
        for process, reading in [start("respond", stdin=sock, ready=True) for sock in socks] + [start("work", ready=True)]:
            assert os.read(reading, 1) == b"\x01"
            old.append(process)
        wait_for(lambda: holders() == {process.pid for process in old})
        make_older(service)
        # A process without --ready, as after a crash, does not end the others.
        single, _ = start("respond", stdin=socks[0])
        new, reading = start("respond", stdin=socks[0], ready=True)
        assert os.read(reading, 1) == b"\x01"
        assert [process.wait(20) for process in old] == [0, 0, 0]
        assert postroom(service.directory, "store", "check").returncode == 0
        assert "has an older layout" in os.read(new.stderr.fileno(), 65536).decode()
        single.terminate()
        new.terminate()
        assert new.wait(20) == 0
    finally:
        for process in started:
            process.kill()
            process.wait()
    service.start()
    assert service.bodies(endpoint) == ["kept"]
