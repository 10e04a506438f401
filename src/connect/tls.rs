//! TLS to a data port through a port-forward. What the server shows is verified against a certificate authority that the
//! reader names in the settings; without one it is accepted and said to be unverified: the authority of the instance is in
//! a Secret, which nobody reads here.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate;
use crate::domain::data_port::Certificate;
use crate::domain::{Fault, FaultKind};

/// Shakes hands as a client that knows the server by that name.
///
/// # Errors
/// When TLS fails, or the certificate is not what the authority vouches for; what was shown is told all the same.
pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: &str,
    authority: Option<&Path>,
) -> (Result<TlsStream<S>, Fault>, Option<Certificate>) {
    let (verifier, config) = match configured(authority) {
        Ok(made) => made,
        Err(fault) => return (Err(fault), None),
    };
    let name = match ServerName::try_from(name.to_owned()) {
        Ok(name) => name,
        Err(_) => {
            let fault = Fault::new(FaultKind::Unusable, format!("{name} is no name for TLS"));
            return (Err(fault), None);
        }
    };
    let shaken = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let shown = verifier.shown();
    (shaken.map_err(|error| of_tls(&error)), shown)
}

fn of_tls(error: &std::io::Error) -> Fault {
    let text = error.to_string();
    let low = text.to_lowercase();
    let message = if low.contains("invalidcontenttype") || low.contains("corrupt message") {
        "it does not speak TLS, and the Dragonfly object says it should"
    } else if low.contains("certificaterequired") || low.contains("certificate required") {
        "the server wants a certificate of the client, and none is configured"
    } else if low.contains("invalid peer certificate") {
        "the certificate is not one that the authority of the settings vouches for"
    } else if low.contains("eof") {
        "the connection was closed within the handshake"
    } else {
        "TLS failed"
    };
    Fault::new(FaultKind::Refused, message).with_detail(text)
}

fn configured(authority: Option<&Path>) -> Result<(Arc<Verifier>, ClientConfig), Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |what: &dyn std::fmt::Display| {
        let file = authority
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        Fault::new(FaultKind::Unusable, format!("ca-file {file}: {what}"))
    };
    let mut pinned = Vec::new();
    let trusted = match authority {
        None => None,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| unusable(&e))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| unusable(&e))?;
                pinned.push(certificate.clone());
                roots.add(certificate).map_err(|e| unusable(&e))?;
            }
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build();
            Some(built.map_err(|e| unusable(&e))?)
        }
    };
    let verifier = Arc::new(Verifier {
        trusted,
        pinned,
        provider: provider.clone(),
        shown: Mutex::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    Ok((verifier, config))
}

/// Remembers what was shown, and verifies it only where there is something to verify it by.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates of the file, for servers whose certificate is signed by itself: such a one is no authority, but it is
    /// known.
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<Certificate>>,
}

impl Verifier {
    fn shown(&self) -> Option<Certificate> {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.trusted.as_ref().map(|trusted| {
            trusted.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
        });
        let (subject, not_after) = certificate::read(end_entity);
        let is_over = not_after.is_some_and(|at| at.as_second().unsigned_abs() < now.as_secs());
        let is_known = self.pinned.iter().any(|known| known == end_entity);
        let verdict = match verdict {
            Some(Err(_)) if is_known && !is_over => Some(Ok(ServerCertVerified::assertion())),
            verdict => verdict,
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Certificate {
            subject: subject.unwrap_or_else(|| "nobody in particular".to_owned()),
            not_after,
            is_verified: matches!(verdict, Some(Ok(_))),
        });
        verdict.unwrap_or_else(|| Ok(ServerCertVerified::assertion()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
