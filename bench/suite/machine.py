"""What a result file says about its origin."""
import datetime
import os
import platform
import re
import subprocess

from place import ROOT, read


def git(*words):
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True,
                              cwd=ROOT, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def revision():
    name = git("rev-parse", "--short", "HEAD") or "none"
    if git("status", "--porcelain", "--", ":!docs"):
        name += " and changes"
    return name


def now():
    today = datetime.datetime.now(datetime.timezone.utc)
    return f"{today:%Y-%m-%d %H:%M} UTC"


def machine():
    """Rows (what, value)."""
    cpu = re.search(r"^model name\s*: (.*)$", read("/proc/cpuinfo") or "",
                    re.MULTILINE)
    thp = re.search(r"\[(\w+)\]", read(
        "/sys/kernel/mm/transparent_hugepage/enabled") or "")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return [
        ("cpu", cpu.group(1).strip() if cpu else platform.machine()),
        ("cpus", len(os.sched_getaffinity(0))),
        ("memory", f"{memory} MiB"),
        ("kernel", f"Linux {platform.release()}, {platform.machine()}"),
        ("transparent hugepages", thp.group(1) if thp else "none"),
        ("libc", " ".join(platform.libc_ver())),
        ("revision", revision()),
        ("date", now()),
    ]


def origin(command):
    """Comment lines of a result file."""
    return [f"revision: {revision()}", f"date: {now()}",
            f"command: {command}"]
