//! Statistics, one file per family. Undefined results are `None`, never NaN; values that are not finite are refused
//! the same way.

pub mod counted;
pub mod dependence;
pub mod drift;
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

#[cfg(test)]
mod tests {
    use super::*;
    use means::{Mean, ratio, welch};
    use proptest::prelude::*;
    use trend::Correction;

    const ODD: [f64; 11] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.5,
        5e-324,
        -1e-200,
        1e160,
        -1e160,
        f64::MAX,
        f64::MIN,
    ];

    proptest! {
        #[test]
        fn no_result_is_nan_however_odd_the_values(
            a in prop::collection::vec(prop::sample::select(&ODD[..]), 0..9),
            b in prop::collection::vec(prop::sample::select(&ODD[..]), 0..9),
        ) {
            let (of_a, of_b) = (Counted::of(&a).unwrap(), Counted::of(&b).unwrap());
            let mut times = b.clone();
            times.sort_by(f64::total_cmp);
            times.dedup();
            let n = a.len().min(times.len());
            let (values, times) = (&a[..n], &times[..n]);
            let mean = |values: &[f64]| Mean::of(&Moments::of(values, &[]));
            let means = mean(&a).zip(mean(&b));
            let results = [
                format!("{:?}", rank::mann_whitney(&of_a, &of_b)),
                format!("{:?}", rank::hodges_lehmann(&of_a, &of_b, 0.3)),
                format!("{:?} {:?}", of_a.quantile(0.5), of_a.mean()),
                format!("{:?}", robust::median_and_deviation(&a)),
                format!("{:?}", robust::huber(&a, 1.5)),
                format!("{:?}", robust::median_interval(&of_a, 0.5)),
                format!("{:?}", dependence::autocorrelation(&a, 1)),
                format!("{:?}", dependence::dependence(&a)),
                format!("{:?}", trend::mann_kendall(&a)),
                format!("{:?}", trend::mann_kendall_dependent(times, values, Correction::FirstOrder)),
                format!("{:?}", trend::mann_kendall_dependent(times, values, Correction::Significant(9))),
                format!("{:?}", trend::theil_sen(times, values, 0.5, 1.0)),
                format!("{:?}", trend::line(times, values)),
                format!("{:?}", drift::drift(times, values, Some(&[0, 1, 0, 1, 0, 1, 0, 1, 0][..n]))),
                format!("{:?}", means.and_then(|(a, b)| welch(&a, &b, 0.95))),
                format!("{:?}", means.and_then(|(a, b)| ratio(&a, &b, 0.95))),
            ];
            for result in results {
                prop_assert!(!result.contains("NaN"), "{}", result);
            }
        }
    }
}
