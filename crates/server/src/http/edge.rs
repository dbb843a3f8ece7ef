use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use portcullis_api::{Code, Exception, Operation, Scope, Service};
use portcullis_seam::{Entropy, WallClock, draw};
use portcullis_sigv4::Verifier;
use tower::Service as _;

use super::{authenticate, body, origin, reply};
use crate::config::{Auth, Limits};
use crate::decode::{self, Call};
use crate::handle::Handle;
use crate::metrics::CoreMetrics;
use crate::trail::{Arrival, Client, Notes, Trail};

/// What all cores have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) auth: Auth,
    pub(crate) defaults: Scope,
    pub(crate) limits: Limits,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) services: Arc<dyn Handle>,
    /// Where calls that change something run. What they leave running, such as a connection to a
    /// cluster, must outlive the core that read the request.
    pub(crate) background: tokio::runtime::Handle,
    pub(crate) router: Router,
    pub(crate) trail: Arc<Trail>,
}

/// One core's way from a request to its reply.
#[derive(Debug)]
pub(crate) struct Edge {
    shared: Arc<Shared>,
    /// Locked by one thread only, and never across an `await`: it costs no more than a cell.
    verifier: Mutex<Verifier>,
    metrics: Arc<CoreMetrics>,
}

type Body = Either<Full<Bytes>, axum::body::Body>;

impl Edge {
    pub(crate) fn new(shared: Arc<Shared>, metrics: Arc<CoreMetrics>) -> Self {
        Self {
            shared,
            verifier: Mutex::default(),
            metrics,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Answers one request: `POST /` is the AWS endpoint, everything else goes to the router.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: &Client,
    ) -> Result<Response<Body>, Infallible> {
        if !origin::is_own_or_none(request.headers()) {
            return Ok(origin::refused().map(Either::Left));
        }
        if request.method() == Method::POST && request.uri().path() == "/" {
            return Ok(self.answer_aws(request, client).await.map(Either::Left));
        }
        // On the background runtime, because what these calls leave running must outlive the core,
        // and because they are carried to their end although the client leaves.
        let mut router = self.shared.router.clone();
        let run = async move { router.call(request.map(axum::body::Body::new)).await };
        match self.shared.background.spawn(run).await {
            Ok(Ok(response)) => Ok(response.map(Either::Right)),
            Ok(Err(never)) => match never {},
            Err(_panic) => {
                let id = reply::request_id(draw(&*self.shared.entropy));
                let failure = reply::failure(id, &unexpected(), Service::Kms);
                Ok(failure.map(Either::Left))
            }
        }
    }

    async fn answer_aws(
        &self,
        request: Request<Incoming>,
        client: &Client,
    ) -> Response<Full<Bytes>> {
        let measured = self.metrics.begin();
        let (head, body) = request.into_parts();
        let target = text(&head.headers, "x-amz-target");
        let operation = target.and_then(Operation::from_target);
        let request_id = draw(&*self.shared.entropy);
        let arrival = operation
            .filter(|_| self.shared.trail.is_on())
            .map(|operation| {
                let caller = client.caller(&head.headers, &self.shared.defaults);
                self.shared.trail.arrived(operation, caller, request_id)
            });
        // Rule CONF-07: nothing that a request says is expected to end in this.
        // Rule WIRE-17: a defect that panics is answered with InternalFailure; the core goes on.
        let outcome = AssertUnwindSafe(self.outcome(&head, target, body, arrival.as_ref()))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Err(unexpected().into()));
        let failed = outcome.as_ref().err();
        measured.end(operation, failed.map(|failed| &failed.exception));
        // Rule EV-05: what never reached its service is told too.
        if let (Some(arrival), Some(failed)) = (arrival, failed.filter(|failed| !failed.is_told)) {
            let notes = Notes::default();
            self.shared
                .trail
                .tell(arrival, notes, Some(&failed.exception));
        }
        let id = reply::request_id(request_id);
        match outcome {
            Ok(body) => reply::success(id, body),
            Err(Failed { exception, .. }) => {
                log(target, &exception);
                reply::failure(id, &exception, decode::service(target))
            }
        }
    }

    async fn outcome(
        &self,
        head: &Parts,
        target: Option<&str>,
        body: Incoming,
        arrival: Option<&Arrival>,
    ) -> Result<Bytes, Failed> {
        let body = body::read(body, &self.shared.limits).await?;
        decode::content_type(text(&head.headers, "content-type"))?;
        if let Auth::Verify(credentials) = &self.shared.auth {
            let now = self.shared.wall.now();
            let service = decode::service(target).signing_name();
            let judge = (&mut *self.verifier.lock(), credentials, now);
            authenticate(head, &body, service, judge)?;
        }
        let authorization = text(&head.headers, "authorization");
        let call = decode::request(target, authorization, &body, &self.shared.defaults)?;
        drop(body);
        self.carry_out(call, arrival).await
    }

    /// Rule WIRE-18: a call that changes something runs to its end although its client went away;
    /// one that does not is dropped with its connection.
    async fn carry_out(&self, call: Call, arrival: Option<&Arrival>) -> Result<Bytes, Failed> {
        if !call.input.changes_something() {
            return self.shared.told_call(call, arrival).await;
        }
        let shared = Arc::clone(&self.shared);
        let arrival = arrival.cloned();
        let run = async move { shared.told_call(call, arrival.as_ref()).await };
        self.shared
            .background
            .spawn(run)
            .await
            .unwrap_or_else(|_panic| Err(unexpected().into()))
    }
}

impl Shared {
    /// Carries a call out and tells of it, where it runs: what was changed is told although nobody
    /// waits for the answer.
    async fn told_call(&self, call: Call, arrival: Option<&Arrival>) -> Result<Bytes, Failed> {
        let mut notes = Notes::wanted(arrival.is_some());
        let outcome = self
            .services
            .call(&call.scope, call.input, &mut notes)
            .await;
        if let Some(arrival) = arrival {
            let failed = outcome.as_ref().err();
            self.trail.tell(arrival.clone(), notes, failed);
        }
        outcome.map_err(|exception| Failed {
            exception,
            is_told: true,
        })
    }
}

/// Why a call failed, and whether that was told.
#[derive(Debug)]
struct Failed {
    exception: Exception,
    is_told: bool,
}

impl From<Exception> for Failed {
    fn from(exception: Exception) -> Self {
        Self {
            exception,
            is_told: false,
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn unexpected() -> Exception {
    Exception::new(
        Code::InternalFailure,
        "Portcullis failed in a way it did not expect. Its log says where; please report it.",
    )
}

fn log(target: Option<&str>, exception: &Exception) {
    let target = target.unwrap_or("-");
    let cause = exception.cause.as_deref().unwrap_or("-");
    if exception.code.status() >= 500 {
        tracing::warn!(target, code = exception.code.name(), cause, "a call failed");
    } else {
        tracing::debug!(
            target,
            code = exception.code.name(),
            cause,
            "a call was refused"
        );
    }
}
