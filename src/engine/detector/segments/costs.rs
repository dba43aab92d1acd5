//! The squared error of any piece in constant time, from sums up to each point.

use super::Model;

/// Times of a piece that vary less than this are one time.
const SAME_TIME: f64 = 1e-15;

/// Sums up to a point, of the values, their squares, the times, their squares, and the products of both.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    value: f64,
    square: f64,
    time: f64,
    time_square: f64,
    product: f64,
}

/// The squared errors of the pieces of a series.
#[derive(Debug)]
pub(super) struct Costs {
    /// One more than there are points; the first is 0.
    sums: Vec<Sums>,
}

impl Costs {
    /// Of values with mean 0 and variance 1, so that differences of sums lose little. Times are centred and run over 1.
    pub(super) fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mut sums = Vec::with_capacity(values.len() + 1);
        let mut sum = Sums::default();
        sums.push(sum);
        for (place, value) in values.iter().enumerate() {
            let time = (place as f64 - n / 2.0) / n;
            sum.value += value;
            sum.square += value * value;
            sum.time += time;
            sum.time_square += time * time;
            sum.product += value * time;
            sums.push(sum);
        }
        Self { sums }
    }

    /// How many points there are.
    pub(super) fn points(&self) -> usize {
        self.sums.len().saturating_sub(1)
    }

    /// The squared error of the points from one on, up to but not with another, around their mean or their line.
    pub(super) fn of(&self, from: usize, to: usize, model: Model) -> f64 {
        match (self.sums.get(from), self.sums.get(to)) {
            (Some(first), Some(last)) => error(first, last, (to - from) as f64, model),
            _ => f64::INFINITY,
        }
    }

    /// The same up to one point, of pieces from each point on that leave at least `shortest`, from the first on.
    pub(super) fn up_to(
        &self,
        to: usize,
        shortest: usize,
        model: Model,
    ) -> impl Iterator<Item = f64> {
        let last = self.sums.get(to).copied().unwrap_or_default();
        let from = self.sums.iter().take((to + 1).saturating_sub(shortest));
        from.enumerate()
            .map(move |(from, first)| error(first, &last, (to - from) as f64, model))
    }
}

fn error(first: &Sums, last: &Sums, n: f64, model: Model) -> f64 {
    let value = last.value - first.value;
    let mut error = last.square - first.square - value * value / n;
    if model == Model::Linear {
        let time = last.time - first.time;
        let spread = last.time_square - first.time_square - time * time / n;
        let slope = last.product - first.product - time * value / n;
        if spread > SAME_TIME {
            error -= slope * slope / spread;
        }
    }
    error.max(0.0)
}
