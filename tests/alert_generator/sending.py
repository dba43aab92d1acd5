"""Lines 25 to 37: what is sent of alerts, when, and with which times."""

import json
import urllib.parse

from checking import ROUNDING, Failed, expect, line, near
from moments import RFC_3339, moment
from support import get
from timeline import INTERVAL, RESEND, RETENTION


def evaluation_before(case, alert, at):
    """The last evaluation before something was sent."""
    return max((one for one in case.history.evaluations(alert) if one <= at + ROUNDING), default=None)


def resend(case):
    """The least and the most seconds between two sends of the same alert."""
    delay = case.scale.seconds(RESEND)
    return delay - case.tolerance, delay + case.interval + case.tolerance


def validity(case):
    """Seconds for which a firing alert is sent as valid."""
    return 4 * case.scale.seconds(max(RESEND, INTERVAL))


@line(25, "T1", "T4")
def pending_is_never_sent(case):
    """Alerts that are pending, and those that never fire."""
    for episode, life in case.lives():
        fired = life.first("firing")
        early = [one.at for one in case.sink.of(life.alert, key=life.key) if one.is_firing and life.active_at - ROUNDING <= one.at < (fired or life.ended or float("inf")) - ROUNDING]
        expect(not early, f"{life} was sent at {early}, fires at {fired}")
        if not episode.fires:
            expect(fired is None, f"{life} fires")
    never = [one for name in ("Brief", "Never", "Ends") for one in case.sink.of(name)]
    expect(not never, f"sent {never[:1]}")
    return f"none of {len(case.sink.alerts)} alerts sent was pending; three rules that never fire were never sent"


@line(26, "T1", "T4")
def first_firing_is_sent_at_once(case):
    """The first send of each alert."""
    late = []
    for life in case.firing():
        sent = [one for one in case.sent(life) if one.is_firing]
        expect(sent, f"{life} was never sent")
        late.append(sent[0].at - life.first("firing"))
        expect(-ROUNDING <= late[-1] <= case.tolerance, f"{life} was sent {late[-1]:.3f} s after it fired")
    off = [one.at - evaluation_before(case, one.name, one.at) for one in case.sink.alerts if evaluation_before(case, one.name, one.at)]
    between = [seconds for seconds in off if seconds > case.tolerance]
    expect(not between, f"sent {between[:3]} s after an evaluation")
    return f"{len(late)} alerts at most {max(late) * 1000:.0f} ms after they fired, all {len(off)} sends at most {max(off) * 1000:.0f} ms after an evaluation"


def gaps(sends, begin, until, case, what):
    """Seconds between sends; fails where one is too early, too late, or missing at the end."""
    least, most = resend(case)
    found = [after - before for before, after in zip(sends, sends[1:])]
    expect(all(least <= gap <= most for gap in found), f"{what} was sent again after {[round(gap, 3) for gap in found]} s")
    expect(until - (sends[-1] if sends else begin) <= most, f"{what} was not sent again {until - (sends[-1] if sends else begin):.3f} s before its end")
    return found


@line(27, "T1", "T4")
def firing_is_sent_again(case):
    """The pace of sends."""
    found = []
    for life in case.firing():
        found += gaps([one.at for one in case.sent(life) if one.is_firing], life.first("firing"), life.ended, case, str(life))
    expect(found, "nothing was sent twice")
    return f"{len(found)} gaps of {min(found):.3f} to {max(found):.3f} s for a delay of {case.scale.seconds(RESEND):g} s and an interval of {case.interval:g} s"


@line(29, "T1", "T4")
def end_is_sent_at_once(case):
    """The first send of each end."""
    late = []
    for life in case.firing():
        sent = [one for one in case.sent(life) if not one.is_firing and one.at >= life.ended - ROUNDING]
        expect(sent, f"the end of {life} was never sent")
        late.append(sent[0].at - (life.ended if life.is_end_sure else sent[0].ends))
        expect(late[-1] <= case.tolerance, f"the end of {life} was sent {late[-1]:.3f} s late")
    return f"{len(late)} ends, at most {max(late) * 1000:.0f} ms after the evaluation"


@line(30, "T4")
def end_is_sent_for_a_while(case):
    """The last send of ends that nothing follows."""
    return last_sends_of_ends(case, case.scale.seconds(RETENTION))


def last_sends_of_ends(case, retention):
    """The same for a time that is set."""
    said = []
    last_look = case.history.looks[-1].at
    _, most = resend(case)
    for life in case.firing():
        later = [other.active_at for other in case.history.lives(life.alert) if other.key == life.key and other.active_at > life.active_at]
        until = min([last_look, *later])
        if until - life.ended < retention + most:
            continue
        sends = [one.at for one in case.sent(life) if not one.is_firing]
        gaps(sends, life.ended, life.ended + retention, case, f"the end of {life}")
        expect(sends[-1] <= life.ended + retention + case.tolerance, f"the end of {life} was sent until {sends[-1] - life.ended:.3f} s after it")
        said.append(f"{life} {len(sends)} times, last after {sends[-1] - life.ended:.1f} s, then not for {until - sends[-1]:.1f} s")
    expect(said, "no end was watched for long enough")
    return f"retention {retention:g} s: " + "; ".join(said)


@line(31, "T1", "T4")
def end_is_not_sent_beside_a_new_life(case):
    """Sends of the end of the first life after the begin of the second."""
    said = []
    for name in ("Life", "Zero"):
        (_, first), (_, second) = case.lives(name)
        before = [one for one in case.sent(first) if not one.is_firing]
        beside = [one.at for one in case.sink.of(name, key=first.key) if second.active_at + case.tolerance < one.at < second.ended - ROUNDING and not one.is_firing]
        expect(not beside, f"the end of {name} was sent at {beside}, active again at {second.active_at}")
        said.append(f"{name}: {len(before)} sends of its end, none from its new activeAt on")
    return "; ".join(said)


@line(32, "T1", "T4")
def sent_as_the_api_has_it(case):
    """Labels and annotations."""
    count = 0
    for life in case.firing():
        for one in case.sent(life):
            if not one.is_firing:
                continue
            at = evaluation_before(case, life.alert, one.at)
            same = [seen for seen in life.seen if near(seen.evaluated, at, case.interval + case.tolerance) and seen.annotations == one.annotations]
            expect(same, f"{life} was sent with {one.annotations}, the API has {[seen.annotations for seen in life.seen if near(seen.evaluated, at, ROUNDING)]}")
            expect(one.labels == life.labels, f"{one.labels} is not {life.labels}")
            count += 1
    return f"{count} sends as in /api/v1/rules"


@line(33, "T1", "T4")
def starts_when_it_fired(case):
    """`startsAt`."""
    count = 0
    for life in case.firing():
        starts = {one.times[0] for one in case.sent(life) if one.at >= life.first("firing") - ROUNDING}
        expect(len(starts) == 1, f"{life} starts at {starts}")
        start = moment(next(iter(starts)))
        expect(case.is_evaluation(life.alert, start) and near(start, life.first("firing"), case.interval), f"{life} starts at {start}, fired at {life.first('firing')}")
        if case.hold(life.alert):
            expect(start > life.active_at + ROUNDING, f"{life} starts at its activeAt")
        count += len(case.sent(life))
    return f"one startsAt for each life in {count} sends, the evaluation at which it fired"


@line(34, "T1", "T4")
def firing_ends_later(case):
    """`endsAt` of firing alerts."""
    off = []
    for life in case.firing():
        for one in case.sent(life):
            if one.is_firing:
                base = one.ends - validity(case)
                expect(case.is_evaluation(life.alert, base), f"{life}: endsAt {one.times[1]} is not {validity(case):g} s after an evaluation")
                off.append(one.at - base)
                expect(-ROUNDING <= off[-1] <= case.tolerance, f"{life}: endsAt is {one.ends - one.at:.3f} s after it came")
    return f"{len(off)} sends: {validity(case):g} s after the evaluation that sends"


@line(35, "T1", "T4")
def end_is_when_it_ended(case):
    """`endsAt` of ended alerts."""
    count = 0
    for life in case.firing():
        ends = {one.ends for one in case.sent(life) if not one.is_firing and one.at >= life.ended - case.interval}
        expect(len(ends) == 1, f"{life} ends at {ends}")
        end = next(iter(ends))
        expect(near(end, life.ended, ROUNDING) or (not life.is_end_sure and end <= life.ended), f"{life} ends at {end}, ended at {life.ended}")
        count += 1
    return f"{count} ends, each with one endsAt: the first evaluation without it"


@line(36, "T1", "T4", "T5")
def url_leads_to_the_rule(case):
    """`generatorURL`."""
    sent = case.hook.alerts if case.name == "T5" else case.sink.alerts
    urls = {(one.name, one.url) for one in sent}
    for name, url in urls:
        parts = urllib.parse.urlsplit(url)
        expect(parts.scheme == "http" and parts.netloc, f"{url!r}")
        expect(parts.port == case.generator.port, f"{url!r} is not where it listens")
        query = urllib.parse.parse_qs(parts.query)
        rule = case.generator.rule(name)
        if case.name == "T1":
            expect(query.get("g0.expr") == [rule["query"]], f"{url!r} is not {rule['query']!r}")
        else:
            status, body = get(case.generator.port, f"{parts.path}?{parts.query}")
            found = [one["name"] for group in json.loads(body)["data"]["groups"] for one in group["rules"]]
            expect(status == 200 and found == [name], f"{url!r} answers {status} with {found}")
    return f"{len(urls)} URLs lead to their rules, as {min(urls)[1].replace(str(case.generator.port), 'PORT')}"


@line(37, "T1", "T4", "T5")
def times_are_rfc_3339(case):
    """The form of times."""
    sent = case.hook.alerts if case.name == "T5" else case.sink.alerts
    texts = {text for one in sent for text in one.times}
    digits = []
    for text in texts:
        found = RFC_3339.fullmatch(text)
        expect(found, f"{text!r}")
        digits.append(len(found[2] or ""))
    # Go leaves out zeros at the end.
    expect(max(digits) >= 3, f"{max(digits)} digits")
    return f"{len(texts)} times, up to {max(digits)} digits after the second"


# What a real Alertmanager has made of it.


def updates(case, life):
    """The states in which Alertmanager had an alert, by the times at which it was told."""
    begin = life.active_at - ROUNDING
    until = min((other.active_at for other in case.history.lives(life.alert) if other.key == life.key and other.active_at > life.active_at), default=float("inf"))
    found = [one for at, one in sorted(case.listed.get(life.key, {}).items()) if begin <= at < until]
    expect(found, f"Alertmanager never had {life}")
    return found


def told(case, life, firing):
    """What the webhook was told of a life."""
    return [one for one in case.hook.of(life.alert, firing, life.key) if near(one.starts, life.first("firing"), case.interval)]


@line(25, "T5")
def alertmanager_has_no_pending(case):
    """The alerts that it has had."""
    keys = {life.key: life for life in case.firing()}
    known = {"Collapsed", "Templates"}
    names = {dict(key)["alertname"] for key in case.listed}
    expect(not names - known - {life.alert for life in keys.values()}, f"Alertmanager had {names}")
    for life in keys.values():
        for at, one in case.listed[life.key].items():
            lives = [other for other in case.history.lives(life.alert) if other.key == life.key and other.first("firing")]
            expect(any(other.first("firing") - ROUNDING <= at for other in lives), f"{life} at {at}")
    return f"it had {', '.join(sorted(names))}, each since it fired"


@line(26, "T5")
def alertmanager_hears_at_once(case):
    """The first word it has, and the first it passes on."""
    late, passed = [], []
    for life in case.firing():
        late.append(moment(updates(case, life)[0]["updatedAt"]) - life.first("firing"))
        expect(-ROUNDING <= late[-1] <= case.tolerance, f"{life} came {late[-1]:.3f} s after it fired")
        hooks = told(case, life, True)
        expect(hooks, f"the webhook was never told of {life}")
        passed.append(hooks[0].at - life.first("firing"))
        expect(passed[-1] <= case.tolerance + case.alertmanager_interval, f"the webhook was told of {life} {passed[-1]:.3f} s after it fired")
    return f"in Alertmanager at most {max(late) * 1000:.0f} ms after the evaluation, at the webhook {max(passed) * 1000:.0f} ms"


@line(27, "T5")
def alertmanager_hears_again(case):
    """The pace of updates."""
    found = []
    for life in case.firing():
        times = [moment(one["updatedAt"]) for one in updates(case, life) if moment(one["updatedAt"]) < life.ended - ROUNDING]
        found += gaps(times, life.first("firing"), life.ended, case, str(life))
    return f"{len(found)} updates {min(found):.3f} to {max(found):.3f} s apart, no alert expired meanwhile"


@line(29, "T5")
def webhook_hears_of_the_end(case):
    """Ends at the webhook."""
    late = []
    for life in case.firing():
        ends = told(case, life, False)
        expect(len(ends) == 1, f"the webhook was told of the end of {life} {len(ends)} times")
        late.append(ends[0].at - life.ended)
        # Alertmanager tells of it when its group is due.
        expect(late[-1] <= case.tolerance + 2 * case.alertmanager_interval, f"the webhook was told of the end of {life} {late[-1]:.3f} s late")
    return f"{len(late)} ends, told once each, at most {max(late):.3f} s after the evaluation (group_interval {case.alertmanager_interval:g} s)"


@line(32, "T5")
def alertmanager_has_it_as_the_api(case):
    """Labels and annotations in Alertmanager."""
    count = 0
    for life in case.firing():
        for one in updates(case, life):
            expect(one["labels"] == life.labels, f"{one['labels']} is not {life.labels}")
            expect(any(seen.annotations == one["annotations"] for seen in life.seen), f"{life} has {one['annotations']}")
            count += 1
    return f"{count} updates as in /api/v1/rules"


@line(33, "T5")
def alertmanager_keeps_the_start(case):
    """`startsAt` in Alertmanager and at the webhook."""
    for life in case.firing():
        starts = {one["startsAt"] for one in updates(case, life)} | {one.times[0] for one in told(case, life, None)}
        expect(len({moment(text) for text in starts}) == 1, f"{life} starts at {starts}")
        expect(near(moment(starts.pop()), life.first("firing"), ROUNDING) or not life.is_end_sure, f"{life} fired at {life.first('firing')}")
    return f"{len(case.firing())} lives with one startsAt in every update and notification"


@line(34, "T5")
def alertmanager_has_it_valid(case):
    """`endsAt` of what fires in Alertmanager."""
    off = []
    for life in case.firing():
        for one in updates(case, life):
            at, ends = moment(one["updatedAt"]), moment(one["endsAt"])
            if at < life.ended - ROUNDING:
                off.append(validity(case) - (ends - at))
                expect(-ROUNDING <= off[-1] <= case.tolerance, f"{life}: valid for {ends - at:.3f} s")
    return f"{len(off)} updates, valid for {validity(case):g} s less at most {max(off) * 1000:.0f} ms"


@line(35, "T5")
def webhook_has_the_end(case):
    """`endsAt` at the webhook."""
    for life in case.firing():
        ends = {one.ends for one in told(case, life, False)}
        expect(len(ends) == 1 and (near(next(iter(ends)), life.ended, ROUNDING) or not life.is_end_sure), f"{life} ends at {ends}, ended at {life.ended}")
    return f"{len(case.firing())} ends with the time of the evaluation"


def nothing_strange(sink):
    """Fails where something came that could not be read."""
    if sink.strange:
        raise Failed(f"could not be read: {sink.strange[:3]}")
