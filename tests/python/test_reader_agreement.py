"""FileReader's records are those of a computation in plain Python from `memray parse`, as the reports are (tests/e2e/test_agreement.py)."""
import collections
import subprocess
import sys

import pytest

import memray
from conftest import TOP

sys.path.append(str(TOP / "tests" / "e2e"))
from model import Model  # noqa: E402
from recording import Recording  # noqa: E402
from test_agreement import PROGRAM  # noqa: E402

VIEWS = {
    "peak": (lambda reader, **options: reader.get_high_watermark_allocation_records(**options), lambda model: model.peak()),
    "leaks": (lambda reader, **options: reader.get_leaked_allocation_records(**options), lambda model: model.leaks()),
    "temporary": (
        lambda reader, **options: reader.get_temporary_allocation_records(threshold=8, **options),
        lambda model: model.temporary(8),
    ),
}


@pytest.fixture(scope="module")
def recording(record):
    path = record(PROGRAM, "--unwinders=python")
    parse = subprocess.run([sys.executable, "-m", "memray", "parse", path], capture_output=True, text=True, timeout=120)
    assert parse.returncode == 0, parse.stderr
    recording = Recording("memray", path, None)
    recording.report = lambda *arguments: parse.stdout
    return recording


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("view", VIEWS)
def test_records(recording, view, merge):
    records, truth = VIEWS[view]
    groups = collections.defaultdict(lambda: [0, 0])
    for (stack, native, thread, allocator), (size, count) in truth(Model(recording.lines)).items():
        assert native == 0
        group = groups[recording.stacks[stack], allocator.upper(), None if merge else thread]
        group[0] += size
        group[1] += count
    # Threads have numbers of their own here: without them, the groups of a stack as a list.
    expected = collections.defaultdict(list)
    for (stack, allocator, _), sums in groups.items():
        expected[stack, allocator].append(tuple(sums))
    reported = collections.defaultdict(list)
    with memray.FileReader(recording.path) as reader:
        for record in records(reader, merge_threads=merge):
            key = tuple(record.stack_trace()), memray.AllocatorType(record.allocator).name
            reported[key].append((record.size, record.n_allocations))
    assert {key: sorted(sums) for key, sums in reported.items()} == {key: sorted(sums) for key, sums in expected.items()}
    assert merge or any(len(sums) > 1 for sums in reported.values()), "the program does not show what this is about"
