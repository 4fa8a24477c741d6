"""The measures of pcmalloc against other allocators; measure.sh starts it.

Every measure runs all allocators in turns, round by round, so that what
disturbs the machine disturbs all of them. A table with medians and the spread
goes to stdout, every single run to a CSV file.
"""
import argparse
import collections
import datetime
import glob
import os
import platform
import random
import re
import statistics
import subprocess
import sys

KIB_PER_MIB = 1024
RUN_LIMIT_SECONDS = 120
SYSCALL_TURNS = (2000, 12000)
# What the waiting threads and not the allocator call.
WAITING_CALLS = {"sched_yield"}

Variant = collections.namedtuple("Variant", "name env note")
Metric = collections.namedtuple("Metric", "name title digits")


def library(pattern):
    """The first shared library that fits, or None."""
    found = []
    for folder in ("/usr/lib/*/", "/usr/lib/", "/usr/lib64/", "/lib/*/",
                   "/usr/local/lib/"):
        found += sorted(glob.glob(folder + pattern))
    return found[0] if found else None


def package_of(path):
    """Package and version that a file belongs to, as far as dpkg knows."""
    try:
        owner = subprocess.run(["dpkg", "-S", path], capture_output=True,
                               text=True, check=True).stdout.split(":")[0]
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", owner],
            capture_output=True, text=True, check=True).stdout
        return f"{owner} {version}"
    except (OSError, subprocess.CalledProcessError):
        return os.path.basename(os.path.realpath(path))


def find_variants(so):
    """The allocators that this machine has, pcmalloc first."""
    libc = " ".join(platform.libc_ver())
    variants = [
        Variant("pcmalloc", {"LD_PRELOAD": so}, "rseq"),
        Variant("pcmalloc-off", {"LD_PRELOAD": so,
                                 "PCMALLOC_CONF": "rseq:off"}, "rseq:off"),
        Variant("glibc", {}, libc),
    ]
    if not os.path.exists(so):
        print(f"measure: {so} is missing: pcmalloc is left out")
        variants = variants[2:]
    for name, pattern in (("jemalloc", "libjemalloc.so.2"),
                          ("mimalloc", "libmimalloc.so.2*"),
                          ("tcmalloc", "libtcmalloc_minimal.so.4")):
        path = library(pattern)
        if path:
            variants.append(Variant(name, {"LD_PRELOAD": path},
                                    package_of(path)))
        else:
            print(f"measure: no {pattern} here: {name} is left out")
    return variants


class Bench:
    """Where things are, and how one program is run once."""

    def __init__(self, args):
        self.dir = os.path.join(args.build, "bench", "measure")
        self.so = args.so
        self.out = args.out
        self.rounds = args.rounds
        self.failures = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, variant, argv):
        """One run: {metric: value}, or None if it failed."""
        env = [f"{key}={value}" for key, value in variant.env.items()]
        command = [self.path("child")] + env + argv
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=RUN_LIMIT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return self.fail(variant, argv, "took too long")
        values = {}
        for line in done.stdout.splitlines():
            words = line.split()
            if len(words) == 2 and re.fullmatch(r"-?[\d.]+", words[1]):
                values[words[0]] = float(words[1])
        if done.returncode != 0 or values.pop("status", 1) != 0:
            return self.fail(variant, argv, done.stderr.strip()[-300:])
        return values

    def fail(self, variant, argv, why):
        self.failures += 1
        name = os.path.basename(argv[0])
        print(f"measure: {name} failed on {variant.name}: {why}")

    def interleave(self, variants, argv, nrounds):
        """Rows of (round, variant name, values), failed runs left out."""
        rows = []
        order = list(variants)
        rng = random.Random(1)
        for number in range(1, (self.rounds or nrounds) + 1):
            rng.shuffle(order)
            for variant in order:
                values = self.run(variant, argv)
                if values is not None:
                    rows.append((number, variant.name, values))
        return rows


def header(variants):
    """What every CSV file says about its origin."""
    def git(*words):
        try:
            done = subprocess.run(["git", *words], capture_output=True,
                                  text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip()

    cpu = "unknown CPU"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                cpu = line.split(":")[1].strip()
                break
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    thp = "unknown"
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled",
                  encoding="ascii") as file:
            thp = re.search(r"\[(\w+)\]", file.read()).group(1)
    except OSError:
        pass
    revision = git("rev-parse", "--short", "HEAD") or "none"
    if git("status", "--porcelain", "--", ":!docs/results"):
        revision += " and changes"
    today = datetime.datetime.now(datetime.timezone.utc)
    allocators = "; ".join(f"{v.name}: {v.note}" for v in variants)
    return [
        f"machine: {cpu}, {len(os.sched_getaffinity(0))} CPUs, "
        f"{memory} MiB, {platform.machine()}, THP {thp}",
        f"kernel: {platform.release()}, {platform.libc_ver()[0]} "
        f"{platform.libc_ver()[1]}",
        f"date: {today:%Y-%m-%d %H:%M} UTC",
        f"revision: {revision}",
        f"command: {os.environ.get('MEASURE_COMMAND', 'make measure')}",
        f"allocators: {allocators}",
    ]


def write_csv(bench, name, variants, rows):
    columns = sorted({key for _, _, values in rows for key in values})
    path = os.path.join(bench.out, f"{name}.csv")
    os.makedirs(bench.out, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        for line in header(variants):
            file.write(f"# {line}\n")
        file.write(",".join(["round", "allocator"] + columns) + "\n")
        for number, variant, values in rows:
            cells = [f"{values[c]:.6g}" if c in values else ""
                     for c in columns]
            file.write(",".join([str(number), variant] + cells) + "\n")


def series(rows, variant, metric):
    return [values[metric] for _, name, values in rows
            if name == variant and metric in values]


def median(rows, variant, metric):
    values = series(rows, variant, metric)
    return statistics.median(values) if values else None


def spread(values, digits):
    if not values:
        return "-"
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}..{max(values):.{digits}f})")


def print_table(title, variants, rows, metrics):
    """One line an allocator: the median and (least..most) of each metric."""
    lines = [["allocator"] + [m.title for m in metrics]]
    for variant in variants:
        lines.append([variant.name] +
                     [spread(series(rows, variant.name, m.name), m.digits)
                      for m in metrics])
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(lines[0]))]
    print(f"\n{title}: median (least..most)")
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in
                               zip(line, widths)).rstrip())


def verdict(what, value, limit, digits=2):
    """One line that says whether a limit is kept."""
    if value is None or limit is None:
        print(f"  {what}: not measured")
        return
    word = "met" if value <= limit else "MISSED"
    print(f"  {what}: {value:.{digits}f} (at most {limit:.{digits}f}): {word}")


def add_ratio(rows, base, metric, name):
    """Each value over the base's value of the same round."""
    per_round = {number: values[metric] for number, variant, values in rows
                 if variant == base}
    for number, _, values in rows:
        if number in per_round:
            values[name] = values[metric] / per_round[number]
            values["above"] = values[metric] - per_round[number]


def measure_pair(bench, variants):
    empty = Variant("empty", {"LD_PRELOAD": bench.path("libempty.so")},
                    "functions that do nothing")
    variants = [empty] + variants
    rows = bench.interleave(variants, [bench.path("pair")], 15)
    add_ratio(rows, "empty", "ns_per_pair", "ratio")
    write_csv(bench, "pair", variants, rows)
    print_table("pair: malloc + free of 32 bytes", variants, rows, [
        Metric("ns_per_pair", "ns a pair", 2),
        Metric("ratio", "over empty", 2),
        Metric("above", "ns above empty", 2),
        Metric("ns_least", "fastest sample", 2)])
    verdict("pcmalloc over empty", median(rows, "pcmalloc", "ratio"), 1.45)
    verdict("pcmalloc rseq:off over empty",
            median(rows, "pcmalloc-off", "ratio"), 3)


def measure_threads256(bench, variants):
    rows = bench.interleave(variants, [bench.path("threads256")], 5)
    for _, _, values in rows:
        for name in ("peak", "settled"):
            values[f"{name}_mib"] = values[f"{name}_kib"] / KIB_PER_MIB
    write_csv(bench, "threads256", variants, rows)
    print_table("threads256: 256 threads on 2 CPUs", variants, rows, [
        Metric("peak_mib", "peak MiB", 1), Metric("settled_mib", "at end", 1),
        Metric("seconds", "seconds", 2), Metric("cpu", "CPU seconds", 2)])
    theirs = median(rows, "jemalloc", "peak_mib")
    verdict("peak MiB against a fifth of jemalloc's",
            median(rows, "pcmalloc", "peak_mib"), theirs and theirs / 5, 1)
    verdict("seconds against jemalloc's", median(rows, "pcmalloc", "seconds"),
            median(rows, "jemalloc", "seconds"))


def measure_trivial(bench, variants):
    empty = Variant("glibc-preload",
                    {"LD_PRELOAD": bench.path("libnothing.so")},
                    "glibc and an empty preloaded library")
    variants = variants + [empty]
    python = ["/usr/bin/python3", "-c", "pass"]
    for name, argv in (("trivial-c", [bench.path("trivial")]),
                       ("trivial-python", python)):
        if not os.path.exists(argv[0]):
            print(f"measure: no {argv[0]}: {name} is left out")
            continue
        rows = bench.interleave(variants, argv, 21)
        write_csv(bench, name, variants, rows)
        print_table(f"{name}: {' '.join(os.path.basename(a) for a in argv)}",
                    variants, rows, [
                        Metric("peak_kib", "peak KiB", 0),
                        Metric("settled_kib", "at end", 0),
                        Metric("wall", "seconds", 4)])
        verdicts_trivial(rows)


def verdicts_trivial(rows):
    for base in ("glibc", "glibc-preload"):
        for metric in ("peak_kib", "settled_kib"):
            ours = median(rows, "pcmalloc", metric)
            theirs = median(rows, base, metric)
            if ours is not None and theirs is not None:
                verdict(f"MiB above {base} ({metric[:-4]})",
                        (ours - theirs) / KIB_PER_MIB, 0.7)


def count_syscalls(bench, variant, turns):
    """Calls by name of one run of inturns under strace, or None."""
    report = os.path.join(bench.out, ".strace")
    command = ["strace", "-f", "-c", "-o", report]
    for key, value in variant.env.items():
        command += ["-E", f"{key}={value}"]
    command += [bench.path("inturns"), str(turns)]
    try:
        subprocess.run(command, check=True, capture_output=True,
                       timeout=RUN_LIMIT_SECONDS)
        with open(report, encoding="ascii") as file:
            text = file.read()
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        if os.path.exists(report):
            os.unlink(report)
    # Columns: % time, seconds, usecs/call, calls, [errors,] name.
    lines = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$",
                       text, re.MULTILINE)
    return {name: int(calls) for calls, name in lines if name != "total"}


def syscall_rows(bench, variants):
    """Calls in 1000 blocks: the difference between a long and a short run."""
    rows = []
    nblocks = 2 * (SYSCALL_TURNS[1] - SYSCALL_TURNS[0])
    for number in range(1, 4):
        for variant in variants:
            short, long = (count_syscalls(bench, variant, turns)
                           for turns in SYSCALL_TURNS)
            if short is None or long is None:
                return None
            values = {name: max(0, long[name] - short.get(name, 0)) * 1000 /
                      nblocks for name in long if name not in WAITING_CALLS}
            values["all"] = sum(values.values())
            rows.append((number, variant.name, values))
    return rows


def measure_inturns(bench, variants):
    rows = bench.interleave(variants, [bench.path("inturns")], 5)
    write_csv(bench, "inturns", variants, rows)
    print_table("inturns: 34 KiB and 168 KiB blocks in turns", variants, rows,
                [Metric("ns_per_block", "ns a block", 0),
                 Metric("cpu", "CPU seconds", 2),
                 Metric("peak_kib", "peak KiB", 0)])
    rows = syscall_rows(bench, variants)
    if rows is None:
        print("  system calls: not counted, strace does not work here")
        return
    write_csv(bench, "inturns-syscalls", variants, rows)
    names = sorted({name for _, _, values in rows for name in values
                    if values[name] >= 0.05} - {"all"})
    print_table("inturns: system calls in 1000 blocks", variants, rows,
                [Metric(name, name, 1) for name in ["all"] + names])
    verdict("pcmalloc, system calls in 1000 blocks",
            median(rows, "pcmalloc", "all"), 1)


def measure_xmalloc(bench, variants):
    rows = bench.interleave(variants, [bench.path("xmalloc")], 9)
    write_csv(bench, "xmalloc", variants, rows)
    print_table("xmalloc: one thread allocates 64 bytes, another frees",
                variants, rows, [
                    Metric("mblocks_per_s", "million blocks/s", 1),
                    Metric("cpu", "CPU seconds", 2),
                    Metric("peak_kib", "peak KiB", 0)])
    verdict("seconds against jemalloc's", median(rows, "pcmalloc", "seconds"),
            median(rows, "jemalloc", "seconds"))


MEASURES = {
    "pair": measure_pair,
    "threads256": measure_threads256,
    "trivial": measure_trivial,
    "inturns": measure_inturns,
    "xmalloc": measure_xmalloc,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE",
                        help=f"of {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--build", required=True)
    parser.add_argument("--so", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=0)
    args = parser.parse_args()
    unknown = set(args.measures) - set(MEASURES)
    if unknown:
        parser.error(f"no such measure: {' '.join(sorted(unknown))}")
    bench = Bench(args)
    variants = find_variants(args.so)
    for line in header(variants):
        print(line)
    for name in args.measures or MEASURES:
        MEASURES[name](bench, variants)
    print(f"\nsingle runs: {os.path.relpath(bench.out)}/*.csv")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
