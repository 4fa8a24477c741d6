"""A program for bench/demo.sh: python3 index.py BYTES

Parses that many bytes of the standard library's own sources, makes an index of
the names and the words in them, and writes the index as JSON.
"""
import ast
import collections
import hashlib
import json
import pathlib
import re
import sys
import sysconfig


def sources(limit):
    """Files of the standard library, in one order on every machine."""
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if {"test", "tests", "dist-packages", "site-packages"} & set(parts):
            continue
        text = path.read_text(errors="replace")
        limit -= len(text)
        if limit < 0:
            return
        yield "/".join(parts), text


def names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno


def main():
    index = collections.defaultdict(list)
    words = collections.Counter()
    for name, text in sources(int(sys.argv[1])):
        for ident, line in names(ast.parse(text)):
            index[ident].append((name, line))
        words.update(w.lower() for w in re.findall(r"\w+", text))
    out = json.dumps([index, words.most_common()], sort_keys=True)
    again = json.loads(out)
    print(len(again[0]), hashlib.sha256(out.encode()).hexdigest())


main()
