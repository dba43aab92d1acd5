//! What has been taken in once is known again after a restart.

use super::*;
use crate::engine::admission::{Batch, Origin};
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::store::StoreSettings;

/// A batch with one measurement of that id.
fn batch(client: Option<&str>, id: &str) -> Batch {
    let record = Measurement::new(Draft {
        operation: "a",
        duration_seconds: Some(1.0),
        id,
        ..Draft::default()
    });
    Batch {
        origin: client.map(|client| Origin {
            client: client.to_owned(),
            sequence: 7,
        }),
        records: vec![record],
    }
}

fn take(engine: &mut Engine, client: Option<&str>, id: &str, now: Now) -> (u64, u64) {
    let (admitted, answer) = engine.admit(batch(client, id), now);
    engine.apply(&admitted, now);
    (answer.accepted, answer.duplicates)
}

/// R1: a client that sends again what a killed process had taken is answered the same, and nothing counts twice.
#[test]
fn ids_and_answers_are_known_again() {
    let mut engine = Engine::new(Settings::default(), time(0));
    assert_eq!(take(&mut engine, Some("client"), "one", time(1)), (1, 0));
    assert_eq!(take(&mut engine, None, "two", time(2)), (1, 0));
    assert_eq!(engine.saved_up_to(), 0);
    let unsaved = engine.take_all_unsaved(usize::MAX);
    assert_eq!(engine.saved_up_to(), 2);
    let mut engine = Engine::new(Settings::default(), time(3));
    engine.restore_seen(&unsaved.seen.unwrap()).unwrap();
    assert!(engine.take_all_unsaved(usize::MAX).is_empty());
    // The batch is known by its client, whatever is in it; the other by its id.
    assert_eq!(take(&mut engine, Some("client"), "new", time(3)), (1, 0));
    assert_eq!(engine.ingest_counts().accepted, 0);
    assert_eq!(take(&mut engine, None, "two", time(3)), (1, 1));
    assert_eq!(take(&mut engine, None, "one", time(3)), (1, 1));
    // For as long as without a restart: ten minutes.
    assert_eq!(take(&mut engine, None, "two", time(61)), (1, 1));
    assert_eq!(take(&mut engine, None, "two", time(63)), (1, 0));
}

/// R1: a series that made room for another and came again before it was saved: what came since is no less there.
#[test]
fn a_series_that_has_gone_and_come_again_is_saved_as_it_is_now() {
    let settings = Settings {
        store: StoreSettings {
            max_series: 1,
            series_ttl: Duration::from_secs(60),
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, time(0));
    engine.begin_saving();
    measure(&mut engine, "a", 1.0, time(1));
    assert_eq!(engine.take_all_unsaved(usize::MAX).series.len(), 1);
    measure(&mut engine, "b", 1.0, time(10));
    measure(&mut engine, "a", 1.0, time(20));
    let unsaved = engine.take_unsaved(time(20), 0).series;
    let saved: Vec<(&str, bool)> = (unsaved.iter())
        .map(|series| (series.key.as_str(), series.body.is_some()))
        .collect();
    assert_eq!(
        saved.iter().filter(|(_, is_there)| *is_there).count(),
        1,
        "{saved:?}"
    );
    assert_eq!(saved.len(), 2, "{saved:?}");
}
