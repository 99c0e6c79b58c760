//! Who signs a server's certificate: the file that says so, and what a connection failed for.

use async_nats::ConnectError;
use async_nats::rustls::pki_types::CertificateDer;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::{CertificateError, Error, RootCertStore};
use std::io;
use std::path::Path;

/// Whether this is a file of certificates (PEM).
///
/// # Errors
/// Says what is wrong with it: the client would take one with none in it, and trust nobody.
pub(super) async fn check(ca: &Path) -> Result<(), String> {
    let file = ca.display();
    let read = tokio::fs::read(ca).await.map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read) {
        let certificate = certificate.map_err(|error| format!("{file} is no PEM: {error}"))?;
        let added = trusted.add(certificate);
        added.map_err(|error| format!("{file} holds what is no certificate: {error}"))?;
    }
    match trusted.is_empty() {
        true => Err(format!("{file} holds no certificate in PEM")),
        false => Ok(()),
    }
}

/// Why there is no connection, and what to do about it where that is known.
pub(super) fn reason(error: &ConnectError, ca: Option<&Path>) -> String {
    match tls(error) {
        Some(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => match ca {
            Some(ca) => format!("its certificate is signed by nobody in {}", ca.display()),
            None => "its certificate is signed by nobody whom this machine trusts; if it is one of your \
                     own, name who signed it behind the servers: ?ca=/PATH/ca.pem"
                .to_owned(),
        },
        Some(Error::InvalidCertificate(other)) => format!("its certificate will not do: {other}"),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(_) | None => error.to_string(),
    }
}

/// What TLS made of it, if it came so far.
fn tls(error: &ConnectError) -> Option<&Error> {
    let source = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    source.get_ref()?.downcast_ref()
}
