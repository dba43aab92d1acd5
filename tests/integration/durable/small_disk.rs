//! A disk of one MiB that is full: at work, at the start, and at the end.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use super::CONFIG;
use super::client::{Client, counted, sent};
use super::faults::{UNCOMMITTED, check_after_kill, wait_for_recovery, work_until_degraded};
use crate::sidecar::{Folder, Sidecar, wait_for};

/// A folder whose data directory is a small disk of its own, for those that look from the inside.
struct SmallDisk {
    /// Keeps the mount.
    holder: Child,
    folder: Folder,
    data: String,
}

impl SmallDisk {
    /// Mounts one; `None` where that is not possible.
    fn mount() -> Option<Self> {
        let folder = Folder::new();
        let data = folder.0.join("data");
        fs::create_dir(&data).unwrap();
        let script =
            r#"mount -t tmpfs -o size=1m tmpfs "$PWD/data" && touch mounted && exec sleep 600"#;
        let mut holder = Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .current_dir(&folder.0)
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let is_mounted = wait_for("the disk to be mounted", || {
            if folder.0.join("mounted").exists() {
                return Some(true);
            }
            holder.try_wait().unwrap().map(|_| false)
        });
        if !is_mounted {
            println!("skipped: no file system of one's own can be mounted here");
            return None;
        }
        Some(Self {
            holder,
            data: data.to_str().unwrap().to_owned(),
            folder,
        })
    }

    fn enter(&self) -> [String; 6] {
        let pid = self.holder.id().to_string();
        ["nsenter", "-t", &pid, "-U", "-m", "--preserve-credentials"].map(str::to_owned)
    }

    /// Runs a program that sees the disk.
    fn run(&self, command: &[&str]) -> Output {
        let enter = self.enter();
        let inside = Command::new(&enter[0])
            .args(&enter[1..])
            .args(command)
            .output();
        inside.unwrap()
    }

    /// Starts opwatch on the disk, in a folder beside which its data directory is.
    fn start(&self) -> Sidecar {
        let enter = self.enter();
        let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
        let config = CONFIG.replace("data_dir: data", &format!("data_dir: {}", self.data));
        Sidecar::start_under(&enter, Folder::new(), &config)
    }

    fn fill(&self) {
        let filled = self.run(&[
            "dd",
            "if=/dev/zero",
            &format!("of={}/fill", self.data),
            "bs=4096",
        ]);
        assert!(!filled.status.success(), "there is an end to it");
    }

    fn make_room(&self) {
        let grown = self.run(&["mount", "-o", "remount,size=64m", &self.data]);
        assert!(grown.status.success(), "{grown:?}");
    }

    /// What is on it, where everybody sees it.
    fn copy(&self) -> Folder {
        let copy = Folder::new();
        let copied = self.run(&["cp", "-r", &self.data, copy.0.to_str().unwrap()]);
        assert!(copied.status.success(), "{copied:?}");
        copy
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        let _ = &self.folder;
    }
}

/// R4: it goes on in memory until there is room.
#[test]
fn while_the_disk_is_full_it_goes_on_in_memory_and_then_everything_is_on_disk() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut client = Client::new(0);
    let sidecar = disk.start();
    work_until_degraded(&sidecar, &mut client);
    assert!(sidecar.metric(UNCOMMITTED) > Some(0.0));
    disk.make_room();
    wait_for_recovery(&sidecar, &mut client);
    sidecar.kill();
    check_after_kill(disk.copy(), client, "a full disk");
}

/// R2, R4: a whole database on a full disk is read, stays where it is, and is written to again once there is room.
#[test]
fn on_a_disk_that_is_full_at_the_start_nothing_is_set_aside() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut client = Client::new(0);
    let mut sidecar = disk.start();
    for _ in 0..5 {
        assert!(client.send_next(&sidecar.ingest));
    }
    sidecar.terminate();
    disk.fill();
    let sidecar = disk.start();
    assert_eq!(counted(&sidecar), sent(std::slice::from_ref(&client)));
    work_until_degraded(&sidecar, &mut client);
    disk.make_room();
    wait_for_recovery(&sidecar, &mut client);
    assert_eq!(sidecar.metric("opwatch_store_set_aside_total"), Some(0.0));
    sidecar.kill();
    check_after_kill(disk.copy(), client, "full at the start");
}

/// R4, R16: what came while the disk was full is saved by a stop, if there is room by then.
#[test]
fn a_stop_saves_what_came_while_the_disk_was_full() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut client = Client::new(0);
    let mut sidecar = disk.start();
    assert!(client.send_next(&sidecar.ingest));
    disk.fill();
    work_until_degraded(&sidecar, &mut client);
    disk.make_room();
    // Not waited for: it may have been tried again by now or not.
    assert_eq!(sidecar.terminate(), Some(0));
    assert!(!sidecar.log().contains("is lost"), "{}", sidecar.log());
    check_after_kill(disk.copy(), client, "a stop");
}
