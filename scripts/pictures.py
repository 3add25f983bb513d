#!/usr/bin/env python3
"""Makes the pictures of terminal reports in docs/images: what the commands print, on a real screen, as PNG.

    scripts/pictures.py FOLDER [NAME...]

FOLDER has `examples/orders.py` and recordings of it, `orders.bin` and (CPython 3.13.3 or later) `objects.bin`:

    memray run -o orders.bin examples/orders.py
    memray run -o objects.bin --track-object-lifetimes examples/orders.py

The command's output goes into a terminal emulator (pyte), its screen into HTML, and headless Chromium draws that.
"""
import html
import os
import pathlib
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))
from terminal import Terminal  # noqa: E402

# Name: what goes to show().
PICTURES = {
    "summary": ("memray summary -r 8 orders.bin", 100),
    "stats": ("memray stats -n 3 orders.bin", 90),
    "diff-text": ("memray diff --before 0.2 --after 0.5 -r 4 orders.bin", 120),
    "check": ("memray check --max-peak 60MB --max-leaks 70MB orders.bin", 90),
    "objects": ("memray objects -r 4 -s 2 objects.bin", 100),
    "parse": ("memray parse orders.bin | grep -A5 -m1 ^ALLOCATION", 130),
    "tree": ("memray tree orders.bin", 80, 24, [("quit", "jjj"), ("rows = list", "l"), ("csv.py:119", "")]),
}
COLOURS = {
    "default": "#d8dee6", "black": "#3b4252", "red": "#ff8f8f", "green": "#9bd88a", "brown": "#e8c56b", "blue": "#86b6ff",
    "magenta": "#d7a6f0", "cyan": "#7fd6d6", "white": "#eceff4", "brightblack": "#8a94a6",
}  # fmt: skip
STYLE = """body{margin:0;background:#1b1f27}
pre{display:inline-block;margin:0;padding:12px 16px;background:#1b1f27;color:#d8dee6;font:14px/18px 'DejaVu Sans Mono'}"""


def colour(name, default):
    if name == "default":
        return default
    return COLOURS.get(name, f"#{name}" if len(name) == 6 else default)


def cell_style(cell):
    ink, ground = colour(cell.fg, "#d8dee6"), colour(cell.bg, "#1b1f27")
    if cell.reverse:
        ink, ground = ground, ink
    return f"color:{ink};background:{ground};font-weight:{'bold' if cell.bold else 'normal'}"


def line_html(cells):
    """Runs of cells that look the same in one element each."""
    runs = []
    for cell in cells:
        style = cell_style(cell)
        if not runs or runs[-1][0] != style:
            runs.append((style, []))
        runs[-1][1].append(cell.data)
    return "".join(f'<span style="{style}">{html.escape("".join(text))}</span>' for style, text in runs)


def screen_html(screen):
    lines = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while lines and not "".join(cell.data for cell in lines[-1]).strip():
        lines.pop()
    body = "\n".join(line_html(line) for line in lines)
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><pre>{body}</pre>"


def show(folder, command, columns, lines=60, dialogue=()):
    """`dialogue`: for what stays on the screen, texts to wait for and the keys to press then."""
    prompt = "" if dialogue else "printf '$ %s\\n' \"$0\"; "
    environment = {"PATH": f"{TOP}/build/release/bin:{os.environ['PATH']}", "TERM": "linux"}
    shell = ["bash", "-c", f'cd "$1" && {prompt}eval "$0"', command, folder]
    with Terminal(shell, columns, lines, environment) as terminal:
        for text, keys in dialogue:
            terminal.wait_for(text)
            terminal.type(keys)
        if not dialogue:
            terminal.wait_for_end()
        seen = None
        while dialogue and seen != terminal.text:  # until the screen is still
            seen = terminal.text
            terminal.read(0.5)
        return screen_html(terminal.screen)


def main():
    folder, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:] or list(PICTURES)
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1200"):
        options.add_argument(argument)
    browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    try:
        for name in wanted:
            with tempfile.NamedTemporaryFile("w", suffix=".html") as page:
                page.write(show(folder, *PICTURES[name]))
                page.flush()
                browser.get(f"file://{page.name}")
                path = TOP / "docs/images" / f"{name}.png"
                browser.find_element(By.TAG_NAME, "pre").screenshot(str(path))
                print(path, path.stat().st_size)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
