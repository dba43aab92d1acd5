//! Which processes the target is made of.

use std::fmt;

use crate::ingest::procfs::{Listing, Stat};

/// How the target is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The process of this number, whichever it is at the time.
    Pid(u32),
    /// The one with most resident memory.
    Largest,
    /// All of this name, together.
    Name(String),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Largest => f.write_str("largest"),
            Self::Name(name) => write!(f, "name {name:?}"),
        }
    }
}

/// What tells a process from every other one: its pid, and when it started.
pub type ProcessId = (u32, u64);

/// What holds the containers of a pod together, and is of no interest.
const PAUSE: &str = "pause";
/// Another process is clearly larger with this many times the memory.
const CLEARLY: u64 = 2;
/// And it has to be that in so many listings on end.
const LISTINGS: u32 = 3;

/// Chooses processes from one listing after the other.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    /// A process that is clearly larger than the chosen one, and in how many listings on end it was.
    challenger: Option<(ProcessId, u32)>,
}

impl Chooser {
    /// The processes that are meant, given those that are watched now.
    ///
    /// The largest stays chosen until it ends or another one is clearly larger for some time: two processes of about
    /// the same size would else take turns, and with them everything that is shown.
    pub(super) fn choose(
        &mut self,
        choice: &Choice,
        listing: &Listing,
        current: Option<ProcessId>,
        own_pid: u32,
    ) -> Vec<ProcessId> {
        let id = |(pid, stat): (u32, &Stat)| (pid, stat.started);
        match choice {
            Choice::Pid(pid) => listing.alive().filter(|(p, _)| p == pid).map(id).collect(),
            Choice::Name(name) => listing
                .alive()
                .filter(|(_, stat)| stat.is_named(name))
                .map(id)
                .collect(),
            Choice::Largest => self
                .largest(listing, current, own_pid)
                .into_iter()
                .collect(),
        }
    }

    fn largest(
        &mut self,
        listing: &Listing,
        current: Option<ProcessId>,
        own_pid: u32,
    ) -> Option<ProcessId> {
        let sizes: Vec<(ProcessId, u64)> = listing
            .alive()
            .filter(|(pid, stat)| *pid != own_pid && stat.pages > 0 && stat.name != PAUSE)
            .map(|(pid, stat)| ((pid, stat.started), stat.pages))
            .collect();
        let (largest, size) = *sizes.iter().max_by_key(|(_, pages)| *pages)?;
        let Some((current, own)) = sizes.iter().find(|(id, _)| Some(*id) == current) else {
            self.challenger = None;
            return Some(largest);
        };
        if size < own.saturating_mul(CLEARLY) {
            self.challenger = None;
            return Some(*current);
        }
        let seen = match self.challenger {
            Some((id, seen)) if id == largest => seen + 1,
            _ => 1,
        };
        let wins = seen >= LISTINGS;
        self.challenger = (!wins).then_some((largest, seen));
        Some(if wins { largest } else { *current })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::procfs::tests::invented;

    fn listing(processes: &[(u32, &str, u64)]) -> Listing {
        Listing {
            processes: processes
                .iter()
                .map(|(pid, name, pages)| (*pid, invented(name, u64::from(*pid) * 10, *pages)))
                .collect(),
            some_hidden: false,
        }
    }

    fn pids(chosen: &[ProcessId]) -> Vec<u32> {
        chosen.iter().map(|(pid, _)| *pid).collect()
    }

    #[test]
    fn a_name_means_all_of_that_name() {
        let all = listing(&[
            (5, "gunicorn", 100),
            (6, "gunicorn: worke", 900),
            (7, "python3", 5_000),
            (8, "gunicorn: worke", 900),
        ]);
        let choose = |name: &str| {
            let choice = Choice::Name(name.to_owned());
            pids(&Chooser::default().choose(&choice, &all, None, 1))
        };
        assert_eq!(choose("gunicorn"), [5, 6, 8]);
        assert_eq!(choose("nginx"), [0; 0]);
    }

    #[test]
    fn the_largest_is_neither_opwatch_nor_the_pause_process() {
        let all = listing(&[(1, "pause", 9_000), (2, "opwatch", 8_000), (3, "sh", 10)]);
        let chosen = Chooser::default().choose(&Choice::Largest, &all, None, 2);
        assert_eq!(pids(&chosen), [3]);
        let none = listing(&[
            (1, "pause", 9_000),
            (2, "opwatch", 8_000),
            (3, "kthread", 0),
        ]);
        let chosen = Chooser::default().choose(&Choice::Largest, &none, None, 2);
        assert_eq!(pids(&chosen), [0; 0]);
    }

    #[test]
    fn the_largest_stays_until_another_is_clearly_larger_for_some_time() {
        let mut chooser = Chooser::default();
        let mut current = None;
        let mut next = |sizes: [u64; 3]| {
            let all = listing(&[(5, "a", sizes[0]), (6, "b", sizes[1]), (7, "c", sizes[2])]);
            current = chooser
                .choose(&Choice::Largest, &all, current, 1)
                .first()
                .copied();
            current.map_or(0, |(pid, _)| pid)
        };
        assert_eq!(next([100, 90, 10]), 5);
        // Larger, but not clearly.
        for _ in 0..5 {
            assert_eq!(next([100, 199, 10]), 5);
        }
        // Clearly, but not for long, or not the same one all the time.
        assert_eq!(next([100, 200, 10]), 5);
        assert_eq!(next([100, 200, 10]), 5);
        assert_eq!(next([100, 100, 10]), 5);
        assert_eq!(next([100, 200, 10]), 5);
        assert_eq!(next([100, 200, 300]), 5);
        assert_eq!(next([100, 200, 300]), 5);
        assert_eq!(next([100, 200, 300]), 7);
        // It ends, or there is another process under its number.
        assert_eq!(next([100, 200, 0]), 6);
        let reused = Listing {
            processes: vec![(6, invented("d", 9_999, 50)), (5, invented("a", 50, 100))],
            some_hidden: false,
        };
        let chosen = chooser.choose(&Choice::Largest, &reused, current, 1);
        assert_eq!(pids(&chosen), [5]);
    }
}
