use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::Endpoint;

/// What came back.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection could not be opened.
    Refused,
    /// What answers speaks no TLS, or is not who it has to be.
    Untrusted,
    /// It ended before the answer was whole.
    Lost,
    /// The answer took longer than the timeout.
    Late,
}

impl Broken {
    /// The name under which it is counted, beside the names of exceptions.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "ClientConnectionRefused",
            Self::Untrusted => "ClientTlsFailure",
            Self::Lost => "ClientConnectionLost",
            Self::Late => "ClientTimeout",
        }
    }
}

/// The largest answer that is read: a thousand key store entries with their certificates.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A connection that opens itself again after it broke. One call at a time.
#[derive(Debug)]
pub(crate) struct ApiConnection {
    endpoint: Endpoint,
    timeout: Duration,
    open: Option<OpenConnection>,
}

#[derive(Debug)]
struct OpenConnection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl ApiConnection {
    /// A line to `endpoint`. Nothing is connected yet.
    pub(crate) const fn new(endpoint: Endpoint, timeout: Duration) -> Self {
        Self {
            endpoint,
            timeout,
            open: None,
        }
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends `request` and reads the whole answer.
    ///
    /// A call is sent once: after [`Broken::Lost`] and [`Broken::Late`] it is unknown whether it
    /// was carried out.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<HttpAnswer, Broken> {
        // A call that is dropped half-way leaves no connection that a late answer could confuse.
        let open = self.open.take();
        let exchange = exchange(open, &self.endpoint, request);
        let (open, answer) = tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_elapsed| Broken::Late)??;
        self.open = Some(open);
        Ok(answer)
    }
}

async fn exchange(
    open: Option<OpenConnection>,
    endpoint: &Endpoint,
    request: Request<Full<Bytes>>,
) -> Result<(OpenConnection, HttpAnswer), Broken> {
    let mut open = match open {
        Some(open) => open,
        None => OpenConnection::to(endpoint).await?,
    };
    // A server may close a connection between two calls.
    if open.sender.ready().await.is_err() {
        open = OpenConnection::to(endpoint).await?;
    }
    let response = open
        .sender
        .send_request(request)
        .await
        .map_err(|_error| Broken::Lost)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|_error| Broken::Lost)?
        .to_bytes();
    Ok((open, HttpAnswer { status, body }))
}

impl OpenConnection {
    async fn to(endpoint: &Endpoint) -> Result<Self, Broken> {
        let stream = endpoint.dial.connect().await.map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                Broken::Untrusted
            } else {
                Broken::Refused
            }
        })?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_error| Broken::Lost)?;
        let driver = tokio::task::spawn_local(async move {
            // An error of the connection reaches the caller through the call that meets it.
            drop(connection.await);
        });
        Ok(Self { sender, driver })
    }
}
