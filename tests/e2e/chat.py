"""People chat: register, community, invite, live messages, edits, typing, read state, resume after a cut, restarts."""
import json, os, signal, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, Gateway, Closed, run

server = Server(shards=2)
ann = server.register("ann")
bob = server.register("bob")
guild = ann.api("POST", "/guilds", {"name": "Home"})
channel = next(c for c in guild["channels"] if c["type"] == 0)["id"]


def joins_by_invite():
    invite = ann.api("POST", f"/channels/{channel}/invites", {})
    assert server.api("GET", f"/invites/{invite['code']}")["guild"]["id"] == guild["id"]
    bob.api("GET", f"/channels/{channel}/messages", expect=404)
    bob.api("POST", f"/invites/{invite['code']}")
    assert bob.api("GET", f"/channels/{channel}/messages") == []
    assert [g["id"] for g in bob.api("GET", "/users/@me/guilds")] == [guild["id"]]


def hears_messages_live_with_gapless_seq():
    a, b = ann.gateway(), bob.gateway()
    create = b.wait("GUILD_CREATE")["d"]
    assert create["id"] == guild["id"] and create["channels"][0]["id"] == channel
    for i in range(20):
        (ann if i % 2 else bob).api("POST", f"/channels/{channel}/messages", {"content": f"message {i}"})
    for session in (a, b):
        session.wait("MESSAGE_CREATE", lambda d: d["content"] == "message 19")
        seqs = [m["seq"] for m in session.messages(channel)]
        assert seqs == list(range(seqs[0], seqs[0] + 20)), seqs
    s = [e["s"] for e in b.events]
    assert s == list(range(1, len(s) + 1)), s
    a.close(), b.close()


def acknowledges_gateway_sends_once_per_nonce():
    a, b = ann.gateway(), bob.gateway()
    for _ in range(2):
        a.send(67, {"channel_id": channel, "content": "by gateway", "nonce": "n-1"})
    a.until("two acks", lambda: len([e for e in a.events if e["t"] == "NEXUS_MESSAGE_ACK"]) == 2)
    acks = [e["d"] for e in a.events if e["t"] == "NEXUS_MESSAGE_ACK"]
    assert acks[0]["id"] == acks[1]["id"] and acks[0]["seq"] == acks[1]["seq"], acks
    b.wait("MESSAGE_CREATE", lambda d: d["content"] == "by gateway")
    time.sleep(0.3)
    assert len([m for m in b.messages(channel) if m["content"] == "by gateway"]) == 1
    a.send(67, {"channel_id": "1", "content": "nowhere", "nonce": "n-2"})
    refused = a.wait("NEXUS_MESSAGE_REFUSED", lambda d: d["nonce"] == "n-2")["d"]
    assert refused["code"] == 10003, refused
    a.close(), b.close()


def edits_and_deletes_reach_others_and_history():
    b = bob.gateway()
    m = ann.api("POST", f"/channels/{channel}/messages", {"content": "frist"})
    ann.api("PATCH", f"/channels/{channel}/messages/{m['id']}", {"content": "first"})
    bob.api("PATCH", f"/channels/{channel}/messages/{m['id']}", {"content": "mine"}, expect=403)
    update = b.wait("MESSAGE_UPDATE")["d"]
    assert update["content"] == "first" and update["edited_timestamp"], update
    ann.api("DELETE", f"/channels/{channel}/messages/{m['id']}")
    assert b.wait("MESSAGE_DELETE")["d"]["id"] == m["id"]
    after = ann.api("GET", f"/channels/{channel}/messages?after_seq={m['seq'] - 1}&limit=1")
    assert after[0]["seq"] == m["seq"] and after[0]["deleted"] is True, after
    assert all(h["id"] != m["id"] for h in ann.api("GET", f"/channels/{channel}/messages?limit=100"))
    b.close()


def pages_through_history():
    ids = [ann.api("POST", f"/channels/{channel}/messages", {"content": f"page {i}"})["id"] for i in range(30)]
    newest = ann.api("GET", f"/channels/{channel}/messages?limit=10")
    assert [m["id"] for m in newest] == ids[:-11:-1]
    before = ann.api("GET", f"/channels/{channel}/messages?limit=10&before={ids[20]}")
    assert [m["id"] for m in before] == ids[10:20][::-1]
    after = ann.api("GET", f"/channels/{channel}/messages?limit=5&after={ids[9]}")
    assert sorted(m["id"] for m in after) == ids[10:15], after
    around = ann.api("GET", f"/channels/{channel}/messages?limit=5&around={ids[10]}")
    assert ids[10] in [m["id"] for m in around] and len(around) == 5
    ann.api("GET", f"/channels/{channel}/messages?limit=101", expect=400)


def shows_typing_presence_and_read_state():
    a = ann.gateway()
    # A session that he has just closed may still be ending: as long as he is seen online, coming online changes nothing.
    here = [p for p in a.wait("GUILD_CREATE")["d"]["presences"] if p["user"]["id"] == bob.id]
    if here:
        a.wait("PRESENCE_UPDATE", lambda d: d["user"]["id"] == bob.id and d["status"] == "offline")
    since = len(a.events)
    b = bob.gateway()
    a.wait("PRESENCE_UPDATE", lambda d: d["user"]["id"] == bob.id and d["status"] == "online", after=since)
    bob.api("POST", f"/channels/{channel}/typing")
    assert a.wait("TYPING_START")["d"]["user_id"] == bob.id
    last = ann.api("GET", f"/channels/{channel}/messages?limit=1")[0]["id"]
    ann.api("PUT", f"/channels/{channel}/read", {"message_id": last})
    a2 = ann.gateway()
    assert any(r["channel_id"] == channel and r["last_message_id"] == last for r in a2.ready["read_states"]), a2.ready
    b.close()
    a.wait("PRESENCE_UPDATE", lambda d: d["user"]["id"] == bob.id and d["status"] == "offline", seconds=15)
    a.close(), a2.close()


def resumes_after_a_cut_without_loss_or_duplicate():
    for attempt in range(6):  # the kernel chooses the shard: both the same and the other one are met
        b = bob.gateway()
        b.wait("GUILD_CREATE")
        ann.api("POST", f"/channels/{channel}/messages", {"content": f"before {attempt}"})
        b.wait("MESSAGE_CREATE", lambda d: d["content"] == f"before {attempt}")
        seq, before = b.seq, b.messages(channel)
        b.cut()
        for i in range(5):
            ann.api("POST", f"/channels/{channel}/messages", {"content": f"missed {attempt}.{i}"})
        r = Gateway(server.port, bob.token, resume=(b.session_id, seq))
        r.wait("RESUMED")
        r.wait("MESSAGE_CREATE", lambda d: d["content"] == f"missed {attempt}.4")
        ann.api("POST", f"/channels/{channel}/messages", {"content": f"after {attempt}"})
        r.wait("MESSAGE_CREATE", lambda d: d["content"] == f"after {attempt}")
        seqs = [m["seq"] for m in before + r.messages(channel)]
        assert seqs == list(range(seqs[0], seqs[0] + 7)), seqs
        s = [e["s"] for e in r.events]
        assert s == list(range(seq + 1, seq + 1 + len(s))), (seq, s)
        r.close()


def takes_in_who_comes_back_again_and_again():
    first = None
    for _ in range(70):  # more than the 64 sessions of a user: none of these has a client any more
        b = bob.gateway()
        assert b.ready["resume_window"] == {"seconds": 120, "events": 256}, b.ready["resume_window"]
        first = first or (b.session_id, b.seq)
        b.cut()
    r = Gateway(server.port, bob.token, resume=first)  # it made room for others, and its client can fetch
    r.wait("RESUMED")
    r.wait("NEXUS_RESYNC", lambda d: d["channel_id"] == channel)
    ann.api("POST", f"/channels/{channel}/messages", {"content": "still here"})
    r.wait("MESSAGE_CREATE", lambda d: d["content"] == "still here")
    r.close()


def hears_what_is_unread_elsewhere():
    other = ann.api("POST", f"/guilds/{guild['id']}/channels", {"name": "elsewhere", "type": 0})["id"]
    b = bob.gateway()
    b.wait("GUILD_CREATE")
    b.send(64, {"guild_id": guild["id"], "channels": [other]})
    assert [c["id"] for c in b.wait("NEXUS_SUBSCRIBED")["d"]["channels"]] == [other]
    for i in range(5):
        last = ann.api("POST", f"/channels/{channel}/messages", {"content": f"not looked at {i}"})
    b.wait("NEXUS_UNREAD", lambda d: d["channel_id"] == channel and d["last_seq"] == last["seq"], seconds=3)
    assert b.messages(channel) == [] and len([e for e in b.events if e["t"] == "NEXUS_UNREAD"]) <= 3
    ann.api("POST", f"/channels/{other}/messages", {"content": "looked at"})
    b.wait("MESSAGE_CREATE", lambda d: d["content"] == "looked at")
    assert not [e for e in b.events if e["t"] == "NEXUS_UNREAD" and e["d"]["channel_id"] == other]
    b.close()


def refuses_what_it_must():
    b = bob.gateway()
    for resume, codes in ((("nonsense", 1), (None,)), ((b.session_id, 10 ** 6), (4007, 4104, None))):
        g = Gateway(server.port, bob.token, resume=resume)
        end = time.monotonic() + 5
        while time.monotonic() < end and not g.closed and not g.others:
            time.sleep(0.02)
        assert g.closed in codes or any(o["op"] == 9 and o["d"] is False for o in g.others), (resume, g.closed, g.others)
        g.close()
    stolen = Gateway(server.port, ann.token, resume=(b.session_id, b.seq))
    end = time.monotonic() + 5
    while time.monotonic() < end and not stolen.closed and not stolen.others:
        time.sleep(0.02)
    assert not [e for e in stolen.events if e["t"] == "RESUMED"], "resumed somebody else's session"
    bad = Gateway(server.port, "not.a.token", identify=False)
    bad.send(2, {"token": "not.a.token", "intents": 0, "properties": {}})
    assert bad.wait_closed() == 4004
    b.close()


def survives_restarts_of_its_children():
    b = bob.gateway()
    ann.api("POST", f"/channels/{channel}/messages", {"content": "kept"})
    for role in ("control", "gatewayd"):
        os.kill(server.children()[role], signal.SIGKILL)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                if server.request("GET", "/readyz")[0] == 200 and ann.api("GET", f"/channels/{channel}/messages?limit=1"):
                    break
            except (OSError, AssertionError):
                pass
            time.sleep(0.1)
        assert ann.api("GET", f"/channels/{channel}/messages?limit=1")[0]["content"] == "kept", role
    b.close()
    again = bob.gateway()
    ann.api("POST", f"/channels/{channel}/messages", {"content": "and on"})
    again.wait("MESSAGE_CREATE", lambda d: d["content"] == "and on")
    again.close()


def loses_rights_at_once():
    b = bob.gateway()
    b.wait("GUILD_CREATE")
    ann.api("PUT", f"/channels/{channel}/permissions/{guild['id']}", {"type": 0, "allow": "0", "deny": str(1 << 10)})
    time.sleep(0.2)
    ann.api("POST", f"/channels/{channel}/messages", {"content": "secret"})
    time.sleep(0.5)
    assert not [m for m in b.messages(channel) if m["content"] == "secret"]
    bob.api("GET", f"/channels/{channel}/messages", expect=403)
    ann.api("DELETE", f"/channels/{channel}/permissions/{guild['id']}")
    ann.api("POST", f"/channels/{channel}/messages", {"content": "public"})
    b.wait("MESSAGE_CREATE", lambda d: d["content"] == "public")
    bob.api("POST", "/auth/logout", {})
    assert b.wait_closed() in (4004, "cut", 4000), b.closed


if __name__ == "__main__":
    run([joins_by_invite, hears_messages_live_with_gapless_seq, acknowledges_gateway_sends_once_per_nonce,
         edits_and_deletes_reach_others_and_history, pages_through_history, shows_typing_presence_and_read_state,
         resumes_after_a_cut_without_loss_or_duplicate, takes_in_who_comes_back_again_and_again, hears_what_is_unread_elsewhere, refuses_what_it_must, survives_restarts_of_its_children, loses_rights_at_once])
