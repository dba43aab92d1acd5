//! How many values lie beyond a value of other ones: known exactly whatever they are distributed like.

use statrs::function::gamma::ln_gamma;

/// The logarithm of the number of ways to choose `k` of `n`, also for numbers that are not whole.
pub fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

/// The logarithm of the beta function.
fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The probability that of `n` values at least `x` lie beyond that value of a reference of `m` independent ones beyond
/// which `r` of the reference lie, where both are of the same kind: beta-binomial with parameters r + 1 and m − r, whatever
/// their distribution (negative hypergeometric; N. L. Johnson, S. Kotz, *Urn Models*, 1977). Numbers that are not whole,
/// as dependence makes them, are rounded to the side that says less.
pub fn beyond(x: f64, n: f64, r: f64, m: f64) -> f64 {
    let (a, b) = (r + 1.0, (m - r).max(1e-9));
    let (x, n) = (x.floor(), n.ceil());
    let expected = n * a / (a + b);
    if x <= expected || x <= 0.0 {
        return 0.5_f64.max(1.0 - x / (2.0 * expected.max(0.5))).min(1.0);
    }
    // Terms fall from here on.
    let first = ln_choose(n, x) + ln_beta(x + a, n - x + b) - ln_beta(a, b);
    let (mut term, mut sum, mut k) = (1.0, 1.0, x);
    while k < n && term > 1e-12 * sum {
        term *= (n - k) / (k + 1.0) * (k + a) / (n - k - 1.0 + b);
        sum += term;
        k += 1.0;
    }
    (first.exp() * sum).min(0.5)
}
