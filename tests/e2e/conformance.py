"""WebSocket conformance: the table of wstable.py and wsdeflate.py, strictly, against `nexus gatewayd --echo`; every short case at every TCP split.

usage: conformance.py build/release/nexus            starts the echo server itself
       conformance.py --server HOST:PORT [prefix…]   judges a running one; only the cases that begin with a prefix
"""
import os, signal, socket, subprocess, sys, time
from collections import Counter
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wsdeflate, wstable
from nexus import descriptors_of, executable, frame, free_port
from wsrun import Case, FAILED, INFORMATIONAL, NON_STRICT, OK, play

SPLIT_MAX = 64  # bytes of the cases that are sent at every split
PAUSE = 0.02    # seconds between the two halves: the server reads the first before the second comes


class Echo:
    """The echo server."""

    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen([executable(), "gatewayd", "--echo", f"127.0.0.1:{self.port}"])
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(row.split()[1]) for row in f if row.startswith("VmRSS:"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed"


def every_split(cases):
    """Returns each short case byte by byte and at every split."""
    for case in cases:
        stream = case.stream()
        if stream is None or len(stream) > SPLIT_MAX or case.name.split()[0] in wstable.INFORMATIONAL_CASES:
            continue
        yield case.in_pieces("byte by byte", lambda s: [s[i:i + 1] for i in range(len(s))], 0.002)
        for at in range(1, len(stream)):
            yield case.in_pieces(f"split at {at}", lambda s, at=at: [s[:at], s[at:]], PAUSE)


class Report:
    def __init__(self, address, prefixes):
        self.address, self.prefixes = address, prefixes
        self.failed, self.resets = 0, 0

    def wanted(self, cases):
        return [c for c in cases if not self.prefixes or any(c.name == p or c.name.startswith(p + ".") for p in self.prefixes)]

    def run(self, label, cases, count=None, parallel=64):
        """Runs one section; a deviation is printed; `count` is how many cases there must be."""
        start = time.monotonic()
        cases = self.wanted(cases)
        if not cases:
            return
        tally = Counter()
        for result in play(cases, self.address, parallel):
            may_inform = result.case.name in wstable.INFORMATIONAL_CASES
            verdict = FAILED if result.verdict == INFORMATIONAL and not may_inform else result.verdict
            tally[verdict] += 1
            self.resets += result.was_reset
            if verdict not in (OK, INFORMATIONAL):
                self.failed += 1
                if self.failed <= 200:
                    print(f"     {verdict} {result.case.name}: {result.reason}", flush=True)
        if count and not self.prefixes and sum(tally.values()) != count:
            self.failed += 1
            print(f"     the table has {sum(tally.values())} cases instead of {count}")
        words = ", ".join(f"{tally[v]} {v}" for v in (OK, NON_STRICT, INFORMATIONAL, FAILED) if tally[v])
        print(f"{'ok  ' if not tally[FAILED] and not tally[NON_STRICT] else 'FAIL'} {label}: {words} ({time.monotonic() - start:.1f} s)", flush=True)


def judge(report):
    for name, make, count in wstable.SECTIONS:
        report.run(f"section {name}", make(), count, parallel=4 if name == "9" else 64)
    report.run("section 12", wsdeflate.section_12(), 90, parallel=2)
    report.run("section 13", wsdeflate.section_13(), 126, parallel=2)
    report.run("extra cases", wstable.extras(), parallel=8)
    report.run("extra deflate cases", wsdeflate.extras(), parallel=8)
    short = [case for name, make, _ in wstable.SECTIONS if name != "9" for case in make()]
    short += list(wstable.extras()) + list(wsdeflate.extras())
    report.run("short cases at every split", every_split(report.wanted(short)), parallel=250)


def main():
    if sys.argv[1:2] == ["--server"]:
        host, port = sys.argv[2].rsplit(":", 1)
        report = Report((host, int(port)), sys.argv[3:])
        judge(report)
    else:
        echo = Echo()
        report = Report(("127.0.0.1", echo.port), [])
        report.run("warm-up", [Case("hello", [frame(1, b"hello")], [("text", b"hello")])])
        time.sleep(0.5)  # What starts beside the first connection is open by now.
        before = descriptors_of(echo.process.pid)
        judge(report)
        end = time.monotonic() + 5
        while descriptors_of(echo.process.pid) > before and time.monotonic() < end:
            time.sleep(0.1)
        left = descriptors_of(echo.process.pid) - before
        print(f"{'ok  ' if not left else 'FAIL'} the server holds {left:+d} descriptors; RSS {echo.rss_kib()} KiB")
        code = echo.stop()
        print(f"{'ok  ' if code == 0 else 'FAIL'} the server ended with {code}")
        report.failed += (left != 0) + (code != 0)
    print(f"{report.failed} deviations; {report.resets} connections were reset after the close")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
