"""Python libraries of PyPI (requirements.txt), which scripts/run-scenarios installs."""

import glob
import os
import sys

import pytest
from harness import ROOT

DIRECTORY = os.path.join(ROOT, ".build-python")
BIN = os.path.join(DIRECTORY, "bin")
PYTHON = os.path.join(BIN, "python")
# For tests that import a library: at the end of sys.path, so that what this machine has comes first.
MODULES = os.path.join(DIRECTORY, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")


def need(package):
    """Skips the test if a package is not installed; with REQUIRE_LIBRARIES, which CI sets, the test fails."""
    if os.path.exists(PYTHON) and glob.glob(os.path.join(DIRECTORY, "lib", "*", "site-packages", package)):
        return
    outcome = pytest.fail if os.environ.get("REQUIRE_LIBRARIES") else pytest.skip
    outcome("%s is not installed: scripts/run-scenarios installs it from PyPI" % package)
