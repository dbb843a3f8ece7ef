//! The handshake of TLS in front of a connection.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::TlsIdentity;

/// How long a client may take for its handshake: a round trip or two. Meanwhile it has a place among
/// the connections like one that sends its first head.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Shakes hands.
///
/// Rule TLS-03: within ten seconds, or the connection is closed.
///
/// # Errors
/// When the client does not, or not in time.
pub(super) async fn accept(
    stream: TcpStream,
    identity: &TlsIdentity,
) -> io::Result<TlsStream<TcpStream>> {
    let handshake = identity.acceptor().accept(stream);
    tokio::time::timeout(HANDSHAKE_WITHIN, handshake)
        .await
        .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}
