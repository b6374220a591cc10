"""The bars that take time, measured: memory, connects, heartbeats beside a broadcast, durable chat with 10,000 connected.

usage: python3 tests/e2e/bars.py build/release/nexus [--only NAME,…] [--sessions N] [--duration S] [--report] [--nice N]

Prints one JSON line per bar and a last one with all; exit 1 when one is missed. --report measures and never fails: for a busy
machine. Times mean something only on a machine that does nothing else: the waited share is how much of the time the server was ready
to run and did not; --nice -15 puts it ahead of the rest where the kernel allows.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Server, executable

MIB, KIB = 1 << 20, 1 << 10
CPUS = sorted(os.sched_getaffinity(0))


class Bars:
    def __init__(self, options):
        self.options, self.results, self.missed = options, {}, []

    def say(self, name, bars, **measured):
        """`bars` is {measured name: (least, most)}, either None."""
        result = {"bar": name, **measured}
        for key, (least, most) in bars.items():
            value = measured[key]
            if (least is not None and value < least) or (most is not None and value > most):
                result.setdefault("missed", []).append(f"{key} {value} is not {'at least' if least is not None and value < least else 'at most'} {least if least is not None and value < least else most}")
        if "missed" in result:
            self.missed.append(name)
        self.results[name] = result
        print(json.dumps(result), flush=True)


def load(server, seed, *options, cpu=None, scheme="ws", wait=True, is_first=False):
    """Runs nexus load ws to its end, or starts it; its result says what it saw also when that is not good."""
    out = os.path.join(server.data, f"load-{time.monotonic_ns()}.json")
    command = [executable(), "load", "ws", "--url", f"{scheme}://127.0.0.1:{server.port}", "--seed", seed, "--json", out, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: on_cpu(cpu, is_first))
    process.out = out
    return result_of(process) if wait else process


def result_of(process):
    errors = process.communicate(timeout=300)[1]
    assert os.path.exists(process.out), errors[-600:]
    with open(process.out) as f:
        return json.load(f)


def wait_measuring(process):
    for line in process.stderr:
        if line.startswith("measuring"):
            return
    raise AssertionError("the load ended before it measured")


def on_cpu(cpu, is_first=False):
    """`is_first`: ahead of the client that shares the CPU, so that it times the server and not its own wait."""
    if cpu is not None:
        os.sched_setaffinity(0, [cpu])
    priority(-15 if is_first else 0)


def priority(nice):
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        pass


class Placed(Server):
    """The server on `cpus` and with the priority that was asked for."""

    nice = 0

    def __init__(self, *options, cpus=CPUS, **named):
        self.cpus = cpus
        super().__init__(*options, **named)

    def start(self):
        os.sched_setaffinity(0, self.cpus)
        priority(self.nice)
        try:
            super().start()
        finally:
            os.sched_setaffinity(0, CPUS)
            priority(0)


def seed_of(server, name, users, guilds):
    path = os.path.join(server.data, name)
    server.run_admin("seed", "--users", str(users), "--guilds", str(guilds), "--out", path)
    return path


def rss(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def waited_ms(pid):
    """How long the threads of a process were ready to run while others ran: what a busy machine adds to every time below."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[1])
    return total / 1e6


def good(result, sessions):
    return {"connected": result["connected"], "lost": result["lost"], "duplicates": result["duplicates"], "cut": result["cut"]}


SOUND = {"lost": (0, 0), "duplicates": (0, 0), "cut": (0, 0)}


def memory_and_connects(bars):
    """Plain: gatewayd's whole memory with everybody identified; connects per second with both daemons on one core."""
    n = bars.options.sessions
    server = Placed(shards=1, cpus=CPUS[:1])
    try:
        seed = seed_of(server, "seed.jsonl", n, max(1, n // 10))
        gatewayd = server.children()["gatewayd"]
        empty = rss(gatewayd)
        holder = load(server, seed, "--settle", "2", "--duration", "2", "--warmup", "1", "--rate", "50", cpu=CPUS[-1], wait=False)
        wait_measuring(holder)
        held = rss(gatewayd)
        result = result_of(holder)
        bars.say("memory_plain", {"gatewayd_rss_mib": (None, 64), "connected": (n, None), **SOUND}, gatewayd_rss_mib=round(held / MIB, 1), empty_mib=round(empty / MIB, 1),
                 per_session_bytes=round((held - empty) / n), **good(result, n))
        bars.plain_per_session = (held - empty) / n
        runs = [load(server, seed, "--settle", "0", "--duration", "1", "--server-pid", str(server.process.pid), cpu=CPUS[-1]) for _ in range(3)]
        rates = [run["connects_per_s"] for run in runs]
        bars.say("connects_plain_one_core", {"connects_per_s": (5000, None)}, connects_per_s=round(sorted(rates)[1]), all=[round(rate) for rate in rates],
                 cpu_us_per_connect=[round(run["server"]["cpu_us_per_connect"]) for run in runs])
    finally:
        server.stop()


def memory_tls(bars):
    """What TLS adds to a session."""
    n = bars.options.sessions
    folder = tempfile.mkdtemp(prefix="nexus-bars-")
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)

    class Tls(Placed):
        def request(self, *arguments, **named):
            out = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port}"], input=b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                 capture_output=True, timeout=15).stdout
            return (int(out.split()[1]) if out.startswith(b"HTTP/1.1 ") else 0), {}, b""

    server = Tls("--tls-cert", certificate, "--tls-key", key, shards=1)
    try:
        seed = seed_of(server, "seed.jsonl", n, max(1, n // 10))
        gatewayd = server.children()["gatewayd"]
        empty = rss(gatewayd)
        holder = load(server, seed, "--insecure", "--settle", "3", "--duration", "2", "--warmup", "1", "--rate", "50", scheme="wss", wait=False)
        wait_measuring(holder)
        held = rss(gatewayd)
        result = result_of(holder)
        plain = getattr(bars, "plain_per_session", 0)
        bars.say("memory_tls", {"more_per_session_kib": (None, 18), "connected": (n, None), **SOUND}, more_per_session_kib=round(((held - empty) / n - plain) / KIB, 2),
                 gatewayd_rss_mib=round(held / MIB, 1), connects_per_s=round(result["connects_per_s"]), **good(result, n))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def heartbeats_beside_a_broadcast(bars):
    """One channel of everybody as fast as it goes; eight sessions of another guild on the same shard time their heartbeats."""
    n = bars.options.sessions
    server = Placed(shards=1, cpus=CPUS[:1])
    try:
        crowd, quiet = seed_of(server, "crowd.jsonl", n, 1), seed_of(server, "quiet.jsonl", 8, 1)
        # The bar is about the shard: its core is its own.
        subprocess.run(["taskset", "-a", "-c", "-p", str(CPUS[-1]), str(server.children()["control"])], check=True, capture_output=True)
        seconds = bars.options.duration
        running = load(server, crowd, "--closed", "8", "--duration", str(seconds + 4), "--warmup", "2", cpu=CPUS[-1], wait=False)
        wait_measuring(running)
        gatewayd = server.children()["gatewayd"]
        waited = waited_ms(gatewayd)
        beats = load(server, quiet, "--heartbeat", "20", "--settle", "0", "--warmup", "0", "--duration", str(seconds), cpu=CPUS[-1], is_first=True)["heartbeat_ms"]
        waited = waited_ms(gatewayd) - waited
        result = result_of(running)
        bars.say("heartbeats_beside_a_broadcast", {"p99_ms": (None, 5), "connected": (n, None), **SOUND}, p50_ms=beats["p50"], p99_ms=beats["p99"], max_ms=beats["max"], heartbeats=beats["count"], gatewayd_waited_share=round(waited / (seconds * 1000), 3),
                 deliveries_per_s=round(result["deliveries_per_s"]),
                 longest_slice_ms=round(server.request("GET", "/stats", port=server.admin)[2]["loop_slice_max_ns"] / 1e6, 2), **good(result, n))
    finally:
        server.stop()


def durable(bars, name, rate, channels, listeners, most):
    """Messages that are committed before they are heard, both daemons on both cores, everybody else connected.

    Warm is when the store's log has its full length: until then it takes new blocks, which a file system commits slowly.
    """
    n = bars.options.sessions
    server = Placed(shards=1)
    try:
        seed = seed_of(server, "seed.jsonl", n, n // listeners)
        children = server.children().values()
        running = load(server, seed, "--rate", str(rate), "--channels", str(channels), "--publishers", str(max(channels, min(100, listeners))), "--warmup", "10", "--duration", str(bars.options.duration), "--server-pid",
                       str(server.process.pid), wait=False)
        wait_measuring(running)
        start, waited = time.monotonic(), sum(map(waited_ms, children))
        time.sleep(bars.options.duration * 0.8)
        share = (sum(map(waited_ms, children)) - waited) / (time.monotonic() - start) / 1000
        result = result_of(running)
        bars.say(name, {"p99_ms": (None, most), "connected": (n, None), "messages_per_s": (rate * 0.98, None), **SOUND}, p50_ms=result["latency_ms"]["p50"], p99_ms=result["latency_ms"]["p99"],
                 max_ms=result["latency_ms"]["max"], ack_p99_ms=result["ack_ms"]["p99"], messages_per_s=result["messages_per_s"], deliveries_per_s=round(result["deliveries_per_s"]),
                 cpu_us_per_delivery=result["server"]["cpu_us_per_delivery"], server_waited_share=round(share, 3), **good(result, n))
    finally:
        server.stop()


def durable_one_channel_of_100(bars):
    durable(bars, "durable_one_channel_of_100", 1000, 1, 100, 50)


def durable_1000_channels_of_10(bars):
    durable(bars, "durable_1000_channels_of_10", 5000, bars.options.sessions // 10, 10, 100)


ALL = [memory_and_connects, memory_tls, heartbeats_beside_a_broadcast, durable_one_channel_of_100, durable_1000_channels_of_10]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("executable", nargs="?")
    parser.add_argument("--only", default="")
    parser.add_argument("--sessions", type=int, default=10000)
    parser.add_argument("--duration", type=int, default=10)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--nice", type=int, default=0)
    bars = Bars(parser.parse_args())
    Placed.nice = bars.options.nice
    for bar in ALL:
        if not bars.options.only or bar.__name__ in bars.options.only.split(","):
            try:
                bar(bars)
            except Exception as error:  # each bar stands alone
                bars.missed.append(bar.__name__)
                print(json.dumps({"bar": bar.__name__, "failure": repr(error)}), flush=True)
    print(json.dumps({"load_average": os.getloadavg()[0], "missed": bars.missed, "results": bars.results}))
    sys.exit(1 if bars.missed and not bars.options.report else 0)
