//! An answer of a running opwatch in words, or as the API gives it.

use std::process::ExitCode;

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::server::refused;
use super::{UNUSABLE, complain, say};
use crate::app::remote::{Remote, clean};

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    #[default]
    Text,
    /// As the API gives it.
    Json,
}

impl Form {
    /// Asks for a path and shows the answer, for people in the words that `text` has for it.
    pub(super) fn show<T: DeserializeOwned>(
        self,
        remote: &Remote,
        path: &str,
        text: impl FnOnce(&T) -> String,
    ) -> ExitCode {
        let shown = match self {
            Self::Text => remote.get::<T>(path).map(|told| clean(&text(&told))),
            Self::Json => match remote.get::<Value>(path) {
                Ok(value) => match serde_json::to_string_pretty(&value) {
                    Ok(text) => Ok(text),
                    Err(error) => return complain(UNUSABLE, &error.to_string()),
                },
                Err(error) => Err(error),
            },
        };
        match shown {
            Ok(text) => {
                say(&text);
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error),
        }
    }
}
