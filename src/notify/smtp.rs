//! The dialogue with a mail server, step by step, since what a refusal means depends on the step.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tracing::{debug, warn};

use super::NotifyError;
use super::client::{chain, excerpt};
use super::email::Smarthost;
use super::tls::TlsConfig;
use crate::secret::Secret;

/// Time for the connection alone; the whole dialogue is bounded by its caller.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the farewell, which decides nothing any more.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// When encryption begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Never.
    None,
    /// With STARTTLS, without which nothing is sent.
    StartTls,
    /// At once.
    Implicit,
}

/// What is known of the server and of ourselves.
pub(super) struct Dialogue<'a> {
    pub(super) smarthost: &'a Smarthost,
    pub(super) hello: Option<&'a str>,
    pub(super) credentials: Option<(&'a str, &'a Secret)>,
    pub(super) encryption: Encryption,
    pub(super) tls: &'a TlsConfig,
}

impl Dialogue<'_> {
    /// Sends a message to everyone of `to` whom the server takes.
    ///
    /// A recipient that is refused for good is left out and logged, so that one stale address does not keep the others from
    /// being told.
    ///
    /// # Errors
    /// Permanent when the message or every recipient is refused for good; everything else is transient.
    pub(super) async fn send(
        &self,
        from: &Address,
        to: &[Address],
        message: &[u8],
    ) -> Result<(), NotifyError> {
        let mut connection = self.open().await?;
        let result = self.transact(&mut connection, from, to, message).await;
        // Whatever the server says now, the message is delivered or not.
        let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.abort()).await;
        result
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, NotifyError> {
        let hello = self
            .hello
            .map_or_else(ClientId::default, |name| ClientId::Domain(name.to_owned()));
        let address = (self.smarthost.host.as_str(), self.smarthost.port);
        let at_once = match self.encryption {
            Encryption::Implicit => Some(self.parameters()?),
            _ => None,
        };
        let connected = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(CONNECT_TIMEOUT),
            &hello,
            at_once,
            None,
        );
        let mut connection = connected
            .await
            .map_err(|error| self.transient("connect to", &error))?;
        debug!(
            tls = self.encryption == Encryption::Implicit,
            "connected to {}: it is {}",
            self.smarthost,
            excerpt(&connection.server_info().to_string())
        );
        if self.encryption == Encryption::StartTls {
            let started = connection.starttls(self.parameters()?, &hello).await;
            started.map_err(|error| self.transient("start TLS with", &error))?;
            debug!("STARTTLS: the connection is encrypted, and the server is who it should be");
        }
        if let Some((name, password)) = self.credentials {
            let credentials = Credentials::new(name.to_owned(), password.expose().to_owned());
            let authenticated = connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await;
            let answer =
                authenticated.map_err(|error| self.transient("authenticate with", &error))?;
            debug!("AUTH as {name}: {}", said(&answer));
        }
        Ok(connection)
    }

    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &[Address],
        message: &[u8],
    ) -> Result<(), NotifyError> {
        let sender = connection
            .command(Mail::new(Some(from.clone()), Vec::new()))
            .await;
        let answer = sender.map_err(|error| self.transient("announce the sender to", &error))?;
        debug!("MAIL FROM {from}: {}", said(&answer));
        let mut refused = None;
        let mut taken = 0;
        for recipient in to {
            let answer = connection
                .command(Rcpt::new(recipient.clone(), Vec::new()))
                .await;
            match answer.map_err(|error| self.refusal(&format!("send to {recipient} by"), &error)) {
                Ok(answer) => {
                    debug!("RCPT TO {recipient}: {}", said(&answer));
                    taken += 1;
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    if let Some(earlier) = refused.replace(error) {
                        warn!(error = %earlier, "a recipient of an alert mail is refused");
                    }
                }
            }
        }
        match refused {
            Some(error) if taken == 0 => return Err(error),
            Some(error) => warn!(%error, "a recipient of an alert mail is refused"),
            None => {}
        }
        let ready = connection.command(Data).await;
        let answer = ready.map_err(|error| self.refusal("send a message to", &error))?;
        debug!("DATA: {}", said(&answer));
        let accepted = connection.message(message).await;
        let answer = accepted.map_err(|error| self.refusal("send a message to", &error))?;
        debug!("{} bytes: {}", message.len(), said(&answer));
        Ok(())
    }

    /// A failure before the message: however final it sounds, a repaired setting or server makes the next attempt good.
    fn transient(&self, attempted: &str, error: &Error) -> NotifyError {
        NotifyError::transient(self.describe(attempted, error))
    }

    /// A failure of recipients or message: a refusal with 5xx is final.
    fn refusal(&self, attempted: &str, error: &Error) -> NotifyError {
        let message = self.describe(attempted, error);
        if error.is_permanent() {
            NotifyError::permanent(message)
        } else {
            NotifyError::transient(message)
        }
    }

    fn describe(&self, attempted: &str, error: &Error) -> String {
        format!(
            "cannot {attempted} {}: {}",
            self.smarthost,
            excerpt(&chain(error))
        )
    }

    fn parameters(&self) -> Result<TlsParameters, NotifyError> {
        let wrong = |error: &dyn std::error::Error| {
            NotifyError::transient(format!("cannot prepare TLS: {}", chain(error)))
        };
        let name = self
            .tls
            .server_name
            .clone()
            .unwrap_or_else(|| self.smarthost.host.clone());
        let mut builder = TlsParameters::builder(name)
            .dangerous_accept_invalid_certs(self.tls.insecure_skip_verify)
            .dangerous_accept_invalid_hostnames(self.tls.insecure_skip_verify);
        if let Some(pem) = self.tls.authorities().map_err(|error| wrong(&error))? {
            let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(&error))?;
            builder = builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificate);
        }
        builder.build().map_err(|error| wrong(&error))
    }
}

/// The code and the first line of an answer.
fn said(answer: &Response) -> String {
    excerpt(&format!(
        "{} {}",
        answer.code(),
        answer.first_line().unwrap_or_default()
    ))
}
