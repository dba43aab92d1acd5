"""The README of the chart, made of `values.yaml`: the comment above a key says what it is for."""

import re

import yaml

HEAD = """\
# opwatch

{description}.

It has three uses: `mode: manifests`, the default, installs what belongs to sidecars in pods of your own (ConfigMap,
PodMonitor, PrometheusRule, dashboards, NetworkPolicy); `mode: demo` adds an example service; and as a dependency it puts
the sidecar into the pods of your chart:

```yaml
# Chart.yaml
dependencies:
  - {{name: opwatch, version: {version}, repository: oci://registry.example.org/charts}}
```

```yaml
# templates/deployment.yaml, in the pod template
metadata:
  labels:
    {{{{- include "opwatch.podLabels" .Subcharts.opwatch | nindent 4 }}}}
spec:
  initContainers:
    {{{{- include "opwatch.sidecar" .Subcharts.opwatch | nindent 4 }}}}
  containers:
    - name: app
      env:
        {{{{- include "opwatch.env" .Subcharts.opwatch | nindent 8 }}}}
  volumes:
    {{{{- include "opwatch.volumes" .Subcharts.opwatch | nindent 4 }}}}
```

Kubernetes 1.29 or newer (native sidecars). No RBAC; the sidecar runs under the restricted profile. `helm test` has the
opwatch of the release check its configuration. With more than one replica receivers belong in Alertmanager:
`config: {{alertmanagers: [{{url: …}}]}}`. Values are checked strictly: a key that is none is refused.

## Values

| Key | Default | |
|---|---|---|
"""
# Keys whose value is one thing to the reader.
WHOLE = {"rules.files", "config", "podMonitor.labels", "prometheusRule.labels", "dashboards.labels", "dashboards.annotations", "resources"}


def render(chart):
    """The text of README.md."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    lines = [f"| `{key}` | `{flow(value)}` | {comment} |" for key, value, comment in entries(text)]
    return HEAD.format(**about) + "\n".join(lines) + "\n"


def flow(value):
    """A value in one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("...").strip() if value != "" else '""'


def entries(text):
    """Key, default and comment of everything that can be set; a key without a comment is a fault."""
    values = yaml.safe_load(text)
    path, comment = [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        found = re.match(r"( *)([A-Za-z]+):", line)
        if not stripped:
            comment = []
            continue
        if not found:
            continue
        depth = len(found[1]) // 2
        path = path[:depth] + [found[2]]
        key = ".".join(path)
        if any(key.startswith(f"{whole}.") for whole in WHOLE) or "networkPolicy.from." in key:
            continue
        value = values
        for part in path:
            value = value[part]
        is_section = isinstance(value, dict) and value and key not in WHOLE
        if not is_section:
            if not comment:
                raise ValueError(f"values.yaml: {key} has no comment")
            yield key, value, " ".join(comment).replace("|", "\\|")
        comment = []
