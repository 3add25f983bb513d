"""What a recording holds, worked out from the text of `memray parse` by plain loops: the truth that reports are compared with."""
import collections


class Model:
    """Groups of a view: (stack, native stack, thread, allocator), or what `key` makes of an allocation -> [bytes, count].
    Threads are always apart."""

    def __init__(self, lines, key=lambda event: (event["stack"], event["native_stack"], event["tid"], event["allocator"])):
        self.lines = lines
        self.key = key
        self.process_of = {value["tid"]: value["process"] for kind, value in lines if kind == "THREAD"}
        self.samples = [value for kind, value in lines if kind == "MEMORY_SAMPLE"]
        self.events = [(kind, value) for kind, value in lines if kind.endswith("ALLOCATION") or kind.startswith("PROCESS_E")]
        self.made = {value["number"]: value for kind, value in self.events if kind == "ALLOCATION"}
        self.end = lines[0][1]["end_ns"]

    def replay(self, until=None):
        """Yields (event number, time, live, leaked at exit, sum) after every event; live is {number: [bytes, pieces]}."""
        live, leaked, total = {}, {}, 0
        for i, (kind, event) in enumerate(self.events):
            if until is not None and event["time_ns"] > until:
                return
            if kind == "ALLOCATION":
                live[event["number"]] = [event["size"], 1]
                total += event["size"]
            elif kind == "DEALLOCATION":
                total -= live.pop(event["number"])[0]
            elif kind == "PARTIAL_DEALLOCATION":
                live[event["number"]][0] -= event["size"]
                live[event["number"]][1] = event["pieces"]
                total -= event["size"]
            elif kind in ("PROCESS_EXIT", "PROCESS_EXEC"):
                gone = [n for n in live if self.process_of[self.made[n]["tid"]] == event["process"]]
                for number in gone:
                    total -= live[number][0]
                    if kind == "PROCESS_EXIT":
                        leaked[number] = live[number]
                    del live[number]
            yield i, event["time_ns"], live, leaked, total

    def groups(self, allocations):
        groups = collections.defaultdict(lambda: [0, 0])
        for number, (size, pieces) in allocations:
            group = groups[self.key(self.made[number])]
            group[0] += size
            group[1] += pieces
        return dict(groups)

    def peak(self, start=None, end=None):
        """Two passes: find the last moment of the highest sum, then replay up to it."""
        highest, moment = 0, -1
        for i, time, _, _, total in self.replay(end):
            if start is not None and time <= start:
                highest, moment = total, i  # the state in which the window begins
            elif total >= highest:
                highest, moment = total, i
        for i, _, live, _, _ in self.replay():
            if i == moment:
                return self.groups((n, tuple(entry)) for n, entry in live.items())
        return {}

    def leaks(self, start=None, end=None):
        live, leaked = {}, {}
        for _, _, live, leaked, _ in self.replay(end):
            pass
        return self.groups(
            (n, entry) for n, entry in {**live, **leaked}.items() if start is None or self.made[n]["time_ns"] > start
        )

    def temporary(self, threshold):
        """The last `threshold` + 1 allocations of each thread, as a list."""
        recent, cut, found = collections.defaultdict(list), set(), []
        for kind, event in self.events:
            latest = recent[event["tid"]] if "tid" in event else []
            if kind == "ALLOCATION":
                latest.append(event["number"])
                del latest[: -threshold - 1]
            elif kind == "PARTIAL_DEALLOCATION":
                cut.add(event["number"])
            elif kind == "DEALLOCATION" and event["number"] in latest and event["number"] not in cut:
                found.append((event["number"], (event["size"], 1)))
        return self.groups(found)
