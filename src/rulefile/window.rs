//! Windows as they are written.

use std::time::Duration;

use super::findings::Checker;
use super::threshold::Surroundings;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::window::Reach;

/// Most runs a window may reach back.
pub const MAX_RUNS: u32 = 10_000;

/// Reads the window of a condition, with a warning where it is too short to see everything.
pub(super) fn read(
    written: &str,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Reach> {
    let reach = match read_window(written, around.retention) {
        Ok(reach) => reach,
        Err(why) => {
            checker.fault(place, why);
            return None;
        }
    };
    if reach.span().is_some_and(|span| span < around.interval) {
        let interval = Period(around.interval);
        checker.warn(
            place,
            format!("window {written} is shorter than the {interval} between evaluations, so that some measurements are never looked at"),
        );
    }
    Some(reach)
}

/// A window as it is written: `10m`, `50 runs`, or `1h, at least 30 runs`. Data are kept for `retention`.
///
/// # Errors
/// Why it is none, and what is allowed.
pub fn read_window(written: &str, retention: Duration) -> Result<Reach, String> {
    let (time, runs) = match written.split_once(',') {
        Some((time, rest)) => (
            Some(time.trim_end()),
            rest.trim_start().strip_prefix("at least "),
        ),
        None if written.ends_with('n') || written.ends_with("runs") => (None, Some(written)),
        None => (Some(written), None),
    };
    let invalid = || {
        format!(
            "invalid window {written:?}, allowed: a time such as 10m, 1 to {MAX_RUNS} runs such as `50 runs`, or both such as `1h, at least 30 runs`"
        )
    };
    let count = runs.and_then(|runs| {
        let number = runs
            .strip_suffix("runs")
            .or_else(|| runs.strip_suffix("run"))?;
        let number = number.trim().parse().ok();
        number.filter(|n| (1..=MAX_RUNS).contains(n))
    });
    if count.is_none() && (runs.is_some() || written.contains(',')) {
        return Err(invalid());
    }
    let Some(time) = time else {
        return count.map(Reach::Runs).ok_or_else(invalid);
    };
    let Ok(Period(span)) = time.parse::<Period>() else {
        return Err(invalid());
    };
    if span.is_zero() || span > retention {
        let most = Period(retention);
        return Err(format!(
            "window {written} is out of range, allowed: above 0 and at most {most}, which is how long data are kept"
        ));
    }
    Ok(count.map_or(Reach::Time(span), |runs| Reach::AtLeast(span, runs)))
}

/// A window as it would be written: what [`read_window`] reads.
pub fn window_text(reach: Reach) -> String {
    match reach {
        Reach::Time(span) => Period(span).to_string(),
        Reach::Runs(1) => "1 run".to_owned(),
        Reach::Runs(runs) => format!("{runs} runs"),
        Reach::AtLeast(span, runs) => format!("{}, at least {runs} runs", Period(span)),
    }
}

/// How many values are judged at least; a window of runs may never hold more.
pub(super) fn min_samples(
    written: Option<u64>,
    default: u64,
    reach: Option<Reach>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> u64 {
    let wanted = written.unwrap_or(default);
    let most = match reach {
        Some(Reach::Runs(runs)) => u64::from(runs),
        Some(Reach::Time(_) | Reach::AtLeast(..)) | None => u64::MAX,
    };
    let place = place.key("min_samples");
    if wanted == 0 {
        checker.fault(
            &place,
            "`min_samples` of 0 is not possible, allowed: at least 1",
        );
    } else if wanted > most {
        checker.fault(
            &place,
            format!("`min_samples` of {wanted} can never be reached, allowed: at most the {most} runs of the window"),
        );
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_back_as_it_is_shown() {
        for text in ["10m", "1 run", "50 runs", "1h, at least 30 runs"] {
            let reach = read_window(text, Duration::MAX).unwrap();
            assert_eq!(window_text(reach), text);
        }
        assert_eq!(read_window("1 runs", Duration::MAX), Ok(Reach::Runs(1)));
        for text in ["0s", "0 runs", "10001 runs", "1h, 30 runs", "soon", ""] {
            assert!(read_window(text, Duration::MAX).is_err(), "{text}");
        }
    }
}
