//! Rules with a detector that are new learn from the log, beside everything else.
//!
//! At the start and after each reload the engine is asked which rules have something to learn. A thread reads the log and
//! replays it into an engine of its own; what the detectors have learned there is handed over as one event. A process that
//! ends in between leaves nothing behind: the next one begins anew.

mod log;
mod reader;

use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::driver::EngineHandle;
use crate::engine::Engine;
use crate::engine::backfill::{Adopted, Lesson};
use log::{Read, Stopped};
use reader::Reader;

/// What has come of learning from the log.
#[derive(Debug, Default)]
pub struct BackFillStats {
    /// Times that the log was read for new rules.
    pub runs: Counter,
    /// Of them, those that came to nothing.
    pub failures: Counter,
    /// Detectors that go on with what was learned.
    pub detectors: Counter,
    /// Blocks with a value that these have learned.
    pub blocks: Counter,
}

/// Has new rules learn from the log.
pub(super) struct BackFill {
    /// The database that the log is in.
    pub(super) database: PathBuf,
    pub(super) clock: Clock,
    pub(super) engine: EngineHandle,
    pub(super) stats: Arc<BackFillStats>,
    /// Told when there may be new rules.
    pub(super) reloaded: Arc<Notify>,
}

impl BackFill {
    /// Looks for new rules now and after each reload, until it is time to end.
    pub(super) async fn serve(self, quit: CancellationToken) {
        let mut reader = None;
        loop {
            self.look(&mut reader, &quit).await;
            tokio::select! {
                () = quit.cancelled() => return,
                () = self.reloaded.notified() => {}
            }
        }
    }

    async fn look(&self, reader: &mut Option<Reader>, quit: &CancellationToken) {
        let Ok(Some(lesson)) = self.engine.read(Engine::lesson).await else {
            return;
        };
        let rules = lesson.rules();
        self.stats.runs.inc();
        tracing::info!(
            rules,
            "rules with a detector are new: they learn from the log"
        );
        let begun = self.clock.now().steady;
        match self.learn(lesson, reader, quit).await {
            Ok((read, adopted)) => {
                self.stats.detectors.inc_by(adopted.detectors);
                self.stats.blocks.inc_by(adopted.blocks);
                let took = self.clock.now().steady.saturating_sub(begun);
                tracing::info!(
                    rules,
                    detectors = adopted.detectors,
                    blocks = adopted.blocks,
                    measurements = read.measurements,
                    days = read.days(),
                    unreadable_groups = read.unreadable,
                    seconds = took.as_secs_f64(),
                    "back-filled detectors from the log; those that found nothing in it learn from now on"
                );
            }
            Err(Stopped::Quit) => {}
            Err(why) => {
                self.stats.failures.inc();
                tracing::warn!(
                    rules,
                    "could not learn from the log, so new rules learn from what the store still has: {why}"
                );
            }
        }
    }

    async fn learn(
        &self,
        lesson: Lesson,
        reader: &mut Option<Reader>,
        quit: &CancellationToken,
    ) -> Result<(Read, Adopted), Stopped> {
        let reader = match reader {
            Some(reader) => reader,
            None => {
                let started = Reader::start(self.database.clone(), quit.clone());
                let started = started.map_err(|error| Stopped::Unreadable(error.to_string()))?;
                reader.insert(started)
            }
        };
        let (learned, read) = reader.learn(lesson).await?;
        let adopted = self
            .engine
            .change(move |engine, now| engine.adopt(learned, now))
            .await;
        let (adopted, _) = adopted.map_err(|_| Stopped::Quit)?;
        Ok((read, adopted))
    }
}
