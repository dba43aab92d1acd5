"""The rules of the suite in both forms: `expr` over remote-written samples, and `threshold` over measurements."""

import json

from templates import TEMPLATES
from timeline import HOLD, INTERVAL, LOOKBACK

#: What every alert says, so that a change of the value shows.
SAYS = {"value": "{{ $value }}", "said": "{{ $labels.operation }} of team {{ $labels.team }}, once {{ $labels.alertname }}"}


class Form:
    """What both forms share."""

    def __init__(self, scale):
        self.scale = scale

    def rule(self, alert, operation, limit, by=(), labels=None, annotations=None, hold=None, keep=None, **more):
        """One rule: above a limit."""
        steps = HOLD.get(alert, 0) if hold is None else hold
        rule = {"alert": alert} | self.condition(operation, limit, by)
        # Zero is written by some and left to the default by others.
        if steps or alert == "ZeroSaid":
            rule["for"] = self.scale.text(steps) if steps else "0s"
        if keep:
            rule["keep_firing_for"] = self.scale.text(keep)
        return rule | {"labels": {"severity": "high"} | (labels or {}), "annotations": SAYS if annotations is None else annotations} | more

    def templates(self):
        """Annotations that show what templates can do."""
        return {name: one.text for name, one in TEMPLATES.items() if not one.only_local or self.is_local}

    def group(self, name, *rules):
        """A group at the interval of the suite."""
        return {"name": name, "interval": self.scale.text(INTERVAL), "rules": list(rules)}

    def groups(self):
        """All of them; the second list is to be written as JSON."""
        rule, group = self.rule, self.group
        return [
            group("life", rule("Life", "life", 10)),
            group("brief", rule("Brief", "brief", 10), rule("Never", "life", 99), rule("Ends", "ends", 10)),
            group("zero", rule("Zero", "zero", 10), rule("ZeroSaid", "zero", 10), rule("Short", "zero", 13), self.second()),
            {"name": "default", "rules": [rule("Default", "life", 99)]},
        ], [
            group(
                "variants",
                rule("Each", "variants", 10, ("team", "variant"), {"team": "{{ $labels.team }} by {{ $labels.variant }}"}),
                rule("Collapsed", "variants", 10, ("team", "variant"), {"variant": "same", "team": "same"}),
            ),
            group("templates", rule("Templates", "templates", 10, ("team",), annotations=self.templates())),
        ]


class Prometheus(Form):
    """Rules for Prometheus."""

    is_local = False

    def condition(self, operation, limit, by):
        """As PromQL."""
        del by
        return {"expr": f'value{{operation="{operation}"}} > {limit}'}

    def second(self):
        """A rule over what another one of its group has found."""
        return {"alert": "Second", "expr": 'ALERTS{alertname="Zero", alertstate="firing"}', "labels": {"severity": "high"}}


class Opwatch(Form):
    """The same for opwatch."""

    is_local = True

    def condition(self, operation, limit, by):
        """The last value; as in Prometheus it counts until it is too old, and then there is nothing."""
        return {
            "select": f'{{operation="{operation}"}}',
            "by": ["operation", *by],
            "threshold": {"metric": "duration", "stat": "last", "window": self.scale.text(LOOKBACK), "above": f"{limit}s"},
            "no_data": "resolve",
        }

    def second(self):
        """A rule that holds back what another one of its group tells already."""
        return self.rule("Second", "zero", 10, depends_on=["Zero"])


def block(value, indent=0):
    """YAML in block style; scalars as JSON has them, which YAML takes as well."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{entry(one, indent)}" for key, one in value.items())
    return "".join(pad + "- " + block(one, indent + 1).lstrip(" ") for one in value)


def entry(value, indent):
    """What stands after a key."""
    if isinstance(value, dict) and value or isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n" + block(value, indent + 1)
    return f" {json.dumps(value)}\n"


def write(folder, form):
    """Writes both rule files; their paths."""
    first, second = form.groups()
    paths = [folder / "rules.yaml", folder / "rules.json.yaml"]
    paths[0].write_text(block({"groups": first}), encoding="utf-8")
    paths[1].write_text(json.dumps({"groups": second}), encoding="utf-8")
    return paths
