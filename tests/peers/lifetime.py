"""Ends a helper together with the test that started it."""

import contextlib
import os
import stat
import sys
import threading


def when_input_ends(stop):
    """Calls `stop` when standard input, if it is a pipe, ends.

    A test that holds the other end of the pipe leaves no helper behind, even when it is killed.
    """
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=wait, args=(stop,), daemon=True).start()


def wait(stop):
    """Reads standard input to its end, then calls `stop`."""
    sys.stdin.buffer.read()
    stop()
