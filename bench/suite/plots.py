"""Draws the results: plots.py FOLDER, docs/results/bench-*.csv as SVG.

Ratios to the best peer, their means, memory over time, time over threads. What
has no result file is not drawn.
"""
import math
import os
import sys

import matplotlib
import plot_sources
from results import ALLOCATORS, MEMORY_LIMIT, Runs, read_csv

matplotlib.use("svg")
# pylint: disable=wrong-import-position
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: E402

# Okabe and Ito's palette: told apart by the colour-blind too.
STYLES = {
    "pcmalloc": ("#d55e00", "o"), "pcmalloc-off": ("#e69f00", "o"),
    "glibc": ("#555555", "s"), "jemalloc": ("#0072b2", "^"),
    "mimalloc": ("#009e73", "D"), "gperftools": ("#cc79a7", "v"),
}
NAMES = {"pcmalloc-off": "pcmalloc, no rseq"}
LIVE = "live"
# Drawn from back to front.
ORDER = ("gperftools", "mimalloc", "jemalloc", "glibc", "pcmalloc-off",
         "pcmalloc")
TICKS = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8)
CLIP = 4.0
KIB_PER_MIB = 1024

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "pcmalloc",
    "font.family": "sans-serif", "font.size": 10, "text.color": "#222222",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "axes.labelcolor": "#222222", "axes.edgecolor": "#aaaaaa",
    "axes.spines.top": False, "axes.spines.right": False,
    "xtick.color": "#444444", "ytick.color": "#444444",
    "xtick.labelcolor": "#222222", "ytick.labelcolor": "#222222",
    "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "legend.frameon": False,
})


def name_of(allocator):
    return NAMES.get(allocator, allocator)


def style_of(allocator):
    """Ours stand out: filled and larger."""
    color, marker = STYLES[allocator]
    ours = allocator == "pcmalloc"
    return {"color": color, "marker": marker, "label": name_of(allocator),
            "markersize": 8 if ours else 5.5, "linestyle": "none",
            "markeredgecolor": "white", "markeredgewidth": 0.6,
            "alpha": 1 if ours else 0.8, "zorder": 4 if ours else 3}


def line_of(allocator):
    color, marker = STYLES[allocator]
    ours = allocator == "pcmalloc"
    return {"color": color, "marker": marker, "label": name_of(allocator),
            "linewidth": 2.4 if ours else 1.3, "markersize": 4,
            "zorder": 4 if ours else 3,
            "linestyle": "--" if allocator == "pcmalloc-off" else "-"}


def save(figure, folder, plot):
    path = os.path.join(folder, plot)
    figure.savefig(path, metadata={"Date": None, "Creator": None},
                   bbox_inches="tight", facecolor="white")
    plt.close(figure)
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file.read().splitlines()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.write(plot_sources.mark(folder, plot_sources.SOURCES[plot]))
    print(f"  drawn: {os.path.relpath(path)}")


def legend(figure, axes, names=None):
    found = dict(zip(*reversed(axes.get_legend_handles_labels())))
    names = names or map(name_of, ALLOCATORS)
    names = [name for name in names if name in found]
    figure.legend([found[n] for n in names], names, loc="lower left",
                  bbox_to_anchor=(axes.get_position().x0 - 0.01, 1.0),
                  ncol=len(names), columnspacing=1.4, handletextpad=0.4)


def ratio_axis(axis, low, high):
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    # Close to each other on a wide axis: every other one.
    if len(ticks) > 7:
        ticks = [t for t in ticks if t not in (0.75, 1.25, 6)]
    axis.set_xticks(ticks)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="both", which="both", length=0)


def draw_ratios(axis, runs, tests, metric):
    """A row a test, a mark an allocator; those beyond CLIP stand at the edge,
    with their value."""
    low, far = 0.8, {}
    for allocator in ORDER:
        found = [(runs.ratio(test, allocator, metric), y)
                 for y, test in enumerate(tests)]
        found = [(ratio, y) for ratio, y in found if ratio is not None]
        axis.plot([min(ratio, CLIP) for ratio, _ in found],
                  [y for _, y in found], clip_on=False, **style_of(allocator))
        low = min([low] + [ratio * 0.9 for ratio, _ in found])
        for ratio, y in found:
            if ratio > CLIP:
                far.setdefault(y, []).append((ratio, STYLES[allocator][0]))
    for y, marks in far.items():
        for column, (ratio, color) in enumerate(sorted(marks)[::-1]):
            axis.annotate(f"{ratio:.1f}", (CLIP, y), fontsize=8, color=color,
                          xytext=(8 + 24 * column, 0), va="center",
                          textcoords="offset points", annotation_clip=False)
    ratio_axis(axis, low, CLIP)
    axis.axvline(1, color="#222222", linewidth=1, zorder=1)
    axis.axvline(MEMORY_LIMIT, color="#bbbbbb", linewidth=1, zorder=1,
                 linestyle=(0, (4, 3)))
    axis.hlines(range(len(tests)), low, CLIP, color="#eeeeee", linewidth=0.8,
                zorder=0)
    axis.spines["left"].set_visible(False)
    axis.set_ylim(len(tests) - 0.5, -0.5)


def plot_ratios(folder, plot):
    runs = Runs(read_csv(os.path.join(
        folder, plot_sources.SOURCES[plot][0]))[1])
    tests = sorted(runs.tests, reverse=True,
                   key=lambda test: runs.ratio(test, "pcmalloc", "time") or 0)
    figure, axes = plt.subplots(1, 2, sharey=True,
                                figsize=(10, 0.9 + 0.27 * len(tests)))
    for axis, metric, title in zip(axes, ("time", "peak_kib"),
                                   ("Time", "Peak memory")):
        draw_ratios(axis, runs, tests, metric)
        axis.set_title(title, pad=8)
        axis.set_xlabel("× the best peer (less is better)")
    axes[0].set_yticks(range(len(tests)), tests)
    figure.tight_layout(w_pad=4)
    legend(figure, axes[0])
    save(figure, folder, plot)


def plot_means(folder, plot):
    found = [row for name in plot_sources.SOURCES[plot]
             for row in read_csv(os.path.join(folder, name))[1]]
    runs = Runs(found)
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(10, 2.4))
    for axis, metric, title in zip(axes, ("time", "peak_kib"),
                                   ("Time", "Peak memory")):
        for y, allocator in enumerate(ALLOCATORS):
            mean = runs.geomean(allocator, metric)
            if mean is None:
                continue
            axis.barh(y, mean, height=0.62, color=STYLES[allocator][0],
                      alpha=1 if allocator == "pcmalloc" else 0.55)
            axis.text(mean, y, f" {mean:.2f}", va="center",
                      fontweight="bold" if allocator == "pcmalloc"
                      else "normal")
        axis.axvline(1, color="#222222", linewidth=1)
        axis.set_title(title)
        axis.set_xlabel("× the best peer of each test, geometric mean")
        axis.tick_params(length=0)
        axis.spines["left"].set_visible(False)
    axes[0].set_yticks(range(len(ALLOCATORS)), map(name_of, ALLOCATORS))
    axes[0].invert_yaxis()
    figure.tight_layout(w_pad=3)
    save(figure, folder, plot)


def panels(count, width=10.0, height=2.9):
    """Two panels in a row; the last one of an odd number is as wide as two."""
    rows = math.ceil(count / 2)
    figure = plt.figure(figsize=(width, 0.3 + height * rows))
    grid = figure.add_gridspec(rows, 2)
    places = [grid[i // 2, i % 2] for i in range(count)]
    if count % 2:
        places[-1] = grid[rows - 1, :]
    axes = [figure.add_subplot(place) for place in places]
    for axis in axes:
        axis.grid(axis="y", color="#eeeeee")
        axis.set_axisbelow(True)
        axis.tick_params(length=0)
    return figure, axes


def plot_series(folder, plot):
    rows = read_csv(os.path.join(folder, "bench-series.csv"))[1]
    tests = list(dict.fromkeys(row["test"] for row in rows))
    figure, axes = panels(len(tests))
    for axis, test in zip(axes, tests):
        for allocator in ORDER:
            mine = [row for row in rows
                    if (row["test"], row["allocator"]) == (test, allocator)]
            if not mine:
                continue
            # Allocators differ in speed: the share of the run, not its time.
            end = max(row["seconds"] for row in mine) or 1
            share = [100 * row["seconds"] / end for row in mine]
            axis.plot(share, [row["rss_kib"] / KIB_PER_MIB for row in mine],
                      **{**line_of(allocator), "marker": ""})
            if allocator == "pcmalloc":
                draw_live(axis, share, [row["live_kib"] / KIB_PER_MIB
                                        for row in mine])
        axis.set_title(f"{test}: resident MiB")
        axis.set_xlabel("% of the run")
        axis.set_ylim(bottom=0)
        axis.set_xlim(0, 100)
    figure.tight_layout(h_pad=2)
    legend(figure, axes[0], names=[*map(name_of, ALLOCATORS), LIVE])
    save(figure, folder, plot)


def draw_live(axis, share, live):
    """What the program holds: no allocator can have less."""
    axis.fill_between(share, live, color="#e8e8e8", linewidth=0, zorder=1)
    axis.plot(share, live, color="#222222", linewidth=1.1, zorder=2,
              label=LIVE)


def plot_threads(folder, plot):
    rows = read_csv(os.path.join(folder, "bench-threads.csv"))[1]
    tests = list(dict.fromkeys(row["test"] for row in rows))
    figure, axes = panels(len(tests), height=2.6)
    for axis, test in zip(axes, tests):
        mine = [row for row in rows if row["test"] == test]
        counts = sorted({row["threads"] for row in mine})
        runs = {n: Runs([r for r in mine if r["threads"] == n])
                for n in counts}
        for allocator in ORDER:
            points = [(n, runs[n].median(test, allocator, "time"))
                      for n in counts]
            points = [point for point in points if point[1] is not None]
            if points:
                axis.plot(*zip(*points), **line_of(allocator))
        axis.set_xscale("log", base=2)
        axis.set_xticks(counts, [f"{n:.0f}" for n in counts])
        axis.set_ylim(bottom=0)
        axis.set_title(f"{test}: seconds")
        axis.set_xlabel("threads")
    figure.tight_layout(h_pad=2)
    legend(figure, axes[0])
    save(figure, folder, plot)


PLOTS = {
    "bench-means.svg": plot_means,
    "bench-patterns.svg": plot_ratios,
    "bench-programs.svg": plot_ratios,
    "bench-series.svg": plot_series,
    "bench-threads.svg": plot_threads,
}


def main():
    folder = sys.argv[1]
    for plot, draw in PLOTS.items():
        if plot_sources.present(folder, plot_sources.SOURCES[plot]):
            draw(folder, plot)


if __name__ == "__main__":
    main()
