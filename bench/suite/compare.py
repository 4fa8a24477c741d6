"""`make bench-compare BASE=rev`: is anything slower or bigger than it was?

The library of an older revision and that of the tree run in pairs, first one,
then the other. A test is suspected when Wilcoxon's signed-rank test over the
pairs says so and the median pair differs by more than EFFECT; suspects run
again, twice as often, and only what shows both times is reported. Exit status:
0 nothing is slower or bigger, 1 something is or a test failed, 2 no comparison.
"""
import argparse
import fractions
import math
import os
import shutil
import statistics
import subprocess
import sys

from peers import pcmalloc
from place import ROOT
from runner import Runner, add_options, choose, every_test, present

EFFECT = 0.02
# Resident memory is counted per CPU and added up now and then.
LEAST_KIB = 64
SUSPECT_P = 0.05
CERTAIN_P = 0.01
ROUNDS = 12
METRICS = {"time": "slower", "peak_kib": "bigger"}
PROGRAMS = ("redis-pipelined redis-lists python-objects python-strings "
            "gcc-large sqlite git-gc")


def stop(why):
    print(f"bench-compare: {why}", file=sys.stderr)
    sys.exit(2)


def call(argv, **how):
    done = subprocess.run(argv, capture_output=True, check=False, **how)
    if done.returncode != 0:
        stop(f"{' '.join(argv)}: {done.stderr.decode()[-500:].strip()}")
    return done.stdout


def build_base(revision, folder):
    """The library of a revision, built in a copy of its tree."""
    tree = os.path.join(folder, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    archive = call(["git", "archive", revision], cwd=ROOT)
    call(["tar", "-x", "-C", tree], input=archive)
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("MAKE", "MFLAGS"))}
    call(["make", "-j2", "B=build", "build/libpcmalloc.so"], cwd=tree, env=env)
    built = place_library(os.path.join(tree, "build", "libpcmalloc.so"),
                          folder, "base")
    shutil.rmtree(tree)
    return built


def place_library(path, folder, name):
    """A copy that stays when the tree is built anew. Both have one name, and
    Place.fresh_copy() one path for it: the length of the environment moves a
    program's stack, and with it its speed."""
    place = os.path.join(folder, name)
    os.makedirs(place, exist_ok=True)
    return shutil.copy(path, os.path.join(place, "libpcmalloc.so"))


def signed_rank_p(differences):
    """One-sided p of Wilcoxon's signed-rank test, exact: how likely is it that
    the positive ones weigh so much, if it is all chance?"""
    rest = sorted((d for d in differences if d != 0), key=abs)
    if not rest:
        return 1.0
    ranks = doubled_ranks([abs(d) for d in rest])
    weight = sum(rank for rank, d in zip(ranks, rest) if d > 0)
    # ways[s]: in how many of the 2^n choices of signs the sum is s
    ways = [1] + [0] * sum(ranks)
    for rank in ranks:
        for s in range(len(ways) - 1, rank - 1, -1):
            ways[s] += ways[s - rank]
    return float(fractions.Fraction(sum(ways[weight:]), 2 ** len(rest)))


def doubled_ranks(ordered):
    """Twice the ranks, so that those of ties are whole numbers."""
    return [ordered.index(value) + 1 +
            len(ordered) - ordered[::-1].index(value) for value in ordered]


class Finding:
    """One test and one metric: the pairs, and what they say."""

    def __init__(self, test, metric, rows):
        self.test = test
        self.metric = metric
        found = {(row["round"], row["allocator"]): row[metric]
                 for row in rows}
        self.pairs = [(found[number, "base"], found[number, "tree"])
                      for number in sorted({row["round"] for row in rows})
                      if (number, "base") in found and
                      (number, "tree") in found]
        logs = [math.log(new / old) for old, new in self.pairs]
        self.change = math.exp(statistics.median(logs)) - 1 if logs else 0
        self.p_worse = signed_rank_p(logs)
        self.p_better = signed_rank_p([-d for d in logs])

    def medians(self):
        return [statistics.median(values) for values in zip(*self.pairs)]

    def matters(self):
        if not self.pairs or abs(self.change) <= EFFECT:
            return False
        old, new = self.medians()
        return self.metric != "peak_kib" or abs(new - old) > LEAST_KIB

    def worse(self, p):
        return self.matters() and self.change > 0 and self.p_worse < p

    def better(self, p):
        return self.matters() and self.change < 0 and self.p_better < p

    def line(self, word):
        if not self.pairs:
            return f"{self.test:24} {self.metric:9} not compared"
        old, new = self.medians()
        digits = 3 if self.metric == "time" else 0
        return (f"{self.test:24} {self.metric:9} {old:11.{digits}f} "
                f"{new:11.{digits}f} {100 * self.change:+7.1f} % "
                f"{min(self.p_worse, self.p_better):8.4f}  {word}").rstrip()


def pairs_of(runner, test, libraries, nrounds):
    rows = []
    working = list(libraries)
    for number in range(1, nrounds + 1):
        rows += runner.round(test, working, number)
    return [Finding(test.name, metric, rows) for metric in METRICS]


def word_of(finding):
    if finding.worse(SUSPECT_P):
        return METRICS[finding.metric] + "?"
    if finding.better(CERTAIN_P):
        return {"time": "faster", "peak_kib": "smaller"}[finding.metric]
    return ""


def compare(runner, tests, libraries, nrounds):
    """Prints every test; the findings that showed twice."""
    print(f"{'':24} {'':9} {'base':>11} {'tree':>11} {'change':>9} {'p':>8}")
    suspects = {}
    for test in tests:
        for finding in pairs_of(runner, test, libraries, nrounds):
            print(finding.line(word_of(finding)), flush=True)
            if finding.worse(SUSPECT_P):
                suspects.setdefault(test, []).append(finding.metric)
    certain = []
    if suspects:
        print("once more, twice as often:")
    for test, metrics in suspects.items():
        for finding in pairs_of(runner, test, libraries, 2 * nrounds):
            if finding.metric in metrics:
                sure = finding.worse(CERTAIN_P)
                print(finding.line(METRICS[finding.metric].upper() if sure
                                   else "by chance"), flush=True)
                certain += [finding] if sure else []
    return certain


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument("--base", help="revision")
    base.add_argument("--base-so", help="a library instead of a revision")
    parser.add_argument("--tree-so", help="another library than the tree's")
    return parser.parse_args()


def main():
    args = options()
    runner = Runner(args.build, 0.2 * (args.scale or 1), args.scale or 1)
    every = every_test(runner.place, args.patterns)
    chosen = choose(every, args.only) if args.only else \
        [t for t in every if t.kind == "pattern"] + choose(every, PROGRAMS)
    tests, _ = present(chosen)
    folder = os.path.join(runner.place.build, "bench", "compare")
    base = place_library(args.base_so, folder, "base") if args.base_so else \
        build_base(args.base, folder)
    tree = place_library(args.tree_so or os.path.join(
        args.build, "libpcmalloc.so"), folder, "tree")
    certain = compare(runner, tests,
                      [pcmalloc(base, "base"), pcmalloc(tree, "tree")],
                      args.rounds or ROUNDS)
    for finding in certain:
        print(f"{METRICS[finding.metric]} than {args.base or args.base_so}: "
              f"{finding.test}, {100 * finding.change:+.1f} %")
    if not certain:
        print("nothing is slower or bigger")
    for failure in runner.failures:
        print(f"failed: {failure}")
    return 1 if certain or runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
