"""A running tools/impair, steered from a test: routes, commands while it runs, statistics.

    with Impairment(tcp=[server.port], do=["set tcp delay=20ms"]) as harm:
        connect to harm.port(0); harm("blackout 500ms"); harm.stats()["routes"][0]["up"]["received"]
"""
import atexit, json, os, shutil, socket, subprocess, tempfile

from nexus import executable


class Impairment:
    def __init__(self, udp=(), tcp=(), do=(), script=None, seed=1, host="127.0.0.1", options=()):
        """`udp` and `tcp` are target ports (or "ADDR:PORT"); the routes are numbered in this order, UDP first."""
        self.folder = tempfile.mkdtemp(prefix="impair-")
        self.control = os.path.join(self.folder, "control")
        command = [os.path.join(os.path.dirname(executable()), "impair"), "--seed", str(seed), "--control", self.control, *options]
        listen = f"[{host}]:0" if ":" in host else f"{host}:0"
        for kind, targets in (("--udp", udp), ("--tcp", tcp)):
            for target in targets:
                command += [kind, f"{listen}={target if ':' in str(target) else listen[:-1] + str(target)}"]
        for line in do:
            command += ["--do", line]
        if script is not None:
            path = os.path.join(self.folder, "script")
            with open(path, "w") as f:
                f.write(script)
            command += ["--script", path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.stop)
        ready = self.process.stdout.readline()
        assert ready, f"impair ended with {self.process.wait()}"
        self.ready = json.loads(ready)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(self.control)
        self.final = None

    def port(self, route):
        return int(self.ready["routes"][route]["listen"].rsplit(":", 1)[1])

    def ask(self, line):
        """Returns the answer to one command, "ok" or "error why"."""
        self.socket.sendall(line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = self.socket.recv(1 << 20)
            assert part, "impair has closed the control socket"
            answer += part
        return answer.decode().rstrip("\n")

    def __call__(self, line):
        answer = self.ask(line)
        assert answer.startswith("ok"), f"{line}: {answer}"
        return answer

    def stats(self):
        return json.loads(self("stats")[3:])

    def stop(self):
        """Ends it and returns its final statistics."""
        if self.final is None and self.process.poll() is None:
            self.process.terminate()
            lines = self.process.communicate(timeout=20)[0].splitlines()
            self.final = json.loads(lines[-1]) if lines else None
            assert self.process.returncode == 0, f"impair ended with {self.process.returncode}"
            self.socket.close()
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.final

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
