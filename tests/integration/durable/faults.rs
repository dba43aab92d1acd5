//! A disk that fails: opwatch goes on in memory, says so, and has everything on disk once the disk works again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::client::{Client, counted, sent};
use super::{CONFIG, strace};
use crate::peers::missing;
use crate::sidecar::{BINARY, Folder, Sidecar, wait_for};

const DEGRADED: &str = "opwatch_store_degraded";
pub(super) const UNCOMMITTED: &str = "opwatch_store_uncommitted_measurements_total";

/// Sends until the disk is known to fail, and some more, which has to be accepted and shown as ever.
pub(super) fn work_until_degraded(sidecar: &Sidecar, client: &mut Client) {
    wait_for("the disk to fail", || {
        assert!(client.send_next(&sidecar.ingest));
        (sidecar.metric(DEGRADED) == Some(1.0)).then_some(())
    });
    for _ in 0..3 {
        assert!(client.send_next(&sidecar.ingest));
    }
    assert_eq!(counted(sidecar), sent(std::slice::from_ref(client)));
    for path in ["/-/healthy", "/-/ready", "/api/v1/rules"] {
        assert_eq!(sidecar.get(path).status, 200, "{path}");
    }
}

/// Waits until everything is on disk again.
pub(super) fn wait_for_recovery(sidecar: &Sidecar, client: &mut Client) {
    wait_for("the disk to work again", || {
        thread::sleep(Duration::from_millis(100));
        assert!(client.send_next(&sidecar.ingest));
        (sidecar.metric(DEGRADED) == Some(0.0)).then_some(())
    });
    assert!(client.send_next(&sidecar.ingest));
}

/// Everything that was accepted counts after a kill, that of the time of the fault as well.
pub(super) fn check_after_kill(folder: Folder, mut client: Client, what: &str) {
    let sidecar = Sidecar::start_in(folder, CONFIG);
    assert_eq!(
        counted(&sidecar),
        sent(std::slice::from_ref(&client)),
        "{what}: {}",
        sidecar.log()
    );
    // The last batch again counts once.
    client.acknowledged -= 1;
    assert!(client.send_next(&sidecar.ingest));
    assert_eq!(counted(&sidecar), sent(&[client]), "{what}");
    assert_eq!(sidecar.metric(DEGRADED), Some(0.0), "{what}");
}

/// R4: writes and syncs that fail, and a sync that takes too long.
#[test]
fn while_calls_fail_it_goes_on_in_memory_and_then_everything_is_on_disk() {
    if !strace::is_there() {
        return;
    }
    for (calls, what, when) in [
        ("?pwrite64", "error=EIO", "60..63"),
        ("?fsync,?fdatasync", "error=EIO", "20..22"),
        ("?fsync,?fdatasync", "delay_enter=3000000", "20..21"),
    ] {
        let what_happens = format!("{calls} {what}");
        let mut client = Client::new(0);
        let mut arguments = Vec::new();
        let faulty = strace::inject(calls, what, when, &mut arguments);
        let sidecar = Sidecar::start_under(&faulty, Folder::new(), CONFIG);
        work_until_degraded(&sidecar, &mut client);
        assert!(sidecar.metric("opwatch_store_failures_total") > Some(0.0));
        wait_for_recovery(&sidecar, &mut client);
        assert!(sidecar.metric(UNCOMMITTED) > Some(0.0));
        check_after_kill(sidecar.kill(), client, &what_happens);
    }
}

/// Sets the permissions of a directory and of what is in it.
fn allow(directory: &Path, mode: u32) {
    fs::set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        fs::set_permissions(entry.path(), Permissions::from_mode(mode & 0o666)).unwrap();
    }
    fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
}

/// Starts opwatch where permissions hold; `None` where it cannot be.
fn start_as_nobody(folder: Folder) -> Option<Sidecar> {
    // They do not for root. Where the build lies only its owner may look.
    let script = r#"cp "$0" opwatch && chmod 755 . opwatch && exec setpriv --reuid=65534 --regid=65534 --clear-groups ./opwatch "$@""#;
    let as_nobody = ["sh", "-c", script];
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root && Command::new("setpriv").arg("--version").output().is_err() {
        return missing("setpriv", BINARY);
    }
    let wrapper: &[&str] = if is_root { &as_nobody } else { &[] };
    Some(Sidecar::start_under(wrapper, folder, CONFIG))
}

/// A data directory with some batches in it.
fn with_batches(client: &mut Client) -> Folder {
    let sidecar = Sidecar::start(CONFIG, &[]);
    for _ in 0..3 {
        assert!(client.send_next(&sidecar.ingest));
    }
    sidecar.kill()
}

/// R4: a directory that may only be read at the start: what is in it counts, and what comes is written once it may be.
#[test]
fn with_a_read_only_directory_it_goes_on_in_memory_until_it_may_write() {
    let mut clients = [Client::new(0), Client::new(1)];
    let folder = with_batches(&mut clients[0]);
    let data = folder.0.join("data");
    allow(&data, 0o555);
    let Some(sidecar) = start_as_nobody(folder) else {
        return;
    };
    let mut other = Client::new(1);
    wait_for("the disk to fail", || {
        assert!(other.send_next(&sidecar.ingest));
        (sidecar.metric(DEGRADED) == Some(1.0)).then_some(())
    });
    clients[1] = other.clone();
    assert_eq!(counted(&sidecar), sent(&clients), "{}", sidecar.log());
    allow(&data, 0o777);
    wait_for_recovery(&sidecar, &mut other);
    clients[1] = other;
    let sidecar = Sidecar::start_in(sidecar.kill(), CONFIG);
    assert_eq!(counted(&sidecar), sent(&clients), "{}", sidecar.log());
    assert_eq!(sidecar.metric(DEGRADED), Some(0.0));
}

/// R2, R4: a directory that cannot even be looked into at the start, as one that is not mounted yet: once it can be, what is
/// in it has not been read, and must be neither overwritten nor mixed with what came meanwhile.
#[test]
fn with_a_closed_directory_it_does_not_write_over_what_it_has_not_read() {
    let mut before = Client::new(0);
    let folder = with_batches(&mut before);
    let data = folder.0.join("data");
    allow(&data, 0o000);
    let Some(sidecar) = start_as_nobody(folder) else {
        return;
    };
    let mut client = Client::new(1);
    work_until_degraded(&sidecar, &mut client);
    allow(&data, 0o777);
    wait_for_recovery(&sidecar, &mut client);
    let sidecar = Sidecar::start_in(sidecar.kill(), CONFIG);
    assert_eq!(
        counted(&sidecar),
        sent(std::slice::from_ref(&client)),
        "{}",
        sidecar.log()
    );
    assert_eq!(sidecar.metric(DEGRADED), Some(0.0));
    // What was there is beside it, whole.
    let entries = fs::read_dir(&data)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let aside = entries
        .into_iter()
        .find(|path| path.to_string_lossy().contains("set-aside-"));
    let folder = Folder::new();
    Command::new("cp")
        .arg("-r")
        .arg(aside.unwrap())
        .arg(folder.0.join("data"))
        .status()
        .unwrap();
    let sidecar = Sidecar::start_in(folder, CONFIG);
    assert_eq!(counted(&sidecar), sent(&[before]), "{}", sidecar.log());
}
