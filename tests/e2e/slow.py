"""Clients that stop reading, a control that is killed, a gateway that is drained: the others lose nothing, and all can come back."""
import json, os, signal, socket, subprocess, sys, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Closed, Gateway, Server, WebSocket, executable, run

CROWD, STALLED = 500, 20
RATE, SIZE = 200, 600  # a payload of about 1,170 bytes: a queue of 1,024 dispatches or 1 MiB is full within 6 s


def seeded(server, users, guilds=1):
    path = os.path.join(server.data, "seed.jsonl")
    server.run_admin("seed", "--users", str(users), "--guilds", str(guilds), "--out", path)
    with open(path) as f:
        return path, [json.loads(line) for line in f]


def stats(server):
    return server.request("GET", "/stats", port=server.admin)[2]


def rss(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def held_of(port):
    """The ports on 127.0.0.1 whose connections to the server's `port` it still holds; a load's clients come from other addresses."""
    with open("/proc/net/tcp") as f:
        rows = [row.split() for row in list(f)[1:]]
    return {int(r[2].split(":")[1], 16) for r in rows if int(r[1].split(":")[1], 16) == port and r[2].startswith("0100007F:") and r[3] != "0A" and r[9] != "0"}


class Deaf:
    """A session that reads up to its READY and then nothing, until read_on()."""

    def __init__(self, server, user):
        self.user, self.seq, self.session_id, self.seqs, self.code = user, None, None, [], None
        self.ws = WebSocket(server.port)
        self.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.ws.json({"op": 2, "d": {"token": user["token"], "intents": 1 << 9 | 1 | 1 << 15, "properties": {}, "capabilities": ["resync"]}})
        while self.session_id is None or self.seq < 2:
            self.take()
        self.port = self.ws.socket.getsockname()[1]

    def take(self):
        message = json.loads(self.ws.message()[1])
        if message["op"] == 0:
            assert self.seq is None or message["s"] == self.seq + 1, (self.seq, message["s"])
            self.seq = message["s"]
            if message["t"] == "READY":
                self.session_id = message["d"]["session_id"]
            elif message["t"] == "MESSAGE_CREATE":
                self.seqs.append(message["d"]["seq"])

    def read_on(self):
        """Reads all that is still coming; self.code is the close code then, or None when the connection broke."""
        self.ws.socket.settimeout(15)
        try:
            while True:
                self.take()
        except Closed as closed:
            self.code = closed.code
        except OSError:
            pass
        self.ws.close()


def comes_back(server, user, session_id, seq):
    """Resumes, or is told that it cannot; returns what happened and the session that it has then."""
    g = Gateway(server.port, user["token"], resume=(session_id, seq))
    g.until("an answer to RESUME", lambda: g.closed or [o for o in g.others if o["op"] == 9] or [e for e in g.events if e["t"] == "RESUMED"])
    if [e for e in g.events if e["t"] == "RESUMED"]:
        s = [e["s"] for e in g.events]
        assert s == list(range(seq + 1, seq + 1 + len(s))), (seq, s[:3], s[-3:])
        return "resumed", g
    answer = f"closed {g.closed}" if g.closed else "invalid session"
    assert g.closed in (None, 4007, 4009, 4104), answer
    g.close()
    return answer, Gateway(server.port, user["token"])


def those_who_do_not_read_are_closed_and_cost_the_others_nothing():
    server = Server(shards=1)
    try:
        seed, users = seeded(server, CROWD)
        gatewayd = server.children()["gatewayd"]
        out = os.path.join(server.data, "load.json")
        load = subprocess.Popen([executable(), "load", "ws", "--url", f"ws://127.0.0.1:{server.port}", "--seed", seed, "--skip", str(STALLED), "--sessions", str(CROWD - STALLED), "--publishers", "8",
                                 "--rate", str(RATE), "--size", str(SIZE), "--warmup", "1", "--duration", "18", "--json", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        stalled = [Deaf(server, user) for user in users[:STALLED]]
        for line in load.stderr:
            if line.startswith("warming"):
                break
        drain = threading.Thread(target=load.stderr.read, daemon=True)
        drain.start()
        start, before, most, last, first_at = time.monotonic(), rss(gatewayd), 0, 0, None
        while last < STALLED and time.monotonic() - start < 15:
            time.sleep(0.1)
            last = stats(server)["slow_total"]
            most = max(most, rss(gatewayd))
            first_at = first_at or (last and time.monotonic() - start)
        all_at = time.monotonic() - start
        assert last == STALLED, f"{last} of {STALLED} were found slow in {all_at:.1f} s"
        # Half of them read again now, and are told; the others never do, and are let go.
        listening, lost = stalled[:STALLED // 2], stalled[STALLED // 2:]
        readers = [threading.Thread(target=one.read_on) for one in listening]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        end = time.monotonic() + 10
        while held := held_of(server.port) & {one.port for one in lost}:
            assert time.monotonic() < end, f"{len(held)} connections are still held"
            time.sleep(0.1)
        codes = [one.code for one in listening]
        assert load.wait(120) == 0, open(out).read()
        most = max(most, rss(gatewayd))
        with open(out) as f:
            result = json.load(f)
        assert result["lost"] == 0 and result["duplicates"] == 0 and result["cut"] == 0 and result["connected"] == CROWD - STALLED, result
        counted = stats(server)
        print(f"     slow after {first_at:.1f} to {all_at:.1f} s; codes {codes}; memory grew by {(most - before) / 1e6:.1f} MB; p99 of the others {result['latency_ms']['p99']} ms", flush=True)
        assert all_at <= 10, f"the last was found slow after {all_at:.1f} s"
        assert codes == [4101] * len(codes), codes
        assert counted["sends_blocked_total"] == 0, counted
        assert most - before < 48e6, f"{most - before} bytes more"
        for one in lost:
            one.ws.close()
        answers = []
        for one in stalled:
            answer, session = comes_back(server, one.user, one.session_id, one.seq)
            answers.append(answer)
            if answer == "resumed":
                # Either all that it missed is replayed, or it is told up to where to fetch.
                channel = one.user["channel_id"]
                history = server.api("GET", f"/channels/{channel}/messages?limit=1", token=one.user["token"])[0]["seq"]
                session.until("the newest message or NEXUS_RESYNC", lambda: [m for m in session.messages(channel) if m["seq"] == history]
                              or [e for e in session.events if e["t"] == "NEXUS_RESYNC" and e["d"]["last_seq"] == history])
                seqs = one.seqs + [m["seq"] for m in session.messages(channel)]
                if [e for e in session.events if e["t"] == "NEXUS_RESYNC"]:
                    answers[-1] = "resumed, told to fetch"
                else:
                    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "resumed with a hole"
            session.close()
        print("     back:", {answer: answers.count(answer) for answer in set(answers)}, flush=True)
        assert server.children()["gatewayd"] == gatewayd
    finally:
        server.stop()


class Talker:
    """Sends a message every 20 ms and remembers what was said to each."""

    def __init__(self, session, channel):
        self.session, self.channel, self.sent, self.is_over = session, channel, [], False
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self):
        while not self.is_over:
            nonce = f"t-{len(self.sent)}"
            self.sent.append((nonce, time.monotonic()))
            self.session.send(67, {"channel_id": self.channel, "content": nonce, "nonce": nonce})
            time.sleep(0.02)

    def answers(self, name):
        return {e["d"]["nonce"]: e["d"] for e in list(self.session.events) if e["t"] == name}

    def stop(self):
        self.is_over = True
        self.thread.join()


def wait_ready(server, role, old):
    end = time.monotonic() + 15
    while time.monotonic() < end:
        try:
            if server.children().get(role, old) != old and server.request("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{role} is not back:\n{server.log_text()}")


def a_killed_control_costs_no_connection_and_no_acknowledged_message():
    server = Server(shards=2)
    try:
        _, users = seeded(server, 20)
        channel = users[0]["channel_id"]
        sessions = [Gateway(server.port, user["token"]) for user in users]
        for session in sessions:
            session.wait("GUILD_CREATE")
        talker = Talker(sessions[0], channel)
        for _ in range(3):
            time.sleep(0.7)
            control = server.children()["control"]
            os.kill(control, signal.SIGKILL)
            wait_ready(server, "control", control)
        time.sleep(1)
        talker.stop()
        time.sleep(1)
        assert [s.closed for s in sessions] == [None] * len(sessions), [s.closed for s in sessions]
        acked, refused = talker.answers("NEXUS_MESSAGE_ACK"), talker.answers("NEXUS_MESSAGE_REFUSED")
        silent = [nonce for nonce, _ in talker.sent if nonce not in acked and nonce not in refused]
        print(f"     {len(talker.sent)} sent: {len(acked)} acknowledged, {len(refused)} refused {set(d['code'] for d in refused.values())}, {len(silent)} without an answer", flush=True)
        assert acked and not silent, silent  # what died with control was refused; a client sends it again with the same nonce
        for nonce in refused:
            talker.session.send(67, {"channel_id": channel, "content": nonce, "nonce": nonce})
        talker.session.until("acks of what was sent again", lambda: all(nonce in talker.answers("NEXUS_MESSAGE_ACK") for nonce in refused))
        acked = talker.answers("NEXUS_MESSAGE_ACK")
        # History has every acknowledged message once, and no number twice.
        history, after = [], 0
        while page := server.api("GET", f"/channels/{channel}/messages?after_seq={after}&limit=100", token=users[0]["token"]):
            history += page
            after = max(m["seq"] for m in page)
        contents = [m["content"] for m in history if m["content"].startswith("t-")]
        assert len(contents) == len(set(contents)), "a message is there twice"
        assert set(acked) <= set(contents), set(acked) - set(contents)
        assert sorted(m["seq"] for m in history) == list(range(1, len(history) + 1))
        by_seq = {m["seq"]: m["content"] for m in history}
        # Everybody has each acknowledged one, or was told to look.
        holes = 0
        for session in sessions:
            session.wait("MESSAGE_CREATE", lambda d: d["seq"] == after, seconds=10)
            seqs = [m["seq"] for m in session.messages(channel)]
            assert len(seqs) == len(set(seqs)), "delivered twice"
            told = [e["d"]["last_seq"] for e in session.events if e["t"] == "NEXUS_RESYNC" and e["d"]["channel_id"] == channel]
            missed = [seq for seq in range(min(seqs), after) if seq not in set(seqs)]
            holes += len(missed)
            for seq in missed:
                assert any(last >= seq for last in told), f"{by_seq[seq]} (acknowledged: {by_seq[seq] in acked}) is missing and nobody said so: {told}"
        print(f"     {holes} deliveries replaced by NEXUS_RESYNC", flush=True)
    finally:
        server.stop()


def a_drained_gateway_sends_everybody_away_and_they_resume():
    server = Server(shards=1)
    try:
        _, users = seeded(server, 20)
        channel = users[0]["channel_id"]
        sessions = [Gateway(server.port, user["token"]) for user in users]
        for session in sessions:
            session.wait("GUILD_CREATE")
        sessions[0].send(67, {"channel_id": channel, "content": "before", "nonce": "b"})
        for session in sessions:
            session.wait("MESSAGE_CREATE", lambda d: d["content"] == "before")
        gatewayd = server.children()["gatewayd"]
        os.kill(gatewayd, signal.SIGTERM)
        for session in sessions:
            assert session.wait_closed(12) == 4100, session.closed
            assert [o["op"] for o in session.others if o["op"] == 7] == [7], session.others
        wait_ready(server, "gatewayd", gatewayd)
        back = []
        for user, session in zip(users, sessions):
            answer, again = comes_back(server, user, session.session_id, session.seq)
            back.append((answer, again))
        print("     back:", [answer for answer, _ in back].count("resumed"), "resumed of", len(back), flush=True)
        assert all(answer == "resumed" for answer, _ in back), [answer for answer, _ in back]
        back[0][1].send(67, {"channel_id": channel, "content": "after", "nonce": "a"})
        for _, again in back:
            again.wait("MESSAGE_CREATE", lambda d: d["content"] == "after")
            assert [m["content"] for m in again.messages(channel)] == ["after"]
            again.close()
    finally:
        server.stop()


if __name__ == "__main__":
    run([those_who_do_not_read_are_closed_and_cost_the_others_nothing, a_killed_control_costs_no_connection_and_no_acknowledged_message,
         a_drained_gateway_sends_everybody_away_and_they_resume])
