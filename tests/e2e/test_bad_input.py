"""Whatever a report is given, it is right or says what is wrong in a line or two: no crash, no traceback, no half a file."""
import csv
import gzip
import io
import json
import os
import shutil
import xml.etree.ElementTree

import pytest

import profile_proto
from recording import record, run

FORMATS = ["csv", "folded", "gprof2dot", "openmetrics", "parquet", "perfetto", "pprof", "speedscope"]
REPORTS = [
    ["summary"],
    ["summary", "--json"],
    ["summary", "--leaks"],
    ["summary", "--temporary-allocations"],
    ["stats"],
    ["stats", "--json", "-o", "-"],
    ["parse"],
    ["flamegraph", "-o", "-"],
    ["check", "--max-peak", "1GB"],
    *(["transform", form, "-o", "-"] for form in FORMATS),
]
NAMES = [" ".join(report) for report in REPORTS]


@pytest.fixture(scope="module")
def odd(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    done = run([build / "tests" / "odd-captures", folder])
    assert done.returncode == 0, done.stderr
    return folder


def report(memray, arguments, *captures):
    done = run([memray, *arguments, *captures], errors="surrogateescape")
    assert done.returncode in (0, 1, 2), (done.returncode, done.stderr)
    return done


def refuses(memray, arguments, path, *words):
    done = report(memray, arguments, path)
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    for word in (str(path), *words):
        assert word in done.stderr


@pytest.fixture(scope="module")
def broken(capture, tmp_path_factory):
    """Files that are no captures, and what has to be said about them."""
    folder = tmp_path_factory.mktemp("broken")
    whole = capture.read_bytes()
    newer = bytearray(whole)
    newer[8:10] = (2).to_bytes(2, "little")
    contents = {
        "nothing.bin": (b"", "empty"),
        "text.bin": (b"#!/bin/sh\necho no capture\n", "not a memray capture"),
        "zeros.bin": (bytes(5000), "not a memray capture"),
        "first-bytes.bin": (whole[:11], "cut off"),
        "newer.bin": (bytes(newer), "version 2."),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return [(folder / name, word) for name, (_, word) in contents.items()]


@pytest.mark.parametrize("arguments", REPORTS, ids=NAMES)
def test_what_is_no_capture_is_refused(memray, broken, tmp_path, arguments):
    for path, word in broken:
        refuses(memray, arguments, path, "Failed to parse allocation records", word)
    for path in (tmp_path / "missing.bin", tmp_path):
        refuses(memray, arguments, path, "No such file")


@pytest.mark.parametrize("arguments", REPORTS, ids=NAMES)
def test_cut_off_anywhere(memray, capture, tmp_path, arguments):
    """What is there is reported, with a warning."""
    whole = capture.read_bytes()
    path = tmp_path / "cut.bin"
    for size in (16, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:size])
        done = report(memray, arguments, path)
        assert done.returncode == (1 if arguments[0] == "check" else 0), done.stderr
        assert "warning" in done.stderr


@pytest.mark.parametrize("arguments", REPORTS, ids=NAMES)
@pytest.mark.parametrize("name", ["empty", "zero", "html", "long", "invalid", "threads", "deep"])
def test_odd_captures(memray, odd, arguments, name):
    done = report(memray, arguments, odd / f"{name}.bin")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout or name == "empty"


TEXTS = [name for name in NAMES if not any(form in name for form in ("parquet", "pprof", "parse"))]


@pytest.mark.parametrize("arguments", [name.split() for name in TEXTS], ids=TEXTS)
def test_texts_are_utf_8_without_control_characters(memray, odd, arguments):
    """So a name can neither break a parser nor take over a terminal."""
    done = report(memray, arguments, odd / "invalid.bin")
    done.stdout.encode()  # fails if there are surrogates that stand for bytes that are not UTF-8
    assert not any(ord(c) < 32 and c != "\n" for c in done.stdout)
    if "--json" in arguments or arguments[-1] == "-" and arguments[1] in ("gprof2dot", "speedscope", "perfetto"):
        assert "�" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_names_arrive_as_they_are(memray, odd):
    wanted = {"<script>alert(3)</script>", "]]>--><b>", "=cmd|' /C calc'!A0", "%n%s{}{0}", "a;b|c,d\"e'f", '\\"', "</title>", "main"}
    path = odd / "html.bin"
    assert {row["function"] for row in json.loads(report(memray, ["summary", "--json"], path).stdout)["locations"]} == wanted
    data = json.loads(report(memray, ["transform", "speedscope", "-o", "-"], path).stdout)
    assert {frame["name"] for frame in data["shared"]["frames"]} == wanted
    assert data["name"] == "python <script>alert(1)</script> \"'&"
    rows = list(csv.reader(io.StringIO(report(memray, ["transform", "csv", "-o", "-", "--split-threads"], path).stdout)))
    assert {len(row) for row in rows} == {6} and len(rows) == 8
    assert rows[1][4] == "Thread 1 (</script><script>alert(2)</script>)"
    out = odd / "html.pb.gz"
    report(memray, ["transform", "pprof", "-f", "-o", out], path)
    profile = profile_proto.read(gzip.decompress(out.read_bytes()))
    names = {frame[0] for stack, _, _ in profile.samples for frame in stack}
    assert names == (wanted - {"<script>alert(3)</script>", "</title>"}) | {"[script>alert(3)</script]", "[/title]"}


def test_junit_escapes(memray, odd, tmp_path):
    out = tmp_path / "junit.xml"
    done = report(memray, ["check", "--max-peak", "1kB", "--junit", out], odd / "html.bin")
    assert done.returncode == 1
    suite = xml.etree.ElementTree.parse(out).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite.iter("failure")
    assert "<script>alert(3)</script>" in failure.text and "limit: 1.000kB" in failure.get("message")


def test_ten_thousand_threads(memray, odd):
    path = odd / "threads.bin"
    (row,) = json.loads(report(memray, ["summary", "--json"], path).stdout)["locations"]
    assert (row["total_bytes"], row["num_allocations"]) == (1_000_000, 10_000)
    rows = list(csv.DictReader(io.StringIO(report(memray, ["transform", "csv", "-o", "-", "--split-threads"], path).stdout)))
    assert len({row["thread_name"] for row in rows}) == 10_000


def test_two_captures(memray, odd, capture, tmp_path):
    for a in ("empty", "zero", "html", "long", "invalid"):
        done = report(memray, ["diff", "--json"], odd / f"{a}.bin", capture)
        assert done.returncode == 0 and json.loads(done.stdout)["after"]["total_bytes"] >= 3_000_000
    done = report(memray, ["diff"], capture, tmp_path / "missing.bin")
    assert done.returncode == 1 and done.stderr == f"No such file: {tmp_path / 'missing.bin'}\n"
    done = report(memray, ["check", "--baseline", odd / "missing.bin"], capture)
    assert done.returncode == 1 and "missing.bin" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "--leaks", "--temporary-allocations"],
        ["summary", "--temporary-allocation-threshold", "3", "--leaks"],
        ["summary", "--temporary-allocation-threshold", "-2"],
        ["summary", "--from", "yesterday"],
        ["summary", "-s", "6"],
        ["stats", "-n", "0"],
        ["diff"],
        ["diff", "--before", "1s"],
        ["diff", "--before", "1s", "--after", "soon"],
        ["check"],
        ["check", "--max-peak", "lots"],
        ["check", "--baseline", "x", "--tolerance", "5x"],
        ["transform"],
    ],
    ids=" ".join,
)
def test_usage_errors(memray, capture, arguments):
    done = report(memray, arguments, *([capture] if arguments != ["transform"] else []))
    assert done.returncode == 2 and done.stdout == ""
    assert 1 <= len(done.stderr.strip().splitlines()) <= 2


def test_unknown_format(memray, capture):
    done = report(memray, ["transform", "xml"], capture)
    assert done.returncode == 1
    assert all(form in done.stderr for form in FORMATS)


def test_formats_are_case_insensitive_and_listed(memray, capture):
    plain = report(memray, ["transform", "folded", "-o", "-"], capture).stdout
    assert report(memray, ["transform", "-o", "-", "FOLDED"], capture).stdout == plain != ""
    listed = report(memray, ["transform", "--help"]).stdout
    assert all(f"\n  {form} " in listed for form in FORMATS)


@pytest.mark.parametrize("form, suffix", [("csv", ".csv"), ("gprof2dot", ".json"), ("speedscope", ".speedscope.json")])
def test_derived_names(memray, capture, tmp_path, form, suffix):
    for name, stem in [("result.bin", "result"), ("memray-json.tool.0.bin", "json.tool.0"), ("x.bin.77", "x.bin.77")]:
        shutil.copy(capture, tmp_path / name)
        done = report(memray, ["transform", form], tmp_path / name)
        path = tmp_path / f"memray-{form}-{stem}{suffix}"
        assert done.stdout == f"Wrote {path}\n" and path.stat().st_size > 0
        again = report(memray, ["transform", form], tmp_path / name)
        assert again.returncode == 1 and str(path) in again.stderr and "--force" in again.stderr
        assert report(memray, ["transform", form, "-f"], tmp_path / name).returncode == 0


def test_a_file_that_cannot_be_written(memray, capture, tmp_path):
    done = report(memray, ["transform", "csv", "-o", tmp_path / "no" / "such" / "folder.csv"], capture)
    assert done.returncode == 1 and "No such file or directory" in done.stderr and len(done.stderr.splitlines()) == 1
    home = dict(os.environ, HOME=str(tmp_path))
    done = run([memray, "transform", "csv", "-o", "~/out.csv", capture], env=home)
    assert done.returncode == 0 and (tmp_path / "out.csv").exists()
    assert not list(tmp_path.glob("*.??????"))  # nothing half written


def test_reports_of_memray_run(memray, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("block = bytearray(5_000_000)\nraise SystemExit(7)\n")
    recording = record(memray, tmp_path, script, "--report=summary,csv,pprof")
    assert recording.done.returncode == 7
    assert "Peak memory    5." in recording.done.stdout
    assert (tmp_path / "memray-csv-capture.csv").exists() and (tmp_path / "memray-pprof-capture.pb.gz").exists()
    done = run([memray, "run", "--report=sumary", script])
    assert done.returncode == 2 and "did you mean 'summary'?" in done.stderr
    done = run([memray, "run", "--sink=null", "--report=summary", "-c", "pass"])
    assert done.returncode == 1 and "no capture file" in done.stderr


@pytest.mark.parametrize("arguments", [["summary", "--temporary-allocations"], ["summary", "--from", "1s"], ["parse"]])
def test_aggregated_captures_say_what_they_cannot_answer(memray, tmp_path, arguments):
    recording = record(memray, tmp_path, ["/bin/true"], "--aggregate")
    done = report(memray, arguments, recording.path)
    assert done.returncode == 1 and "--aggregate" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert report(memray, ["transform", "perfetto", "-o", "-"], recording.path).returncode == 0
