"""TLS: chat over wss with 1.2 and 1.3, tickets, a certificate exchanged under way, and what is no TLS at all."""
import json, os, shutil, signal, socket, ssl, subprocess, sys, tempfile, time, warnings
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Gateway, Server, WebSocket, run

folder = tempfile.mkdtemp(prefix="nexus-tls-")
CERTIFICATE, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


def certificate_make(name):
    """Makes a certificate for localhost whose subject says `name`, and puts it in place."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", KEY + ".new", "-out",
                    CERTIFICATE + ".new", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    os.rename(KEY + ".new", KEY)
    os.rename(CERTIFICATE + ".new", CERTIFICATE)


def context(version=None):
    """A client that trusts the certificate in place, of one version or of any."""
    made = ssl.create_default_context(cafile=CERTIFICATE)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def connect(client, session=None, port=None):
    plain = socket.create_connection(("127.0.0.1", port or server.port), timeout=10)
    return client.wrap_socket(plain, server_hostname="localhost", session=session)


def get(s, path="/healthz"):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return s.recv(4096)


class TlsServer(Server):
    def request(self, method, path, body=None, token=None, headers=None, port=None):
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"] + ([f"Authorization: Bearer {token}"] if token else [])
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        with connect(context(), port=self.port) as s:
            s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            raw = b""
            while part := s.recv(65536):
                raw += part
        head, rest = raw.split(b"\r\n\r\n", 1)
        is_json = b"application/json" in head.lower()
        return int(head.split()[1]), head, json.loads(rest) if rest and is_json else rest


def chats_over_tls_1_2_and_1_3():
    sessions = []
    for user, version, said in ((ann, ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (bob, ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        session = user.gateway(tls=context(version))
        assert session.ws.socket.version() == said, session.ws.socket.version()
        sessions.append(session)
    a, b = sessions
    for i in range(50):
        sender = sessions[i % 2]
        sender.send(67, {"channel_id": channel, "content": f"message {i} " + "x" * (i * 60), "nonce": f"n{i}"})
        sender.wait("NEXUS_MESSAGE_ACK", lambda d: d["nonce"] == f"n{i}")
    for session in sessions:
        session.wait("MESSAGE_CREATE", lambda d: d["content"].startswith("message 49 "))
        seqs = [m["seq"] for m in session.messages(channel)]
        assert seqs == list(range(seqs[0], seqs[0] + 50)), seqs
    # A cut over TLS resumes as one without.
    b.cut()
    ann.api("POST", f"/channels/{channel}/messages", {"content": "missed"})
    again = Gateway(server.port, bob.token, resume=(b.session_id, b.seq), tls=context())
    again.wait("RESUMED")
    again.wait("MESSAGE_CREATE", lambda d: d["content"] == "missed")
    a.close(), again.close()


def refuses_older_versions():
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        client = context()
        client.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):  # that they are old is the point
            client.minimum_version = client.maximum_version = version
        try:
            connect(client)
        except ssl.SSLError as error:
            assert "ALERT_PROTOCOL_VERSION" in error.reason, error.reason  # said by the server, not by our own library
            continue
        raise AssertionError(f"{version} was accepted")
    assert server.request("GET", "/readyz")[0] == 200


def a_ticket_resumes_the_tls_session():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = context(version)
        with connect(client) as first:
            assert not first.session_reused
            assert get(first).startswith(b"HTTP/1.1 200")  # a ticket of 1.3 comes behind the handshake
            session = first.session
        assert session.has_ticket, version
        with connect(client, session) as second:
            assert second.session_reused, version
            assert get(second).startswith(b"HTTP/1.1 200")


def a_new_certificate_serves_new_connections_and_old_ones_live_on():
    pids = server.children()
    old = bob.gateway(tls=context())
    with connect(context()) as before:
        assert dict(x[0] for x in before.getpeercert()["subject"])["commonName"] == "first"
        kept = context()
        certificate_make("second")
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while True:
            try:
                with connect(context()) as fresh:
                    if dict(x[0] for x in fresh.getpeercert()["subject"])["commonName"] == "second":
                        break
            except ssl.SSLError:
                pass  # still the first one, which this client does not know
            assert time.monotonic() < end, "no new certificate within 5 s:\n" + server.log_text()
            time.sleep(0.05)
        try:
            connect(kept)
        except ssl.SSLError:
            pass
        else:
            raise AssertionError("the first certificate is still served")
        assert get(before).startswith(b"HTTP/1.1 200")
    ann.api("POST", f"/channels/{channel}/messages", {"content": "over the old certificate"})
    old.wait("MESSAGE_CREATE", lambda d: d["content"] == "over the old certificate")
    old.close()
    assert server.children() == pids, f"a process was started anew: {pids}, now {server.children()}\n{server.log_text()}"


def a_broken_certificate_leaves_the_old_one():
    pids = server.children()
    with open(CERTIFICATE) as f:
        good = f.read()
    try:
        with open(CERTIFICATE, "w") as f:
            f.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
    finally:
        with open(CERTIFICATE, "w") as f:
            f.write(good)
    assert server.request("GET", "/readyz")[0] == 200
    assert server.children() == pids, f"a process was started anew: {pids}, now {server.children()}\n{server.log_text()}"


def what_is_no_tls_is_closed():
    pids = server.children()
    witness = bob.gateway(tls=context())
    for said in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, os.urandom(4096), b"\x80\x2e\x01\x03\x00", b"\x16", b""):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
            if said:
                s.sendall(said)
            if len(said) < 2:
                s.shutdown(socket.SHUT_WR)  # not more than that is coming
            answer = b""
            try:
                while part := s.recv(4096):
                    answer += part
            except ConnectionError:
                pass
            assert not answer.startswith(b"HTTP/"), answer  # an alert may be said, nothing in clear
            assert len(answer) <= 64, answer
    # A client that goes silent within its handshake is closed in 5 s.
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as s:
        start = time.monotonic()
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        assert 3 < time.monotonic() - start < 8, time.monotonic() - start
    ann.api("POST", f"/channels/{channel}/messages", {"content": "still here"})
    witness.wait("MESSAGE_CREATE", lambda d: d["content"] == "still here")
    witness.close()
    assert server.children() == pids, f"a process was started anew: {pids}, now {server.children()}\n{server.log_text()}"


if __name__ == "__main__":
    certificate_make("first")
    server = TlsServer("--tls-cert", CERTIFICATE, "--tls-key", KEY, shards=2)
    ann, bob = server.register("ann"), server.register("bob")
    guild = ann.api("POST", "/guilds", {"name": "Home"})
    channel = next(c for c in guild["channels"] if c["type"] == 0)["id"]
    bob.api("POST", "/invites/" + ann.api("POST", f"/channels/{channel}/invites", {})["code"])
    try:
        run([chats_over_tls_1_2_and_1_3, refuses_older_versions, a_ticket_resumes_the_tls_session, a_new_certificate_serves_new_connections_and_old_ones_live_on,
             a_broken_certificate_leaves_the_old_one, what_is_no_tls_is_closed])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
