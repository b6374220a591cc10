"""Backups and moves of a community in PostgreSQL: online backup, restore into either store, a move there and back, and recovery to a point in
time, each under writers. What was acknowledged before the moment of the copy is in it, in order and without a gap; nothing of it is changed.

usage: python3 tests/e2e/pg_backup.py build/release/nexus       (docs/operations/backup.md says the same in words)
"""
import os, shutil, signal, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nexus import Server, User, executable, run
from postgres import Postgres, tool

work = tempfile.mkdtemp(prefix="nexus-backup-")
archive = os.path.join(work, "archive")
os.chmod(work, 0o755)
os.mkdir(archive, 0o777)
os.chmod(archive, 0o777)
postgres = Postgres(wal_level="replica", archive_mode="on", archive_timeout=0,
                    archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f")
PASSWORD = "correct horse battery"


def url_of(name):
    return postgres.url.rsplit("/", 1)[0] + "/" + name


def database(name):
    postgres.sql(f"CREATE DATABASE {name}")
    return url_of(name)


class Community:
    """A server, one person, one channel, and what was acknowledged in it."""

    def __init__(self, *options):
        self.server = Server(*options, data=tempfile.mkdtemp(dir=work))
        self.ann = self.server.register("ann")
        guild = self.ann.api("POST", "/guilds", {"name": "Home"})
        self.guild, self.channel = guild["id"], next(c for c in guild["channels"] if c["type"] == 0)["id"]
        self.said = []

    def say(self, count=1):
        for _ in range(count):
            text = f"message {len(self.said)}"
            sent = self.ann.api("POST", f"/channels/{self.channel}/messages", {"content": text, "nonce": text})
            self.said.append((sent["id"], text))

    def writer(self):
        """Writes until the returned function is called."""
        over = threading.Event()

        def work_on():
            while not over.is_set():
                self.say()
        thread = threading.Thread(target=work_on)
        thread.start()

        def end():
            over.set()
            thread.join()
        return end


def history(server, token, channel):
    """All messages of a channel, oldest first."""
    found, before = [], None
    while True:
        page = server.api("GET", f"/channels/{channel}/messages?limit=100" + (f"&before={before}" if before else ""), token=token)
        found += [(m["id"], m["content"]) for m in page]
        if len(page) < 100:
            return found[::-1]
        before = page[-1]["id"]


def log_in(server, name="ann"):
    return User(server, server.api("POST", "/auth/login", {"username": name, "password": PASSWORD}))


def check(community, server, at_least, at_most=None):
    """A server over a copy has the first messages, at least and at most so many, and goes on behind them."""
    ann = log_in(server)
    found = history(server, ann.token, community.channel)
    assert found == community.said[:len(found)], "the copy has other messages, or in another order"
    assert len(found) >= at_least, f"{len(found)} messages, {at_least} were acknowledged before"
    assert at_most is None or len(found) <= at_most, f"{len(found)} messages, the copy is of when there were {at_most}"
    sent = ann.api("POST", f"/channels/{community.channel}/messages", {"content": "after", "nonce": "after"})
    assert not found or int(sent["id"]) > int(found[-1][0]), "an id went back"
    after = history(server, ann.token, community.channel)
    assert [text for _, text in after] == [text for _, text in found] + ["after"]


def admin(data, *arguments, code=0):
    done = subprocess.run([executable(), "admin", "--data", data, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"nexus admin {arguments}: {done.returncode} {done.stdout} {done.stderr}"
    return done


def backs_up_while_it_runs_and_restores_into_either_store():
    community = Community("--database", database("online"))
    community.say(150)
    end = community.writer()
    before = len(community.said)
    backup = os.path.join(work, "backup.db")
    admin(community.server.data, "backup", backup)
    after = len(community.said) + 1
    end()
    community.say(5)
    community.server.stop()
    for name, options in (("postgresql", ("--database", database("restored"))), ("sqlite", ())):
        data = tempfile.mkdtemp(dir=work)
        done = admin(data, *options, "restore", backup)
        assert "read back the same" in done.stdout, done.stdout
        assert "already" in admin(data, *options, "restore", backup, code=1).stderr, "a restore over a community"
        server = Server(*options, data=data)
        check(community, server, before, after)
        server.stop()
        print(f"     restored into {name}: {before}..{after} messages")
    assert not [n for n in os.listdir(work) if ".restore" in n or ".part" in n], "something was left"


def moves_to_the_other_store_and_back():
    community = Community()
    community.say(120)
    data, there, back = community.server.data, database("moved"), os.path.join(work, "back.db")
    assert "holds this database" in admin(data, "migrate-store", "--to", there, code=69).stderr
    community.server.stop()
    assert "read back the same" in admin(data, "migrate-store", "--to", there).stdout
    assert "already" in admin(data, "migrate-store", "--to", there, code=1).stderr
    server = Server("--database", there, data=data)
    status, _, _ = server.request("GET", "/api/v1/users/@me", token=community.ann.token)
    assert status == 200, "the same keys: nobody logs in again"
    assert "holds this database" in admin(data, "migrate-store", "--from", there, "--to", f"sqlite:{back}", code=69).stderr
    server.stop()
    first = admin(data, "migrate-store", "--from", there, "--to", f"sqlite:{back}").stdout
    second = admin(data, "migrate-store", "--from", f"sqlite:{back}", "--to", database("again")).stdout
    assert first == second, "counts and checksums of one community differ"
    server = Server("--database", f"sqlite:{back}", data=data)
    check(community, server, 120, 120)
    server.stop()


def recovers_to_a_point_in_time():
    url = database("pitr")
    community = Community("--database", url)
    community.say(20)
    base = os.path.join(work, "base")
    os.mkdir(base, 0o700)
    if postgres.is_root:
        shutil.chown(base, "postgres", "postgres")
    end = community.writer()
    postgres.run(tool("pg_basebackup"), "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "postgres", "-D", base, "-X", "none", "-c", "fast")
    end()
    community.say(30)
    time.sleep(0.2)
    moment, kept = postgres.sql("SELECT clock_timestamp()").strip(), len(community.said)
    time.sleep(0.2)
    community.say(25)
    community.ann.api("DELETE", f"/guilds/{community.guild}")  # the mistake that is to be undone
    segment = os.path.join(archive, postgres.sql("SELECT pg_walfile_name(pg_switch_wal())").strip())
    limit = time.monotonic() + 30
    while not os.path.exists(segment):
        assert time.monotonic() < limit, f"{segment} was not archived"
        time.sleep(0.1)
    community.server.stop()
    postgres.process.send_signal(signal.SIGINT)
    postgres.process.wait(60)
    open(os.path.join(base, "recovery.signal"), "w").close()
    if postgres.is_root:
        shutil.chown(os.path.join(base, "recovery.signal"), "postgres", "postgres")
    postgres.data = base
    postgres.settings.update(restore_command=f"cp {archive}/%f %p", recovery_target_time=moment, recovery_target_action="promote",
                             archive_mode="off")
    postgres.start_again()
    limit = time.monotonic() + 30
    while postgres.sql("SELECT pg_is_in_recovery()").startswith("t") and time.monotonic() < limit:
        time.sleep(0.1)
    server = Server("--database", url, data=tempfile.mkdtemp(dir=work))
    check(community, server, kept, kept)
    server.stop()


try:
    run([backs_up_while_it_runs_and_restores_into_either_store, moves_to_the_other_store_and_back, recovers_to_a_point_in_time])
finally:
    shutil.rmtree(work, ignore_errors=True)
