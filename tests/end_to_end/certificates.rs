//! Certificates, by the command line beside a server that people sign in to meanwhile.

use std::fs;
use std::thread;

use harness::judges::{self, Signed};
use harness::{Browser, databases};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use openssl::x509::X509;
use serde_json::{Value, json};

use crate::company::{Contoso, assertion, posted, text};

impl Contoso {
    /// A `cert` command on Contoso's application, with what it prints as JSON.
    fn cert(&self, verb: &str, more: &[&str]) -> Value {
        let arguments = [&["cert", verb, "contoso.com"], more].concat();
        self.server.cli_json(&arguments)
    }

    /// What is said when it is refused.
    fn cert_refused(&self, verb: &str, more: &[&str]) -> String {
        let arguments = [&["cert", verb, "contoso.com"], more].concat();
        self.server.cli(&arguments).failed()
    }

    fn export(&self, more: &[&str]) -> String {
        let arguments = [&["cert", "export", "contoso.com"], more].concat();
        self.server.cli(&arguments).succeeded()
    }

    /// A token of this moment is signed with the current key, and xmlsec1 says so too.
    async fn expect_signed_with_current(&self, browser: &Browser) {
        let form = posted(&browser.get(&self.wsfed("+")).await);
        let answer = form.value("wresult").expect("a token");
        judges::xmlsec1::judge(assertion(answer), Signed::Assertion, &self.export(&[]))
            .expect("the current certificate verifies it");
    }

    /// The certificates in both metadata documents, which agree.
    async fn announced(&self, browser: &Browser) -> Vec<String> {
        let shown = self.server.cli_json(&["app", "show", self.id()]);
        let mut documents = Vec::new();
        for field in ["federation_metadata_url", "saml_metadata_url"] {
            let url = text(&shown, field).parse().expect("a URL");
            let metadata = browser.get(&url).await.source().to_owned();
            let (_, role) = metadata.split_once("<KeyDescriptor").expect("a key");
            let found: Vec<String> = role
                .split("<X509Certificate>")
                .skip(1)
                .map(|rest| rest.split('<').next().unwrap_or_default().to_owned())
                .collect();
            documents.push(found);
        }
        assert_eq!(documents[0], documents[1]);
        documents.remove(0)
    }
}

/// The thumbprint of the certificate in a stage, published or nothing.
fn thumbprint(report: &Value, stage: &str) -> Option<String> {
    let all = report["certificates"].as_array().expect("a list");
    let found = all
        .iter()
        .find(|one| one["stage"] == stage && one["published"] == true)?;
    Some(text(found, "thumbprint").to_owned())
}

#[tokio::test]
async fn a_running_server_follows_each_step_of_a_rotation() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let old = contoso.export(&["--oneline"]).trim().to_owned();
        contoso.expect_signed_with_current(&browser).await;

        let report = contoso.cert("next", &[]);
        let new = contoso
            .export(&["--stage", "next", "--oneline"])
            .trim()
            .to_owned();
        assert_eq!(contoso.announced(&browser).await, [&*old, &*new]);
        contoso.expect_signed_with_current(&browser).await;
        let shown = contoso.server.cli_json(&["app", "show", contoso.id()]);
        assert_eq!(shown["certificates"], report["certificates"]);
        assert_eq!(text(&shown["certificates"][1], "stage"), "next");

        // What Windows PowerShell 5.1 saves, of two administrators who promote at once.
        let answer = json!({"IssuerUri": "https://contoso.com", "SigningCertificate": old, "NextSigningCertificate": new});
        let saved = contoso.server.setup().directory().join("show.json");
        let utf16: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(answer.to_string().encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        fs::write(&saved, utf16).expect("a file");
        let refused = contoso.cert_refused("promote", &[]);
        assert!(refused.contains("--evidence"), "{refused}");
        let saved = saved.to_str().expect("UTF-8");
        let promote = ["cert", "promote", "contoso.com", "--evidence", saved];
        let ran = thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| contoso.server.cli(&promote)))
                .map(|admin| admin.join().expect("it ends"))
        });
        let told: Vec<String> = ran
            .into_iter()
            .filter_map(|ran| (!ran.success).then(|| ran.failed()))
            .collect();
        assert_eq!(told.len(), 1, "one of them did it");
        assert!(told[0].contains("already"), "{told:?}");
        assert_eq!(contoso.announced(&browser).await, [&*new, &*old]);
        contoso.expect_signed_with_current(&browser).await;

        let early = contoso.cert_refused("retire", &[]);
        assert!(early.contains("try again then"), "{early}");
        let report = contoso.cert(
            "promote",
            &["--back", "--i-know", "the script was not pasted"],
        );
        assert_eq!(
            thumbprint(&report, "current"),
            thumbprint(&shown, "current")
        );
        contoso.expect_signed_with_current(&browser).await;
        contoso.cert(
            "promote",
            &["--i-know", "Microsoft has it since this morning"],
        );
        let report = contoso.cert("retire", &["--now"]);
        assert_eq!(thumbprint(&report, "retired"), None);
        assert_eq!(contoso.announced(&browser).await, [&*new]);
        contoso.expect_signed_with_current(&browser).await;

        let unconfirmed = contoso.cert_refused("regenerate", &[]);
        assert!(unconfirmed.contains("nobody can sign in"), "{unconfirmed}");
        assert!(unconfirmed.contains("nothing was changed"), "{unconfirmed}");
        assert_eq!(contoso.announced(&browser).await, [&*new]);
        contoso.cert("regenerate", &["--confirm", "contoso.com"]);
        contoso.expect_signed_with_current(&browser).await;
        assert!(!contoso.announced(&browser).await.contains(&new));
        let events: Vec<Value> = contoso
            .audit()
            .into_iter()
            .map(|line| line["event"].clone())
            .collect();
        for event in [
            "added",
            "known",
            "promoted",
            "promoted-back",
            "retired",
            "regenerated",
        ] {
            assert!(
                events.contains(&json!(format!("certificate.{event}"))),
                "{event}: {events:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_made_elsewhere_is_taken_in_every_form_and_never_given_out() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let own = judges::key::Key::generate("own");
        let pem = fs::read(own.file()).expect("a key");
        let key = PKey::private_key_from_pem(&pem).expect("a key");
        let certificate = fs::read(own.certificate_file()).expect("a certificate");
        let certificate = X509::from_pem(&certificate).expect("a certificate");
        let secret = "correct Pferd";
        let folder = contoso.server.setup().directory();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).expect("a file");
            path.to_str().expect("UTF-8").to_owned()
        };
        let cert = file("own.cer", &certificate.to_der().expect("DER"));
        let encrypted =
            key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), secret.as_bytes());
        let encrypted = file("own.key", &encrypted.expect("PEM"));
        let passphrase = file("passphrase", format!("{secret}\r\n").as_bytes());
        let pfx = Pkcs12::builder()
            .pkey(&key)
            .cert(&certificate)
            .build2(secret);
        let pfx = file("own.pfx", &pfx.and_then(|pfx| pfx.to_der()).expect("PFX"));

        let pair = ["--cert", &*cert, "--key", &*encrypted];
        let unasked = contoso.cert_refused("import", &pair);
        assert!(unasked.contains("--passphrase-file"), "{unasked}");
        let wrong = [
            &["cert", "import", "contoso.com", "--passphrase-stdin"],
            &pair[..],
        ]
        .concat();
        let wrong = contoso.server.cli_with_input(&wrong, "wrong\n").failed();
        assert!(wrong.contains("does not open"), "{wrong}");
        assert!(
            !wrong.contains("wrong\n") && !wrong.contains(secret),
            "{wrong}"
        );

        let by_file = [&pair[..], &["--passphrase-file", &passphrase]].concat();
        let report = contoso.cert("import", &by_file);
        let imported = thumbprint(&report, "next");
        contoso.cert("retire", &["--next"]);
        let again =
            contoso.cert_refused("import", &["--pfx", &pfx, "--passphrase-file", &passphrase]);
        assert!(again.contains("has, or had"), "{again}");

        // At another application the very same pair is new, from the other file.
        let wiki = [
            "app",
            "add",
            "wsfed",
            "--label",
            "Wiki",
            "--realm",
            "urn:wiki",
            "--reply",
            "https://wiki.example/",
        ];
        contoso.server.cli(&wiki).succeeded();
        let import = [
            "cert",
            "import",
            "Wiki",
            "--pfx",
            &pfx,
            "--passphrase-stdin",
            "--json",
        ];
        let report = contoso.server.cli_with_input(&import, secret).succeeded();
        let report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(thumbprint(&report, "next"), imported);
        let promote = [
            "cert",
            "promote",
            "Wiki",
            "--i-know",
            "nobody signs in there yet",
        ];
        contoso.server.cli(&promote).succeeded();
        let exported = contoso.server.cli(&["cert", "export", "Wiki"]).succeeded();
        let exported = X509::from_pem(exported.as_bytes()).expect("PEM");
        assert_eq!(
            exported.to_der().expect("DER"),
            certificate.to_der().expect("DER")
        );

        contoso.expect_signed_with_current(&browser).await;
        let list = contoso.server.cli_json(&["cert", "list"]);
        let private = key.private_key_to_pkcs8().expect("DER");
        let private = openssl::base64::encode_block(&private);
        for told in [
            list.to_string(),
            contoso.server.log(),
            json!(contoso.audit()).to_string(),
        ] {
            assert!(!told.contains("PRIVATE KEY") && !told.contains(&private[64..128]));
            assert!(!told.contains(secret));
        }
    }
}
