//! Where a measurement goes: its own series, or an overflow series once the cap is reached.

use super::{Series, SeriesId, Store};
use crate::engine::series::SeriesKey;
use crate::engine::time::Now;

/// How much of a series' identity the cap took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Its labels.
    Labels,
    /// Its labels and version.
    Version,
    /// All but the operation.
    Algorithm,
    /// Everything: the operation was new.
    Operation,
}

impl Store {
    /// Reserves the series for a measurement of `key`. Once the cap is reached a new key collapses,
    /// labels first, then version, then algorithm, into a series of the same operation, so that totals
    /// stay exact; only a new operation goes to the common one.
    pub fn place(&mut self, key: &SeriesKey, now: Now) -> (SeriesId, Option<Overflow>) {
        let existing = self.index.get(key).copied();
        let (id, overflow) = match existing {
            Some(id) => (id, None),
            None if self.has_room(now) => (self.create(key.clone(), now), None),
            None => {
                let (id, overflow) = self.place_overflow(key, now);
                (id, Some(overflow))
            }
        };
        if let Some(series) = self.get_mut(id) {
            series.in_flight += 1;
        }
        (id, overflow)
    }

    /// Reserves the series of `key` itself, as the cap had allowed it before.
    pub fn place_at(&mut self, key: &SeriesKey, now: Now) -> SeriesId {
        let id = match self.index.get(key) {
            Some(id) => *id,
            None => self.create(key.clone(), now),
        };
        if let Some(series) = self.get_mut(id) {
            series.in_flight += 1;
        }
        id
    }

    fn has_room(&mut self, now: Now) -> bool {
        if self.index.len() - self.overflow_series < self.settings.max_series {
            return true;
        }
        // In a flood of new series every record comes here, so they are not all looked at for each.
        if now.steady <= self.crowded_until {
            return false;
        }
        // The series that has been idle longest makes room, if it has already left the exposition.
        let idle = self
            .series()
            .filter(|(_, s)| s.in_flight == 0 && !s.key.is_overflow())
            .filter(|(_, s)| s.is_idle(self.settings.series_ttl, now))
            .min_by_key(|(_, s)| s.touched)
            .map(|(id, _)| id);
        if let Some(id) = idle {
            self.remove(id);
            self.losses.evicted_series += 1;
        } else {
            let touched = self.series().filter(|(_, s)| !s.key.is_overflow());
            let oldest = touched.map(|(_, s)| s.touched).min();
            self.crowded_until = oldest.unwrap_or(now.steady) + self.settings.series_ttl;
        }
        idle.is_some()
    }

    fn place_overflow(&mut self, key: &SeriesKey, now: Now) -> (SeriesId, Overflow) {
        if self.operations.contains_key(key.operation()) {
            // Overflow series have a quarter of the cap for themselves, and the last of an operation is
            // always allowed: there are at most as many as there are operations.
            let spare = self.overflow_series < self.settings.max_series / 4;
            for (collapsed, overflow, may_create) in [
                (key.overflow(true), Overflow::Labels, spare),
                (key.overflow(false), Overflow::Version, spare),
                (key.overflow_of_operation(), Overflow::Algorithm, true),
            ] {
                if let Some(id) = self.index.get(&collapsed) {
                    return (*id, overflow);
                }
                if may_create {
                    return (self.create(collapsed, now), overflow);
                }
            }
        }
        let all = SeriesKey::overflow_of_all();
        let id = match self.index.get(&all) {
            Some(id) => *id,
            None => self.create(all, now),
        };
        (id, Overflow::Operation)
    }

    pub(super) fn create(&mut self, key: SeriesKey, now: Now) -> SeriesId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.series.push(None);
            SeriesId(u32::try_from(self.series.len() - 1).unwrap_or(u32::MAX))
        });
        self.overflow_series += usize::from(key.is_overflow());
        let operation = self.operations.entry(key.operation().into());
        operation.or_default().push(id);
        self.index.insert(key.clone(), id);
        let history = self.settings.max_history.max(self.needed_history);
        if let Some(slot) = self.series.get_mut(id.0 as usize) {
            *slot = Some(Box::new(Series::new(key, history, now)));
        }
        self.generation += 1;
        id
    }

    pub(super) fn remove(&mut self, id: SeriesId) {
        if let Some(series) = self.series.get_mut(id.0 as usize).and_then(Option::take) {
            self.overflow_series -= usize::from(series.key.is_overflow());
            if self.is_saved {
                self.gone.push(series.key.clone());
            }
            self.index.remove(&series.key);
            if let Some(ids) = self.operations.get_mut(series.key.operation()) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.operations.remove(series.key.operation());
                }
            }
            self.free.push(id);
            self.generation += 1;
        }
    }
}
