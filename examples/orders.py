"""A report on a shop's orders: the kind of script that works until the day it is killed for its memory.

It makes up a day of orders as CSV, reads them back, looks products up, builds a text index over the customers' notes,
groups sales, and prints a report. Standard library only. Profile it:

    memray run examples/orders.py
    memray summary examples/memray-orders.py.*.bin

Three things are worth finding in the profile:
  * the whole day is held as text, as rows and as objects at the same time (the peak);
  * `describe` caches every distinct argument for ever;
  * `AUDIT` grows with each order and is never emptied (memray flamegraph --leaks).
"""

from __future__ import annotations

import csv
import functools
import io
import json
import random
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

AUDIT: list[dict] = []
WORDS = "please deliver before noon leave at the door gift wrap fragile call first no bell ring twice blue red green".split()


@dataclass
class Order:
    number: int
    day: date
    customer: str
    product: str
    quantity: int
    price: float
    note: str
    tags: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        return self.quantity * self.price


def make_catalogue(size: int) -> str:
    """The answer of the product service, as JSON."""
    chance = random.Random(7)
    products = [
        {
            "id": f"P{i:05}",
            "name": f"product {i}",
            "group": f"group {i % 23}",
            "price": round(chance.uniform(1, 90), 2),
            "attributes": {"weight": chance.randrange(50, 5000), "colour": chance.choice(WORDS), "text": " ".join(WORDS)},
        }
        for i in range(size)
    ]
    return json.dumps({"products": products})


def make_orders(count: int, products: int) -> str:
    """A day of orders, as the web shop exports them."""
    chance = random.Random(42)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["number", "day", "customer", "product", "quantity", "note"])
    first = date(2024, 1, 1)
    for number in range(count):
        note = " ".join(chance.choices(WORDS, k=chance.randrange(3, 12)))
        day = first + timedelta(days=number % 90)
        writer.writerow([number, day, f"C{chance.randrange(4000):05}", f"P{chance.randrange(products):05}", chance.randrange(1, 9), note])
    return out.getvalue()


def load_catalogue(text: str) -> dict[str, dict]:
    return {product["id"]: product for product in json.loads(text)["products"]}


def parse_orders(text: str, catalogue: dict[str, dict]) -> list[Order]:
    rows = list(csv.DictReader(io.StringIO(text)))
    orders = []
    for row in rows:
        product = catalogue[row["product"]]
        order = Order(
            number=int(row["number"]),
            day=date.fromisoformat(row["day"]),
            customer=row["customer"],
            product=row["product"],
            quantity=int(row["quantity"]),
            price=product["price"],
            note=row["note"],
            tags=re.findall(r"\b[bgr]\w+", row["note"]),
        )
        audit(order)
        orders.append(order)
    return orders


def audit(order: Order) -> None:
    AUDIT.append({"order": order.number, "customer": order.customer, "seen": order.day.isoformat(), "checks": ["price", "stock"]})


@functools.lru_cache(maxsize=None)
def describe(product: str, quantity: int, day: date) -> str:
    return f"{quantity:>3} x {product} on {day:%d %B %Y}".ljust(80)


def index_notes(orders: list[Order]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = defaultdict(list)
    for order in orders:
        for word in set(order.note.split()):
            index[word].append(order.number)
    return index


def sales_by_group(orders: list[Order], catalogue: dict[str, dict]) -> Counter:
    sales: Counter = Counter()
    for order in orders:
        sales[catalogue[order.product]["group"]] += order.total
    return sales


def print_report(orders: list[Order], sales: Counter, index: dict[str, list[int]]) -> None:
    print(f"{len(orders)} orders, {sum(order.total for order in orders):.2f} in all")
    for group, total in sales.most_common(5):
        print(f"  {group:10} {total:12.2f}")
    lines = [describe(order.product, order.quantity, order.day) for order in orders]
    print(f"largest order: {lines[max(range(len(orders)), key=lambda i: orders[i].total)].strip()}")
    print(f"notes asking for {'fragile'!r}: {len(index['fragile'])}")


def main(count: int = 40_000) -> None:
    catalogue = load_catalogue(make_catalogue(3000))
    orders = parse_orders(make_orders(count, len(catalogue)), catalogue)
    index = index_notes(orders)
    print_report(orders, sales_by_group(orders, catalogue), index)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
