"""The flame graph in a real browser, and what it must show: sums made apart from memray."""
import json

import pytest
from pages import BrowserPage

ROOT = ("<root>", "", 0)
SHARE = 1e-4  # below which siblings are merged


class Page(BrowserPage):
    """One report in the browser. Nodes are named by their place in the tree that is shown."""

    def __init__(self, browser, path, everything=True):
        super().__init__(browser, path)
        if everything:
            self.run("document.getElementById('hide-irrelevant').click()")
        self.look()

    def look(self):
        # As text: the driver takes minutes for large objects.
        self.tree = json.loads(self.run("return JSON.stringify(memrayFlamegraph.tree())"))
        self.tree["frame"] = [self.tree["frames"][frame] for frame in self.tree["frame"]]

    def frame(self, node):
        frame = self.tree["frame"][node]
        return frame["function"], frame["file"], frame["line"]

    def node(self, function):
        """The first node of that function."""
        return next(i for i, frame in enumerate(self.tree["frame"]) if frame["function"] == function)

    def box(self, node):
        return self.run("return memrayFlamegraph.box(arguments[0])", node)

    def zoomed(self):
        return self.run("return memrayFlamegraph.zoomed()")

    def _to(self, node):
        from selenium.webdriver import ActionChains

        box = self.box(node)
        canvas = self.run("const r = document.querySelector('#graph canvas').getBoundingClientRect(); return [r.x, r.y]")
        x, y = canvas[0] + box["x"] + min(box["width"] / 2, 40), canvas[1] + box["y"] + 10
        actions = ActionChains(self.browser, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(int(x), int(y))
        return actions

    def click_node(self, node):
        actions = self._to(node)
        actions.w3c_actions.pointer_action.click()
        actions.perform()
        self.settle()

    def hover_node(self, node):
        self._to(node).perform()
        self.settle()


@pytest.fixture
def open_page(browser, make_report):
    opened = []

    def open_(kind, *options, everything=True):
        opened.append(Page(browser, make_report(kind, *options), everything))
        return opened[-1]

    yield open_
    problems = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert problems == []


class Trie:
    """Sums by path, as a tree of dictionaries: {(thread, frame): Trie}."""

    def __init__(self):
        self.bytes = self.count = 0
        self.children = {}

    def child(self, key):
        return self.children.setdefault(key, Trie())

    def without_small(self, total):
        """(bytes, count, children), less what is too small to be shown."""
        todo, made = [self], {}
        order = []
        while todo:
            node = todo.pop()
            order.append(node)
            todo += node.children.values()
        for node in reversed(order):
            kept = {key: made[id(each)] for key, each in node.children.items() if id(each) in made}
            if node.bytes >= SHARE * total.bytes or node.count >= SHARE * total.count:
                made[id(node)] = (node.bytes, node.count, kept)
        return made[id(self)]


def expected(stacks, *, inverted=False, threads=False):
    """Every prefix of every stack with its sums, from the truth."""
    root = Trie()
    for entry in stacks:
        path = [tuple(frame) for frame in entry["stack"]]
        if inverted:
            path.reverse()
        nodes = [root]
        for frame in path:
            nodes.append(nodes[-1].child((entry["thread"] if threads else 0, frame)))
        for node in nodes:
            node.bytes += entry["bytes"]
            node.count += entry["count"]
    return flat(root.without_small(root))


def flat(node):
    """Preorder with sorted children, as a list that compares without recursion."""
    listed, todo = [], [((0, ROOT), 0, node)]
    while todo:
        key, depth, (held, count, children) = todo.pop()
        listed.append((depth, key, held, count))
        todo += [(key, depth + 1, children[key]) for key in sorted(children, reverse=True)]
    return listed


def large(nodes):
    """What was merged before boxes were grouped or moved is merged still, so small ones may be missing."""
    return [node for node in nodes if node[2] > 0.001 * nodes[0][2]]


THREADS = {"MainThread": 0, "worker": 1, "Прогрев": 2}


def drawn(page, threads=False):
    """The same, from the page, without what is merged."""
    tree = page.tree
    path, root = [], None
    for i, depth in enumerate(tree["depth"]):
        del path[depth:]
        if tree["frame"][i]["function"] == "(merged)":
            path.append(None)
            continue
        label = tree["thread"][i]
        thread = THREADS[label.split("(")[1].split(")")[0]] if threads and depth > 0 else 0
        node = (tree["bytes"][i], tree["count"][i], {})
        if depth > 0:
            siblings = path[-1][2]
            assert (thread, page.frame(i)) not in siblings
            siblings[thread, page.frame(i)] = node
        else:
            root = node
        path.append(node)
    return flat(root)


def functions(page):
    return {frame["function"] for frame in page.tree["frame"]}
