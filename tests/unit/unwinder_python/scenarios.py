"""Runs in the interpreter under test, with the probe preloaded: `scenarios.py PROBE PLUGIN SCENARIO`.

Every check compares the unwinder's stack with what the interpreter says about its own frames.
"""

import ctypes
import gc
import os
import random
import sys
import threading

probe = ctypes.CDLL(sys.argv[1])
probe.probe_stack.restype = ctypes.c_char_p
probe.probe_warnings.restype = ctypes.c_char_p
probe.probe_fact.restype = ctypes.c_char_p
probe.probe_fact.argtypes = [ctypes.c_char_p]
probe.probe_open.argtypes = [ctypes.c_char_p]
probe.probe_walks.restype = probe.probe_mismatches.restype = probe.probe_codes.restype = ctypes.c_long
probe.probe_benchmark.restype = ctypes.c_double

VERSION = sys.version_info[:2]
checks = 0


def truth(frame):
    """[(name, qualified name, file, line, offset)], innermost first."""
    found = []
    while frame is not None:
        code = frame.f_code
        qualified = getattr(code, "co_qualname", "")
        found.append((code.co_name, qualified, code.co_filename, frame.f_lineno, frame.f_lasti))
        frame = frame.f_back
    return found


def parse(text):
    frames = []
    for line in text.decode("utf-8").split("\n")[:-1]:
        name, qualified, file, line, offset, entry = line.split("\t")
        # A frame whose first instruction has not begun has f_lasti == -1.
        frames.append((name, qualified, file, int(line), -1 if offset == "4294967295" else int(offset)))
    return frames


def compare(got, want):
    global checks
    checks += 1
    # The innermost frame has gone on to its next call; on the same line, if the caller wrote it so.
    got = [got[0][:4]] + got[1:] if got else got
    want = [want[0][:4]] + want[1:]
    if got != want:
        print("got:")
        for frame in got:
            print("   ", frame)
        print("want:")
        for frame in want:
            print("   ", frame)
        sys.stdout.flush()
        os._exit(1)


def check():
    compare(*(parse(probe.probe_stack()), truth(sys._getframe())))


def check_depth(depth):
    frames = parse(probe.probe_stack())
    assert len(frames) == depth, (len(frames), depth)


# ---- plain calls


def recursion(n=50):
    check()
    if n:
        recursion(n - 1)
        check()


def comprehensions():
    [check() for _ in range(3)]
    {check() for _ in range(2)}
    {i: check() for i in range(2)}
    [[check() for _ in range(2)] for _ in range(2)]
    list(map(lambda _: check(), range(3)))
    sorted([3, 1, 2], key=lambda v: check() or v)


def generators():
    def numbers(n):
        for i in range(n):
            check()
            yield i
            check()

    def delegating(n):
        yield from numbers(n)
        check()

    def next_from_elsewhere(g):
        return next(g)

    for _ in numbers(3):
        check()
    sum(numbers(5))
    a, b = delegating(4), numbers(4)
    for _ in range(3):
        next(a)
        next_from_elsewhere(b)
        check()
    list(check() or i for i in numbers(3))
    a.close()


def coroutines():
    import asyncio

    async def leaf(n):
        check()
        await asyncio.sleep(0)
        check()
        return n

    async def stream(n):
        for i in range(n):
            await leaf(i)
            yield i

    class Context:
        async def __aenter__(self):
            check()

        async def __aexit__(self, *exception):
            check()

    async def task(n):
        async with Context():
            async for _ in stream(n):
                check()
        return await leaf(n)

    async def main():
        await asyncio.gather(*(task(i) for i in range(5)))

    asyncio.run(main())


def classes():
    class Meta(type):
        def __new__(mcs, name, bases, namespace):
            check()
            return super().__new__(mcs, name, bases, namespace)

    class Body(metaclass=Meta):
        check()
        attribute = [check() for _ in range(2)]

        def __init__(self):
            self.cell = lambda: self
            check()

        def __getattr__(self, name):
            check()
            return name

        @property
        def value(self):
            check()
            return 1

        def __getitem__(self, key):
            check()
            return key

        def __enter__(self):
            check()

        def __exit__(self, *exception):
            check()

        def __call__(self):
            check()

        def __lt__(self, other):
            check()
            return True

    for _ in range(20):  # more than it takes to specialise
        body = Body()
        body.missing, body.value, body[1], body(), body < body
        with body:
            check()


def executed():
    for i in range(30):
        text = "\n" * i + "def f():\n  check()\nf()\ncheck()\n"
        exec(compile(text, "made%d.py" % i, "exec"), {"check": check})
    eval("check()")
    eval(compile("check() or (lambda: check())()", "evaluated", "eval"))


def reused_code():
    """Fresh code objects at the addresses of freed ones, with other names and lines."""
    addresses = {}
    for i in range(3000):
        name = "name%d" % i
        text = "\n" * (i % 50) + "def %s():\n  check()\n%s()\n" % (name, name)
        code = compile(text, "file%d.py" % i, "exec")
        for address in [id(code), *(id(part) for part in code.co_consts if isinstance(part, type(code)))]:
            addresses[address] = addresses.get(address, 0) + 1
        exec(code, {"check": check})
        del code
    assert max(addresses.values()) > 5, "no address was used again: the test tests nothing"


def dying_code():
    """Python code that runs while a code object is being destroyed."""
    import weakref

    def callback(_):
        check()

    for i in range(200):
        namespace = {"check": check}
        exec("def f%d():\n  check()" % i, namespace)
        function = namespace["f%d" % i]
        reference = weakref.ref(function.__code__, callback)
        function()
        del namespace, function
        gc.collect()
        assert reference() is None


def returning_dying_code():
    """A code object whose last reference is its own running frame."""
    import weakref

    seen = []

    def callback(_):
        seen.append(1)
        frames = parse(probe.probe_stack())
        assert frames[0][0] == "callback" and frames[-1][0] == "<module>", frames

    for i in range(200):
        namespace = {"check": check, "weakref": weakref, "sys": sys, "callback": callback, "keep": []}
        exec(
            "def f():\n"
            "  global f\n"
            "  keep.append(weakref.ref(f.__code__, callback))\n"
            "  f.__code__ = (lambda: 0).__code__\n"
            "  del f\n"
            "  check()\n"
            "f()\n",
            namespace,
        )
    gc.collect()
    assert seen


def finalizers():
    class Finalized:
        def __init__(self):
            self.me = self

        def __del__(self):
            check()

    class Simple:
        def __del__(self):
            check()

    for _ in range(5):
        Finalized()
        Simple()
        gc.collect()
        [Simple() for _ in range(3)]


def decorators():
    import functools

    def decorate(function):
        check()

        @functools.wraps(function)
        def wrapper(*args):
            check()
            return function(*args)

        return wrapper

    @decorate
    @decorate
    @functools.lru_cache(None)
    def decorated(n):
        check()
        return decorated(n - 1) if n else 0

    decorated(5)
    functools.reduce(lambda a, b: check(), range(4))
    functools.partial(decorated, 2)()


def exceptions():
    def fail(n):
        try:
            if n:
                fail(n - 1)
            check()
            raise ValueError(n)
        except ValueError:
            check()
            raise
        finally:
            check()

    for n in range(5):
        try:
            fail(n)
        except ValueError as error:
            check()
            error.__traceback__.tb_frame.f_lineno
        check()


def threads():
    def work(n):
        for _ in range(n):
            check()
            recursion(5)
            sum(1 for _ in range(3) if check() is None)

    workers = [threading.Thread(target=work, args=(20,)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check()


def multi_line_calls():
    def both(*arguments):
        compare(*(parse(probe.probe_stack()), truth(sys._getframe())))
        return arguments

    both(
        1,
        both(
            2,
        ),
        [
            check()
            for _
            in range(2)
        ],
        key(
            check,
        ),
    )
    (both)(
        1
    )[
        0
    ]
    x = (
        check() or
        check()
        or check()
    )
    with_attribute = (
        threading
        .current_thread()
        .getName
    )
    assert x is None and with_attribute


def key(function):
    return function()


def profiled():
    events = []

    def profile(frame, event, argument):
        events.append(event)
        if frame.f_code.co_name == "recursion":
            frames = parse(probe.probe_stack())
            assert frames[0][0] == "profile" and frames[1][0] == "recursion", frames[:3]

    def trace(frame, event, argument):
        if frame.f_code.co_name == "recursion":
            want = truth(sys._getframe())
            frames = parse(probe.probe_stack())
            assert [f[:3] for f in frames] == [w[:3] for w in want]
            return trace

    sys.setprofile(profile)
    recursion(5)
    sys.setprofile(None)
    sys.settrace(trace)
    recursion(5)
    sys.settrace(None)
    check()
    if hasattr(sys, "monitoring"):
        sys.monitoring.use_tool_id(3, "test")
        sys.monitoring.set_events(3, sys.monitoring.events.LINE | sys.monitoring.events.CALL)
        sys.monitoring.register_callback(3, sys.monitoring.events.LINE, lambda *a: None)
        sys.monitoring.register_callback(3, sys.monitoring.events.CALL, lambda *a: None)
        recursion(5)
        generators()
        sys.monitoring.set_events(3, 0)
    assert "call" in events and "return" in events


def signals():
    import signal

    count = [0]

    def handler(number, frame):
        count[0] += 1
        check()

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    while count[0] < 100:
        sorted(range(100), key=lambda v: -v)
        sum(i for i in range(50))
    signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted():
    """Walks in the middle of anything: while frames are pushed and popped, code objects made and destroyed."""
    import time

    probe.probe_interrupt(50)
    end = time.process_time() + 2
    generator = (recursion_quietly(3) for _ in iter(int, 1))
    while time.process_time() < end:
        for _ in range(50):
            recursion_quietly(20)
            next(generator)
            sorted(range(20), key=lambda v: -v)
            exec("def f(): return [i for i in range(9)]\nf()")
        classes_quietly()
        coroutines_quietly()
    probe.probe_interrupt(0)
    assert probe.probe_walks() > 1000, probe.probe_walks()


def recursion_quietly(n):
    return recursion_quietly(n - 1) if n else None


def classes_quietly():
    class Quiet:
        def __init__(self):
            self.value = [i for i in range(3)]

        def __del__(self):
            recursion_quietly(2)

    [Quiet() for _ in range(100)]


def unicode_names():
    source = "# -*- coding: utf-8 -*-\ndef %s():\n  check()\n%s()\n"
    for name in ("caf\u00e9", "\u0416\u0443\u043a", "\u51fd\u6570", "\U00020000"):
        exec(compile(source % (name, name), "/tmp/%s.py" % name, "exec"), {"check": check})
    undecodable = "/tmp/\udc80.py"

    def one():
        frames = parse(probe.probe_stack())
        assert frames[1][2] == "/tmp/\ufffd.py", frames[1]

    exec(compile("one()", undecodable, "exec"), {"one": one})

    class Text(str):
        pass

    def two():
        frames = parse(probe.probe_stack())
        assert frames[1][2] in ("?", "plain.py"), frames[1]

    exec(compile("two()", Text("plain.py"), "exec"), {"two": two})


def deep_recursion():
    depth = 10000
    sys.setrecursionlimit(depth + 1000)
    result = []

    def descend(n):
        if n:
            return descend(n - 1)
        check()
        check()
        result.append(len(parse(probe.probe_stack())))

    def run():
        descend(depth)
        check()
        descend(10)
        descend(depth // 2)

    threading.stack_size(512 << 20)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert result[0] > depth and result[1] < 100, result


def callbacks():
    """Threads that Python does not know, and Python called from C."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    array = (ctypes.c_int * 20)(*range(20, 0, -1))
    libc = ctypes.CDLL(None)

    @prototype
    def order(a, b):
        check()
        return 1

    libc.qsort(array, ctypes.c_size_t(20), ctypes.c_size_t(4), order)

    start = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    # A thread without Python: its stack is empty.
    handle = ctypes.c_void_p()
    stack_function = ctypes.cast(probe.probe_stack, ctypes.c_void_p)
    result = ctypes.c_char_p()
    assert libc.pthread_create(ctypes.byref(handle), None, stack_function, None) == 0
    libc.pthread_join(handle, None)

    # A foreign thread that calls into Python.
    seen = []

    @start
    def in_foreign_thread(_):
        check()
        seen.append(len(parse(probe.probe_stack())))
        return None

    assert libc.pthread_create(ctypes.byref(handle), None, in_foreign_thread, None) == 0
    libc.pthread_join(handle, None)
    assert seen == [1], seen
    assert not result.value


def restarts():
    check()
    before = probe.probe_codes()
    probe.probe_record(0)
    for i in range(100):
        exec("def f(): pass\nf()")
    probe.probe_record(1)
    check()
    assert probe.probe_codes() > before
    reused_code()


def subinterpreters():
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        try:
            import _interpreters as interpreters
        except ImportError:
            return
    identifier = interpreters.create()
    probe.probe_in_mallocs(1)
    try:
        interpreters.run_string(identifier, "import json\ndef f(n): return f(n - 1) if n else json.dumps([1] * 100)\nf(20)")
    finally:
        probe.probe_in_mallocs(0)
    check()
    interpreters.destroy(identifier)
    check()


def greenlets():
    import greenlet

    def child(n):
        check()
        other = greenlet.greenlet(child)
        if n:
            other.switch(n - 1)
        greenlet.getcurrent().parent.switch()
        check()

    def run(n):
        green = greenlet.greenlet(child)
        for _ in range(3):
            green.switch(n)
            check()

    run(4)


def randomised():
    """Thousands of stack changes of all kinds, in random order."""
    rng = random.Random(12345)
    live = []

    def generator(n):
        while True:
            act(n)
            yield

    def act(n):
        for _ in range(rng.randrange(3)):
            check()
        if n <= 0:
            return
        choice = rng.randrange(9)
        if choice == 0:
            act(n - 1)
        elif choice == 1:
            [act(n - 1) for _ in range(2)]
        elif choice == 2:
            live.append(generator(n - 2))
        elif choice == 3 and live:
            try:
                next(rng.choice(live))
            except ValueError:  # already running
                pass
        elif choice == 4:
            sorted([1, 2], key=lambda v: act(n - 1) or v)
        elif choice == 5:
            exec("act(%d)" % (n - 1), {"act": act})
        elif choice == 6:
            for _ in range(4):
                act(n - 2)
        elif choice == 7 and len(live) > 20:
            del live[rng.randrange(len(live))]
        else:
            try:
                act(n - 1)
                raise KeyError
            except KeyError:
                check()

    while checks < 8000:
        act(8)


def in_every_malloc():
    """Every allocation of real library code: the cached walk against an uncached one."""
    probe.probe_in_mallocs(1)
    import argparse, ast, collections, dataclasses, decimal, json, logging, re, textwrap, traceback, typing, unittest

    for name in ("argparse", "ast", "json", "logging", "re", "textwrap", "typing"):
        with open(sys.modules[name].__file__) as file:
            tree = ast.parse(file.read())
        ast.dump(tree)
        compile(tree, name, "exec")
        del tree
        gc.collect()
    json.loads(json.dumps([{"a": [i, str(i)]} for i in range(500)], indent=1))
    for i in range(50):
        collections.namedtuple("T%d" % i, "a b c")(1, 2, 3)
        re.compile("(a|b%d)*c" % i).match("abc")

        @dataclasses.dataclass
        class D:
            a: int
            b: str = ""

        D(1)
    coroutines_quietly()
    workers = [threading.Thread(target=lambda: [re.sub("a", str, "b" * 50) for _ in range(200)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    probe.probe_in_mallocs(0)
    assert probe.probe_walks() > 10000, probe.probe_walks()
    check()


def coroutines_quietly():
    import asyncio

    async def task(n):
        for _ in range(n):
            await asyncio.sleep(0)
        return [n] * n

    async def main():
        await asyncio.gather(*(task(i) for i in range(20)))

    asyncio.run(main())


def benchmark():
    """Not a test: what an update of an unchanged stack costs."""

    def descend(n):
        if n:
            return descend(n - 1)
        for _ in range(2):
            result = probe.probe_benchmark(1000000 if depth < 1000 else 20000)
        print("depth %5d: %8.1f ns, %5.2f ns/frame" % (depth, result, result / depth))

    sys.setrecursionlimit(20000)
    for depth in (5, 20, 50, 200, 1000, 5000):
        descend(depth - 2)


def main():
    assert probe.probe_open(sys.argv[2].encode())
    globals()[sys.argv[3]]()
    assert not probe.probe_warnings(), probe.probe_warnings()
    assert probe.probe_mismatches() == 0, probe.probe_mismatches()
    assert probe.probe_fact(b"python_version").decode() == sys.version.split()[0]
    print("%d checks, %d walks" % (checks, probe.probe_walks()))


main()
