//! What an instance is judged by: its window, or the word that nothing of it has changed since the last evaluation.

use super::Scope;
use super::charted::Charting;
use super::compared::Comparison;
use super::detecting::Closed;
use super::relative::Limited;
use crate::engine::metric::Stat;
use crate::engine::rule::Rule;
use crate::engine::series::Labels;
use crate::engine::store::{SeriesId, Store};
use crate::engine::time::Timestamp;
use crate::engine::window::Window;

/// The data of one rule: its instances' labels, in their order, and what each is judged by.
pub type Answer = Vec<(Labels, Datum)>;

/// What one instance is judged by.
#[derive(Debug)]
pub enum Datum {
    /// Its window, and how long it stays as it is, where that is known.
    Window(Box<Window>, Option<Basis>),
    /// Its window and what that is compared with.
    Compared(Box<Comparison>),
    /// The trend of its buckets.
    Charted(Box<Charting>),
    /// The blocks that have closed.
    Closed(Box<Closed>),
    /// Its window and what its limits are multiples of.
    Limited(Box<Limited>),
    /// Its window has the same values as at the last evaluation.
    Unchanged,
}

/// What a window depends on: while nothing of it is different, gathering it again would give the same.
#[derive(Clone, Copy, Debug)]
pub struct Basis {
    /// [`Store::changes`] of its series.
    changes: u64,
    cpu_limit: Option<f64>,
    /// When it was gathered, and until when time alone changes nothing.
    from: Timestamp,
    until: Option<Timestamp>,
    /// [`Baselines::generation`](crate::engine::baseline::Baselines::generation).
    baselines: u64,
}

impl Basis {
    /// What data of these series gathered now depend on.
    pub(super) fn of(
        series: &[SeriesId],
        store: &Store,
        scope: &Scope,
        until: Option<Timestamp>,
    ) -> Self {
        Self {
            changes: store.changes(series),
            cpu_limit: scope.cpu_limit,
            from: scope.now.wall,
            until,
            baselines: scope.baselines.generation(),
        }
    }

    /// The same until that time at most, where one is given.
    pub(super) fn until_at_most(self, until: Option<Timestamp>) -> Self {
        Self {
            until: self.until.into_iter().chain(until).min(),
            ..self
        }
    }

    /// Whether a window on this basis is still the same.
    pub(super) fn holds(&self, series: &[SeriesId], store: &Store, scope: &Scope) -> bool {
        let now = scope.now.wall;
        self.from <= now
            && self.until.is_none_or(|until| now < until)
            && self.cpu_limit == scope.cpu_limit
            && self.baselines == scope.baselines.generation()
            && self.changes == store.changes(series)
    }
}

/// The window of one instance of a rule; an empty one where the rule needs none.
pub(super) fn window(rule: &Rule, series: &[SeriesId], store: &Store, scope: &Scope) -> Datum {
    let gathered = rule.condition.need().and_then(|need| {
        let quantiles = matches!(need.stat, Stat::Quantile(_));
        let (column, now) = (store.column(&need.metric)?, scope.now.wall);
        let window = store.window(series, column, need.reach, quantiles, now);
        // A rate is by the time that the window covers, which is another at every moment.
        let basis =
            (need.stat != Stat::PerSecond).then(|| Basis::of(series, store, scope, window.until));
        Some((window.of_metric(&need.metric, scope.cpu_limit), basis))
    });
    let (window, basis) = gathered.unwrap_or_default();
    Datum::Window(Box::new(window), basis)
}
