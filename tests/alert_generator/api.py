"""Lines 38 to 44: `/api/v1/rules` and `/api/v1/alerts`."""

import re

from checking import expect, line
from moments import moment

#: Keys that have to be there, and of which type they are.
GROUP = {"name": str, "file": str, "interval": (int, float), "lastEvaluation": str, "rules": list}
RULE = {"name": str, "type": str, "state": str, "query": str, "duration": (int, float), "labels": dict, "annotations": dict, "alerts": list, "health": str, "evaluationTime": (int, float), "lastEvaluation": str}
ALERT = {"labels": dict, "annotations": dict, "state": str, "activeAt": str, "value": str}
VALUE = re.compile(r"-?\d(\.\d+)?e[+-]\d\d+")


def has(document, keys, what):
    """Fails where a key is missing or of another type."""
    for key, kind in keys.items():
        expect(isinstance(document.get(key), kind), f"{what}: {key} is {document.get(key)!r}")


def rules(case):
    """All rules of all looks."""
    return [(look, group, rule) for look in case.history.looks for group in look.groups for rule in group["rules"]]


@line(38, "T1", "T4")
def groups_have_their_form(case):
    """Groups."""
    names = set()
    for look in case.history.looks:
        for group in look.groups:
            has(group, GROUP, "a group")
            moment(group["lastEvaluation"])
            names.add(group["name"])
    expect(names == {"life", "brief", "zero", "default", "variants", "templates"}, f"{names}")
    return f"{len(names)} groups in {len(case.history.looks)} looks"


@line(39, "T1", "T4")
def rules_have_their_form(case):
    """Rules."""
    for look, _, rule in rules(case):
        has(rule, RULE, rule.get("name"))
        expect(rule["type"] == "alerting" and rule["health"] in ("ok", "err", "unknown"), f"{rule}")
        expect((rule["health"] == "err") == bool(rule.get("lastError")), f"{rule['name']} is {rule['health']} with {rule.get('lastError')!r}")
    each = case.generator.rule("Each")
    expect(each["labels"]["team"] == "{{ $labels.team }} by {{ $labels.variant }}", f"{each['labels']}")
    expect(each["annotations"]["value"] == "{{ $value }}", f"{each['annotations']}")
    expect(case.generator.rule("Life")["duration"] == case.hold("Life"), f"{case.generator.rule('Life')['duration']}")
    if case.name == "T4" and case.prometheus:
        for name in case.history.rules:
            case.prometheus.data("/api/v1/query", query=case.generator.rule(name)["query"])
    return f"{len(rules(case))} rules; labels and annotations as written; lastError where health is err; query {case.generator.rule('Life')['query']!r}"


@line(40, "T1", "T4")
def state_is_the_highest(case):
    """The state of a rule is that of its alerts."""
    mixed = 0
    for name, seen in case.history.rules.items():
        for _, one in seen:
            states = {alert["state"] for alert in one.body["alerts"]}
            expected = "firing" if "firing" in states else "pending" if "pending" in states else "inactive"
            expect(one.body["state"] == expected, f"{name} is {one.body['state']} with {states}")
            mixed += len(states) == 2
    expect(mixed, "never a pending beside a firing one")
    return f"{sum(len(seen) for seen in case.history.rules.values())} evaluations, {mixed} with a firing and a pending alert"


@line(41, "T1", "T4")
def evaluations_are_not_old(case):
    """`lastEvaluation`."""
    oldest = 0.0
    for look, group, rule in rules(case):
        if rule["lastEvaluation"].startswith("0001"):
            expect(look.at < case.begin + group["interval"], f"{rule['name']} was never judged")
            continue
        age = look.at - moment(rule["lastEvaluation"])
        expect(age <= group["interval"] + 5, f"{rule['name']} was judged {age:.3f} s ago")
        oldest = max(oldest, age - group["interval"])
    return f"never older than the interval and {max(oldest, 0) * 1000:.0f} ms"


@line(42, "T1", "T4")
def alerts_have_their_form(case):
    """Alerts."""
    values = set()
    for look, _, rule in rules(case):
        for alert in rule["alerts"]:
            has(alert, ALERT, rule["name"])
            moment(alert["activeAt"])
            expect(alert["state"] in ("pending", "firing"), f"{alert}")
            expect(VALUE.fullmatch(alert["value"]), f"{alert['value']!r}")
            values.add(alert["value"])
    return f"values {', '.join(sorted(values, key=float))}"


@line(43, "T1", "T4")
def alerts_are_those_of_rules(case):
    """The other list, where two looks around it agree."""
    count, seen = 0, 0

    def keyed(alerts):
        return sorted((sorted(alert["labels"].items()), alert["state"], alert["activeAt"], alert["value"], sorted(alert["annotations"].items())) for alert in alerts)

    for before, after in zip(case.history.looks, case.history.looks[1:]):
        for rule, later in zip(before.rules(), after.rules()):
            if rule["lastEvaluation"] == later["lastEvaluation"]:
                listed = [alert for alert in before.alerts if alert["labels"]["alertname"] == rule["name"]]
                expect(keyed(listed) == keyed(rule["alerts"]), f"{keyed(listed)} and {keyed(rule['alerts'])}")
                count += 1
                seen += len(listed)
        names = {rule["name"] for rule in before.rules()}
        expect(all(alert["labels"]["alertname"] in names for alert in before.alerts), f"{before.alerts}")
    expect(seen > 100, f"{seen} alerts in {count} looks")
    return f"the same {seen} alerts of {count} rules looked at"


@line(44, "T1", "T4")
def keys_may_be_more(case):
    """Keys beyond the specification; that none is missing is checked with each object."""
    for check in (groups_have_their_form, rules_have_their_form, alerts_have_their_form):
        check(case)
    more = {f"rule.{key}" for _, _, rule in rules(case) for key in rule if key not in RULE and key != "lastError"}
    more |= {f"alert.{key}" for look in case.history.looks for alert in look.alerts for key in alert if key not in ALERT}
    return "none is missing; beside them " + ", ".join(sorted(more))
