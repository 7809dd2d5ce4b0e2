import shutil
import subprocess

import pytest
from disks import FailingDisk
from harness import compiled


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="session")
def failing_disk_library(tmp_path_factory):
    """Tests/Support/failing_disk.c."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    return compiled("failing_disk", tmp_path_factory.mktemp("failing"))


@pytest.fixture
def faults(tmp_path, failing_disk_library):
    """Faults of the disk of the services that are started with its settings: serve(**faults.settings)."""
    disk = FailingDisk(tmp_path / "faults", failing_disk_library)
    yield disk
    disk.close()
