//! What is sent twice, late or too early.

use super::*;

#[test]
fn a_repeated_id_counts_once_and_a_refused_record_does_not_use_its_id_up() {
    let mut engine = engine(rule());
    let draft = |at| Draft {
        operation: "op",
        duration_seconds: Some(1.0),
        id: "a",
        at,
        ..Draft::default()
    };
    let future = Some(at(60).wall);
    assert_eq!(
        send(&mut engine, vec![draft(future)], None, at(0))
            .rejected
            .len(),
        1
    );
    let answer = send(&mut engine, vec![draft(None), draft(None)], None, at(1));
    assert_eq!((answer.accepted, answer.duplicates), (2, 1));
    let answer = send(&mut engine, vec![draft(None)], None, at(500));
    assert_eq!((answer.accepted, answer.duplicates), (1, 1));
    let answer = send(&mut engine, vec![draft(None)], None, at(700));
    assert_eq!((answer.accepted, answer.duplicates), (1, 0));
    let total: u64 = engine
        .store()
        .series()
        .map(|(_, s)| s.totals.successes)
        .sum();
    assert_eq!(total, 2);
}

#[test]
fn a_repeated_batch_is_answered_as_the_first_was() {
    let mut engine = engine(rule());
    let origin = |sequence| {
        Some(Origin {
            client: "c".into(),
            sequence,
        })
    };
    let drafts = || {
        vec![
            Draft {
                operation: "op",
                ..Draft::default()
            },
            Draft::default(),
        ]
    };
    let first = send(&mut engine, drafts(), origin(1), at(0));
    assert_eq!((first.accepted, first.rejected.len()), (1, 1));
    let again = send(&mut engine, drafts(), origin(1), at(1));
    assert_eq!(first, again);
    assert_eq!(engine.ingest_counts().accepted, 1);
    send(&mut engine, drafts(), origin(2), at(2));
    assert_eq!(engine.ingest_counts().accepted, 2);
}

#[test]
fn late_records_count_and_ancient_and_future_ones_are_refused_with_the_reason() {
    let mut engine = engine(rule());
    let with = |at| Draft {
        operation: "op",
        duration_seconds: Some(1.0),
        at: Some(at),
        ..Draft::default()
    };
    let now = at(40 * 24 * 3_600);
    let drafts = vec![
        with(now.wall),
        with(now.wall.after(Duration::from_secs(10))),
        with(now.wall.after(Duration::from_secs(11))),
        with(now.wall.before(Duration::from_secs(2 * 3_600))),
        with(now.wall.before(Duration::from_secs(31 * 24 * 3_600))),
        with(Timestamp::default()),
    ];
    engine.due(now);
    let answer = send(&mut engine, drafts, None, now);
    let places: Vec<usize> = answer.rejected.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [2, 4, 5]);
    assert!(
        answer.rejected[0]
            .1
            .reason
            .contains("11 s ahead of the clock; at most 10 s")
    );
    assert!(
        answer.rejected[1]
            .1
            .reason
            .contains("older than the retention of 720 h")
    );
    let counts = engine.ingest_counts();
    assert_eq!(
        (counts.accepted, counts.late, counts.future, counts.too_old),
        (3, 1, 1, 2)
    );
}
