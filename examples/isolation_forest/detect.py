#!/usr/bin/env python3
"""A scikit-learn isolation forest that reports every fit and every scoring to opwatch.

It looks for the labelled anomalies in two series of the Numenta Anomaly Benchmark, round after
round. On cue it becomes slower and less accurate, for real: more trees, a wrong contamination.
"""

import argparse
import collections
import contextlib
import csv
import json
import pathlib
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


class Model(typing.NamedTuple):
    """The settings that differ between a healthy and a degraded round."""

    trees: int
    contamination: float


# The benchmark labels a tenth of each series; the degraded model expects nearly half of it.
MODELS = {
    "healthy": Model(trees=10, contamination=0.10),
    "degraded": Model(trees=100, contamination=0.45),
}


class Dataset(typing.NamedTuple):
    """One series: its features per row, and which rows lie in a labelled window."""

    name: str
    features: numpy.ndarray
    labels: numpy.ndarray


def main():
    """Runs the rounds of every phase, then prints what each phase was like."""
    options = parse_arguments()
    datasets = [load(options.data, name) for name in WINDOW_POINTS]
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
                    for record in run_round(dataset, MODELS[kind], generator, reporter):
                        seen[phase_number, kind, record["operation"], dataset.name].append(record)
                round_number += 1
                time.sleep(options.pause)
        reporter.close()
    print_summary(seen)
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
        detect.record["quality"] = quality(flagged, dataset.labels)
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


def print_summary(seen):
    """Medians per phase, operation and data set."""
    print(
        f"{'phase':<12} {'operation':<9} {'dataset':<27} {'n':>4} {'median ms':>10}"
        f" {'f1':>6} {'precision':>9}"
    )
    for (phase_number, kind, operation, dataset), records in seen.items():
        milliseconds = 1e3 * statistics.median(record["duration_seconds"] for record in records)
        line = f"{phase_number} {kind:<10} {operation:<9} {dataset:<27} {len(records):>4}"
        line += f" {milliseconds:>10.1f}"
        for score, width in (("f1", 6), ("precision", 9)):
            values = [r["quality"][score] for r in records if score in r.get("quality", {})]
            line += f" {statistics.median(values):>{width}.3f}" if values else " " * width + "-"
        print(line)


def parse_arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:9777", help="opwatch's ingest listener")
    parser.add_argument("--rounds", type=count, help="rounds of one phase (default 20)")
    parser.add_argument("--degrade", action="store_true", help="run it with the degraded model")
    parser.add_argument(
        "--phases", type=phases, help="such as healthy:20,degraded:20,healthy:20, instead of --rounds"
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
    if options.phases is not None and (options.rounds is not None or options.degrade):
        parser.error("--phases says it all: give neither --rounds nor --degrade with it")
    try:
        split_url(options.url)
    except ValueError as error:
        parser.error(str(error))
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: a number of 0 or more is needed")
    if options.phases is None:
        kind = "degraded" if options.degrade else "healthy"
        options.phases = [(kind, options.rounds or 20)]
    return options


def count(text):
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least 1 is needed")
    return int(text)


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
        if kind not in MODELS:
            allowed = ", ".join(MODELS)
            raise argparse.ArgumentTypeError(f"{part!r}: the phase has to be one of {allowed}")
        pairs.append((kind, count(rounds)))
    return pairs


if __name__ == "__main__":
    sys.exit(main())
