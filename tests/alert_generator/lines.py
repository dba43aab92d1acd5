"""The checklist: its lines, and why some do not apply to a topology."""

LINES = {
    1: "several groups load, a group of the same name in one file is refused, JSON in YAML loads",
    2: "a group without interval is judged at the default",
    3: "no `for` is `for: 0s`",
    4: "one evaluation an interval, over 20 cycles",
    5: "the rules of a group share one time",
    6: "a later rule sees what the earlier one has just found",
    7: "each element of a result is an alert",
    8: "rule labels, rendered, override those of the result; alertname overrides any",
    9: "templates see the labels of the result",
    10: "the metric name is not sent",
    11: "results that collapse are an error, nothing is sent",
    12: "all template functions work",
    13: "known renderings",
    14: "first seen is pending",
    15: "pending until `for` is over",
    16: "fires at the first evaluation after `for`",
    17: "`for: 0s` is never pending",
    18: "`for` below the interval fires at the second evaluation",
    19: "changes of value and annotation show at once",
    20: "not produced any more is inactive at once",
    21: "the same when the data ends",
    22: "coming back is a new alert",
    23: "ALERTS has a 1 for each alert",
    24: "the ALERTS of the old state ends at once",
    25: "pending is never sent",
    26: "firing is sent in that cycle, and never between evaluations",
    27: "firing is sent again after the resend delay",
    28: "the resend delay can be set, default 1m",
    29: "the end is sent in that cycle",
    30: "the end is sent again for 15m, then never",
    31: "the end is not sent any more once it is active again",
    32: "labels and annotations are sent as the API has them",
    33: "startsAt is when it fired, in all sends",
    34: "endsAt of what fires is the send and 4 × max(resend delay, interval)",
    35: "endsAt of what has ended is that time, constant",
    36: "generatorURL leads to the rule",
    37: "times are RFC 3339 with milliseconds",
    38: "/api/v1/rules: groups",
    39: "/api/v1/rules: rules, labels and annotations as written",
    40: "the state of a rule is the highest of its alerts",
    41: "lastEvaluation is never old",
    42: "/api/v1/rules: alerts",
    43: "/api/v1/alerts has the same",
    44: "no key is missing, more are allowed",
    45: "several Alertmanagers: each gets all, one that is down delays none",
    46: "one that was away hears of what fires and of what ended meanwhile",
    47: "killed while pending: fires at the right moment",
    48: "killed while firing: no end is told, startsAt stays",
    49: "killed within keep_firing_for: fires until its end",
    50: "a reload keeps unchanged rules and starts changed ones anew",
}
TOPOLOGIES = {"T1": "Prometheus → sink", "T4": "opwatch, local → sink", "T5": "opwatch → Alertmanager → webhook"}

STATES = "about rules and their states; Alertmanager is told only what is sent"
GENERATORS_API = "about the API of the generator"
NO_RESTORE = "Prometheus restores only rules with `for` of 10m and more, after two evaluations"

#: Why a line is not for a topology.
NOT_FOR = (
    {(number, "T5"): STATES for number in [*range(1, 10), *range(11, 25)]}
    | {(number, "T5"): GENERATORS_API for number in range(38, 45)}
    | {
        (28, "T5"): "as in T4: a setting, whose effect is in line 27",
        (30, "T5"): "Alertmanager does not show how often it is told of what has ended",
        (31, "T5"): "Alertmanager does not show how often it is told of what has ended",
        (30, "T1"): "15m is a constant in Prometheus: `--retention` waits for it",
        (45, "T1"): "Prometheus waits for all Alertmanagers before its next send, so that one that hangs delays the others",
        (47, "T1"): NO_RESTORE,
        (48, "T1"): NO_RESTORE,
        (49, "T1"): "Prometheus does not restore what is kept firing (prometheus#13957)",
        (47, "T5"): "as in T4: what is pending is not sent",
        (49, "T5"): "as in T4: the alert stays what it is",
        (50, "T5"): "as in T4: seen in the API",
    }
)

#: What is different on purpose where a line holds in an adapted form, for the report.
ADAPTED = {
    (2, "T4"): "without a setting 15s, in Prometheus 1m",
    (6, "T4"): "local rules read measurements, not ALERTS: `depends_on` in its place",
    (8, "T4"): "measurements may not have a label alertname, so that none can be overridden",
    (11, "T4"): "also where only one of the instances that share their labels breaches",
    (12, "T4"): "no PromQL behind local rules: `query` finds nothing",
    (21, "T4"): "`no_data: resolve`; the window is made of buckets of 10 s",
    (23, "T4"): "`ALERTS` of /metrics in place of remote write",
    (24, "T4"): "a series that leaves /metrics is marked stale by whoever scrapes it",
    (36, "T4"): "leads to the rule in the API",
    (50, "T1"): "a changed `for` alone keeps the state in Prometheus",
}
