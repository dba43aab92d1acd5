//! The thread that reads the log.
//!
//! It lives as long as there may be something to read. Threads that come and go would do, but the allocator gives each a part
//! of the memory of its own, and keeps there what a reading of the log needed at most.

use std::path::PathBuf;
use std::sync::mpsc;
use std::{io, thread};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::log::{self, Read, Stopped};
use crate::engine::backfill::{Learned, Lesson};
use crate::storage::Database;

/// What came of a lesson.
type Outcome = Result<(Learned, Read), Stopped>;

/// The way to the thread, which ends with it.
pub(super) struct Reader(mpsc::Sender<(Lesson, oneshot::Sender<Outcome>)>);

impl Reader {
    /// Starts it; it stops reading when it is time to quit.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(database: PathBuf, quit: CancellationToken) -> io::Result<Self> {
        let (lessons, taken) = mpsc::channel::<(Lesson, oneshot::Sender<Outcome>)>();
        let thread = thread::Builder::new().name("backfill".to_owned());
        thread.spawn(move || {
            for (lesson, answer) in taken {
                // Whoever has gone is not interested any more.
                let _ = answer.send(read(&database, lesson, &quit));
            }
        })?;
        Ok(Self(lessons))
    }

    /// Has rules learn from the log.
    pub(super) async fn learn(&self, lesson: Lesson) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let gone = || Stopped::Unreadable("the thread that reads it has ended".to_owned());
        self.0.send((lesson, answer)).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn read(database: &std::path::Path, lesson: Lesson, quit: &CancellationToken) -> Outcome {
    let database =
        Database::open_to_read(database).map_err(|error| Stopped::Unreadable(error.to_string()))?;
    log::learn(&database, lesson, &|| quit.is_cancelled())
}
