//! What a listener serves, and to which callers it may be open.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis_admin::CallKind;

/// What is served at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The AWS endpoint, the admin API, metrics and the console.
    Everything,
    /// The AWS endpoint and the health: what an address that others reach may show.
    Public,
}

impl Surface {
    /// Whether a route is served here. The AWS endpoint always is.
    ///
    /// Rule DOOR-01: the public surface has the AWS endpoint and the health, and nothing else.
    pub(crate) const fn serves(self, kind: CallKind) -> bool {
        match (self, kind) {
            (Self::Everything, _) | (Self::Public, CallKind::Health) => true,
            (
                Self::Public,
                CallKind::Read | CallKind::Change | CallKind::Secret | CallKind::File,
            ) => false,
        }
    }
}

/// Where Portcullis listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listeners {
    /// At one address of the loopback interface, for everything.
    One(SocketAddr),
    /// At an address that others may reach for the AWS endpoint, and at one of its own for
    /// everything.
    Two {
        /// The AWS endpoint and the health.
        public: SocketAddr,
        /// The address that serves everything, the admin API too.
        admin: SocketAddr,
    },
}

impl Listeners {
    /// Which there are for the endpoint at `bind` and, if one was asked for, the admin address.
    ///
    /// Rule DOOR-02: at a loopback address one listener serves everything. At any other the admin
    /// API has an address of its own, which is the next port of the loopback interface unless
    /// another was asked for.
    ///
    /// # Errors
    /// When there is no next port.
    pub fn plan(bind: SocketAddr, admin: Option<SocketAddr>) -> Result<Self, NoAdminPort> {
        let admin = match admin {
            Some(asked) => asked,
            None if bind.ip().is_loopback() => return Ok(Self::One(bind)),
            None => {
                let port = match bind.port() {
                    0 => 0,
                    port => port.checked_add(1).ok_or(NoAdminPort)?,
                };
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
            }
        };
        Ok(Self::Two {
            public: bind,
            admin,
        })
    }

    /// Where the AWS endpoint is.
    #[must_use]
    pub const fn endpoint(&self) -> SocketAddr {
        match self {
            Self::One(address) => *address,
            Self::Two { public, .. } => *public,
        }
    }

    /// Where everything is served.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        match self {
            Self::One(address) => *address,
            Self::Two { admin, .. } => *admin,
        }
    }
}

/// The endpoint has the last port there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAdminPort;

impl fmt::Display for NoAdminPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "The admin API listens at the port after the endpoint's, and there is none after 65535. \
             Give it an address with --admin-bind, such as 127.0.0.1:4567.",
        )
    }
}

impl std::error::Error for NoAdminPort {}

/// Why a server does not start.
#[derive(Debug)]
pub enum NotStarted {
    /// Nothing can listen for the AWS endpoint at this address.
    Endpoint(SocketAddr, io::Error),
    /// Nothing can listen for the admin API at this address.
    Admin(SocketAddr, io::Error),
    /// Others reach the admin API's address, and nothing keeps them from using it.
    Unguarded(SocketAddr),
    /// The operating system gives no thread, or no file for the events.
    System(io::Error),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(at, error) => write!(
                formatter,
                "Cannot listen on {at}: {error}. Choose another port with --port, or 0 for a free \
                 one."
            ),
            Self::Admin(at, error) => write!(
                formatter,
                "Cannot listen on {at} for the admin API: {error}. Choose another address with \
                 --admin-bind, such as 127.0.0.1:0 for a free port."
            ),
            Self::Unguarded(at) => write!(
                formatter,
                "The admin API would be open to everybody who reaches {at}. Give a token with \
                 --admin-token-file, or a data folder, in which one is made; or an address of the \
                 loopback interface with --admin-bind."
            ),
            Self::System(error) => write!(
                formatter,
                "The operating system does not let the server start: {error}."
            ),
        }
    }
}

impl std::error::Error for NotStarted {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule DOOR-02.
    #[test]
    fn only_a_loopback_address_has_one_listener_for_everything() {
        for (bind, asked, admin) in [
            ("127.0.0.1:4566", None, None),
            ("127.0.0.2:0", None, None),
            ("[::1]:4566", None, None),
            ("0.0.0.0:4566", None, Some("127.0.0.1:4567")),
            ("[::]:4566", None, Some("127.0.0.1:4567")),
            ("10.1.2.3:0", None, Some("127.0.0.1:0")),
            ("10.1.2.3:1", Some("10.1.2.3:9"), Some("10.1.2.3:9")),
            ("127.0.0.1:1", Some("127.0.0.1:9"), Some("127.0.0.1:9")),
        ] {
            let bind: SocketAddr = bind.parse().unwrap();
            let asked = asked.map(|asked| asked.parse().unwrap());
            let planned = Listeners::plan(bind, asked).unwrap();
            let expected = admin.map_or(Listeners::One(bind), |admin| Listeners::Two {
                public: bind,
                admin: admin.parse().unwrap(),
            });
            assert_eq!(planned, expected, "{bind} {asked:?}");
        }
        let last = "0.0.0.0:65535".parse().unwrap();
        assert_eq!(Listeners::plan(last, None), Err(NoAdminPort));
    }
}
