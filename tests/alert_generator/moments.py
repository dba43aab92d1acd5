"""Times as the peers write them."""

import re
from datetime import datetime, timezone

RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def moment(text):
    """Seconds since 1970; a fault where it is not RFC 3339."""
    found = RFC_3339.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time of RFC 3339")
    whole, fraction, zone = found.groups()
    seconds = datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone)).timestamp()
    return seconds + (float("0." + fraction) if fraction else 0.0)


def written(seconds):
    """The reverse, in milliseconds."""
    return datetime.fromtimestamp(round(seconds * 1000) / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
