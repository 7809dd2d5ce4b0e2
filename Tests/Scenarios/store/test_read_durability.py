"""What commands show of the store is durable, as in responses."""

import json
import os
import select
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import PROGRAM, environment, wait_for


def wants_checkpoint(service):
    """A process has asked for a checkpoint, and none has been made since (SharedState.swift, `wanted`)."""
    with open(os.path.join(service.directory, "store.shared"), "rb") as file:
        return struct.unpack_from("<Q", file.read(), 8 * 14)[0] > 0


def waiting_export(service, output, errors=None):
    """Starts an export; returns it once it waits for a checkpoint, or `None` if it has ended without that."""
    export = subprocess.Popen(
        [PROGRAM, "store", "export"], env=environment(service.directory), stdin=subprocess.DEVNULL, stdout=output,
        stderr=errors)
    wait_for(lambda: wants_checkpoint(service) or export.poll() is not None)
    if export.poll() is None:
        return export
    export.communicate()
    if output != subprocess.PIPE:
        output.truncate(0)
        output.seek(0)
    return None


@pytest.mark.parametrize("target", ["file", "pipe"])
def test_an_export_has_only_what_is_durable(serve, faults, tmp_path, target):
    service = serve(RESPONDERS=1, **faults.settings)
    endpoint = service.create()
    with ThreadPoolExecutor(1) as pool, open(tmp_path / "export", "wb") as file:
        with faults.holding():
            syncs = faults.journal.syncs
            post = pool.submit(service.hook, endpoint, "not on the disk yet")
            wait_for(lambda: faults.journal.syncs > syncs)
            # It has read everything, and waits. One that has read before the request was committed ends.
            export = wait_for(lambda: waiting_export(service, file if target == "file" else subprocess.PIPE))
            assert export.poll() is None and not post.done()
            if target == "pipe":
                assert not select.select([export.stdout], [], [], 0)[0]
        assert post.result(20).status == 200
        output, _ = export.communicate(timeout=20)
        assert export.returncode == 0
    lines = [json.loads(line) for line in (output or (tmp_path / "export").read_bytes()).splitlines()]
    assert [line["body"] for line in lines if line["kind"] == "notification"] == ["not on the disk yet"]


def test_an_export_fails_when_what_it_has_read_cannot_become_durable(serve, faults, tmp_path):
    service = serve(RESPONDERS=1, **faults.settings)
    endpoint = service.create()
    with ThreadPoolExecutor(1) as pool:
        with faults.holding():
            syncs = faults.journal.syncs
            post = pool.submit(service.hook, endpoint, "x")
            wait_for(lambda: faults.journal.syncs > syncs)
            export = wait_for(lambda: waiting_export(service, subprocess.PIPE, subprocess.PIPE))
            faults.journal.syncs_until_failure = faults.store.syncs_until_failure = 1
        post.result(20)
        output, errors = export.communicate(timeout=40)
    assert export.returncode == 1 and output == b"" and b"may be lost" in errors
