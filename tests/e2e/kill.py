"""Kills at random moments under load, and proves from histories that nothing acknowledged was lost, doubled or shown to strangers.

usage: python3 tests/e2e/kill.py build/release/nexus [--kills N] [--seed S] [--sessions N] [--guilds G] [--rate R] [--shards K]
                                 [--roles gatewayd,control,supervisor,database] [--database postgresql] [--quick P] [--keep] [--report]

`nexus load ws --history` holds the sessions, publishes, and follows the rules of a client after a crash. Meanwhile `kill -9` ends
gatewayd, control, the supervisor (then `nexus serve` is started again, as a service manager would) and with --database postgresql the
postmaster or one of its backends, in an order and after pauses that the seed gives; P per cent of the kills do not wait for the server
to be back from the one before. A few messages are edited and deleted over REST, and a few members leave and come back. In the end
everything is killed once more, started, and what is stored is read; histcheck (docs/histories.md) judges. Prints one JSON line; exit 1
when anything is wrong or too late.
"""
import argparse, http.client, json, os, random, shutil, signal, struct, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Closed, Gateway, Server, executable
from postgres import Postgres

LONG = os.environ.get("NEXUS_TEST_TIER") == "long"
ROLES = ["gatewayd", "control", "supervisor", "database"]
BACK_P95_MS = 3000
MARK, LEFT, ENTERED, KILLED, BACK, ASKS, IS_MEMBER = 20, 21, 22, 0, 1, 0, 1


class Marks:
    """The harness's own history: who was killed and when the server was back."""

    def __init__(self, path):
        self.file, self.lock = open(path, "wb"), threading.Lock()
        self.file.write(b"NEXUSHST" + (1).to_bytes(4, "little") + bytes(36))

    def write(self, kind, flags, code=0, channel=0, user=0):
        with self.lock:
            self.file.write(struct.pack("<BBHIqQQQII", kind, flags, code, 0, time.monotonic_ns(), channel, user, 0, 0, 0))
            self.file.flush()

    def put(self, role, what):
        self.write(MARK, what, ROLES.index(role))


class Supervised(Server):
    """A server that is started again when its supervisor was killed."""

    starts = 0

    def start_again(self, seconds=30):
        """As a service manager does: again and again until it stays. Returns how often it had to."""
        end, tries = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            tries += 1
            self.launch()
            while self.process.poll() is None and time.monotonic() < end:
                if self.is_ready():
                    self.starts += tries
                    return tries
                time.sleep(0.005)
            time.sleep(0.1)
        raise AssertionError(f"nexus serve did not come back:\n{self.log_text()}")

    def is_ready(self):
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def wait_back(self, seconds=30):
        end = time.monotonic() + seconds
        while not self.is_ready():
            assert time.monotonic() < end, f"not back after {seconds} s:\n{self.log_text()}"
            time.sleep(0.005)


class Killer:
    def __init__(self, server, database, marks, seed, quick):
        self.server, self.database, self.marks, self.quick = server, database, marks, quick
        self.random = random.Random(seed)
        self.restarts, self.back_s = [], {}

    def order(self, roles, kills):
        """Every role about equally often, shuffled."""
        order = [roles[i % len(roles)] for i in range(kills)]
        self.random.shuffle(order)
        return order

    def kill(self, role):
        if role == "supervisor":
            self.marks.put(role, KILLED)
            self.server.process.kill()
            self.server.process.wait()
            return
        if role == "database":
            self.marks.put(role, KILLED)
            self.database.kill(whole=self.random.random() < 0.6)
            return
        pid = self.server.children().get(role)
        if pid is None:  # between two lives: it is killed already
            return
        self.marks.put(role, KILLED)
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while self.server.children_now().get(role, pid) == pid:
            assert time.monotonic() < end, f"{role} was not started again:\n{self.server.log_text()}"
            time.sleep(0.005)

    def recover(self, role):
        start = time.monotonic()
        if role == "supervisor":
            self.restarts.append(self.server.start_again())
        elif role == "database":
            self.database.start_again()
        self.server.wait_back()
        if role == "database":
            self.wait_for_a_commit()
        self.marks.put(role, BACK)
        self.back_s.setdefault(role, []).append(round(time.monotonic() - start, 3))

    def wait_for_a_commit(self, seconds=60):
        """Who only reads may be served while nothing can be written."""
        end = time.monotonic() + seconds
        while True:
            status = self.server.request("POST", "/api/v1/auth/register", {"username": f"k{time.monotonic_ns()}", "password": "correct horse battery"})[0]
            if 200 <= status < 300:
                return
            assert time.monotonic() < end, f"nothing can be written after {seconds} s ({status}):\n{self.server.log_text()}"
            time.sleep(0.05)

    def run(self, roles, kills, pause):
        for i, role in enumerate(self.order(roles, kills)):
            time.sleep(self.random.uniform(*pause))
            self.kill(role)
            if role in ("gatewayd", "control") and self.random.random() * 100 < self.quick:
                time.sleep(self.random.uniform(0, 0.2))
                self.kill("control" if role == "gatewayd" else "gatewayd")
            self.recover(role)
            print(f"kill {i + 1}: {role} back after {self.back_s[role][-1]} s", file=sys.stderr, flush=True)


class Editor(threading.Thread):
    """Edits and deletes a message now and then; what comes of it is seen in the histories."""

    def __init__(self, server, users, seed):
        super().__init__(daemon=True)
        self.server, self.users, self.random = server, users, random.Random(seed)
        self.tokens = {u["user_id"]: u["token"] for u in users}
        self.done, self.is_over = {"PATCH": 0, "DELETE": 0}, threading.Event()

    def once(self):
        user = self.random.choice(self.users)
        path = f"/api/v1/channels/{user['channel_id']}/messages"
        status, _, messages = self.server.request("GET", path + "?limit=20", token=user["token"])
        messages = [m for m in messages if not m.get("deleted")] if status == 200 else []
        if not messages:
            return
        message = self.random.choice(messages)
        method = self.random.choice(["PATCH", "DELETE"])
        body = {"content": f"edited {time.monotonic_ns()}"} if method == "PATCH" else None
        if self.server.request(method, f"{path}/{message['id']}", body, token=self.tokens[message["author"]["id"]])[0] < 300:
            self.done[method] += 1

    def run(self):
        while not self.is_over.wait(0.25):
            try:
                self.once()
            except (OSError, ValueError):
                pass


class Wanderer(threading.Thread):
    """Members leave and come back; who has left must be shown nothing more, who is back everything."""

    def __init__(self, server, users, marks, seed):
        super().__init__(daemon=True)
        self.server, self.marks, self.random = server, marks, random.Random(seed)
        self.first, self.others = {}, []
        for user in users:  # the first member of a guild publishes
            if self.first.setdefault(user["guild_id"], user) is not user:
                self.others.append(user)
        self.is_over, self.times, self.failure = threading.Event(), 0, None

    def until(self, statuses, method, path, token, body=None):
        """Asks until the answer is definite; whatever was killed meanwhile."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                status, _, answer = self.server.request(method, "/api/v1" + path, body, token)
                if status in statuses:
                    return answer
                assert status >= 500 or status == 429, f"{method} {path}: {status} {answer}"
            except (OSError, ValueError, http.client.HTTPException):
                pass
            time.sleep(0.1)
        raise AssertionError(f"{method} {path} was not answered within 60 s")

    def once(self, user):
        guild, channel, who = user["guild_id"], int(user["channel_id"]), int(user["user_id"])
        code = self.until((200, 201), "POST", f"/channels/{channel}/invites", self.first[guild]["token"], {})["code"]
        self.until((204, 404), "DELETE", f"/users/@me/guilds/{guild}", user["token"])
        self.marks.write(LEFT, 0, 0, channel, who)
        self.is_over.wait(self.random.uniform(1, 5))
        self.marks.write(ENTERED, ASKS, 0, channel, who)
        self.until((200, 201), "POST", f"/invites/{code}", user["token"], {})
        self.marks.write(ENTERED, IS_MEMBER, 0, channel, who)
        self.times += 1

    def run(self):
        try:
            while self.others and not self.is_over.wait(0.2):
                self.once(self.others.pop(self.random.randrange(len(self.others))))
        except Exception as error:
            self.failure = repr(error)


def load_start(server, folder, seed, options):
    command = [executable(), "load", "ws", "--url", f"ws://127.0.0.1:{server.port}", "--seed", seed, "--reconnect", "--history", folder, "--rate", str(options.rate), "--warmup", "0",
               "--duration", "7200", "--json", os.path.join(folder, "load.json")]
    log = open(os.path.join(folder, "load.log"), "wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + 60
    while b"measuring" not in open(os.path.join(folder, "load.log"), "rb").read():
        assert process.poll() is None and time.monotonic() < end, open(os.path.join(folder, "load.log")).read()[-2000:]
        time.sleep(0.05)
    return process


def load_end(process, folder, server):
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    with open(os.path.join(folder, "load.json")) as f:
        return json.load(f)


def judge(folder):
    checker = os.path.join(os.path.dirname(executable()), "histcheck")
    run = subprocess.run([checker, folder], capture_output=True, text=True, timeout=600)
    sys.stderr.write(run.stderr)
    assert run.returncode in (0, 1), f"histcheck: {run.returncode} {run.stderr[-2000:]}"
    return json.loads(run.stdout)


def outcome_of_resume(server, token, session_id, seq):
    """What RESUME is answered with: an event's name, the close code, or "op 9"; who is told to come again does."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            g = Gateway(server.port, token, identify=False, resume=(session_id, seq))
        except (OSError, ConnectionError, Closed):
            time.sleep(0.05)
            continue
        found = g.until("an answer", lambda: (g.events and g.events[0]["t"]) or (g.others and f"op {g.others[0]['op']}") or g.closed)
        g.close()
        if found not in (4000, "cut", 1006):
            return found
        time.sleep(0.05)
    raise AssertionError("RESUME was never answered")


def revocations_come_before_ready(options):
    """A login that ends while a daemon is dead is over when that daemon is back: neither RESUME nor REST knows it any more."""
    server = Supervised(shards=1)
    try:
        for dead in (("gatewayd",), ("control",), ("gatewayd", "control"), ("supervisor",)):
            name = "r" + os.urandom(4).hex()
            gone, stays = server.register(name), server.register(name + "x")
            sessions = [user.gateway() for user in (gone, stays)]
            known = [(s.session_id, s.seq) for s in sessions]
            pids = server.children()
            # While the supervisor is stopped nobody comes back: the login ends in between.
            os.kill(server.process.pid, signal.SIGSTOP)
            if "gatewayd" in dead:
                os.kill(pids["gatewayd"], signal.SIGKILL)
            server.run_admin("user", "logout", name)
            for role in dead:
                if role in pids and role != "gatewayd":
                    os.kill(pids[role], signal.SIGKILL)
            if "supervisor" in dead:
                server.process.kill()
                server.process.wait()
                server.start_again()
            else:
                os.kill(server.process.pid, signal.SIGCONT)
                end = time.monotonic() + 20
                while any(server.children_now().get(role) in (None, pids[role]) for role in dead):
                    assert time.monotonic() < end, dead
                    time.sleep(0.01)
            outcomes = [outcome_of_resume(server, user.token, *session) for user, session in zip((gone, stays), known)]
            assert outcomes[0] in (4004, "op 9"), f"{dead} killed, login over: RESUME was answered with {outcomes[0]}"
            assert outcomes[1] == "RESUMED", f"{dead} killed: RESUME was answered with {outcomes[1]}"
            server.wait_back()
            statuses = [server.request("GET", "/api/v1/users/@me", token=user.token)[0] for user in (gone, stays)]
            assert statuses == [401, 200], f"{dead} killed, login over: {statuses}"
            [s.close() for s in sessions]
    finally:
        server.stop()


def round_of_kills(options, folder):
    database = Postgres() if options.database == "postgresql" else None
    roles = options.roles.split(",") if options.roles else ROLES[:4 if database else 3]
    server = Supervised(*(["--database", database.url] if database else []), shards=options.shards)
    seed = os.path.join(folder, "seed.jsonl")
    try:
        server.run_admin("seed", "--users", str(options.sessions), "--guilds", str(options.guilds), "--out", seed)
        users = [json.loads(line) for line in open(seed)]
        marks = Marks(os.path.join(folder, "marks.hist"))
        killer = Killer(server, database, marks, options.seed, options.quick)
        load = load_start(server, folder, seed, options)
        editor = Editor(server, users, options.seed)
        editor.start()
        wanderer = Wanderer(server, users, marks, options.seed)
        wanderer.start()
        start = time.monotonic()
        killer.run(roles, options.kills, (options.pause / 4, options.pause * 7 / 4))
        time.sleep(1)
        seconds = time.monotonic() - start
        for thread in (editor, wanderer):
            thread.is_over.set()
            thread.join(90)
        result = load_end(load, folder, server)
        # What a dead server has acknowledged is on the disk, or at least the kernel's.
        pids = [*server.children().values(), server.process.pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        server.process.wait()
        server.start_again()
        dump = subprocess.run([executable(), "load", "dump", "--url", f"ws://127.0.0.1:{server.port}", "--seed", seed, "--history", os.path.join(folder, "stored.hist")], capture_output=True,
                              text=True, timeout=300)
        assert dump.returncode == 0, dump.stdout + dump.stderr
        marks.file.close()
        return judge(folder), result, killer, editor, wanderer, seconds
    finally:
        shutil.copy(os.path.join(server.data, "test.log"), os.path.join(folder, "server.log"))
        server.stop()
        if database:
            database.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("executable", nargs="?")
    parser.add_argument("--kills", type=int, default=200 if LONG else 12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--guilds", type=int, default=100)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between the server's return and the next kill, on average")
    parser.add_argument("--roles", default="")
    parser.add_argument("--database", default="sqlite", choices=["sqlite", "postgresql"])
    parser.add_argument("--quick", type=float, default=20)
    parser.add_argument("--keep", action="store_true", help="leave the histories where they are")
    parser.add_argument("--report", action="store_true", help="times are told, not judged: for a busy machine")
    options = parser.parse_args()
    revocations_come_before_ready(options)
    folder = tempfile.mkdtemp(prefix="nexus-kill-")
    verdict, result, killer, editor, wanderer, seconds = round_of_kills(options, folder)
    wrong = []
    if verdict["faults"]:
        wrong.append(f"{verdict['faults']} faults: {verdict['found']}")
    if result["connected"] != options.sessions or result["down"] or result["identified_again"]:
        wrong.append(f"connected {result['connected']}, down {result['down']}, identified again {result['identified_again']} of {options.sessions}")
    if verdict["acked"] != verdict["stored"] and verdict["unacked"] == 0 and verdict["acked"] > verdict["stored"]:
        wrong.append(f"{verdict['acked']} acknowledged, {verdict['stored']} stored")
    if sum(verdict["kills"].values()) < options.kills:
        wrong.append(f"{verdict['kills']} kills")
    if wanderer.failure or not wanderer.times:
        wrong.append(f"comings and goings: {wanderer.times}, {wanderer.failure}")
    late = {role: back for role, back in verdict["back_ms"].items() if back["p95"] > BACK_P95_MS}
    if late and not options.report:
        wrong.append(f"back too late: {late}")
    print(json.dumps({"test": "kill", "seed": options.seed, "database": options.database, "sessions": options.sessions, "seconds": round(seconds, 1), **verdict, "edits": editor.done, "left_and_came_back": wanderer.times,
                      "serve_starts": killer.restarts, "back_s": {role: {"median": sorted(s)[len(s) // 2], "max": max(s)} for role, s in killer.back_s.items()},
                      "client": {k: result[k] for k in ("resumes", "resyncs", "fetched", "fetch_requests", "fetch_retries", "fetches_failed", "resent", "refused_for_now", "cuts", "failures",
                                                        "closes", "back_ms", "lost", "duplicates", "refused", "unsent")}, "wrong": wrong}), flush=True)
    if options.keep or wrong:
        print(f"histories and logs are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
