"""The allocators that are compared, and how a program is put on one.

pcmalloc comes in two modes. Peers are the others: each of Debian's packages
that this machine has. glibc runs with an empty library preloaded, so that all
of them have one.
"""
import collections
import os
import platform
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "measure"))
# pylint: disable=wrong-import-position
from measure import library, package_of  # noqa: E402

PACKAGED = (("jemalloc", "libjemalloc.so.2"),
            ("mimalloc", "libmimalloc.so.2*"),
            ("gperftools", "libtcmalloc_minimal.so.4"))

Allocator = collections.namedtuple("Allocator", "name libraries conf version")


def env_of(allocator, linked_with=None):
    """The environment that makes a program use it.

    linked_with: the allocator library that the program itself is linked with,
    if any; libc is then put in front of it where libc's malloc is wanted.
    """
    libraries = list(allocator.libraries)
    if allocator.name == "glibc" and linked_with:
        libraries.append("libc.so.6")
    env = {"LD_PRELOAD": ":".join(libraries)}
    if allocator.conf:
        env["PCMALLOC_CONF"] = allocator.conf
    return env


def pcmalloc(so, name="pcmalloc", conf=""):
    return Allocator(name, (os.path.abspath(so),), conf, conf or "rseq")


def find_allocators(so, nothing):
    """(those that are here, [names of the missing])."""
    found, missing = [], []
    found.append(Allocator("glibc", (os.path.abspath(nothing),), "",
                           platform.libc_ver()[1]))
    for name, pattern in PACKAGED:
        path = library(pattern)
        if path:
            found.append(Allocator(name, (path,), "", package_of(path)))
        else:
            missing.append(name)
    found.append(pcmalloc(so))
    found.append(pcmalloc(so, "pcmalloc-off", "rseq:off"))
    return found, missing
