"""The memray command from within Python, and started by an interpreter with options of its own."""
import contextlib
import io
import os
import subprocess
import sys

import pytest

from memray import FileReader
from memray.commands import main

PRINT_FLAGS = "import sys; print(sys.flags.isolated, sys.flags.dev_mode, sys.warnoptions, sys._xoptions, sys.executable)"


def memray(*arguments, options=(), **more):
    command = [sys.executable, *options, "-m", "memray", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


def test_reports_go_to_sys_stdout(record):
    capture = record("rows = [bytes(100_000) for _ in range(10)]\n")
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert main(["summary", str(capture)]) == 0
    assert "<module>" in text.getvalue()


def test_errors_go_to_sys_stderr(tmp_path):
    with contextlib.redirect_stderr(io.StringIO()) as text:
        assert main(["summary", str(tmp_path / "missing.bin")]) == 1
    assert "No such file" in text.getvalue()


def test_arguments_that_make_no_sense(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["nonesuch"])
    assert raised.value.code == 2
    assert "nonesuch" in capsys.readouterr().err


def test_run_returns_the_code_of_the_program(tmp_path, capfd):
    code = main(["run", "-q", "-o", str(tmp_path / "capture.bin"), "-c", "import sys; print('said'); sys.exit(2)"])
    assert code == 2
    assert capfd.readouterr().out == "said\n"


def test_run_from_pytest_s_own_streams(tmp_path, capsys):
    assert main(["run", "-q", "-o", str(tmp_path / "capture.bin"), "-c", "print('said')"]) == 0
    assert capsys.readouterr().out == "said\n"


def test_the_same_interpreter_with_the_same_options(tmp_path):
    path = ["-c", f"import sys; sys.path.insert(0, {os.environ['PYTHONPATH']!r}); from memray.commands import execute; execute()"]
    command = [sys.executable, "-I", "-X", "dev", "-X", "mine=1", "-W", "error::UserWarning", *path]
    command += ["run", "-q", "-o", str(tmp_path / "capture.bin"), "-c", PRINT_FLAGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    direct = [sys.executable, "-I", "-X", "dev", "-X", "mine=1", "-W", "error::UserWarning", "-c", PRINT_FLAGS]
    expected = subprocess.run(direct, capture_output=True, text=True, timeout=120).stdout
    isolated, dev, *_ = done.stdout.split()
    assert (isolated, dev) == ("1", "True")
    assert sorted(done.stdout) == sorted(expected)


@pytest.mark.parametrize("options", ["-I", "-E", "-s", "-O", "-OO", "-b", "-u", "-B", "-P", "-Xdev", "-Werror", "-Xutf8=0 -Xmine", "-v"])
def test_each_option_of_the_interpreter(tmp_path, options):
    options = options.split()
    if options == ["-P"] and sys.version_info < (3, 11):
        pytest.skip("CPython 3.11 and later have it")
    text = "import sys; print(sys.flags, sys._xoptions, sys.warnoptions)"
    path = f"import sys; sys.path.insert(0, {os.environ['PYTHONPATH']!r}); sys.argv = ['memray', 'run', '-q', '-o', 'x', '-c', {text!r}]"
    start = f"{path}; from memray.commands import execute; execute()"
    recorded = subprocess.run([sys.executable, *options, "-c", start], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    direct = subprocess.run([sys.executable, *options, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert recorded.stdout == direct.stdout != ""


def test_another_interpreter_can_be_named(tmp_path):
    done = memray("run", "-q", "-o", tmp_path / "capture.bin", "--python", "/usr/bin/python3", "-c", PRINT_FLAGS)
    assert done.stdout.split()[-1] == "/usr/bin/python3"


@pytest.mark.parametrize("option", ["--compress-on-exit", "--no-compress", "--buffered-file-io"])
def test_options_that_change_nothing_here(tmp_path, option):
    capture = tmp_path / "capture.bin"
    assert main(["run", "-q", option, "-o", str(capture), "-c", "x = bytes(5_000_000)"]) == 0
    with FileReader(capture) as reader:
        assert reader.metadata.peak_memory > 5_000_000


@pytest.mark.parametrize("options", [["--compress-on-exit", "--no-compress"], ["--live-remote", "--buffered-file-io"]])
def test_options_that_contradict_each_other(options):
    with pytest.raises(SystemExit) as raised:
        main(["run", *options, "-c", "pass"])
    assert raised.value.code == 2


def test_version_and_exit_codes(tmp_path):
    import memray as package

    assert memray("--version").stdout.strip() == package.__version__
    assert memray("run", "-q", "-o", tmp_path / "capture.bin", "-c", "raise SystemExit(7)").returncode == 7
    assert memray("nonesuch").returncode == 2
