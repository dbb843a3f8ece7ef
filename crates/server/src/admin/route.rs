//! What a route is: a path with a method, what it is called in events, and to whom it is open.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use super::Admin;

/// A method of a path and what answers there.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) method: Method,
    pub(crate) call: AdminCall,
    pub(super) answers: MethodRouter<Arc<Admin>>,
}

/// What a route is, as events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminCall {
    /// `eventName`.
    pub(crate) name: &'static str,
    pub(crate) kind: CallKind,
}

/// What a call of a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// Tells whether Portcullis runs, and nothing else.
    Health,
    /// Shows something.
    Read,
    /// Changes something.
    Change,
    /// Gives keys away.
    Secret,
    /// Gives a file of the binary.
    File,
}

/// A method and what answers it.
pub(crate) type Verb = (Method, MethodRouter<Arc<Admin>>);

/// Answers GET, and HEAD.
pub(crate) fn get<H: Handler<T, Arc<Admin>>, T: 'static>(handler: H) -> Verb {
    (Method::GET, routing::get(handler))
}

/// Answers POST.
pub(super) fn post<H: Handler<T, Arc<Admin>>, T: 'static>(handler: H) -> Verb {
    (Method::POST, routing::post(handler))
}

/// Answers DELETE.
pub(super) fn delete<H: Handler<T, Arc<Admin>>, T: 'static>(handler: H) -> Verb {
    (Method::DELETE, routing::delete(handler))
}

impl Route {
    fn new(kind: CallKind, name: &'static str, path: &str, (method, answers): Verb) -> Self {
        Self {
            path: path.to_owned(),
            method,
            call: AdminCall { name, kind },
            answers,
        }
    }

    pub(super) fn health(path: &str, verb: Verb) -> Self {
        Self::new(CallKind::Health, "GetHealth", path, verb)
    }

    pub(super) fn read(name: &'static str, path: &str, verb: Verb) -> Self {
        Self::new(CallKind::Read, name, path, verb)
    }

    pub(super) fn change(name: &'static str, path: &str, verb: Verb) -> Self {
        Self::new(CallKind::Change, name, path, verb)
    }

    pub(super) fn secret(name: &'static str, path: &str, verb: Verb) -> Self {
        Self::new(CallKind::Secret, name, path, verb)
    }

    pub(crate) fn file(path: &str, verb: Verb) -> Self {
        Self::new(CallKind::File, "GetConsole", path, verb)
    }

    /// The same below `prefix`.
    pub(super) fn below(mut self, prefix: &str) -> Self {
        self.path.insert_str(0, prefix);
        self
    }
}
