"""A short campaign of power cuts: Tests/Support/power_cuts/README.md. `scripts/campaign` is the long form.

POWER_CUT_SEED repeats the choices of a campaign."""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile

import mistakes
import pytest
from campaign import Campaign

SEED = int(os.environ.get("POWER_CUT_SEED", "0")) or random.randrange(1, 1 << 31)

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")


@contextlib.contextmanager
def campaign(tmp_path, **options):
    work = tempfile.mkdtemp(prefix="cuts", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    os.chmod(work, 0o755)
    made = Campaign(work, SEED, str(tmp_path / "kept"), seconds=4, **options)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(work)
        print(made.summary())


def test_a_power_cut_loses_and_changes_nothing_that_clients_know_of(tmp_path):
    with campaign(tmp_path) as made:
        made.sizes = [14]
        made.run(images=42, cuts=15, chain=1)
        assert made.failed == 0, made.summary()


def test_a_power_cut_during_a_start_or_a_stop_loses_nothing_either(tmp_path):
    with campaign(tmp_path) as made:
        made.run_starts(images=15)
        assert made.failed == 0, made.summary()


def test_without_waiting_for_the_disk_a_power_cut_takes_back_the_last_calls_only(tmp_path):
    with campaign(tmp_path, settings={"DURABILITY": "process"}, waits=False) as made:
        made.sizes = [12]
        made.run(images=12, cuts=4)
        made.run_starts(images=5)
        assert made.failed == 0, made.summary()


def test_a_campaign_notices_that_answers_do_not_wait_for_the_disk(tmp_path):
    with campaign(tmp_path, settings={"DURABILITY": "process"}) as made:
        made.run(images=10, cuts=0)
        assert made.kinds["lost"] > 0, made.summary()


def test_the_mistakes_that_a_campaign_must_notice_still_fit_the_sources():
    subprocess.run(["git", "apply", "--check", mistakes.PATCH], cwd=mistakes.ROOT, check=True)
