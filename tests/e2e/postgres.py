"""A PostgreSQL server of its own for a test: started, killed, started again."""
import atexit, os, shutil, signal, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import free_port


def tool(name):
    folders = sorted((f"/usr/lib/postgresql/{v}/bin" for v in os.listdir("/usr/lib/postgresql")), reverse=True) if os.path.isdir("/usr/lib/postgresql") else []
    found = next((os.path.join(f, name) for f in folders if os.access(os.path.join(f, name), os.X_OK)), shutil.which(name))
    assert found, f"{name} is not there: tools/deps test installs it"
    return found


class Postgres:
    """fsync is on: what is committed is durable, as in service."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="nexus-pg-")
        self.data, self.port = os.path.join(self.folder, "data"), free_port()
        self.settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "max_connections": 50, **settings}
        os.chmod(self.folder, 0o755)
        self.is_root = os.getuid() == 0
        os.mkdir(self.data, 0o700)
        if self.is_root:
            shutil.chown(self.data, "postgres", "postgres")
            shutil.chown(self.folder, "postgres", "postgres")
        self.process = None
        atexit.register(self.stop)
        self.run(tool("initdb"), "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start_again()
        self.sql("CREATE DATABASE nexus")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/nexus"

    def options(self):
        return {"user": "postgres", "group": "postgres", "extra_groups": []} if self.is_root else {}

    def run(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **self.options())
        assert done.returncode == 0, f"{command}: {done.stdout[-500:]} {done.stderr[-1000:]}"
        return done.stdout

    def sql(self, text, database="postgres"):
        return self.run(tool("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", text)

    def answers(self):
        return subprocess.run([tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], cwd=self.folder).returncode == 0

    def start_again(self, seconds=60):
        """Tried until it stays: orphaned backends of a killed postmaster hold its shared memory for a while."""
        end = time.monotonic() + seconds
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                log = open(os.path.join(self.folder, "log"), "ab")
                self.process = subprocess.Popen([tool("postgres"), "-D", self.data, *settings], cwd=self.folder, stdout=log, stderr=log, **self.options())
            if self.answers() and self.process.poll() is None:
                return
            time.sleep(0.05)
        raise AssertionError(f"PostgreSQL did not start: {open(os.path.join(self.folder, 'log')).read()[-2000:]}")

    def backends(self):
        """The pids of the processes that serve connections."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            pids = [int(p) for p in f.read().split()]
        found = []
        for pid in pids:
            try:
                if b"127.0.0.1(" in open(f"/proc/{pid}/cmdline", "rb").read():
                    found.append(pid)
            except OSError:
                pass
        return found

    def kill(self, whole=True):
        """kill -9 of the postmaster, or of one backend: then the postmaster ends the others and recovers by itself."""
        backends = self.backends()
        if whole or not backends:
            self.process.kill()
            self.process.wait()
        else:
            os.kill(backends[0], signal.SIGKILL)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
