//! What one scrape shows, taken from the engine between two events.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::actions::ActionRow;
use super::baselines::BaselineRow;
use super::labels::LabelText;
use super::usage::{Internals, ListenerUsage, NotifierUsage, TargetUsage};
use crate::engine::action::Case;
use crate::engine::admission::IngestCounts;
use crate::engine::alert::AlertState;
use crate::engine::condition::Standing;
use crate::engine::dispatch::{HeldBack, SilenceState};
use crate::engine::judge::{GroupState, Instance, Tracked};
use crate::engine::rule::{Mode, Rule};
use crate::engine::series::{Labels, SeriesKey, is_label_name};
use crate::engine::store::{Losses, Totals};
use crate::engine::time::{Now, Timestamp};
use crate::engine::{ClockCounts, Engine};

/// What one scrape shows. It does not change, so any number of readers may write it at their own speed.
///
/// Taking it copies no totals: they are shared until the series is next added to.
#[derive(Debug)]
pub struct Snapshot {
    /// Sorted by key.
    pub(super) series: Vec<SeriesRow>,
    pub(super) rules: Vec<RuleRow>,
    pub(super) alerts: Vec<AlertRow>,
    pub(super) baselines: Vec<BaselineRow>,
    pub(super) held_back: HeldBack,
    /// How many alerts somebody looks after.
    pub(super) acknowledged: usize,
    /// How many alerts each escalation has taken.
    pub(super) escalations: Vec<(String, u64)>,
    /// How many silences are in each state.
    pub(super) silences: [(SilenceState, usize); 3],
    /// How many alerts flap.
    pub(super) flapping: usize,
    /// How much maintenance goes on.
    pub(super) maintenance: usize,
    pub(super) groups: Vec<GroupRow>,
    /// How many instances each rule found.
    pub(super) selections: Vec<Labelled<u64>>,
    pub(super) listeners: Vec<Labelled<ListenerUsage>>,
    pub(super) notifiers: Vec<Labelled<NotifierUsage>>,
    pub(super) targets: Vec<Labelled<TargetUsage>>,
    pub(super) ingest: IngestCounts,
    pub(super) losses: Losses,
    pub(super) clocks: ClockCounts,
    pub(super) incidents: IncidentCounts,
    pub(super) actions: Vec<ActionRow>,
    pub(super) usage: StoreUsage,
    pub(super) is_paused: bool,
    /// Label sets that were left out because they are ill-formed or occur twice.
    pub(super) omitted: u64,
    pub(super) internals: Internals,
}

/// One series.
#[derive(Debug)]
pub(super) struct SeriesRow {
    pub(super) key: SeriesKey,
    pub(super) totals: Arc<Totals>,
    /// Idle for so long that only its last time and scores are shown.
    pub(super) idle: bool,
}

/// Something with its rendered labels.
#[derive(Debug)]
pub(super) struct Labelled<T> {
    pub(super) labels: Box<str>,
    pub(super) of: T,
}

/// One level of one instance of a rule.
#[derive(Debug)]
pub(super) struct RuleRow {
    pub(super) labels: Box<str>,
    pub(super) value: Option<f64>,
    pub(super) limit: f64,
    /// What a judgement by evidence rests on.
    pub(super) statistic: Option<f64>,
    /// 0 inactive, 1 pending, 2 firing, −1 cannot judge.
    pub(super) state: i8,
    pub(super) changed_at: Option<Timestamp>,
}

/// One alert that is pending or firing.
#[derive(Debug)]
pub(super) struct AlertRow {
    /// Without `alertstate`.
    pub(super) labels: Box<str>,
    pub(super) firing: bool,
    pub(super) active_at: Timestamp,
}

/// One group of rules.
#[derive(Debug)]
pub(super) struct GroupRow {
    pub(super) labels: Box<str>,
    pub(super) interval: Duration,
    pub(super) took: Duration,
    pub(super) evaluated_at: Option<Timestamp>,
    pub(super) iterations: u64,
    pub(super) missed: u64,
    pub(super) rules: usize,
    pub(super) evaluations: u64,
    pub(super) failures: u64,
    pub(super) spent: Duration,
    pub(super) fired: u64,
}

/// How many incidents there are and were.
#[derive(Debug)]
pub(super) struct IncidentCounts {
    pub(super) open: usize,
    pub(super) opened: u64,
    pub(super) merged: u64,
}

/// How full the store is.
#[derive(Debug)]
pub(super) struct StoreUsage {
    pub(super) series: usize,
    pub(super) max_series: usize,
    pub(super) memory: usize,
    pub(super) max_memory: usize,
}

impl Snapshot {
    /// Takes what the engine has at `now`, beside what the edges tell about themselves.
    pub fn take(engine: &Engine, now: Now, mut internals: Internals) -> Arc<Self> {
        let store = engine.store();
        let settings = store.settings();
        let mut series: Vec<SeriesRow> = (store.series())
            .map(|(_, series)| SeriesRow {
                key: series.key.clone(),
                totals: Arc::clone(&series.totals),
                idle: series.is_idle(settings.series_ttl, now),
            })
            .collect();
        series.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut omitted = 0;
        let mut rules = Vec::new();
        let mut alerts = Vec::new();
        let mut groups = Vec::new();
        let mut selections = Vec::new();
        for group in engine.groups() {
            let name = format!("{};{}", group.file, group.name);
            groups.push(GroupRow::of(group, &name));
            for rule in &group.rules {
                let alertname = &*rule.rule.name;
                if rule.rule.mode != Mode::Off {
                    selections.push(Labelled {
                        labels: LabelText::of([("alertname", alertname), ("rule_group", &name)])
                            .into_boxed(),
                        of: rule.instances.len() as u64,
                    });
                }
                let is_shadow = rule.rule.mode == Mode::Shadow;
                for instance in rule.instances.values() {
                    let rows = instance.levels.iter();
                    let row = |level| RuleRow::of(level, instance, &rule.rule, is_shadow);
                    rules.extend(rows.map(row));
                }
                // What nobody is told must not look like an alert to those who read alerts here.
                for alert in rule.alerts().filter(|_| !is_shadow) {
                    match AlertRow::of(alert) {
                        Some(Ok(row)) => alerts.push(row),
                        Some(Err(IllFormed)) => omitted += 1,
                        None => {}
                    }
                }
            }
        }
        for failing in engine.actions().cases().filter_map(Case::failing) {
            match alert_labels(&failing.labels) {
                Ok(labels) => alerts.push(AlertRow {
                    labels,
                    firing: true,
                    active_at: failing.starts_at,
                }),
                Err(IllFormed) => omitted += 1,
            }
        }
        // Of two with the same labels the worse one stays: rules may share a name, and a page with both is refused whole.
        rules.sort_by(|a: &RuleRow, b| {
            (&a.labels, Reverse(a.state)).cmp(&(&b.labels, Reverse(b.state)))
        });
        alerts.sort_by(|a: &AlertRow, b| {
            (&a.labels, Reverse(a.firing)).cmp(&(&b.labels, Reverse(b.firing)))
        });
        groups.sort_by(|a, b| a.labels.cmp(&b.labels));
        // The smaller count stays: it is the one worth a look.
        selections.sort_by(|a, b| (&a.labels, a.of).cmp(&(&b.labels, b.of)));
        omitted += drop_repeats(&mut rules, |row| &row.labels)
            + drop_repeats(&mut alerts, |row| &row.labels)
            + drop_repeats(&mut groups, |row| &row.labels)
            + drop_repeats(&mut selections, |row| &row.labels);
        let listeners = labelled(
            std::mem::take(&mut internals.listeners),
            |listener| LabelText::of([("listener", &*listener.name)]),
            &mut omitted,
        );
        let targets = labelled(
            std::mem::take(&mut internals.targets),
            |target| LabelText::of([("process", &*target.process)]),
            &mut omitted,
        );
        Arc::new(Self {
            series,
            rules,
            alerts,
            baselines: BaselineRow::all(engine, &mut omitted),
            held_back: engine.dispatcher().held_back(),
            acknowledged: engine.dispatcher().acknowledgements().count(now.wall),
            escalations: (engine.dispatcher().escalated())
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            silences: SilenceState::ALL.map(|state| {
                let all = engine.silences().iter();
                (
                    state,
                    all.filter(|one| one.state(now.wall) == state).count(),
                )
            }),
            flapping: engine.dispatcher().flapping_count(now),
            maintenance: engine.maintenance().active(now.wall),
            groups,
            selections,
            listeners,
            notifiers: merge_notifiers(std::mem::take(&mut internals.notifiers)),
            targets,
            ingest: engine.ingest_counts(),
            losses: store.losses,
            clocks: engine.clock_counts(),
            incidents: IncidentCounts {
                open: engine.incidents().open_count(),
                opened: engine.incidents().opened,
                merged: engine.incidents().merged,
            },
            actions: ActionRow::all(engine),
            usage: StoreUsage {
                series: store.len(),
                max_series: settings.max_series,
                memory: store.heap_bytes(),
                max_memory: settings.max_memory,
            },
            is_paused: engine.is_paused(),
            omitted,
            internals,
        })
    }
}

impl RuleRow {
    fn of(alert: &Tracked, instance: &Instance, rule: &Rule, is_shadow: bool) -> Self {
        // The instance's labels come sorted; ours follow, so that equal label sets render equally.
        let own = |name: &str| ["alertname", "rule_mode", "severity"].contains(&name);
        let mut labels = LabelText::of(instance.labels.iter().filter(|(name, _)| !own(name)));
        labels.push("alertname", &rule.name);
        labels.push("rule_mode", if is_shadow { "shadow" } else { "" });
        labels.push("severity", alert.labels.get("severity"));
        let standing = alert.verdict.map(|verdict| verdict.standing);
        let evidence = alert.verdict.and_then(|verdict| verdict.evidence);
        Self {
            labels: labels.into_boxed(),
            value: alert.verdict.and_then(|verdict| verdict.value),
            limit: alert.limit.unwrap_or(f64::NAN),
            statistic: evidence.and_then(|evidence| evidence.statistic),
            state: match (alert.state, standing) {
                (AlertState::Firing { .. }, _) => 2,
                (AlertState::Pending { .. }, _) => 1,
                (_, Some(Standing::Holds | Standing::Breached)) => 0,
                (_, None | Some(Standing::NoData | Standing::Insufficient)) => -1,
            },
            changed_at: alert.changed_at,
        }
    }
}

/// A label name that no format allows.
struct IllFormed;

impl AlertRow {
    /// The row of an alert that is pending or firing.
    fn of(alert: &Tracked) -> Option<Result<Self, IllFormed>> {
        let active_at = alert.state.active_at()?;
        Some(alert_labels(&alert.labels).map(|labels| Self {
            labels,
            firing: alert.state.is_firing(),
            active_at,
        }))
    }
}

/// An alert's labels, but for the one that only we may set.
fn alert_labels(labels: &Labels) -> Result<Box<str>, IllFormed> {
    let allowed = |name: &str| is_label_name(name) && name != "__name__";
    if !labels.iter().all(|(name, _)| allowed(name)) {
        return Err(IllFormed);
    }
    let pairs = labels.iter().filter(|(name, _)| *name != "alertstate");
    Ok(LabelText::of(pairs).into_boxed())
}

impl GroupRow {
    fn of(group: &GroupState, name: &str) -> Self {
        Self {
            labels: LabelText::of([("rule_group", name)]).into_boxed(),
            interval: group.interval,
            took: group.took,
            evaluated_at: group.evaluated_at,
            iterations: group.iterations,
            missed: group.missed,
            rules: group.rules.len(),
            evaluations: group.rules.iter().map(|rule| rule.evaluations).sum(),
            failures: group.rules.iter().map(|rule| rule.failures).sum(),
            spent: group.rules.iter().map(|rule| rule.spent).sum(),
            fired: group.rules.iter().map(|rule| rule.fired).sum(),
        }
    }
}

/// Of sorted rows with the same labels keeps the first; returns how many went.
fn drop_repeats<T>(rows: &mut Vec<T>, labels: impl Fn(&T) -> &str) -> u64 {
    let before = rows.len();
    rows.dedup_by(|a, b| labels(a) == labels(b));
    (before - rows.len()) as u64
}

/// Renders the labels of what an edge told, sorts by them and drops repeats.
fn labelled<T>(all: Vec<T>, labels: fn(&T) -> LabelText, omitted: &mut u64) -> Vec<Labelled<T>> {
    let mut rows: Vec<_> = (all.into_iter())
        .map(|of| Labelled {
            labels: labels(&of).into_boxed(),
            of,
        })
        .collect();
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    *omitted += drop_repeats(&mut rows, |row| &row.labels);
    rows
}

/// A receiver may have two of the same integration; they share their labels, so they are counted together.
fn merge_notifiers(all: Vec<NotifierUsage>) -> Vec<Labelled<NotifierUsage>> {
    let mut rows: Vec<Labelled<NotifierUsage>> = Vec::with_capacity(all.len());
    for of in all {
        let labels = LabelText::of([
            ("integration", &*of.integration),
            ("receiver", &*of.receiver),
        ])
        .into_boxed();
        match rows.binary_search_by(|row| row.labels.cmp(&labels)) {
            Ok(place) => {
                if let Some(row) = rows.get_mut(place) {
                    row.of.add(&of);
                }
            }
            Err(place) => rows.insert(place, Labelled { labels, of }),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_cannot_set_its_own_state_nor_break_the_page() {
        let render = |pairs: &[(&str, &str)]| {
            let labels: Labels = pairs.iter().copied().collect();
            alert_labels(&labels).ok()
        };
        let spoofed = render(&[("alertname", "A"), ("alertstate", "firing"), ("le", "1")]);
        assert_eq!(spoofed.as_deref(), Some(r#"alertname="A",le="1""#));
        for name in ["a-b", "1st", "", "__name__"] {
            assert_eq!(render(&[("alertname", "A"), (name, "x")]), None, "{name}");
        }
    }

    #[test]
    fn the_worst_of_equal_label_sets_stays() {
        let mut rows = vec![("a", 2), ("a", 1), ("b", 0), ("b", 0), ("c", 1)];
        assert_eq!(drop_repeats(&mut rows, |row| row.0), 2);
        assert_eq!(rows, [("a", 2), ("b", 0), ("c", 1)]);
    }

    #[test]
    fn integrations_of_the_same_kind_are_counted_together() {
        let notifier = |receiver: &str, sent| NotifierUsage {
            receiver: receiver.to_owned(),
            integration: "email".to_owned(),
            sent,
            attempt_seconds: 0.5,
            ..NotifierUsage::default()
        };
        let rows = merge_notifiers(vec![
            notifier("team", 1),
            notifier("pager", 2),
            notifier("team", 4),
        ]);
        let found: Vec<_> = (rows.iter())
            .map(|row| (&*row.labels, row.of.sent, row.of.attempt_seconds))
            .collect();
        let expected = [
            (r#"integration="email",receiver="pager""#, 2, 0.5),
            (r#"integration="email",receiver="team""#, 5, 1.0),
        ];
        assert_eq!(found, expected);
    }
}
