"""`make bench` and `make bench-full`: patterns and real programs on pcmalloc
and its peers, in turns; docs/BENCHMARKS.md says how to read the figures.
"""
import argparse
import os
import re
import shutil
import sys
import time

import machine
import results
from patterns import THREADS
from peers import find_allocators
from results import ALLOCATORS, Runs
from runner import Runner, add_options, choose, every_test, present

LEAST_ROUNDS = 3
MOST_ROUNDS = 15
SERIES_POINTS = 150
STRACE_CALLS = ("mmap", "munmap", "madvise", "brk", "mremap", "mprotect",
                "futex", "rseq", "membarrier")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--out", required=True)
    parser.add_argument("--budget", type=int, default=0, help="seconds")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    # Three rounds of all tests take less than the budget of `make bench`, the rest, what
    # comes before and after them and the plots, some two minutes.
    args.pattern_scale = (args.scale or 1) * (1 if args.full else 0.15)
    args.program_scale = (args.scale or 1) * (3 if args.full else 0.6)
    args.command = " ".join(
        ["make", "bench-full" if args.full else "bench"] +
        [f"{name.upper()}={value}" for name, value in
         (("only", args.only), ("rounds", args.rounds),
          ("scale", args.scale), ("budget", args.budget)) if value])
    args.budget = args.budget or (3600 if args.full else 420)
    return args


class Suite(Runner):
    """One run of the suite: its options and its rows."""

    def __init__(self, args):
        super().__init__(args.build, args.pattern_scale, args.program_scale,
                         900 if args.full else 120)
        self.args = args
        self.rows = {"pattern": [], "program": []}
        so = os.path.join(args.build, "libpcmalloc.so")
        nothing = os.path.join(args.build, "bench", "measure", "libnothing.so")
        self.allocators, self.no_peers = find_allocators(so, nothing)
        if self.no_peers:
            print("bench: not here, left out:", *self.no_peers)
        self.allocators.sort(key=lambda a: ALLOCATORS.index(a.name))

    def warm_up(self, test):
        """Fills the page cache, and notes what the program prints."""
        if test.kind == "program":
            self.run(test, next(a for a in self.allocators
                                if a.name == "glibc"))

    def measure(self, tests):
        """As many rounds as asked for, else LEAST_ROUNDS, and more while there
        is time: the next one is always that of the test whose ratio is the
        least certain."""
        end = time.monotonic() + self.args.budget
        found = {}
        print_head(self.allocators)
        for test in tests:
            self.warm_up(test)
            found[test] = Rounds(self, test)
            found[test].more(self.args.rounds or LEAST_ROUNDS)
            print_test(test.name, Runs(found[test].rows), self.allocators)
        while not self.args.rounds:
            left = end - time.monotonic()
            candidates = [f for f in found.values() if f.wants_more(left)]
            if not candidates:
                break
            max(candidates, key=lambda f: f.error).more(1)
        for test in tests:
            self.rows[test.kind] += found[test].rows
            if found[test].number > LEAST_ROUNDS and not self.args.rounds:
                print_test(test.name, Runs(found[test].rows), self.allocators)

    def series(self, tests):
        """Memory over time: one run of each allocator."""
        rows = []
        path = os.path.join(self.place.work, "series")
        for test in tests:
            for allocator in self.allocators:
                if self.run(test, allocator, [f"series={path}"]):
                    rows += series_rows(path, test.name, allocator.name)
        return rows

    def threads(self, tests):
        rows = []
        for test in tests:
            for count in THREADS:
                if count < test.least_threads:
                    continue
                print(f"  {test.name}, {count} threads", flush=True)
                found = Rounds(self, test, [f"threads={count}"])
                found.more(self.args.rounds or LEAST_ROUNDS)
                rows += [{**row, "threads": count} for row in found.rows]
        return rows

    def syscalls(self, tests):
        """System calls of one run of each allocator, by name."""
        rows = []
        if not shutil.which("strace"):
            print("bench: no strace: system calls are not counted")
            return rows
        path = os.path.join(self.place.work, "strace")
        prefix = ["strace", "-f", "-c", "-q", "-o", path]
        for test in tests:
            for allocator in self.allocators:
                if self.run(test, allocator, (), prefix):
                    rows.append({"test": test.name,
                                 "allocator": allocator.name,
                                 **strace_counts(path)})
            print(f"  {test.name}: system calls counted", flush=True)
        return rows

    def save(self, name, rows, first=results.KEYS):
        if not rows:
            return
        path = os.path.join(self.args.out, f"bench-{name}.csv")
        results.write_csv(path, machine.origin(self.args.command), rows, first)
        print(f"  written: {os.path.relpath(path)}")

    def save_machine(self, tests, skipped):
        rows = machine.machine() + [("command", self.args.command)]
        rows += [("scale of the patterns", f"{self.args.pattern_scale:g}"),
                 ("scale of the programs", f"{self.args.program_scale:g}")]
        rows += [(f"allocator {a.name}", a.version) for a in self.allocators]
        rows += [(f"allocator {name}", "not here") for name in self.no_peers]
        versions = dict.fromkeys(test.version() for test in tests)
        rows += [("programs", ", ".join(v for v in versions if v))]
        rows += [(f"left out {name}", why) for name, why in skipped]
        self.save("machine", [{"what": what, "value": value}
                              for what, value in rows], ("what", "value"))


class Rounds:
    """The rounds of one test so far."""

    def __init__(self, suite, test, extra=()):
        self.suite = suite
        self.test = test
        self.extra = extra
        self.working = list(suite.allocators)
        self.rows = []
        self.number = 0
        self.seconds = 0  # of one round
        self.error = None  # of its ratio

    def more(self, nrounds):
        start = time.monotonic()
        for _ in range(nrounds):
            self.number += 1
            self.rows += self.suite.round(self.test, self.working, self.number,
                                          self.extra)
        self.seconds = (time.monotonic() - start) / nrounds
        self.error = Runs(self.rows).error(self.test.name, "pcmalloc", "time")

    def wants_more(self, seconds):
        return self.number < MOST_ROUNDS and self.seconds < seconds and \
            self.error is not None


def series_rows(path, test, allocator):
    """The lines of a series file, thinned out."""
    with open(path, encoding="ascii") as file:
        points = [[float(word) for word in line.split()[:3]]
                  for line in file if line.strip()]
    step = len(points) // SERIES_POINTS + 1
    return [{"test": test, "allocator": allocator, "seconds": seconds,
             "rss_kib": rss, "live_kib": live}
            for seconds, rss, live in points[::step]]


def strace_counts(path):
    """Of strace -c: columns % time, seconds, usecs/call, calls, errors, name."""
    with open(path, encoding="ascii") as file:
        lines = re.findall(
            r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", file.read(),
            re.MULTILINE)
    calls = {name: int(count) for count, name in lines if name != "total"}
    return {"all": sum(calls.values()),
            **{name: calls.get(name, 0) for name in STRACE_CALLS}}


def print_head(allocators):
    print(f"\n{'':34}" + "".join(f"{a.name:>13}" for a in allocators) +
          f"{'ratio':>8}   (pcmalloc to best peer)")


def print_test(name, runs, allocators):
    """Two lines, as the test is done: seconds and peak memory."""
    nrounds = max((int(row["round"]) for row in runs.rows), default=0)
    lines = ((f"{name:22.22} {f's ({nrounds}x)':>11}", "time", 1, 3),
             (f"{'MiB':>34}", "peak_kib", 1024, 1))
    for start, metric, unit, digits in lines:
        cells = [runs.median(name, a.name, metric) for a in allocators]
        print(start + "".join(f"{'-':>13}" if c is None else
                              f"{c / unit:13.{digits}f}" for c in cells) +
              f"{text(runs.ratio(name, 'pcmalloc', metric)):>8}", flush=True)


def print_summary(rows):
    """Ratios of every test, geometric means, limits."""
    runs = Runs(rows["pattern"] + rows["program"])
    print("\npcmalloc over the best peer   time  memory      without rseq   "
          "time  memory")
    for test in runs.tests:
        print(f"  {test:26}" + "".join(
            f"{text(runs.ratio(test, allocator, metric)):>{width}}"
            for allocator, metric, width in (
                ("pcmalloc", "time", 6), ("pcmalloc", "peak_kib", 8),
                ("pcmalloc-off", "time", 25), ("pcmalloc-off", "peak_kib", 8))))
    print_means(rows)
    over = results.over_limits(runs)
    print("\nover the limits:" if over else "\nno test is over the limits")
    for _, line in over:
        print("  " + line)


def print_means(rows):
    sets = {"patterns": Runs(rows["pattern"]),
            "programs": Runs(rows["program"]),
            "all": Runs(rows["pattern"] + rows["program"])}
    print("\ngeometric means of the ratios to the best peer: time, memory")
    print(f"{'':16}" + "".join(f"{name:>16}" for name in sets))
    for allocator in ALLOCATORS:
        print(f"  {allocator:14}" + "".join(
            f"{text(runs.geomean(allocator, 'time')):>10}"
            f"{text(runs.geomean(allocator, 'peak_kib')):>6}"
            for runs in sets.values()))


def text(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def list_tests(tests):
    for test in tests:
        why = test.missing()
        print(f"{test.name:24} {test.what}" +
              (f"  ({why}: left out)" if why else ""))


def main():
    start = time.monotonic()
    args = options()
    suite = Suite(args)
    every = every_test(suite.place, args.patterns)
    if args.list:
        return list_tests(every)
    tests, skipped = present(choose(every, args.only))
    suite.measure(tests)
    suite.save_machine(tests, skipped)
    suite.save("tests", [{"test": t.name, "what": t.what} for t in tests],
               ("test", "what"))
    suite.save("patterns", suite.rows["pattern"])
    suite.save("programs", suite.rows["program"])
    suite.save("series", suite.series(
        [t for t in tests if t.series]), ("test", "allocator"))
    if args.full:
        suite.save("threads", suite.threads(
            [t for t in tests if t.least_threads]))
        suite.save("syscalls", suite.syscalls(tests), ("test", "allocator"))
    print_summary(suite.rows)
    print(f"\n{len(tests)} tests, {time.monotonic() - start:.0f} s")
    for failure in suite.failures:
        print(f"failed: {failure}")
    return 1 if suite.failures else 0


if __name__ == "__main__":
    sys.exit(main())
