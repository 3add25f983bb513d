"""The magics, in IPython's terminal shell and in a real notebook."""
import io
import os
import pathlib
import pty
import select
import subprocess
import sys

import pytest

pytest.importorskip("IPython")

SESSION = """
import os, sys
from IPython.core.interactiveshell import InteractiveShell
os.chdir(sys.argv[1])
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "memray")
kept = []
"""


def run(folder, text):
    command = [sys.executable, "-c", SESSION + text, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def pages(folder):
    return list(pathlib.Path(folder).glob("memray-results/*/flamegraph.html"))


def test_flamegraph_of_a_cell(tmp_path):
    done = run(tmp_path, 'shell.run_cell("%%memray_flamegraph\\ndef make_it_big():\\n    return bytearray(7_000_000)\\nx = make_it_big()")')
    (page,) = pages(tmp_path)
    assert "make_it_big" in page.read_text()
    assert "Results saved to memray-results/" in done.stdout and "IFrame" in done.stdout
    assert not list(tmp_path.rglob("*.bin"))


def test_stacks_end_at_the_cell(tmp_path):
    cell = "from __future__ import annotations\nx = bytearray(7_000_000)\n[len(x) for _ in range(1)]"
    done = run(
        tmp_path,
        f"""
shell.run_cell({"%%memray_flamegraph" + chr(10) + cell!r})
shell.run_cell("%%memray_flamegraph --native" + chr(10) + "%time y = bytearray(6_000_000)")
shell.run_cell("%%memray_flamegraph" + chr(10) + "import asyncio" + chr(10) + "z = await asyncio.sleep(0, 12345)" + chr(10) + "z")
print(sorted(name for name in shell.user_ns if "memray" in name), shell.ast_transformers)
""",
    )
    assert "[7000000]" in done.stdout and "12345" in done.stdout
    assert "[] []" in done.stdout
    for page in pages(tmp_path):
        assert "run_cell" not in page.read_text() and "run_ast_nodes" not in page.read_text()
    assert len(pages(tmp_path)) == 3


def test_a_long_cell_has_a_bar_on_a_terminal(tmp_path):
    wait = "import os, time\nwhile not os.path.exists('seen'): time.sleep(0.01)\nx = bytearray(7_000_000)\n"
    wait += "print('be', end='')\ntime.sleep(1.5)\nprint('hind')"
    master, terminal = pty.openpty()
    text = SESSION + f"shell.run_cell({'%%memray_flamegraph' + chr(10) + wait!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path)], stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True
    )
    os.close(terminal)
    written = b""
    while True:
        if not select.select([master], [], [], 60)[0]:
            process.kill()
        try:
            some = os.read(master, 65536)
        except OSError:  # nobody has the terminal open any more
            break
        written += some
        if "Recording ".encode() in written and "━".encode() in written:
            (tmp_path / "seen").touch()
    os.close(master)
    assert process.wait() == 0, written
    bar = written.index("━".encode())
    gone = written.index(b"\r\x1b[K", bar)
    assert gone < written.index(b"behind")  # and does not come back between the two
    assert written.rindex("Recording".encode()) < written.index(b"Results saved to")
    (page,) = pages(tmp_path)
    assert "_draw" not in page.read_text() and "moving_bar" not in page.read_text()


def test_a_cell_that_is_no_python(tmp_path):
    done = run(tmp_path, 'shell.run_cell("%%memray_flamegraph\\nx = = 1")\nprint(shell.ast_transformers)')
    assert "SyntaxError" in done.stdout and "[]" in done.stdout and pages(tmp_path) == []


def test_a_failing_cell_has_its_report(tmp_path):
    done = run(tmp_path, 'shell.run_cell("%%memray_flamegraph --leaks\\nx = bytearray(7_000_000)\\n1 / 0")')
    assert "ZeroDivisionError" in done.stdout and len(pages(tmp_path)) == 1


@pytest.mark.parametrize(
    "line, stream, text",
    [
        ("-h", "stdout", "usage: %%memray_flamegraph"),
        ("--nonesuch", "stderr", "usage: %%memray_flamegraph"),
        ("--temporal --temporary-allocations", "stderr", "--temporal"),
        ("--leaks --temporary-allocations", "stderr", "not allowed"),
    ],
)
def test_help_and_mistakes_show_no_graph(tmp_path, line, stream, text):
    done = run(tmp_path, f'shell.run_cell("%%memray_flamegraph {line}\\nprint(12345)")')
    assert text in getattr(done, stream)
    assert "IFrame" not in done.stdout and "12345" not in done.stdout and pages(tmp_path) == []


def test_summary_of_a_statement(tmp_path):
    done = run(
        tmp_path,
        "shell.user_ns['make_it_big'] = lambda: bytearray(7_000_000)\n"
        'shell.run_cell("%memray_summary x = make_it_big()")\n'
        'shell.run_cell("%%memray_summary --leaks\\nx = [make_it_big() for _ in range(2)]")\n',
    )
    assert "7.000MB" in done.stdout and "14.000MB" in done.stdout


def test_a_notebook(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = ["%load_ext memray", "%%memray_flamegraph\nx = bytearray(7_000_000)", "x is not None"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = "".join(str(output) for output in notebook.cells[1].outputs)
    (page,) = pages(tmp_path)
    assert "<iframe" in shown and str(page.relative_to(tmp_path)) in shown
    assert "True" in str(notebook.cells[2].outputs)
