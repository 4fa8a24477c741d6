"""Tables of docs/BENCHMARKS.md, made from docs/results/bench-*.csv.

bench/measure/report.py calls figures(name); a missing file is its error.
"""
import os
import re

from results import ALLOCATORS, Runs, over_limits, read_csv, spread_percent

RESULTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "docs", "results")
TITLES = {"pcmalloc": "pcmalloc", "pcmalloc-off": "pcmalloc, no rseq",
          "glibc": "glibc", "jemalloc": "jemalloc", "mimalloc": "mimalloc",
          "gperftools": "gperftools"}
HEAD = ["", *TITLES.values()]
MICRO_NAMES = {"tcmalloc": "gperftools"}  # as bench/measure calls it
SETS = ("patterns", "programs")


def rows_of(name):
    return read_csv(os.path.join(RESULTS, f"bench-{name}.csv"))


def runs_of(*names):
    return Runs([row for name in names for row in rows_of(name)[1]])


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def ratio_text(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def significant(value):
    """Three digits, no exponent."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}" if value >= 1 or value == 0 else f"{value:.3f}"


def machine():
    return "\n".join(f"- {row['what']}: {plain(row['value'])}"
                     for row in rows_of("machine")[1])


def origin():
    """Where each result file comes from; they need not be of one run."""
    lines = []
    for name in ("patterns", "programs", "series", "threads", "syscalls"):
        try:
            comments, rows = rows_of(name)
        except FileNotFoundError:  # the last two are bench-full's
            continue
        lines.append(f"- {name}: " + ", ".join(comments) + rounds_text(rows))
    return "\n".join(lines)


def rounds_text(rows):
    """How many rounds the tests had; the others have no such column."""
    last = {row["test"]: int(row["round"]) for row in rows if "round" in row}
    if not last:
        return ""
    least, most = min(last.values()), max(last.values())
    return f", rounds: {least}" + (f" to {most}" if most > least else "")


def plain(value):
    return f"{value:g}" if isinstance(value, float) else value


def means():
    """Geometric means of the ratios to the best peer."""
    sets = [("patterns", runs_of("patterns")), ("programs",
            runs_of("programs")), ("all", runs_of(*SETS))]
    rows = []
    for title, metric in (("time", "time"), ("peak memory", "peak_kib")):
        for name, runs in sets:
            rows.append([f"{title}, {name}"] + [
                ratio_text(runs.geomean(allocator, metric))
                for allocator in ALLOCATORS])
    return table(HEAD, rows)


def limits():
    over = over_limits(runs_of(*SETS))
    if not over:
        return "No test is over the limits."
    return "\n".join(f"- {line}" for _, line in over)


def limits_by_allocator():
    """How many tests each allocator is over a limit in."""
    runs = runs_of(*SETS)
    metrics = [[metric for metric, _ in over_limits(runs, allocator)]
               for allocator in ALLOCATORS]
    return table(HEAD, [
        [f"{title}, of {len(runs.tests)}"] +
        [str(found.count(metric)) for found in metrics]
        for title, metric in (("time", "time"), ("peak memory", "peak_kib"))])


def ratios(name):
    """A row a test: time and memory over the best peer."""
    runs = runs_of(name)
    rows = [[test, *(ratio_text(runs.ratio(test, allocator, metric))
                     for allocator in ("pcmalloc", "pcmalloc-off")
                     for metric in ("time", "peak_kib")),
             best(runs, test, "time"), best(runs, test, "peak_kib")]
            for test in runs.tests]
    return table(["", "time", "memory", "time, no rseq", "memory, no rseq",
                  "fastest peer", "leanest peer"], rows)


def best(runs, test, metric):
    """The peer that has it, or "-"."""
    return TITLES.get(runs.best_peer_name(test, metric), "-")


def medians(name, metric, unit):
    """A row a test: medians, with the spread in per cent."""
    runs = runs_of(name)
    rows = []
    for test in runs.tests:
        cells = [median_text(runs, test, allocator, metric, unit)
                 for allocator in ALLOCATORS]
        if set(cells) != {"-"}:
            rows.append([test] + cells)
    return table(HEAD, rows)


def median_text(runs, test, allocator, metric, unit):
    """The median and the spread in per cent, or "-"."""
    middle = runs.median(test, allocator, metric)
    if middle is None:
        return "-"
    spread = spread_percent(runs.values(test, allocator, metric))
    return f"{significant(middle / unit)} ± {spread:.0f} %"


def threads(metric, unit):
    """A row a test and number of threads: medians."""
    rows = []
    found = rows_of("threads")[1]
    for test in dict.fromkeys(row["test"] for row in found):
        mine = [row for row in found if row["test"] == test]
        for count in sorted({row["threads"] for row in mine}):
            runs = Runs([row for row in mine if row["threads"] == count])
            rows.append([f"{test}, {count:.0f}"] + [
                significant(value and value / unit) for value in (
                    runs.median(test, allocator, metric)
                    for allocator in ALLOCATORS)])
    return table(HEAD, rows)


def drift():
    """Resident memory over live bytes in a long run: the spread is over the
    rounds."""
    runs = runs_of("patterns")
    rows = []
    for title, metric, unit in (
            ("RSS / live at the end", "end_ratio", 1),
            ("its blocks, rounded up / live", "end_blocks_ratio", 1),
            ("worst in the run", "worst_ratio", 1),
            ("mean of the run", "mean_ratio", 1),
            ("RSS at the end, MiB", "end_rss_kib", 1024),
            ("live at the end, MiB", "end_live_kib", 1024)):
        cells = [median_text(runs, "drift", name, metric, unit)
                 for name in ALLOCATORS]
        if set(cells) != {"-"}:
            rows.append([title] + cells)
    return table(HEAD, rows) if rows else "There is no result yet."


def syscalls():
    found = rows_of("syscalls")[1]
    runs = Runs([{"round": 1, **row} for row in found])
    return table(HEAD, [[test] + [
        "-" if count is None else f"{count:.0f}" for count in (
            runs.median(test, allocator, "all") for allocator in ALLOCATORS)]
        for test in runs.tests])


def natural(name):
    """Sorts pair/16 before pair/1024."""
    return [int(part) if part.isdigit() else part
            for part in re.split(r"(\d+)", name)]


def micro():
    """A row a benchmark: medians over the rounds, nanoseconds of an item."""
    found = read_csv(os.path.join(RESULTS, "micro.csv"))[1]
    runs = Runs([{**row, "test": "micro", "allocator": MICRO_NAMES.get(
        row["allocator"], row["allocator"])} for row in found])
    names = {key for row in found for key in row} - {"round", "allocator"}
    return table(HEAD, [[name] + [
        significant(runs.median("micro", allocator, name))
        for allocator in ALLOCATORS]
        for name in sorted(names, key=natural)])


def tests():
    """What each test is."""
    return table(["test", "what it does"], [
        [row["test"], row["what"]] for row in rows_of("tests")[1]])


FIGURES = {
    "bench-machine": machine,
    "bench-origin": origin,
    "bench-tests": tests,
    "bench-drift": drift,
    "bench-means": means,
    "bench-limits": limits,
    "bench-over": limits_by_allocator,
    "bench-threads": lambda: threads("time", 1),
    "bench-threads-memory": lambda: threads("peak_kib", 1024),
    "bench-syscalls": syscalls,
    "bench-micro": micro,
}
for _set in SETS:
    FIGURES[f"bench-ratios-{_set}"] = lambda name=_set: ratios(name)
    for _what, _metric, _unit in (("time", "time", 1), ("cpu", "cpu", 1),
                                  ("memory", "peak_kib", 1024),
                                  ("settled", "settled_kib", 1024),
                                  ("faults", "minor", 1000)):
        FIGURES[f"bench-{_what}-{_set}"] = \
            lambda name=_set, metric=_metric, unit=_unit: medians(name, metric,
                                                                  unit)
