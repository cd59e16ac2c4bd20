//! A company's own issuer of certificates, which no system trusts.

use crate::files;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::path::Path;
use std::sync::Arc;

pub struct CompanyIssuer(CertifiedIssuer<'static, KeyPair>);

impl CompanyIssuer {
    pub fn create() -> Self {
        let mut params = CertificateParams::default();
        // With the server's own name, OpenSSL would take the server's certificate for that of its
        // issuer.
        params
            .distinguished_name
            .push(DnType::CommonName, "The company");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its certificate, as a platform mounts it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `server.pem` and `server.key`, for a server of this name.
    pub fn write_server_files(&self, folder: &Path, name: &str) {
        let (certificate, key) = self.issue(&params_for(name));
        files::write(&folder.join("server.pem"), certificate.pem());
        files::write(&folder.join("server.key"), key.serialize_pem());
    }

    /// The TLS configuration of a server of this name.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        self.server_config(&params_for(name))
    }

    /// The same, with a certificate that has expired.
    pub fn expired_server(&self, name: &str) -> Arc<ServerConfig> {
        let mut params = params_for(name);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.server_config(&params)
    }

    fn server_config(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(params);
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }

    fn issue(&self, params: &CertificateParams) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate, key)
    }
}

fn params_for(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_string()]).expect("a name")
}
