//! Keys with self-signed certificates, made by the openssl command line.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::succeed;

/// A key and its certificate, in PEM files that are gone with this value.
#[derive(Debug)]
pub struct Key {
    folder: TempDir,
    pub certificate: String,
}

impl Key {
    /// A new RSA key of 2048 bits.
    pub fn generate(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("the system has room for temporary files");
        succeed(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-noenc"])
                .args(["-days", "30", "-subj", &format!("/CN={name}")])
                .args(["-addext", "basicConstraints=CA:FALSE"])
                .args(["-keyout", "key.pem", "-out", "certificate.pem"])
                .current_dir(folder.path()),
        );
        let certificate = fs::read_to_string(folder.path().join("certificate.pem"));
        Self {
            folder,
            certificate: certificate.expect("openssl has written it"),
        }
    }

    /// The file of the private key.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The file of the certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The certificate as metadata carries it: base64 without lines.
    pub fn certificate_base64(&self) -> String {
        let lines = self.certificate.lines();
        lines.filter(|line| !line.starts_with('-')).collect()
    }
}
