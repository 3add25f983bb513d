"""Programs to attach to, each with a way to know that it is still well. For tests/e2e/test_attach.py and tests/stress/attach.py."""
import os
import pathlib
import signal
import subprocess
import sys

import recording

PYTHON_LOOP = """
import signal, sys
done = False
def end(*_):
    global done
    done = True
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
rounds = total = 0
while not done:
    block = bytearray(10_000 + rounds % 7)
    total += len(block) - 10_000 - rounds % 7 + 1
    rounds += 1
print("right" if total == rounds else "wrong")
"""

PYTHON_THREADS = """
import signal, sys, threading
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
counts = [0] * 8
def work(n):
    while not done.is_set():
        counts[n] += len(bytearray(5000 + n)) == 5000 + n
threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
for t in threads: t.start()
print("ready", flush=True)
while not done.wait(0.05): pass
for t in threads: t.join()
print("right" if all(counts) else "wrong")
"""

ASYNCIO_SERVER = """
import asyncio, signal
async def main():
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    async def answer(reader, writer):
        writer.write((await reader.readline())[::-1])
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print("ready", flush=True)
    await done.wait()
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"abc\\n")
    print("right" if await reader.read() == b"\\ncba" else "wrong")
asyncio.run(main())
"""

BLOCKED_IN_READ = """
import os, sys
print("ready", flush=True)
data = os.read(0, 100)
print("right" if data == b"abc" else "wrong")
"""


class Program:
    """A running program: `pid`, and `end()`, which says whether it did what it should."""

    def __init__(self, command, ends_by_input=False, **options):
        self.ends_by_input = ends_by_input
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        assert line == b"ready\n", (line, self.process.stderr.read())

    def tell(self, line):
        """Of a program that does what it is told: what it says then."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode()

    def end(self):
        if not self.ends_by_input:
            self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(b"abc" if self.ends_by_input else None, timeout=120)
        return (self.process.returncode, out, err)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


RIGHT = (0, b"right\n", b"")


def targets(programs, python=sys.executable):
    """Name -> a function that starts it."""
    busy = programs / "attached"
    jemalloc = next(iter(pathlib.Path("/usr/lib/x86_64-linux-gnu").glob("libjemalloc.so.2")), None)
    found = {
        "python loop": lambda: Program([python, "-c", PYTHON_LOOP]),
        "python threads": lambda: Program([python, "-c", PYTHON_THREADS]),
        "asyncio server": lambda: Program([python, "-c", ASYNCIO_SERVER]),
        "blocked in read": lambda: Program([python, "-c", BLOCKED_IN_READ], ends_by_input=True),
        "malloc in 8 threads": lambda: Program([busy, "threads"]),
        "dlopen loop": lambda: Program([busy, "dlopens", programs / "plugin.so"]),
        "forks": lambda: Program([busy, "forks"]),
        "sleeps": lambda: Program([busy, "sleeps"]),
    }
    if jemalloc:
        found["jemalloc"] = lambda: Program([busy, "threads"], env={**os.environ, "LD_PRELOAD": str(jemalloc)})
    return found


def run(memray, command, pid, *options):
    """`memray attach` or `memray detach`, which works."""
    done = recording.run([memray, command, *options, pid], timeout=100)
    assert done.returncode == 0, done.stderr
    return done
