"""Headless Chromium over its DevTools protocol, and a proxy that can take a page's network away. Standard library only."""
import atexit, base64, itertools, json, os, shutil, socket, subprocess, tempfile, threading, time

from nexus import WebSocket, frame


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="nexus-chromium-")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
             "--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.close)
        end = time.monotonic() + 30
        path = os.path.join(self.profile, "DevToolsActivePort")
        while time.monotonic() < end:
            try:
                port, where = open(path).read().split("\n")[:2]
                break
            except (OSError, ValueError):
                time.sleep(0.1)
        else:
            raise AssertionError("Chromium did not start")
        self.socket = WebSocket(int(port), where, timeout=60)
        self.socket.socket.settimeout(None)
        self.numbers, self.answers, self.lock = itertools.count(1), {}, threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while True:
                message = json.loads(self.socket.message()[1])
                if "id" in message:
                    with self.lock:
                        self.answers[message["id"]] = message
                        self.lock.notify_all()
        except Exception:
            with self.lock:
                self.answers[None] = True
                self.lock.notify_all()

    def call(self, method, params=None, session=None):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        with self.lock:
            self.socket.send(frame(1, json.dumps(message).encode()))
            while number not in self.answers:
                assert None not in self.answers and self.lock.wait(60), f"Chromium does not answer {method}"
            answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def page(self, url, width=1280, height=800, dark=False):
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        page.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        page.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        page.go(url)
        return page

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def call(self, method, params=None):
        return self.browser.call(method, params, self.session)

    def go(self, url):
        self.call("Page.navigate", {"url": url})

    def js(self, expression):
        result = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression, seconds=15, what=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.js(f"(() => {{ try {{ const v = {expression}; return typeof v === 'object' ? !!v : v }} catch (e) {{ return null }} }})()")
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what or expression}; page says: {self.js('document.body.innerText')[:600]!r}")

    @staticmethod
    def at(name):
        return f"document.querySelector('[data-testid=\"{name}\"]')"

    def click(self, name):
        self.until(f"{self.at(name)} && !{self.at(name)}.disabled", what=f"{name} can be clicked")
        self.js(f"{self.at(name)}.click()")

    def fill(self, name, text):
        self.until(self.at(name), what=f"{name} is there")
        self.js(f"{self.at(name)}.focus()")
        self.js(f"void ({self.at(name)}.select && {self.at(name)}.select())")
        self.call("Input.insertText", {"text": text})

    def enter(self):
        self.key("Enter", 13, "\r")

    def key(self, name, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", {"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text if kind == "keyDown" else ""})

    def messages(self):
        """Returns [(id, seq, state, text)] of the list."""
        return self.js("[...document.querySelectorAll('[data-testid=message-item]')].map(e => [e.dataset.messageId, e.dataset.seq, e.dataset.state, e.innerText])")

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", {"format": "png"})["data"]))


class Proxy:
    """A TCP proxy on loopback. lose() takes the network away: nothing passes in either direction, new connections hang."""

    def __init__(self, port):
        self.target, self.is_lost, self.pairs = port, False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.is_lost:
                self.pairs.append((client, None))  # answered by nobody
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((client, server))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    def carry(self, a, b):
        try:
            while True:
                data = a.recv(65536)
                while self.is_lost and data:
                    time.sleep(0.05)
                if not data:
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.close()
            except OSError:
                pass

    def lose(self):
        self.is_lost = True

    def find(self):
        """The network is back, but what was open is dead, as after a change of address."""
        for pair in self.pairs:
            for s in pair:
                if s:
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                    s.close()
        self.pairs = []
        self.is_lost = False
