//! Python's signxml: its own reading of XML Signature over lxml and pyca's cryptography.

use std::process::Command;

use super::{Signed, Verdict, file, run, trusted};
use crate::target_directory;

/// Verifies the signature with the trusted certificate, and that it covers the whole element.
pub fn judge(message: &str, signed: Signed, certificate_pem: &str) -> Verdict {
    let trusted = trusted(certificate_pem);
    let element = format!("{{{}}}{}", signed.namespace(), signed.local_name());
    run(
        Command::new(target_directory().join("judges/bin/python"))
            .arg(file("verify.py"))
            .arg(trusted.path())
            .args([&element, signed.id_attribute()]),
        message,
    )
}
