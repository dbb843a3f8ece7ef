//! By which names Portcullis may be called. Any page of the web can be given a name that leads to
//! this machine, and its requests then look to the browser like its own.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, Uri};

/// Names that are good as Host beside addresses and `localhost`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames(BTreeSet<String>);

/// A text that is no host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHostName(String);

/// A name in the domain name system has at most this many characters (RFC 1035).
const NAME_CHARS_MAX: usize = 253;

impl HostNames {
    /// Adds a name; an address is good without.
    ///
    /// # Errors
    /// When no host can have that name.
    pub fn insert(&mut self, name: &str) -> Result<(), InvalidHostName> {
        let name = name.to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let is_name = name.len() <= NAME_CHARS_MAX && name.split('.').all(is_label);
        if !is_name && name.parse::<IpAddr>().is_err() {
            return Err(InvalidHostName(name));
        }
        self.0.insert(name);
        Ok(())
    }

    /// Every name that was added.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a Host, with its port or without, is one that no stranger can make lead here.
    ///
    /// Rule DOOR-06: an address, `localhost` and what is below it, and the names that were given.
    pub(crate) fn permits(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => authority.as_str(),
        };
        let bracketed = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        bracketed.unwrap_or(name).parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(name)
    }
}

/// The Host of a request; none unless there is exactly one, and the request line names no other.
pub(crate) fn host_of<'a>(headers: &'a HeaderMap, uri: &Uri) -> Option<&'a str> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, more) = (hosts.next()?, hosts.next());
    let host = host.to_str().ok().filter(|_| more.is_none())?;
    let named = uri.authority().map(http::uri::Authority::as_str);
    named.is_none_or(|named| named == host).then_some(host)
}

impl fmt::Display for InvalidHostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is no host name. Give one such as portcullis or portcullis.example.internal, \
             without a port.",
            self.0
        )
    }
}

impl std::error::Error for InvalidHostName {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule DOOR-06
    #[test]
    fn only_names_that_no_stranger_owns_are_permitted() {
        let mut names = HostNames::default();
        for name in ["Portcullis", "kms.example.internal", "with_underscore"] {
            names.insert(name).unwrap();
        }
        for (host, permitted) in [
            ("127.0.0.1:4566", true),
            ("10.1.2.3", true),
            ("[::1]:4566", true),
            ("[::1]", true),
            ("localhost:4566", true),
            ("LocalHost", true),
            ("kms.localhost:1", true),
            ("portcullis:4566", true),
            ("PORTCULLIS", true),
            ("kms.example.internal", true),
            ("evil.example", false),
            ("evil.example:4566", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("portcullis.evil.example", false),
            ("notlocalhost", false),
            ("localhost.", false),
            ("", false),
            (":4566", false),
            ("user@127.0.0.1", false),
            ("127.0.0.1:4566:80", false),
            ("[::1", false),
            ("[evil.example]:80", false),
        ] {
            assert_eq!(names.permits(host), permitted, "{host}");
        }
    }

    /// Rule DOOR-06
    #[test]
    fn a_request_has_one_host() {
        let of = |hosts: &[&str], uri: &'static str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            host_of(&headers, &Uri::from_static(uri)).map(str::to_owned)
        };
        assert_eq!(of(&["a:1"], "/").as_deref(), Some("a:1"));
        assert_eq!(of(&["a:1"], "http://a:1/").as_deref(), Some("a:1"));
        assert_eq!(of(&["127.0.0.1"], "http://evil.example/"), None);
        assert_eq!(of(&["127.0.0.1", "evil.example"], "/"), None);
        assert_eq!(of(&[], "/"), None);
    }

    #[test]
    fn what_no_host_is_called_is_refused() {
        for name in [
            "",
            "a b",
            "a:80",
            "http://a",
            "*.example",
            "a..b",
            ".a",
            "ä",
        ] {
            assert!(HostNames::default().insert(name).is_err(), "{name}");
        }
        assert!(HostNames::default().insert(&"a".repeat(254)).is_err());
    }
}
