//! A snapshot made ready for writing.

use std::sync::Arc;

use super::labels::{LabelText, Rendered};
use super::snapshot::{SeriesRow, Snapshot};
use crate::engine::store::Totals;
use crate::engine::time::Timestamp;

/// A snapshot with the labels of its series rendered: every line of a series repeats them.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) snapshot: Arc<Snapshot>,
    /// Those of `snapshot.series`, in its order.
    labels: Vec<Box<str>>,
}

impl Page {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        let render = |row: &SeriesRow| LabelText::of(row.key.all()).into_boxed();
        Self {
            labels: snapshot.series.iter().map(render).collect(),
            snapshot,
        }
    }

    /// Labels and totals of every series, those that have left the page for being idle included.
    pub(super) fn all_series(&self) -> impl Iterator<Item = (Rendered<'_>, &Totals)> {
        self.rows().map(|(labels, row)| (labels, &*row.totals))
    }

    /// Labels and totals of every series that is not idle.
    pub(super) fn series(&self) -> impl Iterator<Item = (Rendered<'_>, &Totals)> {
        let rows = self.rows().filter(|(_, row)| !row.idle);
        rows.map(|(labels, row)| (labels, &*row.totals))
    }

    fn rows(&self) -> impl Iterator<Item = (Rendered<'_>, &SeriesRow)> {
        let rows = self.labels.iter().zip(&self.snapshot.series);
        rows.map(|(labels, row)| (Rendered::new(labels).since(row.totals.created), row))
    }

    /// When counters began of which nothing better is known.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.snapshot.internals.started_at
    }
}
