"""What the end-to-end tests share: a server of their own, a REST client, a WebSocket that says exactly what it is told.

Only the standard library. A test is a program: python3 tests/e2e/X.py build/release/nexus; exit 0 is a pass.
"""
import atexit, base64, hashlib, http.client, json, os, queue, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def executable():
    path = sys.argv[1] if len(sys.argv) > 1 else "build/release/nexus"
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: build first")
    return os.path.abspath(path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sockets_of(port):
    """Returns the ports of the peers whose connections to `port` a process still holds; what only the kernel knows does not count."""
    peers = []
    with open("/proc/net/tcp") as f:
        for row in list(f)[1:]:
            fields = row.split()
            if int(fields[1].split(":")[1], 16) == port and fields[3] != "0A" and fields[9] != "0":
                peers.append(int(fields[2].split(":")[1], 16))
    return peers


def descriptors_of(pid):
    """Returns how many descriptors a process holds, those that only its rings know included."""
    count, folder = 0, f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            count += 1
            if "io_uring" in os.readlink(f"{folder}/{name}"):
                with open(f"/proc/{pid}/fdinfo/{name}") as f:
                    count += sum("socket:[" in row for row in f)
        except FileNotFoundError:
            count -= 1
    return count


class Server:
    """nexus serve on free ports with a data directory of its own."""

    def __init__(self, *options, rate_limits=False, shards=1, env=None, data=None):
        self.data = data or tempfile.mkdtemp(prefix="nexus-")
        self.keep = data is not None
        self.port, self.admin = free_port(), free_port()
        self.options = list(options)
        self.rate_limits, self.shards, self.env = rate_limits, shards, env
        self.process = None
        atexit.register(self.stop)
        self.start()

    def start(self):
        self.launch()
        self.wait_ready()

    def launch(self):
        command = [executable(), "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
                   "--shards", str(self.shards)] + ([] if self.rate_limits else ["--no-rate-limit"]) + self.options
        self.log = open(os.path.join(self.data, "test.log"), "ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={**os.environ, **(self.env or {})})

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"nexus ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"nexus is not ready after {seconds} s:\n{self.log_text()}")

    def log_text(self):
        with open(os.path.join(self.data, "test.log"), errors="replace") as f:
            return f.read()[-8000:]

    def children(self):
        """Returns {"gatewayd": pid, "control": pid} of the running children; /proc may show one of them a moment late."""
        end = time.monotonic() + 1
        found = self.children_now()
        while len(found) < 2 and time.monotonic() < end:
            time.sleep(0.05)
            found = self.children_now()
        return found

    def children_now(self):
        found = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/children") as f:
                for pid in f.read().split():
                    try:
                        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                    except OSError:
                        continue
                    if len(words) > 1 and words[1] in (b"gatewayd", b"control"):
                        found[words[1].decode()] = int(pid)
        return found

    def request(self, method, path, body=None, token=None, headers=None, port=None):
        """One request on a connection of its own; returns (status, headers, parsed body or bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=15)
        try:
            all_headers = dict(headers or {})
            if token:
                all_headers["Authorization"] = f"Bearer {token}"
            data = None
            if body is not None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                all_headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=data, headers=all_headers)
            response = connection.getresponse()
            raw = response.read()
            kind = response.headers.get("Content-Type", "")
            return response.status, response.headers, json.loads(raw) if raw and "json" in kind else raw
        finally:
            connection.close()

    def api(self, method, path, body=None, token=None, expect=None):
        status, _, answer = self.request(method, "/api/v1" + path, body, token)
        if expect is None:
            assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        else:
            assert status == expect, f"{method} {path}: {status} instead of {expect}: {answer}"
        return answer

    def register(self, name, password="correct horse battery"):
        answer = self.api("POST", "/auth/register", {"username": name, "password": password})
        return User(self, answer)

    def run_admin(self, *arguments, check=True):
        run = subprocess.run([executable(), "admin", "--data", self.data, *arguments], capture_output=True, text=True, timeout=120)
        if check:
            assert run.returncode == 0, f"nexus admin {arguments}: {run.returncode} {run.stdout} {run.stderr}"
        return run

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.keep and how == signal.SIGTERM:
            shutil.rmtree(self.data, ignore_errors=True)


class User:
    def __init__(self, server, answer):
        self.server, self.answer = server, answer
        self.token, self.refresh, self.id = answer["access_token"], answer["refresh_token"], answer["user"]["id"]

    def api(self, method, path, body=None, expect=None):
        return self.server.api(method, path, body, self.token, expect)

    def gateway(self, **options):
        return Gateway(self.server.port, self.token, **options)


# ---- WebSocket ----

def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length_form=None):
    """One client frame; length_form 7, 16 or 64 forces a form."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size, bit = len(payload), 0x80 if mask else 0
    form = length_form or (7 if size < 126 else 16 if size < 65536 else 64)
    head += bytes([bit | size]) if form == 7 else bytes([bit | 126]) + struct.pack("!H", size) if form == 16 else bytes([bit | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


class Closed(Exception):
    """The server closed: code is the close code, None without a close frame."""

    def __init__(self, code, reason=b""):
        super().__init__(f"closed with {code} {reason!r}")
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, port, path="/gateway?v=1&encoding=json", headers=None, host="127.0.0.1", tls=None, timeout=15, source=None):
        self.socket = socket.create_connection((host, port), timeout=timeout, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        key = base64.b64encode(os.urandom(16))
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {key.decode()}"] + [f"{k}: {v}" for k, v in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        head = self.until(b"\r\n\r\n")
        self.status = int(head.split(b" ", 2)[1])
        self.head = head.decode("latin-1")
        if self.status != 101:
            raise ConnectionError(f"handshake answered {head[:200]!r}")
        expected = base64.b64encode(hashlib.sha1(key + GUID).digest())
        assert f"sec-websocket-accept: {expected.decode()}".lower() in self.head.lower(), self.head

    def until(self, mark):
        while mark not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                raise Closed(None)
            self.buffer += got
        head, self.buffer = self.buffer.split(mark, 1)
        return head + mark

    def exactly(self, size):
        while len(self.buffer) < size:
            got = self.socket.recv(1 << 20)
            if not got:
                raise Closed(None)
            self.buffer += got
        part, self.buffer = self.buffer[:size], self.buffer[size:]
        return part

    def send(self, data):
        self.socket.sendall(data)

    def text(self, value):
        self.send(frame(1, value.encode() if isinstance(value, str) else value))

    def json(self, value):
        self.text(json.dumps(value))

    def frame(self):
        """Returns (fin, rsv, opcode, payload) of the next server frame."""
        first, second = self.exactly(2)
        assert not second & 0x80, "the server masked a frame"
        size = second & 0x7f
        if size == 126:
            size = struct.unpack("!H", self.exactly(2))[0]
            assert size >= 126, "length is not minimal"
        elif size == 127:
            size = struct.unpack("!Q", self.exactly(8))[0]
            assert size >= 65536, "length is not minimal"
        return first >> 7, first >> 4 & 7, first & 15, self.exactly(size)

    def message(self):
        """Returns (opcode, payload) of the next data message; answers nothing by itself; raises Closed."""
        while True:
            fin, _, opcode, payload = self.frame()
            if opcode == 8:
                raise Closed(struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005, payload[2:])
            if opcode in (9, 10):
                continue
            assert fin, "the server fragmented"
            return opcode, payload

    def close_code(self, seconds=10):
        """Reads on until the server closes; returns its close code, None when there was no close frame."""
        self.socket.settimeout(seconds)
        try:
            while True:
                self.message()
        except Closed as closed:
            return closed.code
        except (ConnectionError, ssl.SSLError):
            return None

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass


class Gateway:
    """An identified gateway session with a reader thread; events arrive in order in self.events."""

    def __init__(self, port, token, identify=True, intents=(1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25, resume=None, path="/gateway?v=1&encoding=json", properties=None,
                 capabilities=("resync",), **options):
        self.ws = WebSocket(port, path, **options)
        self.port, self.token = port, token
        self.events, self.seq, self.closed, self.ready, self.acks = [], None, None, None, 0
        self.condition = threading.Condition()
        hello = json.loads(self.ws.message()[1])
        assert hello["op"] == 10, hello
        self.interval_ms = hello["d"]["heartbeat_interval"]
        self.others = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        if resume:
            self.session_id, self.seq = resume
            self.send(6, {"token": token, "session_id": self.session_id, "seq": self.seq})
        elif identify:
            self.send(2, {"token": token, "intents": intents, "properties": properties or {}, "capabilities": list(capabilities)})
            self.ready = self.wait("READY")["d"]
            self.session_id = self.ready["session_id"]

    def read(self):
        try:
            while True:
                frame_json = json.loads(self.ws.message()[1])
                with self.condition:
                    if frame_json["op"] == 0:
                        self.seq = frame_json["s"]
                        self.events.append(frame_json)
                    elif frame_json["op"] == 11:
                        self.acks += 1
                    else:
                        self.others.append(frame_json)
                    self.condition.notify_all()
        except Closed as closed:
            reason = closed.code
        except (OSError, ValueError) as error:
            reason = repr(error)
        with self.condition:
            self.closed = reason if reason is not None else "cut"
            self.condition.notify_all()

    def send(self, op, d):
        self.ws.json({"op": op, "d": d})

    def until(self, what, check, seconds=10):
        end = time.monotonic() + seconds
        with self.condition:
            while True:
                found = check()
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0 or (self.closed and not check()):
                    names = [e["t"] for e in self.events[-20:]]
                    raise AssertionError(f"no {what} within {seconds} s; closed={self.closed} last events={names} others={self.others[-3:]}")
                self.condition.wait(min(left, 0.5))

    def wait(self, name, match=lambda d: True, seconds=10, after=0):
        return self.until(name, lambda: next((e for e in self.events[after:] if e["t"] == name and match(e["d"])), None), seconds)

    def wait_closed(self, seconds=10):
        end = time.monotonic() + seconds
        with self.condition:
            while not self.closed:
                left = end - time.monotonic()
                assert left > 0, f"not closed within {seconds} s"
                self.condition.wait(left)
            return self.closed

    def messages(self, channel):
        return [e["d"] for e in self.events if e["t"] == "MESSAGE_CREATE" and e["d"]["channel_id"] == channel]

    def cut(self):
        """Breaks the connection as a lost network does: no close frame."""
        self.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.socket.shutdown(socket.SHUT_RDWR)
        self.ws.close()

    def close(self):
        try:
            self.ws.send(frame(8, struct.pack("!H", 1000)))
        except OSError:
            pass
        self.ws.close()


def run(tests):
    """Runs each function of `tests`, prints a line per test, exits 1 when one failed."""
    failed = 0
    for test in tests:
        start = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:  # each test stands alone
            import traceback
            failed += 1
            traceback.print_exc()
            print(f"FAIL {test.__name__}: {error}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
