"""Where the suite keeps things, and how it runs one command on an allocator.

Everything is under build/bench/suite: data/TEST-SCALE is made once and only
read by the runs; work.PID/run, where they run, is emptied before each of them.
"""
import atexit
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
KEEP_FROM_ENVIRONMENT = ("PATH", "TZ")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SUITE = os.path.join(ROOT, "bench", "suite")


class Failed(Exception):
    """A run that gave no figures; says why."""


def plain_env():
    """Nothing of the caller's that could change what a program does."""
    env = {name: os.environ[name] for name in KEEP_FROM_ENVIRONMENT
           if name in os.environ}
    env.update(LC_ALL="C", HOME="/nonexistent", PYTHONHASHSEED="0",
               PYTHONDONTWRITEBYTECODE="1", GIT_CONFIG_NOSYSTEM="1")
    return env


def numbers(text):
    """The lines "name number" of a text."""
    found = re.findall(r"^(\w+) (-?[\d.]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def kill_group(process):
    """Ends what a process started with start_new_session has left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Place:
    """The folders of the suite in a build directory."""

    def __init__(self, build, limit_seconds=120):
        self.build = os.path.abspath(build)
        self.dir = os.path.join(self.build, "bench", "suite")
        self.work = os.path.join(self.dir, f"work.{os.getpid()}")
        self.run_dir = os.path.join(self.work, "run")
        self.limit_seconds = limit_seconds
        self.made = set()
        os.makedirs(self.work, exist_ok=True)
        atexit.register(shutil.rmtree, self.work, ignore_errors=True)

    def tool(self, name):
        return os.path.join(self.dir, name)

    def pattern(self, name):
        return os.path.join(self.build, "bench", "patterns", name)

    def empty_run_dir(self):
        shutil.rmtree(self.run_dir, ignore_errors=True)
        os.makedirs(self.run_dir)

    def fresh_copy(self, library):
        """A copy that lies on other pages of memory than the last one: which
        they are can decide about the speed of all that runs on it."""
        folder = os.path.join(self.work, "libraries")
        os.makedirs(folder, exist_ok=True)
        copy = os.path.join(folder, os.path.basename(library))
        if os.path.exists(copy):
            os.remove(copy)
        return shutil.copy(library, copy)

    def data(self, program, scale):
        """The program's data directory, made if it is not there yet."""
        if not program.setup:
            return None
        path = os.path.join(self.dir, "data", f"{program.name}-{scale:g}")
        if path in self.made:
            return path
        stamp = os.path.join(path, ".made-by")
        made_by = sources_hash(program)
        if read(stamp) != made_by:
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            program.setup(path, scale)
            write(stamp, made_by)
        self.made.add(path)
        return path

    def measured(self, argv, env, prefix=()):
        """One command under runone: (figures, what it printed).

        prefix: a command that runs it, such as strace.
        """
        report = os.path.join(self.work, "report")
        out = os.path.join(self.work, "out")
        if os.path.exists(report):
            os.unlink(report)
        command = [self.tool("runone"), report]
        command += [f"{k}={v}" for k, v in env.items()]
        command += [*prefix, *argv]
        with open(out, "wb") as stdout, \
                open(out + ".err", "wb") as stderr, \
                subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                 stdout=stdout, stderr=stderr,
                                 cwd=self.run_dir, env=plain_env(),
                                 start_new_session=True) as process:
            try:
                process.wait(self.limit_seconds)
            except subprocess.TimeoutExpired:
                raise Failed(f"took over {self.limit_seconds} s") from None
            finally:
                kill_group(process)
        values = numbers(read(report) or "")
        if values.pop("status", 1) != 0:
            raise Failed(f"failed: {(read(out + '.err') or '').strip()[-300:]}")
        values["cpu"] = values["user"] + values["sys"]
        values["time"] = values["wall"]
        return values, read_bytes(out)


class Server:
    """A server on an allocator: started, watched through /proc, stopped."""

    def __init__(self, place, argv, env, traced=False):
        self.traced = traced
        self.log = os.path.join(place.work, "server.log")
        with open(self.log, "wb") as log:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=place.run_dir, env={**plain_env(), **env},
                start_new_session=True)

    @property
    def pid(self):
        """The server's own; strace, where there is one, is its parent."""
        pid = self.process.pid
        if self.traced:
            children = read(f"/proc/{pid}/task/{pid}/children") or ""
            return int((children.split() or [pid])[0])
        return pid

    def proc(self, name):
        text = read(f"/proc/{self.pid}/{name}")
        if not text:
            raise Failed(f"the server ended: {read(self.log)[-300:]}")
        return text

    def await_ready(self, ready, seconds=20):
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise Failed(f"the server ended: {read(self.log)[-300:]}")
            if time.monotonic() > end:
                raise Failed("the server does not answer")
            time.sleep(0.02)

    def check_library(self, env):
        """Fails unless what is to be preloaded is in the process."""
        maps = self.proc("maps")
        for path in env["LD_PRELOAD"].split(":"):
            if os.path.basename(os.path.realpath(path)) not in maps:
                raise Failed(f"the server runs without {path}")

    def used(self):
        """CPU time and faults up to now."""
        fields = self.proc("stat").rpartition(")")[2].split()
        return {"minor": float(fields[7]), "major": float(fields[9]),
                "user": int(fields[11]) / TICKS,
                "sys": int(fields[12]) / TICKS}

    def memory_kib(self, name, file="status"):
        found = re.search(rf"^{name}:\s+(\d+) kB", self.proc(file),
                          re.MULTILINE)
        return float(found.group(1))

    def figures(self, seconds):
        """What it took up to now, for a client that took so long."""
        values = self.used()
        values.update(time=seconds, wall=seconds,
                      cpu=values["user"] + values["sys"],
                      peak_kib=self.memory_kib("VmHWM"))
        return values

    def stop(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
            self.process.wait(3)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        kill_group(self.process)


def read(path):
    data = read_bytes(path)
    return None if data is None else data.decode(errors="replace")


def read_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sources_hash(program):
    """Of what a program's data is made by, and made from."""
    digest = hashlib.sha256(program.name.encode())
    names = [os.path.join(SUITE, name) for name in ("programs.py", "inputs.py")]
    folders = [os.path.join(SUITE, "programs")]
    folders += [os.path.join(ROOT, name) for name in program.made_from]
    for folder in folders:
        names += sorted(glob.glob(os.path.join(folder, "*")))
    for name in names:
        digest.update(read_bytes(name) or b"")
    return digest.hexdigest()
