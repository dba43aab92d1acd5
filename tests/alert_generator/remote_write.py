"""Samples for a real Prometheus: remote write 1.0, made by hand of the few fields it needs."""

import struct


def varint(number):
    """A number as protobuf has it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    """A field of known length."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def series(labels, value, millis):
    """A `TimeSeries` of one sample; its labels in order."""
    pairs = b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in sorted(labels.items()))
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(millis)
    return field(1, pairs + field(2, sample))


def snappy(raw):
    """A snappy block of literals alone, which every reader takes."""
    out = bytearray(varint(len(raw)))
    for begin in range(0, len(raw), 60):
        part = raw[begin : begin + 60]
        out.append((len(part) - 1) << 2)
        out += part
    return bytes(out)


def body(samples):
    """A `WriteRequest` of labels, values and times in seconds."""
    return snappy(b"".join(series(labels, value, round(seconds * 1000)) for labels, value, seconds in samples))


HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"}
