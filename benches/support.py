"""What the scripts of this folder share: programs that end with them, requests, and what /proc tells of a process."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CARGO = os.environ.get("CARGO", "cargo")
TICKS = os.sysconf("SC_CLK_TCK")


def say(*words):
    """Tells on standard error how it goes; standard output has the result alone."""
    print(*words, file=sys.stderr, flush=True)


def benches(*names):
    """Builds bench programs; their paths by name."""
    say("building", *names)
    command = [CARGO, "bench", "--locked", "--no-run", "--message-format", "json"]
    for name in names:
        command += ["--bench", name]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = {}
    for line in output.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] in names:
            found[message["target"]["name"]] = message["executable"]
    return found


def opwatch_binary(path):
    """The binary under test; built when none is named."""
    if path:
        return os.path.abspath(path)
    say("building opwatch")
    subprocess.run([CARGO, "build", "--release", "--locked"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return os.path.join(ROOT, "target/release/opwatch")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def installed(program):
    """Whether a peer is there; says so when it is not."""
    if shutil.which(program):
        return True
    say(f"  {program} is not installed: left out")
    return False


class Peer:
    """A program that runs until it is stopped."""

    def __init__(self, command, folder, **options):
        self.log = os.path.join(folder, os.path.basename(command[0]) + f"-{time.monotonic_ns()}.log")
        # A group of its own, so that an interrupt ends the script first, which then ends it.
        with open(self.log, "w", encoding="utf-8") as log:
            options = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL} | options
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True, text=True, **options)
        self.pid = self.process.pid

    def stop(self):
        """Ends it, at last by force."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()

    def running(self):
        """Whether it is still there."""
        return self.process.poll() is None

    def rss(self, which="VmRSS"):
        """Resident memory in MiB; `VmHWM` is its peak."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith(which + ":"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def cpu(self):
        """CPU seconds used so far, of the program and the system for it."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def tail(self):
        """The end of its log."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-10:])


class Opwatch(Peer):
    """An opwatch on free ports."""

    def __init__(self, binary, folder, config="", wrapper=(), data_dir="none", **options):
        self.public, self.ingest = free_port(), free_port()
        path = os.path.join(folder, f"opwatch-{self.public}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listen: {{public: '127.0.0.1:{self.public}', ingest: '127.0.0.1:{self.ingest}'}}\n")
            file.write(f"data_dir: {data_dir}\n" + config)
        begun = time.monotonic()
        super().__init__([*wrapper, binary, "--config", path], folder, **options)
        wait_ready(self, self.public)
        self.ready_seconds = time.monotonic() - begun

    def metrics(self):
        """All samples of its page by name and labels."""
        return samples(get(self.public, "/metrics")[1].decode())


def wait_ready(peer, port, path="/-/ready", seconds=60):
    """Waits until a server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not peer.running():
            sys.exit(f"{peer.process.args} has ended:\n{peer.tail()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if get(port, path)[0] == 200:
                return
        time.sleep(0.001)
    sys.exit(f"{peer.process.args} does not answer:\n{peer.tail()}")


def request(port, method, path, body=None, headers=None, timeout=60):
    """Status, body and headers of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def get(port, path, headers=None):
    """Status and body of a GET."""
    return request(port, "GET", path, headers=headers)[:2]


def samples(page):
    """The samples of a page in Prometheus' text format."""
    found = {}
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def load(program, what, port, path, count, seconds):
    """Runs the load program; what it says."""
    command = [program, what, f"127.0.0.1:{port}", path, str(count), str(seconds)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds * 2 + 60, check=True)
    return json.loads(run.stdout)


def quantile(values, q):
    """The value below which a share `q` of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(q * (len(ordered) - 1)))]


def median(values):
    """The value in the middle."""
    return quantile(values, 0.5)


@contextlib.contextmanager
def workshop():
    """A folder and a place for programs; both are gone afterwards, however it ends."""
    folder = tempfile.mkdtemp(prefix="opwatch-bench-")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def start(peer):
            stack.callback(peer.stop)
            return peer

        # A script that is told to end cleans up as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        yield folder, start


def table(title, head, rows):
    """Prints a table for people and for Markdown."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def number(value, digits=3):
    """A number with three significant digits and thousands apart."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1_000_000:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 1_000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{digits}g}"
