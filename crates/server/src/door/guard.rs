//! What stands before every route: who calls, by which name, with which token; and what is told of
//! it afterwards.

use std::sync::Arc;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use portcullis_admin::CallKind;
use portcullis_api::Scope;
use serde_json::json;
use tokio::time::Instant;

use super::guesses::{TokenGuesses, TokenTrial, WINDOW};
use super::host::{HostNames, host_of};
use super::token::{AdminToken, presented};
use crate::events::{
    AdminCall, AdminCaller, AdminCredential, AdminRecord, ConnectionPeer, EventLog, parameters,
};
use crate::http::{is_of_another_page, is_own_or_none};
use crate::surface::Surface;

/// What a caller must bring to use the admin API.
#[derive(Debug, Clone)]
pub enum AdminAccess {
    /// Nothing: who reaches the address may do everything.
    Open,
    /// The token for what gives keys away, a snapshot, and nothing for the rest. Without a token
    /// there are no snapshots.
    TokenForSecrets(Option<AdminToken>),
    /// The token for everything.
    Token(AdminToken),
}

/// What the guards of all surfaces know.
#[derive(Debug, Clone)]
pub(crate) struct Doorkeeper {
    pub(crate) access: AdminAccess,
    pub(crate) hosts: Arc<HostNames>,
    pub(crate) events: Arc<EventLog>,
    pub(crate) defaults: Scope,
}

/// Stands before the routes of one surface.
#[derive(Debug)]
pub(crate) struct DoorGuard {
    surface: Surface,
    keeper: Doorkeeper,
    known: Vec<KnownRoute>,
    guesses: Mutex<TokenGuesses>,
}

/// A route, as it is found again when it was called.
#[derive(Debug)]
struct KnownRoute {
    template: Arc<str>,
    method: Method,
    call: AdminCall,
}

/// Why a call is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoorRefusal {
    /// A page of another origin.
    ForeignPage,
    /// A host name that could be anybody's.
    WrongHost,
    TokenMissing,
    TokenWrong,
    TooManyWrongTokens,
    /// A secret is asked for, and there is no token that could permit it.
    NoTokenForSecrets,
}

/// What of a request decides.
struct AskedRoute<'a> {
    head: &'a HeaderMap,
    host: Option<&'a str>,
    peer: ConnectionPeer,
    kind: Option<CallKind>,
}

impl DoorGuard {
    /// Before these routes: path, method, and what events tell of each.
    pub(crate) fn new(
        surface: Surface,
        keeper: Doorkeeper,
        routes: impl Iterator<Item = (&'static str, Method, AdminCall)>,
    ) -> Self {
        let known = routes.map(|(path, method, call)| KnownRoute {
            template: path.into(),
            method,
            call,
        });
        Self {
            surface,
            keeper,
            known: known.collect(),
            guesses: Mutex::default(),
        }
    }

    /// The route that a request was matched to.
    fn find(&self, request: &Request) -> Option<&KnownRoute> {
        let matched = request.extensions().get::<MatchedPath>()?;
        // A route that answers GET answers HEAD too.
        let method = match request.method() {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        let mut known = self.known.iter();
        known.find(|known| *known.template == *matched.as_str() && known.method == *method)
    }

    /// Decides, in this order: whose page, which host, which token.
    fn admit(&self, asked: &AskedRoute<'_>, now: Instant) -> Result<AdminCredential, DoorRefusal> {
        let hosts = &*self.keeper.hosts;
        if !is_own_or_none(asked.head, hosts, asked.peer) {
            return Err(DoorRefusal::ForeignPage);
        }
        if asked.kind == Some(CallKind::Health) || self.surface == Surface::Public {
            return Ok(AdminCredential::None);
        }
        if is_of_another_page(asked.head) {
            return Err(DoorRefusal::ForeignPage);
        }
        // Rule DOOR-06: whatever the method, and with an Origin or without.
        if !asked.host.is_some_and(|host| hosts.permits(host)) {
            return Err(DoorRefusal::WrongHost);
        }
        let is_secret = asked.kind == Some(CallKind::Secret);
        match &self.keeper.access {
            AdminAccess::Token(token) => self.check(token, asked, now),
            AdminAccess::TokenForSecrets(Some(token)) if is_secret => self.check(token, asked, now),
            AdminAccess::TokenForSecrets(None) if is_secret => Err(DoorRefusal::NoTokenForSecrets),
            AdminAccess::TokenForSecrets(_) | AdminAccess::Open => Ok(AdminCredential::None),
        }
    }

    fn check(
        &self,
        token: &AdminToken,
        asked: &AskedRoute<'_>,
        now: Instant,
    ) -> Result<AdminCredential, DoorRefusal> {
        let presented = presented(asked.head).ok_or(DoorRefusal::TokenMissing)?;
        let from = asked.peer.address;
        let mut guesses = self.guesses.lock();
        match guesses.trial(from, now, &presented) {
            TokenTrial::Refused => return Err(DoorRefusal::TooManyWrongTokens),
            TokenTrial::WrongAgain => return Err(DoorRefusal::TokenWrong),
            TokenTrial::Compared => {}
        }
        if token.is(&presented) {
            return Ok(AdminCredential::Token);
        }
        if guesses.wrong(from, now, presented) {
            tracing::warn!(%from, "a wrong admin token was sent; others from there within a minute are not logged");
        }
        Err(DoorRefusal::TokenWrong)
    }
}

/// Lets a request through to its route, or refuses it, and tells of it.
///
/// Rule DOOR-08: every call of the admin API is an event, and so is every one that was refused. The
/// files of the console are no calls.
pub(crate) async fn layer(
    State(guard): State<Arc<DoorGuard>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(peer) = request.extensions().get::<ConnectionPeer>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let known = guard.find(&request);
    let kind = known.map(|known| known.call.kind);
    let admitted = guard.admit(
        &AskedRoute {
            head: request.headers(),
            host: host_of(request.headers(), request.uri()),
            peer,
            kind,
        },
        Instant::now(),
    );
    let is_told = match kind {
        Some(CallKind::Read | CallKind::Change | CallKind::Secret) => true,
        Some(CallKind::Health | CallKind::File) | None => {
            admitted.is_err() && guard.surface == Surface::Everything
        }
    };
    let pending = is_told.then(|| guard.pending(&request, known, peer));
    let (response, credential, refused) = match admitted {
        Ok(credential) => (next.run(request).await, credential, None),
        Err(refusal) => (
            refusal.into_response(),
            AdminCredential::None,
            Some(refusal),
        ),
    };
    if let Some(mut record) = pending {
        record.from.credential = credential;
        record.refused = refused.map(DoorRefusal::code);
        record.status = response.status().as_u16();
        guard.keeper.events.tell_admin(record);
    }
    response
}

/// A longer user agent is cut: it is the client's to choose, and kept with every record.
const AGENT_CHARS_MAX: usize = 256;

impl DoorGuard {
    /// The record of a call that has come in.
    fn pending(
        &self,
        request: &Request,
        known: Option<&KnownRoute>,
        peer: ConnectionPeer,
    ) -> AdminRecord {
        let agent = request.headers().get(USER_AGENT);
        let agent = agent
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let unknown = AdminCall {
            name: "Unknown",
            kind: CallKind::Read,
        };
        let template = known.map(|known| Arc::clone(&known.template));
        let path = request.uri().path();
        AdminRecord {
            at: self.keeper.events.now(),
            event_id: self.keeper.events.event_id(),
            from: AdminCaller {
                address: peer.address,
                agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
                credential: AdminCredential::None,
                scope: self.keeper.defaults.clone(),
            },
            call: known.map_or(unknown, |known| known.call),
            method: request.method().clone(),
            parameters: template
                .as_deref()
                .map_or_else(Vec::new, |it| parameters(it, path)),
            template,
            status: 0,
            refused: None,
        }
    }
}

impl DoorRefusal {
    /// `errorCode` of its event.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::ForeignPage => "ForeignPage",
            Self::WrongHost => "WrongHost",
            Self::TokenMissing => "TokenMissing",
            Self::TokenWrong => "TokenWrong",
            Self::TooManyWrongTokens => "TooManyWrongTokens",
            Self::NoTokenForSecrets => "NoTokenForSecrets",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::ForeignPage | Self::NoTokenForSecrets => StatusCode::FORBIDDEN,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::TokenMissing | Self::TokenWrong => StatusCode::UNAUTHORIZED,
            Self::TooManyWrongTokens => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::ForeignPage => crate::http::FOREIGN_PAGE,
            Self::WrongHost => {
                "The admin API and the console are not served under this host name, which could be \
                 anybody's. Call them by an address or by localhost, or start Portcullis with \
                 --host-name and the name."
            }
            Self::TokenMissing => {
                "This needs the admin token. Name its file with --admin-token-file or \
                 PORTCULLIS_ADMIN_TOKEN_FILE, or send Authorization: Bearer TOKEN; in a browser it is \
                 the password, whatever the user is called."
            }
            Self::TokenWrong => {
                "This is not the admin token. It is in the file that `portcullis up` was given with \
                 --admin-token-file, or in admin-token of its data folder."
            }
            Self::TooManyWrongTokens => {
                "Too many wrong admin tokens came from this address. Wait for a minute, then send the \
                 right one."
            }
            Self::NoTokenForSecrets => {
                "A snapshot holds the device key, so under --auth enforce it is given only for the \
                 admin token, and this Portcullis has none. Start it with --admin-token-file or with \
                 a data folder, or stop it and use `portcullis snapshot save --data`."
            }
        }
    }
}

impl IntoResponse for DoorRefusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "message": self.text() }));
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::TokenMissing | Self::TokenWrong => {
                let asks = HeaderValue::from_static("Basic realm=\"Portcullis admin API\"");
                headers.insert(WWW_AUTHENTICATE, asks);
            }
            Self::TooManyWrongTokens => {
                headers.insert(RETRY_AFTER, HeaderValue::from(WINDOW.as_secs()));
            }
            Self::ForeignPage | Self::WrongHost | Self::NoTokenForSecrets => {}
        }
        response
    }
}
