//! Change points of a whole series: pieces that are constant or linear, whichever describes it shortest.
//!
//! All ways to cut the series into up to 16 pieces are compared by dynamic programming, for both models. A cut
//! has to shorten the description: every piece pays for its parameters and every cut for its place, the more the
//! more neighbouring points depend on each other. So steps come out constant, growth and turning points linear. Positive
//! values are described as they are or by their logarithm, again whichever is shorter.
//!
//! Exact and deterministic: there is no window, no significance level and no random number.

mod costs;
mod fit;
mod length;
mod refine;
mod search;

use costs::Costs;
use fit::{Line, fit};
use length::{Choice, Length};

/// What may be set. The defaults serve all series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The noise that is always assumed, as a share of the variance of the series: without it smooth series are cut into
    /// ever finer pieces.
    pub floor: f64,
    /// By how much more than for independent points a parameter and a cut cost: for the first fit, and at least and at most
    /// once the dependence has been measured.
    pub first: f64,
    /// At least so much.
    pub least: f64,
    /// At most so much.
    pub most: f64,
    /// Pieces at most, 1 to 64.
    pub segments: usize,
    /// Points in a piece at least; three fifths of them where pieces are constant.
    pub shortest: usize,
    /// A series with more points is searched on means of neighbouring ones, then each cut is moved to its best place. At
    /// most 5000.
    pub coarse: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            floor: 0.02,
            first: 4.0,
            least: 2.0,
            most: 6.0,
            segments: 16,
            shortest: 5,
            coarse: 1_000,
        }
    }
}

/// What all pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A mean.
    Constant,
    /// A straight line; neighbouring ones need not join.
    Linear,
}

impl Model {
    const ALL: [Self; 2] = [Self::Constant, Self::Linear];

    fn parameters(self) -> usize {
        match self {
            Self::Constant => 1,
            Self::Linear => 2,
        }
    }

    /// Points in a piece at least.
    fn shortest(self, settings: &Settings) -> usize {
        let shortest = match self {
            Self::Constant => settings.shortest * 3 / 5,
            Self::Linear => settings.shortest,
        };
        shortest.max(2)
    }
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// The first point of the new piece, as its index in the series.
    pub index: usize,
    /// The evidence for it: 0.5, which is none, to 1: 1 - exp(-G / 2A) / 2, where the description grows by G without
    /// the cut, and one parameter costs A ln(n).
    pub score: f64,
}

/// A piece and what it is fitted by, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its first point with a value, as its index in the series.
    pub first: usize,
    /// Its last one.
    pub last: usize,
    /// The fitted value at the first point.
    pub start: f64,
    /// The fitted value at the last point.
    pub end: f64,
}

/// A series in pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmentation {
    /// What the pieces are.
    pub model: Model,
    /// Whether they are that of the logarithm, as where a value grows by the same share again and again: of positive values
    /// the shorter of both descriptions counts.
    pub is_log: bool,
    /// Where one ends and the next begins, in ascending order.
    pub cuts: Vec<Cut>,
    /// The pieces, one more than there are cuts; none where the series is too short or constant.
    pub parts: Vec<Part>,
}

/// Cuts a series. Points without a value, or with one that is not finite, are left out. A series of fewer than twice the
/// shortest piece, or without variance, has no pieces.
///
/// The memory is 0.2 kB a point up to 1000 points and does not grow much beyond; the time grows with the square up to
/// there, to about 20 ms.
pub fn segment(series: &[Option<f64>], settings: &Settings) -> Segmentation {
    let known = series.iter().enumerate();
    let known = known.filter_map(|(at, value)| Some((at, (*value).filter(|v| v.is_finite())?)));
    let (places, values): (Vec<usize>, Vec<f64>) = known.unzip();
    let nothing = || Segmentation {
        model: Model::Constant,
        is_log: false,
        cuts: Vec::new(),
        parts: Vec::new(),
    };
    if values.len() < 2 * settings.shortest {
        return nothing();
    }
    let logarithms = values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    // Twice the logarithm of what the change of scale does to each value.
    let growth = 2.0 * logarithms.iter().sum::<f64>() / values.len() as f64;
    let plain = Description::of(&values, 0.0, settings);
    let logged = (values.iter().all(|value| *value > 0.0))
        .then(|| Description::of(&logarithms, growth, settings))
        .flatten();
    let is_shorter = |logged: &Description, plain: &Description| logged.length < plain.length;
    let (best, values, is_log) = match (plain, logged) {
        (Some(plain), Some(logged)) if is_shorter(&logged, &plain) => (logged, logarithms, true),
        (Some(plain), _) => (plain, values, false),
        (None, _) => return nothing(),
    };
    let Description {
        model,
        cuts,
        scores,
        ..
    } = best;
    let back = |value: f64| if is_log { value.exp() } else { value };
    let place = |index: usize| places.get(index).copied().unwrap_or_default();
    let parts = pieces(&cuts, values.len()).map(|(from, to)| {
        let piece = values.get(from..to).unwrap_or_default();
        let Line { start, slope } = fit(piece, model);
        let last = to.saturating_sub(1);
        Part {
            first: place(from),
            last: place(last),
            start: back(start),
            end: back(start + slope * (last - from) as f64),
        }
    });
    let parts = parts.collect();
    let cuts = cuts.iter().zip(scores);
    let cuts = cuts.map(|(at, score)| Cut {
        index: place(*at),
        score,
    });
    Segmentation {
        model,
        is_log,
        cuts: cuts.collect(),
        parts,
    }
}

/// The shortest description of values on one scale.
struct Description {
    model: Model,
    cuts: Vec<usize>,
    scores: Vec<f64>,
    /// Twice its length, in the unit of the values.
    length: f64,
}

impl Description {
    /// `each` is twice what a value adds for its scale. `None` where nothing varies.
    fn of(values: &[f64], each: f64, settings: &Settings) -> Option<Self> {
        let (standard, sd) = standardised(values)?;
        let width = standard.len().div_ceil(settings.coarse.clamp(10, 5_000));
        let blocks = means(&standard, width);
        let costs = Costs::new(&blocks);
        let choice = choose(&blocks, &costs, settings);
        let scores = choice.scores(&costs);
        let length = choice.value + blocks.len() as f64 * (2.0 * sd.ln() + each);
        let Choice { model, cuts, .. } = choice;
        let cuts = if width == 1 {
            cuts
        } else {
            refine::refine(&standard, &cuts, model, width)
        };
        Some(Self {
            model,
            cuts,
            scores,
            length,
        })
    }
}

/// The model and the cuts with the shortest description. The dependence of neighbouring points, which makes cuts dearer, is
/// that of what the best pieces leave over, so that both are found in turns.
fn choose(blocks: &[f64], costs: &Costs, settings: &Settings) -> Choice {
    /// Turns; one is mostly enough.
    const ROUNDS: usize = 4;
    let paths = Model::ALL.map(|model| {
        let shortest = model.shortest(settings);
        let most = settings.segments.clamp(1, 64);
        (model, search::best_cuts(costs, model, most, shortest))
    });
    let mut length = Length::new(blocks.len(), settings.floor, settings.first);
    let mut choice = Choice::shortest(&paths, &length);
    for _ in 0..ROUNDS {
        length.inflation =
            length::inflation(blocks, &choice, settings.floor).clamp(settings.least, settings.most);
        choice = Choice::shortest(&paths, &length);
    }
    choice
}

/// The values less their mean, over their standard deviation, with that; `None` where it is nothing, or out of range.
fn standardised(values: &[f64]) -> Option<(Vec<f64>, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    let sd = (squares.sum::<f64>() / n).sqrt();
    let varies = sd.is_finite() && sd > 1e-12 * (1.0 + mean.abs());
    let standard = || values.iter().map(|value| (value - mean) / sd).collect();
    varies.then(|| (standard(), sd))
}

/// Means of whole blocks of that width.
fn means(values: &[f64], width: usize) -> Vec<f64> {
    let blocks = values.chunks_exact(width.max(1));
    blocks
        .map(|block| block.iter().sum::<f64>() / block.len() as f64)
        .collect()
}

/// Beginning and end of the pieces between cuts of so many points.
fn pieces(cuts: &[usize], n: usize) -> impl Iterator<Item = (usize, usize)> {
    let from = std::iter::once(0).chain(cuts.iter().copied());
    from.zip(cuts.iter().copied().chain([n]))
}

#[cfg(test)]
mod tests;
