#!/usr/bin/env python3
"""A real SMTP server for tests: keeps every message it accepts as one JSON line in a file.

Prints `ready PORT CERTPATH` once it listens; CERTPATH is the authority a client has to trust, or
`-` without TLS. Runs until it is terminated or its standard input, when a pipe, is closed.
"""

import argparse
import asyncio
import contextlib
import email
import email.errors
import email.policy
import hmac
import json
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import tempfile

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult

from lifetime import when_input_ends

# An authority and a server certificate under it, because some TLS libraries (webpki) refuse an
# authority's own certificate as that of a server.
AUTHORITY = """\
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = opwatch test authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
SERVER_EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Handler:
    """Answers as the faults say, and keeps what it has accepted."""

    def __init__(self, options):
        self._options = options
        self._attempts = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        """Takes every recipient, or none."""
        if self._options.reject:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        """Takes the message after its last line has come."""
        self._attempts += 1
        if self._options.hang == "data":
            await asyncio.Event().wait()
        if self._attempts <= self._options.fail:
            return "451 4.3.0 try again later"
        line = json.dumps(describe(server, session, envelope, self._attempts)) + "\n"
        # One write, so that a reader never sees half a line, and before the answer, so that what
        # the client knows as delivered is in the file.
        with open(self._options.file, "ab", buffering=0) as file:
            file.write(line.encode())
        return "250 OK"


class Server(SMTP):
    """The library's server, with a connection that may stay silent."""

    hang_on_connect = False

    async def _handle_client(self):
        if self.hang_on_connect:
            await asyncio.Event().wait()
        await super()._handle_client()


class Controller(UnthreadedController):
    """The library's listener, making our kind of server."""

    def factory(self):
        """One server per connection."""
        return Server(self.handler, **self.SMTP_kwargs)


def describe(server, session, envelope, attempt):
    """The message as a test wants to look at it; `attempt` counts the messages that were sent."""
    message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    headers = {}
    for name, value in message.items():
        # A header that occurs twice shows as two lines.
        headers[name] = f"{headers[name]}\n{value}" if name in headers else str(value)
    bodies = {kind: message.get_body(preferencelist=(kind,)) for kind in ("plain", "html")}
    text, html = (part and part.get_content() for part in bodies.values())
    return {
        "header_names": message.keys(),
        "faults": faults(envelope.original_content),
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "subject": headers.get("Subject"),
        "headers": headers,
        "text": text,
        "html": html,
        # The session knows of STARTTLS only, the transport of both kinds.
        "tls": server.transport.get_extra_info("ssl_object") is not None,
        "authenticated": bool(session.authenticated),
        "attempt": attempt,
    }


def faults(content):
    """What a strict reader has against a message."""
    found = []
    try:
        message = email.message_from_bytes(
            content, policy=email.policy.SMTP.clone(raise_on_defect=True)
        )
    except email.errors.MessageError as error:
        return [repr(error)]
    for part in message.walk():
        found += [repr(defect) for defect in part.defects]
        for name, value in part.items():
            found += [f"{name}: {defect!r}" for defect in value.defects]
    if not content.isascii():
        found.append("characters that are not ASCII")
    if b"\0" in content or re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        found.append("an end of line or of text where there should be none")
    longest = max(map(len, content.split(b"\r\n")))
    if longest > 998:
        found.append(f"a line of {longest} characters")
    return found


def make_certificates(folder):
    """Writes authority.pem, server.pem and server.key, valid for two days."""
    folder = pathlib.Path(folder)
    (folder / "authority.conf").write_text(AUTHORITY, encoding="ascii")
    (folder / "server.ext").write_text(SERVER_EXTENSIONS, encoding="ascii")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for arguments in (
        ["req", "-x509", *key, "-config", "authority.conf", "-days", "2"]
        + ["-keyout", "authority.key", "-out", "authority.pem"],
        ["req", *key, "-config", "authority.conf", "-subj", "/CN=localhost"]
        + ["-keyout", "server.key", "-out", "server.csr"],
        ["x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"]
        + ["-set_serial", "2", "-days", "2", "-extfile", "server.ext", "-out", "server.pem"],
    ):
        done = subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"openssl {arguments[0]} failed: {done.stderr}")
    return folder / "authority.pem", folder / "server.pem", folder / "server.key"


def authenticator(expected):
    """Checks `user:password` for PLAIN and LOGIN."""

    def authenticate(server, session, envelope, mechanism, auth_data):
        given = auth_data.login + b":" + auth_data.password
        matches = hmac.compare_digest(given, expected.encode())
        # Not handled: the library then answers 535 itself.
        return AuthResult(success=matches, handled=False)

    return authenticate


def main():
    """Listens until told to stop."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="smtp-sink-") as folder:
        context, authority = None, "-"
        if options.starttls or options.implicit_tls:
            authority, certificate, key = make_certificates(folder)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, key)
        settings = {}
        if options.auth is not None:
            # The library sees only STARTTLS as encryption. With implicit TLS, and where a test
            # wants credentials in the clear, its own check has to be off.
            settings = {
                "auth_required": True,
                "auth_require_tls": options.starttls,
                "authenticator": authenticator(options.auth),
            }
        if options.starttls:
            settings.update(tls_context=context, require_starttls=True)
        Server.hang_on_connect = options.hang == "connect"
        loop = asyncio.new_event_loop()
        controller = Controller(
            Handler(options),
            hostname="127.0.0.1",
            port=options.port,
            loop=loop,
            ssl_context=context if options.implicit_tls else None,
            **settings,
        )
        try:
            controller.begin()
        except OSError as error:
            sys.exit(f"cannot listen on 127.0.0.1:{options.port}: {error}")
        port = controller.server.sockets[0].getsockname()[1]
        print("ready", port, authority, flush=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, loop.stop)
        when_input_ends(lambda: loop.call_soon_threadsafe(loop.stop))
        loop.run_forever()
        # Connections that hang on purpose would make an orderly end wait for them.
        with contextlib.suppress(OSError):
            controller.server.close()


def parse_arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", help="where the messages go, one JSON line each")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    tls = parser.add_mutually_exclusive_group()
    tls.add_argument("--starttls", action="store_true", help="offer STARTTLS and insist on it")
    tls.add_argument("--implicit-tls", action="store_true", help="TLS from the first byte")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="insist on these credentials")
    parser.add_argument(
        "--fail", type=int, default=0, metavar="N", help="answer 451 to the first N messages"
    )
    parser.add_argument("--reject", action="store_true", help="answer 550 to every recipient")
    parser.add_argument(
        "--hang", nargs="?", const="data", choices=["data", "connect"],
        help="never answer: after the message (default) or after the connection",
    )
    options = parser.parse_args()
    if options.auth is not None and ":" not in options.auth:
        parser.error(f"--auth {options.auth!r}: USER:PASSWORD is needed")
    return options


if __name__ == "__main__":
    main()
