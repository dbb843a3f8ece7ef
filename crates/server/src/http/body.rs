use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use portcullis_api::{Code, Exception};

use crate::config::Limits;

/// How many times the permitted size is read and thrown away before the answer, so that a client
/// that sends first and reads later sees the answer instead of a reset connection.
const DISCARD_FACTOR: usize = 16;

/// Reads a body to its end. A body that arrives in one piece, as nearly all do, is not copied.
///
/// Rule WIRE-03: a body above 1 MiB is answered with RequestEntityTooLargeException.
pub(crate) async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, Exception> {
    match tokio::time::timeout(limits.body_timeout, collect(body, limits.body_bytes_max)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Exception::new(
            Code::Serialization,
            format!(
                "The body did not arrive within {} seconds. Send it again.",
                limits.body_timeout.as_secs()
            ),
        )),
    }
}

async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Exception> {
    if body.size_hint().lower() > (bytes_max * DISCARD_FACTOR) as u64 {
        return Err(too_large(bytes_max));
    }
    let first = next(&mut body).await?.unwrap_or_default();
    if body.is_end_stream() {
        return if first.len() > bytes_max {
            Err(too_large(bytes_max))
        } else {
            Ok(first)
        };
    }
    let mut whole = BytesMut::from(first);
    let mut length = whole.len();
    while let Some(data) = next(&mut body).await? {
        length += data.len();
        if length > bytes_max * DISCARD_FACTOR {
            break;
        }
        if length <= bytes_max {
            whole.extend_from_slice(&data);
        }
    }
    if length > bytes_max {
        Err(too_large(bytes_max))
    } else {
        Ok(whole.freeze())
    }
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Exception> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Exception::new(
                Code::Serialization,
                "The body broke off. Send the request again.",
            )
            .because(error)
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn too_large(bytes_max: usize) -> Exception {
    Exception::new(
        Code::RequestEntityTooLarge,
        format!("The body has more than {bytes_max} bytes, the most that is read. Send less."),
    )
}
