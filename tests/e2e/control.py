"""Control under hostile use: answers larger than a link's window, guilds larger than an event, races, options, the admin tool."""
import http.client, json, os, re, signal, socket, sqlite3, struct, subprocess, sys, tempfile, threading, time
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


def answers_the_largest_page_of_bans():
    guild, _ = home(ann, "Strict")
    seeds = os.path.join(server.data, "banned")
    server.run_admin("seed", "--users", "1000", "--guilds", "1", "--out", seeds)
    with open(seeds) as f:
        ids = [json.loads(line)["user_id"] for line in f]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    for one in ids:
        connection.request("PUT", f"/api/v1/guilds/{guild}/bans/{one}", headers={"Authorization": f"Bearer {ann.token}", "X-Audit-Log-Reason": "%F0%9F%98%80" * 512})
        response = connection.getresponse()
        assert response.status == 204, (response.status, response.read())
        response.read()
    connection.close()
    bans = ann.api("GET", f"/guilds/{guild}/bans")
    assert len(bans) == 1000 and all(ban["reason"] == SMILE * 512 for ban in bans), len(bans)
    ann.api("DELETE", f"/guilds/{guild}")


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


class Contract:
    """The served API description: makes calls by operationId and compares what comes back with it."""

    KINDS = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}

    def __init__(self):
        self.description = server.api("GET", "/openapi.json")
        self.operations = {}
        for path, methods in self.description["paths"].items():
            self.operations.update({o["operationId"]: (m.upper(), path, o) for m, o in methods.items() if m != "parameters"})
        self.left = set(self.operations)

    def fits(self, value, schema, where):
        if "$ref" in schema:
            node = self.description
            for step in schema["$ref"].lstrip("#/").split("/"):
                node = node[step]
            return self.fits(value, node, where)
        if "oneOf" in schema:
            assert sum(self.is_fit(value, one, where) for one in schema["oneOf"]) == 1, f"{where}: {value!r} is not one of {schema['oneOf']}"
        if "const" in schema:
            assert value == schema["const"], f"{where}: {value!r}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r}"
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            assert any(isinstance(value, self.KINDS[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names), f"{where}: {value!r} is no {names}"
        if isinstance(value, str):
            assert re.search(schema.get("pattern", ""), value), f"{where}: {value!r} against {schema['pattern']}"
            assert schema.get("format") != "date-time" or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+00:00|000\+00:00)", value), f"{where}: {value}"
        if isinstance(value, int) and not isinstance(value, bool):
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{where}: {value}"
        if isinstance(value, dict):
            assert not set(schema.get("required", [])) - set(value), f"{where}: {sorted(value)} lacks some of {schema['required']}"
            for name, member in schema.get("properties", {}).items():
                if name in value:
                    self.fits(value[name], member, f"{where}.{name}")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                self.fits(item, schema["items"], f"{where}[{i}]")

    def is_fit(self, value, schema, where):
        try:
            self.fits(value, schema, where)
            return True
        except AssertionError:
            return False

    def call(self, operation, who=None, body=None, query="", status=None, **ids):
        method, path, described = self.operations[operation]
        expected = status or next(int(s) for s in described["responses"] if s.startswith("2"))
        answer = server.request(method, "/api/v1" + path.format(**ids) + query, body, who and who.token)
        assert answer[0] == expected, f"{operation}: {answer[0]} {answer[2]}"
        response = described["responses"][str(expected)]
        if "$ref" in response:
            response = self.description["components"]["responses"][response["$ref"].split("/")[-1]]
        if "content" in response:
            self.fits(answer[2], response["content"]["application/json"]["schema"], operation)
        else:
            assert answer[2] == b"", f"{operation}: a body without a description: {answer[2]}"
        if status is None:
            self.left.discard(operation)
        return answer[2]


def answers_as_the_description_says():
    c = Contract()
    call = c.call
    name = f"eve{time.monotonic_ns() % 1000000}"
    eve = server.register(name)
    tokens = call("auth_register", body={"username": name + "x", "password": "correct horse", "email": "a@b.example", "global_name": "E"})
    tokens = call("auth_login", body={"username": name, "password": "correct horse battery"})
    tokens = call("auth_refresh", body={"refresh_token": tokens["refresh_token"]})
    eve.token = tokens["access_token"]
    call("auth_password", eve, {"password": "correct horse battery", "new_password": "another horse"})
    server.api("POST", "/auth/login", {"username": name, "password": "another horse"})
    sessions = call("auth_sessions", eve)
    call("auth_session_delete", eve, session_id=next(s["id"] for s in sessions if not s["is_current"]))
    call("user_self", eve), call("user_update", eve, {"global_name": None, "email": None}), call("user_get", eve, user_id=ann.id)
    guild = call("guild_create", eve, {"name": "Contract", "description": "d"})["id"]
    call("user_guilds", eve), call("guild_get", eve, guild_id=guild), call("guild_update", eve, {"name": "Changed"}, guild_id=guild)
    parent = call("channel_create", eve, {"name": "box", "type": 4}, guild_id=guild)["id"]
    channel = call("channel_create", eve, {"name": "talk", "topic": "t", "parent_id": parent}, guild_id=guild)["id"]
    call("channel_list", eve, guild_id=guild), call("channel_get", eve, channel_id=channel)
    call("channel_update", eve, {"topic": None, "parent_id": None}, channel_id=channel)
    call("channel_positions", eve, [{"id": channel, "position": 3, "parent_id": parent}], guild_id=guild)
    code = call("invite_create", eve, {"max_uses": 0}, channel_id=channel)["code"]
    call("invite_get", code=code), call("invite_channel_list", eve, channel_id=channel), call("invite_guild_list", eve, guild_id=guild)
    call("invite_use", ann, code=code), call("invite_use", bob, code=code)
    call("overwrite_put", eve, {"type": 1, "allow": "1024", "deny": "0"}, channel_id=channel, overwrite_id=ann.id)
    call("channel_get", eve, channel_id=channel)
    call("overwrite_delete", eve, channel_id=channel, overwrite_id=ann.id)
    role = call("role_create", eve, {"name": "R", "color": 5, "permissions": "8"}, guild_id=guild)["id"]
    call("role_list", eve, guild_id=guild), call("role_update", eve, {"hoist": True}, guild_id=guild, role_id=role)
    call("role_positions", eve, [{"id": role, "position": 2}], guild_id=guild)
    call("member_role_put", eve, guild_id=guild, user_id=ann.id, role_id=role)
    call("member_list", eve, guild_id=guild, query="?limit=10"), call("member_get", eve, guild_id=guild, user_id=ann.id)
    call("member_self_update", eve, {"nick": "\u202eeve " + SMILE}, guild_id=guild)
    call("member_update", eve, {"nick": "Bob", "roles": [role]}, guild_id=guild, user_id=bob.id)
    call("member_role_delete", eve, guild_id=guild, user_id=ann.id, role_id=role)
    call("channel_typing", bob, channel_id=channel)
    said = "\u202e' OR 1=1;-- % _ \u200b\U0001f468\u200d\U0001f469 \u0001 \\u0000 \ufeff"
    message = call("message_create", bob, {"content": said, "nonce": "n"}, channel_id=channel)
    got = call("message_get", ann, channel_id=channel, message_id=message["id"])  # read your writes, and theirs
    assert got["content"] == said, got
    call("message_update", bob, {"content": "changed"}, channel_id=channel, message_id=message["id"])
    assert call("message_list", ann, channel_id=channel)[0]["content"] == "changed"
    call("message_ack", ann, channel_id=channel, message_id=message["id"]), call("message_read", ann, {"message_id": message["id"]}, channel_id=channel)
    call("message_delete", bob, channel_id=channel, message_id=message["id"])
    assert call("message_list", ann, query="?after_seq=0", channel_id=channel)[0]["deleted"] is True
    call("user_leave", bob, guild_id=guild), call("member_remove", eve, guild_id=guild, user_id=ann.id)
    call("ban_put", eve, guild_id=guild, user_id=bob.id), call("ban_list", eve, guild_id=guild), call("ban_get", eve, guild_id=guild, user_id=bob.id)
    call("invite_use", bob, code=code, status=403)
    call("ban_delete", eve, guild_id=guild, user_id=bob.id), call("invite_delete", eve, code=code), call("role_delete", eve, guild_id=guild, role_id=role)
    call("instance_gateway"), call("instance_gateway_bot", eve), call("instance_info"), call("instance_openapi")
    for operation, who, status, ids in (("guild_get", bob, 404, {"guild_id": guild}), ("guild_get", bob, 404, {"guild_id": "1"}), ("message_create", eve, 400, {"channel_id": channel}),
                                        ("user_self", None, 401, {}), ("invite_get", None, 404, {"code": "nothing"}), ("channel_get", bob, 404, {"channel_id": channel})):
        call(operation, who, {"content": 5} if status == 400 else None, status=status, **ids)
    call("channel_delete", eve, channel_id=channel), call("guild_delete", eve, guild_id=guild), call("auth_logout", eve)
    call("user_self", eve, status=401)
    assert not c.left, f"never called: {sorted(c.left)}"


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


def lets_in_who_has_logged_in_again():
    other = Server(shards=1)
    fay = other.register("fay")
    old = fay.gateway()
    other.run_admin("user", "disable", "fay")
    assert old.wait_closed() == 4103
    other.run_admin("user", "enable", "fay")
    time.sleep(1.1)  # tokens tell seconds
    fay.token = other.api("POST", "/auth/login", {"username": "fay", "password": "correct horse battery"})["access_token"]
    fay.gateway().close()
    os.kill(other.children()["gatewayd"], signal.SIGKILL)  # the next one is told of the revocation anew
    time.sleep(0.3)
    other.wait_ready()
    new = fay.gateway()
    new.send(1, None)
    new.until("a heartbeat's answer", lambda: new.acks)
    new.close()
    stale = Gateway(other.port, fay.answer["access_token"], identify=False)
    stale.send(2, {"token": fay.answer["access_token"], "intents": 0, "properties": {}})
    assert stale.wait_closed() == 4004
    other.stop()


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
    run([answers_as_the_description_says, answers_large_pages_to_many_at_once, answers_the_largest_page_of_bans, tells_a_guild_that_is_too_large_as_unavailable,
         carries_out_a_command_whose_caller_is_gone,
         refuses_a_second_server_in_its_place, leaves_no_child_behind_when_killed, speaks_clearly_on_the_command_line, writes_a_backup_where_the_caller_is,
         lets_in_who_has_logged_in_again, starts_although_a_guild_has_more_than_it_may])
