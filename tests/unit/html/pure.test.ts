// The front end's pure functions, run by Node after esbuild has bundled them.
import assert from "node:assert/strict";
import test from "node:test";

import { ticks, sampleAt } from "../../../plugins/reporters/html_common/web/src/chart";
import { csvOf } from "../../../plugins/reporters/html_common/web/src/memory";
import * as format from "../../../plugins/reporters/html_common/web/src/format";
import { kindOf, moduleOf } from "../../../plugins/reporters/html_common/web/src/kinds";
import type { Frame } from "../../../plugins/reporters/html_common/web/src/report";
import { unpack, unpackSigned } from "../../../plugins/reporters/html_common/web/src/unpack";
import { unpackTree } from "../../../plugins/reporters/flamegraph/web/src/data";
import type { RawTree } from "../../../plugins/reporters/flamegraph/web/src/data";
import { changeColour, differenceFigures, growth, withDifferences } from "../../../plugins/reporters/flamegraph/web/src/difference";
import { grouping } from "../../../plugins/reporters/flamegraph/web/src/grouping";
import { boxes, nodeAt, starts, windowOf } from "../../../plugins/reporters/flamegraph/web/src/layout";
import { move } from "../../../plugins/reporters/flamegraph/web/src/navigation";
import { nameOf, nodeOn, pathTo, Places } from "../../../plugins/reporters/flamegraph/web/src/places";
import { sandwich } from "../../../plugins/reporters/flamegraph/web/src/sandwich";
import { matched } from "../../../plugins/reporters/flamegraph/web/src/search";
import { sourceAddress } from "../../../plugins/reporters/html_common/web/src/source_link";
import { heldIn, highestSlot, leakedIn, nearestEdge } from "../../../plugins/reporters/flamegraph/web/src/temporal";
import { filtered, sorted, totalsOf } from "../../../plugins/reporters/table/web/src/rows";
import type { Row } from "../../../plugins/reporters/table/web/src/rows";
import { makeTree } from "../../../plugins/reporters/flamegraph/web/src/tree";
import type { Filter } from "../../../plugins/reporters/flamegraph/web/src/tree";

//  0 root 100
//  1   a 60        4   d 30      6  f 5
//  2     b 40      5     e 30
//  3     c 10
const raw: RawTree = {
  size: 7,
  depth: Uint32Array.from([0, 1, 2, 2, 1, 2, 1]),
  parent: Uint32Array.from([0, 0, 1, 1, 0, 4, 0]),
  frame: Float64Array.from([0, 1, 2, 3, 4, 5, 6]),
  own: {
    bytes: Float64Array.from([5, 10, 40, 10, 0, 30, 5]),
    count: Float64Array.from([0, 1, 1, 1, 0, 4, 2]),
  },
  thread: Float64Array.from([0, 0, 0, 0, 1, 1, 1]),
  merged: 0,
  limit: 0.0001,
};
const everything = () => true;
const treeOf = (filter: Filter = {}) => makeTree(raw, raw.own, filter).tree;

test("a tree knows parents, ends of subtrees and sums", () => {
  const tree = treeOf();
  assert.deepEqual([...tree.parent], [0, 0, 1, 1, 0, 4, 0]);
  assert.deepEqual([...tree.end], [7, 4, 3, 4, 6, 6, 7]);
  assert.deepEqual([...tree.values.bytes], [100, 60, 40, 10, 30, 30, 5]);
  assert.deepEqual([...tree.values.count], [9, 3, 1, 1, 4, 4, 2]);
});

test("a hidden frame takes its callees along, and its memory stays with the caller", () => {
  const { tree, nodeOf } = makeTree(raw, raw.own, { hides: (frame) => frame === 1 });
  assert.deepEqual([...tree.id], [0, 4, 5, 6]);
  assert.equal(tree.values.bytes[0], 100);
  assert.deepEqual([...nodeOf], [0, 0, 0, 0, 1, 2, 3]);
});

test("a place is found again in a tree whose nodes have other numbers", () => {
  const frame = (name: string, line = 1): Frame => ({ function: name, file: "/x.py", line, native: false, special: false, role: "ordinary", source: "" });
  const before = ["<root>", "a", "b", "c", "d", "e", "f"].map((name) => frame(name));
  // root (d (b), a (c (b), b))
  const after = ["b", "d", "<root>", "c", "a"].map((name) => frame(name));
  const later: RawTree = {
    ...raw,
    size: 7,
    depth: Uint32Array.from([0, 1, 2, 1, 2, 3, 2]),
    parent: Uint32Array.from([0, 0, 1, 0, 3, 4, 3]),
    frame: Float64Array.from([2, 1, 0, 4, 3, 0, 0]),
  };
  const found = (node: number) => nodeOn(later, after, pathTo(raw, before, node));
  assert.equal(found(0), 0);
  assert.equal(found(1), 3); // a
  assert.equal(found(2), 6); // b below a, and neither below d nor below c
  assert.equal(found(3), 4); // c
  assert.equal(found(5), 1); // e is gone: d, which called it
  assert.equal(found(6), 0); // f is gone
  assert.equal(nodeOn(later, after, [nameOf(frame("a", 2))]), 0); // another line

  const places = new Places();
  const [b, c] = [2, 3].map((node) => places.number(pathTo(raw, before, node)));
  assert.equal(places.number([]), 0);
  assert.notEqual(b, c);
  assert.equal(places.number(pathTo(raw, before, 2)), b);
  assert.deepEqual(places.path(c), pathTo(raw, before, 3));
  assert.deepEqual(places.path(99), []);
});

test("callees of a skipped frame move up to its caller", () => {
  const tree = treeOf({ skips: (frame) => frame === 1 });
  assert.deepEqual([...tree.frame], [0, 2, 4, 5, 3, 6]);
  assert.deepEqual([...tree.values.bytes], [100, 40, 30, 30, 10, 5]);
  assert.deepEqual([...tree.depth], [0, 1, 1, 2, 1, 1]);
});

test("what is shown as the same thing becomes one", () => {
  const groupOf = [0, 1, 2, 2, 1, 1, 3];
  const merged = makeTree({ ...raw, thread: undefined }, raw.own, { groupOf }).tree;
  assert.deepEqual([...merged.frame], [0, 1, 2, 1, 3]);
  assert.deepEqual([...merged.values.bytes], [100, 90, 50, 30, 5]);
  // Not across threads.
  assert.deepEqual([...treeOf({ groupOf }).values.bytes], [100, 60, 50, 30, 30, 5]);
  // A module that calls itself is one box.
  const joined = makeTree({ ...raw, thread: undefined }, raw.own, { groupOf, joins: true }).tree;
  assert.deepEqual([...joined.values.bytes], [100, 90, 50, 5]);
});

test("a thread alone has its own total", () => {
  const tree = treeOf({ thread: 1 });
  assert.deepEqual([...tree.id], [0, 4, 5, 6]);
  assert.equal(tree.values.bytes[0], 35);
  assert.equal(tree.values.count[0], 6);
});

test("nodes that hold nothing are left out", () => {
  const own = { bytes: Float64Array.from([0, 0, 0, 7, 0, 0, 0]) };
  const { tree, nodeOf } = makeTree(raw, own);
  assert.deepEqual([...tree.id], [0, 1, 3]);
  assert.deepEqual([...nodeOf], [0, 1, 1, 2, 0, 0, 0]);
});

// a -> f -> b -> f -> c: 8;  d -> f: 4;  a -> f: 1
const recursive: RawTree = {
  ...raw,
  size: 8,
  depth: Uint32Array.from([0, 1, 2, 3, 4, 5, 1, 2]),
  parent: Uint32Array.from([0, 0, 1, 2, 3, 4, 0, 6]),
  frame: Float64Array.from([0, 1, 5, 2, 5, 3, 4, 5]),
  own: { bytes: Float64Array.from([0, 0, 1, 0, 0, 8, 0, 4]) },
  thread: undefined,
};

test("callers and callees of a function have the same total, and recursion counts once", () => {
  const { callers, callees } = sandwich(recursive, recursive.own, { groupOf: [0, 1, 2, 3, 4, 5] }, 5, false);
  assert.deepEqual([...callers.frame], [5, 1, 4]);
  assert.deepEqual([...callers.values.bytes], [13, 9, 4]);
  assert.deepEqual([...callees.frame], [5, 2, 5, 3]);
  assert.deepEqual([...callees.values.bytes], [13, 8, 8, 8]);
});

test("in an inverted tree callers are below", () => {
  const { callers } = sandwich(recursive, recursive.own, { groupOf: [0, 1, 2, 3, 4, 5] }, 5, true);
  assert.deepEqual([...callers.frame], [5, 2, 5, 3]);
});

test("packed columns", () => {
  assert.deepEqual([...unpack("")], []);
  assert.deepEqual([...unpack("AX8=")], [1, 127]);
  assert.deepEqual([...unpack("gAE=")], [128]);
  assert.deepEqual([...unpackSigned("AAECfw==")], [0, -1, 1, -64]);
  // 2 ** 53 - 1: seven bytes 0xff and a 0x0f.
  assert.deepEqual([...unpack("/////////w8=")], [2 ** 53 - 1]);
});

test("the shape of a packed tree", () => {
  const tree = unpackTree({ rise: "AAAAAQIBAQ==", frame: "AAECAwQFBg==", bytes: "", count: "", merged: 0, limit: 100 });
  assert.deepEqual([...tree.depth], [0, 1, 2, 2, 1, 1, 1]);
  assert.deepEqual([...tree.parent], [0, 0, 1, 1, 0, 0, 0]);
  assert.equal(tree.limit, 0.0001);
});

test("children lie side by side in their parent", () => {
  const tree = treeOf();
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.deepEqual([...start], [0, 0, 0, 40, 60, 60, 90]);

  const all = boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, Infinity, 1);
  assert.deepEqual(all.map((box) => [box.node, box.x, box.width]), [
    [0, 0, 1000], [1, 0, 600], [2, 0, 400], [3, 400, 100], [4, 600, 300], [5, 600, 300], [6, 900, 50],
  ]);
  const zoomed = boxes(tree, start, bytes, windowOf(start, bytes, 4), 1000, 1, 2, 1);
  assert.deepEqual(zoomed.map((box) => [box.node, box.x, box.width]), [[4, 0, 1000], [5, 0, 1000]]);
});

test("of narrow boxes there is one where there would be nothing", () => {
  const tree = treeOf();
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  const shown = (minWidth: number) => boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, Infinity, minWidth).map((box) => box.node);
  assert.deepEqual(shown(90), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(shown(350), [0, 1, 2, 3, 4]); // 4 is narrow, so 5 below it is not shown, and 6 would begin within 350 of it
});

test("what is at a place", () => {
  const tree = treeOf();
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.equal(nodeAt(tree, start, bytes, 45, 2), 3);
  assert.equal(nodeAt(tree, start, bytes, 55, 2), undefined);
  assert.equal(nodeAt(tree, start, bytes, 97, 1), undefined);
  assert.equal(nodeAt(tree, start, bytes, 97, 0), 0);
});

test("nothing recorded has no boxes", () => {
  const tree = makeTree({ ...raw, size: 1 }, raw.own, { thread: 7 }).tree;
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.deepEqual(boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, 9, 1), []);
});

test("a match inside a match counts once", () => {
  const tree = treeOf();
  const matches = Uint8Array.from([0, 1, 1, 0, 0, 1, 0]);
  assert.deepEqual(matched(tree, tree.values.bytes, matches, 0), { value: 90, nodes: 3 });
  assert.deepEqual(matched(tree, tree.values.bytes, matches, 4), { value: 30, nodes: 1 });
});

test("arrows", () => {
  const tree = treeOf();
  assert.equal(move(tree, 0, "callee", everything), 1);
  assert.equal(move(tree, 3, "callee", everything), 3);
  assert.equal(move(tree, 3, "caller", everything), 1);
  assert.equal(move(tree, 3, "next", everything), 5);
  assert.equal(move(tree, 5, "previous", everything), 3);
  assert.equal(move(tree, 4, "next", everything), 6);
  assert.equal(move(tree, 6, "next", everything), 6);
  assert.equal(move(tree, 1, "previous", everything), 1);
  assert.equal(move(tree, 1, "next", (node) => node !== 4), 6);
});

test("sizes, shares and times", () => {
  assert.equal(format.bytes(0), "0 B");
  assert.equal(format.bytes(999), "999 B");
  assert.equal(format.bytes(1000), "1.0 kB");
  assert.equal(format.bytes(999_949), "999.9 kB");
  assert.equal(format.bytes(999_950), "1.0 MB");
  assert.equal(format.bytes(2_500_000_000), "2.5 GB");
  assert.equal(format.allocations(1), "1 allocation");
  assert.equal(format.allocations(0), "0 allocations");
  assert.equal(format.percent(1, 3), "33.3 %");
  assert.equal(format.percent(1, 1e6), "< 0.01 %");
  assert.equal(format.percent(0, 0), "0.00 %");
  assert.equal(format.duration(12), "12 ms");
  assert.equal(format.duration(1500), "1.50 s");
  assert.equal(format.duration(61_400), "1:01 min");
  assert.equal(format.duration(3_600_000 * 2 + 65_000), "2:01:05 h");
});

const frameOf = (part: Partial<Frame>): Frame => ({ function: "f", file: "", line: 1, native: false, special: false, role: "ordinary", source: "", ...part });

test("kinds of code", () => {
  const kind = (file: string, native = false) => kindOf(frameOf({ file, native }));
  assert.equal(kind("/home/a/app.py"), "program");
  assert.equal(kind("/v/lib/python3.12/site-packages/x/y.py"), "library");
  assert.equal(kind("/usr/lib/python3/dist-packages/x.py"), "library");
  assert.equal(kind("/usr/lib/python3.11/json/decoder.py"), "standard");
  assert.equal(kind("<frozen runpy>"), "standard");
  assert.equal(kindOf(frameOf({ file: "<frozen importlib._bootstrap>", role: "imports" })), "imports");
  assert.equal(kind("main.cc", true), "native");
});

test("modules", () => {
  const module = (file: string, native = false, name = "f") => moduleOf(frameOf({ file, native, function: name }));
  assert.equal(module("/v/lib/python3.12/site-packages/pandas/core/frame.py"), "pandas");
  assert.equal(module("/usr/lib/python3/dist-packages/six.py"), "six");
  assert.equal(module("/usr/lib/python3.11/json/decoder.py"), "json");
  assert.equal(module("/usr/lib/python3.11/csv.py"), "csv");
  assert.equal(module("<frozen importlib._bootstrap>"), "importlib");
  assert.equal(module("/home/a/shop.py"), "shop.py");
  assert.equal(module("/usr/lib/libc.so.6", true), "libc.so.6");
  assert.equal(module("", false, "f"), "f");
});

test("groups", () => {
  const frames = [
    frameOf({ function: "<root>", special: true }),
    frameOf({ function: "f", file: "/a/x.py", line: 1 }),
    frameOf({ function: "f", file: "/a/x.py", line: 2 }),
    frameOf({ function: "g", file: "/a/x.py", line: 2 }),
    frameOf({ function: "f", file: "/b/x.py", line: 2 }),
  ];
  assert.deepEqual([...grouping(frames, "line").of], [0, 1, 2, 3, 4]);
  assert.deepEqual([...grouping(frames, "function").of], [0, 1, 1, 2, 3]);
  assert.deepEqual([...grouping(frames, "file").of], [0, 1, 1, 1, 2]);
  assert.deepEqual([...grouping(frames, "module").of], [0, 1, 1, 1, 1]);
  assert.equal(grouping(frames, "file").frames[2].file, "/b/x.py");
});

test("addresses of source lines", () => {
  const at = frameOf({ file: "/a b/x#.py", line: 7 });
  assert.equal(sourceAddress("vscode://file{file}:{line}", at), "vscode://file/a%20b/x%23.py:7");
  assert.equal(sourceAddress("", at), undefined);
  assert.equal(sourceAddress("x:{file}", frameOf({ file: "<string>" })), undefined);
  assert.equal(sourceAddress("x:{file}", frameOf({ file: "/$&", line: 1 })), "x:/%24%26");
});

test("memory over time as CSV", () => {
  const csv = csvOf({ time: [0, 10], rss: [5, 6], heap: [1, 2] }, 1_000_000);
  assert.equal(
    csv,
    "trace,timestamp,memory_size_bytes\nResident size,1970-01-01T00:16:40.000Z,5\nResident size,1970-01-01T00:16:40.010Z,6\n" +
      "Heap size,1970-01-01T00:16:40.000Z,1\nHeap size,1970-01-01T00:16:40.010Z,2\n",
  );
});

test("changes have a sign", () => {
  assert.equal(format.change(1500, format.bytes), "+1.5 kB");
  assert.equal(format.change(-7, format.count), "−7");
  assert.equal(format.change(0, format.bytes), "±0");
});

test("axes have round ticks", () => {
  assert.deepEqual(ticks(95, 5).values, [0, 20, 40, 60, 80]);
  assert.deepEqual(ticks(0, 5).values, [0]);
  assert.equal(ticks(7e9, 5).step, 2e9);
});

test("the sample at a moment", () => {
  const curve = { time: [0, 10, 20], rss: [], heap: [] };
  assert.equal(sampleAt(curve, 9), 0);
  assert.equal(sampleAt(curve, 10), 1);
  assert.equal(sampleAt(curve, 500), 2);
});

const intervals = {
  node: Float64Array.from([1, 1, 2]),
  from: Float64Array.from([0, 1, 2]),
  to: Float64Array.from([2, 3, 3]),
  bytes: Float64Array.from([10, 5, 7]),
  count: Float64Array.from([1, 1, 2]),
};

test("what was held in a slot", () => {
  const held = (slot: number) => [...heldIn(3, intervals, slot).bytes];
  assert.deepEqual([held(0), held(1), held(2)], [[0, 10, 0], [0, 15, 0], [0, 5, 7]]);
  assert.deepEqual([...heldIn(3, intervals, 2).count], [0, 1, 2]);
});

test("what was allocated in some slots and not freed in them", () => {
  const leaked = (first: number, last: number) => [...leakedIn(3, intervals, first, last).bytes];
  assert.deepEqual(leaked(0, 3), [0, 5, 7]);
  assert.deepEqual(leaked(0, 2), [0, 15, 0]);
  assert.deepEqual(leaked(1, 2), [0, 5, 0]);
});

test("the highest slot, and the nearest edge", () => {
  const slots = { kind: "peak" as const, edges: [0, 10, 20, 40], highWater: Float64Array.from([3, 9, 9]) };
  assert.equal(highestSlot(slots, 0, 3), 2);
  assert.equal(highestSlot(slots, 0, 2), 1);
  assert.deepEqual([-5, 4, 6, 29, 31, 99].map((time) => nearestEdge(slots, time)), [0, 0, 1, 2, 3, 3]);
});

test("rows of a table", () => {
  const row = (name: string, bytes: number, part: Partial<Row> = {}): Row => ({
    frame: frameOf({ function: name }), function: name, bytes, count: 1, allocator: "malloc", thread: "", kind: "program", text: name, ...part,
  });
  const rows = [row("b", 5), row("a", 5, { allocator: "mmap" }), row("c", 9, { kind: "native" })];
  const names = (list: Row[]) => list.map((each) => each.function).join("");
  assert.equal(names(sorted(rows, { column: "bytes", descending: true })), "cba");
  assert.equal(names(sorted(rows, { column: "location", descending: false })), "abc");
  assert.equal(names(sorted(rows, { column: "allocator", descending: false })), "cba");
  assert.equal(names(filtered(rows, { text: " B " })), "b");
  assert.equal(names(filtered(rows, { allocator: "mmap" })), "a");
  assert.equal(names(filtered(rows, { kind: "program" })), "ba");
  assert.deepEqual(totalsOf(rows), { bytes: 19, count: 3 });
});

test("what grew and what shrank", () => {
  const before = Float64Array.from([0, 0, 40, 50, 0, 30, 5]);
  const weights = withDifferences({ ...raw.own, bytesBefore: before, countBefore: raw.own.count });
  const { tree } = makeTree({ ...raw, thread: undefined }, weights);
  // Nodes by raw number: 1 is what b, c and a itself were: 90 then, 60 now.
  const node = (id: number) => tree.id.indexOf(id);
  assert.equal(tree.values.larger[0], 5 + 10 + 40 + 50 + 0 + 30 + 5);
  assert.equal(tree.values.change[node(1)], 10 + 40);
  assert.equal(growth(tree, node(1)), -30 / 90);
  assert.deepEqual(differenceFigures(tree, node(1)).slice(0, 3), [["−30 B", "−33.3 %"], ["90 B", "before"], ["60 B", "after"]]);
  assert.equal(growth(tree, node(2)), 0);
  assert.notEqual(changeColour(0.5, "dark"), changeColour(-0.5, "dark"));
});
