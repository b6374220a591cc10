"""What clients that nobody knows can make the gateway hold: bodies on their way in are bounded in all, and all is given back."""
import os, resource, socket, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, run

CAP, CLIENTS, BODY = 64 << 20, 1300, 60000
server = Server()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))


def heap_bytes():
    return server.request("GET", "/stats", port=server.admin)[2]["heap_bytes"]


def many_half_bodies_are_bounded():
    before = heap_bytes()
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 65000\r\n\r\n"
    clients = []
    for _ in range(CLIENTS):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        clients.append(s)
        try:
            s.sendall(head + b" " * BODY)
        except OSError:
            pass  # closed already
    time.sleep(1)  # for the server to take it all
    grown = heap_bytes() - before
    assert grown < CAP + (8 << 20), f"{grown >> 20} MiB held for {CLIENTS} half requests"
    assert server.request("GET", "/healthz")[0] == 200, "a small request still has its place"
    for s in clients:
        s.close()
    end = time.monotonic() + 5
    while heap_bytes() - before > 4 << 20:
        assert time.monotonic() < end, f"{heap_bytes() - before} bytes not given back"
        time.sleep(0.05)
    server.register("ann")


sys.exit(run([many_half_bodies_are_bounded]))
