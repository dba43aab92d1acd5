//! Receivers and the mail server.

use std::fmt::Display;
use std::path::Path;

use serde_yaml::Mapping;

use super::{put, put_list};
use crate::document::Place;
use crate::notify::ReceiverConfig;
use crate::notify::email::{EmailConfig, SmtpConfig};
use crate::notify::tls::TlsConfig;
use crate::notify::webhook::{HttpConfig, WebhookConfig};
use crate::secret::Secret;

/// What stands in the place of a secret that is written in the configuration itself.
const HIDDEN: &str = "<secret>";

pub(super) fn global(smtp: &SmtpConfig, notes: &mut Vec<String>) -> Mapping {
    let mut written = Mapping::new();
    put(
        &mut written,
        "smtp_smarthost",
        smtp.smarthost.as_ref().map(ToString::to_string),
    );
    put(
        &mut written,
        "smtp_from",
        smtp.from.as_ref().map(ToString::to_string),
    );
    put(&mut written, "smtp_hello", smtp.hello.clone());
    put(
        &mut written,
        "smtp_auth_username",
        smtp.auth_username.clone(),
    );
    let password = hidden(smtp.auth_password.as_ref(), "smtp.auth_password", notes);
    put(&mut written, "smtp_auth_password", password);
    put(
        &mut written,
        "smtp_auth_password_file",
        path(smtp.auth_password_file.as_deref()),
    );
    put(
        &mut written,
        "smtp_require_tls",
        (!smtp.require_tls).then_some(false),
    );
    if smtp.force_implicit_tls.is_some() {
        notes.push(
            "left out, as Alertmanager decides by the port: smtp.force_implicit_tls".to_owned(),
        );
    }
    written
}

pub(super) fn receiver(
    receiver: &ReceiverConfig,
    place: &Place,
    notes: &mut Vec<String>,
) -> Mapping {
    let mut written = Mapping::new();
    put(&mut written, "name", Some(receiver.name.as_str()));
    let mail = receiver.email_configs.iter().enumerate();
    let mail = mail.map(|(index, config)| {
        email(config, &place.key("email_configs").index(index), notes).into()
    });
    put_list(&mut written, "email_configs", mail.collect());
    let hooks = receiver.webhook_configs.iter().enumerate();
    let hooks = hooks.filter_map(|(index, config)| {
        Some(webhook(config, &place.key("webhook_configs").index(index), notes)?.into())
    });
    let hooks = hooks.collect();
    put_list(&mut written, "webhook_configs", hooks);
    written
}

fn email(config: &EmailConfig, place: &Place, notes: &mut Vec<String>) -> Mapping {
    let mut written = Mapping::new();
    put(&mut written, "to", Some(config.to.to_string()));
    put(
        &mut written,
        "send_resolved",
        config.send_resolved.then_some(true),
    );
    put(
        &mut written,
        "smarthost",
        config.smarthost.as_ref().map(ToString::to_string),
    );
    put(
        &mut written,
        "from",
        config.from.as_ref().map(ToString::to_string),
    );
    put(&mut written, "hello", config.hello.clone());
    put(&mut written, "auth_username", config.auth_username.clone());
    let password = hidden(
        config.auth_password.as_ref(),
        place.key("auth_password"),
        notes,
    );
    put(&mut written, "auth_password", password);
    put(
        &mut written,
        "auth_password_file",
        path(config.auth_password_file.as_deref()),
    );
    put(&mut written, "require_tls", config.require_tls);
    if config.force_implicit_tls.is_some() {
        let place = place.key("force_implicit_tls");
        notes.push(format!(
            "left out, as Alertmanager decides by the port: {place}"
        ));
    }
    written
}

fn webhook(config: &WebhookConfig, place: &Place, notes: &mut Vec<String>) -> Option<Mapping> {
    let mut written = Mapping::new();
    if config.preset.is_some() || config.body.is_some() {
        notes.push(format!(
            "left out, because the webhooks of Alertmanager have one form of their own (it knows some services by name): {place}"
        ));
        return None;
    }
    let Some(url) = &config.url else {
        notes.push(format!(
            "left out, because Alertmanager 0.25 reads no address from a file: {place}"
        ));
        return None;
    };
    let url = url.to_string();
    if url.contains("***") {
        notes.push(format!(
            "{}: what stands for *** is hidden: write it here",
            place.key("url")
        ));
    }
    put(&mut written, "url", Some(url));
    put(
        &mut written,
        "send_resolved",
        (!config.send_resolved).then_some(false),
    );
    let most = u64::try_from(config.max_alerts)
        .ok()
        .filter(|most| *most > 0);
    put(&mut written, "max_alerts", most);
    if config.timeout != WebhookConfig::default().timeout {
        let place = place.key("timeout");
        notes.push(format!(
            "left out, because Alertmanager 0.25 does not know it: {place}"
        ));
    }
    let http = http(&config.http_config, &place.key("http_config"), notes);
    put(
        &mut written,
        "http_config",
        (!http.is_empty()).then_some(http),
    );
    Some(written)
}

fn http(config: &HttpConfig, place: &Place, notes: &mut Vec<String>) -> Mapping {
    let mut written = Mapping::new();
    if let Some(basic) = &config.basic_auth {
        let place = place.key("basic_auth").key("password");
        let mut inner = Mapping::new();
        put(&mut inner, "username", Some(basic.username.as_str()));
        put(
            &mut inner,
            "password",
            hidden(basic.password.as_ref(), place, notes),
        );
        put(
            &mut inner,
            "password_file",
            path(basic.password_file.as_deref()),
        );
        put(&mut written, "basic_auth", Some(inner));
    }
    if let Some(token) = &config.authorization {
        let place = place.key("authorization").key("credentials");
        let mut inner = Mapping::new();
        put(&mut inner, "type", Some(token.kind.as_str()));
        put(
            &mut inner,
            "credentials",
            hidden(token.credentials.as_ref(), place, notes),
        );
        put(
            &mut inner,
            "credentials_file",
            path(token.credentials_file.as_deref()),
        );
        put(&mut written, "authorization", Some(inner));
    }
    if config.tls_config != TlsConfig::default() {
        let tls = &config.tls_config;
        let mut inner = Mapping::new();
        put(&mut inner, "ca_file", path(tls.ca_file.as_deref()));
        put(&mut inner, "server_name", tls.server_name.clone());
        let skip = tls.insecure_skip_verify.then_some(true);
        put(&mut inner, "insecure_skip_verify", skip);
        put(&mut written, "tls_config", Some(inner));
    }
    written
}

fn path(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

fn hidden(secret: Option<&Secret>, place: impl Display, notes: &mut Vec<String>) -> Option<String> {
    secret.map(|_| {
        notes.push(format!(
            "{place} is hidden: write it here, or better into a file"
        ));
        HIDDEN.to_owned()
    })
}
