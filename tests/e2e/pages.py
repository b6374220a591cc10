"""Two people in two headless browsers: register, invite link, live messages, a lost network, an outbox, dark and light.

With NEXUS_SHOTS=DIR it leaves screenshots there."""
import os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, run
from browser import Browser, Proxy

server = Server(shards=2)
proxy = Proxy(server.port)
browser = Browser()
shots = os.environ.get("NEXUS_SHOTS")
ann, bob = None, None
ANN, BOB = f"http://127.0.0.1:{server.port}", f"http://127.0.0.1:{proxy.port}"


def register(page, name):
    page.until(f"{page.at('register-username')} || {page.at('switch-to-register')}", what="a way to register")
    if not page.js(f"!!{page.at('register-username')}"):
        page.click("switch-to-register")
    page.fill("register-username", name)
    page.fill("register-password", "correct horse battery")
    page.click("register-submit")


def ready(page, seconds=15):
    page.until("document.querySelector('[data-testid=connection-state]').dataset.state === 'ready'", seconds, "connected")


def say(page, text):
    page.fill("message-input", text)
    page.enter()


def has(page, text, seconds=10, state="sent"):
    page.until(f"[...document.querySelectorAll('[data-testid=message-item]')].some(e => e.innerText.includes({text!r}) && e.dataset.state === '{state}')",
               seconds, f"message {text!r} is {state}")


def two_people_register_and_join_by_invite_link():
    global ann, bob
    ann = browser.page(ANN)
    if shots:
        ann.until(f"{ann.at('login-submit')} || {ann.at('register-submit')}")
        ann.screenshot(f"{shots}/login.png")
    register(ann, "ann")
    ready(ann)
    ann.click("create-guild-button")
    ann.fill("create-guild-name", "Lighthouse")
    ann.click("create-guild-submit")
    ann.until(ann.at("channel-item"), what="the first channel")
    ann.click("invite-create-button")
    code = ann.until(f"{ann.at('invite-code')}.textContent || {ann.at('invite-code')}.value", what="an invite").strip().rsplit("/", 1)[-1]
    ann.key("Escape", 27)
    ann.until(f"!{ann.at('invite-code')}", what="the invite dialog is closed")
    bob = browser.page(f"{BOB}/invite/{code}", dark=True)
    register(bob, "bob")
    ready(bob)
    bob.until(bob.at("channel-item"), what="the joined community's channel")


def exchange_messages_live_with_typing_and_presence():
    ann.until("[...document.querySelectorAll('[data-testid=member-item]')].some(e => e.innerText.includes('bob') && e.dataset.status === 'online')",
              what="bob is online")
    bob.fill("message-input", "thinking")
    ann.until("(document.querySelector('[data-testid=typing-indicator]')?.innerText ?? '').includes('bob')", what="bob is typing")
    bob.fill("message-input", "Good evening! Is the tide in already?")
    bob.enter()
    has(ann, "Is the tide in already?")
    say(ann, "It is. The boats came back an hour ago, and the lamp is lit.")
    has(bob, "the lamp is lit")
    say(bob, "Then I bring bread and the charts. See https://example.org/tides for tonight.")
    has(ann, "bread and the charts")
    say(ann, "<b>not bold</b> & never markup")
    has(bob, "<b>not bold</b>")
    if shots:
        time.sleep(0.5)
        ann.screenshot(f"{shots}/chat.png")
        bob.screenshot(f"{shots}/chat-dark.png")


def a_lost_network_of_ten_seconds_loses_and_doubles_nothing():
    proxy.lose()
    for i in range(5):
        say(ann, f"while you were away {i}")
        has(ann, f"while you were away {i}")
    say(bob, "written without a network")
    has(bob, "written without a network", state="pending")
    time.sleep(10)
    proxy.find()
    ready(bob, 40)
    for i in range(5):
        has(bob, f"while you were away {i}", 20)
    has(bob, "written without a network", 20)
    has(ann, "written without a network", 20)
    say(ann, "welcome back")
    has(bob, "welcome back")
    for page in (ann, bob):
        rows = page.messages()
        ids = [r[0] for r in rows]
        seqs = [int(r[1]) for r in rows if r[1]]
        assert len(ids) == len(set(ids)), rows
        assert seqs == sorted(set(seqs)), seqs
        texts = [r[3] for r in rows]
        for text in [f"while you were away {i}" for i in range(5)] + ["written without a network", "welcome back"]:
            assert sum(text in t for t in texts) == 1, (text, texts)
    assert [r[0] for r in ann.messages()] == [r[0] for r in bob.messages()]


def a_reloaded_page_is_back_where_it_was():
    bob.go(BOB)
    ready(bob)
    has(bob, "welcome back", 15)


def history_loads_on_scroll():
    user = None
    token = ann.js("Object.values(localStorage).map(v => { try { return JSON.parse(v) } catch { return null } }).map(v => v && (v.access_token || v.accessToken || v.access)).find(Boolean)")
    if not token:
        user = server.api("POST", "/auth/login", {"username": "ann", "password": "correct horse battery"})
        token = user["access_token"]
    guild = server.api("GET", "/users/@me/guilds", token=token)[0]["id"]
    channel = server.api("GET", f"/guilds/{guild}/channels", token=token)[0]["id"]
    for i in range(120):
        server.api("POST", f"/channels/{channel}/messages", {"content": f"log entry {i:03}"}, token=token)
    bob.go(BOB)
    ready(bob)
    has(bob, "log entry 119", 15)
    assert not any("log entry 000" in r[3] for r in bob.messages())
    end = time.monotonic() + 30
    while time.monotonic() < end and not any("the lamp is lit" in r[3] for r in bob.messages()):
        bob.js("(e => { e.scrollTop = 0; e.dispatchEvent(new Event('scroll')) })(document.querySelector('[data-testid=message-list]'))")
        time.sleep(0.3)
    rows = bob.messages()
    assert any("log entry 000" in r[3] for r in rows) and any("the lamp is lit" in r[3] for r in rows), [r[3] for r in rows[:5]]
    assert len({r[0] for r in rows}) == len(rows)


def it_fits_a_phone():
    phone = browser.page(ANN, 390, 844)
    phone.until(f"{phone.at('login-submit')} || {phone.at('register-submit')}")
    if phone.js(f"!{phone.at('login-username')}"):
        phone.click("switch-to-login")
    phone.fill("login-username", "ann")
    phone.fill("login-password", "correct horse battery")
    phone.click("login-submit")
    ready(phone)
    assert phone.js("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    if shots:
        time.sleep(0.5)
        phone.screenshot(f"{shots}/phone.png")


if __name__ == "__main__":
    run([two_people_register_and_join_by_invite_link, exchange_messages_live_with_typing_and_presence,
         a_lost_network_of_ten_seconds_loses_and_doubles_nothing, a_reloaded_page_is_back_where_it_was, history_loads_on_scroll, it_fits_a_phone])
