#!/usr/bin/env python3
"""Writes the figures of docs/results/*.csv into README.md and docs/*.md.

Each document has places for them,
    <!-- figures: NAME --> ... <!-- end -->
and what stands between the two is made here. With --check nothing is written:
exit status 1 if a document does not say what the result files say. It is an
error if a place has no result file, or a plot is not that of its file.
"""
import csv
import glob
import os
import re
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "bench", "suite"))
# pylint: disable=wrong-import-position
import bench_figures  # noqa: E402
import hugepage_figures  # noqa: E402
import plot_sources  # noqa: E402

RESULTS = os.path.join(ROOT, "docs", "results")
DOCUMENTS = ["README.md"] + sorted(
    os.path.relpath(path, ROOT)
    for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))
# Their tables are the result files as they are.
PLAIN = ("matrix", "vm")
COLUMNS = {"pcmalloc": "pcmalloc", "pcmalloc-off": "pcmalloc, no rseq",
           "glibc": "glibc", "jemalloc": "jemalloc", "mimalloc": "mimalloc",
           "tcmalloc": "gperftools"}


def read(name):
    """The file's comment lines and its rows."""
    with open(os.path.join(RESULTS, name + ".csv"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    comments = [line[2:] for line in lines if line.startswith("#")]
    return comments, list(csv.DictReader(
        line for line in lines if not line.startswith("#")))


def values(name, allocator, metric, scale=1.0):
    return [float(row[metric]) * scale for row in read(name)[1]
            if row["allocator"] == allocator and row[metric]]


def cell(name, allocator, metric, scale, digits, spread):
    found = values(name, allocator, metric, scale)
    if not found:
        return "-"
    text = f"{statistics.median(found):.{digits}f}"
    if spread:
        text += f" ({min(found):.{digits}f} to {max(found):.{digits}f})"
    return text


def table(rows, spread):
    """rows: what, file, column, scale, digits."""
    head = ["", *COLUMNS.values()]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for what, name, metric, scale, digits in rows:
        cells = [cell(name, allocator, metric, scale, digits, spread)
                 for allocator in COLUMNS]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


KIB = 1 / 1024
SUMMARY = [
    ("malloc + free of 32 bytes, ns", "pair", "ns_per_pair", 1, 1),
    ("256 threads on 2 CPUs: peak MiB", "threads256", "peak_kib", KIB, 0),
    ("the same: seconds", "threads256", "wall", 1, 2),
    ("producer and consumer, M blocks/s", "xmalloc",
     "mblocks_per_s", 1, 0),
    ("34 and 168 KiB in turns, ns", "inturns", "ns_per_block", 1, 0),
    ("`python3 -c pass`: peak MiB", "trivial-python", "peak_kib", KIB, 1),
]
DETAILS = {
    "pair": [("ns", "pair", "ns_per_pair", 1, 2)],
    "threads256": [
        ("peak MiB", "threads256", "peak_kib", KIB, 1),
        ("MiB at the end", "threads256", "settled_kib", KIB, 1),
        ("seconds", "threads256", "wall", 1, 2),
        ("CPU seconds", "threads256", "cpu", 1, 2)],
    "trivial": [
        ("C program, peak KiB", "trivial-c", "peak_kib", 1, 0),
        ("`python3 -c pass`, peak KiB", "trivial-python", "peak_kib", 1, 0)],
    "inturns": [
        ("ns a block", "inturns", "ns_per_block", 1, 0),
        ("peak KiB", "inturns", "peak_kib", 1, 0),
        ("system calls in 1000 blocks", "inturns-syscalls", "all", 1, 2)],
    "xmalloc": [
        ("million blocks/s", "xmalloc", "mblocks_per_s", 1, 1),
        ("CPU seconds", "xmalloc", "cpu", 1, 2),
        ("peak KiB", "xmalloc", "peak_kib", 1, 0)],
}


def ratios(name="pair"):
    """The pairs over the empty pair of the same run."""
    empty = statistics.median(values(name, "empty", "ns_per_pair"))
    cells = [f"{statistics.median(values(name, a, 'ns_per_pair')) / empty:.2f}"
             if values(name, a, "ns_per_pair") else "-" for a in COLUMNS]
    return (f"The empty pair takes {empty:.2f} ns. Ratios to it: "
            + ", ".join(f"{name} {value}" for name, value
                        in zip(COLUMNS.values(), cells)) + ".")


def plain(name):
    """All columns of a file."""
    rows = read(name)[1]
    head = list(rows[0]) if rows else []
    return bench_figures.table(head, [
        [(row[column] or "").replace("|", "\\|") for column in head]
        for row in rows])


def machine():
    return "\n".join("- " + line for line in read("pair")[0])


FIGURES = {
    "summary": lambda: table(SUMMARY, False),
    "machine": machine,
    "ratios": ratios,
    "ratios-xeon": lambda: ratios("pair-xeon"),
    **{name: lambda rows=rows: table(rows, True)
       for name, rows in DETAILS.items()},
    **{name: lambda name=name: plain(name) for name in PLAIN},
    **bench_figures.FIGURES,
    **hugepage_figures.FIGURES,
}


def place(name, errors):
    """What stands in a place, or None with a line in errors."""
    if name not in FIGURES:
        errors.append(f"there are no figures of this name: {name}")
        return None
    try:
        return FIGURES[name]()
    except KeyError as error:
        errors.append(f"figures: {name}: no column {error}")
    except FileNotFoundError as error:
        path = os.path.relpath(error.filename, ROOT)
        errors.append(f"figures: {name}: there is no {path}")
    return None


def fill(text, errors):
    def one(found):
        made = place(found[2], errors)
        return found[0] if made is None else f"{found[1]}{made}\n{found[3]}"
    return re.sub(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", one,
                  text, flags=re.DOTALL)


def complaints(check):
    """Fills all documents, or says which would change."""
    errors = []
    for name in DOCUMENTS:
        path = os.path.join(ROOT, name)
        with open(path, encoding="utf-8") as file:
            old = file.read()
        found = []
        new = fill(old, found)
        errors += [f"{name}: {error}" for error in found]
        if new != old and check:
            errors.append(f"{name}: figures differ from docs/results")
        elif new != old:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
    return errors + plot_sources.complaints(RESULTS)


def main():
    errors = complaints(sys.argv[1:] == ["--check"])
    for error in errors:
        print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
