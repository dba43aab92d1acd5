"""What a generator is seen to do: its API and its `ALERTS` looked at again and again, and the lives of its alerts in that."""

import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from moments import moment
from support import get

LINE = re.compile(r"(ALERTS)\{(.*)\} (\S+)")
PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


def shown(page):
    """The `ALERTS` of a page in text form: labels and value."""
    found = []
    for line in page.splitlines():
        one = LINE.match(line)
        if one:
            labels = {name: re.sub(r"\\.", lambda escape: ESCAPES.get(escape[0], escape[0]), text) for name, text in PAIR.findall(one[2])}
            found.append((labels, float(one[3])))
    return found


@dataclass
class Look:
    """One look at everything."""

    at: float
    groups: list
    alerts: list
    #: The `ALERTS` of `/metrics`, of who shows them there.
    shown: list = None

    def rules(self):
        """All rules."""
        return [rule for group in self.groups for rule in group["rules"]]

    def evaluations(self):
        """When each rule was last judged."""
        return [rule["lastEvaluation"] for rule in self.rules()]


class Watch(threading.Thread):
    """Looks four times in each interval of a group."""

    def __init__(self, generator, scale, lag, exposition=False):
        super().__init__(daemon=True)
        self.generator, self.pause, self.lag, self.exposition = generator, scale.seconds(0.5), lag, exposition
        self.looks, self.fault, self.ending = [], None, threading.Event()

    def run(self):
        """Looks until told to stop."""
        due = time.time()
        try:
            while not self.ending.wait(max(0.0, due - time.time())):
                self.lag.note(time.time() - due)
                due = max(due + self.pause, time.time() - self.pause)
                self.looks.append(self.look())
        except Exception as error:
            self.fault = error

    def look(self):
        """Looks once."""
        at = time.time()
        groups = self.generator.data("/api/v1/rules")["groups"]
        alerts = self.generator.data("/api/v1/alerts")["alerts"]
        page = shown(get(self.generator.port, "/metrics")[1].decode()) if self.exposition else None
        return Look(at, groups, alerts, page)

    def stop(self):
        """Ends it with a last look, so that nothing that was sent before lacks its evaluation."""
        self.ending.set()
        self.join()
        if not self.fault:
            self.looks.append(self.look())


@dataclass
class Seen:
    """An alert as one evaluation left it."""

    evaluated: float
    state: str
    value: float
    annotations: dict


@dataclass
class Life:
    """An alert from its first to its last evaluation as pending or firing."""

    alert: str
    labels: dict
    active_at: float
    seen: list = field(default_factory=list)
    #: The first evaluation without it; `None` while it lives.
    ended: float = None
    #: Whether no evaluation between the last one with it and that was overlooked.
    is_end_sure: bool = True

    @property
    def key(self):
        """Its identity."""
        return frozenset(self.labels.items())

    def first(self, state):
        """The first evaluation that left it in this state."""
        return next((one.evaluated for one in self.seen if one.state == state), None)

    def __str__(self):
        return f"{self.alert}{{{','.join(f'{n}={v}' for n, v in sorted(self.labels.items()) if n in ('operation', 'variant'))}}}"


class History:
    """Rules by their evaluations, made of many looks."""

    def __init__(self, looks, on_grid=False):
        self.looks = looks
        self.grids = self.find_grids() if on_grid else {}
        found = defaultdict(lambda: defaultdict(list))
        for look in looks:
            for rule in look.rules():
                found[rule["name"]][rule["lastEvaluation"]].append(rule)
        self.rules = {name: sorted(self.settled(name, by_time)) for name, by_time in found.items()}
        self.known = {}

    def find_grids(self):
        """A moment of judging and the interval, by rule. Prometheus judges at exact multiples of the interval from one, which
        is what it writes into alerts; `lastEvaluation` is the time by the clock at which the rule had its turn then.
        """
        grids = {}
        for look in self.looks:
            for group in look.groups:
                times = [alert["activeAt"] for rule in group["rules"] for alert in rule["alerts"]]
                if times:
                    grids |= {rule["name"]: (moment(times[0]), group["interval"]) for rule in group["rules"] if rule["name"] not in grids}
        return grids

    def settled(self, name, by_time):
        """The rule after each evaluation. A look in the midst of one has something of both, so that the second counts."""
        for text, looks in by_time.items():
            if not text.startswith("0001"):
                at = moment(text)
                if name in self.grids:
                    begin, interval = self.grids[name]
                    at = begin + (at - begin) // interval * interval
                yield at, Comparable(looks[min(1, len(looks) - 1)])

    def evaluations(self, name):
        """When a rule was judged."""
        return [at for at, _ in self.rules.get(name, [])]

    def lives(self, name):
        """The lives of the alerts of a rule, in their order."""
        if name not in self.known:
            self.known[name] = self.find_lives(name)
        return self.known[name]

    def find_lives(self, name):
        """The same, for the first time."""
        open_lives, lives = {}, []
        before = None
        for at, rule in self.rules.get(name, []):
            alive = {frozenset(alert["labels"].items()): alert for alert in rule.body["alerts"]}
            for key, life in list(open_lives.items()):
                alert = alive.get(key)
                if alert is None or moment(alert["activeAt"]) != life.active_at:
                    life.ended = at
                    life.is_end_sure = before is not None and self.is_next(name, before, at)
                    del open_lives[key]
            for key, alert in alive.items():
                if key not in open_lives:
                    open_lives[key] = Life(name, alert["labels"], moment(alert["activeAt"]))
                    lives.append(open_lives[key])
                open_lives[key].seen.append(Seen(at, alert["state"], float(alert["value"]), alert["annotations"]))
            before = at
        return lives

    def interval(self, name):
        """Seconds between evaluations of a rule."""
        return next(group["interval"] for group in self.looks[-1].groups for rule in group["rules"] if rule["name"] == name)

    def is_next(self, name, before, after):
        """Whether no evaluation lies between two."""
        return after - before < 1.5 * self.interval(name)


@dataclass
class Comparable:
    """A rule that does not stand in the way of sorting by time."""

    body: dict

    def __lt__(self, other):
        return False
