//! `start` and `end`: operations timed in the sidecar, with the CPU and memory of their process.
//!
//! CPU and memory are those of the whole process, or of all processes of the target: what runs at the same time in it
//! is in the figures of each operation. Of a process that does one operation at a time they are the operation's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::target::{Seen, SharedTarget, Target, Watcher};
use super::wire::{Pairs, Record, Text, Whole, WireOutcome};
use crate::engine::measurement::{Draft, Measurement, count};
use crate::engine::series::FieldFault;
use crate::engine::time::Now;

/// Operations that may be open at once.
const MAX_OPEN: usize = 10_000;
/// An operation that has not ended for this long is given up.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Body of a start: who it is, and which process to look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Start<'a> {
    #[serde(borrow)]
    operation: Text<'a>,
    #[serde(borrow)]
    algorithm: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    labels: Pairs<'a, Text<'a>>,
    dataset_size: Option<Whole>,
    #[serde(borrow)]
    trace_id: Text<'a>,
    pid: Option<u32>,
}

/// Body of an end: what is known only then.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct End<'a> {
    samples: Option<Whole>,
    outcome: Option<WireOutcome>,
    #[serde(borrow)]
    error_class: Text<'a>,
    #[serde(borrow)]
    quality: Pairs<'a, f64>,
    quality_samples: Option<Whole>,
}

/// Why an operation could not be started or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    /// The body is not what it should be.
    #[error("cannot read the body: {0}")]
    Body(String),
    /// A field is bad.
    #[error("{}: {}", .0.field, .0.reason)]
    Field(FieldFault),
    /// Too many operations are open.
    #[error("{MAX_OPEN} operations are open already; end one first")]
    Full,
    /// There is no such open operation.
    #[error("no operation {0:?} is open")]
    Unknown(String),
}

#[derive(Debug)]
struct Open {
    /// The identity, checked at the start.
    template: Measurement,
    started: Now,
    /// The process that the body named; else the target is looked at.
    pid: Option<u32>,
    /// What was read at the start.
    seen: Option<Seen>,
    /// Most memory seen between start and end, as far as anyone looked.
    peak: u64,
}

/// An operation that has ended.
#[derive(Debug)]
pub struct Closed {
    /// What was measured.
    pub measurement: Measurement,
    id: String,
    open: Open,
}

/// Operations that have started and not ended.
#[derive(Debug)]
pub struct Tracking {
    open: HashMap<String, Open>,
    target: Arc<SharedTarget>,
    sequence: u64,
    /// Operations given up because they never ended.
    pub abandoned: u64,
}

impl Default for Tracking {
    fn default() -> Self {
        let nothing = Watcher::new(Target::default());
        Self::new(Arc::new(SharedTarget::new(nothing)))
    }
}

/// Reads the process of an operation.
fn look(watcher: &mut Watcher, pid: Option<u32>) -> Option<Seen> {
    match pid {
        Some(pid) => watcher.read_process(pid),
        None => Some(watcher.read().ok()?.seen),
    }
}

impl Tracking {
    /// No operations yet. `target` is looked at for those that name no process.
    pub fn new(target: Arc<SharedTarget>) -> Self {
        Self {
            open: HashMap::new(),
            target,
            sequence: 0,
            abandoned: 0,
        }
    }

    /// Opens an operation and returns its id.
    ///
    /// # Errors
    /// A bad body or field, or too many open operations.
    pub fn start(&mut self, body: &[u8], now: Now) -> Result<String, TrackingError> {
        let start: Start<'_> = parse(body)?;
        let template = Measurement::new(Draft {
            operation: &start.operation.0,
            algorithm: &start.algorithm.0,
            version: &start.version.0,
            labels: (start.labels.0.iter())
                .map(|(n, v)| (&*n.0, &*v.0))
                .collect(),
            dataset_size: start.dataset_size.map(|whole| whole.0),
            trace_id: &start.trace_id.0,
            ..Draft::default()
        })
        .map_err(TrackingError::Field)?;
        self.give_up_old(now);
        if self.open.len() >= MAX_OPEN {
            return Err(TrackingError::Full);
        }
        self.sequence += 1;
        let id = format!("{:x}-{:x}", now.wall.millis(), self.sequence);
        let seen = look(&mut self.target.lock(), start.pid);
        let open = Open {
            template,
            started: now,
            pid: start.pid,
            peak: seen.map_or(0, |seen| seen.memory_bytes),
            seen,
        };
        self.open.insert(id.clone(), open);
        Ok(id)
    }

    /// Closes an operation and returns its measurement: timed by the steady clock, with the mean CPU
    /// of its process over that time and its memory at the end.
    ///
    /// # Errors
    /// A bad body or field, or an id that is not open; the operation stays open then.
    pub fn end(&mut self, id: &str, body: &[u8], now: Now) -> Result<Closed, TrackingError> {
        let end: End<'_> = if body.is_empty() {
            End::default()
        } else {
            parse(body)?
        };
        let open = self
            .open
            .get_mut(id)
            .ok_or_else(|| TrackingError::Unknown(id.to_owned()))?;
        let elapsed = now.steady.saturating_sub(open.started.steady).as_secs_f64();
        let seen = look(&mut self.target.lock(), open.pid);
        // Another process under the same number, or another target, has nothing to do with this operation.
        let seen = seen.filter(|after| open.seen.is_none_or(|before| before.of == after.of));
        let cpu_cores = match (open.seen, seen) {
            // The kernel counts CPU time in hundredths of a second: nothing can be said of less.
            (Some(before), Some(after)) if elapsed >= 0.01 => {
                Some(after.cpu.saturating_sub(before.cpu).as_secs_f64() / elapsed)
            }
            _ => None,
        };
        let memory = seen.map(|seen| count(seen.memory_bytes));
        // What was seen of a process stays true when it has ended since.
        let peak = seen
            .or(open.seen)
            .map(|seen| count(seen.memory_bytes.max(open.peak)));
        let record = Record {
            samples: end.samples,
            outcome: end.outcome,
            error_class: end.error_class,
            quality: end.quality,
            quality_samples: end.quality_samples,
            ..Record::default()
        };
        let checked = Measurement::new(Draft {
            operation: open.template.key.operation(),
            duration_seconds: Some(elapsed),
            cpu_cores,
            memory_bytes: memory,
            memory_peak_bytes: peak,
            ..record.draft()
        })
        .map_err(TrackingError::Field)?;
        let measurement = Measurement {
            key: open.template.key.clone(),
            dataset_size: open.template.dataset_size,
            trace_id: open.template.trace_id.clone(),
            ..checked
        };
        let (id, open) = self
            .open
            .remove_entry(id)
            .ok_or_else(|| TrackingError::Unknown(id.to_owned()))?;
        Ok(Closed {
            measurement,
            id,
            open,
        })
    }

    /// Opens an operation again whose measurement could not be taken in, so that it can be ended later.
    pub fn reopen(&mut self, closed: Closed) {
        self.open.insert(closed.id, closed.open);
    }

    /// Looks at the memory of every process with an open operation, so that peaks between start and
    /// end are seen.
    pub fn sample(&mut self) {
        let mut seen: HashMap<Option<u32>, Option<Seen>> = HashMap::new();
        let mut watcher = self.target.lock();
        for open in self.open.values_mut() {
            // What could not be read at the start is not asked for again and again.
            let Some(before) = open.seen else { continue };
            let now = seen
                .entry(open.pid)
                .or_insert_with(|| look(&mut watcher, open.pid));
            if let Some(now) = now.filter(|now| now.of == before.of) {
                open.peak = open.peak.max(now.memory_bytes);
            }
        }
    }

    /// Number of open operations.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    fn give_up_old(&mut self, now: Now) {
        let before = self.open.len();
        self.open
            .retain(|_, open| now.steady.saturating_sub(open.started.steady) < MAX_AGE);
        self.abandoned += (before - self.open.len()) as u64;
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, TrackingError> {
    serde_json::from_slice(body).map_err(|error| TrackingError::Body(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::target::Subject;

    fn at(seconds: u64) -> Now {
        Now::invented(Duration::from_secs(1_000_000 + seconds))
    }

    #[test]
    fn case_37_what_was_started_comes_back_with_its_time_and_process() {
        let mut tracking = Tracking::default();
        let pid = std::process::id();
        let body = format!(
            r#"{{"operation":"train","algorithm":"svm","labels":{{"zone":"a"}},"dataset_size":1000,"pid":{pid}}}"#
        );
        let id = tracking.start(body.as_bytes(), at(0)).unwrap();
        let m = tracking
            .end(&id, br#"{"samples":1000,"quality":{"f1":0.9}}"#, at(5))
            .unwrap()
            .measurement;
        assert_eq!(
            (m.key.operation(), m.key.algorithm(), m.key.get("zone")),
            ("train", "svm", "a")
        );
        assert_eq!((m.dataset_size, m.samples), (Some(1000), Some(1000)));
        assert_eq!(m.duration_seconds, Some(5.0));
        assert!(m.cpu_cores.is_some() && m.memory_peak_bytes >= m.memory_bytes);
        assert_eq!(m.quality, [("f1".into(), 0.9)]);
        assert!(matches!(
            tracking.end(&id, b"", at(6)),
            Err(TrackingError::Unknown(_))
        ));
    }

    #[test]
    fn another_process_under_the_same_number_counts_for_nothing() {
        let mut tracking = Tracking::default();
        let pid = std::process::id();
        let body = format!(r#"{{"operation":"train","pid":{pid}}}"#);
        let id = tracking.start(body.as_bytes(), at(0)).unwrap();
        // As if the process of the start had been an older one, with little memory.
        let seen = tracking.open.get_mut(&id).unwrap().seen.as_mut().unwrap();
        seen.of = Subject::Process((pid, 1));
        seen.memory_bytes = 4_096;
        tracking.open.get_mut(&id).unwrap().peak = 8_192;
        tracking.sample();
        let m = tracking.end(&id, b"", at(5)).unwrap().measurement;
        assert_eq!((m.cpu_cores, m.memory_bytes), (None, None));
        // What was seen of the other one stays true.
        assert_eq!(m.memory_peak_bytes, Some(8_192.0));
    }

    #[test]
    fn an_operation_without_a_process_is_only_timed() {
        let mut tracking = Tracking::default();
        let id = tracking.start(br#"{"operation":"a"}"#, at(0)).unwrap();
        let body = format!(r#"{{"operation":"b","pid":{}}}"#, u32::MAX - 1);
        let other = tracking.start(body.as_bytes(), at(0)).unwrap();
        tracking.sample();
        for id in [id, other] {
            let m = tracking.end(&id, b"", at(5)).unwrap().measurement;
            assert_eq!(m.duration_seconds, Some(5.0));
            assert_eq!((m.cpu_cores, m.memory_peak_bytes), (None, None));
        }
        assert_eq!(tracking.target.lock().failures().not_found, 2);
    }

    #[test]
    fn a_bad_end_leaves_the_operation_open() {
        let mut tracking = Tracking::default();
        let id = tracking.start(br#"{"operation":"train"}"#, at(0)).unwrap();
        let error = tracking.end(&id, br#"{"samples":-1}"#, at(1)).unwrap_err();
        assert!(
            error.to_string().contains("a whole number of at least 0"),
            "{error}"
        );
        assert!(tracking.end(&id, b"", at(2)).is_ok());
        assert_eq!(tracking.open_count(), 0);
    }

    #[test]
    fn an_operation_whose_measurement_was_refused_can_be_ended_again() {
        let mut tracking = Tracking::default();
        let id = tracking.start(br#"{"operation":"train"}"#, at(0)).unwrap();
        let closed = tracking.end(&id, b"", at(1)).unwrap();
        tracking.reopen(closed);
        let again = tracking.end(&id, b"", at(2)).unwrap();
        assert_eq!(again.measurement.duration_seconds, Some(2.0));
    }

    #[test]
    fn a_start_is_checked_like_a_record() {
        let mut tracking = Tracking::default();
        for (body, expected) in [
            (&b"{}"[..], "operation: is empty"),
            (b"[", "cannot read the body"),
            (
                br#"{"operation":"a","labels":{"le":"1"}}"#,
                "labels.le: is a reserved",
            ),
            (br#"{"operation":"a","sample":1}"#, "unknown field `sample`"),
        ] {
            let error = tracking.start(body, at(0)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
