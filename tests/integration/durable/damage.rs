//! Files that have been damaged, or are another's: opwatch starts, serves and says so, whatever lies there.

use std::fs;

use super::client::counted;
use super::{CONFIG, setting};
use crate::sidecar::Sidecar;

/// R2: whatever has become of the files, opwatch starts, serves and keeps on.
#[test]
fn damaged_files_never_keep_it_from_starting() {
    let sidecar = Sidecar::start(CONFIG, &[]);
    for n in 0..200 {
        sidecar.measure(&format!(
            r#"{{"operation":"op{}","duration_seconds":1,"labels":{{"n":"{}"}}}}"#,
            n % 7,
            n % 40
        ));
    }
    let folder = sidecar.kill();
    let files = ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"]
        .map(|name| folder.0.join("data").join(name));
    let whole = files.clone().map(|path| fs::read(path).unwrap());
    let mut folder = Some(folder);
    let mut random = 12_345_usize;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below.max(1)
    };
    for round in 0..setting("OPWATCH_DAMAGES", 60) {
        for (path, bytes) in files.iter().zip(&whole) {
            fs::write(path, bytes).unwrap();
        }
        let which = next(2);
        let mut bytes = whole[which].clone();
        match round % 6 {
            0 => bytes.truncate(next(bytes.len())),
            1 => bytes.clear(),
            2 => bytes = b"this is no database, but somebody's notes".repeat(30),
            3 => {
                let (page, end) = (4_096, bytes.len());
                let from = (next(end) / page * page).min(end);
                bytes[from..(from + page).min(end)].fill(0);
            }
            _ => {
                for _ in 0..=next(20) {
                    let place = next(bytes.len());
                    bytes[place] ^= 1 << next(8);
                }
            }
        }
        fs::write(&files[which], bytes).unwrap();
        let sidecar = Sidecar::start_in(folder.take().unwrap(), CONFIG);
        sidecar.measure(r#"{"operation":"after","duration_seconds":1}"#);
        let after =
            sidecar.metric(r#"opwatch_operations_total{operation="after",outcome="success"}"#);
        assert_eq!(after, Some(1.0), "round {round}: {}", sidecar.log());
        assert_eq!(
            sidecar.metric("opwatch_http_panics_total").unwrap_or(0.0),
            0.0
        );
        assert!(
            !sidecar.log().contains("panicked"),
            "round {round}: {}",
            sidecar.log()
        );
        let kept = sidecar.kill();
        for entry in fs::read_dir(kept.0.join("data")).unwrap().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("set-aside-") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        folder = Some(kept);
    }
}

/// R18: of two on one data directory the second writes nothing there, and says so.
#[test]
fn a_second_opwatch_leaves_the_data_of_the_first_alone() {
    let first = Sidecar::start(CONFIG, &[]);
    let data = first.folder.0.join("data");
    let second = Sidecar::start(&format!("data_dir: {}\n", data.display()), &[]);
    second.measure(r#"{"operation":"second","duration_seconds":1}"#);
    first.measure(r#"{"operation":"first","duration_seconds":1}"#);
    assert!(
        second.log().contains("another opwatch is using it"),
        "{}",
        second.log()
    );
    assert_eq!(second.metric("opwatch_store_degraded"), Some(1.0));
    assert_eq!(first.metric("opwatch_store_degraded"), Some(0.0));
    second.kill();
    let again = Sidecar::start_in(first.kill(), CONFIG);
    let page = again.metrics();
    assert!(page.contains(r#"operation="first""#) && !page.contains(r#"operation="second""#));
}

/// R2: what can be read of a damaged database is not lost to a kill before it has been saved anew.
#[test]
fn what_was_read_of_a_damaged_database_outlives_another_kill() {
    const PAGE: usize = 4_096;
    let mut sidecar = Sidecar::start(CONFIG, &[]);
    for n in 0..300 {
        let id = format!("{n:0120}");
        sidecar.measure(&format!(
            r#"{{"operation":"op{}","duration_seconds":1,"id":"{id}"}}"#,
            n % 60
        ));
    }
    // Stopped, so that all of it is in one file, of which a good part is series.
    sidecar.terminate();
    let mut folder = sidecar.kill();
    let path = folder.0.join("data/opwatch.db");
    let whole = fs::read(&path).unwrap();
    let mut partly = 0;
    for page in (1..whole.len() / PAGE).step_by(whole.len() / PAGE / 12 + 1) {
        fs::remove_dir_all(folder.0.join("data")).unwrap();
        fs::create_dir(folder.0.join("data")).unwrap();
        let mut bytes = whole.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        fs::write(&path, bytes).unwrap();
        let sidecar = Sidecar::start_in(folder, CONFIG);
        let (read, _) = counted(&sidecar);
        let again = Sidecar::start_in(sidecar.kill(), CONFIG);
        assert_eq!(counted(&again).0, read, "page {page}: {}", again.log());
        partly += usize::from(read > 0.0 && read < 300.0);
        folder = again.kill();
    }
    assert!(partly > 0, "some pages cost some series");
}
