"""Any moment and any window of a recording: --temporal."""
from collections import defaultdict

from flames import drawn, expected, large, open_page  # noqa: F401


class History:
    """What was live when, from the truth."""

    def __init__(self, truth):
        self.stacks, self.lives, self.borders = truth["stacks"], truth["lives"], truth["samples"]
        changes = []
        for number, (_, size, begin, end) in enumerate(self.lives):
            changes.append((begin, 1, number, size))
            if end >= 0:
                changes.append((end, 0, number, -size))
        self.highest = [(0, 0)] * (len(self.borders) + 1)  # by slot: (live bytes, moment)
        held, slot = 0, 0
        for time, _, _, size in sorted(changes):
            while slot < len(self.borders) and time > self.borders[slot]:
                slot += 1
                self.highest[slot] = (held, self.borders[slot - 1])
            held += size
            if held >= self.highest[slot][0]:
                self.highest[slot] = (held, time)

    def sums(self, wanted):
        entries = defaultdict(lambda: [0, 0])
        for number, size, begin, end in self.lives:
            if wanted(begin, end):
                entries[number][0] += size
                entries[number][1] += 1
        return [{"stack": self.stacks[number], "bytes": each[0], "count": each[1], "thread": 0} for number, each in entries.items()]

    def at_peak_of(self, first, last):
        slot = max(range(first, last), key=lambda i: (self.highest[i][0], i))
        moment = self.highest[slot][1]
        return self.sums(lambda begin, end: begin <= moment and (end < 0 or end > moment))

    def leaked_in(self, first, last):
        begin_of = lambda slot: self.borders[slot - 1] if slot > 0 else -1  # noqa: E731
        lower, upper = begin_of(first), begin_of(last) if last <= len(self.borders) else float("inf")
        return self.sums(lambda begin, end: lower < begin <= upper and (end < 0 or end > upper))


def test_time_windows_show_their_highest_moment(open_page, make_capture):
    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal")
    assert page.browser.title == "memray - temporal flamegraph report"
    slots = len(history.borders) + 1
    assert large(drawn(page)) == large(expected(history.at_peak_of(0, slots)))
    peak = page.tree
    for first, last in ((0, 1), (0, 30), (40, 41), (100, 170), (slots - 1, slots), (slots - 60, slots - 20)):
        page.run("memrayFlamegraph.range.choose(arguments[0], arguments[1])", first, last)
        page.look()
        assert large(drawn(page)) == large(expected(history.at_peak_of(first, last)))
    page.click("#range-peak")
    assert page.tree == peak
    page.click("#range-all")
    assert page.tree == peak


def test_what_a_time_window_leaked(open_page, make_capture):
    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal", "--leaks")
    slots = len(history.borders) + 1
    for first, last in ((0, slots), (0, 50), (20, 21), (90, 180), (slots - 30, slots)):
        page.run("memrayFlamegraph.range.choose(arguments[0], arguments[1])", first, last)
        page.look()
        assert large(drawn(page)) == large(expected(history.leaked_in(first, last)))


def test_a_time_window_is_chosen_by_keyboard_and_by_dragging(open_page, make_capture):
    from selenium.webdriver import ActionChains

    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal")
    slots = len(history.borders) + 1
    page.run("document.querySelectorAll('.handle')[1].focus()")
    page.keys("\ue00f")  # page down: a twentieth
    page.keys("\ue012")
    last = slots - round(slots / 20) - 1
    assert page.run("return document.activeElement.getAttribute('aria-valuenow')") == str(last)
    page.look()
    assert large(drawn(page)) == large(expected(history.at_peak_of(0, last)))

    chart = page.find("#memory-chart")
    ActionChains(page.browser, duration=0).move_to_element_with_offset(chart, -300, 0).click_and_hold().move_by_offset(100, 0).release().perform()
    page.settle()
    first, last = (int(each.get_attribute("aria-valuenow")) for each in page.all(".handle"))
    assert 0 < first < last < slots
    page.look()
    assert large(drawn(page)) == large(expected(history.at_peak_of(first, last)))
