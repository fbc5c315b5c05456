"""The figures of an endurance run as a picture and as a page of the documentation."""

import os
from pathlib import Path

import numpy as np

from tests.soak.endurance_figures import Figures, signs

# A page shows about so many of the minutes.
ROWS = 12


def save_plot(figures: Figures, path: Path) -> None:
    """Memory, latency, threads and files, results, over minutes. The ending of the name chooses the kind of picture."""
    from matplotlib.figure import Figure

    minutes = [row.number for row in figures.minutes]
    figure = Figure(figsize=(9, 8), layout="constrained")
    memory, latency, handles, results = figure.subplots(4, 1, sharex=True)

    def curve(axis, name: str, label: str = "", **style) -> None:  # type: ignore[no-untyped-def]
        axis.plot(
            minutes,
            [getattr(row, name) for row in figures.minutes],
            label=label,
            linewidth=1.3,
            marker=".",
            markersize=3,
            **style,
        )

    curve(memory, "memory_mib", "held by the process alone")
    if figures.tells_use():
        curve(memory, "used_mib", "handed out by malloc")
    memory.set_ylabel("memory\nMiB")
    curve(latency, "p50_ms", "p50")
    curve(latency, "p95_ms", "p95")
    latency.set_ylabel("picture to people\nms")
    curve(handles, "threads", "threads", drawstyle="steps-mid")
    curve(handles, "files", "open files", drawstyle="steps-mid")
    handles.set_ylabel("at rest")
    curve(results, "results", "frames with people sought")
    curve(results, "captured", "frames of the camera")
    results.set_ylabel("per minute")
    load = results.twinx()
    curve(load, "load", "load average", color="C3", linestyle=":")
    load.set_ylabel("load (dotted)")
    load.set_ylim(bottom=0)
    for axis in (memory, latency, handles, results):
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="lower left")
    results.set_xlabel("minutes")
    figure.suptitle(f"{len(minutes)} minutes of a live session, size {figures.size}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def save_page(figures: Figures, path: Path, plot: Path | None) -> None:
    """Markdown. The plot is named as seen from the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(figures, None if plot is None else os.path.relpath(plot, path.parent)), encoding="utf-8")


def page(figures: Figures, plot: str | None) -> str:
    minutes = figures.minutes
    loads = [row.load for row in minutes]
    told = figures.tells_use()
    pictures = [] if plot is None else [f"![Memory, latency, threads and files over time]({plot})", ""]
    rows = [
        "| " + " | ".join(cells) + " |"
        for cells in (
            (
                f"{row.number}", f"{row.memory_mib:.1f}", *([f"{row.used_mib:.1f}"] if told else []), f"{row.threads}", f"{row.files}", f"{row.p50_ms:.1f}",
                f"{row.p95_ms:.1f}", f"{row.captured}", f"{row.results}", f"{row.recorded}", f"{row.load:.1f}",
            )
            for row in chosen(figures)
        )
    ]  # fmt: skip
    kinds = [
        f"| {kind} | {len(seconds)} | {np.median(seconds):.2f} s | {max(seconds):.2f} s |"
        for kind, seconds in figures.recoveries().items()
    ]
    found = [f"- {'' if sign.good else '**Not as it should be:** '}{sign.text}" for sign in signs(figures)]
    return "\n".join(
        [
            "# Endurance",
            "",
            f"`python -m tests.soak.endurance --minutes {len(minutes)}`: a live session of {len(minutes)} minutes with size"
            f" {figures.size},",
            f"a camera of {figures.fps:.0f} frames a second that shows the bundled clip (1280×720) and breaks three times a"
            " minute, a recording each",
            "minute (annotated, and in every other minute raw as well, with keypoints beside it), and a change to size"
            f" {figures.other_size} and back.",
            f"Measured on {figures.processor}, {figures.processors} processors, {figures.system}. The machine had other work"
            " to do as well:",
            f"its load average was {min(loads):.1f} to {max(loads):.1f}, of which this session makes a part. Latencies are"
            " those of such a machine.",
            "",
            *found,
            "",
            *pictures,
            "Memory is what the process alone holds"
            + (", in use what malloc has handed out of it: the least of a minute's last second." if told else "."),
            "Memory, threads and files are taken at each minute's end, with the recording finished,",
            f"no fault and size {figures.size}. Latency is from the complete picture to its people, over all frames that size"
            f" {figures.size} found,",
            "those after faults and beside recordings included. The newest frame wins: what the camera gave and the network"
            " did not take",
            "was replaced by a newer one. In every other minute two videos are written at once.",
            "",
            f"| Minute | Memory (MiB) |{' In use (MiB) |' if told else ''} Threads | Files | p50 (ms) | p95 (ms) | Camera | Results | Recorded | Load |",
            "|---" * (10 + told) + "|",
            *rows,
            "",
            "How long each kind of fault lasted until people were found again (a stall is noticed after a second without"
            " pictures):",
            "",
            "| Fault | Times | Median | Longest |",
            "|---|---|---|---|",
            *kinds,
            "",
        ]
    )


def chosen(figures: Figures):  # type: ignore[no-untyped-def]
    """The first minute, the last one, and some between."""
    count = len(figures.minutes)
    return [figures.minutes[index] for index in sorted({round(i) for i in np.linspace(0, count - 1, min(ROWS, count))})]
