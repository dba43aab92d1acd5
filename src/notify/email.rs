//! Mail: one message per notification over SMTP.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, Message, MultiPart};
use serde::Deserialize;

use super::credential;
use super::smtp::{Dialogue, Encryption};
use super::tls::TlsConfig;
use super::{NotifyError, SettingFault, message};
use crate::document::Place;
use crate::document::text::deserialize_from_text;
use crate::engine::dispatch::Notification;
use crate::engine::series::Fnv1a;
use crate::secret::Secret;

/// Time for one attempt, from the connection to the answer to the message.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a text in one encoded word.
const ENCODED_BYTES: usize = 39;
/// The port on which TLS begins with the first byte (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

/// The mail server that receivers use unless they name their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpConfig {
    /// Mail server, `host:port`. On port 465 TLS begins at once, else with STARTTLS.
    pub smarthost: Option<Smarthost>,
    /// Sender's address.
    pub from: Option<Addresses>,
    /// How opwatch names itself to the server. Default: the host name.
    pub hello: Option<String>,
    /// User name; without one, no authentication.
    pub auth_username: Option<String>,
    /// Password.
    pub auth_password: Option<Secret>,
    /// File that holds the password, read at each attempt; in place of `auth_password`.
    pub auth_password_file: Option<PathBuf>,
    /// Refuse to send without TLS. Default true.
    pub require_tls: bool,
    /// Begin TLS at once (true) or with STARTTLS (false). Default: at once on port 465 only.
    pub force_implicit_tls: Option<bool>,
    /// Whom to trust.
    pub tls: TlsConfig,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            smarthost: None,
            from: None,
            hello: None,
            auth_username: None,
            auth_password: None,
            auth_password_file: None,
            require_tls: true,
            force_implicit_tls: None,
            tls: TlsConfig::default(),
        }
    }
}

/// Mail of a receiver. What it leaves out is taken from `smtp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailConfig {
    /// Who gets the mail: one address, or several with commas between.
    pub to: Addresses,
    /// Whether to tell of alerts that have ended. Default false, as in Alertmanager.
    pub send_resolved: bool,
    /// Mail server, `host:port`.
    pub smarthost: Option<Smarthost>,
    /// Sender's address.
    pub from: Option<Addresses>,
    /// How opwatch names itself to the server.
    pub hello: Option<String>,
    /// User name.
    pub auth_username: Option<String>,
    /// Password.
    pub auth_password: Option<Secret>,
    /// File that holds the password, read at each attempt.
    pub auth_password_file: Option<PathBuf>,
    /// Refuse to send without TLS.
    pub require_tls: Option<bool>,
    /// Begin TLS at once (true) or with STARTTLS (false).
    pub force_implicit_tls: Option<bool>,
}

/// Mail addresses, parsed: `ml@example.org, On Call <oncall@example.org>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Vec<Mailbox>);

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smarthost {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why a text is no list of addresses or no mail server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a list of addresses.
    #[error(
        "invalid mail address {0:?} ({1}), allowed: such as ml@example.org, several with commas between"
    )]
    Mailbox(String, String),
    /// An address that older servers cannot take.
    #[error("invalid mail address {0:?}, allowed: ASCII characters (domains in their xn-- form)")]
    NotAscii(String),
    /// Not a mail server.
    #[error("invalid mail server {0:?}, allowed: host:port such as mail.example.org:587")]
    Smarthost(String),
}

impl FromStr for Addresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let boxes: Mailboxes = text
            .parse()
            .map_err(|error| AddressError::Mailbox(text.to_owned(), format!("{error}")))?;
        let boxes: Vec<Mailbox> = boxes.into();
        let addresses = || boxes.iter().map(|mailbox| mailbox.email.as_ref());
        if let Some(address) = addresses().find(|address: &&str| !address.is_ascii()) {
            return Err(AddressError::NotAscii(address.to_owned()));
        }
        if boxes.is_empty() {
            return Err(AddressError::Mailbox(
                text.to_owned(),
                "it is empty".to_owned(),
            ));
        }
        Ok(Self(boxes))
    }
}

impl FromStr for Smarthost {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::Smarthost(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let well_formed = !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
        let port = port.parse().ok().filter(|port| *port != 0 && well_formed);
        Ok(Self {
            host: host.to_owned(),
            port: port.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{address}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Smarthost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

deserialize_from_text! {
    Addresses: "mail addresses such as ml@example.org"
    Smarthost: "a mail server such as mail.example.org:587"
}

/// Mail of one receiver, ready to send.
#[derive(Debug)]
pub struct Email {
    to: Vec<Mailbox>,
    from: Mailbox,
    smarthost: Smarthost,
    hello: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    encryption: Encryption,
    tls: TlsConfig,
    external_url: String,
}

impl Email {
    /// Joins a receiver's settings at `place` with those of `smtp` and checks them.
    ///
    /// # Errors
    /// Every fault of the settings, unreadable files included.
    pub fn new(
        smtp: &SmtpConfig,
        config: &EmailConfig,
        external_url: &str,
        place: &Place,
    ) -> Result<Self, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let global = Place::root().key("smtp");
        let mut fault =
            |place: Place, message: &str| faults.push(SettingFault::new(place, message));
        if config.to.0.is_empty() {
            fault(
                place.key("to"),
                "is missing, at least one mail address is needed",
            );
        }
        let smarthost = config.smarthost.clone().or_else(|| smtp.smarthost.clone());
        if smarthost.is_none() {
            fault(
                global.key("smarthost"),
                "is missing, mail needs a server such as mail.example.org:587",
            );
        }
        let (from, at) = match &config.from {
            Some(from) => (Some(from), place),
            None => (smtp.from.as_ref(), &global),
        };
        let mut from = from
            .map(|addresses| addresses.0.clone())
            .unwrap_or_default();
        match from.len() {
            1 => {}
            0 => fault(
                at.key("from"),
                "is missing, mail needs a sender such as opwatch@example.org",
            ),
            _ => fault(at.key("from"), "has several addresses, only one is allowed"),
        }
        // A receiver with a password of its own uses nothing of the common one.
        let own = config.auth_password.is_some() || config.auth_password_file.is_some();
        let (password, password_file, at) = if own {
            (&config.auth_password, &config.auth_password_file, place)
        } else {
            (&smtp.auth_password, &smtp.auth_password_file, &global)
        };
        let file = at.key("auth_password_file");
        credential::check_either(
            password.as_ref(),
            password_file.as_deref(),
            &mut |message| {
                fault(file.clone(), message);
            },
        );
        let username = config
            .auth_username
            .clone()
            .or_else(|| smtp.auth_username.clone());
        let require_tls = config.require_tls.unwrap_or(smtp.require_tls);
        let implicit = config.force_implicit_tls.or(smtp.force_implicit_tls);
        let encryption = match &smarthost {
            Some(server) if implicit.unwrap_or(server.port == SUBMISSIONS_PORT) => {
                Encryption::Implicit
            }
            _ if require_tls => Encryption::StartTls,
            Some(server) if username.is_some() && !is_here(&server.host) => {
                let at = if config.auth_username.is_some() {
                    place
                } else {
                    &global
                };
                let message =
                    "a password is not sent without TLS to another machine, set require_tls: true";
                fault(at.key("auth_username"), message);
                Encryption::None
            }
            _ => Encryption::None,
        };
        if encryption != Encryption::None
            && let Err(error) = smtp
                .tls
                .client_config()
                .and_then(|_| smtp.tls.expected_name())
        {
            fault(global.key("tls"), &error.to_string());
        }
        match (smarthost, from.pop()) {
            (Some(smarthost), Some(from)) if faults.is_empty() => Ok(Self {
                to: config.to.0.clone(),
                from,
                smarthost,
                hello: config.hello.clone().or_else(|| smtp.hello.clone()),
                username,
                password: password.clone(),
                password_file: password_file.clone(),
                encryption,
                tls: smtp.tls.clone(),
                external_url: external_url.to_owned(),
            }),
            _ => Err(faults),
        }
    }

    /// To whom, and through which server.
    pub(super) fn destination(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(|to| to.email.as_ref()).collect();
        format!("mail to {} through {}", to.join(", "), self.smarthost)
    }

    /// Sends a notification once.
    ///
    /// # Errors
    /// Transient where another attempt may help.
    pub async fn deliver(&self, notification: &Notification) -> Result<(), NotifyError> {
        let message = self.message(notification)?;
        let password =
            credential::either(self.password.as_ref(), self.password_file.as_deref()).await?;
        let dialogue = Dialogue {
            smarthost: &self.smarthost,
            hello: self.hello.as_deref(),
            credentials: self.username.as_deref().map(|name| (name, &password)),
            encryption: self.encryption,
            tls: &self.tls,
        };
        let recipients: Vec<_> = self
            .to
            .iter()
            .map(|mailbox| mailbox.email.clone())
            .collect();
        let message = message.formatted();
        let sent = dialogue.send(&self.from.email, &recipients, &message);
        match tokio::time::timeout(TIMEOUT, sent).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = TIMEOUT.as_secs();
                let message = format!("{} did not finish within {seconds} s", self.smarthost);
                Err(NotifyError::transient(message))
            }
        }
    }

    fn message(&self, notification: &Notification) -> Result<Message, NotifyError> {
        let domain = self.from.email.domain();
        let millis = u64::try_from(notification.at.millis()).unwrap_or_default();
        // Mails of a group refer to a message that never existed, which is what makes them one thread.
        let thread = format!("<group-{:016x}@{domain}>", thread(notification));
        let mut builder = Message::builder()
            .from(self.from.clone())
            .date(UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(format!("<{}@{domain}>", notification.id)))
            .in_reply_to(thread.clone())
            .references(thread);
        for mailbox in &self.to {
            builder = builder.to(mailbox.clone());
        }
        builder = builder.raw_header(subject(message::subject(notification)));
        for (name, value) in [
            ("Auto-Submitted", "auto-generated"),
            ("X-Opwatch-Notification-Id", &notification.id),
        ] {
            let name = HeaderName::new_from_ascii_str(name);
            builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        let text = message::text(notification, &self.external_url);
        let html = message::html(notification, &self.external_url);
        builder
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| NotifyError::permanent(format!("cannot write the mail: {error}")))
    }
}

/// The header of a subject. What looks like an encoded word (RFC 2047) is encoded, or readers would decode it and show what
/// nobody has written; the library leaves it as it is, because it is ASCII.
fn subject(text: String) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Subject");
    if !text.contains("=?") {
        return HeaderValue::new(name, text);
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        // A word has at most 75 characters, of which base64 and the name of the encoding take their part.
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= ENCODED_BYTES => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encoded = words
        .iter()
        .map(|word| format!("=?utf-8?b?{}?=", BASE64_STANDARD.encode(word)));
    let encoded = encoded.collect::<Vec<_>>().join("\r\n ");
    HeaderValue::dangerous_new_pre_encoded(name, text, encoded)
}

/// Identifies the thread of a group's mails to one receiver.
fn thread(notification: &Notification) -> u64 {
    let mut hash = Fnv1a::new();
    hash.add(notification.receiver.as_bytes());
    hash.add(&[0xff]);
    hash.add(notification.group_key.as_bytes());
    hash.finish()
}

/// Whether a host is this machine, to which a password may go in the clear.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::fixture;

    fn email(yaml: &str) -> Result<Email, Vec<String>> {
        #[derive(Deserialize)]
        struct Both {
            #[serde(default)]
            smtp: SmtpConfig,
            email: EmailConfig,
        }
        let Both { smtp, email } = serde_yaml::from_str(yaml).unwrap();
        let place = Place::root().key("email");
        let made = Email::new(&smtp, &email, "http://opwatch.example.org", &place);
        made.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn settings_of_a_receiver_stand_over_the_common_ones() {
        let made = email(
            "{smtp: {smarthost: 'mail:465', from: a@example.org, auth_username: u, auth_password: x},
              email: {to: 'b@example.org, C <c@example.org>', smarthost: '[::1]:587', auth_password: hunter2}}",
        )
        .unwrap();
        assert_eq!(made.smarthost.to_string(), "[::1]:587");
        assert_eq!(made.encryption, Encryption::StartTls);
        assert_eq!(made.username.as_deref(), Some("u"));
        assert_eq!(made.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert_eq!(made.to.len(), 2);
        assert!(!format!("{made:?}").contains("hunter2"), "{made:?}");
    }

    #[test]
    fn encryption_begins_at_once_on_its_port_or_where_it_is_asked_for() {
        for (smtp, expected) in [
            ("smarthost: 'mail:465'", Encryption::Implicit),
            ("smarthost: 'mail:587'", Encryption::StartTls),
            (
                "smarthost: 'mail:2465', force_implicit_tls: true",
                Encryption::Implicit,
            ),
            (
                "smarthost: 'mail:465', force_implicit_tls: false",
                Encryption::StartTls,
            ),
            (
                "smarthost: 'mail:465', require_tls: false",
                Encryption::Implicit,
            ),
            ("smarthost: 'mail:25', require_tls: false", Encryption::None),
        ] {
            let made = email(&format!(
                "{{smtp: {{from: a@example.org, {smtp}}}, email: {{to: b@example.org}}}}"
            ));
            assert_eq!(made.unwrap().encryption, expected, "{smtp}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_faults_with_their_place() {
        for (yaml, expected) in [
            (
                "{email: {}}",
                vec![
                    "email.to: is missing, at least one mail address is needed",
                    "smtp.smarthost: is missing, mail needs a server such as mail.example.org:587",
                    "smtp.from: is missing, mail needs a sender such as opwatch@example.org",
                ],
            ),
            (
                "{smtp: {smarthost: 'mail:25', from: a@example.org, auth_username: u, auth_password_file: /nonexistent, require_tls: false}, email: {to: b@example.org}}",
                vec![
                    "smtp.auth_password_file: cannot read /nonexistent: no such file",
                    "smtp.auth_username: a password is not sent without TLS to another machine, set require_tls: true",
                ],
            ),
            (
                "{smtp: {smarthost: 'mail:25', from: 'a@example.org, b@example.org', tls: {ca_file: /nonexistent}}, email: {to: b@example.org}}",
                vec![
                    "smtp.from: has several addresses, only one is allowed",
                    "smtp.tls: cannot read /nonexistent: no such file",
                ],
            ),
        ] {
            assert_eq!(email(yaml).unwrap_err(), expected, "{yaml}");
        }
    }

    #[test]
    fn addresses_and_servers_are_parsed() {
        for good in [
            "a@example.org",
            "A B <a@example.org>",
            "a@example.org,b@example.org",
            "\"x, y\" <a@example.org>",
        ] {
            assert!(good.parse::<Addresses>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a@example.org\r\nBcc: x@example.org",
            "a@exämple.org",
            "<a@example.org> RCPT",
        ] {
            assert!(bad.parse::<Addresses>().is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "mail",
            ":25",
            "mail:",
            "mail:0",
            "mail:70000",
            "ma il:25",
            "mail\r\n:25",
        ] {
            assert!(bad.parse::<Smarthost>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn headers_cannot_be_injected_and_ids_are_stable() {
        let made = email("{smtp: {smarthost: 'mail:587', from: opwatch@example.org}, email: {to: b@example.org}}").unwrap();
        let mut notification =
            fixture::notification(&[fixture::firing("dé\r\nBcc: evil@example.org")]);
        notification
            .group_labels
            .set("operation", "x\r\nBcc: evil@example.org");
        let formatted = made.message(&notification).unwrap().formatted();
        let formatted = String::from_utf8(formatted).unwrap();
        let (head, _) = formatted.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name)
            .collect();
        let expected = [
            "From",
            "Date",
            "Message-ID",
            "In-Reply-To",
            "References",
            "To",
            "Subject",
            "Auto-Submitted",
            "X-Opwatch-Notification-Id",
            "MIME-Version",
            "Content-Type",
        ];
        assert_eq!(names, expected);
        for line in [
            "Date: Sat, 31 Jan 2026 12:15:00 +0000",
            "Message-ID: <00000000000000a1@example.org>",
            "Auto-Submitted: auto-generated",
            "X-Opwatch-Notification-Id: 00000000000000a1",
        ] {
            assert!(head.lines().any(|l| l == line), "{line} in {head}");
        }
        notification.id = "00000000000000a2".to_owned();
        let second = String::from_utf8(made.message(&notification).unwrap().formatted()).unwrap();
        let reference = |text: &str| {
            text.lines()
                .find(|l| l.starts_with("References:"))
                .map(str::to_owned)
        };
        assert_eq!(reference(&second), reference(&formatted));
    }
}
