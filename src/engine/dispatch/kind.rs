//! What a change was told as, and whether it has turned out to be of another kind.
//!
//! A detector finds a change long before it can say of which kind it is: a level that rises bit by bit is told as one that has
//! moved at once, until it has gone on for a while.

use std::collections::BTreeMap;

use super::Announced;
use super::group::Told;
use crate::engine::condition::Feature;

/// What one integration was told of the kind of a change, while its alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct ToldKind {
    /// What it was last told that has changed.
    pub(in crate::engine) feature: Feature,
    /// Whether it has ever been told as a drift.
    pub(in crate::engine) was_drift: bool,
}

/// How what is known of the kind of a change stands to what was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    #[default]
    /// It is as it was told, or was not told, or has none.
    AsTold,
    /// It is another. This waits for the next message: what is to be done about it is the same.
    Other,
    /// It has turned out to be a drift, which gets worse with each day. Who was told of a level that has moved may have left it
    /// for later, so this is told at once; but only once, however often what is known changes.
    Drift,
}

impl Kind {
    /// That of an alert that is to be told after what was told.
    pub(super) fn of(alert: &Announced, told: Option<&Told>) -> Self {
        let now = alert.evidence.and_then(|evidence| evidence.feature);
        let before = told.and_then(|told| told.kinds.get(&alert.fingerprint));
        match (before, now) {
            (Some(before), Some(now)) if before.feature == now => Self::AsTold,
            (Some(before), Some(Feature::Drift)) if !before.was_drift => Self::Drift,
            (Some(_), Some(_)) => Self::Other,
            (None, _) | (_, None) => Self::AsTold,
        }
    }
}

/// What has been told of the kinds of these alerts once they are told, after what was told before.
pub(super) fn told_next<'a>(
    alerts: impl Iterator<Item = &'a Announced>,
    told: Option<&Told>,
) -> BTreeMap<u64, ToldKind> {
    alerts
        .filter_map(|alert| {
            let before = told.and_then(|told| told.kinds.get(&alert.fingerprint));
            let now = alert.evidence.and_then(|evidence| evidence.feature);
            let was_drift = before.is_some_and(|before| before.was_drift);
            let feature = now.or(before.map(|before| before.feature))?;
            let kind = ToldKind {
                feature,
                was_drift: was_drift || feature == Feature::Drift,
            };
            Some((alert.fingerprint, kind))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::condition::Evidence;
    use crate::engine::dispatch::fixture::alert;
    use Feature::{Drift, Level, Tail};
    use Kind::{AsTold, Other};

    #[test]
    fn a_drift_is_told_once_however_often_what_is_known_changes() {
        let mut told = Told::default();
        for (feature, expected) in [
            (Some(Level), AsTold),
            (Some(Level), AsTold),
            (Some(Tail), Other),
            (None, AsTold),
            (Some(Level), Other),
            (Some(Drift), Kind::Drift),
            (Some(Drift), AsTold),
            (Some(Level), Other),
            (Some(Drift), Other),
            (None, AsTold),
        ] {
            let mut alert = Announced::clone(&alert(&[("alertname", "Slow")]));
            alert.evidence = Some(Evidence {
                feature,
                ..Evidence::default()
            });
            assert_eq!(Kind::of(&alert, Some(&told)), expected, "{feature:?}");
            told.kinds = told_next([&alert].into_iter(), Some(&told));
        }
        // What no longer fires is forgotten, and then begins as a new one.
        assert_eq!(told.kinds.len(), 1);
        assert!(told_next(std::iter::empty(), Some(&told)).is_empty());
    }
}
