"""Plays scripts of raw bytes against a WebSocket server, hundreds at a time, and judges strictly what comes back.

A script is a list of bytes (one write each) and of the steps below. Only the standard library.
"""
import base64, hashlib, heapq, itertools, os, selectors, socket, struct, time, zlib
from collections import deque, namedtuple
from nexus import GUID, frame

Pause = namedtuple("Pause", "seconds")    # nothing is sent for so long
Expect = namedtuple("Expect", "count")    # until so many events have come in all
Quiet = namedtuple("Quiet", "seconds")    # for so long nothing may come
Failed = namedtuple("Failed", "seconds")  # the server must have closed within this time; later is not strict
Half = namedtuple("Half", "")             # our half of the TCP connection ends
Reset = namedtuple("Reset", "")           # TCP reset, and the case is over

# How a case ends.
Clean = namedtuple("Clean", "")       # we close with 1000 once everything has come, the server answers 1000
Fails = namedtuple("Fails", "codes")  # the server closes with one of these
Reply = namedtuple("Reply", "codes")  # the script closes, the server answers with one of these
Any = namedtuple("Any", "")           # the connection ends, however

OK, NON_STRICT, INFORMATIONAL, FAILED = "OK", "NON-STRICT", "INFORMATIONAL", "FAILED"
DATA = {1: "text", 2: "binary"}
EOF_SECONDS = 1.5  # from the last close frame to the server's FIN


class Case:
    """One row: what is sent, what must come back, and how it ends."""

    def __init__(self, name, script, expect=(), end=Clean(), chop=None, lax=None, offer=None, seconds=10, agreed=None):
        self.name, self.script, self.expect, self.end = name, script, list(expect), end
        self.chop = chop      # bytes per write; None: as the script says
        self.lax = lax        # events that make it NON-STRICT
        self.offer = offer    # Sec-WebSocket-Extensions
        self.agreed = agreed  # checks the agreed extension parameters; returns a complaint or None
        self.seconds = seconds

    def stream(self):
        """Returns all its bytes when they are known beforehand and order is all that matters, else None."""
        if callable(self.script) or any(isinstance(step, (Half, Reset)) for step in self.script):
            return None
        return b"".join(step for step in self.script if isinstance(step, bytes))

    def in_pieces(self, label, cut, pause):
        """Returns the same case with its bytes sent in the pieces that `cut` makes of them."""
        script = []
        for piece in cut(self.stream()):
            script += [piece, Pause(pause)]
        return Case(f"{self.name} {label}", script[:-1], self.expect, self.end, lax=self.lax, offer=self.offer, seconds=self.seconds)


Result = namedtuple("Result", "case verdict reason seconds was_reset")


class Rule(Exception):
    """The server broke a rule of the protocol."""


def parameters_of(value):
    """Returns {parameter: value or True} of one permessage-deflate answer."""
    parts = [part.strip() for part in value.split(";")]
    if parts[0].lower() != "permessage-deflate":
        raise Rule(f"extension nobody offered: {value}")
    found = {}
    for part in parts[1:]:
        name, _, given = part.partition("=")
        if name.strip() in found:
            raise Rule(f"parameter given twice: {value}")
        found[name.strip()] = given.strip().strip('"') or True
    return found


class Inflater:
    """Inflates messages and shows when they reach further back than the agreed window."""

    def __init__(self, parameters):
        self.bits = int(parameters.get("server_max_window_bits", 15))
        self.keeps_context = "server_no_context_takeover" not in parameters
        self.stream = None

    def message(self, data):
        if self.stream is None or not self.keeps_context:
            self.stream = zlib.decompressobj(-self.bits)
        data += b"\x00\x00\xff\xff"
        try:
            if self.bits == 15:
                return self.stream.decompress(data)
            out = []  # A byte at a time zlib can copy from its window only, so the window's size counts; for long ones nearly so.
            room = 1 if len(data) < 4096 else 64
            while True:
                got = self.stream.decompress(data, room)
                data = self.stream.unconsumed_tail
                out.append(got)
                if not got and not data:
                    return b"".join(out)
        except zlib.error as error:
            raise Rule(f"bad deflate data: {error}")


class Deflater:
    """Deflates messages as the answer of the server allows."""

    def __init__(self, parameters, bits=15):
        given = parameters.get("client_max_window_bits", True)
        self.bits = max(9, min(bits, 15 if given is True else int(given)))
        self.keeps_context = "client_no_context_takeover" not in parameters
        self.stream = None

    def message(self, data):
        if self.stream is None or not self.keeps_context:
            self.stream = zlib.compressobj(6, zlib.DEFLATED, -self.bits)
        out = self.stream.compress(data) + self.stream.flush(zlib.Z_SYNC_FLUSH)
        return out[:-4]


class Connection:
    """One case under way."""

    def __init__(self, case, address, path):
        self.case, self.address = case, address
        self.started = time.monotonic()
        self.deadline = self.started + case.seconds
        self.socket = socket.create_connection(address, timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        key = base64.b64encode(os.urandom(16))
        self.accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        head = [f"GET {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key.decode()}"]
        if case.offer:
            head.append(f"Sec-WebSocket-Extensions: {case.offer}")
        self.out = deque([memoryview(("\r\n".join(head) + "\r\n\r\n").encode())])
        self.input, self.at = bytearray(), 0
        self.is_open = self.is_over = self.is_late = self.was_reset = False
        self.script, self.step = None, None
        self.parameters, self.inflater = None, None
        self.events, self.opcode, self.parts, self.is_compressed = [], None, [], False
        self.close_code, self.close_at, self.has_sent_close = None, None, False
        self.wake_at = self.deadline
        self.complaint = None

    # -- what comes in

    def read(self):
        try:
            while True:
                got = self.socket.recv(1 << 18)
                if not got:
                    self.end_of_input()
                    return
                self.input += got
                self.take()
                if len(got) < 1 << 18:
                    return
        except BlockingIOError:
            return
        except ConnectionResetError:
            self.was_reset = True
            if self.close_code is None:
                self.complain("reset before any close frame")
            self.is_over = True
        except Rule as rule:
            self.complain(str(rule))
            self.is_over = True

    def end_of_input(self):
        if not self.is_open:
            self.complain("end of input in the handshake")
        elif len(self.input) > self.at:
            self.complain("end of input inside a frame")
        self.is_over = True

    def complain(self, text):
        self.complaint = self.complaint or text

    def take(self):
        if not self.is_open:
            end = self.input.find(b"\r\n\r\n")
            if end < 0:
                return
            self.handshake(bytes(self.input[:end]).decode("latin-1"))
            self.at = end + 4
        while self.take_frame():
            pass
        if self.at > 1 << 20 or self.at == len(self.input):
            del self.input[:self.at]
            self.at = 0

    def handshake(self, head):
        lines = head.split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() in fields:
                raise Rule(f"header given twice: {name}")
            fields[name.lower()] = value.strip()
        if not lines[0].startswith("HTTP/1.1 101 "):
            raise Rule(f"handshake answered {lines[0]}")
        if fields.get("sec-websocket-accept") != self.accept or fields.get("upgrade", "").lower() != "websocket" or \
                "upgrade" not in fields.get("connection", "").lower() or "sec-websocket-protocol" in fields:
            raise Rule(f"bad handshake answer: {head}")
        answer = fields.get("sec-websocket-extensions")
        if answer is not None:
            if not self.case.offer:
                raise Rule(f"extension that was not offered: {answer}")
            self.parameters = parameters_of(answer)
            self.inflater = Inflater(self.parameters)
        if self.case.agreed:
            complaint = self.case.agreed(self.parameters)
            if complaint:
                raise Rule(f"{complaint}; offered {self.case.offer!r}, answered {answer!r}")
        self.is_open = True
        script = self.case.script
        self.script = iter(script(self.parameters or {}) if callable(script) else script)

    def take_frame(self):
        data, at = self.input, self.at
        if len(data) - at < 2:
            return False
        first, second = data[at], data[at + 1]
        size, head = second & 0x7f, 2
        if second & 0x80:
            raise Rule("the server masked a frame")
        if size == 126:
            if len(data) - at < 4:
                return False
            size, head = struct.unpack_from("!H", data, at + 2)[0], 4
            if size < 126:
                raise Rule("length not in its shortest form")
        elif size == 127:
            if len(data) - at < 10:
                return False
            size, head = struct.unpack_from("!Q", data, at + 2)[0], 10
            if size < 65536:
                raise Rule("length not in its shortest form")
        if len(data) - at < head + size:
            return False
        payload = bytes(memoryview(data)[at + head:at + head + size])
        self.at = at + head + size
        self.took(first >> 7, first >> 4 & 7, first & 15, payload)
        return True

    def took(self, fin, rsv, opcode, payload):
        if self.close_code is not None:
            raise Rule(f"frame after the close frame: opcode {opcode}")
        if opcode >= 8:
            if rsv or not fin or len(payload) > 125 or opcode not in (8, 9, 10):
                raise Rule(f"bad control frame: opcode {opcode} fin {fin} rsv {rsv} size {len(payload)}")
            if opcode == 8:
                self.took_close(payload)
            else:
                self.events.append(("ping" if opcode == 9 else "pong", payload))
            return
        if opcode not in (0, 1, 2) or (opcode == 0) != (self.opcode is not None) or rsv not in (0, 4) or \
                (rsv and (opcode == 0 or not self.inflater)):
            raise Rule(f"bad data frame: opcode {opcode} rsv {rsv}")
        if opcode:
            self.opcode, self.is_compressed, self.parts = opcode, bool(rsv), []
        self.parts.append(payload)
        if fin:
            payload = b"".join(self.parts) if len(self.parts) > 1 else payload
            if self.is_compressed:
                payload = self.inflater.message(payload)
            if self.opcode == 1:
                try:
                    payload.decode()
                except UnicodeDecodeError:
                    raise Rule("text that is not UTF-8")
            self.events.append((DATA[self.opcode], payload))
            self.opcode, self.parts = None, []

    def took_close(self, payload):
        if len(payload) == 1:
            raise Rule("close frame of one byte")
        payload[2:].decode()
        self.close_code = struct.unpack("!H", payload[:2])[0] if payload else 1005
        self.close_at = time.monotonic()
        if not self.has_sent_close and not isinstance(self.case.end, Reply):
            self.out.clear()
            self.script = iter(())
            self.send_close(payload[:2])

    # -- what goes out

    def send_close(self, payload):
        self.has_sent_close = True
        self.put(frame(8, payload))

    def put(self, data):
        step = self.case.chop or len(data) or 1
        view = memoryview(data)
        self.out.extend(view[i:i + step] for i in range(0, len(data), step))

    def write(self):
        try:
            while self.out:
                sent = self.socket.send(self.out[0])
                if sent < len(self.out[0]):
                    self.out[0] = self.out[0][sent:]
                    return
                self.out.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.out.clear()  # What the server said before is still to be read.

    def advance(self, now):
        """Goes on with the script as far as it can; returns when to look again."""
        if not self.is_open or self.out:
            return self.deadline
        if self.close_code is not None:
            return min(self.deadline, self.close_at + EOF_SECONDS)
        while not self.out:
            if self.step is None:
                self.step = next(self.script, None)
                if self.step is None:
                    if isinstance(self.case.end, Clean) and not self.has_sent_close and len(self.events) >= len(self.case.expect):
                        self.send_close(struct.pack("!H", 1000))
                        self.write()
                    return self.deadline
                self.until = now + getattr(self.step, "seconds", 0)
                self.seen = len(self.events)
            step = self.step
            if isinstance(step, Expect):
                if len(self.events) < step.count:
                    return self.deadline
            elif isinstance(step, Half):
                self.socket.shutdown(socket.SHUT_WR)
                self.has_sent_close = True
            elif isinstance(step, Reset):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.is_over = True
                return now
            elif isinstance(step, (Pause, Quiet, Failed)):
                if isinstance(step, Quiet) and len(self.events) != self.seen:
                    self.complain("something came too early")
                if now < self.until:
                    return self.until
                self.is_late |= isinstance(step, Failed)
            else:
                self.put(step)
                self.write()
            self.step = None
        return self.deadline

    # -- verdict

    def judge(self):
        if isinstance(self.case.script, list) and any(isinstance(step, Reset) for step in self.case.script):
            return (OK, "") if not self.complaint else (FAILED, self.complaint)
        if not self.is_over and not self.complaint:
            waiting = "for its end" if self.close_code is not None else "for it" if self.is_open else "in the handshake"
            self.complain(f"timeout {waiting}; {len(self.events)} of {len(self.case.expect)} events, close {self.close_code}")
        if isinstance(self.case.end, Any) and not self.complaint:
            return INFORMATIONAL, f"{len(self.events)} events, close {self.close_code}"
        codes = self.case.end.codes if isinstance(self.case.end, (Fails, Reply)) else {1000}
        got, verdict = self.events, OK
        if not self.complaint and self.close_code not in codes and not isinstance(self.case.end, Any):
            self.complain(f"close {self.close_code} instead of {sorted(codes, key=str)}")
        if got != self.case.expect:
            if self.case.lax is not None and got == self.case.lax:
                verdict, self.lax_reason = NON_STRICT, "what came before the failure was not answered"
            else:
                self.complain(f"got {brief(got)} instead of {brief(self.case.expect)}")
        elif self.is_late:
            verdict, self.lax_reason = NON_STRICT, "failed late"
        if self.complaint:
            return FAILED, self.complaint
        return verdict, "" if verdict == OK else self.lax_reason

    def result(self):
        verdict, reason = self.judge()
        self.socket.close()
        return Result(self.case, verdict, reason, time.monotonic() - self.started, self.was_reset)


def brief(events):
    shown = ", ".join(f"{kind} {payload[:24]!r}{'…' if len(payload) > 24 else ''} ({len(payload)})" for kind, payload in events[:4])
    return f"[{shown}{f', … {len(events)} in all' if len(events) > 4 else ''}]"


def play(cases, address, parallel=64, path="/"):
    """Runs every case; yields its Result as it ends."""
    selector = selectors.DefaultSelector()
    waiting, running, due, ticket = iter(cases), set(), [], itertools.count()

    def look_again(connection, at):
        connection.wake_at = at
        heapq.heappush(due, (at, next(ticket), connection))

    def attend(connection, now):
        """Lets it write and go on; returns whether it is over."""
        connection.write()
        at = connection.advance(now)
        if connection.is_over or now >= connection.deadline or (connection.close_at and now >= connection.close_at + EOF_SECONDS):
            return True
        selector.modify(connection.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0), connection)
        if at < connection.wake_at or connection.wake_at <= now:
            look_again(connection, max(at, now + 0.0005))
        return False

    def finish(connection):
        selector.unregister(connection.socket)
        running.discard(connection)
        return connection.result()

    while True:
        while len(running) < parallel:
            case = next(waiting, None)
            if case is None:
                break
            try:
                connection = Connection(case, address, path)
            except OSError as error:
                yield Result(case, FAILED, f"no connection: {error}", 0, False)
                continue
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            running.add(connection)
            look_again(connection, connection.deadline)
            if attend(connection, time.monotonic()):
                yield finish(connection)
        if not running:
            return
        while due and due[0][2] not in running:
            heapq.heappop(due)
        wait = max(0.0, due[0][0] - time.monotonic()) if due else 0.1
        ready = selector.select(wait)
        now = time.monotonic()
        for key, mask in ready:
            connection = key.data
            if mask & selectors.EVENT_READ:
                connection.read()
            if attend(connection, now):
                yield finish(connection)
        while due and due[0][0] <= now:
            _, _, connection = heapq.heappop(due)
            if connection in running and attend(connection, now):
                yield finish(connection)
