"""The micro-benchmarks on all allocators in turns; `make bench-micro`.

In each round every family of benchmarks (the part of the name before the first
slash) runs on all allocators, in an order that is drawn anew, before the next
family does. For each allocator google-benchmark's JSON goes to a file, the runs
of all rounds one after the other; the table has medians, and a CSV file every
single run.
"""
import argparse
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "measure"))
# pylint: disable=wrong-import-position
from measure import find_variants, header, median, write_csv  # noqa: E402

LIMIT_SECONDS = 600


class Micro:
    """The program, how it is run, and what it said."""

    def __init__(self, args):
        self.args = args
        self.program = os.path.join(args.build, "bench", "micro", "micro")
        self.out = args.out
        self.reports = {}
        self.failures = 0

    def variants(self):
        """The allocators; glibc has a library preloaded as the others do."""
        nothing = os.path.join(self.args.build, "bench", "measure",
                               "libnothing.so")
        return [v._replace(env={"LD_PRELOAD": nothing}) if v.name == "glibc"
                else v for v in find_variants(self.args.so)]

    def command(self, pattern, *more):
        return [self.program, f"--benchmark_filter={pattern}", *more]

    def families(self):
        listed = subprocess.run(
            self.command(self.args.filter, "--benchmark_list_tests=true"),
            check=True, capture_output=True, text=True).stdout.split()
        names = {}
        for name in listed:
            names.setdefault(name.split("/")[0], []).append(name)
        return names

    def run(self, variant, names):
        """{benchmark: nanoseconds} of these, or None."""
        pattern = "^(" + "|".join(names) + ")$"
        command = self.command(pattern, "--benchmark_format=json",
                               f"--benchmark_min_time={self.args.min_time}")
        try:
            said = subprocess.run(command, env={**os.environ, **variant.env},
                                  check=True, capture_output=True,
                                  timeout=LIMIT_SECONDS).stdout
            report = json.loads(said)
        except (subprocess.SubprocessError, ValueError) as error:
            self.failures += 1
            print(f"micro: {names[0]} failed on {variant.name}: {error}")
            return None
        kept = self.reports.setdefault(variant.name, report)
        if kept is not report:
            kept["benchmarks"] += report["benchmarks"]
        return values_of(report["benchmarks"])

    def write_reports(self):
        folder = os.path.join(self.args.build, "bench", "micro", "json")
        os.makedirs(folder, exist_ok=True)
        for name, report in self.reports.items():
            with open(os.path.join(folder, f"{name}.json"), "w",
                      encoding="utf-8") as file:
                json.dump(report, file, indent=1)
        return folder


def values_of(benchmarks):
    """Time of an item: the CPU's, but wall time where threads take part."""
    values = {}
    for found in benchmarks:
        if "cpu_time" not in found:
            continue
        wall = "/real_time" in found["name"]
        nanoseconds = found["real_time" if wall else "cpu_time"]
        if found.get("items_per_second"):
            nanoseconds = 1e9 / found["items_per_second"]
        values[found["name"].replace("/real_time", "")] = nanoseconds
    return values


def run_rounds(micro, variants):
    """Rows of (round, allocator, values)."""
    families = micro.families()
    rng = random.Random(1)
    rows = []
    for number in range(1, micro.args.rounds + 1):
        values = {v.name: {} for v in variants}
        for names in families.values():
            for variant in rng.sample(variants, len(variants)):
                values[variant.name].update(micro.run(variant, names) or {})
        rows += [(number, v.name, values[v.name]) for v in variants]
    return rows


def print_table(variants, rows):
    names = list(dict.fromkeys(name for _, _, values in rows
                               for name in values))
    width = max(map(len, names), default=0)
    print("\nmicro: median nanoseconds of an item (threads: of all together)")
    print("  " + " " * width + "".join(f"{v.name:>14}" for v in variants))
    for name in names:
        cells = [median(rows, v.name, name) for v in variants]
        print(f"  {name:{width}}" + "".join(
            f"{'-':>14}" if c is None else f"{c:14.1f}" for c in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--so", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--min-time", type=float, default=0.02)
    parser.add_argument("--filter", default=".")
    micro = Micro(parser.parse_args())
    os.environ.setdefault("MEASURE_COMMAND", "make bench-micro")
    variants = micro.variants()
    for line in header(variants):
        print(line)
    rows = run_rounds(micro, variants)
    write_csv(micro, "micro", variants, rows)
    print_table(variants, rows)
    print(f"\nsingle runs: {os.path.relpath(micro.out)}/micro.csv; reports: "
          f"{os.path.relpath(micro.write_reports())}/*.json")
    return 1 if micro.failures else 0


if __name__ == "__main__":
    sys.exit(main())
