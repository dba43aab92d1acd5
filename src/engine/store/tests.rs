use super::*;
use crate::engine::measurement::{Draft, count};
use crate::engine::metric::Stat;

const NOW: Duration = Duration::from_secs(1_000_000);

pub(super) fn put(store: &mut Store, draft: Draft<'_>, now: Now) -> Option<Overflow> {
    let mut measurement = Measurement::new(draft).unwrap();
    store.keep_known_scores(&mut measurement);
    let (id, overflow) = store.place(&measurement.key, now);
    let at = measurement.at.unwrap_or(now.wall);
    let place = Place {
        record: 0,
        series: id,
        at,
        late: false,
        overflow: None,
    };
    let admitted = Admitted::new(AdmittedBatch {
        records: vec![Ok(measurement)],
        places: vec![place],
        answered: None,
    });
    store.record(&admitted, now, &|_| now.steady, 1);
    overflow
}

pub(super) fn lasting<'a>(operation: &'a str, seconds: f64) -> Draft<'a> {
    Draft {
        operation,
        duration_seconds: Some(seconds),
        ..Draft::default()
    }
}

pub(super) fn ids(store: &Store) -> Vec<SeriesId> {
    store.series().map(|(id, _)| id).collect()
}

#[test]
fn windows_by_time_and_by_runs_agree_on_the_same_values() {
    let mut store = Store::new(StoreSettings::default());
    let now = Now::invented(NOW);
    for n in 1..=10 {
        put(&mut store, lasting("op", f64::from(n)), now);
    }
    for reach in [Reach::Time(Duration::from_secs(60)), Reach::Runs(10)] {
        let window = store.window(&ids(&store), Column::Duration, reach, true, now.wall);
        assert_eq!(window.count(), 10);
        assert_eq!(window.stat(Stat::Mean), Some(5.5));
        assert_eq!(window.stat(Stat::Max), Some(10.0));
        let median = window.stat(Stat::Quantile(0.5)).unwrap();
        assert!((median - 5.5).abs() < 0.06, "{median}");
    }
    let last_five = store.window(
        &ids(&store),
        Column::Duration,
        Reach::Runs(5),
        true,
        now.wall,
    );
    assert_eq!(last_five.stat(Stat::Quantile(0.5)), Some(8.0));
}

#[test]
fn merged_series_give_the_window_of_all_values() {
    let mut store = Store::new(StoreSettings::default());
    for second in 0..10u32 {
        let now = Now::invented(NOW + Duration::from_secs(second.into()));
        let host = if second % 2 == 0 { "a" } else { "b" };
        let draft = Draft {
            labels: vec![("host", host)],
            ..lasting("op", second.into())
        };
        put(&mut store, draft, now);
    }
    let now = Now::invented(NOW + Duration::from_secs(10)).wall;
    let window = store.window(&ids(&store), Column::Duration, Reach::Runs(4), true, now);
    assert_eq!(window.stat(Stat::Min), Some(6.0));
    assert_eq!(window.stat(Stat::Last), Some(9.0));
    let minute = Reach::Time(Duration::from_secs(60));
    let window = store.window(&ids(&store), Column::Duration, minute, true, now);
    assert_eq!((window.count(), window.stat(Stat::Sum)), (10, Some(45.0)));
}

#[test]
fn error_ratio_and_rate_come_from_outcomes() {
    let mut store = Store::new(StoreSettings::default());
    let now = Now::invented(NOW);
    for n in 0..20 {
        let outcome = (n < 5).then_some(Outcome::Failure);
        put(
            &mut store,
            Draft {
                outcome,
                ..lasting("op", 1.0)
            },
            now,
        );
    }
    let minute = Reach::Time(Duration::from_secs(60));
    let column = store.column(&Metric::ErrorRatio).unwrap();
    let window = store.window(&ids(&store), column, minute, false, now.wall);
    assert_eq!(window.stat(Stat::Mean), Some(0.25));
    assert_eq!(window.stat(Stat::Sum), Some(5.0));
    assert_eq!(window.stat(Stat::PerSecond), Some(20.0 / 60.0));
    let durations = store.window(&ids(&store), Column::Duration, minute, false, now.wall);
    assert_eq!(durations.count(), 15);
}

#[test]
fn beyond_the_cap_totals_stay_exact_in_overflow_series() {
    let settings = StoreSettings {
        max_series: 8,
        ..StoreSettings::default()
    };
    let mut store = Store::new(settings);
    let now = Now::invented(NOW);
    let hosts: Vec<String> = (0..100).map(|n| format!("h{n}")).collect();
    let mut seen = Vec::new();
    for host in &hosts {
        let draft = Draft {
            labels: vec![("host", host)],
            ..lasting("op", 1.0)
        };
        seen.push(put(&mut store, draft, now));
    }
    assert_eq!(seen[7], None);
    assert_eq!(seen[8], Some(Overflow::Labels));
    assert_eq!(
        put(&mut store, lasting("new", 1.0), now),
        Some(Overflow::Operation)
    );
    let operations: u64 = store.series().map(|(_, s)| s.totals.successes).sum();
    assert_eq!(operations, 101);
    assert_eq!(store.len(), 8 + 2);
    assert_eq!(
        store.series().filter(|(_, s)| s.key.is_overflow()).count(),
        2
    );
}

#[test]
fn an_idle_series_makes_room_once_it_has_left_the_exposition() {
    let settings = StoreSettings {
        max_series: 2,
        ..StoreSettings::default()
    };
    let mut store = Store::new(settings);
    put(&mut store, lasting("a", 1.0), Now::invented(NOW));
    put(
        &mut store,
        lasting("b", 1.0),
        Now::invented(NOW + Duration::from_secs(60)),
    );
    let later = Now::invented(NOW + Duration::from_secs(2 * 3_600));
    assert_eq!(put(&mut store, lasting("c", 1.0), later), None);
    let operations: Vec<&str> = store.series().map(|(_, s)| s.key.operation()).collect();
    assert_eq!(operations, ["c", "b"]);
    assert_eq!(store.losses.evicted_series, 1);
}

/// R5: memory is bounded whatever comes.
#[test]
fn case_41_memory_is_bounded_and_statistics_agree() {
    let settings = StoreSettings {
        max_memory: 250_000,
        max_history: 1_000,
        ..StoreSettings::default()
    };
    let mut store = Store::new(settings);
    store.need_history(50);
    for n in 0..100_000u64 {
        let now = Now::invented(NOW + Duration::from_secs(n));
        let operation = format!("op{}", n % 10);
        put(&mut store, lasting(&operation, 1.0 + count(n % 7)), now);
        store.sweep(now);
    }
    assert!(store.heap_bytes() <= 250_000, "{}", store.heap_bytes());
    assert!(store.losses.history_rows > 0 && store.losses.buckets > 0);
    let now = Timestamp::default().after(NOW + Duration::from_secs(100_000));
    let runs = Reach::Runs(50);
    let of_all = store.window(&ids(&store), Column::Duration, runs, true, now);
    let of_each: u64 = ids(&store)
        .iter()
        .map(|id| {
            store
                .window(&[*id], Column::Duration, runs, true, now)
                .count()
        })
        .sum();
    assert_eq!((of_all.count(), of_each), (50, 500));
    let total: u64 = store.series().map(|(_, s)| s.totals.successes).sum();
    assert_eq!(total, 100_000);
}

#[test]
fn a_series_is_forgotten_after_the_retention() {
    let mut store = Store::new(StoreSettings::default());
    put(&mut store, lasting("a", 1.0), Now::invented(NOW));
    let later = Now::invented(NOW + Duration::from_secs(31 * 24 * 3_600));
    store.sweep(later);
    assert!(store.is_empty());
    assert!(!store.keeps(Timestamp::default().after(NOW)));
}

#[test]
fn the_last_of_values_with_one_time_is_the_one_that_came_last() {
    let mut store = Store::new(StoreSettings::default());
    let now = Now::invented(NOW);
    for seconds in [1.0, 2.0, 3.0] {
        put(&mut store, lasting("op", seconds), now);
    }
    for reach in [Reach::Time(Duration::from_secs(60)), Reach::Runs(3)] {
        let window = store.window(&ids(&store), Column::Duration, reach, false, now.wall);
        assert_eq!(window.stat(Stat::Last), Some(3.0), "{reach:?}");
    }
}

#[test]
fn a_window_gains_only_by_values_of_its_own_column() {
    let mut store = Store::new(StoreSettings::default());
    let now = Now::invented(NOW);
    let scored = Draft {
        quality: vec![("f1", 0.5)],
        ..lasting("op", 1.0)
    };
    put(&mut store, scored, now);
    put(&mut store, lasting("op", 1.0), now);
    for reach in [Reach::Time(Duration::from_secs(60)), Reach::Runs(3)] {
        let arrivals = |metric: &str| {
            let column = store.column(&Metric::named(metric)).unwrap();
            let window = store.window(&ids(&store), column, reach, false, now.wall);
            window.arrivals
        };
        assert_eq!((arrivals("f1"), arrivals("duration")), (1, 2), "{reach:?}");
    }
}

#[test]
fn scores_beyond_the_cap_on_names_are_kept_nowhere_and_counted() {
    let mut store = Store::new(StoreSettings::default());
    let now = Now::invented(NOW);
    let names: Vec<String> = (0..MAX_SCORE_NAMES + 20).map(|n| format!("s{n}")).collect();
    for name in &names {
        let draft = Draft {
            quality: vec![(name, 0.5)],
            ..lasting("op", 1.0)
        };
        put(&mut store, draft, now);
    }
    let (_, series) = store.series().next().unwrap();
    assert_eq!(series.totals.scores.len(), MAX_SCORE_NAMES);
    assert_eq!(store.losses.scores, 20);
}
