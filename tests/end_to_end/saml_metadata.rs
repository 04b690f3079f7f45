//! SAML 2.0 metadata: ours as others read it, theirs as we take it.

use harness::judges::pysaml2::ServiceProvider;
use harness::judges::{self, Signed};
use harness::{Browser, databases};
use serde_json::json;
use url::Url;

use crate::company::{Contoso, text};
use crate::wiki::Wiki;

#[tokio::test]
async fn our_metadata_is_what_others_read() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let server = &contoso.server;
        let set = |settings: &[&str]| {
            server.cli_json(&[&["app", "set", contoso.id()], settings].concat())
        };
        let browser = Browser::new();
        for issuer in ["https://contoso.com", "urn:uri:contoso.com"] {
            let app = set(&["--issuer", issuer]);
            let url = Url::parse(text(&app, "saml_metadata_url")).expect("a URL");
            let answer = browser.get(&url).await;
            assert_eq!(
                answer.header("content-type"),
                Some("application/samlmetadata+xml")
            );
            let metadata = answer.source();
            judges::schema::judge(metadata, Signed::Metadata).expect("valid");
            let document = roxmltree::Document::parse(metadata).expect("XML");
            let named = |name: &'static str| {
                document
                    .descendants()
                    .filter(move |node| node.tag_name().name() == name)
                    .collect::<Vec<_>>()
            };
            // What the scripts of admins who come from JumpCloud read.
            let root = document.root_element();
            assert_eq!(root.attribute("entityID"), Some(issuer));
            assert!(root.attribute("validUntil").is_some());
            let sso = named("SingleSignOnService");
            assert!(sso.len() >= 2, "{metadata}");
            assert_eq!(sso[0].attribute("Location"), app["saml_sso_url"].as_str());
            assert_eq!(named("KeyDescriptor").len(), 1, "{metadata}");
            let certificate = named("X509Certificate")[0].text().expect("a certificate");
            assert!(
                text(&app, "signing_certificate")
                    .replace('\n', "")
                    .contains(certificate)
            );

            let mut signed = url.clone();
            signed.set_query(Some("signed=1"));
            let signed = browser.get(&signed).await;
            judges::everyone(signed.source(), Signed::Metadata, contoso.certificate())
                .expect("every judge accepts the signed form");
            assert_eq!(
                server
                    .cli(&["app", "metadata", contoso.id()])
                    .succeeded()
                    .len(),
                metadata.len() + 1,
                "as served, but for the random ID"
            );
        }
    }
}

#[tokio::test]
async fn a_second_import_shows_what_changes_and_weakens_nothing() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/")
            .with("sign_requests", true)
            .with("encrypted", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let saml = &wiki.app["saml"];
        assert_eq!(saml["signed_requests"], true, "as the metadata promises");
        assert_eq!(saml["encrypt"], true, "to the key that it publishes");
        assert_eq!(
            saml["signing_certificates"].as_array().map(Vec::len),
            Some(1)
        );
        let metadata = wiki.provider.metadata();
        let server = &wiki.contoso.server;
        let import = |metadata: &str, more: &[&str]| {
            let arguments = [&["--json", "app", "import-metadata", wiki.id(), "-"], more].concat();
            server.cli_with_input(&arguments, metadata)
        };
        // The file forgets to promise signatures, and has lost its keys.
        let from = metadata.find("<ns0:KeyDescriptor").expect("it has keys");
        let to = metadata.rfind("</ns0:KeyDescriptor>").expect("it has keys");
        let weak = [
            &metadata[..from],
            &metadata[to + "</ns0:KeyDescriptor>".len()..],
        ]
        .concat();
        let weak = weak.replacen("AuthnRequestsSigned=\"true\"", "", 1);
        let weak = weak.replace("https://wiki.example/acs", "https://wiki.example/new-acs");
        let planned = import(&weak, &["--dry-run"]).succeeded();
        assert!(
            planned.contains("https://wiki.example/new-acs"),
            "{planned}"
        );
        assert!(planned.contains("stay required"), "{planned}");
        let show = || server.cli_json(&["app", "show", wiki.id()]);
        assert_eq!(
            show()["saml"],
            wiki.app["saml"],
            "a dry run changes nothing"
        );
        import(&weak, &[]).succeeded();
        let after = show();
        assert_eq!(after["acs_urls"], json!(["https://wiki.example/new-acs"]));
        for kept in [
            "signed_requests",
            "encrypt",
            "signing_certificates",
            "encryption_certificate",
        ] {
            assert_eq!(after["saml"][kept], wiki.app["saml"][kept], "{kept}");
        }
        // What is not this provider's valid metadata changes nothing.
        let expired = metadata.replacen(
            "entityID=",
            "validUntil=\"2020-01-01T00:00:00Z\" entityID=",
            1,
        );
        let foreign =
            metadata.replacen("https://wiki.example/metadata", "https://evil.example/", 1);
        let script = metadata.replace("https://wiki.example/acs", "javascript:alert(1)");
        let dtd = ["<!DOCTYPE x>", &metadata].concat();
        for (case, metadata, says) in [
            (
                "HTML",
                "<html><body>Sign in</body></html>",
                "neither EntityDescriptor",
            ),
            ("nothing", "", "no SAML metadata"),
            ("expired", &expired, "expired on 2020-01-01"),
            ("another's", &foreign, "not about the service provider"),
            ("a script", &script, "https://"),
            ("a DTD", &dtd, "document type"),
        ] {
            let said = import(metadata, &[]).failed();
            assert!(said.contains(says), "{case}: {said}");
            assert_eq!(show(), after, "{case}");
        }
    }
}
