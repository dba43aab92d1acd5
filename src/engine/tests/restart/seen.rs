//! What has been taken in once is known again after a restart.

use super::*;
use crate::engine::admission::{Batch, Origin};
use crate::engine::measurement::{Draft, Measurement};

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
