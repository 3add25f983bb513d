"""Recording does not change what a program allocates: its count is that of bench/counter.c, which shares nothing with memray."""
import sys

import pytest

from recording import PYTHON_PROGRAMS, TOP, interpreters

sys.path.insert(0, str(TOP / "bench"))
import disturbance  # noqa: E402


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    return disturbance.build_counter(tmp_path_factory.mktemp("counter"))


@pytest.mark.parametrize("python", [pytest.param(path, id=version) for version, path in interpreters().items()])
@pytest.mark.parametrize("which", ["malloc", "python"])
def test_as_many_allocations_as_without(memray, counter, tmp_path, python, which):
    script = [PYTHON_PROGRAMS / "mixture.py"]
    index = ["malloc", "python"].index(which)
    counted = disturbance.counted(counter, [python, *script], index == 1, tmp_path)[index]
    assert counted > 10_000
    assert disturbance.recorded(memray, python, script, index == 1, tmp_path)[index] == counted
