//! Where a listener listens: a TCP address or a Unix socket.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::task::{Context, Poll, Waker};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

/// Connections that may wait in the kernel until they are accepted.
const BACKLOG: u32 = 1024;

/// Who may connect to a Unix socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// A place to listen, written `0.0.0.0:9776`, `[::1]:9777` or `unix:/run/opwatch.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddress {
    /// An IP address and port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A listen address that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "listen address {0:?}: expected an IP address with a port such as 0.0.0.0:9776 or [::1]:9777, or unix:PATH such as unix:/run/opwatch.sock"
)]
pub struct AddressError(String);

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = || AddressError(text.to_owned());
        match text.strip_prefix("unix:") {
            Some("") => Err(fault()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| fault()),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another socket holds the address.
    #[error(
        "listen on {0}: address already in use by another process; stop it or choose another address"
    )]
    InUse(ListenAddress),
    /// The path belongs to something that is no socket; it is left alone.
    #[error("listen on {0}: the path exists and is not a socket; remove it or choose another path")]
    NotASocket(ListenAddress),
    /// The system refuses.
    #[error("listen on {address}: {source}")]
    System {
        /// The address asked for.
        address: ListenAddress,
        /// What the system said.
        source: io::Error,
    },
}

/// One accepted connection.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// A bound socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Socket {
    /// Binds and listens; needs a Tokio runtime.
    pub(super) fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            ListenAddress::Unix(path) => {
                make_room(path, address)?;
                bind_unix(path).map(|(listener, file)| Self::Unix(listener, file))
            }
        };
        bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address.clone()),
            _ => ListenError::System {
                address: address.clone(),
                source,
            },
        })
    }

    /// The next connection that waits.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are written whole, so waiting to fill a segment only adds delay. A client that
                // has gone meanwhile makes this fail, which the first read will find out as well.
                let _ = stream.set_nodelay(true);
                Ok(Either::Left(stream))
            }
            Self::Unix(listener, _) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }

    /// Where the socket is bound, with the port that the system chose for port 0.
    pub(super) fn local_address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_, file) => Ok(ListenAddress::Unix(file.path.clone())),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart must not wait for the old connections' TIME_WAIT; two live listeners stay impossible.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(path)?;
    let file = SocketFile::new(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok((listener, file))
}

/// Removes the socket file that a killed process left behind, on which nobody accepts any more.
fn make_room(path: &Path, address: &ListenAddress) -> Result<(), ListenError> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket(address.clone()));
    }
    // A single poll: connecting to a Unix socket succeeds or is refused at once, and a listener whose
    // backlog is full, which would make a blocking connect hang here, is alive.
    let mut context = Context::from_waker(Waker::noop());
    match pin!(UnixStream::connect(path)).poll(&mut context) {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| ListenError::System {
                address: address.clone(),
                source,
            })
        }
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Poll::Ready(_) | Poll::Pending => Err(ListenError::InUse(address.clone())),
    }
}

/// The file of a bound Unix socket, removed when dropped unless another process has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nothing is lost when it stays: the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path for a socket in a fresh directory that is removed at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("opwatch-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("s")
        }

        fn address(&self) -> ListenAddress {
            ListenAddress::Unix(self.socket())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn addresses_read_back_as_they_were_written() {
        for text in [
            "0.0.0.0:9776",
            "127.0.0.1:0",
            "[::1]:9777",
            "unix:/run/opwatch.sock",
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_is_named_with_what_is_allowed() {
        for text in [
            "",
            "9776",
            ":9776",
            "localhost:9776",
            "127.0.0.1",
            "127.0.0.1:70000",
            "unix:",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "listen address {text:?}: expected an IP address with a port such as 0.0.0.0:9776 or [::1]:9777, \
                     or unix:PATH such as unix:/run/opwatch.sock"
                )
            );
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = Socket::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_address().unwrap();
        assert_ne!(address.to_string(), "127.0.0.1:0");
        let error = Socket::bind(&address).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "listen on {address}: address already in use by another process; stop it or choose another address"
            )
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_with_the_reason_of_the_system() {
        let error = Socket::bind(&"192.0.2.1:9776".parse().unwrap()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("listen on 192.0.2.1:9776: Cannot assign requested address"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let place = Place::new("stale");
        drop(std::os::unix::net::UnixListener::bind(place.socket()).unwrap());
        assert!(place.socket().exists());
        let socket = Socket::bind(&place.address()).unwrap();
        let (accepted, connected) =
            tokio::join!(socket.accept(), UnixStream::connect(place.socket()));
        assert!(accepted.is_ok() && connected.is_ok());
    }

    #[tokio::test]
    async fn a_live_socket_is_left_alone() {
        let place = Place::new("live");
        let first = Socket::bind(&place.address()).unwrap();
        let error = Socket::bind(&place.address()).unwrap_err();
        assert!(matches!(error, ListenError::InUse(_)), "{error}");
        assert!(UnixStream::connect(place.socket()).await.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let place = Place::new("file");
        fs::write(place.socket(), "precious").unwrap();
        let error = Socket::bind(&place.address()).unwrap_err();
        assert!(matches!(error, ListenError::NotASocket(_)), "{error}");
        assert_eq!(fs::read_to_string(place.socket()).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_is_for_owner_and_group_and_goes_with_its_listener() {
        let place = Place::new("mode");
        let socket = Socket::bind(&place.address()).unwrap();
        let mode = fs::metadata(place.socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        drop(socket);
        assert!(!place.socket().exists());
    }

    #[tokio::test]
    async fn a_socket_that_another_process_has_replaced_is_not_removed() {
        let place = Place::new("replaced");
        let old = Socket::bind(&place.address()).unwrap();
        let aside = place.0.join("aside");
        fs::rename(place.socket(), &aside).unwrap();
        let new = Socket::bind(&place.address()).unwrap();
        drop(old);
        assert!(UnixStream::connect(place.socket()).await.is_ok());
        drop(new);
    }
}
