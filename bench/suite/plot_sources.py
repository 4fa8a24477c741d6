"""Which result files a plot is made from, and whether it is up to date: each
plot says in its last line which bytes it shows.
"""
import hashlib
import os

SOURCES = {
    "bench-means.svg": ("bench-patterns.csv", "bench-programs.csv"),
    "bench-patterns.svg": ("bench-patterns.csv",),
    "bench-programs.svg": ("bench-programs.csv",),
    "bench-series.svg": ("bench-series.csv",),
    "bench-threads.svg": ("bench-threads.csv",),
}


def present(folder, names):
    return all(os.path.exists(os.path.join(folder, name)) for name in names)


def mark(folder, names):
    """The line that a plot of these files ends with."""
    digest = hashlib.sha256()
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            digest.update(file.read())
    return f"<!-- of {' '.join(names)}: {digest.hexdigest()[:16]} -->\n"


def complaints(folder):
    """Lines about plots that do not show their result files."""
    lines = []
    for plot, names in SOURCES.items():
        path = os.path.join(folder, plot)
        if not present(folder, names):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            lines.append(f"{plot} is missing: make bench-report")
            continue
        if not text.endswith(mark(folder, names)):
            lines.append(f"{plot} shows other results: make bench-report")
    return lines
