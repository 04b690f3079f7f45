//! The published schemas, applied by xmllint: SAML and XML Signature from Debian's packages, WS-Federation from pyFF's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Signed, Verdict, file, run};
use crate::target_directory;

/// Validates a whole message; an assertion may stand alone or in the WS-Trust response that carries it.
pub fn judge(message: &str, kind: Signed) -> Verdict {
    let schema = match kind {
        Signed::Assertion => file("response.xsd").into(),
        Signed::Metadata => ws_federation(),
        Signed::Assertion2
        | Signed::Response
        | Signed::AuthnRequest
        | Signed::LogoutRequest
        | Signed::LogoutResponse => {
            PathBuf::from("/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd")
        }
    };
    run(
        Command::new("xmllint")
            .env("XML_CATALOG_FILES", file("catalog.xml"))
            .args(["--nonet", "--noout", "--schema"])
            .args([schema, "-".into()]),
        message,
    )
}

/// In the judges' Python, whose version is part of the path.
fn ws_federation() -> PathBuf {
    let lib = target_directory().join("judges/lib");
    let python = fs::read_dir(&lib)
        .ok()
        .and_then(|mut found| found.next()?.ok())
        .unwrap_or_else(|| panic!("{} is empty; run scripts/install.sh test", lib.display()));
    python
        .path()
        .join("site-packages/pyff/schema/ws-federation.xsd")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{assertion, key, metadata, response, saml2, sign};
    use super::*;

    #[test]
    fn an_assertion_is_held_to_the_schema_inside_its_response() {
        let good = sign(&response(&assertion()), Signed::Assertion, key());
        assert_eq!(judge(&good, Signed::Assertion), Ok(()));
        for (part, wrong) in [
            ("MajorVersion=\"1\"", ""),
            (" AttributeNamespace=", " Namespace="),
            ("saml:ConfirmationMethod>", "saml:Confirmation>"),
            ("AssertionID=\"_", "AssertionID=\"1"),
            ("<ds:SignedInfo>", "<ds:SignedInfo><ds:Object/>"),
            ("<t:TokenType>", "<t:TokenType><t:Wrong/>"),
        ] {
            assert!(good.contains(part), "the sample has no {part}");
            let verdict = judge(&good.replace(part, wrong), Signed::Assertion);
            assert!(verdict.is_err(), "accepted with {wrong} for {part}");
        }
    }

    #[test]
    fn metadata_is_held_to_the_schemas_of_saml_and_ws_federation() {
        let good = sign(&metadata(), Signed::Metadata, key());
        assert_eq!(judge(&good, Signed::Metadata), Ok(()));
        for (part, wrong) in [
            ("entityID=", "entity="),
            ("fed:PassiveRequestorEndpoint>", "fed:Endpoint>"),
            ("fed:SecurityTokenServiceType", "fed:NoSuchType"),
        ] {
            assert!(good.contains(part), "the sample has no {part}");
            let verdict = judge(&good.replace(part, wrong), Signed::Metadata);
            assert!(verdict.is_err(), "accepted with {wrong} for {part}");
        }
    }

    #[test]
    fn each_message_of_saml_2_is_held_to_its_schema() {
        const TO: &str = "https://sp.example/";
        let answer = saml2::Answer::to("_request", TO, TO);
        let assertion = sign(&answer.assertion(), Signed::Assertion2, key());
        let plain = sign(&answer.response(&assertion), Signed::Response, key());
        let encrypted = saml2::encrypt(&saml2::unsigned(&plain), key());
        check(&plain, Signed::Response, "<saml:Subject>", "<saml:Who>");
        check(&plain, Signed::Response, "Version=\"2.0\"", "");
        check(&plain, Signed::Response, "<samlp:Status>", "<samlp:State>");
        check(
            &encrypted,
            Signed::Response,
            "xenc:CipherData",
            "xenc:Cipher",
        );
        check(
            &encrypted,
            Signed::Response,
            "<saml:Encrypted",
            "<saml:Crypt",
        );
        check(&assertion, Signed::Assertion2, " Version=\"2.0\"", "");
        let request = sign(
            &saml2::logout_request(TO, "_1"),
            Signed::LogoutRequest,
            key(),
        );
        check(&request, Signed::LogoutRequest, "saml:NameID", "saml:Name");
        check(&request, Signed::LogoutRequest, "Instant=", "Time=");
        let response = sign(
            &saml2::logout_response(TO, "_logout"),
            Signed::LogoutResponse,
            key(),
        );
        check(&response, Signed::LogoutResponse, "StatusCode", "Code");
        check(&response, Signed::LogoutResponse, " Value=", " Code=");
        let request = sign(&saml2::authn_request(), Signed::AuthnRequest, key());
        check(
            &request,
            Signed::AuthnRequest,
            "AllowCreate=\"true\"",
            "Create=\"\"",
        );
        let metadata = sign(&saml2::metadata(key()), Signed::Metadata, key());
        check(&metadata, Signed::Metadata, " Location=", " URL=");
        check(
            &metadata,
            Signed::Metadata,
            "md:SingleSignOnService",
            "md:SSO",
        );
        check(
            &metadata,
            Signed::Metadata,
            "use=\"signing\"",
            "use=\"any\"",
        );
    }

    fn check(good: &str, kind: Signed, part: &str, wrong: &str) {
        assert_eq!(judge(good, kind), Ok(()), "{good}");
        assert!(good.contains(part), "the sample has no {part}: {good}");
        let verdict = judge(&good.replace(part, wrong), kind);
        assert!(verdict.is_err(), "accepted with {wrong} for {part}");
    }
}
