"""A recorded program behaves as if it were not, and `memray run` behaves as its users expect."""
import fcntl
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import termios
import time

import pytest

from recording import PYTHON_PROGRAMS, Recording, interpreters, run

ALL_PYTHONS = [pytest.param(path, id=version) for version, path in interpreters().items()]
HOOKS = ["plt", "preload"]


def script(folder, text, name="script.py"):
    path = pathlib.Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def same(recorded, plain):
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (plain.returncode, plain.stdout, plain.stderr)


# --- as if unrecorded


@pytest.mark.parametrize("hooks", HOOKS)
def test_native_program_sees_nothing_of_memray(memray, programs, tmp_path, hooks):
    program = [programs / "identity", "one", "", "two words", "--help"]
    plain = run(program)
    recorded = run([memray, "run", "-q", f"--hooks={hooks}", "-o", tmp_path / "capture.bin", "--", *program])
    same(recorded, plain)


@pytest.mark.parametrize("hooks", HOOKS)
def test_preload_of_the_user_is_kept(memray, programs, tmp_path, hooks):
    environment = {**os.environ, "LD_PRELOAD": str(programs / "plugin.so")}
    program = [programs / "identity"]
    plain = run(program, env=environment)
    recorded = run([memray, "run", "-q", f"--hooks={hooks}", "-o", tmp_path / "capture.bin", "--", *program], env=environment)
    same(recorded, plain)


@pytest.mark.parametrize("python", ALL_PYTHONS)
def test_script_sees_nothing_of_memray(memray, tmp_path, python):
    target = PYTHON_PROGRAMS / "identity.py"
    plain = run([python, target, "one", "two words", "-o"], cwd=tmp_path)
    recorded = run(
        [memray, "run", "-q", "--python", python, "-o", tmp_path / "capture.bin", target, "one", "two words", "-o"], cwd=tmp_path
    )
    same(recorded, plain)


def test_module_and_code_see_nothing_of_memray(memray, tmp_path):
    script(tmp_path, (PYTHON_PROGRAMS / "identity.py").read_text(), "package/__main__.py")
    python = sys.executable
    for target in (["-m", "package", "argument"], ["-c", "import sys; print(sys.argv, sys.path, sorted(globals()))", "-x"]):
        plain = run([python, *target], cwd=tmp_path)
        recorded = run([memray, "run", "-q", "--python", python, "-f", "-o", "capture.bin", *target], cwd=tmp_path)
        same(recorded, plain)


@pytest.mark.parametrize("hooks", HOOKS)
def test_streams_are_passed_through(memray, tmp_path, hooks):
    text = "".join(f"line {i}\n" for i in range(20000))
    done = run([memray, "run", "-q", f"--hooks={hooks}", "-o", tmp_path / "c.bin", "--", "/bin/cat"], input=text, stdin=None)
    assert done.stdout == text
    assert done.stderr == ""


def test_program_that_uses_the_libraries_memray_uses(memray, tmp_path):
    """zstd, lz4 and the C++ runtime of the program are its own."""
    target = script(
        tmp_path,
        "import ctypes\n"
        "for name in ('libzstd.so.1', 'liblz4.so.1', 'libstdc++.so.6', 'libfmt.so.9'):\n"
        "    try: ctypes.CDLL(name)\n"
        "    except OSError: pass\n"
        "z = ctypes.CDLL('libzstd.so.1')\n"
        "z.ZSTD_versionString.restype = ctypes.c_char_p\n"
        "print(z.ZSTD_versionString().decode())\n"
        "print([line.split()[-1] for line in open('/proc/self/maps') if 'libzstd' in line][0])\n"
        "before = open('/proc/self/maps').read()\n",
    )
    plain = run(["/usr/bin/python3", target])
    recorded = run([memray, "run", "-q", "--python", "/usr/bin/python3", "-o", tmp_path / "c.bin", target])
    same(recorded, plain)


def test_nothing_of_the_toolbox_enters_the_program(memray, tmp_path):
    target = script(tmp_path, "print({line.split()[-1] for line in open('/proc/self/maps') if '.so' in line})\n")
    libraries = run([memray, "run", "-q", "--python", "/usr/bin/python3", "-o", tmp_path / "c.bin", target]).stdout
    assert "memray" in libraries
    for foreign in ("libstdc++", "libzstd", "liblz4", "libfmt", "libboost", "libdw", "libunwind", "memray-core"):
        assert foreign not in libraries.replace("memray-unwinder", "")


def test_injected_libraries_export_little(memray):
    """Only the functions that are interposed, and names of ours."""
    interposed = set(
        "malloc free calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc cfree free_sized "
        "free_aligned_sized mmap mmap64 munmap mremap dlopen dlclose dlmopen dlsym prctl pthread_setname_np pthread_create fork vfork _exit "
        "execl execle execlp execv execve execvp execvpe execveat fexecve posix_spawn posix_spawnp".split()
    )
    lib = pathlib.Path(memray).resolve().parents[1] / "lib"
    injected = [path for path in lib.rglob("*.so*") if re.search(r"memray-(recorder|hooks|unwinder)", path.name)]
    assert len(injected) >= 4
    for library in injected:
        symbols = {line.split()[-1].split("@")[0] for line in run(["nm", "-D", "--defined-only", library]).stdout.splitlines()}
        ours = {name for name in symbols if "memray" in name}
        allowed = ours | (interposed if "preload" in library.name else set())
        assert symbols <= allowed, (library.name, symbols - allowed)
        needed = re.findall(r"NEEDED\s+(\S+)", run(["objdump", "-p", library]).stdout)
        assert set(needed) <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libmemray-recorder.so"}, library


# --- how it ends


@pytest.mark.parametrize("hooks", HOOKS)
@pytest.mark.parametrize("how, code", [("exit", 3), ("_exit", 4), ("abort", -6), ("kill", -9), ("term", -15), ("segv", -11)])
def test_exit_codes_and_signals_are_passed_on(memray, programs, tmp_path, hooks, how, code):
    no_core = lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    capture = tmp_path / "capture.bin"
    done = run([memray, "run", f"--hooks={hooks}", "-o", capture, "--", programs / "ends", how], preexec_fn=no_core)
    # A shell says 128 + signal; a parent that waits sees either.
    assert done.returncode in ({code} if code > 0 else {code, 128 - code})
    ending = Recording(memray, capture, done).trailer["ending"]
    name = signal.Signals(-code).name if code < 0 else f"status {code}"
    assert name in ending


@pytest.mark.parametrize("python", ALL_PYTHONS)
def test_python_exit_codes(memray, tmp_path, python):
    for text, code in [("raise SystemExit(7)", 7), ("import os; os._exit(9)", 9), ("1 / 0", 1), ("pass", 0), ("raise KeyboardInterrupt", 130)]:
        target = script(tmp_path, text + "\n")
        plain = run([python, target])
        recorded = run([memray, "run", "-q", "-f", "--python", python, "-o", tmp_path / "c.bin", target])
        assert recorded.stderr == plain.stderr
        assert recorded.stdout == plain.stdout
        assert recorded.returncode in (code, plain.returncode)
        assert run([memray, "stats", tmp_path / "c.bin"]).returncode == 0


COUNTS_INTERRUPTS = """
import signal, sys, time
seen = 0
def interrupted(*_):
    global seen
    seen += 1
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
until = time.monotonic() + 1.5
while time.monotonic() < until:
    time.sleep(0.05)
print("seen", seen, flush=True)
sys.exit(5)
"""


def start(command, **options):
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


class Terminal:
    """A command in a session of its own, whose keyboard we are."""

    def __init__(self, command):
        self.keyboard, terminal = os.openpty()
        take = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = start(command, stdin=terminal, start_new_session=True, preexec_fn=take)
        os.close(terminal)

    def control_c(self):
        os.write(self.keyboard, b"\x03")

    def finish(self):
        out, err = self.process.communicate(timeout=60)
        os.close(self.keyboard)
        return out, err, self.process.returncode


def test_control_c_reaches_the_program_once(memray, tmp_path):
    target = script(tmp_path, COUNTS_INTERRUPTS)
    terminal = Terminal([memray, "run", "-q", "-o", tmp_path / "c.bin", target])
    assert terminal.process.stdout.readline() == "ready\n"
    terminal.control_c()
    assert terminal.finish() == ("seen 1\n", "", 5)
    assert run([memray, "stats", tmp_path / "c.bin"]).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_signals_to_memray_alone_are_passed_on(memray, tmp_path, number):
    target = script(
        tmp_path,
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(6))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n",
    )
    process = start([memray, "run", "-q", "-o", tmp_path / "c.bin", target], start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 6


def test_interrupted_script_leaves_a_finished_capture(memray, tmp_path):
    target = script(tmp_path, "import time\nblock = bytearray(3_000_000)\nprint('ready', flush=True)\ntime.sleep(60)\n")
    terminal = Terminal([memray, "run", "-q", "-o", tmp_path / "c.bin", target])
    assert terminal.process.stdout.readline() == "ready\n"
    terminal.control_c()
    _, err, code = terminal.finish()
    assert "KeyboardInterrupt" in err
    assert code in (130, -signal.SIGINT)
    assert "3000001" in run([memray, "parse", tmp_path / "c.bin"]).stdout


def test_program_outlives_its_collector(memray, tmp_path):
    target = script(
        tmp_path,
        "import pathlib, time\n"
        "print('ready', flush=True)\n"
        "for _ in range(20000): bytearray(5000)\n"
        "time.sleep(0.5)\n"
        "for _ in range(200000): bytearray(5000)\n"
        f"pathlib.Path({str(tmp_path / 'finished')!r}).touch()\n",
    )
    process = start([memray, "run", "-q", "-o", tmp_path / "c.bin", target], start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    until = time.monotonic() + 60
    while not (tmp_path / "finished").exists():
        assert time.monotonic() < until, "the program did not go on without its collector"
        time.sleep(0.05)


# --- names and messages


def test_default_output_names(memray, tmp_path):
    script(tmp_path, "pass\n", "sub/ok.py")
    script(tmp_path, "pass\n", "mod.py")
    names = {
        ("sub/ok.py",): r"sub/memray-ok\.py\.\d+\.bin",
        ("-m", "mod"): r"memray-mod\.\d+\.bin",
        ("-c", "pass"): r"memray-string\.\d+\.bin",
        ("--", "/bin/true"): r"memray-true\.\d+\.bin",
    }
    for target, pattern in names.items():
        done = run([memray, "run", *target], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("memray-*.bin")]
        assert len(found) == 1 and re.fullmatch(pattern, found[0]), (target, found)
        first = done.stdout.splitlines()[0]
        assert re.search(rf"^Writing profile results into (\S*/)?{pattern.split('/')[-1]}$", first), first
        assert "flamegraph" in done.stdout.splitlines()[-1]
        (tmp_path / found[0]).unlink()


def test_default_name_carries_the_pid_of_the_program(memray, tmp_path):
    done = run([memray, "run", "-c", "import os; print(os.getpid())"], cwd=tmp_path)
    pid = next(line for line in done.stdout.splitlines() if line.isdigit())
    assert (tmp_path / f"memray-string.{pid}.bin").exists()


def test_quiet(memray, tmp_path):
    done = run([memray, "run", "-q", "-o", tmp_path / "c.bin", "-c", "print('hello')"])
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)


def test_existing_output_needs_force(memray, tmp_path):
    out = tmp_path / "c.bin"
    out.write_text("precious")
    done = run([memray, "run", "-o", out, "-c", "print('never runs')"])
    assert done.returncode == 1
    assert str(out) in done.stderr and "-f" in done.stderr
    assert "never runs" not in done.stdout
    assert out.read_text() == "precious"
    done = run([memray, "run", "-q", "-f", "-o", out, "-c", "print('runs')"])
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert not out.read_bytes().startswith(b"precious")


# --- ways to a program


def test_ways_to_an_interpreter(memray, tmp_path):
    """A virtual environment's python, a script that names its interpreter by env, and shells that end in exec."""
    venv = tmp_path / "venv"
    done = run([sys.executable, "-m", "venv", "--without-pip", venv])
    assert done.returncode == 0, done.stderr
    python = venv / "bin" / "python"
    line = "import sys; block = bytearray(4_000_000); print(sys.prefix)\n"
    target = script(tmp_path, "#!/usr/bin/env python3\n" + line)
    target.chmod(0o755)
    wrapper = script(tmp_path, f'#!/bin/sh\nexec "{python}" "$@"\n', "wrapper")
    wrapper.chmod(0o755)
    bash = script(tmp_path, f'#!/usr/bin/env bash\nx=$(echo hello)\nexec "{wrapper}" "$@"\n', "bash-wrapper")
    bash.chmod(0o755)
    environment = {**os.environ, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}
    ways = {
        "venv": ["--python", python, target],
        "path": ["--python", "python3", target],
        "env": ["--", target],
        "wrapper": ["--python", wrapper, target],
        "wrapped wrapper": ["--python", bash, target],
        "program": ["--", python, target],
        "wrapper as program": ["--", bash, target],
    }
    for name, way in ways.items():
        out = tmp_path / "capture.bin"
        done = run([memray, "run", "-q", "-f", "-o", out, *way], env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{venv}\n", ""), name
        parsed = run([memray, "parse", out])
        assert re.search(r"\b4000001\b", parsed.stdout), name


@pytest.mark.skipif(not (pathlib.Path.home() / ".pyenv/shims/python3").exists(), reason="no pyenv on this machine")
def test_pyenv_shim(memray, tmp_path):
    shim = pathlib.Path.home() / ".pyenv/shims/python3"
    if run([shim, "-c", "pass"]).returncode:
        pytest.skip("the shim leads nowhere")
    target = script(tmp_path, "import sys; block = bytearray(4_000_000); print(sys.executable)\n")
    plain = run([shim, target])
    recorded = run([memray, "run", "-q", "--python", shim, "-o", tmp_path / "c.bin", target])
    same(recorded, plain)
    assert re.search(r"\b4000001\b", run([memray, "parse", tmp_path / "c.bin"]).stdout)


def test_elf_file_is_recorded_as_a_program(memray, programs, tmp_path):
    done = run([memray, "run", "-q", "-o", tmp_path / "c.bin", programs / "ends", "exit"])
    assert done.returncode == 3


def test_children_are_not_followed(memray, tmp_path):
    child = "block = bytearray(7_654_320)"
    target = script(
        tmp_path,
        "import multiprocessing, os, subprocess, sys\n"
        "def work(): return len(bytearray(7_654_320))\n"
        "if __name__ == '__main__':\n"
        f"    subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
        f"    os.system(sys.executable + ' -c \"{child}\"')\n"
        "    for method in ('fork', 'spawn'):\n"
        "        process = multiprocessing.get_context(method).Process(target=work)\n"
        "        process.start(); process.join(); assert process.exitcode == 0\n"
        "    print('done')\n",
    )
    done = run([memray, "run", "-q", "-o", tmp_path / "c.bin", target])
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert "7654321" not in run([memray, "parse", tmp_path / "c.bin"]).stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".pyc" and path.name != "__pycache__") == ["c.bin", "script.py"]


# --- what cannot be recorded


def refused(memray, folder, *arguments, says, code=1):
    """One line on stderr, a non-zero exit code, and no file left behind."""
    before = sorted(pathlib.Path(folder).rglob("*"))
    done = run([memray, "run", *arguments], cwd=folder)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.search(says, done.stderr, re.IGNORECASE), done.stderr
    assert sorted(pathlib.Path(folder).rglob("*")) == before
    return done


def test_static_program(memray, programs, tmp_path):
    refused(memray, tmp_path, "--", programs / "static", says="static")


def test_setuid_program(memray, tmp_path):
    program = tmp_path / "setuid"
    program.write_bytes(pathlib.Path("/bin/true").read_bytes())
    program.chmod(0o4755)
    refused(memray, tmp_path, "--", program, says="set-?uid|set-?user")


def test_program_of_another_architecture(memray, tmp_path):
    image = bytearray(pathlib.Path("/bin/true").read_bytes())
    image[18:20] = (0xF3).to_bytes(2, "little")  # e_machine: RISC-V
    program = tmp_path / "foreign"
    program.write_bytes(image)
    program.chmod(0o755)
    refused(memray, tmp_path, "--", program, says="architecture|machine|risc|riscv")


def test_program_that_is_not_there(memray, tmp_path):
    refused(memray, tmp_path, "--", "./nowhere", says="nowhere")
    refused(memray, tmp_path, "--", "no-such-program-anywhere", says="no-such-program-anywhere")
    refused(memray, tmp_path, "nowhere.py", says="nowhere.py")


def test_program_that_may_not_be_executed(memray, tmp_path):
    program = tmp_path / "plain"
    program.write_bytes(pathlib.Path("/bin/true").read_bytes())
    program.chmod(0o644)
    refused(memray, tmp_path, "--", program, says="permission|executable")


def test_missing_interpreter(memray, tmp_path):
    target = script(tmp_path, "pass\n")
    refused(memray, tmp_path, "--python", "/nowhere/python3", target, says="/nowhere/python3")
    hashbang = script(tmp_path, "#!/nowhere/interpreter\n", "tool")
    hashbang.chmod(0o755)
    refused(memray, tmp_path, "--", hashbang, says="/nowhere/interpreter")


def test_unwritable_output(memray, tmp_path):
    refused(memray, tmp_path, "-o", "missing/folder/c.bin", "-c", "pass", says="missing/folder/c.bin.*No such file")
    refused(memray, tmp_path, "-o", tmp_path, "-f", "-c", "pass", says="directory")
    refused(memray, tmp_path, "-o", "/proc/c.bin", "-c", "pass", says="/proc/c.bin")


def test_unknown_plugins_and_options(memray, tmp_path):
    refused(memray, tmp_path, "--hooks=plr", "-c", "pass", says="plr.*plt|plt.*plr")
    refused(memray, tmp_path, "--sink=fiel", "-c", "pass", says="fiel")
    refused(memray, tmp_path, "--unwinders=pyton", "-c", "pass", says="pyton")
    for arguments in (["--no-such-option", "-c", "pass"], []):
        done = run([memray, "run", *arguments], cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_script_with_a_syntax_error(memray, tmp_path):
    target = script(tmp_path, "def broken(:\n")
    done = run([memray, "run", target], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr
