"""A PostgreSQL server of its own for a test, which can be stopped, killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from harness import alive, free_port, wait_for

INSTALLED = "/usr/lib/postgresql"
# With what has to be quoted in SQL, in a connection string and in a URL.
PASSWORD = "pass'w\\ord@1"


def is_installed():
    return os.path.isdir(INSTALLED)


class Server:
    """Listens on 127.0.0.1 alone, in a temporary directory. Its user "postgres" has the password PASSWORD."""

    def __init__(self, **options):
        self.programs = os.path.join(INSTALLED, sorted(os.listdir(INSTALLED), key=float)[-1], "bin")
        self.directory = tempfile.mkdtemp(prefix="postroom-pg-")
        # The server refuses to run as root.
        self.user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        secret = os.path.join(self.directory, "secret")
        with open(secret, "w") as file:
            file.write(PASSWORD + "\n")
        os.chmod(secret, 0o644)
        self.data = os.path.join(self.directory, "data")
        self.run("initdb", "-D", self.data, "-U", "postgres", "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
        self.port = free_port()
        self.options = options
        self.databases = 0
        self.start()

    def identity(self):
        same = {"cwd": self.directory, "env": {"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD}}
        if os.geteuid() == 0:
            same.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        return same

    def run(self, program, *arguments, **options):
        command = [os.path.join(self.programs, program), *arguments]
        return subprocess.run(command, check=True, capture_output=True, timeout=60, **self.identity(), **options)

    def psql(self, statements, database="postgres"):
        """Runs statements, and returns what they print, without the end of the last line."""
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database)
        return self.run("psql", *address, "-AqtX", "-v", "ON_ERROR_STOP=1", input=statements.encode()).stdout.decode().rstrip("\n")

    # ------------------------------------------------------------ running it

    def start(self, **options):
        """Starts it, with options of the server besides those that it always has."""
        given = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.directory, "fsync": "off",
            "full_page_writes": "off", **self.options, **options,
        }
        arguments = [os.path.join(self.programs, "postgres"), "-D", self.data]
        for name, value in given.items():
            arguments += ["-c", "%s=%s" % (name, value)]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, **self.identity())
        wait_for(lambda: self.process.poll() is not None or self.is_ready())
        assert self.process.poll() is None, self.log()

    def is_ready(self):
        command = [os.path.join(self.programs, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, timeout=60, **self.identity()).returncode == 0

    def log(self):
        with open(os.path.join(self.directory, "log"), "rb") as log:
            return log.read().decode(errors="replace")

    def stop(self):
        """Stops it in order; its connections are closed."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def kill(self):
        """Kills all its processes, as when its machine loses power."""
        pids = self.processes()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)
        wait_for(lambda: not any(alive(pid) for pid in pids))

    def processes(self):
        """The first process, and after it those that it has started."""
        found = [self.process.pid]
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % name) as stat:
                    if int(stat.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        found.append(int(name))
            except OSError:
                pass
        return found

    def remove(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.directory)

    # ------------------------------------------------------------ databases

    def database(self):
        """Makes an empty database, and returns the settings that choose it."""
        self.databases += 1
        name = "database%d" % self.databases
        self.psql("create database %s" % name)
        return self.settings(DB_DATABASE=name)

    def settings(self, **others):
        return {
            "DB_URI": "127.0.0.1:%d" % self.port, "DB_AUTH_USER": "postgres", "DB_AUTH_PASS": PASSWORD, **others
        }
