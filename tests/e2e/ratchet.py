"""What one delivery costs, counted and not timed: system calls, sends, completions, bytes copied, memory taken.

Counts do not depend on the machine's speed, so the bars are fixed and close to what the design says. Whoever raises one says why.
"""
import atexit, json, os, queue, shutil, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, executable, run

# Every allocation of every process below, counted in a file per process: what the engine counts itself would not show the
# malloc of a library.
COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static unsigned long fallback, *count = &fallback;
static char early[65536];
static size_t early_used;
static int is_early(void *p) { return (char *)p >= early && (char *)p < early + sizeof(early); }
static void *early_take(size_t n) { void *p = early + early_used; early_used += (n + 63) & ~63UL; return early_used <= sizeof(early) ? p : NULL; }
#define NEXT(type, name) static type (*real); static int is_looking; if (!real && !is_looking) { is_looking = 1; real = dlsym(RTLD_NEXT, name); }
#define COUNT() __atomic_fetch_add(count, 1, __ATOMIC_RELAXED)
typedef void *take1(size_t); typedef void *take2(size_t, size_t); typedef void *retake(void *, size_t); typedef void give(void *); typedef int posix(void **, size_t, size_t);
void *malloc(size_t n) { NEXT(take1, "malloc") COUNT(); return real ? real(n) : early_take(n); }
void *calloc(size_t a, size_t b) { NEXT(take2, "calloc") COUNT(); return real ? real(a, b) : early_take(a * b); }
void *realloc(void *p, size_t n) {
    NEXT(retake, "realloc") COUNT();
    if (!is_early(p)) return real(p, n);
    void *q = malloc(n); if (q) memcpy(q, p, n < (size_t)(early + sizeof(early) - (char *)p) ? n : (size_t)(early + sizeof(early) - (char *)p)); return q; }
void *aligned_alloc(size_t a, size_t n) { NEXT(take2, "aligned_alloc") COUNT(); return real(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { NEXT(posix, "posix_memalign") COUNT(); return real(p, a, n); }
void free(void *p) { NEXT(give, "free") if (!is_early(p)) real(p); }
__attribute__((constructor)) static void begin(void) {
    char path[512];
    const char *folder = getenv("MALLOC_COUNT_FOLDER");
    if (!folder) return;
    snprintf(path, sizeof(path), "%s/%d", folder, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(*count)) != 0) abort();
    void *at = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    close(fd);
    count = at;
}
"""

folder = tempfile.mkdtemp(prefix="nexus-ratchet-")


def counter_library():
    source, library = os.path.join(folder, "count.c"), os.path.join(folder, "count.so")
    with open(source, "w") as f:
        f.write(COUNTER)
    subprocess.run(["cc", "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


class Load:
    """nexus load ws, watched: `wait_measuring` returns once the warm-up is over."""

    def __init__(self, server, seed, *options):
        self.lines = queue.Queue()
        command = [executable(), "load", "ws", "--url", f"ws://127.0.0.1:{server.port}", "--seed", seed, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.shown = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            self.shown.append(line)
            self.lines.put(line)
        self.lines.put(None)

    def wait_measuring(self, seconds=60):
        end = time.monotonic() + seconds
        while True:
            line = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            assert line is not None, "the load ended early:\n" + "".join(self.shown[-10:])
            if line.startswith("measuring"):
                return

    def result(self):
        out = self.process.stdout.read()
        assert self.process.wait(60) == 0, out + "".join(self.shown[-10:])
        return json.loads(out)


def mallocs(pid):
    with open(os.path.join(folder, str(pid)), "rb") as f:
        return int.from_bytes(f.read(8), "little")


def stats(server):
    status, _, answer = server.request("GET", "/stats", port=server.admin)
    assert status == 200, answer
    return answer


def measure(guilds, sessions, *load):
    """Returns the growth of every counter over two seconds of a steady load, and that of malloc in gatewayd."""
    server = Server(shards=1, env={"LD_PRELOAD": library, "MALLOC_COUNT_FOLDER": folder})
    try:
        seed = os.path.join(server.data, "seed.jsonl")
        server.run_admin("seed", "--users", str(sessions), "--guilds", str(guilds), "--out", seed)
        gatewayd = server.children()["gatewayd"]
        assert mallocs(gatewayd) > 100, "the counter does not count"
        idle = [stats(server) for _ in range(3)]
        running = Load(server, seed, "--duration", "4", "--warmup", "2", *load)
        running.wait_measuring()
        # The counters of the loop are read over a connection, which allocates; malloc is read between, without one.
        before = stats(server)
        time.sleep(0.3)
        first = mallocs(gatewayd)
        time.sleep(1.5)
        taken = mallocs(gatewayd) - first
        time.sleep(0.1)
        after = stats(server)
        result = running.result()
        assert result["lost"] == 0 and result["duplicates"] == 0 and result["connected"] == sessions, result
        grown = {name: after[name] - before[name] for name in after if isinstance(after[name], int)}
        grown["malloc"] = taken
        grown["allocations_total"] -= idle[2]["allocations_total"] - idle[1]["allocations_total"]  # what asking costs
        assert grown["deliveries_total"] >= 2000, grown
        return grown
    finally:
        server.stop()


def check(grown, calls, sends, completions):
    n = grown["deliveries_total"]
    # What time brings and not deliveries, most on a slow machine: a heartbeat is a receive, a write and perhaps a call of its own;
    # timers and control's sign of life are at most twenty calls a second.
    other = grown["heartbeats_total"] + 40
    bars = {"loop_enters_total": calls, "sends_total": sends, "loop_completions_total": completions}
    print(f"     {n} deliveries; each: " + ", ".join(f"{name} {grown[name] / n:.4f} (at most {bar})" for name, bar in bars.items())
          + f", copied {grown['copied_bytes_total'] / n:.1f} of {grown['sent_bytes_total'] / n:.1f} bytes sent; in all: malloc {grown['malloc']}", flush=True)
    wrong = [f"{name}: {grown[name] / n:.4f} per delivery, at most {bar}" for name, bar in bars.items() if grown[name] > bar * n + other]
    if grown["loop_enters_total"] > 1.02 * grown["loop_turns_total"]:
        wrong.append(f"{grown['loop_enters_total']} calls in {grown['loop_turns_total']} turns of the loop: one each is enough")
    # One copy: from the log of events to where the kernel reads. The slack is what was copied and had not left at the edges.
    if grown["copied_bytes_total"] > grown["sent_bytes_total"] * 1.005:
        wrong.append(f"{grown['copied_bytes_total']} bytes copied for {grown['sent_bytes_total']} sent: more than one copy")
    # Nothing is taken for a delivery, by whatever name it goes.
    if grown["malloc"] != 0 or grown["allocations_total"] > 0 or grown["memory_takes_total"] != 0:
        wrong.append(f"memory taken: malloc {grown['malloc']}, heap {grown['allocations_total']}, engine {grown['memory_takes_total']}")
    # A write to a socket that is known to be full is a system call for nothing.
    if grown["sends_blocked_total"] != 0:
        wrong.append(f"{grown['sends_blocked_total']} writes to full sockets")
    assert not wrong, "; ".join(wrong)


# Where the bars come from. A slice writes to at most 128 sessions, on a machine where a write takes long to 33, and ends in one
# system call. A message comes in with one receive, goes to control, comes back with another receive; each of these wakes the
# loop once. Writes that succeed post no completion. So a message to n listeners costs at most n / 33 + 4 calls, n writes and
# 3 completions; what is above that leaves room for turns that find only a part of what belongs together.

def a_message_to_a_hundred():
    check(measure(2, 200, "--closed", "1"), calls=0.09, sends=1.03, completions=0.05)


def a_message_to_two_thousand():
    check(measure(1, 2000, "--closed", "1"), calls=0.034, sends=1.01, completions=0.006)


def eight_messages_to_two_thousand_leave_together():
    # What arrives while a pass is under way is handed out in the next one: several dispatches in one write.
    check(measure(1, 2000, "--closed", "8"), calls=0.034, sends=0.75, completions=0.006)


def fifty_messages_to_ten_each():
    # Ten writes bear the whole cost of a message, acknowledgement included; with fifty under way turns are shared.
    check(measure(200, 2000, "--closed", "50"), calls=0.15, sends=1.11, completions=0.35)


def end():
    shutil.rmtree(folder, ignore_errors=True)


library = counter_library()
atexit.register(end)
if __name__ == "__main__":
    run([a_message_to_a_hundred, a_message_to_two_thousand, eight_messages_to_two_thousand_leave_together, fifty_messages_to_ten_each])
