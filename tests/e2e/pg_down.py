"""PostgreSQL is away: at the start, while people write, or stuck. What cannot be done is said within two seconds and may be tried again, nothing
acknowledged is lost, sockets live, and all is well again without an operator.

usage: python3 tests/e2e/pg_down.py build/release/nexus
"""
import os, signal, subprocess, sys, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Server, executable, free_port, run
from postgres import Postgres

IN_TIME = 2.0
OVERLOADED = 130000
postgres = Postgres()


class Community:
    def __init__(self, name):
        postgres.sql(f"CREATE DATABASE {name}")
        self.url = postgres.url.rsplit("/", 1)[0] + "/" + name
        self.server = Server("--database", self.url)
        self.ann, self.bob = self.server.register("ann"), self.server.register("bob")
        guild = self.ann.api("POST", "/guilds", {"name": "Home"})
        self.channel = next(c for c in guild["channels"] if c["type"] == 0)["id"]
        self.bob.api("POST", f"/invites/{self.ann.api('POST', f'/channels/{self.channel}/invites', {})['code']}")
        self.a, self.b = self.ann.gateway(timeout=50), self.bob.gateway(timeout=50)  # who only listens hears nothing for long
        self.b.wait("GUILD_CREATE")
        self.sent = 0

    def send(self, nonce=None):
        """Sends by op 67 and waits for its answer; returns (whether it was acknowledged, the nonce, seconds)."""
        if nonce is None:
            self.sent += 1
            nonce = f"n-{self.sent}"
        seen, start = len(self.a.events), time.monotonic()
        self.a.send(67, {"channel_id": self.channel, "content": nonce, "nonce": nonce})
        answer = self.a.until(f"an answer to {nonce}", lambda: next((e for e in self.a.events[seen:] if e["t"] in
                              ("NEXUS_MESSAGE_ACK", "NEXUS_MESSAGE_REFUSED") and e["d"]["nonce"] == nonce), None))
        if answer["t"] == "NEXUS_MESSAGE_REFUSED":
            assert answer["d"]["code"] == OVERLOADED, answer
        return answer["t"] == "NEXUS_MESSAGE_ACK", nonce, time.monotonic() - start

    def must_refuse(self):
        is_done, nonce, seconds = self.send()
        assert not is_done and seconds < IN_TIME, (is_done, seconds)
        return nonce

    def until_sent(self, nonce, limit=15):
        end = time.monotonic() + limit
        while not self.send(nonce)[0]:
            assert time.monotonic() < end, f"{nonce} is refused for {limit} s"
            time.sleep(0.05)

    def contents(self):
        """The channel's messages, oldest first."""
        page = self.ann.api("GET", f"/channels/{self.channel}/messages?limit=100")
        return [m["content"] for m in page][::-1]

    def check(self):
        """Everybody is still connected and hears what is said, once and in order."""
        self.until_sent("the last")
        self.b.wait("MESSAGE_CREATE", lambda d: d["content"] == "the last")
        stored = self.contents()
        assert len(stored) == len(set(stored)), f"doubled: {stored}"
        heard = [e["d"]["content"] for e in self.b.events if e["t"] == "MESSAGE_CREATE"]
        assert set(heard) <= set(stored) and heard == [m for m in stored if m in set(heard)], "heard what is not stored, or in another order"


def quick(server, path, token):
    start = time.monotonic()
    status, _, _ = server.request("GET", "/api/v1" + path, token=token)
    return status, time.monotonic() - start


def a_server_that_is_down_refuses_in_time_and_comes_back():
    c = Community("down")
    for _ in range(5):
        assert c.send()[0]
    pids = c.server.children()
    postgres.process.send_signal(signal.SIGQUIT)
    postgres.process.wait(20)
    refused = [c.must_refuse() for _ in range(3)]
    status, seconds = quick(c.server, f"/channels/{c.channel}/messages", c.ann.token)
    assert status == 503 and seconds < IN_TIME, (status, seconds)
    status, seconds = quick(c.server, "/users/@me/guilds", c.ann.token)
    assert status == 200 and seconds < 1, f"what is in memory is there: {status} in {seconds:.1f} s"
    postgres.start_again()
    start = time.monotonic()
    c.until_sent(refused[0])
    print(f"     back {time.monotonic() - start:.1f} s after the server")
    for nonce in refused[1:]:
        c.until_sent(nonce)
    assert c.server.children() == pids, "nobody was restarted"
    c.check()
    assert c.contents() == [f"n-{i}" for i in range(1, 6)] + refused + ["the last"]
    c.server.stop()


def a_stuck_server_refuses_in_time_and_comes_back():
    c = Community("stuck")
    assert c.send()[0]
    backends = postgres.backends()
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    refused = [c.must_refuse() for _ in range(2)]
    status, seconds = quick(c.server, f"/channels/{c.channel}/messages", c.ann.token)
    assert status == 503 and seconds < IN_TIME, (status, seconds)
    for pid in backends:
        os.kill(pid, signal.SIGCONT)
    for nonce in refused:
        c.until_sent(nonce)
    c.check()
    c.server.stop()


def kills_of_single_backends_lose_nothing():
    c = Community("backends")
    over = threading.Event()

    def kill():
        while not over.wait(0.7):
            pids = postgres.backends()
            if pids:
                os.kill(pids[0], signal.SIGTERM)
    killer = threading.Thread(target=kill)
    killer.start()
    acknowledged, end = [], time.monotonic() + 6
    while time.monotonic() < end and len(acknowledged) < 80:
        is_done, nonce, seconds = c.send()
        assert seconds < IN_TIME, seconds
        if not is_done:
            c.until_sent(nonce)
        acknowledged.append(nonce)
        time.sleep(0.02)
    over.set()
    killer.join()
    c.check()
    stored = c.contents()
    missing = [n for n in acknowledged[-90:] if n not in stored]
    assert not missing, f"acknowledged and not stored: {missing}"
    c.server.stop()


def a_start_waits_for_its_database():
    postgres.sql("CREATE DATABASE early")
    url = postgres.url.rsplit("/", 1)[0] + "/early"
    postgres.process.send_signal(signal.SIGINT)
    postgres.process.wait(20)
    timer = threading.Timer(2, postgres.start_again)
    timer.start()
    server = Server("--database", url)
    timer.join()
    assert "store.postgres_awaited" in server.log_text(), server.log_text()
    server.register("ann")
    second = subprocess.run([executable(), "control", "--data", server.data, "--database", url, "--bus", server.data + "/other.sock"],
                            capture_output=True, text=True, timeout=30)
    assert second.returncode == 69 and "another control holds this database" in second.stderr, (second.returncode, second.stderr)
    server.stop()


def a_wrong_url_is_said_at_once():
    for url, words in ((postgres.url + "_that_is_not_there", "does not exist"), ("postgresql://[", "url"),
                       (postgres.url + "?nonsense=1", "nonsense")):
        data = os.path.join(postgres.folder, "wrong")
        start = time.monotonic()
        done = subprocess.run([executable(), "serve", "--data", data, "--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}",
                               "--database", url], capture_output=True, text=True, timeout=30)
        assert done.returncode == 69 and words in done.stderr and time.monotonic() - start < 5, (done.returncode, done.stderr)


run([a_server_that_is_down_refuses_in_time_and_comes_back, a_stuck_server_refuses_in_time_and_comes_back, kills_of_single_backends_lose_nothing,
     a_start_waits_for_its_database, a_wrong_url_is_said_at_once])
