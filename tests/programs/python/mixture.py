"""A little of everything that allocates: objects, json, regular expressions, generators, sqlite. The same every time."""

import json, re, sqlite3
class Node:
    def __init__(self, left, right):
        self.left, self.right = left, right
def tree(depth):
    return Node(tree(depth - 1), tree(depth - 1)) if depth else None
def queens(n, row=0, columns=(), up=(), down=()):
    if row == n:
        yield columns
    for column in range(n):
        if column not in columns and row + column not in up and row - column not in down:
            yield from queens(n, row + 1, (*columns, column), (*up, row + column), (*down, row - column))
kept = [tree(10) for _ in range(4)]
text = json.dumps({str(i): [i, i / 3, {"name": "x" * (i % 50)}] for i in range(3000)})
assert json.loads(text)
words = re.findall(r"[a-z]+|\d+\.\d+", text)
assert len(list(queens(6))) == 4
database = sqlite3.connect(":memory:")
database.execute("create table t(a, b)")
database.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(5000)])
print(len(words), database.execute("select count(*), sum(a) from t").fetchone())
