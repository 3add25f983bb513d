"""The native unwinders against unwinders that are not memray's, in programs made for it and in real ones.

In the environment: NATIVE_UNWINDER and FP_UNWINDER, the plugins; CHECKER, the stand-in for the recorder (checker.cc);
STACKS, the program with a scenario for each kind of stack (stacks.cc); REFERENCES, the unwinders to compare with.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE, FP = os.environ["NATIVE_UNWINDER"], os.environ["FP_UNWINDER"]
CHECKER, STACKS = os.environ["CHECKER"], os.environ["STACKS"]
REFERENCES = os.environ["REFERENCES"].split(",")


def check(folder, command, *, reference=REFERENCES[0], every=1, unwinder=NATIVE, text=None, **variables):
    """What the checker counted while `command` ran."""
    report = folder / "report.json"
    done = subprocess.run(
        [str(part) for part in command],
        env={
            **os.environ,
            "LD_PRELOAD": CHECKER,
            "CHECK_UNWINDER": unwinder,
            "CHECK_REFERENCE": reference,
            "CHECK_EVERY": str(every),
            "CHECK_REPORT": str(report),
            **variables,
        },
        input=text or "",
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    counts = json.loads(report.read_text())
    counts["shown"] = done.stderr
    return counts


def assert_equal(counts, at_least):
    assert counts["compared"] >= at_least
    assert (counts["inconsistent"], counts["different"]) == (0, 0), counts["shown"][-8000:]


SCENARIOS = {  # name: how many stacks are compared at the least
    "recursion": 90,
    "signals": 20_000,
    "longjmps": 800,
    "exceptions": 900,
    "contexts": 3000,
    "alignment": 1500,
    "callbacks": 2000,
    "plugins": 500,
    "blind_assembly": 20,
    "threads": 8000,
}
if platform.machine() == "x86_64":
    SCENARIOS.update(odd_frames=80, stack_switches=150)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_stack_is_the_one_that_others_find(tmp_path, scenario, reference):
    counts = check(tmp_path, [STACKS, scenario], reference=reference, every=40 if scenario == "recursion" else 1)
    assert_equal(counts, SCENARIOS[scenario])
    if scenario == "recursion":
        assert counts["deepest"] > 10_000


@pytest.mark.parametrize("reference", REFERENCES)
def test_frame_pointers_lead_through_code_without_unwind_information(tmp_path, reference):
    """libgcc stops at such code: its stacks there are as short as they can be. Those of libunwind are equal."""
    counts = check(tmp_path, [STACKS, "assembly"], reference=reference)
    assert counts["inconsistent"] == 0
    assert counts["different"] == (10 if reference == "libgcc" else 0), counts["shown"]
    if reference == "libgcc":
        assert "ours has 6 frames, the reference 1" in counts["shown"]


def test_stacks_that_have_not_changed_are_not_unwound(tmp_path):
    """10,000 frames deep, a change of a few frames is a change of a few words."""
    counts = check(tmp_path, [STACKS, "recursion"], every=1_000_000)
    assert counts["frames"] > 10_000_000
    assert counts["fresh"] < 30_000


PYTHON_PROGRAM = """
import ast, csv, io, json, sqlite3, threading, zlib
import xml.etree.ElementTree as tree

json.loads(json.dumps([{"a": list(range(50)), "b": str(i)} for i in range(200)]))
database = sqlite3.connect(":memory:")
database.execute("create table t(a, b)")
database.executemany("insert into t values(?, ?)", [(i, "x" * (i % 50)) for i in range(1000)])
database.create_function("f", 1, lambda x: x + 1)
database.execute("select sum(f(a)), b from t group by b order by 1").fetchall()
ast.unparse(ast.parse(open(json.__file__).read()))
threads = [threading.Thread(target=lambda: sorted(map(str, range(1000)), key=lambda s: s * 2)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
tree.fromstring("<a>" + "<b c='d'>x</b>" * 500 + "</a>")
list(csv.reader(io.StringIO("a,b,c\\n" * 500)))
zlib.compress(bytes(100_000))


def nested(n):
    return [n, nested(n - 1)] if n else []


nested(500)
"""


@pytest.mark.parametrize("reference", REFERENCES)
def test_python(tmp_path, reference):
    script = tmp_path / "script.py"
    script.write_text(PYTHON_PROGRAM)
    python = [sys.executable, script]
    assert_equal(check(tmp_path, python, reference=reference, every=17, PYTHONMALLOC="malloc"), 5000)


GREENLETS = """
import greenlet

def deep(n):
    text = "x" * (n * 100)
    if n:
        return deep(n - 1) + len(sorted(text.split("x"))[:3])
    return greenlet.getcurrent().parent.switch(text) or 0

for round in range(20):
    all = [greenlet.greenlet(deep) for _ in range(5)]
    for depth, one in enumerate(all):
        one.switch(depth * 4)
    for one in reversed(all):
        one.switch(1)
"""


@pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import greenlet"], capture_output=True).returncode != 0,
    reason="greenlet is not installed",
)
def test_greenlets(tmp_path):
    """They copy parts of the stack away and back."""
    script = tmp_path / "script.py"
    script.write_text(GREENLETS)
    assert_equal(check(tmp_path, [sys.executable, script], every=3, PYTHONMALLOC="malloc"), 3000)


PERL = """
use POSIX; use List::Util qw(sum shuffle); use Data::Dumper; use Storable qw(dclone); use Digest::MD5 qw(md5_hex);
my %h = map { $_ => [1 .. $_ % 20] } 1 .. 300;
my $copy = dclone(\\%h);
my $sum = sum(map { scalar @$_ } values %$copy);
my @sorted = sort { md5_hex($a) cmp md5_hex($b) } shuffle(keys %h);
my $text = Dumper($copy);
$text =~ s/(\\d+)/<$1>/g;
print $sum;
"""


@pytest.mark.skipif(not shutil.which("perl"), reason="perl is not installed")
@pytest.mark.parametrize("reference", REFERENCES)
def test_a_program_that_loads_plugins(tmp_path, reference):
    """Perl's modules are shared objects, whose calls into the interpreter all pass through their PLT."""
    assert_equal(check(tmp_path, ["perl", "-e", PERL], reference=reference, every=11, LD_BIND_NOT="1"), 1000)


SQL = """
create table t(a, b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000)
insert into t select x, hex(x * 2654435761 % 1000003) from c;
create index i on t(b);
select count(*) from t x join t y on x.b = y.b order by x.b limit 3;
select max(length(g)) from (select group_concat(b) as g from t group by a % 100);
"""


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="sqlite3 is not installed")
def test_sqlite(tmp_path):
    assert_equal(check(tmp_path, ["sqlite3", ":memory:"], every=7, text=SQL), 4000)


CXX_PROGRAM = """
#include <functional>
#include <map>
#include <regex>
#include <string>
int main() {
  std::map<std::string, std::function<bool(const std::string&)>> all;
  all["a"] = [r = std::regex("a+b")](const std::string& s) { return std::regex_match(s, r); };
  return all["a"]("aab");
}
"""


def test_compiler(tmp_path):
    compiler = shutil.which("g++")
    compile_command = subprocess.run([compiler or "false", "-print-prog-name=cc1plus"], capture_output=True, text=True).stdout.strip()
    if not compile_command or not os.path.exists(compile_command):
        pytest.skip("GCC is not installed")
    (tmp_path / "program.cc").write_text(CXX_PROGRAM)
    subprocess.run([compiler, "-E", "-P", tmp_path / "program.cc", "-o", tmp_path / "program.ii"], check=True)
    command = [compile_command, "-quiet", "-fpreprocessed", tmp_path / "program.ii", "-o", os.devnull]
    assert_equal(check(tmp_path, command, every=199), 3000)


@pytest.mark.parametrize("scenario", ["longjmps", "contexts", "threads", "blind_assembly"])
def test_frame_pointers_never_crash_in_code_without_them(tmp_path, scenario):
    counts = check(tmp_path, [STACKS, scenario], unwinder=FP)
    assert counts["updates"] > 0
    assert counts["inconsistent"] == 0


@pytest.mark.parametrize("scenario", ["recursion", "longjmps", "exceptions", "contexts", "callbacks", "threads"])
def test_frame_pointers_in_code_with_them(tmp_path, scenario):
    """libc has none: the chain is right up to there."""
    counts = check(tmp_path, [STACKS + "-fp", scenario], unwinder=FP, every=1_000_000)
    assert counts["inconsistent"] == 0
    assert counts["deepest"] > (10_000 if scenario == "recursion" else 15)
