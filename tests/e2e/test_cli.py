"""The command line: help, mistakes, exit codes, and where reports go."""
import os
import pathlib
import pty
import re
import shutil
import stat
import subprocess
import sys

import pytest

from recording import record, run


def failed(done, code):
    """What a mistake looks like: a code, something on stderr, nothing on stdout, never a trace."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "terminate called" not in done.stderr
    return done.stderr


# --- the command itself


def test_version_is_bare(memray):
    for option in ("-V", "--version"):
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", run([memray, option]).stdout)


def test_help_names_every_command(memray):
    done = run([memray, "--help"])
    assert done.returncode == 0 and done.stderr == ""
    commands = re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE)
    assert {"run", "plugins", "summary", "stats", "parse", "flamegraph"} <= set(commands)
    assert run([memray, "-h"]).stdout == done.stdout
    for command in commands:
        done = run([memray, command, "--help"])
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.startswith(f"Usage: memray {command} ")


@pytest.mark.parametrize("arguments", [[], ["-v"], ["no-such"], ["--no-such"], ["-x", "run"], ["run"], ["plugins", "extra"], ["stats"]])
def test_usage_errors(memray, arguments):
    assert failed(run([memray, *arguments]), 2).startswith("Usage: memray ")


def test_unknown_command_suggests_another_or_names_the_plugin(memray):
    assert "'flamegraph'" in failed(run([memray, "flamegrpah", "x"]), 2)
    assert "memray-reporter-frobnicate.so" in failed(run([memray, "frobnicate"]), 2)


def test_long_options_may_be_abbreviated(memray):
    assert run([memray, "--vers"]).stdout == run([memray, "--version"]).stdout
    assert run([memray, "plugins", "--js"]).stdout.startswith("[")
    assert "--hooks" in run([memray, "run", "--he"]).stdout  # --help
    assert "--unwinders" in failed(run([memray, "run", "--unwind=none,none", "x"]), 2)


@pytest.mark.parametrize(
    "options",
    [
        ["--live-port=4242"],
        ["--live-port=no", "--live-remote"],
        ["--live-remote", "--aggregate"],
        ["--live-remote", "-o", "a"],
        ["--live-remote", "--sink=null"],
        ["--hooks=plt,preload"],
        ["--hooks=plt,plt"],
        ["--hooks="],
        ["--unwinders=none,python"],
        ["--memory-interval", "0"],
        ["--memory-interval", "x"],
        ["-o", "a", "--sink=file:b"],
        ["--sink=:x"],
        ["--python", "python3", "--", "true"],
        ["--startup", "--", "true"],
        ["--startup", "/bin/true"],
        ["-c", __file__],
        ["-m"],
    ],
    ids=" ".join,
)
def test_run_refuses_what_it_does_not_know_or_cannot_combine(memray, tmp_path, options):
    program = [] if options[0] in ("-c", "-m") or "--" in options or options[-1] == "/bin/true" else ["-c", "print('ran')"]
    error = failed(run([memray, "run", *options, *program], cwd=tmp_path), 2)
    assert error.startswith("Usage: memray run ")
    assert list(tmp_path.iterdir()) == []


def test_code_that_is_a_file_gets_advice(memray):
    assert "leave out -c" in failed(run([memray, "run", "-c", __file__]), 2)


def test_program_arguments_are_not_memrays(memray, tmp_path):
    show = "import sys; print(sys.argv)"
    (tmp_path / "show.py").write_text(show)
    arguments = ["-o", "x", "--force", "-m", "--", "-h", "--no-such"]
    for way, name in ((["-c", show], "-c"), (["show.py"], "show.py"), (["-m", "show"], str(tmp_path / "show.py"))):
        done = run([memray, "run", "-q", "-f", "-o", "out.bin", *way, *arguments], cwd=tmp_path)
        assert done.stdout == f"{[name, *arguments]}\n", done.stderr
    done = run([memray, "run", "-qfo", "out.bin", "--", "echo", *arguments], cwd=tmp_path)
    assert done.stdout == " ".join(arguments) + "\n"


def test_options_of_the_shebang_are_kept(memray, tmp_path):
    tool = tmp_path / "tool"
    tool.write_text(f"#!{sys.executable} -Es\nimport sys; print(sys.flags.ignore_environment, sys.flags.no_user_site)\n")
    tool.chmod(0o755)
    assert run([memray, "run", "-q", "-o", tmp_path / "c.bin", tool]).stdout == "1 1\n"


def test_program_that_can_only_be_found_on_path_gets_advice(memray, tmp_path):
    assert "memray run -- true" in failed(run([memray, "run", "true"], cwd=tmp_path), 1)


def test_script_that_cannot_be_read(memray, tmp_path):
    assert "No such file" in failed(run([memray, "run", tmp_path / "none.py"]), 1)
    assert "directory" in failed(run([memray, "run", tmp_path]), 1)
    if os.geteuid() != 0:
        (tmp_path / "secret.py").write_text("pass")
        (tmp_path / "secret.py").chmod(0)
        assert "Permission denied" in failed(run([memray, "run", tmp_path / "secret.py"]), 1)


def test_folder_with_a_main_module(memray, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("print('main')")
    done = run([memray, "run", "package"], cwd=tmp_path)
    assert "main\n" in done.stdout
    assert len(list(tmp_path.glob("memray-package.*.bin"))) == 1


def test_verbose_says_what_is_executed(memray, tmp_path):
    done = run([memray, "-v", "run", "-o", tmp_path / "c.bin", "--", "true"])
    assert done.returncode == 0
    assert re.search(r"^memray: executing \S*/true as true$", done.stderr, re.MULTILINE)


# --- where recordings go


@pytest.mark.parametrize("way", [["-o", "PATH"], ["--output=PATH"], ["--sink=file:PATH"]], ids=lambda way: way[0])
def test_ways_to_name_the_file(memray, tmp_path, way):
    path = tmp_path / "named.bin"
    done = run([memray, "run", *(part.replace("PATH", str(path)) for part in way), "-c", "pass"])
    assert done.returncode == 0 and str(path) in done.stdout
    assert path.stat().st_size > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [path] == list(tmp_path.iterdir())


def test_null_sink_leaves_nothing(memray, tmp_path):
    done = run([memray, "run", "--sink=null", "-c", "print('ran')"], cwd=tmp_path)
    assert done.returncode == 0 and "ran\n" in done.stdout
    assert "flamegraph" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_devices_and_pipes_are_written_not_replaced(memray, tmp_path):
    before = os.stat("/dev/null")
    for force in ([], ["-f"]):
        assert run([memray, "run", "-q", *force, "-o", "/dev/null", "-c", "pass"]).returncode == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and os.stat("/dev/null").st_ino == before.st_ino
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", fifo], stdout=(tmp_path / "copy.bin").open("wb"))
    assert run([memray, "run", "-q", "-o", fifo, "-c", "block = bytearray(2_000_000)"]).returncode == 0
    assert reader.wait() == 0
    assert "2000001" in run([memray, "parse", tmp_path / "copy.bin"]).stdout
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_full_disk_ends_the_recording_and_not_the_program(memray):
    done = run([memray, "run", "-o", "/dev/full", "-c", "print('whole'); import sys; sys.exit(5)"])
    assert done.returncode == 5
    assert "whole\n" in done.stdout and "flamegraph" not in done.stdout
    assert "/dev/full" in done.stderr and "No space left" in done.stderr


def test_old_capture_survives_a_program_that_cannot_start(memray, programs, tmp_path):
    out = tmp_path / "c.bin"
    out.write_text("precious")
    failed(run([memray, "run", "-f", "-o", out, "--", programs / "static"]), 1)
    assert out.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


def test_forced_output_follows_links(memray, tmp_path):
    (tmp_path / "real.bin").write_text("old")
    (tmp_path / "link.bin").symlink_to("real.bin")
    assert run([memray, "run", "-qf", "-o", tmp_path / "link.bin", "-c", "pass"]).returncode == 0
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real.bin").read_bytes()[:3] != b"old"


# --- reports


def test_captures_that_cannot_be_read(memray, tmp_path):
    assert failed(run([memray, "stats", "nowhere.bin"], cwd=tmp_path), 1) == "No such file: nowhere.bin\n"
    assert failed(run([memray, "stats", "."], cwd=tmp_path), 1) == "No such file: .\n"
    for name, content in (("alien", b"#!/bin/sh\necho no capture\n" * 100), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        error = failed(run([memray, "summary", tmp_path / name]), 1).splitlines()
        assert error[0] == f"Failed to parse allocation records in {tmp_path / name}"
        assert error[1].startswith("Reason: ")


@pytest.mark.parametrize(
    "name, report",
    [
        ("result.bin", "result"),
        ("memray-json.tool.0.bin", "json.tool.0"),
        ("memray-a.py.12.bin.34", "a.py.12.bin.34"),
        ("plain", "plain"),
    ],
)
def test_report_is_named_after_the_capture(memray, capture, tmp_path, name, report):
    (tmp_path / "sub").mkdir()
    shutil.copy(capture, tmp_path / "sub" / name)
    done = run([memray, "flamegraph", f"sub/{name}"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = f"sub/memray-flamegraph-{report}.html"
    assert done.stdout.splitlines()[-1] == f"Wrote {made}"
    assert (tmp_path / made).stat().st_size > 0
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == sorted([name, pathlib.Path(made).name])


def test_existing_report_needs_force(memray, capture, tmp_path):
    out = tmp_path / "page.html"
    out.write_text("precious")
    error = failed(run([memray, "flamegraph", "-o", out, capture]), 1)
    assert str(out) in error and "--force" in error
    assert out.read_text() == "precious"
    assert run([memray, "flamegraph", "-f", "-o", out, capture]).returncode == 0
    assert out.read_text() != "precious"
    assert list(tmp_path.iterdir()) == [out]


def test_unwritable_report(memray, capture, tmp_path):
    for name in ("missing/folder/page.html", "."):
        error = failed(run([memray, "flamegraph", "-o", name, capture], cwd=tmp_path), 1)
        assert len(error.splitlines()) == 1
    assert "No space" in failed(run([memray, "flamegraph", "-o", "/dev/full", capture]), 1)
    assert list(tmp_path.iterdir()) == []


def test_tilde_in_an_output_name(memray, capture, tmp_path):
    done = run([memray, "flamegraph", "--output=~/page.html", capture], env={**os.environ, "HOME": str(tmp_path)})
    assert done.returncode == 0 and (tmp_path / "page.html").exists()


def test_reader_that_goes_away_is_no_error(memray, programs, tmp_path):
    recording = record(memray, tmp_path, [programs / "threads"])
    with subprocess.Popen([memray, "parse", recording.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, -13)


def test_full_standard_output_is_an_error(memray, capture):
    with open("/dev/full", "w") as full:
        done = subprocess.run([memray, "summary", capture], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_how_the_program_ended_is_told(memray, programs, tmp_path):
    recording = record(memray, tmp_path, ["/bin/sh", "-c", "kill -9 $$"])
    assert recording.done.returncode == -9
    done = run([memray, "summary", recording.path])
    assert done.returncode == 0 and "SIGKILL" in done.stderr
    for code in ("0", "3"):
        recording = record(memray, tmp_path, ["/bin/sh", "-c", f"exit {code}"])
        assert run([memray, "summary", recording.path]).stderr == ""


def test_damage_is_told(memray, capture, tmp_path):
    torn = tmp_path / "torn.bin"
    torn.write_bytes(capture.read_bytes()[:-40])
    done = run([memray, "stats", torn])
    assert done.returncode == 0 and done.stdout
    assert done.stderr.startswith(f"warning: {torn}: ")


def on_a_terminal(command, **environment):
    """What a command prints on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [str(part) for part in command], stdin=child, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(child)
    output = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(parent)
    assert process.wait() == 0
    return output.decode()


def test_colour_only_where_wanted(memray, capture):
    environment = {"COLUMNS": "120"}
    assert "\x1b[" in on_a_terminal([memray, "summary", capture], **environment)
    assert "\x1b" not in on_a_terminal([memray, "summary", capture], NO_COLOR="1", **environment)
    assert "\x1b" not in on_a_terminal([memray, "summary", capture], TERM="dumb", **environment)
    assert "\x1b" not in run([memray, "summary", capture]).stdout
