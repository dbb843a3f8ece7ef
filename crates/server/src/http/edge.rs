use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use portcullis_api::{Code, Exception, Messages, Operation, Scope, Service};
use portcullis_kms::{Principal, RequestOrigin};
use portcullis_seam::{Entropy, WallClock, draw};
use portcullis_sigv4::Verifier;

use super::bounds::Bounds;
use super::routed::{self, NothingLeft, RoutedBody};
use super::signed::RequestSigner;
use super::state::ConnectionState;
use super::{authenticate, body, head, origin, query, reply};
use crate::config::Auth;
use crate::connections::ConnectionMetrics;
use crate::decode::{self, Call};
use crate::door::HostNames;
use crate::events::{CallArrival, CallNotes, EventCaller, EventClient, EventLog};
use crate::handle::Handle;
use crate::metrics::CoreMetrics;
use crate::principals::Principals;
use crate::tls::TlsIdentity;

/// Names the operation.
static TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What all cores have in common.
#[derive(Debug)]
pub(crate) struct SharedByCores {
    pub(crate) auth: Auth,
    /// Declared principals; always there when policies are enforced.
    pub(crate) principals: Option<Arc<Principals>>,
    pub(crate) defaults: Scope,
    /// How much is sent of what an exception says.
    pub(crate) messages: Messages,
    pub(crate) bounds: Arc<Bounds>,
    /// Names of this server that its own pages may have.
    pub(crate) host_names: Arc<HostNames>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) services: Arc<dyn Handle>,
    /// Where calls that change something run. What they leave running, such as a connection to a
    /// cluster, must outlive the core that read the request.
    pub(crate) background: tokio::runtime::Handle,
    pub(crate) events: Arc<EventLog>,
}

/// What one address has of its own.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    /// What is served beside the AWS endpoint.
    pub(crate) router: Router,
    /// What is presented to who connects, who then speaks TLS.
    pub(crate) identity: Option<TlsIdentity>,
}

/// One core's way from a request to its reply.
#[derive(Debug)]
pub(crate) struct Edge {
    shared: Arc<SharedByCores>,
    front: Front,
    /// Locked by one thread only, and never across an `await`: it costs no more than a cell.
    verifier: Mutex<Verifier>,
    metrics: Arc<CoreMetrics>,
}

/// The body of a reply: whole, or as the router makes it.
pub(crate) type ReplyBody = Either<Full<Bytes>, RoutedBody>;

impl Edge {
    pub(crate) fn new(shared: Arc<SharedByCores>, front: Front, metrics: Arc<CoreMetrics>) -> Self {
        Self {
            shared,
            front,
            verifier: Mutex::default(),
            metrics,
        }
    }

    pub(crate) fn identity(&self) -> Option<&TlsIdentity> {
        self.front.identity.as_ref()
    }

    pub(crate) fn bounds(&self) -> &Arc<Bounds> {
        &self.shared.bounds
    }

    pub(crate) fn connections(&self) -> &Arc<ConnectionMetrics> {
        &self.metrics.connections
    }

    /// Answers one request: `POST /` is the AWS endpoint, everything else goes to the router, before
    /// which the door stands.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: &EventClient,
        state: &Arc<ConnectionState>,
    ) -> Response<ReplyBody> {
        if state.begin() {
            // Rule WIRE-31: of requests that come together one is answered a turn, so that who sends
            // thousands at once makes no other request wait for them.
            tokio::task::yield_now().await;
        }
        let (mut head, body) = request.into_parts();
        let is_aws = head.method == Method::POST && head.uri.path() == "/";
        let names = &self.shared.host_names;
        let whole = if let Err(why) = head::check(&head) {
            let mut response = reply::plain(StatusCode::BAD_REQUEST, why);
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
            response
        } else if is_aws && !origin::is_own_or_none(&head.headers, names, client.peer) {
            origin::refused()
        } else if is_aws {
            self.answer_aws(head, body, (client, state)).await
        } else {
            head.extensions.insert(client.peer);
            match body::read(body, state).await {
                // Boxed, since every connection would have room for it too.
                Ok(body) => return Box::pin(self.answer_routed(head, body, state)).await,
                Err(unread) => reply::plain(unread.status(), &unread.message()),
            }
        };
        state.replied();
        whole.map(Either::Left)
    }

    /// Answers a request on the background runtime, because what these calls leave running must
    /// outlive the core, and because they are carried to their end although the client leaves.
    async fn answer_routed(
        &self,
        head: Parts,
        body: Bytes,
        state: &Arc<ConnectionState>,
    ) -> Response<ReplyBody> {
        let router = TowerToHyperService::new(self.front.router.clone());
        let replies = Arc::clone(&self.shared.bounds.replies);
        let request = Request::from_parts(head, axum::body::Body::from(body));
        let run = async move {
            let response = match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let held = routed::count(&response, &replies)?;
            Ok::<_, NothingLeft>((response, held))
        };
        let whole = match self.shared.background.spawn(run).await {
            Ok(Ok((response, held))) => {
                return response.map(|body| Either::Right(RoutedBody::new(body, held, state)));
            }
            Ok(Err(NothingLeft)) => self.unavailable(false, routed::NOTHING_LEFT),
            Err(_panic) => {
                let id = reply::request_id(draw(&*self.shared.entropy));
                reply::failure(id, &unexpected(), (Service::Kms, Messages::Helpful))
            }
        };
        state.replied();
        whole.map(Either::Left)
    }

    /// Answers a request for the health on this core, at once, whatever else is waited for.
    pub(super) async fn answer_health(
        &self,
        mut head: Parts,
        client: &EventClient,
        state: &Arc<ConnectionState>,
    ) -> Response<ReplyBody> {
        head.extensions.insert(client.peer);
        let request = Request::from_parts(head, axum::body::Body::empty());
        let router = TowerToHyperService::new(self.front.router.clone());
        match router.call(request).await {
            Ok(response) => response.map(|body| Either::Right(RoutedBody::new(body, None, state))),
            Err(never) => match never {},
        }
    }

    /// What is answered when there is no room, in the form of the AWS endpoint or of all else.
    pub(super) fn unavailable(&self, is_aws: bool, message: &str) -> Response<Full<Bytes>> {
        if !is_aws {
            return reply::plain(StatusCode::SERVICE_UNAVAILABLE, message);
        }
        let id = reply::request_id(draw(&*self.shared.entropy));
        let exception = Exception::new(Code::ServiceUnavailable, message);
        reply::failure(id, &exception, (Service::Kms, Messages::Helpful))
    }

    async fn answer_aws(
        &self,
        head: Parts,
        body: Incoming,
        (client, state): (&EventClient, &ConnectionState),
    ) -> Response<Full<Bytes>> {
        let measured = self.metrics.begin();
        let target = text(&head.headers, &TARGET);
        if target.is_none() && query::is_query(&head.headers) {
            return Box::pin(self.answer_query(&head, body, (client, state))).await;
        }
        let signed = RequestSigner::of(&head.headers, &mut client.reader.lock());
        let operation = target.and_then(Operation::from_target);
        let request_id = draw(&*self.shared.entropy);
        let known = (self.shared.principals.as_deref(), &self.shared.defaults);
        let caller = client.caller(&head.headers, signed.credential(), known);
        let events = &self.shared.events;
        let arrival = operation
            .filter(|_| events.is_on())
            .map(|operation| events.arrived(operation, Arc::clone(&caller), request_id));
        let service = decode::service(target);
        // Rule CONF-07: nothing that a request says is expected to end in this.
        // Rule WIRE-17: a defect that panics is answered with InternalFailure; the core goes on.
        let read = self.read((&head, client, &caller), (target, &signed), (body, state));
        let read = unless_it_panics(pin!(read)).await;
        let outcome = match read {
            Some(Ok((call, judged))) => {
                // The call may wait for an HSM for seconds, and the head holds 8 KiB of the connection's
                // buffer.
                drop(head);
                let carried = self.carry_out(call, judged, arrival.as_ref());
                let carried = unless_it_panics(pin!(carried)).await;
                carried.unwrap_or_else(|| Err(unexpected().into()))
            }
            Some(Err(exception)) => Err(exception.into()),
            None => Err(unexpected().into()),
        };
        let failed = outcome.as_ref().err();
        measured.end(operation, failed.map(|failed| &failed.exception));
        // Rule EV-05: what never reached its service is told too.
        if let (Some(arrival), Some(failed)) = (arrival, failed.filter(|failed| !failed.is_told)) {
            let notes = CallNotes::default();
            self.shared
                .events
                .tell(arrival, notes, Some(&failed.exception));
        }
        let id = reply::request_id(request_id);
        match outcome {
            Ok(body) => reply::success(id, body),
            Err(FailedCall { exception, .. }) => {
                log(operation, &exception);
                reply::failure(id, &exception, (service, self.shared.messages))
            }
        }
    }

    /// Reads a request whole: its body, its signature, and what it asks for.
    async fn read(
        &self,
        (head, client, caller): (&Parts, &EventClient, &EventCaller),
        (target, signed): (Option<&str>, &RequestSigner<'_>),
        (body, state): (Incoming, &ConnectionState),
    ) -> Result<(Call, Option<Judged>), Exception> {
        let body = body::read(body, state).await?;
        decode::content_type(text(&head.headers, &CONTENT_TYPE))?;
        let service = decode::service(target).signing_name();
        self.verify((head, signed), &body, service)?;
        let call = decode::call(target, &body, || caller.scope.clone())?;
        // Without declared principals, as by default, this is all that a call pays for them.
        let principals = self.shared.principals.as_ref();
        let judged = principals.filter(|_| self.shared.auth.enforces());
        let judged = judged.map(|principals| Judged {
            principal: principals.caller(signed.credential(), &self.shared.defaults),
            origin: client.origin(&head.headers),
        });
        Ok((call, judged))
    }

    /// Checks the signature, where signatures are verified.
    fn verify(
        &self,
        request: (&Parts, &RequestSigner<'_>),
        body: &[u8],
        service: &str,
    ) -> Result<(), Exception> {
        let Some(credentials) = self.shared.auth.verifies() else {
            return Ok(());
        };
        let now = self.shared.wall.now();
        let judge = (&mut *self.verifier.lock(), credentials, now);
        authenticate(request, body, service, judge)
    }

    /// Rule AUTH-35: GetCallerIdentity of STS tells who signed the request, without any permission.
    async fn answer_query(
        &self,
        head: &Parts,
        body: Incoming,
        visit: (&EventClient, &ConnectionState),
    ) -> Response<Full<Bytes>> {
        let measured = self.metrics.begin();
        let outcome = self.caller_of_query(head, body, visit).await;
        measured.end(None, outcome.as_ref().err());
        let id = reply::request_id(draw(&*self.shared.entropy));
        match outcome {
            Ok(caller) => query::identity(&id, &caller),
            Err(exception) => query::failure(&id, &exception, self.shared.messages),
        }
    }

    async fn caller_of_query(
        &self,
        head: &Parts,
        body: Incoming,
        (client, state): (&EventClient, &ConnectionState),
    ) -> Result<Arc<Principal>, Exception> {
        let body = body::read(body, state).await?;
        let signed = RequestSigner::of(&head.headers, &mut client.reader.lock());
        query::check(signed.credential(), &body)?;
        self.verify((head, &signed), &body, query::SERVICE)?;
        let none = Principals::default();
        let principals = self.shared.principals.as_deref().unwrap_or(&none);
        Ok(principals.caller(signed.credential(), &self.shared.defaults))
    }

    /// Rule WIRE-18: a call that changes something runs to its end although its client went away;
    /// one that does not is dropped with its connection.
    async fn carry_out(
        &self,
        call: Call,
        judged: Option<Judged>,
        arrival: Option<&CallArrival>,
    ) -> Result<Bytes, FailedCall> {
        if !call.input.changes_something() {
            return self.shared.told_call(call, judged, arrival).await;
        }
        let shared = Arc::clone(&self.shared);
        let arrival = arrival.cloned();
        let run = async move { shared.told_call(call, judged, arrival.as_ref()).await };
        self.shared
            .background
            .spawn(run)
            .await
            .unwrap_or_else(|_panic| Err(unexpected().into()))
    }
}

impl SharedByCores {
    /// Carries a call out and tells of it, where it runs: what was changed is told although nobody
    /// waits for the answer.
    ///
    /// Rule AUTH-32: whether `judged` may make the call is decided in this one place, before the
    /// operation begins.
    async fn told_call(
        &self,
        call: Call,
        judged: Option<Judged>,
        arrival: Option<&CallArrival>,
    ) -> Result<Bytes, FailedCall> {
        let mut notes = CallNotes::wanted(arrival.is_some());
        let permitted = judged.map_or(Ok(()), |judged| {
            let caller = (&*judged.principal, &judged.origin);
            self.services.permit(caller, &call.scope, &call.input)
        });
        let outcome = match permitted {
            Ok(()) => {
                let carried = self.services.call(&call.scope, call.input, &mut notes);
                carried.await
            }
            Err(denied) => Err(denied),
        };
        if let Some(arrival) = arrival {
            let failed = outcome.as_ref().err();
            self.events.tell(arrival.clone(), notes, failed);
        }
        outcome.map_err(|exception| FailedCall {
            exception,
            is_told: true,
        })
    }
}

/// Who makes a call and from where, when policies decide whether it may be made.
#[derive(Debug)]
struct Judged {
    principal: Arc<Principal>,
    origin: RequestOrigin,
}

/// Why a call failed, and whether that was told.
#[derive(Debug)]
struct FailedCall {
    exception: Exception,
    is_told: bool,
}

impl From<Exception> for FailedCall {
    fn from(exception: Exception) -> Self {
        Self {
            exception,
            is_told: false,
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What `future` gives; none when it panics, and then it is not polled again.
///
/// By reference: an `async fn` has room for an argument twice, and every connection would have it.
async fn unless_it_panics<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        let polled = AssertUnwindSafe(|| future.as_mut().poll(context));
        catch_unwind(polled).map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

fn unexpected() -> Exception {
    Exception::new(
        Code::InternalFailure,
        "Portcullis failed in a way it did not expect. Its log says where; please report it.",
    )
}

fn log(operation: Option<Operation>, exception: &Exception) {
    let operation = operation.map_or("-", Operation::name);
    let cause = exception.cause.as_deref().unwrap_or("-");
    // Of 503, the part that ran out of something says so once: there may be thousands of such calls.
    if exception.code.status() == 500 {
        let code = exception.code.name();
        tracing::warn!(operation, code, cause, "a call failed");
    } else {
        tracing::debug!(
            operation,
            code = exception.code.name(),
            cause,
            "a call was refused"
        );
    }
}
