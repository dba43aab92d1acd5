"""PromQL as the dashboards write it: which series, at what rate, and quantiles that work with both kinds of histograms."""

#: Every query names its scrape target; `cluster` and `namespace` match all where there are no such labels.
TARGET = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job", instance=~"$instance"'
#: Of what belongs to an operation.
OPERATION = TARGET + ', operation=~"$operation", algorithm=~"$algorithm"'
#: Of rules and alerts, but those that are only tried out.
RULE = OPERATION + ', rule_mode!="shadow"'
#: Of baselines.
BASELINE = OPERATION + ', baseline=~"$baseline"'

EACH = "operation, algorithm"
DURATION = "opwatch_operation_duration_seconds"
SUCCESS = ', outcome="success"'


def total(expression, by=""):
    """The sum, of everything or for each value of some labels."""
    return f"sum{by and f' by ({by})'} ({expression})"


def rate(counter, labels=OPERATION):
    """How much a counter grows in a second."""
    return f"rate({counter}{{{labels}}}[$__rate_interval])"


def increase(counter, labels=OPERATION, span="$__rate_interval"):
    """How much a counter has grown."""
    return f"increase({counter}{{{labels}}}[{span}])"


def either(classic, native):
    """What the variable `histogram` asks for; the other form has no series where it is not scraped."""
    return f"({classic} and on () (vector($histogram) == 0)) or ({native} and on () (vector($histogram) == 1))"


def quantile(q, histogram=DURATION, by="", labels=OPERATION + SUCCESS):
    """A quantile over all series of a histogram together, or for each value of some labels."""
    series = f"{{{labels}}}[$__rate_interval]"
    buckets = total(f"rate({histogram}_bucket{series})", f"{by}, le" if by else "le")
    return either(
        f"histogram_quantile({q}, {buckets})",
        f"histogram_quantile({q}, {total(f'rate({histogram}{series})', by)})",
    )


def amount(histogram, by="", labels=OPERATION):
    """The sum of what a histogram has seen, for each second: seconds of work per second, for instance."""
    series = f"{{{labels}}}[$__rate_interval]"
    return either(
        total(f"rate({histogram}_sum{series})", by),
        total(f"histogram_sum(rate({histogram}{series}))", by),
    )


def mean(histogram, by="", labels=OPERATION):
    """The mean of what a histogram has seen."""
    series = f"{{{labels}}}[$__rate_interval]"
    return either(
        f"{total(f'rate({histogram}_sum{series})', by)} / {total(f'rate({histogram}_count{series})', by)}",
        f"{total(f'histogram_sum(rate({histogram}{series}))', by)} / {total(f'histogram_count(rate({histogram}{series}))', by)}",
    )


def error_ratio(by=""):
    """Failed operations as a share of all."""
    operations = "opwatch_operations_total"
    failed = total(rate(operations, OPERATION + ', outcome="failure"'), by)
    return f"{failed} / {total(rate(operations), by)}"


def baseline(metric, stat, by="", pick="max"):
    """What a metric is like when all is well; of several baselines the highest, or what `pick` says."""
    labels = f'{BASELINE}, metric="{metric}", stat="{stat}"'
    return f"{pick}{by and f' by ({by})'} (opwatch_baseline_value{{{labels}}})"


def current(quality):
    """Scores of the newest version, and of others reported within a minute of it: an old version's stay to the end of retention."""
    at = f"opwatch_operation_quality_timestamp_seconds{{{OPERATION}}}"
    return f"({quality} and ({at} > ignoring (version) group_left max without (version) ({at}) - 60))"


def score(name=None, by=""):
    """The mean of a score, or of each, over the pods."""
    of = f"opwatch_operation_quality{{{OPERATION}" + (f', score="{name}"}}' if name else "}")
    return f"avg{by and f' by ({by})'} {current(of)}"


def beside(expression):
    """Of series that Prometheus makes itself those of targets that are opwatch."""
    return f"{expression} and on (job, instance) last_over_time(opwatch_build_info{{{TARGET}}}[$__range])"
