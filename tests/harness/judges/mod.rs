//! Independent judges: other people's programs that read what the server wrote, and say why if they will not have it.
//!
//! Each takes the message as it was posted or published, the kind of element in it that must bear the signature, and
//! the only certificate to trust.

pub mod key;
pub mod msal;
mod program;
pub mod pysaml2;
pub mod samael;
#[cfg(test)]
mod samples;
pub mod schema;
pub mod shibboleth;
pub mod signxml;
pub mod xmlsec;
pub mod xmlsec1;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tempfile::NamedTempFile;
use url::Url;

use crate::target_directory;

/// Accepted, or refused for a reason.
pub type Verdict = Result<(), String>;

/// The element that must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// A SAML 1.1 assertion, whose signature comes last (SAML 1.1 core §5.4.1), alone or in a WS-Trust response.
    Assertion,
    /// A SAML 2.0 assertion, whose signature follows the issuer (SAML core §2.3.3), alone or in a response.
    Assertion2,
    /// A SAML 2.0 response, whose signature follows the issuer (SAML core §3.2.2).
    Response,
    /// A SAML 2.0 request for authentication (SAML core §3.4.1).
    AuthnRequest,
    /// A SAML 2.0 logout request (SAML core §3.7.1).
    LogoutRequest,
    /// A SAML 2.0 logout response (SAML core §3.7.2).
    LogoutResponse,
    /// A metadata document, whose signature comes first (SAML metadata §2.3.2).
    Metadata,
}

impl Signed {
    fn namespace(self) -> &'static str {
        match self {
            Self::Assertion => "urn:oasis:names:tc:SAML:1.0:assertion",
            Self::Assertion2 => "urn:oasis:names:tc:SAML:2.0:assertion",
            Self::Response | Self::AuthnRequest | Self::LogoutRequest | Self::LogoutResponse => {
                "urn:oasis:names:tc:SAML:2.0:protocol"
            }
            Self::Metadata => "urn:oasis:names:tc:SAML:2.0:metadata",
        }
    }

    fn local_name(self) -> &'static str {
        match self {
            Self::Assertion | Self::Assertion2 => "Assertion",
            Self::Response => "Response",
            Self::AuthnRequest => "AuthnRequest",
            Self::LogoutRequest => "LogoutRequest",
            Self::LogoutResponse => "LogoutResponse",
            Self::Metadata => "EntityDescriptor",
        }
    }

    fn id_attribute(self) -> &'static str {
        match self {
            Self::Assertion => "AssertionID",
            _ => "ID",
        }
    }

    /// An XPath to the element, wherever it is, if it is the only one.
    fn element(self) -> String {
        let (namespace, name) = (self.namespace(), self.local_name());
        let test = format!("local-name()='{name}' and namespace-uri()='{namespace}'");
        format!("//*[{test}][count(//*[{test}])=1]")
    }

    /// An XPath to its signature, where the standard puts it, if what it covers is the element.
    ///
    /// Libxmlsec verifies what a signature refers to, wherever that is; so this must be asked beforehand.
    fn signature(self) -> String {
        let place = match self {
            Self::Assertion => "*[last()]",
            Self::Metadata => "*[1]",
            _ => "*[2]",
        };
        let dsig = "http://www.w3.org/2000/09/xmldsig#";
        let reference = "*[local-name()='SignedInfo']/*[local-name()='Reference']";
        format!(
            "{}/{place}[local-name()='Signature' and namespace-uri()='{dsig}']\
            [count({reference})=1 and {reference}/@URI=concat('#', ../@{})]",
            self.element(),
            self.id_attribute()
        )
    }
}

/// Asks every judge that knows such a message, and names those that refuse it.
pub fn everyone(message: &str, signed: Signed, certificate_pem: &str) -> Verdict {
    let mut verdicts = vec![
        ("xmlsec1", xmlsec1::judge(message, signed, certificate_pem)),
        ("signxml", signxml::judge(message, signed, certificate_pem)),
        ("xmlsec", xmlsec::judge(message, signed, certificate_pem)),
        ("the schemas", schema::judge(message, signed)),
    ];
    // It knows no SAML 1.1.
    if signed == Signed::Metadata {
        verdicts.push(("samael", samael::judge(message, certificate_pem)));
    }
    let refusals: Vec<_> = verdicts
        .into_iter()
        .filter_map(|(judge, verdict)| Some(format!("{judge}: {}", verdict.err()?)))
        .collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals.join("\n"))
    }
}

/// The signature of a SAML message in a query (SAML bindings §3.4.4.1), checked by the openssl command line.
pub fn query_signature(url: &Url, certificate_pem: &str) -> Verdict {
    let query = url.query().unwrap_or_default();
    let (signed, signature) = query
        .split_once("&Signature=")
        .ok_or_else(|| "the query is not signed".to_owned())?;
    let (_, algorithm) = signed
        .split_once("&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-")
        .ok_or_else(|| format!("the signed part ends otherwise: {signed}"))?;
    let digest = ["sha256", "sha384", "sha512"]
        .into_iter()
        .find(|digest| *digest == algorithm)
        .ok_or_else(|| format!("it is signed by {algorithm}"))?;

    let certificate = openssl::x509::X509::from_pem(certificate_pem.as_bytes());
    let key = certificate
        .and_then(|certificate| certificate.public_key()?.public_key_to_pem())
        .expect("a test trusts a well-formed certificate");
    let pair = format!("Signature={signature}");
    let (_, signature) = url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .expect("it is a pair");
    let signature = openssl::base64::decode_block(&signature).map_err(|error| error.to_string())?;
    let (key, signature) = (temporary(&key), temporary(&signature));
    run(
        Command::new("openssl")
            .args(["dgst", &format!("-{digest}"), "-verify"])
            .arg(key.path())
            .arg("-signature")
            .arg(signature.path()),
        signed,
    )
}

/// A file with the certificate to trust, for programs that want it in one.
fn trusted(certificate_pem: &str) -> NamedTempFile {
    temporary(certificate_pem.as_bytes())
}

/// A file for programs that read only those.
fn temporary(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("the system has room for temporary files");
    file.write_all(bytes).expect("a new file can be written");
    file
}

/// Runs a program that reads the message from its standard input and judges by its exit code.
fn run(program: &mut Command, message: &str) -> Verdict {
    answer(program, message).map(|_| ())
}

/// What such a program writes to its standard output, or what it complains about.
fn answer(program: &mut Command, message: &str) -> Result<String, String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program:?}: {error}; run scripts/install.sh test"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that refuses early stops reading.
    let _ = stdin.write_all(message.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it is our child");
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).expect("the judges write UTF-8"));
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).trim().to_owned())
}

/// Runs a program that has no reason to fail.
fn succeed(program: &mut Command) -> Output {
    let output = program.output();
    let output = output.unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {reason}");
    output
}

/// A document as a client's DOM may write it: the declarations of namespaces moved, the attributes sorted.
///
/// # Panics
///
/// If it is not well-formed.
pub fn rewritten(document: &str) -> String {
    let mut python = Command::new(target_directory().join("judges/bin/python"));
    answer(python.arg(file("rewrite.py")), document).expect("it is well-formed")
}

/// What xmlsec1 has written, without the declaration that it begins with.
fn without_declaration(written: &str) -> String {
    let (_declaration, message) = written.split_once("?>").expect("xmlsec1 begins so");
    message.trim().to_owned()
}

/// A file that the project keeps for the judges.
fn file(name: &str) -> String {
    format!("{}/judges/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[cfg(test)]
mod tests {
    use super::samples::saml2::{self, Answer};
    use super::samples::{Key, assertion, key, metadata, other_key, response, sign};
    use super::*;

    type Judge = fn(&str, Signed, &str) -> Verdict;

    const SIGNATURES: [(&str, Judge); 3] = [
        ("xmlsec1", xmlsec1::judge),
        ("signxml", signxml::judge),
        ("xmlsec", xmlsec::judge),
    ];

    #[test]
    fn everyone_accepts_what_is_good() {
        let Key { certificate, .. } = key();
        let response = sign(&response(&assertion()), Signed::Assertion, key());
        assert_eq!(everyone(&response, Signed::Assertion, certificate), Ok(()));
        let metadata = sign(&metadata(), Signed::Metadata, key());
        assert_eq!(everyone(&metadata, Signed::Metadata, certificate), Ok(()));
    }

    #[test]
    fn a_document_written_anew_is_the_same_to_every_judge() {
        let Key { certificate, .. } = key();
        let good = sign(&assertion(), Signed::Assertion, key());
        let anew = rewritten(&good);
        let opening = anew.split_once('>').expect("it has a root").0;
        assert!(
            opening.contains("xmlns:ds=") && opening.contains("MinorVersion=\"1\" MajorVersion")
        );
        assert_eq!(everyone(&anew, Signed::Assertion, certificate), Ok(()));
    }

    #[test]
    fn each_judge_refuses_a_changed_message() {
        let response = sign(&response(&assertion()), Signed::Assertion, key());
        refused(
            &response.replace("alice@", "mallory@"),
            Signed::Assertion,
            key(),
        );
        let metadata = sign(&metadata(), Signed::Metadata, key());
        let changed = metadata.replace("https://idp.example", "https://evil.example");
        refused(&changed, Signed::Metadata, key());
        assert!(samael::judge(&changed, &key().certificate).is_err());
    }

    #[test]
    fn each_judge_refuses_somebody_elses_signature() {
        let response = sign(&response(&assertion()), Signed::Assertion, other_key());
        refused(&response, Signed::Assertion, key());
        let metadata = sign(&metadata(), Signed::Metadata, other_key());
        refused(&metadata, Signed::Metadata, key());
        assert!(samael::judge(&metadata, &key().certificate).is_err());
    }

    #[test]
    fn each_judge_refuses_a_message_without_a_signature() {
        let (assertion, _) = take_signature(&assertion());
        refused(&response(&assertion), Signed::Assertion, key());
    }

    #[test]
    fn each_judge_refuses_a_signature_that_covers_something_else() {
        // A good signature, moved into an assertion that somebody else wrote around the one that it covers.
        let (good, signature) = take_signature(&sign(&assertion(), Signed::Assertion, key()));
        let (evil, _) = take_signature(&assertion().replace("_assertion", "_evil"));
        let evil = evil.replace(
            END,
            &format!("<saml:Advice>{good}</saml:Advice>{signature}{END}"),
        );
        refused(&response(&evil), Signed::Assertion, key());
        // The same with something that is no assertion any more, so that there is one only.
        let hidden = evil.replacen("saml:Assertion", "saml:Evidence", 1);
        let hidden = hidden.trim_end_matches(END).to_owned() + "</saml:Evidence>";
        refused(&response(&hidden), Signed::Assertion, key());
    }

    /// A response to be signed by the hash function of so many bits, with an assertion that is.
    fn response2(bits: &'static str, author: &Key) -> String {
        let mut answer = Answer::to("_request", "https://sp.example/", "https://sp.example/");
        answer.bits = bits;
        answer.response(&sign(&answer.assertion(), Signed::Assertion2, author))
    }

    fn every_saml_2(author: &Key) -> Vec<(Signed, String)> {
        let to = "https://sp.example/";
        let sign = |kind, message: String| (kind, sign(&message, kind, author));
        vec![
            sign(
                Signed::Assertion2,
                Answer::to("_request", to, to).assertion(),
            ),
            sign(Signed::Response, response2("256", author)),
            sign(Signed::AuthnRequest, saml2::authn_request()),
            sign(Signed::LogoutRequest, saml2::logout_request(to, "_1")),
            sign(Signed::LogoutResponse, saml2::logout_response(to, "_1")),
            sign(Signed::Metadata, saml2::metadata(author)),
        ]
    }

    #[test]
    fn everyone_accepts_each_message_of_saml_2_from_its_author_alone() {
        for (kind, message) in every_saml_2(key()) {
            assert_eq!(everyone(&message, kind, &key().certificate), Ok(()));
            refused(&message.replace(".example", ".example.evil"), kind, key());
            refused(&saml2::unsigned(&message), kind, key());
        }
        for (kind, message) in every_saml_2(other_key()) {
            refused(&message, kind, key());
        }
    }

    #[test]
    fn xmlsec1_knows_the_wider_hash_functions_too() {
        for bits in ["384", "512"] {
            let response = sign(&response2(bits, key()), Signed::Response, key());
            for kind in [Signed::Assertion2, Signed::Response] {
                let judge = |message: &str| xmlsec1::judge(message, kind, &key().certificate);
                assert_eq!(judge(&response), Ok(()), "{bits}");
                let changed = response.replace("alice@", "mallory@");
                assert!(judge(&changed).is_err(), "{bits}");
            }
        }
    }

    #[test]
    fn what_xmlsec1_decrypts_is_what_was_encrypted_for_this_key() {
        let response = saml2::unsigned(&response2("256", key()));
        let encrypted = saml2::encrypt(&response, key());
        let decrypted = xmlsec1::decrypted(&encrypted, &key().file()).expect("it was for us");
        let judge = |message: &str| xmlsec1::judge(message, Signed::Assertion2, &key().certificate);
        assert_eq!(judge(&decrypted), Ok(()));
        assert!(judge(&decrypted.replace("alice@", "mallory@")).is_err());
        xmlsec1::decrypted(&encrypted, &other_key().file()).expect_err("it was for somebody else");
        xmlsec1::decrypted(&response, &key().file()).expect_err("nothing is encrypted");
        let end = encrypted.rfind("</xenc:CipherValue>").expect("it has one");
        let mut changed = encrypted.clone();
        let old = &encrypted[end - 40..end - 39];
        changed.replace_range(end - 40..end - 39, if old == "A" { "B" } else { "A" });
        xmlsec1::decrypted(&changed, &key().file()).expect_err("it was changed");
    }

    #[test]
    fn openssl_believes_the_signature_of_a_query_as_it_was_sent() {
        let message = saml2::unsigned(&saml2::logout_request("https://sp.example/", "_1"));
        let query = saml2::query("SAMLRequest", &message, "a b", key());
        let judge = |query: &str, key: &Key| {
            let url = Url::parse(&format!("https://sp.example/?{query}")).expect("it is a URL");
            query_signature(&url, &key.certificate)
        };
        assert_eq!(judge(&query, key()), Ok(()));
        assert!(judge(&query, other_key()).is_err());
        let (unsigned, _) = query.split_once("&SigAlg=").expect("it is signed");
        assert!(judge(unsigned, key()).is_err());
        for (part, other) in [
            ("RelayState=a+b", "RelayState=a%20b"),
            ("&RelayState=a+b", ""),
            ("SAMLRequest=", "SAMLResponse="),
            ("rsa-sha256", "rsa-sha1"),
            ("rsa-sha256", "rsa-sha512"),
            ("Signature=", "Signature=AAAA"),
        ] {
            assert!(query.contains(part), "{query}");
            assert!(
                judge(&query.replace(part, other), key()).is_err(),
                "{other}"
            );
        }
    }

    const END: &str = "</saml:Assertion>";

    fn take_signature(assertion: &str) -> (String, String) {
        let start = assertion
            .find("<ds:Signature ")
            .expect("it has a signature");
        let end = assertion.find(END).expect("it is an assertion");
        let rest = [&assertion[..start], &assertion[end..]].concat();
        (rest, assertion[start..end].to_owned())
    }

    fn refused(message: &str, signed: Signed, key: &Key) {
        // Nobody may refuse it for a slip of this test.
        assert!(roxmltree::Document::parse(message).is_ok(), "{message}");
        for (name, judge) in SIGNATURES {
            let verdict = judge(message, signed, &key.certificate);
            assert!(verdict.is_err(), "{name} accepted {message}");
        }
    }
}
