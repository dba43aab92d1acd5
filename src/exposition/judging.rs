//! Families of how rules are judged and others are told; they mirror those of Prometheus and vmalert.

use std::io;

use super::family::{Buckets, Emit, Family, Value, labelled};
use super::labels::Rendered;
use super::page::Page;
use super::snapshot::GroupRow;
use super::usage::{BackFillUsage, NotifierUsage};

const NONE: &str = "";
const GROUP: &str = "`rule_group`";
const NOTIFIER: &str = "`integration`, `receiver`";

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "opwatch_rule_evaluations",
        GROUP,
        "Evaluations of rules.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.evaluations))),
    ),
    Family::counter(
        "opwatch_rule_evaluation_failures",
        GROUP,
        "Evaluations of rules that failed.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.failures))),
    ),
    Family::histogram(
        "opwatch_rule_evaluation_duration",
        GROUP,
        "How long evaluations of rules took; without buckets, for the mean.",
        |page, emit| {
            groups(page, emit, |group| {
                Some(Value::Buckets(Buckets {
                    grid: &[],
                    counts: &[],
                    count: group.evaluations,
                    sum: group.spent.as_secs_f64(),
                    native: None,
                    exemplars: &[],
                }))
            })
        },
    )
    .seconds(),
    Family::counter(
        "opwatch_rule_alerts_fired",
        GROUP,
        "How often an alert of a rule began to fire, those of rules in shadow among them.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.fired))),
    ),
    Family::gauge(
        "opwatch_rule_last_evaluation_series",
        "`alertname`, `rule_group`",
        "Instances that a rule has found; with 0 its selector matches nothing.",
        |page, emit| labelled(&page.snapshot.selections, emit, |n| Some(Value::Count(*n))),
    ),
    Family::counter(
        "opwatch_rule_backfill_runs",
        NONE,
        "Times that the log was read for new rules with a detector.",
        |page, emit| back_fill(page, emit, |usage| usage.runs),
    ),
    Family::counter(
        "opwatch_rule_backfill_failures",
        NONE,
        "Times that new rules with a detector could not learn from the log.",
        |page, emit| back_fill(page, emit, |usage| usage.failures),
    ),
    Family::counter(
        "opwatch_rule_backfill_detectors",
        NONE,
        "Detectors of new rules that go on with what they have learned from the log.",
        |page, emit| back_fill(page, emit, |usage| usage.detectors),
    ),
    Family::counter(
        "opwatch_rule_backfill_blocks",
        NONE,
        "Blocks with a value that these have learned from.",
        |page, emit| back_fill(page, emit, |usage| usage.blocks),
    ),
    Family::gauge(
        "opwatch_rule_group_last_duration",
        GROUP,
        "How long the last evaluation of a group took.",
        |page, emit| {
            groups(page, emit, |group| {
                group.evaluated_at?;
                Some(Value::Number(group.took.as_secs_f64()))
            })
        },
    )
    .seconds(),
    Family::gauge(
        "opwatch_rule_group_interval",
        GROUP,
        "Time between evaluations of a group.",
        |page, emit| {
            groups(page, emit, |group| {
                Some(Value::Number(group.interval.as_secs_f64()))
            })
        },
    )
    .seconds(),
    Family::counter(
        "opwatch_rule_group_iterations",
        GROUP,
        "Evaluations of a group.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.iterations))),
    ),
    Family::counter(
        "opwatch_rule_group_iterations_missed",
        GROUP,
        "Evaluations of a group that were left out because the one before took too long.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.missed))),
    ),
    Family::gauge(
        "opwatch_rule_group_last_evaluation_timestamp",
        GROUP,
        "When a group was last evaluated, as Unix time.",
        |page, emit| groups(page, emit, |group| group.evaluated_at.map(Value::unix_time)),
    )
    .seconds(),
    Family::gauge(
        "opwatch_rule_group_rules",
        GROUP,
        "Rules in a group.",
        |page, emit| groups(page, emit, |group| Some(Value::Count(group.rules as u64))),
    ),
    Family::gauge(
        "opwatch_judging_paused",
        "",
        "1 while judging is paused, else 0.",
        |page, emit| emit(Rendered::NONE, Value::Count(page.snapshot.is_paused.into())),
    ),
    Family::counter(
        "opwatch_notifications_sent",
        NOTIFIER,
        "Notifications that were delivered.",
        |page, emit| notifiers(page, emit, |notifier| Value::Count(notifier.sent)),
    ),
    Family::counter(
        "opwatch_notifications_errors",
        NOTIFIER,
        "Attempts to deliver a notification that failed.",
        |page, emit| notifiers(page, emit, |notifier| Value::Count(notifier.errors)),
    ),
    Family::counter(
        "opwatch_notifications_dropped",
        NOTIFIER,
        "Notifications that were given up.",
        |page, emit| notifiers(page, emit, |notifier| Value::Count(notifier.dropped)),
    ),
    Family::histogram(
        "opwatch_notifications_latency",
        NOTIFIER,
        "How long attempts to deliver a notification took; without buckets, for the mean.",
        |page, emit| {
            notifiers(page, emit, |notifier| {
                Value::Buckets(Buckets {
                    grid: &[],
                    counts: &[],
                    count: notifier.attempts,
                    sum: notifier.attempt_seconds,
                    native: None,
                    exemplars: &[],
                })
            })
        },
    )
    .seconds(),
    Family::gauge(
        "opwatch_notifications_queue_length",
        NOTIFIER,
        "Notifications that wait for delivery.",
        |page, emit| notifiers(page, emit, |notifier| Value::Count(notifier.queue_length)),
    ),
    Family::gauge(
        "opwatch_notifications_queue_capacity",
        NOTIFIER,
        "Notifications that may wait for delivery.",
        |page, emit| notifiers(page, emit, |notifier| Value::Count(notifier.queue_capacity)),
    ),
];

fn back_fill(page: &Page, emit: &mut Emit<'_>, value: fn(&BackFillUsage) -> u64) -> io::Result<()> {
    let count = value(&page.snapshot.internals.back_fill);
    emit(Rendered::NONE, Value::Count(count))
}

fn groups(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&GroupRow) -> Option<Value<'static>>,
) -> io::Result<()> {
    for group in &page.snapshot.groups {
        if let Some(value) = value(group) {
            emit(Rendered::new(&group.labels), value)?;
        }
    }
    Ok(())
}

fn notifiers(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&NotifierUsage) -> Value<'static>,
) -> io::Result<()> {
    labelled(&page.snapshot.notifiers, emit, |notifier| {
        Some(value(notifier))
    })
}
