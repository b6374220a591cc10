"""Control under hostile use: answers larger than a link's window, guilds larger than an event, races, options, the admin tool."""
import http.client, json, os, signal, socket, sqlite3, struct, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, Gateway, executable, free_port, run

server = Server(shards=1)
ann = server.register("ann")
bob = server.register("bob")
SMILE = "\U0001F600"


def home(owner, name="Home"):
    guild = owner.api("POST", "/guilds", {"name": name})
    return guild["id"], next(c for c in guild["channels"] if c["type"] == 0)["id"]


def invites(owner, channel, *people):
    code = owner.api("POST", f"/channels/{channel}/invites", {})["code"]
    for one in people:
        one.api("POST", f"/invites/{code}")


def at_once(work, count):
    """Runs work(index) in `count` threads that start together; returns their results in order of index."""
    results, gate = [None] * count, threading.Barrier(count)

    def one(index):
        gate.wait()
        try:
            results[index] = work(index)
        except Exception as error:
            results[index] = error
    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return results


def answers_large_pages_to_many_at_once():
    _, channel = home(ann)
    for _ in range(100):
        ann.api("POST", f"/channels/{channel}/messages", {"content": SMILE * 4000})
    b = bob.gateway()
    statuses = at_once(lambda i: server.request("GET", f"/api/v1/channels/{channel}/messages?limit=100", token=ann.token)[0], 30)
    assert statuses == [200] * 30, statuses
    assert "bus.down" not in server.log_text()
    b.close()


def tells_a_guild_that_is_too_large_as_unavailable():
    guild, _ = home(bob, "Large")
    for i in range(235):
        bob.api("POST", f"/guilds/{guild}/channels", {"name": f"c{i}", "topic": SMILE * 1024})
    b = bob.gateway()
    assert b.wait("GUILD_CREATE", lambda d: d["id"] == guild)["d"]["unavailable"] is True
    assert len(bob.api("GET", f"/guilds/{guild}/channels")) == 236
    b.close()
    bob.api("DELETE", f"/guilds/{guild}")


def carries_out_a_command_whose_caller_is_gone():
    guild, _ = home(ann, "Doomed")
    hello = struct.pack("!HHHBQ", 1, 0, 0, 2, 0)
    words = f"guild\0delete\0{guild}\0".encode()
    request = struct.pack("!I", len(words)) + words
    other = sqlite3.connect(os.path.join(server.data, "nexus.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # control waits for this writer, the caller does not wait for control
    with socket.socket(socket.AF_UNIX) as bus:
        bus.connect(os.path.join(server.data, "bus.sock"))
        bus.sendall(struct.pack("!IHH", len(hello), 1, 0) + hello + struct.pack("!IHH", len(request), 80, 0) + request)
        time.sleep(0.3)
    time.sleep(0.3)
    other.execute("ROLLBACK")
    other.close()
    time.sleep(0.5)
    statuses = [server.request("GET", f"/api/v1/guilds/{guild}", token=ann.token)[0]]
    os.kill(server.children()["control"], signal.SIGKILL)
    end = time.monotonic() + 15
    while not statuses[1:] and time.monotonic() < end:
        time.sleep(0.2)
        status = server.request("GET", f"/api/v1/guilds/{guild}", token=ann.token)[0]
        statuses += [status] if status != 503 else []
    assert statuses == [404, 404], f"before and after a restart of control: {statuses}"


def nexus(*arguments, **options):
    return subprocess.run([executable(), *arguments], capture_output=True, text=True, timeout=30, **options)


def refuses_a_second_server_in_its_place():
    with tempfile.TemporaryDirectory() as data:
        taken = nexus("serve", "--data", data, "--listen", f"127.0.0.1:{server.port}", "--admin", "")
        assert taken.returncode == 69 and "in use" in taken.stderr, taken
    same = nexus("serve", "--data", server.data, "--listen", f"127.0.0.1:{free_port()}", "--admin", "")
    assert same.returncode == 69 and "in use" in same.stderr, same
    assert "ann" in server.run_admin("user", "list").stdout


def leaves_no_child_behind_when_killed():
    other = Server(shards=1)
    children = list(other.children().values())
    other.process.kill()
    other.process.wait()
    end = time.monotonic() + 15
    while any(os.path.exists(f"/proc/{pid}") for pid in children) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    other.start()  # over a stale bus socket
    other.stop()


def speaks_clearly_on_the_command_line():
    for role in ("serve", "gatewayd", "control", "doctor", "admin", "load"):
        usage, version = nexus(role, "--help"), nexus(role, "--version")
        assert usage.returncode == 0 and "usage: nexus" in usage.stdout and not usage.stderr, usage
        assert version.returncode == 0 and version.stdout.startswith("nexus "), version
    for wrong in (["serve", "--bogus", "1"], ["serve", "bogus"], ["serve", "--data"], ["admin", "user", "list", "--data"], ["nothing"]):
        assert nexus(*wrong).returncode == 64, wrong
    with tempfile.TemporaryDirectory() as data:
        for text, line in (("[server]\n\nshards = 300\n", 3), ("[server]\nlisten = \"here\"\n", 2), ("# fine\n[limits]\nsessions = 0\n", 3)):
            with open(os.path.join(data, "nexus.toml"), "w") as f:
                f.write(text)
            refused = nexus("control", "--data", data)
            assert refused.returncode == 78 and f"line {line} " in refused.stderr, refused


def starts_although_a_guild_has_more_than_it_may():
    other = Server(shards=1)
    dan = other.register("dan")
    guild, channel = home(dan)
    other.process.terminate()
    other.process.wait(30)
    with sqlite3.connect(os.path.join(other.data, "nexus.db")) as rows:
        for i in range(110):
            rows.execute("INSERT INTO overwrites VALUES (?, ?, 1, 0, 1024)", (int(channel), 1000 + i))
    rows.close()
    other.start()
    assert dan.api("GET", f"/guilds/{guild}")["id"] == guild and "rows_beyond_limit count=10" in other.log_text()
    other.stop()


def writes_a_backup_where_the_caller_is():
    with tempfile.TemporaryDirectory() as here:
        done = nexus("admin", "--data", server.data, "backup", "copy.db", cwd=here)
        assert done.returncode == 0 and os.path.getsize(os.path.join(here, "copy.db")) > 4096, done
        with sqlite3.connect(os.path.join(here, "copy.db")) as copy:
            assert copy.execute("SELECT count(*) FROM users").fetchone()[0] >= 2


if __name__ == "__main__":
    run([answers_large_pages_to_many_at_once, tells_a_guild_that_is_too_large_as_unavailable,
         carries_out_a_command_whose_caller_is_gone,
         refuses_a_second_server_in_its_place, leaves_no_child_behind_when_killed, speaks_clearly_on_the_command_line, writes_a_backup_where_the_caller_is,
         starts_although_a_guild_has_more_than_it_may])
