"""The restricted profile of Kubernetes' Pod Security Standards, as far as manifests can break it.

`faults(manifest)` lists what an admission controller that enforces the profile would refuse, and what this project asks of
its own pods beyond that: no token of a service account, a root file system that is read-only, memory that is limited.
"""

CAPABILITIES_THAT_MAY_BE_ADDED = {"NET_BIND_SERVICE"}
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
SECCOMP = {"RuntimeDefault", "Localhost"}
# Where each kind has its pod.
PODS = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


def pod_of(manifest):
    """The pod (template) of a workload, or None."""
    if manifest.get("kind") not in PODS:
        return None
    pod = manifest
    for key in PODS[manifest["kind"]]:
        pod = pod[key]
    return pod


def containers_of(spec):
    """All containers of a pod with a name for messages."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key, []):
            yield f"{key}/{container['name']}", container


def faults(manifest):
    """What is wrong with the pods of one manifest, one text a fault."""
    pod = pod_of(manifest)
    if pod is None:
        return []
    spec = pod["spec"]
    found = []
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            found.append(f"{key} is set")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("automountServiceAccountToken is not false")
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            found.append(f"volume {volume['name']}: {', '.join(sorted(kinds - VOLUMES))} is not allowed")
    pod_context = spec.get("securityContext", {})
    found += context_faults("the pod", pod_context)
    for name, container in containers_of(spec):
        found += container_faults(name, container, pod_context)
    return found


def context_faults(name, context):
    found = []
    if context.get("runAsUser") == 0:
        found.append(f"{name}: runAsUser is 0")
    seccomp = (context.get("seccompProfile") or {}).get("type", "RuntimeDefault")
    if seccomp not in SECCOMP:
        found.append(f"{name}: seccompProfile is {seccomp}")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        found.append(f"{name}: windowsOptions.hostProcess is set")
    if (context.get("seLinuxOptions") or {}).keys() & {"user", "role"}:
        found.append(f"{name}: seLinuxOptions sets user or role")
    if context.get("sysctls"):
        found.append(f"{name}: sysctls are set")
    return found


def container_faults(name, container, pod_context):
    context = container.get("securityContext", {})
    found = context_faults(name, context)

    def effective(key):
        return context.get(key, pod_context.get(key))

    if effective("runAsNonRoot") is not True:
        found.append(f"{name}: runAsNonRoot is not true")
    if not effective("seccompProfile"):
        found.append(f"{name}: there is no seccompProfile")
    if context.get("privileged"):
        found.append(f"{name}: privileged is set")
    if context.get("allowPrivilegeEscalation") is not False:
        found.append(f"{name}: allowPrivilegeEscalation is not false")
    if context.get("procMount", "Default") != "Default":
        found.append(f"{name}: procMount is not Default")
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        found.append(f"{name}: capabilities do not drop ALL")
    added = set(capabilities.get("add", [])) - CAPABILITIES_THAT_MAY_BE_ADDED
    if added:
        found.append(f"{name}: capabilities add {', '.join(sorted(added))}")
    for port in container.get("ports", []):
        if port.get("hostPort"):
            found.append(f"{name}: hostPort {port['hostPort']} is set")
    if context.get("readOnlyRootFilesystem") is not True:
        found.append(f"{name}: readOnlyRootFilesystem is not true")
    if "memory" not in container.get("resources", {}).get("limits", {}):
        found.append(f"{name}: memory is not limited")
    return found
