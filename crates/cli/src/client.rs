//! A small HTTP client for the admin API of a running Portcullis.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use portcullis_loadgen::{Access, Dial};
use serde_json::Value;

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
pub(crate) struct Client {
    dial: Dial,
    url: String,
    /// The admin token, if there is one.
    authorization: Option<HeaderValue>,
}

impl Client {
    /// The client of the admin API. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`Client::new`], and when the admin token cannot be read.
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

    /// GETs `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(Method::GET, path, Bytes::new()).await
    }

    /// POSTs `body` to `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(Method::POST, path, Bytes::from(body.to_string()))
            .await
    }

    /// DELETEs what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.json(Method::DELETE, path, Bytes::new()).await
    }

    /// POSTs to `path` and gives the bytes of the reply.
    pub(crate) async fn download(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let limits = (DOWNLOAD_BYTES_MAX, DOWNLOAD_DEADLINE);
        let (status, bytes) = self
            .send(Method::POST, path, Bytes::from_static(b"{}"), limits)
            .await?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        let reply = self.read(status, &bytes)?;
        let why = reply.get("data").or_else(|| reply.get("message"));
        Err(ClientError(
            why.and_then(Value::as_str)
                .map_or_else(|| reply.to_string(), str::to_owned),
        ))
    }

    async fn json(&self, method: Method, path: &str, body: Bytes) -> Result<Value, ClientError> {
        let (status, bytes) = self
            .send(method, path, body, (REPLY_BYTES_MAX, DEADLINE))
            .await?;
        let reply = self.read(status, &bytes)?;
        // A verb that is refused answers in the form of the CloudHSM CLI; what never came to one has
        // a message.
        let message = reply.get("message").and_then(Value::as_str);
        match message.filter(|_| status.is_client_error()) {
            Some(message) => Err(ClientError(format!("{} answered: {message}", self.url))),
            None => Ok(reply),
        }
    }

    fn read(&self, status: StatusCode, bytes: &[u8]) -> Result<Value, ClientError> {
        serde_json::from_slice(bytes).map_err(|_not_json| {
            ClientError(format!(
                "{} answered {status} with something that is not Portcullis's. Is the endpoint \
                 right?",
                self.url
            ))
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        (bytes_max, deadline): (usize, Duration),
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let exchange = self.exchange(method, path, body, bytes_max);
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
    use super::*;

    #[tokio::test]
    async fn an_endpoint_where_nothing_listens_says_how_to_start_one() {
        let client = Client::new("http://127.0.0.1:1", None).unwrap();
        let error = client.get("/").await.unwrap_err().to_string();
        assert!(error.contains("portcullis up"), "{error}");
    }
}
