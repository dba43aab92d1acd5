//! Sends what actions send: each request until it is answered for good, and each question until it is known what came of it.
//!
//! The engine keeps what is to be sent, on disk before it comes here; so nothing of it is kept here. A start hands out again
//! what had no answer, under the same key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::EngineHandle;
use crate::engine::action::{MOST_CASES, Order, Report, Reported, Work};
use crate::notify::{Notifiers, again_after};

/// Requests and questions that may wait to be begun: as many as there are cases.
pub(super) const LANE: usize = MOST_CASES;

/// What it takes to send.
#[derive(Clone)]
pub(super) struct Calling {
    pub(super) engine: EngineHandle,
    pub(super) notifiers: Arc<Notifiers>,
}

impl Calling {
    /// Sends what comes until it is time to end. What is under way then is begun again by the next start.
    pub(super) async fn serve(self, mut work: mpsc::Receiver<Work>, quit: CancellationToken) {
        let tasks = TaskTracker::new();
        while let Some(Some(one)) = quit.run_until_cancelled(work.recv()).await {
            let (this, quit) = (self.clone(), quit.clone());
            tasks.spawn(async move { quit.run_until_cancelled(this.see_to(one)).await });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn see_to(self, work: Work) {
        match &work {
            Work::Request(order) => self.request(&work, order).await,
            Work::Poll { action, key, job } => self.poll(&work, (action, key, job)).await,
        }
    }

    /// Whether the engine still wants it; not so once it is over, was reported, or the engine has ended.
    async fn is_wanted(&self, work: &Work) -> bool {
        let work = work.clone();
        let wanted = self.engine.read(move |engine, _| engine.wants_work(&work));
        wanted.await.unwrap_or(false)
    }

    async fn request(&self, work: &Work, order: &Order) {
        let (action, key) = (order.action.as_str(), order.key.as_str());
        let mut attempts = 0;
        while self.is_wanted(work).await {
            let Some(caller) = self.notifiers.caller(action) else {
                return;
            };
            let error = match caller.request(order).await {
                Ok(job) => {
                    tracing::info!(action, key, job, "action requested");
                    self.answer(key, Ok(job)).await;
                    return;
                }
                Err(error) => error,
            };
            if !error.is_transient() {
                tracing::warn!(action, key, %error, "action refused");
                self.answer(key, Err(error.to_string())).await;
                return;
            }
            attempts += 1;
            let wait = again_after(&error, attempts);
            self.trouble(action, key, &error.to_string(), wait).await;
            tokio::time::sleep(wait).await;
        }
    }

    async fn poll(&self, work: &Work, (action, key, job): (&str, &str, &str)) {
        let mut said = None;
        let mut attempts = 0;
        while self.is_wanted(work).await {
            let Some(caller) = self.notifiers.caller(action) else {
                return;
            };
            let mut wait = caller.poll_interval();
            match caller.poll(job).await {
                Ok(report) if report.status == Reported::Running => {
                    attempts = 0;
                    // The same again is no news that would have to be kept.
                    if said.as_ref() != Some(&report.message) {
                        said = Some(report.message.clone());
                        self.report(key, report).await;
                    }
                }
                Ok(report) => {
                    tracing::info!(action, key, status = ?report.status, "action is over");
                    self.report(key, report).await;
                    return;
                }
                Err(error) => {
                    attempts += 1;
                    wait = wait.max(again_after(&error, attempts));
                    self.trouble(action, key, &error.to_string(), wait).await;
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn answer(&self, key: &str, answer: Result<Option<String>, String>) {
        let key = key.to_owned();
        let change = self
            .engine
            .change(move |engine, now| engine.take_answer(&key, answer, now));
        // Without an engine it is asked again after the next start.
        let _ = change.await;
    }

    async fn report(&self, key: &str, report: Report) {
        let key = key.to_owned();
        let change = self
            .engine
            .change(move |engine, now| engine.take_report(&key, report, now));
        let _ = change.await;
    }

    async fn trouble(&self, action: &str, key: &str, error: &str, wait: Duration) {
        let retry_in_seconds = wait.as_secs_f64();
        tracing::warn!(
            action,
            key,
            error,
            retry_in_seconds,
            "no answer of an action yet"
        );
        let (key, error) = (key.to_owned(), error.to_owned());
        let change = self
            .engine
            .change(move |engine, _| engine.take_trouble(&key, &error));
        let _ = change.await;
    }
}
