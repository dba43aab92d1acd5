"""One pod, run as the kubelet runs it: from its manifest, in the same order and with the same signals, without containers.

Native sidecars start first, and what comes after them waits for their startup probe. They are started again when they end
while the pod runs, and are told to end (TERM, in what is left of the grace period; then KILL) when all other containers have
ended. ConfigMaps are laid out as the kubelet mounts them, and changed as it changes them: a new folder, then one rename of
`..data`. What only a container could give is replaced: paths of mounts by folders, and the ports by free ones.
"""

import itertools
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

FIELDS = {
    "metadata.name": "isolation-forest-7d4b9",
    "metadata.namespace": "opwatch-demo",
    "spec.nodeName": "node-1",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, condition, timeout=60.0):
    """Waits until the condition gives something; a wait that fails is an error."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout} s for {what}")


class ConfigMapVolume:
    """A folder as a mounted ConfigMap."""

    def __init__(self, folder):
        self.folder = folder
        self._numbers = itertools.count()
        folder.mkdir(parents=True)

    def write(self, data):
        """Brings in a new content with one rename; names that are gone are removed after it."""
        version = self.folder / f"..2026_11_30_{next(self._numbers)}"
        version.mkdir()
        for name, text in data.items():
            (version / name).write_text(text, encoding="utf-8")
        temporary = self.folder / "..data_tmp"
        temporary.symlink_to(version.name)
        temporary.rename(self.folder / "..data")
        for name in data:
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in data:
                link.unlink()


class Container:
    """A container that runs, or has run."""

    def __init__(self, name, command, environment, folder):
        self.name = name
        self._command, self._environment, self._folder = command, environment, folder
        self.restarts = -1
        self.process = None
        self.log = folder / f"{name}.log"
        self.start()

    def start(self):
        self.restarts += 1
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder)

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


class Pod:
    """The pod of a workload's template. `programs` says what stands for each image: the start of a command line."""

    def __init__(self, template, config_maps, programs, folder, shared=()):
        self.spec = template["spec"]
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.public, self.ingest = free_port(), free_port()
        self.config_maps = {}
        self.mounts = {}
        self._replacements = list(shared)
        self.containers, self.sidecars = {}, {}
        self.probes_failed = []
        self.events = []
        self._ending = threading.Event()
        self._lay_out_volumes(config_maps)

    def _lay_out_volumes(self, config_maps):
        for volume in self.spec["volumes"]:
            path = self.folder / "volumes" / volume["name"]
            if "configMap" in volume:
                self.config_maps[volume["configMap"]["name"]] = ConfigMapVolume(path)
            else:
                path.mkdir(parents=True, exist_ok=True)
            self.mounts[volume["name"]] = path
        for container in self.spec.get("initContainers", []) + self.spec["containers"]:
            for mount in container.get("volumeMounts", []):
                pair = (mount["mountPath"], str(self.mounts[mount["name"]]))
                if mount["name"].startswith("opwatch") and pair not in self._replacements:
                    self._replacements.append(pair)
        self._replacements += [("0.0.0.0:9776", f"127.0.0.1:{self.public}"), ("127.0.0.1:9777", f"127.0.0.1:{self.ingest}")]
        for name, data in config_maps.items():
            if name in self.config_maps:
                self.write_config_map(name, data)

    def write_config_map(self, name, data):
        self.config_maps[name].write({key: self._here(text) for key, text in data.items()})

    def _here(self, text):
        for inside, outside in self._replacements:
            text = text.replace(inside, outside)
        return text

    def _run(self, container):
        environment = {"PATH": os.environ["PATH"]}
        for variable in container.get("env", []):
            if "value" in variable:
                environment[variable["name"]] = self._here(variable["value"])
            else:
                environment[variable["name"]] = FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        arguments = []
        for argument in container.get("args", []):
            for name, value in environment.items():
                argument = argument.replace(f"$({name})", value)
            arguments.append(self._here(argument))
        image = container["image"].split(":")[0]
        self.events.append(f"start {container['name']}")
        return Container(container["name"], [*self.programs[image], *arguments], environment, self.folder)

    def start(self):
        """Starts everything in order; returns when all containers have been started."""
        for container in self.spec.get("initContainers", []):
            assert container.get("restartPolicy") == "Always", "only native sidecars are played"
            sidecar = self._run(container)
            self.sidecars[container["name"]] = sidecar
            self._until_started(container, sidecar)
            for kind in ("readinessProbe", "livenessProbe"):
                threading.Thread(target=self._watch, args=(container, sidecar, kind), daemon=True).start()
        for container in self.spec["containers"]:
            self.containers[container["name"]] = self._run(container)

    def _until_started(self, container, sidecar):
        probe = container["startupProbe"]
        for _ in range(probe["failureThreshold"]):
            if self.probe(probe):
                self.events.append(f"started {container['name']}")
                return
            assert sidecar.process.poll() is None, f"the sidecar has ended: {sidecar.text()}"
            time.sleep(probe["periodSeconds"])
        raise AssertionError(f"the startup probe fails: {sidecar.text()}")

    def probe(self, probe):
        """One probe; a port by its name is the public one, which is all that probes use."""
        url = f"http://127.0.0.1:{self.public}{probe['httpGet']['path']}"
        try:
            with urllib.request.urlopen(url, timeout=probe.get("timeoutSeconds", 1)) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False

    def _watch(self, container, sidecar, kind):
        """Restarts a sidecar that ends, and notes every probe that fails while it should not."""
        while not self._ending.wait(0.2):
            if kind == "livenessProbe" and sidecar.process.poll() is not None and not self._ending.is_set():
                self.events.append(f"restart {container['name']}")
                sidecar.start()
                self._until_started(container, sidecar)
            elif not self.probe(container[kind]) and sidecar.process.poll() is None and not self._ending.is_set():
                self.probes_failed.append((time.monotonic(), kind))

    def wait(self, timeout=120.0):
        """Waits until all containers but the sidecars have ended by themselves, as those of a Job do, and ends the pod."""
        for container in self.containers.values():
            container.process.wait(timeout)
            self.events.append(f"end {container.name}")
        return self._end_sidecars(time.monotonic() + self.grace)

    def delete(self):
        """Ends the pod: TERM to all but the sidecars, and to these when all others have ended. Gives the seconds each took."""
        deadline = time.monotonic() + self.grace
        for container in self.containers.values():
            end(container.process, deadline)
            self.events.append(f"end {container.name}")
        return self._end_sidecars(deadline)

    def _end_sidecars(self, deadline):
        self._ending.set()
        took = {}
        # In the reverse of the order in which they were started.
        for name in reversed(self.sidecars):
            start = time.monotonic()
            self.events.append(f"terminate {name}")
            killed = end(self.sidecars[name].process, deadline)
            took[name] = time.monotonic() - start
            self.events.append(f"kill {name}" if killed else f"end {name}")
        return took

    @property
    def grace(self):
        return self.spec.get("terminationGracePeriodSeconds", 30)

    def succeeded(self):
        """Whether it would be `Succeeded`: all containers but the sidecars have ended well."""
        return all(container.process.returncode == 0 for container in self.containers.values())

    def stop(self):
        """Leaves nothing behind, whatever has happened."""
        self._ending.set()
        for container in [*self.containers.values(), *self.sidecars.values()]:
            if container.process.poll() is None:
                container.process.kill()
                container.process.wait()


def end(process, deadline):
    """TERM, and after the deadline KILL; whether the latter was needed."""
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
