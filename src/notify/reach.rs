//! Which addresses others may be reached at.
//!
//! At link-local addresses clouds hand out the credentials of the machine to whoever asks. So they are refused unless the
//! configuration says otherwise, and the addresses of a name when they are known: the connection goes to one that was looked
//! at, whatever the name leads to a moment later.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Where two clouds have such a service beside the link-local addresses: Amazon over IPv6, and Alibaba.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// Which addresses may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All but link-local ones and those at which clouds tell of their machines.
    #[default]
    Others,
    /// All.
    Everywhere,
}

/// An address that is not to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is a link-local address, or one at which a cloud tells of its machines, allowed: with `allow_link_local: true` beside `tls_config`"
)]
pub struct RefusedAddress(IpAddr);

impl Reach {
    /// All addresses, where that is said.
    pub fn of(allow_link_local: bool) -> Self {
        match allow_link_local {
            true => Self::Everywhere,
            false => Self::Others,
        }
    }

    /// Looks at an address that stands in a URL itself; names are looked at once their addresses are known.
    ///
    /// # Errors
    /// Where it is not to be reached.
    pub fn check(self, uri: &Uri) -> Result<(), RefusedAddress> {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.allow(address))
    }

    fn allow(self, address: IpAddr) -> Result<(), RefusedAddress> {
        let is_refused = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local() || v4 == METADATA_V4,
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
        };
        match self {
            Self::Others if is_refused => Err(RefusedAddress(address)),
            Self::Others | Self::Everywhere => Ok(()),
        }
    }
}

/// The addresses of names, without those that are not to be reached.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    inner: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            inner: GaiResolver::new(),
            reach,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, reach) = (self.inner.call(name), self.reach);
        Box::pin(async move { allowed(found.await?, reach).map(Vec::into_iter) })
    }
}

/// Those that may be reached; an error where there are others alone.
fn allowed(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> io::Result<Vec<SocketAddr>> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match reach.allow(address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if allowed.is_empty() => Err(io::Error::other(error)),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_at_which_clouds_tell_of_their_machines_are_refused() {
        for (host, is_refused) in [
            ("169.254.169.254", true),
            ("169.254.0.1:8080", true),
            ("100.100.100.200", true),
            ("[fe80::1]", true),
            ("[fd00:ec2::254]:80", true),
            ("[::ffff:169.254.169.254]", true),
            ("127.0.0.1:9093", false),
            ("10.0.0.1", false),
            ("[fd00::1]", false),
            ("example.org", false),
            // A name as far as a URL goes: its address is looked at once it is known.
            ("2852039166", false),
        ] {
            let uri: Uri = format!("http://{host}/latest").parse().unwrap();
            assert_eq!(Reach::Others.check(&uri).is_err(), is_refused, "{host}");
            assert_eq!(Reach::Everywhere.check(&uri), Ok(()), "{host}");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_only_those_are_left_that_may_be_reached() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let both = addresses(&["169.254.169.254:80", "10.0.0.1:80"]);
        let left = allowed(both.clone().into_iter(), Reach::Others).unwrap();
        assert_eq!(left, addresses(&["10.0.0.1:80"]));
        assert_eq!(
            allowed(both.clone().into_iter(), Reach::Everywhere).unwrap(),
            both
        );
        let bad = addresses(&["169.254.169.254:80"]);
        let error = allowed(bad.into_iter(), Reach::Others).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("169.254.169.254 is a link-local"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_number_as_a_name_leads_nowhere_else() {
        // What getaddrinfo takes for 169.254.169.254.
        let name: Name = "2852039166".parse().unwrap();
        let found = Resolver::new(Reach::Others).call(name).await;
        assert!(found.is_err(), "{found:?}");
    }
}
