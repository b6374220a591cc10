"""The conformance table: RFC 6455 and RFC 3629 as rows, numbered like the Autobahn|Testsuite, sections 1 to 10, and extra ones (X)."""
import struct
from nexus import frame
from wsrun import Any, Case, Clean, Expect, Failed, Fails, Half, Pause, Quiet, Reply, Reset

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HELLO = b"Hello, world!"
OCTETS = bytes([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff])  # no UTF-8
GREEK = bytes.fromhex("cebae1bdb9cf83cebcceb5")
PROTOCOL, INVALID = Fails({1002}), Fails({1007})


def closing(code=1000, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def fragments(opcode, parts):
    """Returns the frames of one message, a part each."""
    last = len(parts) - 1
    return [frame(opcode if i == 0 else 0, part, fin=i == last) for i, part in enumerate(parts)]


def cut(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)] or [b""]


def repeated(pattern, size):
    return (pattern * (size // len(pattern) + 1))[:size]


def section_1():
    """Framing: every form of the length."""
    for group, (opcode, kind, octet) in enumerate(((TEXT, "text", b"*"), (BINARY, "binary", b"\xfe")), 1):
        for i, (size, chop) in enumerate(((0, None), (125, None), (126, None), (127, None), (128, None), (65535, None), (65536, None), (65536, 997)), 1):
            yield Case(f"1.{group}.{i}", [frame(opcode, octet * size)], [(kind, octet * size)], chop=chop)


def section_2():
    """Pings and pongs."""
    for i, payload in ((1, b""), (2, HELLO), (3, OCTETS), (4, b"\xfe" * 125)):
        yield Case(f"2.{i}", [frame(PING, payload)], [("pong", payload)])
    yield Case("2.5", [frame(PING, b"\xfe" * 126)], end=PROTOCOL)
    yield Case("2.6", [frame(PING, b"\xfe" * 125)], [("pong", b"\xfe" * 125)], chop=1)
    yield Case("2.7", [frame(PONG), Quiet(0.05)])
    yield Case("2.8", [frame(PONG, b"unsolicited pong payload"), Quiet(0.05)])
    yield Case("2.9", [frame(PONG, b"unsolicited pong payload"), frame(PING, b"ping payload")], [("pong", b"ping payload")])
    ten = [b"payload-%d" % i for i in range(10)]
    for i, chop in ((10, None), (11, 1)):
        yield Case(f"2.{i}", [b"".join(frame(PING, p) for p in ten)], [("pong", p) for p in ten], chop=chop)


def section_3():
    """Reserved bits. What came before the bad frame is answered."""
    echo = [("text", HELLO)]
    yield Case("3.1", [frame(TEXT, HELLO, rsv=1)], end=PROTOCOL)
    yield Case("3.2", [frame(TEXT, HELLO) + frame(TEXT, HELLO, rsv=2) + frame(PING)], echo, PROTOCOL, lax=[])
    yield Case("3.3", [frame(TEXT, HELLO), frame(TEXT, HELLO, rsv=3), frame(PING)], echo, PROTOCOL, lax=[])
    yield Case("3.4", [frame(TEXT, HELLO) + frame(TEXT, HELLO, rsv=4) + frame(PING)], echo, PROTOCOL, lax=[], chop=1)
    yield Case("3.5", [frame(BINARY, OCTETS, rsv=5)], end=PROTOCOL)
    yield Case("3.6", [frame(BINARY, HELLO, rsv=6)], end=PROTOCOL)
    yield Case("3.7", [frame(CLOSE, rsv=7)], end=PROTOCOL)


def section_4():
    """Reserved opcodes."""
    echo = [("text", HELLO)]
    for group, first in ((1, 3), (2, 11)):
        yield Case(f"4.{group}.1", [frame(first)], end=PROTOCOL)
        yield Case(f"4.{group}.2", [frame(first + 1, b"reserved opcode payload")], end=PROTOCOL)
        for i, payload, chop in ((3, b"", None), (4, HELLO, None), (5, HELLO, 1)):
            bad = frame(first + i - 1, payload)
            yield Case(f"4.{group}.{i}", [frame(TEXT, HELLO) + bad + frame(PING)], echo, PROTOCOL, lax=[], chop=chop)


def section_5():
    """Fragmentation."""
    one, two, three, four = b"fragment1", b"fragment2", b"fragment3", b"fragment4"
    whole = [("text", one + two)]
    pair = fragments(TEXT, [one, two])
    ping = frame(PING, b"ping payload")
    yield Case("5.1", [frame(PING, one, fin=False) + frame(0, two)], end=PROTOCOL)
    yield Case("5.2", [frame(PONG, one, fin=False) + frame(0, two)], end=PROTOCOL)
    yield Case("5.3", [b"".join(pair)], whole)
    yield Case("5.4", pair, whole)
    yield Case("5.5", pair, whole, chop=1)
    for i, script, chop in ((6, [pair[0] + ping + pair[1]], None), (7, [pair[0], ping, pair[1]], None), (8, [pair[0], ping, pair[1]], 1)):
        yield Case(f"5.{i}", script, [("pong", b"ping payload")] + whole, chop=chop)
    for i, fin in ((9, True), (12, False)):
        alone = [frame(0, b"non-continuation payload", fin=fin), frame(TEXT, HELLO)]
        yield Case(f"5.{i}", [b"".join(alone)], end=PROTOCOL)
        yield Case(f"5.{i + 1}", alone, end=PROTOCOL)
        yield Case(f"5.{i + 2}", alone, end=PROTOCOL, chop=1)
    yield Case("5.15", [b"".join(pair) + frame(0, three, fin=False) + frame(TEXT, four)], whole, PROTOCOL, lax=[])
    for i, fin in ((16, False), (17, True)):
        yield Case(f"5.{i}", [(frame(0, one, fin=fin) + frame(TEXT, two, fin=False) + frame(0, three)) * 2], end=PROTOCOL)
    yield Case("5.18", [frame(TEXT, one, fin=False) + frame(TEXT, two)], end=PROTOCOL)
    five = [b"fragment%d" % i for i in range(1, 6)]
    parts = fragments(TEXT, five)
    first, second = [parts[0], parts[1], frame(PING, b"pongme 1!")], [parts[2], parts[3], frame(PING, b"pongme 2!"), parts[4]]
    expect = [("pong", b"pongme 1!"), ("pong", b"pongme 2!"), ("text", b"".join(five))]
    yield Case("5.19", [b"".join(first), Expect(1), Pause(0.3), b"".join(second)], expect)
    yield Case("5.20", first + [Expect(1), Pause(0.3)] + second, expect)


# Section 6 from number 5 on, after M. Kuhn's "UTF-8 decoder capability and stress test": valid and invalid sequences in hexadecimal.
INCOMPLETE = "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf".split()
STRESS = [
    ("valid", ["68656c6c6f24776f726c64", "68656c6c6fc2a2776f726c64", "68656c6c6fe282ac776f726c64", "68656c6c6ff0a4ada2776f726c64", GREEK.hex()]),
    ("prefixes", [GREEK[:i].hex() for i in range(1, len(GREEK) + 1)]),
    ("first of each length", "00 c280 e0a080 f0908080".split()),
    ("first of length 5 and 6", "f888808080 fc8480808080".split()),
    ("last of each length", "7f dfbf efbfbf f48fbfbf".split()),
    ("last of length 4, 5 and 6", "f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf".split()),
    ("other boundaries", "ed9fbf ee8080 efbfbd f48fbfbf f4908080".split()),
    ("unexpected continuations", ["80", "bf"] + [("80bf" * 3)[:2 * n] for n in range(2, 7)] + [bytes(range(0x80, 0xbf)).hex()]),
    ("lonely starts", [b"".join(bytes([c, 0x20]) for c in range(a, b)).hex() for a, b in
                       ((0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd))]),
    ("last continuation missing", INCOMPLETE),
    ("incomplete ones joined", ["".join(INCOMPLETE)]),
    ("impossible bytes", "fe ff fefeffff".split()),
    ("overlong slash", "c0af e080af f08080af f8808080af fc80808080af".split()),
    ("longest overlong", "c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf".split()),
    ("overlong NUL", "c080 e08080 f0808080 f880808080 fc8080808080".split()),
    ("single surrogates", "eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf".split()),
    ("surrogate pairs", [high + low for high in ("eda080", "edadbf", "edae80", "edafbf") for low in ("edb080", "edbfbf")]),
    ("non-characters", ["efbfbe", "efbfbf"] + [chr(plane << 16 | low).encode().hex() for plane in range(1, 17) for low in (0xfffe, 0xffff)]),
    ("specials", [chr(c).encode().hex() for c in (0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd)] + ["efbfbe", "efbfbf"]),
]


def is_utf8(data):
    try:
        data.decode("utf-8", "strict")
        return True
    except UnicodeDecodeError:
        return False


def section_6():
    """Text is UTF-8, and what is not fails as soon as it shows."""
    yield Case("6.1.1", [frame(TEXT)], [("text", b"")])
    yield Case("6.1.2", [b"".join(fragments(TEXT, [b"", b"", b""]))], [("text", b"")])
    yield Case("6.1.3", [b"".join(fragments(TEXT, [b"", b"middle frame payload", b""]))], [("text", b"middle frame payload")])
    umlauts = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield Case("6.2.1", [frame(TEXT, umlauts)], [("text", umlauts)])
    half = umlauts.index("ü".encode())
    yield Case("6.2.2", fragments(TEXT, [umlauts[:half], umlauts[half:]]), [("text", umlauts)])
    yield Case("6.2.3", fragments(TEXT, cut(umlauts, 1)), [("text", umlauts)])
    yield Case("6.2.4", fragments(TEXT, cut(GREEK, 1)), [("text", GREEK)])
    surrogate = GREEK + b"\xed\xa0\x80edited"
    yield Case("6.3.1", [frame(TEXT, surrogate)], end=INVALID)
    yield Case("6.3.2", fragments(TEXT, cut(surrogate, 1)), end=INVALID)
    beyond = GREEK + b"\xf4\x90\x80\x80edited"  # U+110000
    first_bad = len(GREEK) + 1
    masked, head = frame(TEXT, beyond), 6
    for i, at, to in ((1, len(GREEK), len(GREEK) + 4), (2, first_bad, first_bad + 1)):
        a, b, c = fragments(TEXT, [beyond[:at], beyond[at:to], beyond[to:]])
        yield Case(f"6.4.{i}", [a, Quiet(0.3), b, Failed(0.5), c], end=INVALID)
        yield Case(f"6.4.{i + 2}", [masked[:head + at], Quiet(0.3), masked[head + at:head + to], Failed(0.5), masked[head + to:]], end=INVALID)
    for group, (_, sequences) in enumerate(STRESS, 5):
        for i, sequence in enumerate(map(bytes.fromhex, sequences), 1):
            valid = is_utf8(sequence)
            yield Case(f"6.{group}.{i}", [frame(TEXT, sequence)], [("text", sequence)] if valid else [], Clean() if valid else INVALID)


def section_7():
    """Closing."""
    normal = Reply({1000})
    yield Case("7.1.1", [frame(TEXT, b"Hello World!")], [("text", b"Hello World!")])
    yield Case("7.1.2", [closing() + frame(CLOSE)], end=normal)
    yield Case("7.1.3", [closing() + frame(PING)], end=normal)
    yield Case("7.1.4", [closing() + frame(TEXT, b"Hello World!")], end=normal)
    yield Case("7.1.5", [frame(TEXT, b"fragment1", fin=False) + closing() + frame(0, b"fragment2")], end=normal)
    large = repeated(b"BAsd7&jh23", 256 * 1024)
    yield Case("7.1.6", [frame(TEXT, large) + frame(TEXT, b"Hello World!") + closing() + frame(PING)], end=Any())
    yield Case("7.3.1", [frame(CLOSE)], end=Reply({1000, 1005}))
    yield Case("7.3.2", [frame(CLOSE, b"a")], end=Reply({1002}))
    yield Case("7.3.3", [closing()], end=normal)
    yield Case("7.3.4", [closing(1000, b"Hello World!")], end=normal)
    yield Case("7.3.5", [closing(1000, b"*" * 123)], end=normal)
    yield Case("7.3.6", [closing(1000, b"*" * 124)], end=Reply({1002}))
    yield Case("7.5.1", [closing(1000, GREEK + b"\xed\xa0\x80edited")], end=Reply({1007}))
    for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield Case(f"7.7.{i}", [closing(code)], end=Reply({1000, code}))
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield Case(f"7.9.{i}", [closing(code)], end=Reply({1002}))
    yield Case("7.13.1", [closing(5000)], end=Any())
    yield Case("7.13.2", [closing(65535)], end=Any())


def section_9():
    """Sizes and numbers."""
    kib, mib = 1 << 10, 1 << 20
    kinds = ((TEXT, "text", b"BAsd7&jh23"), (BINARY, "binary", bytes([0x00, 0xfe, 0x23, 0xfa, 0xf0])))
    for group, (opcode, kind, pattern) in enumerate(kinds, 1):
        for i, size in enumerate((64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib), 1):
            data = repeated(pattern, size)
            yield Case(f"9.{group}.{i}", [frame(opcode, data)], [(kind, data)], seconds=60)
    four = b"*" * (4 * mib)
    for group, (opcode, kind, _) in enumerate(kinds, 3):
        for i, size in enumerate((64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib), 1):
            parts = fragments(opcode, cut(four, size))
            script = [b"".join(parts[k:k + 512]) for k in range(0, len(parts), 512)]
            yield Case(f"9.{group}.{i}", script, [(kind, four)], seconds=60)
    for group, (opcode, kind, pattern) in enumerate(kinds, 5):
        data = repeated(pattern, mib)
        for i, chop in enumerate((64, 128, 256, 512, 1024, 2048), 1):
            yield Case(f"9.{group}.{i}", [frame(opcode, data)], [(kind, data)], chop=chop, seconds=60)
    for group, (opcode, kind, octet) in enumerate(((TEXT, "text", b"*"), (BINARY, "binary", b"\xfe")), 7):
        for i, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            script = [step for k in range(1000) for step in (frame(opcode, octet * size), Expect(k + 1))]
            yield Case(f"9.{group}.{i}", script, [(kind, octet * size)] * 1000, seconds=60)


def section_10():
    data = b"*" * 65536
    yield Case("10.1.1", [b"".join(fragments(TEXT, cut(data, 1300)))], [("text", data)])


def extras():
    """What the suite lacks."""
    both = {1002, 1009}
    yield Case("X.1 unmasked text", [frame(TEXT, HELLO, mask=False)], end=PROTOCOL)
    yield Case("X.2 unmasked close", [frame(CLOSE, struct.pack("!H", 1000), mask=False)], end=PROTOCOL)
    yield Case("X.3 unmasked after masked", [frame(TEXT, HELLO) + frame(TEXT, HELLO, mask=False)], [("text", HELLO)], PROTOCOL)
    for i, (size, form) in enumerate(((0, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64)), 4):
        yield Case(f"X.{i} {size} bytes in {form} bits", [frame(BINARY, bytes(size), length_form=form)], end=PROTOCOL)
    yield Case("X.10 ping in 16 bits", [frame(PING, b"a", length_form=16)], end=PROTOCOL)
    for i, length in enumerate((1 << 63, (1 << 64) - 1, (1 << 63) + 5), 11):
        yield Case(f"X.{i} length {length:x}", [b"\x82\xff" + struct.pack("!Q", length) + b"mask"], end=Fails({1002}))
    for i, length in enumerate(((1 << 63) - 1, 1 << 40, 1 << 32, 1 << 30, (16 << 20) + 1), 14):
        yield Case(f"X.{i} length {length:x}", [b"\x82\xff" + struct.pack("!Q", length) + b"mask"], end=Fails({1009}))
    yield Case("X.19 one byte over in the second fragment", [frame(BINARY, bytes(16 << 20), fin=False), frame(0, b"a")], end=Fails({1009}), seconds=60)
    yield Case("X.20 ping inside fragments, pong too", [frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(PONG, b"2") + frame(0, b"b", fin=False) +
                                                        frame(PING, b"3") + frame(0, b"c")], [("pong", b"1"), ("pong", b"3"), ("text", b"abc")])
    yield Case("X.21 code point over three fragments", fragments(TEXT, [b"\xf0\x9f", b"\x98", b"\x80"]), [("text", "😀".encode())])
    yield Case("X.22 code point over a ping", [frame(TEXT, b"\xe2\x82", fin=False) + frame(PING) + frame(0, b"\xac")], [("pong", b""), ("text", "€".encode())])
    yield Case("X.23 cut code point at the end", fragments(TEXT, [b"\xe2", b"\x82"]), end=INVALID)
    yield Case("X.24 binary is not checked", fragments(BINARY, [b"\xff", b"\xfe\xed\xa0"]), [("binary", b"\xff\xfe\xed\xa0")])
    yield Case("X.25 state of the text is per message", [frame(TEXT, b"\xc3\xa4") + frame(BINARY, b"\xc3") + frame(TEXT, b"ok")],
               [("text", b"\xc3\xa4"), ("binary", b"\xc3"), ("text", b"ok")])
    for i, code in enumerate((1012, 1013, 1014), 26):
        yield Case(f"X.{i} close {code}", [closing(code)], end=Reply({1000, code}))
    yield Case("X.29 close 1015", [closing(1015)], end=Reply({1002}))
    yield Case("X.30 close reason cut in a code point", [closing(1000, b"\xe2\x82")], end=Reply({1007}))
    yield Case("X.31 half-close after a message", [frame(TEXT, HELLO), Expect(1), Half()], [("text", HELLO)], Fails({None, 1000, 1001, 1002, 1005}))
    yield Case("X.32 half-close inside a frame", [frame(TEXT, HELLO)[:9], Half()], [], Fails({None, 1000, 1001, 1002, 1005}))
    yield Case("X.33 half-close inside a message", [frame(TEXT, HELLO, fin=False), Half()], [], Fails({None, 1000, 1001, 1002, 1005}))
    yield Case("X.34 reset inside a header", [frame(TEXT, HELLO)[:1], Pause(0.02), Reset()])
    yield Case("X.35 reset inside a frame", [frame(TEXT, HELLO)[:9], Pause(0.02), Reset()])
    yield Case("X.36 reset inside a message", [frame(TEXT, HELLO, fin=False), Pause(0.02), Reset()])
    yield Case("X.37 reset with an echo under way", [frame(BINARY, bytes(4 << 20)), Pause(0.05), Reset()])
    yield Case("X.38 100,000 fragments", [b"".join(fragments(BINARY, [b"x"] * 100000))], [("binary", b"x" * 100000)], seconds=60)
    yield Case("X.39 10,000 messages in one write", [frame(TEXT, b"12345678") * 10000], [("text", b"12345678")] * 10000, seconds=60)
    yield Case("X.40 1,000 pings in one write", [b"".join(frame(PING, b"%d" % i) for i in range(1000))], [("pong", b"%d" % i) for i in range(1000)])
    yield Case("X.41 data after a failure", [frame(3) + frame(TEXT, HELLO) * 1000 + closing()], end=PROTOCOL)


SECTIONS = (("1", section_1, 16), ("2", section_2, 11), ("3", section_3, 7), ("4", section_4, 10), ("5", section_5, 20), ("6", section_6, 145),
            ("7", section_7, 37), ("9", section_9, 54), ("10", section_10, 1))
INFORMATIONAL_CASES = {"7.1.6", "7.13.1", "7.13.2"}
