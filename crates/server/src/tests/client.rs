//! A small HTTP client.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use portcullis_seam::{SystemClock, WallClock};
use portcullis_sigv4::{Date, Signer};
use tokio::net::TcpStream;

pub(super) struct EventClient {
    sender: SendRequest<Full<Bytes>>,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: http::HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let code = body["__type"].as_str().unwrap_or_default().to_owned();
        assert_eq!(self.header("x-amzn-errortype"), code, "{self:?}");
        code
    }
}

impl EventClient {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub(super) async fn call(&mut self, target: &str, body: &str) -> Reply {
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
        ];
        self.send("POST", "/", &headers, Bytes::from(body.to_owned()))
            .await
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path);
        let host = headers.iter().find(|(name, _)| *name == "host");
        let added = host.is_none().then_some(&("host", "localhost"));
        for (name, value) in headers.iter().chain(added) {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) async fn signed(
        &mut self,
        signer: &Signer,
        body: &'static [u8],
        sent: &'static [u8],
    ) -> Reply {
        let now = Date::from_unix_seconds(SystemClock.now().millis() / 1000);
        let date = now.to_string();
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "localhost"),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", "TrentService.ListKeys"),
        ];
        let request = portcullis_sigv4::Request {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers[..],
            body,
        };
        let authorization = signer.sign(&request, now);
        headers.retain(|(name, _)| *name != "host");
        headers.push(("authorization", &authorization));
        self.send("POST", "/", &headers, Bytes::from_static(sent))
            .await
    }
}
