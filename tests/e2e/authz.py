"""Who may do what, on a real server: every operation of api/openapi.yaml and every gateway op, with every kind of caller and object.

Rows come from the description itself: x-nexus-auth, -scope and -permission say who may, x-nexus-matrix says by which calls to see it. An operation
without a row does not build (tools/gen_routes.py); an op of gatewayd/core/op.h without a row fails here.
"""
import base64, collections, hashlib, hmac, http.client, json, os, re, sys, threading, time
import yaml
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Closed, Gateway, Server, WebSocket, run

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PASSWORD = "correct horse battery"
with open(os.path.join(ROOT, "api", "openapi.yaml")) as f:
    API = yaml.safe_load(f)
with open(os.path.join(ROOT, "engine", "perm", "perm.def")) as f:
    PERM = {name: 1 << int(bit) for name, bit in re.findall(r"^PERM\((\w+), (\d+)\)", f.read(), re.M)}
with open(os.path.join(ROOT, "engine", "perm", "preset.h")) as f:
    PRESETS = {name: re.findall(r"PERM_(\w+)", words) for name, words in re.findall(r"#define PERM_PRESET_(\w+)((?:.*\\\n)*.*)", f.read())}


def bits(*names):
    """The permissions of that name; PRESET_X is a preset."""
    value = 0
    for name in names:
        value |= bits(*PRESETS[name[7:]]) if name.startswith("PRESET_") else PERM[name]
    return value


ALL = sum(PERM.values())
LOOK = bits("VIEW_CHANNEL", "READ_MESSAGE_HISTORY")

# ---- the world ----

server = Server(shards=1)
connections = threading.local()


def call(method, path, body=None, token=None):
    """One request on a kept connection; returns (status, body bytes, headers that say something about the thing)."""
    headers = {"X-Request-Id": "matrix"}  # else each answer has one of its own
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    for attempt in (0, 1):
        try:
            if not getattr(connections, "one", None):
                connections.one = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
            connections.one.request(method, "/api/v1" + path, body=data, headers=headers)
            response = connections.one.getresponse()
            raw = response.read()
            if response.headers.get("Connection", "").lower() == "close":
                connections.one.close()
            said = sorted((k.lower(), v) for k, v in response.headers.items() if k.lower() not in ("date", "connection"))
            return response.status, raw, said
        except (http.client.HTTPException, OSError):
            connections.one.close()
            connections.one = None
            if attempt:
                raise


def ok(method, path, body=None, token=None):
    status, raw, _ = call(method, path, body, token)
    assert 200 <= status < 300, f"{method} {path} {body}: {status} {raw}"
    return json.loads(raw) if raw else None


class Subject:
    """A caller: `bits` are its permissions in the guild of the matrix, None when it is no member, `is_known` whether its token is good."""

    def __init__(self, name, user=None, token=None, granted=None, is_known=True, is_owner=False):
        self.name, self.user, self.token = name, user, token if token is not None or user is None else user.token
        self.granted, self.is_known, self.is_owner = granted, is_known, is_owner

    def may(self, needed):
        return self.granted is not None and self.granted & needed == needed


def payload_of(token):
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def sid_of(token):
    return json.loads(payload_of(token))["sid"]


def forged(token, secret=None, change=lambda payload: payload, header=None):
    """The token with another payload, signed with `secret` or else with the server's own key."""
    if secret is None:
        with open(os.path.join(server.data, "token.keys")) as f:
            secret = bytes.fromhex(f.read().split()[-1])
    pack = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    signed = (pack(header.encode()) if header else token.split(".")[0]) + "." + pack(change(payload_of(token)).encode())
    return signed + "." + pack(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def aged(payload):
    past = int(time.time()) - 2000
    return re.sub(r'"exp":\d+', f'"exp":{past + 900}', re.sub(r'"iat":\d+', f'"iat":{past}', payload))


def make_world():
    names = ("owner", "admin", "moderator", "member", "plain", "muted", "banned", "stranger", "tenant", "victim", "bandit", "disabled")
    people = {name: server.register(name + "_") for name in names}
    owner, tenant = people["owner"], people["tenant"]
    w = collections.namedtuple("World", "people ids foreign gone guild2 hidden")
    guild = owner.api("POST", "/guilds", {"name": "A"})
    ids = {"guild_id": guild["id"], "channel_id": guild["channels"][0]["id"], "owner_id": owner.id, "user_id": people["victim"].id}
    code = owner.api("POST", f"/channels/{ids['channel_id']}/invites", {"max_age": 0})["code"]
    second = owner.api("POST", "/guilds", {"name": "C"})
    second_code = owner.api("POST", f"/channels/{second['channels'][0]['id']}/invites", {"max_age": 0})["code"]
    for name in ("admin", "moderator", "member", "plain", "muted", "banned", "victim", "disabled"):
        people[name].api("POST", f"/invites/{code}")
    owner.api("PATCH", f"/guilds/{guild['id']}/roles/{guild['id']}", {"permissions": str(LOOK)})
    ids["role_id"] = owner.api("POST", f"/guilds/{guild['id']}/roles", {"name": "low", "permissions": "0"})["id"]
    places = []
    for name, granted in (("member", bits("PRESET_MEMBER")), ("moderator", bits("PRESET_MODERATOR")), ("admin", bits("ADMINISTRATOR"))):
        role = owner.api("POST", f"/guilds/{guild['id']}/roles", {"name": name, "permissions": str(granted)})["id"]
        places.append({"id": role, "position": 2 + len(places)})
        for who in {"member": ("member", "muted"), "moderator": ("moderator",), "admin": ("admin", "disabled")}[name]:
            owner.api("PUT", f"/guilds/{guild['id']}/members/{people[who].id}/roles/{role}")
    owner.api("PATCH", f"/guilds/{guild['id']}/roles", places)
    ids["overwrite_id"] = ids["role_id"]
    owner.api("PATCH", f"/guilds/{guild['id']}/members/{people['muted'].id}",
              {"communication_disabled_until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))})
    owner.api("PUT", f"/guilds/{guild['id']}/bans/{people['banned'].id}")
    server.run_admin("user", "disable", "disabled_")
    ids["message_id"] = owner.api("POST", f"/channels/{ids['channel_id']}/messages", {"content": "first"})["id"]
    ids["session_id"] = sid_of(owner.token)
    ids["code"] = code
    hidden = owner.api("POST", f"/guilds/{guild['id']}/channels", {"name": "hidden", "permission_overwrites": [{"id": guild["id"], "type": 0, "deny": str(PERM["VIEW_CHANNEL"])}]})["id"]
    # the other tenant's, and things that are gone
    theirs = tenant.api("POST", "/guilds", {"name": "B"})
    their_channel = theirs["channels"][0]["id"]
    foreign = {"guild_id": theirs["id"], "channel_id": their_channel, "role_id": tenant.api("POST", f"/guilds/{theirs['id']}/roles", {"name": "b"})["id"], "user_id": tenant.id,
               "message_id": tenant.api("POST", f"/channels/{their_channel}/messages", {"content": "b"})["id"], "overwrite_id": theirs["id"], "session_id": sid_of(tenant.token)}
    old = owner.api("POST", "/guilds", {"name": "gone"})
    gone = {"guild_id": old["id"], "channel_id": old["channels"][0]["id"]}
    owner.api("DELETE", f"/guilds/{old['id']}")
    gone["role_id"] = gone["overwrite_id"] = owner.api("POST", f"/guilds/{guild['id']}/roles", {"name": "gone"})["id"]
    owner.api("DELETE", f"/guilds/{guild['id']}/roles/{gone['role_id']}")
    gone["message_id"] = owner.api("POST", f"/channels/{ids['channel_id']}/messages", {"content": "gone"})["id"]
    owner.api("DELETE", f"/channels/{ids['channel_id']}/messages/{gone['message_id']}")
    ended = server.api("POST", "/auth/login", {"username": "owner_", "password": PASSWORD})["access_token"]
    server.api("POST", "/auth/logout", token=ended)
    gone["session_id"] = sid_of(ended)
    gone["user_id"] = "99"
    world = w(people, ids, foreign, gone, {"guild_id": second["id"], "code": second_code}, hidden)
    return world, ended


world, ended_token = make_world()
P = world.people
SUBJECTS = [
    Subject("anonymous", is_known=False),
    Subject("expired", token=forged(P["owner"].token, change=aged), is_known=False),
    Subject("revoked", token=ended_token, is_known=False),
    Subject("other instance", token=forged(P["owner"].token, secret=b"x" * 32), is_known=False),
    Subject("disabled", P["disabled"], is_known=False),
    Subject("stranger", P["stranger"]),
    Subject("tenant", P["tenant"]),
    Subject("banned", P["banned"]),
    Subject("plain", P["plain"], granted=LOOK),
    Subject("muted", P["muted"], granted=LOOK),
    Subject("member", P["member"], granted=LOOK | bits("PRESET_MEMBER")),
    Subject("moderator", P["moderator"], granted=LOOK | bits("PRESET_MODERATOR")),
    Subject("admin", P["admin"], granted=ALL),
    Subject("owner", P["owner"], granted=ALL, is_owner=True),
]
BY_NAME = {s.name: s for s in SUBJECTS}
OWNER = P["owner"]
counts = collections.Counter()

# ---- what is made before a call that is allowed, so that each finds its own ----


def make_login(subject, ids):
    if subject.is_known:
        tokens = ok("POST", "/auth/login", {"username": subject.name + "_", "password": PASSWORD})
        return {"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"], "session_id": sid_of(tokens["access_token"])}
    tokens = ok("POST", "/auth/login", {"username": "stranger_", "password": PASSWORD})
    return {"refresh_token": tokens["refresh_token"]}


def make_second_guild(subject, ids):
    if subject.granted is not None and not subject.is_owner:
        call("POST", f"/invites/{world.guild2['code']}", token=subject.token)
    return {"guild_id": world.guild2["guild_id"]}


def make_guild(subject, ids):
    return {"guild_id": OWNER.api("POST", "/guilds", {"name": "fresh"})["id"]} if subject.is_owner else {}


def make_channel(subject, ids):
    return {"channel_id": OWNER.api("POST", f"/guilds/{ids['guild_id']}/channels", {"name": "fresh"})["id"]}


def make_overwrite(subject, ids):
    OWNER.api("PUT", f"/channels/{ids['channel_id']}/permissions/{ids['role_id']}", {"type": 0, "deny": "1"})
    return {}


def make_role(subject, ids):
    return {"role_id": OWNER.api("POST", f"/guilds/{ids['guild_id']}/roles", {"name": "fresh", "permissions": "0"})["id"]}


def make_member(subject, ids):
    call("DELETE", f"/guilds/{ids['guild_id']}/bans/{P['victim'].id}", token=OWNER.token)
    P["victim"].api("POST", f"/invites/{ids['code']}")
    return {}


def make_ban(subject, ids):
    OWNER.api("PUT", f"/guilds/{ids['guild_id']}/bans/{P['bandit'].id}")
    return {"user_id": P["bandit"].id}


def make_visit(subject, ids):
    return {}


def make_invite(subject, ids):
    return {"code": OWNER.api("POST", f"/channels/{ids['channel_id']}/invites", {})["code"]}


def make_own_invite(subject, ids):
    who = subject.token if subject.may(PERM["CREATE_INSTANT_INVITE"]) else OWNER.token
    return {"code": ok("POST", f"/channels/{ids['channel_id']}/invites", {}, who)["code"]}


def make_message(subject, ids):
    return {"message_id": OWNER.api("POST", f"/channels/{ids['channel_id']}/messages", {"content": "fresh"})["id"]}


def make_own_message(subject, ids):
    who = subject.token if subject.may(PERM["SEND_MESSAGES"]) else OWNER.token
    return {"message_id": ok("POST", f"/channels/{ids['channel_id']}/messages", {"content": "own"}, who)["id"]}


def filled(value, ids):
    if isinstance(value, dict):
        return {k: filled(v, ids) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, ids) for v in value]
    return value.format(**ids) if isinstance(value, str) else value


# ---- operations ----

Operation = collections.namedtuple("Operation", "name method path auth scope needs cases described")


def operations():
    for path, item in API["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                one = item[method]
                needs = bits(*one.get("x-nexus-permission", []))
                yield Operation(one["operationId"], method.upper(), path, one["x-nexus-auth"], one.get("x-nexus-scope", "none"), needs, one["x-nexus-matrix"], one)


def expected(operation, case, subject):
    """The status that `subject` must get."""
    success = case.get("status") or min(int(s) for s in operation.described["responses"] if s.startswith("2"))
    if operation.auth == "user" and not subject.is_known:
        return 401
    if subject.name in case.get("status_of", {}):
        return case["status_of"][subject.name]
    if operation.auth == "none":
        return success
    who = case.get("who", "member" if operation.scope != "none" else "anybody")
    if who == "anybody":
        return success
    if subject.granted is None:
        return 404
    needed = operation.needs | bits(*case.get("needs", [])) | (PERM["VIEW_CHANNEL"] if operation.scope == "channel" else 0)
    if not subject.may(needed) or who == "nobody" and not subject.is_owner or who == "owner" and not subject.is_owner:
        return 403
    return success


def state():
    """All that the guild's owner can see of it."""
    guild, channel = world.ids["guild_id"], world.ids["channel_id"]
    parts = [f"/guilds/{guild}", f"/guilds/{guild}/channels", f"/guilds/{guild}/members?limit=1000", f"/guilds/{guild}/bans", f"/guilds/{guild}/invites",
             f"/channels/{channel}/messages?limit=100"]
    return [call("GET", part, token=OWNER.token)[1] for part in parts]


def attempt(operation, case, subject, extra=None):
    ids = {**world.ids, "name": "stranger_", "password": PASSWORD, "new_name": f"new{counts['new']}"}
    counts["new"] += 1
    ids.update(extra or {})
    body = filled(case["body"], ids) if "body" in case else None
    token = ids.get("access_token") if "token" in case and subject.is_known else subject.token
    counts["calls"] += 1
    return call(operation.method, operation.path.format(**ids), body, token)


def every_operation_by_every_caller():
    for operation in operations():
        for number, case in enumerate(operation.cases):
            make = globals()["make_" + case["make"]] if "make" in case else None
            where = f"{operation.name} case {number}"
            refused = [s for s in SUBJECTS if expected(operation, case, s) >= 400 and "status" not in case]
            allowed = [s for s in SUBJECTS if s not in refused]
            # who is refused changes nothing; what is made for a refused call is made before the look at the state
            made = {s.name: make(s, world.ids) if make and not (case["make"] in ("guild",)) else {} for s in refused}
            before = state()
            for subject in refused:
                status, raw, _ = attempt(operation, case, subject, made[subject.name])
                want = expected(operation, case, subject)
                assert status == want, f"{where} by {subject.name}: {status} instead of {want}: {raw}"
                if want == 401:
                    assert raw == b'{"message":"401: Unauthorized","code":0,"request_id":"matrix"}', f"{where} by {subject.name}: {raw}"
            assert state() == before, f"{where}: a refused call changed something"
            for subject in allowed:
                status, raw, _ = attempt(operation, case, subject, make(subject, world.ids) if make else None)
                want = expected(operation, case, subject)
                assert status == want, f"{where} by {subject.name}: {status} instead of {want}: {raw}"
                if case.get("make") == "visit" and subject.granted is None:
                    call("DELETE", f"/users/@me/guilds/{world.ids['guild_id']}", token=subject.token)
    print(f"     {sum(1 for _ in operations())} operations, {counts['calls']} calls", flush=True)


MALFORMED = ("0", "-1", "18446744073709551616", "0x10", "123e4567-e89b-12d3-a456-426614174000", "%27%20OR%201=1", "..%5c")
# Accounts are public, and a read state may stand at any message: these ids are looked up by nobody.
PUBLIC = {("user_get", "user_id"), ("ban_put", "user_id"), ("message_ack", "message_id")}


def of_another_kind(name):
    return world.ids["channel_id"] if name != "channel_id" else world.ids["guild_id"]


def foreign_absent_and_malformed_objects_are_the_same_bytes():
    """For the first id of a scope by everybody, for the others by the owner, who may everything: what is refused must not tell why."""
    for operation in operations():
        names = re.findall(r"{(\w+_id)}", operation.path)
        case = {k: v for k, v in operation.cases[0].items() if k in ("body", "token")}
        if operation.auth == "none" or not names:
            continue
        before = state()
        for place, name in enumerate(names):
            if (operation.name, name) in PUBLIC:
                continue
            is_scope = place == 0 and operation.scope != "none"
            values = [world.foreign[name], world.gone[name], "99", of_another_kind(name)]
            for subject in [s for s in SUBJECTS if s.is_known and s.name != "tenant"] if is_scope else [BY_NAME["owner"]]:
                seen = {}
                for value in values + ([world.ids[name]] if is_scope and subject.granted is None else []):
                    status, raw, said = attempt(operation, case, subject, {name: value, "access_token": subject.token})
                    seen[value] = (status, raw, said)
                    assert status == 404, f"{operation.name} {name}={value} by {subject.name}: {status} {raw}"
                assert len(set(map(repr, seen.values()))) == 1, f"{operation.name} {name} by {subject.name}: {seen}"
                for value in MALFORMED:
                    status, raw, _ = attempt(operation, case, subject, {name: value, "access_token": subject.token})
                    assert status == 400 and value == "..%5c" or status == 404 and (not is_scope or raw == seen["99"][1]), f"{operation.name} {name}={value}: {status} {raw}"
            if not is_scope and operation.scope != "none" and operation.needs & ~LOOK:
                answers = {attempt(operation, case, BY_NAME["plain"], {name: value})[:2] for value in values + [world.ids[name]]}
                assert len(answers) == 1 and next(iter(answers))[0] == 403, f"{operation.name} {name} by plain: {answers}"
        assert state() == before, f"{operation.name}: a call about something else changed the guild"


def dead_invitations_are_the_same_bytes():
    channel = world.ids["channel_id"]
    deleted = OWNER.api("POST", f"/channels/{channel}/invites", {})["code"]
    OWNER.api("DELETE", f"/invites/{deleted}")
    brief = OWNER.api("POST", f"/channels/{channel}/invites", {"max_age": 1})["code"]
    used = OWNER.api("POST", f"/channels/{channel}/invites", {"max_uses": 1})["code"]
    P["stranger"].api("POST", f"/invites/{used}")
    P["stranger"].api("DELETE", f"/users/@me/guilds/{world.ids['guild_id']}")
    time.sleep(1.1)
    for method in ("GET", "POST", "DELETE"):
        answers = {call(method, f"/invites/{code}", token=P["stranger"].token)[:2] for code in (deleted, brief, used, "nosuchcode", "A" * 32, "%27", "x" * 500)}
        assert len(answers) == 1 and next(iter(answers))[0] == 404, f"{method}: {answers}"
    living = OWNER.api("POST", f"/channels/{channel}/invites", {})["code"]
    answers = {call("DELETE", f"/invites/{code}", token=P["stranger"].token)[:2] for code in (living, "nosuchcode")}
    assert len(answers) == 1, answers


# ---- gateway ----

with open(os.path.join(ROOT, "gatewayd", "core", "op.h")) as f:
    OPS = {name: int(number) for name, number in re.findall(r"GW_OP_(\w+) = (\d+)", f.read())}


def closes_with(op, d, token=None):
    """The close code of a connection that says this (after an IDENTIFY when there is a token)."""
    ws = WebSocket(server.port)
    ws.message()
    if token:
        ws.json({"op": 2, "d": {"token": token, "intents": 0, "properties": {}}})
        while json.loads(ws.message()[1]).get("t") != "READY":
            pass
    ws.json({"op": op, "d": d})
    code = ws.close_code(5)
    ws.close()
    return code


def sends(session, channel, nonce):
    """(ACK or the code of the refusal, what was said without the nonce) of op 67."""
    after = len(session.events)
    session.send(67, {"channel_id": channel, "content": "by op 67", "nonce": nonce})
    event = session.until("an answer to op 67", lambda: next((e for e in session.events[after:] if e["t"] in ("NEXUS_MESSAGE_ACK", "NEXUS_MESSAGE_REFUSED") and
                                                              e["d"].get("nonce") == nonce), None), 5)
    d = {k: v for k, v in event["d"].items() if k != "nonce"}
    return (200, d) if event["t"] == "NEXUS_MESSAGE_ACK" else (d["code"], d)


def row_identify():
    for subject in SUBJECTS:
        if not subject.is_known:
            code = closes_with(2, {"token": subject.token or "", "intents": 0, "properties": {}})
            assert code in (4004, 4103), f"{subject.name}: {code}"
            continue
        session = Gateway(server.port, subject.token)
        guilds = {g["id"] for g in session.ready["guilds"]}
        assert (world.ids["guild_id"] in guilds) == (subject.granted is not None), f"{subject.name}: {guilds}"
        if subject.granted is not None:
            created = session.wait("GUILD_CREATE", lambda d: d["id"] == world.ids["guild_id"])["d"]
            assert (world.hidden in {c["id"] for c in created["channels"]}) == (subject.granted == ALL), f"{subject.name} and the hidden channel"
        session.close()


def row_resume():
    session = P["member"].gateway()
    stolen = (session.session_id, session.seq)
    other = Gateway(server.port, P["plain"].token, resume=stolen)
    assert other.until("a refusal", lambda: other.closed or any(o["op"] == 9 and o["d"] is False for o in other.others)), "a foreign session"
    assert not any(e["t"] == "RESUMED" for e in other.events)
    for token in (ended_token, SUBJECTS[3].token, P["disabled"].token):
        refused = Gateway(server.port, token, resume=stolen)
        refused.until("a refusal", lambda: refused.closed or any(o["op"] == 9 and o["d"] is False for o in refused.others))
        assert not any(e["t"] == "RESUMED" for e in refused.events)
    session.send(1, session.seq)
    session.until("a heartbeat's answer", lambda: session.acks)
    session.close()


def row_members():
    session = P["member"].gateway()
    session.send(8, {"guild_id": world.ids["guild_id"], "query": "", "limit": 0, "nonce": "own"})
    chunk = session.wait("GUILD_MEMBERS_CHUNK", lambda d: d.get("nonce") == "own")["d"]
    assert {m["user"]["id"] for m in chunk["members"]} >= {P["owner"].id, P["member"].id}
    seen = set()
    for guild in (world.foreign["guild_id"], world.gone["guild_id"], "99", world.ids["channel_id"]):
        after = len(session.events)
        session.send(8, {"guild_id": guild, "user_ids": [P["tenant"].id], "nonce": "other"})
        sends(session, world.ids["channel_id"], f"mark{guild}")  # what was asked before is answered by now
        answers = [e["d"] for e in session.events[after:] if e["t"] == "GUILD_MEMBERS_CHUNK"]
        assert all(not d["members"] and not d.get("presences") for d in answers), answers
        seen.add(json.dumps([{k: v for k, v in d.items() if k != "guild_id"} for d in answers]))
    assert len(seen) == 1, seen
    session.close()


def row_subscribe():
    session = P["member"].gateway()
    session.send(64, {"guild_id": world.ids["guild_id"], "channels": [world.ids["channel_id"], world.hidden, world.foreign["channel_id"], "99"], "members": True})
    told = session.wait("NEXUS_SUBSCRIBED")["d"]
    assert {c["id"] if isinstance(c, dict) and "id" in c else c.get("channel_id") for c in told["channels"]} == {world.ids["channel_id"]}, told
    seen = set()
    for guild in (world.foreign["guild_id"], world.gone["guild_id"], "99", world.ids["channel_id"]):
        after = len(session.events)
        session.send(64, {"guild_id": guild, "channels": [world.foreign["channel_id"]]})
        sends(session, world.ids["channel_id"], f"sub{guild}")
        answers = [e["d"] for e in session.events[after:] if e["t"] == "NEXUS_SUBSCRIBED"]
        assert all(not d["channels"] for d in answers), answers
        seen.add(json.dumps([{k: v for k, v in d.items() if k != "guild_id"} for d in answers]))
    assert len(seen) == 1, seen
    secret = P["tenant"].api("POST", f"/channels/{world.foreign['channel_id']}/messages", {"content": "secret"})["id"]
    hidden = OWNER.api("POST", f"/channels/{world.hidden}/messages", {"content": "secret"})["id"]
    sends(session, world.ids["channel_id"], "after the secrets")
    assert not [e for e in session.events if e["d"].get("id") in (secret, hidden)], "a stranger's message"
    session.close()


def row_send():
    for subject in SUBJECTS:
        if not subject.is_known:
            continue
        session = Gateway(server.port, subject.token)
        got = sends(session, world.ids["channel_id"], f"own {subject.name}")
        want = 10003 if subject.granted is None else 200 if subject.may(PERM["SEND_MESSAGES"]) else 50013
        assert got[0] == want, f"{subject.name}: {got} instead of {want}"
        got = sends(session, world.hidden, f"hidden {subject.name}")
        want = 10003 if subject.granted is None else 200 if subject.granted == ALL else 50001
        assert got[0] == want, f"{subject.name} in the hidden channel: {got} instead of {want}"
        if subject.name != "tenant":
            values = [world.foreign["channel_id"], world.gone["channel_id"], "99", world.ids["guild_id"]] + ([] if subject.granted is not None else [world.ids["channel_id"]])
            answers = [sends(session, value, f"{subject.name} {value}") for value in values]
            assert all(a == answers[0] and a[0] == 10003 for a in answers), f"{subject.name}: {answers}"
        session.close()


def row_of_the_servers_own(op):
    assert closes_with(op, {}, P["member"].token) == 4001, f"op {op}"


def row_harmless(op, d):
    """Whoever may connect may say it; it is about the session itself."""
    session = P["plain"].gateway()
    session.send(op, d)
    session.send(1, session.seq)
    session.until("a heartbeat's answer", lambda: session.acks)
    assert not session.closed
    session.close()


ROWS = {
    "DISPATCH": lambda: row_of_the_servers_own(0), "RECONNECT": lambda: row_of_the_servers_own(7), "INVALID_SESSION": lambda: row_of_the_servers_own(9),
    "HELLO": lambda: row_of_the_servers_own(10), "HEARTBEAT_ACK": lambda: row_of_the_servers_own(11), "ACK_DELIVERY": lambda: row_of_the_servers_own(65),
    "STATS": lambda: row_of_the_servers_own(66),
    "HEARTBEAT": lambda: row_harmless(1, None), "PRESENCE": lambda: row_harmless(3, {"status": "idle", "since": None, "activities": [], "afk": False}),
    "VOICE_STATE": lambda: row_harmless(4, {"guild_id": world.foreign["guild_id"], "channel_id": world.foreign["channel_id"], "self_mute": False, "self_deaf": False}),
    "IDENTIFY": row_identify, "RESUME": row_resume, "MEMBERS": row_members, "SUBSCRIBE": row_subscribe, "SEND_MESSAGE": row_send,
}


def every_gateway_op_by_every_caller():
    assert set(ROWS) == set(OPS), f"ops without a row, or rows without an op: {set(ROWS) ^ set(OPS)}"
    for name, row in ROWS.items():
        try:
            row()
        except (AssertionError, Closed) as error:
            raise AssertionError(f"op {OPS[name]} {name}: {error}")
    for name in ("PRESENCE", "VOICE_STATE", "MEMBERS", "SUBSCRIBE", "SEND_MESSAGE"):
        code = closes_with(OPS[name], {"guild_id": world.ids["guild_id"], "channel_id": world.ids["channel_id"], "content": "x", "channels": [], "status": "online", "user_ids": []})
        assert code == 4003, f"{name} before IDENTIFY: {code}"


def rights_that_go_are_gone_from_live_sockets_within_a_second():
    guild, channel = world.ids["guild_id"], world.ids["channel_id"]
    make_member(None, world.ids)
    victim = P["victim"]
    role = OWNER.api("POST", f"/guilds/{guild}/roles", {"name": "speaker", "permissions": str(PERM["SEND_MESSAGES"])})["id"]
    OWNER.api("PUT", f"/guilds/{guild}/members/{victim.id}/roles/{role}")
    session = victim.gateway()
    assert sends(session, channel, "with the role")[0] == 200
    steps = (("role taken", lambda: OWNER.api("DELETE", f"/guilds/{guild}/members/{victim.id}/roles/{role}"), 50013),
             ("channel hidden", lambda: OWNER.api("PUT", f"/channels/{channel}/permissions/{victim.id}", {"type": 1, "deny": str(PERM["VIEW_CHANNEL"])}), 50001),
             ("kicked", lambda: OWNER.api("DELETE", f"/guilds/{guild}/members/{victim.id}"), 10003))
    for name, take, want in steps:
        take()
        start = time.monotonic()
        while sends(session, channel, f"{name} {time.monotonic()}")[0] != want:
            assert time.monotonic() - start < 1, f"{name}: not within a second"
        if name != "role taken":
            secret = OWNER.api("POST", f"/channels/{channel}/messages", {"content": "secret"})["id"]
            sends(session, channel, f"after {name}")
            assert not [e for e in session.events if e["d"].get("id") == secret], f"{name}: still heard"
    OWNER.api("DELETE", f"/channels/{channel}/permissions/{victim.id}")
    start = time.monotonic()
    victim.api("POST", "/auth/logout")
    assert session.wait_closed(2) == 4004 and time.monotonic() - start < 1.5
    assert call("GET", "/users/@me", token=victim.token)[0] == 401


if __name__ == "__main__":
    run([every_operation_by_every_caller, foreign_absent_and_malformed_objects_are_the_same_bytes, dead_invitations_are_the_same_bytes, every_gateway_op_by_every_caller,
         rights_that_go_are_gone_from_live_sockets_within_a_second])
