//! The xmlsec1 command line: libxml2 and libxmlsec, as Debian builds them.

use std::path::Path;
use std::process::Command;

use super::{Signed, Verdict, answer, run, trusted, without_declaration};

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

/// A response with its `EncryptedAssertion` decrypted in place, by the key in a PEM file; its own signature is void then.
pub fn decrypted(response: &str, key: &Path) -> Result<String, String> {
    const DATA: &str = "//*[local-name()='EncryptedAssertion']/*[local-name()='EncryptedData' \
        and namespace-uri()='http://www.w3.org/2001/04/xmlenc#']";
    let written = answer(
        Command::new("xmlsec1")
            .args(["--decrypt", "--node-xpath", DATA, "--privkey-pem"])
            .arg(key)
            .arg("-"),
        response,
    )?;
    Ok(without_declaration(&written))
}
