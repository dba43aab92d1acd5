"""What came of it, line by line."""

import json

from lines import ADAPTED, LINES, TOPOLOGIES

MARKS = {"pass": "pass", "fail": "FAIL", "n/a": "n/a", "not run": "–"}


def text(results, topologies):
    """A table for people and for Markdown, and below it what was seen."""
    head = ["line", *topologies, "requirement"]
    rows = [[str(number), *(MARKS[results[number][name]["result"]] for name in topologies), LINES[number]] for number in results]
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(row) + " |" for row in rows]
    out.append("")
    for number, by_topology in results.items():
        for name in topologies:
            one = by_topology[name]
            if one["result"] != "not run":
                adapted = f" ({ADAPTED[number, name]})" if one["result"] == "pass" and (number, name) in ADAPTED else ""
                out.append(f"{number:>2} {name} {MARKS[one['result']]}: {one['seen']}{adapted}")
    counts = {mark: sum(1 for by in results.values() for one in by.values() if one["result"] == mark) for mark in MARKS}
    out += ["", ", ".join(f"{count} {mark}" for mark, count in counts.items() if count)]
    return "\n".join(out)


def written(results, about):
    """The same for programs."""
    return json.dumps(
        about
        | {
            "topologies": TOPOLOGIES,
            "lines": [
                {"line": number, "requirement": LINES[number]} | {name: one | ({"adapted": ADAPTED[number, name]} if (number, name) in ADAPTED else {}) for name, one in by.items()}
                for number, by in results.items()
            ],
        },
        indent=1,
    )
