"""Where the built command and the recorded programs are."""
import os
import pathlib

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
os.environ["MEMRAY_SYMBOL_CACHE"] = "off"  # every test begins without what others have found out


@pytest.fixture(scope="session")
def build():
    """The build folder: $MEMRAY_BUILD, or the one of $MEMRAY, or build/release."""
    if "MEMRAY" in os.environ:
        return pathlib.Path(os.environ["MEMRAY"]).resolve().parents[1]
    return pathlib.Path(os.environ.get("MEMRAY_BUILD", TOP / "build" / "release")).resolve()


@pytest.fixture(scope="session")
def memray(build):
    command = build / "bin" / "memray"
    assert command.exists(), f"{command} is not built; scripts/build.sh builds it"
    return command


@pytest.fixture(scope="session")
def programs(build):
    return build / "tests" / "programs"


@pytest.fixture(scope="session")
def capture(memray, tmp_path_factory):
    """The recording of a program that allocates one block of 3 MB, and ends normally."""
    import recording

    folder = tmp_path_factory.mktemp("capture")
    (folder / "script.py").write_text("def big():\n    return bytearray(3_000_000)\n\nblock = big()\n")
    return recording.record(memray, folder, folder / "script.py").path
