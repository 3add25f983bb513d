"""Magics for IPython and Jupyter: what a cell allocates, as a report below it."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import shlex
import sys
import tempfile
from typing import Any, Iterator, List, Optional, Tuple

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, magics_class
from IPython.display import HTML, IFrame, display

from ._destination import FileDestination
from ._progress import moving_bar
from ._tracker import Tracker
from .commands import main

_RECORDING = ("native", "follow_fork", "trace_python_allocators")


def _parser(name: str, what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=what)
    parser.add_argument("--native", action="store_true", help="record native stacks too")
    parser.add_argument("--follow-fork", action="store_true", help="record forked children too, each for itself")
    parser.add_argument("--trace-python-allocators", action="store_true", help="record Python's own allocators too")
    views = parser.add_mutually_exclusive_group()
    views.add_argument("--leaks", action="store_true", help="show what was not freed, not the peak")
    views.add_argument(
        "--temporary-allocation-threshold",
        metavar="N",
        type=int,
        help="show what was freed after at most N further allocations",
    )
    views.add_argument("--temporary-allocations", action="store_true", help="the same with N = 1")
    return parser


def _graph_parser() -> argparse.ArgumentParser:
    parser = _parser("%%memray_flamegraph", "Shows what the cell allocates as a flame graph.")
    parser.add_argument("--temporal", action="store_true", help="show it over time")
    parser.add_argument("--split-threads", action="store_true", help="show each thread for itself")
    parser.add_argument("--inverted", action="store_true", help="start from the functions that allocate")
    parser.add_argument("--max-memory-records", metavar="N", type=int, help="points of the memory curve")
    return parser


def _parse(parser: argparse.ArgumentParser, words: List[str]) -> Optional[argparse.Namespace]:
    """None if help was asked for, or the options make no sense: that has been said."""
    try:
        options = parser.parse_args(words)
        temporary = options.temporary_allocations or options.temporary_allocation_threshold is not None
        if getattr(options, "temporal", False) and temporary:
            parser.error("--temporal cannot be combined with options for temporary allocations")
    except SystemExit:
        return None
    return options


def _report_options(options: argparse.Namespace) -> List[str]:
    """Those of the report, as on the command line."""
    words = []
    for name, value in vars(options).items():
        if name in _RECORDING or value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}"))
    return words


@contextlib.contextmanager
def _progress(shell: InteractiveShell, text: str) -> Iterator[None]:
    """A bar that moves as long as this lasts, below the cell or on the terminal."""
    if not hasattr(shell, "kernel"):
        with moving_bar(text):
            yield
        return
    shown = display(HTML(f"<progress></progress> {text}"), display_id=True)
    try:
        yield
    finally:
        shown.update(HTML(""))


class _Recorded(ast.NodeTransformer):
    """Puts what a cell does into a ``with`` block of its own, once, so that stacks end at the cell and not in IPython.

    What the cell shows, the value of its last expression, is shown behind the block.
    """

    TRACKER, SHOWN = "__memray_tracker__", "__memray_shown__"

    def __init__(self, shell: InteractiveShell, tracker: Tracker) -> None:
        self._shell = shell
        self.has_begun = False
        shell.user_ns[self.TRACKER] = tracker
        shell.ast_transformers.append(self)

    def visit_Module(self, module: ast.Module) -> ast.Module:
        self._shell.ast_transformers.remove(self)  # magics in the cell run code of their own
        self.has_begun = True
        first = 0
        while first < len(module.body) and getattr(module.body[first], "module", None) == "__future__":
            first += 1
        body = module.body[first:]
        shown: List[ast.stmt] = []
        if body and isinstance(body[-1], ast.Expr):
            shown = [ast.Expr(ast.Name(self.SHOWN, ast.Load()))]
            body[-1] = ast.copy_location(ast.Assign([ast.Name(self.SHOWN, ast.Store())], body[-1].value), body[-1])
        block = ast.With([ast.withitem(ast.Name(self.TRACKER, ast.Load()))], body or [ast.Pass()])
        module.body[first:] = [ast.copy_location(each, body[0]) if body else each for each in (block, *shown)]
        return ast.fix_missing_locations(module)

    def forget(self) -> None:
        if not self.has_begun:
            self._shell.ast_transformers.remove(self)
        for name in (self.TRACKER, self.SHOWN):
            self._shell.user_ns.pop(name, None)


@magics_class
class MemrayMagics(Magics):
    """%%memray_flamegraph, %%memray_table and %memray_summary."""

    def _record(self, options: argparse.Namespace, code: str, capture: str) -> bool:
        """False if the code is no Python: that has been said."""
        destination = FileDestination(capture, overwrite=True)
        recording = {"native_traces": options.native, "follow_fork": options.follow_fork}
        tracker = Tracker(
            destination=destination, trace_python_allocators=options.trace_python_allocators, **recording
        )
        recorded = _Recorded(self.shell, tracker)
        try:
            with _progress(self.shell, "Recording"):
                self.shell.run_cell(code)
        finally:
            recorded.forget()
        return recorded.has_begun

    def _report(self, options: argparse.Namespace, code: str, report: List[str]) -> Tuple[int, str]:
        with tempfile.TemporaryDirectory(prefix="memray-") as folder:
            capture = os.path.join(folder, "capture.bin")
            if not self._record(options, code, capture):
                return 1, ""
            text = io.StringIO()
            with _progress(self.shell, "Making the report"), contextlib.redirect_stdout(text):
                code_of_exit = main([*report, *_report_options(options), capture])
            return code_of_exit, text.getvalue()

    def _show_page(self, options: Optional[argparse.Namespace], code: str, report: str) -> None:
        if options is None:
            return
        os.makedirs("memray-results", exist_ok=True)
        folder = os.path.relpath(tempfile.mkdtemp(dir="memray-results"))  # notebooks show what is below their own place
        page = os.path.join(folder, f"{report}.html")
        failed, _ = self._report(options, code, [report, "--output", page])
        if not failed:
            print(f"Results saved to {page}")
            display(IFrame(page, width="100%", height="600"))

    @cell_magic
    def memray_flamegraph(self, line: str, cell: str) -> None:
        """Runs the cell and shows its allocations as a flame graph. Options: %%memray_flamegraph -h"""
        self._show_page(_parse(_graph_parser(), shlex.split(line)), cell, "flamegraph")

    @cell_magic
    def memray_table(self, line: str, cell: str) -> None:
        """Runs the cell and shows its allocations as a table. Options: %%memray_table -h"""
        parser = _parser("%%memray_table", "Shows what the cell allocates as a table.")
        parser.add_argument("--split-threads", action="store_true", help="show each thread for itself")
        self._show_page(_parse(parser, shlex.split(line)), cell, "table")

    @line_cell_magic
    def memray_summary(self, line: str, cell: Optional[str] = None) -> None:
        """Runs the rest of the line, or the cell, and prints which functions allocated. Options: %memray_summary -h"""
        parser = _parser("%memray_summary", "Prints which functions allocated most.")
        if cell is None:
            parser.add_argument("statement", nargs=argparse.REMAINDER, help="what to run")
        words = shlex.split(line) if cell is not None else line.split()
        options = _parse(parser, words)
        if options is None:
            return
        if cell is None:
            statement = vars(options).pop("statement")
            cell = line[line.index(statement[0]) :] if statement else ""
        _, text = self._report(options, cell, ["summary"])
        sys.stdout.write(text)


def load(shell: Any) -> None:
    shell.register_magics(MemrayMagics)
