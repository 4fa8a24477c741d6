"""Tables of docs/MEMORY.md, made from docs/results/hugepages-*.csv."""
import math
import os
import statistics

from bench_figures import RESULTS, table
from results import Runs, read_csv

SYSTEMS = ("always", "madvise", "never")
KIB_PER_MIB = 1024


def read_runs(folder, name):
    """The runs of each setting of the system."""
    rows = read_csv(os.path.join(folder, f"hugepages-{name}.csv"))[1]
    return {system: Runs([{k: v for k, v in row.items() if k != "system"}
                          for row in rows if row["system"] == system])
            for system in SYSTEMS}


def cell(values, scale, digits):
    if not values:
        return "-"
    values = [value * scale for value in values]
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def by_system(folder, name, metric, scale, digits):
    """A row for each allocator, a column for each setting."""
    runs = read_runs(folder, name)
    allocators = dict.fromkeys(row["allocator"] for system in SYSTEMS
                               for row in runs[system].rows)
    return table(["", *SYSTEMS], [
        [allocator, *(cell(runs[system].values(name, allocator, metric),
                           scale, digits) for system in SYSTEMS)]
        for allocator in allocators])


def walk(folder=RESULTS):
    return (by_system(folder, "walk", "ns_per_read", 1, 0) +
            "\n\nMiB in huge pages:\n\n" +
            by_system(folder, "walk", "huge_kib", 1 / KIB_PER_MIB, 0))


def live(folder=RESULTS):
    return by_system(folder, "live", "rss_kib", 1 / KIB_PER_MIB, 2)


def peak_ratios(runs):
    """{test: median peak with thp:auto over that with thp:never}."""
    ratios = {}
    for test in runs.tests:
        auto = runs.median(test, "thp:auto", "peak_kib")
        never = runs.median(test, "thp:never", "peak_kib")
        if auto and never:
            ratios[test] = auto / never
    return ratios


def peaks(folder=RESULTS):
    rows = []
    for system, runs in read_runs(folder, "peaks").items():
        ratios = peak_ratios(runs)
        if not ratios:
            continue
        mean = math.exp(statistics.mean(map(math.log, ratios.values())))
        most = sorted(ratios, key=ratios.get)[-1:-4:-1]
        rows.append([system, str(len(ratios)), f"{mean:.3f}",
                     ", ".join(f"{name} {ratios[name]:.3f}" for name in most)])
    return table(["system", "tests", "geometric mean", "largest"], rows)


FIGURES = {"hugepages-walk": walk, "hugepages-live": live,
           "hugepages-peaks": peaks}
