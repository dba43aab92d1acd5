//! What processes have used together, in sums that never go down.

use std::collections::HashMap;
use std::time::Duration;

use super::choice::ProcessId;
use crate::ingest::sampler::Usage;

/// Names whose sums are remembered.
const MAX_NAMES: usize = 64;

/// A process that is watched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) id: ProcessId,
    /// It started after watching began, so that all it has used belongs to the sum.
    pub(super) is_new: bool,
    /// CPU time at the last reading; `None` before the first.
    pub(super) counted: Option<Duration>,
}

/// The sum of all processes that were ever watched under one name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) cpu: Duration,
    pub(super) memory_peak_bytes: u64,
}

/// The sums by name.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sums: HashMap<String, Sum>,
}

impl Ledger {
    /// Adds what the processes of a reading have used since the one before. Of one that ended between two readings,
    /// what it used after the first is lost; what was counted stays.
    ///
    /// A name that was not there before begins with all that its processes ever used, as the kernel counts it. To one
    /// that was, a process that has run for long without being watched brings nothing of that time: it would look
    /// like a burst of CPU that never was.
    pub(super) fn add<'a>(
        &mut self,
        name: &str,
        readings: impl Iterator<Item = (&'a mut Member, &'a Usage)>,
    ) -> Sum {
        let is_first = !self.sums.contains_key(name);
        if is_first && self.sums.len() >= MAX_NAMES {
            self.sums.clear();
        }
        let sum = self.sums.entry(name.to_owned()).or_default();
        let mut memory_bytes = 0;
        for (member, usage) in readings {
            let now = usage.cpu;
            let before = match member.counted {
                _ if is_first => Duration::ZERO,
                Some(before) => before,
                None if member.is_new => Duration::ZERO,
                None => now,
            };
            sum.cpu += now.saturating_sub(before);
            member.counted = Some(now);
            memory_bytes += usage.memory_bytes;
        }
        sum.memory_peak_bytes = sum.memory_peak_bytes.max(memory_bytes);
        *sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: u32, is_new: bool) -> Member {
        Member {
            id: (pid, 1),
            is_new,
            counted: None,
        }
    }

    fn usage(cpu_seconds: f64, memory_bytes: u64) -> Usage {
        Usage {
            cpu: Duration::from_secs_f64(cpu_seconds),
            memory_bytes,
            ..Usage::default()
        }
    }

    /// Adds readings of members and returns CPU and peak.
    fn add(ledger: &mut Ledger, name: &str, readings: &mut [(&mut Member, Usage)]) -> (f64, u64) {
        let readings = readings
            .iter_mut()
            .map(|(member, usage)| (&mut **member, &*usage));
        let sum = ledger.add(name, readings);
        (sum.cpu.as_secs_f64(), sum.memory_peak_bytes)
    }

    #[test]
    fn the_sum_does_not_go_down_when_a_worker_ends() {
        let mut ledger = Ledger::default();
        let (mut a, mut b, mut c) = (member(1, false), member(2, false), member(3, true));
        let mut sums = Vec::new();
        for mut readings in [vec![(&mut a, usage(10.0, 5))], vec![]] {
            sums.push(add(&mut ledger, "web", &mut readings));
        }
        assert_eq!(sums, [(10.0, 5), (10.0, 5)]);
        // An old process joins a known name with nothing, a new one with everything.
        let found = add(
            &mut ledger,
            "web",
            &mut [
                (&mut a, usage(11.0, 5)),
                (&mut b, usage(100.0, 6)),
                (&mut c, usage(0.5, 1)),
            ],
        );
        assert_eq!(found, (11.5, 12));
        let found = add(&mut ledger, "web", &mut [(&mut b, usage(103.0, 6))]);
        assert_eq!(found, (14.5, 12));
    }

    #[test]
    fn a_name_begins_with_what_the_kernel_counted() {
        let mut ledger = Ledger::default();
        let (mut a, mut b) = (member(1, false), member(2, false));
        let first = add(
            &mut ledger,
            "web",
            &mut [(&mut a, usage(7.0, 1)), (&mut b, usage(3.0, 1))],
        );
        assert_eq!(first, (10.0, 2));
        // A process that executes another program goes on under another name.
        assert_eq!(
            add(&mut ledger, "other", &mut [(&mut a, usage(8.0, 9))]),
            (8.0, 9)
        );
        assert_eq!(
            add(&mut ledger, "web", &mut [(&mut a, usage(8.5, 1))]),
            (10.5, 2)
        );
    }

    #[test]
    fn only_so_many_names_are_remembered() {
        let mut ledger = Ledger::default();
        for name in 0..1_000 {
            add(&mut ledger, &name.to_string(), &mut []);
        }
        assert!(ledger.sums.len() <= MAX_NAMES);
    }
}
