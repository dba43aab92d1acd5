"""How a line of the checklist is checked: a function of what was seen, which fails or says what it rests on."""

from dataclasses import dataclass, field

from timeline import EPISODES, HOLD, INTERVAL

#: The checks of each line, by topology.
CHECKS = {}


class Failed(AssertionError):
    """A line does not hold."""


def line(number, *topologies):
    """Registers a check of a line."""

    def register(check):
        for topology in topologies:
            if CHECKS.setdefault((number, topology), check) is not check:
                raise ValueError(f"line {number} is checked twice in {topology}")
        return check

    return register


def expect(condition, message):
    """Fails with what was seen instead."""
    if not condition:
        raise Failed(message)


def near(a, b, tolerance):
    """Whether two times are the same but for a tolerance."""
    return abs(a - b) <= tolerance


#: Times that are written in milliseconds.
ROUNDING = 0.0015


@dataclass
class Case:
    """Everything that was seen of one topology."""

    name: str
    scale: object
    begin: float
    generator: object
    history: object
    sink: object
    #: By how much a thing may be late: half an interval, and what this machine was late itself.
    tolerance: float
    #: What was sent by a real Alertmanager, and what was seen of its own list.
    hook: object = None
    listed: dict = field(default_factory=dict)
    #: Of a Prometheus beside it: the annotations that templates made there, and itself.
    oracle: dict = field(default_factory=dict)
    prometheus: object = None

    @property
    def interval(self):
        """Seconds between evaluations."""
        return self.scale.seconds(INTERVAL)

    def at(self, step):
        """When a step was."""
        return self.begin + self.scale.seconds(step)

    def hold(self, alert):
        """Seconds of `for`."""
        return self.scale.seconds(HOLD[alert])

    def lives(self, alert=None, fires=None):
        """The episodes that were to be, each with what was seen of it."""
        found = []
        for episode in EPISODES:
            if (alert and episode.alert != alert) or (fires is not None and episode.fires != fires):
                continue
            lives = [life for life in self.history.lives(episode.alert) if set(episode.labels) <= set(life.labels.items())]
            begin = self.at(episode.begin)
            mine = [life for life in lives if begin - ROUNDING <= life.active_at <= begin + self.interval + self.tolerance]
            expect(len(mine) == 1, f"{episode.alert} is to begin at {begin:.1f}: began at {[round(life.active_at, 1) for life in lives]}")
            found.append((episode, mine[0]))
        return found

    def firing(self):
        """Those that were to fire."""
        return [life for _, life in self.lives(fires=True)]

    def sent(self, life):
        """What the sink was sent of a life, from its begin to the begin of the next with these labels."""
        later = [other.active_at for other in self.history.lives(life.alert) if other.key == life.key and other.active_at > life.active_at]
        until = min(later, default=float("inf"))
        return [one for one in self.sink.of(life.alert, key=life.key) if life.active_at - ROUNDING <= one.at < until]

    def is_evaluation(self, alert, at):
        """Whether a rule was judged at that time; where looks were late, whether it may have been."""
        times = self.history.evaluations(alert)
        if any(near(at, one, ROUNDING) for one in times):
            return True
        before = max((one for one in times if one <= at), default=None)
        after = min((one for one in times if one >= at), default=None)
        return before is not None and after is not None and not self.history.is_next(alert, before, after)
