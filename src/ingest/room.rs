//! How much of something is taken by many threads at once: never more than there is, and what is given back is there again.
//!
//! `tests/interleavings.rs` has loom go through every order in which threads can meet here.

use super::atomic::{AtomicUsize, Ordering};

/// Something of which there is so much, and no more.
#[derive(Debug)]
pub struct Room {
    most: usize,
    taken: AtomicUsize,
}

impl Room {
    /// Room for `most`, of which nothing is taken.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
        }
    }

    /// How much there is in all.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How much is taken now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes `more`, or nothing where there is not so much; whether it did.
    pub fn take(&self, more: usize) -> bool {
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(more).filter(|sum| *sum <= self.most)
            });
        taken.is_ok()
    }

    /// Gives back `less` of what the caller has taken.
    pub fn give_back(&self, less: usize) {
        self.taken.fetch_sub(less, Ordering::Relaxed);
    }
}
