"""A small world that is alive, for `check` and `preview`: two sidecars and two Prometheus that scrape them.

One sidecar keeps its data, and is fed by a service with several algorithms and versions that degrades, fails and recovers,
gets a baseline, and whose sidecar is restarted. The other is `opwatch demo`, or a second one of the same kind, which makes
plainer pictures. One Prometheus scrapes classic histograms, one native ones.
"""

import contextlib
import http.server
import json
import math
import os
import random
import re
import sys
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "benches"))
sys.dont_write_bytecode = True

from support import Peer, free_port, get, opwatch_binary, request, say, wait_ready, workshop

#: Variables of the dashboards that come to mean everything; `operation` of the detail is chosen.
EVERYTHING = {"cluster": ".*", "namespace": ".*", "job": ".+", "instance": ".+", "operation": ".*", "algorithm": ".*", "baseline": ".*", "quantile": "0.99"}
DETAIL = "opwatch-operation"

CONFIG = """
listen: {{public: '127.0.0.1:{public}', ingest: '127.0.0.1:{ingest}'}}
data_dir: {data}
rule_files: [{rules}]
target: {{pid: {pid}, interval: 1s}}
exposition: {{prometheus_alerts: true}}
log: {{level: warn}}
route:
  receiver: team
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes:
    - {{matchers: ['severity="critical"'], receiver: pager, continue: true}}
    - {{matchers: ['alertname="TrainingFails"'], receiver: nowhere, continue: true}}
    - {{matchers: ['severity=~".+"'], receiver: team}}
escalations:
  - {{name: again, after: 5s, receiver: team}}
receivers:
  - {{name: team, webhook_configs: [{{url: 'http://127.0.0.1:{sink}/', send_resolved: true}}]}}
  - {{name: pager, webhook_configs: [{{url: 'http://127.0.0.1:{sink}/refuse', send_resolved: true}}]}}
  - {{name: nowhere, webhook_configs: [{{url: 'http://127.0.0.1:{nobody}/', send_resolved: true}}]}}
"""

RULES = """
groups:
  - name: fraud
    interval: 1s
    rules:
      - alert: DetectionSlow
        select: '{operation="detect"}'
        threshold: {metric: duration, stat: p95, window: 5s, above: {medium: 200ms, high: 400ms, critical: 2s}, recover: 80%, min_samples: 5}
        for: 1s
      - alert: DetectionInaccurate
        select: '{operation="detect"}'
        threshold: {metric: f1, stat: mean, window: 20 runs, below: 0.75, min_samples: 10}
        labels: {severity: high}
      - alert: TrainingFails
        select: '{operation="train"}'
        threshold: {metric: error_ratio, window: 5s, above: 20%, min_samples: 3}
        labels: {severity: high}
      - alert: DetectionRegressed
        select: '{operation="detect"}'
        regression: {metric: duration, stat: median, window: 30 runs, baseline: {pinned: good}, worse_by: {medium: 20%, critical: 100%}, false_alarms: 1 per 30d}
      - alert: NightlyMissing
        select: '{operation="nightly"}'
        absence: {expect_every: 8s, grace: 2s, remember: 1d}
        labels: {severity: low}
      - alert: NothingThere
        select: '{operation="nothing"}'
        threshold: {metric: duration, stat: max, window: 1m, above: 1s}
        labels: {severity: low}
      - alert: OnlyTried
        mode: shadow
        select: '{operation="score"}'
        threshold: {metric: duration, stat: max, window: 1m, above: 1ms}
        labels: {severity: low}
"""


class Sidecar:
    """An opwatch that keeps its ports over restarts."""

    def __init__(self, command, folder):
        self.public, self.ingest = free_port(), free_port()
        self.command, self.folder, self.peer = command, folder, None

    def start(self):
        """Starts it and waits until it is ready."""
        self.peer = Peer(self.command(self), self.folder, cwd=self.folder)
        wait_ready(self.peer, self.public)

    def stop(self):
        """Ends it as an orchestrator would."""
        if self.peer:
            self.peer.stop()

    def post(self, path, document, **headers):
        """Sends JSON to the ingest listener; the answer, or `None` while it is away."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, body, _ = request(self.ingest, "POST", path, json.dumps(document), {"Content-Type": "application/json"} | headers, timeout=5)
            if status != 200:
                raise SystemExit(f"{path} answers {status}: {body.decode()}")
            return json.loads(body)
        return None


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes notifications, but those to `/refuse`."""

    def do_POST(self):
        """Reads all of it and answers."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(400 if self.path == "/refuse" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


class Service:
    """What the sidecar that is not the demo hears of: detections, scores and trainings, well or not."""

    def __init__(self, sidecar, seed):
        self.sidecar, self.chance, self.batches = sidecar, random.Random(seed), 0
        self.bad, self.version = False, "1.4.0"

    def spread(self, middle, width):
        """A lognormal value around a middle."""
        return middle * math.exp(width * self.chance.gauss(0, 1))

    def detection(self, algorithm, seconds):
        """One detection with everything that can be told of it."""
        seconds = self.spread(seconds * (4.5 if self.bad and algorithm == "iforest" else 1), 0.3)
        quality = (0.62 if self.bad else 0.91) + self.chance.gauss(0, 0.02)
        record = {
            "operation": "detect", "algorithm": algorithm, "version": self.version if algorithm == "iforest" else "2.0.1",
            "duration_seconds": seconds, "setup_seconds": self.spread(0.012, 0.2), "cleanup_seconds": self.spread(0.004, 0.2),
            "cpu_cores": self.spread(0.9 if self.bad else 0.5, 0.1), "memory_bytes": self.spread(180e6, 0.05),
            "memory_peak_bytes": self.spread(320e6 if self.bad else 210e6, 0.08), "samples": 1000, "dataset_size": 1000,
            "quality": {"f1": quality, "precision": quality + 0.02, "recall": quality - 0.02, "accuracy": quality + 0.05},
            "quality_samples": 1000, "trace_id": f"{self.chance.getrandbits(128):032x}",
        }
        if self.chance.random() < (0.08 if self.bad else 0.01):
            record |= {"outcome": "failure", "error_class": self.chance.choice(["Timeout", "BadInput"])}
            del record["quality"], record["quality_samples"]
        return record

    def report(self):
        """Sends what happened in a fifth of a second."""
        fail = self.chance.random() < (0.4 if self.bad else 0.03)
        records = [self.detection("iforest", 0.08), self.detection("iforest", 0.08), self.detection("ocsvm", 0.1)]
        records.append({"operation": "score", "algorithm": "iforest", "version": "1.4.0", "duration_seconds": self.spread(0.02, 0.2), "samples": 200, "cpu_cores": 0.2, "id": f"s{self.batches}"})
        records.append(
            {"operation": "train", "algorithm": "iforest", "duration_seconds": self.spread(1.5, 0.2), "setup_seconds": self.spread(0.3, 0.2), "cpu_cores": 1.6, "memory_peak_bytes": self.spread(4e8, 0.1), "samples": 10_000}
            | ({"outcome": "failure", "error_class": "OutOfMemory"} if fail else {})
        )
        if self.batches % 10 == 0:
            # Now and then something is wrong, or comes twice.
            records += [{"operation": "detect", "duration_seconds": -1}, records[3]]
        self.batches += 1
        for _ in range(2 if self.batches % 15 == 0 else 1):
            self.sidecar.post("/v1/operations", records, **{"Opwatch-Batch": f"service/{self.batches}"})

    def begin(self):
        """What comes once and then never again."""
        self.sidecar.post("/v1/operations", [{"operation": "nightly", "algorithm": "batch", "duration_seconds": 40, "samples": 1e6}])


class Prometheus:
    """A Prometheus that scrapes both sidecars and judges the rules of deploy/prometheus."""

    def __init__(self, folder, start, sidecars, step, native):
        self.port, self.step, self.native = free_port(), step, native
        name = "native" if native else "classic"
        config = {
            "global": {"scrape_interval": f"{step}s", "evaluation_interval": f"{step}s"},
            "rule_files": [os.path.join(ROOT, "deploy/prometheus/rules/*.yaml")],
            "scrape_configs": [
                {
                    "job_name": "opwatch",
                    "static_configs": [{"targets": [f"127.0.0.1:{one.public}" for one in sidecars], "labels": {"cluster": "eu-1", "namespace": "fraud"}}],
                    # As a pod would be called, so that pictures do not change with the ports.
                    "relabel_configs": [{"source_labels": ["__address__"], "regex": f".*:{one.public}", "target_label": "instance", "replacement": f"scorer-{n}"} for n, one in enumerate(sidecars)],
                },
                # Something that is not opwatch, and must not be taken for it.
                {"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]},
            ],
        }
        path = os.path.join(folder, f"{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        features = "exemplar-storage,native-histograms" if native else "exemplar-storage"
        words = [f"--config.file={path}", f"--storage.tsdb.path={folder}/{name}", f"--web.listen-address=127.0.0.1:{self.port}", f"--enable-feature={features}", "--log.level=warn"]
        wait_ready(start(Peer(["prometheus", *words], folder)), self.port)

    def ask(self, path, **parameters):
        """The data of an answer of its API; ends the script where it is an error."""
        status, body = get(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        if status != 200:
            raise SystemExit(f"{path} {parameters} answers {status}: {body.decode()}")
        return json.loads(body)["data"]

    def at_end(self, expr, end):
        """An instant query."""
        return self.ask("query", query=expr, time=end)["result"]

    def over(self, expr, begin, end, step=None):
        """A range query."""
        return self.ask("query_range", query=expr, start=begin, end=end, step=step or self.step)["result"]


class World:
    """Sidecars and Prometheus after they have lived for a while: from `begin` to `end`."""

    def __init__(self, binary, folder, start, seconds, step, demo):
        sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        self.binary, self.folder, self.sink = binary, folder, sink.server_port
        first = Sidecar(lambda one: [binary, "demo", "--public", f"127.0.0.1:{one.public}", "--ingest", f"127.0.0.1:{one.ingest}"], folder) if demo else self.keeping("first")
        self.sidecars = [first, self.keeping("last")]
        for one in self.sidecars:
            start(one)
            one.start()
        self.services = [Service(one, seed) for seed, one in enumerate(self.sidecars[demo:], 7)]
        for one in self.services:
            one.begin()
        self.step, self.begin = step, time.time()
        self.prometheus = [Prometheus(folder, start, self.sidecars, step, native) for native in (False, True)]
        self.live(seconds, [(0.3, self.set_baseline), (0.4, self.degrade), (0.6, self.restart), (0.75, self.recover)])

    def keeping(self, name):
        """A sidecar with a data directory, rules and receivers."""
        path = {end: os.path.join(self.folder, f"{name}{end}") for end in (".yaml", ".rules.yaml", ".data")}
        made = Sidecar(lambda _: [self.binary, "--config", f"{name}.yaml"], self.folder)
        texts = {
            ".rules.yaml": RULES,
            ".yaml": CONFIG.format(public=made.public, ingest=made.ingest, data=path[".data"], rules=f"{name}.rules.yaml", pid=os.getpid(), sink=self.sink, nobody=free_port()),
        }
        for end, text in texts.items():
            with open(path[end], "w", encoding="utf-8") as file:
                file.write(text)
        return made

    def live(self, seconds, plan=()):
        """Lets it live for a while; what is planned happens after a share of it."""
        plan = list(plan)
        begun = time.monotonic()
        turn = begun
        while (passed := time.monotonic() - begun) < seconds:
            if plan and passed >= plan[0][0] * seconds:
                plan.pop(0)[1]()
            for one in self.services:
                one.report()
            turn += 0.2
            time.sleep(max(0.0, turn - time.monotonic()))
        self.end = time.time()

    def set_baseline(self):
        """What is measured now is what is usual."""
        say("  a baseline is set")
        for sidecar, metric in ((one.sidecar, metric) for one in self.services for metric in ("duration", "memory_peak", "cpu", "throughput", "f1")):
            sidecar.post("/api/v1/baselines", {"name": "good", "metric": metric, "select": '{operation="detect"}', "window": "1000 runs"})

    def degrade(self):
        """A new version is slower, larger and less accurate."""
        say("  the service degrades")
        for one in self.services:
            one.bad, one.version = True, "1.5.0"

    def recover(self):
        """The next version is good again."""
        say("  the service recovers")
        for one in self.services:
            one.bad, one.version = False, "1.5.1"

    def restart(self):
        """A sidecar goes away for as long as a scrape needs to miss it."""
        say("  a sidecar is restarted")
        self.sidecars[-1].stop()
        time.sleep(2.5 * self.step)
        self.sidecars[-1].start()


@contextlib.contextmanager
def world(opwatch, seconds, step, demo=True):
    """A world in a folder of its own; all of it is gone afterwards."""
    binary = opwatch_binary(opwatch)
    with workshop() as (folder, start):
        say(f"two sidecars and two Prometheus live for {seconds} s")
        yield World(binary, folder, start, seconds, step, demo)


def dashboards():
    """All dashboards as they are committed, by their uid."""
    found = {}
    folder = os.path.join(ROOT, "grafana/dashboards")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            one = json.load(file)
        found[one["uid"]] = one
    return found


def panels(dashboard):
    """All panels but rows, those in closed rows among them; each with its row's title."""
    row = ""
    for one in dashboard["panels"]:
        if one["type"] == "row":
            row = one["title"]
            yield from ((row, inner) for inner in one["panels"])
        else:
            yield row, one


def filled_in(text, dashboard, prometheus, seconds):
    """An expression with the variables that Grafana would fill in; all of everything, as after the first import."""
    values = EVERYTHING | {"histogram": "1" if prometheus.native else "0"}
    if dashboard["uid"] == DETAIL:
        values["operation"] = "detect"
    span = max(4 * prometheus.step, 5)
    values |= {"__rate_interval": f"{span}s", "__range": f"{math.ceil(seconds)}s", "__interval": f"{prometheus.step}s"}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], text)
