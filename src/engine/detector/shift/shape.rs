//! How a level has changed: at once, or by so much a day.
//!
//! Over the blocks of the history three models are fitted by least squares, each at every moment that it may have begun at:
//! a step; a drift that goes on (a broken line); a drift that has ended. They have one, one and two moments, so the last pays
//! ½ ln of the number of blocks for its second one (G. Schwarz, *Estimating the dimension of a model*, 1978). Where all
//! evidence for a change is E, a step that is taken for a drift loses no more than a ninth of it, and the reverse: of a drift
//! that has just become visible nobody can tell what it is. So both stay possible until one is 20 times as likely.

use super::history::Block;

/// Odds of 20 to 1.
const SURE: f64 = 2.995_732_273_553_991;
/// Half the 95 % quantile of χ² with one degree of freedom: where a broken line bends is a smooth parameter, unlike where a
/// step lies (P. I. Feder, *The log likelihood ratio in segmented regression*, 1975).
const MARGIN: f64 = 1.920_729_410_347_062;
/// As long as it may be a step, the margin of those.
const OPEN_MARGIN: f64 = super::dating::MARGIN;
/// The noise of single blocks counts as so many longer ones where those tell what slow noise adds.
const PRIOR: f64 = 20.0;
/// The noise is no less than this share of what independent points would have.
const LEAST: f64 = 0.7;
/// Parameters of the largest model.
const FITTED: f64 = 4.0;
/// Points of the longer blocks of the noise, besides seasons.
const LONG: f64 = 96.0;
/// A step may take so many blocks, the one in which it lies and what the clipping of values leaves for the next one,
const STEP_BLOCKS: usize = 2;
/// and a drift takes more.
const LEAST_BLOCKS: usize = 3;

/// What is known of how a level has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may be either.
    #[default]
    Open,
    /// At once.
    Step,
    /// Bit by bit.
    Drift,
}

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ranged {
    pub best: f64,
    pub low: f64,
    pub high: f64,
}

/// How a level has changed, and how it has if it is a drift.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shape {
    pub kind: Kind,
    /// Points before it.
    pub before: u64,
    /// The fewest and most points before it; empty, as the first is above the last, where no drift is likely.
    pub within: (u64, u64),
    /// By how much it has gone each point, on the scale of the values.
    pub slope: Ranged,
    /// By how much it has gone until now.
    pub amount: Ranged,
}

/// What the fits are told.
pub(super) struct Given {
    /// The variance of independent points.
    pub variance: f64,
    /// Points in a season, and how many numbers describe one.
    pub season: f64,
    pub pairs: f64,
}

/// Sums of the blocks from the first on.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Points, and their weighted times, squared times, values, products and squared values.
    w: f64,
    t: f64,
    tt: f64,
    y: f64,
    ty: f64,
}

impl Sums {
    fn minus(self, other: Self) -> Self {
        Self {
            w: self.w - other.w,
            t: self.t - other.t,
            tt: self.tt - other.tt,
            y: self.y - other.y,
            ty: self.ty - other.ty,
        }
    }
}

/// A fit: how much less the squares are with it, the coefficient, and the sum of the squares of what it is of.
#[derive(Clone, Copy, Debug, Default)]
struct Fit {
    gain: f64,
    coefficient: f64,
    squares: f64,
}

/// A model with its moments: numbers of blocks.
#[derive(Clone, Copy, Debug)]
struct Model {
    fit: Fit,
    /// The first block after the beginning.
    from: usize,
    /// The first block after the end; a step ends where it begins.
    to: usize,
    /// How high a step is in its first blocks, as a share.
    rise: [f64; STEP_BLOCKS],
}

/// How the level has changed over these blocks, of which each follows on the one before; `None` where there are too few.
pub(super) fn shape(blocks: &[Block], given: &Given, was: Kind) -> Option<Shape> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let end = last.end as f64;
    let prefix = prefix(blocks, end);
    let all = *prefix.last()?;
    let least = first.begin as f64 + given.season;
    let starts = |from: &usize| {
        blocks
            .get(*from)
            .is_some_and(|block| block.begin as f64 >= least)
    };
    let candidates: Vec<usize> = (1..blocks.len()).filter(starts).collect();
    // How much of the evidence is left where less than a season has come since: the season is known from before only.
    let share = |from: usize| {
        let since = prefix.get(from).map_or(1.0, |before| all.w - before.w);
        let before = (all.w - since).max(1.0);
        let plain = 1.0 / since + 1.0 / before;
        let more = 2.0 * given.pairs * (1.0 - since / given.season).max(0.0) / before;
        plain / (plain + more)
    };
    let mut steps = Vec::with_capacity(candidates.len());
    let mut drifts = Vec::new();
    let count = blocks.len();
    for from in candidates {
        steps.push((step(blocks, &prefix, all, from)?, 0.0));
        for to in from + LEAST_BLOCKS..=count {
            // A drift that goes on has no second moment.
            let price = if to == count {
                0.0
            } else {
                0.5 * (count as f64).ln()
            };
            drifts.push((drift(blocks, &prefix, all, end, from, to)?, price));
        }
    }
    let largest = |models: &[(Model, f64)]| {
        let gain = |(model, _): &(Model, f64)| model.fit.gain;
        models
            .iter()
            .copied()
            .max_by(|a, b| gain(a).total_cmp(&gain(b)))
    };
    let (step, drift) = (largest(&steps)?, largest(&drifts)?);
    let best = if drift.0.fit.gain > step.0.fit.gain {
        drift.0
    } else {
        step.0
    };
    let noise = noise(blocks, all, end, &best, given) / share(best.from);
    let evidence = |(model, price): &(Model, f64)| model.fit.gain / (2.0 * noise) - price;
    let most = |models: &[(Model, f64)]| {
        models
            .iter()
            .copied()
            .max_by(|a, b| evidence(a).total_cmp(&evidence(b)))
    };
    let (step, drift) = (most(&steps)?, most(&drifts)?);
    let odds = evidence(&drift) - evidence(&step);
    let kind = match odds {
        odds if odds >= SURE || (was == Kind::Drift && odds > 0.0) => Kind::Drift,
        odds if odds <= -SURE || (was == Kind::Step && odds < 0.0) => Kind::Step,
        _ => Kind::Open,
    };
    let top = evidence(&drift);
    let margin = if kind == Kind::Drift {
        MARGIN
    } else {
        OPEN_MARGIN
    };
    let length = |model: &Model| {
        let begin = blocks
            .get(model.from)
            .map_or(0.0, |block| block.begin as f64);
        let stop = blocks.get(model.to).map_or(end, |block| block.begin as f64);
        stop - begin
    };
    let at = |from: usize| blocks.get(from).map_or(last.end, |block| block.begin);
    let mut within = (u64::MAX, 0);
    let exact = |value: f64| Ranged {
        best: value,
        low: value,
        high: value,
    };
    let (mut slope, mut amount) = (
        exact(drift.0.fit.coefficient),
        exact(drift.0.fit.coefficient * length(&drift.0)),
    );
    for one in &drifts {
        let slack = evidence(one) - (top - margin);
        if slack < 0.0 {
            continue;
        }
        let (model, _) = one;
        let is_first = at(model.from - 1) as f64 <= least;
        let low = if is_first {
            first.begin
        } else {
            at(model.from - 1)
        };
        within = (within.0.min(low), within.1.max(at(model.from + 1) - 1));
        let half = (2.0 * noise * slack / model.fit.squares).sqrt();
        for (ranged, times) in [(&mut slope, 1.0), (&mut amount, length(model))] {
            ranged.low = ranged.low.min((model.fit.coefficient - half) * times);
            ranged.high = ranged.high.max((model.fit.coefficient + half) * times);
        }
    }
    Some(Shape {
        kind,
        before: at(drift.0.from),
        within,
        slope,
        amount,
    })
}

fn prefix(blocks: &[Block], end: f64) -> Vec<Sums> {
    let mut sum = Sums::default();
    let mut all = vec![sum];
    for block in blocks {
        let (w, t, y) = (block.points(), block.middle() - end, block.mean);
        sum.w += w;
        sum.t += w * t;
        sum.tt += w * t * t;
        sum.y += w * y;
        sum.ty += w * t * y;
        all.push(sum);
    }
    all
}

/// Fits what is 0 before a block, and 1 after the first ones.
fn step(blocks: &[Block], prefix: &[Sums], all: Sums, from: usize) -> Option<Model> {
    let before = *prefix.get(from)?;
    // The last block is no part of the step, or there would be nothing after it.
    let settled = (from + STEP_BLOCKS).min(blocks.len() - 1).max(from);
    let after = all.minus(*prefix.get(settled)?);
    let (low, high) = (before.y / before.w, after.y / after.w);
    let mut rise = [1.0; STEP_BLOCKS];
    let (mut sum, mut squares, mut products) = (after.w, after.w, after.y);
    for (rise, block) in rise.iter_mut().zip(blocks.get(from..settled)?) {
        *rise = ((block.mean - low) / (high - low)).clamp(0.0, 1.0);
        if !rise.is_finite() {
            *rise = 1.0;
        }
        let weight = block.points() * *rise;
        sum += weight;
        squares += weight * *rise;
        products += weight * block.mean;
    }
    let fit = fit(all, sum, squares, products)?;
    Some(Model {
        fit,
        from,
        to: from,
        rise,
    })
}

/// Fits what is 0 before a block, rises by 1 each point up to another one, and stays.
fn drift(
    blocks: &[Block],
    prefix: &[Sums],
    all: Sums,
    end: f64,
    from: usize,
    to: usize,
) -> Option<Model> {
    let begin = blocks.get(from)?.begin as f64 - end;
    let height = blocks.get(to).map_or(0.0, |block| block.begin as f64 - end) - begin;
    let (before, until) = (*prefix.get(from)?, *prefix.get(to)?);
    let (during, after) = (until.minus(before), all.minus(until));
    let sum = during.t - begin * during.w + height * after.w;
    let squares =
        during.tt - 2.0 * begin * during.t + begin * begin * during.w + height * height * after.w;
    let products = during.ty - begin * during.y + height * after.y;
    let fit = fit(all, sum, squares, products)?;
    Some(Model {
        fit,
        from,
        to,
        rise: [1.0; STEP_BLOCKS],
    })
}

/// The fit beside a constant of what has this sum, sum of squares, and sum of products with the values.
fn fit(all: Sums, sum: f64, squares: f64, products: f64) -> Option<Fit> {
    let squares = squares - sum * sum / all.w;
    let products = products - sum * all.y / all.w;
    (squares > 0.0).then(|| Fit {
        gain: products * products / squares,
        coefficient: products / squares,
        squares,
    })
}

impl Model {
    /// How high it is in a block.
    fn height(&self, blocks: &[Block], number: usize, end: f64) -> f64 {
        let at = |number: usize| {
            blocks
                .get(number)
                .map_or(0.0, |block| block.begin as f64 - end)
        };
        if number < self.from {
            return 0.0;
        }
        if self.from == self.to {
            return self.rise.get(number - self.from).copied().unwrap_or(1.0);
        }
        let middle = blocks.get(number).map_or(0.0, |block| block.middle() - end);
        middle.min(at(self.to)) - at(self.from)
    }
}

/// The variance that a mean of points has, times their number, around a model: of the blocks as they are, of longer ones, and
/// of seasons, whichever is the most.
fn noise(blocks: &[Block], all: Sums, end: f64, model: &Model, given: &Given) -> f64 {
    let heights: Vec<f64> = (0..blocks.len())
        .map(|number| model.height(blocks, number, end))
        .collect();
    let shaped = || blocks.iter().zip(&heights);
    let mean = shaped()
        .map(|(block, height)| block.points() * height)
        .sum::<f64>()
        / all.w;
    let off: Vec<(f64, f64)> = shaped()
        .map(|(block, height)| {
            let fitted = all.y / all.w + model.fit.coefficient * (height - mean);
            (block.points(), block.mean - fitted)
        })
        .collect();
    let squares: f64 = off.iter().map(|(points, off)| points * off * off).sum();
    let single = squares / (off.len() as f64 - FITTED).max(1.0);
    let longer = |least: f64| {
        let (mut points, mut sum, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
        for (of, off) in &off {
            points += of;
            sum += of * off;
            if points >= least {
                squares += sum * sum / points;
                count += 1.0;
                (points, sum) = (0.0, 0.0);
            }
        }
        (PRIOR * single + squares) / (PRIOR + count - FITTED).max(1.0)
    };
    let floor = LEAST * given.variance;
    single
        .max(longer(LONG))
        .max(longer(given.season))
        .max(floor)
        .max(1e-300)
}
