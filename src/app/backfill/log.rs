//! The log in the order of the times for which measurements count, in bounded memory.
//!
//! It is read twice. First it is noted where in it the measurements of each few moments are: a live log is in order, and an
//! import is somewhere else in it. Then stretch after stretch is read, sorted and learned.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, RangeInclusive};

use crate::engine::backfill::{Learned, Learner, Lesson, Wanted};
use crate::engine::measurement::Measurement;
use crate::engine::saved::admitted_from_bytes;
use crate::engine::time::Timestamp;
use crate::storage::Database;

/// Milliseconds that are looked at together at least: where measurements are dense, as few as may be.
const SHORTEST: i64 = 1_000;
/// With more units than this, each becomes twice as long.
const MOST_UNITS: usize = 20_000;
/// A stretch is made of as many of them as hold no more measurements than this together. One takes some 270 bytes.
const AT_ONCE: u64 = 10_000;

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// It is time to end.
    #[error("opwatch is shutting down")]
    Quit,
    /// The database cannot be opened or read.
    #[error("the log cannot be read: {0}")]
    Unreadable(String),
    /// The measurements of a block take more memory than there is for all.
    #[error("`store.max_memory` is too small for it")]
    Memory,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    /// Measurements that a rule selects.
    pub(super) measurements: u64,
    /// Groups of measurements that could not be read.
    pub(super) unreadable: u64,
    first: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Read {
    /// How far back the log reaches, in days.
    pub(super) fn days(&self) -> f64 {
        let span = self.first.zip(self.until);
        let span = span.map(|(first, until)| until.since(first).as_secs_f64());
        span.map_or(0.0, |seconds| (seconds / 8_640.0).round() / 10.0)
    }
}

/// Where in the log the measurements of each unit of time are.
struct Units {
    /// Milliseconds of each.
    length: i64,
    all: BTreeMap<i64, Unit>,
}

/// Where in the log the measurements of a unit of time are.
#[derive(Clone, Debug)]
struct Unit {
    measurements: u64,
    groups: RangeInclusive<u64>,
}

/// Some units that are read together.
struct Stretch {
    units: RangeInclusive<i64>,
    unit: Unit,
}

/// Has the rules of a lesson learn from a log, until `stops` says so.
pub(super) fn learn(
    database: &Database,
    lesson: Lesson,
    stops: &dyn Fn() -> bool,
) -> Result<(Learned, Read), Stopped> {
    let mut wanted = Wanted::of(&lesson);
    let mut read = Read {
        until: Some(lesson.until),
        ..Read::default()
    };
    let mut units = Units::default();
    read.unreadable = each(database, 0..=u64::MAX, stops, |group, at, measurement| {
        if !wanted.has(at, &measurement) {
            return;
        }
        read.measurements += 1;
        read.first = Some(read.first.map_or(at, |first| first.min(at)));
        units.note(at, group);
    })?;
    let Some(first) = read.first else {
        return Ok((Learner::new(lesson, Timestamp::default()).forgotten(), read));
    };
    let mut learner = Learner::new(lesson, first);
    let length = units.length;
    for stretch in stretches(units.all) {
        let mut taken: Vec<(Timestamp, Measurement)> = Vec::new();
        each(
            database,
            stretch.unit.groups,
            stops,
            |_, at, measurement| {
                if stretch.units.contains(&unit_of(at, length)) && wanted.has(at, &measurement) {
                    taken.push((at, measurement));
                }
            },
        )?;
        // Of equal times the one that came first stays first.
        taken.sort_by_key(|(at, _)| *at);
        for (at, measurement) in taken {
            if !learner.take(at, measurement) {
                return Err(Stopped::Memory);
            }
        }
    }
    Ok((learner.learned(), read))
}

fn unit_of(at: Timestamp, length: i64) -> i64 {
    at.millis().div_euclid(length)
}

impl Default for Units {
    fn default() -> Self {
        Self {
            length: SHORTEST,
            all: BTreeMap::new(),
        }
    }
}

impl Units {
    fn note(&mut self, at: Timestamp, group: u64) {
        let one = Unit {
            measurements: 1,
            groups: group..=group,
        };
        self.put(unit_of(at, self.length), one);
        while self.all.len() > MOST_UNITS {
            self.length = self.length.saturating_mul(2);
            for (number, unit) in std::mem::take(&mut self.all) {
                self.put(number.div_euclid(2), unit);
            }
        }
    }

    fn put(&mut self, number: i64, unit: Unit) {
        match self.all.entry(number) {
            Entry::Vacant(entry) => {
                entry.insert(unit);
            }
            Entry::Occupied(mut entry) => entry.get_mut().include(&unit),
        }
    }
}

impl Unit {
    fn include(&mut self, other: &Self) {
        self.measurements += other.measurements;
        let first = *self.groups.start().min(other.groups.start());
        let last = *self.groups.end().max(other.groups.end());
        self.groups = first..=last;
    }
}

/// Neighbouring units together, as many as may be.
fn stretches(units: BTreeMap<i64, Unit>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (number, unit) in units {
        match stretches.last_mut() {
            Some(last) if last.unit.measurements + unit.measurements <= AT_ONCE => {
                last.units = *last.units.start()..=number;
                last.unit.include(&unit);
            }
            _ => stretches.push(Stretch {
                units: number..=number,
                unit,
            }),
        }
    }
    stretches
}

/// Gives the measurements of some groups, with the number of theirs; returns how many groups could not be read.
fn each(
    database: &Database,
    groups: RangeInclusive<u64>,
    stops: &dyn Fn() -> bool,
    mut each: impl FnMut(u64, Timestamp, Measurement),
) -> Result<u64, Stopped> {
    let (mut unreadable, mut is_stopped) = (0, false);
    let since = Timestamp::from_millis(i64::MIN);
    let outcome = database.page_through_some(groups, since, |group| {
        is_stopped = stops();
        if is_stopped {
            return ControlFlow::Break(());
        }
        let batches = (group.body.ok()).and_then(|body| admitted_from_bytes(&body).ok());
        unreadable += u64::from(batches.is_none());
        for taken in batches.into_iter().flatten().flat_map(|batch| batch.taken) {
            each(group.sequence, taken.at, taken.measurement);
        }
        ControlFlow::Continue(())
    });
    outcome.map_err(|error| Stopped::Unreadable(error.to_string()))?;
    if is_stopped {
        return Err(Stopped::Quit);
    }
    Ok(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_short_where_measurements_are_dense_and_never_too_many() {
        let noted = |times: &mut dyn Iterator<Item = i64>| {
            let mut units = Units::default();
            for (time, group) in times.zip(1..) {
                units.note(Timestamp::from_millis(time), group);
            }
            units
        };
        let dense = noted(&mut (0..600_000).step_by(10));
        assert_eq!((dense.length, dense.all.len()), (1_000, 600));
        assert_eq!(dense.all[&7].measurements, 100);
        assert_eq!(dense.all[&7].groups, 701..=800);
        let month = noted(&mut (-1_000_000..2_592_000_000).step_by(60_000));
        assert!(month.all.len() <= MOST_UNITS && month.all.len() > MOST_UNITS / 3);
        let measurements: u64 = month.all.values().map(|unit| unit.measurements).sum();
        assert_eq!(measurements, 43_217);
        let places = |unit: &Unit| unit.groups.end() - unit.groups.start() + 1;
        assert!(
            month
                .all
                .values()
                .all(|unit| unit.measurements == places(unit))
        );
    }

    #[test]
    fn neighbouring_units_are_read_together_as_far_as_memory_allows() {
        let unit = |measurements, groups: RangeInclusive<u64>| Unit {
            measurements,
            groups,
        };
        // The second unit was imported after the others had come.
        let units = BTreeMap::from([
            (10, unit(AT_ONCE / 2, 1..=4)),
            (11, unit(AT_ONCE / 2, 90..=95)),
            (12, unit(1, 4..=6)),
            (40, unit(3 * AT_ONCE, 7..=50)),
            (41, unit(2, 51..=51)),
        ]);
        let stretches: Vec<_> = (stretches(units).into_iter())
            .map(|one| (one.units, one.unit.measurements, one.unit.groups))
            .collect();
        let expected = [
            (10..=11, AT_ONCE, 1..=95),
            (12..=12, 1, 4..=6),
            (40..=40, 3 * AT_ONCE, 7..=50),
            (41..=41, 2, 51..=51),
        ];
        assert_eq!(stretches, expected);
    }
}
