"""Renders a chart with the real engine of Helm, as a library, and without a cluster.

`render(chart, values, version)` gives the manifest with its hooks and the notes. A stub of an API server on loopback says
which version and kinds it has; Helm then wants to keep the release as a Secret, from which the manifest is read, and which
is refused. Helm is that of the Python package helm-sdkpy.
"""

import asyncio
import base64
import contextlib
import gzip
import http.server
import json
import os
import re
import tempfile
import threading

import helm_sdkpy
import yaml

RESOURCES = {
    "v1": "configmaps:ConfigMap secrets:Secret services:Service pods:Pod persistentvolumeclaims:PersistentVolumeClaim",
    "apps/v1": "deployments:Deployment statefulsets:StatefulSet daemonsets:DaemonSet",
    "batch/v1": "jobs:Job cronjobs:CronJob",
    "networking.k8s.io/v1": "networkpolicies:NetworkPolicy",
    "monitoring.coreos.com/v1": "podmonitors:PodMonitor prometheusrules:PrometheusRule",
}


class RenderError(Exception):
    """What Helm says is wrong with the chart or the values."""


def resource_list(group):
    pairs = (pair.split(":") for pair in RESOURCES[group].split())
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group,
        "resources": [
            {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["create", "get", "list"]}
            for name, kind in pairs
        ],
    }


def group_list():
    groups = []
    for version in RESOURCES:
        name, slash, short = version.partition("/")
        if slash:
            entry = {"groupVersion": version, "version": short}
            groups.append({"name": name, "versions": [entry], "preferredVersion": entry})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def stub(version, found):
    """The handler of a stub that claims to be that version, and puts the release into `found`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, value, status=200):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

        def do_GET(self):
            path = self.path.split("?")[0]
            if path == "/version":
                major, minor = version.removeprefix("v").split(".")[:2]
                self.answer({"major": major, "minor": minor, "gitVersion": version})
            elif path == "/api":
                self.answer({"kind": "APIVersions", "versions": ["v1"]})
            elif path == "/apis":
                self.answer(group_list())
            elif path.removeprefix("/apis/") in RESOURCES:
                self.answer(resource_list(path.removeprefix("/apis/")))
            elif path == "/api/v1":
                self.answer(resource_list("v1"))
            elif path.endswith("/secrets"):
                self.answer({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []})
            else:
                self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}, 404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            # The Secret is a protocol buffer; in it the release is base64 of gzip of JSON.
            for text in re.findall(rb"[A-Za-z0-9+/]{80,}={0,2}", body):
                for start in range(4):
                    with contextlib.suppress(Exception):
                        data = base64.b64decode(text[start:] + b"==")
                        if data[:2] == b"\x1f\x8b":
                            found.update(json.loads(gzip.decompress(data)))
            self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "only rendered", "code": 403}, 403)

    return Handler


def render(chart, values, version="v1.33.0", name="rel", namespace="demo"):
    """The manifest with hooks, and the notes, that `helm install NAME CHART` would send to a cluster of that version."""
    found = {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), stub(version, found))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        os.environ["KUBECONFIG"] = file.name

        async def install():
            helm = helm_sdkpy.Configuration(namespace=namespace, kubeconfig=file.name)
            await helm_sdkpy.Install(helm).run(name, str(chart), values=values, wait=False, timeout=20)

        try:
            asyncio.run(install())
        except Exception as error:
            if not found:
                raise RenderError(str(error)) from error
        finally:
            server.shutdown()
            server.server_close()
    hooks = "".join(f"\n---\n# Source: {hook['path']}\n{hook['manifest']}" for hook in found.get("hooks", []))
    return found["manifest"] + hooks, found["info"].get("notes", "")
