#!/usr/bin/env python3
"""A scikit-learn isolation forest that reports every fit and every scoring to opwatch.

It looks for the labelled anomalies in two series of the Numenta Anomaly Benchmark, round after
round. On cue it becomes slower and less accurate, for real: more trees, a wrong contamination. Or it
only does more work, by a percentage, and says at the end how much more CPU time that has cost.
"""

import argparse
import collections
import contextlib
import csv
import json
import math
import pathlib
import re
import statistics
import sys
import time
import typing

import numpy
from sklearn.ensemble import IsolationForest

from reporting import Operation, Reporter, split_url

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "nab"
# Trailing window of the features, in points about five minutes apart: a day of the server,
# six hours of traffic.
WINDOW_POINTS = {"ec2_cpu_utilization_24ae8d": 288, "speed_t4013": 72}
VERSION = "1"
# What a bare `--degrade` stands for: the wrong model, which is no percentage.
WRONG_MODEL = 0


class Model(typing.NamedTuple):
    """The settings that differ between a healthy and a degraded round."""

    trees: int
    contamination: float


KINDS = ("healthy", "degraded")


def models(trees, percent):
    """The healthy and the degraded model; without a percentage the degraded one is wrong as well.

    The work of a forest is that of its trees: so many per cent more trees are as much more work, and
    what it finds stays as good.
    """
    # The benchmark labels a tenth of each series; the degraded model expects nearly half of it.
    healthy = Model(trees, contamination=0.10)
    if percent is None:
        degraded = Model(10 * trees, contamination=0.45)
    else:
        degraded = healthy._replace(trees=trees + trees * percent // 100)
    return {"healthy": healthy, "degraded": degraded}


class Dataset(typing.NamedTuple):
    """One series: its features per row, and which rows lie in a labelled window."""

    name: str
    features: numpy.ndarray
    labels: numpy.ndarray


def main():
    """Runs the rounds of every phase, then prints what each phase was like."""
    options = parse_arguments()
    datasets = [load(options.data, name) for name in WINDOW_POINTS]
    kinds = models(options.trees, options.degrade)
    seen = collections.defaultdict(list)
    with contextlib.ExitStack() as stack:
        log = None
        if options.log is not None:
            log = stack.enter_context(open(options.log, "w", encoding="utf-8"))
        reporter = Reporter(options.url, options.batch, log)
        round_number = 0
        for phase_number, (kind, rounds) in enumerate(options.phases, start=1):
            for _ in range(rounds):
                for place, dataset in enumerate(datasets):
                    generator = numpy.random.default_rng([options.seed, round_number, place])
                    for record in run_round(dataset, kinds[kind], generator, reporter):
                        seen[phase_number, kind, record["operation"], dataset.name].append(record)
                round_number += 1
                time.sleep(options.pause)
        reporter.close()
    print_summary(seen, options.reference)
    print(f"reported {reporter.reported}, refused {reporter.refused}, dropped {reporter.dropped}")


def run_round(dataset, model, generator, reporter):
    """Fits a forest on a random part of the rows, scores all of them, reports both operations."""
    rows = generator.choice(len(dataset.features), size=1024, replace=False)
    forest = IsolationForest(
        n_estimators=model.trees,
        max_samples=128,
        contamination=model.contamination,
        n_jobs=1,
        random_state=int(generator.integers(2**31)),
    )
    common = {
        "algorithm": "iforest",
        "version": VERSION,
        "labels": {"dataset": dataset.name},
        "dataset_size": len(dataset.features),
    }
    train = Operation("train", samples=len(rows), **common)
    try:
        with train:
            forest.fit(dataset.features[rows])
    finally:
        reporter.report(train.record)
    detect = Operation("detect", samples=len(dataset.features), **common)
    try:
        with detect:
            flagged = forest.predict(dataset.features) < 0
        detect.record["quality"].update(quality(flagged, dataset.labels))
        detect.record["quality_samples"] = len(flagged)
    finally:
        reporter.report(detect.record)
    return train.record, detect.record


def quality(flagged, labels):
    """Accuracy, precision, recall and F1 point by point; a score that is undefined is left out."""
    hits = int((flagged & labels).sum())
    alarms, anomalies = int(flagged.sum()), int(labels.sum())
    scores = {"accuracy": float((flagged == labels).mean())}
    if alarms:
        scores["precision"] = hits / alarms
    if anomalies:
        scores["recall"] = hits / anomalies
    if alarms + anomalies:
        scores["f1"] = 2 * hits / (alarms + anomalies)
    return scores


def load(folder, name):
    """Reads a series and its labelled windows (first and last row, both within)."""
    with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
        values = numpy.array([float(row["value"]) for row in csv.DictReader(file)])
    windows = json.loads((folder / "labels.json").read_text(encoding="utf-8"))[name]["windows"]
    labels = numpy.zeros(len(values), dtype=bool)
    for first, last in windows:
        labels[first : last + 1] = True
    return Dataset(name, trailing_features(values, WINDOW_POINTS[name]), labels)


def trailing_features(values, points):
    """Mean and standard deviation of the window that ends at each row, of the scaled values."""
    scaled = (values - numpy.median(values)) / numpy.std(values)
    padded = numpy.concatenate([numpy.full(points - 1, scaled[0]), scaled])
    windows = numpy.lib.stride_tricks.sliding_window_view(padded, points)
    return numpy.column_stack([windows.mean(axis=1), windows.std(axis=1)])


def cpu_times(records):
    """Median CPU seconds per operation and data set."""
    found = collections.defaultdict(list)
    for record in records:
        place = record["operation"], record["labels"]["dataset"]
        found[place].append(float(record["quality"]["cpu_seconds"]))
    return {place: statistics.median(values) for place, values in found.items()}


def first_healthy(seen):
    """The CPU times of the first phase, if that is a healthy one."""
    first = [records for (*phase, _, _), records in seen.items() if phase == [1, "healthy"]]
    return cpu_times(record for records in first for record in records)


def print_summary(seen, reference):
    """Medians per phase, operation and data set, and how the CPU time has changed.

    That is since the reference, or since the first phase where that is a healthy one.
    """
    first = 1 if reference is None else 0
    reference = reference or first_healthy(seen)
    print(
        f"{'phase':<12} {'operation':<9} {'dataset':<27} {'n':>4} {'median ms':>10}"
        f" {'cpu ms':>8} {'cpu change':>10} {'f1':>6} {'precision':>9}"
    )
    for (phase_number, kind, operation, dataset), records in seen.items():
        milliseconds = 1e3 * statistics.median(record["duration_seconds"] for record in records)
        cpu_seconds = cpu_times(records)[operation, dataset]
        before = reference.get((operation, dataset)) if phase_number != first else None
        change = f"{100 * (cpu_seconds / before - 1):+.3f}%" if before else "-"
        line = f"{phase_number} {kind:<10} {operation:<9} {dataset:<27} {len(records):>4}"
        line += f" {milliseconds:>10.1f} {1e3 * cpu_seconds:>8.3f} {change:>10}"
        for score, width in (("f1", 6), ("precision", 9)):
            values = [r["quality"][score] for r in records if score in r["quality"]]
            line += f" {statistics.median(values):>{width}.3f}" if values else " " * width + "-"
        print(line)


def parse_arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:9777", help="opwatch's ingest listener")
    parser.add_argument("--rounds", type=count, help="rounds of one phase (default 20)")
    parser.add_argument("--trees", type=count, default=10, help="of a healthy forest (default 10)")
    parser.add_argument(
        "--degrade", type=percentage, nargs="?", const=WRONG_MODEL, metavar="AMOUNT",
        help="run it degraded: with so much more work, such as 20%%, or without AMOUNT with ten times"
        " the trees and a wrong contamination",
    )
    parser.add_argument(
        "--phases", type=phases, help="such as healthy:20,degraded:20,healthy:20, instead of --rounds;"
        " --degrade AMOUNT says what degraded is"
    )
    parser.add_argument(
        "--reference", type=reference, metavar="LOG",
        help="tell how CPU times have changed since this log of an earlier run (default: since the"
        " first phase, where that is healthy)",
    )
    parser.add_argument("--pause", type=seconds, default=0.0, help="seconds between two rounds")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same forests and scores")
    parser.add_argument(
        "--batch", type=count, nargs="?", const=20, metavar="RECORDS",
        help="send NDJSON batches of this many records (20), not each record on its own",
    )
    parser.add_argument("--log", metavar="FILE", help="write what was acknowledged, as NDJSON")
    parser.add_argument("--data", type=pathlib.Path, default=DATA, help="folder of the series")
    options = parser.parse_args()
    percent = options.degrade or None
    if options.phases is not None:
        if options.rounds is not None or options.degrade == WRONG_MODEL:
            parser.error("--phases says it all: give neither --rounds nor a bare --degrade with it")
        if percent is not None and not any(kind == "degraded" for kind, _ in options.phases):
            parser.error(f"--degrade {percent}%: no phase is degraded")
    if percent is not None and options.trees * percent % 100:
        step = 100 // math.gcd(100, options.trees)
        parser.error(
            f"--degrade {percent}%: {options.trees} trees are no whole number more by that,"
            f" allowed: multiples of {step}%, or other --trees"
        )
    try:
        split_url(options.url)
    except ValueError as error:
        parser.error(str(error))
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: a number of 0 or more is needed")
    if options.phases is None:
        kind = "healthy" if options.degrade is None else "degraded"
        options.phases = [(kind, options.rounds or 20)]
    options.degrade = percent
    return options


def count(text):
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least 1 is needed")
    return int(text)


def percentage(text):
    """Whole per cent between 1 and 1000, with the sign."""
    found = re.fullmatch(r"([0-9]{1,4})%", text, re.ASCII)
    if found is None or not 1 <= int(found[1]) <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text!r}: whole per cent between 1% and 1000% are needed, such as 20%"
        )
    return int(found[1])


def reference(path):
    """The CPU times of a log that `--log` has written."""
    try:
        with open(path, encoding="utf-8") as file:
            times = cpu_times(json.loads(line) for line in file)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise argparse.ArgumentTypeError(
            f"{path!r}: a log with CPU times is needed, as --log writes it: {type(error).__name__} {error}"
        ) from error
    if not times:
        raise argparse.ArgumentTypeError(f"{path!r}: a log with at least one record is needed")
    return times


def seconds(text):
    """Seconds between 0 and a day."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds between 0 and 86400 are needed")
    return value


def phases(text):
    """`KIND:ROUNDS` separated by commas."""
    pairs = []
    for part in text.split(","):
        kind, _, rounds = part.partition(":")
        if kind not in KINDS:
            allowed = ", ".join(KINDS)
            raise argparse.ArgumentTypeError(f"{part!r}: the phase has to be one of {allowed}")
        pairs.append((kind, count(rounds)))
    return pairs


if __name__ == "__main__":
    sys.exit(main())
