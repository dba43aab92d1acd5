//! Saved bytes read back as they were, and damaged ones do no harm.

use proptest::prelude::*;

use super::*;
use crate::engine::saved::{notification_from_bytes, notification_to_bytes};

fn notifications() -> Vec<Notification> {
    let (seen, _) = uninterrupted();
    seen.into_iter().flat_map(|s| s.notifications).collect()
}

#[test]
fn notifications_and_changes_read_back_as_they_were() {
    let notifications = notifications();
    assert!(notifications.len() > 20, "{}", notifications.len());
    for one in notifications {
        assert_eq!(
            notification_from_bytes(&notification_to_bytes(&one)),
            Ok(one)
        );
    }
    let (_, mut engine) = uninterrupted();
    let mut again = Engine::new(settings(), time(0));
    let saved = engine.take_unsaved_changes().into_iter();
    let bodies: Vec<Vec<u8>> = saved.map(|(_, body)| body).collect();
    again.restore_changes(&bodies).unwrap();
    assert!(again.history().eq(engine.history()));
    assert_eq!(again.take_unsaved_changes(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(
        step in 1_u64..60,
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..4),
    ) {
        let damage = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if bytes.is_empty() {
                return bytes;
            }
            for (place, bit) in &flips {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
            }
            if flips.len() < 2 {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        };
        let (mut before, kept) = kept_at(step);
        let mut engine = Engine::new(settings(), time(0));
        let _ = engine.restore_dispatch(&damage(&kept.dispatch), time(step));
        let history: Vec<Vec<u8>> = kept.history.values().map(|body| damage(body)).collect();
        let _ = engine.restore_changes(&history);
        for body in kept.incidents.values() {
            let _ = engine.restore_incident(&damage(body));
        }
        for (key, body) in &kept.rules {
            let _ = engine.restore_rule(key, &damage(body), time(step));
        }
        for next in step..step + 12 {
            go(&mut engine, next);
            engine.take_changed_rules();
            engine.take_unsaved_changes();
            engine.take_changed_incidents();
            engine.save_dispatch();
        }
        engine.resume(time(step + 12));
        engine.reconfigure(Settings::default(), time(step + 12));
        for one in before.flush(time(step + 100)) {
            let _ = notification_from_bytes(&damage(&notification_to_bytes(&one)));
        }
    }
}
