"""The programs of a run: a real Prometheus, opwatch, a real Alertmanager, and services that feed the first two."""

import json
import threading
import time
import urllib.parse

import remote_write
from support import Peer, free_port, get, request, wait_ready
from timeline import DEFAULT_INTERVAL, END, LOOKBACK, RESEND, RETENTION, SERIES


class Generator:
    """A program that judges rules and tells Alertmanagers; it keeps its ports and its data over restarts."""

    def __init__(self, folder, scale):
        self.folder, self.scale, self.peer = folder, scale, None
        self.port = free_port()

    def start(self):
        """Starts it and waits until it is ready."""
        self.peer = Peer(self.command(), str(self.folder), cwd=str(self.folder))
        wait_ready(self.peer, self.port)
        return self

    def stop(self):
        """Ends it."""
        if self.peer:
            self.peer.stop()

    def kill(self):
        """Ends it as a crash would."""
        self.peer.kill()

    def data(self, path, **query):
        """The data of an answer of its API."""
        status, body = get(self.port, path + ("?" + urllib.parse.urlencode(query) if query else ""))
        document = json.loads(body)
        if status != 200 or document.get("status") != "success":
            raise AssertionError(f"{path} answers {status}: {body[:300]!r}")
        return document["data"]

    def rule(self, name):
        """One rule as the API has it."""
        groups = self.data("/api/v1/rules")["groups"]
        return next(rule for group in groups for rule in group["rules"] if rule["name"] == name)

    def reload(self):
        """Has it read its rules again."""
        status, body, _ = request(self.control, "POST", "/-/reload")
        if status != 200:
            raise AssertionError(f"a reload answers {status}: {body!r}")


class Prometheus(Generator):
    """Prometheus; samples come by remote write."""

    def start(self):
        """Starts it and waits until it has found whom to tell, which takes some seconds."""
        super().start()
        for _ in range(1000):
            if len(self.data("/api/v1/alertmanagers")["activeAlertmanagers"]) == len(self.sinks):
                return self
            time.sleep(0.02)
        raise AssertionError("Prometheus does not find its Alertmanagers")

    def __init__(self, folder, scale, rules, sinks):
        super().__init__(folder, scale)
        self.rules, self.sinks = rules, sinks

    @property
    def control(self):
        """The port that takes commands."""
        return self.port

    def command(self):
        """How it is started."""
        config = {
            "global": {"evaluation_interval": self.scale.text(DEFAULT_INTERVAL)},
            "rule_files": [str(path) for path in self.rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{sink.port}"]}]} for sink in self.sinks]},
        }
        path = self.folder / "prometheus.yml"
        path.write_text(json.dumps(config), encoding="utf-8")
        return [
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            f"--rules.alert.resend-delay={self.scale.text(RESEND)}",
            f"--query.lookback-delta={self.scale.text(LOOKBACK)}",
            "--log.level=warn",
        ]

    def take(self, at, values):
        """Samples of series at a time."""
        samples = [({"__name__": "value", "operation": one.operation, "alertname": "old"} | dict(one.labels), value, at) for one, value in values]
        status, body, _ = request(self.port, "POST", "/api/v1/write", remote_write.body(samples), remote_write.HEADERS)
        if status // 100 != 2:
            raise AssertionError(f"remote write answers {status}: {body!r}")


class Opwatch(Generator):
    """opwatch; measurements come with the time of their client."""

    def __init__(self, folder, scale, rules, sinks, binary, **settings):
        super().__init__(folder, scale)
        self.ingest = free_port()
        self.rules, self.sinks, self.binary, self.settings = rules, sinks, binary, settings

    @property
    def control(self):
        """The port that takes commands."""
        return self.ingest

    def command(self):
        """How it is started."""
        config = {
            "listen": {"public": f"127.0.0.1:{self.port}", "ingest": f"127.0.0.1:{self.ingest}"},
            "data_dir": str(self.folder / "data"),
            "rule_files": [str(path) for path in self.rules],
            "evaluation_interval": self.scale.text(DEFAULT_INTERVAL),
            "resend_delay": self.scale.text(RESEND),
            "resolved_retention": self.scale.text(RETENTION),
            "self_rules": "off",
            "exposition": {"prometheus_alerts": True},
            "alertmanagers": [{"url": f"http://127.0.0.1:{sink.port}"} for sink in self.sinks],
        } | self.settings
        path = self.folder / "opwatch.yaml"
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")
        return [self.binary, "--config", str(path)]

    def take(self, at, values):
        """Measurements of operations at a time."""
        records = [{"operation": one.operation, "labels": dict(one.labels), "timestamp": at, "duration_seconds": value} for one, value in values]
        status, body, _ = request(self.ingest, "POST", "/v1/operations", json.dumps(records), {"Content-Type": "application/json"})
        if status != 200 or json.loads(body)["rejected"]:
            raise AssertionError(f"/v1/operations answers {status}: {body!r}")


class Alertmanager:
    """A real Alertmanager that tells a webhook of each alert by itself, at once."""

    CONFIG = """
route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: {interval}, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{port}/hook', send_resolved: true}}]}}]
"""

    def __init__(self, folder, scale, hook):
        self.folder, self.port, self.hook, self.peer = folder, free_port(), hook, None
        self.interval = scale.seconds(1)
        self.config = self.CONFIG.format(interval=scale.text(1), port=hook.port)

    def start(self):
        """Starts it and waits until it is ready."""
        path = self.folder / "alertmanager.yml"
        path.write_text(self.config, encoding="utf-8")
        command = ["prometheus-alertmanager", f"--config.file={path}", f"--storage.path={self.folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=warn"]
        self.peer = Peer(command, str(self.folder))
        wait_ready(self.peer, self.port)
        return self

    def stop(self):
        """Ends it."""
        if self.peer:
            self.peer.stop()

    def alerts(self):
        """The alerts that it has."""
        status, body = get(self.port, "/api/v2/alerts")
        if status != 200:
            raise AssertionError(f"Alertmanager answers {status}: {body[:300]!r}")
        return json.loads(body)


class Lag:
    """How late things happen on this machine at the moment, which is no fault of who is watched."""

    def __init__(self):
        self.worst, self.ending = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        """Sleeps, and sees by how much too long."""
        while not self.ending.is_set():
            before = time.monotonic()
            time.sleep(0.02)
            self.note(time.monotonic() - before - 0.02)

    def note(self, seconds):
        """Something was that late."""
        self.worst = max(self.worst, seconds)

    def stop(self):
        """Ends it."""
        self.ending.set()
        self.thread.join()


class Feeder(threading.Thread):
    """A service that reports a step apart, from `begin` on."""

    def __init__(self, generator, scale, begin, lag, series=SERIES, end=END):
        super().__init__(daemon=True)
        self.generator, self.scale, self.begin, self.lag = generator, scale, begin, lag
        self.series, self.end, self.fault = series, end, None
        self.ending = threading.Event()

    def run(self):
        """Reports until the end, or until told to stop."""
        try:
            for step in range(self.end + 1):
                at = self.begin + self.scale.seconds(step)
                if self.ending.wait(max(0.0, at - time.time())):
                    return
                values = [(one, one.at(step)) for one in self.series]
                self.send(at, [(one, value) for one, value in values if value is not None])
                self.lag.note(time.time() - at)
        except Exception as error:
            self.fault = error

    def send(self, at, values):
        """Sends one step."""
        self.generator.take(at, values)

    def stop(self):
        """Ends it."""
        self.ending.set()
