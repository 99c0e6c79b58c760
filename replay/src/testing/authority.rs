//! A certificate authority of one's own, that no machine trusts by itself.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Signs certificates for servers of tests.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Errors
    /// There is no randomness to be had.
    pub fn new(name: &str) -> io::Result<Authority> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Authority { issuer })
    }

    /// Its own certificate, in PEM: for whoever is to trust what it signs.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate for a server that is reached under this name or address; the files, under `dir`,
    /// of the certificate and of its key.
    ///
    /// # Errors
    /// The files cannot be written, or that is no name.
    pub fn sign(&self, server: &str, dir: &Path) -> io::Result<(PathBuf, PathBuf)> {
        let params = CertificateParams::new([server.to_owned()]).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let (certificate, secret) = (dir.join("server.pem"), dir.join("server.key"));
        fs::write(&certificate, signed.pem())?;
        fs::write(&secret, key.serialize_pem())?;
        Ok((certificate, secret))
    }
}
