#!/usr/bin/env python3
"""A reader of captures, written from docs/capture-format.md alone. Prints everything as JSON lines.

It shares no code with memray and needs nothing but Python and libzstd. It is plain rather than fast, and strict: what
the document does not allow is an error.
"""

import ctypes
import ctypes.util
import json
import struct
import sys
import zlib

MASK = (1 << 64) - 1
SIGNATURE = b"\x93MRAY\r\n\x1a"
HEADER, DEFINITIONS, EVENTS, SAMPLES, INDEX, TRAILER, AGGREGATES, OBJECTS = range(8)
SITE_TABLES = {81: "peak", 82: "live", 83: "kept", 84: "allocated"}
TOTALS = ("events", "allocations", "deallocations", "unknown", "allocated_bytes", "peak_bytes")
MUNMAP_OF = {10: 11, 16: 11, 17: 11, 18: 11, 19: 11, 12: 15, 13: 15, 14: 15}


class Malformed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Malformed(what)


_zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def zstd_unpack(packed, size):
    out = ctypes.create_string_buffer(max(size, 1))
    got = _zstd.ZSTD_decompress(out, size, packed, len(packed))
    expect(got == size, "zstd frame")
    return out.raw[:size]


class Bytes:
    """A section being read."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def more(self):
        return self.at < len(self.data)

    def u8(self):
        expect(self.more(), "section too short")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                expect(value <= MASK, "varint too long")
                return value

    def signed(self):
        return unzigzag(self.varint())

    def text(self):
        size = self.varint()
        expect(self.at + size <= len(self.data), "text too long")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8", "surrogateescape")


def unzigzag(code):
    return (code >> 1) ^ -(code & 1)


class Block:
    def __init__(self, data, offset):
        expect(offset + 16 <= len(data) and data[offset : offset + 4] == b"MBLK", "block")
        size, self.kind, count, payload, crc = struct.unpack_from("<HBBII", data, offset + 4)
        self.header = data[offset : offset + size]
        expect(16 <= size <= 1024 and len(self.header) == size, "header size")
        expect(zlib.crc32(self.header[:12] + bytes(4) + self.header[16:]) == crc, "header checksum")
        self.sections = {}
        at = self.end = offset + size
        for n in range(count):
            ident, codec, zero, stored, unpacked, crc = struct.unpack_from("<BBHIII", self.header, 16 + 16 * n)
            piece = data[at : at + stored]
            expect(len(piece) == stored and zlib.crc32(piece) == crc, "section checksum")
            expect(codec in (0, 1), "codec")
            raw = zstd_unpack(piece, unpacked) if codec == 1 else piece
            expect(len(raw) == unpacked, "unpacked size")
            self.sections[ident] = self.sections.get(ident, b"") + raw
            at += stored
        self.end += payload
        expect(at == self.end, "payload size")
        if self.kind == EVENTS:
            self.summary = struct.unpack_from("<7Q2q4Q", self.header, 16 + 16 * count)

    def section(self, ident):
        return Bytes(self.sections.get(ident, b""))


class FreeList:
    def __init__(self):
        self.freed = []
        self.latest = 0


class Pool:
    def __init__(self, number, size_class):
        self.number, self.size_class = number, size_class
        self.freed = self.unused = 0  # blocks are numbered from 1
        self.older = {}

    def next(self):
        block = self.freed or (self.unused if self.unused + self.size_class <= 1024 else 0)
        return block and ((self.number << 14) + (block - 1) * 16) & MASK

    def take(self, block):
        """Unlinks it from the freed ones, if it is among the latest 256."""
        before, at = None, self.freed
        for _ in range(256):
            if at == 0:
                break
            if at == block:
                if before is None:
                    self.freed = self.older[block]
                else:
                    self.older[before] = self.older[block]
                return
            before, at = at, self.older[at]
        self.unused = block + self.size_class + 1


class Pools:
    """Blocks of Python's allocator for small objects."""

    def __init__(self, codes, deltas):
        self.codes, self.deltas = codes, deltas
        self.slots, self.lists, self.latest = {}, {}, {}

    def pool_of(self, address, size_class):
        number = address >> 14
        slot = (number * 0x9E3779B97F4A7C15 & MASK) >> 52
        pool = self.slots.get(slot)
        if pool is None or (pool.number, pool.size_class) != (number, size_class):
            if pool is not None and pool in self.lists.get(pool.size_class, []):
                self.lists[pool.size_class].remove(pool)
            pool = self.slots[slot] = Pool(number, size_class)
        return pool, (address >> 4) % 1024 + 1

    def allocation(self, size):
        size_class = (max(size, 1) - 1) // 16
        pools = self.lists.setdefault(size_class, [])
        latest = self.latest.get(size_class, 0)
        while pools and not pools[0].next():
            del pools[0]
        code = self.codes.u8()
        if code < 60:
            expect(code < len(pools) and pools[code].next(), "code of a pool")
            address = pools[code].next()
        elif code == 60:
            address = (pools[0].next() if pools else 0) + 16 * self.deltas.signed()
        elif code == 61:
            address = (((latest >> 14) + self.deltas.signed()) << 14) + 48
        else:
            expect(code in (62, 63), "code of a pool")
            address = latest + self.deltas.signed() * (16 if code == 62 else 1)
        address &= MASK
        pool, block = self.pool_of(address, size_class)
        pool.take(block)
        if pool in pools:
            pools.remove(pool)
        pools.insert(0, pool)
        self.latest[size_class] = address
        return address

    def deallocation(self, size, address):
        size_class = (max(size, 1) - 1) // 16
        pool, block = self.pool_of(address, size_class)
        pool.older[block], pool.freed = pool.freed, block
        pools = self.lists.setdefault(size_class, [])
        if pool not in pools:
            pools.insert(0, pool)


def is_pooled(allocator, size):
    return 12 <= allocator <= 15 and size <= 512


class Addresses:
    def __init__(self, codes, deltas):
        self.codes, self.deltas, self.lists, self.end = codes, deltas, {}, 0
        self.pools = Pools(codes, deltas)

    def list_of(self, size):
        return self.lists.setdefault((size + 7) // 16 if size <= 1024 else 64 + size.bit_length(), FreeList())

    def allocation(self, allocator, size):
        if is_pooled(allocator, size):
            return self.pools.allocation(size)
        code = self.codes.u8()
        free_list = self.list_of(size)
        if code < 32:
            expect(code < len(free_list.freed), "address code")
            free_list.latest = free_list.freed.pop(-1 - code)
            return free_list.latest
        if code == 32:
            address = self.end
        elif code == 33:
            address = free_list.latest + max(16, (size + 15) // 16 * 16)
        else:
            expect(code in (34, 35), "address code")
            address = free_list.latest + self.deltas.signed() * (16 if code == 34 else 1)
        free_list.latest = address & MASK
        self.end = (address + max(32, (size + 23) // 16 * 16)) & MASK
        return free_list.latest

    def deallocation(self, allocator, size, address):
        if is_pooled(allocator, size):
            return self.pools.deallocation(size, address)
        freed = self.list_of(size).freed
        freed.append(address)
        del freed[:-32]

    def other(self, size):
        free_list = self.list_of(size)
        free_list.latest = (free_list.latest + self.deltas.signed()) & MASK
        return free_list.latest


class Marks:
    """Pairs of (events since the last pair, value)."""

    def __init__(self, section, value):
        self.at, pairs = 0, []
        while section.more():
            self.at += section.varint()
            pairs.append((self.at, value(section)))
        self.by_event = dict(pairs)


class Reader:
    def __init__(self, data):
        expect(data[:8] == SIGNATURE, "signature")
        self.version = struct.unpack_from("<HH", data, 8)
        expect(self.version[0] == 1, "major version")
        self.data = data
        self.metadata = {}
        self.strings, self.stacks = [""], [None]
        self.frames, self.sites, self.threads, self.processes, self.modules = [], [], [], [], []
        self.name_changes = []
        self.samples = []
        self.events_blocks = []
        self.aggregates = []
        self.objects = []
        self.live_objects = {}
        self.finished = False
        self.read_blocks()

    def read_blocks(self):
        offset, headers, index_offset = 16, [], 0
        while offset < len(self.data):
            try:
                block = Block(self.data, offset)
            except Malformed:
                return
            if block.kind in (HEADER, TRAILER):
                self.read_metadata(block.section(1))
            elif block.kind == DEFINITIONS:
                self.read_definitions(block)
            elif block.kind == EVENTS:
                self.events_blocks.append(block)
            elif block.kind == SAMPLES:
                self.read_samples(block.section(48), block.section(50))
            elif block.kind == OBJECTS:
                self.read_objects(block.section(49))
            elif block.kind == AGGREGATES:
                expect(not self.aggregates, "a second aggregates block")
                self.aggregates = list(self.read_aggregates(block))
            elif block.kind == INDEX:
                index_offset = offset
                expect(block.sections.get(64, b"") == b"".join(headers), "index says something else")
            if block.kind == TRAILER:
                self.check_tail(block.end, index_offset, offset)
                return
            headers.append(struct.pack("<Q", offset) + block.header)
            offset = block.end

    def check_tail(self, at, index_offset, trailer_offset):
        tail = self.data[at:]
        expect(len(tail) == 24 and tail[20:] == b"MEND", "tail")
        expect(struct.unpack("<QQI", tail[:20]) == (index_offset, trailer_offset, zlib.crc32(tail[:16])), "tail")
        self.finished = True

    def read_metadata(self, section):
        while section.more():
            key = section.text()
            self.metadata[key] = section.text()

    def rows(self, section, first, columns):
        """The rows of a table; `columns` has a d for each column of differences, a p for each plain one."""
        expect(section.varint() == first, "first number")
        count = section.varint()
        table = []
        for kind in columns:
            value, column = 0, []
            for _ in range(count):
                value = (value + section.signed()) & MASK if kind == "d" else section.varint()
                column.append(value)
            table.append(column)
        expect(not section.more(), "table too long")
        return zip(*table)

    def read_samples(self, section, details):
        keys = ("process_heap", "anonymous", "mapped", "pss", "mappings", "own")
        rows = list(self.rows(section, 0, "dpdd"))
        more = list(self.rows(details, 0, "dddddd")) if details.data else [(0,) * 6] * len(rows)
        expect(len(more) == len(rows), "details of samples")
        for (time, process, rss, heap), detail in zip(rows, more):
            self.samples.append({"time": time, "process": process, "rss": rss, "heap": heap, **dict(zip(keys, detail))})

    def read_objects(self, section):
        created = sum(entry["created"] for entry in self.objects)
        expect(section.varint() == created, "number of the first object")
        kind = stack = native = address = thread = time = 0
        while section.more():
            head = section.varint()
            if head % 2:
                kind += unzigzag(head >> 1)
                stack += section.signed()
                native += section.signed()
                address = (address + section.signed()) & MASK
                entry = {"object": created, "type": kind, "stack": stack, "native": native, "address": address}
                self.live_objects[created] = entry
                created += 1
            else:
                entry = self.live_objects.pop(created - (head >> 1))
            thread += section.signed()
            time += section.signed()
            self.objects.append({**entry, "created": head % 2 == 1, "thread": thread, "time": time * 100_000})

    def read_aggregates(self, block):
        section = block.section(80)
        totals = {key: section.varint() for key in TOTALS}
        yield {"totals": {**totals, "peak_time": section.signed(), "end": section.signed(), "restated": section.varint()}}
        for ident, name in SITE_TABLES.items():
            section, site = block.section(ident), 0
            sums = [0, 0]
            while section.more():
                site += section.varint()
                count = section.varint()
                size = (count * (self.sites[site]["size"] or 0) + section.signed()) & MASK
                yield {name: site, "bytes": size, "count": count}
                sums = [(sums[0] + size) & MASK, sums[1] + count]
            if name == "peak":
                expect(sums[0] == totals["peak_bytes"], "bytes at the peak")
            if name == "allocated":
                expect(sums == [totals["allocated_bytes"], totals["allocations"]], "allocated bytes")
        section, size = block.section(85), 0
        while section.more():
            size += section.varint()
            yield {"size": size, "count": section.varint()}

    def read_definitions(self, block):
        for ident in block.sections:
            section = block.section(ident)
            if ident == 16:
                expect(section.varint() == len(self.strings), "first number")
                while section.more():
                    self.strings.append(section.text())
            elif ident == 17:
                for row in self.rows(section, len(self.frames), "pddddd"):
                    self.add_frame(*row)
            elif ident == 18:
                for up, frame in self.rows(section, len(self.stacks), "pd"):
                    self.stacks.append({"parent": len(self.stacks) - up, "frame": frame})
            elif ident == 19:
                for row in self.rows(section, len(self.sites), "ddppp"):
                    self.add_site(*row)
            elif ident == 20:
                for row in self.rows(section, len(self.threads), "pppp"):
                    self.threads.append(dict(zip(("process", "number", "tid", "name"), row)))
            elif ident == 21:
                for pid, parent, command, start in self.rows(section, len(self.processes), "pppd"):
                    start -= (start >> 63) << 64
                    self.processes.append({"pid": pid, "parent": parent, "command": command, "start": start})
            elif ident == 22:
                for row in self.rows(section, len(self.modules), "pddddd"):
                    self.modules.append(dict(zip(("process", "path", "build_id", "start", "end", "offset"), row)))
            elif ident == 23:
                for thread, name in self.rows(section, 0, "pp"):
                    self.threads[thread]["name"] = name
            elif ident == 25:
                for thread, name, event in self.rows(section, len(self.name_changes), "ppd"):
                    expect(thread < len(self.threads), "thread")
                    self.name_changes.append((thread, self.strings[name], event))
            elif ident == 24:
                self.read_locations(section)

    def add_frame(self, flags, function, file, line, module, address):
        entry = bool(flags & 2)
        if flags & 1:
            self.frames.append({"native": True, "entry": entry, "module": module - 1, "address": address, "locations": []})
        else:
            self.frames.append({"native": False, "entry": entry, "locations": [[function, file, line]]})

    def add_site(self, stack, native, thread, allocator, size):
        expect(stack < len(self.stacks) and native < len(self.stacks), "stack")
        site = {"stack": stack, "native": native, "thread": thread - 1, "allocator": allocator & 0x7F}
        site["size"] = None if allocator & 0x80 else size
        self.sites.append(site)

    def read_locations(self, section):
        locations = []
        for frame, left, function, file, line in self.rows(section, 0, "dpddd"):
            locations.append([function, file, line])
            if left == 0:
                if self.frames[frame]["native"]:
                    self.frames[frame]["locations"] = locations
                locations = []

    def events(self):
        live = {}
        next_number = events = 0
        for block in self.events_blocks:
            expect(block.summary[0] == events and block.summary[2] == next_number, "first event")
            for event in self.events_of(block, live):
                if event["kind"] == "allocation":
                    next_number += 1
                events += 1
                yield event
        self.count = events

    def events_of(self, block, live):
        tokens = block.section(32)
        addresses = Addresses(block.section(34), block.section(35))
        threads = Marks(block.section(33), Bytes.varint).by_event
        times = Marks(block.section(36), Bytes.signed).by_event
        (_, count, number, allocations, deallocations, unknown, allocated, first, last, before, after, peak, peak_at) = block.summary
        seen = {"allocation": 0, "deallocation": 0, "unknown": 0}
        highest = (0, 0)
        site = time = thread = 0
        reference = number
        bytes_live, bytes_allocated = before, 0
        for n in range(count):
            token = tokens.varint()
            code = tokens.u8() if token == 0 else 0
            if token & 1 or code == 1:
                site += unzigzag(token >> 1) if token & 1 else tokens.signed()
                where = self.sites[site]
                expect((where["size"] is None) == (code == 1), "varying size")
                size = tokens.varint() if code == 1 else where["size"]
                event = {"kind": "allocation", "allocator": where["allocator"], "site": site, "number": number, "size": size}
                event["address"] = addresses.allocation(where["allocator"], size)
                live[number] = [site, event["address"], size]
                number += 1
                reference = number
                thread = where["thread"]
                bytes_live += size
                bytes_allocated += size
            elif token or code == 2:
                if token:
                    which = reference = reference + unzigzag(token >> 1)
                else:
                    which = number - tokens.varint()
                where, address, size = live[which]
                event = {"kind": "deallocation" if token else "partial", "site": where, "number": which}
                event["allocator"] = MUNMAP_OF.get(self.sites[where]["allocator"], 2)
                if token:
                    addresses.deallocation(event["allocator"], size, address)
                    del live[which]
                else:
                    size = tokens.varint()
                    event["pieces"] = tokens.varint()
                    live[which][2] -= size
                    address = addresses.other(size)
                event["size"], event["address"] = size, address
                bytes_live -= size
            elif code == 3:
                event = {"kind": "unknown", "allocator": tokens.varint(), "size": tokens.varint()}
                event["address"] = addresses.other(event["size"])
            elif code in (4, 5):
                event = {"kind": "exec" if code == 4 else "exit", "process": tokens.varint(), "size": tokens.varint()}
                gone = [k for k, v in live.items() if self.process_of(v[0]) == event["process"]]
                expect(sum(live[k][2] for k in gone) == event["size"], "size of process")
                for k in gone:
                    del live[k]
                bytes_live -= event["size"]
            else:
                raise Malformed("code of event")
            if n in threads:
                thread = threads[n]
            time += times.get(n, 0)
            event["thread"], event["time"] = thread, time * 100_000
            if event["kind"] in seen:
                seen[event["kind"]] += 1
            highest = max(highest, (bytes_live, n))
            expect(first <= event["time"] <= last, "times of summary")
            yield event
        expect(not (tokens.more() or addresses.codes.more() or addresses.deltas.more()), "section too long")
        expect(tuple(seen.values()) == (allocations, deallocations, unknown), "counts of summary")
        expect((bytes_allocated, bytes_live, highest) == (allocated, after, (peak, peak_at)), "bytes of summary")

    def process_of(self, site):
        thread = self.sites[site]["thread"]
        return self.threads[thread]["process"] if thread >= 0 else None


def lines(reader):
    yield {"metadata": reader.metadata, "finished": reader.finished}
    tables = ("strings", "frames", "stacks", "sites", "threads", "processes", "modules", "samples", "aggregates")
    yield from ({"table": t, "number": n, "entry": e} for t in tables for n, e in enumerate(getattr(reader, t)))
    yield from reader.events()
    yield from reader.objects


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: reader.py CAPTURE")
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        for line in lines(Reader(data)):
            print(json.dumps(line, sort_keys=True))
    except Malformed as error:
        sys.exit(f"malformed: {error}")


if __name__ == "__main__":
    main()
