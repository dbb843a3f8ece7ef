//! A small client for many calls in little time: HTTP/1.1 on a kept connection, unsigned.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// Acknowledged, with this.
    Done(Value),
    /// Refused, with this.
    Refused(Value),
    /// The connection broke: it may or may not have been carried out.
    Lost,
}

/// One connection at a time to one endpoint.
#[derive(Debug)]
pub struct Caller {
    authority: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Caller {
    /// Calls `host:port`. Nothing is sent yet.
    #[must_use]
    pub fn new(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            stream: None,
        }
    }

    /// Calls a KMS operation.
    pub fn kms(&mut self, operation: &str, body: &Value) -> Outcome {
        match self.exchange(&format!("TrentService.{operation}"), &body.to_string()) {
            Ok((true, value)) => Outcome::Done(value),
            Ok((false, value)) => Outcome::Refused(value),
            Err(_broken) => {
                self.stream = None;
                Outcome::Lost
            }
        }
    }

    fn exchange(&mut self, target: &str, body: &str) -> std::io::Result<(bool, Value)> {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: {target}\r\ncontent-type: \
             application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
            self.authority,
            body.len()
        );
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let fresh = TcpStream::connect(&self.authority)?;
                fresh.set_nodelay(true)?;
                fresh.set_read_timeout(Some(Duration::from_secs(30)))?;
                none.insert(BufReader::new(fresh))
            }
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let status = line(stream)?;
        let mut length = 0;
        loop {
            let header = line(stream)?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body)?
        };
        Ok((status.contains(" 200 "), value))
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
