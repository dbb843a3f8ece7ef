//! Where `portcullis up` listens, and what it says about that.

use std::net::SocketAddr;

use portcullis_server::{Listeners, Running};

use crate::again;
use crate::args::{AuthMode, Up};
use crate::output::ServerOutput;

/// Where to listen: as asked for, or after a reset where it was.
///
/// # Errors
/// A text for the user.
pub(crate) fn listeners(arguments: &Up) -> Result<Listeners, String> {
    let port = again::port().unwrap_or(arguments.port);
    let bind = SocketAddr::new(arguments.bind, port);
    let planned = Listeners::plan(bind, arguments.admin_bind).map_err(|error| error.to_string())?;
    Ok(match (planned, again::admin_port()) {
        (Listeners::Two { public, admin }, Some(port)) => Listeners::Two {
            public,
            admin: SocketAddr::new(admin.ip(), port),
        },
        (planned, _) => planned,
    })
}

/// Where Portcullis is reached.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// The AWS endpoint.
    pub(crate) endpoint: String,
    /// The admin API; the same unless it has an address of its own.
    pub(crate) admin: String,
}

impl Urls {
    pub(crate) fn of(running: &Running) -> Self {
        Self {
            endpoint: format!("http://{}", running.address),
            admin: format!("http://{}", running.admin),
        }
    }

    /// The admin API's, if that is another one than the endpoint's.
    pub(crate) fn own_admin(&self) -> Option<&str> {
        (self.admin != self.endpoint).then_some(self.admin.as_str())
    }
}

/// Rule DOOR-03: an endpoint that others reach says in one line what is open to them.
pub(crate) fn tell(running: &Running, auth: AuthMode, output: &ServerOutput) {
    if running.address.ip().is_loopback() && running.admin.ip().is_loopback() {
        return;
    }
    let calls = match auth {
        AuthMode::Open => "open to everybody who reaches it (--auth open)",
        AuthMode::Verify => "for who signs with a known secret, test among them (--auth verify)",
        AuthMode::Enforce => "for who signs and is permitted (--auth enforce)",
    };
    output.note(&format!(
        "Others reach this: AWS endpoint {}: {calls}; admin API and console: {}.",
        running.address, running.admin,
    ));
}
