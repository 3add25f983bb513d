"""Process trees: --follow-fork records every process into one capture, the default only the program itself."""
import collections

import pytest

import recording

MULTIPROCESSING = """
import multiprocessing, sys

def work(n):
    return len(bytearray(10_000_000 + n))

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        print(sorted(pool.map(work, range(6), chunksize=1)))
"""

SUBPROCESSES = """
import os, subprocess, sys
tree = sys.argv[1]
subprocess.run([tree, "0", "0", "fork"], check=True)
subprocess.run([tree, "0", "0", "fork"], check=True, env={})
subprocess.run(f"{tree} 0 0 fork", shell=True, check=True)
assert os.system(f"{tree} 0 0 fork") == 0
for spawn in os.posix_spawn, os.posix_spawnp:
    assert os.waitpid(spawn(tree, [tree, "0", "0", "fork"], {}), 0)[1] == 0
"""


def dump(memray, capture):
    """Lines of `memray parse` by their first word, as fields."""
    lines = collections.defaultdict(list)
    for line in recording.run([memray, "parse", capture]).stdout.splitlines():
        lines[line.split(" ", 1)[0]].append(recording.fields(line))
    return lines


def sizes(lines):
    return collections.Counter(event["size"] for event in lines["ALLOCATION"])


@pytest.mark.parametrize("hooks", ["preload", "plt"])
@pytest.mark.parametrize("how", ["fork", "exec", "spawn"])
def test_a_tree_of_processes_is_one_recording(memray, programs, tmp_path, how, hooks):
    """Every process forks while two of its threads are in malloc and free."""
    depth, width = 3, 3
    capture = tmp_path / "capture.bin"
    done = recording.run(
        [memray, "run", "--follow-fork", f"--hooks={hooks}", "-o", capture, "--", programs / "tree", depth, width, how]
    )
    assert done.returncode == 0, done.stderr
    lines = dump(memray, capture)
    expected = {100_000 + d: width ** (depth - d) for d in range(depth + 1)}
    processes = sum(expected.values())
    found = sizes(lines)
    assert {size: found[size] for size in expected} == expected
    assert found[77] == 50 * processes
    assert len({process["pid"] for process in lines["PROCESS"]}) == processes
    assert lines["HEADER"][0].get("dropped_events", 0) == 0
    assert lines["TRAILER"][0]["dropped_events"] == 0
    ended = [end["process"] for end in lines["PROCESS_EXIT"]]
    assert len(ended) == processes and len(set(ended)) == processes


def test_children_are_left_alone_unless_asked_for(memray, programs, tmp_path):
    capture = tmp_path / "capture.bin"
    done = recording.run([memray, "run", "-o", capture, "--", programs / "tree", 2, 2, "fork"])
    assert done.returncode == 0, done.stderr
    lines = dump(memray, capture)
    assert sizes(lines)[77] == 50
    assert len(lines["PROCESS"]) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(memray, tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(MULTIPROCESSING)
    plain = recording.run(["/usr/bin/python3", script, method])
    capture = tmp_path / "capture.bin"
    done = recording.run(
        [memray, "run", "-q", "--follow-fork", "--python", "/usr/bin/python3", "-o", capture, script, method]
    )
    assert (done.returncode, done.stdout, done.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    lines = dump(memray, capture)
    big = [event for event in lines["ALLOCATION"] if 10_000_000 <= event["size"] < 10_000_100]
    assert len(big) == 6
    frames = {frame["frame"]: frame for frame in lines["FRAME"]}
    stacks = {stack["stack"]: stack for stack in lines["STACK"]}
    innermost = {(frames[stacks[event["stack"]]["frame"]]["function"], frames[stacks[event["stack"]]["frame"]]["line"]) for event in big}
    assert innermost == {("work", 5)}


def test_native_children_of_a_script(memray, programs, tmp_path):
    """Also with an empty environment, and through a shell."""
    script = tmp_path / "script.py"
    script.write_text(SUBPROCESSES)
    capture = tmp_path / "capture.bin"
    done = recording.run([memray, "run", "--follow-fork", "-o", capture, script, programs / "tree"])
    assert done.returncode == 0, done.stderr
    lines = dump(memray, capture)
    assert sizes(lines)[100_000] == 6
    commands = [process["command_line"] for process in lines["PROCESS"]]
    assert sum(command.endswith("tree 0 0 fork") and not command.startswith("sh") for command in commands) >= 6


def test_a_child_may_outlive_the_program(memray, tmp_path):
    capture = tmp_path / "capture.bin"
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(0.3)\n    late = bytearray(7_654_321)\n    os._exit(0)\n"
    done = recording.run([memray, "run", "--follow-fork", "-o", capture, "-c", code])
    assert done.returncode == 0, done.stderr
    assert sizes(dump(memray, capture))[7_654_322] + sizes(dump(memray, capture))[7_654_321] == 1


def test_killed_children_are_recorded_up_to_their_end(memray, tmp_path):
    capture = tmp_path / "capture.bin"
    code = (
        "import os, signal\n"
        "for i in range(5):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(5_000_000 + i)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    os.wait()\n"
    )
    done = recording.run([memray, "run", "--follow-fork", "-o", capture, "-c", code])
    assert done.returncode == 0, done.stderr
    big = [size for size in sizes(dump(memray, capture)).elements() if 5_000_000 <= size <= 5_000_010]
    assert len(big) == 5
    leaks = recording.run([memray, "summary", "--leaks", "--json", capture])
    assert leaks.returncode == 0
