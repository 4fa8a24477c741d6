"""The suite's result files and what is computed from them.

A row is one run: test, round, allocator and its figures. Ratios are to the
best peer of a test, the one with the least median; pcmalloc is nobody's peer.
"""
import csv
import math
import os
import statistics

OURS = ("pcmalloc", "pcmalloc-off")
PEERS = ("glibc", "jemalloc", "mimalloc", "gperftools")
ALLOCATORS = OURS + PEERS
TIME_LIMIT = 1.25
MEMORY_LIMIT = 1.25
MEMORY_ROOM_KIB = 0.7 * 1024
KEYS = ("test", "round", "allocator")
# Rounds of one test differ by so much of their ratio, as a rule: counts for as much
# as three of them, which may agree by chance.
USUAL_DEVIATION = 0.15
USUAL_ROUNDS = 2
DIGITS = {"time": 4, "wall": 4, "user": 3, "sys": 3, "cpu": 3}


def write_csv(path, comments, rows, first=KEYS):
    """rows: dictionaries; the first columns in this order, then the others."""
    others = dict.fromkeys(key for row in rows for key in row)
    columns = list(first) + [key for key in others if key not in first]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        for line in comments:
            file.write(f"# {line}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([cell(key, row.get(key, "")) for key in columns])


def cell(key, value):
    if not isinstance(value, float):
        return value
    if key in DIGITS:
        return f"{value:.{DIGITS[key]}f}"
    return f"{value:.6g}"


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def read_csv(path):
    """(comment lines, rows with numbers where there are numbers)."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    comments = [line[2:] for line in lines if line.startswith("# ")]
    rows = [{key: number(value) for key, value in row.items() if value != ""}
            for row in csv.DictReader(line for line in lines
                                      if not line.startswith("#"))]
    return comments, rows


class Runs:
    """Rows of runs, asked by test, allocator and metric."""

    def __init__(self, rows):
        self.rows = rows
        self.tests = list(dict.fromkeys(row["test"] for row in rows))
        self.found = {}
        for row in rows:
            for metric, value in row.items():
                if metric not in KEYS:
                    key = (row["test"], row["allocator"], metric)
                    self.found.setdefault(key, []).append(value)

    def values(self, test, allocator, metric):
        return self.found.get((test, allocator, metric), [])

    def median(self, test, allocator, metric):
        values = self.values(test, allocator, metric)
        return statistics.median(values) if values else None

    def best_peer_name(self, test, metric):
        """The peer with the least median, or None."""
        return min((name for name in PEERS if self.values(test, name, metric)),
                   key=lambda name: self.median(test, name, metric),
                   default=None)

    def best_peer(self, test, metric):
        """The least of the peers' medians, or None."""
        return self.median(test, self.best_peer_name(test, metric), metric)

    def by_round(self, test, allocator, metric):
        return {row["round"]: row[metric] for row in self.rows
                if row["test"] == test and row["allocator"] == allocator and
                row.get(metric)}

    def ratio(self, test, allocator, metric):
        """The median over the best peer's, or None."""
        ours = self.median(test, allocator, metric)
        best = self.best_peer(test, metric)
        return ours / best if ours is not None and best else None

    def error(self, test, allocator, metric):
        """The standard error of that ratio, a part of it: from how it differs
        from round to round, and how it does as a rule. None: fewer than two
        rounds."""
        ours = self.by_round(test, allocator, metric)
        theirs = self.by_round(test, self.best_peer_name(test, metric), metric)
        logs = [math.log(ours[n] / theirs[n]) for n in ours if n in theirs]
        if len(logs) < 2:
            return None
        squares = (statistics.variance(logs) * (len(logs) - 1) +
                   USUAL_DEVIATION ** 2 * USUAL_ROUNDS)
        return math.sqrt(squares / (len(logs) - 1 + USUAL_ROUNDS) / len(logs))

    def geomean(self, allocator, metric):
        """Of the ratios of the tests that it ran, or None."""
        ratios = [self.ratio(test, allocator, metric) for test in self.tests]
        logs = [math.log(ratio) for ratio in ratios if ratio]
        return math.exp(sum(logs) / len(logs)) if logs else None


def over_limits(runs, allocator="pcmalloc"):
    """(metric, line that names the test) of each limit that it is over."""
    over = []
    for test in runs.tests:
        ratio = runs.ratio(test, allocator, "time")
        if ratio and ratio > TIME_LIMIT:
            error = runs.error(test, allocator, "time")
            over.append(("time", f"{test}: time {ratio:.2f} x the best peer" + (
                "" if error is None else f" (± {100 * error:.0f} %)")))
        ours = runs.median(test, allocator, "peak_kib")
        best = runs.best_peer(test, "peak_kib")
        if ours and best and ours > max(MEMORY_LIMIT * best,
                                        best + MEMORY_ROOM_KIB):
            over.append(("peak_kib", f"{test}: peak memory {ours / best:.2f} "
                         f"x the leanest peer ({ours / 1024:.1f} MiB, "
                         f"{best / 1024:.1f} MiB)"))
    return over


def spread_percent(values):
    """Half of what lies between least and most, in per cent of the median."""
    middle = statistics.median(values)
    return 50 * (max(values) - min(values)) / middle if middle else 0
