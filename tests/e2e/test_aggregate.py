"""memray run --aggregate: totals that are those of the full recording, in a small file that is whole at every moment."""
import json
import subprocess

from recording import PYTHON_PROGRAMS, record, run

UNCHANGING = ("view", "total_bytes", "num_allocations")


def both(memray, folder, target, *options):
    folders = [folder / "full", folder / "totals"]
    for place in folders:
        place.mkdir()
    full = record(memray, folders[0], target, *options)
    return full, record(memray, folders[1], target, "--aggregate", *options)


def compare(full, totals):
    """Programs that do the same every time; process numbers and times differ."""
    for options in ([], ["--leaks"]):
        ours, theirs = totals.summary(*options), full.summary(*options)
        assert [ours[key] for key in UNCHANGING] == [theirs[key] for key in UNCHANGING]
        assert ours["locations"] == theirs["locations"]
    same = [{key: value for key, value in r.stats.items() if key != "metadata"} for r in (totals, full)]
    assert same[0] == same[1]


def test_totals_of_a_program_are_its_own(memray, programs, tmp_path):
    full, totals = both(memray, tmp_path, [programs / "allocators"])
    truth = totals.truth
    assert totals.stats["total_num_allocations"] == truth["allocations"]
    assert totals.stats["total_bytes_allocated"] == truth["bytes"]
    assert totals.summary()["total_bytes"] == truth["peak"]
    assert totals.summary("--leaks")["total_bytes"] == truth["leaked"]
    compare(full, totals)


def test_totals_of_partly_unmapped_mappings(memray, programs, tmp_path):
    compare(*both(memray, tmp_path, [programs / "mappings"]))


def test_totals_of_followed_processes(memray, programs, tmp_path):
    full, totals = both(memray, tmp_path, [programs / "forks"], "--follow-fork")
    assert totals.stats["total_num_allocations"] == full.stats["total_num_allocations"]
    assert totals.summary("--leaks")["total_bytes"] == full.summary("--leaks")["total_bytes"]


def test_totals_of_a_script(memray, tmp_path):
    full, totals = both(memray, tmp_path, PYTHON_PROGRAMS / "peaks.py")
    mine = [[row for row in r.summary()["locations"] if row["file"].endswith("peaks.py")] for r in (full, totals)]
    assert mine[0] == mine[1] != []
    assert totals.path.stat().st_size < full.path.stat().st_size


def test_reports_that_take_events_say_why_not(memray, programs, tmp_path):
    totals = record(memray, tmp_path, [programs / "allocators"], "--aggregate")
    done = run([memray, "parse", totals.path])
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        f"this takes every single allocation, and {totals.path} was recorded with --aggregate, which keeps totals; "
        "record without --aggregate for it\n"
    )
    assert run([memray, "flamegraph", "-f", totals.path]).returncode == 0


def test_a_sink_is_named_once(memray, programs, tmp_path):
    done = run([memray, "run", "--aggregate", "--sink=null", "--", programs / "deep"], cwd=tmp_path)
    assert done.returncode == 2 and "--aggregate is --sink=aggregated" in done.stderr


def test_an_existing_file_is_kept_without_force(memray, programs, tmp_path):
    (tmp_path / "kept.bin").write_text("mine")
    done = run([memray, "run", "--aggregate", "-o", tmp_path / "kept.bin", "--", programs / "deep"])
    assert done.returncode == 1 and "already exists" in done.stderr
    assert (tmp_path / "kept.bin").read_text() == "mine"


def test_the_file_is_whole_when_everybody_is_killed(memray, tmp_path):
    """What was there at the last time that it was written is there."""
    script = tmp_path / "grow.py"
    script.write_text(
        "import sys, time\nkept = []\n"
        "while True:\n    kept.append(bytearray(100_000))\n    print(len(kept), flush=True)\n    time.sleep(0.001)\n"
    )
    path = tmp_path / "capture.bin"
    memray_run = subprocess.Popen(
        [memray, "run", "-q", "--aggregate", "-o", path, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    def growth():
        return int(memray_run.stdout.readline())

    while growth() < 50:
        pass
    seen, written = growth(), set()
    while len(written - {0}) < 3:  # what is written anew after a time that began later than `seen`
        written.add(path.stat().st_ino if path.exists() and path.stat().st_size else 0)
        growth()
    subprocess.run(["kill", "-KILL", "--", f"-{memray_run.pid}"], check=True)
    memray_run.wait()
    done = run([memray, "summary", "--json", "--leaks", path])
    assert done.returncode == 0 and "cut short" in done.stderr
    (made,) = [row for row in json.loads(done.stdout)["locations"] if row["file"] == str(script)]
    assert made["num_allocations"] >= seen
