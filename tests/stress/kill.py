#!/usr/bin/env python3
"""Kills the client, the collector and the target of an attach, in every order, at random moments.

    tests/stress/kill.py [--rounds 200] [--seed 1]

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

WHO = ("client", "collector", "target")
ORDERS = [order for size in (1, 2, 3) for order in itertools.permutations(WHO, size)]
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


def one_round(memray, start, order, chance, folder, group):
    environment = {**os.environ, "MEMRAY_STRESS": group.decode()}
    executable = os.path.realpath(memray)

    def command(*words):
        return subprocess.Popen([memray, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    with start() as program:
        client = command("attach", "-q", "-f", "-o", f"{folder}/c.bin", str(program.pid))
        if chance.random() < 0.5:
            client.communicate()
            client = command("detach", "-q", str(program.pid))
        time.sleep(chance.uniform(0, 0.06))
        for who in order:
            if who == "client":
                client.kill()
            elif who == "target":
                program.process.kill()
            else:
                for pid in processes_of(executable, group):
                    if pid != client.pid:
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
        wait_for("a process is left", lambda: not processes_of(executable, group))
    left = set(os.listdir(folder)) - {"c.bin", "d.bin"}
    assert not left, f"left: {left}"


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
    options = parser.parse_args()
    chance = random.Random(options.seed)
    starts = attaching.targets(options.build / "tests" / "programs")
    names = [name for name in ("python loop", "python threads", "asyncio server", "blocked in read", "malloc in 8 threads", "forks", "sleeps") if name in starts]
    before = shared_things()
    failures = 0
    for number in range(options.rounds):
        order, name = ORDERS[number % len(ORDERS)], chance.choice(names)
        with tempfile.TemporaryDirectory() as folder:
            try:
                one_round(str(options.build / "bin" / "memray"), starts[name], order, chance, folder, f"{os.getpid()}-{number}".encode())
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
