"""The plugin system as an outsider meets it: the installed SDK, plugins built against it, and plugins that do not fit."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from recording import TOP, run

EXAMPLES = TOP / "examples" / "plugins"


def checked(command, **options):
    done = run(command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """A temporary prefix with everything in it."""
    prefix = tmp_path_factory.mktemp("prefix")
    checked(["cmake", "--install", build, "--prefix", prefix])
    return prefix


@pytest.fixture(scope="module")
def outside(installed, tmp_path_factory):
    """The example plugins, built out of tree against the installed SDK; the folder that they are in."""
    folder = tmp_path_factory.mktemp("outside")
    for name in ("reporter-top", "sink-count"):
        checked(["cmake", "-S", EXAMPLES / name, "-B", folder / name, f"-DCMAKE_PREFIX_PATH={installed}"])
        checked(["cmake", "--build", folder / name])
        plugin = folder / name / f"memray-{name}.so"
        plugin.rename(folder / plugin.name)
    return folder


def with_path(*folders):
    return {**os.environ, "MEMRAY_PLUGIN_PATH": ":".join(str(folder) for folder in folders)}


def listed(memray, *folders):
    """The plugins that memray finds, by file."""
    done = run([memray, "plugins", "--json"], env=with_path(*folders))
    assert done.returncode == 0, done.stderr
    return {plugin["file"]: plugin for plugin in json.loads(done.stdout)}


def test_ten_lines_of_cmake_are_enough():
    for name in ("reporter-top", "sink-count"):
        assert len((EXAMPLES / name / "CMakeLists.txt").read_text().splitlines()) <= 10


def test_outside_reporter(memray, outside, capture):
    environment = with_path(outside)
    assert "top  " in checked([memray, "--help"], env=environment)
    assert "--number" in checked([memray, "top", "--help"], env=environment)
    output = checked([memray, "top", "-n", "1", capture], env=environment)
    size, function = output.split()
    assert int(size) >= 3_000_000 and function == "big"
    done = run([memray, "top", "-n", "0", capture], env=environment)
    assert done.returncode == 2 and "0" in done.stderr


def test_outside_sink(memray, programs, outside, tmp_path):
    done = run(
        [memray, "run", f"--sink=count:{tmp_path / 'counts'}", "--", programs / "allocators"], env=with_path(outside), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    truth = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    counts = dict(line.split() for line in (tmp_path / "counts").read_text().splitlines())
    assert int(counts["allocations"]) == truth["allocations"]
    assert int(counts["bytes"]) == truth["bytes"]
    assert [path.name for path in tmp_path.iterdir()] == ["counts"]


def test_outside_plugins_work_with_the_installed_command(installed, outside, tmp_path):
    memray = installed / "bin" / "memray"
    environment = with_path(outside)
    assert json.loads(checked([memray, "plugins", "--json"], env=environment))
    checked([memray, "run", "-o", tmp_path / "c.bin", "-c", "block = bytearray(3_000_000)"], env=environment)
    assert "3000001" in checked([memray, "top", tmp_path / "c.bin"], env=environment)
    checked([memray, "summary", tmp_path / "c.bin"])


def test_installation_does_not_need_the_build(installed):
    """Nothing installed refers to the folders that it was built in."""
    for path in installed.rglob("*"):
        if path.is_file() and not path.is_symlink():
            output = run(["readelf", "-d", path]).stdout
            assert "RUNPATH" not in output or str(TOP) not in output, path
    for path in installed.rglob("*.cmake"):
        assert str(TOP) not in path.read_text()


def test_parts_can_be_packaged_apart(build, tmp_path):
    """A command without reporters says which plugin is missing."""
    for component in ("core", "cli", "recorder", "sink-file", "hooks-preload", "unwinder-python"):
        checked(["cmake", "--install", build, "--prefix", tmp_path, "--component", component])
    memray = tmp_path / "bin" / "memray"
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = run([memray, "flamegraph", "x"], env=environment)
    assert done.returncode == 2 and "memray-reporter-flamegraph.so" in done.stderr
    assert "summary" not in checked([memray, "--help"], env=environment)
    checked([memray, "run", "-o", tmp_path / "c.bin", "-c", "pass"], env=environment)


# --- plugins that do not fit

DESCRIPTOR = """
#include <memray/plugin.h>
static const int interface = 1;
MEMRAY_EXPORT const struct memray_plugin_descriptor memray_plugin = {{
    {magic}, {abi}, {kind}, "{name}", "A test", "7.8.9", {interface}}};
__attribute__((constructor)) static void loaded(void) {{ {constructor} }}
"""


@pytest.fixture
def make_plugin(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()

    def make(
        file, magic="MEMRAY_PLUGIN_MAGIC", abi="MEMRAY_ABI_VERSION", kind="MEMRAY_PLUGIN_REPORTER", name="test", interface="&interface", constructor="", source=None
    ):
        text = DESCRIPTOR.format(magic=magic, abi=abi, kind=kind, name=name, interface=interface, constructor=constructor)
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-I", TOP / "core" / "include", "-o", folder / file]
        subprocess.run(command, input=source if source is not None else text, text=True, check=True)
        return folder / file

    return make


def rejection(memray, file):
    plugin = listed(memray, file.parent)[str(file)]
    assert plugin["usable"] is False
    table = checked([memray, "plugins"], env=with_path(file.parent))
    assert plugin["rejected"] in table and str(file) in table
    return plugin["rejected"]


def test_wrong_abi_is_named_with_both_versions_and_never_run(memray, make_plugin, tmp_path):
    mark = tmp_path / "it-ran"
    run_mark = f'__builtin_trap(); (void)"{mark}";'
    file = make_plugin("memray-reporter-test.so", abi="99", constructor=run_mark)
    reason = rejection(memray, file)
    assert "99" in reason and "1" in reason.replace("99", "")
    done = run([memray, "test", "x"], env=with_path(file.parent))
    assert done.returncode == 1
    assert str(file) in done.stderr and "99" in done.stderr
    assert run([memray, "--help"], env=with_path(file.parent)).returncode == 0


@pytest.mark.parametrize("kind", ["HOOKS", "UNWINDER", "SINK"])
def test_wrong_abi_in_a_recording(memray, make_plugin, kind):
    file = make_plugin(f"memray-{kind.lower()}-test.so", abi="99", kind=f"MEMRAY_PLUGIN_{kind}", constructor="__builtin_trap();")
    option = {"HOOKS": "--hooks=test", "UNWINDER": "--unwinders=test", "SINK": "--sink=test"}[kind]
    done = run([memray, "run", option, "-c", "print('ran')"], env=with_path(file.parent))
    assert done.returncode == 1 and done.stdout == ""
    assert str(file) in done.stderr and "99" in done.stderr


@pytest.mark.parametrize(
    "change, says",
    [
        ({"source": "int nothing;"}, "memray_plugin"),
        ({"source": "void missing(void); void f(void) { missing(); }"}, "memray_plugin"),
        ({"magic": "1"}, "descriptor"),
        ({"kind": "MEMRAY_PLUGIN_SINK"}, "memray-sink-test.so"),
        ({"kind": "17"}, "17"),
        ({"name": "other"}, "memray-reporter-other.so"),
        ({"interface": "0"}, "interface"),
        ({"constructor": "void not_anywhere(void); not_anywhere();"}, "not_anywhere"),
    ],
    ids=["no symbol", "nothing", "magic", "kind", "unknown kind", "name", "no interface", "undefined symbol"],
)
def test_descriptors_that_do_not_fit(memray, make_plugin, change, says):
    assert says in rejection(memray, make_plugin("memray-reporter-test.so", **change))


def test_files_that_are_no_plugins(memray, tmp_path):
    garbage = tmp_path / "memray-sink-garbage.so"
    garbage.write_text("garbage")
    assert "not a shared object" in rejection(memray, garbage)
    torn = tmp_path / "memray-sink-torn.so"
    torn.write_bytes(pathlib.Path("/bin/true").read_bytes()[:100])
    assert rejection(memray, torn)
    foreign = tmp_path / "memray-sink-foreign.so"
    image = bytearray(pathlib.Path("/bin/true").read_bytes())
    image[18:20] = (243).to_bytes(2, "little")
    foreign.write_bytes(image)
    assert "RISC-V" in rejection(memray, foreign)
    (tmp_path / "memray-frobnicator-x.so").write_text("")
    assert "kind" in rejection(memray, tmp_path / "memray-frobnicator-x.so")
    (tmp_path / "memray-sink-dangling.so").symlink_to("nowhere")
    assert "No such file" in rejection(memray, tmp_path / "memray-sink-dangling.so")
    (tmp_path / "notes.txt").write_text("ignored")
    assert not any("notes" in file for file in listed(memray, tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(memray, tmp_path):
    secret = tmp_path / "memray-sink-secret.so"
    secret.write_text("x")
    secret.chmod(0)
    assert "Permission denied" in rejection(memray, secret)


def test_first_folder_wins(memray, make_plugin, tmp_path):
    first = make_plugin("memray-reporter-test.so")
    second = tmp_path / "second"
    second.mkdir()
    (second / first.name).write_bytes(first.read_bytes())
    plugins = listed(memray, first.parent, second)
    assert plugins[str(first)]["shadowed"] is False
    assert plugins[str(second / first.name)]["shadowed"] is True
    assert plugins[str(first)]["version"] == "7.8.9"


def test_plugins_of_the_user(memray, make_plugin, tmp_path):
    file = make_plugin("memray-reporter-test.so")
    folder = tmp_path / "home/.local/lib/memray/plugins"
    folder.mkdir(parents=True)
    file.rename(folder / file.name)
    done = run([memray, "plugins"], env={**os.environ, "HOME": str(tmp_path / "home")})
    assert str(folder / file.name) in done.stdout


def test_built_in_plugins_use_the_public_headers_alone():
    """What comes with memray is built with what an outsider gets: nothing of core's own headers."""
    public = TOP / "core" / "include"
    sources = [*TOP.glob("plugins/**/*.cc"), *TOP.glob("plugins/**/*.h")]
    assert sources
    for source in sources:
        for name in re.findall(r'^#include [<"](.*)[>"]', source.read_text(), re.MULTILINE):
            assert not name.startswith("memray/") or (public / name).exists(), (source, name)
            assert not (TOP / "core" / name).exists(), (source, name)
