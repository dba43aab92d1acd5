"""Reports operations to an opwatch sidecar with the Python standard library only.

`Operation` measures one piece of work, `Reporter` sends the records. Reporting never stops the
work: when the sidecar is away, records wait in a bounded backlog, are tried again a bounded number
of times, and whatever is given up is counted.
"""

import collections
import contextlib
import email.utils
import http.client
import json
import resource
import sys
import time
import urllib.parse
import uuid

# What an HTTP client may try again; every other answer outside 2xx is final.
TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class Operation:
    """Context manager that times its body and leaves the finished record in `record`.

    Times are seconds, memory is bytes, CPU is cores (1.0 is one core busy for the whole time). CPU
    time is reported as the score `cpu_seconds`, so that rules can judge the work itself: unlike the
    duration it does not grow while others use the machine, and a busy core is 1.0 however long.
    A body that raises is recorded with the outcome `failure`, and the exception goes on.
    """

    def __init__(self, operation, **fields):
        # The id lets the sidecar recognise a repeated record, so it has to differ between runs:
        # it is the one thing, apart from timings, that never follows the seed.
        self.record = {"operation": operation, "id": str(uuid.uuid4()), **fields}

    def __enter__(self):
        reset_memory_peak()
        self._cpu_start = time.process_time()
        self._start = time.perf_counter()
        return self

    def __exit__(self, error_type, error, traceback):
        duration_seconds = time.perf_counter() - self._start
        cpu_seconds = time.process_time() - self._cpu_start
        memory_bytes, memory_peak_bytes = memory_use()
        self.record.update(
            timestamp=time.time(),
            duration_seconds=duration_seconds,
            cpu_cores=cpu_seconds / duration_seconds,
            quality={"cpu_seconds": cpu_seconds},
            memory_bytes=memory_bytes,
            memory_peak_bytes=memory_peak_bytes,
            outcome="success" if error_type is None else "failure",
        )
        if error_type is not None:
            self.record["error_class"] = error_type.__name__
        return False


def reset_memory_peak():
    """Makes the kernel count the peak from here; without it the peak is that of the whole process."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def memory_use():
    """Resident set now and at its peak, in bytes."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        # The peak is updated lazily by the kernel and may lag behind the current size.
        now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, max(now, peak)
    except (OSError, KeyError):
        # Not Linux: the peak of the process is all there is, in bytes on macOS, else in KiB.
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return peak, peak


class Batch:
    """Records that travel together. A repeat is the same bytes under the same name."""

    def __init__(self, records, sequence_name):
        self.records = records
        self.attempts = 0
        lines = [json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records]
        self.body = "".join(line + "\n" for line in lines).encode()
        self.headers = {"Content-Type": "application/json"}
        if sequence_name is not None:
            self.headers = {"Content-Type": "application/x-ndjson", "Opwatch-Batch": sequence_name}


class Reporter:
    """Sends records to `POST /v1/operations`, one by one or in NDJSON batches.

    `batch_size` None sends each record in a request of its own. `log` is an open text file that
    receives every record the sidecar has acknowledged, as NDJSON. Counts: `reported` were
    acknowledged, `refused` were answered with a final no, `dropped` were given up.
    """

    TIMEOUT_SECONDS = 2.0
    FIRST_BACK_OFF_SECONDS = 0.1
    LONGEST_BACK_OFF_SECONDS = 5.0
    MOST_ATTEMPTS = 8
    BACKLOG_RECORDS = 10_000
    CLOSE_SECONDS = 10.0

    def __init__(self, url, batch_size=None, log=None):
        parts = split_url(url)
        self._connection_type = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/v1/operations"
        self._batch_size = batch_size
        self._log = log
        self._client = f"isolation-forest-{uuid.uuid4().hex}"
        self._sequence = 0
        self._waiting = collections.deque()  # records that are in no batch yet
        self._batches = collections.deque()  # batches that are not answered yet, in order
        self._failures = 0  # in a row
        self._not_before = 0.0  # on the monotonic clock
        self.reported = self.refused = self.dropped = 0

    def report(self, record):
        """Takes one record and sends what is due; returns at once while backing off."""
        self._waiting.append(record)
        if len(self._waiting) >= (self._batch_size or 1):
            self._close_batch()
        while sum(len(batch.records) for batch in self._batches) > self.BACKLOG_RECORDS:
            self.dropped += len(self._batches.popleft().records)
        self._send_due()

    def close(self):
        """Sends what is left, waiting for a sidecar that is away for `CLOSE_SECONDS` at most."""
        if self._waiting:
            self._close_batch()
        deadline = time.monotonic() + self.CLOSE_SECONDS
        self._send_due()
        while self._batches and self._not_before < deadline:
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            self._send_due()
        self.dropped += sum(len(batch.records) for batch in self._batches)
        self._batches.clear()

    def _close_batch(self):
        sequence_name = None
        if self._batch_size is not None:
            self._sequence += 1
            sequence_name = f"{self._client}/{self._sequence}"
        self._batches.append(Batch(list(self._waiting), sequence_name))
        self._waiting.clear()

    def _send_due(self):
        while self._batches and time.monotonic() >= self._not_before:
            batch = self._batches[0]
            batch.attempts += 1
            try:
                status, retry_after, body = self._post(batch)
            except (OSError, http.client.HTTPException) as error:
                self._back_off(f"{type(error).__name__}: {error}", None)
                continue
            if status in TRANSIENT_STATUSES:
                self._back_off(f"status {status}", retry_after)
                continue
            self._failures = 0
            self._batches.popleft()
            self._settle(batch, status, body)

    def _post(self, batch):
        # A connection per request costs a little more than keep-alive, and spares the example the
        # case of a connection that the sidecar has closed meanwhile.
        connection = self._connection_type(self._host, self._port, timeout=self.TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", self._path, batch.body, batch.headers)
            response = connection.getresponse()
            return response.status, response.getheader("Retry-After"), response.read()

    def _back_off(self, reason, retry_after):
        if self._failures == 0:
            complain(f"cannot report to {self._host}:{self._port}, will try again: {reason}")
        delay = min(
            self.FIRST_BACK_OFF_SECONDS * 2**self._failures, self.LONGEST_BACK_OFF_SECONDS
        )
        asked = seconds_of(retry_after)
        self._not_before = time.monotonic() + (delay if asked is None else asked)
        # The exponent is capped so that a sidecar away for days does not overflow it.
        self._failures = min(self._failures + 1, 16)
        if self._batches[0].attempts >= self.MOST_ATTEMPTS:
            self.dropped += len(self._batches.popleft().records)

    def _settle(self, batch, status, body):
        try:
            if not 200 <= status < 300:
                raise ValueError(f"status {status}")
            rejected = {fault["index"]: fault for fault in json.loads(body)["rejected"]}
        except (ValueError, KeyError, TypeError) as error:
            complain(f"{len(batch.records)} records refused: {error}: {body[:200]!r}")
            self.refused += len(batch.records)
            return
        for index, record in enumerate(batch.records):
            if index in rejected:
                complain(f"a record was refused: {rejected[index]}")
                self.refused += 1
                continue
            self.reported += 1
            if self._log is not None:
                self._log.write(json.dumps(record) + "\n")
        if self._log is not None:
            self._log.flush()


def split_url(url):
    """The parts of an HTTP address; a ValueError says what is wrong with it."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"cannot report to {url!r}: an http:// or https:// address is needed")
    _ = parts.port  # Checked by the library on access.
    return parts


def seconds_of(retry_after):
    """Seconds to wait by a `Retry-After` header, which is a number or a date; None when unusable."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except ValueError:
        return None
    return max(0.0, until - time.time())


def complain(message):
    """One line on standard error."""
    print(f"reporting: {message}", file=sys.stderr, flush=True)
