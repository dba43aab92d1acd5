"""Simple detectors that teams use, over a whole series of values (NaN: missing): scores, of which 1 is an alert."""

import numpy as np


def filled(values):
    """The values, each missing one as the one before."""
    known = np.where(np.isfinite(values), np.arange(len(values)), 0)
    values = values[np.maximum.accumulate(known)]
    return np.where(np.isfinite(values), values, 0.0)


def trailing(values, n):
    """The mean of the last n values at each point; of as many as there are at first."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - n)
    return (sums[end] - sums[start]) / (end - start)


def standardised(values, warmup):
    base = values[:warmup]
    spread = base.std()
    return (values - base.mean()) / (spread if spread > 0 else 1e-9)


def relative_mean(n):
    """The guide's rule: the mean of n points against that of the warm-up; 10 % either way is an alert."""

    def scores(values, warmup):
        base = values[:warmup].mean()
        off = np.abs(trailing(values, n) / (base if base else 1e-9) - 1) / 0.10
        off[: warmup + n] = 0
        return off

    return scores


def three_sigma(values, warmup):
    off = np.abs(standardised(values, warmup)) / 3
    off[:warmup] = 0
    return off


def ewma_chart(values, warmup, weight=0.1, limit=3.0):
    z, mean, out = standardised(values, warmup), 0.0, np.zeros(len(values))
    sd = (weight / (2 - weight)) ** 0.5
    for i in range(warmup, len(z)):
        mean += weight * (z[i] - mean)
        out[i] = abs(mean) / (limit * sd)
    return out


def cusum(values, warmup, k=0.25, h=10.0):
    z, up, down, out = standardised(values, warmup), 0.0, 0.0, np.zeros(len(values))
    for i in range(warmup, len(z)):
        up, down = max(0.0, up + z[i] - k), max(0.0, down - z[i] - k)
        out[i] = max(up, down) / h
    return out


def windows(values, n):
    return np.lib.stride_tricks.sliding_window_view(values, n)[:-1]


def rolling_sigma(values, n=100):
    """The distance from the mean of the n points before, in three of their standard deviations."""
    out = np.zeros(len(values))
    if len(values) > n:
        before = windows(values, n)
        out[n:] = np.abs(values[n:] - before.mean(1)) / (3 * before.std(1) + 1e-9)
    return out


def median_mad(values, n=100, limit=3.5):
    out = np.zeros(len(values))
    if len(values) > n:
        before = windows(values, n)
        middle = np.median(before, 1)
        spread = 1.4826 * np.median(np.abs(before - middle[:, None]), 1)
        out[n:] = np.abs(values[n:] - middle) / (limit * spread + 1e-9)
    return out


def held(scores, points_per_day):
    """One alert for each incident: after one, half a day of silence for what is not a quarter stronger."""
    out, bar, until = np.zeros(len(scores)), 0.0, -1
    for i in np.flatnonzero(scores >= 1):
        if i > until or scores[i] > 1.25 * bar:
            out[i], bar, until = scores[i], scores[i], i + points_per_day / 2
    return out


OPS = [
    ("mean of 12 points over 10 % (the guide's rule)", relative_mean(12)),
    ("the same over a whole day", relative_mean(288)),
    ("3 sigma", three_sigma),
    ("EWMA chart", ewma_chart),
    ("CUSUM, k 0.25, h 10", cusum),
]
POINTS = [("rolling 3 sigma", rolling_sigma), ("median/MAD of 100 before, 3.5", median_mad)]
