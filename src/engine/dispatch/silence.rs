//! Silences: for a while, alerts with certain labels are not told, because somebody knows of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::selector::Matcher;
use crate::engine::series::{Fnv1a, Labels};
use crate::engine::time::Timestamp;

/// Expired silences can be looked at for this long, as in Alertmanager.
pub const RETENTION: Duration = Duration::from_secs(120 * 3_600);
/// Silences that are pending or active at most; as many expired ones are kept.
pub const MOST: usize = 1_000;
/// Matchers of one silence at most.
pub const MOST_MATCHERS: usize = 64;
/// Bytes of everything that is written in one silence at most.
pub const MOST_BYTES: usize = 8 << 10;

/// From when to when which alerts are not told.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// What labels must match, all of them.
    pub matchers: Vec<Matcher>,
    /// From then on.
    pub starts_at: Timestamp,
    /// Before then.
    pub ends_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where in its life a silence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// It silences.
    Active,
    /// It will.
    Pending,
    /// It did, or was called off.
    Expired,
}

impl SilenceState {
    /// All.
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Expired];

    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Where in its life it is.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether its matchers take these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        let holds = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()));
        self.matchers.iter().all(holds)
    }

    fn bytes(&self) -> usize {
        let matchers = self.matchers.iter();
        let matchers = matchers.map(|matcher| matcher.name().len() + matcher.value().len());
        matchers.sum::<usize>() + self.created_by.len() + self.comment.len()
    }

    fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        if self.matchers.is_empty() {
            return Err(SilenceError::NoMatchers);
        }
        if self.matchers.len() > MOST_MATCHERS {
            return Err(SilenceError::TooManyMatchers(self.matchers.len()));
        }
        if self.matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(SilenceError::MatchesEverything);
        }
        if self.bytes() > MOST_BYTES {
            return Err(SilenceError::TooLarge(self.bytes()));
        }
        if self.ends_at <= self.starts_at {
            return Err(SilenceError::EndsBeforeStart);
        }
        if self.ends_at <= now {
            return Err(SilenceError::EndsInThePast);
        }
        Ok(())
    }
}

/// Why there is no such silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none of that id.
    #[error("there is no silence {0:?}")]
    NotFound(String),
    /// It has expired already.
    #[error("silence {0} has expired already")]
    Expired(String),
    /// It would silence everything.
    #[error("a silence without matchers silences everything, allowed: at least one matcher")]
    NoMatchers,
    /// It would silence everything, if it did not look at one label at least.
    #[error(
        "all matchers match an empty value, so that everything is silenced, allowed: at least one that does not"
    )]
    MatchesEverything,
    /// It has too many matchers.
    #[error("{0} matchers, allowed: at most {MOST_MATCHERS}")]
    TooManyMatchers(usize),
    /// It is too large.
    #[error("matchers, author and comment have {0} bytes, allowed: at most {MOST_BYTES}")]
    TooLarge(usize),
    /// It never begins.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// It is over.
    #[error("end time can't be in the past")]
    EndsInThePast,
    /// There are too many.
    #[error(
        "there are {MOST} silences that are pending or active, allowed: no more, until one expires"
    )]
    TooMany,
}

/// All silences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences {
    all: BTreeMap<String, Arc<Silence>>,
    /// How often they have changed.
    generation: u64,
}

/// What a change of silences did: each that is to be kept as it is now, and the ids of those that are not kept any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SilencesChanged {
    /// New or changed.
    pub kept: Vec<Arc<Silence>>,
    /// Gone.
    pub gone: Vec<String>,
}

impl Silences {
    /// All, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.all.values()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.all.get(id)
    }

    /// How often they have changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The ids of those that silence alerts with these labels now.
    pub fn by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let active = self.iter().filter(|silence| {
            silence.state(now) == SilenceState::Active && silence.matches(labels)
        });
        active.map(|silence| silence.id.clone()).collect()
    }

    /// Takes a new silence, whose id is empty, or another form of one (Alertmanager `silence/silence.go`, `Silences.Set`):
    /// what has begun keeps its matchers and its start, so that where these are others, that silence expires and another
    /// takes its place. Gives the id that it has then.
    ///
    /// # Errors
    /// Why it is not taken; then nothing has changed.
    pub fn set(
        &mut self,
        mut wanted: Silence,
        now: Timestamp,
        changed: &mut SilencesChanged,
    ) -> Result<String, SilenceError> {
        wanted.check(now)?;
        let before = match wanted.id.as_str() {
            "" => None,
            id => Some(
                self.get(id)
                    .cloned()
                    .ok_or_else(|| SilenceError::NotFound(id.to_owned()))?,
            ),
        };
        wanted.updated_at = now;
        if let Some(before) = &before
            && can_become(before, &wanted, now)
        {
            return Ok(self.put(wanted, changed));
        }
        let replaced = before.filter(|before| before.state(now) != SilenceState::Expired);
        let others = self
            .iter()
            .filter(|one| one.state(now) != SilenceState::Expired)
            .count();
        if others >= MOST && replaced.is_none() {
            return Err(SilenceError::TooMany);
        }
        if let Some(replaced) = replaced {
            self.expire(&replaced.id, now, changed)?;
        }
        wanted.starts_at = wanted.starts_at.max(now);
        wanted.id = self.new_id(&wanted);
        let id = self.put(wanted, changed);
        self.forget(now, changed);
        Ok(id)
    }

    /// Ends one now.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub fn expire(
        &mut self,
        id: &str,
        now: Timestamp,
        changed: &mut SilencesChanged,
    ) -> Result<(), SilenceError> {
        let Some(silence) = self.get(id) else {
            return Err(SilenceError::NotFound(id.to_owned()));
        };
        let mut silence = (**silence).clone();
        match silence.state(now) {
            SilenceState::Expired => return Err(SilenceError::Expired(id.to_owned())),
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_at = now,
        }
        silence.ends_at = now;
        silence.updated_at = now;
        self.put(silence, changed);
        Ok(())
    }

    /// Takes one back as it was kept, unless it is there in a later form; whether it was taken.
    pub fn take_back(&mut self, silence: Silence) -> bool {
        let is_there =
            (self.get(&silence.id)).is_some_and(|one| one.updated_at >= silence.updated_at);
        if !is_there {
            self.put(silence, &mut SilencesChanged::default());
        }
        !is_there
    }

    /// Forgets those that expired long ago, and the oldest where too many have.
    pub fn forget(&mut self, now: Timestamp, changed: &mut SilencesChanged) {
        let mut expired: Vec<_> = (self.iter())
            .filter(|silence| silence.state(now) == SilenceState::Expired)
            .map(|silence| (silence.ends_at, silence.id.clone()))
            .collect();
        expired.sort();
        let excess = expired.len().saturating_sub(MOST);
        for (place, (ended, id)) in expired.into_iter().enumerate() {
            if place < excess || now.since(ended) >= RETENTION {
                self.all.remove(&id);
                self.generation += 1;
                changed.gone.push(id);
            }
        }
    }

    fn put(&mut self, silence: Silence, changed: &mut SilencesChanged) -> String {
        let id = silence.id.clone();
        let silence = Arc::new(silence);
        self.all.insert(id.clone(), silence.clone());
        self.generation += 1;
        changed.kept.push(silence);
        id
    }

    /// A UUID of version 8 that none of them has: a hash of what it says and when.
    fn new_id(&self, silence: &Silence) -> String {
        for salt in self.generation.. {
            let half = |seed: u8| {
                let mut hash = Fnv1a::new();
                hash.add(&[seed]);
                hash.add(&salt.to_le_bytes());
                hash.add(&silence.updated_at.millis().to_le_bytes());
                hash.add(&silence.ends_at.millis().to_le_bytes());
                for matcher in &silence.matchers {
                    hash.add(matcher.to_string().as_bytes());
                }
                hash.add(silence.created_by.as_bytes());
                hash.add(silence.comment.as_bytes());
                hash.finish()
            };
            let (high, low) = (half(0), half(1));
            let id = format!(
                "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xffff,
                high & 0xfff,
                (low >> 48) & 0x3fff | 0x8000,
                low & 0xffff_ffff_ffff
            );
            if !self.all.contains_key(&id) {
                return id;
            }
        }
        String::new()
    }
}

/// Whether one may become the other in its place.
fn can_become(before: &Silence, wanted: &Silence, now: Timestamp) -> bool {
    before.matchers == wanted.matchers
        && match before.state(now) {
            // To the second, because that is what some clients keep of it.
            SilenceState::Active => {
                before.starts_at.millis().div_euclid(1_000)
                    == wanted.starts_at.millis().div_euclid(1_000)
            }
            SilenceState::Pending => wanted.starts_at >= now,
            SilenceState::Expired => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::matching;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn silence(matchers: &str, from: i64, to: i64) -> Silence {
        Silence {
            id: String::new(),
            matchers: matching::parse(matchers).unwrap(),
            starts_at: at(from),
            ends_at: at(to),
            updated_at: at(0),
            created_by: "ann".into(),
            comment: "deployment".into(),
        }
    }

    fn set(silences: &mut Silences, wanted: Silence, now: i64) -> Result<String, SilenceError> {
        silences.set(wanted, at(now), &mut SilencesChanged::default())
    }

    fn by(silences: &Silences, labels: &[(&str, &str)], now: i64) -> usize {
        silences
            .by(&labels.iter().copied().collect(), at(now))
            .len()
    }

    #[test]
    fn a_silence_is_pending_then_active_then_expired_and_forgotten_after_five_days() {
        let mut all = Silences::default();
        let id = set(&mut all, silence("host=a", 10, 20), 5).unwrap();
        let state = |all: &Silences, now| all.get(&id).map(|one| one.state(at(now)));
        assert_eq!(state(&all, 9), Some(SilenceState::Pending));
        assert_eq!(state(&all, 10), Some(SilenceState::Active));
        assert_eq!(state(&all, 20), Some(SilenceState::Expired));
        let a = [("host", "a")];
        assert_eq!(
            (by(&all, &a, 9), by(&all, &a, 10), by(&all, &a, 20)),
            (0, 1, 0)
        );
        assert_eq!(by(&all, &[("host", "b")], 10), 0);
        let mut changed = SilencesChanged::default();
        all.forget(at(20 + 120 * 3_600 - 1), &mut changed);
        assert_eq!(changed, SilencesChanged::default());
        all.forget(at(20 + 120 * 3_600), &mut changed);
        assert_eq!((changed.gone, all.iter().count()), (vec![id], 0));
    }

    #[test]
    fn what_has_begun_can_end_earlier_or_later_but_other_matchers_make_another_silence() {
        let mut all = Silences::default();
        let id = set(&mut all, silence("host=a", 0, 20), 5).unwrap();
        // It begins when it is made, not in the past.
        assert_eq!(all.get(&id).unwrap().starts_at, at(5));
        let longer = Silence {
            id: id.clone(),
            ..silence("host=a", 5, 60)
        };
        assert_eq!(set(&mut all, longer, 10).unwrap(), id);
        assert_eq!(all.get(&id).unwrap().ends_at, at(60));
        let other = Silence {
            id: id.clone(),
            ..silence("host=b", 5, 60)
        };
        let second = set(&mut all, other, 12).unwrap();
        assert_ne!(second, id);
        assert_eq!(all.get(&id).unwrap().state(at(12)), SilenceState::Expired);
        assert_eq!(all.get(&second).unwrap().starts_at, at(12));
        // What has expired is not brought back, another begins.
        let again = Silence {
            id: id.clone(),
            ..silence("host=a", 5, 60)
        };
        let third = set(&mut all, again, 13).unwrap();
        assert!(
            third != id && third != second && third.len() == 36,
            "{third}"
        );
    }

    #[test]
    fn a_silence_is_called_off_once() {
        let mut all = Silences::default();
        let id = set(&mut all, silence("host=a", 10, 20), 5).unwrap();
        let expire = |all: &mut Silences, id: &str, now| {
            all.expire(id, at(now), &mut SilencesChanged::default())
        };
        assert_eq!(expire(&mut all, &id, 6), Ok(()));
        assert_eq!(by(&all, &[("host", "a")], 15), 0);
        assert_eq!(
            expire(&mut all, &id, 7),
            Err(SilenceError::Expired(id.clone()))
        );
        assert_eq!(
            expire(&mut all, "x", 7),
            Err(SilenceError::NotFound("x".into()))
        );
    }

    #[test]
    fn a_silence_that_cannot_be_meant_is_refused() {
        let mut all = Silences::default();
        let long = Silence {
            comment: "x".repeat(MOST_BYTES),
            ..silence("a=b", 0, 10)
        };
        let many: Vec<_> = (0..=MOST_MATCHERS).map(|n| format!("l{n}=x")).collect();
        let unknown = Silence {
            id: "x".into(),
            ..silence("a=b", 0, 10)
        };
        for (wanted, expected) in [
            (silence("", 0, 10), SilenceError::NoMatchers),
            (
                silence("a=~\".*\",b!=x", 0, 10),
                SilenceError::MatchesEverything,
            ),
            (
                silence(&many.join(","), 0, 10),
                SilenceError::TooManyMatchers(65),
            ),
            (long, SilenceError::TooLarge(MOST_BYTES + 5)),
            (silence("a=b", 10, 10), SilenceError::EndsBeforeStart),
            (silence("a=b", 0, 5), SilenceError::EndsInThePast),
            (unknown, SilenceError::NotFound("x".into())),
        ] {
            assert_eq!(set(&mut all, wanted, 5), Err(expected));
        }
        assert_eq!(all, Silences::default());
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let mut all = Silences::default();
        for n in 0..MOST {
            set(&mut all, silence(&format!("n=\"{n}\""), 0, 100), 5).unwrap();
        }
        assert_eq!(
            set(&mut all, silence("a=b", 0, 100), 5),
            Err(SilenceError::TooMany)
        );
        // Once they have expired there is room for others, and the oldest of too many expired ones is forgotten.
        for n in 0..=MOST {
            set(
                &mut all,
                silence(&format!("m=\"{n}\""), 0, 200 + i64::try_from(n).unwrap()),
                150 + i64::try_from(n).unwrap(),
            )
            .unwrap();
        }
        assert!(all.iter().count() <= 2 * MOST);
    }
}
