"""Operation detail: one operation from all sides, beside its baseline."""

from frame import dashboard
from panels import BLUE, GREEN, ORANGE, RED, STATES, heatmap, lines, override, query, row, stat, steps, timeline
from queries import BASELINE, DURATION, OPERATION, RULE, SUCCESS, amount, baseline, current, error_ratio, increase, mean, quantile, rate, score, total

UID = "opwatch-operation"
MEMORY, CORES, THROUGHPUT = "opwatch_operation_memory_peak_bytes", "opwatch_operation_cpu_cores", "opwatch_operation_throughput"


def stats():
    """The line at the top."""
    return row(
        "",
        stat("Rate", "Operations that ended each second, of all pods and outcomes.", [query(total(rate("opwatch_operations_total")))], "ops", 3),
        stat(
            "Duration", "Median, 90th and 99th percentile of successful operations.",
            [query(quantile(q), name, instant=True) for q, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))], "s", 8, names=True, spark=False,
        ),
        stat("Error ratio", "Failed operations as a share of all that ended.", [query(error_ratio())], "percentunit", 3, decimals=1, thresholds=steps((0.05, ORANGE), (0.2, RED))),
        stat("Samples", "Samples processed each second, by all pods together.", [query(total(rate("opwatch_operation_samples_total")))], "short", 3, decimals=1),
        stat(
            "Baseline age", "How long ago the newest baseline was set or learned.",
            [query(f"time() - max(opwatch_baseline_timestamp_seconds{{{BASELINE}}})", instant=True)], "s", 3, spark=False, decimals=0,
        ),
        stat(
            "In this range", "Operations that ended within the range shown: what everything below rests on.",
            [query(total(increase("opwatch_operations_total", span="$__range")), instant=True)], "short", 4, spark=False, decimals=0,
        ),
    )


def latency():
    """How long it takes."""
    def phase(part):
        return f"({amount(f'opwatch_operation_{part}_seconds')}) / on () {count}"

    count = total(rate("opwatch_operations_total", OPERATION + SUCCESS))
    run = f"({amount(DURATION, labels=OPERATION + SUCCESS)}) / on () {count}"
    band = [
        override("baseline p99", custom_fillBelowTo="baseline median", custom_lineWidth=0, custom_fillOpacity=18, color={"mode": "fixed", "fixedColor": GREEN}),
        override("baseline median", custom_lineStyle={"dash": [8, 6], "fill": "dash"}, custom_fillOpacity=0, color={"mode": "fixed", "fixedColor": GREEN}),
        override("p50", color={"mode": "fixed", "fixedColor": BLUE}),
        override("quantile", custom_fillOpacity=0, color={"mode": "fixed", "fixedColor": RED}),
    ]
    return row(
        "Latency",
        lines(
            "Duration beside its baseline", "Median and chosen quantile of successful operations. The band reaches from the median of the baseline to its 99th percentile; of several baselines from the lowest to the highest: choose one above.",
            [
                query(quantile("$quantile"), "quantile"),
                query(quantile(0.5), "p50"),
                query(baseline("duration", "p99"), "baseline p99"),
                query(baseline("duration", "median", pick="min"), "baseline median"),
            ],
            "s", (9, 9), overrides=band, min=0,
        ),
        heatmap(
            "Durations", "How the durations of successful operations are spread: one column for each step, darker where more operations are.",
            [
                query(f"{total(f'increase({DURATION}_bucket{{{OPERATION + SUCCESS}}}[$__rate_interval])', 'le')} and on () (vector($histogram) == 0)", "{{le}}", heatmap=True),
                query(f"{total(f'increase({DURATION}{{{OPERATION + SUCCESS}}}[$__rate_interval])')} and on () (vector($histogram) == 1)", heatmap=True),
            ],
            "s", (9, 9),
        ),
        lines(
            "Time by phase", "Mean time of a successful operation: setup, execution and cleanup. Those that tell no phases are all execution.",
            [query(phase("setup"), "setup"), query(run, "execution"), query(phase("cleanup"), "cleanup")], "s", (6, 9), stack=True, min=0,
        ),
    )


def beside_baseline():
    """How far off it is."""
    def ratio(now, metric, stat_of="median"):
        return f"({now}) / {baseline(metric, stat_of, 'algorithm')}"

    name = "{{alertname}} {{severity}} {{algorithm}}"
    return row(
        "Baseline",
        lines(
            "Ratio to baseline", "What is measured now divided by its baseline, of each algorithm: 1 is as usual. Medians, and means of throughput and f1, for which less is worse; metrics without a baseline are left out. The dashed lines are 10 % and 50 % more.",
            [
                query(ratio(quantile(0.5, by="algorithm"), "duration"), "duration {{algorithm}}"),
                query(ratio(quantile(0.5, MEMORY, "algorithm", OPERATION), "memory_peak"), "peak memory {{algorithm}}"),
                query(ratio(quantile(0.5, CORES, "algorithm", OPERATION), "cpu"), "CPU {{algorithm}}"),
                query(ratio(mean(THROUGHPUT, "algorithm"), "throughput", "mean"), "throughput {{algorithm}}"),
                query(ratio(score("f1", "algorithm"), "f1", "mean"), "f1 {{algorithm}}"),
            ],
            "none", (8, 8), log=True, decimals=2, limits=True, thresholds=steps((1.1, ORANGE), (1.5, RED)),
        ),
        lines(
            "Value as a share of its limit", "What each rule compares with its limit, divided by that limit; a regression's limit is where it begins. Rules with `below` are broken under 1, all others above.",
            [query(f"opwatch_rule_value{{{RULE}}} / opwatch_rule_limit{{{RULE}}}", name)], "percentunit", (8, 8), log=True, limits=True, thresholds=steps((1, RED)),
        ),
        lines(
            "Evidence for a change", "The statistic of rules on regressions, trends and anomalies, in standard errors. Beyond the dashed line (3.1, p = 0.001) a rule may decide at its usual budget of false alarms; nothing where there is no such rule.",
            [query(f"opwatch_rule_statistic{{{RULE}}}", name)], "none", (8, 8), decimals=1, limits=True, thresholds=steps((3.1, ORANGE)),
        ),
        timeline(
            "States of its rules", "When rules about this operation had no data, were pending or fired. What is not among the marks above began before the range.",
            [query(f"max by (alertname, severity, algorithm) (opwatch_rule_state{{{RULE}}})", name)], (24, 9), STATES,
        ),
    )


def resources():
    """What it costs."""
    return row(
        "Resources",
        lines(
            "CPU", "Cores that an operation keeps busy on average while it runs: median and chosen quantile.",
            [query(quantile(0.5, CORES, labels=OPERATION), "p50"), query(quantile("$quantile", CORES, labels=OPERATION), "quantile")], "short", (6, 7), min=0,
        ),
        lines(
            "Memory", "Most resident memory of an operation, median and chosen quantile, and the resident memory at the end of the last one. Quantiles of classic histograms are as coarse as their buckets.",
            [
                query(quantile(0.5, MEMORY, labels=OPERATION), "peak p50"),
                query(quantile("$quantile", MEMORY, labels=OPERATION), "peak quantile"),
                query(f"max(opwatch_operation_memory_bytes{{{OPERATION}}})", "at the end"),
            ],
            "bytes", (6, 7), min=0,
        ),
        lines(
            "CPU for 1 000 samples", "CPU seconds that a thousand samples cost.",
            [query(f"1000 * {total(rate('opwatch_operation_cpu_seconds_total'))} / {total(rate('opwatch_operation_samples_total'))}", "CPU seconds")], "s", (6, 7), min=0,
        ),
        lines(
            "Throughput", "Samples per second while an operation runs: median, and the one that nine of ten exceed.",
            [query(quantile(0.5, THROUGHPUT, labels=OPERATION), "p50"), query(quantile(0.1, THROUGHPUT, labels=OPERATION), "p10")], "short", (6, 7), min=0,
        ),
    )


def quality():
    """How good its results are."""
    of, samples = "algorithm, score", f"opwatch_operation_quality_samples{{{OPERATION}}}"
    return row(
        "Quality",
        lines(
            "Scores", "Accuracy, precision, recall, f1 and what else is reported, as of the last report, over the pods.",
            [query(score(by=of), "{{score}} {{algorithm}}")], "none", (12, 8), decimals=3,
        ),
        lines(
            "Scores rest on", "On how many samples the last report of each score rests.",
            [query(f"sum by ({of}) {current(samples)}", "{{score}} {{algorithm}}")], "short", (6, 8), min=0,
        ),
        lines(
            "Age of the last report", "How long ago each score was last reported, by any pod.",
            [query(f"time() - max by ({of}) (opwatch_operation_quality_timestamp_seconds{{{OPERATION}}})", "{{score}} {{algorithm}}")], "s", (6, 8), min=0,
        ),
    )


def compare():
    """The same, side by side."""
    return row(
        "Compare",
        lines(
            "Duration by algorithm", "The chosen quantile of successful operations.",
            [query(quantile("$quantile", by="algorithm"), "{{algorithm}}")], "s", (6, 8), min=0,
        ),
        lines(
            "Duration by model version", "The chosen quantile of successful operations; those without a version are one line.",
            [query(quantile("$quantile", by="version"), "version {{version}}")], "s", (6, 8), min=0,
        ),
        lines(
            "Quality by model version", "The last f1 of each version, over the pods.",
            [query(f'avg by (version) (opwatch_operation_quality{{{OPERATION}, score="f1"}})', "version {{version}}")], "none", (6, 8), decimals=3,
        ),
        lines(
            "Last duration by pod", "How long the last successful operation of each pod took: one that stands apart is seen here first.",
            [query(f"max by (instance) (opwatch_operation_last_duration_seconds{{{OPERATION}}})", "{{instance}}")], "s", (6, 8), min=0,
        ),
        collapsed=True,
    )


def errors():
    """What goes wrong."""
    return row(
        "Errors",
        lines(
            "Failures by class", "Failed operations each second by class of error; without one where none was told.",
            [query(total(rate("opwatch_operation_errors_total"), "error_class"), "{{error_class}}")], "ops", (8, 8), stack=True, min=0,
        ),
        lines(
            "Duration of failures", "Median and chosen quantile of failed operations; they never mix into the durations above.",
            [query(quantile(q, labels=OPERATION + ', outcome="failure"'), name) for q, name in ((0.5, "p50"), ("$quantile", "quantile"))], "s", (8, 8), min=0,
        ),
        lines(
            "Slow examples", "The chosen quantile with single operations as points: those with a `trace_id`, which a click opens where Prometheus keeps exemplars.",
            [query(quantile("$quantile"), "quantile", exemplar=True)], "s", (8, 8), min=0,
        ),
        collapsed=True,
    )


def build(clusters):
    """The dashboard."""
    return dashboard(
        UID, "opwatch / Operation detail", "One operation from all sides: how long, how much, how good, beside its baseline and its rules.",
        stats(), latency(), beside_baseline(), resources(), quality(), compare(), errors(), clusters=clusters, single=True,
    )
