//! Statistics, one file per family. Undefined results are `None`, never NaN; values that are not finite are refused
//! the same way.

pub mod counted;
pub mod dependence;
pub mod exceedance;
pub mod interval;
pub mod means;
mod moments;
pub mod normal;
pub mod proportion;
mod quantile;
pub mod rank;
pub mod robust;
pub mod student;
pub mod trend;

pub use counted::Counted;
pub use interval::{Estimate, Interval};
pub use moments::{Moments, Sum};
pub(crate) use quantile::{between, ranks};
pub use quantile::{linear, std_dev};

/// Whether all values are finite.
fn finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// The values in ascending order; `None` where there are none or one is not finite.
fn ascending(values: &[f64]) -> Option<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (!sorted.is_empty() && finite(&sorted)).then_some(sorted)
}

/// A number of things as a float.
fn size(n: usize) -> f64 {
    n as f64
}
