#!/usr/bin/env python3
"""What clients that stop reading cost the others: 10,000 sessions, one in a hundred of them deaf, beside the same without.

usage: bench/slow.py [--build build/release] [--rounds N] [--quick] [--cases LIST] [--json FILE]

Rounds are interleaved: each round runs every case with and without deaf clients, in an order that changes from round to
round, on one server per case. The ratio of a round is the others' p99 with deaf clients to that without; the bar is on the
median of the rounds. Whoever is deaf reads up to its READY and then nothing until the measuring is over.

cases    channel  1,000 durable messages a second in a channel of 200 people, 100 of them deaf; 9,800 more sessions are
                  connected. The deaf must be closed with 4101 within 10 s of the first message, and can resume.
         crowd    10 messages a second in a channel of 10,000, 100 of them deaf: nobody is behind for long enough to be
                  closed, and each write to one that is blocked would cost the others.

In both, no send may be tried on a connection that is blocked (sends_blocked_total), nothing may be lost or repeated.
Exit code: 0 all bars met; 1 not; 2 usage.
"""
import argparse, concurrent.futures, json, os, pathlib, statistics, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
BAR, CLOSED_S = 1.15, 10
CASES = {
    "channel": {"guilds": 50, "rate": 1000, "size": 600},
    "crowd": {"guilds": 1, "rate": 10, "size": 150},
}


def parse():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--build", default="build/release")
    p.add_argument("--rounds", type=int, default=None, help="interleaved rounds [5, with --quick 1]")
    p.add_argument("--quick", action="store_true", help="one round of 1,000 sessions: does it run, not what does it cost")
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--sessions", type=int, default=None, help="[10000, with --quick 1000]")
    p.add_argument("--duration", type=int, default=12, help="measured seconds")
    p.add_argument("--json", default=None, help="every result, as JSON")
    a = p.parse_args()
    a.rounds = a.rounds or (1 if a.quick else 5)
    a.sessions = a.sessions or (1000 if a.quick else 10000)
    a.executable = str((ROOT / a.build / "nexus").resolve())
    if not os.access(a.executable, os.X_OK) or any(case not in CASES for case in a.cases.split(",")):
        p.print_usage(sys.stderr)
        sys.exit(2)
    return a


ARGUMENTS = parse()
sys.argv = [sys.argv[0], ARGUMENTS.executable]
import slow  # noqa: E402  the deaf clients of the test, and how they come back
from nexus import Server  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))


def write_seed(path, users):
    with open(path, "w") as f:
        f.writelines(json.dumps(user) + "\n" for user in users)


class Place:
    """The server of one case, its people, and who of them is deaf when it is their turn."""

    def __init__(self, case):
        a, self.case, self.want = ARGUMENTS, case, CASES[case]
        self.server = Server(shards=1)
        for role, pid in self.server.children().items():
            os.sched_setaffinity(pid, {CPUS[0] if role == "gatewayd" else CPUS[-1]})
        self.seed, users = slow.seeded(self.server, a.sessions, max(1, self.want["guilds"] * a.sessions // 10000))
        place = users[0]["guild_id"]
        self.deaf = [user for user in users if user["guild_id"] == place][1::2][:a.sessions // 100]
        names = {user["user_id"] for user in self.deaf}
        self.others = [user for user in users if user["user_id"] not in names]
        write_seed(self.seed, self.others)

    def run(self, is_deaf):
        """One load; returns what the others saw and what became of the deaf."""
        a, out = ARGUMENTS, os.path.join(self.server.data, "load.json")
        command = [a.executable, "load", "ws", "--url", f"ws://127.0.0.1:{self.server.port}", "--seed", self.seed, "--sessions", str(len(self.others)), "--channels", "1", "--publishers", "8", "--rate",
                   str(self.want["rate"]), "--size", str(self.want["size"]), "--warmup", "5", "--duration", str(a.duration), "--json", out]
        before = slow.stats(self.server)
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {CPUS[-1]}))
        for line in load.stderr:
            if line.startswith("warming"):
                break
        # Only now, and all at once: connecting the others, or these one by one, takes longer than one who says nothing is tolerated.
        with concurrent.futures.ThreadPoolExecutor(len(self.deaf)) as pool:
            stalled = list(pool.map(lambda user: slow.Deaf(self.server, user), self.deaf)) if is_deaf else []
        threading.Thread(target=load.stderr.read, daemon=True).start()
        start, found_at = time.monotonic(), None
        while load.poll() is None:
            time.sleep(0.2)
            if is_deaf and found_at is None and slow.stats(self.server)["slow_total"] - before["slow_total"] >= len(self.deaf):
                found_at = time.monotonic() - start
        with open(out) as f:
            result = json.load(f)
        held = len(slow.held_of(self.server.port) & {one.port for one in stalled})
        codes, answers = [], []
        if self.case == "channel":
            readers = [threading.Thread(target=one.read_on) for one in stalled]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            codes = [one.code for one in stalled]
            for one in stalled[:10]:
                answer, session = slow.comes_back(self.server, one.user, one.session_id, one.seq)
                answers.append(answer)
                session.close()
        for one in stalled:
            one.ws.close()
        return {"case": self.case, "deaf": len(stalled), "p50_ms": result["latency_ms"]["p50"], "p99_ms": result["latency_ms"]["p99"], "deliveries": result["deliveries"], "lost": result["lost"],
                "duplicates": result["duplicates"], "cut": result["cut"], "found_slow_s": found_at, "still_held": held if self.case == "channel" else 0, "codes": {str(code): codes.count(code) for code in set(codes)},
                "back": {x: answers.count(x) for x in set(answers)}, "sends_blocked": slow.stats(self.server)["sends_blocked_total"]}


def faults(run):
    """What is wrong with one run, in words."""
    found = [f"{name} {run[name]}" for name in ("lost", "duplicates", "cut", "sends_blocked", "still_held") if run[name]]
    if run["case"] == "channel" and run["deaf"]:
        if run["found_slow_s"] is None or run["found_slow_s"] > CLOSED_S:
            found.append(f"the deaf were found after {run['found_slow_s']} s")
        # Those who come too late for the close frame find the connection gone.
        if set(run["codes"]) - {"4101", "None"}:
            found.append(f"closed with {run['codes']}")
        if set(run["back"]) != {"resumed"}:
            found.append(f"came back as {run['back']}")
    return found


def main():
    runs, bad = [], []
    cases = ARGUMENTS.cases.split(",")
    places = {case: Place(case) for case in cases}
    for number in range(ARGUMENTS.rounds):
        for case in cases if number % 2 == 0 else cases[::-1]:
            for is_deaf in (False, True) if number % 2 == 0 else (True, False):
                run = places[case].run(is_deaf)
                runs.append({"round": number, **run})
                bad += [f"round {number}, {case}, {run['deaf']} deaf: {fault}" for fault in faults(run)]
                print(f"round {number} {case:8} {run['deaf']:4} deaf: p50 {run['p50_ms']} p99 {run['p99_ms']} ms, {run['deliveries']} deliveries" +
                      (f", found slow after {run['found_slow_s']:.1f} s" if run["found_slow_s"] else ""), flush=True)
    for case in cases:
        ratios = []
        for number in range(ARGUMENTS.rounds):
            p99 = {bool(run["deaf"]): run["p99_ms"] for run in runs if run["round"] == number and run["case"] == case}
            ratios.append(p99[True] / p99[False])
        median = statistics.median(ratios)
        print(f"{case}: others' p99 with deaf clients to without: median {median:.2f} ({min(ratios):.2f}-{max(ratios):.2f}), bar {BAR}: {'met' if median <= BAR else 'MISSED'}")
        if median > BAR:
            bad.append(f"{case}: ratio {median:.2f}")
    if ARGUMENTS.json:
        with open(ARGUMENTS.json, "w") as f:
            json.dump(runs, f, indent=1)
    for fault in bad:
        print(fault)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
