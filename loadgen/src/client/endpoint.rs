use std::path::Path;

use http::{HeaderValue, Uri};

use crate::access::Access;
use crate::dial::Dial;
use crate::failure::Unusable;

/// Where the calls go.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// As the user wrote it.
    pub(crate) url: String,
    /// Where that is.
    pub(crate) dial: Dial,
    /// The `host` header, signed with every call.
    pub(crate) host: HeaderValue,
}

/// Where the calls of a run go.
#[derive(Debug, Clone)]
pub(crate) struct CallEndpoints {
    /// The AWS endpoint.
    pub(crate) endpoint: Endpoint,
    /// The admin API of a Portcullis.
    pub(crate) admin: Endpoint,
    /// What its calls are sent with, if it asks for a token.
    pub(crate) authorization: Option<HeaderValue>,
}

impl CallEndpoints {
    pub(crate) fn parse(access: &Access) -> Result<Self, Unusable> {
        Ok(Self {
            endpoint: Endpoint::parse(&access.endpoint, access.ca_bundle())?,
            admin: Endpoint::parse(access.admin(), access.ca_bundle())?,
            authorization: access.authorization().map_err(Unusable)?,
        })
    }
}

impl Endpoint {
    pub(crate) fn parse(url: &str, ca_bundle: Option<&Path>) -> Result<Self, Unusable> {
        let dial = Dial::parse(url, ca_bundle).map_err(Unusable)?;
        let uri: Result<Uri, _> = url.parse();
        let authority = uri.ok().and_then(|uri| uri.into_parts().authority);
        let host = authority.and_then(|it| HeaderValue::from_str(it.as_str()).ok());
        let host = host.ok_or_else(|| Unusable(format!("{url:?} has no usable host.")))?;
        Ok(Self {
            url: url.to_owned(),
            dial,
            host,
        })
    }

    /// What to say when nothing answers there.
    pub(crate) fn unreachable(&self, reason: &str) -> Unusable {
        Unusable(format!(
            "Nothing usable answers at {} ({reason}). Start it, e.g. with `portcullis up`, or name \
             another endpoint with --endpoint.",
            self.url,
            reason = reason.trim_end_matches('.'),
        ))
    }
}
