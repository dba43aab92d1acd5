"""What all dashboards have in common: variables, annotations, links, range and refresh."""

from panels import BLUE, GREEN, ORANGE, PURPLE, RED, SOURCE, layout
from queries import OPERATION, RULE, TARGET

TAG = "opwatch"
#: Learned baselines change all the time; marks are for those that somebody has set.
LEARNED = "(rolling|offset|seasonal) .*|previous version"


def listed(name, label, query, all_value, *, multi=True, every=True, hide=0):
    """A variable with the values of a label."""
    everything = {"selected": True, "text": ["All"] if multi else "All", "value": ["$__all"] if multi else "$__all"}
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "definition": query,
        "query": query,
        "current": everything if every else {},
        "includeAll": every,
        "multi": multi,
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": hide,
        "skipUrlSync": False,
        "options": [],
    } | ({"allValue": all_value} if every else {})


def chosen(name, label, values, first):
    """A variable with fixed values: pairs of text and value."""
    options = [{"text": text, "value": value, "selected": text == first} for text, value in values]
    current = next(one for one in options if one["selected"])
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ", ".join(text if text == value else f"{text} : {value}" for text, value in values),
        "current": current,
        "options": options,
        "includeAll": False,
        "multi": False,
        "hide": 0,
        "skipUrlSync": False,
    }


def variables(clusters, operations, single, baselines):
    """The variables of a dashboard, each within what the ones before it leave."""
    where = []

    def within(metric="opwatch_build_info"):
        return metric + (f"{{{', '.join(where)}}}" if where else "")

    yield {
        "type": "datasource",
        "name": "datasource",
        "label": "Data Source",
        "query": "prometheus",
        "current": {},
        "includeAll": False,
        "multi": False,
        "refresh": 1,
        "regex": "",
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
    }
    for name, label, every in (("cluster", "Cluster", ".*"), ("namespace", "Namespace", ".*"), ("job", "Job", ".+"), ("instance", "Instance", ".+")):
        # Most have one cluster and no such label: hidden, it matches everything, and links and addresses can still set it.
        hide = 2 if name == "cluster" and not clusters else 0
        yield listed(name, label, f"label_values({within()}, {name})", every, hide=hide)
        where.append(f'{name}=~"${name}"')
    if operations:
        seen = "opwatch_operation_last_timestamp_seconds"
        yield listed("operation", "Operation", f"label_values({within(seen)}, operation)", ".*", multi=not single, every=not single)
        where.append('operation=~"$operation"')
        yield listed("algorithm", "Algorithm", f"label_values({within(seen)}, algorithm)", ".*")
    if baselines:
        yield listed("baseline", "Baseline", f"label_values({within('opwatch_baseline_value')}, baseline)", ".*")
    if operations:
        yield chosen("quantile", "Quantile", [("0.5", "0.5"), ("0.9", "0.9"), ("0.99", "0.99")], "0.99")
        yield chosen("histogram", "Histograms", [("classic", "0"), ("native", "1")], "classic")


def mark(name, color, expr, title, text, tags="", *, at_value=False, enable=True):
    """Marks in all panels: where a query has a value, or at the times that its values are."""
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": enable,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
        "step": "",
        "useValueForTime": at_value,
    }


def appeared(labels, series):
    """Sets of labels that were not there a moment ago."""
    return f"group by ({labels}) ({series}) unless group by ({labels}) ({series} offset $__rate_interval)"


def marks(operations):
    """The annotations of a dashboard."""
    yield {
        "builtIn": 1,
        "name": "Annotations & Alerts",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": BLUE,
        "type": "dashboard",
    }
    yield mark("Restarts", ORANGE, f"opwatch_start_time_seconds{{{TARGET}}} * 1000", "opwatch started", "{{instance}}", "instance", at_value=True)
    yield mark("opwatch version", PURPLE, appeared("version, revision", f"opwatch_build_info{{{TARGET}}}"), "opwatch {{version}}", "revision {{revision}}")
    if operations:
        seen = f'opwatch_operation_last_timestamp_seconds{{{OPERATION}, version!=""}}'
        yield mark("Model version", GREEN, appeared("operation, algorithm, version", seen), "{{operation}} {{version}}", "{{algorithm}}", "operation")
        pinned = f'opwatch_baseline_timestamp_seconds{{{OPERATION}, baseline!~"{LEARNED}"}} * 1000'
        yield mark("Baseline set", BLUE, pinned, "baseline {{baseline}} of {{metric}}", "{{operation}} {{algorithm}}", "baseline", at_value=True)
        fired = f"opwatch_rule_change_timestamp_seconds{{{RULE}}} * 1000 and opwatch_rule_state{{{RULE}}}"
        text = "{{operation}} {{algorithm}} on {{instance}}"
        yield mark("Alerts firing", RED, f"{fired} == 2", "{{alertname}} ({{severity}}) fires", text, "alertname,severity", at_value=True)
        yield mark("Alerts over", GREEN, f"{fired} == 0", "{{alertname}} ({{severity}}) is over", text, "alertname,severity", at_value=True)


def dashboard(uid, title, description, *parts, clusters=False, operations=True, single=False, baselines=True):
    """A whole dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "schemaVersion": 39,
        "version": 1,
        "weekStart": "",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
        "refresh": "30s",
        "links": [
            {
                "type": "dashboards",
                "title": "opwatch",
                "tags": [TAG],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "The other dashboards of opwatch, with the same choices",
                "url": "",
            }
        ],
        "annotations": {"list": list(marks(operations))},
        "templating": {"list": list(variables(clusters, operations, single, baselines))},
        "panels": layout(*parts),
    }
