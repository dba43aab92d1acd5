//! `target:` of the configuration.

use super::sections::period;
use super::{Choice, Target, wire};
use crate::document::Place;
use crate::rulefile::Checker;

const ALLOWED: &str = "exactly one of process: largest, pid: 42, name: gunicorn";

/// What is to be watched, and what its CPU is a share of.
pub(super) fn read(written: Option<&wire::Target>, checker: &mut Checker<'_>) -> Target {
    let Some(written) = written else {
        return Target::default();
    };
    let place = Place::root().key("target");
    let interval = period(
        written.interval,
        Target::default().interval,
        &place.key("interval"),
        checker,
    );
    let given: Vec<(&str, Choice)> = [
        (written.process.as_ref()).map(|text| ("process", process(text, &place, checker))),
        (written.pid).map(|pid| ("pid", self::pid(pid, &place, checker))),
        (written.name.as_ref()).map(|text| ("name", name(text, &place, checker))),
    ]
    .into_iter()
    .flatten()
    .collect();
    match given.as_slice() {
        // The limit alone is of use where clients measure their CPU themselves.
        [] if written.cpu_limit.is_none() && checker.is_readable() => {
            checker.fault_at_key(
                &place,
                format!("target names no process, allowed: {ALLOWED}"),
            );
        }
        [(one, _), others @ ..] => {
            for (other, _) in others {
                checker.fault_at_key(
                    &place.key(other),
                    format!("both `{one}` and `{other}` given, allowed: {ALLOWED}"),
                );
            }
        }
        [] => {}
    }
    Target {
        choice: given.into_iter().next().map(|(_, choice)| choice),
        interval,
        cpu_limit: written.cpu_limit.map(|cores| cores.0),
    }
}

fn process(text: &str, place: &Place, checker: &mut Checker<'_>) -> Choice {
    if text != "largest" {
        checker.fault(
            &place.key("process"),
            format!("`process` of {text:?} is not possible, allowed: largest; a process is named by `name` or `pid`"),
        );
    }
    Choice::Largest
}

fn pid(pid: u32, place: &Place, checker: &mut Checker<'_>) -> Choice {
    if pid == 0 {
        checker.fault(
            &place.key("pid"),
            "`pid` of 0 is no process, allowed: above 0",
        );
    }
    Choice::Pid(pid)
}

fn name(text: &str, place: &Place, checker: &mut Checker<'_>) -> Choice {
    if text.is_empty() || text.contains('/') {
        checker.fault(
            &place.key("name"),
            format!("`name` of {text:?} is no name of a process, allowed: the program without its folder and arguments, such as gunicorn"),
        );
    }
    Choice::Name(text.to_owned())
}
