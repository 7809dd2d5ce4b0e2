"""Containers with the files of this machine. Changes in them are kept in memory, and are gone afterwards. Their network
is their own loopback."""

import contextlib
import os
import shutil
import subprocess

from harness import wait_for


def missing():
    """Why there can be no containers; None if there can."""
    if os.geteuid() != 0:
        return "only root makes containers"
    return next((name + " is missing" for name in ("systemd-nspawn", "nsenter") if not shutil.which(name)), None)


@contextlib.contextmanager
def files(directory):
    """Lends a copy of the root directory."""
    layer, root = os.path.join(directory, "layer"), os.path.join(directory, "root")
    os.makedirs(layer)
    os.makedirs(root)
    with contextlib.ExitStack() as stack:
        mount("-t", "tmpfs", "-o", "size=512m", "tmpfs", layer)
        stack.callback(subprocess.run, ["umount", layer])
        for name in ("upper", "work"):
            os.mkdir(os.path.join(layer, name))
        mount("-t", "overlay", "-o", "lowerdir=/,upperdir=%s/upper,workdir=%s/work" % (layer, layer), "overlay", root)
        stack.callback(subprocess.run, ["umount", root])
        yield root


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def command_in(root, *arguments):
    """A command that runs a program in a new container, as its first process."""
    # Without the variable, /tmp is another one in each container.
    return ["env", "SYSTEMD_NSPAWN_TMPFS_TMP=0", "systemd-nspawn", "-D", root, "--register=no", "--keep-unit",
            "--quiet", "--private-network", "--link-journal=no", "--console=pipe",
            "--machine=postroom-test-%d" % os.getpid(), *arguments]  # fmt: skip


class Container:
    """A container in which a program runs for the duration of a with block. `name` is the name of its process."""

    def __init__(self, root, log_path, name, *arguments):
        self.root, self.log_path, self.name = root, log_path, name
        self.command = command_in(root, *arguments)

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.leader = wait_for(self.find_leader)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            # systemd-nspawn ends the container at once.
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def find_leader(self):
        """The first process of the container."""
        assert self.process.poll() is None, self.console()
        with contextlib.suppress(OSError), open("/proc/%d/task/%d/children" % (2 * (self.process.pid,))) as children:
            for child in children.read().split():
                with open("/proc/%s/comm" % child) as name:
                    if name.read().strip() == self.name:
                        return int(child)
        return None

    def console(self):
        with open(self.log_path, errors="replace") as log:
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
        assert done.returncode == 0, (command, done.stdout, done.stderr, self.console()[-4000:])
        return done.stdout.decode()
