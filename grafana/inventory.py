"""Which metrics there are, which files name them, and what README.md lists as exceptions."""

import functools
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Made by Prometheus itself.
OF_PROMETHEUS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
METRIC = re.compile(r"(?<![\w:/.-])(opwatch_[a-z0-9_]+|process_(?:cpu|resident|open|max|threads|start)[a-z_]*|ALERTS_FOR_STATE|ALERTS)(?![\w:*…-])")


def read(path):
    """The text of a file of this repository."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def registry():
    """All metrics of the product by name, with their types: docs/metrics.md, which a test holds to the exposition."""
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", read("docs/metrics.md"), re.MULTILINE))


def base_name(name):
    """The metric of a series: a histogram's without its suffix, and not when it was created, which OpenMetrics tells beside."""
    known = registry()
    if name.endswith("_created"):
        name = name[: -len("_created")]
        return name if name in known else name + "_total"
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if known.get(base) == "histogram" else name


def named_metrics():
    """Every metric that is named in grafana/, rules/ and deploy/, with the files that do."""
    found = {}
    for folder in ("grafana/dashboards", "grafana/provisioning", "rules", "deploy"):
        for path in glob.glob(f"{ROOT}/{folder}/**/*.*", recursive=True):
            if not re.search(r"\.(json|ya?ml|md|tpl|txt)$", path):
                continue
            path = os.path.relpath(path, ROOT)
            for name in METRIC.findall(read(path)):
                found.setdefault(base_name(name), set()).add(path)
    return found


def rule_names():
    """What the rules for Prometheus record, and the alerts they raise."""
    text = "".join(read(path) for path in sorted(glob.glob(f"{ROOT}/deploy/prometheus/rules/*.yaml")))
    return set(re.findall(r"record: (\S+)", text)), set(re.findall(r"alert: (\S+)", text))


def listed(heading):
    """The first column, without backticks, of the table below a heading in README.md; each row has a reason beside it."""
    part = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", read("grafana/README.md"), re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", part[1], re.MULTILINE)
    return {name.strip("`") for first, reason in rows[1:] for name in first.split(", ") if reason.strip("- ")}
