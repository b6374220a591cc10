"""What an operator gets wrong, and what must come right by itself: settings, directories, accounts, stopping in the middle of work."""
import http.client, json, os, pwd, re, signal, socket, stat, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(__file__))
from nexus import Server, executable, free_port, run


def nexus(*arguments, env=None, **options):
    return subprocess.run([executable(), *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}, **options)


def a_setting_given_twice_is_refused_with_both_lines():
    with tempfile.TemporaryDirectory() as data:
        for text, second, first in (("[server]\nshards = 1\nshards = 2\n", 3, 2), ("[log]\nlevel = \"info\"\n\n[server]\nshards = 1\n[log]\nlevel = \"warn\"\n", 7, 2),
                                    ("[limits]\nrate_limits = true\n# once more\nrate_limits = true\n", 4, 2)):
            with open(os.path.join(data, "nexus.toml"), "w") as f:
                f.write(text)
            for role in (["serve"], ["control"], ["gatewayd"], ["doctor"], ["admin", "config", "check"]):
                refused = nexus(*role, "--data", data)
                assert refused.returncode == 78 and f"nexus.toml:{second}: " in refused.stderr and f"set twice, first in line {first}" in refused.stderr, (role, text, refused)


def admin_makes_no_directory_by_mistake():
    with tempfile.TemporaryDirectory() as here:
        typo = os.path.join(here, "no", "such")
        refused = nexus("admin", "--data", typo, "user", "list")
        assert refused.returncode == 69 and f"there is no data directory {typo}" in refused.stderr and not os.path.exists(os.path.dirname(typo)), refused
        with open(os.path.join(here, "letter.txt"), "w") as f:
            f.write("private")
        refused = nexus("admin", "--data", here, "user", "list")
        assert refused.returncode == 69 and "is no data directory of Nexus" in refused.stderr and os.listdir(here) == ["letter.txt"], refused
        empty = os.path.join(here, "empty")
        os.mkdir(empty, 0o700)
        made = nexus("admin", "--data", empty, "user", "create", "ann", "correct horse battery")
        assert made.returncode == 0 and made.stdout.strip().isdigit(), made


def ids_of(pid):
    with open(f"/proc/{pid}/status") as f:
        words = dict(line.split(":", 1) for line in f)
    return {int(i) for key in ("Uid", "Gid") for i in words[key].split()}, words["Groups"].split(), int(words["CapEff"], 16)


def root_becomes_somebody_who_may_less():
    if os.geteuid() != 0:
        print("     skipped: only root can give root up", flush=True)
        return
    account = pwd.getpwnam("nobody")
    mine = {account.pw_uid, account.pw_gid}
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        data, log = os.path.join(base, "data"), open(os.path.join(base, "log"), "wb")
        port = free_port()
        command = [executable(), "serve", "--data", data, "--listen", f"127.0.0.1:{port}", "--admin", "", "--shards", "1", "--user", "nobody"]

        def started():
            process = subprocess.Popen(command, stdout=log, stderr=log)
            end = time.monotonic() + 20
            while time.monotonic() < end and process.poll() is None:
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                    connection.request("GET", "/readyz")
                    if connection.getresponse().status == 200:
                        return process
                except OSError:
                    pass
                time.sleep(0.05)
            raise AssertionError(open(os.path.join(base, "log")).read())

        def children(process):
            with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
                return [int(pid) for pid in f.read().split()]
        for _ in (0, 1):  # the second start finds what the first one left
            process = started()
            pids = [process.pid] + children(process)
            assert len(pids) == 3, pids
            for pid in pids:
                ids, _, capabilities = ids_of(pid)
                assert ids == mine and capabilities == 0, f"{pid}: {ids} {capabilities:x}"
            os.kill(pids[1], signal.SIGKILL)  # what is started again runs as the same
            end = time.monotonic() + 10
            while (len(children(process)) < 2 or pids[1] in children(process)) and time.monotonic() < end:
                time.sleep(0.05)
            assert all(ids_of(pid)[0] == mine for pid in children(process))
            admin = nexus("admin", "--data", data, "user", "list")
            assert admin.returncode == 0, admin
            process.terminate()
            assert process.wait(30) == 0
        alone = nexus("admin", "--data", data, "user", "create", "ann", "correct horse battery")
        assert alone.returncode == 0, alone
        for name in os.listdir(data):
            info = os.stat(os.path.join(data, name))
            assert {info.st_uid, info.st_gid} == mine and stat.S_IMODE(info.st_mode) & 0o077 == 0, f"{name}: {info}"
        # A directory of root's with other things in it is not given away, and nobody is made up.
        other = os.path.join(base, "other")
        os.mkdir(other, 0o755)
        with open(os.path.join(other, "passwords"), "w") as f:
            f.write("x")
        refused = nexus("serve", "--data", other, "--listen", f"127.0.0.1:{free_port()}", "--admin", "", "--user", "nobody")
        assert refused.returncode == 69 and "holds other things" in refused.stderr and os.stat(other).st_uid == 0 and os.stat(os.path.join(other, "passwords")).st_uid == 0, refused
        refused = nexus("serve", "--data", data, "--listen", f"127.0.0.1:{free_port()}", "--admin", "", env={"NEXUS_SERVER_USER": "no-such-account"})
        assert refused.returncode == 78 and "there is no such account" in refused.stderr, refused


def stops_with_logins_in_flight():
    """Control is told to stop while its workers hash and more waits than they can do in time: nothing is left behind, nothing waits for it."""
    server = Server(shards=1)
    server.register("ann")
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
                connection.request("POST", "/api/v1/auth/login", json.dumps({"username": "ann", "password": "wrong password"}), {"Content-Type": "application/json"})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
    threads = [threading.Thread(target=flood, daemon=True) for _ in range(120)]
    [t.start() for t in threads]
    time.sleep(1)
    control = server.children()["control"]
    start = time.monotonic()
    os.kill(control, signal.SIGTERM)
    while os.path.exists(f"/proc/{control}") and time.monotonic() - start < 15:
        time.sleep(0.02)
    took = time.monotonic() - start
    time.sleep(0.5)
    stop.set()
    [t.join() for t in threads]
    print(f"     control took {took:.1f} s", flush=True)
    assert took < 6, f"{took:.1f} s"
    log = server.log_text()
    server.stop()
    ended = re.findall(r"child_ended role=control .* code=(\d+)", log)
    assert ended == ["0"] and "Sanitizer" not in log and "child_killed" not in log, log[-3000:]


if __name__ == "__main__":
    run([a_setting_given_twice_is_refused_with_both_lines, admin_makes_no_directory_by_mistake, root_becomes_somebody_who_may_less, stops_with_logins_in_flight])
