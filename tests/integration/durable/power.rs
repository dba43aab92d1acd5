//! The power goes while opwatch writes: of what was not synced any part may be missing, and nothing that was acknowledged is.

use std::fs;

use super::client::{Client, check_all_is_there};
use super::disk::{self, Disk, Event};
use super::points::{foreign, used};
use super::{CONFIG, setting, strace};
use crate::oracle::Chance;
use crate::sidecar::{Folder, Sidecar, wait_for};

/// Enough for the log of SQLite to become as long as it may.
const BATCHES: usize = 1_050;

/// Runs opwatch over a data directory, has it take that many batches and end, and writes down what it writes.
fn record(folder: Folder, client: &mut Client, batches: usize) -> Disk {
    let data = folder.0.join("data");
    let mut disk = Disk::of(&data);
    let path = folder.0.join("record");
    let trace = format!("trace={}", disk::CALLS);
    let record = path.display().to_string();
    let strace = [
        "strace", "-D", "-f", "-q", "-y", "-xx", "-s", "1000000", "-o", &record, "-e", &trace,
    ];
    let mut sidecar = Sidecar::start_under(&strace, folder, CONFIG);
    for _ in 0..batches {
        assert!(client.send_next(&sidecar.ingest));
    }
    let end = format!("{} +++ exited with 0 +++", sidecar.pid());
    assert_eq!(sidecar.terminate(), Some(0));
    let text = wait_for("the end of the record", || {
        let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        text.lines()
            .any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == end)
            .then_some(text)
    });
    disk.read(&text);
    let answers = disk
        .events
        .iter()
        .filter(|event| matches!(event, Event::Answer));
    assert_eq!(answers.count(), batches);
    disk
}

/// Cuts the power at that many of the moments, spread over all of them, and looks what is there afterwards.
fn cut(disk: &Disk, before: &Client, moments: &[usize], cuts: usize, set_aside: f64) {
    for number in 0..cuts {
        let mut chance = Chance(number as u64);
        // The first and the last among them.
        let moment = moments[number * (moments.len() - 1) / (cuts - 1).max(1)];
        let folder = Folder::new();
        disk.cut(moment, &mut chance, &folder.0.join("data"));
        let answers = disk.events[..moment]
            .iter()
            .filter(|event| matches!(event, Event::Answer));
        let mut client = before.clone();
        client.acknowledged += answers.count() as u64;
        let what = format!("cut {number} at {moment} of {}", disk.events.len());
        let sidecar = Sidecar::start_in(folder, CONFIG);
        check_all_is_there(&sidecar, &mut [client], &what);
        let aside = sidecar
            .metric("opwatch_store_set_aside_total")
            .unwrap_or(0.0);
        assert!(aside <= set_aside, "{what}: {}", sidecar.log());
        assert_eq!(
            sidecar.metric("opwatch_store_degraded"),
            Some(0.0),
            "{what}"
        );
    }
    println!(
        "{cuts} cuts at {} moments of {} events",
        moments.len(),
        disk.events.len()
    );
}

/// How often to cut the power in each test: `OPWATCH_POWER_CUTS`.
fn cuts(short: usize) -> usize {
    setting("OPWATCH_POWER_CUTS", short)
}

/// R1: from nothing, over the first time that SQLite moves its log into the database and begins it anew, to the end.
#[test]
fn without_power_it_loses_nothing_that_it_acknowledged() {
    if strace::is_there() {
        let mut client = Client::new(0);
        let before = client.clone();
        let disk = record(Folder::new(), &mut client, BATCHES);
        let moments = disk.moments();
        let database = disk.file("opwatch.db");
        let into_database =
            |event: &Event| matches!(event, Event::Write { file, .. } if *file == database);
        let first = disk
            .events
            .iter()
            .position(|event| matches!(event, Event::Answer))
            .unwrap();
        let last = disk
            .events
            .iter()
            .rposition(|event| matches!(event, Event::Answer))
            .unwrap();
        let moved = disk.events[first..last]
            .iter()
            .position(into_database)
            .unwrap()
            + first;
        // Most of its life is one commit like the other.
        let near = |moment: &usize| {
            *moment < first + 20 || *moment > last - 20 || moment.abs_diff(moved) < 200
        };
        let busy: Vec<usize> = moments.iter().copied().filter(near).collect();
        cut(&disk, &before, &busy, cuts(12), 0.0);
        cut(&disk, &before, &moments, cuts(4), 0.0);
    }
}

/// R1: after a kill, with a log that has not been moved into the database.
#[test]
fn without_power_after_a_kill_it_loses_nothing_either() {
    if strace::is_there() {
        let (folder, mut client) = used();
        let before = client.clone();
        let disk = record(folder, &mut client, 6);
        cut(&disk, &before, &disk.moments(), cuts(10), 0.0);
    }
}

/// R2, R3: while it sets a database aside that is none, and makes a new one.
#[test]
fn without_power_while_it_sets_a_database_aside_it_starts_again() {
    if strace::is_there() {
        let mut client = Client::new(1);
        let before = client.clone();
        let disk = record(foreign(), &mut client, 4);
        cut(&disk, &before, &disk.moments(), cuts(10), 1.0);
    }
}
