//! Passwords and tokens, given themselves or by the name of a file that is read at each use, so that they can be rotated.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use super::NotifyError;
use crate::secret::Secret;

/// The credential itself, or else the content of its file without the line's end; empty if there is neither.
///
/// # Errors
/// Transient where the file cannot be read, as it may be in the middle of a rotation.
pub(super) async fn either(
    inline: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Secret, NotifyError> {
    match (inline, file) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some(path)) => {
            let text = read(path).await.map_err(NotifyError::transient)?;
            Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => Ok(Secret::new(String::new())),
    }
}

/// Reads a file at its use.
pub(super) async fn read(path: &Path) -> Result<String, String> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| unreadable(path, &error))
}

/// Reads a file at the start, when nothing else runs yet.
pub(super) fn check(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

/// Reports a credential that is given twice or whose file cannot be read.
pub(super) fn check_either(
    inline: Option<&Secret>,
    file: Option<&Path>,
    fault: &mut dyn FnMut(&str),
) {
    let Some(path) = file else { return };
    if inline.is_some() {
        fault("given beside the value itself, only one of them is allowed");
    }
    if let Err(reason) = check(path) {
        fault(&reason);
    }
}

/// `cannot read /x: permission denied`, without the number that the standard library adds.
pub(super) fn unreadable(path: &Path, error: &Error) -> String {
    let reason = match error.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot read {}: {reason}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_is_named_with_its_reason() {
        for (kind, reason) in [
            (ErrorKind::PermissionDenied, "permission denied"),
            (ErrorKind::NotFound, "no such file"),
            (ErrorKind::IsADirectory, "it is a directory"),
        ] {
            let message = unreadable(Path::new("/run/secrets/smtp"), &kind.into());
            assert_eq!(message, format!("cannot read /run/secrets/smtp: {reason}"));
        }
    }

    #[tokio::test]
    async fn a_file_is_read_at_each_use_without_the_end_of_its_line() {
        let path = std::env::temp_dir().join(format!("opwatch-credential-{}", std::process::id()));
        for content in ["first\n", "second\r\n", " third "] {
            fs::write(&path, content).unwrap();
            let secret = either(None, Some(&path)).await.unwrap();
            assert_eq!(secret.expose(), content.trim_end_matches(['\r', '\n']));
        }
        let inline = Secret::new("inline".to_owned());
        assert_eq!(either(Some(&inline), None).await.unwrap(), inline);
        fs::remove_file(&path).unwrap();
        let error = either(None, Some(&path)).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
}
