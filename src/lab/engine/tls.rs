//! TLS on the data port: what comes in is deciphered and handed on over a second socket, where plain RESP is spoken.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server with this certificate and key needs; `None` when they are not what they should be.
pub(super) fn config(certificate: &str, key: &str) -> Option<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(chain.ok()?, key)
        .ok()?;
    Some(Arc::new(config))
}

/// Shakes hands with a client; what it gives back is the plain side of the connection.
///
/// # Errors
/// When the client speaks no TLS, does not trust the certificate, or goes away.
pub(super) async fn accept(
    config: Arc<ServerConfig>,
    mut outer: TcpStream,
) -> io::Result<TcpStream> {
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        send(&mut tls, &mut outer).await?;
        if !tls.is_handshaking() {
            break;
        }
        take(&mut tls, &mut outer).await?;
    }
    send(&mut tls, &mut outer).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let inner = TcpStream::connect(listener.local_addr()?).await?;
    let (plain, _) = listener.accept().await?;
    inner.set_nodelay(true)?;
    plain.set_nodelay(true)?;
    tokio::spawn(async move {
        // Either side going away ends the other.
        let _ = relay(tls, outer, inner).await;
    });
    Ok(plain)
}

/// Hands bytes on in both directions until one side closes.
async fn relay(
    mut tls: ServerConnection,
    mut outer: TcpStream,
    mut inner: TcpStream,
) -> io::Result<()> {
    let mut chunk = [0_u8; 16 << 10];
    let mut plain = vec![];
    loop {
        plain.clear();
        match tls.reader().read_to_end(&mut plain) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        inner.write_all(&plain).await?;
        send(&mut tls, &mut outer).await?;
        tokio::select! {
            taken = take(&mut tls, &mut outer) => taken?,
            count = inner.read(&mut chunk) => match count? {
                0 => {
                    tls.send_close_notify();
                    return send(&mut tls, &mut outer).await;
                }
                count => tls.writer().write_all(chunk.get(..count).unwrap_or_default())?,
            },
        }
    }
}

/// Reads what the client has sent and deciphers it.
async fn take(tls: &mut ServerConnection, outer: &mut TcpStream) -> io::Result<()> {
    outer.readable().await?;
    let mut chunk = [0_u8; 16 << 10];
    let count = match outer.try_read(&mut chunk) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = chunk.get(..count).unwrap_or_default();
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        if let Err(error) = tls.process_new_packets() {
            // The alert that says why goes out before the end.
            send(tls, outer).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
    }
    Ok(())
}

/// Sends what is enciphered so far.
async fn send(tls: &mut ServerConnection, outer: &mut TcpStream) -> io::Result<()> {
    let mut wire = vec![];
    while tls.wants_write() {
        tls.write_tls(&mut wire)?;
    }
    outer.write_all(&wire).await
}
