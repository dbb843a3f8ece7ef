use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use portcullis_admin::{Call, Place, Reply, body, target};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    ApiConnection, AwsService, Broken, CallEndpoints, Endpoint, HttpAnswer, KeyStore, KeyStores,
    ListPage, Prepared, SigningCaller, exception_name,
};
use crate::failure::Unusable;

/// Why a control-plane call failed.
#[derive(Debug)]
pub(crate) struct CallError {
    /// What was called.
    call: String,
    /// The exception's name, or a name of [`Broken`].
    pub(crate) name: String,
    message: String,
    /// Whether nothing answered, or something that is no KMS.
    unreachable: bool,
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed with {}", self.call, self.name)?;
        match self.message.trim_end_matches('.') {
            "" => formatter.write_str("."),
            message => write!(formatter, ": {message}."),
        }
    }
}

impl CallError {
    fn broken(call: &str, broken: Broken) -> Self {
        Self {
            call: call.to_owned(),
            name: broken.name().to_owned(),
            message: String::new(),
            unreachable: true,
        }
    }

    /// What to tell a user whose run cannot start because of this.
    pub(crate) fn unusable(&self, endpoint: &Endpoint) -> Unusable {
        if self.unreachable {
            return endpoint.unreachable(&self.to_string());
        }
        Unusable(format!(
            "{self} Check --endpoint, --region, --key-id and the credentials."
        ))
    }

    /// Whether the same question may be answered in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        self.unreachable
            || matches!(
                self.name.as_str(),
                "ThrottlingException" | "KMSInternalException"
            )
    }
}

/// The control plane over a connection of its own, so that it never queues behind the load.
#[derive(Debug)]
pub(crate) struct ControlClient {
    line: ApiConnection,
    /// To the admin API of a Portcullis.
    admin: ApiConnection,
    authorization: Option<HeaderValue>,
    caller: Rc<SigningCaller>,
}

/// Control-plane calls may start HSMs; a minute means that something hangs.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(60);

/// As often as the AWS SDKs try, in their standard mode.
const TRIES: u32 = 3;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Pages that are read of a list; with pages of 100 to 1,000 entries this ends every listing.
const PAGES_MAX: usize = 100;

impl ControlClient {
    pub(crate) fn new(places: CallEndpoints, caller: Rc<SigningCaller>) -> Self {
        Self {
            line: ApiConnection::new(places.endpoint, CONTROL_TIMEOUT),
            admin: ApiConnection::new(places.admin, CONTROL_TIMEOUT),
            authorization: places.authorization,
            caller,
        }
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        self.line.endpoint()
    }

    /// Calls `operation` of KMS.
    pub(crate) async fn kms<T: DeserializeOwned>(
        &mut self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<T, CallError> {
        self.call(AwsService::Kms, operation, input).await
    }

    /// Calls `operation` of CloudHSM.
    pub(crate) async fn cloudhsm<T: DeserializeOwned>(
        &mut self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<T, CallError> {
        self.call(AwsService::CloudHsm, operation, input).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        service: AwsService,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<T, CallError> {
        let prefix = match service {
            AwsService::Kms => "TrentService",
            AwsService::CloudHsm => "BaldrApiService",
        };
        let body = Bytes::from(serde_json::to_vec(input).map_err(|invalid| {
            not_understood(
                operation,
                &format!("the request cannot be written: {invalid}"),
            )
        })?);
        let request = self
            .caller
            .call(service, &format!("{prefix}.{operation}"), body);
        let answer = self.line.exchange(request).await;
        read_answer(operation, answer)
    }

    /// Sends one call of the load, outside the measurement.
    pub(crate) async fn send(&mut self, prepared: &Prepared) -> Result<Bytes, CallError> {
        let call = prepared.operation.name();
        let answer = self.line.exchange(prepared.call(&self.caller)).await;
        let answer = answer.map_err(|broken| CallError::broken(call, broken))?;
        if answer.status == StatusCode::OK {
            Ok(answer.body)
        } else {
            Err(refused(call, &answer))
        }
    }

    /// As [`Self::send`], and again when the failure may have passed.
    pub(crate) async fn send_patiently(&mut self, prepared: &Prepared) -> Result<Bytes, CallError> {
        for _ in 1..TRIES {
            match self.send(prepared).await {
                Err(error) if error.is_passing() => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                done => return done,
            }
        }
        self.send(prepared).await
    }

    /// Makes the call `C` of the admin API of a Portcullis.
    pub(crate) async fn admin<C: Call>(
        &mut self,
        parameters: &[&str],
        place: &Place,
        request: &C::Request,
    ) -> Result<C::Reply, CallError> {
        let name = C::ROUTE.name;
        let error = |why: &str, message: String| CallError {
            call: name.to_owned(),
            name: why.to_owned(),
            message,
            unreachable: false,
        };
        let target = target::<C>(parameters, place);
        let target = target.parse::<Uri>();
        let target =
            target.map_err(|invalid| error("a name that fits no path", invalid.to_string()))?;
        let body = body::<C>(request);
        let body =
            body.map_err(|invalid| error("a request that is no JSON", invalid.to_string()))?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = match C::ROUTE.method {
            portcullis_admin::Method::GET => Method::GET,
            portcullis_admin::Method::POST => Method::POST,
            portcullis_admin::Method::DELETE => Method::DELETE,
        };
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(HOST, self.admin.endpoint().host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.admin.exchange(request).await;
        let answer = answer.map_err(|broken| CallError::broken(name, broken))?;
        let reply = Reply::read::<C>(&answer.body).map_err(|invalid| {
            not_understood(name, &format!("status {}, {invalid}", answer.status))
        })?;
        let done = reply.into_result();
        done.map_err(|why| error("an error of the cluster", why))
    }

    /// All entries of a list, at most [`PAGES_MAX`] pages.
    pub(crate) async fn list<P: ListPage>(&mut self) -> Result<Vec<P::Entry>, CallError> {
        let mut entries = Vec::new();
        let mut input = json!({});
        for _ in 0..PAGES_MAX {
            let page: P = self.call(P::SERVICE, P::OPERATION, &input).await?;
            let (found, next) = page.split();
            entries.extend(found);
            match next {
                Some(marker) => input = json!({ P::MARKER: marker }),
                None => break,
            }
        }
        Ok(entries)
    }

    pub(crate) async fn key_store(&mut self, id: &str) -> Result<KeyStore, CallError> {
        let input = json!({ "CustomKeyStoreId": id });
        let page: KeyStores = self.kms(KeyStores::OPERATION, &input).await?;
        let found = page.split().0.into_iter().next();
        found.ok_or_else(|| not_understood(KeyStores::OPERATION, "no entry in the answer"))
    }
}

fn read_answer<T: DeserializeOwned>(
    call: &str,
    answer: Result<HttpAnswer, Broken>,
) -> Result<T, CallError> {
    let answer = answer.map_err(|broken| CallError::broken(call, broken))?;
    if answer.status != StatusCode::OK {
        return Err(refused(call, &answer));
    }
    let body = if answer.body.is_empty() {
        b"{}"
    } else {
        &answer.body[..]
    };
    serde_json::from_slice(body)
        .map_err(|error| not_understood(call, &format!("the answer cannot be read: {error}")))
}

fn refused(call: &str, answer: &HttpAnswer) -> CallError {
    match exception_name(&answer.body) {
        Some((name, message)) => CallError {
            call: call.to_owned(),
            name,
            message,
            unreachable: false,
        },
        None => not_understood(call, &format!("status {} and no exception", answer.status)),
    }
}

fn not_understood(call: &str, why: &str) -> CallError {
    CallError {
        call: call.to_owned(),
        name: "an answer that no KMS gives".to_owned(),
        message: why.to_owned(),
        unreachable: true,
    }
}
