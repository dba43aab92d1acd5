//! What is told of a change: in the unit of the series, dated, and named.

use super::channels::Channel;
use super::dating::Dated;
use super::profile::Profile;
use super::settings::Settings;
use super::shape::{Kind, Ranged, Shape};
use super::windows::Best;
use super::{Change, Size};

/// The quantile of the normal distribution beyond which a fortieth lies.
const NORMAL_975: f64 = 1.959_963_984_540_054;
/// A mean of the level channel beyond this is made of clipped values.
const MOSTLY_CLIPPED: f64 = 2.0;

/// The change that the best window has found.
pub(super) fn change(
    best: Best,
    dated: Dated,
    evidence: f64,
    unit: f64,
    profile: &Profile,
    origin: u64,
) -> Change {
    let (before, since) = dated.means;
    let size = |since: f64| match best.channel {
        Channel::Level | Channel::Drift => of_level((since - before) * unit, profile),
        Channel::Spread | Channel::Tail => Size::Times(since.max(0.0) / before.max(1e-9)),
    };
    let margin = NORMAL_975 * dated.error;
    let interval = (size(since - margin), size(since + margin));
    let size = size(since);
    Change {
        channel: best.channel,
        since: origin + dated.before,
        within: (origin + dated.within.0, origin + dated.within.1),
        size,
        interval,
        is_larger: best.channel == Channel::Level && since.abs() > MOSTLY_CLIPPED,
        per_day: None,
        evidence,
    }
}

/// What a level that has moved by that on its scale is.
fn of_level(moved: f64, profile: &Profile) -> Size {
    if profile.scale.is_log {
        Size::Times(moved.exp())
    } else {
        Size::By(moved * profile.scale.typical)
    }
}

/// A change, of which what was dated in the same incident and has been forgotten since stays as it was.
pub(super) fn kept(change: Change, earlier: Option<&Change>, oldest: u64) -> Change {
    match earlier.filter(|earlier| earlier.channel == change.channel) {
        Some(earlier) if earlier.within.0 < oldest => Change {
            since: earlier.since,
            within: earlier.within,
            size: earlier.size,
            interval: earlier.interval,
            ..change
        },
        _ => change,
    }
}

/// A change of the level as what it is by its shape.
pub(super) fn shaped(
    change: Change,
    shape: Option<&Shape>,
    profile: &Profile,
    origin: u64,
    settings: &Settings,
) -> Change {
    let is_level = matches!(change.channel, Channel::Level | Channel::Drift);
    let Some(shape) = shape.filter(|_| is_level) else {
        return change;
    };
    let within = (origin + shape.within.0, origin + shape.within.1);
    let sizes = |ranged: Ranged, times: f64| {
        let of = |moved: f64| of_level(moved * times, profile);
        (of(ranged.best), (of(ranged.low), of(ranged.high)))
    };
    match shape.kind {
        Kind::Step => change,
        Kind::Open if shape.within.0 > shape.within.1 => change,
        // It may have begun when a step is likely to lie, or a drift.
        Kind::Open => Change {
            within: (change.within.0.min(within.0), change.within.1.max(within.1)),
            ..change
        },
        Kind::Drift => {
            let (size, interval) = sizes(shape.amount, 1.0);
            Change {
                channel: Channel::Drift,
                since: origin + shape.before,
                within,
                size,
                interval,
                is_larger: false,
                per_day: Some(sizes(shape.slope, settings.points_per_day)),
                evidence: change.evidence,
            }
        }
    }
}
