//! The values of several series in the order of time: those of the last runs one by one, and older ones by stretches.

use std::collections::BTreeMap;
use std::time::Duration;

use super::totals::AHEAD;
use super::{SeriesId, Store};
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::time::{Timestamp, millis};
use crate::engine::window::Window;

impl Store {
    /// The last values of a column over several series that came after the first time and up to the second, where they are
    /// given; at most `runs`, oldest first.
    pub fn runs(
        &self,
        ids: &[SeriesId],
        column: Column,
        runs: usize,
        (after, until): (Option<Timestamp>, Option<Timestamp>),
        now: Timestamp,
    ) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        for series in ids.iter().filter_map(|id| self.get(*id)) {
            let latest = series.recent.latest_first(column);
            let within = latest.filter(|sample| {
                after.is_none_or(|after| sample.at > after)
                    && until.is_none_or(|until| sample.at <= until)
            });
            samples.extend(within.take(runs));
        }
        // What lies ahead came before the clock was set back: it is older than all that came since. Those of equal times
        // stay in the order in which they came.
        samples.reverse();
        samples.sort_by_key(|sample| (sample.at <= now.after(AHEAD), sample.at));
        samples.drain(..samples.len().saturating_sub(runs));
        samples
    }

    /// The values of a column over several series between two times, merged within parts of about `part`, by the beginning
    /// of each part. Whole buckets: those that begin at `start` or later and before `end`.
    pub fn blocks(
        &self,
        ids: &[SeriesId],
        column: Column,
        (start, end): (Timestamp, Timestamp),
        part: Duration,
    ) -> BTreeMap<Timestamp, Window> {
        let part = millis(part).max(1);
        let mut blocks: BTreeMap<Timestamp, Window> = BTreeMap::new();
        for series in ids.iter().filter_map(|id| self.get(*id)) {
            let Some((_, buckets)) = series.columns.iter().find(|(c, _)| *c == column) else {
                continue;
            };
            buckets.each_between(start, end, |begin, held| {
                let key = Timestamp::from_millis(begin.div_euclid(part) * part);
                let window = blocks.entry(key.max(start)).or_default();
                let Window {
                    moments,
                    last,
                    distribution,
                    ..
                } = window;
                held.gather(moments, last, Some(distribution));
            });
        }
        blocks
    }

    /// How many values the series have ever taken in a column.
    pub fn arrivals(&self, ids: &[SeriesId], column: Column) -> u64 {
        let series = ids.iter().filter_map(|id| self.get(*id));
        let columns = series.filter_map(|series| series.columns.iter().find(|(c, _)| *c == column));
        columns.map(|(_, buckets)| buckets.arrivals()).sum()
    }
}
