"""Allocates in every kind of Python frame, and asks the interpreter itself where that was.

Each place makes one bytearray of a size used nowhere else, and calls `here` on the same line. Prints JSON: for each size, as
the allocator is asked for it, the stack as [function, file, line], innermost first.
"""
import functools
import json
import sys
import threading

truth = {}
sizes = iter(range(100_003, 10_000_000, 1009))


def here(block):
    frame, stack = sys._getframe(1), []
    while frame:
        stack.append([frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    truth[block.__alloc__()] = stack
    return block


def plain():
    return here(bytearray(next(sizes)))


def lines():
    a = here(bytearray(next(sizes)))
    b = here(bytearray(next(sizes)))

    if a:
        c = here(bytearray(next(sizes)))
    for _ in range(3):
        d = here(bytearray(next(sizes)))
    try:
        raise ValueError
    except ValueError:
        e = here(bytearray(next(sizes)))
    finally:
        f = here(bytearray(next(sizes)))
    with threading.Lock():
        g = here(bytearray(next(sizes)))
    return [a, b, c, d, e, f, g]


def recurse(depth):
    if depth:
        return recurse(depth - 1)
    return plain()


def generate():
    yield plain()
    yield here(bytearray(next(sizes)))
    yield from (plain() for _ in range(2))


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        block = here(bytearray(next(sizes)))
        return function(*arguments), block

    return wrapper


@decorated
def greet():
    return here(bytearray(next(sizes)))


class Thing:
    block = here(bytearray(next(sizes)))

    def __init__(self):
        self.block = here(bytearray(next(sizes)))

    @property
    def other(self):
        return here(bytearray(next(sizes)))

    def __del__(self):
        here(bytearray(next(sizes)))

    def __lt__(self, other):
        here(bytearray(next(sizes)))
        return False


async def awaited():
    return here(bytearray(next(sizes)))


async def awaits():
    return await awaited()


def run_coroutine():
    try:
        awaits().send(None)
    except StopIteration:
        pass


def in_thread():
    plain()
    recurse(5)


def many_lines():
    # Bytecode beyond the range of one byte, and lines far apart.
    namespace = dict(globals())
    source = "def far():\n" + "    x = 1\n" * 1000 + "    here(bytearray(next(sizes)))\n" + "\n" * 700 + "    here(bytearray(next(sizes)))\n"
    exec(compile(source, "generated.py", "exec"), namespace)
    namespace["far"]()


plain()
lines()
recurse(0)
recurse(300)
list(generate())
greet()
Thing().other
sorted([Thing(), Thing()])
(lambda: here(bytearray(next(sizes))))()
[here(bytearray(next(sizes))) for _ in range(2)]
{key: here(bytearray(next(sizes))) for key in range(2)}
list(map(lambda _: plain(), range(2)))
functools.partial(recurse, 2)()
run_coroutine()
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
eval("plain()")
exec("\n\n\nplain()\n")
many_lines()
plain()

print(json.dumps(truth))
