"""Where the bytes of captures go.

    python3 bench/anatomy.py CAPTURE...
"""
import collections
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "second_reader"))
from reader import EVENTS, Block  # noqa: E402

NAMES = {
    1: "metadata", 16: "strings", 17: "frames", 18: "stacks", 19: "sites", 20: "threads", 21: "processes", 22: "modules",
    23: "thread names", 24: "locations", 32: "events", 33: "event threads", 34: "address codes", 35: "address differences",
    36: "times", 48: "samples", 64: "index",
}  # fmt: skip


def anatomy(path):
    data = pathlib.Path(path).read_bytes()
    stored, unpacked = collections.Counter(), collections.Counter()
    offset, headers, blocks, events = 16, 0, 0, 0
    while data[offset : offset + 4] == b"MBLK":
        block = Block(data, offset)
        for n in range(data[offset + 7]):
            ident, _, _, size, raw, _ = struct.unpack_from("<BBHIII", block.header, 16 + 16 * n)
            stored[ident] += size
            unpacked[ident] += raw
        events += block.summary[1] if block.kind == EVENTS else 0
        headers += len(block.header)
        blocks += 1
        offset = block.end
    print(f"{path}: {len(data)} bytes, {events} events, {len(data) / max(events, 1):.3f} bytes/event")
    print(f"  {'':20}{'stored':>10}{'unpacked':>12}{'bytes/event':>13}")
    for ident in sorted(stored):
        name = NAMES.get(ident, f"section {ident}")
        print(f"  {name:20}{stored[ident]:10}{unpacked[ident]:12}{stored[ident] / max(events, 1):13.4f}")
    print(f"  {f'{blocks} block headers':20}{headers:10}")


for capture in sys.argv[1:]:
    anatomy(capture)
