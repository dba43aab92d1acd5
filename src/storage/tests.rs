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

/// What is found in a folder: the rows and the numbers of the groups.
struct Read {
    rows: Vec<Row>,
    groups: Vec<u64>,
    opened: Opened,
}

fn open_at(path: &Path, stats: &Arc<StoreStats>) -> Read {
    let mut opened = open(path, MAX, stats);
    let (mut rows, mut groups) = (Vec::new(), Vec::new());
    opened.found.each_row(|row| rows.push(row));
    opened.found.each_group(|group| groups.push(group.sequence));
    Read {
        rows,
        groups,
        opened,
    }
}

fn storage_at(path: &Path, stats: &Arc<StoreStats>) -> Storage<u64> {
    open_at(path, stats).opened.storage()
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
        kept_from: now.wall.before(RETENTION),
        writes: Vec::new(),
        anew_from: None,
        beside: Orders::default(),
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
    let Read {
        rows,
        groups,
        opened,
    } = open_at(&folder.0, &stats);
    assert!(rows.is_empty() && groups.is_empty());
    assert!(opened.found.is_new() && !opened.found.is_damaged());
    let mut storage = opened.storage();
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
    storage.close().await;
    assert_eq!(folder.names(), ["lock", "opwatch.db"]);
    let Read {
        rows,
        groups,
        opened: Opened { found, clock, .. },
    } = open_at(&folder.0, &stats);
    assert_eq!(groups, [2], "the first is saved already");
    assert_eq!((found.clock.sequence, found.clock.saved_up_to), (2, 1));
    let row = &rows[0];
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
        let mut storage = storage_at(&folder.0, &stats);
        write(&mut storage, commit(1, 1, at(1), Some(1))).await;
        assert_eq!(
            (storage.health(), stats.set_aside.get()),
            (Health::Good, 1),
            "{name}"
        );
        storage.close().await;
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
        assert_eq!(
            open_at(&folder.0, &stats).opened.found.clock.sequence,
            1,
            "{name}"
        );
    }
}

/// Case 44: of what is saved the log goes after the retention, and never what a start still needs.
#[tokio::test]
async fn the_log_goes_after_the_retention_once_it_is_saved() {
    let folder = Temporary::new("retention");
    let stats = Arc::new(StoreStats::default());
    let mut storage = storage_at(&folder.0, &stats);
    for sequence in 1..=5 {
        write(&mut storage, commit(sequence, 1, at(sequence), None)).await;
    }
    // An hour later three of them are past the retention, of which two are saved.
    write(&mut storage, commit(6, 1, at(3_604), Some(2))).await;
    storage.close().await;
    let sequences = || {
        let mut sequences = Vec::new();
        let database = Database::open_to_read(&database_of(&folder.0)).unwrap();
        database
            .measurements(0, |group| sequences.push(group.sequence))
            .unwrap();
        sequences
    };
    assert_eq!(sequences(), [3, 4, 5, 6]);
    let mut storage = storage_at(&folder.0, &stats);
    write(&mut storage, commit(7, 1, at(3_604), Some(6))).await;
    storage.close().await;
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
    let mut storage = open(&folder.0, bound, &stats).storage();
    for sequence in 1..=200 {
        write(
            &mut storage,
            commit(sequence, 1_000, at(sequence), Some(sequence)),
        )
        .await;
    }
    storage.close().await;
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

fn row(key: &str, as_of: u64) -> Write {
    Write {
        kind: Kind::Series,
        key: key.to_owned(),
        as_of,
        body: Some(key.into()),
    }
}

/// R2: what could be read of a broken database is not lost by a kill before it has been saved anew.
#[tokio::test]
async fn what_was_read_of_a_broken_database_is_there_until_it_is_saved_anew() {
    let folder = Temporary::new("twice");
    let stats = Arc::new(StoreStats::default());
    let mut storage = storage_at(&folder.0, &stats);
    let mut first = commit(1, 1, at(1), Some(0));
    first.writes = vec![row("a", 0), row("b", 0)];
    write(&mut storage, first).await;
    storage.close().await;
    let mut opened = open(&folder.0, MAX, &stats);
    // As if reading the log had failed half way.
    opened.found.is_broken = true;
    opened.found.each_group(|_| {});
    let mut storage = opened.storage();
    assert_eq!(storage.health(), Health::CatchingUp);
    write(&mut storage, commit(2, 1, at(2), Some(0))).await;
    storage.close().await;
    let keys =
        |read: &Read| -> Vec<String> { read.rows.iter().map(|row| row.key.clone()).collect() };
    for _ in 0..2 {
        let read = open_at(&folder.0, &stats);
        assert_eq!(
            (keys(&read), &read.groups),
            (vec!["a".to_owned(), "b".to_owned()], &vec![1, 2])
        );
        assert!(read.opened.found.is_damaged());
        assert_eq!(read.opened.found.clock.sequence, 2);
    }
    let mut storage = storage_at(&folder.0, &stats);
    let mut anew = commit(4, 1, at(4), Some(4));
    anew.writes = vec![row("a", 3), row("c", 3)];
    anew.anew_from = Some(3);
    write(&mut storage, anew).await;
    storage.close().await;
    let read = open_at(&folder.0, &stats);
    assert_eq!(keys(&read), ["a", "c"]);
    assert!(!read.opened.found.is_damaged() && read.groups.is_empty());
}

/// R2: without the row that says what time it was, what else is there says it.
#[tokio::test]
async fn time_does_not_go_back_when_a_clock_is_lost() {
    let folder = Temporary::new("clock");
    let stats = Arc::new(StoreStats::default());
    let mut storage = storage_at(&folder.0, &stats);
    write(&mut storage, commit(1, 1, at(1), Some(1))).await;
    write(&mut storage, commit(2, 0, at(500), Some(2))).await;
    storage.close().await;
    let connection = rusqlite::Connection::open(database_of(&folder.0)).unwrap();
    let spoil = "UPDATE state SET body = x'00' WHERE kind = 0 AND key = ''";
    assert_eq!(connection.execute(spoil, []).unwrap(), 1);
    drop(connection);
    let opened = open_at(&folder.0, &stats).opened;
    assert!(opened.clock.now().steady >= at(500).steady);
    assert!(opened.found.is_damaged());
    assert_eq!(stats.set_aside.get(), 1);
}

/// R4: a database that cannot be opened now, but is whole, is neither moved nor lost.
#[tokio::test]
async fn a_database_that_cannot_be_opened_for_writing_is_read_and_stays() {
    let folder = Temporary::new("whole");
    let stats = Arc::new(StoreStats::default());
    let mut storage = storage_at(&folder.0, &stats);
    write(&mut storage, commit(1, 1, at(1), Some(0))).await;
    storage.close().await;
    // Where SQLite would make its index, somebody has put a folder.
    fs::create_dir(folder.0.join("opwatch.db-shm")).unwrap();
    let read = open_at(&folder.0, &stats);
    assert_eq!(read.groups, [1]);
    let mut storage = read.opened.storage();
    write(&mut storage, commit(2, 1, at(2), Some(0))).await;
    assert!(matches!(storage.health(), Health::Degraded { .. }));
    fs::remove_dir(folder.0.join("opwatch.db-shm")).unwrap();
    while storage.health() != Health::CatchingUp {
        storage.look_after(at(9_999).steady, || commit(2, 0, at(3), Some(0)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    write(&mut storage, commit(3, 1, at(4), Some(0))).await;
    storage.close().await;
    let read = open_at(&folder.0, &stats);
    // The second may have come late.
    assert!(
        read.groups.starts_with(&[1]) && read.groups.ends_with(&[3]),
        "{:?}",
        read.groups
    );
    assert_eq!(stats.set_aside.get(), 0);
}
