//! A silence in the form of Alertmanager's API, version 2.

use serde::{Deserialize, Serialize};

use crate::engine::dispatch::Silence;
use crate::engine::selector::Matcher;
use crate::engine::series::is_label_name;
use crate::engine::time::Timestamp;

/// A silence as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Form {
    /// Its id; without one it is new.
    pub id: Option<String>,
    /// Where in its life it is; said, not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When it was last changed; said, not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Why.
    pub comment: String,
    /// Who wants it.
    pub created_by: String,
    /// RFC 3339.
    pub starts_at: String,
    /// RFC 3339.
    pub ends_at: String,
    /// What labels must match, all of them.
    pub matchers: Vec<MatcherForm>,
}

/// Where in its life a silence is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `active`, `pending` or `expired`.
    pub state: String,
}

/// A matcher as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatcherForm {
    /// The label.
    pub name: String,
    /// What it is compared with.
    pub value: String,
    /// Whether that is a regular expression.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it is to match, or not to.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Form {
    /// Of a silence as it is now.
    pub fn of(silence: &Silence, now: Timestamp) -> Self {
        let matchers = silence.matchers.iter().map(|matcher| MatcherForm {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matcher.is_regex(),
            is_equal: matcher.is_equal(),
        });
        Self {
            id: Some(silence.id.clone()),
            status: Some(Status {
                state: silence.state(now).as_str().to_owned(),
            }),
            updated_at: Some(silence.updated_at.to_string()),
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            starts_at: silence.starts_at.to_string(),
            ends_at: silence.ends_at.to_string(),
            matchers: matchers.collect(),
        }
    }

    /// The silence that is meant, whose life is not looked at.
    ///
    /// # Errors
    /// Which field is wrong, and what is allowed.
    pub fn silence(&self) -> Result<Silence, String> {
        let time = |name: &str, text: &str| {
            Timestamp::parse(text).ok_or_else(|| {
                format!(
                    "{name}: {text:?} is not a time, allowed: RFC 3339 such as 2026-01-31T12:00:00Z"
                )
            })
        };
        let mut matchers = Vec::new();
        for (index, form) in self.matchers.iter().enumerate() {
            if !is_label_name(&form.name) {
                return Err(format!(
                    "matchers[{index}].name: invalid label name {:?}, allowed: letters, digits and _, not beginning with a digit",
                    form.name
                ));
            }
            let matcher = Matcher::new(&form.name, &form.value, form.is_regex, form.is_equal);
            matchers.push(matcher.map_err(|error| format!("matchers[{index}].value: {error}"))?);
        }
        Ok(Silence {
            id: self.id.clone().unwrap_or_default(),
            matchers,
            starts_at: time("startsAt", &self.starts_at)?,
            ends_at: time("endsAt", &self.ends_at)?,
            updated_at: match &self.updated_at {
                Some(text) => time("updatedAt", text)?,
                None => Timestamp::default(),
            },
            created_by: self.created_by.clone(),
            comment: self.comment.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_reads_as_alertmanager_writes_it() {
        let text = r#"{"matchers":[{"name":"host","value":"a|b","isRegex":true},{"name":"x","value":"y","isRegex":false,"isEqual":false}],
            "startsAt":"2026-01-31T12:00:00.000Z","endsAt":"2026-01-31T14:00:00.000+01:00","createdBy":"ann","comment":"why"}"#;
        let form: Form = serde_json::from_str(text).unwrap();
        let silence = form.silence().unwrap();
        let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
        assert_eq!(matchers, [r#"host=~"a|b""#, r#"x!="y""#]);
        assert_eq!(silence.ends_at.to_string(), "2026-01-31T13:00:00.000Z");
        let back = Form::of(&silence, silence.starts_at);
        assert_eq!(back.status.as_ref().unwrap().state, "active");
        assert_eq!(back.silence().unwrap(), silence);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let good = Form {
            starts_at: "2026-01-31T12:00:00Z".into(),
            ends_at: "2026-01-31T13:00:00Z".into(),
            ..Form::default()
        };
        let matcher = |name: &str, value: &str| Form {
            matchers: vec![MatcherForm {
                name: name.into(),
                value: value.into(),
                is_regex: true,
                is_equal: true,
            }],
            ..good.clone()
        };
        for (form, expected) in [
            (matcher("a-b", "x"), "matchers[0].name: invalid label name"),
            (matcher("a", "("), "matchers[0].value: "),
            (
                Form {
                    ends_at: "soon".into(),
                    ..good.clone()
                },
                "endsAt: \"soon\" is not a time",
            ),
        ] {
            let error = form.silence().unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
