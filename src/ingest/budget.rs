//! The memory of all requests in flight, from the first byte of a body until its answer has been sent.
//!
//! Each request takes its share as it grows: the body as it arrives, what it decompresses to, the records read from
//! it, and the answer. The share goes with the batch through the queue, so that a client that hangs up does not make
//! room for another before its batch is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hyper::body::Bytes;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use crate::engine::measurement::Measurement;
use crate::engine::series::FieldFault;
use crate::http::limits::ByteSize;

/// Beside its place in the list a record has a key, and perhaps scores and texts.
const HEAP_OF_RECORD: usize = 160;
/// Answers up to this size are not worth the bookkeeping.
const SMALL_ANSWER: usize = 16 << 10;
/// Large bodies that are decompressed or read at the same time, per core; more would only take turns.
const WORKERS_PER_CORE: usize = 1;

/// Bytes that all requests in flight may hold together.
#[derive(Debug)]
pub struct Budget {
    capacity: usize,
    used: AtomicUsize,
    refused: AtomicU64,
    workers: Semaphore,
}

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
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            capacity,
            used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            workers: Semaphore::new(cores * WORKERS_PER_CORE),
        })
    }

    /// An empty share.
    pub fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Requests that were told to come back because there was no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits for one's turn to work on a large body.
    ///
    /// # Errors
    /// None: the turns are never closed.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.workers.acquire().await
    }

    fn take(&self, held: usize, more: usize) -> Result<(), OverBudget> {
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|sum| *sum <= self.capacity)
            });
        if taken.is_ok() {
            return Ok(());
        }
        if held.saturating_add(more) > self.capacity {
            return Err(OverBudget::ForGood(self.capacity));
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(OverBudget::ForNow(self.capacity))
    }
}

/// What one request holds; it is given back with this value.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
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

    /// Holds `more` bytes.
    ///
    /// # Errors
    /// When there is no room; what was held stays.
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        self.budget.take(self.bytes, more)?;
        self.bytes += more;
        Ok(())
    }

    /// Refuses early what will not fit, by a length that the sender claims; nothing is held for a claim.
    ///
    /// # Errors
    /// When there would be no room for `more` bytes.
    pub fn expect(&mut self, more: usize) -> Result<(), OverBudget> {
        self.grow(more)?;
        self.shrink(more);
        Ok(())
    }

    /// Gives `less` bytes back.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.budget.used.fetch_sub(less, Ordering::Relaxed);
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
        self.shrink(self.bytes);
    }
}

/// The most that `records` records can take, before they have been read.
pub fn bytes_of_records(records: usize) -> usize {
    records.saturating_mul(size_of::<Result<Measurement, FieldFault>>() + HEAP_OF_RECORD)
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
    size_of_val(records) + texts + faults
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
        assert_eq!(share.expect(101), Err(OverBudget::ForGood(100)));
        assert_eq!(share.expect(11), Err(OverBudget::ForNow(100)));
        assert_eq!(share.expect(10), Ok(()));
        assert_eq!((share.bytes(), budget.used()), (0, 90));
        assert_eq!(share.grow(usize::MAX), Err(OverBudget::ForGood(100)));
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
