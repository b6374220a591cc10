"""Clients behind a bad network: delay, jitter, single bytes, blackouts and resets between them and a real server. What was acknowledged is
stored once and delivered to everybody once, in order, whatever was cut in between; nobody logs in again."""
import json, os, random, subprocess, sys, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from impairment import Impairment
from nexus import Closed, Server, WebSocket, executable, run

SEED = 20
INTENTS = 1 | 1 << 9 | 1 << 15


def seeded(server, users, guilds=1):
    path = os.path.join(server.data, "seed.jsonl")
    server.run_admin("seed", "--users", str(users), "--guilds", str(guilds), "--out", path)
    with open(path) as f:
        return path, [json.loads(line) for line in f]


class Client:
    """Follows docs/protocol/gateway.md: comes back after every cut, resumes, and sends again what it heard nothing of."""

    def __init__(self, server, port, user, number):
        self.server, self.port, self.user, self.number = server, port, user, number
        self.session_id, self.s, self.ws = None, 0, None
        self.identified = self.resumed = self.cuts = self.resyncs = 0
        self.seqs, self.by_seq, self.acks, self.unanswered, self.faults = [], {}, {}, {}, []
        self.lock, self.is_ready, self.is_over = threading.Lock(), threading.Event(), False
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def live(self):
        pause = random.Random(SEED * 1000 + self.number)
        while not self.is_over:
            try:
                self.connection()
            except (Closed, OSError) as error:
                self.cuts += 1
                if isinstance(error, Closed) and error.code in (4004, 4007, 4102, 4103, 4104):
                    self.faults.append(f"closed with {error.code}")
                    return
            except Exception as error:  # what breaks the protocol
                self.faults.append(repr(error))
                return
            finally:
                self.is_ready.clear()
                if self.ws:
                    self.ws.close()
            time.sleep(pause.uniform(0.02, 0.2))

    def connection(self):
        self.ws = None
        self.ws = WebSocket(self.port, timeout=8)
        hello = json.loads(self.ws.message()[1])
        assert hello["op"] == 10, hello
        if self.session_id:
            self.ws.json({"op": 6, "d": {"token": self.user["token"], "session_id": self.session_id, "seq": self.s}})
        else:
            self.ws.json({"op": 2, "d": {"token": self.user["token"], "intents": INTENTS, "properties": {}, "capabilities": ["resync"]}})
        while not self.is_over:
            message = json.loads(self.ws.message()[1])
            if message["op"] == 0:
                assert message["s"] == self.s + 1 or message["t"] == "READY", f"dispatch {message['s']} after {self.s}"
                self.s = message["s"]
                self.dispatched(message["t"], message["d"])
            elif message["op"] == 9:
                self.faults.append("the session is invalid")
                self.session_id, self.s = None, 0
                return
            elif message["op"] == 7:
                return

    def dispatched(self, name, d):
        if name == "READY":
            self.session_id = d["session_id"]
            self.identified += 1
        elif name == "RESUMED":
            self.resumed += 1
        elif name == "MESSAGE_CREATE":
            self.delivered(d)
        elif name == "NEXUS_RESYNC":
            self.resyncs += 1
            self.fetch(d["last_seq"])
        elif name == "NEXUS_MESSAGE_ACK":
            with self.lock:
                assert self.acks.setdefault(d["nonce"], d["id"]) == d["id"], f"two ids for {d['nonce']}"
                self.unanswered.pop(d["nonce"], None)
        if name in ("READY", "RESUMED"):
            with self.lock:
                waiting = list(self.unanswered.items())
            self.is_ready.set()
            for nonce, content in waiting:
                self.put(nonce, content)

    def delivered(self, message):
        seq = message["seq"]
        assert not self.seqs or seq == self.seqs[-1] + 1, f"message {seq} after {self.seqs[-1]}"
        self.seqs.append(seq)
        self.by_seq[seq] = message["content"]

    def fetch(self, last):
        while self.seqs and self.seqs[-1] < last:
            for message in self.server.api("GET", f"/channels/{self.user['channel_id']}/messages?after_seq={self.seqs[-1]}&limit=100", token=self.user["token"]):
                # Not beyond `last`: what comes after it is the gateway's to deliver.
                if message["seq"] == self.seqs[-1] + 1 <= last:
                    self.delivered(message)

    def put(self, nonce, content):
        self.ws.json({"op": 67, "d": {"channel_id": self.user["channel_id"], "content": content, "nonce": nonce}})

    def say(self, nonce, content):
        with self.lock:
            self.unanswered[nonce] = content
        if self.is_ready.is_set():
            try:
                self.put(nonce, content)
            except OSError:
                pass  # it is sent again after RESUMED

    def stop(self):
        self.is_over = True
        if self.ws:
            self.ws.close()


def history_of(server, user):
    found, after = [], 0
    while page := server.api("GET", f"/channels/{user['channel_id']}/messages?after_seq={after}&limit=100", token=user["token"]):
        found += sorted(page, key=lambda m: m["seq"])
        after = found[-1]["seq"]
    return found


def wait(seconds, what, check):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def nothing_is_lost_or_doubled_behind_a_bad_network():
    server = Server(shards=2)
    weather = ["set tcp delay=15ms jitter=10ms curve=exponential chunk=1-400",
               "set route=0 tcp chunk=1",                                   # single bytes
               "1s every 3s blackout route=1 700ms",                        # both ways
               "2s every 3s blackout route=2 down 700ms",                   # only what comes back
               "set route=2 tcp reset=0.5%",                                # by chance, in the middle of a frame
               "1500ms every 2s reset route=3", "2500ms every 4s reset"]    # whole routes, and everybody at once: a storm
    try:
        _, users = seeded(server, 16)
        with Impairment(tcp=[server.port] * 4, do=weather, seed=SEED) as harm:
            clients = [Client(server, harm.port(0 if i < 2 else 1 + i % 3), user, i) for i, user in enumerate(users)]
            wait(20, lambda: "not all are connected", lambda: all(c.identified for c in clients))
            sent, end = {}, time.monotonic() + 12
            while time.monotonic() < end:
                for i in range(4):
                    nonce = f"n-{len(sent)}"
                    sent[nonce] = f"{nonce} " + "x" * (len(sent) * 37 % 150)
                    clients[(len(sent) + i) % len(clients)].say(nonce, sent[nonce])
                time.sleep(0.1)
            harm("clear")
            wait(15, lambda: f"not all are answered: {[(c.number, list(c.unanswered), c.faults) for c in clients if c.unanswered]}", lambda: not any(c.unanswered for c in clients))
            history = history_of(server, users[0])
            last = history[-1]["seq"]
            wait(15, lambda: f"not all have everything: {[(c.number, len(c.seqs), c.faults) for c in clients]}", lambda: all(c.seqs and c.seqs[-1] >= last for c in clients))
            stats = harm.stats()["routes"]
        for client in clients:
            client.stop()
        cuts, resumed = sum(c.cuts for c in clients), sum(c.resumed for c in clients)
        print(f"     {len(sent)} sent, {sum(r['resets'] for r in stats)} resets by the proxy, {cuts} cuts seen, {resumed} resumed, {sum(c.resyncs for c in clients)} told to fetch;"
              f" {sum(r['down']['sent'] for r in stats)} pieces of {sum(r['down']['sent_bytes'] for r in stats)} bytes down", flush=True)
        assert not any(c.faults for c in clients), [(c.number, c.faults) for c in clients if c.faults]
        assert all(c.identified == 1 for c in clients), "somebody had to identify again"
        assert sum(r["resets"] for r in stats) >= 30 and resumed >= 30, (stats, resumed)
        # Stored once, numbered without gaps, nothing invented; every acknowledgement names what is stored.
        stored = [m for m in history if m["content"].startswith("n-")]
        assert sorted(m["content"] for m in stored) == sorted(sent.values()), "stored is not what was sent, once each"
        assert [m["seq"] for m in history] == list(range(history[0]["seq"], last + 1))
        ids = {m["content"].split()[0]: m["id"] for m in stored}
        for client in clients:
            assert all(ids[nonce] == id for nonce, id in client.acks.items()), client.number
            expected = {m["seq"]: m["content"] for m in history if m["seq"] >= client.seqs[0]}
            assert client.by_seq == expected, (client.number, len(client.by_seq), len(expected))
            assert client.seqs[0] == history[0]["seq"], "it was there from the first message on"
        assert sum(len(c.acks) for c in clients) == len(sent)
    finally:
        server.stop()


def the_load_generator_finds_nothing_lost_or_doubled_behind_it():
    server = Server(shards=1)
    try:
        seed, _ = seeded(server, 60)
        out, histories = os.path.join(server.data, "load.json"), os.path.join(server.data, "histories")
        os.mkdir(histories)
        with Impairment(tcp=[server.port], do=["set delay=10ms jitter=5ms chunk=1-200", "4s every 3s reset", "5s blackout 600ms"], seed=SEED) as harm:
            load = subprocess.run([executable(), "load", "ws", "--url", f"ws://127.0.0.1:{harm.port(0)}", "--seed", seed, "--publishers", "6", "--rate", "30", "--size", "300", "--warmup", "1",
                                   "--duration", "8", "--reconnect", "--history", histories, "--json", out], capture_output=True, text=True, timeout=90)
            with open(out) as f:
                result = json.load(f)
            assert load.returncode == 0, load.stderr[-2000:]
            resets = harm.stats()["routes"][0]["resets"]
        dump = subprocess.run([executable(), "load", "dump", "--url", f"ws://127.0.0.1:{server.port}", "--seed", seed, "--history", os.path.join(histories, "stored.hist")], capture_output=True, text=True,
                              timeout=60)
        assert dump.returncode == 0, dump.stdout + dump.stderr
        judged = subprocess.run([os.path.join(os.path.dirname(executable()), "histcheck"), histories], capture_output=True, text=True, timeout=60)
        print(f"     {resets} resets by the proxy, {result['cuts']} cuts seen, {result['resumes']} resumed, {result['resent']} sent again; histcheck: {judged.stdout.strip()[:300]}", flush=True)
        assert judged.returncode == 0, judged.stdout + judged.stderr
        assert result["lost"] == 0 and result["duplicates"] == 0 and result["identified_again"] == 0 and resets >= 60 and result["cuts"] >= 60, (resets, result)
    finally:
        server.stop()


if __name__ == "__main__":
    run([nothing_is_lost_or_doubled_behind_a_bad_network, the_load_generator_finds_nothing_lost_or_doubled_behind_it])
