"""Kills client, collector and program of a served recording, in every order and at random moments, and looks at what is left.

    MEMRAY=build/release/bin/memray tests/stress/socket_sink.py [ROUNDS]
"""
import itertools
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from live_client import Client, Served  # noqa: E402

MEMRAY = pathlib.Path(os.environ.get("MEMRAY", "build/release/bin/memray")).resolve()
COUNTS = MEMRAY.parents[1] / "tests" / "programs" / "counts"
ORDERS = list(itertools.permutations(["client", "collector", "program"]))


def name_of(process):
    try:
        return (process / "comm").read_text().strip()
    except OSError:  # it has ended meanwhile
        return ""


def program_of(pid):
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if name_of(pathlib.Path("/proc") / child) == "counts":
            return int(child)
    return 0


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def guards():
    return sum(name_of(path) == "memray-guard" for path in pathlib.Path("/proc").glob("[0-9]*"))


def one(folder, order, random_moments, by_path):
    path = folder / "socket"
    served = Served(MEMRAY, ["--", COUNTS, folder / "count", "forever"], sink=f"socket:unix:{path}" if by_path else "socket")
    served.process.stderr.close()
    time.sleep(random_moments.uniform(0, 0.05))
    collector = served.process
    wait_until(lambda: program_of(collector.pid) != 0, "the program does not start")
    program = program_of(collector.pid)
    client = Client(str(path) if by_path else served.address, "" if by_path else served.token)
    assert client.welcome
    reader = threading.Thread(target=client.read_to_end)
    reader.start()
    dead = set()
    for victim in order:
        time.sleep(random_moments.uniform(0, 0.05))
        dead.add(victim)
        if victim == "client":
            client.socket.shutdown(socket.SHUT_RDWR)
        elif victim == "collector":
            collector.kill()
            assert collector.wait(60) == -signal.SIGKILL
        elif lives(program):
            os.kill(program, signal.SIGKILL)
        # Who was not killed behaves: the program runs, the collector ends when the program has.
        if "program" not in dead:
            assert lives(program)
        if "collector" not in dead and "program" in dead:
            assert collector.wait(60) == -signal.SIGKILL
            dead.add("collector")
            order = [who for who in order if who != "collector"]
    reader.join(60)
    assert not reader.is_alive()
    wait_until(lambda: not lives(program), "the program is left")
    if by_path:
        wait_until(lambda: not path.exists(), "the socket file is left")
    collector.stdout.close()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    random_moments = random.Random(1)
    before = guards()
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            order = ORDERS[number % len(ORDERS)]
            if order.index("program") < order.index("collector"):  # it ends by itself, as the program does
                order = tuple(who for who in order if who != "collector")
            one(pathlib.Path(name), order, random_moments, by_path=number % 2 == 0)
    wait_until(lambda: guards() <= before, "a guard is left")
    print(f"{rounds} rounds: survivors went on or ended, no process and no socket file was left")


if __name__ == "__main__":
    main()
