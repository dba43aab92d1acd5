#!/usr/bin/env python3
"""Reads an exposition on standard input with Prometheus' own Python parser.

Prints every sample as JSON, sorted and in one spelling, so that two formats can be compared whole.
Exits 1 with the parser's message when the exposition is refused.
"""

import argparse
import json
import math
import sys

from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as strict


def main():
    """Parses and prints."""
    options = parse_arguments()
    parse = classic if options.classic else strict
    try:
        # Newlines as they came: a carriage return belongs to neither format.
        text = sys.stdin.buffer.read().decode("utf-8")
        families = list(parse.text_string_to_metric_families(text))
        samples = [spelled(sample) for family in families for sample in family.samples]
        refuse_repeats(samples)
    except (ValueError, KeyError, IndexError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if options.no_created:
        samples = [sample for sample in samples if not sample["name"].endswith("_created")]
    lines = sorted(json.dumps(sample) for sample in samples)
    print("[" + ",\n ".join(lines) + "]")
    return 0


def spelled(sample):
    """One sample with its labels in order, and numbers in labels in one spelling."""
    labels = dict(sorted(sample.labels.items()))
    for name in ("le", "quantile"):
        # The classic format writes 1, OpenMetrics 1.0.
        if name in labels:
            labels[name] = number_text(float(labels[name]))
    value = float(sample.value)
    # JSON has no infinities and no NaN.
    return {
        "name": sample.name,
        "labels": labels,
        "value": value if math.isfinite(value) else number_text(value),
    }


def number_text(value):
    """The spelling of both formats for what is not finite, else Python's."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def refuse_repeats(samples):
    """The classic parser lets the same sample pass twice; Prometheus does not."""
    seen = set()
    for sample in samples:
        identity = json.dumps([sample["name"], sample["labels"]])
        if identity in seen:
            raise ValueError(f"sample occurs twice: {identity}")
        seen.add(identity)


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--classic", action="store_true", help="text format 0.0.4, else OpenMetrics, strictly"
    )
    parser.add_argument(
        "--no-created", action="store_true",
        help="leave out _created samples, which only OpenMetrics has",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
