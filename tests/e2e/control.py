"""Control under hostile use: answers larger than a link's window, guilds larger than an event, races, options, the admin tool."""
import http.client, json, os, signal, socket, struct, subprocess, sys, tempfile, threading, time
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


if __name__ == "__main__":
    run([answers_large_pages_to_many_at_once, tells_a_guild_that_is_too_large_as_unavailable])
