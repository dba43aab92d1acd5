"""Checks everything that is delivered for Kubernetes: kustomizations and the chart, as they arrive in a cluster.

Each is rendered as a cluster would get it (kubectl, and the engine of Helm), compared with what was rendered and read
before (`golden/`), and held against the schemas of the oldest and the newest Kubernetes, the definitions of custom
resources, the restricted profile, and opwatch itself, which has to take every configuration. `--update` writes `golden/`
and the README of the chart anew, to be read before they are committed.
"""

import argparse
import copy
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

import chart_readme
import custom_resources
import restricted
from helm_render import RenderError, render

HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = HERE.parent
ROOT = DEPLOY.parent
CHART = DEPLOY / "helm" / "opwatch"
GOLDEN = HERE / "golden"
OLDEST, NEWEST = "1.29.0", kubernetes_validate.latest_version()
KUSTOMIZATIONS = {
    "demo": DEPLOY / "kubernetes" / "overlays" / "demo",
    "jobs": DEPLOY / "kubernetes" / "overlays" / "jobs",
    "base": DEPLOY / "kubernetes" / "base",
    "workloads": HERE / "workloads",
    "socket": HERE / "socket",
}
# What the downward API would give.
ENVIRONMENT = {"POD_NAME": "pod-1", "POD_NAMESPACE": "demo", "NODE_NAME": "node-1", "CLUSTER": "eu-1"}

failures = []
counts = {"checks": 0, "skipped": 0}


def expect(good, message):
    """One check."""
    counts["checks"] += 1
    if not good:
        failures.append(message)
        print(f"FAIL {message}", flush=True)


def skip(message):
    counts["skipped"] += 1
    print(f"SKIP {message}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help="write what is rendered as what is expected")
    parser.add_argument("--opwatch", type=pathlib.Path, required=True, help="the binary that checks configurations")
    parser.add_argument("--out", type=pathlib.Path, help="write the manifests into this folder as well")
    options = parser.parse_args()
    rendered = {**kustomizations(), **charts()}
    schemas = custom_resources.load()
    for name, text in rendered.items():
        manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
        if name in ("helm-dashboards", "helm-prometheus-rules"):
            check_included(name, manifests)
        else:
            check_golden(name, text, options.update)
        check_schemas(name, manifests, schemas)
        check_profile(name, manifests)
        check_references(name, manifests)
        check_configurations(name, manifests, options.opwatch)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{name}.yaml").write_text(text, encoding="utf-8")
    check_kustomized(rendered)
    check_one_sidecar(rendered)
    check_bad_values()
    check_bad_manifests(schemas)
    check_readme(options.update)
    check_yamllint(rendered)
    print(f"{len(rendered)} rendered, Kubernetes {OLDEST} and {NEWEST}")
    print(f"{counts['checks'] - len(failures)} passed, {len(failures)} failed, {counts['skipped']} skipped")
    return 1 if failures else 0


def kustomizations():
    """Every kustomization as `kubectl apply -k` sends it; without kubectl as it was rendered last."""
    found = {}
    for name, folder in KUSTOMIZATIONS.items():
        name = f"kustomize-{name}"
        if shutil.which("kubectl") is None:
            skip(f"{name}: there is no kubectl, what was rendered last is checked")
            found[name] = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
            continue
        run = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
        expect(run.returncode == 0, f"{name}: {run.stderr}")
        found[name] = run.stdout
    return found


def charts():
    """The chart with every file of values in `ci/`, and as the dependency of another chart."""
    found = {}
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        name = path.name.removesuffix("-values.yaml")
        needs = {"dashboards": "files/dashboards/*.json", "prometheus-rules": "files/prometheus/*.yaml"}.get(name)
        if needs and not list(CHART.glob(needs)):
            skip(f"helm-{name}: there is no {needs}")
            continue
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        texts = {}
        for version in (OLDEST, NEWEST):
            try:
                texts[version], notes = render(CHART, values, f"v{version}")
            except RenderError as error:
                expect(False, f"helm-{name}: {error}")
                continue
            expect("api/v1/alerts" in notes or "opwatch.sidecar" in notes, f"helm-{name}: no notes")
        expect(len(set(texts.values())) == 1, f"helm-{name}: another manifest for another Kubernetes")
        found[f"helm-{name}"] = texts.get(NEWEST, "")
    with tempfile.TemporaryDirectory() as folder:
        parent = pathlib.Path(folder) / "parent"
        shutil.copytree(HERE / "parent-chart", parent)
        (parent / "charts").mkdir()
        (parent / "charts" / "opwatch").symlink_to(CHART)
        try:
            found["helm-parent"], _ = render(parent, {})
        except RenderError as error:
            expect(False, f"helm-parent: {error}")
    return found


def check_included(name, manifests):
    """Dashboards and rules for Prometheus are those of their one source, all of them and unchanged."""
    if name == "helm-dashboards":
        wanted = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
        found = {}
        for manifest in manifests:
            if manifest["metadata"].get("labels", {}).get("grafana_dashboard") == "1":
                found |= manifest["data"]
                expect(manifest["metadata"]["annotations"] == {"grafana_folder": "opwatch"}, f"{name}: annotations are lost")
        expect({key: text.strip() for key, text in found.items()} == {key: text.strip() for key, text in wanted.items()}, f"{name}: not those of grafana/dashboards")
        return
    wanted = []
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml")):
        wanted += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    found = next(manifest for manifest in manifests if manifest["kind"] == "PrometheusRule")["spec"]["groups"]
    expect(sorted(found, key=str) == sorted(wanted, key=str), f"{name}: not those of deploy/prometheus/rules")


def without_long_texts(text):
    """Rule packs have tests of their own where they come from: here only that they are there."""
    manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            for key in manifest["data"]:
                if key != "opwatch.yaml" and not key.startswith("own-"):
                    manifest["data"][key] = "(as in its source)"
    return yaml.safe_dump_all(manifests, sort_keys=False, width=120)


def check_golden(name, text, update):
    path = GOLDEN / f"{name}.yaml"
    # A kustomization has to be checked whole where there is no kubectl.
    text = without_long_texts(text) if name.startswith("helm") else text
    if update:
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expect(path.exists() and path.read_text(encoding="utf-8") == text, f"{name}: not as in {path}; --update writes it anew")


def check_schemas(name, manifests, schemas):
    expect(manifests, f"{name}: nothing was rendered")
    for manifest in manifests:
        what = f"{name}: {manifest['kind']} {manifest['metadata']['name']}"
        faults = custom_resources.faults(manifest, schemas)
        if faults is not None:
            expect(not faults, f"{what}: {faults}")
            continue
        for version in (OLDEST, NEWEST):
            try:
                kubernetes_validate.validate(manifest, ".".join(version.split(".")[:2]), strict=True)
                expect(True, what)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                expect(False, f"{what}, Kubernetes {version}: {error}")


def check_profile(name, manifests):
    for manifest in manifests:
        faults = restricted.faults(manifest)
        expect(not faults, f"{name}: {manifest['kind']} {manifest['metadata']['name']}: {faults}")
        expect("Role" not in manifest["kind"], f"{name}: there is RBAC")


def check_references(name, manifests):
    """Every mount has its volume, every ConfigMap that is mounted is there, every selector finds its pods."""
    config_maps = {manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] == "ConfigMap"}
    foreign = {"company-ca"}
    for manifest in manifests:
        pod = restricted.pod_of(manifest)
        if pod is None:
            continue
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        what = f"{name}: {manifest['kind']} {manifest['metadata']['name']}"
        for container_name, container in restricted.containers_of(pod["spec"]):
            for mount in container.get("volumeMounts", []):
                expect(mount["name"] in volumes, f"{what}: {container_name} mounts {mount['name']}, which is no volume")
        for volume in volumes.values():
            if "configMap" in volume:
                wanted = volume["configMap"]["name"]
                expect(wanted in config_maps | foreign, f"{what}: there is no ConfigMap {wanted}")
    pods = [pod for pod in map(restricted.pod_of, manifests) if pod]
    for manifest in manifests:
        if manifest["kind"] in ("PodMonitor", "NetworkPolicy"):
            key = "selector" if manifest["kind"] == "PodMonitor" else "podSelector"
            wanted = manifest["spec"][key]["matchLabels"].items()
            watched = [pod for pod in pods if "opwatch" in (pod["metadata"].get("labels") or {})]
            for pod in watched:
                expect(wanted <= pod["metadata"]["labels"].items(), f"{name}: {manifest['kind']} does not select its pod")


def check_configurations(name, manifests, opwatch):
    """opwatch takes every configuration, laid out as in the pod."""
    for manifest in manifests:
        if manifest["kind"] != "ConfigMap" or "opwatch.yaml" not in manifest["data"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "secrets").mkdir()
            (root / "secrets" / "smtp-password").write_text("secret\n", encoding="utf-8")
            for key, text in manifest["data"].items():
                text = text.replace("/usr/share/opwatch/rules/", f"{ROOT}/rules/")
                text = text.replace("/run/secrets/opwatch/", f"{root}/secrets/")
                (root / key).write_text(text, encoding="utf-8")
            run = subprocess.run(
                [opwatch, "--config", root / "opwatch.yaml", "check"],
                capture_output=True, text=True, timeout=60, env={**os.environ, **ENVIRONMENT},
            )
            expect(run.returncode == 0, f"{name}: opwatch check: {run.stdout}{run.stderr}")


def sidecar_of(manifest):
    pod = restricted.pod_of(manifest)
    if pod is None:
        return None
    return next((one for one in pod["spec"].get("initContainers", []) if one["name"] == "opwatch"), None)


def check_kustomized(rendered):
    manifests = list(yaml.safe_load_all(rendered["kustomize-workloads"]))
    workloads = {manifest["metadata"]["name"]: manifest for manifest in manifests if restricted.pod_of(manifest)}
    for name, manifest in workloads.items():
        if name == "alone":
            expect(sidecar_of(manifest) is None, "a workload labelled `opwatch: disabled` has a sidecar")
            continue
        spec = restricted.pod_of(manifest)["spec"]
        expect(spec["initContainers"][0]["name"] == "opwatch", f"{name}: the sidecar does not start first")
        expect(spec["shareProcessNamespace"] is True, f"{name}: processes are not shared")
    spec = restricted.pod_of(workloads["with-init"])["spec"]
    expect([one["name"] for one in spec["initContainers"]] == ["opwatch", "fetch-model"], "an init container is lost")
    expect({one["name"] for one in spec["volumes"]} == {"model", "opwatch-config", "opwatch-data"}, "a volume is lost")
    configuration = (DEPLOY / "kubernetes/components/sidecar/opwatch.yaml").read_text(encoding="utf-8")
    plain = yaml.safe_load(configuration)
    with_target = yaml.safe_load((DEPLOY / "kubernetes/components/process-metrics/opwatch.yaml").read_text(encoding="utf-8"))
    expect(with_target.pop("target") == {"process": "largest"} and with_target == plain, "process-metrics differs in more than its target")
    socket = yaml.safe_load((DEPLOY / "kubernetes/components/unix-socket/opwatch.yaml").read_text(encoding="utf-8"))
    socket["listen"]["ingest"] = plain["listen"]["ingest"]
    expect(socket == plain, "unix-socket differs in more than its listener")


def check_one_sidecar(rendered):
    """The chart and the component put the same container into a pod."""
    found = {}
    for name in ("kustomize-demo", "helm-demo"):
        for manifest in yaml.safe_load_all(rendered.get(name, "")):
            if manifest and sidecar_of(manifest):
                found[name] = copy.deepcopy(sidecar_of(manifest))
                found[name].pop("imagePullPolicy", None)
    expect(len(found) == 2 and found["kustomize-demo"] == found["helm-demo"], "chart and component differ in the sidecar")
    sidecar = found["kustomize-demo"]
    expect(sidecar["restartPolicy"] == "Always", "it is no sidecar")
    port = sidecar["ports"][0]["containerPort"]
    source = (ROOT / "src/config/listen.rs").read_text(encoding="utf-8")
    expect(f"0.0.0.0:{port}" in source, f"{port} is not the default port of opwatch")
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    expect(chart["appVersion"] == version and chart["version"] == version, f"the chart is not of version {version}")
    expect(sidecar["image"].endswith(f":{version}"), f"the image is not of version {version}")


def check_bad_values():
    """Helm refuses each of these values, and names the key."""
    for values, named in [
        ({"podMonitors": {"enabled": True}}, "podMonitors"),
        ({"mode": "all"}, "mode"),
        ({"image": {"tagg": "1"}}, "tagg"),
        ({"image": {"digest": "sha256:short"}}, "digest"),
        ({"podMonitor": {"enabled": "yes"}}, "enabled"),
        ({"podMonitor": {"interval": "often"}}, "interval"),
        ({"rules": {"packs": ["nothing"]}}, "packs"),
        ({"rules": {"files": {"a": {"group": []}}}}, "files"),
        ({"resources": {"limits": {"memory": "much"}}}, "memory"),
        ({"networkPolicy": {"enabled": True, "from": []}}, "from"),
        ({"demo": {"phases": "sick:3"}}, "phases"),
        ({"data": {"sizeLimit": ["512Mi"]}}, "sizeLimit"),
    ]:
        try:
            render(CHART, values)
            expect(False, f"Helm takes {values}")
        except RenderError as error:
            expect(named in str(error), f"{values}: {error}")


def check_bad_manifests(schemas):
    """The checks find what they are there for."""
    deployment = next(one for one in yaml.safe_load_all((GOLDEN / "kustomize-base.yaml").read_text(encoding="utf-8")) if one["kind"] == "Deployment")
    for path, value, found in [
        (["spec", "hostNetwork"], True, "hostNetwork"),
        (["spec", "automountServiceAccountToken"], True, "automountServiceAccountToken"),
        (["spec", "securityContext", "runAsNonRoot"], False, "runAsNonRoot"),
        (["spec", "securityContext", "seccompProfile"], None, "seccompProfile"),
        (["spec", "volumes"], [{"name": "x", "hostPath": {"path": "/"}}], "hostPath"),
        (["spec", "containers", 0, "securityContext", "privileged"], True, "privileged"),
        (["spec", "containers", 0, "securityContext", "capabilities"], {"drop": []}, "drop ALL"),
        (["spec", "containers", 0, "securityContext", "allowPrivilegeEscalation"], True, "allowPrivilegeEscalation"),
        (["spec", "containers", 0, "securityContext", "readOnlyRootFilesystem"], False, "readOnlyRootFilesystem"),
        (["spec", "containers", 0, "resources"], {}, "memory"),
    ]:
        bad = copy.deepcopy(deployment)
        place = bad["spec"]["template"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        faults = restricted.faults(bad)
        expect(any(found in fault for fault in faults), f"the profile does not find {path}: {faults}")
    bad = copy.deepcopy(deployment)
    bad["spec"]["template"]["spec"]["containers"][0]["restartPolicies"] = "Always"
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(bad, ".".join(version.split(".")[:2]), strict=True)
            expect(False, f"Kubernetes {version} takes a key that is none")
        except kubernetes_validate.ValidationError:
            expect(True, "")
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "x"}}
    faults = custom_resources.faults({**monitor, "spec": {"selector": {}, "podMetricEndpoints": []}}, schemas)
    expect(any("podMetricEndpoints" in fault for fault in faults), f"a PodMonitor with a key that is none: {faults}")


def check_readme(update):
    path = CHART / "README.md"
    text = chart_readme.render(CHART)
    if update:
        path.write_text(text, encoding="utf-8")
    expect(path.exists() and path.read_text(encoding="utf-8") == text, f"{path} is not that of values.yaml; --update writes it anew")


def check_yamllint(rendered):
    linter = [sys.executable, "-m", "yamllint", "--strict", "-c", str(HERE / "yamllint.yaml")]
    # Templates are no YAML yet; the others are what tools have written, or are checked where they come from.
    others = {"templates", "golden", "files", "crds", "prometheus", "alertmanager"}
    files = [path for path in DEPLOY.rglob("*.yaml") if not others & set(path.relative_to(DEPLOY).parts)]
    run = subprocess.run([*linter, *map(str, sorted(files))], capture_output=True, text=True, timeout=120)
    expect(run.returncode == 0, f"yamllint:\n{run.stdout}")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in rendered.items():
            (pathlib.Path(folder) / f"{name}.yaml").write_text(text, encoding="utf-8")
        # Only what could change the meaning: the layout is that of the tools that render.
        rules = "{rules: {key-duplicates: enable, octal-values: enable, truthy: {check-keys: false}}}"
        run = subprocess.run([sys.executable, "-m", "yamllint", "--strict", "-d", rules, folder], capture_output=True, text=True, timeout=120)
        expect(run.returncode == 0, f"yamllint of what is rendered:\n{run.stdout}")


if __name__ == "__main__":
    sys.exit(main())
