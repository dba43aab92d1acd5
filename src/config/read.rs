//! From the text of a configuration to a [`Config`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::route::{self, Known};
use super::{
    Config, Lookup, actions, digest, flapping, handling, inhibit, interval, maintenance, memory,
    paths, sections, target, wire,
};
use crate::document::units::Period;
use crate::document::{Document, Place};
use crate::engine::alert::RESOLVED_RETENTION;
use crate::engine::dispatch::{Route, TimeIntervals};
use crate::engine::series::{Labels, is_label_name};
use crate::notify::NotifySettings;
use crate::rulefile::{
    BuiltIn, Checker, Findings, Loaded, Surroundings, fault_of_file, load_all, matching,
};

/// What came of reading a configuration.
pub(super) struct Read {
    /// The configuration; to be used only where there are no faults.
    pub(super) config: Option<Config>,
    /// Faults and warnings of all its files.
    pub(super) findings: Findings,
}

impl Read {
    fn failed(faults: Vec<crate::document::Fault>) -> Self {
        let findings = Findings {
            faults,
            warnings: Vec::new(),
        };
        Self {
            config: None,
            findings,
        }
    }
}

pub(super) fn file(path: &Path, lookup: Lookup<'_>) -> Read {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => text_of(&name, text, path, lookup),
        Err(error) => Read::failed(vec![fault_of_file(
            &name,
            format!("cannot read the configuration: {error}"),
        )]),
    }
}

fn text_of(name: &str, content: String, path: &Path, lookup: Lookup<'_>) -> Read {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut read = text(name, content, folder, lookup);
    if let Some(config) = &mut read.config {
        config.file = Some(path.to_owned());
    }
    read
}

pub(super) fn text(name: &str, text: String, folder: &Path, lookup: Lookup<'_>) -> Read {
    let mut document = match Document::parse_expanding(name, text, lookup) {
        Ok(document) => document,
        Err(faults) => return Read::failed(faults),
    };
    let (written, faults) = document.decode::<wire::File>();
    let readable = faults.is_empty();
    let mut checker = Checker::new(&document, faults);
    let config = written.map(|written| join(written, folder, readable, &mut checker));
    let mut findings = checker.findings;
    findings.sort();
    Read { config, findings }
}

fn join(
    mut written: wire::File,
    folder: &Path,
    readable: bool,
    checker: &mut Checker<'_>,
) -> Config {
    refuse_unavailable(&written, checker);
    let root = Place::root();
    let listen = sections::listen(&written.listen, checker);
    let store = sections::store(&written, memory::default_max_memory(), checker);
    let evaluation_interval = sections::period(
        written.evaluation_interval,
        Duration::from_secs(15),
        &root.key("evaluation_interval"),
        checker,
    );
    let time_intervals = interval::read(&written, checker);
    let maintenance = maintenance::read(&written.maintenance, &time_intervals, checker);
    let digests = digest::read(&written, checker);
    let inhibit_rules = inhibit::read(&written.inhibit_rules, checker);
    let route = route(&written, &time_intervals, checker);
    let escalations = handling::escalations(&written, readable, checker);
    let switched = |one: BuiltIn, written: Option<wire::Switch>, default: wire::Switch| {
        (written.unwrap_or(default) == wire::Switch::On).then_some(one)
    };
    let built_in: Vec<BuiltIn> = [
        switched(BuiltIn::Guide, written.guide_rules, wire::Switch::Off),
        switched(BuiltIn::Own, written.self_rules, wire::Switch::On),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (rule_files, mut loaded) = rules(
        &written.rule_files,
        &built_in,
        folder,
        Surroundings {
            evaluation_interval,
            retention: store.retention,
        },
        checker,
    );
    checker
        .findings
        .extend(std::mem::take(&mut loaded.findings));
    let external_url = sections::external_url(written.external_url.as_deref(), &listen, checker);
    let resolved_retention = sections::period(
        written.resolved_retention,
        RESOLVED_RETENTION,
        &root.key("resolved_retention"),
        checker,
    );
    let mut notify = NotifySettings {
        smtp: written.smtp.take().unwrap_or_default(),
        receivers: std::mem::take(&mut written.receivers),
        alertmanagers: std::mem::take(&mut written.alertmanagers),
        external_url: external_url.clone(),
        resolved_retention,
        actions: std::mem::take(&mut written.actions),
        callback_url: actions::callback_url(&listen),
    };
    let read_actions = actions::read(
        &notify.actions,
        (&loaded, &notify.callback_url),
        store.max_history,
        checker,
    );
    paths::resolve(&mut notify, folder);
    // What could not be read would only be told a second time.
    if readable {
        for fault in notify.check() {
            checker.fault(&fault.place, fault.to_string());
        }
    }
    Config {
        escalations,
        acknowledgement_links: handling::links(&written.acknowledgement, checker),
        external_labels: external_labels(&written, checker),
        log: sections::log(&written.log, checker),
        target: target::read(written.target.as_ref(), checker),
        limits: sections::limits(&written.limits, store.max_memory, checker),
        data_dir: sections::data_dir(written.data_dir.as_deref(), folder),
        max_disk: sections::max_disk(&written.store, checker),
        resend_delay: sections::period(
            written.resend_delay,
            Duration::from_secs(60),
            &root.key("resend_delay"),
            checker,
        ),
        resolved_retention,
        send_levels: written.send_levels.unwrap_or_default(),
        incidents: written.incidents.merge(),
        flapping: flapping::read(&written.flapping, checker),
        exposition: written.exposition,
        groups: loaded.groups,
        listen,
        external_url,
        file: None,
        rule_patterns: std::mem::take(&mut written.rule_files),
        rule_files,
        evaluation_interval,
        store,
        notify,
        route,
        drain_timeout: sections::period(
            written.drain_timeout,
            Duration::from_secs(10),
            &root.key("drain_timeout"),
            checker,
        ),
        inhibit_rules,
        time_intervals,
        actions: read_actions,
        maintenance,
        digests,
    }
}

fn refuse_unavailable(written: &wire::File, checker: &mut Checker<'_>) {
    let root = Place::root();
    for (key, value) in [
        ("mute", &written.mute),
        ("tls", &written.tls),
        ("web", &written.web),
    ] {
        checker.refuse(value.as_ref(), &root, key);
    }
}

fn external_labels(written: &wire::File, checker: &mut Checker<'_>) -> Labels {
    let place = Place::root().key("external_labels");
    for name in written.external_labels.keys() {
        if !is_label_name(name) || name.starts_with("__") {
            checker.fault_at_key(
                &place.key(name),
                format!("invalid label name {name:?}, allowed: letters, digits and _, not beginning with a digit or __"),
            );
        }
    }
    let pairs = written.external_labels.iter();
    pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

/// The tree of routes, checked against the receivers.
fn route(
    written: &wire::File,
    intervals: &TimeIntervals,
    checker: &mut Checker<'_>,
) -> Option<Route> {
    let place = Place::root().key("receivers");
    let names: Vec<&str> = written.receivers.iter().map(|r| r.name.as_str()).collect();
    for (index, name) in names.iter().enumerate() {
        let place = place.index(index).key("name");
        if name.is_empty() {
            checker.fault(
                &place,
                "receiver has no name, allowed: a name that routes use",
            );
        } else if let Some(first) = names.iter().take(index).position(|n| n == name) {
            let line = checker.line(&Place::root().key("receivers").index(first).key("name"));
            checker.fault(
                &place,
                format!("receiver {name:?} is given twice, first in line {line}"),
            );
        }
    }
    let damaged = sections::damaged(checker);
    let mut distinct: Vec<&str> = names.iter().copied().filter(|n| !n.is_empty()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut known = Known {
        incomplete: checker.is_damaged(&damaged, &place),
        names: distinct,
        used: BTreeSet::new(),
        intervals,
        intervals_incomplete: interval::are_incomplete(&damaged, checker),
    };
    let Some(root) = &written.route else {
        if !names.is_empty() && !checker.is_damaged(&damaged, &Place::root().key("route")) {
            checker.fault_at_key(
                &place,
                "there are receivers but no `route` that leads to them, allowed: such as route: {receiver: NAME}",
            );
        }
        return None;
    };
    let route = route::read(root, &mut known, &Place::root().key("route"), checker);
    known
        .used
        .extend(written.digest.iter().map(|one| one.receiver.clone()));
    for (index, name) in names.iter().enumerate() {
        let mut escalations = written.escalations.iter();
        let is_told = escalations.any(|one| one.receiver.as_deref() == Some(*name));
        if !known.used.contains(*name) && !name.is_empty() && !is_told {
            checker.warn(
                &place.index(index).key("name"),
                format!("receiver {name:?} is not used by any route or escalation"),
            );
        }
    }
    route
}

/// The rule files that the patterns mean, and what they hold.
fn rules(
    patterns: &[String],
    built_in: &[BuiltIn],
    folder: &Path,
    around: Surroundings,
    checker: &mut Checker<'_>,
) -> (Vec<PathBuf>, Loaded) {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let place = Place::root().key("rule_files").index(index);
        match matching(folder, pattern) {
            Ok(found) => {
                if found.is_empty() {
                    checker.warn(&place, format!("no file matches {pattern:?}"));
                }
                for path in found {
                    if !files.iter().any(|(known, _)| *known == path) {
                        let name = path.display().to_string();
                        files.push((path, name));
                    }
                }
            }
            Err(message) => checker.fault(&place, message),
        }
    }
    let loaded = load_all(&files, built_in, around);
    (files.into_iter().map(|(path, _)| path).collect(), loaded)
}

/// A period as people write it, for messages.
pub(super) fn show(period: Duration) -> String {
    Period(period).to_string()
}
