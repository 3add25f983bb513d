"""Programs of the pyperformance collection, plain, under this memray, and under memray from PyPI."""
import json
import pathlib
import shutil
import subprocess
import sys

import measure

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
PACKAGES = ["memray==1.20.0", "pyperformance==1.14.0"]

# Loops such that the plain program takes two to four seconds on a machine of 2024.
PROGRAMS = {
    "raytrace": ["8"],
    "go": ["18"],
    "nqueens": ["25"],
    "mdp": ["1"],
    "pprint": ["1"],
    "async_tree": ["3", "none"],
    "fannkuch": ["6"],
    "json_dumps": ["200"],
    "regex_effbot": ["80"],
    "sqlite_synth": ["1000000"],
}

MODES = {
    "default": [],
    "native": ["--native"],
    "python": ["--trace-python-allocators"],
    "python+native": ["--trace-python-allocators", "--native"],
}


def prepare(python):
    """The virtual environment's Python, made if it is not there or holds something else."""
    venv = TOP / "build" / "bench-venv"
    stamp = venv / "packages"
    wanted = "\n".join([python, *PACKAGES])
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"preparing {venv}", file=sys.stderr)
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        stamp.write_text(wanted)
    return venv / "bin" / "python"


def target(python, name):
    code = "import pyperformance, os; print(os.path.dirname(pyperformance.__file__))"
    package = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    benchmark = pathlib.Path(package) / "data-files" / "benchmarks" / f"bm_{name}" / "run_benchmark.py"
    return [HERE / "driver.py", benchmark, *PROGRAMS[name]]


def allocations(stats, capture):
    """How many allocations a capture has, by its own profiler's count."""
    out = capture.with_suffix(".json")
    subprocess.run([*stats, "--json", "-f", "-o", out, capture], check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())["total_num_allocations"]


def measure_program(options, python, folder, name, mode):
    """{way: {figure: value}} of one program."""
    captures = {way: folder / f"{way}.bin" for way in ("ours", "peer")}
    program = target(python, name)
    ways = {
        "plain": [python, *program],
        "ours": [options.memray, "run", "-q", "-f", "--python", python, "-o", captures["ours"], *MODES[mode], *program],
        "peer": [python, "-m", "memray", "run", "-q", "-f", "-o", captures["peer"], *MODES[mode], *program],
    }
    results = measure.alternate(ways, options.runs, folder, f"{mode} {name}")
    figures = {
        way: {
            "seconds": measure.median(runs),
            "spread": measure.spread(runs),
            "cpu": measure.median(runs, "cpu"),
            "memory": measure.peak_memory(ways[way], folder),
        }
        for way, runs in results.items()
    }
    for way, stats in (("ours", [options.memray, "stats"]), ("peer", [python, "-m", "memray", "stats"])):
        figures[way]["bytes"] = captures[way].stat().st_size
        figures[way]["allocations"] = allocations(stats, captures[way])
        captures[way].unlink()
    return figures


def table(options, python, folder, mode):
    """One markdown table: slowdowns, and what recording costs besides."""
    names = options.only.split(",") if options.only else list(PROGRAMS)
    rows = {name: measure_program(options, python, folder, name, mode) for name in names}
    print(f"\n### {' '.join(['memray run', *MODES[mode]])}\n")
    print("| program | plain, s | this memray | memray 1.20 | spread | CPU | memray 1.20 | memory, MB | memray 1.20 | allocations | memray 1.20 | capture, bytes an allocation | memray 1.20 |")
    print("|---|" + "--:|" * 12)
    for name, f in rows.items():
        plain = f["plain"]
        cells = [f"{plain['seconds']:.2f}"]
        cells += [f"{f[way]['seconds'] / plain['seconds']:.2f}x" for way in ("ours", "peer")]
        cells += [f"±{max(figures['spread'] for figures in f.values()) / 2:.0%}"]
        cells += [f"{f[way]['cpu'] / plain['cpu']:.2f}x" for way in ("ours", "peer")]
        cells += [f"{(f[way]['memory'] - plain['memory']) / 1e6:+.0f}" for way in ("ours", "peer")]
        cells += [f"{f[way]['allocations']:,}" for way in ("ours", "peer")]
        cells += [f"{f[way]['bytes'] / max(1, f[way]['allocations']):.3f}" for way in ("ours", "peer")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    means = [
        measure.geometric_mean([f[way][figure] / f["plain"][figure] for f in rows.values()])
        for figure in ("seconds", "cpu")
        for way in ("ours", "peer")
    ]
    print(f"| geometric mean | | **{means[0]:.2f}x** | **{means[1]:.2f}x** | | **{means[2]:.2f}x** | **{means[3]:.2f}x** | | | | | | |", flush=True)
