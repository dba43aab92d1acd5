"""What the services of the suite measure, step by step, and what their rules are to make of it.

A step is 15 s of the published suite: its samples come a step apart, groups are judged every two steps, firing alerts are sent
again after four. `Scale` says how long a step is here; nothing else of the suite knows a length of time.
"""

from dataclasses import dataclass

#: Steps between the evaluations of a group, of one that does not say, and between sends of the same.
INTERVAL, DEFAULT_INTERVAL, RESEND = 2, 4, 4
#: Steps for which a sample is looked back to, and for which ended alerts are sent again.
LOOKBACK, RETENTION = 20, 60
#: Steps of the whole.
END = 156


@dataclass(frozen=True)
class Scale:
    """How much faster than the published suite."""

    factor: float

    @property
    def step(self):
        """Seconds of a step."""
        return 15 / self.factor

    def seconds(self, steps):
        """Seconds of steps."""
        return steps * self.step

    def text(self, steps):
        """The same as rule files and flags have it."""
        return f"{round(self.seconds(steps) * 1000)}ms"


@dataclass(frozen=True)
class Series:
    """Values that hold from a step on; `None` where there are no samples any more."""

    operation: str
    values: tuple
    labels: tuple = ()

    def at(self, step):
        """The value at a step."""
        found = None
        for begin, value in self.values:
            if begin <= step:
                found = value
        return found


SERIES = (
    # Pending, firing, resolved; and once more while the end of the first is still told.
    Series("life", ((0, 5), (4, 11), (14, 15), (20, 12), (32, 25), (36, 30), (40, 5), (52, 11), (66, 17), (84, 5))),
    # Never for long enough.
    Series("brief", ((0, 5), (4, 11), (14, 5), (50, 11), (60, 5))),
    # The same, but at last there is no data.
    Series("ends", ((0, 5), (4, 11), (14, 5), (50, 11), (60, None))),
    # A rise, a long pause, another, and then no data.
    Series("zero", ((0, 5), (4, 12), (6, 14), (18, 5), (90, 14), (104, None))),
    # Two instances, the second of which comes later.
    Series("variants", ((0, 5), (4, 11), (60, 5)), (("team", "blue"), ("variant", "one"))),
    Series("variants", ((28, 12), (80, 5)), (("team", "red"), ("variant", "two"))),
    # What templates have to show.
    Series("templates", ((0, 12.5),), (("team", "blue"),)),
)


@dataclass(frozen=True)
class Episode:
    """One life of an alert: the steps at which its cause begins and ends, and whether it fires in between."""

    alert: str
    begin: int
    end: int
    fires: bool
    labels: tuple = ()
    #: The end is that of the data: it is noticed once the last sample is out of reach.
    by_data: bool = False


#: Steps of `for`, by rule.
HOLD = {"Life": 24, "Brief": 12, "Never": 0, "Ends": 90, "Zero": 0, "ZeroSaid": 0, "Short": 1, "Each": 12}

EPISODES = (
    Episode("Life", 4, 40, True),
    Episode("Life", 52, 84, True),
    Episode("Brief", 4, 14, False),
    Episode("Brief", 50, 60, False),
    Episode("Ends", 4, 14, False),
    Episode("Ends", 50, 60, False, by_data=True),
    Episode("Zero", 4, 18, True),
    Episode("Zero", 90, 104, True, by_data=True),
    Episode("ZeroSaid", 4, 18, True),
    Episode("ZeroSaid", 90, 104, True, by_data=True),
    Episode("Short", 6, 18, True),
    Episode("Short", 90, 104, True, by_data=True),
    Episode("Each", 4, 60, True, (("variant", "one"),)),
    Episode("Each", 28, 80, True, (("variant", "two"),)),
)
