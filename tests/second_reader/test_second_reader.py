"""Two readers, one document: they must agree on every capture."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

READER = pathlib.Path(__file__).with_name("reader.py")
DUMP = os.environ.get("CAPTURE_DUMP")

pytestmark = pytest.mark.skipif(not DUMP, reason="CAPTURE_DUMP does not name the dump program")


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE).stdout.splitlines()


def compare(path):
    ours = [json.loads(line) for line in run(DUMP, "read", path)]
    theirs = [json.loads(line) for line in run(sys.executable, READER, path)]
    assert theirs[1:] == ours[1:]
    return ours[0], theirs[0]


@pytest.mark.parametrize(
    "seed, events, block_bytes, compress",
    [(1, 0, 1000, 1), (2, 1, 1000, 1), (3, 2000, 1, 1), (4, 20000, 3000, 1), (5, 20000, 3000, 0), (6, 30000, 1 << 20, 1)],
)
def test_both_readers_agree(tmp_path, seed, events, block_bytes, compress):
    path = tmp_path / "capture.bin"
    run(DUMP, "make", seed, events, block_bytes, compress, path)
    ours, theirs = compare(path)
    assert ours["finished"] and theirs["finished"]
    assert theirs["metadata"]["colour"] == "green"
    for key in ("end_ns", "command_line", "ending", "ending_code"):
        assert str(ours[key]) == theirs["metadata"][key]


@pytest.mark.parametrize("kept", [0.1, 0.35, 0.6, 0.9])
def test_both_readers_agree_on_what_is_left_of_a_cut_file(tmp_path, kept):
    path = tmp_path / "capture.bin"
    run(DUMP, "make", 7, 10000, 2000, 1, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    ours, theirs = compare(path)
    assert not ours["finished"] and not theirs["finished"]
