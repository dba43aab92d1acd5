//! The task around the engine, without a disk.

use super::handle::Read;
use super::*;
use crate::engine::Settings;
use crate::engine::admission::Batch;
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::rule::RuleGroup;
use crate::engine::series::FieldFault;
use crate::engine::store::StoreSettings;
use crate::ingest::budget::Budget;
use crate::notify::NotifySettings;
use tokio::sync::{mpsc, oneshot};

fn driver(settings: Settings, queue: usize) -> (Driver, EngineHandle) {
    let clock = Clock::start();
    let shutdown = CancellationToken::new();
    let notifiers = Notifiers::start(&NotifySettings::default(), clock, None, &shutdown).unwrap();
    let engine = Engine::new(settings, clock.now());
    Driver::new(engine, clock, Arc::new(notifiers), Storage::memory(), queue)
}

fn batch(operations: usize) -> Batch {
    let record = |n: usize| -> Result<Measurement, FieldFault> {
        Measurement::new(Draft {
            operation: &format!("op{n}"),
            duration_seconds: Some(1.0),
            ..Draft::default()
        })
    };
    Batch {
        origin: None,
        records: (0..operations).map(record).collect(),
    }
}

/// R6: a queue is bounded, and what is refused is counted.
#[tokio::test]
async fn a_full_queue_refuses_and_counts_and_takes_nothing() {
    let (driver, handle) = driver(Settings::default(), 1);
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.ingest(batch(1)).await }
    });
    while handle.queue().0 == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.ingest(batch(1)).await, Err(Refused::QueueFull));
    assert_eq!(handle.refused().queue_full.get(), 1);
    let stop = CancellationToken::new();
    let running = tokio::spawn(driver.run(stop.clone()));
    assert_eq!(waiting.await.unwrap().unwrap().accepted, 1);
    let taken = handle.read(|engine, _| engine.ingest_counts().accepted);
    assert_eq!(taken.await, Ok(1));
    stop.cancel();
    running.await.unwrap();
    assert_eq!(handle.ingest(batch(1)).await, Err(Refused::Stopping));
}

/// R5, R6: what does not fit is refused for the time being.
#[tokio::test]
async fn beyond_the_memory_cap_senders_are_told_to_come_back() {
    let settings = Settings {
        store: StoreSettings {
            max_memory: 100_000,
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let (driver, handle) = driver(settings, 8);
    let stop = CancellationToken::new();
    tokio::spawn(driver.run(stop.clone()));
    // Enough series to pass the cap, and enough measurements for the store to notice.
    assert!(handle.ingest(batch(1_000)).await.is_ok());
    for _ in 0..4 {
        let _ = handle.ingest(batch(1_000)).await;
    }
    assert_eq!(handle.ingest(batch(1)).await, Err(Refused::MemoryFull));
    assert!(handle.refused().memory_full.get() > 0);
    stop.cancel();
}

#[tokio::test]
async fn what_was_refused_raises_an_alert_of_opwatch_about_itself() {
    let rules = "groups: [{name: g, rules: [{alert: Refused, select: 'operation=\"__opwatch__\"', by: [], threshold: {metric: ingest_refused, stat: sum, window: 1m, above: 0}}]}]";
    let around = crate::rulefile::Surroundings {
        evaluation_interval: Duration::from_millis(50),
        ..crate::rulefile::Surroundings::default()
    };
    let loaded = crate::rulefile::load("f", rules.to_owned(), around);
    let settings = Settings {
        groups: loaded.groups,
        ..Settings::default()
    };
    let (driver, handle) = driver(settings, 1);
    let refused = driver.lanes.refused.clone();
    refused.queue_full.inc_by(2);
    let stop = CancellationToken::new();
    tokio::spawn(driver.run(stop.clone()));
    let value = || {
        handle.read(|engine, _| {
            let mut alerts = engine
                .groups()
                .iter()
                .flat_map(|group| group.rules[0].alerts());
            let firing = alerts.find(|alert| alert.state.is_firing());
            firing.and_then(|alert| alert.value)
        })
    };
    for _ in 0..200 {
        if value().await == Ok(Some(2.0)) {
            stop.cancel();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no alert: {:?}", value().await);
}

/// R16: a stop takes in what waits.
#[tokio::test]
async fn what_is_queued_at_shutdown_is_still_taken_in_and_answered() {
    let (driver, handle) = driver(Settings::default(), 8);
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.ingest(batch(1)).await })
        })
        .collect();
    while handle.queue().0 < 8 {
        tokio::task::yield_now().await;
    }
    let stop = CancellationToken::new();
    stop.cancel();
    driver.run(stop).await;
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().accepted, 1);
    }
}

/// A group without rules that is judged every millisecond.
fn judging_often() -> Settings {
    let group = RuleGroup {
        file: "rules.yaml".into(),
        name: "group".into(),
        interval: Duration::from_millis(1),
        limit: 0,
        rules: Vec::new(),
    };
    Settings {
        groups: vec![group],
        ..Settings::default()
    }
}

/// A read that comes again until the group has been judged a few times.
fn again(reads: mpsc::Sender<Read>, done: oneshot::Sender<()>) -> Read {
    Box::new(move |engine, _| {
        if engine.groups()[0].iterations < 3 {
            let next = again(reads.clone(), done);
            assert!(reads.try_send(next).is_ok());
        } else {
            done.send(()).unwrap();
        }
    })
}

#[tokio::test]
async fn readers_that_never_end_do_not_keep_rules_from_being_judged() {
    let shutdown = CancellationToken::new();
    let (driver, handle) = driver(judging_often(), 4);
    let (done, judged) = oneshot::channel();
    let first = again(handle.reads.clone(), done);
    assert!(handle.reads.try_send(first).is_ok());
    let running = tokio::spawn(driver.run(shutdown.clone()));
    let judged = tokio::time::timeout(Duration::from_secs(60), judged).await;
    shutdown.cancel();
    assert!(judged.is_ok());
    running.await.unwrap();
}

#[tokio::test]
async fn what_is_being_committed_at_the_end_is_applied_and_answered() {
    let shutdown = CancellationToken::new();
    let (mut driver, _handle) = driver(judging_often(), 4);
    let (reply, answer) = oneshot::channel();
    driver.gather(Request {
        batch: batch(1),
        share: None,
        reply,
    });
    shutdown.cancel();
    driver.run(shutdown).await;
    assert_eq!(answer.await.unwrap().unwrap().0.accepted, 1);
}

#[tokio::test]
async fn a_batch_holds_its_share_until_it_is_applied_also_when_its_sender_hangs_up() {
    let budget = Budget::new(1_000);
    let mut share = budget.share();
    share.grow(600).unwrap();
    let (driver, handle) = driver(Settings::default(), 8);
    let hung_up = tokio::time::timeout(
        Duration::from_millis(1),
        handle.ingest_held(batch(1), Some(share)),
    );
    assert!(hung_up.await.is_err());
    assert_eq!(budget.used(), 600);
    let stop = CancellationToken::new();
    stop.cancel();
    driver.run(stop).await;
    assert_eq!(budget.used(), 0);
}
