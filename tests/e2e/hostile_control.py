"""Hostile inputs to control: what people type, ids and cursors, forged tokens, reused secrets, races, floods, and a bus that lies.

The store's own: an error after the commit is healed by the nonce (tests/unit/control/store/store_test.c, tests/sim), a full disk refuses writes and
goes on reading (tests/fault).
"""
import concurrent.futures, http.client, json, os, re, socket, sqlite3, statistics, struct, sys, threading, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Gateway, Server, WebSocket, run

server = Server(shards=1)
ann, bob = server.register("ann"), server.register("bob")
SMILE = "\U0001F600"
guild = ann.api("POST", "/guilds", {"name": "Home"})
GUILD, CHANNEL = guild["id"], guild["channels"][0]["id"]
CODE = ann.api("POST", f"/channels/{CHANNEL}/invites", {"max_age": 0})["code"]
bob.api("POST", f"/invites/{CODE}")

TYPED = ["'; DROP TABLE users;--", "%", "_%_", "\\", '"', "a\\u0000b", "*?[a-z]", "${jndi:x}", "<script>alert(1)</script>", "{{7*7}}", "\u202egnp.exe", "a\u200bb", "\u0430dmin",
         "\ufeffx", SMILE, "\U0001F468\u200d\U0001F469\u200d\U0001F467", "Z\u0351\u036b\u0343", "\u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d", "\ufdfa", "\U0010FFFF", "null", "-1", "1e400", "NaN"]
NEVER = ["a\0b", "\0", "\x1b[31m", "a\nb", "\x7f"]


def keeps(where, write, read, value, is_free=False):
    """A text is stored as it was typed, or refused with 400; refused ones change nothing."""
    before = read()
    status, answer = write(value)
    assert status in (200, 201, 204, 400), f"{where} {value!r}: {status} {answer}"
    now = read()
    assert now == (value if status != 400 else before), f"{where}: {value!r} became {now!r} ({status})"
    assert is_free or status != 400 or value in NEVER, f"{where}: {value!r} is refused: {answer}"


def asked(method, path, body=None, who=ann, headers=None):
    status, _, answer = server.request(method, "/api/v1" + path, body, who and who.token, headers)
    return status, answer


def texts_are_stored_verbatim_or_refused():
    """86: quotes, wildcards, escapes, directions, invisible and foreign letters."""
    fields = [
        ("guild name", lambda v: asked("PATCH", f"/guilds/{GUILD}", {"name": v}), lambda: ann.api("GET", f"/guilds/{GUILD}")["name"]),
        ("guild description", lambda v: asked("PATCH", f"/guilds/{GUILD}", {"description": v}), lambda: ann.api("GET", f"/guilds/{GUILD}")["description"]),
        ("topic", lambda v: asked("PATCH", f"/channels/{CHANNEL}", {"topic": v}), lambda: ann.api("GET", f"/channels/{CHANNEL}")["topic"]),
        ("nick", lambda v: asked("PATCH", f"/guilds/{GUILD}/members/@me", {"nick": v}), lambda: ann.api("GET", f"/guilds/{GUILD}/members/{ann.id}")["nick"]),
        ("global name", lambda v: asked("PATCH", "/users/@me", {"global_name": v}), lambda: ann.api("GET", "/users/@me")["global_name"]),
    ]
    role = ann.api("POST", f"/guilds/{GUILD}/roles", {"name": "r"})["id"]
    fields.append(("role name", lambda v: asked("PATCH", f"/guilds/{GUILD}/roles/{role}", {"name": v}),
                   lambda: next(r["name"] for r in ann.api("GET", f"/guilds/{GUILD}/roles") if r["id"] == role)))
    voice = ann.api("POST", f"/guilds/{GUILD}/channels", {"name": "v", "type": 2})["id"]
    fields.append(("voice channel name", lambda v: asked("PATCH", f"/channels/{voice}", {"name": v}), lambda: ann.api("GET", f"/channels/{voice}")["name"]))
    message = ann.api("POST", f"/channels/{CHANNEL}/messages", {"content": "x"})["id"]
    fields.append(("content", lambda v: asked("PATCH", f"/channels/{CHANNEL}/messages/{message}", {"content": v}),
                   lambda: ann.api("GET", f"/channels/{CHANNEL}/messages/{message}")["content"]))
    for where, write, read in fields:
        for value in TYPED + NEVER:
            keeps(where, write, read, value, is_free=value in ("\ufeffx",) or where == "content" and value in NEVER)
    for name in TYPED + NEVER + ["\u0430nn", "a b", "ANN"]:  # names are the handle that people are found by: plain letters only
        want = 200 if re.fullmatch(r"[A-Za-z0-9_.-]{2,32}", name) and name != "ANN" else 400
        assert asked("POST", "/auth/register", {"username": name, "password": "correct horse"}, None)[0] == want, name
    for nonce in TYPED:
        first, again = (asked("POST", f"/channels/{CHANNEL}/messages", {"content": "n", "nonce": nonce})[1] for _ in (0, 1))
        assert first["id"] == again["id"] and first["nonce"] == nonce, (nonce, first, again)
    for text in (b'{"content":"\xff"}', b'{"content":"\xc0\x80"}', b'{"content":"\xed\xa0\x80"}', b'{"content":"\\ud800"}', b'{"content":"a\x00b"}', b'{"content":"a"', b"\xef\xbb\xbf{}"):
        assert server.request("POST", f"/api/v1/channels/{CHANNEL}/messages", text, ann.token)[0] == 400, text
    ann.api("PATCH", f"/guilds/{GUILD}", {"name": "Home"})


def ids_of_no_thing_are_not_found():
    """87: negative, too large, hexadecimal, a UUID, somebody else's."""
    other = bob.api("POST", "/guilds", {"name": "Other"})
    for wrong in ("-1", "0", "18446744073709551616", "99999999999999999999999", "0x1", "1e3", "1.0", "%31%00", "123e4567-e89b-12d3-a456-426614174000", other["id"], "%F0%9F%98%80"):
        for method, path in (("GET", "/guilds/{}"), ("GET", "/guilds/{}/members"), ("DELETE", "/guilds/{}"), ("GET", "/channels/{}/messages"), ("GET", f"/channels/{CHANNEL}/messages/{{}}"),
                             ("PUT", f"/guilds/{GUILD}/members/{bob.id}/roles/{{}}"), ("DELETE", "/auth/sessions/{}"), ("DELETE", "/users/@me/guilds/{}")):
            status, answer = asked(method, path.format(wrong))
            assert status == 404 or status == 400 and "%00" in wrong, f"{method} {path.format(wrong)}: {status} {answer}"


def forged_cursors_are_refused():
    """88: before, after, around, after_seq and limit take numbers of their range."""
    pages = [(f"/channels/{CHANNEL}/messages", ("before", "after", "around", "after_seq", "limit")), (f"/guilds/{GUILD}/members", ("after", "limit")), (f"/guilds/{GUILD}/bans", ("after", "limit")),
             ("/users/@me/guilds", ("before", "after", "limit"))]
    for path, names in pages:
        for name in names:
            for wrong in ("", "-1", "x", "1x", "0x1", "1e3", "99999999999999999999", "18446744073709551616", "%31%00", "1%271", "[1]", "+1", "%201"):
                status, answer = asked("GET", f"{path}?{name}={wrong}")
                assert status == 400, f"{path}?{name}={wrong}: {status} {answer}"
        for wrong in ("0", "100000"):
            assert asked("GET", f"{path}?limit={wrong}")[0] == 400
    assert asked("GET", f"/channels/{CHANNEL}/messages?before=1&after=1")[0] == 400


def forged_tokens_are_refused_by_rest_and_gateway():
    """89: no algorithm, another algorithm, a key id that is a path, no end, another audience, a cut or changed signature."""
    import base64, hashlib, hmac
    head, body, signature = ann.token.split(".")
    with open(os.path.join(server.data, "token.keys")) as f:
        key = bytes.fromhex(f.read().split()[-1])
    pack = lambda raw: base64.urlsafe_b64encode(raw if isinstance(raw, bytes) else raw.encode()).rstrip(b"=").decode()
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    header = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode()

    def signed(h, p, secret=key, digest=hashlib.sha256):
        return f"{pack(h)}.{pack(p)}." + pack(hmac.new(secret, f"{pack(h)}.{pack(p)}".encode(), digest).digest())
    assert asked("GET", "/users/@me", headers={"Authorization": "Bearer " + signed(header, text)}, who=None)[0] == 200, "the test signs as the server does"
    forged = {
        "alg none": f"{pack(header.replace('HS256', 'none'))}.{body}.", "alg none, signed": signed(header.replace("HS256", "none"), text), "HS512": signed(header.replace("HS256", "HS512"), text, digest=hashlib.sha512),
        "RS256": signed(header.replace("HS256", "RS256"), text), "kid a path": signed(re.sub(r'"kid":"\d+"', '"kid":"../../../dev/null"', header), text, secret=b""),
        "kid unknown": signed(re.sub(r'"kid":"\d+"', '"kid":"77"', header), text), "no kid": signed('{"alg":"HS256","typ":"JWT"}', text), "key of zeros": signed(header, text, secret=bytes(32)),
        "no exp": signed(header, re.sub(r'"exp":\d+,', "", text)), "exp a text": signed(header, re.sub(r'"exp":(\d+)', r'"exp":"\1"', text)), "expired": signed(header, re.sub(r'"exp":\d+', '"exp":1', text)),
        "other audience": signed(header, text.replace('"aud":"nexus"', '"aud":"other"')), "other issuer": signed(header, text.replace('"iss":"nexus"', '"iss":"other"')),
        "other type": signed(header, text.replace('"typ":"access"', '"typ":"stream"')), "another user": f"{head}.{pack(text.replace(ann.id, bob.id))}.{signature}",
        "cut": ann.token[:-2], "padded": ann.token + "=", "two parts": f"{head}.{body}", "four parts": ann.token + ".x", "long": "x" * 5000,
        "null byte": ann.token + "%00", "white": ann.token + " x",
    }
    for what, token in forged.items():
        status, answer = asked("GET", "/users/@me", headers={"Authorization": "Bearer " + token}, who=None)
        assert status in (401, 431), f"{what}: {status} {answer}"
        ws = WebSocket(server.port)
        ws.message()
        ws.json({"op": 2, "d": {"token": token, "intents": 0, "properties": {}}})
        code = ws.close_code(5)
        assert code in (4004, 4002), f"{what}: closed with {code}"
        ws.close()
    assert server.request("GET", f"/api/v1/users/@me?token={ann.token}")[0] in (400, 401), "a token in the address"


def reuse_of_a_refresh_token_ends_the_family():
    """90: the live socket of that login too; other logins of the account live on."""
    eve = server.register("eve")
    other = server.api("POST", "/auth/login", {"username": "eve", "password": "correct horse battery"})["access_token"]
    second = server.api("POST", "/auth/refresh", {"refresh_token": eve.refresh})
    third = server.api("POST", "/auth/refresh", {"refresh_token": second["refresh_token"]})
    session = Gateway(server.port, third["access_token"])
    with sqlite3.connect(os.path.join(server.data, "nexus.db")) as rows:  # the grace for a lost answer is over
        rows.execute("UPDATE login_hashes SET replaced_ms = replaced_ms - 60000 WHERE replaced_ms <> 0")
    rows.close()
    server.api("POST", "/auth/refresh", {"refresh_token": eve.refresh}, expect=401)
    assert session.wait_closed(2) == 4004
    server.api("POST", "/auth/refresh", {"refresh_token": third["refresh_token"]}, expect=401)
    for token in (eve.token, second["access_token"], third["access_token"]):
        server.api("GET", "/users/@me", token=token, expect=401)
    server.api("GET", "/users/@me", token=other)


def at_once(work, items):
    gate = threading.Barrier(len(items))

    def one(item):
        gate.wait()
        return work(item)
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(one, items))


def fifty_at_once_have_one_winner():
    """91: an invitation for one; a name; a guild that is deleted; a seat that is given up."""
    seeds = os.path.join(server.data, "seeds")
    server.run_admin("seed", "--users", "50", "--guilds", "1", "--out", seeds)
    with open(seeds) as f:
        crowd = [json.loads(line)["token"] for line in f]
    for _ in range(4):
        code = ann.api("POST", f"/channels/{CHANNEL}/invites", {"max_uses": 1})["code"]
        statuses = at_once(lambda token: server.request("POST", f"/api/v1/invites/{code}", token=token)[0], crowd)
        assert sorted(statuses) == [200] + [404] * 49, statuses
        winner = crowd[statuses.index(200)]
        server.api("DELETE", f"/users/@me/guilds/{GUILD}", token=winner)
    many = ann.api("POST", f"/channels/{CHANNEL}/invites", {"max_uses": 7})["code"]
    assert at_once(lambda token: server.request("POST", f"/api/v1/invites/{many}", token=token)[0], crowd).count(200) == 7
    names = at_once(lambda i: server.request("POST", "/api/v1/auth/register", {"username": "sOlO" if i % 2 else "Solo", "password": "correct horse"})[0], list(range(20)))
    assert names.count(200) == 1 and set(names) <= {200, 400, 503}, names
    doomed = ann.api("POST", "/guilds", {"name": "doomed"})["id"]
    assert at_once(lambda i: server.request("DELETE", f"/api/v1/guilds/{doomed}", token=ann.token)[0], list(range(20))).count(204) == 1


def control_seconds():
    with open(f"/proc/{server.children()['control']}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def long_passwords_cost_nothing():
    """92: refused before any hashing, whatever their length."""
    before = control_seconds()
    for size in (129, 1000, 60000, 1 << 20):
        for path, body in (("/auth/register", {"username": "longone", "password": "x" * size}), ("/auth/login", {"username": "ann", "password": "x" * size})):
            try:
                status = asked("POST", path, body, None)[0]
            except (ConnectionError, http.client.HTTPException):
                status = 413  # refused before it was all sent
            assert status in (400, 413), f"{path} with {size}: {status}"
    assert control_seconds() - before < 0.05, f"{control_seconds() - before} s"
    assert asked("POST", "/auth/login", {"username": "ann", "password": SMILE * 128}, None)[0] == 401  # characters, not bytes


def beats(session, seconds):
    """Milliseconds from heartbeat to answer, one after the other."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        before, start = session.acks, time.perf_counter()
        session.send(1, session.seq)
        session.until("a heartbeat's answer", lambda: session.acks > before, 10)
        times.append((time.perf_counter() - start) * 1000)
        time.sleep(0.01)
    return times


def p99(times):
    return statistics.quantiles(times, n=100)[98]


def a_login_flood_is_refused_and_leaves_sockets_alone():
    """93: the queue of password work is bounded; heartbeats are answered as before, messages soon."""
    session = bob.gateway()
    quiet = beats(session, 2)
    statuses, stop = [], threading.Event()

    def flood(number):
        body = json.dumps({"username": f"ann{number}", "password": "wrong password"}).encode()
        while not stop.is_set():
            try:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
                connection.request("POST", "/api/v1/auth/login", body, {"Content-Type": "application/json"})
                statuses.append(connection.getresponse().status)
                connection.close()
                if statuses[-1] == 503:
                    time.sleep(0.05)
            except OSError:
                statuses.append(0)
    threads = [threading.Thread(target=flood, args=(i,)) for i in range(100)]
    [t.start() for t in threads]
    time.sleep(0.5)
    busy = beats(session, 4)
    sent = time.monotonic()
    message = ann.api("POST", f"/channels/{CHANNEL}/messages", {"content": "through the flood"})["id"]
    session.wait("MESSAGE_CREATE", lambda d: d["id"] == message, 2)
    took = time.monotonic() - sent
    stop.set()
    [t.join() for t in threads]
    print(f"     heartbeats p99 {p99(quiet):.1f} ms quiet, {p99(busy):.1f} ms in the flood; a message {took * 1000:.0f} ms; answers "
          f"{ {s: statuses.count(s) for s in sorted(set(statuses))} }", flush=True)
    assert set(statuses) <= {401, 503, 429} and statuses.count(503) > 0 and statuses.count(401) > 20, {s: statuses.count(s) for s in set(statuses)}
    assert statistics.median(busy) < statistics.median(quiet) * 2 + 5 and p99(busy) < max(60, p99(quiet) * 4), (p99(quiet), p99(busy))
    assert took < 1
    session.close()
    assert server.api("POST", "/auth/login", {"username": "ann", "password": "correct horse battery"})["user"]["id"] == ann.id


def lies_on_the_bus_end_only_their_own_connection():
    """96: frames that are cut, too long, unknown, or of another version."""
    hello = struct.pack("!HHHBQ", 1, 0, 0, 2, 0)
    frame = lambda number, payload, size=None: struct.pack("!IHH", len(payload) if size is None else size, number, 0) + payload
    session = bob.gateway()
    pids = server.children()
    lies = [b"", b"\0", b"\xff" * 4096, b"GET / HTTP/1.1\r\n\r\n", frame(1, b""), frame(1, hello[:-1]), frame(1, hello + b"x"), frame(1, struct.pack("!HHHBQ", 0, 0, 0, 2, 0)),
            frame(1, struct.pack("!HHHBQ", 999, 0, 0, 2, 0)), frame(1, hello, 0xffffffff), frame(1, hello, 1 << 24), frame(9999, b"x"), frame(80, b"\0\0\0\1a"), frame(1, struct.pack("!HHHBQ", 1, 0, 0, 9, 0)),
            frame(1, struct.pack("!HHHBQ", 1, 1023, 65535, 0, 7)), frame(1, hello) + frame(80, struct.pack("!I", 0xffffffff)), frame(1, hello) + frame(80, struct.pack("!I", 3) + b"a\0b"),
            frame(1, hello) + frame(1, hello), frame(1, hello) + frame(81, b""), frame(1, hello) + frame(9999, b""), frame(1, hello) + frame(80, struct.pack("!I", 9) + b"user\0bad\0")]
    for cut in range(1, len(lies[-1])):
        lies.append(lies[-1][:cut] if len(lies) < 60 else lies[20][:cut])
    for lie in lies:
        with socket.socket(socket.AF_UNIX) as bus:
            bus.settimeout(0.05)
            bus.connect(os.path.join(server.data, "bus.sock"))
            try:
                bus.sendall(lie)
                bus.recv(4096)
            except OSError:
                pass
    assert server.children() == pids, "a child was replaced"
    sent = ann.api("POST", f"/channels/{CHANNEL}/messages", {"content": "still here"})["id"]
    session.wait("MESSAGE_CREATE", lambda d: d["id"] == sent, 5)
    assert not session.closed
    session.close()


def every_described_member_is_looked_at():
    """A member that the description names is read: of another type it is refused by name. What is not named there is not promised."""
    description = server.api("GET", "/openapi.json")
    role = ann.api("POST", f"/guilds/{GUILD}/roles", {"name": "looked at"})["id"]
    message = ann.api("POST", f"/channels/{CHANNEL}/messages", {"content": "x"})["id"]
    ids = {"guild_id": GUILD, "channel_id": CHANNEL, "user_id": bob.id, "role_id": role, "message_id": message, "overwrite_id": GUILD, "code": CODE, "session_id": "1"}

    def schema_of(node):
        while "$ref" in node:
            node = description["components"]["schemas"][node["$ref"].split("/")[-1]]
        return node
    looked = 0
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if method == "parameters" or "requestBody" not in operation:
                continue
            schema = schema_of(operation["requestBody"]["content"]["application/json"]["schema"])
            is_list = schema.get("type") == "array"
            schema = schema_of(schema["items"]) if is_list else schema
            for name in schema.get("properties", {}):
                wrong = {"a": [1]} if "array" not in str(schema_of(schema["properties"][name]).get("type")) else {"a": 1}
                body = {k: {"name": "n", "content": "c", "username": "xx", "password": "12345678", "new_password": "12345678", "refresh_token": "x", "type": 0, "id": CHANNEL if "/channels" in path else role,
                            "position": 1, "message_id": message}[k] for k in schema.get("required", [])}
                body[name] = wrong
                status, answer = asked(method.upper(), path.format(**ids), [body] if is_list else body)
                looked += 1
                assert status == 400 and name in answer.get("errors", {}), f"{operation['operationId']} does not look at {name}: {status} {answer}"
    assert looked > 40, looked


if __name__ == "__main__":
    run([texts_are_stored_verbatim_or_refused, ids_of_no_thing_are_not_found, forged_cursors_are_refused, forged_tokens_are_refused_by_rest_and_gateway, reuse_of_a_refresh_token_ends_the_family,
         fifty_at_once_have_one_winner, long_passwords_cost_nothing, every_described_member_is_looked_at, lies_on_the_bus_end_only_their_own_connection,
         a_login_flood_is_refused_and_leaves_sockets_alone])
