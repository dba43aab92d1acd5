//! The watcher over real processes.

use super::*;
use crate::ingest::procfs::Stat;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// A process that is ended with its test.
struct Process(Child);

impl Process {
    /// One that does nothing, under a name of its own.
    fn idle(folder: &std::path::Path, name: &str) -> Self {
        // The kernel calls a process after the file that it executes.
        let program = folder.join(name);
        if !program.exists() {
            std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        }
        // Where many programs are one, it looks at how it is called.
        let mut command = Command::new(program);
        let process = Self(command.arg0("sleep").arg("600").spawn().unwrap());
        // Right after its start it still has the name of its parent.
        while !Stat::read(process.pid()).unwrap().is_named(name) {
            std::thread::yield_now();
        }
        process
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("opwatch-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn watcher(choice: Choice) -> Watcher {
    Watcher::new(Target {
        choice: Some(choice),
        ..Target::default()
    })
}

/// Looks, with a listing where one is wanted.
fn look(watcher: &mut Watcher, second: u64) -> Option<Reading> {
    let now = Duration::from_secs(second);
    for _ in 0..2 {
        let listing = watcher.wants_listing(now).then(Listing::read);
        watcher.observe(listing.as_ref(), now);
        if !watcher.wants_listing(now) {
            break;
        }
    }
    watcher.latest().cloned()
}

#[test]
fn workers_of_one_name_are_watched_together_while_they_come_and_go() {
    let folder = folder("workers");
    // Longer than the kernel keeps, and of this test alone.
    let name = format!("ow{}-many-workers", std::process::id());
    let mut watcher = watcher(Choice::Name(name.clone()));
    assert_eq!(look(&mut watcher, 0), None);
    assert_eq!(watcher.failures().not_found, 1);
    let one = Process::idle(&folder, &name);
    let two = Process::idle(&folder, &name);
    // It is not looked for at every reading.
    assert_eq!(look(&mut watcher, 1), None);
    let both = look(&mut watcher, 5).unwrap();
    assert_eq!((both.name.as_str(), both.processes), (name.as_str(), 2));
    assert_eq!(both.threads, Some(2));
    assert_eq!(both.seen.of, Subject::Named(1));
    drop(two);
    let single = look(&mut watcher, 2_000).unwrap();
    assert_eq!(single.processes, 1);
    assert!(single.cpu >= both.cpu);
    assert!(single.memory_peak_bytes >= both.memory_peak_bytes.max(single.memory_bytes));
    let failures = watcher.failures();
    drop(one);
    // Also where someone else notices first, the next one is looked for at once.
    assert!(watcher.read().is_err());
    assert_eq!(look(&mut watcher, 2_001), None);
    assert_eq!(watcher.failures().not_found, failures.not_found + 1);
    // It is not looked for at every reading.
    assert!(!watcher.wants_listing(Duration::from_secs(2_002)));
    let three = Process::idle(&folder, &name);
    let again = look(&mut watcher, 3_000).unwrap();
    drop(three);
    let four = Process::idle(&folder, &name);
    // The next one is found as soon as the one before is gone, which is no failure.
    let failures = watcher.failures();
    let next = look(&mut watcher, 3_001).unwrap();
    assert_eq!(next.processes, 1);
    assert!(next.cpu >= again.cpu);
    assert_eq!(watcher.failures(), failures);
    drop(four);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_number_means_whoever_has_it_but_readings_of_two_are_told_apart() {
    let process = Process(Command::new("sleep").arg("600").spawn().unwrap());
    let mut watcher = watcher(Choice::Pid(process.pid()));
    let first = look(&mut watcher, 0).unwrap();
    let Subject::Process((pid, started)) = first.seen.of else {
        panic!("{first:?}");
    };
    assert_eq!(pid, process.pid());
    // As if the process that was seen before had been an older one.
    watcher.members[0].id = (pid, started - 1);
    let second = look(&mut watcher, 1).unwrap();
    assert_eq!(second.seen.of, first.seen.of);
    assert_eq!(watcher.members.len(), 1);
    assert!(second.cpu >= first.cpu);
}

#[test]
fn a_found_process_whose_number_another_one_got_is_gone() {
    let process = Process(Command::new("sleep").arg("600").spawn().unwrap());
    let mut watcher = watcher(Choice::Largest);
    let listing = Listing {
        processes: vec![(
            process.pid(),
            crate::ingest::procfs::tests::invented("other", 1, 1),
        )],
        some_hidden: false,
    };
    watcher.observe(Some(&listing), Duration::ZERO);
    assert_eq!(watcher.latest(), None);
    assert_eq!(watcher.failures().not_found, 1);
}

#[test]
fn processes_that_are_hidden_are_unreadable_and_not_missing() {
    let mut watcher = watcher(Choice::Largest);
    let listing = Listing {
        processes: Vec::new(),
        some_hidden: true,
    };
    watcher.observe(Some(&listing), Duration::ZERO);
    let expected = Failures {
        not_found: 0,
        unreadable: 1,
    };
    assert_eq!(watcher.failures(), expected);
}

#[test]
fn a_new_configuration_counts_on_and_takes_nothing_of_before() {
    let process = Process(Command::new("sleep").arg("600").spawn().unwrap());
    let mut watcher = watcher(Choice::Pid(process.pid()));
    let name = look(&mut watcher, 0).unwrap().name;
    let target = |choice| Target {
        choice,
        interval: Duration::from_secs(9),
        cpu_limit: Some(0.25),
    };
    watcher.reconfigure(target(None));
    assert_eq!(look(&mut watcher, 1), None);
    assert_eq!(watcher.failures(), Failures::default());
    assert_eq!(watcher.interval(), Duration::from_secs(9));
    assert_eq!(watcher.cpu_limit().cores, 0.25);
    assert_eq!(watcher.cpu_limit().source, CpuLimitSource::Setting);
    watcher.reconfigure(Target {
        choice: Some(Choice::Pid(u32::MAX - 1)),
        ..Target::default()
    });
    assert_eq!(look(&mut watcher, 2), None);
    assert_ne!(watcher.cpu_limit().source, CpuLimitSource::Setting);
    // This process has used CPU for long, but not under the name that is known.
    watcher.ledger.add(&name, std::iter::empty());
    watcher.reconfigure(target(Some(Choice::Pid(process.pid()))));
    let reading = look(&mut watcher, 3).unwrap();
    assert_eq!(reading.name, name);
    assert!(!watcher.members[0].is_new);
}
