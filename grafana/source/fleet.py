"""Fleet overview: is anything wrong anywhere, and with which operation."""

from frame import dashboard
from panels import COLOURED, FILLED, ORANGE, RED, STATES, column, lines, query, row, stat, steps, table
from queries import BASELINE, EACH, OPERATION, RULE, TARGET, beside, error_ratio, quantile, rate, score, total

UID = "opwatch-fleet"

# To the other dashboards with everything chosen here, and the operation of the row.
DETAIL = (
    "/d/opwatch-operation?var-operation=${__data.fields.operation}&var-algorithm=${__data.fields.algorithm}"
    "&${datasource:queryparam}&${cluster:queryparam}&${namespace:queryparam}&${job:queryparam}&${instance:queryparam}"
    "&${histogram:queryparam}&${quantile:queryparam}&${__url_time_range}"
)

ERRORS = steps((0.05, ORANGE), (0.2, RED))
SEEN = "opwatch_operation_last_timestamp_seconds"


def firing(severity):
    """How many alerts of a severity fire; 0 also where there are no alerts at all."""
    return query(f'sum(opwatch_alerts{{{OPERATION}, alertstate="firing", severity="{severity}"}}) or vector(0)', severity, instant=True)


def stats():
    """The line at the top."""
    regressed = f"opwatch_rule_state{{{RULE}}} == 2 and opwatch_rule_statistic{{{RULE}}}"
    return row(
        "",
        stat("Operations", "Operations that ended each second, of all pods and outcomes.", [query(total(rate("opwatch_operations_total")))], "ops", 3),
        stat("Error ratio", "Failed operations as a share of all that ended.", [query(error_ratio())], "percentunit", 3, thresholds=ERRORS, decimals=1),
        stat(
            "Slowest operation",
            "The quantile chosen above of the durations of successful operations, of the operation where it is longest.",
            [query(f"topk(1, {quantile('$quantile', by=EACH)})", "{{operation}} {{algorithm}}", instant=True)],
            "s", 4, names=True, spark=False,
        ),
        stat(
            "Alerts firing",
            "Alerts of opwatch that fire now, by severity; those of rules in shadow do not count.",
            [firing(severity) for severity in ("critical", "high", "medium", "low")],
            "none", 5, names=True, spark=False, thresholds=steps((1, RED)),
        ),
        stat(
            "Pods",
            "Sidecars that answer Prometheus, and those that are expected to: targets that have shown opwatch's metrics within the range. A pod that was removed is not expected.",
            [
                query(f"sum({beside(f'up{{{TARGET}}}')}) or vector(0)", "reporting", instant=True),
                query(f"count({beside(f'up{{{TARGET}}}')}) or vector(0)", "expected", instant=True),
            ],
            "none", 3, names=True, spark=False,
        ),
        stat(
            "In regression",
            "Operations, by algorithm, for which a rule with statistical evidence fires.",
            [query(f"count(count by ({EACH}) ({regressed})) or vector(0)", instant=True)],
            "none", 3, spark=False, thresholds=steps((1, RED)),
        ),
        stat(
            "Oldest data",
            "How long the operation that has been silent longest has not been heard of, on any pod. Operations stay here until retention ends.",
            [query(f"max(time() - max by ({EACH}) ({SEEN}{{{OPERATION}}}))", instant=True)],
            "s", 3, spark=False, decimals=0, thresholds=steps((3600, ORANGE), (86400, RED)),
        ),
    )


def hot_list():
    """Every operation in one table."""
    usual = f'max by ({EACH}) (opwatch_baseline_value{{{BASELINE}, metric="duration", stat="median"}})'
    return row(
        "Hot list",
        table(
            "Operations",
            "Each operation and algorithm over all pods. Against baseline: the median duration now beside the median of its baseline (of several the highest; choose one above). State: the worst of its rules. Click an operation for its details.",
            [
                column("operation", links=[{"title": "Details of ${__data.fields.operation}", "url": DETAIL, "targetBlank": False}]),
                column("algorithm"),
                column("State", f'max by ({EACH}) (opwatch_rule_state{{{RULE}, operation!=""}})', "none", mappings=STATES, custom_cellOptions=FILLED, custom_width=90),
                column("Rate", total(rate("opwatch_operations_total"), EACH), "ops"),
                column("Errors", error_ratio(EACH), "percentunit", decimals=1, thresholds=ERRORS, custom_cellOptions=COLOURED),
                column("p50", quantile(0.5, by=EACH), "s"),
                column("p99", quantile(0.99, by=EACH), "s"),
                column(
                    "Against baseline", f"({quantile(0.5, by=EACH)}) / {usual} - 1", "percentunit",
                    decimals=0, thresholds=steps((0.1, ORANGE), (0.5, RED)), custom_cellOptions=COLOURED,
                ),
                column("Samples/s", total(rate("opwatch_operation_samples_total"), EACH), "short", decimals=1),
                column("f1", score("f1", EACH), "none", decimals=3),
            ],
            (24, 8), sort="State",
        ),
    )


def trends():
    """What changes over time."""
    return row(
        "Trends",
        lines("Rate by operation", "Operations that ended each second.", [query(total(rate("opwatch_operations_total"), "operation"), "{{operation}}")], "ops", (6, 8), min=0),
        lines(
            "Duration by operation", "The quantile chosen above of successful operations.",
            [query(quantile("$quantile", by="operation"), "{{operation}}")], "s", (6, 8), min=0,
        ),
        lines(
            "Samples by operation", "Samples that operations processed each second.",
            [query(total(rate("opwatch_operation_samples_total"), "operation"), "{{operation}}")], "short", (6, 8), min=0,
        ),
        lines(
            "Lowest quality", "The five lowest scores, each the mean over the pods of what they reported last. Scores for which more is worse do not belong here: choose operations above.",
            [query(f"bottomk(5, {score(by=f'{EACH}, score')})", "{{operation}} {{algorithm}} {{score}}")], "none", (6, 8), decimals=2,
        ),
    )


def resources():
    """What it costs."""
    limit = f"opwatch_target_cpu_limit_cores{{{TARGET}}}"
    used = f"sum by (cluster, namespace, job, instance) ({rate('opwatch_target_cpu_seconds_total', TARGET)})"
    return row(
        "Resources",
        lines(
            "CPU by operation", "Cores that operations kept busy, of those that told it; the ten largest.",
            [query(f"topk(10, {total(rate('opwatch_operation_cpu_seconds_total'), EACH)})", "{{operation}} {{algorithm}}")], "short", (6, 8), stack=True, min=0,
        ),
        lines(
            "Peak memory by operation", "The quantile chosen above of the most resident memory that an operation had; the ten largest. With classic histograms as coarse as their buckets.",
            [query(f"topk(10, {quantile('$quantile', 'opwatch_operation_memory_peak_bytes', EACH, OPERATION)})", "{{operation}} {{algorithm}}")], "bytes", (6, 8), min=0,
        ),
        lines(
            "CPU of watched processes", "Cores that the watched process of each pod uses, as a share of its limit; nothing where opwatch watches no process.",
            [query(f"{used} / on (cluster, namespace, job, instance) {limit}", "{{instance}}")], "percentunit", (6, 8), min=0, thresholds=steps((0.8, ORANGE), (1, RED)), limits=True,
        ),
        lines(
            "Memory of watched processes", "Resident memory of the watched process of each pod, and the most it has had.",
            [
                query(f"opwatch_target_memory_bytes{{{TARGET}}}", "{{instance}} {{process}}"),
                query(f"opwatch_target_memory_peak_bytes{{{TARGET}}}", "{{instance}} {{process}} peak"),
            ],
            "bytes", (6, 8), min=0,
        ),
    )


def coverage():
    """What may be missing."""
    return row(
        "Coverage",
        table(
            "Silent operations", "How long each operation has not been heard of, on the pod that heard of it last; the twenty longest.",
            [
                column("operation"),
                column("algorithm"),
                column(
                    "Silent for", f"topk(20, time() - max by ({EACH}) ({SEEN}{{{OPERATION}}}))", "s",
                    decimals=0, thresholds=steps((3600, ORANGE), (86400, RED)), custom_cellOptions=COLOURED,
                ),
            ],
            (8, 8), sort="Silent for",
        ),
        table(
            "Versions of models", "Versions that operations reported within retention, and on how many pods.",
            [
                column("operation"),
                column("algorithm"),
                column("version"),
                column("Pods", f'count by ({EACH}, version) ({SEEN}{{{OPERATION}, version!=""}})', "none"),
            ],
            (8, 8), sort="Pods",
        ),
        table(
            "Versions of opwatch", "Which builds run, and on how many pods.",
            [column("version"), column("revision"), column("Pods", f"count by (version, revision) (opwatch_build_info{{{TARGET}}})", "none")],
            (8, 8), sort="Pods",
        ),
        lines(
            "Pods that do not answer", "Sidecars that Prometheus knows and cannot scrape. Nothing here is good.",
            [query(beside(f"(1 - up{{{TARGET}}} > 0)"), "{{instance}}")], "none", (24, 6), bars=True, min=0, max=1, color={"mode": "fixed", "fixedColor": RED},
        ),
        collapsed=True,
    )


def build(clusters):
    """The dashboard."""
    return dashboard(
        UID, "opwatch / Fleet overview", "Every operation of every pod: what runs, how well, and what is wrong.",
        stats(), hot_list(), trends(), resources(), coverage(), clusters=clusters,
    )
