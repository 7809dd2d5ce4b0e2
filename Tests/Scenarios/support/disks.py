"""Disks that scenarios fill."""

import os

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own needs root to be mounted")


def fill(path):
    """Takes what room the disk has left, to the last block."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
