//! Relative paths of a configuration are taken from the folder of its file.

use std::path::{Path, PathBuf};

use crate::notify::NotifySettings;
use crate::notify::tls::TlsConfig;
use crate::notify::webhook::HttpConfig;

/// Makes the files that notifiers read absolute, or relative to where the process runs.
pub(super) fn resolve(settings: &mut NotifySettings, folder: &Path) {
    let smtp = &mut settings.smtp;
    in_folder(smtp.auth_password_file.as_mut(), folder);
    trusted(&mut smtp.tls, folder);
    for receiver in &mut settings.receivers {
        for mail in &mut receiver.email_configs {
            in_folder(mail.auth_password_file.as_mut(), folder);
        }
        for webhook in &mut receiver.webhook_configs {
            in_folder(webhook.url_file.as_mut(), folder);
            in_folder(webhook.routing_key_file.as_mut(), folder);
            asked(&mut webhook.http_config, folder);
        }
    }
    for action in &mut settings.actions {
        in_folder(action.url_file.as_mut(), folder);
        asked(&mut action.http_config, folder);
    }
    for alertmanager in &mut settings.alertmanagers {
        trusted(&mut alertmanager.tls_config, folder);
    }
}

fn asked(http: &mut HttpConfig, folder: &Path) {
    let basic = http.basic_auth.as_mut();
    in_folder(basic.and_then(|basic| basic.password_file.as_mut()), folder);
    let token = http.authorization.as_mut();
    in_folder(
        token.and_then(|token| token.credentials_file.as_mut()),
        folder,
    );
    trusted(&mut http.tls_config, folder);
}

fn trusted(tls: &mut TlsConfig, folder: &Path) {
    in_folder(tls.ca_file.as_mut(), folder);
}

fn in_folder(path: Option<&mut PathBuf>, folder: &Path) {
    if let Some(path) = path {
        *path = folder.join(&*path);
    }
}
