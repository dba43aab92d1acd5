//! The store on a real disk.

use std::fs;
use std::path::Path;

use super::rows::{Commit, Kind, Write};
use super::*;
use crate::engine::admission::Batch;
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::time::Now;
use crate::engine::{Engine, Settings};

const MAX: u64 = 64 << 20;
const RETENTION: Duration = Duration::from_secs(3_600);
/// A moment, in seconds on both clocks.
const START: u64 = 1_000_000;

fn at(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(START + seconds))
}

/// A folder that goes with the test.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("opwatch-storage-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|n| n.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open_at(path: &Path, stats: &Arc<StoreStats>) -> Opened<u64> {
    open(path, MAX, RETENTION, stats)
}

/// The `sequence`th group, of `measurements` measurements, taken in at `now`.
fn commit(sequence: u64, measurements: u64, now: Now, saved_up_to: Option<u64>) -> Commit {
    let mut engine = Engine::new(Settings::default(), now);
    let record = |n: u64| {
        Measurement::new(Draft {
            operation: &format!("operation {n} of group {sequence}"),
            duration_seconds: Some(1.0 / (n + sequence) as f64),
            ..Draft::default()
        })
    };
    let batch = Batch {
        origin: None,
        records: (0..measurements).map(record).collect(),
    };
    let (admitted, _) = engine.admit(batch, now);
    Commit {
        sequence,
        now,
        judged: now.steady,
        admitted: Some(Arc::new(admitted)),
        saved_up_to,
        writes: Vec::new(),
    }
}

async fn write(storage: &mut Storage<u64>, commit: Commit) {
    let sequence = commit.sequence;
    storage.begin(sequence, || commit, 1);
    assert_eq!(storage.committed().await, sequence);
}

#[tokio::test]
async fn what_is_committed_is_found_again_and_a_new_directory_is_no_damage() {
    let folder = Temporary::new("found");
    let stats = Arc::new(StoreStats::default());
    let Opened {
        mut storage, found, ..
    } = open_at(&folder.0, &stats);
    assert!(found.rows.is_empty() && found.log.is_empty() && !found.is_damaged);
    write(&mut storage, commit(1, 1, at(1), None)).await;
    let mut second = commit(2, 1, at(2), Some(1));
    second.writes.push(Write {
        kind: Kind::Series,
        key: "key".to_owned(),
        as_of: 1,
        body: Some(b"body".to_vec()),
    });
    write(&mut storage, second).await;
    assert_eq!(storage.health(), Health::Good);
    storage.close();
    assert_eq!(folder.names(), ["lock", "opwatch.db"]);
    let Opened { found, clock, .. } = open_at(&folder.0, &stats);
    let groups: Vec<u64> = found.log.iter().map(|group| group.sequence).collect();
    assert_eq!(groups, [2], "the first is saved already");
    assert_eq!((found.clock.sequence, found.clock.saved_up_to), (2, 1));
    let row = &found.rows[0];
    assert_eq!(
        (row.kind, row.key.as_str(), row.as_of),
        (Kind::Series, "key", 1)
    );
    assert_eq!(row.body, Ok(Some(b"body".to_vec())));
    assert!(clock.now().steady >= at(2).steady, "time goes on");
    assert_eq!(stats.set_aside.get(), 0);
}

#[tokio::test]
async fn a_file_of_somebody_else_or_of_a_later_version_is_set_aside_untouched() {
    for (name, make) in [
        (
            "foreign",
            "CREATE TABLE theirs(n); INSERT INTO theirs VALUES(1);",
        ),
        (
            "newer",
            "PRAGMA application_id = 1869641588; PRAGMA user_version = 99; CREATE TABLE log(n);",
        ),
    ] {
        let folder = Temporary::new(name);
        fs::create_dir_all(&folder.0).unwrap();
        let path = database_of(&folder.0);
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(make)
            .unwrap();
        let before = fs::read(&path).unwrap();
        let stats = Arc::new(StoreStats::default());
        let mut storage = open_at(&folder.0, &stats).storage;
        write(&mut storage, commit(1, 1, at(1), Some(1))).await;
        assert_eq!(
            (storage.health(), stats.set_aside.get()),
            (Health::Good, 1),
            "{name}"
        );
        storage.close();
        let names = folder.names();
        let aside = names
            .iter()
            .find(|name| name.starts_with("set-aside-"))
            .unwrap();
        assert_eq!(
            fs::read(folder.0.join(aside).join("opwatch.db")).unwrap(),
            before,
            "{name}"
        );
        assert_eq!(open_at(&folder.0, &stats).found.clock.sequence, 1, "{name}");
    }
}

/// Case 44: of what is saved the log goes after the retention, and never what a start still needs.
#[tokio::test]
async fn the_log_goes_after_the_retention_once_it_is_saved() {
    let folder = Temporary::new("retention");
    let stats = Arc::new(StoreStats::default());
    let mut storage = open_at(&folder.0, &stats).storage;
    for sequence in 1..=5 {
        write(&mut storage, commit(sequence, 1, at(sequence), None)).await;
    }
    // An hour later three of them are past the retention, of which two are saved.
    write(&mut storage, commit(6, 1, at(3_604), Some(2))).await;
    storage.close();
    let sequences = || {
        let mut sequences = Vec::new();
        let database = Database::open_to_read(&database_of(&folder.0)).unwrap();
        database
            .measurements(0, |group| sequences.push(group.sequence))
            .unwrap();
        sequences
    };
    assert_eq!(sequences(), [3, 4, 5, 6]);
    let mut storage = open_at(&folder.0, &stats).storage;
    write(&mut storage, commit(7, 1, at(3_604), Some(6))).await;
    storage.close();
    assert_eq!(sequences(), [4, 5, 6, 7]);
    assert_eq!(
        stats.dropped_events.get(),
        0,
        "only what is past its time has gone"
    );
}

/// R4: the file keeps to its bound; the oldest of the log goes first, and is counted.
#[tokio::test]
async fn beyond_max_disk_the_oldest_events_go_and_are_counted() {
    let folder = Temporary::new("bound");
    let stats = Arc::new(StoreStats::default());
    let bound = 1 << 20;
    let mut storage = open::<u64>(&folder.0, bound, RETENTION, &stats).storage;
    for sequence in 1..=200 {
        write(
            &mut storage,
            commit(sequence, 1_000, at(sequence), Some(sequence)),
        )
        .await;
    }
    storage.close();
    let database = Database::open_to_read(&database_of(&folder.0)).unwrap();
    let mut kept = Vec::new();
    database
        .measurements(0, |group| kept.push(group.sequence))
        .unwrap();
    assert!(database.used_bytes().unwrap() < bound);
    let dropped = stats.dropped_events.get();
    assert!(dropped > 0 && dropped < 200, "{dropped}");
    assert_eq!(
        kept,
        (dropped + 1..=200).collect::<Vec<_>>(),
        "the youngest are kept"
    );
}
