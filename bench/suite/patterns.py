"""The pattern programs of bench/patterns as tests of the suite.

A program that has modes is a test for each of them; what a test does is said
by the opening comment of its source. The table says what is to be done with a
program besides running it; one that is not in it is only run.
"""
import os
import re

from place import Failed, ROOT, numbers, read

SOURCES = os.path.join(ROOT, "bench", "patterns")
# "series": memory over time is drawn; a number: it runs with any number of
# threads from that on.
TABLE = {
    "server": {1},
    "runs": {1},
    "runs_mixed": {1},
    "cross_free": {2},
    "trees": {1},
    "thread_turns": {1},
    "phases": {"series"},
    "eviction": {"series"},
    "drift": {"series"},
}
THREADS = (1, 2, 4, 8, 16)


class Pattern:
    """One test: a pattern program with one set of keys."""

    kind = "pattern"

    def __init__(self, place, program, mode=None):
        self.program = program
        self.mode = mode
        self.name = program + (f"-{mode.replace(':', '-')}" if mode else "")
        self.path = place.pattern(program)
        marks = TABLE.get(program, set())
        self.series = "series" in marks
        self.least_threads = min(marks - {"series"}, default=None)

    @property
    def what(self):
        text = first_sentence(self.program)
        return f"{text} ({self.mode})" if self.mode else text

    def missing(self):
        """Why it cannot run here, or None."""
        return None if os.path.exists(self.path) else "not built"

    def version(self):
        return None

    def argv(self, scale, extra=()):
        keys = [f"scale={scale:g}", "seed=1"]
        if self.mode:
            keys.append(f"mode={self.mode}")
        return [self.path, *keys, *extra]

    def run(self, place, env, scale, extra=(), prefix=()):
        place.empty_run_dir()
        values, out = place.measured(self.argv(scale, extra), env, prefix)
        told = numbers(out.decode(errors="replace"))
        if "seconds" not in told:
            raise Failed("it printed no seconds")
        values["time"] = told.pop("seconds")
        return {**values, **told}, None


def source(program):
    return read(os.path.join(SOURCES, program + ".c")) or ""


def first_sentence(program):
    """Of the opening comment."""
    found = re.match(r"/\*(.*?)\*/", source(program), re.DOTALL)
    text = re.sub(r"\s*\n \*\s?", " ", found.group(1) if found else "").strip()
    return re.split(r"(?<=[a-z0-9)])\.\s", text + " ")[0].rstrip(". ")


def modes(program):
    found = re.search(r"\bmodes\[\]\s*=\s*\{(.*?)\}", source(program),
                      re.DOTALL)
    return re.findall(r'"([^"]+)"', found.group(1)) if found else []


def all_patterns(place, names):
    """The tests of the programs of these names."""
    return [Pattern(place, program, mode) for program in names
            for mode in modes(program) or [None]]
