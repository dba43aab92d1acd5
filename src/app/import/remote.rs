//! To a running opwatch, over its ingest listener.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::app::remote::{Remote, RemoteError};
use crate::clock::Clock;
use crate::engine::admission::Answer;
use crate::engine::measurement::Measurement;
use crate::engine::series::FieldFault;
use crate::export::{Format, Writer};
use crate::notify::client::{ClientError, Reply};

/// Where measurements go.
const PATH: &str = "/v1/operations";
/// How long an opwatch may go on being busy or away in the middle of an import.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two trials, where the answer does not say how long.
const COME_BACK: Duration = Duration::from_secs(1);
/// The longest wait between two trials, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A running opwatch that takes measurements.
pub struct Taker {
    remote: Remote,
    clock: Clock,
    /// This import's own name, so that a batch that is sent again counts once.
    name: String,
    sequence: u64,
    /// Whether it has answered before: then it is worth waiting for.
    has_answered: bool,
}

#[derive(Deserialize)]
struct AnswerBody {
    accepted: u64,
    duplicates: u64,
    rejected: Vec<Rejection>,
}

#[derive(Deserialize)]
struct Rejection {
    index: usize,
    field: String,
    reason: String,
}

impl Taker {
    /// A client of the opwatch whose ingest listener is at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(url: &str) -> Result<Self, RemoteError> {
        let clock = Clock::start();
        let started = clock.now().wall.millis();
        Ok(Self {
            remote: Remote::new(url.strip_suffix(PATH).unwrap_or(url))?,
            clock,
            name: format!("import-{started}-{}", std::process::id()),
            sequence: 0,
            has_answered: false,
        })
    }

    /// Sends a batch and gives the answer, as if it had been sent at once where it had to be cut.
    pub(super) fn take(&mut self, batch: &[Measurement]) -> Result<Answer, RemoteError> {
        let mut answer = Answer::default();
        let mut parts = vec![(0, batch)];
        while let Some((offset, part)) = parts.pop() {
            let reply = self.send(part)?;
            if reply.status == StatusCode::PAYLOAD_TOO_LARGE && part.len() > 1 {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([(offset + first.len(), second), (offset, first)]);
                continue;
            }
            let body: AnswerBody = self.remote.read(&reply)?;
            answer.accepted += body.accepted;
            answer.duplicates += body.duplicates;
            answer.rejected.extend(body.rejected.into_iter().map(|one| {
                let fault = FieldFault::new(one.field, one.reason);
                (offset + one.index, fault)
            }));
        }
        Ok(answer)
    }

    /// Sends records until there is an answer that is more than to come back later.
    fn send(&mut self, records: &[Measurement]) -> Result<Reply, RemoteError> {
        self.sequence += 1;
        let mut writer = Writer::new(Format::Ndjson, Vec::new());
        for measurement in records {
            writer.write(measurement.at.unwrap_or_default(), measurement)?;
        }
        let body = Bytes::from(writer.finish()?);
        let batch = format!("{}/{}", self.name, self.sequence);
        let headers = [
            (
                CONTENT_TYPE,
                HeaderValue::from_static(Format::Ndjson.content_type()),
            ),
            (
                HeaderName::from_static("opwatch-batch"),
                HeaderValue::try_from(batch).map_err(|_| ClientError::Credentials)?,
            ),
        ];
        let give_up = self.clock.now().steady + PATIENCE;
        loop {
            let outcome = self.remote.send(Method::POST, PATH, &headers, body.clone());
            let now = self.clock.now();
            let is_over = now.steady >= give_up;
            let wait = match outcome {
                Ok(reply) if is_busy(reply.status) && !is_over => {
                    reply.wait(now.wall).unwrap_or(COME_BACK)
                }
                Ok(reply) => {
                    self.has_answered = true;
                    return Ok(reply);
                }
                // It is being restarted, perhaps; the batch counts once, whether it arrived or not.
                Err(RemoteError::Unreachable(
                    ClientError::Connection { .. } | ClientError::Timeout { .. },
                )) if self.has_answered && !is_over => COME_BACK,
                Err(error) => return Err(error),
            };
            self.remote.pause(wait.min(LONGEST_WAIT));
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}
