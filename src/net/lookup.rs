//! From names to addresses.
//!
//! What it is not: a resolver. The system's is asked, which blocks: in a task of its own, by [`blocking`](crate::blocking).

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::rt::blocking;
use crate::task::{Builder, JoinHandle};

/// Looks up the addresses of a host: `"localhost:80"`, or `("localhost", 80)`.
///
/// What is an address already is not looked up. The system's resolver blocks, so it is asked in a task of its own that
/// gives its worker away meanwhile, as Go does when it uses the system's.
///
/// # Cancellation
///
/// Dropping it lets the resolver finish by itself.
///
/// # Errors
///
/// The resolver's.
///
/// # Examples
///
/// ```
/// # gochan::run(async {
/// let mut found = gochan::net::lookup_host("localhost:80").await?;
/// assert!(found.all(|addr| addr.ip().is_loopback() && addr.port() == 80));
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[track_caller]
pub fn lookup_host(host: impl ToSocketAddrs) -> LookupHost {
    LookupHost(match host.resolve() {
        Resolve::Now(addrs) => Stage::Known(addrs),
        Resolve::Ask(host) => {
            let ask = async move { blocking(|| addresses(&host)) };
            Stage::Asked(Builder::new().name("lookup_host").go(ask))
        }
    })
}

fn addresses(host: &str) -> io::Result<Vec<SocketAddr>> {
    std::net::ToSocketAddrs::to_socket_addrs(host).map(Iterator::collect)
}

/// Addresses that are being looked up, by [`lookup_host`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct LookupHost(Stage);

#[derive(Debug)]
enum Stage {
    Known(Vec<SocketAddr>),
    Asked(JoinHandle<io::Result<Vec<SocketAddr>>>),
}

impl LookupHost {
    /// Blocks this thread until they are known. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> io::Result<std::vec::IntoIter<SocketAddr>> {
        crate::wait::parker::block_on(self)
    }
}

impl Future for LookupHost {
    type Output = io::Result<std::vec::IntoIter<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let found = match &mut self.0 {
            Stage::Known(addrs) => Ok(std::mem::take(addrs)),
            Stage::Asked(handle) => match std::task::ready!(Pin::new(handle).poll(cx)) {
                Ok(found) => found,
                Err(gone) => Err(io::Error::other(gone)),
            },
        };
        Poll::Ready(found.map(Vec::into_iter))
    }
}

/// What can be connected to: an address, several of them, or a host's name with a port.
///
/// As the standard library's trait of that name, but nothing blocks in it. It is not for other crates to implement.
pub trait ToSocketAddrs {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn resolve(self) -> Resolve;
}

#[doc(hidden)]
#[derive(Debug)]
pub enum Resolve {
    Now(Vec<SocketAddr>),
    /// `host:port`.
    Ask(String),
}

macro_rules! known {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            fn resolve(self) -> Resolve {
                Resolve::Now(vec![self.into()])
            }
        }
    )*};
}
known!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl ToSocketAddrs for &[SocketAddr] {
    fn resolve(self) -> Resolve {
        Resolve::Now(self.to_vec())
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn resolve(self) -> Resolve {
        Resolve::Now(self)
    }
}

impl ToSocketAddrs for &str {
    fn resolve(self) -> Resolve {
        match self.parse() {
            Ok(addr) => Resolve::Now(vec![addr]),
            Err(_) => Resolve::Ask(self.into()),
        }
    }
}

impl ToSocketAddrs for String {
    fn resolve(self) -> Resolve {
        self.as_str().resolve()
    }
}

impl ToSocketAddrs for &String {
    fn resolve(self) -> Resolve {
        self.as_str().resolve()
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn resolve(self) -> Resolve {
        let (host, port) = self;
        match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).resolve(),
            Err(_) => Resolve::Ask(format!("{host}:{port}")),
        }
    }
}
