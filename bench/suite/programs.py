"""The real programs of the suite: the table at the end.

A Command is one program run to its end; a Server answers a client that runs
on libc's malloc, and its own CPU time, faults and memory are what counts. The
scale is that of the work: 1 takes about half a second on two CPUs.
"""
import os
import shutil
import subprocess

import inputs
from peers import package_of
from place import Server, plain_env

PROGRAMS = inputs.PROGRAMS
PYTHON = "/usr/bin/python3"
ALLOCATORS = ("libjemalloc", "libtcmalloc", "libmimalloc")


def scaled(scale, n):
    return str(max(1, round(n * scale)))


def find(command):
    return command if command.startswith("/") and os.path.exists(command) \
        else shutil.which(command)


def linked_with(command):
    """The allocator library that a program itself is linked with, or None."""
    done = subprocess.run(["ldd", find(command)], capture_output=True,
                          text=True, check=False)
    return next((name for name in ALLOCATORS if name in done.stdout), None)


class Command:
    """A program that runs to its end."""

    kind = "program"
    series = False
    least_threads = None

    def __init__(self, name, what, needs, argv, setup=None, env=None,
                 made_from=(), before=None, output=True):
        self.name = name
        self.what = what
        self.needs = needs.split()
        self.argv = argv        # (data, run directory, scale) -> command
        self.setup = setup      # (data, scale): makes the data directory
        self.env = env or {}
        self.made_from = made_from
        self.before = before    # (data, run directory): not measured
        self.output = output    # it prints the same every time

    def missing(self):
        """Why it cannot run here, or None."""
        lacking = [name for name in self.needs if not find(name)]
        return f"no {' '.join(lacking)}" if lacking else None

    def version(self):
        """Package and version of the program, as far as dpkg knows."""
        path = os.path.realpath(find(self.needs[0]))
        return package_of(path)

    def run(self, place, env, scale, extra=(), prefix=()):
        del extra
        data = place.data(self, scale)
        place.empty_run_dir()
        if self.before:
            self.before(data, place.run_dir)
        argv = self.argv(data, place.run_dir, scale)
        values, out = place.measured(argv, {**self.env, **env}, prefix)
        return values, out if self.output else None


class Redis:
    """redis-server under redis-benchmark; the client does several lists."""

    kind = "program"
    series = False
    least_threads = None
    setup = None
    made_from = ()
    needs = ["redis-server", "redis-benchmark", "redis-cli"]

    def __init__(self, name, what, loads):
        self.name = name
        self.what = what
        self.loads = loads

    missing = Command.missing
    version = Command.version

    def linked(self):
        return linked_with("redis-server")

    def run(self, place, env, scale, extra=(), prefix=()):
        del extra
        place.empty_run_dir()
        server = Server(place, [*prefix, "redis-server", "--port", "0",
                                "--unixsocket", "redis.sock", "--save", "",
                                "--appendonly", "no", "--daemonize", "no"],
                        env, traced=bool(prefix))
        try:
            server.await_ready(lambda: b"PONG" in self.ask(place, "PING"))
            server.check_library(env)
            values = self.load(place, server, scale)
        finally:
            server.stop()
        return values, None

    def ask(self, place, *words):
        done = subprocess.run(["redis-cli", "-s", "redis.sock", *words],
                              cwd=place.run_dir, env=plain_env(),
                              capture_output=True, check=False)
        return done.stdout

    def load(self, place, server, scale):
        wall = 0
        for count, words in self.loads:
            client, _ = place.measured(
                ["redis-benchmark", "-s", "redis.sock", "-q", "-n",
                 scaled(scale, count), *words.split()], {})
            wall += client["wall"]
        values = server.figures(wall)
        self.ask(place, "FLUSHALL")
        for _ in range(5):
            self.ask(place, "SET", "a", "1")
        values["settled_kib"] = server.memory_kib("Rss", "smaps_rollup")
        return values


class Memcached:
    """memcached with two threads under memcached_load."""

    kind = "program"
    series = False
    least_threads = None
    setup = None
    made_from = ()
    needs = ["memcached"]
    name = "memcached"
    what = "memcached, 16 connections, pipelined get, set and delete"

    missing = Command.missing
    version = Command.version

    def run(self, place, env, scale, extra=(), prefix=()):
        del extra
        place.empty_run_dir()
        user = ["-u", "root"] if os.geteuid() == 0 else []
        server = Server(place, [*prefix, "memcached", "-s", "mc.sock", "-t",
                                "2", "-m", "64", *user], env,
                        traced=bool(prefix))
        socket = os.path.join(place.run_dir, "mc.sock")
        try:
            server.await_ready(lambda: os.path.exists(socket))
            server.check_library(env)
            client, out = place.measured(
                [place.tool("memcached_load"), "mc.sock",
                 scaled(scale, 300)], {})
            values = server.figures(client["wall"])
            values["settled_kib"] = server.memory_kib("Rss", "smaps_rollup")
        finally:
            server.stop()
        return values, out


def python(work, count, pymalloc=False):
    names = {"objects": "search trees of objects with dicts",
             "strings": "words split, joined, substituted, counted",
             "json": "documents written and parsed",
             "symbols": "expressions derived and simplified, fractions"}
    how = "Python's own small-object allocator" if pymalloc else \
        "PYTHONMALLOC=malloc"
    return Command(
        f"python-{work}" + ("-pymalloc" if pymalloc else ""),
        f"Python, {how}: {names[work]}", PYTHON,
        lambda data, run, scale: [PYTHON, f"{PROGRAMS}/python_work.py", work,
                                  scaled(scale, count)],
        env={} if pymalloc else {"PYTHONMALLOC": "malloc"})


def make(data, run, compiler):
    return ["make", "-s", "-j2", "-f", f"{data}/Makefile", f"CC={compiler}",
            f"OUT={run}"]


def compile_large(compiler):
    return Command(
        f"{compiler}-large",
        f"make -j2 with {compiler} -O2: two large generated C files",
        f"{compiler} make awk",
        lambda data, run, scale: make(data, run, compiler),
        setup=lambda data, scale: inputs.put_c(data, 2,
                                               int(scaled(scale, 16))))


def compile_tree(compiler):
    return Command(
        f"{compiler}-tree",
        f"make -j2 with {compiler} -O1 -g: a part of this project's tree",
        f"{compiler} make",
        lambda data, run, scale: make(data, run, compiler),
        setup=lambda data, scale: inputs.put_tree(data),
        made_from=("rseq", "percpu", "allocator", "include/pcmalloc"))


def copy_repository(data, run):
    shutil.copytree(f"{data}/repository.git", f"{run}/repository.git")


LISTS = "-r 100000 -d 100 -c 20 -P 32"
TABLE = [
    Redis("redis", "redis-benchmark: set, get, hset one by one",
          [(20000, "-r 100000 -d 100 -c 20 -t set,get,hset")]),
    Redis("redis-pipelined", "redis-benchmark -P 32: set, get, hset, sadd",
          [(150000, LISTS + " -t set,get,hset,sadd")]),
    Redis("redis-lists", "redis-benchmark -P 32: lpush, lpop, lrange",
          [(150000, LISTS + " -t lpush,lpop"),
           (8000, LISTS + " -t lrange_100,lrange_300")]),
    Memcached(),
    python("objects", 28),
    python("strings", 80),
    python("json", 20),
    python("symbols", 500),
    python("objects", 40, pymalloc=True),
    python("json", 22, pymalloc=True),
    compile_large("gcc"),
    compile_tree("gcc"),
    compile_large("clang"),
    compile_tree("clang"),
    Command("sqlite", "sqlite3 in memory: fill, join, group, update, delete",
            "sqlite3 awk",
            lambda data, run, scale: ["sqlite3", "-init", "/dev/null",
                                      ":memory:", f".read {data}/work.sql"],
            setup=lambda data, scale: inputs.put_sql(
                data, int(scaled(scale, 50000)))),
    Command("node", "node: JSON, maps of objects, buffers, zlib", "node",
            lambda data, run, scale: ["node", f"{PROGRAMS}/node_work.js",
                                      scaled(scale, 25)]),
    Command("java", "java -Xint, 32 MiB of heap: zip, direct buffers, threads",
            "java javac",
            lambda data, run, scale: [
                "java", "-Xint", "-Xmx32m", "-XX:+UseSerialGC",
                "-XX:-UsePerfData", f"-Djava.io.tmpdir={run}", "-cp", data,
                "NativeWork", scaled(scale, 20)],
            setup=lambda data, scale: inputs.put_classes(data)),
    Command("git-gc", "git gc of a repository with loose objects, 2 threads",
            "git",
            lambda data, run, scale: ["git", "-C", f"{run}/repository.git",
                                      "-c", "pack.threads=2", "gc", "-q",
                                      "--aggressive", "--prune=now"],
            setup=lambda data, scale: inputs.put_repository(
                data, int(scaled(scale, 200))),
            before=copy_repository),
    Command("ghostscript", "gs renders text, curves, shadings to a bitmap",
            "gs",
            lambda data, run, scale: [
                "gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER",
                "-sDEVICE=png16m", "-r72", f"-sOutputFile={run}/%d.png",
                f"-dPages={scaled(scale, 8)}", f"{PROGRAMS}/page_work.ps"]),
    Command("ghostscript-pdf", "gs writes the same pages as PDF", "gs",
            lambda data, run, scale: [
                "gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER",
                "-sDEVICE=pdfwrite", f"-sOutputFile={run}/out.pdf",
                f"-dPages={scaled(scale, 30)}", f"{PROGRAMS}/page_work.ps"]),
    Command("perl", "perl: words in hashes, lists of lists, substitutions",
            "perl",
            lambda data, run, scale: ["perl", f"{PROGRAMS}/perl_work.pl",
                                      f"{data}/text", scaled(scale, 4)],
            setup=lambda data, scale: inputs.put_text(data, "text", 4000)),
    Command("zstd", "zstd -T2 of a text", "zstd",
            lambda data, run, scale: ["zstd", "-q", "-8", "-T2", "-o",
                                      f"{run}/out.zst", f"{data}/text"],
            setup=lambda data, scale: inputs.put_text(
                data, "text", int(scaled(scale, 120000)))),
    Command("xz", "xz -T2 of a text", "xz",
            lambda data, run, scale: ["xz", "-k", "-c", "-2", "-T2",
                                      "--block-size=1MiB", f"{data}/text"],
            setup=lambda data, scale: inputs.put_text(
                data, "text", int(scaled(scale, 18000)))),
]
