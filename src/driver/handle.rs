//! The way to the engine for everyone else: lanes for measurements, for readers and for control, each with its bound.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};

use crate::engine::admission::{Answer, Batch};
use crate::engine::judge::Effects;
use crate::engine::time::Now;
use crate::engine::{Engine, Settings};
use crate::ingest::budget::Share;
use crate::notify::Prepared;

/// Readers that may wait at once.
const READ_LANE: usize = 256;
/// Changes of configuration and the like that may wait at once.
const CONTROL_LANE: usize = 8;

/// Why a batch was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full: the sender is to come back.
    #[error("the ingest queue is full")]
    QueueFull,
    /// The memory cap is reached: the sender is to come back.
    #[error("the memory cap is reached")]
    MemoryFull,
    /// The engine is shutting down.
    #[error("opwatch is shutting down")]
    Stopping,
}

/// Requests refused, by reason.
#[derive(Debug, Default)]
pub struct RefusedCounts {
    /// Because the queue was full.
    pub queue_full: Counter,
    /// Because the memory cap was reached.
    pub memory_full: Counter,
    /// Because all requests in flight together held as much as they may.
    pub in_flight: Counter,
}

impl RefusedCounts {
    pub(super) fn total(&self) -> u64 {
        self.queue_full.get() + self.memory_full.get() + self.in_flight.get()
    }
}

/// Where the answer to a batch is waited for.
pub(super) type Reply = oneshot::Sender<Result<Answered, Refused>>;

/// The answer to a batch, and what the batch held of the memory for requests in flight.
pub type Answered = (Arc<Answer>, Option<Share>);

/// A batch on its way in.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) share: Option<Share>,
    pub(super) reply: Reply,
}

pub(super) type Read = Box<dyn FnOnce(&Engine, Now) + Send>;

/// What changes how the engine works.
pub(super) enum Control {
    Reconfigure(Box<Settings>, Option<Prepared>, oneshot::Sender<()>),
    CpuLimit(f64, oneshot::Sender<()>),
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    /// Changes something that is to be on disk before it is answered.
    Change(Change),
}

/// Does something to the engine, with what that brings about; the outcome is called once it is on disk.
type Change = Box<dyn FnOnce(&mut Engine, Now) -> (Outcome, Effects) + Send>;

/// Tells whoever asked what came of it, and whether it is on disk.
pub(super) type Outcome = Box<dyn FnOnce(bool) + Send>;

/// The way to the engine for everyone else.
#[derive(Clone)]
pub struct EngineHandle {
    requests: mpsc::Sender<Request>,
    pub(super) reads: mpsc::Sender<Read>,
    controls: mpsc::Sender<Control>,
    refused: Arc<RefusedCounts>,
}

/// The other ends, where the driver takes what comes.
pub(super) struct Lanes {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) reads: mpsc::Receiver<Read>,
    pub(super) controls: mpsc::Receiver<Control>,
    pub(super) refused: Arc<RefusedCounts>,
}

/// A handle and its other ends; `queue` is how many batches may wait.
pub(super) fn lanes(queue: usize) -> (EngineHandle, Lanes) {
    let (request_sender, requests) = mpsc::channel(queue.max(1));
    let (read_sender, reads) = mpsc::channel(READ_LANE);
    let (control_sender, controls) = mpsc::channel(CONTROL_LANE);
    let refused = Arc::new(RefusedCounts::default());
    let handle = EngineHandle {
        requests: request_sender,
        reads: read_sender,
        controls: control_sender,
        refused: refused.clone(),
    };
    let lanes = Lanes {
        requests,
        reads,
        controls,
        refused,
    };
    (handle, lanes)
}

impl EngineHandle {
    /// Hands in a batch and waits until what was taken of it is committed and counts.
    ///
    /// # Errors
    /// When there is no room or the engine is shutting down; nothing of the batch was taken then.
    pub async fn ingest(&self, batch: Batch) -> Result<Arc<Answer>, Refused> {
        let (answer, _) = self.ingest_held(batch, None).await?;
        Ok(answer)
    }

    /// Hands in a batch with its share of the memory for requests in flight, which is held until the batch has been
    /// applied, whether the sender waits or not, and then comes back with the answer.
    ///
    /// # Errors
    /// As [`EngineHandle::ingest`].
    pub async fn ingest_held(
        &self,
        batch: Batch,
        share: Option<Share>,
    ) -> Result<Answered, Refused> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .try_send(Request {
                batch,
                share,
                reply,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    self.refused.queue_full.inc();
                    Refused::QueueFull
                }
                mpsc::error::TrySendError::Closed(_) => Refused::Stopping,
            })?;
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    /// Reads from the engine between two events.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |engine, now| {
            // A reader that has gone away does not matter.
            let _ = reply.send(read(engine, now));
        });
        self.reads.send(read).await.map_err(|_| Refused::Stopping)?;
        answer.await.map_err(|_| Refused::Stopping)
    }

    /// Gives the engine a new configuration and, where that has changed, those who are told from now on.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn reconfigure(
        &self,
        settings: Settings,
        notifiers: Option<Prepared>,
    ) -> Result<(), Refused> {
        self.control(|done| Control::Reconfigure(Box::new(settings), notifiers, done))
            .await
    }

    /// Tells the engine how many cores `cpu_ratio` is a share of.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn set_cpu_limit(&self, cores: f64) -> Result<(), Refused> {
        self.control(|done| Control::CpuLimit(cores, done)).await
    }

    /// Changes something of the engine, and waits until that is on disk, or in memory alone, because there is no disk or it
    /// fails. Gives what came of it, and whether it is on disk.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
    ) -> Result<(T, bool), Refused> {
        self.act(move |engine, now| (change(engine, now), Effects::default()))
            .await
    }

    /// As [`EngineHandle::change`], of something that changes alerts as well.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine, Now) -> (T, Effects) + Send + 'static,
    ) -> Result<(T, bool), Refused> {
        let (done, finished) = oneshot::channel();
        let change: Change = Box::new(move |engine, now| {
            let (outcome, effects) = act(engine, now);
            let tell: Outcome = Box::new(move |is_on_disk| {
                let _ = done.send((outcome, is_on_disk));
            });
            (tell, effects)
        });
        (self.controls.send(Control::Change(change)).await).map_err(|_| Refused::Stopping)?;
        finished.await.map_err(|_| Refused::Stopping)
    }

    /// Stops judging.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn pause(&self) -> Result<(), Refused> {
        self.control(Control::Pause).await
    }

    /// Goes on judging.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn resume(&self) -> Result<(), Refused> {
        self.control(Control::Resume).await
    }

    async fn control(
        &self,
        make: impl FnOnce(oneshot::Sender<()>) -> Control,
    ) -> Result<(), Refused> {
        let (done, finished) = oneshot::channel();
        self.controls
            .send(make(done))
            .await
            .map_err(|_| Refused::Stopping)?;
        finished.await.map_err(|_| Refused::Stopping)
    }

    /// Requests refused so far.
    pub fn refused(&self) -> &RefusedCounts {
        &self.refused
    }

    /// Batches waiting, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        let capacity = self.requests.max_capacity();
        (capacity - self.requests.capacity(), capacity)
    }
}
