"""Names of native frames, against addr2line and against what the source says.

Programs are compiled here, because what is tested is how they are compiled, stripped and taken apart. While a capture is read
all that was compiled is out of the way: reports need neither the program nor its debug files.
"""
import contextlib
import dataclasses
import http.server
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

import recording as recordings
from recording import TOP

SOURCES = TOP / "tests" / "programs" / "symbols"
FLAGS = ["-O2", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
DEBUG_BY_BUILD_ID = pathlib.Path("/usr/lib/debug/.build-id")

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("addr2line")), reason="needs gcc and binutils")


def do(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options).stdout


def compile_shapes(folder, *flags):
    program = folder / "shapes"
    for source, compiler in (("from_c.c", "gcc"), ("shapes.cc", "g++")):
        do(compiler, *FLAGS, *flags, "-c", SOURCES / source, "-o", folder / f"{source}.o", cwd=folder)
    linking = [flag for flag in flags if flag in ("-rdynamic", "-no-pie", "-gsplit-dwarf")]
    do("g++", *FLAGS, *linking, folder / "shapes.cc.o", folder / "from_c.c.o", "-o", program, cwd=folder)
    return program


def compile_library(path, name, *flags):
    do("gcc", *FLAGS, "-fPIC", "-shared", f"-DNAME={name}", *flags,
       "-Wl,--build-id", SOURCES / "library.c", "-o", path)
    return path


@dataclasses.dataclass
class NativeFrame:
    address: int
    module: dict
    locations: list  # (function, file, line), innermost inlined first

    @property
    def call_offset(self):
        return self.address - 1 - self.module["start"] + self.module["file_offset"]


class Stacks:
    """The native stacks of a recording, from its text."""

    def __init__(self, recording):
        self.frames, self.stacks, modules = {}, {0: []}, {}
        for kind, value in recording.lines:
            if kind == "MODULE":
                modules[value["module"]] = value
            elif kind == "FRAME" and value["kind"] == "native":
                self.frames[value["frame"]] = NativeFrame(value["address"], modules.get(value.get("module")), [])
            elif kind == "LOCATION":
                self.frames[value["frame"]].locations.append((value["function"], value["file"], value["line"]))
            elif kind == "STACK":
                self.stacks[value["stack"]] = [self.frames.get(value["frame"]), *self.stacks[value["parent"]]]
        self.modules = list(modules.values())
        self.by_size = {}
        for kind, event in recording.events:
            if kind == "ALLOCATION":
                self.by_size.setdefault(event["size"], []).append(self.stacks[event["native_stack"]])

    def functions(self, size):
        """Names for the first allocation of this size, innermost first, inlined ones included."""
        return [location[0] for frame in self.by_size[size][0] for location in frame.locations]

    def of_file(self, name):
        return [frame for frame in self.frames.values() if frame.module and pathlib.Path(frame.module["path"]).name == name]


@pytest.fixture
def record(memray, build, tmp_path):
    def run(target, *options, **run_options):
        environment = dict(os.environ, MEMRAY_PLUGIN_PATH=str(build / "tests" / "plugins"))
        environment.pop("DEBUGINFOD_URLS", None)
        environment.update(run_options.pop("environment", {}))
        recording = recordings.record(memray, tmp_path, target, "--unwinders=testfp", *(options or ["--hooks=preload"]),
                                      env=environment, **run_options)
        assert recording.done.returncode == 0, recording.done.stderr
        return recording

    return run


def addresses(program, frames):
    """Frames' places in the file as the linker numbers them."""
    segments = []
    for line in do("readelf", "-lW", program).splitlines():
        words = line.split()
        if words[:1] == ["LOAD"]:
            segments.append(tuple(int(word, 16) for word in words[1:3] + words[4:5]))
    return [next(frame.call_offset - offset + address for offset, address, size in segments
                 if offset <= frame.call_offset < offset + size) for frame in frames]


def addr2line(program, frames):
    """[(function, file, line), ...] for each frame."""
    result = []
    for address in addresses(program, frames):
        lines = do("addr2line", "-i", "-f", "-C", "-e", program, hex(address)).splitlines()
        where = [line.split(" (discriminator")[0].rsplit(":", 1) for line in lines[1::2]]
        names = [name.split(" [clone ")[0] for name in lines[::2]]
        result.append([(name, file, int(line)) for name, (file, line) in zip(names, where)])
    return result


def real(positions):
    return [(function, os.path.normpath(file), line) for function, file, line in positions]


INLINED = ["shapes::level_four(unsigned long)", "shapes::level_three(unsigned long)", "shapes::level_two(unsigned long)",
           "shapes::level_one(unsigned long)", "outer::Buffer::fill(unsigned long)", "exported_entry", "main"]
LOCAL = ["outer::(anonymous namespace)::local_function(unsigned long)", "exported_entry", "main"]
LAMBDA = ["outer::with_lambda(unsigned long)::{lambda(int)#1}::operator()(int) const", "outer::with_lambda(unsigned long)",
          "exported_entry", "main"]
TEMPLATE = ["long* outer::make<long>(unsigned long)", "exported_entry", "main"]
IN_C = ["deepest", "from_c", "exported_entry", "main"]


def line_of(source, text):
    lines = (SOURCES / source).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@contextlib.contextmanager
def out_of_the_way(folder):
    hidden = folder.with_name(folder.name + ".hidden")
    folder.rename(hidden)
    yield
    hidden.rename(folder)


def check_names(stacks, inlined):
    """What stands in the source; without DWARF nobody knows what was inlined."""
    assert stacks.functions(1002)[:7 if inlined else 3] == (INLINED if inlined else INLINED[4:])
    for size, expected in ((1001, LOCAL), (1004, LAMBDA), (1008, TEMPLATE), (2005, IN_C)):
        assert stacks.functions(size)[:len(expected)] == expected


def check_lines(stacks, truth):
    """Every frame of the program says what addr2line says about `truth`, and that is what stands in the source."""
    frames = stacks.of_file("shapes")
    assert len(frames) >= 10
    for frame, expected in zip(frames, addr2line(truth, frames)):
        assert real(frame.locations) == real(expected)
    innermost = stacks.by_size[1002][0][0].locations
    assert innermost[0][2] == line_of("shapes.h", "return malloc(size)")
    assert innermost[3][2] == line_of("shapes.h", "return level_two(size)")
    assert innermost[4][2] == line_of("shapes.cc", "level_one(size)")


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "built"
    folder.mkdir()
    return folder


def read_without(recording, folder):
    with out_of_the_way(folder):
        return Stacks(recording)


@pytest.mark.parametrize("flags", [[], ["-gz=zlib"], ["-gdwarf-4"], ["-no-pie", "-fno-pie"], ["-O0"],
                                   ["-O3", "-gno-column-info"]], ids=" ".join)
def test_debug_information(record, built, flags):
    program = compile_shapes(built, *flags)
    stacks = read_without(record([program]), built)
    check_lines(stacks, program)
    check_names(stacks, inlined=True)


@pytest.mark.parametrize("flags", [[], ["-gdwarf-4"], ["-gz=zlib"]], ids=" ".join)
def test_split_debug_information(record, built, tmp_path, flags):
    """addr2line does not read all of it, but the code is that of a program whose debug information is not split."""
    program = compile_shapes(built, "-gsplit-dwarf", *flags)
    assert list(built.glob("*.dwo"))
    whole = tmp_path / "whole"
    whole.mkdir()
    truth = compile_shapes(whole, *flags)
    stacks = read_without(record([program]), built)
    check_lines(stacks, truth)
    check_names(stacks, inlined=True)


def test_compiled_with_relative_names(record, built):
    for source in ("shapes.cc", "shapes.h", "from_c.c"):
        shutil.copy(SOURCES / source, built)
    do("gcc", *FLAGS, "-c", "from_c.c", cwd=built)
    do("g++", *FLAGS, "shapes.cc", "from_c.o", "-o", "shapes", cwd=built)
    stacks = read_without(record([built / "shapes"]), built)
    check_lines(stacks, built / "shapes")
    assert stacks.by_size[1002][0][0].locations[0][1] == str(built / "shapes.h")


def take_apart(program, debug_file):
    """Moves debug information to a file of its own; returns the whole program as it was."""
    whole = program.with_name("whole")
    shutil.copy(program, whole)
    debug_file.parent.mkdir(exist_ok=True)
    do("objcopy", "--only-keep-debug", "--compress-debug-sections", program, debug_file)
    do("objcopy", "--strip-all", f"--add-gnu-debuglink={debug_file}", program)
    return whole


@pytest.mark.parametrize("place", ["shapes.debug", ".debug/shapes.debug"])
def test_separate_debug_file(record, built, place):
    program = compile_shapes(built)
    whole = take_apart(program, built / place)
    stacks = read_without(record([program]), built)
    check_lines(stacks, whole)
    check_names(stacks, inlined=True)


def test_debug_file_of_another_build_is_not_believed(record, built):
    program = compile_shapes(built)
    take_apart(program, built / "shapes.debug")
    other = built / "other"
    other.mkdir()
    shutil.copy(compile_shapes(other, "-O0"), built / "shapes.debug")
    stacks = read_without(record([program]), built)
    assert [frame.locations for frame in stacks.of_file("shapes")] == [[]] * len(stacks.of_file("shapes"))


def test_symbol_table_only(record, built):
    program = compile_shapes(built)
    do("strip", "--strip-debug", program)
    stacks = read_without(record([program]), built)
    check_names(stacks, inlined=False)
    assert {location[1:] for frame in stacks.of_file("shapes") for location in frame.locations} == {(str(program), 0)}


def test_dynamic_symbols_only(record, built):
    """What is not exported has no name, and is not given that of a neighbour."""
    program = compile_shapes(built, "-rdynamic")
    do("strip", "--strip-all", program)
    recording = record([program])
    stacks = read_without(recording, built)
    assert stacks.functions(1001)[:2] == ["exported_entry", "main"]
    assert stacks.by_size[1001][0][0].locations == []
    assert stacks.functions(2005)[:3] == ["from_c", "exported_entry", "main"]
    shown = recording.summary()
    assert any(entry.startswith("shapes+0x") for entry in functions_in(shown))


def functions_in(summary):
    return {value for row in summary["locations"] for value in row.values() if isinstance(value, str)}


def test_mini_debug_information(record, built):
    """.gnu_debugdata: what distributions leave of the symbols in stripped programs."""
    if not shutil.which("xz"):
        pytest.skip("needs xz")
    program = compile_shapes(built)
    symbols = built / "symbols"
    do("objcopy", "--strip-debug", "--remove-section=.comment", program, symbols)
    do("objcopy", "--only-keep-debug", symbols)
    do("xz", "--keep", symbols)
    do("objcopy", "--strip-all", f"--add-section=.gnu_debugdata={symbols}.xz", program)
    check_names(read_without(record([program]), built), inlined=False)


def test_debug_file_by_build_id(record, built):
    """libc's, where its debug files are installed."""
    program = compile_shapes(built)
    stacks = read_without(record([program]), built)
    frame = stacks.by_size[len("libc allocates") + 1][0][0]
    build_id = frame.module["build_id"]
    if not (DEBUG_BY_BUILD_ID / build_id[:2] / f"{build_id[2:]}.debug").exists():
        pytest.skip("libc's debug files are not installed")
    function, file, line = frame.locations[0]
    assert function == "__strdup"
    assert file.endswith("string/strdup.c") and line > 0


@contextlib.contextmanager
def debug_server(debug_files):
    """A debuginfod server on loopback with the files of these build-ids; yields its variables and what it was asked for."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            _, _, build_id, kind = self.path.split("/")[:4]
            asked.append((build_id, kind))
            file = debug_files.get(build_id) if kind == "debuginfo" else None
            self.send_response(200 if file else 404)
            body = file.read_bytes() if file else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_debug_file_from_a_server(record, built, tmp_path):
    program = compile_shapes(built, "-Wl,--build-id")
    whole = take_apart(program, built / "shapes.debug")
    build_id = do("readelf", "-n", program).split("Build ID: ")[1].split()[0]
    served = tmp_path / "served"
    served.mkdir()
    shutil.move(built / "shapes.debug", served / "debuginfo")
    with debug_server({build_id: served / "debuginfo"}) as (url, asked):
        environment = {"DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")}
        stacks = Stacks(record([program], environment=environment))
        assert asked.count((build_id, "debuginfo")) == 1
        again = Stacks(record([program], environment=environment))
        assert asked.count((build_id, "debuginfo")) == 1  # kept where debuginfod keeps what it fetched
    gone = Stacks(record([program], environment={**environment, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "other")}))
    for found in (stacks, again):
        check_lines(found, whole)
        check_names(found, inlined=True)
    assert [frame.locations for frame in gone.of_file("shapes")] == [[]] * len(gone.of_file("shapes"))


def test_program_that_deletes_itself(record, built):
    program = compile_shapes(built)
    whole = built / "whole"
    shutil.copy(program, whole)
    recording = record([program, "and", "delete"])
    assert not program.exists()
    stacks = read_without(recording, built)
    check_lines(stacks, whole)
    check_names(stacks, inlined=True)


def test_one_library_takes_the_place_of_another(record, programs_of_libraries):
    """The same addresses, the same stack, another function."""
    folder, program, first, second = programs_of_libraries
    recording = record([program, "3001", first, second, first])
    places = recording.done.stdout.split("\n")
    places = [line for line in places if line.startswith("0x")]
    assert len(set(places)) == 1, "the loader has not put the libraries at one place"
    stacks = read_without(recording, folder)
    names = [[location[0] for frame in stack for location in frame.locations][:3] for stack in stacks.by_size[3001]]
    assert names == [["alpha", "library_allocate", "use"], ["bravo", "library_allocate", "use"], ["alpha", "library_allocate", "use"]]
    assert len({stack[0].address for stack in stacks.by_size[3001]}) == 1
    assert [pathlib.Path(stack[0].module["path"]).name for stack in stacks.by_size[3001]] == ["alpha.so", "bravo.so", "alpha.so"]


@pytest.fixture
def programs_of_libraries(built):
    program = built / "takes_turns"
    do("gcc", *FLAGS, SOURCES / "takes_turns.c", "-o", program, "-ldl")
    return built, program, compile_library(built / "alpha.so", "alpha"), compile_library(built / "bravo.so", "bravo")


def test_constructors_of_a_library(record, built, programs_of_libraries):
    """They run before anybody can know that the library is there."""
    folder, program, *_ = programs_of_libraries
    early = compile_library(folder / "early.so", "charlie", "-DEARLY=4001")
    stacks = read_without(record([program, "0", early, early]), folder)
    for stack in stacks.by_size[4001]:
        assert [frame.locations[0][0] for frame in stack[:2]] == ["charlie", "early"]


def test_library_with_a_relative_name(record, programs_of_libraries):
    folder, program, alpha, _ = programs_of_libraries
    (folder / "a" / "b").mkdir(parents=True)
    stacks = read_without(record([program, "3001", "../../alpha.so"], cwd=folder / "a" / "b"), folder)
    assert stacks.functions(3001)[:2] == ["alpha", "library_allocate"]
    assert stacks.by_size[3001][0][0].module["path"] == str(alpha)


@pytest.mark.parametrize("hooks", ["preload", "plt"])
def test_memray_is_on_no_stack(record, programs_of_libraries, hooks):
    """Constructors run inside memray's dlopen; its frames are not shown, and its files are no modules."""
    folder, program, *_ = programs_of_libraries
    early = compile_library(folder / "early.so", "charlie", "-DEARLY=4001")
    stacks = read_without(record([program, "3001", early], f"--hooks={hooks}"), folder)
    assert stacks.functions(3001)[:4] == ["charlie", "library_allocate", "use", "main"]
    assert not any("memray-" in module["path"] for module in stacks.modules)
    assert stacks.by_size[3001][0][0].module is not None


def test_forked_child(record, built):
    """A fork tells of no modules: it has its parent's."""
    program = built / "forking"
    do("gcc", *FLAGS, SOURCES / "forking.c", "-o", program)
    stacks = read_without(record([program], "--follow-fork", "--hooks=preload"), built)
    for size in (5001, 5002):
        assert stacks.functions(size)[:2] == ["allocate", "main"]


def test_names_are_kept_for_the_next_recording(record, built, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    program = compile_shapes(built)
    do("g++", *FLAGS, "-Wl,--build-id", built / "shapes.cc.o", built / "from_c.c.o", "-o", program)

    def names():
        frames = Stacks(record([program])).of_file("shapes")
        return {location[0] for frame in frames for location in frame.locations}

    truth = names()
    assert not cache.exists()
    monkeypatch.setenv("MEMRAY_SYMBOL_CACHE", str(cache))
    assert names() == truth
    (kept,) = [path for path in cache.iterdir() if "\tmain\t" in path.read_text()]
    kept.write_text(kept.read_text().replace("\tmain\t", "\tfrom_the_cache\t"))
    assert names() == truth - {"main"} | {"from_the_cache"}
    kept.write_text(kept.read_text().replace("memray symbols 1", "memray symbols 2"))
    assert names() == truth
    kept.write_text("memray symbols 1\n12\tmain\n")
    assert names() == truth
    assert "\tmain\t" in kept.read_text()
    kept.unlink()
    kept.symlink_to(program)
    assert names() == truth
