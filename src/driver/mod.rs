//! The engine's owner: one task that feeds it with everything that happens, in order, and passes on
//! what comes of it. Scrapes and the API read between two events, on a lane of their own, so that a
//! full queue of measurements never delays them.

mod calling;
mod handle;
mod log;
mod save;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::action::Work;
use crate::engine::dispatch::Notification;
use crate::engine::judge::{Answer, Effects};
use crate::engine::store::Admitted;
use crate::engine::time::Now;
use crate::engine::{Engine, own};
use crate::notify::{Keeper, Notifiers};
use crate::storage::{Commit, Health, Storage, Write};
pub use handle::{Answered, EngineHandle, Refused, RefusedCounts};
use handle::{Control, Lanes, Outcome, Reply, Request};
use save::Handed;

/// Batches that may be committed together: as many as there are connections, because of more each waits for several
/// commits.
const MAX_GROUP: usize = 1_024;
/// No batch is added to as many measurements: above it a commit takes so long that it delays what comes after.
const LARGE_GROUP: usize = 32_000;
/// Time moves on in the store at least this often, also where nothing is due for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Instances of a rule whose windows are gathered before others have their turn: some milliseconds.
const INSTANCES_AT_ONCE: usize = 256;

/// How long the outboxes have at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// What was admitted and what is to be saved, gathered for the next commit.
#[derive(Default)]
struct Gathering {
    admitted: Admitted,
    measurements: usize,
    replies: Vec<(Reply, Answered)>,
    writes: Vec<Write>,
    /// Called once what was written is on disk.
    outcomes: Vec<Outcome>,
    clock: bool,
    /// Sent once they are on disk, or at once where there is none.
    notifications: Vec<Notification>,
    /// The same of what actions send, which is not sent while there should be a disk and it fails.
    work: Vec<Work>,
}

/// What is committed together.
pub struct Group {
    admitted: Arc<Admitted>,
    at: Now,
    replies: Vec<(Reply, Answered)>,
    outcomes: Vec<Outcome>,
    notifications: Vec<Notification>,
    work: Vec<Work>,
    /// With it everything is on disk again.
    completes: bool,
}

/// The task that owns the engine.
pub struct Driver {
    engine: Engine,
    clock: Clock,
    notifiers: Arc<Notifiers>,
    storage: Storage<Group>,
    gathering: Gathering,
    lanes: Lanes,
    /// When the clocks were last saved, on the steady one.
    clock_saved: Option<Duration>,
    /// Measurements applied since it was last looked whether too many are unsaved.
    since_kept_up: usize,
    /// While everything is saved anew: rows as of that group or later are.
    anew_from: Option<u64>,
    /// What waits for delivery was not saved while the disk failed.
    is_outbox_unsaved: bool,
    /// What was last handed to a commit to be written beside the database.
    handed: Handed,
    /// When the last tick began, on the steady clock.
    ticked: Duration,
    /// Where what actions send goes to.
    calls: Option<mpsc::Sender<Work>>,
}

impl Driver {
    /// A driver of an engine that has been made, and the way to it. `storage` is where what it takes in is committed,
    /// `queue` how many batches may wait.
    pub fn new(
        mut engine: Engine,
        clock: Clock,
        notifiers: Arc<Notifiers>,
        storage: Storage<Group>,
        queue: usize,
    ) -> (Self, EngineHandle) {
        let (handle, lanes) = handle::lanes(queue);
        engine.promise_calls(LONGEST_WAIT);
        let driver = Self {
            engine,
            clock,
            notifiers,
            storage,
            gathering: Gathering::default(),
            lanes,
            clock_saved: None,
            since_kept_up: 0,
            anew_from: None,
            is_outbox_unsaved: false,
            handed: Handed::default(),
            ticked: Duration::ZERO,
            calls: None,
        };
        (driver, handle)
    }

    /// Runs until `shutdown`, then takes in what is still queued and returns.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut stop = pin!(shutdown.cancelled());
        let keeper = self.notifiers.keeper().cloned();
        loop {
            let due = self.engine.next_due();
            // Counted from the last tick: from now, a steady flood would put it off for ever.
            let latest = self.ticked + LONGEST_WAIT;
            let wait = self.clock.until(due.map_or(latest, |due| due.min(latest)));
            // A timer is never ready at once, so that without this a flood elsewhere would starve it.
            let due = async {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
            };
            // Not biased: of all that is ready any may be next, so nothing can starve the others.
            tokio::select! {
                () = &mut stop => break,
                Some(control) = self.lanes.controls.recv() => self.control(control),
                Some(read) = self.lanes.reads.recv() => read(&self.engine, self.clock.now()),
                group = self.storage.committed() => self.apply(group),
                () = due => self.tick().await,
                () = has_news(keeper.as_deref()) => self.save_fortunes(),
                Some(request) = self.lanes.requests.recv(), if self.has_room() => self.gather(request),
            }
        }
        self.lanes.requests.close();
        loop {
            while self.storage.is_busy() {
                let group = self.storage.committed().await;
                self.apply(group);
            }
            match self.lanes.requests.recv().await {
                Some(request) => self.gather(request),
                None => break,
            }
        }
        if self.storage.is_durable() {
            // What becomes of them is to be saved as well.
            self.notifiers.drain(DRAIN).await;
        }
        self.save_all().await;
        self.storage.close().await;
    }

    fn has_room(&self) -> bool {
        self.gathering.replies.len() < MAX_GROUP && self.gathering.measurements < LARGE_GROUP
    }

    /// Admits a batch and what else is waiting; begins the commit unless one is under way.
    fn gather(&mut self, first: Request) {
        let now = self.clock.now();
        let mut next = Some(first);
        while let Some(Request {
            batch,
            share,
            reply,
        }) = next
        {
            if self.engine.is_full() {
                self.lanes.refused.memory_full.inc();
                let _ = reply.send(Err(Refused::MemoryFull));
            } else {
                let (admitted, answer) = self.engine.admit(batch, now);
                self.gathering.measurements += admitted.len();
                self.gathering.admitted.append(admitted);
                self.gathering.replies.push((reply, (answer, share)));
            }
            next = if self.has_room() {
                self.lanes.requests.try_recv().ok()
            } else {
                None
            };
        }
        self.begin_commit();
        // Where committing takes no time there is no reason to come back for it.
        while let Some(group) = self.storage.finished() {
            self.apply(group);
        }
    }

    fn begin_commit(&mut self) {
        if self.storage.is_busy() {
            return;
        }
        let at = self.clock.now();
        self.engine.look_at_clocks(at);
        self.gather_clocks();
        let gathering = &self.gathering;
        if gathering.replies.is_empty()
            && gathering.writes.is_empty()
            && gathering.notifications.is_empty()
            && gathering.outcomes.is_empty()
            && gathering.work.is_empty()
            && !gathering.clock
        {
            return;
        }
        let gathering = std::mem::take(&mut self.gathering);
        let saved_up_to = gathering.clock.then(|| self.engine.saved_up_to());
        let anew_from = self
            .anew_from
            .filter(|_| gathering.clock && self.engine.is_saved_anew());
        let group = Group {
            admitted: Arc::new(gathering.admitted),
            at,
            replies: gathering.replies,
            outcomes: gathering.outcomes,
            notifications: gathering.notifications,
            work: gathering.work,
            completes: anew_from.is_some(),
        };
        let (engine, admitted, at) = (&self.engine, group.admitted.clone(), group.at);
        let measurements = admitted.len();
        let handed = &mut self.handed;
        let commit = || Commit {
            beside: handed.hand(engine),
            sequence: engine.sequence() + 1,
            now: at,
            judged: engine.judged(at),
            admitted: Some(admitted).filter(|admitted| !admitted.leaves_no_trace()),
            saved_up_to,
            kept_from: engine.kept_from(at),
            writes: gathering.writes,
            anew_from,
        };
        self.storage.begin(group, commit, measurements);
    }

    /// Applies what has been committed, and only then answers.
    fn apply(&mut self, group: Group) {
        self.engine.apply(&group.admitted, group.at);
        for tell in group.outcomes {
            tell(self.storage.is_written());
        }
        if !group.notifications.is_empty() {
            self.notifiers.send(group.notifications);
        }
        self.hand_out(group.work);
        if group.completes && self.storage.is_written() {
            self.anew_from = None;
            self.storage.caught_up();
        }
        self.keep_up(group.admitted.len(), group.at);
        // First, so that the disk does not wait while those who have waited for it are told.
        self.begin_commit();
        for (reply, answer) in group.replies {
            let _ = reply.send(Ok(answer));
        }
    }

    fn control(&mut self, control: Control) {
        let now = self.clock.now();
        let done = match control {
            Control::Reconfigure(settings, notifiers, done) => {
                let effects = self.engine.reconfigure(*settings, now);
                if let Some(prepared) = notifiers {
                    self.notifiers.reconfigure(prepared);
                }
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
            Control::Change(change) => {
                let (outcome, effects) = change(&mut self.engine, now);
                self.gathering.outcomes.push(outcome);
                self.pass_on(&effects);
                let is_writing = !matches!(self.storage.health(), Health::Degraded { .. });
                if self.storage.is_durable() && is_writing {
                    match effects.changes.is_empty() {
                        true => self.gather_orders(),
                        false => self.gather_alerts(&[]),
                    }
                }
                self.begin_commit();
                while let Some(group) = self.storage.finished() {
                    self.apply(group);
                }
                return;
            }
        };
        let _ = done.send(());
    }

    /// Judges every rule that is due, then tells who is to be told. Between two rules, readers,
    /// measurements and commits have their turn, so that a long round of judging delays nobody.
    async fn tick(&mut self) {
        let now = self.clock.now();
        self.ticked = now.steady;
        self.tell_own_losses();
        let all_due = self.engine.due(now);
        for event in self.engine.take_clock_events() {
            log::clock_event(event);
        }
        for due in all_due {
            let mut took = Duration::ZERO;
            let mut answer = Answer::new();
            loop {
                let begun = self.clock.now().steady;
                let complete = self
                    .engine
                    .answer_part(due, &mut answer, INSTANCES_AT_ONCE, now);
                took += self.clock.now().steady.saturating_sub(begun);
                if complete {
                    break;
                }
                self.let_others().await;
            }
            let begun = self.clock.now().steady;
            let effects = self.engine.evaluate(due, &answer, now);
            took += self.clock.now().steady.saturating_sub(begun);
            self.engine.note_duration(due, took);
            self.pass_on(&effects);
            self.let_others().await;
        }
        let (work, effects) = self.engine.act(self.clock.now());
        self.pass_on(&effects);
        self.gathering.work.extend(work);
        let notifications = self.engine.flush(self.clock.now());
        self.save(self.clock.now(), &notifications);
        self.gathering.notifications.extend(notifications);
        self.begin_commit();
    }

    /// Tells the engine what the parts around it have lost or refused, so that rules can judge it.
    fn tell_own_losses(&mut self) {
        let refused = self.lanes.refused.total();
        let dropped = self.notifiers.dropped();
        let stats = self.storage.stats();
        let own = self.engine.own();
        if let Some(stats) = stats {
            own.total(own::STORE_UNCOMMITTED, stats.uncommitted.get());
            own.total(own::STORE_SET_ASIDE, stats.set_aside.get());
            own.add(own::STORE_DEGRADED, u64::from(stats.is_degraded()));
        }
        own.total(own::INGEST_REFUSED, refused);
        own.total(own::NOTIFICATIONS_DROPPED, dropped);
    }

    /// Gives readers, measurements and commits their turn in the middle of judging.
    async fn let_others(&mut self) {
        // No more than wait now: those that come meanwhile have their turn next time.
        for _ in 0..self.lanes.reads.len() {
            if let Ok(read) = self.lanes.reads.try_recv() {
                read(&self.engine, self.clock.now());
            }
        }
        if self.has_room()
            && let Ok(request) = self.lanes.requests.try_recv()
        {
            self.gather(request);
        }
        // A commit that is under way goes on; judging does not wait for the disk.
        tokio::select! {
            biased;
            group = self.storage.committed() => self.apply(group),
            () = tokio::task::yield_now() => {}
        }
        // A long round of judging is no standstill.
        self.engine.look_at_clocks(self.clock.now());
    }

    fn pass_on(&self, effects: &Effects) {
        for change in &effects.changes {
            tracing::info!(
                alert = %change.labels,
                change = ?change.change,
                value = change.value,
                shadow = change.is_shadow,
                note = Some(change.note.as_str()).filter(|note| !note.is_empty()),
                "alert changed"
            );
        }
        self.notifiers.announced(&effects.announced);
        self.notifiers.alertmanagers(&effects.to_alertmanager);
    }
}

/// Waits for news of notifications; for ever where nobody keeps them.
async fn has_news(keeper: Option<&Keeper>) {
    match keeper {
        Some(keeper) => keeper.has_news().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
