//! Pieces as what they are fitted by.

use super::Model;

/// A line by its value at the first point and its rise to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) start: f64,
    pub(super) slope: f64,
}

/// The mean of a piece, or its least-squares line; a line through fewer than three points is their mean.
pub(super) fn fit(piece: &[f64], model: Model) -> Line {
    let n = piece.len() as f64;
    let mean = piece.iter().sum::<f64>() / n.max(1.0);
    if model == Model::Constant || piece.len() < 3 {
        return Line {
            start: mean,
            slope: 0.0,
        };
    }
    let centre = (n - 1.0) / 2.0;
    let products = piece.iter().enumerate();
    let products = products.map(|(place, value)| (place as f64 - centre) * (value - mean));
    let slope = products.sum::<f64>() / (n * (n * n - 1.0) / 12.0);
    Line {
        start: mean - slope * centre,
        slope,
    }
}

/// What the fit leaves over, point by point.
pub(super) fn residuals(piece: &[f64], model: Model) -> impl Iterator<Item = f64> {
    let Line { start, slope } = fit(piece, model);
    let points = piece.iter().enumerate();
    points.map(move |(place, value)| value - start - slope * place as f64)
}
