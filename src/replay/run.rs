//! Drives an engine through recorded time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::alerts::Gathered;
use super::{Alert, MAX_EVALUATIONS, Recording, ReplayError, Replayed, RuleSummary, Setting};
use crate::engine::admission::Batch;
use crate::engine::alert::Change;
use crate::engine::dispatch::Notification;
use crate::engine::measurement::Measurement;
use crate::engine::rule::{Mode, RuleGroup};
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Due, Engine};

/// Live, time moves on in the store at least this often before a measurement comes.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What would have fired.
///
/// # Errors
/// When there is nothing to replay, or when it would take too many evaluations.
pub fn replay(recording: &Recording, setting: &Setting) -> Result<Replayed, ReplayError> {
    let (first, last) = recording.span().ok_or(ReplayError::Empty)?;
    let groups = &setting.engine.groups;
    let from = setting.from.map_or(first, |from| from.min(first));
    let longest = groups.iter().map(|group| group.interval).max();
    let until = (setting.until).unwrap_or_else(|| last.after(longest.unwrap_or_default()));
    check_length(groups, from, until)?;
    let mut run = Run::new(setting, from);
    let mut coming = recording.measurements().iter().peekable();
    loop {
        let tick = run.next_tick().filter(|tick| tick.wall <= until);
        let before = tick.map_or(until, |tick| tick.wall);
        while let Some(measurement) = coming.next_if(|one| one.at <= Some(before)) {
            run.take(measurement.clone(), before);
        }
        match tick {
            Some(tick) => run.tick(tick),
            None => break,
        }
    }
    Ok(run.close(until))
}

fn check_length(
    groups: &[RuleGroup],
    from: Timestamp,
    until: Timestamp,
) -> Result<(), ReplayError> {
    let span = until.since(from).as_millis();
    let each = groups.iter().map(|g| span / g.interval.as_millis().max(1));
    let evaluations = u64::try_from(each.sum::<u128>()).unwrap_or(u64::MAX);
    if evaluations > MAX_EVALUATIONS {
        return Err(ReplayError::TooLong {
            from,
            until,
            evaluations,
        });
    }
    Ok(())
}

struct Run {
    engine: Engine,
    from: Timestamp,
    /// When time last moved on in the store, and when rules were last judged, on the steady clock.
    moved: Duration,
    ticked: Option<Duration>,
    rules: Vec<RuleSummary>,
    /// The places of rules in `rules`.
    places: BTreeMap<Due, usize>,
    gathered: Gathered,
    /// Whose alert has that fingerprint.
    owners: HashMap<u64, usize>,
    unable: u64,
    evaluations: u64,
}

impl Run {
    fn new(setting: &Setting, from: Timestamp) -> Self {
        let now = Now {
            wall: from,
            steady: Duration::ZERO,
        };
        let mut engine = Engine::new(setting.engine.clone(), now);
        engine.set_cpu_limit(setting.cpu_limit);
        engine.take_baselines(setting.baselines.clone());
        engine.take_maintenance(&setting.maintenance);
        let (mut rules, mut places) = (Vec::new(), BTreeMap::new());
        for (due, group, state) in engine.rules() {
            if state.rule.mode != Mode::Off {
                places.insert(due, rules.len());
                rules.push(RuleSummary::of(&group.file, &group.name, state));
            }
        }
        Self {
            engine,
            from,
            moved: Duration::ZERO,
            ticked: None,
            rules,
            places,
            gathered: Gathered::default(),
            owners: HashMap::new(),
            unable: 0,
            evaluations: 0,
        }
    }

    /// When the engine next has to do, which is later than the last time.
    fn next_tick(&self) -> Option<Now> {
        let after = self.ticked.map(|ticked| ticked + Duration::from_millis(1));
        let steady = self.engine.next_due()?.max(after.unwrap_or_default());
        Some(Now {
            wall: self.from.after(steady),
            steady,
        })
    }

    /// Takes a measurement at its own time, which is not later than the next tick.
    fn take(&mut self, measurement: Measurement, tick: Timestamp) {
        let wall = measurement.at.unwrap_or(self.from);
        let now = Now {
            wall,
            steady: wall.since(self.from),
        };
        if wall < tick && now.steady.saturating_sub(self.moved) >= LONGEST_REST {
            // Nothing is due yet, so that this moves time on in the store and does nothing else.
            self.engine.due(now);
            self.moved = now.steady;
        }
        if self.engine.is_full() {
            self.unable += 1;
            return;
        }
        let batch = Batch {
            origin: None,
            records: vec![Ok(measurement)],
        };
        let (admitted, _) = self.engine.admit(batch, now);
        self.engine.apply(&admitted, now);
    }

    /// Judges every rule that is due.
    fn tick(&mut self, now: Now) {
        self.ticked = Some(now.steady);
        self.moved = now.steady;
        for due in self.engine.due(now) {
            let Some(place) = self.places.get(&due).copied() else {
                continue;
            };
            let answer = self.engine.answer(due, now);
            let effects = self.engine.evaluate(due, &answer, now);
            self.evaluations += 1;
            let (Some(state), Some(summary)) = (self.engine.rule(due), self.rules.get_mut(place))
            else {
                continue;
            };
            summary.look(state);
            for change in &effects.changes {
                self.gathered.take(place, change, state);
                if change.change == Change::Dropped {
                    summary.dropped += 1;
                }
            }
            for announced in &effects.announced {
                self.owners.insert(announced.fingerprint, place);
            }
        }
        for notification in self.engine.flush(now) {
            self.count(&notification);
        }
    }

    /// Counts a notification for every rule that it tells of.
    fn count(&mut self, notification: &Notification) {
        let told = notification.alerts.iter();
        let mut places: Vec<_> = told
            .filter_map(|alert| self.owners.get(&alert.fingerprint).copied())
            .collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            if let Some(summary) = self.rules.get_mut(place) {
                summary.notifications += 1;
            }
        }
    }

    fn close(self, until: Timestamp) -> Replayed {
        let alerts = self.gathered.alerts;
        let mut by_rule: Vec<Vec<&Alert>> = vec![Vec::new(); self.rules.len()];
        for alert in &alerts {
            if let Some(of_rule) = by_rule.get_mut(alert.rule) {
                of_rule.push(alert);
            }
        }
        let mut rules = self.rules;
        for (summary, alerts) in rules.iter_mut().zip(by_rule) {
            summary.close(&alerts, until, until.since(self.from));
        }
        Replayed {
            from: self.from,
            until,
            rules,
            counts: self.engine.ingest_counts(),
            unable: self.unable,
            evaluations: self.evaluations,
            alerts,
        }
    }
}
