//! Into a data directory that no opwatch uses: as serving would take the batches in, but nothing is judged.

use std::path::Path;
use std::sync::Arc;

use super::Imported;
use crate::app::restore;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::Engine;
use crate::engine::admission::{Answer, Batch};
use crate::engine::measurement::Measurement;
use crate::engine::store::Admitted;
use crate::storage::{Alone, AloneError, Commit, Kind, Orders, Write, open_alone, rows_of};

/// Of the state so much is written at once.
const SAVED_AT_ONCE: usize = 16 << 20;
/// Everything is saved after that many batches, so that room can be made in the log.
const SAVED_EVERY: u64 = 100;

/// A store that has been loaded from its data directory.
pub struct Local {
    engine: Engine,
    clock: Clock,
    alone: Alone,
    /// Batches since everything was saved.
    unsaved: u64,
    dropped: u64,
}

/// Why a data directory cannot take an import.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// It cannot be worked on.
    #[error(transparent)]
    Open(#[from] AloneError),
    /// A batch or the state could not be written.
    #[error("cannot write to the database: {0}")]
    Write(#[from] rusqlite::Error),
    /// There is no room in memory for more.
    #[error(
        "the store is full; a larger store.max_memory than {0} bytes, or a shorter store.retention is needed"
    )]
    Full(usize),
}

impl Local {
    /// Loads what is in a data directory, which is made where there is none.
    ///
    /// # Errors
    /// When another opwatch uses it, or when not all of it can be loaded.
    pub fn open(path: &Path, config: &Config) -> Result<Self, LocalError> {
        let mut unread = open_alone(path, config.max_disk)?;
        let clock = unread.clock;
        let mut engine = Engine::new(config.engine_settings(), clock.now());
        engine.begin_saving();
        // Alerts and notifications stay as they are: nothing is judged or told here.
        restore::measured(&mut engine, &mut unread.found, clock.now());
        Ok(Self {
            engine,
            clock,
            alone: unread.alone()?,
            unsaved: 0,
            dropped: 0,
        })
    }

    /// Takes a batch in; what was accepted of it is on disk then.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it counts.
    pub(super) fn take(&mut self, batch: Vec<Measurement>) -> Result<Answer, LocalError> {
        if self.engine.is_full() {
            let cap = self.engine.store().settings().max_memory;
            return Err(LocalError::Full(cap));
        }
        let now = self.clock.now();
        let batch = Batch {
            origin: None,
            records: batch.into_iter().map(Ok).collect(),
        };
        let (admitted, answer) = self.engine.admit(batch, now);
        let admitted = Arc::new(admitted);
        self.write(Some(admitted.clone()), Vec::new())?;
        self.engine.apply(&admitted, now);
        self.unsaved += 1;
        if self.unsaved >= SAVED_EVERY {
            self.save()?;
        }
        Ok(Arc::unwrap_or_clone(answer))
    }

    fn write(
        &mut self,
        admitted: Option<Arc<Admitted>>,
        mut writes: Vec<Write>,
    ) -> Result<(), LocalError> {
        let now = self.clock.now();
        self.engine.look_at_clocks(now);
        let clock_events = self.engine.save_clocks();
        writes.extend(clock_events.map(|body| Write {
            kind: Kind::ClockEvents,
            key: String::new(),
            as_of: self.engine.sequence(),
            body: Some(body),
        }));
        let is_group = admitted.is_some();
        self.dropped += self.alone.write(&Commit {
            sequence: self.engine.sequence() + u64::from(is_group),
            now,
            judged: self.engine.judged(now),
            admitted: admitted.filter(|admitted| !admitted.leaves_no_trace()),
            saved_up_to: (!is_group).then(|| self.engine.saved_up_to()),
            kept_from: self.engine.kept_from(now),
            writes,
            anew_from: None,
            beside: Orders::default(),
        })?;
        Ok(())
    }

    /// Saves every series that has changed, so that the log before is not needed for the next start.
    fn save(&mut self) -> Result<(), LocalError> {
        loop {
            let as_of = self.engine.sequence();
            let unsaved = self.engine.take_all_unsaved(SAVED_AT_ONCE);
            let is_last = unsaved.is_empty();
            self.write(None, rows_of(unsaved, as_of).collect())?;
            if is_last {
                self.unsaved = 0;
                return Ok(());
            }
        }
    }

    /// Saves everything and lets go of the directory.
    pub(super) fn close(mut self, imported: &mut Imported) -> Result<(), LocalError> {
        let saved = self.save();
        imported.overflow = self.engine.ingest_counts().overflow;
        imported.dropped = self.dropped;
        saved
    }
}
