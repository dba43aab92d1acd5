"""The image as a node runs it: its root unpacked, read-only, under chroot, as uid 65532. Needs root, and umoci and skopeo.

Serves, resolves names by /etc/hosts and by a name server, sends mail with TLS and a webhook over HTTPS and answers
`healthcheck`. What a node would mount is mounted: a volume for the data, /etc/hosts, /etc/resolv.conf and a configuration.
"""

import argparse
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from aiosmtpd.controller import Controller

from pod import free_port, wait_for

UID = 65532
# Known to the name server only, and to /etc/hosts only.
BY_DNS, BY_HOSTS = "mail.dns.test", "hook.hosts.test"


def run(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=120, **more).stdout


def name_server():
    """Answers every question for an A record of BY_DNS with 127.0.0.1, and says that there is nothing else."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))
    asked = []

    def serve():
        while True:
            question, client = server.recvfrom(512)
            labels, place = [], 12
            while question[place]:
                labels.append(question[place + 1 : place + 1 + question[place]].decode())
                place += question[place] + 1
            name, kind = ".".join(labels), int.from_bytes(question[place + 1 : place + 3], "big")
            asked.append(name)
            section = question[12 : place + 5]
            found = name == BY_DNS and kind == 1
            code = 0x8180 if name == BY_DNS else 0x8183
            head = question[:2] + code.to_bytes(2, "big") + (1).to_bytes(2, "big") + int(found).to_bytes(2, "big") + bytes(4)
            answer = b"\xc0\x0c" + b"\x00\x01\x00\x01" + (60).to_bytes(4, "big") + b"\x00\x04" + bytes([127, 0, 0, 1])
            server.sendto(head + section + (answer if found else b""), client)

    threading.Thread(target=serve, daemon=True).start()
    return asked


def certificate(folder):
    """An authority of its own, and a certificate of it for both names."""
    ca, key, request, cert = (folder / name for name in ("ca.pem", "key.pem", "request.pem", "cert.pem"))
    names = folder / "names"
    names.write_text(f"subjectAltName=DNS:{BY_DNS},DNS:{BY_HOSTS}\n", encoding="utf-8")
    ca_key = folder / "ca-key.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=test authority")
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=test")
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", names, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return ca, context


def webhook(context, taken):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class Mails:
    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        self.taken.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 taken"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=pathlib.Path, help="the image as an OCI archive")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opwatch-image-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        check(options.archive, folder)
    print("1 passed, 0 failed")


def check(archive, folder):
    about = json.loads(run("skopeo", "inspect", "--config", f"oci-archive:{archive}"))
    config = about["config"]
    assert config["User"] == f"{UID}:{UID}" and config["Entrypoint"] == ["/usr/bin/opwatch"], config
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0", config
    run("skopeo", "copy", f"oci-archive:{archive}", f"oci:{folder}/layout:v")
    run("umoci", "unpack", "--image", f"{folder}/layout:v", folder / "bundle")
    root = folder / "bundle" / "rootfs"
    binary = root / "usr/bin/opwatch"
    print(f"image: {archive.stat().st_size / 1e6:.1f} MB compressed, files {sum(f.stat().st_size for f in root.rglob('*') if f.is_file()) / 1e6:.1f} MB, binary {binary.stat().st_size / 1e6:.2f} MB, {len(about['rootfs']['diff_ids'])} layers")
    assert "statically linked" in run("file", binary) or "static-pie" in run("file", binary), run("file", binary)
    others = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK) and path.stat().st_mode & 0o111]
    assert others == ["usr/bin/opwatch"], f"more can be executed than opwatch: {others}"

    alone = run("chroot", f"--userspec={UID}:{UID}", root, "/usr/bin/opwatch", "--config", config["WorkingDir"] + "/opwatch.yaml", "check")
    assert "0 faults, 0 warnings" in alone, alone

    asked = name_server()
    ca, context = certificate(folder)
    hooks, mails = [], Mails()
    hook_port, mail_port = webhook(context, hooks), free_port()
    controller = Controller(mails, hostname="127.0.0.1", port=mail_port, tls_context=context, require_starttls=True)
    controller.start()
    public, ingest = free_port(), free_port()
    mounted = folder / "mounted"
    mounted.mkdir()
    shutil.copy(ca, mounted / "ca.pem")
    (mounted / "opwatch.yaml").write_text(
        f"""
listen: {{public: '127.0.0.1:{public}', ingest: '127.0.0.1:{ingest}'}}
data_dir: /var/lib/opwatch
rule_files: [/usr/share/opwatch/rules/operations.yaml, '*.rules.yaml']
drain_timeout: 5s
smtp: {{smarthost: '{BY_DNS}:{mail_port}', from: 'opwatch@example.org', tls: {{ca_file: ca.pem}}}}
route: {{receiver: team, group_wait: 0s}}
receivers:
  - name: team
    email_configs: [{{to: 'ml@example.org'}}]
    webhook_configs: [{{url: 'https://{BY_HOSTS}:{hook_port}/', http_config: {{tls_config: {{ca_file: ca.pem}}}}}}]
""",
        encoding="utf-8",
    )
    (mounted / "a.rules.yaml").write_text(
        "groups: [{name: g, interval: 1s, rules: [{alert: Slow, labels: {severity: high}, threshold: {metric: duration, stat: last, window: 1h, above: 1s}}]}]\n",
        encoding="utf-8",
    )
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {BY_HOSTS}\n", encoding="utf-8")
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\noptions timeout:2 attempts:1\n", encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    os.chown(data, UID, UID)
    for name in ("etc/hosts", "etc/resolv.conf"):
        (root / name).touch()
    # A mount namespace of its own, in which the root is read-only but for the volume.
    script = f"""
set -e
mount --make-rprivate /
mount --bind {root} {root}
mount --bind {hosts} {root}/etc/hosts
mount --bind {resolv} {root}/etc/resolv.conf
mount --bind {data} {root}/var/lib/opwatch
mount --bind {mounted} {root}/etc/opwatch
mount -o remount,bind,ro {root}
mount -o remount,bind,ro {root}/etc/opwatch
cd {root}
"""
    inside = f"exec chroot --userspec={UID}:{UID} {root}"
    log = open(folder / "log", "w", encoding="utf-8")
    server = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{script}{inside} /usr/bin/opwatch --config /etc/opwatch/opwatch.yaml"],
        stdout=log, stderr=log, env={},
    )
    try:
        def text():
            return (folder / "log").read_text(encoding="utf-8")

        def ready():
            assert server.poll() is None, text()
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{public}/-/ready", timeout=2).status == 200
            except OSError:
                return False

        wait_for("it to be ready", ready)
        healthcheck = ["unshare", "-m", "sh", "-c", f"{script}{inside} /usr/bin/opwatch --config /etc/opwatch/opwatch.yaml healthcheck"]
        healthy = subprocess.run(healthcheck, capture_output=True, text=True, timeout=30)
        assert healthy.returncode == 0, healthy
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in status, status
        request = urllib.request.Request(
            f"http://127.0.0.1:{ingest}/v1/operations", b'{"operation":"detect","duration_seconds":2}', {"Content-Type": "application/json"}
        )
        assert json.loads(urllib.request.urlopen(request, timeout=10).read())["accepted"] == 1
        wait_for("the webhook", lambda: hooks)
        wait_for("the mail", lambda: mails.taken)
        assert hooks[0]["alerts"][0]["labels"]["alertname"] == "Slow", hooks
        assert mails.taken[0][0] == ["ml@example.org"] and "Slow" in mails.taken[0][1], mails.taken
        assert BY_DNS in asked and BY_HOSTS not in asked, f"the name server was asked for {asked}"
        print(f"served as uid {UID} on a read-only root; webhook over TLS to {BY_HOSTS} (/etc/hosts), mail over STARTTLS to {BY_DNS} (name server)")
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0, text()
        down = subprocess.run(healthcheck, capture_output=True, text=True, timeout=30)
        assert down.returncode == 4, down
        print("healthcheck: 0 while it served, 4 after its end")
    finally:
        controller.stop()
        if server.poll() is None:
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
