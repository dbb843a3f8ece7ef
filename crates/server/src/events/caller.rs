use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{REFERER, USER_AGENT};
use parking_lot::Mutex;
use portcullis_api::Scope;
use portcullis_kms::{Principal, RequestOrigin};
use portcullis_sigv4::{AuthorizationReader, Credential};

use crate::decode;
use crate::principals::Principals;

/// Who calls, as far as an event tells.
#[derive(Debug)]
pub(crate) struct EventCaller {
    pub(crate) address: IpAddr,
    pub(crate) agent: Box<str>,
    pub(crate) access_key: Option<Box<str>>,
    pub(crate) scope: Scope,
    /// Who that is, when it was declared.
    pub(crate) principal: Option<Arc<Principal>>,
    /// The credential that the Authorization header names, by which the same caller is recognised.
    credential: Box<str>,
}

/// The other end of a connection, as the connection itself shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionPeer {
    pub(crate) address: IpAddr,
    /// Whether the connection speaks TLS.
    pub(crate) is_secure: bool,
}

/// The other end of a connection. Nearly every call of a connection comes from the same caller
/// with the same client, so the last one is kept: telling of it costs two comparisons.
#[derive(Debug)]
pub(crate) struct EventClient {
    pub(crate) peer: ConnectionPeer,
    last: Mutex<Option<Arc<EventCaller>>>,
    /// Locked by one thread only, and never across an `await`.
    pub(crate) reader: Mutex<AuthorizationReader>,
}

/// A longer user agent is cut: it is the client's to choose, and kept with every record.
const AGENT_BYTES_MAX: usize = 256;

impl EventClient {
    pub(crate) fn at(peer: ConnectionPeer) -> Self {
        Self {
            peer,
            last: Mutex::default(),
            reader: Mutex::default(),
        }
    }

    /// Where a request with these headers comes from, as far as policies ask.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> RequestOrigin {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        RequestOrigin {
            source_ip: Some(self.peer.address),
            secure_transport: self.peer.is_secure,
            user_agent: text(USER_AGENT).map(str::to_owned),
            referer: text(REFERER).map(str::to_owned),
        }
    }

    /// Who sends a request with these headers, which is signed with this.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        signed: Option<&Credential<'_>>,
        (principals, defaults): (Option<&Principals>, &Scope),
    ) -> Arc<EventCaller> {
        let agent = headers.get(USER_AGENT).map(http::HeaderValue::as_bytes);
        let agent = agent.unwrap_or_default();
        let agent = agent.get(..AGENT_BYTES_MAX).unwrap_or(agent);
        let credential = signed.map_or("", |signed| signed.text);
        let mut last = self.last.lock();
        if let Some(last) = last.as_ref()
            && last.agent.as_bytes() == agent
            && *last.credential == *credential
        {
            return Arc::clone(last);
        }
        let access_key = signed.map(|signed| signed.access_key);
        let principal = principals
            .zip(access_key)
            .and_then(|(principals, key)| principals.declared(key).map(Arc::clone));
        let mut scope = decode::scope(signed, defaults);
        if let Some(principal) = &principal {
            scope.account = principal.account().clone();
        }
        let caller = Arc::new(EventCaller {
            address: self.peer.address,
            agent: String::from_utf8_lossy(agent).into(),
            access_key: access_key.map(Into::into),
            scope,
            principal,
            credential: credential.into(),
        });
        *last = Some(Arc::clone(&caller));
        caller
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use portcullis_sigv4::Authorization;

    use super::*;

    /// Rule WIRE-07: whatever else stands in the header, and before the credential.
    #[test]
    fn two_callers_of_one_connection_are_told_apart_by_their_credentials() {
        let defaults = crate::ServerConfig::default().defaults;
        let client = EventClient::at(ConnectionPeer {
            address: Ipv4Addr::LOCALHOST.into(),
            is_secure: false,
        });
        for account in ["111122223333", "444455556666", "111122223333"] {
            let header = format!(
                "AWS4-HMAC-SHA256 SignedHeaders=host, \
                 Credential={account}/20260830/eu-west-1/kms/aws4_request, Signature={:064}",
                0
            );
            let signed = Authorization::parse(&header).unwrap().credential;
            let caller = client.caller(&HeaderMap::new(), Some(&signed), (None, &defaults));
            assert_eq!(caller.scope.account.as_str(), account);
            assert_eq!(caller.access_key.as_deref(), Some(account));
        }
        let unsigned = client.caller(&HeaderMap::new(), None, (None, &defaults));
        assert_eq!(unsigned.scope, defaults);
    }
}
