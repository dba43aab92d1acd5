//! Watches the target: chooses its processes, reads them, and says what changed.

use std::time::Duration;

use super::choice::{Choice, Chooser};
use super::ledger::{Ledger, Member, Sum};
use super::{Failures, Reading, Seen, Subject, Target};
use crate::cgroup::{self, CpuLimit, CpuLimitSource};
use crate::ingest::procfs::{Listing, Unread};
use crate::ingest::sampler::{Sampler, Usage};

/// How often the target is looked for anew, which takes a look at every process.
const SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// Watches the target: the owner of every number that is shown of it.
#[derive(Debug)]
pub struct Watcher {
    settings: Target,
    /// Counts configurations.
    number: u64,
    sampler: Sampler,
    chooser: Chooser,
    members: Vec<Member>,
    /// Processes that started later than this are new.
    horizon: u64,
    /// Whether the last listing left processes out that may not be looked at.
    some_hidden: bool,
    next_search: Duration,
    ledger: Ledger,
    latest: Option<Result<Reading, Unread>>,
    /// What was last logged of it: what it is, or why there is none.
    said: Option<Result<(String, Subject), Unread>>,
    failures: Failures,
    cpu_limit: CpuLimit,
}

impl Watcher {
    /// A watcher that has not looked yet.
    pub fn new(settings: Target) -> Self {
        Self {
            settings,
            number: 1,
            sampler: Sampler::default(),
            chooser: Chooser::default(),
            members: Vec::new(),
            horizon: 0,
            some_hidden: false,
            next_search: Duration::ZERO,
            ledger: Ledger::default(),
            latest: None,
            said: None,
            failures: Failures::default(),
            cpu_limit: cgroup::cpu_limit(None),
        }
    }

    /// Takes a new configuration. The sums go on, so that no counter goes down.
    pub fn reconfigure(&mut self, settings: Target) {
        if settings == self.settings {
            return;
        }
        if settings.choice != self.settings.choice {
            self.number += 1;
            self.chooser = Chooser::default();
            self.members.clear();
            // Whatever is watched now ran before.
            self.horizon = u64::MAX;
            self.latest = None;
            self.said = None;
        }
        self.settings = settings;
        self.next_search = Duration::ZERO;
    }

    /// Time between readings.
    pub fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// Whether [`Watcher::observe`] needs a listing of all processes at this time of the steady clock.
    pub fn wants_listing(&self, now: Duration) -> bool {
        let searched = matches!(
            self.settings.choice,
            Some(Choice::Largest | Choice::Name(_))
        );
        searched && now >= self.next_search
    }

    /// Looks at the target, and where a listing is at hand also for it. Failures are counted, and logged when the
    /// state changes. Where it turns out to have ended a listing is wanted at once.
    pub fn observe(&mut self, listing: Option<&Listing>, now: Duration) {
        if let Some(listing) = listing {
            self.search(listing);
        }
        let is_due = now >= self.next_search;
        if is_due {
            self.next_search = now + SEARCH_INTERVAL.max(self.settings.interval);
        }
        // As far as was told: an operation that looked in between may have found it gone already.
        let had_one = matches!(self.said, Some(Ok(_)));
        if let Some(choice) = self.settings.choice.clone() {
            if let Err(why) = self.read() {
                let is_searched = !matches!(choice, Choice::Pid(_));
                if had_one && is_searched && listing.is_none() {
                    // Where one has just ended the next one may be there already: no failure yet.
                    self.next_search = now;
                    return;
                }
                self.failures.add(why);
            }
            self.say(&choice);
        }
        if is_due {
            self.find_cpu_limit();
        }
    }

    /// What the target has used by now.
    ///
    /// # Errors
    /// When there is no target, or it may not be looked at.
    pub fn read(&mut self) -> Result<Reading, Unread> {
        let reading = self.look();
        self.latest = Some(reading.clone());
        reading
    }

    /// What a process has used by now that an operation named.
    pub fn read_process(&mut self, pid: u32) -> Option<Seen> {
        match self.sampler.read(pid) {
            Ok(usage) => Some(Seen::from(&usage)),
            Err(why) => {
                self.failures.add(why);
                None
            }
        }
    }

    /// The latest reading, where it was good.
    pub fn latest(&self) -> Option<&Reading> {
        self.latest.as_ref()?.as_ref().ok()
    }

    /// Readings that failed.
    pub fn failures(&self) -> Failures {
        self.failures
    }

    /// What `cpu_ratio` is a share of.
    pub fn cpu_limit(&self) -> CpuLimit {
        self.cpu_limit
    }

    fn search(&mut self, listing: &Listing) {
        let Some(choice) = &self.settings.choice else {
            return;
        };
        let current = self.members.first().map(|member| member.id);
        let chosen = self
            .chooser
            .choose(choice, listing, current, std::process::id());
        let before = std::mem::take(&mut self.members);
        self.members = chosen
            .into_iter()
            .map(|id| {
                let known = before.iter().find(|member| member.id == id);
                known.cloned().unwrap_or(Member {
                    id,
                    is_new: id.1 > self.horizon,
                    counted: None,
                })
            })
            .collect();
        self.horizon = listing.newest();
        self.some_hidden = listing.some_hidden;
    }

    fn look(&mut self) -> Result<Reading, Unread> {
        let choice = self.settings.choice.as_ref().ok_or(Unread::NotFound)?;
        let pids: Vec<u32> = match choice {
            Choice::Pid(pid) => vec![*pid],
            _ => self.members.iter().map(|member| member.id.0).collect(),
        };
        let mut why = if self.some_hidden {
            Unread::Unreadable
        } else {
            Unread::NotFound
        };
        let before = std::mem::take(&mut self.members);
        let mut read: Vec<(Member, Usage)> = Vec::with_capacity(pids.len());
        for pid in pids {
            match self.sampler.read(pid) {
                Ok(usage) => {
                    let id = (pid, usage.started);
                    let known = before.iter().find(|member| member.id == id).cloned();
                    let next = || Member {
                        id,
                        is_new: id.1 > self.horizon,
                        counted: None,
                    };
                    // A number that is configured means whoever has it; one that was found means the one found.
                    let is_meant = matches!(choice, Choice::Pid(_));
                    read.extend(
                        known
                            .or_else(|| is_meant.then(next))
                            .map(|member| (member, usage)),
                    );
                }
                Err(other) => why = other,
            }
        }
        let name = match (choice, read.first()) {
            (_, None) => return Err(why),
            (Choice::Name(name), _) => name.clone(),
            (_, Some((_, usage))) => usage.name.clone(),
        };
        let pairs = read.iter_mut().map(|(member, usage)| (member, &*usage));
        let sum = self.ledger.add(&name, pairs);
        let reading = self.sum_up(name, sum, &read);
        self.members = read.into_iter().map(|(member, _)| member).collect();
        Ok(reading)
    }

    fn sum_up(&self, name: String, sum: Sum, read: &[(Member, Usage)]) -> Reading {
        let usages = || read.iter().map(|(_, usage)| usage);
        let memory_bytes = usages().map(|usage| usage.memory_bytes).sum();
        let together = Seen {
            of: Subject::Named(self.number),
            cpu: sum.cpu,
            memory_bytes,
        };
        Reading {
            processes: read.len(),
            cpu: sum.cpu,
            memory_bytes,
            memory_peak_bytes: sum.memory_peak_bytes,
            threads: usages().map(|usage| usage.threads).sum(),
            seen: match self.settings.choice {
                Some(Choice::Name(_)) => together,
                _ => usages().next().map_or(together, Seen::from),
            },
            name,
        }
    }

    /// Logs what is new, and only that: a target that is away is told once.
    fn say(&mut self, choice: &Choice) {
        let state = match &self.latest {
            None => return,
            Some(Ok(reading)) => Ok((reading.name.clone(), reading.seen.of)),
            Some(Err(why)) => Err(*why),
        };
        if self.said.as_ref() == Some(&state) {
            return;
        }
        match &self.latest {
            Some(Ok(reading)) => tracing::info!(
                process = reading.name,
                processes = reading.processes,
                pid = self.members.first().map(|member| member.id.0),
                "watching the target"
            ),
            Some(Err(why)) => tracing::warn!(
                choice = %choice,
                reason = why.as_str(),
                "the target cannot be read; operations get no CPU and memory from here until it can"
            ),
            None => {}
        }
        self.said = Some(state);
    }

    fn find_cpu_limit(&mut self) {
        let first = self.members.first().map(|member| member.id.0);
        let limit = match (self.settings.cpu_limit, &self.settings.choice) {
            (Some(cores), _) => CpuLimit {
                cores,
                source: CpuLimitSource::Setting,
            },
            // As long as the target is away its limit is taken to stay what it was.
            (None, Some(_))
                if first.is_none() && self.cpu_limit.source != CpuLimitSource::Setting =>
            {
                return;
            }
            (None, Some(_)) => cgroup::cpu_limit(first),
            (None, None) => cgroup::cpu_limit(None),
        };
        if limit == self.cpu_limit {
            return;
        }
        self.cpu_limit = limit;
        if limit.source == CpuLimitSource::CpusOfHidden {
            tracing::warn!(
                cores = limit.cores,
                "the CPU limit of the target cannot be read, so cpu_ratio is the share of all CPUs; `target: {{cpu_limit: …}}` sets it"
            );
        } else {
            tracing::info!(cores = limit.cores, source = ?limit.source, "cpu_ratio is the share of this limit");
        }
    }
}

impl Failures {
    fn add(&mut self, why: Unread) {
        match why {
            Unread::NotFound => self.not_found += 1,
            Unread::Unreadable => self.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests;
