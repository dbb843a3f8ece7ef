use http::{HeaderValue, Uri};

use crate::access::Access;
use crate::failure::Unusable;

/// Where the calls go.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// As the user wrote it.
    pub(crate) url: String,
    /// `host:port` to connect to.
    pub(crate) address: String,
    /// The `host` header, signed with every call.
    pub(crate) host: HeaderValue,
}

/// Where the calls of a run go.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The AWS endpoint.
    pub(crate) endpoint: Endpoint,
    /// The admin API of a Portcullis.
    pub(crate) admin: Endpoint,
    /// What its calls are sent with, if it asks for a token.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Places {
    pub(crate) fn parse(access: &Access) -> Result<Self, Unusable> {
        Ok(Self {
            endpoint: Endpoint::parse(&access.endpoint)?,
            admin: Endpoint::parse(access.admin())?,
            authorization: access.authorization().map_err(Unusable)?,
        })
    }
}

impl Endpoint {
    pub(crate) fn parse(url: &str) -> Result<Self, Unusable> {
        let uri: Uri = url.parse().map_err(|error| {
            Unusable(format!(
                "{url:?} is not a URL: {error}. Give one such as {EXAMPLE}."
            ))
        })?;
        if uri.scheme_str() == Some("https") {
            // Rule LG-13: HTTPS is refused with a reason rather than tried without it.
            return Err(Unusable(format!(
                "{url} needs HTTPS, which the load generator does not speak. Give the http:// \
                 endpoint of a local KMS, such as {EXAMPLE}."
            )));
        }
        let (Some("http"), Some(authority), "" | "/") =
            (uri.scheme_str(), uri.authority(), uri.path())
        else {
            return Err(Unusable(format!(
                "{url:?} is not an endpoint: it needs http://, a host and no path. Give one such \
                 as {EXAMPLE}."
            )));
        };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_not_a_header| {
            Unusable(format!(
                "{url:?} has no usable host. Give one such as {EXAMPLE}."
            ))
        })?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            url: url.to_owned(),
            address: format!("{}:{port}", authority.host()),
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

const EXAMPLE: &str = "http://127.0.0.1:4566";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_cannot_be_called_is_refused_with_the_form_that_can() {
        for url in [
            "",
            "127.0.0.1:4566",
            "http://",
            "ftp://x",
            "http://host/path",
            "a b",
        ] {
            let error = Endpoint::parse(url).unwrap_err().to_string();
            assert!(error.contains(EXAMPLE), "{url}: {error}");
        }
        assert_eq!(
            Endpoint::parse("http://localhost/").unwrap().address,
            "localhost:80"
        );
    }

    /// Rule LG-13.
    #[test]
    fn https_is_refused_with_a_reason() {
        let error = Endpoint::parse("https://kms.eu-west-1.amazonaws.com").unwrap_err();
        assert!(error.to_string().contains("needs HTTPS"), "{error}");
    }
}
