"""Behind a trusted proxy: the PROXY header in one piece and in many, X-Forwarded-For, and what a client adds to them itself."""
import os, socket, struct, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, WebSocket, run

server = Server("--trusted-proxies", "127.0.0.0/8", rate_limits=True)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
VERSION_1 = b"PROXY TCP4 203.0.113.%d 192.0.2.1 5000 443\r\n"
VERSION_2 = b"\r\n\r\n\x00\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", 12) + bytes([203, 0, 113, 9, 192, 0, 2, 1]) + struct.pack("!HH", 5000, 443)


def answer(*pieces, pause=0.03):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            s.sendall(piece)
            time.sleep(pause)
        got = b""
        try:
            while more := s.recv(65536):
                got += more
        except ConnectionError:
            pass
        return got


def takes_a_header_in_pieces():
    for header in (VERSION_1 % 7, VERSION_2):
        assert answer(header + HEALTH).startswith(b"HTTP/1.1 200 "), header
        for cut in range(1, len(header), 5):
            assert answer(header[:cut], header[cut:] + HEALTH).startswith(b"HTTP/1.1 200 "), (header, cut)
        everything = header + HEALTH
        assert answer(*(everything[i : i + 1] for i in range(len(everything))), pause=0.001).startswith(b"HTTP/1.1 200 "), header


def takes_requests_without_a_header_in_pieces():
    put = b"PUT /none.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert answer(b"P", put[1:]).startswith(b"HTTP/1.1 404 ")
    assert answer(b"PR", b"OPFIND / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 501 ")
    assert answer(b"\r", b"\n" + HEALTH).startswith(b"HTTP/1.1 200 ")
    assert answer(HEALTH).startswith(b"HTTP/1.1 200 ")


def refuses_what_only_begins_like_a_header():
    assert answer(b"PROXY ", b"x" * 600) == b""
    assert answer(b"PROXY TCP4 1.2.3.4\r\n" + HEALTH) == b""
    assert answer(VERSION_2[:16], b"\x00" * 3, b"\x00" * 700) != b""  # 12 bytes complete it, the rest is no request


def counts_clients_not_the_proxy():
    """One address may hold 50 connections before it identifies; the others of the same proxy are not its hostages."""
    def crowd(lines):
        held, refused = [], 0
        for _ in range(60):
            try:
                held.append(WebSocket(server.port, headers=lines))
            except ConnectionError:
                refused += 1
        for one in held:
            one.close()
        return refused

    # A client's own line stands before the one that the proxy appends; it must not choose whom it is counted as.
    class Lines(dict):
        def items(self):
            self.n = getattr(self, "n", 0) + 1
            return [("X-Forwarded-For", f"198.51.100.{self.n}"), ("X-Forwarded-For", "203.0.113.20")]

    assert crowd(Lines(not_empty=1)) > 0
    assert crowd({"X-Forwarded-For": "203.0.113.21"}) > 0
    WebSocket(server.port, headers={"X-Forwarded-For": "203.0.113.22"}).close()


sys.exit(run([takes_a_header_in_pieces, takes_requests_without_a_header_in_pieces, refuses_what_only_begins_like_a_header, counts_clients_not_the_proxy]))
