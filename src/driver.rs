//! The engine's owner: one task that feeds it with everything that happens, in order, and passes on
//! what comes of it. Scrapes and the API read between two events, on a lane of their own, so that a
//! full queue of measurements never delays them.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::admission::{Answer, Batch};
use crate::engine::judge::Effects;
use crate::engine::store::Admitted;
use crate::engine::time::Now;
use crate::engine::{Engine, Settings};
use crate::notify::Notifiers;
use crate::storage::Storage;

/// Batches that may be committed together.
const MAX_GROUP: usize = 64;
/// Time moves on in the store at least this often, also where nothing is due for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Readers that may wait at once.
const READ_LANE: usize = 256;

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

/// Batches refused, by reason.
#[derive(Debug, Default)]
pub struct RefusedCounts {
    /// Because the queue was full.
    pub queue_full: Counter,
    /// Because the memory cap was reached.
    pub memory_full: Counter,
}

/// Where the answer to a batch is waited for.
type Reply = oneshot::Sender<Result<Arc<Answer>, Refused>>;

struct Request {
    batch: Batch,
    reply: Reply,
}

type Read = Box<dyn FnOnce(&Engine, Now) + Send>;

enum Control {
    Reconfigure(Box<Settings>, Arc<Notifiers>, oneshot::Sender<()>),
    CpuLimit(f64, oneshot::Sender<()>),
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
}

/// What was admitted and waits for its commit.
#[derive(Default)]
struct Group {
    admitted: Admitted,
    replies: Vec<(Reply, Arc<Answer>)>,
}

/// The way to the engine for everyone else.
#[derive(Clone)]
pub struct EngineHandle {
    requests: mpsc::Sender<Request>,
    reads: mpsc::Sender<Read>,
    controls: mpsc::Sender<Control>,
    refused: Arc<RefusedCounts>,
}

impl EngineHandle {
    /// Hands in a batch and waits until what was taken of it is committed and counts.
    ///
    /// # Errors
    /// When there is no room or the engine is shutting down; nothing of the batch was taken then.
    pub async fn ingest(&self, batch: Batch) -> Result<Arc<Answer>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .try_send(Request { batch, reply })
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

    /// Gives the engine a new configuration and those who are told from now on.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn reconfigure(
        &self,
        settings: Settings,
        notifiers: Arc<Notifiers>,
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

    /// Batches refused so far.
    pub fn refused(&self) -> &RefusedCounts {
        &self.refused
    }

    /// Batches waiting, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        let capacity = self.requests.max_capacity();
        (capacity - self.requests.capacity(), capacity)
    }
}

/// The task that owns the engine.
pub struct Driver {
    engine: Engine,
    clock: Clock,
    notifiers: Arc<Notifiers>,
    storage: Storage<Group>,
    gathering: Group,
    requests: mpsc::Receiver<Request>,
    reads: mpsc::Receiver<Read>,
    controls: mpsc::Receiver<Control>,
    refused: Arc<RefusedCounts>,
}

impl Driver {
    /// A driver of an engine that has just been made, and the way to it. `queue` is how many batches
    /// may wait.
    pub fn new(
        engine: Engine,
        clock: Clock,
        notifiers: Arc<Notifiers>,
        queue: usize,
    ) -> (Self, EngineHandle) {
        let (request_sender, requests) = mpsc::channel(queue.max(1));
        let (read_sender, reads) = mpsc::channel(READ_LANE);
        let (control_sender, controls) = mpsc::channel(8);
        let refused = Arc::new(RefusedCounts::default());
        let handle = EngineHandle {
            requests: request_sender,
            reads: read_sender,
            controls: control_sender,
            refused: refused.clone(),
        };
        let driver = Self {
            engine,
            clock,
            notifiers,
            storage: Storage::memory(),
            gathering: Group::default(),
            requests,
            reads,
            controls,
            refused,
        };
        (driver, handle)
    }

    /// Runs until `shutdown`, then takes in what is still queued and returns.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let due = self.engine.next_due();
            let wait = due.map_or(LONGEST_WAIT, |due| self.clock.until(due).min(LONGEST_WAIT));
            // A timer is never ready at once, so that without this a flood elsewhere would starve it.
            let due = async {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
            };
            // Not biased: of all that is ready any may be next, so nothing can starve the others.
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(control) = self.controls.recv() => self.control(control),
                Some(read) = self.reads.recv() => read(&self.engine, self.clock.now()),
                group = self.storage.committed() => self.apply(group),
                () = due => self.tick().await,
                Some(request) = self.requests.recv(), if self.has_room() => self.gather(request),
            }
        }
        self.requests.close();
        loop {
            while self.storage.is_busy() {
                let group = self.storage.committed().await;
                self.apply(group);
            }
            match self.requests.recv().await {
                Some(request) => self.gather(request),
                None => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.gathering.replies.len() < MAX_GROUP
    }

    /// Admits a batch and what else is waiting; begins the commit unless one is under way.
    fn gather(&mut self, first: Request) {
        let now = self.clock.now();
        let mut next = Some(first);
        while let Some(Request { batch, reply }) = next {
            if self.engine.is_full() {
                self.refused.memory_full.inc();
                let _ = reply.send(Err(Refused::MemoryFull));
            } else {
                let (admitted, answer) = self.engine.admit(batch, now);
                self.gathering.admitted.append(admitted);
                self.gathering.replies.push((reply, answer));
            }
            next = if self.has_room() {
                self.requests.try_recv().ok()
            } else {
                None
            };
        }
        self.begin_commit();
    }

    fn begin_commit(&mut self) {
        if !self.storage.is_busy() && !self.gathering.replies.is_empty() {
            self.storage.begin(std::mem::take(&mut self.gathering));
        }
    }

    /// Applies what has been committed, and only then answers.
    fn apply(&mut self, group: Group) {
        self.engine.apply(&group.admitted, self.clock.now());
        for (reply, answer) in group.replies {
            let _ = reply.send(Ok(answer));
        }
        self.begin_commit();
    }

    fn control(&mut self, control: Control) {
        let now = self.clock.now();
        let done = match control {
            Control::Reconfigure(settings, notifiers, done) => {
                let effects = self.engine.reconfigure(*settings, now);
                self.notifiers = notifiers;
                self.pass_on(&effects);
                done
            }
            Control::CpuLimit(cores, done) => {
                self.engine.set_cpu_limit(Some(cores));
                done
            }
            Control::Pause(done) => {
                self.engine.pause(now);
                done
            }
            Control::Resume(done) => {
                self.engine.resume(now);
                done
            }
        };
        let _ = done.send(());
    }

    /// Judges every rule that is due, then tells who is to be told. Between two rules, readers,
    /// measurements and commits have their turn, so that a long round of judging delays nobody.
    async fn tick(&mut self) {
        let now = self.clock.now();
        for due in self.engine.due(now) {
            let begun = self.clock.now().steady;
            let answer = self.engine.answer(due, now);
            let effects = self.engine.evaluate(due, &answer, now);
            let took = self.clock.now().steady.saturating_sub(begun);
            self.engine.note_duration(due, took);
            self.pass_on(&effects);
            // No more than wait now: those that come meanwhile have their turn after the next rule.
            for _ in 0..self.reads.len() {
                if let Ok(read) = self.reads.try_recv() {
                    read(&self.engine, self.clock.now());
                }
            }
            if self.has_room()
                && let Ok(request) = self.requests.try_recv()
            {
                self.gather(request);
            }
            if self.storage.is_busy() {
                let group = self.storage.committed().await;
                self.apply(group);
            }
            tokio::task::yield_now().await;
        }
        let notifications = self.engine.flush(self.clock.now());
        if !notifications.is_empty() {
            self.notifiers.send(notifications);
        }
    }

    fn pass_on(&self, effects: &Effects) {
        for change in &effects.changes {
            tracing::info!(
                alert = %change.labels,
                change = ?change.change,
                value = change.value,
                "alert changed"
            );
        }
        self.notifiers.announced(&effects.announced);
        self.notifiers.alertmanagers(&effects.to_alertmanager);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::measurement::{Draft, Measurement};
    use crate::engine::rule::RuleGroup;
    use crate::engine::series::FieldFault;
    use crate::engine::store::StoreSettings;
    use crate::notify::NotifySettings;

    fn driver(settings: Settings, queue: usize) -> (Driver, EngineHandle) {
        let clock = Clock::start();
        let shutdown = CancellationToken::new();
        let notifiers = Notifiers::start(&NotifySettings::default(), clock, &shutdown).unwrap();
        let engine = Engine::new(settings, clock.now());
        Driver::new(engine, clock, Arc::new(notifiers), queue)
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
            reply,
        });
        shutdown.cancel();
        driver.run(shutdown).await;
        assert_eq!(answer.await.unwrap().unwrap().accepted, 1);
    }
}
