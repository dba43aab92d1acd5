//! What becomes of notifications that wait, for whoever keeps them over a restart.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::engine::dispatch::Notification;

/// What has become of a notification that is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Fortune {
    /// It has been delivered or given up: there is nothing left to do for this id.
    Settled(String),
    /// It still waits, and says something else now.
    Changed(Arc<Notification>),
}

/// Collects it from every outbox.
#[derive(Debug, Default)]
pub struct Keeper {
    news: Mutex<Vec<Fortune>>,
    wake: Notify,
}

impl Keeper {
    pub(super) fn note(&self, news: Vec<Fortune>) {
        if !news.is_empty() {
            self.lock().extend(news);
            self.wake.notify_one();
        }
    }

    /// What has become of notifications since this was last asked, in order.
    pub fn take(&self) -> Vec<Fortune> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until there is something to take. May be ready without.
    pub async fn has_news(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fortune>> {
        // Nothing panics while it holds the lock.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
