"""permessage-deflate rows of the conformance table: sections 12 (payloads) and 13 (parameters), and extra ones (D). RFC 7692."""
import json, os, random, struct, zlib
from nexus import frame
from wsrun import Case, Clean, Deflater, Expect, Fails

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PROTOCOL, INVALID = Fails({1002}), Fails({1007})
PLAIN_OFFER = "permessage-deflate; client_no_context_takeover; client_max_window_bits"

# Characters of a message, and of a frame (0: one frame).
SIZES = [(size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)] + \
        [(size, 256) for size in (8192, 16384, 32768, 65536, 131072)] + [(131072, size) for size in (1024, 4096, 32768)]


def volume():
    """Returns the characters sent per case: eight times as many in the long tier, never more than 1,000 messages."""
    return 8 << 20 if os.environ.get("NEXUS_TEST_TIER") == "long" else 1 << 20


def payloads():
    """Returns the five kinds of section 12, made up but the same every time: [(name, is_text, content)]."""
    dice = random.Random(12)
    words = ["und", "der", "Geist", "über", "daß", "Welt", "stets", "Faust", "größer", "nicht", "Möwe", "ach", "Philosophie", "Juristerei", "Müh"]
    lines = [" ".join(dice.choice(words) for _ in range(dice.randint(5, 9))) + dice.choice(",.;!?") + "\n" for _ in range(5000)]
    people = [{"id": i, "name": dice.choice(words), "mail": f"{dice.getrandbits(32):x}@example.org", "tags": dice.sample(words, 3),
               "at": [dice.random(), dice.random()]} for i in range(1600)]
    html = "<!doctype html><html><body>" + "".join(f'<p class="c{i % 7}"><a href="/{dice.getrandbits(24):x}">{line.strip()}</a></p>\n'
                                                   for i, line in enumerate(lines)) + "</body></html>"
    picture = bytes((x * y // 97 + x // 3 + dice.randint(-3, 3)) & 255 for y in range(512) for x in range(512))
    document = b"".join(b"%d 0 obj << /Length 4096 >> stream\n" % i + dice.randbytes(4096) + b"\nendstream endobj\n" for i in range(60))
    return [("JSON", True, json.dumps(people, ensure_ascii=False)), ("picture", False, picture), ("prose", False, "".join(lines).encode()),
            ("HTML", True, html), ("document", False, document)]


def messages_of(is_text, content, size):
    """Returns the messages of one case: a window of `size` characters moving on through the content, round and round."""
    count = max(8, min(1000, volume() // size))
    found, at = [], 0
    for _ in range(count):
        part = (content[at:] + content[:size])[:size] if at + size > len(content) else content[at:at + size]
        found.append(part.encode() if is_text else part)
        at = (at + size) % len(content)
    return found


def echoed(is_text, messages, fragment):
    """Returns a script: each message is deflated, cut into frames, sent once the one before is back."""
    opcode = TEXT if is_text else BINARY

    def script(parameters):
        deflater = Deflater(parameters)
        for k, message in enumerate(messages):
            yield compressed(opcode, deflater.message(message), fragment)
            yield Expect(k + 1)
    return script


def compressed(opcode, data, fragment=0):
    """Returns the frames of a message whose payload is deflated already; RSV1 is on the first."""
    if not fragment or len(data) <= fragment:
        return frame(opcode, data, rsv=4)
    parts = [data[i:i + fragment] for i in range(0, len(data), fragment)]
    last = len(parts) - 1
    return b"".join(frame(opcode if i == 0 else 0, part, fin=i == last, rsv=4 if i == 0 else 0) for i, part in enumerate(parts))


def agreed_on(offered):
    """Returns a check of the answer against `offered`, a list of sets of parameters in order of preference."""
    def check(parameters):
        if parameters is None:
            return "compression declined"
        for name, value in parameters.items():
            if name not in ("server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"):
                return f"unknown parameter {name}"
            if name.endswith("bits") and not (isinstance(value, str) and value.isdigit() and 8 <= int(value) <= 15 and value == str(int(value))):
                return f"bad value {name}={value}"
            if name.endswith("takeover") and value is not True:
                return f"{name} has a value"
        for wish in offered:
            bits = wish.get("server_max_window_bits")
            if bits and int(parameters.get("server_max_window_bits", 16)) > int(bits):
                continue
            if "server_no_context_takeover" in wish and "server_no_context_takeover" not in parameters:
                continue
            if "client_max_window_bits" in parameters and "client_max_window_bits" not in wish:
                continue
            return None
        return "the answer suits none of the offers"
    return check


def section_12():
    for group, (_, is_text, content) in enumerate(payloads(), 1):
        for i, (size, fragment) in enumerate(SIZES, 1):
            messages = messages_of(is_text, content, size)
            kind = "text" if is_text else "binary"
            yield Case(f"12.{group}.{i}", echoed(is_text, messages, fragment), [(kind, m) for m in messages], offer=PLAIN_OFFER, seconds=120,
                       agreed=agreed_on([{"client_max_window_bits": True}]))


def section_13():
    content = payloads()[0][2]
    sets = [[(False, 0)], [(True, 0)], [(False, 9)], [(False, 15)], [(True, 9)], [(True, 15)], [(True, 9), (True, 0), (False, 0)]]
    for group, wishes in enumerate(sets, 1):
        offers, offered = [], []
        for no_context, bits in wishes:
            wish = {"client_max_window_bits": True}
            text = PLAIN_OFFER
            if no_context:
                wish["server_no_context_takeover"] = True
                text += "; server_no_context_takeover"
            if bits:
                wish["server_max_window_bits"] = str(bits)
                text += f"; server_max_window_bits={bits}"
            offers.append(text)
            offered.append(wish)
        for i, (size, fragment) in enumerate(SIZES, 1):
            messages = messages_of(True, content, size)
            yield Case(f"13.{group}.{i}", echoed(True, messages, fragment), [("text", m) for m in messages], offer=", ".join(offers), seconds=120,
                       agreed=agreed_on(offered))


def raw(data, flush=zlib.Z_SYNC_FLUSH, level=6):
    stream = zlib.compressobj(level, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush(flush)


def declined(parameters):
    return None if parameters is None else "accepted what must be declined"


def extras():
    """What the suite lacks."""
    hello = b"Hello"
    data = raw(hello)[:-4]
    echo = [("text", hello)]

    def case(name, script, expect=(), end=Clean(), **more):
        return Case(f"D.{name}", script, expect, end, **{"offer": PLAIN_OFFER, "agreed": agreed_on([{"client_max_window_bits": True}]), **more})

    a, b = data[:3], data[3:]
    yield case("1 example of RFC 7692 7.2.3.1", [frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4)], echo)
    yield case("2 fragments", [frame(TEXT, a, fin=False, rsv=4), frame(0, b)], echo)
    yield case("3 stored block", [frame(TEXT, bytes.fromhex("000500faff48656c6c6f00"), rsv=4)], echo)
    yield case("4 final block", [frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=4)], echo)
    yield case("5 two blocks", [frame(TEXT, bytes.fromhex("f24805000000ffffcac9c90700"), rsv=4)], echo)
    yield case("6 empty message", [frame(TEXT, b"\x00", rsv=4)], [("text", b"")])
    yield case("7 empty payload", [frame(TEXT, b"", rsv=4)], end=Fails({1002, 1007}))
    yield case("8 not compressed", [frame(TEXT, hello) + frame(BINARY, b"\xff")], [("text", hello), ("binary", b"\xff")])
    yield case("9 one after the other", [frame(TEXT, data, rsv=4) + frame(TEXT, hello) + frame(BINARY, data, rsv=4)], echo + echo + [("binary", hello)])
    yield case("10 ping inside", [frame(TEXT, a, fin=False, rsv=4) + frame(PING, b"p") + frame(0, b)], [("pong", b"p")] + echo)
    yield case("11 empty fragments", [frame(TEXT, b"", fin=False, rsv=4) + frame(0, b"", fin=False) + frame(0, data, fin=False) + frame(0, b"")], echo)
    yield case("12 one byte each", [compressed(TEXT, data, 1)], echo)
    yield case("13 RSV1 on a continuation", [frame(TEXT, a, fin=False, rsv=4) + frame(0, b, rsv=4)], end=PROTOCOL)
    yield case("14 RSV1 on a ping", [frame(PING, b"p", rsv=4)], end=PROTOCOL)
    yield case("15 RSV1 on a ping inside", [frame(TEXT, a, fin=False, rsv=4) + frame(PING, b"p", rsv=4)], end=PROTOCOL)
    yield case("16 RSV1 on a close", [frame(CLOSE, struct.pack("!H", 1000), rsv=4)], end=PROTOCOL)
    yield case("17 RSV2", [frame(TEXT, data, rsv=6)], end=PROTOCOL)
    yield case("18 RSV3", [frame(TEXT, data, rsv=5)], end=PROTOCOL)
    broken = Fails({1002, 1007})
    yield case("19 block type 3", [frame(TEXT, b"\xff\xff\xff", rsv=4)], end=broken)
    yield case("20 stored length wrong", [frame(TEXT, bytes.fromhex("000500ffff48656c6c6f00"), rsv=4)], end=broken)
    yield case("21 reference before the start", [frame(TEXT, raw(hello * 9)[:-4][:1] + b"\xfb" * 9, rsv=4)], end=broken)
    yield case("22 cut short", [frame(TEXT, raw(b"abc" * 99 + os.urandom(40).hex().encode())[:-12], rsv=4)], end=broken)
    yield case("23 context of the message before", [b"".join(context_pair())], [("text", b"context " * 8)], broken,
               agreed=lambda p: None if p and "client_no_context_takeover" in p else "client_no_context_takeover is not said")
    yield case("24 text that is not UTF-8", [frame(TEXT, raw(b"ab\xed\xa0\x80")[:-4], rsv=4)], end=INVALID)
    yield case("25 binary is not checked", [frame(BINARY, raw(b"ab\xed\xa0\x80")[:-4], rsv=4)], [("binary", b"ab\xed\xa0\x80")])
    yield case("26 text cut in a code point", [frame(TEXT, raw(b"ab\xe2\x82")[:-4], rsv=4)], end=INVALID)
    yield case("27 16 MiB of zeros", [compressed(BINARY, raw(bytes(16 << 20))[:-4], 4096)], [("binary", bytes(16 << 20))], seconds=60)
    yield case("28 16 MiB and one", [compressed(BINARY, raw(bytes((16 << 20) + 1))[:-4], 4096)], end=Fails({1009}), seconds=60)
    yield case("29 bomb of a GiB", [compressed(BINARY, bomb(), 0)], end=Fails({1009}), seconds=60)
    yield case("30 incompressible", [frame(BINARY, raw(random.Random(3).randbytes(1 << 20), level=9)[:-4], rsv=4)],
               [("binary", random.Random(3).randbytes(1 << 20))], seconds=60)
    yield case("31 many empty blocks", [frame(TEXT, b"\x00\x00\x00\xff\xff" * 1000 + data, rsv=4)], echo)
    for bits in range(8, 16):
        text = far_apart()
        yield case(f"{24 + bits} server window of {bits} bits", [frame(BINARY, raw(text)[:-4], rsv=4)], [("binary", text)],
                   offer=f"permessage-deflate; server_max_window_bits={bits}", agreed=agreed_on([{"server_max_window_bits": str(bits)}]))
    yield from offers()


def far_apart():
    """Returns bytes that repeat at every distance from 1 to 40,000, so that each window size has something to find and to leave out."""
    dice = random.Random(7)
    parts = [dice.randbytes(64) for _ in range(20)]
    return b"".join(dice.choice(parts) + dice.randbytes(dice.choice((1, 8, 64, 500, 3000))) for _ in range(120))


def context_pair():
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    for _ in range(2):
        yield frame(TEXT, (stream.compress(b"context " * 8) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)


def bomb():
    """Returns about 1 MiB that inflates to a GiB."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    return b"".join(stream.compress(block) for _ in range(1024)) + stream.flush(zlib.Z_SYNC_FLUSH)[:-4]


def offers():
    """What is offered, and whether it may be accepted. Declining leaves a working connection without compression."""
    good = ["permessage-deflate", "Permessage-Deflate", "permessage-deflate;client_max_window_bits", 'permessage-deflate; server_max_window_bits="10"',
            "permessage-deflate; client_max_window_bits=8", "x-unknown, permessage-deflate", "permessage-deflate; bogus, permessage-deflate",
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_no_context_takeover",
            "permessage-deflate ;  client_max_window_bits=15"]
    bad = ["x-webkit-deflate-frame", "permessage-deflate; bogus", "permessage-deflate; bogus=1", "permessage-deflate; server_max_window_bits",
           "permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
           "permessage-deflate; server_max_window_bits=0", "permessage-deflate; server_max_window_bits=a", "permessage-deflate; client_max_window_bits=7",
           "permessage-deflate; client_max_window_bits=16", "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
           "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
           "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "permessage-deflate-2", "permessage", "permessage-deflate;",
           "permessage-deflate; server_max_window_bits=-9"]
    hello = raw(b"Hello")[:-4]
    for i, offer in enumerate(good, 1):
        wish = {"client_max_window_bits": True} if "client_max_window_bits" in offer else {}
        yield Case(f"D.O.{i} {offer}", [frame(TEXT, hello, rsv=4)], [("text", b"Hello")], offer=offer, agreed=agreed_on([wish]))
    for i, offer in enumerate(bad, 50):
        yield Case(f"D.O.{i} {offer}", [frame(TEXT, b"Hello")], [("text", b"Hello")], offer=offer, agreed=declined)
        yield Case(f"D.O.{i} {offer}: RSV1", [frame(TEXT, hello, rsv=4)], [], PROTOCOL, offer=offer, agreed=declined)
