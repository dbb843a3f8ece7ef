use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A call of the admin API.
pub trait Call {
    /// Where it is and what it is for.
    const ROUTE: Route;
    /// What may stand in the query.
    type Query: DeserializeOwned;
    /// What the body says; `()` when there is none.
    type Request: Serialize + DeserializeOwned;
    /// What came of it.
    type Reply: Serialize + DeserializeOwned;
}

/// Where a call is and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// What events call it, in `eventName`.
    pub name: &'static str,
    /// What it does to Portcullis.
    pub kind: CallKind,
    /// The method of HTTP.
    pub method: Method,
    /// The path, with the names of its parameters in braces.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// When it is refused, in half a sentence that begins with "when" or "unless".
    pub refused: Option<&'static str>,
    /// A body that it takes.
    pub example: Option<&'static str>,
    /// The form of its reply.
    pub form: Form,
}

/// What a call does to Portcullis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It tells whether Portcullis runs, and nothing else.
    Health,
    /// It shows something and changes nothing.
    Read,
    /// It changes the state of Portcullis.
    Change,
    /// It gives keys away.
    Secret,
    /// It gives a file of the binary.
    File,
}

impl CallKind {
    /// Its name in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Read => "read",
            Self::Change => "change",
            Self::Secret => "secret",
            Self::File => "file",
        }
    }
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows what is there.
    GET,
    /// Has a change made.
    POST,
    /// Takes a thing away, such as a fault.
    DELETE,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GET => "GET",
            Self::POST => "POST",
            Self::DELETE => "DELETE",
        }
    }
}

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON in the form of the CloudHSM CLI: [`Reply`](crate::Reply).
    Enveloped,
    /// JSON without anything around it, as those who ask for it elsewhere expect it.
    Bare,
    /// Something else than JSON, of this media type.
    Media(&'static str),
}

/// The account and Region that a call is about. Portcullis has defaults for what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The account, twelve digits.
    pub account: Option<String>,
    /// The Region that the call is about.
    pub region: Option<String>,
}

/// The target of a request for `C`: its path with `parameters` in the place of the names in braces,
/// and the query that `place` makes.
#[must_use]
pub fn target<C: Call>(parameters: &[&str], place: &Place) -> String {
    let mut parameters = parameters.iter();
    let mut target = String::new();
    for part in C::ROUTE.path.split('/').skip(1) {
        let parameter = part.starts_with('{').then(|| parameters.next()).flatten();
        target.push('/');
        target.push_str(parameter.map_or(part, |value| value));
    }
    let mut separator = '?';
    for (name, value) in [("account", &place.account), ("region", &place.region)] {
        if let Some(value) = value {
            target.push_str(&format!("{separator}{name}={value}"));
            separator = '&';
        }
    }
    target
}

/// The body of a request for `C`; nothing when it takes none.
///
/// # Errors
/// When the request cannot be written as JSON.
pub fn body<C: Call>(request: &C::Request) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(request)?;
    // The request of a call without a body is `()`.
    Ok(if body == b"null" { Vec::new() } else { body })
}
