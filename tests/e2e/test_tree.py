"""memray tree: on a terminal, and in a pipe."""
import json

import pytest

from recording import record, run
from terminal import Terminal

PROGRAM = '''
def keep():
    return bytearray(3_000_000)

def also():
    return [bytearray(500_000), bytearray(400_000)]

def both():
    return keep(), also()

kept = both()
'''

DOWN, RIGHT, LEFT = "\x1bOB", "\x1bOC", "\x1bOD"


@pytest.fixture(scope="module")
def recording(memray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    script = folder / "shop.py"
    script.write_text(PROGRAM)
    return record(memray, folder, script)


def line_with(text, wanted):
    lines = [line for line in text.splitlines() if wanted in line]
    assert len(lines) == 1, text
    return lines[0]


def test_browse(memray, recording):
    with Terminal([memray, "tree", recording.path]) as terminal:
        text = terminal.wait_for("q quit")
        assert all(len(line) <= 80 for line in text.splitlines())
        assert "3.000MB" in line_with(text, "· keep ")
        totals = {row["function"]: row["total_bytes"] for row in recording.summary()["locations"]}
        assert f"{totals['also'] / 1000:.3f}kB" in line_with(text, "also ")

        terminal.type("/keep\r")
        text = terminal.wait_for("▶    3     return bytearray(3_000_000)")  # the source of what the cursor is on
        assert f"{recording.path.parent}/shop.py:3" in text.split("─" * 80)[1]

        terminal.type("g" + LEFT)
        terminal.wait_for(lambda text: "keep " not in text.split("─" * 80)[0] and "▸ <root>" in text)
        terminal.type("e")
        terminal.wait_for("both ")

        terminal.type("?")
        terminal.wait_for("Any key goes on")
        terminal.type("x")
        terminal.wait_for("q quit")
        terminal.type("/nowhere\r")
        terminal.wait_for("Nothing matches 'nowhere'")

        terminal.resize(130, 30)
        terminal.type(DOWN)
        terminal.wait_for(lambda text: "q quit" in text.splitlines()[-1] and max(map(len, text.splitlines())) > 80)
        terminal.type("q")
        assert terminal.wait_for_end() == 0


def test_mouse(memray, recording):
    with Terminal([memray, "tree", recording.path]) as terminal:
        text = terminal.wait_for("q quit")
        row = next(i for i, line in enumerate(text.splitlines(), 1) if "both " in line)
        click = f"\x1b[<0;30;{row}M\x1b[<0;30;{row}m"
        terminal.type(click)
        terminal.wait_for(lambda text: "both" in text.split("─" * 80)[1])
        assert "also " in terminal.text
        terminal.type(click)
        terminal.wait_for(lambda text: "also " not in text.split("─" * 80)[0])
        terminal.type("\x03")
        assert terminal.wait_for_end() == 0


def test_printed(memray, recording):
    lines = recording.report("tree").splitlines()
    assert "100.00% <root>" in lines[0]
    keep = next(line for line in lines if " keep " in line)
    assert keep.split() == ["3.000MB", keep.split()[1], "keep", f"{recording.path.parent}/shop.py:3"]
    both = next(line for line in lines if " both " in line)
    assert keep.index("keep") > both.index("both")


@pytest.mark.parametrize("biggest", [1, 2, 1000])
def test_json_adds_up(memray, recording, biggest):
    tree = json.loads(recording.report("tree", "--json", "-b", str(biggest)))
    summary = recording.summary()
    assert tree["total_bytes"] == summary["total_bytes"]
    assert tree["num_allocations"] == summary["num_allocations"]
    nodes = tree["nodes"]
    inclusive = [node["own_bytes"] for node in nodes]
    for node in reversed(nodes[1:]):
        assert node["parent"] < node["id"]
        inclusive[node["parent"]] += inclusive[node["id"]]
    assert inclusive == [node["bytes"] for node in nodes]
    if biggest == 1000:
        own = {}
        for node in nodes:
            key = (node["function"], node["file"])
            own[key] = own.get(key, 0) + node["own_bytes"]
        for location in summary["locations"]:
            if location["own_bytes"] and location["function"]:
                assert own[location["function"], location["file"]] == location["own_bytes"]
    else:
        assert tree["smaller_stacks"] > 0


def test_nothing_to_show(memray, tmp_path):
    script = tmp_path / "empty.py"
    script.write_text("")
    recording = record(memray, tmp_path, script)
    done = run([memray, "tree", "--leaks", recording.path])
    assert done.returncode == 0
    assert done.stdout
