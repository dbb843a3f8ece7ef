use std::net::IpAddr;

use portcullis_policy::Context;

/// Where a request comes from and by which client, as far as policies ask.
///
/// A proxy in front of Portcullis makes every request its own: then these are the proxy's.
#[derive(Debug, Clone, Default)]
pub struct RequestOrigin {
    /// The other end of the connection.
    pub source_ip: Option<IpAddr>,
    /// Whether the request came over TLS (`aws:SecureTransport`).
    pub secure_transport: bool,
    /// The value of the header `User-Agent`; none when the request has no such header.
    pub user_agent: Option<String>,
    /// The value of the header `Referer`; none when the request has no such header.
    pub referer: Option<String>,
}

impl RequestOrigin {
    /// The condition keys that say where a request comes from.
    pub(super) fn describe(&self, context: &mut Context) {
        if let Some(address) = self.source_ip {
            // An IPv4 peer of an IPv6 socket has an address that no range of a policy means.
            context.set("aws:SourceIp", address.to_canonical().to_string());
        }
        context.set("aws:SecureTransport", self.secure_transport.to_string());
        if let Some(agent) = &self.user_agent {
            context.set("aws:UserAgent", agent.as_str());
        }
        if let Some(referer) = &self.referer {
            context.set("aws:referer", referer.as_str());
        }
    }
}
