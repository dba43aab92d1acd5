"""A sink for alerts, as an Alertmanager or a receiver of webhooks: keeps what it is sent, and can be away or never answer."""

import http.server
import json
import socketserver
import threading
import time
from dataclasses import dataclass

from moments import moment


@dataclass(frozen=True)
class Sent:
    """One alert as it was sent."""

    at: float
    labels: dict
    annotations: dict
    starts: float
    ends: float
    #: As written.
    times: tuple
    url: str
    content_type: str
    path: str

    @property
    def is_firing(self):
        """Whether it was still valid when it came."""
        return self.ends > self.at

    @property
    def name(self):
        """The name of its alert."""
        return self.labels.get("alertname")

    @property
    def key(self):
        """Its identity."""
        return frozenset(self.labels.items())


def sent(record, at, content_type="", path=""):
    """An alert of a POST to an Alertmanager or from one."""
    times = (record["startsAt"], record["endsAt"])
    # Alertmanager's webhooks say of a firing one that it ends in the year 1.
    ends = float("inf") if record.get("status") == "firing" and times[1].startswith("0001") else moment(times[1])
    return Sent(at, record["labels"], record.get("annotations", {}), moment(times[0]), ends, times, record.get("generatorURL", ""), content_type, path)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One listener; connections do not outlive an answer, so that a sink that goes is gone."""

    daemon_threads = True
    request_queue_size = 64


class Book:
    """Alerts that were sent."""

    def __init__(self, alerts):
        self.alerts = alerts

    def of(self, name, firing=None, key=None):
        """What was sent of an alert, in order."""
        return [one for one in list(self.alerts) if one.name == name and (firing is None or one.is_firing == firing) and (key is None or one.key == key)]


class Sink(Book):
    """Listens on a port that it keeps; with `hangs` it takes what it is sent and never answers."""

    def __init__(self, hangs=False):
        super().__init__([])
        self.posts, self.strange = [], []
        self.is_closed = False
        self.hangs, self.ending = hangs, threading.Event()
        self.port, self.server = 0, None
        self.up()

    def up(self):
        """Listens, again."""
        sink = self

        class Connection(http.server.BaseHTTPRequestHandler):
            """Keeps one request."""

            def do_POST(self):
                """Takes the alerts of a POST."""
                at = time.time()
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sink.take(at, self.path, self.headers.get("Content-Type", ""), body)
                if sink.hangs:
                    sink.ending.wait(60)
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Says nothing."""

        self.server = Server(("127.0.0.1", self.port), Connection)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self):
        """Goes away: connections are refused from now on."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def stop(self):
        """Ends it."""
        self.ending.set()
        self.down()

    def close(self):
        """Notes nothing more: what is watched has ended."""
        self.is_closed = True

    def take(self, at, path, content_type, body):
        """Notes what came."""
        if self.is_closed:
            return
        try:
            document = json.loads(body)
            records = document if isinstance(document, list) else document["alerts"]
            alerts = [sent(one, at, content_type, path) for one in records]
        except (ValueError, KeyError, TypeError) as error:
            self.strange.append(f"{path}: {error}: {body[:200]!r}")
            return
        self.posts.append((at, len(alerts)))
        self.alerts.extend(alerts)
