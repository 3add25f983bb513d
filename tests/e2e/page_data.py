"""Reads what an HTML report holds, as docs/html-reports.md and the pages' own scripts have it."""
import base64
import json
import re


def data_of(html):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', html, re.S)[1])


def unpack(text):
    numbers, value, shift = [], 0, 0
    for byte in base64.b64decode(text):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return numbers


def frames_of(data):
    """[(function, file, line)] by number."""
    strings, frames = data["strings"], data["frames"]
    function, file, line = (unpack(frames[name]) for name in ("function", "file", "line"))
    return [(strings[f], strings[g], n) for f, g, n in zip(function, file, line)]


def paths_of(data):
    """[(path of frames from the outermost, (bytes, count) of the node itself)], in the order of the tree."""
    tree, frames = data["tree"], frames_of(data)
    path, nodes = [], []
    for rise, frame, size, count in zip(*(unpack(tree[name]) for name in ("rise", "frame", "bytes", "count"))):
        del path[len(path) - rise:]
        path.append(frames[frame])
        nodes.append((tuple(path), (size, count)))
    return nodes
