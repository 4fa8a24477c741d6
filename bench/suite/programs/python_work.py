"""The Python programs of the suite: python3 python_work.py WORK N.

Each prints a line that depends on all it did, the same on every allocator.
"""
import collections
import fractions
import json
import random
import re
import sys
import zlib


class Node:
    """An object with a dict, as most programs have them by the thousand."""

    def __init__(self, key, left=None, right=None):
        self.key = key
        self.left = left
        self.right = right
        self.notes = {"key": key, "tags": [key % 7, key % 11]}


def tree(keys):
    root = Node(keys[0])
    for key in keys[1:]:
        at = root
        while True:
            side = "left" if key < at.key else "right"
            below = getattr(at, side)
            if below is None:
                setattr(at, side, Node(key))
                break
            at = below
    return root


def total(node):
    todo, found = [node], 0
    while todo:
        at = todo.pop()
        if at is not None:
            found += at.key * sum(at.notes["tags"])
            todo += [at.left, at.right]
    return found


def work_objects(count):
    """Search trees of objects with dicts, one replaced after the other."""
    rng = random.Random(1)
    kept = collections.deque(maxlen=4)
    for _ in range(count):
        kept.append(tree([rng.randrange(1 << 30) for _ in range(4000)]))
    return [total(node) for node in kept]


def work_strings(count):
    """Words split, joined, replaced, counted and compressed."""
    rng = random.Random(2)
    words = ["".join(rng.choices("abcdefghij", k=rng.randrange(3, 14)))
             for _ in range(3000)]
    seen = collections.Counter()
    crc = 0
    for turn in range(count):
        text = " ".join(rng.choices(words, k=6000))
        parts = [w.upper() for w in text.split() if w[0] != "a"]
        seen.update(w[:4] for w in parts)
        text = re.sub(r"[aeiou]+", lambda m: f"<{m[0]}{turn}>", text)
        crc = zlib.crc32(zlib.compress(text.encode(), 1), crc)
    return crc, sum(seen.values()), seen.most_common(3)


def document(rng, depth):
    if depth == 0:
        return rng.choice([None, True, rng.random(), rng.randrange(10 ** 9),
                           "x" * rng.randrange(60)])
    if rng.random() < 0.5:
        return [document(rng, depth - 1) for _ in range(rng.randrange(2, 9))]
    return {f"key{rng.randrange(500)}": document(rng, depth - 1)
            for _ in range(rng.randrange(2, 9))}


def work_json(count):
    """Documents written and parsed, many at a time."""
    rng = random.Random(3)
    documents = [document(rng, 4) for _ in range(60)]
    crc = 0
    for _ in range(count):
        texts = [json.dumps(d) for d in documents]
        documents = [json.loads(t) for t in texts]
        rng.shuffle(documents)
        crc = zlib.crc32("".join(texts).encode(), crc)
    return crc


def derive(e):
    """Of an expression of nested tuples, by x."""
    if not isinstance(e, tuple):
        return 1 if e == "x" else 0
    op, a, b = e
    if op == "+":
        return ("+", derive(a), derive(b))
    return ("+", ("*", derive(a), b), ("*", a, derive(b)))


def simple(e):
    if not isinstance(e, tuple):
        return e
    op, a, b = e[0], simple(e[1]), simple(e[2])
    if isinstance(a, int) and isinstance(b, int):
        return a + b if op == "+" else a * b
    if op == "*":
        if 0 in (a, b):
            return 0
        if a == 1:
            return b
        return a if b == 1 else (op, a, b)
    if a == 0:
        return b
    return a if b == 0 else (op, a, b)


def value(e, x):
    if not isinstance(e, tuple):
        return x if e == "x" else e
    a, b = value(e[1], x), value(e[2], x)
    return a + b if e[0] == "+" else a * b


def work_symbols(count):
    """Expressions derived, simplified, and evaluated in fractions."""
    rng = random.Random(4)
    found = fractions.Fraction(0)

    def expression(depth):
        if depth == 0:
            return rng.choice(["x", "x", rng.randrange(2, 9)])
        return (rng.choice("++*"), expression(depth - 1),
                expression(depth - 1))

    for _ in range(count):
        e = simple(derive(simple(derive(expression(6)))))
        found += value(e, fractions.Fraction(rng.randrange(9), 7))
        found -= int(found)
    return zlib.crc32(str(found).encode())


def main():
    works = {name[5:]: work for name, work in globals().items()
             if name.startswith("work_")}
    print(works[sys.argv[1]](int(sys.argv[2])))


if __name__ == "__main__":
    main()
