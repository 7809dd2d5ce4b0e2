"""A start while the store waits to be recovered, and a process that has it open is still there."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from disks import FailingDisk
from harness import PROGRAM, environment, wait_for

WAITING = "waiting up to 10 s for other processes to close the store"


@pytest.fixture
def others(tmp_path, failing_disk_library):
    """Faults of a disk that only a command meets."""
    disk = FailingDisk(tmp_path / "other-faults", failing_disk_library)
    yield disk
    disk.close()


def test_a_start_waits_for_processes_that_still_have_the_store_open(serve, faults, others):
    service = serve(RESPONDERS=1, **faults.settings)
    endpoint = service.create()
    with open(os.path.join(service.directory, "options.conf"), "w") as file:
        json.dump({"listen_host": "x", "listen_port": 1, "users": [], "queues": [{"name": "a"}]}, file)
    with ThreadPoolExecutor(1) as pool:
        with faults.holding(faults.journal):
            syncs = faults.journal.syncs
            post = pool.submit(service.hook, endpoint, "x")
            wait_for(lambda: faults.journal.syncs > syncs)
            others.store.holds_writes = 1
            command = subprocess.Popen(
                [PROGRAM, "queues", "load"], env=environment(service.directory, **others.settings),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda: others.store.writer == command.pid)
            faults.journal.syncs_until_failure = 1
        wait_for(lambda: "the store failed" in service.log())
        service.kill_all()
        # The checkpoint of the command may have made it durable.
        post.exception(20)
    try:
        service.start(wait=False)
        assert service.process.wait(30) == 1
        refusal = service.log().splitlines()[-1]
        assert refusal.startswith("Error: cannot open the store") and "process %d" % command.pid in refusal
        assert service.log().count(WAITING) == 1

        service.start(wait=False)
        wait_for(lambda: service.log().count(WAITING) == 2)
        others.release()
        command.wait(20)
        wait_for(lambda: service.log().count(" serving ") == 2)
    finally:
        command.kill()
        command.wait()
    assert service.hook(endpoint, "y").status == 200
    service.check()
