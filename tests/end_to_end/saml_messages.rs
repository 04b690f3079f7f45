//! SAML 2.0 messages that nobody should believe.

use harness::databases;
use harness::judges::pysaml2::{ServiceProvider, text as said};
use serde_json::json;
use url::Url;

use crate::company::Contoso;
use crate::wiki::{Wiki, follow_here, response_form};

#[tokio::test]
async fn bad_messages_are_explained_put_on_record_and_change_nothing() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let good = wiki.posted_request();
        let change = |from: &str, to: &str| {
            assert!(good.contains(from), "{good} has no {from}");
            good.replacen(from, to, 1).into_bytes()
        };
        let bomb = "A".repeat(300 << 10).into_bytes();
        let deep = ["<a>".repeat(5000), "</a>".repeat(5000)]
            .concat()
            .into_bytes();
        let laughs = b"<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>".to_vec();
        for (case, xml, reason) in [
            ("not XML", b"hello".to_vec(), "bad-request"),
            ("a DTD", laughs, "bad-request"),
            ("too large", bomb, "bad-request"),
            ("too deep", deep, "bad-request"),
            (
                "UTF-16",
                good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                "bad-request",
            ),
            (
                "another issuer",
                change("https://wiki.example/metadata<", "https://evil.example/<"),
                "bad-signature",
            ),
            (
                "another ACS",
                change("https://wiki.example/acs", "https://evil.example/acs"),
                "bad-signature",
            ),
            (
                "another version",
                change("Version=\"2.0\"", "Version=\"2.1\""),
                "bad-signature",
            ),
            (
                "a comment in the issuer",
                change("metadata<", "meta<!-- -->data<"),
                "ok",
            ),
        ] {
            let body = openssl::base64::encode_block(&xml);
            let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
            let page = follow_here(&browser, page).await;
            if reason == "ok" {
                // Exclusive canonicalization leaves comments out, and the name is read whole.
                response_form(&page);
                continue;
            }
            assert!([400, 403].contains(&page.status), "{case}: {}", page.status);
            assert!(page.count("#correlation-id") == 1, "{case}");
            assert_eq!(wiki.contoso.last_reason("token.refused"), reason, "{case}");
        }
    }
}

#[tokio::test]
async fn what_a_request_names_is_compared_exactly_with_what_is_stored() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let good = wiki.posted_request();
        let (unsigned, _) = cut(&good);
        let body = openssl::base64::encode_block(unsigned.as_bytes());
        let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
        assert_eq!(page.status, 403, "{}", page.source());
        assert_eq!(wiki.contoso.last_reason("token.refused"), "not-signed");
        // With the demand switched off the rest is read, and compared exactly.
        wiki.set(&["--signed-requests", "off"]);
        for (case, from, to, reason) in [
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example.evil.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example/acs/",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example:443/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://x@wiki.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "HTTPS://wiki.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example/x/../acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "javascript:alert(1)",
                "foreign-acs",
            ),
            (
                "issuer",
                "https://wiki.example/metadata<",
                "https://evil.example/metadata<",
                "foreign-issuer",
            ),
            (
                "destination",
                "Destination=\"http",
                "Destination=\"https://evil.example/?http",
                "foreign-destination",
            ),
            (
                "version",
                "Version=\"2.0\"",
                "Version=\"1.1\"",
                "bad-request",
            ),
            ("id", " ID=\"", " ID=\"1", "bad-request"),
            (
                "instant",
                "IssueInstant=\"2",
                "IssueInstant=\"x2",
                "bad-request",
            ),
        ] {
            assert!(unsigned.contains(from), "{unsigned} has no {from}");
            let body = openssl::base64::encode_block(unsigned.replacen(from, to, 1).as_bytes());
            let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
            let page = follow_here(&browser, page).await;
            assert_eq!(page.status, 400, "{case}: {}", page.source());
            assert_eq!(page.count("form"), 0, "{case}: nothing is posted anywhere");
            assert_eq!(wiki.contoso.last_reason("token.refused"), reason, "{case}");
        }
    }
}

#[tokio::test]
async fn a_message_that_did_not_travel_as_the_bindings_say_is_refused() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let deflated = "eJ";
        for (case, query) in [
            ("not deflated", format!("SAMLRequest={deflated}")),
            ("not base64", "SAMLRequest=%25%25%25".to_owned()),
            ("empty", "SAMLRequest=".to_owned()),
            ("both", "SAMLRequest=AAAA&SAMLResponse=AAAA".to_owned()),
            (
                "another encoding",
                "SAMLRequest=AAAA&SAMLEncoding=urn:x".to_owned(),
            ),
            (
                "a signature for nothing",
                "SigAlg=x&Signature=AAAA".to_owned(),
            ),
        ] {
            let mut url = here.clone();
            url.set_query(Some(&query));
            let page = browser.get(&url).await;
            assert_eq!(page.status, 400, "{case}: {}", page.source());
            assert_eq!(
                wiki.contoso.last_reason("token.refused"),
                "bad-request",
                "{case}"
            );
        }
        // A wrong address, and an app of the other protocol.
        for path in [
            "/saml2/663a8fb979aa83c58df6081e",
            "/saml2/nobody",
            "/saml2/%00",
        ] {
            assert_eq!(
                browser.get(&wiki.contoso.server.url(path)).await.status,
                404,
                "{path}"
            );
        }
        let wsfed = wiki
            .contoso
            .server
            .url(&format!("/wsfed/{}?wa=wsignin1.0&wtrealm=urn:x", wiki.id()));
        assert_eq!(browser.get(&wsfed).await.status, 404);
    }
}

#[tokio::test]
async fn a_wrapped_signature_is_never_believed() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let (browser, alice) = wiki.with_alice().await;
        let order = json!({
            "binding": "post",
            "relay_state": "x",
            "name_id": alice["name_id"],
            "name_id_format": alice["format"],
        });
        for action in ["request", "logout"] {
            let message = wiki.provider.ask(action, order.clone()).expect("a message");
            let good = message["fields"]["SAMLRequest"]
                .as_str()
                .expect("a request");
            let good = openssl::base64::decode_block(good).expect("base64");
            let good = String::from_utf8(good).expect("UTF-8");
            let url = Url::parse(said(&message, "location")).expect("a URL");
            let wrapped = wrapped(&good);
            assert_eq!(wrapped.len(), 9);
            for (case, xml) in wrapped {
                roxmltree::Document::parse(&xml).expect("the variant is well-formed");
                let body = openssl::base64::encode_block(xml.as_bytes());
                let page = browser.post(&url, &[("SAMLRequest", &body)]).await;
                let page = follow_here(&browser, page).await;
                assert!(
                    [400, 403].contains(&page.status),
                    "{action} {case}: {}",
                    page.source()
                );
            }
            let portal = browser.open(&wiki.contoso.server.url("/")).await;
            assert_eq!(portal.url.path(), "/", "she is still signed in");
            let body = openssl::base64::encode_block(good.as_bytes());
            let page = browser.post(&url, &[("SAMLRequest", &body)]).await;
            assert_ne!(
                page.status / 100,
                4,
                "{action}: what was signed is believed"
            );
        }
    }
}

/// The ways of wrapping a signed message that are known as XSW1 to XSW8, and one more: in each, the root is
/// another message than the one that was signed.
fn wrapped(good: &str) -> Vec<(&'static str, String)> {
    let (bare, signature) = cut(good);
    let signature = signature.as_str();
    let document = roxmltree::Document::parse(good).expect("XML");
    let root = document.root_element();
    let good = &good[root.range()];
    let id = root.attribute("ID").expect("an ID");
    let evil = bare.replacen(id, "_evil", 1);
    let end = evil.rfind("</").expect("an end tag");
    let inside = |parts: &[&str]| [&evil[..end], &parts.concat(), &evil[end..]].concat();
    let after_issuer = |part: &str| {
        [
            &evil[..at_issuer_end(&evil)],
            part,
            &evil[at_issuer_end(&evil)..],
        ]
        .concat()
    };
    let close = signature.rfind("</").expect("an end tag");
    let prefix = &signature[1..signature.find("Signature").expect("its name")];
    let holding = |part: &str| [&signature[..close], part, &signature[close..]].concat();
    let object = |part: &str| holding(&format!("<{prefix}Object>{part}</{prefix}Object>"));
    let extensions = |part: &str| {
        format!(
            "<x:Extensions xmlns:x=\"urn:oasis:names:tc:SAML:2.0:protocol\">{part}</x:Extensions>"
        )
    };
    vec![
        (
            "1: the original in the signature",
            after_issuer(&holding(&bare)),
        ),
        (
            "2: the original beside the signature",
            after_issuer(&[signature, &bare].concat()),
        ),
        ("3: the signed message as a child", inside(&[good])),
        (
            "4: the signed message as the first child",
            after_issuer(good),
        ),
        ("5: the original at the end", {
            let evil = after_issuer(signature);
            let end = evil.rfind("</").expect("an end tag");
            [&evil[..end], &bare, &evil[end..]].concat()
        }),
        (
            "6: the original in the signature's object",
            after_issuer(&object(&bare)),
        ),
        (
            "7: the signed message in the extensions",
            after_issuer(&extensions(good)),
        ),
        (
            "8: the signed message in an object",
            after_issuer(&object(good)),
        ),
        (
            "both with one id",
            after_issuer(&[signature, &extensions(&bare)].concat()).replacen("_evil", id, 1),
        ),
    ]
}

/// A message without its signature, and the signature.
fn cut(message: &str) -> (String, String) {
    const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
    let document = roxmltree::Document::parse(message).expect("XML");
    let root = document.root_element();
    let signature = root
        .children()
        .find(|node| node.has_tag_name((DS, "Signature")))
        .expect("it is signed")
        .range();
    let bare = [
        &message[root.range().start..signature.start],
        &message[signature.end..root.range().end],
    ];
    (bare.concat(), message[signature].to_owned())
}

fn at_issuer_end(message: &str) -> usize {
    let at = message.find("Issuer>").expect("an issuer's end");
    at + "Issuer>".len()
}
