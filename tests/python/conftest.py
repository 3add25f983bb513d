"""The package as it is in the build folder, and captures to read."""
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(os.environ.get("MEMRAY_PYTHONPATH", TOP / "build" / "release" / "python")).resolve()
sys.path.insert(0, str(PACKAGE))
os.environ["PYTHONPATH"] = str(PACKAGE)
os.environ["MEMRAY_SYMBOL_CACHE"] = "off"


@pytest.fixture(scope="session")
def record(tmp_path_factory):
    """record(text, *options): the capture of a Python program, given as text."""

    def record_program(text, *options):
        folder = tmp_path_factory.mktemp("recorded")
        (folder / "program.py").write_text(text)
        command = [sys.executable, "-m", "memray", "run", "-q", "-o", folder / "capture.bin", *options, folder / "program.py"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return folder / "capture.bin"

    return record_program


@pytest.fixture
def output(tmp_path):
    return tmp_path / "capture.bin"
