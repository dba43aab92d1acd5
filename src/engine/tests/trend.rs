//! Rules on trends, through the engine.

use super::*;
use crate::engine::baseline::Source;
use crate::engine::condition::{Budget, Pace, Reaches, Trend};
use crate::engine::judge::Datum;
use crate::engine::metric::Worse;
use crate::engine::store::SeriesId;
use crate::engine::trend::{Frame, Point, gather};
use crate::engine::watched::Watched;

const HOUR: u64 = 3_600;

/// At that many seconds after the beginning of a day.
fn then(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(20_000 * 24 * HOUR + seconds))
}

fn frame(window_hours: u64, bucket_hours: u64) -> Frame {
    let hours = |n| Duration::from_secs(n * HOUR);
    Frame::new(hours(window_hours), hours(bucket_hours)).unwrap()
}

/// `Creeps`: the median rising by 10 % a day over two days.
fn creeps() -> Trend {
    Trend {
        metric: Metric::Duration,
        stat: Stat::Quantile(0.5),
        frame: frame(48, 1),
        towards: Worse::Up,
        levels: vec![Level {
            severity: Some(Severity::Medium),
            limit: 0.1,
            recover: Some(0.08),
        }],
        pace: Pace::Relative,
        reaches: None,
        recover: 0.8,
        budget: Budget::default(),
        min_samples: 10,
    }
}

fn engine_of(trend: Trend) -> Engine {
    let rule = Rule {
        name: "Creeps".into(),
        condition: Condition::Trend(trend),
        annotations: Vec::new(),
        ..rule()
    };
    let settings = Settings {
        groups: vec![group(rule)],
        ..Settings::default()
    };
    Engine::new(settings, then(0))
}

/// Runs every ten minutes whose seconds `of` says, by hours, and an evaluation after each hour. When which change came.
fn run(
    engine: &mut Engine,
    hours: std::ops::Range<u64>,
    of: impl Fn(f64) -> f64,
) -> Vec<(u64, bool)> {
    let mut changes = Vec::new();
    let mut fired = engine.groups()[0].rules[0]
        .alerts()
        .any(|a| a.state.is_firing());
    for hour in hours {
        for part in 0..6_u32 {
            let seconds = hour * HOUR + u64::from(part) * 600 + 300;
            let wobble = 1.0 + 0.01 * f64::from((part * 7 + 3) % 5);
            let at = Duration::from_secs(seconds).as_secs_f64() / 3_600.0;
            measure(engine, "op", of(at) * wobble, then(seconds));
        }
        let now = then((hour + 1) * HOUR + 5);
        tick(engine, now);
        let is_firing = engine.groups()[0].rules[0]
            .alerts()
            .any(|a| a.state.is_firing());
        if is_firing != fired {
            changes.push((hour + 1, is_firing));
            fired = is_firing;
        }
    }
    changes
}

fn verdict(engine: &Engine) -> judge::Tracked {
    engine.groups()[0].rules[0].alerts().next().unwrap().clone()
}

#[test]
fn a_rise_is_found_and_ends_once_it_is_flat_again() {
    let mut engine = engine_of(creeps());
    assert_eq!(run(&mut engine, 0..24, |_| 1.0), []);
    // A fifth of the level a day, for two days.
    let told = run(&mut engine, 24..72, |hour| 1.0 + 0.2 * (hour - 24.0) / 24.0);
    assert!(told.len() == 1 && told[0].1 && told[0].0 <= 72, "{told:?}");
    let alert = verdict(&engine);
    let verdict = alert.verdict.unwrap();
    assert_eq!(
        (verdict.standing, verdict.limit, verdict.n),
        (Standing::Breached, 0.1, 288)
    );
    let evidence = verdict.evidence.unwrap();
    assert!(
        verdict.value.unwrap() > 0.1 && evidence.p_value.unwrap() < 1e-3,
        "{verdict:?}"
    );
    let (change, (low, high)) = evidence.change.zip(evidence.interval).unwrap();
    assert!(
        0.3 < change && change < 0.5 && low <= change && change <= high,
        "{verdict:?}"
    );
    let told = run(&mut engine, 72..130, |_| 1.4);
    assert!(told.len() == 1 && !told[0].1 && told[0].0 < 110, "{told:?}");
}

#[test]
fn a_trend_is_looked_at_again_when_a_bucket_closes_or_a_late_value_changes_one() {
    let mut engine = engine_of(creeps());
    run(&mut engine, 0..30, |_| 1.0);
    let look = |engine: &mut Engine, now| {
        let due = engine.due(now).remove(0);
        let answer = engine.answer(due, now);
        let is_unchanged = matches!(answer[0].1, Datum::Unchanged);
        engine.evaluate(due, &answer, now);
        is_unchanged
    };
    let start = 30 * HOUR;
    assert!(look(&mut engine, then(start + 20)));
    measure(&mut engine, "op", 1.0, then(start + 25));
    assert!(
        look(&mut engine, then(start + 40)),
        "it is in the open bucket"
    );
    let late = |ago| Draft {
        operation: "op",
        duration_seconds: Some(1.0),
        at: Some(then(start + 50).wall.before(Duration::from_secs(ago))),
        ..Draft::default()
    };
    send(&mut engine, vec![late(10)], None, then(start + 50));
    assert!(look(&mut engine, then(start + 60)));
    send(&mut engine, vec![late(300)], None, then(start + 70));
    assert!(
        !look(&mut engine, then(start + 80)),
        "it is in one that had closed"
    );
    assert!(look(&mut engine, then(start + 100)));
    assert!(
        !look(&mut engine, then(start + HOUR)),
        "a bucket has closed"
    );
}

#[test]
fn a_value_that_is_reached_in_time_is_needed_where_one_is_given() {
    let rises = |hour: f64| 1.0 + 0.2 * hour / 24.0;
    for (value, days, fires) in [(2.0, 4, true), (2.0, 1, false), (0.5, 1, true)] {
        let mut trend = creeps();
        trend.reaches = Some(Reaches {
            value,
            within: Duration::from_secs(days * 24 * HOUR),
        });
        let told = run(&mut engine_of(trend), 0..48, rises);
        assert_eq!(!told.is_empty(), fires, "{value} {days}");
    }
    let mut alone = creeps();
    (alone.levels[0].limit, alone.levels[0].recover) = (0.0, None);
    alone.pace = Pace::Absolute;
    alone.reaches = Some(Reaches {
        value: 2.0,
        within: Duration::from_secs(4 * 24 * HOUR),
    });
    let mut engine = engine_of(alone.clone());
    assert_eq!(run(&mut engine, 0..48, rises).len(), 1);
    // From the middle of the window, where it is at 1.2, the limit would lead to 2 in five days.
    let limit = verdict(&engine).verdict.unwrap().limit;
    assert!((0.15..0.17).contains(&limit), "{limit}");
    assert_eq!(run(&mut engine_of(alone), 0..48, |_| 1.9), []);
}

#[test]
fn too_few_buckets_and_a_clock_that_was_set_back_are_no_judgement() {
    let mut engine = engine_of(creeps());
    run(&mut engine, 0..8, |_| 1.0);
    let standing = |engine: &Engine| verdict(engine).verdict.unwrap().standing;
    assert_eq!(standing(&engine), Standing::Insufficient);
    run(&mut engine, 8..12, |_| 1.0);
    assert_eq!(standing(&engine), Standing::Holds);
    let back = Now {
        wall: then(9 * HOUR).wall,
        steady: then(12 * HOUR + 20).steady,
    };
    tick(&mut engine, back);
    assert_eq!(standing(&engine), Standing::NoData);
}

/// Every value of the window is in exactly one bucket.
#[test]
fn case_35_each_measurement_is_in_one_bucket_and_partial_ones_are_marked() {
    let mut engine = engine_of(creeps());
    run(&mut engine, 0..60, |_| 1.0);
    let now = then(60 * HOUR + 700);
    measure(&mut engine, "op", 1.0, then(60 * HOUR + 650));
    let ids: Vec<SeriesId> = engine.store().series_of("op").map(|(id, _)| id).collect();
    let points = |metric: &Metric, stat, frame| -> Vec<Point> {
        let source = Source {
            store: engine.store(),
            series: &ids,
            metric,
            divisor: None,
            until: None,
        };
        gather(source, stat, frame, &Watched::since(then(0).wall), now.wall)
    };
    let hourly = points(&Metric::Duration, Stat::Mean, frame(48, 1));
    assert_eq!(hourly.len(), 49);
    assert!(
        hourly[..48]
            .iter()
            .all(|point| point.n == 6 && !point.is_partial)
    );
    assert!(
        hourly[48].is_partial && hourly[48].n == 1,
        "{:?}",
        hourly[48]
    );
    for pair in hourly.windows(2) {
        assert_eq!(pair[0].end, pair[1].begin);
    }
    let twos = points(&Metric::Duration, Stat::Mean, frame(48, 2));
    assert_eq!(twos.iter().map(|point| point.n).sum::<u64>(), 24 * 12 + 1);
    // Counts are by the length of their bucket; the one in which the series began has not all of them.
    let rate = points(&Metric::Rate, Stat::PerSecond, frame(60, 1));
    assert_eq!(rate.iter().filter(|point| point.is_partial).count(), 2);
    assert!(rate[0].is_partial && rate[60].is_partial);
    assert!(rate[1..60].iter().all(|point| point.value == 6.0 / 3_600.0));
}

#[test]
fn the_throughput_of_a_bucket_is_all_samples_by_all_seconds() {
    let mut engine = engine_of(creeps());
    for (seconds, samples) in [(1.0, 100), (3.0, 100)] {
        let draft = Draft {
            operation: "op",
            duration_seconds: Some(seconds),
            samples: Some(samples),
            ..Draft::default()
        };
        send(&mut engine, vec![draft], None, then(100));
    }
    let ids: Vec<SeriesId> = engine.store().series_of("op").map(|(id, _)| id).collect();
    let source = Source {
        store: engine.store(),
        series: &ids,
        metric: &Metric::Throughput,
        divisor: None,
        until: None,
    };
    let watched = Watched::since(then(0).wall);
    let points = gather(
        source,
        Stat::Mean,
        frame(48, 1),
        &watched,
        then(HOUR + 1).wall,
    );
    assert_eq!((points.len(), points[0].value), (1, 50.0));
}
