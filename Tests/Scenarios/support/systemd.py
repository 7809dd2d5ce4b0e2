"""A real systemd in a container whose root is this machine's, with a layer of its own above it: what is changed there is in
memory, and gone afterwards. It has no network but its own loopback."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from harness import PROGRAM, ROOT, install_share

TARGET = """[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


def missing():
    """Why there can be no container here, or None."""
    if os.geteuid() != 0:
        return "only root makes containers"
    for program in ("systemd-nspawn", "nsenter"):
        if not shutil.which(program):
            return program + " is missing"
    with tempfile.TemporaryDirectory() as directory:
        try:
            with Machine(directory):
                return None
        except AssertionError as error:
            return "systemd cannot be started in a container: %s" % str(error)[-300:]


class Machine:
    """Boots when a with block begins, with the program and the units that `make install` copies, in /usr."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.layer = os.path.join(self.directory, "layer")
        self.root = os.path.join(self.directory, "root")
        self.process = self.leader = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.stop)
            os.makedirs(self.layer)
            os.makedirs(self.root)
            mount("-t", "tmpfs", "-o", "size=512m", "tmpfs", self.layer)
            stack.callback(subprocess.run, ["umount", self.layer])
            for name in ("upper", "work"):
                os.mkdir(os.path.join(self.layer, name))
            options = "lowerdir=/,upperdir=%s/upper,workdir=%s/work" % (self.layer, self.layer)
            mount("-t", "overlay", "-o", options, "overlay", self.root)
            stack.callback(subprocess.run, ["umount", self.root])
            self.prepare()
            self.boot()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stop()
        # What the callbacks do: `stop` does nothing a second time.
        self.stack.close()

    def prepare(self):
        units = self.path("/etc/systemd/system")
        with open(os.path.join(units, "test.target"), "w") as target:
            target.write(TARGET)
        for name in os.listdir(os.path.join(ROOT, "systemd")):
            with open(os.path.join(ROOT, "systemd", name)) as unit:
                self.write("/etc/systemd/system/" + name, unit.read().replace("@PREFIX@", "/usr"))
        shutil.copy(PROGRAM, self.path("/usr/bin/postroom"))
        os.chmod(self.path("/usr/bin/postroom"), 0o755)
        shutil.rmtree(self.path("/usr/share/postroom"), ignore_errors=True)
        install_share(self.path("/usr"))
        make_user = "id postroom 2>/dev/null || useradd --system --user-group --home-dir /var/lib/postroom " \
            "--shell /usr/sbin/nologin postroom"
        done = subprocess.run(["chroot", self.root, "/bin/sh", "-c", make_user], capture_output=True)
        assert done.returncode == 0, done.stderr

    def boot(self):
        self.log = open(os.path.join(self.directory, "console"), "wb")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-D", self.root, "--register=no", "--keep-unit", "--private-network",
             "--machine=postroom-test-%d" % os.getpid(), "-b", "systemd.unit=test.target"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def started():
            assert self.process.poll() is None, self.console()
            self.leader = self.find_leader()
            return self.leader and self.run("systemctl", "is-active", "basic.target").stdout == b"active\n"

        deadline = time.monotonic() + 30
        while not started():
            assert time.monotonic() < deadline, self.console()
            time.sleep(0.1)

    def find_leader(self):
        """The first process of the container."""
        try:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as children:
                for child in children.read().split():
                    with open("/proc/%s/comm" % child) as name:
                        if name.read().strip() == "systemd":
                            return int(child)
        except OSError:
            pass
        return None

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            # systemd-nspawn ends the container at once.
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        self.process = None

    def console(self):
        with open(os.path.join(self.directory, "console"), errors="replace") as log:
            return log.read()

    def path(self, path):
        return self.root + path

    def write(self, path, text, mode=0o644):
        """Writes a file in the container."""
        with open(self.path(path), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def run(self, *command):
        """Runs a program in the container, as root, to its end."""
        return subprocess.run(
            ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
             "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    def output(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr, self.journal())
        return done.stdout.decode()

    def systemctl(self, *arguments):
        return self.output("systemctl", *arguments)

    def show(self, unit, name):
        """A property of a unit."""
        return self.systemctl("show", "-P", name, unit).strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "-o", "cat").stdout.decode(errors="replace")[-4000:]


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
