//! Killed before each system call that changes a file, one after the other, from the start to the clean end.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, check_all_is_there, counted, sent};
use super::{CONFIG, setting, strace};
use crate::oracle::Chance;
use crate::sidecar::{Folder, Sidecar, wait_for};

/// Batches that are sent before it is told to end.
const BATCHES: u64 = 4;
/// Calls of which there are few.
const RARE: [&str; 5] = [
    "?ftruncate,?fallocate",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
    "?mkdir,?mkdirat",
    "?rmdir",
];
/// A disk that is full with what `fill` writes.
const FULL: &str = "data_dir: data\nstore: {max_disk: 1MiB}\n";

/// What lies in the data directory at the beginning of each attempt, and what was acknowledged of it.
struct Beginning {
    name: &'static str,
    config: &'static str,
    folder: Folder,
    client: Client,
    /// The log has everything that was acknowledged.
    has_all: bool,
}

impl Beginning {
    fn new(name: &'static str, config: &'static str, folder: Folder, client: Client) -> Self {
        Self {
            name,
            config,
            folder,
            client,
            has_all: true,
        }
    }

    /// Kills at calls of each kind, from the first on, until an attempt comes to its end; how often it was killed.
    fn kill_at_calls(&self) -> usize {
        // 1 for all of them.
        let step = setting("OPWATCH_POINTS_STEP", 8);
        let mut kills = 0;
        for (calls, step) in [
            ("?pwrite64,?pwritev", step),
            ("?fsync,?fdatasync", step.div_ceil(2)),
        ]
        .into_iter()
        .chain(RARE.map(|calls| (calls, 1)))
        {
            let killed = (1..).step_by(step).take_while(|n| self.attempt(calls, *n));
            kills += killed.count();
        }
        println!("{}: killed at {kills} calls", self.name);
        kills
    }

    /// Whether it was killed at the call of that number.
    fn attempt(&self, calls: &str, number: usize) -> bool {
        let what = format!("{}, {calls} {number}", self.name);
        let folder = Folder::new();
        copy(&self.folder.0.join("data"), &folder.0.join("data"));
        let mut client = self.client.clone();
        let mut arguments = Vec::new();
        let kill = strace::inject(calls, "signal=SIGKILL", &number.to_string(), &mut arguments);
        let mut sidecar = Sidecar::spawn_under(&kill, folder, self.config);
        if sidecar.wait_until_ready() {
            for _ in 0..BATCHES {
                if !client.send_next(&sidecar.ingest) {
                    break;
                }
            }
        }
        let was_killed = sidecar.terminate().is_none();
        let sidecar = Sidecar::start_in(sidecar.kill(), self.config);
        let mut clients = [client];
        if self.has_all {
            check_all_is_there(&sidecar, &mut clients, &what);
        } else {
            assert!(clients[0].send_next(&sidecar.ingest), "{what}");
            assert_eq!(
                counted(&sidecar),
                sent(&clients),
                "{what}: {}",
                sidecar.log()
            );
        }
        assert_eq!(
            sidecar.metric("opwatch_store_degraded"),
            Some(0.0),
            "{what}: {}",
            sidecar.log()
        );
        was_killed
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A data directory after some work and a kill.
pub fn used() -> (Folder, Client) {
    let mut client = Client::new(0);
    let mut sidecar = Sidecar::start(CONFIG, &[]);
    for _ in 0..6 {
        assert!(client.send_next(&sidecar.ingest));
    }
    sidecar.terminate();
    let sidecar = Sidecar::start_in(sidecar.kill(), CONFIG);
    for _ in 0..3 {
        assert!(client.send_next(&sidecar.ingest));
    }
    (sidecar.kill(), client)
}

/// A data directory whose database has become something else, while its log is what it was.
pub fn foreign() -> Folder {
    let (folder, _) = used();
    let database = folder.0.join("data/opwatch.db");
    let size = usize::try_from(fs::metadata(&database).unwrap().len()).unwrap();
    fs::write(&database, "somebody's notes".repeat(size / 16)).unwrap();
    folder
}

/// Reports that are no operations and that do not compress, so that they fill half the disk and count nowhere.
fn fill(sidecar: &Sidecar, chance: &mut Chance) {
    for _ in 0..10 {
        let records = (0..1_000).map(|_| {
            let noise: String = (0..6)
                .map(|_| format!("{:08x}", chance.below(1 << 32)))
                .collect();
            json!({"operation": "filler", "id": noise, "quality": {"f1": 0.5}})
        });
        sidecar.measure(&Value::from(records.collect::<Vec<_>>()).to_string());
    }
}

/// A data directory that is as full as it may be, and a start on which drops of the log what it can.
fn full() -> (Folder, Client) {
    let (mut client, mut chance) = (Client::new(0), Chance(1));
    let mut sidecar = Sidecar::start(FULL, &[]);
    fill(&sidecar, &mut chance);
    sidecar.terminate();
    let sidecar = Sidecar::start_in(sidecar.kill(), FULL);
    fill(&sidecar, &mut chance);
    // Until the clocks are saved, which is when there is room made.
    wait_for("old events to be dropped", || {
        assert!(client.send_next(&sidecar.ingest));
        sidecar
            .metric("opwatch_store_dropped_events_total")
            .filter(|dropped| *dropped > 0.0)
    });
    for _ in 0..3 {
        assert!(client.send_next(&sidecar.ingest));
    }
    let folder = sidecar.kill();
    (folder, client)
}

/// R1, R3: it begins with nothing.
#[test]
fn killed_at_any_call_of_its_first_start_it_keeps_what_it_acknowledged() {
    if strace::is_there() {
        let beginning = Beginning::new("empty", CONFIG, Folder::new(), Client::new(0));
        assert!(beginning.kill_at_calls() >= 8);
    }
}

/// R1, R3: it goes on where it was, saves everything at its end and closes the database.
#[test]
fn killed_at_any_call_of_a_later_start_it_keeps_what_it_acknowledged() {
    if strace::is_there() {
        let (folder, client) = used();
        let beginning = Beginning::new("used", CONFIG, folder, client);
        assert!(beginning.kill_at_calls() >= 8);
    }
}

/// R2, R3: the database is no database, but has a log beside it; both are set aside, and a new one is made.
#[test]
fn killed_at_any_call_while_it_sets_a_database_aside_it_starts_again() {
    if strace::is_there() {
        let beginning = Beginning::new("foreign", CONFIG, foreign(), Client::new(1));
        assert!(beginning.kill_at_calls() >= 8);
    }
}

/// R1, R4: the disk is full of what may go, so that the oldest of it is deleted at the start and at the end.
#[test]
fn killed_at_any_call_while_it_makes_room_it_keeps_what_it_counted() {
    if strace::is_there() {
        let (folder, client) = full();
        let beginning = Beginning {
            has_all: false,
            ..Beginning::new("full", FULL, folder, client)
        };
        assert!(beginning.kill_at_calls() >= 8);
    }
}
