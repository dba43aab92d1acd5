//! Links by which whoever has a message can acknowledge an alert: `{external_url}/ack?…`, signed, so that nobody else can
//! make one, and good for one alert, from its beginning to its end, for a while.
//!
//! The key lies in the data directory; whoever takes it away there makes all links void.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::engine::dispatch::{Announced, Notification};
use crate::engine::time::Timestamp;

/// The file of the key in the data directory.
pub const KEY_FILE: &str = "acknowledgement.key";
/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// By what links are signed.
#[derive(Clone)]
pub struct LinkKey(hmac::Key);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LinkKey(***)")
    }
}

impl LinkKey {
    fn of(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key of a data directory, made where there is none; without a directory, or where it cannot be used, one of this
    /// process alone.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn load(folder: Option<&Path>) -> io::Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        let random = SystemRandom::new().fill(&mut bytes);
        random.map_err(|_| io::Error::other("the system has no random numbers"))?;
        let Some(folder) = folder else {
            return Ok(Self::of(&bytes));
        };
        let path = folder.join(KEY_FILE);
        match kept(&path, &bytes) {
            Ok(bytes) => Ok(Self::of(&bytes)),
            Err(error) => {
                tracing::error!(
                    path = %path.display(), %error,
                    "cannot keep the key of links to acknowledge by: they are void after this process"
                );
                Ok(Self::of(&bytes))
            }
        }
    }
}

/// The key in a file, which is written with `new` where there is none.
fn kept(path: &Path, new: &[u8]) -> io::Result<Vec<u8>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Whole or not at all: what is half written would be a key that is easy to guess.
            let half = path.with_extension("key.new");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&half)?;
            file.write_all(new)?;
            file.sync_all()?;
            fs::rename(&half, path)?;
            return Ok(new.to_vec());
        }
        Err(error) => return Err(error),
    };
    if bytes.len() != KEY_BYTES {
        let found = bytes.len();
        return Err(io::Error::other(format!(
            "it has {found} bytes, allowed: {KEY_BYTES}"
        )));
    }
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{mode:o}"), "others could read the key of links: now its owner alone can");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(bytes)
}

/// Makes links and looks at those that come back.
#[derive(Clone, Debug)]
pub struct Links {
    key: LinkKey,
    external_url: String,
    valid_for: Duration,
}

/// What a good link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The fingerprint of the alert.
    pub fingerprint: u64,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// Until when the link is good.
    pub expires_at: Timestamp,
}

/// Why a link is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Something is missing of it.
    #[error("this is no link to acknowledge an alert by: it is not whole")]
    NotWhole,
    /// It is not signed by this opwatch.
    #[error("this link is not good: it has been changed, or it is of another opwatch")]
    Foreign,
    /// It was good once.
    #[error("this link is not good any more: it has expired at {0}")]
    Expired(Timestamp),
}

impl Links {
    /// Links below an address of this opwatch that are good for so long.
    pub fn new(key: LinkKey, external_url: &str, valid_for: Duration) -> Self {
        Self {
            key,
            external_url: external_url.trim_end_matches('/').to_owned(),
            valid_for,
        }
    }

    /// Gives each alert of a notification that fires, and that nobody looks after, its link.
    pub fn add(&self, notification: &mut Notification, now: Timestamp) {
        for alert in notification.alerts.iter().filter(|one| one.is_firing()) {
            if let Some(remark) = notification.remarks.get_mut(&alert.fingerprint)
                && remark.acknowledged.is_none()
            {
                remark.link = self.link(alert, now);
            }
        }
    }

    fn link(&self, alert: &Announced, now: Timestamp) -> String {
        let claim = Claim {
            fingerprint: alert.fingerprint,
            starts_at: alert.starts_at,
            expires_at: now.after(self.valid_for),
        };
        let signature = hmac::sign(&self.key.0, signed(claim).as_bytes());
        let mut hex = String::new();
        for byte in signature.as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        format!(
            "{}/ack?alert={:016x}&started={}&until={}&signature={hex}",
            self.external_url,
            claim.fingerprint,
            claim.starts_at.millis(),
            claim.expires_at.millis()
        )
    }

    /// What a link says by its query, whose names and values are given.
    ///
    /// # Errors
    /// When it is not good, or not any more.
    pub fn read(
        &self,
        query: impl Iterator<Item = (String, String)>,
        now: Timestamp,
    ) -> Result<Claim, LinkError> {
        let (mut alert, mut started, mut until, mut signature) = (None, None, None, None);
        for (name, value) in query {
            match name.as_str() {
                "alert" => alert = u64::from_str_radix(&value, 16).ok(),
                "started" => started = value.parse().ok(),
                "until" => until = value.parse().ok(),
                "signature" => signature = bytes(&value),
                _ => return Err(LinkError::NotWhole),
            }
        }
        let (Some(fingerprint), Some(started), Some(until), Some(signature)) =
            (alert, started, until, signature)
        else {
            return Err(LinkError::NotWhole);
        };
        let claim = Claim {
            fingerprint,
            starts_at: Timestamp::from_millis(started),
            expires_at: Timestamp::from_millis(until),
        };
        // It takes the same time wherever the difference is.
        hmac::verify(&self.key.0, signed(claim).as_bytes(), &signature)
            .map_err(|_| LinkError::Foreign)?;
        if now >= claim.expires_at {
            return Err(LinkError::Expired(claim.expires_at));
        }
        Ok(claim)
    }
}

/// Gives all notifications their links, where there are any.
pub fn add_all(links: Option<&Arc<Links>>, notifications: &mut [Notification], now: Timestamp) {
    let Some(links) = links else { return };
    for notification in notifications {
        links.add(notification, now);
    }
}

/// What is signed.
fn signed(claim: Claim) -> String {
    format!(
        "opwatch acknowledge 1\n{:016x}\n{}\n{}",
        claim.fingerprint,
        claim.starts_at.millis(),
        claim.expires_at.millis()
    )
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || hex.len() != 64 {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests;
