//! temporary
use crate::engine::measurement::count;
pub fn shift(
    one: &[(f64, u64)],
    other: &[(f64, u64)],
    widen: (f64, f64),
) -> Option<(f64, f64, f64)> {
    let n: f64 = one.iter().map(|(_, n)| count(*n)).sum();
    let m: f64 = other.iter().map(|(_, n)| count(*n)).sum();
    let pairs = n * m;
    let at = |target: f64| {
        let (mut low, mut high) = (
            one.first()?.0 - other.last()?.0,
            one.last()?.0 - other.first()?.0,
        );
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let mut k = 0;
            let mut below = 0.0;
            let mut sum = 0.0;
            // pairs with x - y <= middle: y >= x - middle
            let mut total_other = m;
            for (x, nx) in one {
                while let Some((y, ny)) = other.get(k)
                    && *y < x - middle
                {
                    below += count(*ny);
                    k += 1;
                }
                let _ = &mut total_other;
                sum += count(*nx) * (m - below);
            }
            if sum < target {
                low = middle
            } else {
                high = middle
            }
        }
        Some(f64::midpoint(low, high))
    };
    let sd = (n * m * (n + m + 1.0) / 12.0 * (widen.0 * n.recip() + widen.1 * m.recip())
        / (n.recip() + m.recip()))
    .sqrt();
    let c = 1.959964 * sd;
    Some((
        at((pairs / 2.0 - c).max(0.0))?,
        at(pairs / 2.0)?,
        at((pairs / 2.0 + c).min(pairs))?,
    ))
}
pub fn counted_quantile_interval(
    values: &[(f64, u64)],
    q: f64,
    level: f64,
    effective: f64,
) -> Option<(f64, f64)> {
    let z = super::normal_quantile(f64::midpoint(1.0, level))?;
    let half = z * (q * (1.0 - q) / effective).sqrt();
    Some((
        crate::engine::cohort::quantile(values, q - half)?,
        crate::engine::cohort::quantile(values, q + half)?,
    ))
}
