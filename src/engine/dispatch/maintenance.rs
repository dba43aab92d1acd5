//! Maintenance: while something is worked on, its alerts are judged and shown and nobody is told, and if that is wanted
//! nothing is learned of what is usual.
//!
//! It recurs, as the configuration says, or a job says when it begins and ends. Like silences and mute intervals it goes by
//! the wall clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::interval::{self, Stretch, TimeInterval};
use super::silence::{MOST, MOST_BYTES, MOST_MATCHERS, RETENTION};
use crate::engine::selector::Matcher;
use crate::engine::series::Fnv1a;
use crate::engine::time::Timestamp;

/// How far ahead it is looked when a window comes next, in days: one look after the other.
const AHEAD: [u32; 3] = [8, 400, 5 * 366];
/// How far back it is looked when a window that is open began, in days.
const BACK: u32 = 8;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A window that recurs, from the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it is called.
    pub name: String,
    /// What labels must match, all of them.
    pub matchers: Vec<Matcher>,
    /// It is open in any of these.
    pub intervals: Vec<TimeInterval>,
    /// Whether nothing is learned of what is measured while it is open.
    pub stops_learning: bool,
}

/// When a window comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Whether it is open.
    pub is_open: bool,
    /// When it opens next, or has opened, where that is not too far away.
    pub starts_at: Option<Timestamp>,
    /// When it closes after that, where it does.
    pub ends_at: Option<Timestamp>,
}

/// One that somebody has started.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// 16 hex digits.
    pub id: String,
    /// What it is called; not unique.
    pub name: String,
    /// What labels must match, all of them.
    pub matchers: Vec<Matcher>,
    /// From then on.
    pub starts_at: Timestamp,
    /// Before then.
    pub ends_at: Timestamp,
    /// Whether nothing is learned of what is measured meanwhile.
    pub stops_learning: bool,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Why there is no such maintenance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceError {
    /// There is none of that id or name.
    #[error("there is no maintenance {0:?} that was started")]
    NotFound(String),
    /// It is in the configuration.
    #[error("maintenance {0:?} recurs as the configuration says, so that it is ended there")]
    Recurs(String),
    /// It has ended already.
    #[error("maintenance {0:?} has ended already")]
    Ended(String),
    /// It would be of everything.
    #[error(
        "maintenance without matchers is of every alert, allowed: at least one matcher that does not match an empty value"
    )]
    MatchesEverything,
    /// It has too many matchers.
    #[error("{0} matchers, allowed: at most {MOST_MATCHERS}")]
    TooManyMatchers(usize),
    /// It is too large.
    #[error("name, matchers, author and comment have {0} bytes, allowed: at most {MOST_BYTES}")]
    TooLarge(usize),
    /// It is over.
    #[error("it ends at {0}, allowed: a time that has not come yet")]
    EndsInThePast(Timestamp),
    /// There are too many.
    #[error("there is maintenance {MOST} times already, allowed: no more, until one has ended")]
    TooMany,
}

/// All maintenance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Maintenance {
    windows: Vec<Window>,
    started: BTreeMap<String, Arc<Started>>,
    generation: u64,
}

impl Window {
    /// Whether it is open at that moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.intervals.iter().any(|one| one.contains(at))
    }

    /// When it is open, or opens next.
    pub fn next(&self, now: Timestamp) -> Next {
        let from = now.before(DAY * BACK);
        for days in AHEAD {
            let until = now.after(DAY * days);
            let stretches = interval::stretches(&self.intervals, from, until);
            let Some((start, end)) = stretches.into_iter().find(|(_, end)| *end > now) else {
                continue;
            };
            if end < until || AHEAD.last() == Some(&days) {
                return Next {
                    is_open: start <= now,
                    starts_at: (start > from).then_some(start),
                    ends_at: (end < until).then_some(end),
                };
            }
        }
        Next::default()
    }
}

impl Started {
    /// Whether it goes on at that moment.
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }

    fn check(&self, now: Timestamp) -> Result<(), MaintenanceError> {
        if self.matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(MaintenanceError::MatchesEverything);
        }
        if self.matchers.len() > MOST_MATCHERS {
            return Err(MaintenanceError::TooManyMatchers(self.matchers.len()));
        }
        let matchers = self.matchers.iter();
        let matchers = matchers.map(|matcher| matcher.name().len() + matcher.value().len());
        let text = [&self.name, &self.created_by, &self.comment].map(String::len);
        let bytes = matchers.chain(text).sum::<usize>();
        if bytes > MOST_BYTES {
            return Err(MaintenanceError::TooLarge(bytes));
        }
        if self.ends_at <= now {
            return Err(MaintenanceError::EndsInThePast(self.ends_at));
        }
        Ok(())
    }
}

fn match_all<'a>(matchers: &[Matcher], value_of: &impl Fn(&str) -> &'a str) -> bool {
    let mut matchers = matchers.iter();
    matchers.all(|matcher| matcher.matches(value_of(matcher.name())))
}

impl Maintenance {
    /// Those that recur.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Takes those that recur as the configuration has them now.
    pub fn set_windows(&mut self, windows: Vec<Window>) {
        self.windows = windows;
    }

    /// Those that were started, also what has ended, by their ids.
    pub fn started(&self) -> impl Iterator<Item = &Arc<Started>> {
        self.started.values()
    }

    /// Changes with every change of those that were started.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The names of all that goes on for alerts with these labels.
    pub fn by<'a>(&self, value_of: impl Fn(&str) -> &'a str, now: Timestamp) -> Vec<String> {
        let windows = self.windows.iter();
        let open = windows
            .filter(|one| match_all(&one.matchers, &value_of) && one.is_open(now))
            .map(|one| &one.name);
        let active = self
            .started()
            .filter(|one| one.is_active(now) && match_all(&one.matchers, &value_of))
            .map(|one| &one.name);
        open.chain(active).cloned().collect()
    }

    /// How many go on.
    pub fn active(&self, now: Timestamp) -> usize {
        let windows = self.windows.iter().filter(|one| one.is_open(now)).count();
        windows + self.started().filter(|one| one.is_active(now)).count()
    }

    /// Between these moments, when nothing is learned from what has labels that `any_matches` takes: stretches in their
    /// order.
    pub fn not_learned(
        &self,
        any_matches: impl Fn(&[Matcher]) -> bool,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Stretch> {
        let mut all = Vec::new();
        let windows = self.windows.iter().filter(|one| one.stops_learning);
        for window in windows.filter(|one| any_matches(&one.matchers)) {
            all.extend(interval::stretches(&window.intervals, from, to));
        }
        let started = self.started().filter(|one| one.stops_learning);
        all.extend(
            started
                .filter(|one| one.ends_at > from && one.starts_at < to)
                .filter(|one| any_matches(&one.matchers))
                .map(|one| (one.starts_at, one.ends_at)),
        );
        interval::merged(all)
    }

    /// Whether there is any that keeps something from being learned.
    pub fn stops_learning(&self) -> bool {
        self.windows.iter().any(|one| one.stops_learning)
            || self.started().any(|one| one.stops_learning)
    }

    /// Starts one now, whatever start it has; its id is given to it. The others that are kept as they were.
    ///
    /// # Errors
    /// Why it is not taken; then nothing has changed.
    pub fn start(
        &mut self,
        mut wanted: Started,
        now: Timestamp,
    ) -> Result<Arc<Started>, MaintenanceError> {
        wanted.check(now)?;
        if self.started().filter(|one| one.is_active(now)).count() >= MOST {
            return Err(MaintenanceError::TooMany);
        }
        wanted.starts_at = now;
        wanted.id = self.new_id(&wanted);
        let started = Arc::new(wanted);
        self.put(started.clone());
        Ok(started)
    }

    /// Ends the one of that id, or all of that name that go on; gives them as they are then.
    ///
    /// # Errors
    /// When there is none.
    pub fn end(
        &mut self,
        which: &str,
        now: Timestamp,
    ) -> Result<Vec<Arc<Started>>, MaintenanceError> {
        let meant = |one: &&Arc<Started>| one.id == which || one.name == which;
        let all: Vec<_> = self.started().filter(meant).cloned().collect();
        if all.is_empty() {
            let recurs = self.windows.iter().any(|one| one.name == which);
            let which = which.to_owned();
            return Err(match recurs {
                true => MaintenanceError::Recurs(which),
                false => MaintenanceError::NotFound(which),
            });
        }
        let active = all.into_iter().filter(|one| one.is_active(now));
        let ended = active.map(|one| {
            Arc::new(Started {
                ends_at: now,
                ..(*one).clone()
            })
        });
        let ended: Vec<_> = ended.collect();
        if ended.is_empty() {
            return Err(MaintenanceError::Ended(which.to_owned()));
        }
        for one in &ended {
            self.put(one.clone());
        }
        Ok(ended)
    }

    /// Takes one back as it was saved, unless it is there and ends no later: its end comes closer and never goes away
    /// again. Whether it was taken.
    pub fn take_back(&mut self, one: Started) -> bool {
        let present = self.started.get(&one.id);
        let is_there = present.is_some_and(|present| present.ends_at <= one.ends_at);
        if !is_there {
            self.put(Arc::new(one));
        }
        !is_there
    }

    /// Those of which nothing is to be kept any more: what has ended long ago, and the oldest where too many have. `learned`
    /// is how far back it may be learned from.
    pub fn forgettable(&self, now: Timestamp, learned: Duration) -> Vec<String> {
        let ended = self.started().filter(|one| one.ends_at <= now);
        let mut ended: Vec<_> = ended.collect();
        ended.sort_by_key(|one| one.ends_at);
        let excess = ended.len().saturating_sub(MOST);
        let is_old = |one: &Started| {
            let kept = match one.stops_learning {
                true => learned.max(RETENTION),
                false => RETENTION,
            };
            now.since(one.ends_at) >= kept
        };
        let ended = ended.into_iter().enumerate();
        ended
            .filter(|(place, one)| *place < excess || is_old(one))
            .map(|(_, one)| one.id.clone())
            .collect()
    }

    /// Forgets one.
    pub fn forget(&mut self, id: &str) {
        if self.started.remove(id).is_some() {
            self.generation += 1;
        }
    }

    fn put(&mut self, one: Arc<Started>) {
        self.started.insert(one.id.clone(), one);
        self.generation += 1;
    }

    /// An id that none of them has: a hash of what it says and when.
    fn new_id(&self, one: &Started) -> String {
        let mut salt = 0_u64;
        loop {
            let mut hash = Fnv1a::new();
            hash.add(&salt.to_le_bytes());
            hash.add(&one.starts_at.millis().to_le_bytes());
            hash.add(&one.ends_at.millis().to_le_bytes());
            hash.add(one.name.as_bytes());
            for matcher in &one.matchers {
                hash.add(matcher.to_string().as_bytes());
            }
            let id = format!("{:016x}", hash.finish());
            if !self.started.contains_key(&id) {
                return id;
            }
            salt += 1;
        }
    }
}

#[cfg(test)]
mod tests;
