"""`make measure-hugepages`: what thp:auto costs and gains, as the system is set.

For each setting of the system, always, madvise and never (root sets them, and
the one that was set comes back; others measure the one that is set):
	walk	1 GiB of blocks walked at random, and
	live	a process with 5 MiB live, with thp:auto, always, never, and glibc
	peaks	every test of the suite, its peak memory with thp:auto and never
"""
import argparse
import contextlib
import os
import sys

import hugepage_figures as figures
import machine
import results
from peers import Allocator, pcmalloc
from place import numbers, read
from runner import Runner, add_options, choose, every_test, present

SETTING = "/sys/kernel/mm/transparent_hugepage/enabled"
KEYS = ("system", *results.KEYS)
ALL = "walk live peaks"
ROUNDS = {"walk": 7, "live": 15, "peaks": 5}


class Measure:
    """A program of bench/measure as a test of the suite."""

    kind = "pattern"

    def __init__(self, build, name):
        self.name = name
        self.path = os.path.join(os.path.abspath(build), "bench", "measure",
                                 name)

    def run(self, place, env, _scale, extra=(), prefix=()):
        place.empty_run_dir()
        values, out = place.measured([self.path, *extra], env, prefix)
        return {**values, **numbers(out.decode())}, None


def setting_now():
    text = read(SETTING) or "[never]"
    return text[text.index("[") + 1:text.index("]")]


@contextlib.contextmanager
def settings():
    """Yields the settings that can be made; puts back what was there."""
    before = setting_now()
    if not os.access(SETTING, os.W_OK):
        print(f"measure-hugepages: only root sets {SETTING}: {before} alone")
        yield [before]
        return
    try:
        yield figures.SYSTEMS
    finally:
        make_setting(before)


def make_setting(name):
    if setting_now() != name:
        with open(SETTING, "w", encoding="ascii") as file:
            file.write(name)


def rows_of(runner, tests, allocators, nrounds):
    """Round by round, so that what disturbs the machine disturbs all."""
    rows = []
    with settings() as names:
        for number in range(1, nrounds + 1):
            for test in tests:
                for name in names:
                    make_setting(name)
                    rows += [{"system": name, **row} for row in
                             runner.round(test, list(allocators), number)]
            print(f"round {number} of {nrounds}", flush=True)
    return rows


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--out", required=True)
    parser.add_argument("--measures", default=ALL)
    return parser.parse_args()


def command_of(args):
    return " ".join(["make measure-hugepages"] + [
        f"{name.upper()}={value}" for name, value in
        (("measures", args.measures), ("only", args.only),
         ("rounds", args.rounds), ("scale", args.scale))
        if value and value != ALL])


def main():
    args = options()
    runner = Runner(args.build, 0.3 * (args.scale or 1), args.scale or 1)
    so = os.path.join(args.build, "libpcmalloc.so")
    nothing = os.path.join(args.build, "bench", "measure", "libnothing.so")
    # auto is the default: nothing is set for it.
    ours = [pcmalloc(so, "thp:auto"), pcmalloc(so, "thp:always", "thp:always"),
            pcmalloc(so, "thp:never", "thp:never")]
    glibc = Allocator("glibc", (os.path.abspath(nothing),), "", "")
    tests, _ = present(choose(every_test(runner.place, args.patterns),
                              args.only))
    for name in args.measures.split():
        chosen, allocators = [Measure(args.build, name)], ours + [glibc]
        if name == "peaks":
            chosen, allocators = tests, [ours[0], ours[2]]
        rows = rows_of(runner, chosen, allocators,
                       args.rounds or ROUNDS[name])
        path = os.path.join(args.out, f"hugepages-{name}.csv")
        results.write_csv(path, machine.origin(command_of(args)), rows, KEYS)
        print(figures.FIGURES[f"hugepages-{name}"](args.out))
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
