//! How far the values of a window and its reference depend on each other, and how much stretches of the reference differ.

use crate::engine::cohort::{Block, Cohort};
use crate::engine::measurement::count;

/// Blocks from which dependence is estimated; with fewer in the reference those of the window are taken with them.
const ENOUGH_BLOCKS: usize = 50;
/// Batches that the variance of batch means is taken from.
const LEAST_BATCHES: usize = 12;
/// So many standard errors are more than chance: one case in forty.
const SURELY: f64 = 2.0;
/// Of so few values dependence is estimated so badly that less than [`SURELY`] has to count, in proportion.
const FEW: f64 = 150.0;

/// By how much less several values tell than as many independent ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dependence {
    /// The variance of a mean of values is so many times that of as many independent ones.
    pub(super) factor: f64,
    /// On how many independent blocks that rests; `None` where nothing speaks against independence.
    pub(super) blocks: Option<f64>,
}

impl Dependence {
    pub(super) fn of(window: &Cohort, reference: &Cohort) -> Self {
        // The window may hold the change that is looked for, which would pass for dependence.
        if reference.blocks.len() >= ENOUGH_BLOCKS {
            let each = values_per_block(reference);
            let length = (count(window.summary.n) / each).round();
            return Self::within(&[&reference.blocks], reference.variance, length);
        }
        // How alike neighbours are depends on how many values a block holds: it has to be the same on both sides.
        let each = values_per_block(window).max(values_per_block(reference));
        let alike = |cohort: &Cohort| Block::together(&cohort.blocks, each);
        let (one, other) = (alike(window), alike(reference));
        let (n, m) = (count(window.summary.n), count(reference.summary.n));
        let single = (window.variance * n + reference.variance * m) / (n + m);
        let length = count(one.len() as u64);
        let both = Self::within(&[&other, &one], single, length);
        if each <= values_per_block(window) {
            return both;
        }
        // What neighbours have in common is no longer to be seen in the long blocks of a few hours long ago. The window
        // itself has it, at the price that a change within it passes for dependence until it fills the window.
        let length = count(window.blocks.len() as u64);
        let own = Self::within(&[&window.blocks], window.variance, length);
        if own.factor > both.factor { own } else { both }
    }

    /// Of blocks in which a single value has that variance, for a mean of so many blocks.
    fn within(stretches: &[&[Block]], single: f64, length: f64) -> Self {
        let deviations: Vec<f64> = stretches
            .iter()
            .flat_map(|blocks| deviations(blocks))
            .collect();
        let m = count(deviations.len() as u64);
        let each = stretches
            .iter()
            .copied()
            .flatten()
            .map(|block| block.n)
            .sum::<f64>()
            / m;
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        if m < 3.0 || squares <= 0.0 {
            return Self {
                factor: 1.0,
                blocks: None,
            };
        }
        // Values may be alike within a block as well. What chance does is not counted.
        let ratio = squares / (m - count(stretches.len() as u64)) / single;
        let within = if each > 1.0 && ratio > 1.0 + SURELY * (2.0 / m).sqrt() {
            ratio
        } else {
            1.0
        };
        let between = inflation(&deviations, length);
        Self {
            factor: within * between,
            blocks: (within > 1.0 || between > 1.0).then_some(m / between),
        }
    }

    /// The same where the means of stretches differ as well.
    pub(super) fn and(self, apart: Option<Apart>) -> Self {
        Self {
            factor: self.factor * apart.map_or(1.0, |apart| 1.0 + apart.excess),
            ..self
        }
    }

    /// The number of independent values that tell as much as those of a cohort.
    pub(super) fn effective(&self, cohort: &Cohort) -> f64 {
        count(cohort.summary.n) / self.factor
    }
}

fn values_per_block(cohort: &Cohort) -> f64 {
    count(cohort.summary.n) / count(cohort.blocks.len().max(1) as u64)
}

pub(super) fn mean(blocks: &[Block]) -> f64 {
    let n: f64 = blocks.iter().map(|block| block.n).sum();
    blocks.iter().map(|block| block.mean * block.n).sum::<f64>() / n
}

/// The deviations of block means from their mean, each of the variance of a single value where values are independent.
fn deviations(blocks: &[Block]) -> Vec<f64> {
    let mean = mean(blocks);
    (blocks.iter())
        .map(|block| (block.mean - mean) * block.n.sqrt())
        .collect()
}

/// By which factor the variance of a mean of `length` consecutive values is larger than that of independent ones; at
/// least 1. `deviations` are such values in their order, with mean 0.
///
/// Two estimates, of which the larger counts: that of a first-order autoregression, (1 + ρ) ÷ (1 − ρ), with the small-sample
/// correction of ρ by F. H. C. Marriott and J. A. Pope (*Bias in the estimation of autocorrelations*, 1954); and the
/// variance of the means of batches up to the window's own length, which also sees slow waves such as a daily one. Either
/// counts only where it is more than chance makes of independent values.
fn inflation(deviations: &[f64], length: f64) -> f64 {
    let m = count(deviations.len() as u64);
    let squares: f64 = deviations.iter().map(|d| d * d).sum();
    let pairs = deviations.iter().zip(deviations.iter().skip(1));
    let rho = pairs.map(|(one, next)| one * next).sum::<f64>() / squares;
    let mut most = if rho > SURELY / m.sqrt() * (m / FEW).min(1.0) {
        let rho = (rho + (1.0 + 3.0 * rho) / m).min(0.99);
        (1.0 + rho) / (1.0 - rho)
    } else {
        1.0
    };
    let mut batch = 2_usize;
    while count(batch as u64) <= length.max(2.0) && deviations.len() / batch >= LEAST_BATCHES {
        let batches = deviations.chunks_exact(batch);
        let k = count(batches.len() as u64);
        let sums = batches
            .map(|batch| batch.iter().sum::<f64>().powi(2))
            .sum::<f64>();
        let ratio = sums / (k * count(batch as u64)) * (m / squares) * (k / (k - 1.0));
        if ratio > most * (1.0 + SURELY * (2.0 / k).sqrt()) {
            most = ratio;
        }
        batch *= 2;
    }
    most
}

/// How much more the means of stretches that lie apart differ than their values explain: that of one day from that of
/// another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apart {
    /// The variance of their means over that of means of as many values that depend on each other as these do, less 1.
    pub(super) excess: f64,
    /// Stretches.
    pub(super) k: f64,
}

/// The components of variance of stretches and of values within them (one-way random effects; S. R. Searle, G. Casella, C.
/// E. McCulloch, *Variance Components*, 1992, 3.5).
pub(super) fn apart(reference: &Cohort, d: Dependence) -> Option<Apart> {
    let k = count(reference.apart.len() as u64);
    if k < 2.0 {
        return None;
    }
    let squares: f64 = deviations(&reference.apart).iter().map(|d| d * d).sum();
    let ratio = squares / (k - 1.0) / (reference.variance * d.factor);
    Some(Apart {
        excess: (ratio - 1.0).max(0.0),
        k,
    })
    .filter(|apart| apart.excess.is_finite())
}
