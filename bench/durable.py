#!/usr/bin/env python3
"""Durable messages per second of the whole server beside a bare group-commit loop that writes the same rows.

usage: bench/durable.py [--build build/release] [--rounds N] [--duration S] [--senders N] [--listeners N] [--what LIST] [--postgres]
                        [--profile FILE] [--json FILE]

Rounds are interleaved: floor, store, server, floor, … so that what drifts on the machine hits all of them. A ratio is the
median of the rounds' ratios to the floor of the same round.

floor    bench/commit_floor.c: the store's schema and pragmas, rows in groups of --group, nothing else
store    bench/store_bench.c: the store alone, --senders askers in a closed loop
server   nexus serve: --senders sessions in a closed loop, op 67 through gatewayd, bus, control and store, each message delivered
         to the sender's channel; nexus load ws checks every acknowledgement and delivery

--postgres runs it all on a PostgreSQL of its own (fsync on): floor and store are bench/postgres_bench.c, whose bare loop commits
as many rows at once as the store did before, and so runs after it.

Bars (for the server): at least 50 % of the floor and at least 20,000 acknowledged messages a second.
Exit code: 0 measured; 1 a bar was missed, or something was lost or did not run; 2 usage.
"""
import argparse, atexit, json, os, pathlib, re, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
RATIO_LEAST, PER_SECOND_LEAST = 0.5, 20000


def parse():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--build", default="build/release")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--duration", type=int, default=5, help="measured seconds of each")
    p.add_argument("--warmup", type=int, default=1)
    p.add_argument("--senders", type=int, default=1000)
    p.add_argument("--outstanding", type=int, default=None, help="messages under way in all [one per sender]")
    p.add_argument("--group", type=int, default=500, help="rows per commit of the floor")
    p.add_argument("--listeners", type=int, default=1, help="sessions of each channel: they hear what one of them says")
    p.add_argument("--what", default="floor,store,server")
    p.add_argument("--folder", default=None, help="where SQLite's databases go [the temporary folder]")
    p.add_argument("--postgres", action="store_true", help="the store is PostgreSQL")
    p.add_argument("--profile", default=None, help="perf record of the server's round to this file")
    p.add_argument("--nice", type=int, default=0, help="of every session that takes part, for a machine that is not idle (root)")
    p.add_argument("--json", default=None)
    a = p.parse_args()
    a.build = (ROOT / a.build).resolve()
    a.what = a.what.split(",")
    a.channels = max(1, a.senders // a.listeners)
    return a


def shares(a):
    """Fair shares count per session, and each backend of PostgreSQL is one of its own."""
    while True:
        pids = [os.getpid()]
        try:
            if a.postgres:
                postmaster = a.postgres.process.pid
                pids += [postmaster, *map(int, pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]
        except (AttributeError, OSError):  # at its end
            return
        for pid in pids:
            try:
                pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(a.nice))
                os.setpriority(os.PRIO_PROCESS, pid, a.nice)
            except OSError:
                pass
        time.sleep(0.2)


def last_json(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def floor(a, folder):
    return last_json([a.build / "bench/commit_floor", f"{folder}/floor.db", a.group, a.channels, a.duration])


def store(a, folder):
    return last_json([a.build / "bench/store_bench", f"{folder}/store.db", a.senders, a.channels, a.duration, 0])


def postgres_floor_and_store(a, number):
    """Both from one program, on a database that it empties; returns {"floor": …, "store": …}."""
    url = a.postgres.create(f"floor{number}")
    done = subprocess.run([str(a.build / "bench/postgres_bench"), url, str(a.senders), str(a.channels), str(a.duration), "1000", "1"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"postgres_bench: {done.stderr.strip()[-400:]}")
    a.postgres.sql(f"DROP DATABASE floor{number}")
    bare = [float(n) for n in re.findall(r"^bare +([0-9]+)/s", done.stdout, re.M)]
    own = re.search(r"^store +([0-9]+)/s +([0-9]+) rows/commit +p50 +([0-9]+) us +p99 +([0-9]+) us", done.stdout, re.M)
    rows = float(own[2])
    return {"floor": {"per_s": statistics.mean(bare), "rows_per_commit": rows},
            "store": {"per_s": float(own[1]), "rows_per_commit": rows, "p50_us": float(own[3]), "p99_us": float(own[4])}}


def stats(a, server):
    done = subprocess.run([str(a.build / "nexus"), "admin", "stats", "--data", server.data], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def server(a, folder):
    """A server of its own; the senders are spread over as many guilds as there are channels."""
    import nexus
    sys.argv[1:] = [str(a.build / "nexus")]
    more = ["--database", a.postgres.create(f"server{time.monotonic_ns()}")] if a.postgres else []
    running = nexus.Server(*more, data=tempfile.mkdtemp(dir=folder))
    try:
        seed = os.path.join(running.data, "seed.jsonl")
        subprocess.run([str(a.build / "nexus"), "admin", "seed", "--data", running.data, "--users", str(a.senders), "--guilds",
                        str(a.channels), "--out", seed], check=True, capture_output=True)
        out = os.path.join(running.data, "load.json")
        load = subprocess.Popen([str(a.build / "nexus"), "load", "ws", "--url", f"ws://127.0.0.1:{running.port}", "--seed", seed,
                                 "--closed", str(a.outstanding or a.senders), "--publishers", str(a.senders), "--channels", str(a.channels),
                                 "--duration", str(a.duration), "--warmup", str(a.warmup), "--settle", "0", "--json", out,
                                 "--server-pid", str(running.process.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        profile = None
        time.sleep(a.warmup + 1)
        before = stats(a, running)
        if a.profile:
            pids = ",".join(map(str, [*running.children().values(), load.pid]))
            profile = subprocess.Popen(["perf", "record", "-q", "-F", "999", "-g", "-p", pids, "-o", a.profile, "--", "sleep",
                                        str(max(1, a.duration - 2))], stderr=subprocess.DEVNULL)
        time.sleep(max(0.5, a.duration - 1.5))
        after = stats(a, running)
        error = load.communicate(timeout=a.duration + 60)[1]
        if profile:
            profile.wait(30)
        result = json.loads(pathlib.Path(out).read_text())
        bad = {k: result[k] for k in ("failure", "lost", "duplicates", "reordered", "foreign", "refused") if result.get(k)}
        if bad:
            raise RuntimeError(f"server: {bad} {error.strip()[-200:]}")
        commits = after.get("commits", 0) - before.get("commits", 0)
        return {"per_s": result["acks"] / result["measured_s"], "ack_ms": result["ack_ms"], "server": result.get("server"),
                "client_cpu_s": result["client_cpu_s"], "measured_s": result["measured_s"],
                "rows_per_commit": (after.get("commit_rows", 0) - before.get("commit_rows", 0)) / commits if commits > 0 else None}
    finally:
        running.stop()


def main():
    a = parse()
    rounds = []
    if a.postgres:
        sys.path.insert(0, str(ROOT / "tests/lib"))
        import postgres
        a.postgres = postgres.Server().start()
        atexit.register(a.postgres.__exit__)
    if a.nice:
        os.setsid() if os.getpid() != os.getsid(0) else None
        threading.Thread(target=shares, args=(a,), daemon=True).start()
    with tempfile.TemporaryDirectory(dir=a.folder, prefix="durable-") as folder:
        for number in range(a.rounds):
            measured = {}
            if a.postgres:
                measured = postgres_floor_and_store(a, number)
            for what in a.what:
                measured[what] = measured.get(what) or {"floor": floor, "store": store, "server": server}[what](a, folder)
                subprocess.run(["sync", "-f", folder], check=False)
                print(json.dumps({"round": number + 1, "what": what, **measured[what]}), flush=True)
            rounds.append(measured)
    missed = []
    print(f"\n{a.senders} senders, {'PostgreSQL' if a.postgres else 'SQLite'}, {a.rounds} interleaved rounds of {a.duration} s, load average {os.getloadavg()[0]:.1f}\n")
    print("| what | acknowledged/s, median (min–max) | ÷ floor, median (min–max) | rows per commit | ack p50 ms | ack p99 ms |")
    print("|---|---|---|---|---|---|")
    for what in a.what:
        of = [r[what] for r in rounds]
        per_s = [m["per_s"] for m in of]
        ratios = [r[what]["per_s"] / r["floor"]["per_s"] for r in rounds] if "floor" in a.what else [float("nan")]
        p50 = [m["ack_ms"]["p50"] if "ack_ms" in m else m.get("p50_us", m.get("commit_p50_ms", 0) * 1000) / 1000 for m in of]
        p99 = [m["ack_ms"]["p99"] if "ack_ms" in m else m.get("p99_us", m.get("commit_p99_ms", 0) * 1000) / 1000 for m in of]
        sizes = [m["rows_per_commit"] for m in of if m.get("rows_per_commit")]
        print(f"| {what} | {statistics.median(per_s):,.0f} ({min(per_s):,.0f}–{max(per_s):,.0f}) | {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f}–{max(ratios):.2f}) | {statistics.median(sizes) if sizes else 0:.0f} | {statistics.median(p50):.1f} | "
              f"{statistics.median(p99):.1f} |")
        if what == "server":
            missed += ["ratio"] if statistics.median(ratios) < RATIO_LEAST else []
            missed += ["acknowledged/s"] if statistics.median(per_s) < PER_SECOND_LEAST else []
    print(f"bars: {'missed: ' + ', '.join(missed) if missed else 'met'} (server ÷ floor ≥ {RATIO_LEAST}, ≥ {PER_SECOND_LEAST:,}/s)")
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps({"rounds": rounds, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"durable: {error}")
