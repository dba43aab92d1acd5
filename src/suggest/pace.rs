//! How often something runs: how long a window must be to hold enough runs, and how long a silence is none yet.

use std::time::Duration;

use super::seen::quantile;
use crate::engine::measurement::count;
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// Windows of time, in seconds. Beyond the longest, an alarm would come too late and stay too long; then runs are counted.
const WINDOWS: [u64; 6] = [
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
];
/// So much of the time a window holds enough runs.
const USUALLY: f64 = 0.9;
/// A window is looked at so many times until all of it is new.
const LOOKS: u32 = 4;
/// A silence shorter than this is none, however often something runs.
const LEAST_SILENCE: Duration = Duration::from_secs(5 * MINUTE);

/// The shortest window in which each of these courses usually holds `least` runs, at least four intervals between
/// evaluations; so many runs where that would take longer than an hour.
pub fn window<'a>(
    courses: impl IntoIterator<Item = &'a [(Timestamp, f64)]>,
    least: u32,
    interval: Duration,
) -> Reach {
    let needed = courses
        .into_iter()
        .map(|values| usual_span(values, least))
        .try_fold(Duration::ZERO, |most, span| Some(most.max(span?)));
    let windows = WINDOWS.iter().map(|seconds| Duration::from_secs(*seconds));
    let fits = |needed: Duration| {
        windows
            .into_iter()
            .find(|window| *window >= needed && *window >= interval * LOOKS)
    };
    needed
        .and_then(fits)
        .map_or(Reach::Runs(least), Reach::Time)
}

/// In what time so many runs usually come; `None` where there never were so many.
pub fn usual_span(values: &[(Timestamp, f64)], runs: u32) -> Option<Duration> {
    let runs = usize::try_from(runs).ok()?.max(1);
    let spans = values
        .windows(runs)
        .filter_map(|these| Some((these.first()?.0, these.last()?.0)));
    let seconds = spans.map(|(first, last)| last.since(first).as_secs_f64());
    let usual = quantile(seconds, USUALLY)?;
    Duration::try_from_secs_f64(usual).ok()
}

/// How long a breach of a window must last to fire: a fifth of a window of time, in whole minutes. A window of runs changes
/// with each run and needs no such time.
pub fn hold(reach: Reach) -> Duration {
    let minutes = reach.span().map_or(0, |span| span.as_secs() / 5 / MINUTE);
    Duration::from_secs(minutes * MINUTE)
}

/// The longest silence between two operations, rounded up, where they come so regularly that a longer one means something;
/// else why it means nothing.
///
/// Of `n` independent gaps the longest is about `ln n` times the mean (the maximum of exponential variables: E. J. Gumbel,
/// *Statistics of Extremes*, 1958). One of more than twice that is no chance but a habit, such as a night, and what is
/// beyond a habit is known only when it has come many times.
pub fn silence(ends: &[Timestamp]) -> Result<Duration, &'static str> {
    /// The history holds the longest silence so many times.
    const TIMES_SEEN: u32 = 10;
    let gaps = ends
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.since(*pair.first()?)));
    let gaps: Vec<Duration> = gaps.collect();
    let (Some(longest), Some(first), Some(last)) = (gaps.iter().max(), ends.first(), ends.last())
    else {
        return Err("there is none to miss");
    };
    let (longest, span) = (*longest, last.since(*first));
    let n = count(u64::try_from(gaps.len()).unwrap_or(u64::MAX));
    let by_chance = span.as_secs_f64() / n * (n.ln() + 1.0) * 2.0;
    if longest * TIMES_SEEN > span {
        return Err("its longest break is a tenth of the history or more");
    }
    if longest > LEAST_SILENCE && longest.as_secs_f64() > by_chance {
        return Err("it comes in bursts with long breaks between them");
    }
    Ok(round_up(longest.max(LEAST_SILENCE)))
}

/// To whole minutes under an hour, to ten minutes under ten hours, else to hours.
pub fn round_up(span: Duration) -> Duration {
    let seconds = span.as_millis().div_ceil(1_000);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX / 2);
    let step = match seconds {
        0..=HOUR => MINUTE,
        3_601..36_000 => 10 * MINUTE,
        _ => HOUR,
    };
    Duration::from_secs(seconds.div_ceil(step) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(seconds: i64, n: i64) -> Vec<(Timestamp, f64)> {
        (0..n)
            .map(|step| (Timestamp::from_millis(step * seconds * 1_000), 1.0))
            .collect()
    }

    #[test]
    fn a_window_usually_holds_enough_runs() {
        let quarter = Duration::from_secs(15);
        for (seconds, interval, expected, hold_minutes) in [
            (1, quarter, Reach::Time(Duration::from_secs(300)), 1),
            (15, quarter, Reach::Time(Duration::from_secs(300)), 1),
            (60, quarter, Reach::Time(Duration::from_secs(1_200)), 4),
            (180, quarter, Reach::Time(Duration::from_secs(3_600)), 12),
            (600, quarter, Reach::Runs(20), 0),
            (
                1,
                Duration::from_secs(300),
                Reach::Time(Duration::from_secs(1_200)),
                4,
            ),
        ] {
            let values = every(seconds, 100);
            let found = window([&values[..]], 20, interval);
            assert_eq!(found, expected, "every {seconds} s");
            assert_eq!(hold(found), Duration::from_secs(hold_minutes * 60));
        }
        let (often, seldom) = (every(1, 100), every(60, 100));
        let found = window([&often[..], &seldom[..]], 20, quarter);
        assert_eq!(found, Reach::Time(Duration::from_secs(1_200)));
        assert_eq!(
            window([&every(1, 19)[..]], 20, quarter),
            Reach::Runs(20),
            "never so many"
        );
    }

    #[test]
    fn a_silence_is_known_where_runs_are_regular() {
        let ends = |values: Vec<(Timestamp, f64)>| {
            let ends = values.into_iter().map(|(at, _)| at);
            ends.collect::<Vec<_>>()
        };
        let hour = Duration::from_secs(HOUR);
        assert_eq!(silence(&ends(every(3_600, 100))), Ok(hour));
        assert_eq!(silence(&ends(every(86_400, 100))), Ok(hour * 24));
        // However often it runs, a short silence is none.
        assert_eq!(silence(&ends(every(1, 10_000))), Ok(LEAST_SILENCE));
        assert!(silence(&ends(every(3_600, 10))).is_err());
        assert!(silence(&[]).is_err());
        // Busy by day, silent by night.
        let days = (0..20 * 86_400 / 60).map(|minute| minute * 60);
        let days = days.filter(|second| second % 86_400 < 43_200);
        let days: Vec<_> = days
            .map(|second| Timestamp::from_millis(second * 1_000))
            .collect();
        assert_eq!(
            silence(&days),
            Err("it comes in bursts with long breaks between them")
        );
    }

    #[test]
    fn spans_are_rounded_up_to_what_people_write() {
        for (seconds, expected) in [
            (61, 120),
            (3_600, 3_600),
            (3_601, 4_200),
            (35_999, 36_000),
            (36_001, 39_600),
        ] {
            let found = round_up(Duration::from_secs(seconds));
            assert_eq!(found, Duration::from_secs(expected), "{seconds}");
        }
    }
}
