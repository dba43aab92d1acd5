"""A fault for each check of what was seen, so that it is known that the check can fail.

What a run has seen is copied, one thing in it is made wrong, and the check is asked again: it has to say no.
"""

import json
from dataclasses import replace

from checking import CHECKS, Failed
from moments import moment, written
from sink import Book
from timeline import RESEND
from watch import History, Look


class Copy:
    """What was seen of a case, to be changed."""

    def __init__(self, case):
        self.case = case
        self.looks = [Look(one.at, *json.loads(json.dumps([one.groups, one.alerts, one.shown]))) for one in case.history.looks]
        self.sends = list(case.sink.alerts)
        self.hooks = list(case.hook.alerts) if case.hook else []
        self.listed = {key: json.loads(json.dumps(list(by_time.items()))) for key, by_time in case.listed.items()}
        self.raw = [(dict(labels), list(values)) for labels, values in getattr(case, "raw_alerts", [])]
        self.states = {at: [dict(labels) for labels in page] for at, page in getattr(case, "states", {}).items()}

    def changed(self):
        """The case with the changes."""
        case = replace(self.case, history=History(self.looks, bool(self.case.history.grids)), sink=Book(self.sends), hook=Book(self.hooks), listed={key: {at: one for at, one in pairs} for key, pairs in self.listed.items()})
        case.raw_alerts, case.states = self.raw, self.states
        case.alertmanager_interval = getattr(self.case, "alertmanager_interval", None)
        return case

    def rules(self, name=None):
        """Rules of all looks, with the time of the look."""
        return [(look.at, rule) for look in self.looks for rule in look.rules() if name in (None, rule["name"])]

    def alerts(self, name):
        """Alerts of a rule in all looks."""
        return [(rule, alert) for _, rule in self.rules(name) for alert in rule["alerts"]]

    def each_send(self, change, which=lambda one: True):
        """Changes sends; those of the webhook too."""
        self.sends = [change(one) if which(one) else one for one in self.sends]
        self.hooks = [change(one) if which(one) else one for one in self.hooks]

    def each_update(self, **changes):
        """Changes what Alertmanager has."""
        for pairs in self.listed.values():
            for pair in pairs:
                pair[1] |= changes

    def first_of(self, firing):
        """The place of a send of the first rule."""
        return next(place for place, one in enumerate(self.sends) if one.name == "Life" and one.is_firing == firing)


def shift(name, seconds):
    """Alerts of a rule say that they began at another time."""

    def change(copy):
        for _, alert in copy.alerts(name):
            alert["activeAt"] = written(moment(alert["activeAt"]) + seconds)

    return change


def in_alerts(name, **changes):
    """Alerts of a rule have something else."""

    def change(copy):
        for _, alert in copy.alerts(name):
            for key, value in changes.items():
                if isinstance(value, dict):
                    alert[key] |= value
                else:
                    alert[key] = value

    return change


def in_rules(name, **changes):
    """Rules have something else."""

    def change(copy):
        for _, rule in copy.rules(name):
            rule |= changes

    return change


def in_sends(which=lambda one: True, **changes):
    """What is sent has something else."""
    return lambda copy: copy.each_send(lambda one: replace(one, **changes), which)


def of_life(firing):
    """Which sends are of the first rule."""
    return lambda one: one.name == "Life" and one.is_firing == firing


def stand_still(copy):
    """A rule is not judged for a third of the time."""
    rules = [rule for _, rule in copy.rules("Life")]
    third = len(rules) // 3
    for rule in rules[third : 2 * third]:
        rule |= json.loads(json.dumps(rules[third]))


def live_on(name, begin, end):
    """An alert is there after its end."""

    def change(copy):
        last = None
        for at, rule in copy.rules(name):
            if rule["alerts"]:
                last = rule["alerts"]
            elif last and copy.case.at(begin) < at < copy.case.at(end):
                rule["alerts"] = last

    return change


def fire_late(copy):
    """A short hold takes one evaluation more."""
    for rule, alert in copy.alerts("Short"):
        if moment(rule["lastEvaluation"]) - moment(alert["activeAt"]) < 1.6 * copy.case.interval:
            alert["state"] = "pending"


def lose_an_element(copy):
    """One of two alerts is not there."""
    for _, rule in copy.rules("Each"):
        rule["alerts"] = [alert for alert in rule["alerts"] if alert["labels"]["variant"] == "one"]


def default_as_others(copy):
    """The group without an interval has that of the others."""
    for look in copy.looks:
        for group in look.groups:
            if group["name"] == "default":
                group["interval"] = copy.case.interval


def second_is_sent(copy):
    """The rule that is held back is sent."""
    copy.sends.append(replace(copy.sends[0], labels=copy.sends[0].labels | {"alertname": "Second"}))


def lose_a_sample(copy):
    """`ALERTS` lacks one."""
    for look in copy.looks:
        if look.shown:
            look.shown.pop()
    copy.raw = [(labels, values[:-1]) for labels, values in copy.raw]


def two_states(copy):
    """`ALERTS` has an alert in two states."""
    for look in copy.looks:
        if look.shown:
            look.shown += [[labels | {"alertstate": "pending"}, value] for labels, value in look.shown]
    copy.states = {at: page + [labels | {"alertstate": "pending"} for labels in page] for at, page in copy.states.items()}


def send_pending(copy):
    """An alert that never fires is sent."""
    copy.sends.append(replace(copy.sends[copy.first_of(True)], labels=copy.sends[0].labels | {"alertname": "Brief"}))
    key = next(iter(copy.listed), None)
    if key:
        copy.listed[frozenset((dict(key) | {"alertname": "Brief"}).items())] = copy.listed[key]


def send_late(copy):
    """Everything is sent an interval late."""
    copy.each_send(lambda one: replace(one, at=one.at + copy.case.interval, ends=one.ends + copy.case.interval * one.is_firing))
    for pairs in copy.listed.values():
        for _, one in pairs:
            one["updatedAt"] = written(moment(one["updatedAt"]) + copy.case.interval)


def send_half(copy):
    """Every second send is not made."""
    copy.sends = [one for place, one in enumerate([one for one in copy.sends if of_life(True)(one)]) if place % 2 == 0] + [one for one in copy.sends if not of_life(True)(one)]
    copy.listed = {key: pairs[::2] for key, pairs in copy.listed.items()}


def end_late(copy):
    """The first send of the end is not made, nor is its notification."""
    copy.sends = [one for one in copy.sends if one.is_firing or one.at - one.ends > copy.case.scale.seconds(RESEND)]
    copy.hooks = [one for one in copy.hooks if one.is_firing]


def end_for_ever(copy):
    """The end is sent once more, after all."""
    last = max((one for one in copy.sends if of_life(False)(one)), key=lambda one: one.at)
    copy.sends.append(replace(last, at=last.ends + copy.case.scale.seconds(64)))


def end_beside(copy):
    """The end of the first life is sent in the second."""
    copy.sends.append(replace(copy.sends[copy.first_of(False)], at=copy.case.at(58)))


def other_start(copy):
    """One send has another start."""
    place = copy.first_of(True)
    one = copy.sends[place]
    copy.sends[place] = replace(one, starts=one.starts - 1, times=(written(one.starts - 1), one.times[1]))
    copy.each_update(startsAt="2026-01-01T00:00:00.000Z")


def valid_longer(copy):
    """What fires is valid for longer."""
    seconds = 0.4 * copy.case.interval
    copy.each_send(lambda one: replace(one, ends=one.ends + seconds), lambda one: one.is_firing)
    for pairs in copy.listed.values():
        for _, one in pairs:
            one["endsAt"] = written(moment(one["endsAt"]) + seconds)


def other_end(copy):
    """What has ended ended earlier."""
    copy.each_send(lambda one: replace(one, ends=one.ends - 0.1), lambda one: not one.is_firing)


def drop_listed(copy):
    """The list of all alerts lacks one."""
    for look in copy.looks:
        if look.alerts:
            look.alerts.pop()


def drop_key(key):
    """A key is missing, of groups."""

    def change(copy):
        for look in copy.looks:
            for group in look.groups:
                group.pop(key, None)
                for rule in group["rules"]:
                    rule.pop(key, None)

    return change


def grow_old(copy):
    """A rule has not been judged for long."""
    for _, rule in copy.rules("Life"):
        if not rule["lastEvaluation"].startswith("0001"):
            rule["lastEvaluation"] = written(moment(rule["lastEvaluation"]) - 20)


MUTATIONS = {
    2: default_as_others,
    3: shift("ZeroSaid", 0.2),
    4: stand_still,
    5: shift("ZeroSaid", 0.2),
    6: {"T1": shift("Second", 0.2), "T4": second_is_sent},
    7: lose_an_element,
    8: in_alerts("Each", labels={"team": "blue"}),
    9: in_alerts("Each", annotations={"said": "blue by one"}),
    10: in_sends(labels={"__name__": "value"}),
    11: in_rules("Collapsed", health="ok"),
    12: in_sends(annotations={"humanize": "<error expanding template: of any kind>"}),
    13: in_sends(annotations={"humanize": "1048576"}),
    14: in_alerts("Life", state="firing"),
    15: in_alerts("Life", state="firing"),
    16: in_alerts("Life", state="pending"),
    17: in_alerts("Zero", state="pending"),
    18: fire_late,
    19: in_alerts("Life", annotations={"value": "11"}),
    20: live_on("Life", 40, 46),
    21: live_on("Ends", 60, 200),
    22: shift("Life", -3),
    23: lose_a_sample,
    24: two_states,
    25: send_pending,
    26: send_late,
    27: send_half,
    29: end_late,
    30: end_for_ever,
    31: end_beside,
    32: lambda copy: (copy.each_send(lambda one: replace(one, annotations={})), copy.each_update(annotations={})),
    33: other_start,
    34: valid_longer,
    35: other_end,
    36: in_sends(url="http://127.0.0.1:1/"),
    37: in_sends(times=("2026-01-31 12:00:00", "2026-01-31 12:00:00")),
    38: drop_key("file"),
    39: in_rules("Life", lastError="none"),
    40: in_rules("Life", state="inactive"),
    41: grow_old,
    42: in_alerts("Life", value="11"),
    43: drop_listed,
    44: drop_key("query"),
}


def tried(cases):
    """Of each check what it said to its fault; nothing where it did not notice."""
    found = {}
    for (number, name), check in sorted(CHECKS.items()):
        if name not in cases:
            continue
        mutation = MUTATIONS[number]
        if isinstance(mutation, dict):
            mutation = mutation[name]
        copy = Copy(cases[name])
        mutation(copy)
        found[number, name] = None
        try:
            check(copy.changed())
        except Failed as failed:
            found[number, name] = str(failed)
    return found
