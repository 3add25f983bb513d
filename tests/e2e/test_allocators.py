"""Allocator libraries: their own functions, and malloc when one of them answers it."""
import os
import pathlib

import pytest

from recording import record, run
from test_truth import compare_own

LIBRARIES = {"jemalloc": "libjemalloc.so.2", "mimalloc": "libmimalloc.so.2", "tcmalloc": "libtcmalloc.so.4"}
PLACES = [pathlib.Path("/usr/lib/x86_64-linux-gnu"), pathlib.Path("/usr/lib/aarch64-linux-gnu"), pathlib.Path("/usr/lib")]


def library(allocator):
    found = [place / LIBRARIES[allocator] for place in PLACES if (place / LIBRARIES[allocator]).exists()]
    return found[0] if found else pytest.skip(f"{allocator} is not installed")


def own(programs, allocator):
    program = programs / f"own_{allocator}"
    return program if program.exists() else pytest.skip(f"{allocator}'s headers are not installed")


def compare(recording):
    """Of the program's own sizes all and nothing twice; the libraries' constructors have others."""
    assert recording.done.returncode == 0, recording.done.stderr
    compare_own(recording)


@pytest.mark.parametrize("hooks", ["plt", "preload"])
@pytest.mark.parametrize("allocator", LIBRARIES)
def test_own_functions(memray, programs, tmp_path, allocator, hooks):
    compare(record(memray, tmp_path, [own(programs, allocator)], f"--hooks={hooks},{allocator}"))


@pytest.mark.parametrize("allocator", LIBRARIES)
def test_own_functions_are_found_without_being_asked_for(memray, programs, tmp_path, allocator):
    recording = record(memray, tmp_path, [own(programs, allocator)])
    compare(recording)
    assert recording.lines[0][1]["hooks"] == f"preload,{allocator}"
    assert "not recorded" not in recording.done.stderr


@pytest.mark.parametrize("hooks", ["plt", "preload"])
@pytest.mark.parametrize("allocator", LIBRARIES)
def test_what_is_missing_is_said(memray, programs, tmp_path, allocator, hooks):
    recording = record(memray, tmp_path, [own(programs, allocator)], f"--hooks={hooks}")
    warnings = [line for line in recording.done.stderr.splitlines() if "not recorded" in line]
    assert len(warnings) == 1 and f"add {allocator} to --hooks" in warnings[0]


@pytest.mark.parametrize("hooks", ["plt", "preload"])
@pytest.mark.parametrize("allocator", LIBRARIES)
@pytest.mark.parametrize("program", ["threads", "new_delete"])
def test_preloaded(memray, programs, tmp_path, allocator, hooks, program):
    """The user's LD_PRELOAD is kept, and what the library gets from the kernel for malloc is no request of the program."""
    environment = {**os.environ, "LD_PRELOAD": str(library(allocator))}
    recording = record(memray, tmp_path, [programs / program], f"--hooks={hooks},{allocator}", env=environment)
    assert "not recorded" not in recording.done.stderr
    compare(recording)


def test_calls_of_a_library_are_noticed(memray, tmp_path):
    """Neither the program nor what it is linked with calls mallocx: a library that it opens does. This mallocx calls malloc,
    which is not recorded again."""
    (tmp_path / "fake.c").write_text(
        "#include <stdlib.h>\nvoid* mallocx(size_t size, int flags) { return malloc(size + !flags); }\n"
        "void dallocx(void* p, int flags) { free(flags ? NULL : p); }\n"
    )
    (tmp_path / "user.c").write_text(
        "#include <stddef.h>\nvoid* mallocx(size_t, int);\nvoid dallocx(void*, int);\n"
        "void use(void) { dallocx(mallocx(12345, 0), 0); }\n"
    )
    (tmp_path / "main.c").write_text(
        "#include <dlfcn.h>\nint main(int n, char** a) {\n"
        '  void* library = dlopen(a[n - 1], RTLD_NOW);\n'
        '  void (*use)(void) = library ? (void (*)(void))dlsym(library, "use") : 0;\n  if (use) use();\n  return !use;\n}\n'
    )
    shared = ["-shared", "-fPIC", "-O1"]
    for command in (
        ["fake.c", *shared, "-o", "libfake.so"],
        ["user.c", *shared, "-o", "libuser.so", tmp_path / "libfake.so", f"-Wl,-rpath,{tmp_path}"],
        ["main.c", "-o", "main"],
    ):
        done = run(["cc", *command], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    command = [tmp_path / "main", tmp_path / "libuser.so"]
    assert "add jemalloc to --hooks" in record(memray, tmp_path, command).done.stderr
    for hooks in ("plt", "preload"):
        recording = record(memray, tmp_path, command, f"--hooks={hooks},jemalloc")
        assert recording.done.returncode == 0 and "not recorded" not in recording.done.stderr
        own = recording.replay(lambda event: event["size"] in (12345, 12346))
        assert (own.allocations, own.frees, own.bytes) == (1, 1, 12345)
