"""What `memray transform` writes, opened by the programs that it is for: those from PyPI and npm in an environment of their own that is made
once, and pprof where Go is installed."""
import csv
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from model import Model
from recording import record, run
from test_agreement import PROGRAM as MANY_THINGS
from test_agreement import VIEWS, View

REQUIREMENTS = ["gprof2dot==2025.4.14", "duckdb>=1.0", "pyarrow>=16", "jsonschema>=4", "prometheus_client>=0.20"]
SPEEDSCOPE = "speedscope@1.25.0"

PROGRAM = '''
def leaf(n):
    return bytearray(n)

def branch():
    return [leaf(100_000 + i) for i in range(5)] + [bytearray(2_000_000)]

class Odd:
    exec(compile("def odd():\\n    return bytearray(50_000)\\n", "a;b|c\\"d,e<f>.py", "exec"))

kept = [branch(), Odd.odd()]
'''


@pytest.fixture(scope="module")
def recording(memray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("consumers")
    script = folder / "shop.py"
    script.write_text(PROGRAM)
    return record(memray, folder, script, "--unwinders=python")


@pytest.fixture(scope="module")
def total(recording):
    return recording.summary()["total_bytes"]


@pytest.fixture(scope="session")
def environment(build):
    """A virtual environment with the consumers; kept in the build folder."""
    folder = build / "consumers"
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != repr(REQUIREMENTS):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        done = run([folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *REQUIREMENTS], timeout=600)
        if done.returncode != 0:
            pytest.skip("no package index can be reached: " + done.stderr.strip().splitlines()[-1])
        stamp.write_text(repr(REQUIREMENTS))
    return folder / "bin"


@pytest.fixture(scope="session")
def speedscope(build):
    """The unpacked npm package."""
    folder = build / "speedscope"
    schema = folder / "package" / "dist" / "release" / "file-format-schema.json"
    if not schema.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        folder.mkdir(exist_ok=True)
        done = run(["npm", "pack", "--silent", SPEEDSCOPE], cwd=folder)
        if done.returncode != 0:
            pytest.skip("npm's registry cannot be reached")
        subprocess.run(["tar", "xf", done.stdout.strip()], cwd=folder, check=True)
    return schema


def write(recording, folder, form, *options):
    path = pathlib.Path(folder) / ("out." + form)
    recording.report("transform", form, "-o", path, *options)
    return path


def python(environment, code, *arguments):
    done = run([environment / "python", "-c", code, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speedscope_file_is_valid_by_its_schema(environment, speedscope, recording, tmp_path):
    path = write(recording, tmp_path, "speedscope")
    python(
        environment,
        "import json, sys, jsonschema; jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))",
        path,
        speedscope,
    )


def test_gprof2dot_draws_the_calls(environment, recording, tmp_path):
    path = write(recording, tmp_path, "gprof2dot")
    done = run([environment / "gprof2dot", "-f", "json", "-n", "0", "-e", "0", path])
    assert done.returncode == 0, done.stderr
    for function in ("leaf", "branch", "<module>"):
        assert function.replace("<", "\\<").replace(">", "\\>") in done.stdout or function in done.stdout


QUERY = """
import duckdb, json, sys
ask = lambda sql: duckdb.execute(sql.replace("FILE", "'" + sys.argv[1] + "'")).fetchall()
print(json.dumps({
    "total": ask("select sum(bytes), sum(allocations) from FILE")[0],
    "below": dict(ask("select s.function, sum(bytes) from (select distinct on (id, s.function) id, bytes, s from "
                      "(select row_number() over () as id, bytes, unnest(stack) s from FILE)) group by 1")),
    "own": dict(ask("select function, sum(bytes) from FILE group by 1")),
    "empty": ask("select count(*) from FILE where len(stack) = 0")[0][0],
    "odd": [row[0] for row in ask("select distinct file from FILE where function = 'odd'")],
}))
"""


def test_duckdb_reads_parquet(environment, recording, total, tmp_path):
    path = write(recording, tmp_path, "parquet")
    answers = json.loads(python(environment, QUERY, path))
    summary = recording.summary()
    assert answers["total"] == [total, summary["num_allocations"]]
    own, below = {}, {}
    for row in summary["locations"]:
        own[row["function"]] = own.get(row["function"], 0) + row["own_bytes"]
        below.setdefault(row["function"], []).append(row["total_bytes"])
    assert {name: size for name, size in answers["own"].items() if size} == {name: size for name, size in own.items() if size}
    assert answers["below"]["branch"] == below["branch"][0] > 2_500_000
    assert answers["odd"] == ['a;b|c"d,e<f>.py']
    stackless = sum(row["function"] == "" for row in csv_rows(recording))
    assert answers["empty"] == stackless


def csv_rows(recording):
    rows = csv.DictReader(recording.report("transform", "csv", "-o", "-").splitlines())
    return [{"function": row["stack_trace"].split(";")[0]} for row in rows]


def test_pyarrow_reads_parquet(environment, recording, total, tmp_path):
    path = write(recording, tmp_path, "parquet", "--split-threads")
    code = """
import json, sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
print(json.dumps([str(table.schema.field("stack").type), sum(table["bytes"].to_pylist()), sorted(set(table["thread"].to_pylist())),
                  table.schema.metadata[b"command_line"].decode()]))
"""
    kind, size, threads, command = json.loads(python(environment, code, path))
    assert kind.startswith("list<") and size == total
    assert any("Thread 1" in thread for thread in threads)
    assert command.endswith("shop.py")


READ = """
import json, sys, pyarrow.parquet as pq
print(json.dumps([pq.read_table(path).to_pylist() for path in sys.argv[1:]]))
"""


def test_parquet_agrees_with_parse(memray, environment, tmp_path):
    """Every row of every view is that of a computation in Python, as in test_agreement.py."""
    script = tmp_path / "shop.py"
    script.write_text(MANY_THINGS)
    recording = record(memray, tmp_path, script, "--unwinders=python")
    views = [View(recording, Model(recording.lines), name) for name in VIEWS]
    paths = [tmp_path / f"{view.name}.parquet" for view in views]
    for view, path in zip(views, paths):
        recording.report("transform", "parquet", "-o", path, *view.options)
    for view, rows in zip(views, json.loads(python(environment, READ, *paths))):
        reported = {}
        for row in rows:
            stack = tuple((frame["function"], frame["file"], frame["line"]) for frame in row["stack"])
            assert stack[:1] == (((row["function"], row["file"], row["line"]),) if stack else ())
            reported[stack, row["allocator"]] = row["bytes"], row["allocations"]
        assert len(reported) == len(rows)
        assert reported == view.by(lambda stack, thread, allocator: (stack, allocator))


def test_prometheus_parses_openmetrics(environment, recording, tmp_path):
    path = write(recording, tmp_path, "openmetrics")
    code = """
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(open(sys.argv[1]).read()):
    for sample in family.samples:
        print(family.type, sample.name, int(sample.value))
"""
    lines = python(environment, code, path).splitlines()
    assert f"counter memray_allocations_total {recording.trailer['allocations']}" in lines
    assert f"gauge memray_peak_bytes {recording.trailer['peak_bytes']}" in lines


def test_pprof_reads_profiles(recording, total, tmp_path):
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    path = write(recording, tmp_path, "pprof", "--split-threads")
    done = run(["go", "tool", "pprof", "-top", "-cum", "-unit=B", "-nodefraction=0", path])
    if "no such tool" in done.stderr:
        pytest.skip("this Go comes without pprof")
    assert done.returncode == 0, done.stderr
    assert f"{total}B total" in done.stdout
    rows = {line.split()[-1]: line.split() for line in done.stdout.splitlines() if line.strip()[:1].isdigit()}
    functions = {row["function"]: row for row in recording.summary()["locations"]}
    assert rows["leaf"][0] == f"{functions['leaf']['own_bytes']}B"
    assert rows["branch"][3] == f"{functions['branch']['total_bytes']}B"
    assert "[module]" in rows
