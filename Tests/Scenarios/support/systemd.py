"""A container in which systemd runs, with what `make install` installs."""

import contextlib
import os
import shutil
import subprocess

from containers import Container, files
from harness import PROGRAM, ROOT, wait_for

TARGET = """[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


class Machine(Container):
    """Boots systemd for the duration of a with block."""

    def __init__(self, root, directory):
        super().__init__(root, os.path.join(directory, "console"), "systemd", "-b", "systemd.unit=test.target")

    def __enter__(self):
        super().__enter__()
        try:
            wait_for(lambda: self.run("systemctl", "is-active", "basic.target").stdout == b"active\n", 30, 0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def systemctl(self, *arguments):
        done = self.run("systemctl", *arguments)
        assert done.returncode == 0, (arguments, done.stderr, self.journal())
        return done.stdout.decode()

    def show(self, unit, name):
        """A property of a unit."""
        return self.systemctl("show", "-P", name, unit).strip()

    def journal(self):
        return self.output("journalctl", "--no-pager", "-o", "cat")[-4000:]


@contextlib.contextmanager
def machine(directory):
    """Lends a Machine with the program, the units and a user."""
    with files(directory) as root:
        with open(root + "/etc/systemd/system/test.target", "w") as target:
            target.write(TARGET)
        shutil.rmtree(root + "/usr/share/postroom", ignore_errors=True)
        subprocess.run(
            ["make", "-C", ROOT, "install", "program=" + PROGRAM, "PREFIX=/usr", "DESTDIR=" + root],
            env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
        make_user = "id postroom 2>/dev/null || useradd --system --user-group --home-dir /var/lib/postroom " \
            "--shell /usr/sbin/nologin postroom"
        done = subprocess.run(["chroot", root, "/bin/sh", "-c", make_user], capture_output=True)
        assert done.returncode == 0, done.stderr
        with Machine(root, directory) as machine:
            yield machine
