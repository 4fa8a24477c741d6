"""What `make bench` and `make bench-compare` have in common: which tests there
are, and how one of them is run on one allocator.
"""
import re
import signal
import sys

from patterns import all_patterns
from peers import env_of
from place import Failed, Place
from programs import TABLE as PROGRAMS


def add_options(parser):
    parser.add_argument("--build", required=True)
    parser.add_argument("--patterns", default="", help="names of programs")
    parser.add_argument("--only", default="", help="tests: name,name")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--scale", type=float, default=0)


def every_test(place, patterns):
    return all_patterns(place, patterns.split()) + PROGRAMS


def choose(tests, only):
    """The tests of these names; a program's name stands for all its modes."""
    names = [name for name in re.split(r"[ ,]+", only) if name]
    if not names:
        return tests
    known = {t.name for t in tests} | {getattr(t, "program", t.name)
                                       for t in tests}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no such test: {' '.join(unknown)} "
                 "(make bench-list has the names)")
    return [t for t in tests
            if t.name in names or getattr(t, "program", None) in names]


def present(tests):
    """(those that can run here, rows (test, why) of the others)."""
    skipped = [(t.name, t.missing()) for t in tests if t.missing()]
    for name, why in skipped:
        print(f"bench: {name} is left out: {why}")
    return [t for t in tests if not t.missing()], skipped


class Runner:
    """Runs tests, and keeps what went wrong."""

    def __init__(self, build, pattern_scale, program_scale,
                 limit_seconds=120):
        # So that what runs is ended, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.place = Place(build, limit_seconds)
        self.scales = {"pattern": pattern_scale, "program": program_scale}
        self.failures = []
        self.outputs = {}

    def run(self, test, allocator, extra=(), prefix=()):
        """The figures of one run, or None."""
        linked = test.linked() if hasattr(test, "linked") else None
        try:
            fresh = allocator._replace(libraries=tuple(
                self.place.fresh_copy(path) for path in allocator.libraries))
            values, out = test.run(self.place, env_of(fresh, linked),
                                   self.scales[test.kind], extra, prefix)
            # Every allocator must have done the same work.
            if out is not None and out != self.outputs.setdefault(test.name,
                                                                  out):
                raise Failed("it printed something else than before")
        except Failed as why:
            self.failures.append(f"{test.name} on {allocator.name}: {why}")
            print(f"bench: {self.failures[-1]}", flush=True)
            return None
        return values

    def round(self, test, allocators, number, extra=()):
        """Rows of one round, all allocators in turn; who is first changes
        from round to round. Those that failed leave the list."""
        rows = []
        turn = (number - 1) % max(1, len(allocators))
        for allocator in allocators[turn:] + allocators[:turn]:
            values = self.run(test, allocator, extra)
            if values is None:
                allocators.remove(allocator)
                continue
            rows.append({"test": test.name, "round": number,
                         "allocator": allocator.name, **values})
        return rows
