"""Lines 2 to 24: when rules are judged, and what becomes of their alerts."""

from checking import ROUNDING, expect, line, near
from moments import moment
from templates import TEMPLATES
from timeline import DEFAULT_INTERVAL, INTERVAL, LOOKBACK


@line(2, "T1", "T4")
def default_interval(case):
    """A group without an interval."""
    expected = case.scale.seconds(DEFAULT_INTERVAL)
    expect(case.history.interval("Default") == expected, f"the API says {case.history.interval('Default')} s")
    times = case.history.evaluations("Default")
    gaps = [after - before for before, after in zip(times, times[1:])]
    off = [gap for gap in gaps if not near(gap, expected, case.tolerance)]
    expect(len(times) >= 3 and len(off) <= len(gaps) // 10, f"gaps of {gaps}")
    return f"{len(times)} evaluations {expected:g} s apart, the default that is set"


@line(3, "T1", "T4")
def no_hold_is_zero(case):
    """A rule without `for`, and one with `for: 0s`."""
    pairs = list(zip(case.lives("Zero"), case.lives("ZeroSaid")))
    for (_, a), (_, b) in pairs:
        expect((a.active_at, a.first("firing"), a.ended) == (b.active_at, b.first("firing"), b.ended), f"{a} and {b} differ")
        expect(len(case.sent(a)) == len(case.sent(b)), f"{len(case.sent(a))} sends and {len(case.sent(b))}")
    return f"{len(pairs)} lives the same in all"


@line(4, "T1", "T4")
def one_evaluation_an_interval(case):
    """The pace of evaluations."""
    times = case.history.evaluations("Life")
    gaps = [after - before for before, after in zip(times, times[1:])]
    expect(len(times) >= 20, f"{len(times)} evaluations")
    worst = max(abs(gap - case.interval) for gap in gaps)
    expect(worst < case.interval + case.tolerance, f"a gap is {worst:.3f} s off")
    expected = round((times[-1] - times[0]) / case.interval) + 1
    expect(abs(len(times) - expected) <= max(1, len(times) // 20), f"{len(times)} evaluations in the time of {expected}")
    return f"{len(times)} evaluations, gaps of {min(gaps):.3f} to {max(gaps):.3f} s"


@line(5, "T1", "T4")
def one_time_for_a_group(case):
    """Two alerts of a group that are born together."""
    for (_, a), (_, b) in zip(case.lives("Zero"), case.lives("ZeroSaid")):
        expect(a.active_at == b.active_at, f"{a} at {a.active_at}, {b} at {b.active_at}")
    return "equal activeAt, twice"


@line(6, "T1")
def later_rule_sees_earlier(case):
    """A rule on the `ALERTS` of the rule before it."""
    for (_, a), b in zip(case.lives("Zero"), case.history.lives("Second")):
        expect(a.first("firing") == b.active_at, f"Zero fires at {a.first('firing')}, Second begins at {b.active_at}")
    return "a rule on ALERTS fires in the same evaluation, twice"


@line(6, "T4")
def later_rule_is_held_back(case):
    """A rule that depends on the one before it is held back in the very evaluation in which both begin to fire."""
    for (_, a), b in zip(case.lives("Zero"), case.history.lives("Second")):
        expect(a.first("firing") == b.first("firing"), f"Zero fires at {a.first('firing')}, Second at {b.first('firing')}")
    sent = case.sink.of("Second")
    expect(not sent, f"Second was sent {len(sent)} times")
    marks = [alert.get("suppressed", False) for look in case.history.looks for alert in look.alerts if alert["labels"]["alertname"] == "Second"]
    expect(marks and all(marks), f"suppressed in {sum(marks)} of {len(marks)} looks")
    return f"depends_on holds in the same evaluation: never sent, suppressed in all {len(marks)} looks"


@line(7, "T1", "T4")
def each_element_is_an_alert(case):
    """Two elements of a result."""
    lives = [life for _, life in case.lives("Each")]
    expect({life.labels["variant"] for life in lives} == {"one", "two"}, f"{[life.labels for life in lives]}")
    both = [at for at, rule in case.history.rules["Each"] if len(rule.body["alerts"]) == 2]
    expect(both, "never two alerts at once")
    return f"two alerts, with variant one and two, in {len(both)} evaluations at once"


@line(8, "T1", "T4")
def rule_labels_override(case):
    """Labels of the rule, rendered for each element."""
    seen = {life.labels["variant"]: life.labels["team"] for _, life in case.lives("Each")}
    expect(seen == {"one": "blue by one", "two": "red by two"}, f"{seen}")
    names = {life.labels["alertname"] for _, life in case.lives("Each")}
    expect(names == {"Each"}, f"{names}")
    return f"team: {seen}" + ("; alertname over that of the samples" if case.name == "T1" else "")


@line(9, "T1", "T4")
def templates_see_the_result(case):
    """What annotations are given."""
    once = "old" if case.name == "T1" else ""
    for _, life in case.lives("Each"):
        team = {"one": "blue", "two": "red"}[life.labels["variant"]]
        expected = f"variants of team {team}, once {once}"
        for one in life.seen:
            expect(one.annotations["said"] == expected, f"{one.annotations['said']!r} is not {expected!r}")
    return f"{expected!r}" + ("" if once else " (no measurement has a label alertname: that name is refused)")


@line(10, "T1", "T4", "T5")
def no_metric_name(case):
    """The labels that are sent."""
    sent = case.hook.alerts if case.name == "T5" else case.sink.alerts
    inside = [one.labels for one in sent if any(name.startswith("__") for name in one.labels)]
    expect(sent and not inside, f"{len(sent)} sent, with {inside[:1]}")
    return f"none of {len(sent)} alerts sent has it"


@line(11, "T1", "T4")
def collapsing_is_an_error(case):
    """Two elements with the same labels."""
    begin, end = case.at(28) + case.interval + case.tolerance, case.at(60) - ROUNDING
    between = [rule.body for at, rule in case.history.rules["Collapsed"] if begin < at < end]
    expect(between, "not judged")
    for rule in between:
        expect(rule["health"] == "err" and rule.get("lastError"), f"health {rule['health']}, {rule.get('lastError')!r}")
    sent = [one for one in case.sink.of("Collapsed") if begin < one.at < end]
    expect(not sent, f"sent {len(sent)} times meanwhile")
    before = [one for one in case.sink.of("Collapsed") if one.at <= begin]
    expect(before, "was not sent before either")
    if case.name == "T1":
        written = [at for labels, values in case.raw_alerts for at, _ in values if labels["alertname"] == "Collapsed" and begin < at < end]
        expect(not written, f"ALERTS at {written}")
    return f"err in {len(between)} evaluations, nothing sent: {between[0]['lastError']}"


@line(12, "T1", "T4")
def templates_work(case):
    """All functions."""
    found = rendered(case)
    for name, text in found.items():
        if name == "fault":
            expect(text.startswith("<error expanding template:"), f"{name}: {text!r}")
        elif "<error" in text:
            expect(False, f"{name}: {text!r}")
    others = {name: text for name, text in found.items() if TEMPLATES[name].shows is None}
    if case.name == "T1":
        expect(others["query"] and others["sorted"] and others["strvalue"] is not None, f"{others}")
        return f"{len(found)} templates; a faulty one becomes <error expanding template: …> and the alert is sent"
    same = {name: case.oracle[name] == text for name, text in others.items() if name in case.oracle}
    differing = sorted(name for name, equal in same.items() if not equal)
    local = {"query", "sorted", "strvalue", "externalURL", "pathPrefix", "fault"}
    expect(set(differing) <= local, f"not as in Prometheus: {[(name, found[name], case.oracle[name]) for name in differing if name not in local]}")
    return f"{len(found)} templates; as in Prometheus but for {', '.join(differing) or 'nothing'}: local rules have no PromQL to query, the URL is their own"


@line(13, "T1", "T4")
def known_renderings(case):
    """Texts that are known."""
    found, count = rendered(case), 0
    for name, template in TEMPLATES.items():
        expected = template.local if case.name == "T4" and template.local is not None else template.shows
        if expected is not None and name in found:
            expect(found[name] == expected, f"{name}: {found[name]!r} is not {expected!r}")
            count += 1
    return f"{count} texts, among them {found['humanize']}, {found['humanize1024']}, {found['humanizeDuration']}, {found['humanizePercentage']}, {found['humanizeTimestamp']}, {found['parseDuration']}, {found['stripPort']}"


def rendered(case):
    """The annotations of the alert that is there for them, as they were sent."""
    sent = case.sink.of("Templates", firing=True)
    expect(sent, "Templates was never sent")
    # The samples that it asks for come a moment after it is first judged.
    # One that is empty may be left out.
    return {name: sent[-1].annotations.get(name, "") for name, one in TEMPLATES.items() if not one.only_local or case.name == "T4"}


@line(14, "T1", "T4")
def begins_pending(case):
    """The first evaluation of an alert with a hold."""
    lives = [life for episode, life in case.lives() if case.hold(episode.alert)]
    for life in lives:
        expect(life.seen[0].state == "pending", f"{life} is first {life.seen[0].state}")
        expect(case.is_evaluation(life.alert, life.active_at), f"{life}: activeAt {life.active_at} is no evaluation")
        expect(life.seen[0].evaluated - life.active_at < case.interval + case.tolerance, f"{life}: seen late")
    return f"{len(lives)} alerts first pending, activeAt is that evaluation"


@line(15, "T1", "T4")
def stays_pending(case):
    """Before the hold is over."""
    count = 0
    for episode, life in case.lives():
        for one in life.seen:
            if one.evaluated - life.active_at < case.hold(episode.alert) - case.tolerance:
                expect(one.state == "pending", f"{life} {one.state} after {one.evaluated - life.active_at:.3f} s")
                count += 1
    return f"{count} evaluations before their hold, all pending"


@line(16, "T1", "T4")
def fires_in_time(case):
    """The first evaluation with the hold over."""
    said = []
    for episode, life in case.lives(fires=True):
        fired = life.first("firing")
        expect(fired is not None, f"{life} never fires")
        after, hold = fired - life.active_at, case.hold(episode.alert)
        expect(hold - ROUNDING - case.tolerance <= after < hold + case.interval + case.tolerance, f"{life} fires after {after:.3f} s")
        said.append(f"{life.alert} {after:.3f}/{hold:g}")
    return "s after activeAt / for: " + ", ".join(said)


@line(17, "T1", "T4")
def zero_is_never_pending(case):
    """Rules without a hold."""
    states = [alert["state"] for look in case.history.looks for rule in look.rules() if rule["name"] in ("Zero", "ZeroSaid") for alert in rule["alerts"]]
    expect(states and set(states) == {"firing"}, f"states {set(states)}")
    return f"firing in all {len(states)} looks"


@line(18, "T1", "T4")
def short_hold_fires_second(case):
    """A hold shorter than the interval."""
    for _, life in case.lives("Short"):
        times = [at for at in case.history.evaluations("Short") if life.active_at - ROUNDING <= at <= life.first("firing") + ROUNDING]
        expect(near(life.first("firing") - life.active_at, case.interval, case.tolerance), f"{life} fires after {life.first('firing') - life.active_at:.3f} s")
        expect(len(times) <= 2, f"{life} fires at the evaluation {len(times)}")
        early = [one for one in case.sent(life) if one.at < life.first("firing") - ROUNDING]
        expect(not early, f"sent at {early}")
    return "at the second evaluation, twice, and nothing sent before"


@line(19, "T1", "T4")
def changes_show_at_once(case):
    """Values and annotations."""
    first, _ = case.lives("Life")
    life = first[1]
    for begin, end, value in ((14, 20, 15), (20, 32, 12), (32, 36, 25), (36, 40, 30)):
        between = [one for one in life.seen if case.at(begin) + case.tolerance < one.evaluated < case.at(end) - ROUNDING]
        expect(between, f"not judged between {begin} and {end}")
        for one in between:
            expect(one.value == value and one.annotations["value"] == str(value), f"{one.value} and {one.annotations['value']!r} in place of {value}")
    states = [one.state for one in life.seen]
    expect(states == sorted(states, reverse=True), f"{states}")
    return "15 and 12 while pending, 25 and 30 while firing, in value and annotation; activeAt and labels the same"


@line(20, "T1", "T4")
def ends_at_once(case):
    """What is not produced any more."""
    ends = []
    for episode, life in case.lives():
        if episode.by_data:
            continue
        expect(life.ended is not None, f"{life} does not end")
        late = life.ended - case.at(episode.end)
        expect(-ROUNDING <= late <= case.interval + case.tolerance, f"{life} ends {late:.3f} s after its cause")
        if not episode.fires:
            expect(not case.sink.of(life.alert, key=life.key), f"{life} was sent")
        ends.append(late)
    return f"{len(ends)} alerts, {min(ends):.3f} to {max(ends):.3f} s after the sample that ends them"


@line(21, "T1", "T4")
def ends_without_data(case):
    """When the data ends."""
    said = []
    # The store of opwatch forgets by buckets of ten seconds.
    slack = 10 if case.name == "T4" else 0
    for episode, life in case.lives():
        if episode.by_data:
            expect(life.ended is not None, f"{life} does not end")
            late = life.ended - case.at(episode.end - 1) - case.scale.seconds(LOOKBACK)
            expect(-case.tolerance <= late <= case.interval + slack + case.tolerance, f"{life} ends {late:.3f} s after its look-back")
            said.append(f"{life.alert} {late:.3f}")
    return "s after the last sample is out of reach: " + ", ".join(said)


@line(22, "T1", "T4")
def comes_back_anew(case):
    """A second life."""
    said = []
    for name in ("Life", "Zero"):
        (_, first), (_, second) = case.lives(name)
        expect(first.key == second.key, f"{first.labels} and {second.labels}")
        expect(first.ended < second.active_at + ROUNDING, f"{name} begins again at {second.active_at}, before {first.ended}")
        wait = second.first("firing") - second.active_at
        expect(wait >= case.hold(name) - case.tolerance, f"{name} fires again after {wait:.3f} s")
        said.append(f"{name} fires {wait:.3f} s after its new activeAt")
    return ", ".join(said)


@line(23, "T1")
def alerts_series(case):
    """The samples of `ALERTS`."""
    by_labels = {frozenset(labels.items()): dict((round(at, 3), value) for at, value in values) for labels, values in case.raw_alerts}
    count = 0
    for episode, life in case.lives():
        for one in life.seen:
            labels = life.labels | {"__name__": "ALERTS", "alertstate": one.state}
            values = by_labels.get(frozenset(labels.items()))
            expect(values is not None, f"no series {labels}")
            at = next((at for at in values if near(at, one.evaluated, ROUNDING)), None)
            expect(at is not None and values[at] == 1, f"{labels} has no 1 at {one.evaluated}")
            count += 1
    return f"a sample 1 at each of {count} evaluations"


@line(23, "T4")
def alerts_exposed(case):
    """The `ALERTS` of `/metrics`, where two looks around it agree."""
    count = 0
    for before, after in zip(case.history.looks, case.history.looks[1:]):
        if before.evaluations() != after.evaluations():
            continue
        listed = {frozenset((alert["labels"] | {"alertstate": alert["state"]}).items()) for alert in before.alerts}
        exposed = [frozenset(labels.items()) for labels, value in before.shown if value == 1]
        expect(len(exposed) == len(before.shown) == len(set(exposed)), f"{before.shown}")
        expect(set(exposed) == listed, f"ALERTS {sorted(map(sorted, set(exposed) ^ listed))} in one of them alone")
        count += len(exposed)
    expect(count > 100, f"{count} series")
    return f"{count} series of /metrics are the pending and firing alerts, with value 1"


@line(24, "T1", "T4")
def old_state_ends(case):
    """No alert in two states, none that has ended."""
    if case.name == "T4":
        pages = [[labels for labels, _ in look.shown] for look in case.history.looks]
    else:
        pages = list(case.states.values())
    for page in pages:
        keys = [frozenset(item for item in labels.items() if item[0] not in ("alertstate", "__name__")) for labels in page]
        # Second has the labels of what it is about, alertstate among them.
        expect(len(keys) == len(set(keys)), f"an alert in two states: {page}")
    states = {labels["alertstate"] for page in pages for labels in page}
    expect(states == {"pending", "firing"}, f"states {states}")
    if case.name == "T1":
        for episode, life in case.lives():
            for at, page in case.states.items():
                # The stale marker is written by the evaluation that finds the end.
                if life.ended and life.ended + case.tolerance < at < life.ended + case.scale.seconds(INTERVAL + 4):
                    expect(not any(set(life.labels.items()) <= set(labels.items()) for labels in page), f"{life} is still in ALERTS {at - life.ended:.3f} s after its end")
    return f"one state for each alert in {len(pages)} looks" + (" through a look-back ten times as long" if case.name == "T1" else "")
