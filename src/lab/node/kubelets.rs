//! The kubelets' own port, over TLS, at the address of each machine.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::lab::api::kubelet::Port;
use crate::lab::kubelet::Machines;
use crate::lab::tasks::Tasks;

/// Where a kubelet listens.
pub(super) const PORT: u16 = 10250;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shown where no other certificate is given; an API server that asks for none takes any.
const CERTIFICATE: &[u8] = include_bytes!("../scenario/secure.crt");
const KEY: &[u8] = include_bytes!("../scenario/secure.key");

/// What the kubelets show, and whom they believe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// Certificate and key, files in PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who signs the certificates of clients; without, everybody is believed.
    pub client_ca: Option<PathBuf>,
}

impl Serving {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let (certificate, key, named) = match &self.certificate {
            Some((certificate, key)) => (
                read(certificate)?,
                read(key)?,
                certificate.display().to_string(),
            ),
            None => (CERTIFICATE.to_vec(), KEY.to_vec(), "certificate".to_owned()),
        };
        let wrong = |name: &str, error: &dyn std::fmt::Display| format!("{name}: {error}");
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
        let chain = chain.map_err(|error| wrong(&named, &error))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong(&named, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let name = path.display().to_string();
                let mut roots = RootCertStore::empty();
                for root in CertificateDer::pem_slice_iter(&read(path)?) {
                    let root = root.map_err(|error| wrong(&name, &error))?;
                    roots.add(root).map_err(|error| wrong(&name, &error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                config.with_client_cert_verifier(verifier.map_err(|error| wrong(&name, &error))?)
            }
        };
        let config = config
            .with_single_cert(chain, key)
            .map_err(|error| wrong(&named, &error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Opens the port of one machine and answers there.
///
/// # Errors
/// When the port cannot be opened.
pub(super) async fn serve(
    tasks: &Tasks,
    (node, address): (String, Ipv4Addr),
    acceptor: TlsAcceptor,
    port: Port,
    machines: Machines,
) -> io::Result<()> {
    let listener = TcpListener::bind((address, PORT)).await?;
    let own = tasks.clone();
    tasks.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: the next attempt may succeed.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let (acceptor, port, node) = (acceptor.clone(), port.clone(), node.clone());
            let machines = machines.clone();
            own.spawn(async move {
                // A machine that is lost says nothing at all.
                machines.found(&node).await;
                let _ = stream.set_nodelay(true);
                let shaken = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
                // Who is not believed, or speaks no TLS, has been told by an alert.
                if let Ok(Ok(stream)) = shaken {
                    port.serve(node, stream).await;
                }
            });
        }
    });
    Ok(())
}
