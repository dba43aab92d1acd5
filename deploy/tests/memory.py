"""The memory limit of the manifest, proved: the sidecar in a control group of that size, under more load than it takes.

More series than the cap, all fields, batches as large as they may be, many connections, scrapes and exports meanwhile, with
data on disk. It has to stay alive, and refuse what it cannot take. Needs root and a control group of memory that can be
written to (version 2, or 1 where that one has the controller). `--threads` plays a node with more CPUs.
"""

import argparse
import collections
import gzip
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import yaml

from pod import FIELDS, free_port, wait_for

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MI = 1 << 20
# A body that is too large is refused while it is still being sent, which Python tells as a connection that breaks.
ANSWERS = {200, 413, 429, 503, "RemoteDisconnected", "BrokenPipeError", "ConnectionResetError"}


class Group:
    """A control group with a limit of memory."""

    def __init__(self, limit):
        v2, v1 = pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/memory")
        self.version = 1 if v1.is_dir() else 2
        self.path = (v1 if self.version == 1 else v2) / f"opwatch-{os.getpid()}"
        self.path.mkdir()
        self._write("memory.limit_in_bytes" if self.version == 1 else "memory.max", limit)
        # Nothing may be swapped out instead.
        swap = "memory.memsw.limit_in_bytes" if self.version == 1 else "memory.swap.max"
        if (self.path / swap).exists():
            self._write(swap, limit if self.version == 1 else 0)

    def _write(self, name, value):
        (self.path / name).write_text(str(value), encoding="ascii")

    def enter(self):
        self._write("cgroup.procs", os.getpid())

    def read(self, v1, v2):
        return (self.path / (v1 if self.version == 1 else v2)).read_text(encoding="ascii")

    def peak(self):
        return int(self.read("memory.max_usage_in_bytes", "memory.peak"))

    def killed(self):
        text = self.read("memory.oom_control", "memory.events")
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))

    def anonymous(self):
        """What cannot be given back by dropping pages of files."""
        key = "rss" if self.version == 1 else "anon"
        lines = self.read("memory.stat", "memory.stat").splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == key)


def batch(generator, records):
    lines = []
    for _ in range(records):
        number = generator.randrange(6000)
        record = {
            "operation": f"operation-{number % 60}",
            "algorithm": f"algorithm-{number % 7}",
            "version": str(number % 3),
            "labels": {"tenant": f"tenant-{number}"},
            "duration_seconds": generator.lognormvariate(-2, 1),
            "cpu_cores": generator.random(),
            "memory_bytes": generator.randrange(1 << 30),
            "memory_peak_bytes": generator.randrange(1 << 31),
            "samples": generator.randrange(10_000),
            "quality": {"f1": generator.random(), "accuracy": generator.random()},
            "id": f"{generator.getrandbits(64):x}",
        }
        lines.append(json.dumps(record))
    return "\n".join(lines).encode()


def send(port, bodies, end, statuses):
    """Sends what there is as fast as it is taken, over one connection."""
    generator = random.Random()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while time.monotonic() < end:
        body, encoding = generator.choice(bodies)
        headers = {"Content-Type": "application/x-ndjson"}
        if encoding:
            headers["Content-Encoding"] = encoding
        try:
            connection.request("POST", "/v1/operations", body, headers)
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if answer.status == 429:
                time.sleep(0.05)
        except (OSError, http.client.HTTPException) as error:
            statuses[type(error).__name__] += 1
            connection.close()
            time.sleep(0.05)


def look(port, end, statuses):
    """Scrapes and reads as a Prometheus, a page and an export do, all at once."""
    paths = [
        ("/metrics", {"Accept": "application/openmetrics-text"}),
        ("/metrics", {"Accept-Encoding": "gzip"}),
        ("/api/v1/operations", {}),
        ("/api/v1/export?format=ndjson", {}),
    ]
    while time.monotonic() < end:
        for path, headers in paths:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                while time.monotonic() < end and answer.read(1 << 16):
                    pass
                statuses[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                statuses[type(error).__name__] += 1
            finally:
                connection.close()
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--opwatch", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--max-memory", help="store.max_memory in place of that of the manifest")
    parser.add_argument("--limit", type=int, help="MiB in place of the limit of the manifest")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="one more variable of the sidecar")
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--threads", help="TOKIO_WORKER_THREADS in place of that of the manifest")
    options = parser.parse_args()
    manifests = list(yaml.safe_load_all((HERE / "golden" / "kustomize-demo.yaml").read_text(encoding="utf-8")))
    deployment = next(one for one in manifests if one["kind"] == "Deployment")
    sidecar = deployment["spec"]["template"]["spec"]["initContainers"][0]
    limit = int(sidecar["resources"]["limits"]["memory"].removesuffix("Mi")) * MI
    config = next(one["data"]["opwatch.yaml"] for one in manifests if one["kind"] == "ConfigMap")
    environment = {one["name"]: one.get("value") or FIELDS[one["valueFrom"]["fieldRef"]["fieldPath"]] for one in sidecar["env"]}
    if options.limit:
        limit = options.limit * MI
    environment.update(pair.split("=", 1) for pair in options.env)
    if options.threads:
        environment["TOKIO_WORKER_THREADS"] = options.threads
    public, ingest = free_port(), free_port()
    group = Group(limit)
    try:
        with tempfile.TemporaryDirectory(prefix="opwatch-memory-", dir="/var/tmp") as folder:
            folder = pathlib.Path(folder)
            for inside, here in [
                ("0.0.0.0:9776", f"127.0.0.1:{public}"), ("127.0.0.1:9777", f"127.0.0.1:{ingest}"),
                ("/var/lib/opwatch", str(folder / "data")), ("/usr/share/opwatch/rules", str(ROOT / "rules")),
            ]:  # fmt: skip
                config = config.replace(inside, here)
            if options.max_memory:
                settings = yaml.safe_load(config)
                settings.setdefault("store", {})["max_memory"] = options.max_memory
                config = yaml.safe_dump(settings)
            (folder / "opwatch.yaml").write_text(config, encoding="utf-8")
            with open(folder / "log", "w", encoding="utf-8") as log:
                server = subprocess.Popen(
                    [options.opwatch, "--config", folder / "opwatch.yaml"], env=environment, stdout=log, stderr=log, preexec_fn=group.enter
                )
            try:
                return load(options, server, group, limit, public, ingest, folder)
            finally:
                if server.poll() is None:
                    server.kill()
                    server.wait()
    finally:
        wait_for("the group to be empty", lambda: not group.read("cgroup.procs", "cgroup.procs").strip())
        group.path.rmdir()


def load(options, server, group, limit, public, ingest, folder):
    def ready():
        connection = http.client.HTTPConnection("127.0.0.1", public, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    wait_for("it to be ready", ready)
    time.sleep(1)
    idle = group.anonymous()
    generator = random.Random(1)
    bodies = [(batch(generator, 1000), None) for _ in range(12)]
    large = batch(generator, 20_000)[: 7 * MI].rsplit(b"\n", 1)[0]
    bodies += [(large, None), (gzip.compress(large), "gzip")]
    end = time.monotonic() + options.seconds
    sent, seen = collections.Counter(), collections.Counter()
    threads = [threading.Thread(target=send, args=(ingest, bodies, end, sent)) for _ in range(options.connections)]
    threads += [threading.Thread(target=look, args=(public, end, seen)) for _ in range(options.readers)]
    for thread in threads:
        thread.start()
    anonymous = 0
    while time.monotonic() < end and server.poll() is None:
        anonymous = max(anonymous, group.anonymous())
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    connection = http.client.HTTPConnection("127.0.0.1", public, timeout=30)
    alive = server.poll() is None
    print(f"control group version {group.version}, limit {limit // MI} MiB, {options.connections} connections for {options.seconds:.0f} s, {os.cpu_count()} CPUs")
    print(f"idle {idle / MI:.1f} MiB anonymous; under load at most {anonymous / MI:.1f} MiB anonymous, {group.peak() / MI:.1f} MiB with pages of files, {group.killed()} kills")
    print(f"ingest answered {dict(sent)}; reading {dict(seen)}")
    if alive:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        wanted = ("opwatch_series", "opwatch_store_bytes", "opwatch_ingest_received", "opwatch_ingest_refused")
        print("\n".join(line for line in lines if line.startswith(wanted)))
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    good = alive and group.killed() == 0 and server.returncode == 0 and sent[200] > 0 and not set(sent) - ANSWERS
    if not good:
        print((folder / "log").read_text(encoding="utf-8")[-2000:])
    print(f"{int(good)} passed, {int(not good)} failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
