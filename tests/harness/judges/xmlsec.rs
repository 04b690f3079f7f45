//! The xmlsec crate: libxmlsec again, over the libxml crate, in a program of its own (tests/judges/xmlsec).

use std::process::Command;

use super::{Signed, Verdict, run, trusted};
use crate::target_directory;

/// Verifies the signature with the trusted certificate, whatever the message says of keys.
pub fn judge(message: &str, signed: Signed, certificate_pem: &str) -> Verdict {
    let trusted = trusted(certificate_pem);
    run(
        Command::new(target_directory().join("judges/xmlsec/debug/xmlsec-judge"))
            .arg(trusted.path())
            .args([&signed.element(), &signed.signature()])
            .arg(signed.id_attribute()),
        message,
    )
}
