//! What is served at a path, what it is called in events, and to which callers it is open.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};
use portcullis_admin::{Call, CallKind};

use super::Admin;
use crate::events::AdminCall;

/// A method of a path and what answers there.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) method: Method,
    pub(crate) call: AdminCall,
    pub(super) answers: MethodRouter<Arc<Admin>>,
}

impl Route {
    /// Answers a call of the admin API. GET is answered to HEAD too.
    pub(super) fn of<C: Call, T: 'static>(_call: C, handler: impl Handler<T, Arc<Admin>>) -> Self {
        let route = C::ROUTE;
        let (method, answers) = match route.method {
            portcullis_admin::Method::GET => (Method::GET, routing::get(handler)),
            portcullis_admin::Method::POST => (Method::POST, routing::post(handler)),
            portcullis_admin::Method::DELETE => (Method::DELETE, routing::delete(handler)),
        };
        Self {
            path: route.path,
            method,
            call: AdminCall {
                name: route.name,
                kind: route.kind,
            },
            answers,
        }
    }

    /// Answers with a file of the console.
    pub(crate) fn file<T: 'static>(
        path: &'static str,
        handler: impl Handler<T, Arc<Admin>>,
    ) -> Self {
        Self {
            path,
            method: Method::GET,
            call: AdminCall {
                name: "GetConsole",
                kind: CallKind::File,
            },
            answers: routing::get(handler),
        }
    }
}
