//! The command line: set-up without the web, on the same database while the server runs.

use harness::{Setup, databases};
use serde_json::json;

use crate::company::{Contoso, PASSWORD, add_user, text};

#[tokio::test]
async fn app_show_gives_everything_that_the_other_side_needs() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let shown = contoso.server.cli_json(&["app", "show", contoso.id()]);
        let base = contoso.server.url("/");
        let id = contoso.id();
        assert!(
            id.len() == 24
                && id
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
        for (field, value) in [
            ("kind", "m365".to_owned()),
            ("label", "Contoso 365".to_owned()),
            ("domain", "contoso.com".to_owned()),
            ("issuer", "https://contoso.com".to_owned()),
            ("realm", "urn:federation:MicrosoftOnline".to_owned()),
            ("wsfed_url", format!("{base}wsfed/{id}")),
            ("signout_url", format!("{base}wsfed/{id}/signout")),
            (
                "federation_metadata_url",
                format!("{base}wsfed/{id}/FederationMetadata/2007-06/FederationMetadata.xml"),
            ),
            ("commands_url", format!("{base}wsfed/{id}/commands")),
        ] {
            assert_eq!(text(&shown, field), value);
        }
        let certificate =
            openssl::x509::X509::from_pem(text(&shown, "signing_certificate").as_bytes())
                .expect("openssl reads it");
        let key = certificate.public_key().expect("a key");
        assert!(
            certificate.verify(&key).expect("self-signed") && key.rsa().expect("RSA").size() == 256
        );
        for cloud in [
            ("china", "urn:federation:partner.microsoftonline.cn"),
            ("usgov", "urn:federation:microsoftonline.us"),
        ] {
            let app = contoso.server.cli_json(&[
                "app",
                "add",
                "m365",
                "--domain",
                &format!("{}.example", cloud.0),
                "--cloud",
                cloud.0,
            ]);
            assert_eq!(text(&app, "realm"), cloud.1);
        }
        assert_eq!(
            contoso
                .server
                .cli_json(&["app", "list"])
                .as_array()
                .map(Vec::len),
            Some(3)
        );
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of mistakes")]
async fn mistakes_go_to_standard_error_with_the_fix_and_change_nothing() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let before = contoso.audit().len();
        for (arguments, words) in [
            (
                vec![
                    "user",
                    "add",
                    "alice",
                    "--display-name",
                    "A",
                    "--password-stdin",
                ],
                "user principal name",
            ),
            (
                vec![
                    "user",
                    "add",
                    "ALICE@contoso.com",
                    "--display-name",
                    "A",
                    "--password-stdin",
                ],
                "UPN is already in use",
            ),
            (
                vec!["user", "add", "new@contoso.com", "--display-name", "A"],
                "--password-stdin",
            ),
            (
                vec![
                    "user",
                    "add",
                    "new@contoso.com",
                    "--display-name",
                    "A",
                    "--immutable-id",
                    "a_b",
                    "--password-stdin",
                ],
                "ImmutableID",
            ),
            (
                vec![
                    "user",
                    "add",
                    "new@contoso.com",
                    "--display-name",
                    "",
                    "--password-stdin",
                ],
                "display name",
            ),
            (vec!["user", "show", "nobody@contoso.com"], "user list"),
            (
                vec!["user", "disable", "nobody@contoso.com"],
                "there is no user",
            ),
            (vec!["group", "add", "staff"], "already in use"),
            (
                vec!["group", "join", "Nobodies", "alice@contoso.com"],
                "group add",
            ),
            (
                vec!["app", "add", "m365", "--domain", "Contoso.com"],
                "already served",
            ),
            (
                vec!["app", "add", "m365", "--domain", "contoso.onmicrosoft.com"],
                "onmicrosoft.com",
            ),
            (
                vec!["app", "add", "m365", "--domain", "YOUR_DOMAIN"],
                "not a domain name",
            ),
            (
                vec![
                    "app",
                    "add",
                    "m365",
                    "--domain",
                    "x.example",
                    "--cloud",
                    "mars",
                ],
                "worldwide",
            ),
            (
                vec![
                    "app",
                    "add",
                    "m365",
                    "--domain",
                    "x.example",
                    "--entra-url",
                    "http://evil.example",
                ],
                "https://",
            ),
            (
                vec![
                    "app",
                    "add",
                    "wsfed",
                    "--label",
                    "W",
                    "--realm",
                    "urn:w",
                    "--reply",
                    "javascript:alert(1)",
                ],
                "https://",
            ),
            (
                vec![
                    "app",
                    "add",
                    "wsfed",
                    "--label",
                    "W",
                    "--realm",
                    "not a uri",
                    "--reply",
                    "https://w.example/",
                ],
                "absolute URI",
            ),
            (
                vec!["app", "add", "wsfed", "--label", "W", "--realm", "urn:w"],
                "--reply",
            ),
            (
                vec![
                    "app",
                    "add",
                    "wsfed",
                    "--label",
                    "W",
                    "--realm",
                    "urn:w",
                    "--reply",
                    "https://w.example/",
                    "--attribute",
                    "role=upn",
                ],
                "full URI",
            ),
            (
                vec![
                    "app",
                    "add",
                    "wsfed",
                    "--label",
                    "W",
                    "--realm",
                    "urn:w",
                    "--reply",
                    "https://w.example/",
                    "--attribute",
                    "http://x.example/y=password",
                ],
                "no source",
            ),
            (vec!["app", "grant", "contoso.com", "Nobodies"], "group add"),
            (vec!["app", "show", "000000000000000000000000"], "app list"),
            (vec!["nonsense"], "nonsense"),
        ] {
            let failed = contoso
                .server
                .cli_with_input(&arguments, &format!("{PASSWORD}\n"));
            assert_eq!(
                (failed.success, failed.stdout.as_str()),
                (false, ""),
                "{arguments:?}"
            );
            assert!(
                failed.stderr.contains(words),
                "{arguments:?}: {}",
                failed.stderr
            );
        }
        let short = contoso.server.cli_with_input(
            &[
                "user",
                "add",
                "new@contoso.com",
                "--display-name",
                "A",
                "--password-stdin",
            ],
            "short\n",
        );
        assert!(short.failed().contains("at least 8"));
        assert_eq!(contoso.audit().len(), before);
    }
}

#[tokio::test]
async fn whether_a_password_alone_opens_an_app_is_decided_and_shown() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let (server, id) = (&contoso.server, contoso.id());
        let active = || server.cli_json(&["app", "show", id])["active"].clone();
        let base = server.url(&format!("/wsfed/{id}/trust"));
        for (field, path) in [
            ("mex_url", "/mex"),
            ("trust2005_url", "/2005/usernamemixed"),
            ("trust13_url", "/13/usernamemixed"),
        ] {
            assert_eq!(text(&contoso.app, field), format!("{base}{path}"));
        }
        let off = json!({"on": false, "networks": [], "credential_status": 400});
        assert_eq!(active(), off);

        for (arguments, words) in [
            (
                &["--active", "on", "--active-from", "203.0.113.7/24"][..],
                "write 203.0.113.0/24",
            ),
            (
                &["--active", "on", "--active-from", "2001:db8::7"],
                "write 2001:db8::/64",
            ),
            (
                &["--active", "on", "--active-from", "contoso.com"],
                "such as 203.0.113.0/24",
            ),
            (&["--active", "on", "--active-status", "403"], "400"),
            (&["--active", "perhaps"], "on, off"),
            (
                &["--protocol", "saml", "--active", "on"],
                "--protocol wsfed",
            ),
        ] {
            let failed = server
                .cli(&[&["app", "set", id], arguments].concat())
                .failed();
            assert!(failed.contains(words), "{arguments:?}: {failed}");
        }
        assert_eq!(active(), off);

        let opened = server.cli(&["app", "set", id, "--active", "on"]);
        for words in [
            "second factor",
            "from everywhere",
            "--active-from",
            "--active off",
        ] {
            assert!(opened.stderr.contains(words), "{}", opened.stderr);
        }
        let shown = opened.succeeded();
        for words in [
            "gets a token (on), from everywhere",
            text(&contoso.app, "mex_url"),
        ] {
            assert!(shown.contains(words), "{shown}");
        }

        let (one, other) = ("203.0.113.0/24", "2001:db8::/48");
        server
            .cli(&[
                "app",
                "set",
                id,
                "--active-from",
                one,
                "--active-from",
                other,
                "--active-status",
                "500",
            ])
            .succeeded();
        let expected = json!({"on": true, "networks": [one, other], "credential_status": 500});
        assert_eq!(active(), expected);
        let shown = server.cli(&["app", "show", id]).succeeded();
        assert!(
            shown.contains(&format!("from {one} {other} only; refused with 500")),
            "{shown}"
        );

        let everywhere = ["app", "set", id, "--active-from", "none"];
        assert_eq!(
            server.cli_json(&everywhere)["active"]["networks"],
            json!([])
        );
        let saml = server.cli_json(&["app", "set", id, "--protocol", "saml"]);
        assert_eq!(saml["active"]["on"], false);
        let shown = server.cli(&["app", "show", id]).succeeded();
        assert!(shown.contains("gets no token (off)"), "{shown}");
    }
}

#[tokio::test]
async fn anchors_are_kept_as_they_are_and_never_shared() {
    for database in databases() {
        let server = Setup::new(database).start().await;
        let add = |upn: &str, anchor: &str| {
            server.cli_with_input(
                &[
                    "user",
                    "add",
                    upn,
                    "--display-name",
                    "A",
                    "--immutable-id",
                    anchor,
                    "--password-stdin",
                    "--json",
                ],
                PASSWORD,
            )
        };
        let anchor = "Zm9vL2Jhcis5ODc2NTQzMjEwAA==";
        assert!(add("a@contoso.com", anchor).succeeded().contains(anchor));
        assert!(
            add("b@contoso.com", anchor)
                .failed()
                .contains("ImmutableID is already in use")
        );
        // Case counts: this is somebody else.
        add("b@contoso.com", &anchor.to_lowercase()).succeeded();
        let made = add_user(&server, "c@contoso.com", false);
        let made = text(&made, "immutable_id");
        assert!(
            made.len() <= 60
                && made
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
    }
}

#[tokio::test]
async fn people_and_groups_are_changed_while_the_server_runs() {
    for database in databases() {
        let server = Setup::new(database).start().await;
        add_user(&server, "alice@contoso.com", false);
        server.cli(&["group", "add", "Staff"]).succeeded();
        let joined = server.cli_json(&["group", "join", "staff", "Alice@Contoso.com"]);
        assert_eq!(joined["members"], serde_json::json!(["alice@contoso.com"]));
        assert_eq!(
            server.cli_json(&["user", "show", "alice@contoso.com"])["groups"],
            serde_json::json!(["Staff"])
        );
        assert_eq!(
            server.cli_json(&["group", "leave", "Staff", "alice@contoso.com"])["members"],
            serde_json::json!([])
        );
        assert_eq!(
            server.cli_json(&["user", "disable", "alice@contoso.com"])["enabled"],
            false
        );
        assert_eq!(
            server.cli_json(&["user", "enable", "alice@contoso.com"])["enabled"],
            true
        );
        assert_eq!(
            server.cli_json(&["user", "list"])[0]["upn"],
            "alice@contoso.com"
        );
        server
            .cli_with_input(
                &[
                    "user",
                    "set-password",
                    "alice@contoso.com",
                    "--password-stdin",
                ],
                "another password\n",
            )
            .succeeded();
        let audit = server.cli_json(&["audit", "list"]);
        let events: Vec<_> = audit
            .as_array()
            .expect("a list")
            .iter()
            .rev()
            .map(|line| text(line, "event"))
            .collect();
        assert_eq!(
            events,
            [
                "user.added",
                "group.added",
                "group.joined",
                "group.left",
                "user.disabled",
                "user.enabled",
                "user.password-set"
            ]
        );
    }
}
