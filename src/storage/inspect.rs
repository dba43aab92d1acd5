//! A look at a database from outside: what is in it, and whether all of it can be read.

use std::fmt;

use super::database::Database;
use super::rows::{ClockRow, Kind};
use crate::engine::saved::{admitted_from_bytes, notification_from_bytes};
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, Settings};

/// What is in a database.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// Bytes that hold something.
    pub bytes: u64,
    /// Series saved.
    pub series: u64,
    /// Where the clocks and the numbering stood.
    pub clock: ClockRow,
    /// Groups of measurements in the log.
    pub groups: u64,
    /// When the first and the last of them were taken in.
    pub range: Option<(Timestamp, Timestamp)>,
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "size              {} bytes", self.bytes)?;
        writeln!(f, "series            {}", self.series)?;
        writeln!(f, "groups in the log {}", self.groups)?;
        if let Some((first, last)) = self.range {
            writeln!(f, "taken in from     {first}")?;
            writeln!(f, "taken in until    {last}")?;
        }
        match self.clock {
            clock if clock == ClockRow::default() => writeln!(f, "last saved        not yet")?,
            clock => writeln!(f, "last saved        {}", clock.now.wall)?,
        }
        let uptime = self.clock.now.steady.as_secs();
        write!(f, "running for       {uptime} s in all")
    }
}

/// Looks at what is in a database.
///
/// # Errors
/// When it cannot be read.
pub fn info(database: &Database) -> rusqlite::Result<Info> {
    let mut info = Info {
        bytes: database.used_bytes()?,
        ..Info::default()
    };
    database.state(|row| match (row.kind, row.body) {
        (Kind::Series, Ok(Some(_))) => info.series += 1,
        (Kind::Clock, Ok(Some(body))) => {
            info.clock = ClockRow::from_bytes(&body).unwrap_or_default();
        }
        _ => {}
    })?;
    database.measurements(0, |group| {
        info.groups += 1;
        let first = info.range.map_or(group.now.wall, |(first, _)| first);
        info.range = Some((first, group.now.wall));
    })?;
    Ok(info)
}

/// What a check has found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Rows and groups that can be read.
    pub good: u64,
    /// What cannot be read.
    pub faults: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        let (good, bad) = (self.good, self.faults.len());
        match bad {
            0 => write!(f, "good: all {good} rows can be read"),
            _ => write!(f, "{bad} faults; {good} rows can be read"),
        }
    }
}

impl Checked {
    fn note<E: fmt::Display>(&mut self, what: impl FnOnce() -> String, outcome: Result<(), E>) {
        match outcome {
            Ok(()) => self.good += 1,
            Err(error) => self.faults.push(format!("{}: {error}", what())),
        }
    }
}

/// Reads a row of the state as a start would.
fn read(engine: &mut Engine, kind: Kind, key: &str, body: &[u8]) -> Result<(), String> {
    let now = Now::default();
    match kind {
        Kind::Clock => {
            return ClockRow::from_bytes(body)
                .map(|_| ())
                .map_err(|error| error.to_string());
        }
        Kind::Series => engine.restore_series(key, body, now),
        Kind::Rule => engine.restore_rule(key, body, now).map(|_| ()),
        Kind::Dispatch => engine.restore_dispatch(body, now),
        Kind::Notification => notification_from_bytes(body).map(|_| ()),
        Kind::Seen => engine.restore_seen(body),
        Kind::Change => engine.restore_changes(&[body]),
        Kind::ClockEvents => engine.restore_clocks(body),
        Kind::Baseline => engine.restore_baseline(body),
        Kind::Incident => engine.restore_incident(body),
        Kind::Silence => engine.restore_silence(body),
        Kind::Maintenance => engine.restore_maintenance(body),
        Kind::Action => engine.restore_action(body),
    }
    .map_err(|error| error.to_string())
}

/// Reads everything.
pub fn check(database: &Database) -> Checked {
    let mut checked = Checked::default();
    for fault in database.structure() {
        checked.faults.push(format!("database: {fault}"));
    }
    let mut engine = Engine::new(Settings::default(), Now::default());
    let state = database.state(|row| {
        let outcome = match &row.body {
            Err(bad) => Err(bad.to_string()),
            Ok(None) => Ok(()),
            Ok(Some(body)) => read(&mut engine, row.kind, &row.key, body),
        };
        checked.note(|| format!("{:?} {:?}", row.kind, row.key), outcome);
    });
    if let Err(error) = state {
        checked.faults.push(format!("state: {error}"));
    }
    let groups = database.measurements(0, |group| {
        let outcome = match group.body {
            Ok(body) => admitted_from_bytes(&body)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            Err(bad) => Err(bad.to_string()),
        };
        checked.note(|| format!("log, group {}", group.sequence), outcome);
    });
    if let Err(error) = groups {
        checked.faults.push(format!("log: {error}"));
    }
    checked
}
