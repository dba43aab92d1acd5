//! The best cuts for each number of pieces, by dynamic programming.

use super::Model;
use super::costs::Costs;

/// Cuts and the squared error that they leave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) error: f64,
    pub(super) cuts: Vec<usize>,
}

/// The least errors up to a point, for 1, 2, .. pieces, and where the last of these begins.
#[derive(Clone, Debug)]
struct Ends {
    errors: Vec<f64>,
    begins: Vec<u16>,
}

/// The cuts with the least squared error for 1, 2, .. pieces of at least `shortest` points, as far as there is room.
///
/// F(k, j) = min over i of F(k - 1, i) + C(i, j). Each cost serves all k at once. Of equal errors the earliest cut wins.
pub(super) fn best_cuts(costs: &Costs, model: Model, most: usize, shortest: usize) -> Vec<Path> {
    let n = costs.points();
    let most = most.min(n / shortest.max(1));
    let mut ends: Vec<Ends> = Vec::with_capacity(n + 1);
    let none = Ends {
        errors: vec![f64::INFINITY; most],
        begins: vec![0; most],
    };
    ends.push(none.clone());
    for to in 1..=n {
        let mut best = none.clone();
        for ((from, cost), end) in costs.up_to(to, shortest, model).enumerate().zip(&ends) {
            let from = u16::try_from(from).unwrap_or(u16::MAX);
            // One piece begins with the series; k pieces go on from k - 1.
            let before = std::iter::once(if from == 0 { 0.0 } else { f64::INFINITY });
            let before = before.chain(end.errors.iter().copied());
            let slots = best.errors.iter_mut().zip(&mut best.begins);
            for ((least, begin), before) in slots.zip(before) {
                let error = before + cost;
                if error < *least {
                    (*least, *begin) = (error, from);
                }
            }
        }
        ends.push(best);
    }
    let paths = (0..most).map_while(|pieces| path(&ends, n, pieces));
    paths.collect()
}

/// The path of one piece more than that many up to the end.
fn path(ends: &[Ends], n: usize, more: usize) -> Option<Path> {
    let error = *ends.get(n)?.errors.get(more)?;
    let mut cuts = Vec::with_capacity(more);
    let mut to = n;
    for pieces in (1..=more).rev() {
        to = usize::from(*ends.get(to)?.begins.get(pieces)?);
        cuts.push(to);
    }
    cuts.reverse();
    error.is_finite().then_some(Path { error, cuts })
}
