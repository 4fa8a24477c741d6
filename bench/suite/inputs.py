"""Makes the inputs of the real programs: the same bytes on every machine.

Random numbers come from a generator of its own, so that another version of
Python makes the same text.
"""
import glob
import os
import shutil
import subprocess

from place import Failed, ROOT, SUITE, plain_env

PROGRAMS = os.path.join(SUITE, "programs")
GEN_C = os.path.join(ROOT, "test", "programs", "gen_c.awk")


class Numbers:
    """A linear congruential generator; below(n) is in 0..n-1."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) \
            & 0xffffffffffffffff
        return (self.state >> 33) % n


def call(argv, cwd=None, stdin=None, stdout=subprocess.DEVNULL):
    done = subprocess.run(argv, cwd=cwd, input=stdin, stdout=stdout,
                          stderr=subprocess.PIPE, env=plain_env(),
                          check=False)
    if done.returncode != 0:
        raise Failed(f"{argv[0]}: {done.stderr.decode()[-300:]}")
    return done.stdout


def text(seed, lines):
    """Lines of words, frequent and rare ones."""
    numbers = Numbers(seed)
    words = ["".join("etaoinshrdlucmfw"[numbers.below(16)]
                     for _ in range(2 + numbers.below(9)))
             for _ in range(4000)]
    made = []
    for _ in range(lines):
        made.append(" ".join(
            words[numbers.below(1 + numbers.below(len(words)))]
            for _ in range(6 + numbers.below(10))))
    return "\n".join(made) + "\n"


def put_text(path, name, lines):
    with open(os.path.join(path, name), "w", encoding="ascii") as file:
        file.write(text(1, lines))


def put_c(path, nfiles, functions):
    """Generated C files c1.c, c2.c... and a makefile for them."""
    for n in range(1, nfiles + 1):
        made = call(["awk", "-v", f"functions={functions}", "-v", f"seed={n}",
                     "-f", GEN_C], stdout=subprocess.PIPE)
        with open(os.path.join(path, f"c{n}.c"), "wb") as file:
            file.write(made)
    put_makefile(path, "-O2 -fwrapv", [f"c{n}.c" for n in
                                       range(1, nfiles + 1)])


def put_tree(path):
    """A part of this project's tree."""
    sources = []
    for folder in ("rseq", "percpu", "allocator", "include"):
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(path, folder))
    for folder in ("percpu", "rseq"):
        sources += sorted(glob.glob(os.path.join(path, folder, "*.c")))
    sources = [os.path.relpath(name, path) for name in sources]
    put_makefile(path, "-std=gnu11 -O1 -g -fPIC -Irseq -Ipercpu -Iallocator "
                 "-Iinclude -DPCM_DEBUG=0 -DPCM_NINDEXES=8192", sources)


def put_makefile(path, flags, sources):
    """Its objects go to the current directory; CC is given."""
    objects = " ".join(os.path.basename(s)[:-2] + ".o" for s in sources)
    lines = [f"all: {objects}"]
    for name in sources:
        lines += [f"{os.path.basename(name)[:-2]}.o:",
                  f"\tcd {path} && $(CC) {flags} -c {name} -o $(OUT)/$@"]
    with open(os.path.join(path, "Makefile"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def put_repository(path, commits):
    """A bare repository of text files that change from commit to commit."""
    repository = os.path.join(path, "repository.git")
    call(["git", "init", "-q", "--bare", repository])
    numbers = Numbers(5)
    files = {f"dir{n % 5}/file{n}": text(n + 1, 60).splitlines()
             for n in range(25)}
    stream = []
    for n in range(1, commits + 1):
        stream.append(commit(n, numbers, files))
    call(["git", "fast-import", "--quiet"], cwd=repository,
         stdin="".join(stream).encode())
    # Loose objects, as a repository in use has them: gc has to pack them.
    pack = glob.glob(os.path.join(repository, "objects", "pack", "*.pack"))[0]
    os.rename(pack, os.path.join(path, "pack"))
    for left in glob.glob(pack[:-len("pack")] + "*"):
        os.unlink(left)
    with open(os.path.join(path, "pack"), "rb") as file:
        call(["git", "unpack-objects", "-q"], cwd=repository,
             stdin=file.read())
    os.unlink(os.path.join(path, "pack"))


def commit(n, numbers, files):
    """Changes four of the files; the text that fast-import wants."""
    message = f"version {n}"
    lines = ["commit refs/heads/main",
             f"committer A <a@example.org> {1700000000 + n * 60} +0000",
             f"data {len(message)}", message]
    names = sorted(files)
    if n > 1:
        names = sorted({names[numbers.below(len(names))] for _ in range(4)})
    for name in names:
        content = files[name]
        for _ in range(3):
            content[numbers.below(len(content))] = f"line of {n}: {message}"
        content.insert(numbers.below(len(content)),
                       f"new in {n} {numbers.below(10 ** 9)}")
        body = "\n".join(content) + "\n"
        lines += [f"M 100644 inline {name}", f"data {len(body)}", body]
    return "\n".join(lines) + "\n"


def put_sql(path, rows):
    made = call(["awk", "-v", f"rows={rows}", "-f",
                 os.path.join(PROGRAMS, "sqlite_work.awk")],
                stdout=subprocess.PIPE)
    with open(os.path.join(path, "work.sql"), "wb") as file:
        file.write(made)


def put_classes(path):
    call(["javac", "-d", path, os.path.join(PROGRAMS, "NativeWork.java")])
