"""The wheel: one file for every interpreter, complete in itself, as good in an empty environment."""
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(os.environ["PYTHONPATH"])
pytestmark = pytest.mark.slow

README_EXAMPLE = """
import memray

with memray.Tracker("capture.bin"):
    rows = [bytes(1000) for _ in range(1000)]

with memray.FileReader("capture.bin") as reader:
    print(max(record.n_allocations for record in reader.get_high_watermark_allocation_records()))
"""


def run(command, cwd=None, **variables):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment.update({name: str(value) for name, value in variables.items()})
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, env=environment, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interpreters():
    """The oldest and the newest that there are."""
    found = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")).glob("versions/3.*/bin/python3")
    minors = {int(python.parents[1].name.split(".")[1]): python for python in found}
    usable = sorted(minor for minor in minors if minor >= 9)
    return [minors[usable[0]], minors[usable[-1]]] if usable else [pathlib.Path(sys.executable)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Made in the build folder, which then is again what it was."""
    folder = tmp_path_factory.mktemp("wheel")
    build = PACKAGE.parent
    run([TOP / "scripts" / "wheel.sh", folder], MEMRAY_BUILD=build)
    run(["cmake", "-DMEMRAY_WHEEL=OFF", build])
    (wheel,) = folder.iterdir()
    return wheel


def test_it_holds_everything(wheel):
    assert "-cp39-abi3-manylinux" in wheel.name
    names = [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]
    native = [name.removeprefix("memray/_native/") for name in names if name.startswith("memray/_native/")]
    assert "bin/memray" in native and any(name.endswith("memray/libmemray-recorder.so") for name in native)
    plugins = {pathlib.PurePath(name).name for name in native if "/plugins/" in name}
    assert plugins == {path.name for path in (PACKAGE.parent / "lib" / "memray" / "plugins").iterdir()}
    assert {"memray/py.typed", "memray/_core.abi3.so", "memray/_core.pyi", "memray/_test.py"} <= set(names)
    assert not any("include" in name or name.endswith(".cmake") for name in native)


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: path.parents[1].name)
def test_it_works_in_an_empty_environment(wheel, tmp_path, python):
    run([python, "-m", "venv", tmp_path / "venv"])
    run([tmp_path / "venv/bin/pip", "-q", "install", "--no-index", wheel])
    memray, own = tmp_path / "venv/bin/memray", tmp_path / "venv/bin/python"
    assert run([own, "-c", README_EXAMPLE], cwd=tmp_path) == "1000\n"
    run([memray, "run", "-q", "-o", "run.bin", "-c", "x = bytes(5_000_000)"], cwd=tmp_path)
    assert "5.000MB" in run([memray, "stats", "run.bin"], cwd=tmp_path)
    run([memray, "flamegraph", "-o", "run.html", "run.bin"], cwd=tmp_path)
    assert "rejected" not in run([own, "-m", "memray", "plugins"], cwd=tmp_path)
