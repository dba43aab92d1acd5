//! Addresses of others, checked once and shown without what is secret in them.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Scheme;

use crate::document::text::deserialize_from_text;
use crate::engine::url::percent_encoded;
use crate::secret::Secret;

/// Why an address cannot be used. The address itself is not repeated, since it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not a URL.
    #[error("not a URL ({0}), allowed: http:// or https:// with a host")]
    Malformed(String),
    /// It is of another kind.
    #[error("not an http:// or https:// URL with a host")]
    Scheme,
    /// Its user-info cannot be decoded.
    #[error("the user name or password in the URL is not well percent-encoded")]
    UserInfo,
}

/// An `http` or `https` URL. User-info (`http://user:password@host`) is taken out of it and sent as basic authentication.
///
/// It prints without user-info and query, and reads from YAML as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    credentials: Option<(String, Secret)>,
}

impl Endpoint {
    /// The URL without user-info.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// User name and password of the URL.
    pub fn credentials(&self) -> Option<(&str, &Secret)> {
        let (name, password) = self.credentials.as_ref()?;
        Some((name, password))
    }

    /// Scheme, host and port: what can be shown even where the path is a secret, as with many webhooks.
    pub fn origin(&self) -> String {
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        format!("{}://{authority}", self.uri.scheme_str().unwrap_or("http"))
    }

    /// The URL with `path` put behind its own path, without query.
    ///
    /// # Errors
    /// [`EndpointError::Malformed`] if `path` cannot stand in a URL.
    pub fn join(&self, path: &str) -> Result<Self, EndpointError> {
        let joined = format!(
            "{}{}{path}",
            self.origin(),
            self.uri.path().trim_end_matches('/')
        );
        let malformed =
            |error: hyper::http::uri::InvalidUri| EndpointError::Malformed(error.to_string());
        Ok(Self {
            uri: joined.parse().map_err(malformed)?,
            credentials: self.credentials.clone(),
        })
    }
}

impl Endpoint {
    /// The URL with a value that others have given: as one more segment of its path, or in its query under that name. It is
    /// encoded, so that it can lead nowhere else.
    ///
    /// # Errors
    /// [`EndpointError::Malformed`] if that is no URL.
    pub fn asking(&self, query: Option<&str>, value: &str) -> Result<Self, EndpointError> {
        let (path, before) = (self.uri.path(), self.uri.query());
        let value = percent_encoded(value);
        let rest = match (query, before) {
            (None, None) => format!("{}/{value}", path.trim_end_matches('/')),
            (None, Some(before)) => format!("{}/{value}?{before}", path.trim_end_matches('/')),
            (Some(name), None) => format!("{path}?{}={value}", percent_encoded(name)),
            (Some(name), Some(before)) => {
                format!("{path}?{before}&{}={value}", percent_encoded(name))
            }
        };
        let malformed =
            |error: hyper::http::uri::InvalidUri| EndpointError::Malformed(error.to_string());
        Ok(Self {
            uri: format!("{}{rest}", self.origin())
                .parse()
                .map_err(malformed)?,
            credentials: self.credentials.clone(),
        })
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let malformed =
            |error: hyper::http::uri::InvalidUri| EndpointError::Malformed(error.to_string());
        let uri: Uri = text.trim().parse().map_err(malformed)?;
        let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let (Some(authority), true) = (uri.authority(), web) else {
            return Err(EndpointError::Scheme);
        };
        if authority.host().is_empty() {
            return Err(EndpointError::Scheme);
        }
        let Some((user_info, host)) = authority.as_str().rsplit_once('@') else {
            return Ok(Self {
                uri,
                credentials: None,
            });
        };
        let (name, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let decoded = |text| percent_decoded(text).ok_or(EndpointError::UserInfo);
        let credentials = Some((decoded(name)?, Secret::new(decoded(password)?)));
        let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
        let scheme = uri.scheme_str().unwrap_or("http");
        let uri = format!("{scheme}://{host}{rest}")
            .parse()
            .map_err(malformed)?;
        Ok(Self { uri, credentials })
    }
}

/// Resolves `%41` and its like (RFC 3986, section 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = if self.credentials.is_some() {
            "***@"
        } else {
            ""
        };
        let scheme = self.uri.scheme_str().unwrap_or("http");
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        write!(
            formatter,
            "{scheme}://{marks}{authority}{}",
            self.uri.path()
        )?;
        if self.uri.query().is_some() {
            formatter.write_str("?***")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({self})")
    }
}

deserialize_from_text! {
    Endpoint: "an http:// or https:// URL"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (text, shown, uri, credentials) in [
            (
                "http://127.0.0.1:9093",
                "http://127.0.0.1:9093/",
                "http://127.0.0.1:9093/",
                None,
            ),
            (
                "https://am:s3%40cret@mon.example.org/am/?key=s3cret",
                "https://***@mon.example.org/am/?***",
                "https://mon.example.org/am/?key=s3cret",
                Some(("am", "s3@cret")),
            ),
            (
                "http://token@[::1]:80/",
                "http://***@[::1]:80/",
                "http://[::1]:80/",
                Some(("token", "")),
            ),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(format!("{endpoint:?}"), format!("Endpoint({shown})"));
            assert_eq!(endpoint.uri().to_string(), uri);
            let found = endpoint.credentials();
            assert_eq!(
                found.map(|(name, password)| (name, password.expose())),
                credentials
            );
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for text in [
            "",
            "/hook",
            "example.org/hook",
            "file:///etc/passwd",
            "ftp://example.org/",
            "gopher://example.org",
            "http://",
            "http:///hook",
            "http://ex ample.org/",
            "http://a%zz:b@example.org/",
            "http://example.org/\r\nX: y",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_is_put_behind_a_prefix() {
        for (base, expected) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/", "http://am:9093/api/v2/alerts"),
            ("https://u:p@mon/am/", "https://***@mon/am/api/v2/alerts"),
        ] {
            let endpoint: Endpoint = base.parse().unwrap();
            assert_eq!(
                endpoint.join("/api/v2/alerts").unwrap().to_string(),
                expected
            );
        }
    }
}
