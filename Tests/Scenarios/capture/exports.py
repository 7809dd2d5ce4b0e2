"""Stores that are made anew from their export."""

import pathlib

from harness import postroom


def made_anew(service):
    """Makes the store of a running service anew from its export, and starts the service again; returns the export."""
    exported = postroom(service.directory, "store", "export")
    assert exported.returncode == 0, exported.stderr
    service.stop()
    directory = pathlib.Path(service.directory)
    for path in [*directory.glob("store*"), directory / "journal"]:
        path.unlink()
    imported = postroom(service.directory, "store", "import", stdin=exported.stdout)
    assert imported.returncode == 0, imported.stderr
    service.start()
    return exported.stdout
