//! Detectors over recorded series: read, judged point by point as live, and written down.
//!
//! | Part | What is there |
//! |---|---|
//! | [`Series`], [`read()`] | a table of times or indices and values, with every fault at its line |
//! | [`Question`] | which detector, and what it is told |
//! | [`detect`] | the scores of a series and what was found in it |
//! | [`write()`] | the scores as a table |

mod found;
mod question;
mod read;
mod streams;
mod write;

#[cfg(test)]
mod tests;

pub use found::{Alert, Detection};
pub use question::{InvalidQuestion, Kind, Question, WarmUp};
pub use read::{At, Fault, ReadError, Series, read};
pub use write::write;

use crate::engine::detector::segments;

/// Judges a series.
///
/// # Errors
/// When the detector cannot be told what was asked, as where a season has too few points.
pub fn detect(series: &Series, question: &Question) -> Result<Detection, InvalidQuestion> {
    let steps = question.steps(series.step);
    Ok(match question.kind {
        Kind::Regression => streams::regression(series, question.regression(steps)?),
        Kind::Anomaly => streams::anomaly(series, &question.anomaly(steps)),
        Kind::Segments => {
            let values: Vec<Option<f64>> = series.points.iter().map(|point| point.value).collect();
            let segmentation = segments::segment(&values, &segments::Settings::default());
            found::of_segments(&segmentation)
        }
    })
}
