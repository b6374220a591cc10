#!/usr/bin/env python3
"""Fan-out cost of gatewayd beside the least possible (bench/floor/ws_limit.c) and two installable peers.

usage: bench/fanout.py [--build build/release] [--rounds N] [--quick] [--cases LIST] [--servers LIST] [--json FILE]

Rounds are interleaved: in each round every server runs every case, in an order that changes from round to round, so that
what drifts on the machine hits all of them. The server has one processor, the client (nexus load) another. CPU per
delivery is what the kernel charged the server's threads in the measured interval, divided by the deliveries the client
checked in it. The ratio is the median of the rounds' ratios to the floor of the same round and case.

cases    max1         one room of 10,000, one broadcast outstanding: no two messages can share a write
         max8         the same with eight outstanding
         rooms        1,000 rooms of 10, 5,000 messages a second
         rooms-closed 1,000 rooms of 10, 2,000 messages outstanding
         beats        nexus only: max8, while 8 sessions of a quiet guild, held by a process of their own, time their
                      heartbeats (not in the default list)
servers  floor nexus bun ws

For nexus the client stands in for control and injects the events on the bus; for the others one client of each room says
them. Exit code: 0 measured; 1 something was lost, repeated or did not run; 2 usage.
"""
import argparse, json, os, pathlib, shlex, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = {"bun": "1.4.5", "ws": "8.23.0"}
CASES = {
    "max1": ["--mode", "max1"],
    "max8": ["--mode", "max8"],
    "rooms": ["--mode", "rooms", "--rate", "5000"],
    "rooms-closed": ["--mode", "rooms", "--closed", "2000"],
}
BEATS = "beats"
BEATS_BAR_MS = 5
BARS = {"max1": 1.15, "max8": 1.20, "rooms": 1.25}


def parse():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--build", default="build/release", help="folder with the nexus executable and the engine's libraries")
    p.add_argument("--work", default=None, help="folder for the floor program and the peers [BUILD/bench]")
    p.add_argument("--rounds", type=int, default=None, help="interleaved rounds [5, with --quick 2]")
    p.add_argument("--quick", action="store_true", help="two short rounds: does it run, not how fast is it")
    p.add_argument("--cases", default="max1,max8,rooms,rooms-closed")
    p.add_argument("--servers", default="floor,nexus,bun,ws")
    p.add_argument("--sessions", type=int, default=10000)
    p.add_argument("--rooms", type=int, default=None, help="rooms of the rooms cases [sessions / 10]")
    p.add_argument("--size", type=int, default=150)
    p.add_argument("--duration", type=float, default=None, help="measured seconds [8, with --quick 3]")
    p.add_argument("--warmup", type=float, default=2)
    p.add_argument("--server-cpu", type=int, default=0)
    p.add_argument("--client-cpu", type=int, default=1)
    p.add_argument("--port", type=int, default=21700, help="first port used")
    p.add_argument("--load", default=None, help="command of the load tool [BUILD/nexus load]")
    p.add_argument("--gatewayd", default=None, help="command of gatewayd; {port} {admin} {bus} {data} are replaced")
    p.add_argument("--json", default=None, help="every result, as JSON")
    p.add_argument("--markdown", default=None, help="the table, also to this file")
    a = p.parse_args()
    a.build = (ROOT / a.build).resolve()
    a.work = pathlib.Path(a.work).resolve() if a.work else a.build / "bench"
    a.rounds = a.rounds or (2 if a.quick else 5)
    a.duration = a.duration or (3 if a.quick else 8)
    a.cases = a.cases.split(",")
    a.servers = a.servers.split(",")
    unknown = [c for c in a.cases if c not in CASES and c != BEATS] + [s for s in a.servers if s not in ("floor", "nexus", "bun", "ws")]
    if unknown:
        p.error(f"what is {unknown[0]}?")
    a.load = shlex.split(a.load) if a.load else [str(a.build / "nexus"), "load"]
    a.gatewayd = shlex.split(a.gatewayd) if a.gatewayd else [
        str(a.build / "nexus"), "gatewayd", "--data", "{data}", "--bus", "{bus}", "--listen", "127.0.0.1:{port}",
        "--admin", "127.0.0.1:{admin}", "--shards", "1", "--no-rate-limit"]
    return a


# ---- what must be there -------------------------------------------------------------------------

def floor_build(a):
    program = a.work / "ws_limit"
    source = ROOT / "bench/floor/ws_limit.c"
    libraries = [a.build / f"libengine_{name}.a" for name in ("io", "wire", "crypto", "base")]
    newest = max(p.stat().st_mtime for p in [source, *libraries])
    if not program.exists() or program.stat().st_mtime < newest:
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-O3", "-march=native", "-I", str(ROOT),
                        str(source), *map(str, libraries), "-luring", "-lssl", "-lcrypto", "-lz", "-lpthread", "-o",
                        str(program)], check=True)
    return program


def peers_install(a):
    """Returns the folder whose node_modules holds the peers, and which of them work."""
    folder = a.work / "peers"
    wanted = [s for s in a.servers if s in PEERS]
    if not wanted:
        return folder, []
    missing = [s for s in wanted if not (folder / "node_modules" / s).exists()]
    if missing and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private":true}\n')
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"] + [f"{s}@{v}" for s, v in PEERS.items()],
                       cwd=folder, stdout=subprocess.DEVNULL)
    working = []
    for s in wanted:
        probe = [str(bun_program(folder)), "--version"] if s == "bun" else ["node", "-e", "require('ws')"]
        try:
            fine = subprocess.run(probe, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        except OSError:
            fine = False
        if fine:
            working.append(s)
        else:
            print(f"fanout: {s} cannot be run here and is left out", file=sys.stderr)
    return folder, working


def bun_program(folder):
    """The native executable itself, so that its process is the one that is measured."""
    for path in sorted(folder.glob("node_modules/@oven/bun-*/bin/bun")) + [folder / "node_modules/bun/bin/bun.exe"]:
        if path.exists():
            return path.resolve()
    return folder / "node_modules/.bin/bun"


# ---- one measurement ----------------------------------------------------------------------------

def pinned(cpu):
    def prepare():
        os.setsid()  # niceness and fair shares count per session
        os.sched_setaffinity(0, {cpu})
    return prepare


def wait_listening(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def server_command(a, name, port, folder, scratch):
    if name == "floor":
        return [str(a.work / "ws_limit"), str(port)]
    if name == "bun":
        return [str(bun_program(folder)), str(ROOT / "bench/peers/bun_room.js"), str(port)]
    if name == "ws":
        return ["node", str(ROOT / "bench/peers/ws_room.mjs"), str(port), str(folder)]
    words = {"port": port, "admin": port + 1, "bus": f"{scratch}/bus.sock", "data": f"{scratch}/data"}
    return [w.format(**words) for w in a.gatewayd]


def result_read(name, case, path, code, errors):
    if not os.path.exists(path):
        raise RuntimeError(f"{name} {case}: {errors.decode(errors='replace')[-400:]}")
    result = json.load(open(path))
    result["exit"] = code
    return result


def pinned_first(cpu):
    """As pinned(), but ahead of the client that shares the processor: the probe must time the server, not its own wait."""
    prepare = pinned(cpu)
    def prepare_first():
        prepare()
        try:
            os.nice(-15)
        except PermissionError:
            pass
    return prepare_first


def measure_beats(a, command, scratch, port):
    seed, out = f"{scratch}/probes.json", f"{scratch}/beats.json"
    command = command + ["--mode", "max8", "--probes", "8", "--probe-seed", seed, "--duration", f"{a.duration + 4:g}"]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=pinned(a.client_cpu))
    try:
        for line in client.stderr:
            if line.startswith(b"measuring"):
                break
        probe = subprocess.run(a.load + ["ws", "--seed", seed, "--url", f"ws://127.0.0.1:{port}", "--heartbeat", "20",
                                         "--duration", f"{a.duration:g}", "--warmup", "0.5", "--json", out],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=pinned_first(a.client_cpu),
                               timeout=120)
        rest = client.stderr.read()
        beats = result_read("nexus", BEATS, out, probe.returncode, probe.stderr)["heartbeat_ms"]
        result = result_read("nexus", BEATS, f"{scratch}/result.json", client.wait(), rest)
        result["heartbeat_ms"] = beats
        return result
    finally:
        end(client)


def measure(a, name, case, port, folder):
    with tempfile.TemporaryDirectory(prefix="nexus-fanout-") as scratch:
        os.mkdir(f"{scratch}/data", 0o700)
        out = f"{scratch}/result.json"
        log = open(f"{scratch}/server.log", "w+b")
        server = subprocess.Popen(server_command(a, name, port, folder, scratch), stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, preexec_fn=pinned(a.server_cpu))
        try:
            if not wait_listening(port, server):
                log.seek(0)
                raise RuntimeError(f"{name} does not listen: {log.read().decode(errors='replace')[-400:]}")
            rooms = ["--rooms", str(a.rooms or max(1, a.sessions // 10))] if case.startswith("rooms") else []
            command = a.load + (["fanout", "--bus", f"{scratch}/bus.sock"] if name == "nexus" else ["raw"]) + [
                "--url", f"ws://127.0.0.1:{port}", "--sessions", str(a.sessions), "--size", str(a.size), "--duration",
                f"{a.duration:g}", "--warmup", f"{a.warmup:g}", "--server-pids", str(server.pid), "--json", out]
            if case == BEATS:
                return measure_beats(a, command, scratch, port)
            command += [*CASES[case], *rooms]
            client = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    preexec_fn=pinned(a.client_cpu), timeout=300)
            return result_read(name, case, out, client.returncode, client.stderr)
        finally:
            end(server)
            log.close()


# ---- the table ----------------------------------------------------------------------------------

def beats_table(a, results):
    mine = [r["heartbeat_ms"] for r in results if r["case"] == BEATS]
    if not mine:
        return []
    p99 = [b["p99"] for b in mine]
    verdict = "met" if statistics.median(p99) <= BEATS_BAR_MS else "MISSED"
    return [f"\n**heartbeat answered while one channel broadcasts to {a.sessions} as fast as it can** ({a.rounds} rounds)\n",
            "| heartbeats | p50 ms | p99 ms, median (min–max) | max ms | bar: p99 at most 5 ms |", "|---|---|---|---|---|",
            f"| {sum(b['count'] for b in mine)} | {statistics.median(b['p50'] for b in mine):.2f} "
            f"| {statistics.median(p99):.2f} ({min(p99):.2f}–{max(p99):.2f}) | {max(b['max'] for b in mine):.2f} | {verdict} |"]


def table(a, results):
    rows = []
    for case in a.cases:
        if case == BEATS:
            rows += beats_table(a, results)
            continue
        rows.append(f"\n**{case}** ({a.sessions} connections, {a.size} bytes, {a.rounds} interleaved rounds of {a.duration:g} s)\n")
        rows.append("| server | CPU µs per delivery, median (min–max) | × floor, median (min–max) | deliveries/s | p50 ms | p99 ms "
                    "| KiB per connection | connects/s | lost, repeated |")
        rows.append("|---|---|---|---|---|---|---|---|---|")
        for name in a.servers:
            mine = [r for r in results if r["server_name"] == name and r["case"] == case]
            if not mine:
                continue
            cpu = [r["server"]["cpu_us_per_delivery"] for r in mine]
            floors = {r["round"]: r["server"]["cpu_us_per_delivery"] for r in results
                      if r["server_name"] == "floor" and r["case"] == case}
            ratios = [r["server"]["cpu_us_per_delivery"] / floors[r["round"]] for r in mine if floors.get(r["round"])]
            mid = lambda get: statistics.median(get(r) for r in mine)
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "–"
            rows.append(f"| {name} | {statistics.median(cpu):.2f} ({min(cpu):.2f}–{max(cpu):.2f}) | {ratio} "
                        f"| {mid(lambda r: r['deliveries_per_s']):,.0f} | {mid(lambda r: r['latency_ms']['p50']):.1f} "
                        f"| {mid(lambda r: r['latency_ms']['p99']):.1f} "
                        f"| {mid(lambda r: r['server']['rss_per_session_bytes']) / 1024:.2f} "
                        f"| {mid(lambda r: r['connects_per_s']):,.0f} "
                        f"| {sum(r['lost'] for r in mine)}, {sum(r['duplicates'] for r in mine)} |")
            if name == "nexus" and case in BARS and ratios:
                verdict = "met" if statistics.median(ratios) <= BARS[case] else "MISSED"
                rows.append(f"| | bar: at most {BARS[case]:.2f} × floor: {verdict} | | | | | | | |")
    return "\n".join(rows).replace("\n\n|", "\n|")


def main():
    a = parse()
    a.work.mkdir(parents=True, exist_ok=True)
    if "floor" in a.servers:
        floor_build(a)
    folder, working = peers_install(a)
    a.servers = [s for s in a.servers if s not in PEERS or s in working]
    results, bad, port = [], 0, a.port
    for number in range(a.rounds):
        order = a.servers[number % len(a.servers):] + a.servers[:number % len(a.servers)]
        for case in a.cases:
            for name in order if case != BEATS else ["nexus"]:
                port += 2
                try:
                    result = measure(a, name, case, port, folder)
                except (RuntimeError, subprocess.TimeoutExpired, ValueError) as problem:
                    print(f"round {number + 1} {case} {name}: {problem}", file=sys.stderr)
                    bad += 1
                    continue
                bad += result["exit"] != 0
                result.update(round=number, case=case, server_name=name)
                results.append(result)
                print(f"round {number + 1} {case:12} {name:6} {result['server']['cpu_us_per_delivery']:7.3f} µs per delivery "
                      f"{result['deliveries_per_s']:12,.0f} deliveries/s  lost {result['lost']} repeated {result['duplicates']}"
                      f"{'' if result['exit'] == 0 else '  NOT GOOD: ' + str(result['failure'])}", file=sys.stderr, flush=True)
    text = table(a, results)
    print(text)
    if a.markdown:
        pathlib.Path(a.markdown).write_text(text + "\n")
    if a.json:
        summary = {"sessions": a.sessions, "size": a.size, "duration_s": a.duration, "rounds": a.rounds,
                   "machine": os.uname().release, "results": results}
        pathlib.Path(a.json).write_text(json.dumps(summary) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
