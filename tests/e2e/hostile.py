"""Hostile inputs 1 to 48 of the reliability plan against `nexus serve`: each has one expected outcome, and nobody else notices.

After every test the server must be ready, its processes the same ones, and another session's heartbeat acknowledged.
"""
import atexit, base64, functools, json, os, random, re, select, shutil, socket, ssl, struct, subprocess, sys, tempfile, threading, time, warnings, zlib
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Closed, Gateway, Server, WebSocket, frame, run, sockets_of

GATEWAY = "/gateway?v=1&encoding=json"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class TlsServer(Server):
    """A server with a certificate made for the occasion."""

    def __init__(self, **options):
        folder = tempfile.mkdtemp(prefix="nexus-tls-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                        self.certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        self.context = ssl.create_default_context(cafile=self.certificate)
        super().__init__("--tls-cert", self.certificate, "--tls-key", key, **options)

    def request(self, method, path, body=None, token=None, headers=None, port=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain, self.context.wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            answers, _ = answers_on(s, 1)
        answer = answers[0]
        return answer.status, answer.headers, json.loads(answer.body) if answer.body and "json" in answer.headers.get("content-type", "") else answer.body


class Watch:
    """A server with two people in a channel, and a session that must never notice anything."""

    def __init__(self, server, tls=None):
        self.server, self.tls = server, tls
        self.ann, self.bob = server.register("ann"), server.register("bob")
        self.guild = self.ann.api("POST", "/guilds", {"name": "Home"})
        self.channel = next(c for c in self.guild["channels"] if c["type"] == 0)["id"]
        invite = self.ann.api("POST", f"/channels/{self.channel}/invites", {})
        self.bob.api("POST", f"/invites/{invite['code']}")
        self.witness = Gateway(server.port, self.bob.token, tls=tls, timeout=600)
        self.witness.wait("GUILD_CREATE")
        self.crowd, self.turn = [], 0
        self.pids = server.children()
        assert set(self.pids) == {"gatewayd", "control"}, self.pids

    def gather(self, count):
        """Makes `count` more members."""
        code = self.ann.api("POST", f"/channels/{self.channel}/invites", {})["code"]
        for i in range(count):
            self.crowd.append(self.server.register(f"member{i}"))
            self.crowd[-1].api("POST", f"/invites/{code}")

    def rss_kib(self, role="gatewayd"):
        with open(f"/proc/{self.pids[role]}/status") as f:
            return next(int(row.split()[1]) for row in f if row.startswith("VmRSS:"))

    def stats(self):
        return self.server.request("GET", "/stats", port=self.server.admin)[2] if not self.tls else {}

    def is_holding(self, s):
        """Returns whether the server still holds its end of the socket whose port is `s`."""
        return s in sockets_of(self.server.port)

    def lets_go_of(self, ports, seconds=10):
        end = time.monotonic() + seconds
        while set(ports) & set(sockets_of(self.server.port)):
            assert time.monotonic() < end, f"{len(set(ports) & set(sockets_of(self.server.port)))} connections are still held"
            time.sleep(0.05)

    def is_well(self):
        assert self.server.children() == self.pids, f"processes changed: {self.pids} -> {self.server.children()}\n{self.server.log_text()}"
        status = self.server.request("GET", "/readyz")[0]
        assert status == 200, f"/readyz answered {status}"
        acks = self.witness.acks
        self.witness.send(1, self.witness.seq)
        self.witness.until("heartbeat ACK", lambda: self.witness.acks > acks, seconds=3)


# ---- HTTP as bytes ----

class Answer:
    def __init__(self, head, body):
        lines = head.split("\r\n")
        self.status, self.body = int(lines[0].split(" ")[1]), body
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}


def answers_on(s, most, seconds=5):
    """Reads up to `most` responses; returns them and whether the server then closed (it is asked only after the last one)."""
    s.settimeout(seconds)
    data, answers, is_closed = b"", [], False
    while True:
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = data[:end].decode("latin-1")
            size = re.search(r"(?im)^content-length: *(\d+)", head)
            size = int(size.group(1)) if size and not head.startswith("HTTP/1.1 101") else 0
            if len(data) >= end + 4 + size:
                answers.append(Answer(head, data[end + 4:end + 4 + size]))
                data = data[end + 4 + size:]
                if len(answers) < most:
                    continue
                s.settimeout(0.05 if answers[-1].headers.get("connection") != "close" else seconds)
        try:
            got = s.recv(65536)
        except TimeoutError:
            break
        except ConnectionResetError:
            is_closed = True
            break
        if not got:
            is_closed = True
            break
        data += got
    assert not data, f"bytes after the answer: {data[:200]!r}"
    return answers, is_closed


plain = Watch(Server())
limited = Watch(Server(rate_limits=True))
secure_server = TlsServer()
secure = Watch(secure_server, tls=secure_server.context)
plain.gather(20)
server, ann, bob, channel = plain.server, plain.ann, plain.bob, plain.channel
start_rss_kib = plain.rss_kib()


def hostile(test):
    """Everybody else must be well after the test."""
    @functools.wraps(test)
    def checked():
        test()
        for watch in (plain, limited, secure):
            watch.is_well()
    return checked


def raw(data, most=1, port=None, seconds=5):
    with socket.create_connection(("127.0.0.1", port or server.port), timeout=seconds) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            s.sendall(data)
        except OSError:
            pass  # It may have closed already; what it said is still there.
        return answers_on(s, most, seconds)


def refused(data, *statuses):
    """The request must be answered with one of `statuses`, alone, and the connection closed."""
    answers, is_closed = raw(data, most=2)
    got = [a.status for a in answers]
    assert len(got) == 1 and got[0] in statuses, f"{data[:120]!r}: {got} instead of {statuses}"
    assert is_closed, f"{data[:120]!r}: {got} but not closed"
    assert answers[0].headers.get("connection") == "close", answers[0].headers
    return answers[0]


def get(path="/healthz", *headers, host="Host: localhost", version="1.1"):
    return "\r\n".join([f"GET {path} HTTP/{version}"] + ([host] if host else []) + list(headers)).encode("latin-1") + b"\r\n\r\n"


def post(body, *headers, path="/api/v1/auth/login"):
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"] + list(headers)
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@hostile
def input_01_no_host():
    refused(get(host=None), 400)


@hostile
def input_02_two_hosts():
    refused(get("/healthz", "Host: other"), 400)
    refused(get("/healthz", "host: localhost"), 400)
    refused(get(host="Host: a b"), 400)


@hostile
def input_03_both_lengths():
    smuggled = get("/smuggled")
    refused(post(b"0\r\n\r\n" + smuggled, "Content-Length: 5", "Transfer-Encoding: chunked"), 400)
    refused(post(b"0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked", "Content-Length: 0"), 400)


@hostile
def input_04_two_lengths():
    refused(post(b"{}{}{}", "Content-Length: 2", "Content-Length: 6"), 400)
    refused(post(b"{}", "Content-Length: 2", "Content-Length: 2"), 400)
    refused(post(b"{}", "Content-Length: 2, 6"), 400)


@hostile
def input_05_odd_lengths():
    for value in ("+5", "0x5", " 5", "5 ", "5\t", "", "-1", "5 5", "5,5", "5;5", "٥".encode().decode("latin-1"), "1" * 20, "1e1", "05x"):
        refused(post(b"{   }", f"Content-Length: {value}"), 400)


@hostile
def input_06_odd_codings():
    for value in ("chunked, identity", "xchunked", "chunked\t", " chunked", "identity", "gzip, chunked", "chunked, chunked", "chunked;q=1", "\"chunked\"", ""):
        refused(post(b"0\r\n\r\n", f"Transfer-Encoding: {value}"), 400)
    refused(post(b"0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400)
    refused(b"POST /api/v1/auth/login HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)


@hostile
def input_07_odd_chunks():
    for body in (b"FFFFFFFFFFFFFFFF1\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n",
                 b"g\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n", b"2\n{}\r\n0\r\n\r\n", b"2\r\n{}xx\r\n0\r\n\r\n", b"2;" + b"e" * 65536 + b"\r\n{}\r\n0\r\n\r\n",
                 b"2\r\n{}\r\n0\r\nbad trailer\r\n\r\n"):
        refused(post(body, "Transfer-Encoding: chunked"), 400)
    refused(post(b"FFFFFFFFFFFFFFFF\r\n{}", "Transfer-Encoding: chunked"), 400, 413)
    refused(post(b"20000\r\n" + b" " * 0x20000 + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), 413)
    refused(post(b"1\r\n \r\n" * 70000 + b"0\r\n\r\n", "Transfer-Encoding: chunked"), 413)


@hostile
def input_08_bare_line_ends():
    for data in (b"GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\n\n",
                 b"GET /healthz HTTP/1.1\r\nHost: local\rhost\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\r\n\r\n", b"GET /healthz HTTP/1.1\rHost: localhost\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\nC: d\r\n\r\n"):
        refused(data, 400)


@hostile
def input_09_folded_header():
    refused(get("/healthz", "A: b\r\n c"), 400)
    refused(get("/healthz", "A: b\r\n\tc"), 400)
    refused(b"GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n", 400)


@hostile
def input_10_odd_names():
    for line in ("A\0B: c", "A\x80: c", "A : c", "A\t: c", ": c", "A", "A B: c", "(A): c", "A: b\0c", "A: b\x01", "A: b\x7f", "Transfer-Encoding : chunked"):
        refused(get("/healthz", line), 400)


@hostile
def input_11_large_heads():
    answers, _ = raw(get("/healthz", *[f"A{i}: b" for i in range(99)]))
    assert answers[0].status == 200, answers[0].status
    refused(get("/healthz", *[f"A{i}: b" for i in range(100)]), 431)
    refused(get("/healthz", "A: " + "b" * 16384), 431)
    refused(get("/healthz", *["A: " + "b" * 1000] * 17), 431)
    refused(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 300000, 431)


@hostile
def input_12_long_request_line():
    answers, _ = raw(get("/healthz?" + "a" * 8000))
    assert answers[0].status == 200, answers[0].status
    refused(get("/" + "a" * 8192), 414)
    refused(b"GET /" + b"a" * 300000, 414)
    refused(b"G" * 9000, 400, 414, 501)


@hostile
def input_13_absolute_form():
    answers, _ = raw(get("http://localhost/healthz"))
    assert answers[0].status == 200, answers[0].status
    for target in ("http://evil.example/healthz", "http://localhost:1/healthz", "http://evil@localhost/healthz", "http:///healthz", "ftp://localhost/healthz", "localhost:80"):
        refused(get(target), 400)


@hostile
def input_14_odd_paths():
    """Never a file that is not the page's own: any success is the page's HTML."""
    paths = ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%2E%2E%2Fetc%2Fpasswd", "/assets/%2e%2e%2f%2e%2e%2fetc/passwd", "/assets/../../etc/passwd",
             "/%00", "/index.html%00.js", "/assets/x%00", "/%c0%ae%c0%ae/etc/passwd", "/%e0%80%af", "/%ff", "/%zz", "/%", "/%2", "/..%5c..%5cetc%5cpasswd",
             "//etc/passwd", "/./../nexus.toml", "/api/v1/%2e%2e/%2e%2e/etc/passwd", "/api/v1/%00", "/api/v1/users/%c0%ae", "/assets/..")
    for path in paths:
        answers, _ = raw(get(path))
        assert answers[0].status in (400, 401, 404), f"{path}: {answers[0].status} {answers[0].body[:100]!r}"
        assert b"root:" not in answers[0].body and b"[server]" not in answers[0].body, path


@hostile
def input_17_thousand_pipelined_requests():
    """Served in the order of asking; the buffer of who does not read is bounded."""
    dice = random.Random(17)
    kinds = [dice.randrange(3) for _ in range(1000)]
    paths = ("/healthz", "/api/v1/users/@me", "/api/v1/invites/nope")
    data = b"".join(get(paths[kind], f"X-Request-Id: r{i}") for i, kind in enumerate(kinds))
    answers, is_closed = raw(data, most=1000, seconds=30)
    assert len(answers) == 1000 and not is_closed, len(answers)
    for i, (kind, answer) in enumerate(zip(kinds, answers)):
        assert answer.status == (200, 401, 404)[kind], (i, answer.status)
        assert answer.headers.get("x-request-id") == f"r{i}", (i, answer.headers)
    before = plain.rss_kib()
    floods = []
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.setblocking(False)
        floods.append(s)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for s in select.select([], floods, [], 0.1)[1]:
            try:
                s.send(data)
            except OSError:
                pass
    grown = plain.rss_kib() - before
    for s in floods:
        s.close()
    assert grown < 20 * 512, f"20 clients that ask and never read cost {grown} KiB"


def handshake(*headers, key="dGhlIHNhbXBsZSBub25jZQ==", version="13", path=GATEWAY, port=None, upgrade="websocket", connection="Upgrade"):
    lines = [f"Host: 127.0.0.1:{port or server.port}"]
    lines += [f"Upgrade: {upgrade}"] if upgrade else []
    lines += [f"Connection: {connection}"] if connection else []
    lines += [f"Sec-WebSocket-Key: {key}"] if key is not None else []
    lines += [f"Sec-WebSocket-Version: {version}"] if version else []
    return get(path, *lines[1:], *headers, host=lines[0])


def upgraded(*headers, **options):
    """Returns the 101 answer's headers; the first frame is HELLO."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
        s.sendall(handshake(*headers, **options))
        data = b""
        while b"\r\n\r\n" not in data:
            got = s.recv(65536)
            assert got, "closed in the handshake"
            data += got
        answer = Answer(data.split(b"\r\n\r\n")[0].decode("latin-1"), b"")
        assert answer.status == 101, f"{headers} {options}: {answer.status}"
        return answer.headers


@hostile
def input_18_upgrade_with_a_body():
    refused(handshake("Content-Length: 5") + b"hello", 400)
    refused(handshake("Transfer-Encoding: chunked") + b"0\r\n\r\n", 400)


@hostile
def input_19_odd_keys():
    for key in (None, "", "short", base64.b64encode(bytes(15)).decode(), base64.b64encode(bytes(17)).decode(), "!" * 24, "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ= =",
                "dGhlIHNhbXBsZSBub25jZR=="):
        answers, is_closed = raw(handshake(key=key))
        if key == "dGhlIHNhbXBsZSBub25jZR==":  # 16 bytes with loose bits at the end: either way
            continue
        assert answers[0].status == 400 and is_closed, (key, answers[0].status)
    refused(handshake("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400)
    for options in ({"upgrade": None}, {"connection": None}, {"upgrade": "h2c"}, {"connection": "keep-alive"}):
        refused(handshake(**options), 400, 426)
    refused(handshake().replace(b"GET ", b"POST "), 400, 405, 426)
    refused(handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400, 426)


@hostile
def input_20_old_version():
    for version in ("12", "8", "0", "14", "013"):
        answer = refused(handshake(version=version), 426)
        assert answer.headers.get("sec-websocket-version") == "13", answer.headers
    refused(handshake("Sec-WebSocket-Version: 13"), 400, 426)


@hostile
def input_21_foreign_origin_with_cookie():
    own = f"Origin: http://127.0.0.1:{server.port}"
    for origin in ("Origin: https://evil.example", "Origin: null", None, f"Origin: http://127.0.0.1:{server.port}.evil.example", "Origin: http://127.0.0.1",
                   f"Origin: http://evil.example/?://127.0.0.1:{server.port}", f"Origin: http://evil.example#127.0.0.1:{server.port}"):
        headers = ["Cookie: session=abc"] + ([origin] if origin else [])
        refused(handshake(*headers), 403)
    refused(handshake("Cookie: session=abc", own, "Origin: https://evil.example"), 400, 403)
    upgraded("Cookie: session=abc", own)
    upgraded()


@hostile
def input_22_hundred_extension_offers():
    offers = ", ".join(f"x-none-{i}" for i in range(100))
    assert "sec-websocket-extensions" not in upgraded(f"Sec-WebSocket-Extensions: {offers}")
    assert "sec-websocket-extensions" not in upgraded(f"Sec-WebSocket-Extensions: {offers}, permessage-deflate")
    for offer in ("permessage-deflate; client_max_window_bits; client_max_window_bits", "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                  "permessage-deflate; server_max_window_bits=10; server_max_window_bits=11"):
        assert "sec-websocket-extensions" not in upgraded(f"Sec-WebSocket-Extensions: {offer}")
    assert "permessage-deflate" in upgraded("Sec-WebSocket-Extensions: permessage-deflate")["sec-websocket-extensions"]


@hostile
def input_23_unknown_subprotocol():
    assert "sec-websocket-protocol" not in upgraded("Sec-WebSocket-Protocol: soap, wamp")


@hostile
def input_24_token_in_the_query():
    secret = "leak" + os.urandom(12).hex()
    for key in ("token", "access_token", "%74oken"):
        answers, _ = raw(handshake(path=f"{GATEWAY}&{key}={secret}"))
        assert answers[0].status in (400, 401), (key, answers[0].status)
        answers, _ = raw(get(f"/api/v1/users/@me?{key}={secret}"))
        assert answers[0].status in (400, 401), (key, answers[0].status)
    answers, _ = raw(get(f"/api/v1/users/@me?token={ann.token}"))
    assert answers[0].status in (400, 401), answers[0].status
    with open(os.path.join(server.data, "test.log"), errors="replace") as f:
        log = f.read()
    assert secret not in log and ann.token not in log, "a token is in the log"


# ---- TLS ----

def to_tls(data, seconds=8):
    """Sends plain bytes to the TLS port; returns what came before it closed."""
    with socket.create_connection(("127.0.0.1", secure.server.port), timeout=seconds) as s:
        if data:
            s.sendall(data)
        got = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    return got
                got += part
        except ConnectionResetError:
            return got


@hostile
def input_25_broken_tls():
    sslv3 = bytes.fromhex("16030000390100003503000000000000000000000000000000000000000000000000000000000000000000000e0039003800350016001300330032002f0100")
    sslv2 = bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + bytes(16)
    for data in (get(), b"\0" * 100, sslv3, sslv2, b"\x16\x03\x01\xff\xff" + bytes(70000), b"\x16\x03\x01\x00\x00" * 1000, os.urandom(300), b"\x15\x03\x03\x00\x02\x02\x28",
                 b"\x17\x03\x03\x00\x05hello"):
        answer = to_tls(data)
        assert not answer.startswith(b"HTTP/"), answer[:100]
    started = time.monotonic()
    assert to_tls(b"\x16\x03\x01") == b"" and time.monotonic() - started < 7, "half a record is not ended by the deadline"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with socket.create_connection(("127.0.0.1", secure.server.port), timeout=5) as s, old.wrap_socket(s):
            raise AssertionError("TLS 1.1 was accepted")
    except (ssl.SSLError, ConnectionResetError):
        pass
    renegotiation = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{secure.server.port}", "-tls1_2", "-CAfile", secure.server.certificate, "-servername", "localhost"],
                                   input=b"R\n", capture_output=True, timeout=20)
    text = (renegotiation.stdout + renegotiation.stderr).decode(errors="replace")
    assert "RENEGOTIATING" in text and ("no renegotiation" in text or "errno" in text or "error" in text), text[-500:]
    cut = secure.server.context.wrap_socket(socket.create_connection(("127.0.0.1", secure.server.port)), server_hostname="localhost")
    cut.sendall(get("/healthz")[:20])
    socket.socket(fileno=cut.detach()).close()  # TCP ends without close_notify
    answers = []
    with socket.create_connection(("127.0.0.1", secure.server.port), timeout=5) as s, secure.server.context.wrap_socket(s, server_hostname="localhost") as t:
        t.sendall(get("/healthz"))
        answers, _ = answers_on(t, 1)
    assert answers[0].status == 200


# ---- WebSocket ----

def fresh(headers=None, watch=plain, source=None):
    """A socket that has read HELLO."""
    ws = WebSocket(watch.server.port, headers=headers, source=source, tls=watch.tls)
    assert next_json(ws)["op"] == 10
    return ws


def next_json(ws):
    """Returns the next dispatch or answer, inflated when it is compressed."""
    while True:
        _, rsv, opcode, payload = ws.frame()
        if opcode == CLOSE:
            raise Closed(struct.unpack("!H", payload[:2])[0] if payload else 1005, payload[2:])
        if opcode in (TEXT, BINARY):
            return json.loads(zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff") if rsv else payload)


def identified(watch=plain, headers=None):
    """A raw session that has read its READY and first GUILD_CREATE. Sessions that fail linger, so that each is of another member."""
    ws = fresh(headers, watch)
    crowd = watch.crowd or [watch.ann]
    watch.turn += 1
    ws.json({"op": 2, "d": {"token": crowd[watch.turn % len(crowd)].token, "intents": 1 << 9 | 1, "properties": {}}})
    seen = []
    while "GUILD_CREATE" not in seen:
        seen.append(next_json(ws).get("t"))
    return ws


def is_closed_with(ws, data, *codes, seconds=10):
    """Sends `data`, reading what comes meanwhile; the server must close with one of `codes`."""
    ws.socket.settimeout(seconds)
    if isinstance(ws.socket, ssl.SSLSocket):  # One thread at a time may use it.
        send_quietly(ws, data)
    else:
        threading.Thread(target=send_quietly, args=(ws, data), daemon=True).start()
    code = ws.close_code(seconds)
    ws.close()
    assert code in codes, f"{data[:60]!r}: closed with {code} instead of {codes}"


def send_quietly(ws, data):
    try:
        ws.send(data)
    except OSError:
        pass


def fails(data, *codes):
    """It must, before and after IDENTIFY."""
    is_closed_with(fresh(), data, *codes)
    is_closed_with(identified(), data, *codes)


HEARTBEAT = b'{"op":1,"d":null}'


@hostile
def input_26_unmasked():
    fails(frame(TEXT, HEARTBEAT, mask=False), 1002)
    fails(frame(PING, mask=False), 1002)


@hostile
def input_27_reserved_bits():
    for rsv in range(1, 8):
        fails(frame(TEXT, HEARTBEAT, rsv=rsv), 1002)


@hostile
def input_28_reserved_opcodes():
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        fails(frame(opcode, b"x"), 1002)


@hostile
def input_29_odd_control_frames():
    for opcode in (CLOSE, PING, PONG):
        fails(frame(opcode, b"\x03\xe8" + b"a" * 124), 1002)
        fails(frame(opcode, b"\x03\xe8", fin=False), 1002)


@hostile
def input_30_long_lengths():
    for size, form in ((0, 16), (125, 16), (125, 64), (65535, 64)):
        is_closed_with(fresh(), frame(TEXT, b" " * size, length_form=form), 1002)


@hostile
def input_31_length_with_the_top_bit():
    before = plain.rss_kib()
    for length in (1 << 63, (1 << 64) - 1):
        fails(b"\x81\xff" + struct.pack("!Q", length) + b"mask" + bytes(1000), 1002, 1009)
    assert plain.rss_kib() - before < 2048


@hostile
def input_32_a_gibibyte_declared():
    before = plain.rss_kib()
    for length in (1 << 30, (1 << 63) - 1, 1 << 32, 16385 + 65536):
        fails(b"\x81\xff" + struct.pack("!Q", length) + b"mask" + b"a", 1009)
    is_closed_with(fresh(), b"\x81\xfe" + struct.pack("!H", 16385) + b"mask" + b"a", 1009)
    assert plain.rss_kib() - before < 2048


@hostile
def input_33_fragments_out_of_order():
    fails(frame(0, HEARTBEAT), 1002)
    fails(frame(TEXT, HEARTBEAT[:4], fin=False) + frame(TEXT, HEARTBEAT[4:]), 1002)
    fails(frame(TEXT, HEARTBEAT[:4], fin=False) + frame(BINARY, HEARTBEAT[4:], fin=False), 1002)


@hostile
def input_34_million_empty_fragments():
    before = plain.rss_kib()
    data = frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 1000000
    is_closed_with(fresh(), data, 1008, 1009)
    is_closed_with(identified(), data, 1008, 1009)
    assert plain.rss_kib() - before < 2048
    ws = fresh()
    ws.send(b"".join(frame(TEXT if i == 0 else 0, HEARTBEAT[i:i + 1], fin=i == len(HEARTBEAT) - 1) for i in range(len(HEARTBEAT))))
    assert next_json(ws)["op"] == 11
    ws.close()


@hostile
def input_35_text_that_is_not_utf8():
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        fails(frame(TEXT, b'{"op":1,"d":"' + bad + b'"}'), 1007)
    is_closed_with(fresh(), frame(TEXT, b"\xe2", fin=False) + frame(0, b"\x28", fin=False), 1007)
    is_closed_with(fresh(), frame(TEXT, b"\xf4\x90" + bytes(1000))[:10], 1007)


@hostile
def input_36_odd_close_codes():
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
        is_closed_with(fresh(), frame(CLOSE, struct.pack("!H", code)), 1002)
    is_closed_with(fresh(), frame(CLOSE, b"\x03"), 1002)
    is_closed_with(fresh(), frame(CLOSE, b"\x03\xe8\xff\xff"), 1007)
    for code in (1000, 1001, 3000, 4999):
        is_closed_with(identified(), frame(CLOSE, struct.pack("!H", code)), 1000, code)


@hostile
def input_37_data_after_close():
    nonce = os.urandom(6).hex()
    ws = identified()
    message = json.dumps({"op": 67, "d": {"channel_id": channel, "content": f"after the close {nonce}"}}).encode()
    is_closed_with(ws, frame(CLOSE, b"\x03\xe8") + frame(TEXT, message) + frame(3) * 100, 1000)
    time.sleep(0.3)
    assert not [m for m in ann.api("GET", f"/channels/{channel}/messages?limit=5") if nonce in m["content"]]


@hostile
def input_38_ping_flood():
    """With limits on. Without, pings are answered as fast as they come, and others do not suffer."""
    is_closed_with(fresh(watch=limited), frame(PING, b"x") * 10000, 1008)
    is_closed_with(identified(watch=limited), frame(PING, b"x" * 125) * 10000, 1008)
    is_closed_with(identified(watch=limited), frame(TEXT, HEARTBEAT) * 200, 4008)
    before = plain.rss_kib()
    ws = identified()
    sender = threading.Thread(target=send_quietly, args=(ws, frame(PING, b"x" * 125) * 50000), daemon=True)
    sender.start()
    plain.is_well()
    sender.join(20)
    assert not sender.is_alive()
    ws.close()
    assert plain.rss_kib() - before < 4096


DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate"}


def deflated(data):
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


@hostile
def input_39_deflate_bomb():
    before = plain.rss_kib()
    small = deflated(bytes(1 << 20))  # 1 KiB becomes a MiB
    large = deflated(bytes(15 << 20))  # within the limit as sent, a thousand times that inflated
    assert len(small) < 1100 and len(large) < 16384
    for data in (small, large):
        for _ in range(20):
            is_closed_with(fresh(DEFLATE), frame(TEXT, data, rsv=4), 1009)
            is_closed_with(identified(headers=DEFLATE), frame(BINARY, data, rsv=4), 1009)
    is_closed_with(fresh(DEFLATE), frame(TEXT, deflated(b" " * 16385), rsv=4), 1009)
    assert plain.rss_kib() - before < 4096
    ws = fresh(DEFLATE)
    ws.send(frame(TEXT, deflated(HEARTBEAT + b" " * (16384 - len(HEARTBEAT))), rsv=4))
    assert next_json(ws)["op"] == 11
    ws.close()


@hostile
def input_40_corrupt_deflate():
    good = deflated(HEARTBEAT * 20)
    for data in (b"\xff\xff\xff", b"\x00\x05\x00\xff\xffhello", good[:-9], b"", b"\x07", bytes([good[0] ^ 2]) + good[1:]):
        is_closed_with(fresh(DEFLATE), frame(TEXT, data, rsv=4), 1002, 1007, 4002)
    is_closed_with(fresh(DEFLATE), frame(TEXT, deflated(b'"\xed\xa0\x80"'), rsv=4), 1007)
    is_closed_with(fresh(DEFLATE), frame(TEXT, good[:9], rsv=4, fin=False) + frame(0, good[9:], rsv=4), 1002)


def deaf():
    """A session whose client reads nothing after IDENTIFY."""
    ws = fresh()
    ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ws.json({"op": 2, "d": {"token": ann.token, "intents": 1 << 9 | 1, "properties": {}}})
    time.sleep(0.2)
    return ws


def publish(count, content):
    """Sends messages at the pace of those who read; nobody else misses one."""
    sender = Gateway(server.port, ann.token, intents=0)
    heard = len(plain.witness.messages(channel))
    for i in range(count):
        sender.send(67, {"channel_id": channel, "content": content, "nonce": os.urandom(8).hex()})
        if i % 50 == 49 or i == count - 1:
            plain.witness.until("every message", lambda: len(plain.witness.messages(channel)) >= heard + i + 1, seconds=20)
    seqs = [m["seq"] for m in plain.witness.messages(channel)[heard:]]
    assert seqs == list(range(seqs[0], seqs[0] + count)), "the witness missed something"
    sender.close()


def drained(ws):
    """Returns how many messages and bytes it still gets before the end."""
    messages = size = 0
    try:
        while True:
            payload = ws.message()[1]
            messages, size = messages + (b"MESSAGE_CREATE" in payload), size + len(payload)
    except (Closed, OSError):
        ws.close()
        return messages, size


@hostile
def input_41_never_reads():
    """Nothing more is kept for it once its queue is full, and it is cut when nothing moved for 10 s; the others hear everything."""
    before, slow, content = plain.rss_kib(), plain.stats()["slow_total"], "x" * 3900
    full, stalled = deaf(), deaf()
    publish(20, content)
    started = time.monotonic()
    stalled.json({"op": 64, "d": {"guild_id": plain.guild["id"], "channels": []}})  # From here on it wants nothing, and has less than the cap.
    published = 20
    while plain.stats()["slow_total"] == slow and published < 3000:
        publish(20, content)
        published += 20
    assert published < 1500, f"{published} messages and not told to be slow"
    publish(2000, content)
    grown = plain.rss_kib() - before
    ports = [ws.socket.getsockname()[1] for ws in (full, stalled)]
    assert plain.is_holding(ports[1]), "cut although its queue was not full"
    plain.lets_go_of(ports, seconds=13)
    assert time.monotonic() - started > 8, f"cut after {time.monotonic() - started} s"
    for ws in (full, stalled):
        messages, size = drained(ws)
        print(f"     the kernel had taken {messages} messages, {size} bytes", flush=True)
        assert messages < published, "it was never behind"
    assert plain.stats()["slow_total"] == slow + 2
    assert grown < 40 * 1024, f"{grown} KiB for clients that do not read"


# ---- what takes its time runs beside the rest ----

class Later(threading.Thread):
    """Runs beside the other tests; result() gives what it returned or raises."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.value, self.error = what, None, None
        self.start()

    def run(self):
        try:
            self.value = self.what()
        except Exception as error:  # told to whoever asks for the result
            self.error = error

    def result(self, seconds):
        self.join(seconds)
        assert not self.is_alive(), f"not over after {seconds} s more"
        if self.error:
            raise self.error
        return self.value


def slow_head():
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        for byte in get():
            s.sendall(bytes([byte]))
            if select.select([s], [], [], 5)[0]:
                break
        answers, is_closed = answers_on(s, 1)
        return answers[0].status, is_closed, time.monotonic() - started


def slow_body(pause):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(post(b"", "Content-Length: 60000"))
        while not select.select([s], [], [], pause)[0]:
            s.sendall(b" " * 50)
            assert time.monotonic() - started < 40, "never ended"
        answers, is_closed = answers_on(s, 1)
        return answers[0].status, is_closed, time.monotonic() - started


def silent_connection():
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
        got = s.recv(100)
        return got, time.monotonic() - started


def no_identify(beat):
    started = time.monotonic()
    ws = fresh()
    ws.socket.settimeout(20)
    if beat:
        Later(lambda: [(ws.text(HEARTBEAT), time.sleep(1)) for _ in range(20)])
    code = ws.close_code(20)
    return code, time.monotonic() - started


def no_heartbeat(pings):
    ws = identified()
    started = time.monotonic()
    if pings:
        Later(lambda: [(ws.send(frame(PING)), time.sleep(2)) for _ in range(40)])
    code = ws.close_code(60)
    return code, time.monotonic() - started


slow = {"head": Later(slow_head), "body": Later(lambda: slow_body(0.5)), "silent": Later(silent_connection), "identify": Later(lambda: no_identify(False)),
        "identify, heartbeats": Later(lambda: no_identify(True)), "heartbeat": Later(lambda: no_heartbeat(False)), "heartbeat, pings": Later(lambda: no_heartbeat(True))}


@hostile
def input_15_slow_head():
    status, is_closed, seconds = slow["head"].result(30)
    assert status == 408 and is_closed and 9 < seconds < 16, (status, is_closed, seconds)
    got, seconds = slow["silent"].result(30)
    assert 9 < seconds < 13, (got, seconds)


@hostile
def input_16_slow_body():
    status, is_closed, seconds = slow["body"].result(40)
    assert status == 408 and is_closed and seconds < 20, (status, is_closed, seconds)


@hostile
def input_42_no_identify():
    for name in ("identify", "identify, heartbeats"):
        code, seconds = slow[name].result(30)
        assert code == 4009 and 9 < seconds < 12, (name, code, seconds)


@hostile
def input_43_no_heartbeat():
    for name in ("heartbeat", "heartbeat, pings"):
        code, seconds = slow[name].result(70)
        assert code == 4009 and 29 < seconds < 47, (name, code, seconds)


@hostile
def input_44_resets_and_half_closes():
    ports = []
    for i in range(60):
        ws = fresh() if i % 2 else identified()
        ports.append(ws.socket.getsockname()[1])
        ws.send(frame(TEXT, b" " * 9000)[:(i * 150) % 9000 + 1])
        if i % 3 == 0:
            ws.socket.shutdown(socket.SHUT_WR)
            assert ws.close_code(5) in (None, 1000, 1001, 1002, 1006), "half-close"
        else:
            ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
        s.sendall(get())
        s.shutdown(socket.SHUT_WR)  # A client that has asked all it wants still gets its answer.
        answers, is_closed = answers_on(s, 1)
        assert answers[0].status == 200 and is_closed
    for rest in (get()[:-5], post(b"{", "Content-Length: 2"), post(b"5\r\n{", "Transfer-Encoding: chunked")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
            ports.append(s.getsockname()[1])
            s.sendall(get("/api/v1/users/@me") + rest)
            s.shutdown(socket.SHUT_WR)  # The second request will never be whole.
            answers, is_closed = answers_on(s, 1)
            assert answers[0].status == 401
    plain.lets_go_of(ports, seconds=5)


DEEP = 10000


@hostile
def input_45_json_horrors():
    payloads = [b"[" * DEEP, b"[" * DEEP + b"]" * 6000, b'{"op":1,"d":' + b"[" * 8000 + b"]" * 8000 + b"}", b'{"a":' * 3000, b'{"op":' + b'{"op":' * 33 + b"1" + b"}" * 34,
                b'{"op":1e400}', b'{"op":1,"d":1e400}', b'{"op":1.5}', b'{"op":"1"}', b'{"op":-1}', b'{"op":18446744073709551616}', b'{"op":01}', b'{"op":1,"d":"\\ud800"}',
                b'{"op":1,"d":"\\udc00\\ud800"}', b'{"op":1,"d":"a\0b"}', b'{"op":1,"d":"a\x1fb"}', b'{"op":1}\0', b"\0", b"", b"{}", b"[]", b"null", b"1", b"nan", b"NaN",
                b'{"op":1,}', b"{'op':1}", b'{"op":1}{"op":1}', b'{"op":1,"d":{"seq":1e400}}', b'{"op":2,"d":null}', b'{"op":2}', b'{"op":2,"d":{"token":1,"intents":1}}',
                b'{"op":2,"d":{"token":"a","intents":1e400}}', b'{"op":2,"d":{"token":"a","intents":-1}}', b'{"op":67,"d":[]}', b"\xef\xbb\xbf{}", b'{"op":1 /* */}',
                b'{"op":67,"d":{"channel_id":"1","content":1}}', b'{"op":67,"d":{"channel_id":{},"content":"a"}}', b'{"op":6,"d":{"token":"a","session_id":1,"seq":1}}']
    for payload in payloads:
        fails(frame(TEXT, payload), 4002)
        is_closed_with(fresh(), frame(BINARY, payload), 4002)
    for payload in (b'{"op":1,"op":64}', b'{"op":64,"op":1,"d":null}'):  # The last one counts, for everybody.
        ws = fresh()
        ws.text(payload)
        if payload.endswith(b"64}"):
            assert ws.close_code() in (4002, 4003)
        else:
            assert next_json(ws)["op"] == 11
        ws.close()
    is_closed_with(fresh(), frame(TEXT, b'{"op":1,"d":"' + b"a" * (10 << 20) + b'"}'), 1009)
    rest = {b"[" * DEEP: 400, b"[" * DEEP + b"]" * DEEP: 400, b'{"content":' * 5000: 400, b'{"content":1e400}': 400, b'{"content":"\\ud800"}': 400, b'{"content":"a\0b"}': 400, b"": 400,
            b"\xff": 400, b'{"content":"' + b"a" * (10 << 20) + b'"}': 413, b'{"content":"' + b"a" * 4001 + b'"}': 400, b'{"content":""}': 400, b'{"content":null}': 400, b"null": 400,
            b'{"content":{"a":"b"}}': 400, b'{"content":"a","nonce":{}}': 400}
    for body, expected in rest.items():
        data = post(body, f"Authorization: Bearer {ann.token}", f"Content-Length: {len(body)}", path=f"/api/v1/channels/{channel}/messages")
        answers, _ = raw(data)
        assert answers and answers[0].status == expected, f"{body[:60]!r}: {[a.status for a in answers]} instead of {expected}"


@hostile
def input_46_ops_out_of_place():
    for op, d in ((3, {"status": "online"}), (4, {}), (8, {"guild_id": "1", "query": "", "limit": 0}), (64, {"guild_id": "1"}), (67, {"channel_id": channel, "content": "a"})):
        is_closed_with(fresh(), frame(TEXT, json.dumps({"op": op, "d": d}).encode()), 4003)
    for op in (0, 5, 7, 9, 10, 11, 12, 31, 63, 65, 66, 68, 1 << 31, (1 << 63)):
        fails(frame(TEXT, json.dumps({"op": op, "d": {}}).encode()), 4001)
    again = json.dumps({"op": 2, "d": {"token": plain.crowd[0].token, "intents": 1, "properties": {}}}).encode()
    is_closed_with(identified(), frame(TEXT, again), 4005)
    is_closed_with(fresh(), frame(TEXT, again) * 2, 4005)
    is_closed_with(identified(), frame(TEXT, b'{"op":1,"d":1000000}'), 4007)
    for d in ({"token": ann.token, "intents": 1 << 40}, {"token": ann.token, "intents": (1 << 64) - 1}):
        is_closed_with(fresh(), frame(TEXT, json.dumps({"op": 2, "d": d}).encode()), 4013)
    tokens = ["", "a", "a.b.c", ann.token[:-1], ann.token + "A", ann.token[:-2] + "AA", "Bot " + "x" * 300, ann.refresh, "Bearer " + bob.token[::-1], "a" * 12000]
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    tokens += [f"{header}.{ann.token.split('.')[1]}.", f"{header}.{ann.token.split('.')[1]}.{ann.token.split('.')[2]}"]
    for token in tokens:
        is_closed_with(fresh(), frame(TEXT, json.dumps({"op": 2, "d": {"token": token, "intents": 1}}).encode()), 4004)


def resumed(token, session_id, seq):
    """Returns "RESUMED", the close code, or 9 for an invalid session."""
    ws = fresh()
    ws.json({"op": 6, "d": {"token": token, "session_id": session_id, "seq": seq}})
    ws.socket.settimeout(10)
    try:
        while True:
            got = next_json(ws)
            if got["op"] == 9:
                assert got["d"] is False, got
                return 9
            if got.get("t") == "RESUMED":
                return "RESUMED"
    except Closed as closed:
        return closed.code
    finally:
        ws.close()


@hostile
def input_46_resume_horrors():
    g = Gateway(server.port, ann.token, capabilities=())
    g.wait("GUILD_CREATE")
    session, seq = g.session_id, g.seq
    assert resumed(bob.token, session, seq) in (4007, 4004), "resumed somebody else's session"
    for future in (seq + 1000, 10 ** 6, (1 << 31) - 2, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 64) - 1):
        assert resumed(ann.token, session, future) == 4007, future
    for bad in (-1, 1.5, "1", [], 1 << 64):
        assert resumed(ann.token, session, bad) == 4002, bad
    seal = session.split(".")[0]  # The rest is the client's own choice.
    for i in range(len(seal)):
        outcome = resumed(ann.token, session[:i] + ("A" if session[i] != "A" else "B") + session[i + 1:], seq)
        assert outcome in (9, 4007), (i, outcome)
    for other in ("", "a", seal[:-1], session + "x", session * 3, "A" * 12000, "\0" * 10, "../../etc/passwd", seal + ".-1.0", seal + ".1.1.1", seal + "." + "9" * 40):
        outcome = resumed(ann.token, other, seq)
        assert outcome == 9, (other[:80], outcome)
    for token in ("", "a.b.c", ann.refresh):
        assert resumed(token, session, seq) == 4004
    assert g.closed is None, "the session was disturbed"
    g.cut()
    outcomes = [None] * 10
    sockets = []

    def resume_at_once(i):
        ws = fresh()
        sockets.append(ws)
        ws.json({"op": 6, "d": {"token": ann.token, "session_id": session, "seq": seq}})
        ws.socket.settimeout(4)
        try:
            while True:
                ws.message()
        except Closed as closed:
            outcomes[i] = closed.code
        except TimeoutError:
            outcomes[i] = "alive"
    threads = [threading.Thread(target=resume_at_once, args=(i,), daemon=True) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(15)
    assert outcomes.count("alive") == 1 and all(o in ("alive", 4102) for o in outcomes), outcomes
    for ws in sockets:
        ws.close()
    carol = server.register("carol" + os.urandom(4).hex())
    c = carol.gateway()
    session, seq = c.session_id, c.seq
    c.cut()
    carol.api("POST", "/auth/logout", {})
    assert resumed(carol.token, session, seq) in (4004, 9), "resumed a session whose login is over"


@hostile
def input_47_same_nonce_at_once():
    nonce = os.urandom(8).hex()
    answers, gate = [], threading.Barrier(24)

    def post_it():
        gate.wait()
        answers.append(ann.api("POST", f"/channels/{channel}/messages", {"content": "once", "nonce": nonce, "enforce_nonce": True}))
    sessions = [Gateway(server.port, ann.token, intents=1 << 9) for _ in range(4)]

    def send_it(session):
        gate.wait()
        session.send(67, {"channel_id": channel, "content": "once", "nonce": nonce})
        answers.append(session.wait("NEXUS_MESSAGE_ACK", lambda d: d["nonce"] == nonce)["d"])
    threads = [threading.Thread(target=post_it) for _ in range(20)] + [threading.Thread(target=send_it, args=(s,)) for s in sessions]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert len(answers) == 24, len(answers)
    assert len({(a["id"], a["seq"]) for a in answers}) == 1, answers
    history = ann.api("GET", f"/channels/{channel}/messages?limit=50")
    assert [m["id"] for m in history if m["content"] == "once" and m.get("nonce", nonce) == nonce].count(answers[0]["id"]) == 1
    time.sleep(0.3)
    assert len([m for m in plain.witness.messages(channel) if m["id"] == answers[0]["id"]]) == 1
    assert len([m for m in plain.witness.messages(channel) if m["seq"] == answers[0]["seq"]]) == 1
    for s in sessions:
        s.close()


@hostile
def input_48_million_subscriptions():
    before = plain.rss_kib()
    guild = plain.guild["id"]

    def subscribe(ids):
        return frame(TEXT, json.dumps({"op": 64, "d": {"guild_id": guild, "channels": ids}}, separators=(",", ":")).encode())
    is_closed_with(identified(), subscribe([str(1 << 60 | i) for i in range(1000000)]), 1009)
    is_closed_with(identified(), subscribe([str(i) for i in range(257)]), 4002)
    g = Gateway(server.port, bob.token)
    g.wait("GUILD_CREATE")
    for k in range(200):
        g.ws.send(subscribe([channel] + [str(k * 255 + i) for i in range(1, 256)]))
    g.until("200 answers", lambda: len([e for e in g.events if e["t"] == "NEXUS_SUBSCRIBED"]) == 200, seconds=20)
    answer = [e["d"] for e in g.events if e["t"] == "NEXUS_SUBSCRIBED"][-1]
    assert [c["id"] for c in answer["channels"]] == [channel], answer
    ann.api("POST", f"/channels/{channel}/messages", {"content": "still heard"})
    g.wait("MESSAGE_CREATE", lambda d: d["content"] == "still heard")
    g.close()
    assert plain.rss_kib() - before < 8192


@hostile
def frames_out_of_rule_over_tls():
    for data, code in ((frame(TEXT, HEARTBEAT, mask=False), 1002), (frame(TEXT, HEARTBEAT, rsv=1), 1002), (frame(3), 1002), (frame(PING, bytes(126)), 1002),
                       (b"\x81\xff" + struct.pack("!Q", 1 << 30) + b"mask", 1009), (frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 1000, 1008),
                       (frame(TEXT, b"\xff"), 1007), (frame(TEXT, b"["), 4002), (frame(CLOSE, b"\x03\xe8"), 1000)):
        is_closed_with(fresh(watch=secure), data, code)
        is_closed_with(identified(secure), data, code)


@hostile
def one_address_alone_is_limited():
    """50 unauthenticated connections of one address and 20 new ones a second; another address does not notice."""
    started = time.monotonic()
    sockets = []
    for _ in range(120):
        try:
            s = socket.create_connection(("127.0.0.1", limited.server.port), timeout=3, source_address=("127.0.0.77", 0))
            s.sendall(get())
            sockets.append(s)
        except OSError:
            pass
    answered = 0
    for s in sockets:
        try:
            answered += s.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            pass
    assert 20 <= answered <= 51, answered
    ws = fresh(watch=limited, source=("127.0.0.78", 0))
    ws.close()
    for s in sockets:
        s.close()
    time.sleep(0.5)
    passed = 0
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", limited.server.port), timeout=3, source_address=("127.0.0.77", 0)) as s:
                s.sendall(get())
                passed += s.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            pass
    assert passed <= 20 * (time.monotonic() - started) + 2, passed


@hostile
def churn():
    """Connections that stop anywhere and end in every way: nothing is left of them."""
    dice = random.Random(44)
    identify = frame(TEXT, json.dumps({"op": 2, "d": {"token": plain.crowd[0].token, "intents": 513, "properties": {}}}).encode())
    flow = handshake() + frame(TEXT, HEARTBEAT) + frame(PING, b"x") + identify[:6] + identify[6:] + frame(TEXT, HEARTBEAT) * 3 + frame(CLOSE, b"\x03\xe8")
    requests = get() + post(b"{}", "Content-Length: 2") + get("/api/v1/users/@me", f"Authorization: Bearer {ann.token}") + get("/")
    ports = {plain: set(), secure: set()}

    def one(i):
        watch = secure if i % 4 == 0 else plain
        s = socket.create_connection(("127.0.0.1", watch.server.port), timeout=5)
        ports[watch].add(s.getsockname()[1])
        try:
            if watch.tls and dice.random() < 0.5:
                s = watch.tls.wrap_socket(s, server_hostname="localhost")
            data = dice.choice((flow, requests, os.urandom(200)))
            data = data[:dice.randrange(len(data) + 1)]
            at = dice.randrange(len(data) + 1)
            s.sendall(data[:at])
            time.sleep(dice.choice((0, 0, 0.001, 0.01)))
            s.sendall(data[at:])
            how = dice.randrange(4)
            if how == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == 1:
                s.shutdown(socket.SHUT_WR)
                s.settimeout(0.05)
                s.recv(1000)
            elif how == 2:
                s.settimeout(0.01)
                s.recv(100000)
        except OSError:
            pass
        finally:
            s.close()

    def many(first):
        for i in range(first, 1600, 8):
            one(i)
    threads = [threading.Thread(target=many, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for watch in ports:
        watch.lets_go_of(ports[watch])


@hostile
def nothing_is_left():
    """After all of it: the witnesses' connections alone, and little more memory than at the start, the event log apart."""
    end = time.monotonic() + 5
    for watch in (plain, limited, secure):
        while len(sockets_of(watch.server.port)) > 1:
            assert time.monotonic() < end, f"{len(sockets_of(watch.server.port))} connections are held"
            time.sleep(0.05)
    stats = plain.stats()
    while stats["connections"] > 2 and time.monotonic() < end:  # The witness, and who asks.
        time.sleep(0.1)
        stats = plain.stats()
    grown = plain.rss_kib() - start_rss_kib
    print(f"     gatewayd: {stats['connections']} connections, {stats['sessions_ready']} + {stats['sessions_detached']} + {stats['sessions_other']} sessions, "
          f"heap {stats['heap_bytes'] // 1024} KiB, RSS {start_rss_kib} -> {plain.rss_kib()} KiB", flush=True)
    assert stats["connections"] == 2 and stats["sessions_ready"] == 1 and stats["sessions_other"] == 0, stats
    assert stats["http_pending"] == 0 and stats["bus_malformed_total"] == 0 and stats["no_memory_total"] == 0, stats
    assert grown < 40 * 1024, f"{grown} KiB"


if __name__ == "__main__":
    run([input_01_no_host, input_02_two_hosts, input_03_both_lengths, input_04_two_lengths, input_05_odd_lengths, input_06_odd_codings, input_07_odd_chunks,
         input_08_bare_line_ends, input_09_folded_header, input_10_odd_names, input_11_large_heads, input_12_long_request_line, input_13_absolute_form, input_14_odd_paths,
         input_17_thousand_pipelined_requests, input_18_upgrade_with_a_body, input_19_odd_keys, input_20_old_version, input_21_foreign_origin_with_cookie,
         input_22_hundred_extension_offers, input_23_unknown_subprotocol, input_24_token_in_the_query, input_25_broken_tls, input_26_unmasked, input_27_reserved_bits,
         input_28_reserved_opcodes, input_29_odd_control_frames, input_30_long_lengths, input_31_length_with_the_top_bit, input_32_a_gibibyte_declared,
         input_33_fragments_out_of_order, input_34_million_empty_fragments, input_35_text_that_is_not_utf8, input_36_odd_close_codes, input_37_data_after_close,
         input_38_ping_flood, input_39_deflate_bomb, input_40_corrupt_deflate, input_41_never_reads, input_45_json_horrors, input_46_ops_out_of_place,
         input_46_resume_horrors, input_47_same_nonce_at_once, input_48_million_subscriptions, input_15_slow_head, input_16_slow_body, input_42_no_identify,
         input_43_no_heartbeat, input_44_resets_and_half_closes, frames_out_of_rule_over_tls, one_address_alone_is_limited, churn, nothing_is_left])
