//! Connections to an endpoint, by TLS or in the clear. The one place for both `loadgen` and the
//! commands of `portcullis`.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where to connect to, and which certificate to believe there.
#[derive(Clone)]
pub struct Dial {
    /// `host:port`.
    address: String,
    /// For `https://`: who it has to be, and the authorities that may say so.
    secure: Option<(ServerName<'static>, Arc<ClientConfig>)>,
}

/// What to say of a URL that cannot be called.
const EXAMPLE: &str = "http://127.0.0.1:4566";

impl Dial {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`, the latter with the file of the
    /// authorities that are believed.
    ///
    /// # Errors
    /// A text for the user.
    pub fn parse(url: &str, ca_bundle: Option<&Path>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| {
            format!("{url:?} is not a URL: {error}. Give one such as {EXAMPLE}.")
        })?;
        let scheme = uri.scheme_str();
        let (Some("http" | "https"), Some(authority), "" | "/") =
            (scheme, uri.authority(), uri.path())
        else {
            return Err(format!(
                "{url:?} is not an endpoint: it needs http:// or https://, a host and no path. Give \
                 one such as {EXAMPLE}."
            ));
        };
        let host = authority.host();
        if scheme == Some("http") {
            let port = authority.port_u16().unwrap_or(80);
            return Ok(Self {
                address: format!("{host}:{port}"),
                secure: None,
            });
        }
        let name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(name).map_err(|_no_name| {
            format!("{url:?} has no usable host. Give one such as {EXAMPLE}.")
        })?;
        let port = authority.port_u16().unwrap_or(443);
        Ok(Self {
            address: format!("{host}:{port}"),
            secure: Some((name, trust(url, ca_bundle)?)),
        })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nothing answers, or it is not who it has to be.
    pub async fn connect(&self) -> io::Result<DialStream> {
        let stream = TcpStream::connect(&self.address).await?;
        // Without it, small writes wait for the acknowledgement of the last one.
        stream.set_nodelay(true)?;
        let Some((name, config)) = &self.secure else {
            return Ok(DialStream::Plain(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), stream).await?;
        Ok(DialStream::Secure(Box::new(stream)))
    }
}

/// The authorities of a file, as clients of AWS take them by `AWS_CA_BUNDLE`.
///
/// Rule LG-13: without them there is no telling who answers, so nothing is sent.
fn trust(url: &str, ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let Some(path) = ca_bundle else {
        return Err(format!(
            "{url} needs the certificates of authorities that are believed. Name their file with \
             --ca-bundle or AWS_CA_BUNDLE: the one that `portcullis up --tls` prints, or that of the \
             system, often /etc/ssl/certs/ca-certificates.crt."
        ));
    };
    let unusable = |why: &dyn fmt::Display| {
        let path = path.display();
        format!("The CA bundle {path} cannot be used: {why}. Check --ca-bundle and AWS_CA_BUNDLE.")
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    // Bundles of systems have some that no one reads any more.
    let (believed, _passed_over) = roots.add_parsable_certificates(certificates);
    if believed == 0 {
        return Err(unusable(&"it holds no certificate in PEM"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// By hand: the configuration of TLS is long and says nothing here.
impl fmt::Debug for Dial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure.is_some() {
            "https"
        } else {
            "http"
        };
        write!(formatter, "Dial({scheme}://{})", self.address)
    }
}

/// An open connection.
#[derive(Debug)]
pub enum DialStream {
    /// In the clear.
    Plain(TcpStream),
    /// By TLS. Boxed: it is some kilobytes larger than the other.
    Secure(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for DialStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for DialStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_called_is_refused_with_the_form_that_can() {
        for url in [
            "",
            "127.0.0.1:4566",
            "http://",
            "ftp://x",
            "http://host/path",
            "https://host/path",
            "a b",
        ] {
            let error = Dial::parse(url, None).unwrap_err();
            assert!(error.contains(EXAMPLE), "{url}: {error}");
        }
        for (url, address) in [
            ("http://localhost/", "localhost:80"),
            ("http://[::1]:4566", "[::1]:4566"),
        ] {
            assert_eq!(Dial::parse(url, None).unwrap().address(), address);
        }
    }

    /// Rule LG-13.
    #[test]
    fn https_needs_authorities_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bundle");
        let missing = Dial::parse("https://127.0.0.1:4566", None).unwrap_err();
        assert!(missing.contains("AWS_CA_BUNDLE"), "{missing}");
        let absent = Dial::parse("https://127.0.0.1", Some(&file)).unwrap_err();
        assert!(absent.contains("cannot be used"), "{absent}");
        std::fs::write(&file, "no certificate").unwrap();
        let empty = Dial::parse("https://127.0.0.1", Some(&file)).unwrap_err();
        assert!(empty.contains("no certificate"), "{empty}");
    }
}
