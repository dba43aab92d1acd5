//! The start: everything that can be read is, and nothing that cannot keeps opwatch from starting.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::beside::{self, Beside, Orders};
use super::database::Database;
use super::folder::{self, Folder, FolderError};
use super::rows::{ClockRow, Kind, Logged, Row};
use super::writer::{Target, Writer};
use super::{Storage, StoreStats};
use crate::clock::Clock;
use crate::engine::time::Timestamp;

/// What the last commit may have taken beyond the last reading that is known.
const AFTER: Duration = Duration::from_millis(1);
/// How often it is tried to open a database that is not damaged, and how long apart.
const TRIALS: u32 = 20;
const BETWEEN_TRIALS: Duration = Duration::from_millis(100);

/// What lies in a data directory, to be read in order: the rows of the state, then the groups of measurements that it may
/// lack.
#[derive(Debug)]
pub struct Found {
    /// Where the clocks and the numbering stood.
    pub clock: ClockRow,
    /// The databases, each with the last group that its state has: those that were set aside and whose content is not all
    /// in the present one, oldest first, then the present one.
    databases: Vec<(Database, u64)>,
    is_damaged: bool,
    /// The present file itself is broken.
    pub(super) is_broken: bool,
    stats: Arc<StoreStats>,
    /// Where what people have set lies beside the database.
    folder: Option<PathBuf>,
}

impl Found {
    fn nothing(stats: &Arc<StoreStats>) -> Self {
        Self {
            clock: ClockRow::default(),
            databases: Vec::new(),
            is_damaged: false,
            is_broken: false,
            stats: stats.clone(),
            folder: None,
        }
    }

    /// What is in these databases, the present one last.
    pub(super) fn of(databases: Vec<Database>, stats: &Arc<StoreStats>) -> Self {
        let mut found = Self::nothing(stats);
        for database in databases {
            let (clock, is_whole) = database.clock().unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read the clocks");
                (ClockRow::default(), true)
            });
            if !is_whole {
                found.leave_out("the clocks", &"it cannot be read");
            }
            if clock.now.steady >= found.clock.now.steady {
                found.clock.now = clock.now;
            }
            found.clock.sequence = found.clock.sequence.max(clock.sequence);
            found.clock.saved_up_to = clock.saved_up_to;
            found.databases.push((database, clock.saved_up_to));
        }
        found.clock.now.steady += AFTER;
        found
    }

    /// Whether anything was ever kept there.
    pub fn is_new(&self) -> bool {
        self.clock.sequence == 0 && self.clock.now.steady <= AFTER
    }

    /// Whether something could not be read so far, or is not in the present database, so that everything is to be saved
    /// anew.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged || self.databases.len() > 1
    }

    /// Reads the rows of the state; of two with the same key the later one counts.
    pub fn each_row(&mut self, mut each: impl FnMut(Row)) {
        let databases = std::mem::take(&mut self.databases);
        for (database, _) in &databases {
            let read = database.state(|row| match &row.body {
                // Read before.
                _ if row.kind == Kind::Clock => {}
                Err(bad) => self.leave_out(&format!("{:?} {}", row.kind, row.key), bad),
                Ok(_) => each(row),
            });
            if let Err(error) = read {
                tracing::error!(%error, "cannot read all of the state");
                self.is_broken = true;
            }
        }
        self.databases = databases;
    }

    /// Reads the measurements that the state may lack, oldest first.
    pub fn each_group(&mut self, mut each: impl FnMut(Logged)) {
        let databases = std::mem::take(&mut self.databases);
        for (database, saved_up_to) in &databases {
            let read = database.measurements(*saved_up_to, |group| match &group.body {
                Err(bad) => {
                    self.leave_out(&format!("measurements of group {}", group.sequence), bad);
                }
                Ok(_) => each(group),
            });
            if let Err(error) = read {
                tracing::error!(%error, "cannot read all of the log");
                self.is_broken = true;
            }
        }
        self.is_damaged |= self.is_broken;
        self.databases = databases;
    }

    /// Notes that a part cannot be read and is left out.
    pub fn leave_out(&mut self, what: &str, why: &dyn std::fmt::Display) {
        self.stats.set_aside.inc();
        self.is_damaged = true;
        tracing::error!(what, %why, "left out a part of what was kept");
    }

    /// What lies beside the database in that file, if anything; needed if the database may not have all of it.
    pub fn beside(&self, file: Beside) -> Option<Pinned> {
        let folder = self.folder.as_deref()?;
        let text = match beside::read(folder, file) {
            Ok(text) => text?,
            Err(error) => {
                self.stats.failures.inc();
                let what = file.name();
                tracing::error!(what, %error, "cannot read them beside the database");
                return None;
            }
        };
        Some(Pinned {
            text,
            is_needed: self.is_new() || self.is_damaged(),
        })
    }

    /// Notes how many came back from one of the files.
    pub fn took_back(&self, file: Beside, count: u64) {
        if count > 0 {
            let counter = match file {
                Beside::Baselines => &self.stats.restored_baselines,
                Beside::Silences => &self.stats.restored_silences,
                Beside::Maintenance => &self.stats.restored_maintenance,
            };
            counter.inc_by(count);
            tracing::warn!(
                count,
                "took back {} that lay beside the database and were not in it",
                file.name()
            );
        }
    }

    /// Notes what of a file cannot be read, and keeps it for a person to look at.
    pub fn beside_is_damaged(&self, file: Beside, faults: &[String], now: Timestamp) {
        for why in faults {
            self.stats.set_aside.inc();
            tracing::error!(why, "left out a part of what lay beside the database");
        }
        let Some(folder) = &self.folder else { return };
        let what = file.name();
        match beside::set_aside(folder, file, now) {
            Ok(to) => {
                tracing::error!(what, to = %to.display(), "set a file beside the database aside");
            }
            Err(error) => {
                tracing::error!(what, %error, "cannot set a file beside the database aside");
            }
        }
    }

    /// The present database, which has been read.
    pub(super) fn into_present(mut self) -> Option<Database> {
        self.databases.pop().map(|(database, _)| database)
    }
}

/// What lies beside the database.
#[derive(Debug)]
pub struct Pinned {
    /// The file.
    pub text: String,
    /// Whether the database may not have all of it.
    pub is_needed: bool,
}

/// A store that has been opened and is to be read.
#[derive(Debug)]
pub struct Opened {
    /// What is there.
    pub found: Found,
    /// The clock, going on from where it stood.
    pub clock: Clock,
    /// Where to commit; without one there is no disk until the next start.
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    folder: Option<Folder>,
    can_write: bool,
    is_loaded: bool,
    max_bytes: u64,
}

/// Opens a data directory. It always gives a storage: at worst one in memory, which tries to get to its disk.
pub fn open(path: &Path, max_bytes: u64, stats: &Arc<StoreStats>) -> Opened {
    let folder = match Folder::take(path) {
        Ok(folder) => Some(folder),
        // What lies there belongs to somebody else.
        Err(error @ FolderError::Locked(_)) => return without_disk(&error, stats),
        Err(error) => {
            tracing::error!(%error, "cannot write to the data directory");
            None
        }
    };
    let mut place = Place {
        path: path.to_owned(),
        can_write: folder.is_some(),
        folder,
        is_loaded: true,
        max_bytes,
    };
    let mut found = match open_to_go_on(&mut place) {
        // There may be one that cannot be seen yet, as where nothing is mounted so far.
        Ok(None) => {
            place.is_loaded = false;
            Found::nothing(stats)
        }
        Ok(Some(present)) => {
            let mut databases = aside(&place);
            databases.push(present);
            Found::of(databases, stats)
        }
        Err(error) if error.is_lasting() => {
            tracing::error!(%error, "cannot use the database");
            stats.failures.inc();
            place.is_loaded = false;
            Found::nothing(stats)
        }
        // It may be whole, and nobody knows what is in it: it stays as it is.
        Err(error) => return without_disk(&error, stats),
    };
    found.folder = Some(place.path.clone());
    Opened {
        clock: Clock::resume(found.clock.now.steady),
        found,
        place: Some(place),
    }
}

impl Opened {
    /// Where to commit, now that everything has been read.
    pub fn storage<Group>(self) -> Storage<Group> {
        let Self {
            found,
            clock,
            place,
        } = self;
        let stats = found.stats.clone();
        let Some(place) = place else {
            return Storage::without_disk(stats);
        };
        let (is_damaged, is_broken) = (found.is_damaged(), found.is_broken);
        let durable_up_to = found.clock.saved_up_to;
        let mut target = Target {
            path: place.path,
            folder: place.folder,
            database: found.into_present().filter(|_| place.can_write),
            to_go: (!place.is_loaded).then_some(false),
            max_bytes: place.max_bytes,
            clock,
            stats: stats.clone(),
            beside: Orders::default(),
            unwritten: Orders::default(),
        };
        if is_broken {
            // What could be read is in memory and is saved anew. If it cannot be moved now, it is before the first commit.
            let moved = target.set_aside("parts of it cannot be read", true);
            target.to_go = moved.is_err().then_some(true);
        }
        match Writer::start(target) {
            Ok(writer) => Storage::on_disk(writer, is_damaged, durable_up_to, stats),
            Err(error) => {
                tracing::error!(%error, "cannot start the thread that writes: everything is in memory alone");
                Storage::without_disk(stats)
            }
        }
    }
}

/// The present database; none where there is none and none can be made.
fn open_to_go_on(place: &mut Place) -> Result<Option<Database>, FolderError> {
    let file = folder::database(&place.path);
    if !place.can_write && !file.exists() {
        return Ok(None);
    }
    let mut trials = 0;
    loop {
        if place.can_write {
            match folder::open(&place.path, place.max_bytes) {
                Ok(opened) => return Ok(Some(opened)),
                Err(error) if error.is_lasting() => return Err(error),
                Err(error) => tracing::error!(%error, "cannot open the database for writing"),
            }
        }
        match Database::open_to_read(&file) {
            Ok(opened) => {
                place.can_write = false;
                return Ok(Some(opened));
            }
            Err(source) => {
                let path = file.clone();
                let error = FolderError::Database { path, source };
                trials += 1;
                if error.is_lasting() || trials >= TRIALS {
                    return Err(error);
                }
            }
        }
        std::thread::sleep(BETWEEN_TRIALS);
    }
}

/// Databases that were set aside and whose content is not all in the present one, oldest first.
fn aside(place: &Place) -> Vec<Database> {
    let mut databases = Vec::new();
    for folder in folder::unsaved_aside(&place.path) {
        match folder::open(&folder, place.max_bytes) {
            Ok(database) => databases.push(database),
            Err(error) => tracing::error!(%error, "cannot read a database that was set aside"),
        }
    }
    databases
}

/// In memory alone until the next start.
fn without_disk(error: &FolderError, stats: &Arc<StoreStats>) -> Opened {
    tracing::error!(%error, "cannot use the data directory: everything is in memory alone until the next start");
    stats.failures.inc();
    Opened {
        found: Found::nothing(stats),
        clock: Clock::start(),
        place: None,
    }
}
