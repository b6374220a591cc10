"""Parts of the server fail or lie: control is gone or frozen, the database is locked or its disk full, clocks jump. Sockets live, what cannot be
done is said within two seconds and may be tried again, nothing acknowledged is lost, and all is well again without an operator."""
import fcntl, json, os, resource, shutil, signal, sqlite3, struct, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Closed, Gateway, Server, WebSocket, run

IN_TIME = 2.0  # seconds for a send that cannot be done to be told so
OVERLOADED = 130000


class Community:
    """A server with two people in a channel, both connected; `env` goes to its processes."""

    def __init__(self, env=None):
        self.server = Server(shards=1, env=env)
        self.ann, self.bob = self.server.register("ann"), self.server.register("bob")
        guild = self.ann.api("POST", "/guilds", {"name": "Home"})
        self.channel = next(c for c in guild["channels"] if c["type"] == 0)["id"]
        code = self.ann.api("POST", f"/channels/{self.channel}/invites", {})["code"]
        self.bob.api("POST", f"/invites/{code}")
        self.a, self.b = self.ann.gateway(), self.bob.gateway()
        self.b.wait("GUILD_CREATE")
        self.sent = 0

    def send(self):
        """Sends by op 67 and waits for the one answer; returns (its name, the nonce, seconds)."""
        self.sent += 1
        nonce, start = f"n-{self.sent}", time.monotonic()
        self.a.send(67, {"channel_id": self.channel, "content": nonce, "nonce": nonce})
        answer = self.a.until(f"an answer to {nonce}", lambda: next((e for e in self.a.events if e["t"] in ("NEXUS_MESSAGE_ACK", "NEXUS_MESSAGE_REFUSED")
                                                                    and e["d"]["nonce"] == nonce), None))
        if answer["t"] == "NEXUS_MESSAGE_REFUSED":
            assert answer["d"]["code"] == OVERLOADED, answer
        return answer["t"], nonce, time.monotonic() - start

    def refused(self):
        """A send that must be refused in time; its nonce."""
        name, nonce, seconds = self.send()
        assert name == "NEXUS_MESSAGE_REFUSED" and seconds < IN_TIME, (name, seconds)
        return nonce

    def post(self):
        """Sends by REST; returns (status, seconds)."""
        self.sent += 1
        start = time.monotonic()
        body = {"content": f"n-{self.sent}", "nonce": f"n-{self.sent}"}
        status, headers, answer = self.server.request("POST", f"/api/v1/channels/{self.channel}/messages", body, self.ann.token)
        if status == 503:
            assert answer["code"] == OVERLOADED and headers["Retry-After"], (answer, headers)
        return status, time.monotonic() - start

    def works(self, seconds=10):
        """Waits until a send is acknowledged; then the other one hears it."""
        end = time.monotonic() + seconds
        while True:
            name, nonce, _ = self.send()
            if name == "NEXUS_MESSAGE_ACK":
                break
            assert time.monotonic() < end, "sends are still refused"
            time.sleep(0.1)
        self.b.until("the message", lambda: [m for m in self.b.messages(self.channel) if m["content"] == nonce])

    def beats(self):
        """Both sockets live: a heartbeat is answered at once."""
        for session in (self.a, self.b):
            before = session.acks
            session.send(1, session.seq)
            session.until("a heartbeat's ACK", lambda: session.acks > before, seconds=2)
            assert not session.closed

    def end(self):
        """What was acknowledged is stored, what is stored was heard by the other one or he was told where to look; once, and in order."""
        history, after = [], 0
        while page := self.server.api("GET", f"/channels/{self.channel}/messages?after_seq={after}&limit=100", token=self.token()):
            history += page
            after = max(m["seq"] for m in page)
        seqs = [m["seq"] for m in history]
        assert seqs == list(range(1, len(seqs) + 1)), seqs
        assert [int(m["id"]) for m in history] == sorted({int(m["id"]) for m in history}), "the order of ids is that of seqs"
        contents = [m["content"] for m in history]
        assert len(contents) == len(set(contents)), "stored twice"
        acked = {e["d"]["nonce"] for e in self.a.events if e["t"] == "NEXUS_MESSAGE_ACK"}
        assert acked <= set(contents), acked - set(contents)
        answered = [e["d"]["nonce"] for e in self.a.events if e["t"] in ("NEXUS_MESSAGE_ACK", "NEXUS_MESSAGE_REFUSED")]
        assert len(answered) == len(set(answered)), "answered twice"

        def heard():
            got = [m["seq"] for m in self.b.messages(self.channel)]
            assert got == sorted(set(got)), got
            told = max([e["d"]["last_seq"] for e in self.b.events if e["t"] == "NEXUS_RESYNC" and e["d"]["channel_id"] == self.channel], default=0)
            return all(seq in got or seq <= told for seq in seqs)
        self.b.until("all that is stored", heard)
        self.server.stop()

    def token(self):
        return self.ann.token


def until(what, check, seconds=10):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not {what} within {seconds} s"
        time.sleep(0.02)


def sends_wait_for_a_control_that_comes_back_soon():
    c = Community()
    control = c.server.children()["control"]
    os.kill(control, signal.SIGKILL)
    until("unready", lambda: c.server.request("GET", "/readyz")[0] == 503 or c.server.children_now().get("control", control) != control)
    name, _, seconds = c.send()
    assert name == "NEXUS_MESSAGE_ACK" or seconds > 1, (name, seconds)  # a slow start may take longer than a send waits
    c.works()
    c.beats()
    c.end()
    print(f"     {name} after {seconds:.2f} s", flush=True)


def a_control_that_stays_away_fails_sends_and_nothing_else():
    c = Community()
    c.works()
    # Whoever holds the lock of the database keeps a new control from starting.
    lock = open(os.path.join(c.server.data, "nexus.db.lock"), "a")
    os.kill(c.server.children()["control"], signal.SIGKILL)
    until("locked", lambda: not try_lock(lock))
    start, gone = time.monotonic(), []
    while time.monotonic() - start < 4:
        gone.append(c.refused())
        status, seconds = c.post()
        assert status == 503 and seconds < IN_TIME, (status, seconds)
    c.beats()
    fresh = WebSocket(c.server.port)
    fresh.json({"op": 2, "d": {"token": c.bob.token, "intents": 513, "properties": {}}})
    assert fresh.close_code() == 4000
    seq = c.b.seq
    c.b.cut()
    again = Gateway(c.server.port, c.bob.token, resume=(c.b.session_id, seq))
    again.wait("RESUMED")  # what the gateway knows by itself goes on
    again.events[:0], c.b = c.b.events, again
    fcntl.flock(lock, fcntl.LOCK_UN)
    c.works(20)
    c.beats()
    history = {m["content"] for m in c.bob.api("GET", f"/channels/{c.channel}/messages?limit=100")}
    assert not history & set(gone), "refused before anybody could store it"
    c.end()
    print(f"     {len(gone)} refused meanwhile", flush=True)


def try_lock(lock):
    """Returns 0 when the lock is ours."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return 0
    except BlockingIOError:
        return 1


def a_frozen_control_is_as_good_as_none():
    c = Community()
    c.works()
    control = c.server.children()["control"]
    os.kill(control, signal.SIGSTOP)
    try:
        start = time.monotonic()
        while time.monotonic() - start < 5:
            c.refused()
        c.beats()
    finally:
        os.kill(control, signal.SIGCONT)
    c.works()
    assert c.server.children()["control"] == control
    c.end()


def a_locked_database_refuses_sends_and_goes_on_reading():
    c = Community()
    c.works()
    other = sqlite3.connect(os.path.join(c.server.data, "nexus.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    while time.monotonic() - start < 4:
        c.refused()
        status, seconds = c.post()
        assert status == 503 and seconds < IN_TIME, (status, seconds)
        c.bob.api("GET", f"/channels/{c.channel}/messages")
    typing = len(c.b.events)
    c.ann.api("POST", f"/channels/{c.channel}/typing")
    c.b.wait("TYPING_START", after=typing)
    c.beats()
    late = c.bob.gateway()  # who has a token comes in
    late.wait("GUILD_CREATE")
    other.execute("ROLLBACK")
    other.close()
    c.works()
    late.close()
    c.end()


def a_full_disk_refuses_sends_and_goes_on_reading():
    c = Community()
    c.works()
    control = c.server.children()["control"]
    resource.prlimit(control, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        for _ in range(3):
            c.refused()
            status, seconds = c.post()
            assert status == 503 and seconds < IN_TIME, (status, seconds)
        assert c.bob.api("GET", f"/channels/{c.channel}/messages")
        c.beats()
    finally:
        resource.prlimit(control, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    c.works()
    assert c.server.children()["control"] == control, "control lives on"
    c.end()


SHIFT = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t *shift_s;
__attribute__((constructor)) static void begin(void)
{
    const int fd = open(getenv("TEST_CLOCK"), O_RDONLY);
    void *at = mmap(NULL, sizeof(*shift_s), PROT_READ, MAP_SHARED, fd, 0);
    shift_s = at == MAP_FAILED ? NULL : at;
}
int clock_gettime(clockid_t clock, struct timespec *out)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (clock == CLOCK_REALTIME && shift_s != NULL) {
        out->tv_sec += *shift_s;
    }
    return result;
}
"""


class Clock:
    """The wall clock of all processes that start with `env`: set() moves it by so many seconds from the real one."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-clock-")
        source, library, self.path = (os.path.join(self.folder, name) for name in ("shift.c", "shift.so", "shift"))
        with open(source, "w") as f:
            f.write(SHIFT)
        self.set(0)
        subprocess.run([shutil.which("cc") or "gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.env = {"LD_PRELOAD": library, "TEST_CLOCK": self.path, "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "w+b") as f:
            f.write(struct.pack("=q", seconds))


def clocks_that_jump_change_nothing_but_dates():
    clock = Clock()
    c = Community(env=clock.env)
    c.works()
    started = c.server.children()
    for hours in (3, -3, 20, 0):
        clock.set(hours * 3600)
        time.sleep(0.3)
        c.works()  # sockets outlive their tokens
        c.beats()
        seq = c.b.seq
        c.b.cut()
        c.ann.token, c.ann.refresh = login(c, "ann")
        c.ann.api("POST", f"/channels/{c.channel}/messages", {"content": f"at {hours} h"})
        again = Gateway(c.server.port, c.bob.token, resume=(c.b.session_id, seq))
        again.wait("RESUMED")  # with a token that has expired, or is from the future
        again.wait("MESSAGE_CREATE", lambda d: d["content"] == f"at {hours} h")
        again.events[:0], c.b = c.b.events, again
        fresh = Gateway(c.server.port, c.ann.token)
        fresh.close()
    assert c.server.children() == started, "nobody was restarted"
    # A logout by the operator hits the logins before it, whatever the clock says, and not the next one.
    clock.set(-5 * 3600)
    old = c.ann.gateway(identify=False)
    old.send(2, {"token": c.ann.token, "intents": 513, "properties": {}})
    c.server.run_admin("user", "logout", "ann")
    assert c.a.wait_closed() == 4004, c.a.closed
    c.ann.token, _ = login(c, "ann")
    fresh = Gateway(c.server.port, c.ann.token)
    fresh.close()
    c.end()
    shutil.rmtree(clock.folder)


def login(c, name):
    answer = c.server.api("POST", "/auth/login", {"username": name, "password": "correct horse battery"})
    return answer["access_token"], answer["refresh_token"]


if __name__ == "__main__":
    run([sends_wait_for_a_control_that_comes_back_soon, a_control_that_stays_away_fails_sends_and_nothing_else, a_frozen_control_is_as_good_as_none,
         a_locked_database_refuses_sends_and_goes_on_reading, a_full_disk_refuses_sends_and_goes_on_reading, clocks_that_jump_change_nothing_but_dates])
