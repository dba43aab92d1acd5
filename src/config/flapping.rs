//! `flapping:`: whether alerts that begin and end again and again are told of at growing distances, and which do.

use serde::Deserialize;

use crate::document::Place;
use crate::document::switched::{Details, Switched};
use crate::document::units::Period;
use crate::engine::dispatch::FlapSettings;
use crate::engine::dispatch::flapping::MOST;
use crate::rulefile::Checker;

/// As it is written where that is looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flapping {
    score: Option<f64>,
    half_life: Option<Period>,
}

impl Details for Flapping {
    const ALLOWED: &'static str = "on, off, or {score: 4, half_life: 1h}";
}

/// When alerts flap; `None` where that is not looked at.
pub(super) fn read(
    written: &Switched<Flapping>,
    checker: &mut Checker<'_>,
) -> Option<FlapSettings> {
    let written = written.details()?;
    let default = FlapSettings::default();
    let read = FlapSettings {
        score: written.score.unwrap_or(default.score),
        half_life: written.half_life.map_or(default.half_life, |one| one.0),
    };
    let place = Place::root().key("flapping");
    let most = u32::try_from(MOST / 2).map_or(f64::MAX, f64::from);
    if !(2.0..=most).contains(&read.score) {
        checker.fault(
            &place.key("score"),
            format!(
                "`score` of {} is out of range, allowed: 2 to {most}",
                read.score
            ),
        );
    }
    if read.half_life.is_zero() {
        checker.fault(
            &place.key("half_life"),
            "a half-life of 0 is not possible, allowed: above 0",
        );
    }
    Some(read)
}
