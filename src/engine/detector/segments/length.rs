//! How long the description of a series by pieces is.

use super::costs::Costs;
use super::fit::residuals;
use super::search::Path;
use super::{Model, pieces};

/// What makes a description long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    n: f64,
    floor: f64,
    /// How many points are worth one that is independent.
    pub(super) inflation: f64,
}

impl Length {
    pub(super) fn new(points: usize, floor: f64, inflation: f64) -> Self {
        Self {
            n: points as f64,
            floor,
            inflation,
        }
    }

    /// Twice the description's length: n ln(E / n + floor) + A ln(n) ((p + 1) k - 1) for k pieces of p parameters with the
    /// squared error E. A of 1 would be the criterion of Schwarz (1978), which takes points for independent.
    fn of(&self, error: f64, pieces: usize, model: Model) -> f64 {
        let parts = (model.parameters() + 1) * pieces - 1;
        let values = self.n * (error / self.n + self.floor).ln();
        values + self.inflation * self.n.ln() * parts as f64
    }
}

/// The shortest description.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) model: Model,
    pub(super) cuts: Vec<usize>,
    error: f64,
    length: Length,
    /// Twice its length.
    pub(super) value: f64,
}

impl Choice {
    /// Of all models and numbers of pieces; of equally short ones the first.
    pub(super) fn shortest(paths: &[(Model, Vec<Path>)], length: &Length) -> Self {
        let mut best = Self {
            model: Model::Constant,
            cuts: Vec::new(),
            error: 0.0,
            length: *length,
            value: f64::INFINITY,
        };
        for (model, paths) in paths {
            for path in paths {
                let value = length.of(path.error, path.cuts.len() + 1, *model);
                if value < best.value {
                    best = Self {
                        model: *model,
                        cuts: path.cuts.clone(),
                        error: path.error,
                        value,
                        ..best
                    };
                }
            }
        }
        best
    }

    /// The evidence for each cut: by how much the description grows without it, as 1 - exp(-G / 2A) / 2.
    pub(super) fn scores(&self, costs: &Costs) -> Vec<f64> {
        let pieces: Vec<(usize, usize)> = pieces(&self.cuts, costs.points()).collect();
        let neighbours = pieces.iter().zip(pieces.iter().skip(1));
        let scores = neighbours.map(|((from, cut), (_, to))| {
            let cost = |from: usize, to: usize| costs.of(from, to, self.model);
            let joined = self.error - cost(*from, *cut) - cost(*cut, *to) + cost(*from, *to);
            let without = self.length.of(joined, self.cuts.len(), self.model);
            let gain = (without - self.value).max(0.0);
            1.0 - 0.5 * (-gain / (2.0 * self.length.inflation)).exp()
        });
        scores.collect()
    }
}

/// (1 + r) / (1 - r), with r the autocorrelation from point to point of what the pieces leave over, 0 to 0.95.
pub(super) fn inflation(values: &[f64], choice: &Choice, floor: f64) -> f64 {
    let (mut squares, mut products) = (0.0, 0.0);
    for (from, to) in pieces(&choice.cuts, values.len()) {
        let piece = values.get(from..to).unwrap_or_default();
        let mut before = 0.0;
        for residual in residuals(piece, choice.model) {
            squares += residual * residual;
            products += residual * before;
            before = residual;
        }
    }
    let r = (products / (squares + floor * values.len() as f64)).clamp(0.0, 0.95);
    (1.0 + r) / (1.0 - r)
}
