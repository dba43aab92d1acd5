//! Whether a series drifts, in spite of noise that depends on itself and of a season, and how fast.

use super::dependence::{MOST_PERSISTENT, autocorrelation};
use super::interval::Estimate;
use super::rank::midranks;
use super::trend::{inflation, mann_kendall_inflated, theil_sen};
use super::{ascending, finite, linear, normal, size};

/// A season is taken off where its phases have at least so many values each, on average. With three, what is left looks
/// so much calmer than it is that a flat series passes for a trend in 3 % of cases instead of 0.3 %.
pub const LEAST_PERIODS: f64 = 5.0;
/// So many standard errors are added to an estimated persistence: see [`drift`].
const CAUTION: f64 = 0.7;
/// Standard errors beyond which a persistence is no chance at 5 %, to one side.
const SIGNIFICANT: f64 = 1.644_853_626_951_472_7;
/// Values count as equal where they differ by less than this part of the largest: as much as rounding may make.
const ROUNDING: f64 = 1e-9;

/// What is known of the drift of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Change per unit of time, with its 95 % interval.
    pub slope: Estimate,
    /// The value of the line at time 0.
    pub intercept: f64,
    /// Standard deviations from no trend; above 0 where values rise.
    pub z: f64,
    /// The probability of rising so clearly without a trend.
    pub p_rise: f64,
    /// The probability of falling so clearly without a trend.
    pub p_fall: f64,
    /// As many independent values tell as much as these.
    pub effective: f64,
    /// Whether a season was taken off.
    pub is_seasonal: bool,
}

/// The drift of values at strictly ascending `times`; `phases` says which phase of a season each value is of.
///
/// The season is the median of each phase once a first line is taken off, whose slope is the median of slopes between
/// values of the same phase (R. M. Hirsch, J. R. Slack, R. A. Smith, *Techniques of Trend Analysis for Monthly Water Quality
/// Data*, 1982), so that no season bends it. It is taken off where phases have [`LEAST_PERIODS`] values each; the variance
/// is then multiplied by m / (m − 1) for m values a phase, because as many degrees of freedom went into the medians.
///
/// The slope is that of Theil and Sen, the test that of Mann and Kendall with the variance of Hamed and Rao for a
/// first-order autoregression ([`super::trend`]). Its persistence is the correlation r of neighbouring ranks around the
/// line, plus (2 + 4 r) / n, its bias once a line is taken off (M. G. Kendall, 1954), plus 0.7 of its standard error
/// √((1 − r²) / n): too small an estimate makes a trend of slow noise, and one as often too small as too large is not
/// enough far out in the tails. Flat series of 4000 (from n = 120 on 1000) in which a trend was found at p ≤ 0.001 to
/// either side; exponentials of autoregressions, their logarithms of standard deviation 0.3:
///
/// | n | persistence | without correction | r with bias | and half an error | and a whole one |
/// |---|---|---|---|---|---|
/// | 14 | 0.8 | 10.1 % | 3.3 % | 1.4 % | 0.4 % |
/// | 30 | 0.5 | 3.6 % | 0.9 % | 0.5 % | 0.3 % |
/// | 30 | 0.8 | 8.0 % | 2.3 % | 1.4 % | 0.7 % |
/// | 56, season of 8 off | 0.8 | 16 % | 1.4 % | 0.7 % | 0.4 % |
/// | 168, season of 24 off | 0 | 0.5 % | 0.4 % | 0.3 % | 0.2 % |
/// | 168, season of 24 off | 0.5 | 9.9 % | 0.3 % | 0.2 % | 0.1 % |
/// | 168, season of 24 off | 0.8 | 36 % | 1.3 % | 0.8 % | 0.2 % |
/// | 168, season of 24 left in | 0.8 | 19 % | 0.2 % | 0 | 0 |
///
/// A season that is left in makes no trends, but hides them: of slopes that are found in all of 168 independent values
/// without a season it left none to be found.
///
/// The values that are worth as many independent ones are counted with a persistence only where it is no chance: an
/// estimate above 0 comes of half of all independent series. `None` under three values, where times do not ascend, and
/// where something leaves the range of a float.
pub fn drift(times: &[f64], values: &[f64], phases: Option<&[usize]>) -> Option<Drift> {
    if values.len() < 3 || times.len() != values.len() || !finite(values) {
        return None;
    }
    let n = size(values.len());
    let season = phases.and_then(|phases| season(times, values, phases));
    let (values, lost) = match &season {
        Some(season) => (season.rest.as_slice(), season.lost),
        None => (values, 1.0),
    };
    let largest = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let first = theil_sen(times, values, 0.95, 1.0)?;
    let rests = times.iter().zip(values);
    let rests: Vec<f64> = rests.map(|(t, v)| v - first.slope.value * t).collect();
    let rests = rounded(&rests, largest);
    if !finite(&rests) {
        return None;
    }
    let persistence = persistence(&midranks(&rests));
    let inflated = lost * inflation_of(persistence.map(|p| p.cautious), n);
    let test = mann_kendall_inflated(&rounded(values, largest), inflated)?;
    let line = theil_sen(times, values, 0.95, inflated)?;
    let plain = persistence.filter(|p| p.is_significant).map(|p| p.unbiased);
    Some(Drift {
        slope: line.slope,
        intercept: line.intercept,
        z: test.z,
        p_rise: normal::survival(test.z)?,
        p_fall: normal::survival(-test.z)?,
        effective: n / inflation_of(plain, n),
        is_seasonal: season.is_some(),
    })
}

/// Values without what rounding may have added to equal ones.
fn rounded(values: &[f64], largest: f64) -> Vec<f64> {
    let step = largest * ROUNDING;
    let round = |value: &f64| {
        if step.is_normal() {
            (value / step).round() * step
        } else {
            *value
        }
    };
    values.iter().map(round).collect()
}

#[derive(Clone, Copy)]
struct Persistence {
    unbiased: f64,
    cautious: f64,
    is_significant: bool,
}

/// The persistence of ranks around a line; `None` where all are the same.
fn persistence(ranks: &[f64]) -> Option<Persistence> {
    let n = size(ranks.len());
    let raw = autocorrelation(ranks, 1)?;
    let within = |r: f64| r.clamp(0.0, MOST_PERSISTENT);
    let unbiased = within(raw + (2.0 + 4.0 * raw) / n);
    let error = ((1.0 - unbiased * unbiased) / n).sqrt();
    Some(Persistence {
        unbiased,
        cautious: within(unbiased + CAUTION * error),
        is_significant: raw > SIGNIFICANT / n.sqrt(),
    })
}

/// The inflation of the variance for values of that persistence.
fn inflation_of(persistence: Option<f64>, n: f64) -> f64 {
    let Some(first) = persistence else {
        return 1.0;
    };
    let mut powers = Vec::new();
    let mut power = first;
    // What is smaller adds nothing.
    while power > 1e-12 && size(powers.len()) < n - 1.0 {
        powers.push(power);
        power *= first;
    }
    inflation(&powers, n)
}

struct Season {
    /// Values without the season.
    rest: Vec<f64>,
    /// By how much the degrees of freedom that it took let the variance seem too small.
    lost: f64,
}

/// Takes the season off; `None` where there are too few values to know it.
fn season(times: &[f64], values: &[f64], phases: &[usize]) -> Option<Season> {
    let number = phases.iter().max()? + 1;
    let mut members: Vec<Vec<(f64, f64)>> = vec![Vec::new(); number];
    for (phase, at) in phases
        .iter()
        .zip(times.iter().copied().zip(values.iter().copied()))
    {
        members.get_mut(*phase)?.push(at);
    }
    let occupied = size(members.iter().filter(|phase| !phase.is_empty()).count());
    let each = size(values.len()) / occupied;
    if occupied < 2.0 || each < LEAST_PERIODS {
        return None;
    }
    let mut slopes = Vec::new();
    for phase in &members {
        for (place, (time, value)) in phase.iter().enumerate() {
            let later = phase.iter().skip(place + 1);
            slopes.extend(later.map(|(t, v)| (v - value) / (t - time)));
        }
    }
    let slope = median(&slopes)?;
    let levels: Vec<Option<f64>> = members
        .iter()
        .map(|phase| {
            let rests: Vec<f64> = phase.iter().map(|(t, v)| v - slope * t).collect();
            median(&rests)
        })
        .collect();
    let rests = times.iter().zip(values).map(|(t, v)| v - slope * t);
    let middle = median(&rests.collect::<Vec<f64>>())?;
    let rest = phases.iter().zip(values).map(|(phase, value)| {
        let level = levels.get(*phase).copied().flatten()?;
        Some(value - (level - middle))
    });
    Some(Season {
        rest: rest.collect::<Option<_>>()?,
        lost: each / (each - 1.0),
    })
}

fn median(values: &[f64]) -> Option<f64> {
    linear(&ascending(values)?, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(n: u32, step: f64) -> Vec<f64> {
        (0..n).map(|i| f64::from(i) * step).collect()
    }

    #[test]
    fn a_line_is_found_whatever_rounding_leaves_around_it() {
        let times = days(10, 1.0);
        let values: Vec<f64> = times.iter().map(|t| 0.9 - 0.02 * t).collect();
        let drift = drift(&times, &values, None).unwrap();
        assert!((drift.slope.value + 0.02).abs() < 1e-9, "{drift:?}");
        assert_eq!(drift.effective, 10.0);
        assert!(drift.p_fall < 1e-3 && drift.p_rise > 0.99, "{drift:?}");
    }

    #[test]
    fn a_constant_has_slope_0_and_no_evidence() {
        let drift = drift(&days(20, 0.5), &[5.0; 20], None).unwrap();
        assert_eq!(
            (drift.slope.value, drift.z, drift.effective),
            (0.0, 0.0, 20.0)
        );
        assert_eq!(
            (drift.slope.interval.low, drift.slope.interval.high),
            (0.0, 0.0)
        );
    }

    #[test]
    fn a_season_is_taken_off_and_the_slope_under_it_found() {
        let times = days(168, 1.0 / 24.0);
        let phases: Vec<usize> = (0..168).map(|i| i % 24).collect();
        let season = |phase: &usize| if *phase < 8 { 10.0 } else { 1.0 };
        let values: Vec<f64> = (times.iter().zip(&phases))
            .map(|(t, phase)| season(phase) + 0.05 * t)
            .collect();
        let with = drift(&times, &values, Some(&phases)).unwrap();
        assert!(with.is_seasonal && with.p_rise < 1e-6, "{with:?}");
        assert!((with.slope.value - 0.05).abs() < 1e-6, "{with:?}");
        let few = drift(&times[..96], &values[..96], Some(&phases[..96])).unwrap();
        assert!(!few.is_seasonal, "four days are too few to know the season");
    }

    #[test]
    fn a_few_values_say_nothing() {
        assert_eq!(drift(&[0.0, 1.0], &[1.0, 2.0], None), None);
        assert_eq!(drift(&[0.0, 1.0, 1.0], &[1.0, 2.0, 3.0], None), None);
        assert_eq!(drift(&[0.0, 1.0, 2.0], &[1.0, f64::NAN, 3.0], None), None);
        assert_eq!(
            drift(&[0.0, 1.0, 2.0], &[f64::MAX, f64::MIN, f64::MAX], None),
            None
        );
    }
}
