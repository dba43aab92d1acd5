//! What still has to be said: the latest word per alert, in the order in which it was said.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::dispatch::Announced;
use crate::engine::time::Timestamp;

/// An alert and the end to send with it.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) alert: Arc<Announced>,
    pub(super) ends_at: Timestamp,
}

impl Word {
    /// Whether it is of no use any more: a firing alert whose validity has passed, a resolved one that long
    /// after its end.
    fn is_outdated(&self, now: Timestamp, resolved_retention: Duration) -> bool {
        if self.alert.is_firing() {
            self.ends_at < now
        } else {
            self.ends_at.after(resolved_retention) < now
        }
    }
}

/// The words that wait, bounded.
#[derive(Debug)]
pub(super) struct Words {
    capacity: usize,
    next: u64,
    /// By the number at which each was said, so that the order survives failed requests.
    waiting: BTreeMap<u64, Word>,
    numbers: HashMap<u64, u64>,
}

impl Words {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            // Room below for what is put back.
            next: u64::MAX / 2,
            waiting: BTreeMap::new(),
            numbers: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the latest word on an alert in place of an earlier one; true if the oldest of all had to go for it.
    pub(super) fn put(&mut self, word: Word) -> bool {
        let fingerprint = word.alert.fingerprint;
        if let Some(earlier) = self.numbers.insert(fingerprint, self.next) {
            self.waiting.remove(&earlier);
        }
        self.waiting.insert(self.next, word);
        self.next += 1;
        self.shrink() > 0
    }

    /// Takes out the first words, at most `count`.
    pub(super) fn take(&mut self, count: usize) -> Vec<Word> {
        let mut taken = Vec::with_capacity(count.min(self.waiting.len()));
        while taken.len() < count
            && let Some((_, word)) = self.waiting.pop_first()
        {
            self.numbers.remove(&word.alert.fingerprint);
            taken.push(word);
        }
        taken
    }

    /// Puts words that were taken out before all others, except where there is newer word on the alert. Says how many had to
    /// go for them.
    pub(super) fn put_back(&mut self, words: Vec<Word>) -> u64 {
        let first = self.waiting.keys().next().copied().unwrap_or(self.next);
        let count = u64::try_from(words.len()).unwrap_or_default();
        for (number, word) in (first.saturating_sub(count)..).zip(words) {
            if let Entry::Vacant(place) = self.numbers.entry(word.alert.fingerprint) {
                place.insert(number);
                self.waiting.insert(number, word);
            }
        }
        self.shrink()
    }

    /// Drops what is of no use any more and says how many that were.
    pub(super) fn forget_outdated(&mut self, now: Timestamp, resolved_retention: Duration) -> u64 {
        let before = self.waiting.len();
        let numbers = &mut self.numbers;
        self.waiting.retain(|_, word| {
            let keep = !word.is_outdated(now, resolved_retention);
            if !keep {
                numbers.remove(&word.alert.fingerprint);
            }
            keep
        });
        u64::try_from(before - self.waiting.len()).unwrap_or_default()
    }

    fn shrink(&mut self) -> u64 {
        let surplus = self.waiting.len().saturating_sub(self.capacity);
        u64::try_from(self.take(surplus).len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::fixture;

    fn firing(operation: &str, seconds: u64) -> Word {
        Word {
            alert: fixture::firing(operation),
            ends_at: fixture::start().after(Duration::from_secs(seconds)),
        }
    }

    fn resolved(operation: &str) -> Word {
        let alert = fixture::resolved(operation);
        Word {
            ends_at: alert.ended.unwrap().0,
            alert,
        }
    }

    fn said(words: &mut Words, count: usize) -> Vec<String> {
        let taken = words.take(count);
        let say = |word: &Word| {
            let mark = if word.alert.is_firing() { "+" } else { "-" };
            format!("{mark}{}", word.alert.labels.get("operation"))
        };
        taken.iter().map(say).collect()
    }

    #[test]
    fn only_the_latest_word_on_an_alert_waits_in_the_order_it_was_said() {
        let mut words = Words::new(10);
        for word in [
            firing("a", 60),
            firing("b", 60),
            firing("c", 60),
            resolved("a"),
        ] {
            assert!(!words.put(word));
        }
        assert_eq!(said(&mut words, 2), ["+b", "+c"]);
        assert_eq!(said(&mut words, 2), ["-a"]);
        assert_eq!((words.len(), words.numbers.len()), (0, 0));
    }

    #[test]
    fn what_was_not_delivered_comes_first_again_unless_there_is_newer_word() {
        let mut words = Words::new(10);
        for word in [firing("a", 60), firing("b", 60), firing("c", 60)] {
            words.put(word);
        }
        let taken = words.take(2);
        words.put(resolved("a"));
        words.put(firing("d", 60));
        words.put_back(taken);
        assert_eq!(said(&mut words, 9), ["+b", "+c", "-a", "+d"]);
        // Also when nothing else waits.
        words.put(firing("a", 60));
        let taken = words.take(9);
        words.put_back(taken);
        words.put(firing("b", 60));
        assert_eq!(said(&mut words, 9), ["+a", "+b"]);
    }

    #[test]
    fn the_oldest_word_goes_when_there_are_too_many() {
        let mut words = Words::new(2);
        assert!(!words.put(firing("a", 60)));
        assert!(!words.put(firing("b", 60)));
        assert!(!words.put(firing("a", 90)));
        assert!(words.put(firing("c", 60)));
        assert_eq!(said(&mut words, 9), ["+a", "+c"]);
    }

    #[test]
    fn firing_words_last_as_long_as_they_are_valid_and_resolved_ones_15_minutes() {
        let mut words = Words::new(10);
        words.put(firing("a", 240));
        words.put(resolved("b"));
        for (seconds, lost, left) in [
            (240, 0, 2),
            (241, 1, 1),
            (600 + 900, 0, 1),
            (600 + 901, 1, 0),
        ] {
            let now = fixture::start().after(Duration::from_secs(seconds));
            assert_eq!(
                words.forget_outdated(now, Duration::from_secs(900)),
                lost,
                "{seconds}"
            );
            assert_eq!(
                (words.len(), words.numbers.len()),
                (left, left),
                "{seconds}"
            );
        }
    }
}
