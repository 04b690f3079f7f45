//! The xmlsec1 command line: libxml2 and libxmlsec, as Debian builds them.

use std::process::Command;

use super::{Signed, Verdict, run, trusted};

/// Verifies the signature with the certificate in it, which must be the trusted one.
pub fn judge(message: &str, signed: Signed, certificate_pem: &str) -> Verdict {
    let trusted = trusted(certificate_pem);
    let id = format!("--id-attr:{}", signed.id_attribute());
    let element = format!("{}:{}", signed.namespace(), signed.local_name());
    run(
        Command::new("xmlsec1")
            .arg("--verify")
            .args([&id, &element])
            .args(["--node-xpath", &signed.signature()])
            .args(["--enabled-reference-uris", "same-doc"])
            .args(["--enabled-key-data", "x509"])
            .arg("--trusted-pem")
            .arg(trusted.path())
            .arg("-"),
        message,
    )
}
