//! `incidents:`: whether alerts that began together are told as one, and how far apart they may have begun.

use std::time::Duration;

use serde::Deserialize;

use crate::document::switched::{Details, Switched};
use crate::document::units::Period;
use crate::engine::incident::MERGE;

/// As it is written where there are incidents.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incidents {
    merge: Option<Period>,
}

impl Details for Incidents {
    const ALLOWED: &'static str = "on, off, or {merge: 5m}";
}

impl Switched<Incidents> {
    /// How far apart the starts of the alerts of one incident may lie; `None` where there are none.
    pub(super) fn merge(&self) -> Option<Duration> {
        let incidents = self.details()?;
        Some(incidents.merge.map_or(MERGE, |merge| merge.0))
    }
}
