"""Dashboards and rules with one fault each, and what `lint` has to say of it: for its own test."""

import copy


def broken(dashboard):
    """Dashboards with one fault each, and what is to be said of it."""
    def with_change(change):
        other = copy.deepcopy(dashboard)
        change(other, next(one for one in other["panels"] if one["type"] == "timeseries"), {one["name"]: one for one in other["templating"]["list"]})
        return other

    def set_at(node, key, value):
        node[key] = value

    def in_expr(old, new):
        def change(_, panel, __):
            assert old in panel["targets"][0]["expr"], old
            panel["targets"][0]["expr"] = panel["targets"][0]["expr"].replace(old, new, 1)

        return change

    yield "is not one of", with_change(lambda d, p, v: set_at(d, "uid", "other"))
    yield "editable is", with_change(lambda d, p, v: set_at(d, "editable", True))
    yield "refresh is", with_change(lambda d, p, v: set_at(d, "refresh", "5s"))
    yield "left of an export", with_change(lambda d, p, v: set_at(d, "__inputs", []))
    yield "no title or description", with_change(lambda d, p, v: set_at(d, "description", ""))
    yield "links do not keep", with_change(lambda d, p, v: set_at(d["links"][0], "includeVars", False))
    yield "fixed data source", with_change(lambda d, p, v: set_at(p["datasource"], "uid", "P1809F7CD0C75ACF3"))
    yield "fixed data source", with_change(lambda d, p, v: set_at(p["targets"][0], "datasource", "Prometheus"))
    yield "one data source variable", with_change(lambda d, p, v: set_at(v["datasource"], "label", "Prometheus"))
    yield "variable job is to be", with_change(lambda d, p, v: set_at(v["job"], "allValue", ".*"))
    yield "variable instance is to be", with_change(lambda d, p, v: set_at(v["instance"], "multi", False))
    yield "is not refreshed", with_change(lambda d, p, v: set_at(v["job"], "refresh", 1))
    yield "does not ask for the values", with_change(lambda d, p, v: set_at(v["job"], "query", "label_values(up, job)"))
    yield "does not keep to", with_change(lambda d, p, v: set_at(v["instance"], "query", "label_values(opwatch_build_info, instance)"))
    yield "is used and not there", with_change(in_expr('"$namespace"', '"$pod"'))
    yield "is there and not used", with_change(lambda d, p, v: d["templating"]["list"].append(v["job"] | {"name": "spare", "query": "label_values(opwatch_build_info{}, spare)"}))
    yield "without a matcher for job", with_change(in_expr('job=~"$job", ', ""))
    yield "without a matcher for instance", with_change(in_expr('instance=~"$instance"', 'pod=~"$instance"'))
    yield "there is no metric", with_change(in_expr("opwatch_", "opwatch_no_"))
    yield "a metric without labels", with_change(lambda d, p, v: set_at(p["targets"][0], "expr", p["targets"][0]["expr"] + " or opwatch_series"))
    yield "and not $__rate_interval", with_change(in_expr("$__rate_interval", "5m"))
    yield "without rate or increase", with_change(lambda d, p, v: set_at(p["targets"][0], "expr", 'sum(opwatch_operations_total{job=~"$job", instance=~"$instance"})'))
    yield "promtool says", with_change(in_expr("sum", "summ"))
    yield "no description worth", with_change(lambda d, p, v: set_at(p, "description", ""))
    yield "unit", with_change(lambda d, p, v: set_at(p["fieldConfig"]["defaults"], "unit", "seconds"))
    yield "two with the same letter", with_change(lambda d, p, v: p["targets"].append(p["targets"][0]))
    yield "either instant or", with_change(lambda d, p, v: set_at(p["targets"][0], "instant", True))
    yield "colour", with_change(lambda d, p, v: set_at(p["fieldConfig"]["defaults"]["thresholds"]["steps"][0], "color", "red"))
    yield "same id", with_change(lambda d, p, v: set_at(p, "id", 1))
    yield "overlaps", with_change(lambda d, p, v: set_at(p["gridPos"], "y", 0))
    yield "wider than the grid", with_change(lambda d, p, v: set_at(p["gridPos"], "w", 25))
    yield "more than 20", with_change(lambda d, p, v: d["panels"].extend([p] * 20))
    yield "a link without", with_change(lambda d, p, v: set_at(p["fieldConfig"]["defaults"], "links", [{"url": "/d/opwatch-fleet"}]))
    yield "a link to nowhere", with_change(lambda d, p, v: set_at(p["fieldConfig"]["defaults"], "links", [{"url": "/d/elsewhere"}]))


def broken_rules(rules, tests, runbooks):
    """The same of rules, their tests and runbooks."""
    def changed(of, name, old, new):
        assert old in of[name], old
        return of | {name: of[name].replace(old, new, 1)}

    for old, new, expected in (
        ("severity: high", "severity: page", "has no severity"),
        ("summary:", "note:", "has no summary"),
        ("description:", "note:", "has no description"),
        ("#opwatchdown", "#other", "has no runbook"),
        ("opwatch_build_info", "opwatch_built", "there is no metric"),
        ("alert: OpwatchDown", "alert: OpwatchUntested", "needs a test"),
    ):
        yield expected, (changed(rules, "sidecar.yaml", old, new), tests, runbooks)
    yield "is not level:metric:operations", (changed(rules, "recording.yaml", "record: job_operation_algorithm:opwatch_operations:rate5m", "record: operations_rate"), tests, runbooks)
    yield "is used and not recorded", (changed(rules, "operations.yaml", "opwatch_operations_failed:ratio_rate5m", "opwatch_operations_failed:ratio"), tests, runbooks)
    yield "has no runbook", (rules, tests, changed(runbooks, "sidecar.md", "## OpwatchDown\n", "## OpwatchDown\n\n## Other\n"))
