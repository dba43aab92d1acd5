"""The life of the sidecar, from the manifests that are delivered, played by `pod.py`.

Start before the service, probes, TERM after it with everything flushed, a Job that completes, a crash, and the swap of a
ConfigMap. `--opwatch` is the binary, `--python` one with scikit-learn for the example service.
"""

import argparse
import contextlib
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import yaml

from pod import Pod, wait_for

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDEN = HERE / "golden"

# A service that reports without a pause, and once more after it was told to end. It says how many it was told are kept.
SERVICE = """
import http.client, json, os, signal, sys, time, urllib.parse
ending = False
def end(*_):
    global ending
    ending = True
signal.signal(signal.SIGTERM, end)
where = urllib.parse.urlsplit(os.environ["OPWATCH_ENDPOINT"])
kept = 0
def report(count, duration):
    global kept
    body = "".join(json.dumps({"operation": "serve", "id": f"{os.getpid()}-{kept}-{time.monotonic_ns()}-{n}", "duration_seconds": duration}) + "\\n" for n in range(count))
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=5)
    try:
        connection.request("POST", "/v1/operations", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        if answer.status == 200:
            kept += json.loads(answer.read())["accepted"]
    except OSError:
        time.sleep(0.05)
    finally:
        connection.close()
while not ending:
    report(50, 0.01)
    time.sleep(0.01)
report(500, float(os.environ.get("LAST_DURATION", "0.01")))
print("kept", kept, flush=True)
"""

RULES = """
groups:
  - name: life
    interval: 1s
    rules:
      - alert: Served
        select: '{operation="serve"}'
        threshold: {metric: duration, stat: last, window: 1h, above: 1ms}
        labels: {severity: low}
"""
RECEIVERS = """
receivers: [{name: team, webhook_configs: [{url: 'http://127.0.0.1:HOOK/', send_resolved: true}]}]
route: {receiver: team, group_wait: 0s}
"""


class Hook:
    """A webhook that fails until it is told to work."""

    def __init__(self):
        self.works = False
        self.failed, self.taken = 0, []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if hook.works:
                    hook.taken.append(json.loads(body))
                else:
                    hook.failed += 1
                self.send_response(200 if hook.works else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--opwatch", type=pathlib.Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    passed = failed = 0
    for scenario in (a_service_comes_and_goes, a_job_completes, a_crash_loses_nothing, a_config_map_is_swapped):
        with tempfile.TemporaryDirectory(prefix="opwatch-life-") as folder:
            start = time.monotonic()
            try:
                told = scenario(Play(options, pathlib.Path(folder)))
                passed += 1
                print(f"ok   {scenario.__name__} ({time.monotonic() - start:.1f} s): {told}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAIL {scenario.__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


class Play:
    """What the scenarios share."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        (folder / "service.py").write_text(SERVICE, encoding="utf-8")

    @contextlib.contextmanager
    def pod(self, golden, kind, service=True, more=None, extra_config=""):
        """The pod of a delivered manifest; `more` are files that come into its ConfigMap, `extra_config` lines of it."""
        manifests = list(yaml.safe_load_all((GOLDEN / f"{golden}.yaml").read_text(encoding="utf-8")))
        workload = next(one for one in manifests if one["kind"] == kind)
        config_maps = {one["metadata"]["name"]: one["data"] for one in manifests if one["kind"] == "ConfigMap"}
        config_maps["opwatch-config"] = {**config_maps["opwatch-config"], **(more or {})}
        config_maps["opwatch-config"]["opwatch.yaml"] += extra_config
        example = [self.options.python, str(ROOT / "examples/isolation_forest/detect.py")]
        if service:
            example = [sys.executable, str(self.folder / "service.py")]
        programs = {"opwatch": [str(self.options.opwatch.resolve())], "opwatch-example": example}
        shared = [("/usr/share/opwatch/rules", str(ROOT / "rules"))]
        pod = Pod(workload["spec"]["template"], config_maps, programs, self.folder, shared)
        pod.config = config_maps["opwatch-config"]
        try:
            yield pod
        finally:
            pod.stop()

    def kept(self):
        """Measurements of the service in the data that the pod has left, by `opwatch export`."""
        run = subprocess.run(
            [self.options.opwatch, "export", "--data-dir", self.folder / "volumes" / "opwatch-data", "--format", "ndjson"],
            capture_output=True, text=True, timeout=120,
        )
        assert run.returncode == 0, run.stderr
        return sum(1 for line in run.stdout.splitlines() if json.loads(line).get("operation") == "serve")


def get(pod, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{pod.public}{path}", timeout=10) as answer:
        return answer.read().decode()


def a_service_comes_and_goes(play):
    """Ready before the service; TERM after it; what it was told is kept is kept, and what waited for a receiver is told."""
    hook = Hook()
    receivers = RECEIVERS.replace("HOOK", str(hook.port))
    with play.pod("kustomize-demo", "Deployment", more={"life.rules.yaml": RULES}, extra_config=receivers) as pod:
        pod.start()
        assert pod.events[:3] == ["start opwatch", "started opwatch", "start app"], pod.events
        wait_for("a notification that fails", lambda: hook.failed >= 2)
        assert not pod.probes_failed, pod.probes_failed
        hook.works = True
        took = pod.delete()["opwatch"]
        assert pod.events[-3:] == ["end app", "terminate opwatch", "end opwatch"], pod.events
        sidecar = pod.sidecars["opwatch"]
        assert sidecar.process.returncode == 0, sidecar.text()
        assert took < 6, f"the sidecar took {took:.1f} s to end"
        assert len(hook.taken) == 1, f"told {len(hook.taken)} times: {sidecar.text()}"
        labels = hook.taken[0]["alerts"][0]["labels"]
        assert labels["pod"] == "isolation-forest-7d4b9" and labels["namespace"] == "opwatch-demo", labels
        told = int(pod.containers["app"].text().split()[-1])
        kept = play.kept()
        assert kept == told > 500, f"the service was told of {told}, {kept} are kept"
        return f"{told} kept of {told}, told on its way out, ended in {took:.2f} s"


def a_job_completes(play):
    """The real example as a Job: its end is the end of the pod."""
    with play.pod("kustomize-jobs", "Job", service=False) as pod:
        pod.start()
        took = pod.wait()["opwatch"]
        text = pod.containers["app"].text()
        assert pod.succeeded(), text
        assert "reported 80, refused 0, dropped 0" in text, text
        assert pod.sidecars["opwatch"].process.returncode == 0
        assert pod.events[-3:] == ["end app", "terminate opwatch", "end opwatch"], pod.events
        return f"reported 80 of 80, ended in {took:.2f} s"


def a_crash_loses_nothing(play):
    """The sidecar is killed while the service runs: it is started again, and what was acknowledged is there."""
    with play.pod("kustomize-demo", "Deployment") as pod:
        pod.start()
        sidecar = pod.sidecars["opwatch"]
        for number in range(1, 4):
            time.sleep(0.5)
            sidecar.process.kill()
            wait_for("the restart", lambda number=number: sidecar.restarts == number and pod.events[-1] == "started opwatch")
        pod.delete()
        told = int(pod.containers["app"].text().split()[-1])
        # An answer that was lost with the process may have been kept without the service knowing.
        kept = play.kept()
        assert told <= kept <= told + 3 * 50, f"the service was told of {told}, {kept} are kept"
        assert pod.containers["app"].restarts == 0
        return f"killed 3 times, {told} acknowledged, {kept} kept"


def a_config_map_is_swapped(play):
    """A new content is taken without a restart; one with a fault is refused, and the old one stays."""
    with play.pod("kustomize-demo", "Deployment") as pod:
        pod.start()

        def rules():
            return {rule["name"] for group in json.loads(get(pod, "/api/v1/rules"))["data"]["groups"] for rule in group["rules"]}

        def reload_is(good):
            return f"opwatch_config_last_reload_successful {1 if good else 0}" in get(pod, "/metrics")

        assert "Served" not in rules()
        good = {**pod.config, "life.rules.yaml": RULES}
        start = time.monotonic()
        pod.write_config_map("opwatch-config", good)
        wait_for("the new rule", lambda: "Served" in rules())
        took = time.monotonic() - start
        pod.write_config_map("opwatch-config", {**good, "life.rules.yaml": RULES.replace("threshold:", "treshold:")})
        wait_for("the refusal", lambda: reload_is(False))
        assert "Served" in rules(), "a fault has taken the rule away"
        assert "treshold" in pod.sidecars["opwatch"].text()
        pod.write_config_map("opwatch-config", pod.config)
        wait_for("the old content", lambda: "Served" not in rules() and reload_is(True))
        sidecar = pod.sidecars["opwatch"]
        assert sidecar.restarts == 0 and not pod.probes_failed, pod.probes_failed
        # Once for each swap and no more, or something reads it again and again.
        assert sidecar.text().count("files of the configuration have changed") == 3, sidecar.text()
        pod.delete()
        return f"taken after {took:.1f} s, a fault refused, no restart"


if __name__ == "__main__":
    sys.exit(main())
