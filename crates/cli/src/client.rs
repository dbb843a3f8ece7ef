//! A small HTTP client for the admin API of a running Portcullis.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use portcullis_admin::{Call, Place, Reply, body, target};
use portcullis_loadgen::{Access, Dial, print};
use serde::Serialize;

/// A reply of the admin API is a page of text, never more.
const REPLY_BYTES_MAX: usize = 4 << 20;

/// A snapshot: some 2 KiB a key, and the backups.
const DOWNLOAD_BYTES_MAX: usize = 1 << 30;

/// The admin API answers at memory speed; ten seconds mean that something hangs.
const DEADLINE: Duration = Duration::from_secs(10);
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct ClientError(pub(crate) String);

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

/// A running Portcullis.
#[derive(Debug, Clone)]
pub(crate) struct AdminClient {
    dial: Dial,
    url: String,
    /// The admin token, if there is one.
    authorization: Option<HeaderValue>,
}

impl AdminClient {
    /// The client of the admin API. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`AdminClient::new`], and when the admin token cannot be read.
    pub(crate) fn of(access: &Access) -> Result<Self, ClientError> {
        Ok(Self {
            authorization: access.authorization().map_err(ClientError)?,
            ..Self::new(access.admin(), access.ca_bundle())?
        })
    }

    /// The client of the Portcullis at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// When `url` cannot be called.
    pub(crate) fn new(url: &str, ca_bundle: Option<&Path>) -> Result<Self, ClientError> {
        Ok(Self {
            dial: Dial::parse(url, ca_bundle).map_err(ClientError)?,
            url: url.to_owned(),
            authorization: None,
        })
    }

    /// The host and the port.
    pub(crate) fn authority(&self) -> &str {
        self.dial.address()
    }

    /// Makes the call `C` about `place`, with `parameters` in its path.
    pub(crate) async fn call<C: Call>(
        &self,
        parameters: &[&str],
        place: &Place,
        request: &C::Request,
    ) -> Result<Reply<C::Reply>, ClientError> {
        let limits = (REPLY_BYTES_MAX, DEADLINE);
        let (status, bytes) = self.send::<C>(parameters, place, request, limits).await?;
        match Reply::read::<C>(&bytes) {
            Ok(Reply::Unreached(why)) => Err(ClientError(format!("{} answered: {why}", self.url))),
            Ok(reply) => Ok(reply),
            Err(_not_ours) => Err(self.foreign(status)),
        }
    }

    /// Makes a call that names nothing but itself; a refusal is an error.
    pub(crate) async fn get<C: Call<Request = ()>>(&self) -> Result<C::Reply, ClientError> {
        let reply = self.call::<C>(&[], &Place::default(), &()).await?;
        reply.into_result().map_err(ClientError)
    }

    /// Makes a call that gives something else than JSON.
    pub(crate) async fn download<C: Call>(
        &self,
        request: &C::Request,
    ) -> Result<Vec<u8>, ClientError> {
        let limits = (DOWNLOAD_BYTES_MAX, DOWNLOAD_DEADLINE);
        let here = Place::default();
        let (status, bytes) = self.send::<C>(&[], &here, request, limits).await?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        let refused = Reply::read::<C>(&bytes).map(Reply::into_result);
        match refused {
            Ok(Err(why)) => Err(ClientError(why)),
            Ok(Ok(_)) | Err(_) => Err(self.foreign(status)),
        }
    }

    fn foreign(&self, status: StatusCode) -> ClientError {
        ClientError(format!(
            "{} answered {status} with something that is not Portcullis's. Is the endpoint right?",
            self.url
        ))
    }

    async fn send<C: Call>(
        &self,
        parameters: &[&str],
        place: &Place,
        request: &C::Request,
        (bytes_max, deadline): (usize, Duration),
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let body = body::<C>(request)
            .map_err(|error| ClientError(format!("The request cannot be written: {error}.")))?;
        let method = match C::ROUTE.method {
            portcullis_admin::Method::GET => Method::GET,
            portcullis_admin::Method::POST => Method::POST,
            portcullis_admin::Method::DELETE => Method::DELETE,
        };
        let target = target::<C>(parameters, place);
        let exchange = self.exchange(method, &target, body.into(), bytes_max);
        tokio::time::timeout(deadline, exchange)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(ClientError(format!(
                    "{} did not answer within {} seconds.",
                    self.url,
                    deadline.as_secs()
                )))
            })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = self.dial.connect().await.map_err(|error| {
            let url = &self.url;
            ClientError(if error.kind() == io::ErrorKind::InvalidData {
                let repair = not_believed(&error);
                format!("What answers at {url} is not believed ({error}). {repair}")
            } else {
                format!(
                    "Nothing answers at {url} ({error}). Start it with `portcullis up`, or name \
                     another endpoint with --endpoint."
                )
            })
        })?;
        let broken = |error: hyper::Error| {
            ClientError(format!(
                "The exchange with {} broke off: {error}.",
                self.url
            ))
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ClientError(format!("{path:?} is not a path: {error}.")))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), bytes_max)
            .collect()
            .await
            .map_err(|error| ClientError(format!("{} sent no whole reply: {error}.", self.url)))?
            .to_bytes();
        driver.abort();
        Ok((status, bytes))
    }
}

/// Prints what came of a call; a refusal goes to stderr, with exit code 1.
pub(crate) fn print_data(reply: Reply<impl Serialize>) -> ExitCode {
    match reply.into_result() {
        Ok(data) => {
            print::sorted_json(&data);
            ExitCode::SUCCESS
        }
        Err(why) => {
            print::note(&why);
            ExitCode::FAILURE
        }
    }
}

/// What can be done about a certificate that is not believed.
fn not_believed(error: &io::Error) -> &'static str {
    // rustls tells apart what it says no of by text only.
    if error.to_string().contains("CaUsedAsEndEntity") {
        "It presents the certificate of an authority, as `openssl req -x509` makes it: make one for a \
         server, with -addext basicConstraints=critical,CA:FALSE."
    } else {
        "Check --ca-bundle and AWS_CA_BUNDLE, and that the endpoint speaks TLS."
    }
}

#[cfg(test)]
mod tests {
    use portcullis_admin::GetStatus;

    use super::*;

    #[tokio::test]
    async fn an_endpoint_where_nothing_listens_says_how_to_start_one() {
        let client = AdminClient::new("http://127.0.0.1:1", None).unwrap();
        let error = client.get::<GetStatus>().await.unwrap_err().to_string();
        assert!(error.contains("portcullis up"), "{error}");
    }
}
