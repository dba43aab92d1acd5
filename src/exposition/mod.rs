//! What `/metrics` shows, in the format that the scraper asks for.
//!
//! A [`Snapshot`] is taken from the engine between two events. Its families are walked in one order by one code, and
//! the encoders only spell what they are handed: so the formats cannot differ in what they say.

mod actions;
mod alerts;
mod baselines;
mod family;
mod internals;
mod judging;
mod labels;
mod negotiate;
mod number;
mod operations;
mod page;
mod process;
mod protobuf;
mod snapshot;
mod storage;
mod target;
mod text;
mod usage;

use std::io;
use std::sync::Arc;

pub use family::{Family, Kind, Unit, sections};
pub use negotiate::{Format, negotiate};
use page::Page;
pub use snapshot::Snapshot;
use text::Dialect;
pub use usage::{
    BackFillUsage, Build, Internals, ListenerUsage, NotifierUsage, ProcessUsage, QueueUsage,
    ReloadState, StorageUsage, TargetFailures, TargetUsage,
};

/// `exposition:` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpositionConfig {
    /// Show alerts also as `ALERTS` and `ALERTS_FOR_STATE`, as Prometheus names them. Default: false.
    pub prometheus_alerts: bool,
}

/// Writes a whole page in pieces of some kilobytes, so that it can be sent while it is written.
///
/// # Errors
///
/// Only what `out` returns.
pub fn write(format: Format, snapshot: &Arc<Snapshot>, out: &mut dyn io::Write) -> io::Result<()> {
    let page = Page::new(Arc::clone(snapshot));
    match format {
        Format::Text => text::write(Dialect::Classic, &page, out),
        Format::OpenMetrics => text::write(Dialect::OpenMetrics, &page, out),
        Format::Protobuf => protobuf::write(&page, out),
    }
}
