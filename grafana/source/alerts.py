"""Alerts and rules: what fires, whether rules are judged in time, and whether anybody hears of it."""

from fleet import DETAIL, firing
from frame import dashboard
from panels import FILLED, GREEN, ORANGE, RED, STATES, column, lines, query, row, stat, steps, table, timeline, words
from queries import RULE, TARGET, increase, rate, total

UID = "opwatch-alerts"
WHAT = "alertname, severity, operation, algorithm, instance"
RECEIVER = "receiver, integration"


def stats():
    """The line at the top."""
    pending = f'sum(opwatch_alerts{{{RULE}, alertstate="pending"}}) or vector(0)'
    failing = f"count({total(increase('opwatch_rule_evaluation_failures_total', TARGET, '$__range'), 'instance, rule_group')} > 0) or vector(0)"
    failed = increase("opwatch_notifications_errors_total", TARGET, "$__range")
    dropped = increase("opwatch_notifications_dropped_total", TARGET, "$__range")
    return row(
        "",
        stat(
            "Firing", "Alerts of opwatch that fire now, by severity; those of rules in shadow do not count.",
            [firing(severity) for severity in ("critical", "high", "medium", "low")], "none", 5, names=True, spark=False, thresholds=steps((1, RED)),
        ),
        stat(
            "Incidents", "Incidents that are open, and those that have begun within the range: alerts that began together are one.",
            [query(f"sum(opwatch_incidents{{{TARGET}}})", "open", instant=True), query(f"sum({increase('opwatch_incidents_opened_total', TARGET, '$__range')})", "begun", instant=True)],
            "none", 3, names=True, spark=False, decimals=0, thresholds=steps((1, ORANGE)),
        ),
        stat("Pending", "Alerts whose condition holds, but not yet for as long as the rule asks.", [query(pending, instant=True)], "none", 2, spark=False, thresholds=steps((1, ORANGE))),
        stat(
            "Rules", "Rules that are loaded, on all pods together.",
            [query(f"sum(opwatch_rule_group_rules{{{TARGET}}})", instant=True)], "none", 2, spark=False,
        ),
        stat("Failing groups", "Groups of rules of which an evaluation has failed within the range.", [query(failing, instant=True)], "none", 3, spark=False, thresholds=steps((1, RED))),
        stat(
            "Rules that find nothing", "Rules whose selector matches nothing, so that they can never fire. On a young service that is normal.",
            [query(f"count(opwatch_rule_last_evaluation_series{{{TARGET}}} == 0) or vector(0)", instant=True)], "none", 3, spark=False, thresholds=steps((1, ORANGE)),
        ),
        stat(
            "Notifications lost", "Attempts that failed, which are tried again, and notifications that were given up, within the range.",
            [query(f"sum({failed}) or vector(0)", "attempts failed", instant=True), query(f"sum({dropped}) or vector(0)", "given up", instant=True)],
            "none", 4, names=True, spark=False, decimals=0, thresholds=steps((1, RED)),
        ),
        stat(
            "Judging", "Whether any pod has its rules paused: then nothing new fires there.",
            [query(f"max(opwatch_judging_paused{{{TARGET}}})", instant=True)], "none", 2, spark=False,
            mappings=words(_0=("on", GREEN), _1=("paused", ORANGE)), thresholds=steps((1, ORANGE)),
        ),
    )


def alerts():
    """What fires."""
    active = f"max by ({WHAT}) (opwatch_rule_state{{{RULE}}}) > 0"

    def of(metric):
        return f"max by ({WHAT}) ({metric}{{{RULE}}}) and {active}"

    return row(
        "Alerts",
        table(
            "Active alerts", "Alerts that are pending or fire: since when, the value that is judged and its limit, in the unit of the metric; a regression's limit is where it begins beside the baseline. Empty when all is well. Click an operation for its details.",
            [
                column("State", active, "none", mappings=STATES, custom_cellOptions=FILLED, custom_width=90),
                column("alertname"),
                column("severity"),
                column("operation", links=[{"title": "Details of ${__data.fields.operation}", "url": DETAIL, "targetBlank": False}]),
                column("algorithm"),
                column("instance"),
                column("For", f"time() - ({of('opwatch_rule_change_timestamp_seconds')})", "s", decimals=0),
                column("Value", of("opwatch_rule_value"), "none", decimals=3),
                column("Limit", of("opwatch_rule_limit"), "none", decimals=3),
            ],
            (24, 8), sort="State",
        ),
        timeline(
            "States by rule", "The worst state of each rule for an operation, over all pods.",
            [query(f"max by (alertname, severity, operation, algorithm) (opwatch_rule_state{{{RULE}}})", "{{alertname}} {{severity}} {{operation}} {{algorithm}}")], (16, 10), STATES,
        ),
        lines(
            "Changes of state", "How often alerts came and went in each step, and how often one of a group began to fire. A rule that keeps changing needs `recover`, `for`, or another limit.",
            [
                query(f"sum by (alertname) (changes(opwatch_rule_state{{{RULE}}}[$__rate_interval])) > 0", "{{alertname}}"),
                query(f"{total(increase('opwatch_rule_alerts_fired_total', TARGET), 'rule_group')} > 0", "{{rule_group}} fired"),
            ],
            "none", (8, 10), bars=True, stack=True, min=0, decimals=0,
        ),
    )


def evaluation():
    """Whether rules are judged, and in time."""
    group = "{{instance}} {{rule_group}}"
    return row(
        "Evaluation",
        lines(
            "Time an evaluation takes", "As a share of the time between two: at 100 % evaluations are missed.",
            [query(f"opwatch_rule_group_last_duration_seconds{{{TARGET}}} / opwatch_rule_group_interval_seconds{{{TARGET}}}", group)], "percentunit", (6, 8),
            min=0, limits=True, thresholds=steps((1, RED)),
        ),
        lines(
            "Missed and failed", "Evaluations of groups left out because the one before took too long, and evaluations of rules that failed, in each step.",
            [
                query(total(increase("opwatch_rule_group_iterations_missed_total", TARGET), "instance"), "{{instance}} missed"),
                query(total(increase("opwatch_rule_evaluation_failures_total", TARGET), "instance"), "{{instance}} failed"),
            ],
            "none", (6, 8), bars=True, min=0, decimals=0,
        ),
        lines(
            "Age of the last evaluation", "How long ago each group was last evaluated; it grows while judging is paused or stuck.",
            [query(f"time() - opwatch_rule_group_last_evaluation_timestamp_seconds{{{TARGET}}}", group)], "s", (6, 8), min=0,
        ),
        lines(
            "Evaluations", "Evaluations of groups each second, and of the rules in them.",
            [
                query(total(rate("opwatch_rule_group_iterations_total", TARGET), "instance"), "{{instance}} groups"),
                query(total(rate("opwatch_rule_evaluations_total", TARGET), "instance"), "{{instance}} rules"),
            ],
            "ops", (6, 8), min=0,
        ),
        lines(
            "Time spent on rules", "How much of each second the rules of a group take, as a share of one core.",
            [
                query(
                    f"{total(rate('opwatch_rule_evaluation_duration_seconds_sum', TARGET), 'rule_group')}"
                    f" or {total(f'histogram_sum(rate(opwatch_rule_evaluation_duration_seconds{{{TARGET}}}[$__rate_interval]))', 'rule_group')}",
                    "{{rule_group}}",
                ),
            ],
            "percentunit", (24, 6), min=0,
        ),
    )


def looks():
    """What rules look at, and what they compare it with."""
    return row(
        "What rules look at",
        lines(
            "Instances that rules find", "What the selector of each rule matches; at 0 it can never fire.",
            [query(f"sum by (alertname) (opwatch_rule_last_evaluation_series{{{TARGET}}})", "{{alertname}}")], "none", (12, 7), min=0, decimals=0,
        ),
        lines(
            "Values that baselines rest on", "Measurements that each baseline, set or learned, was made of; 0 for one that is a number.",
            [query(f"max by (operation, algorithm, baseline, metric) (opwatch_baseline_samples{{{TARGET}}})", "{{operation}} {{algorithm}} {{metric}}: {{baseline}}")], "short", (12, 7), min=0, decimals=0,
        ),
        collapsed=True,
    )


def notifications():
    """Whether anybody hears of it."""
    name = "{{receiver}} ({{integration}})"
    return row(
        "Notifications",
        lines(
            "Sent and failed", "Notifications that were delivered, attempts that failed and are tried again, notifications given up, and those that needed no message of their own because another one of the same incident told it, in each step. Given up means that somebody has not heard of an alert.",
            [
                query(total(increase("opwatch_notifications_sent_total", TARGET), RECEIVER), name + " sent"),
                query(total(increase("opwatch_notifications_errors_total", TARGET), RECEIVER), name + " failed"),
                query(total(increase("opwatch_notifications_dropped_total", TARGET), RECEIVER), name + " given up"),
                query(total(increase("opwatch_notifications_merged_total", TARGET)), "told within another of the same incident"),
            ],
            "none", (8, 8), bars=True, min=0, decimals=0,
        ),
        lines(
            "Held back", "How often an alert that fires was not told when its group was looked at, by what kept it: a silence, an inhibit rule, a time interval, maintenance, that it flaps, that it waits for a digest, or an alert that it follows from; and how many silences, maintenance and alerts that flap there are, how many alerts somebody looks after, and how many were escalated in each step.",
            [
                query(total(increase("opwatch_alerts_held_back_total", TARGET), "reason"), "{{reason}}"),
                query(f'sum by (state) (opwatch_silences{{{TARGET}, state!="expired"}})', "silences {{state}}"),
                query(f"sum(opwatch_maintenance_active{{{TARGET}}})", "maintenance"),
                query(f"sum(opwatch_alerts_flapping{{{TARGET}}})", "flapping"),
                query(f"sum(opwatch_alerts_acknowledged{{{TARGET}}})", "looked after"),
                query(total(increase("opwatch_escalations_total", TARGET), "name"), "escalated: {{name}}"),
            ],
            "none", (6, 8), bars=True, min=0, decimals=0,
        ),
        lines(
            "Time an attempt takes", "Mean time of attempts to deliver, failed ones among them.",
            [
                query(
                    f"{total(rate('opwatch_notifications_latency_seconds_sum', TARGET), RECEIVER)} / {total(rate('opwatch_notifications_latency_seconds_count', TARGET), RECEIVER)}"
                    f" or {total(f'histogram_sum(rate(opwatch_notifications_latency_seconds{{{TARGET}}}[$__rate_interval]))', RECEIVER)}"
                    f" / {total(f'histogram_count(rate(opwatch_notifications_latency_seconds{{{TARGET}}}[$__rate_interval]))', RECEIVER)}",
                    name,
                )
            ],
            "s", (5, 8), min=0,
        ),
        lines(
            "Waiting", "Notifications that wait for delivery, as a share of those that may; when full, the oldest are given up.",
            [query(f"max by ({RECEIVER}) (opwatch_notifications_queue_length{{{TARGET}}} / opwatch_notifications_queue_capacity{{{TARGET}}})", name)], "percentunit", (5, 8),
            min=0, thresholds=steps((0.8, ORANGE), (1, RED)),
        ),
    )


def build(clusters):
    """The dashboard."""
    return dashboard(
        UID, "opwatch / Alerts and rules", "What fires, whether rules are judged in time, and whether anybody hears of it.",
        stats(), alerts(), evaluation(), notifications(), looks(), clusters=clusters, baselines=False,
    )
