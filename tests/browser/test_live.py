"""memray live --web in a real browser: what the pages show while a program goes step by step, and who gets them."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pages import BrowserPage

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from step_program import Program  # noqa: E402


class Web:
    """memray live --web, and the address that it has printed."""

    def __init__(self, memray, port):
        self.process = subprocess.Popen([memray, "live", "--web", port], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, stdin=subprocess.DEVNULL)
        self.address = re.search(r"http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32}", self.process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out + errors


class LivePage(BrowserPage):
    def __init__(self, browser, address):
        self.browser = browser
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(address)
        self.wait_for(lambda: self.run("return document.documentElement.dataset.ready") == "true")

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if found := condition():
                    return found
            except Exception as error:  # the page may be about to be replaced by another
                if time.monotonic() > deadline:
                    raise error
            assert time.monotonic() < deadline, self.text("body")
            time.sleep(0.05)

    def problems(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    @property
    def state(self):
        return self.text("#live-state")


class Flamegraph(LivePage):
    def tree(self):
        return json.loads(self.run("return JSON.stringify(memrayFlamegraph.tree())"))

    def sizes(self):
        """Bytes by function, of the box of it that is nearest to the root."""
        tree, sizes = self.tree(), {}
        for frame, size in zip(tree["frame"], tree["bytes"]):
            sizes.setdefault(tree["frames"][frame]["function"], size)
        return sizes

    def held(self, function):
        """In units of a million: the program's blocks have a header each."""
        return self.sizes().get(function, 0) // 1_000_000

    def zoomed(self):
        """The function that is zoomed into."""
        tree, node = self.tree(), self.run("return memrayFlamegraph.zoomed()")
        return tree["frames"][tree["frame"][node]]["function"]

    def zoom(self, function):
        tree = self.tree()
        node = next(i for i, frame in enumerate(tree["frame"]) if tree["frames"][frame]["function"] == function)
        box = self.run("return memrayFlamegraph.box(arguments[0])", node)
        canvas = self.run("const r = document.querySelector('#graph canvas').getBoundingClientRect(); return [r.x, r.y]")
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.browser, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(
            int(canvas[0] + box["x"] + min(box["width"] / 2, 40)), int(canvas[1] + box["y"] + 10))
        actions.w3c_actions.pointer_action.click()
        actions.perform()
        self.settle()


class Table(LivePage):
    def rows(self):
        return self.run("return memrayTable.rows()")

    def held(self, function):
        return sum(row["bytes"] for row in self.rows() if row["function"] == function) // 1_000_000


@pytest.fixture
def stepping(memray, tmp_path):
    with Program(memray, tmp_path) as program, Web(memray, program.port) as web:
        yield program, web


def test_the_flame_graph_follows(browser, stepping):
    program, web = stepping
    page = Flamegraph(browser, web.address)
    page.wait_for(lambda: page.held("early") == 3)
    assert page.held("in_thread") == 1 and page.held("late") == 0
    assert page.state.startswith("Recording, ")
    assert "live now" in page.text("#headline") and "steps.py" in page.text("#command")

    page.zoom("early")
    page.search("earl")
    page.choose("group", "function")
    page.click("#hide-irrelevant")
    assert page.zoomed() == "early" and "in 1 box" in page.text("#matched")
    program.step()
    page.wait_for(lambda: page.held("late") == 5)
    assert page.held("early") == 3
    # what the user has chosen is as it was
    assert page.zoomed() == "early" and "in 1 box" in page.text("#matched")
    assert page.find("#search").get_attribute("value") == "earl"
    assert page.find("#group").get_attribute("value") == "function"
    assert not page.find("#hide-irrelevant").is_selected()

    # a zoom is a place, and not a number: the way back leads to where it was
    page.click("#reset")
    assert page.zoomed() == "<root>"
    program.step()
    page.wait_for(lambda: page.held("late") == 0)
    browser.back()
    page.wait_for(lambda: page.zoomed() == "early")

    page.find("input[name=live-view][value=peak] + span").click()
    page.wait_for(lambda: page.held("late") == 5 and "live at the peak" in page.text("#headline"))
    browser.refresh()
    page.wait_for(lambda: page.held("late") == 5)  # the address says which view it is
    assert page.find("input[name=live-view][value=peak]").is_selected()
    page.find("input[name=live-view][value=leaked] + span").click()
    page.wait_for(lambda: "leaked so far" in page.text("#headline"))
    page.find("input[name=live-view][value=current] + span").click()
    page.wait_for(lambda: "live now" in page.text("#headline") and page.held("late") == 0)
    assert page.problems() == []


def test_the_table_follows(browser, stepping):
    program, web = stepping
    page = Flamegraph(browser, web.address)
    page.find("#live-pages a").click()
    page = Table(browser, browser.current_url)
    page.wait_for(lambda: page.held("early") == 3)
    page.search("steps.py")
    page.wait_for(lambda: len(page.rows()) >= 2)
    next(button for button in page.all("#head button") if button.text == "Location").click()
    order = [row["function"] for row in page.rows()]
    assert order == sorted(order)
    place = next(i for i, row in enumerate(page.rows()) if row["function"] == "in_thread")
    page.click(f"#row-{place}")
    program.step()
    page.wait_for(lambda: page.held("late") == 5)
    order = [row["function"] for row in page.rows()]
    assert order == sorted(order) and {row["file"].rsplit("/")[-1] for row in page.rows()} == {"steps.py"}
    assert "in_thread" in page.text("#rows .row[aria-selected=true]") and "in_thread" in page.text("#details")
    assert page.problems() == []


def test_pause_and_the_end(browser, stepping):
    program, web = stepping
    page = Flamegraph(browser, web.address)
    page.wait_for(lambda: page.held("early") == 3)
    page.click("#live-pause")
    assert page.state.startswith("Paused at ")
    program.step()
    other = urllib.request.urlopen(web.address.replace("/?", "/flamegraph/events?"))  # somebody else is told
    while b'"late"' not in other.readline():
        pass
    other.close()
    assert page.held("late") == 0
    page.click("#live-pause")
    page.wait_for(lambda: page.held("late") == 5 and page.state.startswith("Recording"))

    assert program.end() == 3
    page.wait_for(lambda: "ended" in page.state)
    assert "live before the end" in page.text("#headline") and page.held("early") == 3
    assert "has ended" in web.process.stdout.readline()
    browser.refresh()  # it goes on being served
    page.wait_for(lambda: "ended" in page.state and page.held("early") == 3)
    assert page.problems() == []

    code, text = web.end()
    assert code == 0 and text == ""
    page.wait_for(lambda: "does not answer" in page.state)
    assert page.held("early") == 3


def test_the_page_waits_for_the_recording(browser, memray, tmp_path):
    (tmp_path / "program.py").write_text("import sys\nkept = bytearray(4_000_000)\nsys.stdin.read()\n")
    served = f"unix:{tmp_path}/socket"
    with Web(memray, served) as web:
        browser.get(web.address)
        assert "Waiting" in browser.find_element("css selector", "#waiting").text
        with subprocess.Popen([memray, "run", "-q", f"--sink=socket:{served}", tmp_path / "program.py"],
                              stdin=subprocess.PIPE, cwd=tmp_path) as program:
            page = Flamegraph.__new__(Flamegraph)
            page.browser = browser
            page.wait_for(lambda: page.held("<module>") == 4)
            program.stdin.close()


def status(address, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        assert b"early" not in error.read()
        return error.code


def test_who_gets_it(browser, stepping):
    _, web = stepping
    without, token = web.address.split("?")
    assert status(web.address) == 200 and status(f"{without}table?{token}&view=peak") == 200
    for path in "", "flamegraph", "table", "flamegraph/events", "favicon.ico":
        assert status(without + path) == 403
        assert status(f"{without}{path}?token={'0' * 32}") == 403
        assert status(f"{without}{path}?{token}", Host="example.org") == 421
        assert status(f"{without}{path}?{token}", Origin="http://example.org") == 403
        assert status(f"{without}{path}?{token}", Sec_Fetch_Site="cross-site") == 403
    for path in "nothing", "table/nothing", "events", "flamegraph/events/events", "../etc/passwd", "summary":
        assert status(f"{without}{path}?{token}") == 404
    assert status(f"{web.address}&view=nothing") == 404

    # another site's page, in the same browser, cannot even with the token
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    page = folder / f"foreign-{os.getpid()}.html"
    page.write_text("<!doctype html><p>foreign")
    try:
        browser.get(page.as_uri())
        fetched = browser.execute_async_script(
            "fetch(arguments[0], {mode: 'no-cors'}).then(() => arguments[1]('read'), () => arguments[1]('refused'))",
            web.address)
        assert fetched == "refused"
        browser.get_log("browser")
    finally:
        page.unlink()


def test_options(memray, tmp_path):
    def fails(*arguments):
        ended = subprocess.run([memray, "live", *arguments], capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        return ended.stderr

    with Program(memray, tmp_path) as program, Web(memray, program.port) as web:
        taken = web.address.split(":")[2].split("/")[0]
        assert f"on port {taken}" in fails("--web-port", taken, program.port)
        assert "PORT" in fails("--web-port", "70000", program.port)
        help_text = subprocess.run([memray, "live", "--help"], capture_output=True, text=True).stdout
        assert "--web " in help_text and "--web-port" in help_text
