"""`main.py doctor`: what this machine has, what would be used, what is wrong and what mends it."""

import argparse
import json
import os
import sys

from engine.doctor.examination import examine, healthy
from engine.doctor.findings import Finding, State

MARKS = {State.GOOD: "✓", State.NOTE: "!", State.FAULT: "✗"}
COLOURS = {State.GOOD: "32", State.NOTE: "33", State.FAULT: "31"}
NAME_WIDTH = 22


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Returns 0 where the program can work, 1 where something keeps it from working."""
    sections: dict[str, list[Finding]] = {}
    for title, findings in examine():
        sections[title] = findings
        if not args.json:
            print("\n".join([title, *map(line, findings), ""]), flush=True)
    if args.json:
        print(json.dumps(report(sections), indent=1, ensure_ascii=False))
    else:
        print(summary(sections))
    return 0 if healthy(sections) else 1


def line(finding: Finding) -> str:
    mark = MARKS[finding.state]
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\033[{COLOURS[finding.state]}m{mark}\033[0m"
    text = f"  {mark} {finding.name:<{NAME_WIDTH}} {finding.value}"
    return f"{text}\n    {'':{NAME_WIDTH}} → {finding.remedy}" if finding.remedy else text


def report(sections: dict[str, list[Finding]]) -> dict[str, object]:
    return {
        "healthy": healthy(sections),
        "sections": {
            title: [
                {"name": found.name, "value": found.value, "state": found.state.value, "remedy": found.remedy}
                for found in findings
            ]
            for title, findings in sections.items()
        },
    }


def summary(sections: dict[str, list[Finding]]) -> str:
    states = [finding.state for findings in sections.values() for finding in findings]
    faults, notes = states.count(State.FAULT), states.count(State.NOTE)
    told = f"{notes} {'note' if notes == 1 else 'notes'}"
    if not faults:
        return f"Everything that is needed is there ({told})."
    return f"{faults} {'fault keeps' if faults == 1 else 'faults keep'} the program from working ({told})."
