"""Captures, their reports, and a headless browser to look at them."""
import json
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "build" / "release"


@pytest.fixture(scope="session")
def memray():
    return os.environ.get("MEMRAY", str(BUILD / "bin" / "memray"))


@pytest.fixture(scope="session")
def make_capture(tmp_path_factory):
    """make_capture(kind) -> (capture, truth)"""
    folder = tmp_path_factory.mktemp("captures")
    program = os.environ.get("WRITE_CAPTURE", str(BUILD / "tests" / "write-capture"))
    made = {}

    def make(kind):
        if kind not in made:
            capture, truth = folder / f"{kind}.bin", folder / f"{kind}.json"
            subprocess.run([program, capture, truth, kind], check=True)
            made[kind] = capture, json.loads(truth.read_text())
        return made[kind]

    return make


@pytest.fixture(scope="session")
def make_report(make_capture, memray, tmp_path_factory):
    """make_report(kind, *options, report="flamegraph") -> path of the page"""
    folder = tmp_path_factory.mktemp("reports")

    def make(kind, *options, report="flamegraph"):
        capture, _ = make_capture(kind)
        page = folder / f"{report}-{kind}{''.join(options)}.html"
        if not page.exists():
            subprocess.run([memray, report, capture, "-o", page, *options], check=True, stdout=subprocess.PIPE)
        return page

    return make


def start_browser(profile):
    webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    if not Path("/usr/bin/chromium").exists() or not Path("/usr/bin/chromedriver").exists():
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-prefers-reduced-motion",
        "--window-size=1440,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()
