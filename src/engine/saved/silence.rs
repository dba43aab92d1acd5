//! Silences, as bytes.

use prost::Message;

use super::{Damaged, decode};
use crate::engine::Engine;
use crate::engine::dispatch::Silence;
use crate::engine::selector::Matcher;
use crate::engine::time::Timestamp;

const WHAT: &str = "silence";

/// A matcher.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MatcherMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(bool, tag = "3")]
    is_regex: bool,
    #[prost(bool, tag = "4")]
    is_equal: bool,
}

impl MatcherMessage {
    pub(super) fn of(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matcher.is_regex(),
            is_equal: matcher.is_equal(),
        }
    }
}

/// The matchers of `what`, which would be of everything without any.
pub(super) fn matchers(
    what: &'static str,
    saved: Vec<MatcherMessage>,
) -> Result<Vec<Matcher>, Damaged> {
    let mut matchers = Vec::new();
    for one in saved {
        let matcher = Matcher::new(&one.name, &one.value, one.is_regex, one.is_equal);
        matchers.push(matcher.map_err(|error| Damaged::new(what, error.to_string()))?);
    }
    match matchers.is_empty() {
        true => Err(Damaged::new(what, "it has no matchers")),
        false => Ok(matchers),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct SilenceMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    matchers: Vec<MatcherMessage>,
    #[prost(sint64, tag = "3")]
    starts_at: i64,
    #[prost(sint64, tag = "4")]
    ends_at: i64,
    #[prost(sint64, tag = "5")]
    updated_at: i64,
    #[prost(string, tag = "6")]
    created_by: String,
    #[prost(string, tag = "7")]
    comment: String,
}

fn to_bytes(silence: &Silence) -> Vec<u8> {
    let matchers = silence.matchers.iter().map(MatcherMessage::of);
    SilenceMessage {
        id: silence.id.clone(),
        matchers: matchers.collect(),
        starts_at: silence.starts_at.millis(),
        ends_at: silence.ends_at.millis(),
        updated_at: silence.updated_at.millis(),
        created_by: silence.created_by.clone(),
        comment: silence.comment.clone(),
    }
    .encode_to_vec()
}

fn from_bytes(bytes: &[u8]) -> Result<Silence, Damaged> {
    let message: SilenceMessage = decode(WHAT, bytes)?;
    Ok(Silence {
        id: message.id,
        matchers: matchers(WHAT, message.matchers)?,
        starts_at: Timestamp::from_millis(message.starts_at),
        ends_at: Timestamp::from_millis(message.ends_at),
        updated_at: Timestamp::from_millis(message.updated_at),
        created_by: message.created_by,
        comment: message.comment,
    })
}

impl Engine {
    /// What is to be saved of the silences since this was last asked: ids with what they say, or with nothing where what
    /// has been saved is to be deleted.
    pub fn take_unsaved_silences(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        std::mem::take(&mut self.saving.silences)
            .into_iter()
            .collect()
    }

    /// Notes that a silence is to be saved.
    pub(in crate::engine) fn note_silence(&mut self, silence: &Silence) {
        let body = Some(to_bytes(silence));
        self.saving.silences.insert(silence.id.clone(), body);
    }

    /// Notes that a silence has gone.
    pub(in crate::engine) fn note_silence_gone(&mut self, id: String) {
        self.saving.silences.insert(id, None);
    }

    /// Has all silences saved again, because what was saved could not be kept.
    pub(super) fn forget_saved_silences(&mut self) {
        for silence in self.silences().clone().iter() {
            self.note_silence(silence);
        }
    }

    /// Takes back a silence that was saved.
    ///
    /// # Errors
    /// When it cannot be read; then there is none.
    pub fn restore_silence(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let silence = from_bytes(bytes)?;
        self.put_silence(silence);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::matching;

    #[test]
    fn silences_read_back_as_they_were() {
        let silence = Silence {
            id: "x".into(),
            matchers: matching::parse(r#"a="b",c!="d",e=~"f|g",h!~"i""#).unwrap(),
            starts_at: Timestamp::from_millis(1),
            ends_at: Timestamp::from_millis(2_000),
            updated_at: Timestamp::from_millis(3),
            created_by: "ann".into(),
            comment: "ä".into(),
        };
        assert_eq!(from_bytes(&to_bytes(&silence)), Ok(silence.clone()));
        let nothing = Silence {
            matchers: Vec::new(),
            ..silence
        };
        assert!(from_bytes(&to_bytes(&nothing)).is_err());
    }
}
