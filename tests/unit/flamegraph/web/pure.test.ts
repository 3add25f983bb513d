// The front end's pure functions, run by Node after esbuild has bundled them.
import assert from "node:assert/strict";
import test from "node:test";

import { ticks, sampleAt } from "../../../../plugins/reporters/flamegraph/web/src/chart";
import { kindOf } from "../../../../plugins/reporters/flamegraph/web/src/colours";
import type { Frame, RawTree } from "../../../../plugins/reporters/flamegraph/web/src/data";
import * as format from "../../../../plugins/reporters/flamegraph/web/src/format";
import { boxes, nodeAt, starts, windowOf } from "../../../../plugins/reporters/flamegraph/web/src/layout";
import { move } from "../../../../plugins/reporters/flamegraph/web/src/navigation";
import { matched } from "../../../../plugins/reporters/flamegraph/web/src/search";
import { findNode, makeTree, maxDepth } from "../../../../plugins/reporters/flamegraph/web/src/tree";

//  0 root 100
//  1   a 60        4   d 30      6  f 5
//  2     b 40      5     e 30
//  3     c 10
const raw: RawTree = {
  depth: [0, 1, 2, 2, 1, 2, 1],
  frame: [0, 1, 2, 3, 4, 5, 6],
  bytes: [100, 60, 40, 10, 30, 30, 5],
  count: [9, 3, 1, 1, 4, 4, 2],
  thread: [0, 0, 0, 0, 1, 1, 1],
  merged: 0,
};
const everything = () => true;

test("a tree knows parents and ends of subtrees", () => {
  const tree = makeTree(raw);
  assert.deepEqual([...tree.parent], [0, 0, 1, 1, 0, 4, 0]);
  assert.deepEqual([...tree.end], [7, 4, 3, 4, 6, 6, 7]);
  assert.equal(maxDepth(tree, 0), 2);
  assert.equal(maxDepth(tree, 6), 1);
});

test("a hidden frame takes its callees along, and numbers stay", () => {
  const tree = makeTree(raw, { hides: (frame) => frame === 1 });
  assert.deepEqual([...tree.id], [0, 4, 5, 6]);
  assert.equal(tree.values.bytes[0], 100);
  assert.equal(findNode(tree, 5), 2);
  assert.equal(findNode(tree, 2), 0);
});

test("a thread alone has its own total", () => {
  const tree = makeTree(raw, { thread: 1 });
  assert.deepEqual([...tree.id], [0, 4, 5, 6]);
  assert.equal(tree.values.bytes[0], 35);
  assert.equal(tree.values.count[0], 6);
});

test("children lie side by side in their parent", () => {
  const tree = makeTree(raw);
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.deepEqual([...start], [0, 0, 0, 40, 60, 60, 90]);

  const all = boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, Infinity, 1);
  assert.deepEqual(all.map((box) => [box.node, box.x, box.width]), [
    [0, 0, 1000], [1, 0, 600], [2, 0, 400], [3, 400, 100], [4, 600, 300], [5, 600, 300], [6, 900, 50],
  ]);
  const zoomed = boxes(tree, start, bytes, windowOf(start, bytes, 4), 1000, 1, 2, 1);
  assert.deepEqual(zoomed.map((box) => [box.node, box.x, box.width]), [[4, 0, 1000], [5, 0, 1000]]);
  const wide = boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, Infinity, 90);
  assert.deepEqual(wide.map((box) => box.node), [0, 1, 2, 3, 4, 5]);
});

test("what is at a place", () => {
  const tree = makeTree(raw);
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.equal(nodeAt(tree, start, bytes, 45, 2), 3);
  assert.equal(nodeAt(tree, start, bytes, 55, 2), undefined);
  assert.equal(nodeAt(tree, start, bytes, 97, 1), undefined);
  assert.equal(nodeAt(tree, start, bytes, 97, 0), 0);
});

test("nothing recorded has no boxes", () => {
  const tree = makeTree({ depth: [0], frame: [0], bytes: [0], count: [0], merged: 0 });
  const { bytes } = tree.values;
  const start = starts(tree, bytes);
  assert.deepEqual(boxes(tree, start, bytes, windowOf(start, bytes, 0), 1000, 0, 9, 1), []);
});

test("a match inside a match counts once", () => {
  const tree = makeTree(raw);
  const matches = Uint8Array.from([0, 1, 1, 0, 0, 1, 0]);
  assert.deepEqual(matched(tree, tree.values.bytes, matches, 0), { value: 90, nodes: 3 });
  assert.deepEqual(matched(tree, tree.values.bytes, matches, 4), { value: 30, nodes: 1 });
});

test("arrows", () => {
  const tree = makeTree(raw);
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

test("kinds of code", () => {
  const kind = (file: string, native = false) =>
    kindOf({ function: "f", file, line: 1, native, special: false } as Frame);
  assert.equal(kind("/home/a/app.py"), "program");
  assert.equal(kind("/v/lib/python3.12/site-packages/x/y.py"), "library");
  assert.equal(kind("/usr/lib/python3/dist-packages/x.py"), "library");
  assert.equal(kind("/usr/lib/python3.11/json/decoder.py"), "standard");
  assert.equal(kind("<frozen runpy>"), "standard");
  assert.equal(kind("<frozen importlib._bootstrap>"), "imports");
  assert.equal(kind("main.cc", true), "native");
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
