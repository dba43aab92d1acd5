//! What is looked at: level, spread and tail of what is new in each point.

/// In which way a series has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Values have become larger or smaller: at once, or there is no telling yet.
    Level,
    /// Values have become larger or smaller bit by bit.
    Drift,
    /// Values vary more or less.
    Spread,
    /// More values are large, or the large ones are larger.
    Tail,
}

impl Channel {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Drift => "drift",
            Self::Spread => "spread",
            Self::Tail => "tail",
        }
    }
}

/// One number for each channel, in the order level, spread, tail.
pub(super) type Channels = [f64; 3];

/// The channels of several inputs, one after the other.
pub(super) fn zip<A, B, R>(a: [A; 3], b: [B; 3], mut f: impl FnMut(A, B) -> R) -> [R; 3] {
    let ([a0, a1, a2], [b0, b1, b2]) = (a, b);
    [f(a0, b0), f(a1, b1), f(a2, b2)]
}

pub(super) const LEVEL_CLIP: f64 = 2.5;
pub(super) const SPREAD_CLIP: f64 = 3.0;
pub(super) const TAIL_CLIP: f64 = 2.0;
/// Weight of a tail value right after a hot point: odd values come in bursts of a few, a slow decile does not.
const BURST: f64 = 0.4;
/// A point this far beyond the upper decile is hot.
const HOT: f64 = 0.6;

/// The channels of a point that is `u` standard deviations off, and whether it is hot itself.
pub(super) fn channels(u: f64, decile: f64, is_after_hot: bool) -> (Channels, bool) {
    let weight = if is_after_hot { BURST } else { 1.0 };
    let tail = (u - decile).clamp(0.0, TAIL_CLIP) * weight;
    let values = [
        u.clamp(-LEVEL_CLIP, LEVEL_CLIP),
        u.abs().min(SPREAD_CLIP),
        tail,
    ];
    (values, is_hot(u, decile))
}

/// Whether a point is far out.
pub(super) fn is_hot(u: f64, decile: f64) -> bool {
    u > decile + HOT
}
