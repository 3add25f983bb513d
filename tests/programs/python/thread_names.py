"""Threads with names from every source. Each makes a block of a size of its own, and at its end says who it is."""

import ctypes
import json
import os
import sys
import threading
import _thread

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

sizes = iter(range(3_000_001, 4_000_000))
truth = {}
allocate = ctypes.CDLL(None).malloc
allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_void_p


def make(size):
    allocate(size)


def note(size, name):
    truth[size] = (threading.get_native_id(), name)


def work(size, rename=None):
    make(size)
    if rename:
        threading.current_thread().name = rename
    note(size, threading.current_thread().name)


class Worker(threading.Thread):
    def __init__(self, size):
        super().__init__(name="worker-of-a-class")
        self.size = size

    def __getattribute__(self, attribute):
        assert attribute != "never asked for"
        return super().__getattribute__(attribute)

    def run(self):
        work(self.size)


def run(thread):
    thread.start()
    thread.join()


run(threading.Thread(target=work, args=(next(sizes),)))
run(threading.Thread(target=work, args=(next(sizes),), name="a name that the kernel has no room for"))
run(threading.Thread(target=work, args=(next(sizes),), name="ʇɥɹǝɐp 🧵 名前"))
run(threading.Thread(target=work, args=(next(sizes), "renamed by itself"), name="before"))
run(threading.Thread(target=work, args=(next(sizes),), name="x" * 1000))
run(Worker(next(sizes)))

go, gone = threading.Event(), threading.Event()


def renamed(size):
    make(size)
    gone.set()
    go.wait()
    note(size, threading.current_thread().name)


thread = threading.Thread(target=renamed, args=(next(sizes),), name="before")
thread.start()
gone.wait()
thread.name = "renamed by another"
go.set()
thread.join()

# What threading does not know is called as the kernel calls it; asking for a Thread object does not make it one.
done = threading.Event()


def bare(size):
    ctypes.CDLL(None).prctl(15, b"bare", 0, 0, 0)
    threading.current_thread()
    make(size)
    note(size, "bare")
    done.set()


_thread.start_new_thread(bare, (next(sizes),))
done.wait()


# Every interpreter has a main thread, but this one has a name already.
def in_another_interpreter(size):
    interpreter = interpreters.create()
    interpreters.run_string(interpreter, "import threading; threading.current_thread()")
    interpreters.destroy(interpreter)
    work(size)


run(threading.Thread(target=in_another_interpreter, args=(next(sizes),), name="visitor"))

# Alive at the end, and renamed since they began.
asleep = threading.Event()


def sleep(size):
    make(size)
    note(size, "renamed while asleep")
    asleep.set()
    threading.Event().wait()


daemon = threading.Thread(target=sleep, args=(next(sizes),), daemon=True)
daemon.start()
asleep.wait()
daemon.name = "renamed while asleep"

first = next(sizes)
make(first)
threading.current_thread().name = "first"
note(first, "first")

for _ in range(200):
    run(threading.Thread(target=work, args=(next(sizes),)))

if len(sys.argv) > 1:
    # A forked child has one thread, that which forked, under its name; it makes another.
    def fork():
        size = next(sizes)
        if os.fork() == 0:
            make(size)
            note(size, "forking")
            run(threading.Thread(target=work, args=(size + 1,), name="made in the child"))
            with open(sys.argv[1], "w") as out:
                json.dump({size: truth[size], size + 1: truth[size + 1]}, out)
            os._exit(0)
        os.wait()

    run(threading.Thread(target=fork, name="forking"))

print(json.dumps(truth))
