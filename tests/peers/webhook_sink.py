#!/usr/bin/env python3
"""An HTTP server for tests: keeps every request as one JSON line in a file.

Prints `ready PORT` once it listens. Answers 200 unless a fault is asked for; with `--times N` only
the first N requests meet the fault. Runs until it is terminated or its standard input, when a
pipe, is closed.
"""

import argparse
import gzip
import http.server
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

from lifetime import when_input_ends


class Sink(http.server.ThreadingHTTPServer):
    """The listener, with what its connections share."""

    daemon_threads = True
    # A burst of clients must not be refused by a short queue.
    request_queue_size = 128

    def __init__(self, options):
        super().__init__(("127.0.0.1", options.port), Connection)
        self.options = options
        self.lock = threading.Lock()
        self.requests = 0

    def keep(self, record):
        """Counts the request, decides its fate and writes its line; gives the fate."""
        with self.lock:
            self.requests += 1
            record["fate"] = self.fate()
            # One write, so that a reader never sees half a line.
            with open(self.options.file, "ab", buffering=0) as file:
                file.write(json.dumps(record).encode() + b"\n")
        return record["fate"]

    def fate(self):
        """`hang`, `reset`, or the status to answer."""
        options = self.options
        if options.times is not None and self.requests > options.times:
            return 200
        if options.hang:
            return "hang"
        return "reset" if options.reset else options.status


class Connection(http.server.BaseHTTPRequestHandler):
    """Reads one request after the other."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Keeps the request, then answers it or does not."""
        received_at = time.time()
        raw = self.read_body()
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        text = raw.decode("utf-8", "replace")
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        fate = self.server.keep(
            {
                "received_at": received_at,
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": text,
                "json": parsed,
            }
        )
        if fate == "hang":
            # Until the client gives up.
            self.rfile.read()
            self.close_connection = True
        elif fate == "reset":
            self.reset()
        else:
            self.answer(fate)

    do_PUT = do_GET = do_DELETE = do_POST

    def read_body(self):
        """The body, by its length or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self, status):
        """Sends the status, late if asked, and when to come back with a fault."""
        options = self.server.options
        time.sleep(options.delay)
        self.send_response(status)
        if status != 200 and options.retry_after is not None:
            self.send_header("Retry-After", str(options.retry_after))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reset(self):
        """Ends the connection with RST in place of an answer."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # The streams hold the socket open: only the last close sends the RST, and the server's own
        # orderly shutdown would come before it.
        descriptor = self.connection.detach()
        os.close(descriptor)
        self.close_connection = True

    def log_message(self, format, *arguments):
        """Nothing on standard error: the file has it all."""


def main():
    """Listens until told to stop."""
    options = parse_arguments()
    try:
        sink = Sink(options)
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}: {error}")
    print("ready", sink.server_address[1], flush=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    when_input_ends(sink.shutdown)
    try:
        sink.serve_forever(poll_interval=0.05)
    except KeyboardInterrupt:
        pass


def parse_arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", help="where the requests go, one JSON line each")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--status", type=int, default=200, metavar="CODE", help="answer this")
    parser.add_argument("--times", type=int, metavar="N", help="the fault meets N requests only")
    parser.add_argument("--retry-after", type=int, metavar="SECONDS", help="sent with the fault")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="SECONDS", help="wait before each answer"
    )
    fault = parser.add_mutually_exclusive_group()
    fault.add_argument("--hang", action="store_true", help="never answer")
    fault.add_argument("--reset", action="store_true", help="reset the connection")
    return parser.parse_args()


if __name__ == "__main__":
    main()
