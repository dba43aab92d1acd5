//! The memory of all requests in flight, from the first byte of a body until its answer has been sent.
//!
//! Each request takes its share as it grows: the body as it arrives, what it decompresses to, the records read from
//! it, and the answer. The share goes with the batch through the queue, so that a client that hangs up does not make
//! room for another before its batch is gone.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::room::Room;
use crate::engine::measurement::Measurement;
use crate::engine::series::FieldFault;
use crate::http::limits::ByteSize;

/// Beside its place in the list a record has a key, and perhaps scores and texts.
const HEAP_OF_RECORD: usize = 160;
/// Lists grow by doubling, and the engine makes a second one of what it admits.
const COPIES: usize = 2;
/// Answers up to this size are not worth the bookkeeping.
const SMALL_ANSWER: usize = 16 << 10;
/// Large bodies that are decompressed or read at the same time, per core; more would only take turns.
const WORKERS_PER_CORE: usize = 1;
/// The part of the whole that bodies may take as they were sent. The rest is for what is made of them: if a crowd of
/// half-read bodies could take it all, none of them would ever be done.
const BODIES_PART: usize = 3;

/// Bytes that all requests in flight may hold together.
#[derive(Debug)]
pub struct Budget {
    whole: Room,
    bodies: Room,
    refused: Counter,
    turns: Arc<Semaphore>,
    work: Sender<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

/// The thread that was to do the work is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread for large bodies is gone")]
pub struct WorkerGone;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// Others hold it: the sender is to come back.
    #[error("too much is in flight: all requests together may hold {limit}", limit = ByteSize(*.0))]
    ForNow(usize),
    /// This request alone needs more than there is for all.
    #[error("the request needs more memory than the {limit} that all requests together may hold; send smaller batches", limit = ByteSize(*.0))]
    ForGood(usize),
}

impl Budget {
    /// A budget of `capacity` bytes.
    pub fn new(capacity: usize) -> Arc<Self> {
        Self::counting(capacity, Counter::default())
    }

    /// A budget of `capacity` bytes that counts in `refused` whom it tells to come back.
    pub fn counting(capacity: usize, refused: Counter) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = cores * WORKERS_PER_CORE;
        let (work, to_do) = mpsc::channel::<Work>();
        let to_do = Arc::new(Mutex::new(to_do));
        for number in 0..workers {
            let to_do = to_do.clone();
            let thread = std::thread::Builder::new().name(format!("body-{number}"));
            // They end with the budget. Without any, work is refused as if the process were ending.
            let started = thread.spawn(move || {
                loop {
                    let next = to_do.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        // A panic is the end of its request, not of the thread.
                        Ok(work) => drop(std::panic::catch_unwind(AssertUnwindSafe(work))),
                        Err(_) => return,
                    }
                }
            });
            if let Err(error) = started {
                tracing::error!(%error, "cannot start a thread for large bodies");
            }
        }
        Arc::new(Self {
            whole: Room::new(capacity),
            bodies: Room::new(capacity / BODIES_PART),
            refused,
            turns: Arc::new(Semaphore::new(workers)),
            work,
        })
    }

    /// An empty share.
    pub fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
            body: 0,
            turn: None,
        }
    }

    /// Does work on a large body, on one of a few threads that do nothing else: memory that comes and goes in large
    /// pieces stays with the thread that asked for it, so that it must not be a different one each time.
    ///
    /// # Errors
    /// When the work panicked or there is no thread.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerGone> {
        let (reply, done) = oneshot::channel();
        let work = Box::new(move || drop(reply.send(work())));
        self.work.send(work).map_err(|_| WorkerGone)?;
        done.await.map_err(|_| WorkerGone)
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.whole.taken()
    }

    /// Bytes that may be held.
    pub fn capacity(&self) -> usize {
        self.whole.most()
    }

    /// Requests that were told to come back because there was no room.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Takes `more` of a room for somebody who holds `held` of it already.
    fn take(&self, room: &Room, held: usize, more: usize) -> Result<(), OverBudget> {
        if room.take(more) {
            return Ok(());
        }
        let most = room.most();
        if held.saturating_add(more) > most {
            return Err(OverBudget::ForGood(most));
        }
        self.refused.inc();
        Err(OverBudget::ForNow(most))
    }
}

/// What one request holds; it is given back with this value.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
    /// Of them, bytes of the body as it was sent.
    body: usize,
    turn: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget that it is a share of.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Waits for the turn to work on a large body, unless it is there already. It lasts from decompressing until the
    /// records have been read: whoever waited half-way would hold what others need to be done.
    pub async fn take_turn(&mut self) {
        if self.turn.is_none() {
            // The turns are never closed.
            self.turn = self.budget.turns.clone().acquire_owned().await.ok();
        }
    }

    /// Ends the turn.
    pub fn end_turn(&mut self) {
        self.turn = None;
    }

    /// Holds `more` bytes.
    ///
    /// # Errors
    /// When there is no room; what was held stays.
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        let budget = &self.budget;
        budget.take(&budget.whole, self.bytes, more)?;
        self.bytes += more;
        Ok(())
    }

    /// Holds `more` bytes of a body as it arrives.
    ///
    /// # Errors
    /// When there is no room; what was held stays.
    pub fn grow_body(&mut self, more: usize) -> Result<(), OverBudget> {
        let budget = &self.budget;
        budget.take(&budget.bodies, self.body, more)?;
        self.body += more;
        self.grow(more).inspect_err(|_| {
            self.body -= more;
            self.budget.bodies.give_back(more);
        })
    }

    /// Gives the body back, which is no longer there.
    pub fn drop_body(&mut self) {
        let body = std::mem::take(&mut self.body);
        self.budget.bodies.give_back(body);
        self.shrink(body);
    }

    /// Refuses a body early that can never fit, by the length that the sender claims.
    ///
    /// # Errors
    /// When there is no room for a body of that length even alone.
    pub fn expect_body(&self, length: usize) -> Result<(), OverBudget> {
        let most = self.budget.bodies.most();
        if length > most {
            return Err(OverBudget::ForGood(most));
        }
        Ok(())
    }

    /// Bytes held for the body as it was sent.
    pub fn body(&self) -> usize {
        self.body
    }

    /// Gives `less` bytes back.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.budget.whole.give_back(less);
    }

    /// Holds exactly `bytes` from now on.
    ///
    /// # Errors
    /// When that is more than before and there is no room.
    pub fn resize(&mut self, bytes: usize) -> Result<(), OverBudget> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.shrink(self.bytes - bytes);
                Ok(())
            }
        }
    }

    /// An answer that holds its share until the client has taken it.
    pub fn answer(mut self, answer: Bytes) -> Bytes {
        struct Held(
            Bytes,
            #[expect(dead_code, reason = "given back when dropped")] Share,
        );
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        if answer.len() <= SMALL_ANSWER {
            return answer;
        }
        // What the records held makes room for the answer to them.
        self.shrink(self.bytes.saturating_sub(answer.len()));
        Bytes::from_owner(Held(answer, self))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.drop_body();
        self.shrink(self.bytes);
    }
}

/// The most that `records` records can take, before they have been read.
pub fn bytes_of_records(records: usize) -> usize {
    records.saturating_mul(COPIES * size_of::<Result<Measurement, FieldFault>>() + HEAP_OF_RECORD)
}

/// What has been read takes, with the answer to what is bad in it. `body` is the length of the text, which bounds
/// all texts of good records.
pub fn bytes_of_read(records: &[Result<Measurement, FieldFault>], body: usize) -> usize {
    // A bad record is kept until it is told, as it is and as JSON.
    let faults = records.iter().filter_map(|record| record.as_ref().err());
    let faults: usize = faults
        .map(|fault| 2 * (fault.field.len() + fault.reason.len()) + 64)
        .sum();
    let texts = body.min(records.len().saturating_mul(HEAP_OF_RECORD));
    COPIES * size_of_val(records) + texts + faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_bounded_by_what_others_hold_and_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.share();
        let mut second = budget.share();
        assert_eq!(first.grow(60), Ok(()));
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(second.grow(1), Err(OverBudget::ForNow(100)));
        assert_eq!(second.bytes(), 40);
        assert_eq!((budget.used(), budget.refused()), (100, 1));
        first.shrink(10);
        assert_eq!(second.grow(10), Ok(()));
        assert_eq!(second.resize(20), Ok(()));
        assert_eq!(budget.used(), 70);
        drop(first);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_can_never_fit_is_told_from_what_does_not_fit_now() {
        let budget = Budget::new(100);
        let mut other = budget.share();
        other.grow(90).unwrap();
        let mut share = budget.share();
        assert_eq!(share.grow(101), Err(OverBudget::ForGood(100)));
        assert_eq!(share.grow(11), Err(OverBudget::ForNow(100)));
        assert_eq!(share.expect_body(34), Err(OverBudget::ForGood(33)));
        assert_eq!(share.expect_body(33), Ok(()));
        assert_eq!((share.bytes(), budget.used()), (0, 90));
        assert_eq!(share.grow(usize::MAX), Err(OverBudget::ForGood(100)));
    }

    #[test]
    fn bodies_leave_room_for_what_is_made_of_them() {
        let budget = Budget::new(300);
        let mut shares: Vec<Share> = (0..2).map(|_| budget.share()).collect();
        assert_eq!(shares[0].grow_body(60), Ok(()));
        assert_eq!(shares[1].grow_body(41), Err(OverBudget::ForNow(100)));
        assert_eq!(shares[1].grow_body(40), Ok(()));
        assert_eq!(budget.used(), 100);
        assert_eq!(shares[0].grow(200), Ok(()));
        shares[0].drop_body();
        assert_eq!((shares[0].bytes(), budget.used()), (200, 240));
        assert_eq!(shares[1].grow_body(60), Ok(()));
        drop(shares);
        assert_eq!((budget.used(), budget.bodies.taken()), (0, 0));
    }

    #[test]
    fn an_answer_holds_its_share_until_it_is_gone() {
        let budget = Budget::new(1 << 20);
        let mut share = budget.share();
        share.grow(100_000).unwrap();
        let answer = share.answer(vec![b' '; 50_000].into());
        assert_eq!((answer.len(), budget.used()), (50_000, 50_000));
        drop(answer);
        assert_eq!(budget.used(), 0);
        let mut share = budget.share();
        share.grow(100_000).unwrap();
        let _small = share.answer(vec![b' '; 43].into());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn records_take_no_more_than_was_set_aside_for_them() {
        use crate::ingest::json::{Form, read};
        let good = r#"{"operation":"train","algorithm":"iforest","duration_seconds":2.5}"#;
        for line in [good, r#"{"operation":"a"}"#] {
            let text = format!("{line}\n").repeat(100);
            let records = read(text.as_bytes(), Form::Lines, &[]).unwrap();
            assert!(bytes_of_read(&records, text.len()) <= bytes_of_records(100));
        }
    }
}
