//! How a level has changed: at once, or by so much a day.
//!
//! Over the blocks of the history three models are fitted by least squares, each at every moment that it may have begun at:
//! a step; a drift that goes on (a broken line); a drift that has ended. They have one, one and two moments, so the last pays
//! ½ ln of the number of blocks for its second one (G. Schwarz, *Estimating the dimension of a model*, 1978). Where all
//! evidence for a change is E, a step that is taken for a drift loses no more than a ninth of it, and the reverse: of a drift
//! that has just become visible nobody can tell what it is. So both stay possible until one is 20 times as likely.

use super::dating::MARGIN;
use super::history::Block;

/// Odds of 20 to 1.
const SURE: f64 = 2.995_732_273_553_991;
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

/// Drifts are tried at the beginnings of blocks, and then, where they are near those that are likely, within them.
const PARTS: [f64; 4] = [0.0, 0.25, 0.5, 0.75];
const HALFWAY: f64 = 0.25;
const COARSE: f64 = 3.0;

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

/// Models that were fitted, but for what can be found again from their moments.
#[derive(Clone, Copy, Debug)]
struct Tried {
    from: usize,
    to: usize,
    gain: f64,
    /// What the model pays for its second moment.
    price: f64,
}

/// How the level has changed over these blocks, of which each follows on the one before; `None` where there are too few.
pub(super) fn shape(blocks: &[Block], given: &Given, was: Kind) -> Option<Shape> {
    let series = Series::new(blocks)?;
    let least = series.begin(0) + given.season;
    let candidates = (1..blocks.len()).filter(|from| series.begin(*from) >= least);
    let count = blocks.len();
    let second = 0.5 * (count as f64).ln();
    let mut drifts = Vec::new();
    // The best step, the best drift that goes on, and the best one that has ended.
    let (mut step, mut lasting, mut ended) = (None, None, None);
    let keep = |best: &mut Option<Tried>, tried: Tried| {
        if best.is_none_or(|best| best.gain < tried.gain) {
            *best = Some(tried);
        }
    };
    for from in candidates {
        let tried = |to: usize, gain: f64, price: f64| Tried {
            from,
            to,
            gain,
            price,
        };
        keep(&mut step, tried(from, series.step(from)?.fit.gain, 0.0));
        for to in from + LEAST_BLOCKS..=count {
            let gain = series.drift(from, 0.0, to)?.gain;
            let (best, price) = if to == count {
                (&mut lasting, 0.0)
            } else {
                (&mut ended, second)
            };
            let tried = tried(to, gain, price);
            keep(best, tried);
            drifts.push(tried);
        }
    }
    let (step, lasting) = (step?, lasting?);
    let ended = ended.unwrap_or(lasting);
    let larger = if ended.gain > lasting.gain {
        ended
    } else {
        lasting
    };
    let best = if larger.gain > step.gain {
        Model {
            fit: series.drift(larger.from, 0.0, larger.to)?,
            from: larger.from,
            to: larger.to,
            rise: [1.0; STEP_BLOCKS],
        }
    } else {
        series.step(step.from)?
    };
    let noise = series.noise(&best, given) / series.share(best.from, given);
    let evidence = |tried: &Tried| tried.gain / (2.0 * noise) - tried.price;
    let drift = if evidence(&ended) > evidence(&lasting) {
        ended
    } else {
        lasting
    };
    let odds = evidence(&drift) - evidence(&step);
    let kind = match odds {
        odds if odds >= SURE || (was == Kind::Drift && odds > 0.0) => Kind::Drift,
        odds if odds <= -SURE || (was == Kind::Step && odds < 0.0) => Kind::Step,
        _ => Kind::Open,
    };
    // Where a broken line bends is a smooth parameter, for which half as much would do (P. I. Feder, *The log likelihood ratio
    // in segmented regression*, 1975), were it not that the season has learned from the beginning of the drift, and that the
    // moment of an alarm is no random one.
    let margin = MARGIN;
    let near = evidence(&drift) - margin - COARSE;
    let mut fine = Vec::new();
    for tried in drifts.iter().filter(|tried| evidence(tried) >= near) {
        for part in PARTS {
            let fit = series.drift(tried.from, part, tried.to)?;
            let evidence = fit.gain / (2.0 * noise) - tried.price;
            fine.push((tried, part, fit, evidence));
        }
    }
    let (tried, part, fit, most) = fine.iter().max_by(|a, b| a.3.total_cmp(&b.3))?;
    let whole = |points: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between the first and the last point"
        )]
        let whole = points.round().max(0.0) as u64;
        whole
    };
    let height = |tried: &Tried, part| series.begin(tried.to) - series.onset(tried.from, part);
    let mut shape = Shape {
        kind,
        before: whole(series.onset(tried.from, *part)),
        within: (u64::MAX, 0),
        slope: Ranged::of(fit.coefficient),
        amount: Ranged::of(fit.coefficient * height(tried, *part)),
    };
    for (tried, part, fit, evidence) in &fine {
        let slack = evidence - (most - margin);
        if slack < 0.0 {
            continue;
        }
        let onset = series.onset(tried.from, *part);
        // As far as halfway to the moments beside it.
        let is_first = *part == 0.0 && series.begin(tried.from - 1) < least;
        let low = if is_first {
            series.begin(0)
        } else if *part == 0.0 {
            onset - HALFWAY * series.height(tried.from - 1, tried.from)
        } else {
            onset - HALFWAY * series.height(tried.from, tried.from + 1)
        };
        let high = onset + HALFWAY * series.height(tried.from, tried.from + 1);
        let high = whole(high).min(series.end - 1);
        shape.within = (shape.within.0.min(whole(low)), shape.within.1.max(high));
        let half = (2.0 * noise * slack / fit.squares).sqrt();
        let height = height(tried, *part);
        for (ranged, times) in [(&mut shape.slope, 1.0), (&mut shape.amount, height)] {
            ranged.low = ranged.low.min((fit.coefficient - half) * times);
            ranged.high = ranged.high.max((fit.coefficient + half) * times);
        }
    }
    Some(shape)
}

impl Ranged {
    fn of(best: f64) -> Self {
        Self {
            best,
            low: best,
            high: best,
        }
    }
}

/// The blocks, with the sums that all fits are made of.
struct Series<'a> {
    blocks: &'a [Block],
    prefix: Vec<Sums>,
    all: Sums,
    end: u64,
}

impl<'a> Series<'a> {
    fn new(blocks: &'a [Block]) -> Option<Self> {
        let end = blocks.last()?.end;
        let mut all = Sums::default();
        let mut prefix = vec![all];
        for block in blocks {
            let (w, t, y) = (block.points(), block.middle() - end as f64, block.mean);
            all.w += w;
            all.t += w * t;
            all.tt += w * t * t;
            all.y += w * y;
            all.ty += w * t * y;
            prefix.push(all);
        }
        Some(Self {
            blocks,
            prefix,
            all,
            end,
        })
    }

    /// The points before a block; after the last one all of them.
    fn at(&self, number: usize) -> u64 {
        let block = self.blocks.get(number);
        block.map_or(self.end, |block| block.begin)
    }

    fn begin(&self, number: usize) -> f64 {
        self.at(number) as f64
    }

    /// The points between the beginnings of two blocks.
    fn height(&self, from: usize, to: usize) -> f64 {
        self.begin(to) - self.begin(from)
    }

    /// How much of the evidence is left where less than a season has come since: the season is known from before only.
    fn share(&self, from: usize, given: &Given) -> f64 {
        let before = self.prefix.get(from).map_or(1.0, |before| before.w);
        let since = (self.all.w - before).max(1.0);
        let plain = 1.0 / since + 1.0 / before;
        let more = 2.0 * given.pairs * (1.0 - since / given.season).max(0.0) / before;
        plain / (plain + more)
    }

    /// Fits what is 0 before a block, and 1 after the first ones.
    fn step(&self, from: usize) -> Option<Model> {
        let before = *self.prefix.get(from)?;
        // The last block is no part of the step, or there would be nothing after it.
        let settled = (from + STEP_BLOCKS).min(self.blocks.len() - 1).max(from);
        let after = self.all.minus(*self.prefix.get(settled)?);
        let (low, high) = (before.y / before.w, after.y / after.w);
        let mut rise = [1.0; STEP_BLOCKS];
        let (mut sum, mut squares, mut products) = (after.w, after.w, after.y);
        for (rise, block) in rise.iter_mut().zip(self.blocks.get(from..settled)?) {
            let share = ((block.mean - low) / (high - low)).clamp(0.0, 1.0);
            *rise = if share.is_finite() { share } else { 1.0 };
            let weight = block.points() * *rise;
            sum += weight;
            squares += weight * *rise;
            products += weight * block.mean;
        }
        let fit = self.fit(sum, squares, products)?;
        Some(Model {
            fit,
            from,
            to: from,
            rise,
        })
    }

    /// The points before a moment in a block, so far into it as a share of it.
    fn onset(&self, from: usize, part: f64) -> f64 {
        self.begin(from) + part * self.height(from, from + 1)
    }

    /// Fits what is 0 before a moment in a block, rises by 1 each point up to another block, and stays.
    fn drift(&self, from: usize, part: f64, to: usize) -> Option<Fit> {
        let end = self.end as f64;
        let onset = self.onset(from, part);
        let (begin, height) = (onset - end, self.begin(to) - onset);
        let (before, until) = (*self.prefix.get(from + 1)?, *self.prefix.get(to)?);
        let (during, after) = (until.minus(before), self.all.minus(until));
        // The mean height of the block with the moment.
        let block = self.blocks.get(from)?;
        let inside = self.begin(from + 1) - onset;
        let mean = inside * inside / (2.0 * block.points());
        let first = block.points() * mean;
        let sum = first + during.t - begin * during.w + height * after.w;
        let squares = first * mean + during.tt - 2.0 * begin * during.t
            + begin * begin * during.w
            + height * height * after.w;
        let products = first * block.mean + during.ty - begin * during.y + height * after.y;
        self.fit(sum, squares, products)
    }

    /// The fit beside a constant of what has this sum, sum of squares, and sum of products with the values.
    fn fit(&self, sum: f64, squares: f64, products: f64) -> Option<Fit> {
        let squares = squares - sum * sum / self.all.w;
        let products = products - sum * self.all.y / self.all.w;
        (squares > 0.0).then(|| Fit {
            gain: products * products / squares,
            coefficient: products / squares,
            squares,
        })
    }

    /// How high a model is in a block.
    fn model(&self, model: &Model, number: usize) -> f64 {
        if number < model.from {
            return 0.0;
        }
        if model.from == model.to {
            return (model.rise.get(number - model.from))
                .copied()
                .unwrap_or(1.0);
        }
        let middle = self.blocks.get(number).map_or(0.0, Block::middle);
        middle.min(self.begin(model.to)) - self.begin(model.from)
    }

    /// The variance that a mean of points has, times their number, around a model: of the blocks as they are, of longer ones,
    /// and of seasons, whichever is the most.
    fn noise(&self, model: &Model, given: &Given) -> f64 {
        let heights = (0..self.blocks.len()).map(|number| self.model(model, number));
        let shaped: Vec<(&Block, f64)> = self.blocks.iter().zip(heights).collect();
        let sum: f64 = shaped
            .iter()
            .map(|(block, height)| block.points() * height)
            .sum();
        let fitted = |height: f64| {
            self.all.y / self.all.w + model.fit.coefficient * (height - sum / self.all.w)
        };
        let off: Vec<(f64, f64)> = (shaped.iter())
            .map(|(block, height)| (block.points(), block.mean - fitted(*height)))
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
        (single.max(longer(LONG)).max(longer(given.season))).max(floor.max(1e-300))
    }
}
