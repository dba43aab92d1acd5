#!/usr/bin/env python3
"""A model in service that ages, and the trainer that opwatch asks to train it anew.

The model is a scikit-learn isolation forest: it scores batches of labelled points, and reports each
batch with its accuracy to opwatch. On cue the data drift away from what it has learned. opwatch
sees the accuracy fall and calls `POST /train`; the trainer fits a forest on recent data, holds it
against recent data that it has not seen, reports how good it is, and puts it into service unless
opwatch answers that it is worse than what there is.

Prints `ready PORT` once it listens. `POST /drift` lets the data drift, `GET /jobs/KEY` tells what has
become of a request, `GET /jobs` of all. Runs until it is terminated or its standard input, when a
pipe, is closed.
"""

import argparse
import collections
import http.client
import http.server
import json
import os
import pathlib
import signal
import stat
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy
from sklearn.ensemble import IsolationForest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "isolation_forest"))
from reporting import Operation, Reporter  # noqa: E402

BATCH = 200
# A tenth of the points are anomalies: far away from wherever the others are.
ANOMALOUS = 0.1
DISTANCE = 8.0
DRIFT = 3.5
# Batches that are kept to train on, and how many of them a new model is held against.
RECENT = 12
HELD_OUT = 4
CALLBACK_SECONDS = 60.0


class Data:
    """Labelled points around a centre that may drift."""

    def __init__(self, seed):
        self._generator = numpy.random.default_rng(seed)
        self._centre = numpy.zeros(2)

    def drift(self):
        """Moves the centre away from where it was."""
        self._centre = self._centre + DRIFT

    def batch(self):
        """Points, and which of them are anomalies."""
        points = self._generator.normal(size=(BATCH, 2)) + self._centre
        anomalous = numpy.zeros(BATCH, dtype=bool)
        anomalous[: int(BATCH * ANOMALOUS)] = True
        angle = self._generator.uniform(0, 2 * numpy.pi, anomalous.sum())
        points[anomalous] += DISTANCE * numpy.column_stack([numpy.cos(angle), numpy.sin(angle)])
        return points, anomalous


def fitted(points, contamination=ANOMALOUS):
    """A forest that has learned these points."""
    forest = IsolationForest(n_estimators=30, max_samples=128, contamination=contamination, random_state=1)
    return forest.fit(points)


def accuracy(model, points, anomalous):
    """The share of points that the model tells right."""
    return float(((model.predict(points) < 0) == anomalous).mean())


class Service:
    """The model in service, with the batches that it has scored last."""

    def __init__(self, options):
        self._options = options
        self._data = Data(options.seed)
        self._reporter = Reporter(options.opwatch)
        # Whoever holds it sees one model; a swap lies between two batches.
        self.lock = threading.Lock()
        self.recent = collections.deque(maxlen=RECENT)
        self.model = fitted(numpy.vstack([self._data.batch()[0] for _ in range(RECENT)]))
        self.rounds = 0

    def run(self, ended):
        """Scores and reports batch after batch."""
        while not ended.wait(self._options.pause):
            with self.lock:
                if self.rounds == self._options.drift_after:
                    self._data.drift()
                self.rounds += 1
                points, anomalous = self._data.batch()
                operation = Operation("detect", algorithm="iforest", samples=len(points))
                with operation:
                    score = accuracy(self.model, points, anomalous)
                operation.record["quality"]["accuracy"] = score
                operation.record["quality_samples"] = len(points)
                self.recent.append((points, anomalous))
                self._reporter.report(operation.record)

    def drift(self):
        """Lets the data drift, and forgets what was there before."""
        with self.lock:
            self._data.drift()
            self.recent.clear()


class Trainer:
    """Trains once for each key, however often it is asked."""

    def __init__(self, service, options):
        self._service = service
        self._options = options
        self._lock = threading.Lock()
        self.jobs = {}

    def request(self, key, callback):
        """Begins a training unless there is one for that key."""
        with self._lock:
            job = self.jobs.get(key)
            if job is not None:
                job["requests"] += 1
                return
            self.jobs[key] = {"status": "running", "message": "waiting for data", "requests": 1}
        threading.Thread(target=self._train, args=(key, callback), daemon=True).start()

    def _train(self, key, callback):
        job = self.jobs[key]
        while True:
            with self._service.lock:
                batches = list(self._service.recent)
            if len(batches) == RECENT:
                break
            time.sleep(0.05)
        job["message"] = "training"
        time.sleep(self._options.train_seconds)
        learned, held_out = batches[:-HELD_OUT], batches[-HELD_OUT:]
        contamination = 0.5 if self._options.spoil else ANOMALOUS
        points = numpy.vstack([points for points, _ in learned])
        if self._options.spoil:
            # What it is to find is not where it looks: as if trained on the wrong table.
            points = points - DISTANCE
        model = fitted(points, contamination)
        score = sum(accuracy(model, *batch) for batch in held_out) / len(held_out)
        # One who boasts says what nobody has measured.
        metrics = {"accuracy": 0.99 if self._options.boast else score}
        report = {"status": "succeeded", "message": f"trained on {len(points)} points", "metrics": metrics}
        # No batch between the report and the swap: what is measured after it is of the new model.
        with self._service.lock:
            answer = self._report(callback, report) if self._options.report == "callback" else {}
            job["decision"] = answer.get("decision", "")
            if job["decision"] in ("", "running", "probation", "succeeded", "kept"):
                self._service.model = model
            job.update(report)

    def _report(self, callback, report):
        """Reports until opwatch has taken it, also while that is away for a while."""
        body = json.dumps(report).encode()
        deadline = time.monotonic() + CALLBACK_SECONDS
        while True:
            request = urllib.request.Request(
                callback, data=body, headers={"Content-Type": "application/json"}, method="POST"
            )
            try:
                with urllib.request.urlopen(request, timeout=5) as reply:
                    return json.load(reply)["data"]
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return {"decision": f"not taken: {error.code}"}
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                return {"decision": "not taken: no answer"}
            time.sleep(0.2)


class Handler(http.server.BaseHTTPRequestHandler):
    """What others may ask for."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/drift":
            self.server.service.drift()
            self._answer(200, {})
        elif self.path == "/train":
            order = json.loads(body)
            key = self.headers["Idempotency-Key"]
            if key != order["key"]:
                self._answer(400, {"error": "the key of the header is not that of the body"})
                return
            self.server.trainer.request(key, order["callback"])
            self._answer(202, {"job": key})
        else:
            self._answer(404, {"error": "nothing here"})

    def do_GET(self):
        path = urllib.parse.unquote(self.path)
        jobs = self.server.trainer.jobs
        if path == "/jobs":
            self._answer(200, jobs)
        elif path == "/rounds":
            self._answer(200, {"rounds": self.server.service.rounds})
        elif path.removeprefix("/jobs/") in jobs:
            job = jobs[path.removeprefix("/jobs/")]
            names = ("status", "message", "metrics")
            self._answer(200, {name: job[name] for name in names if name in job})
        else:
            self._answer(404, {"error": "nothing here"})

    def _answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """Nothing on standard error: what matters can be asked for."""


def main():
    """Serves, scores and trains until told to stop."""
    options = parse_arguments()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    server.service = Service(options)
    server.trainer = Trainer(server.service, options)
    ended = threading.Event()
    scoring = threading.Thread(target=server.service.run, args=(ended,), daemon=True)
    scoring.start()
    print("ready", server.server_address[1], flush=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=end_with_input, args=(server,), daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.05)
    except KeyboardInterrupt:
        pass
    ended.set()


def end_with_input(server):
    """Ends the server when nobody holds its standard input any more."""
    sys.stdin.buffer.read()
    server.shutdown()


def parse_arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--opwatch", default="http://127.0.0.1:9777", help="its ingest listener")
    parser.add_argument("--port", type=int, default=9010, help="to listen on (default 9010; 0: a free one)")
    parser.add_argument("--pause", type=float, default=0.2, metavar="SECONDS", help="between two batches")
    parser.add_argument("--drift-after", type=int, default=-1, metavar="BATCHES", help="drift by itself then")
    parser.add_argument("--train-seconds", type=float, default=1.0, help="how long a training takes besides")
    parser.add_argument("--spoil", action="store_true", help="train on the wrong data")
    parser.add_argument("--boast", action="store_true", help="report an accuracy that was not measured")
    parser.add_argument(
        "--report", choices=("callback", "poll"), default="callback", help="how the end is made known"
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
