//! Where a running Portcullis is reached, for those who will use it.

use std::net::SocketAddr;
use std::path::PathBuf;

use portcullis_server::Running;
use serde_json::{Value, json};

use crate::door::Reach;
use crate::tls::PresentedIdentity;

/// The variable by which commands find the admin token.
pub(crate) const TOKEN_FILE: &str = "PORTCULLIS_ADMIN_TOKEN_FILE";

/// Where Portcullis is reached, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// The AWS endpoint.
    pub(crate) endpoint: String,
    /// The admin API; the same unless it has an address of its own.
    pub(crate) admin: String,
    /// The file with the token that the admin API asks for.
    pub(crate) token_file: Option<PathBuf>,
    /// The file with the authority that clients must believe, if it is ours.
    pub(crate) ca_bundle: Option<PathBuf>,
}

impl Urls {
    pub(crate) fn of(running: &Running, reach: &Reach, tls: Option<&PresentedIdentity>) -> Self {
        let url = |address: SocketAddr| {
            // Rule TLS-04
            let is_plain = address != running.address && address.ip().is_loopback();
            let scheme = if tls.is_some() && !is_plain {
                "https"
            } else {
                "http"
            };
            format!("{scheme}://{address}")
        };
        let authority = tls.and_then(|tls| tls.authority.as_ref());
        Self {
            endpoint: url(running.address),
            admin: url(running.admin),
            token_file: reach.token_file.clone(),
            ca_bundle: authority.map(|file| file.path.clone()),
        }
    }

    /// The admin API's, if that is another one than the endpoint's.
    pub(crate) fn own_admin(&self) -> Option<&str> {
        (self.admin != self.endpoint).then_some(self.admin.as_str())
    }

    /// Adds to the line on stdout what differs from a plain endpoint.
    pub(crate) fn add_to(&self, line: &mut Value) {
        let Some(members) = line.as_object_mut() else {
            return;
        };
        if let Some(admin) = self.own_admin() {
            members.insert("admin".to_owned(), json!(admin));
        }
        if let Some(path) = &self.token_file {
            members.insert("admin_token_file".to_owned(), json!(path));
        }
        if let Some(path) = &self.ca_bundle {
            members.insert("ca_bundle".to_owned(), json!(path));
        }
    }

    /// What lets `portcullis` find the admin API, and clients believe what they call.
    pub(crate) fn admin_variables(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables = vec![("PORTCULLIS_ADMIN_URL", PathBuf::from(&self.admin))];
        let token_file = self.token_file.clone();
        variables.extend(token_file.map(|path| (TOKEN_FILE, path)));
        let ca_bundle = self.ca_bundle.clone();
        variables.extend(ca_bundle.map(|path| ("AWS_CA_BUNDLE", path)));
        variables
    }

    /// The options that `portcullis env` needs beside the endpoint.
    pub(crate) fn options(&self) -> String {
        let admin = self.own_admin().map(|url| format!(" --admin-url {url}"));
        let token = self.token_file.as_deref();
        let token = token.map(|path| format!(" --admin-token-file '{}'", path.display()));
        let bundle = self.ca_bundle.as_deref();
        let bundle = bundle.map(|path| format!(" --ca-bundle '{}'", path.display()));
        [admin, token, bundle].into_iter().flatten().collect()
    }
}
