//! What actions send goes to those who send it, once it is on disk.

use tokio::sync::mpsc;

use super::Driver;
use crate::engine::action::Work;

impl Driver {
    /// Has what actions send go there; without, it goes nowhere.
    #[must_use]
    pub fn calling(mut self, calls: mpsc::Sender<Work>) -> Self {
        self.calls = Some(calls);
        self
    }

    /// Hands what actions send to those who send it. What is not on disk, though it should be, waits: were it sent and the
    /// process killed, the same would be asked for under another key.
    pub(super) fn hand_out(&mut self, work: Vec<Work>) {
        let is_kept = !self.storage.is_durable() || self.storage.is_written();
        for one in work {
            let key = one.key().to_owned();
            let is_taken =
                is_kept && (self.calls.as_ref()).is_none_or(|calls| calls.try_send(one).is_ok());
            if !is_taken {
                self.engine.return_work(&key);
            }
        }
    }
}
