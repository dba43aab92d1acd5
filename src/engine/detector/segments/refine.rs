//! Cuts that were found on means of several points, moved to a single one.

use super::Model;
use super::costs::Costs;

/// Moves each cut, given in blocks of `width` points, to its best place within one block, its neighbours fixed.
pub(super) fn refine(values: &[f64], cuts: &[usize], model: Model, width: usize) -> Vec<usize> {
    let costs = Costs::new(values);
    let n = values.len();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut * width).collect();
    for place in 0..cuts.len() {
        let before = place.checked_sub(1).and_then(|before| cuts.get(before));
        let from = before.copied().unwrap_or(0);
        let to = cuts.get(place + 1).copied().unwrap_or(n);
        let Some(cut) = cuts.get_mut(place) else {
            continue;
        };
        let first = (from + 2).max(cut.saturating_sub(width));
        let last = to.saturating_sub(2).min(*cut + width);
        let mut least = f64::INFINITY;
        for at in first..=last {
            let error = error(&costs, from, at, model) + error(&costs, at, to, model);
            if error < least {
                (least, *cut) = (error, at);
            }
        }
    }
    cuts
}

/// A line through two points would fit anything.
fn error(costs: &Costs, from: usize, to: usize, model: Model) -> f64 {
    let model = if to - from < 3 {
        Model::Constant
    } else {
        model
    };
    costs.of(from, to, model)
}
