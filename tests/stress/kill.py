#!/usr/bin/env python3
"""Kills the client, the collector and the target of an attach, in every order, at random moments.

    tests/stress/kill.py [--rounds 200] [--seed 1] [--live]

With --live, what is recorded is served on a socket (a Unix socket in every other round), and `memray live` watches it: one more to
be killed. One that is not killed must end by itself when the recording does. tests/stress/socket_sink.py does it to `memray run`.

In each round a process is attached to, and detached from in every other one, while SIGKILL goes to one, two or all three of
the command that does it, the collector and the target. Then a survivor must behave: a target can be attached to again,
is detached from, and ends as it should; no process of memray's is left, no shared memory, socket or fifo, and no file but the
capture.
"""
import argparse
import itertools
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))
import attaching  # noqa: E402

WHO = ["client", "collector", "target"]
PATIENCE = 60


def processes_of(executable, group):
    """Commands of ours that run now: those that carry `group` in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.path.realpath(f"/proc/{entry}/exe") == executable and group in pathlib.Path(f"/proc/{entry}/environ").read_bytes():
                found.append(int(entry))
        except OSError:
            pass
    return found


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def wait_for(what, true):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.01)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def one_round(memray, start, order, chance, folder, group, sink):
    environment = {**os.environ, "MEMRAY_STRESS": group.decode()}
    executable = os.path.realpath(memray)

    def command(*words):
        return subprocess.Popen([memray, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    with start() as program:
        client = command("attach", *([f"--sink={sink}"] if sink else ["-q", "-f", "-o", f"{folder}/c.bin"]), str(program.pid))
        watcher = watch(command, client, folder) if sink else None
        if chance.random() < 0.5:
            client.communicate()
            client = command("detach", "-q", str(program.pid))
        time.sleep(chance.uniform(0, 0.06))
        for who in order:
            if who == "client":
                client.kill()
            elif who == "target":
                program.process.kill()
            elif who == "watcher":
                watcher.kill()
            else:
                # But not its child, which does nothing but wait for its end to remove its socket file.
                found = set(processes_of(executable, group)) - {process.pid for process in (client, watcher) if process}
                for pid in [pid for pid in found if parent_of(pid) not in found]:
                    kill(pid)
            time.sleep(chance.uniform(0, 0.005))
        try:
            client.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            client.kill()
            raise AssertionError("the client does not end")
        if "target" not in order:
            survives(command, program, f"{folder}/d.bin")
        else:
            program.process.communicate()
        if watcher:
            kept = pathlib.Path(folder) / "w.bin"
            connected = kept.exists() and kept.stat().st_size > 0
            wait_for("the watcher does not end", lambda: watcher.poll() is not None or not connected)
            if watcher.poll() is None:  # it came too late, and goes on trying
                watcher.send_signal(signal.SIGINT)
                wait_for("the watcher cannot be interrupted", lambda: watcher.poll() is not None)
            said = watcher.communicate()[0]
            assert b"terminate called" not in said and watcher.returncode in (0, 1, -signal.SIGKILL), (watcher.returncode, said)
        wait_for("a process is left", lambda: not processes_of(executable, group))
    left = set(os.listdir(folder)) - {"c.bin", "d.bin", "w.bin"}
    assert not left, f"left: {left}"


def watch(command, client, folder):
    """`memray live`, on the address that the attach says, if it comes to that."""
    for line in client.stdout:
        if b"memray live " in line:
            address = line.split(b"memray live ")[1].split(b"'")[0].decode()
            return command("live", "-f", "-o", f"{folder}/w.bin", address)
    return command("--version")


def survives(command, program, output):
    """A target that may still be recorded: that is ended, and begun and ended again."""
    command("detach", "-q", str(program.pid)).communicate(timeout=PATIENCE)
    for words in (["attach", "-q", "-f", "-o", output], ["detach", "-q"]):
        done = command(*words, str(program.pid))
        out, _ = done.communicate(timeout=PATIENCE)
        assert done.returncode == 0, out.decode()
    end = program.end()
    assert end == attaching.RIGHT, end


def shared_things():
    return set(os.listdir("/dev/shm")) | {name for name in os.listdir("/tmp") if name.startswith("memray")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build" / "release")
    parser.add_argument("--live", action="store_true")
    options = parser.parse_args()
    who = WHO + ["watcher"] * options.live
    orders = [order for size in range(1, len(who) + 1) for order in itertools.permutations(who, size)]
    chance = random.Random(options.seed)
    starts = attaching.targets(options.build / "tests" / "programs")
    names = [name for name in ("python loop", "python threads", "asyncio server", "blocked in read", "malloc in 8 threads", "forks", "sleeps") if name in starts]
    before = shared_things()
    failures = 0
    for number in range(options.rounds):
        order, name = orders[number % len(orders)], chance.choice(names)
        with tempfile.TemporaryDirectory() as folder:
            sink = ("socket", f"socket:unix:{folder}/socket")[number % 2] if options.live else None
            try:
                one_round(str(options.build / "bin" / "memray"), starts[name], order, chance, folder, f"{os.getpid()}-{number}".encode(), sink)
            except AssertionError as error:
                failures += 1
                print(f"round {number}: {name}, killed {', '.join(order)}: {error}", flush=True)
    left = shared_things() - before
    if left:
        print(f"left behind: {left}")
    print(f"{options.rounds - failures} of {options.rounds} rounds right")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
