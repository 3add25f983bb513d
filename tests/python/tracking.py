"""What tests of Tracker have in common."""
import subprocess
import sys
import textwrap

from memray import FileReader


def records(path):
    with FileReader(path) as reader:
        return list(reader.get_allocation_records())


def of_size(path, *sizes):
    return [record for record in records(path) if record.size in sizes]


def line_of(source, text):
    with open(source) as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def run_script(text, *arguments, code=0, **options):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done
