#!/usr/bin/env python3
"""A PostgreSQL server of its own for tests: in a temporary folder, on a Unix socket, as user postgres when started by root.

usage: postgres.py COMMAND [ARGUMENT...]   runs the command with NEXUS_TEST_POSTGRES set to what follows the ? of a url
"""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def programs():
    """The folder of initdb and postgres."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb")]
    if not found[-1]:
        sys.exit("postgres.py: PostgreSQL is not installed (tools/deps test installs it)")
    return os.path.dirname(found[-1])


class Server:
    """start() and stop(), or `with Server() as server`; kill() is kill -9 of the whole server."""

    port = 5432

    def __init__(self, settings=(), fsync=True):
        self.bin = programs()
        self.settings = list(settings) + ([] if fsync else ["fsync=off", "full_page_writes=off"])
        self.folder = tempfile.mkdtemp(prefix="nxpg")
        self.data = os.path.join(self.folder, "data")
        self.who = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.process = None

    def run(self, program, *arguments, **more):
        """Runs one of PostgreSQL's programs as the server's user; raises when it fails."""
        return subprocess.run([os.path.join(self.bin, program), *arguments], check=True, cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self.who, **more).stdout

    def init(self):
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")

    def start(self, data=None, wait_s=60):
        if data:
            self.data = data
        elif not os.path.exists(self.data):
            self.init()
        arguments = [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.folder, "-p", str(self.port),
                     "-c", "listen_addresses="]
        for setting in self.settings:
            arguments += ["-c", setting]
        end = time.monotonic() + wait_s
        while True:
            # After kill -9 the orphans of the old one hold its memory for a moment: then the new one ends at once.
            with open(os.path.join(self.folder, "log"), "ab") as log:
                self.process = subprocess.Popen(arguments, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                start_new_session=True, **self.who)
            while self.process.poll() is None and time.monotonic() < end:
                if self.is_up():
                    return self
                time.sleep(0.05)
            if time.monotonic() >= end:
                raise RuntimeError("PostgreSQL does not start: " + self.log()[-2000:])
            time.sleep(0.2)

    def is_up(self):
        return subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", self.folder, "-p", str(self.port)],
                              check=False).returncode == 0

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    @property
    def query(self):
        return f"host={self.folder}&port={self.port}&user=postgres"

    def url(self, database="postgres"):
        return f"postgresql:///{database}?{self.query}"

    def sql(self, text, database="postgres"):
        """Rows of one statement, as text, columns separated by |."""
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U",
                        "postgres", "-d", database, "-c", text).strip()

    def create(self, database):
        self.sql(f"CREATE DATABASE {database}")
        return self.url(database)

    def kill(self):
        """kill -9 of the postmaster and then of every process of its session, as a power cut of the process table."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, how=signal.SIGQUIT):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with Server(fsync=False) as server:
        environment = {**os.environ, "NEXUS_TEST_POSTGRES": server.query}
        code = subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
