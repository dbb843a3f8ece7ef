use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// One listening socket for each core, all on one port; the kernel spreads connections over them.
///
/// # Errors
/// When the address cannot be bound, for example because something else listens there.
pub(crate) fn bind(address: SocketAddr, cores: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        // Sockets with SO_REUSEPORT would silently share the port with another Portcullis of the
        // same user. A socket without it finds out.
        drop(TcpListener::bind(address)?);
    }
    let first = bind_one(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..cores.get() {
        listeners.push(bind_one(address)?);
    }
    Ok(listeners)
}

/// Bytes that the kernel takes of a reply before a connection waits; it books twice as many. The
/// connections that there may be hold a gigabyte of the kernel's memory at most so, where the kernel
/// by itself would give each four megabytes. Connections inherit it from the socket they come from.
const SEND_BUFFER_BYTES: usize = 64 << 10;

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_PORT: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn several_cores_share_one_port() {
        let listeners = bind(ANY_PORT, NonZeroUsize::new(3).unwrap()).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert!(
            listeners
                .iter()
                .all(|other| other.local_addr().unwrap() == address)
        );
        assert_eq!(listeners.len(), 3);
    }

    #[test]
    fn a_port_that_is_taken_is_not_shared_with_a_second_server() {
        let listeners = bind(ANY_PORT, NonZeroUsize::MIN).unwrap();
        let taken = listeners[0].local_addr().unwrap();
        let refused = bind(taken, NonZeroUsize::MIN).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
