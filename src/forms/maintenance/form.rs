//! Maintenance as the API tells of it and takes it, and the same in words.

use serde::{Deserialize, Serialize};

use crate::document::units::Period;
use crate::engine::dispatch::Maintenance;
use crate::engine::dispatch::maintenance::{Started, Window};
use crate::engine::dispatch::matching;
use crate::engine::selector::Matcher;
use crate::engine::time::Timestamp;

/// What is asked for to start one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// What it is called; without one by its matchers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What labels must match, all of them: `operation="train"`.
    pub matchers: Vec<String>,
    /// For how long: `2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Until when, in place of that: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// Whether nothing is learned of what is measured meanwhile.
    pub stop_learning: bool,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Wanted {
    /// What is meant, to be started now.
    ///
    /// # Errors
    /// Which field is wrong, and what is allowed.
    pub fn read(&self, now: Timestamp) -> Result<Started, String> {
        let matchers = read_matchers(&self.matchers)?;
        let ends_at = match (&self.duration, &self.ends_at) {
            (Some(text), None) => {
                let duration = text.parse::<Period>();
                now.after(duration.map_err(|error| format!("duration: {error}"))?.0)
            }
            (None, Some(text)) => time("ends_at", text)?,
            (None, None) => {
                return Err("duration: is missing, allowed: a duration such as 2h, or ends_at; what is never ended would go on for ever".to_owned());
            }
            (Some(_), Some(_)) => {
                return Err("ends_at: duration is given as well, allowed: one of them".to_owned());
            }
        };
        let name = self.name.clone().filter(|name| !name.is_empty());
        Ok(Started {
            id: String::new(),
            name: name.unwrap_or_else(|| texts(&matchers).join(",")),
            matchers,
            starts_at: now,
            ends_at,
            stops_learning: self.stop_learning,
            created_by: self.created_by.clone(),
            comment: self.comment.clone(),
        })
    }
}

/// What a list of matchers means.
pub(super) fn read_matchers(written: &[String]) -> Result<Vec<Matcher>, String> {
    let mut matchers = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let read = matching::parse(text);
        matchers.extend(read.map_err(|error| format!("matchers[{index}]: {error}"))?);
    }
    Ok(matchers)
}

/// The moment that a field says.
pub(super) fn time(field: &str, text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        format!("{field}: {text:?} is not a time, allowed: RFC 3339 such as 2026-01-31T12:00:00Z")
    })
}

pub(super) fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

/// All maintenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What goes on first, then what comes, then what is over.
    pub maintenance: Vec<One>,
}

/// One maintenance, of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct One {
    /// By what it can be ended; none of what recurs.
    pub id: Option<String>,
    /// What it is called.
    pub name: String,
    /// `recurring` or `started`.
    pub kind: String,
    /// `active`, `pending` or `expired`.
    pub state: String,
    /// When it began, or begins next; none where that is more than a week ago, or does not come within five years.
    pub starts_at: Option<String>,
    /// When it ends after that.
    pub ends_at: Option<String>,
    /// What labels must match, all of them.
    pub matchers: Vec<String>,
    /// Whether nothing is learned of what is measured meanwhile.
    pub stop_learning: bool,
    /// Who wanted it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Told {
    /// As it is now.
    pub fn of(maintenance: &Maintenance, now: Timestamp) -> Self {
        let windows = maintenance.windows().iter().map(|one| recurring(one, now));
        let all = windows.chain(maintenance.started().map(|one| started(one, now)));
        let mut all: Vec<One> = all.collect();
        let rank = |one: &One| ["active", "pending", "expired"].map(|state| one.state != state);
        all.sort_by(|a, b| {
            let by_end = || a.ends_at.cmp(&b.ends_at);
            rank(a).cmp(&rank(b)).then_with(by_end)
        });
        Self { maintenance: all }
    }
}

fn recurring(window: &Window, now: Timestamp) -> One {
    let next = window.next(now);
    One {
        id: None,
        name: window.name.clone(),
        kind: "recurring".to_owned(),
        state: match (next.is_open, next.starts_at) {
            (true, _) => "active",
            (false, Some(_)) => "pending",
            (false, None) => "expired",
        }
        .to_owned(),
        starts_at: next.starts_at.map(|at| at.to_string()),
        ends_at: next.ends_at.map(|at| at.to_string()),
        matchers: texts(&window.matchers),
        stop_learning: window.stops_learning,
        created_by: String::new(),
        comment: String::new(),
    }
}

fn started(one: &Started, now: Timestamp) -> One {
    let state = match one.is_active(now) {
        true => "active",
        // The clock may have been set back.
        false if now < one.starts_at => "pending",
        false => "expired",
    };
    One {
        id: Some(one.id.clone()),
        name: one.name.clone(),
        kind: "started".to_owned(),
        state: state.to_owned(),
        starts_at: Some(one.starts_at.to_string()),
        ends_at: Some(one.ends_at.to_string()),
        matchers: texts(&one.matchers),
        stop_learning: one.stops_learning,
        created_by: one.created_by.clone(),
        comment: one.comment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let good = Wanted {
            matchers: vec!["operation=train".into()],
            duration: Some("2h".into()),
            ..Wanted::default()
        };
        let now = Timestamp::from_millis(1_000);
        let read = good.read(now).unwrap();
        assert_eq!(
            (read.name.as_str(), read.ends_at.millis()),
            ("operation=\"train\"", 7_201_000)
        );
        for (wrong, expected) in [
            (
                Wanted {
                    duration: Some("soon".into()),
                    ..good.clone()
                },
                "duration: ",
            ),
            (
                Wanted {
                    duration: None,
                    ..good.clone()
                },
                "duration: is missing",
            ),
            (
                Wanted {
                    ends_at: Some("x".into()),
                    ..good.clone()
                },
                "ends_at: duration is given as well",
            ),
            (
                Wanted {
                    duration: None,
                    ends_at: Some("x".into()),
                    ..good.clone()
                },
                "ends_at: \"x\" is not a time",
            ),
            (
                Wanted {
                    matchers: vec!["a=b".into(), "(".into()],
                    ..good.clone()
                },
                "matchers[1]: cannot read matcher",
            ),
        ] {
            let error = wrong.read(now).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
