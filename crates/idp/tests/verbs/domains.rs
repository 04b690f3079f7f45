//! Several domains in one app: each with its issuer in everything that leaves us, and none without one.

use idp::apps::BlockedUser;

use super::*;

const FABRIKAM: &str = "https://fabrikam.com";
/// It stands before Contoso's in every order, so that nothing takes the first one by mistake.
const ADATUM: &str = "https://adatum.com/adfs";

impl Contoso {
    /// Contoso with two domains more, and somebody in each, in a sub-domain too.
    async fn with_domains() -> Self {
        let contoso = Self::open().await;
        contoso
            .domain("adatum.com", Some(ADATUM))
            .await
            .expect("added");
        contoso.domain("fabrikam.com", None).await.expect("added");
        for upn in [
            "ann@adatum.com",
            "frank@fabrikam.com",
            "erin@eu.fabrikam.com",
        ] {
            contoso.add(upn).await;
        }
        contoso
    }

    async fn domain(
        &self,
        domain: &str,
        issuer: Option<&str>,
    ) -> Result<(AppInfo, Vec<String>), Error> {
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        self.idp
            .add_domain("contoso.com", domain, issuer, &origin)
            .await
    }

    async fn without(
        &self,
        domain: &str,
        confirmed: Option<&str>,
    ) -> Result<(AppInfo, Vec<String>), Error> {
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        self.idp
            .remove_domain(&self.app_id, domain, confirmed, &origin)
            .await
    }

    async fn session_of(&self, upn: &str) -> SessionToken {
        let session = self.sign_in(upn, PASSWORD, "192.0.2.1").await;
        session.expect("signed in")
    }

    /// What a browser brings to the SAML addresses, in a form or with nothing.
    async fn arrives(&self, session: &SessionToken, message: &str) -> saml::Arrival {
        let xml = BASE64_STANDARD.encode(message).replace('+', "%2B");
        let arrived = if message.is_empty() {
            saml2::arrived("", b"", false)
        } else {
            saml2::arrived("", format!("SAMLRequest={xml}").as_bytes(), true)
        };
        self.idp
            .saml_arrives(
                &self.app_id,
                Endpoint::SignOn,
                arrived,
                Some(session),
                &at("192.0.2.1"),
            )
            .await
            .expect("it is valid")
    }

    /// The answer to a request by SAML, or to a visit without one.
    async fn by_saml(&self, session: &SessionToken, request: &str) -> String {
        let arrival = self.arrives(session, request).await;
        let saml::Message::SignOn(request) = arrival.message.clone() else {
            panic!("not a sign-on")
        };
        let outcome = self
            .idp
            .saml_sign_on_now(arrival, &request, &at("192.0.2.1"))
            .await;
        opened(&posted(outcome))
    }

    async fn last_audit(&self) -> store::AuditLine {
        let mut lines = self.idp.audit(1, None).await.expect("the audit");
        lines.pop().expect("a line")
    }
}

/// The XML in a posted form.
fn opened(post: &PostBack) -> String {
    let bytes = BASE64_STANDARD.decode(&post.fields[0].1).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

/// Every issuer that a SAML message names.
fn issuers(xml: &str) -> Vec<String> {
    let parts = xml
        .split("Issuer")
        .skip(1)
        .filter(|part| !part.starts_with("Name"));
    let texts = parts.filter_map(|part| Some(part.split_once('>')?.1.split('<').next()?.trim()));
    texts
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

fn invalid<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Invalid(text)) => text,
        Err(other) => panic!("failed otherwise: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn everything_that_leaves_us_is_in_the_name_of_the_persons_domain() {
    let contoso = Contoso::with_domains().await;
    for (upn, domain, issuer) in [
        ("alice@contoso.com", "contoso.com", "https://contoso.com"),
        ("ann@adatum.com", "ADATUM.com", ADATUM),
        ("frank@fabrikam.com", "fabrikam.com", FABRIKAM),
        ("erin@eu.fabrikam.com", "fabrikam.com", FABRIKAM),
    ] {
        speak(&contoso, Protocol::Wsfed, Some(true))
            .await
            .expect("changed");
        let session = contoso.session_of(upn).await;
        let token = posted(contoso.ask("", &session).await).fields[1].1.clone();
        assert!(token.contains(&format!("Issuer=\"{issuer}\"")), "{token}");
        let by_password = contoso.send(&contoso.rst(upn, PASSWORD), "192.0.2.1").await;
        let Ok(by_password) = by_password else {
            panic!("{upn} gets no token")
        };
        assert!(
            by_password.contains(&format!("Issuer=\"{issuer}\"")),
            "{by_password}"
        );
        let preview = contoso
            .idp
            .preview(&contoso.app_id, upn)
            .await
            .expect("a preview");
        assert_eq!(preview.issuer, issuer);

        let named = Some(domain);
        let metadata = contoso.idp.wsfed_metadata(&contoso.app_id, named).await;
        let metadata = metadata.expect("metadata");
        assert!(
            metadata.contains(&format!("entityID=\"{issuer}\"")),
            "{metadata}"
        );
        for signed in [false, true] {
            let metadata = contoso
                .idp
                .saml_metadata(&contoso.app_id, named, signed)
                .await;
            let metadata = metadata.expect("metadata");
            assert!(
                metadata.contains(&format!("entityID=\"{issuer}\"")),
                "{metadata}"
            );
        }
        let app = contoso.idp.app(&contoso.app_id).await.expect("the app");
        let federation = contoso.idp.federation_of(app, named).expect("commands");
        assert_eq!(federation.issuer, issuer);
        assert!(
            federation
                .commands_url
                .ends_with(&format!("/commands?domain={}", federation.domain))
        );

        speak(&contoso, Protocol::Saml, None)
            .await
            .expect("changed");
        let response = contoso.by_saml(&session, "").await;
        assert_eq!(issuers(&response), [issuer, issuer], "{response}");
        // A status, to a request that forbids to ask and demands what cannot be had.
        let passive = format!(
            r#"<p:AuthnRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0" IssueInstant="2027-01-15T08:00:00Z" IsPassive="true"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><p:RequestedAuthnContext><AuthnContextClassRef xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{}</AuthnContextClassRef></p:RequestedAuthnContext></p:AuthnRequest>"#,
            "http://schemas.microsoft.com/claims/multipleauthn"
        );
        let status = contoso.by_saml(&session, &passive).await;
        assert!(status.contains("RequestDenied"), "{status}");
        assert_eq!(issuers(&status), [issuer], "{status}");

        // Microsoft asks to sign out: the answer. Then we tell Microsoft.
        for name in ["somebody else", &name_of(&response)] {
            let request = format!(
                r#"<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_2" Version="2.0" IssueInstant="{}"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{name}</NameID></p:LogoutRequest>"#,
                contoso.idp.now().format("%Y-%m-%dT%H:%M:%SZ")
            );
            let arrival = contoso.arrives(&session, &request).await;
            let saml::Message::SignOut(asked) = arrival.message.clone() else {
                panic!("not a logout request")
            };
            let origin = at("192.0.2.1");
            let signed_out = contoso.idp.saml_sign_out(&arrival, asked, &origin).await;
            let Ok(SignedOut::Done(Done::Post(post))) = signed_out else {
                panic!("no answer is posted")
            };
            let answer = opened(&post);
            assert_eq!(issuers(&answer), [issuer], "{answer}");
        }
        let session = contoso.session_of(upn).await;
        contoso.by_saml(&session, "").await;
        let round = contoso.idp.sign_out(Some(&session), &at("192.0.2.1")).await;
        let Ok(SignedOut::Round(round)) = round else {
            panic!("Microsoft is to be told")
        };
        let step = contoso.idp.sign_out_step(&round, 0).await.expect("a step");
        let Some(Done::Post(post)) = step else {
            panic!("it is posted")
        };
        let request = opened(&post);
        assert!(request.contains("LogoutRequest"), "{request}");
        assert_eq!(issuers(&request), [issuer], "{request}");
    }
}

/// Whom a response names.
fn name_of(response: &str) -> String {
    let (_, rest) = response
        .split_once("nameid-format:persistent\"")
        .expect("a NameID");
    let (_, rest) = rest.split_once('>').expect("its tag ends");
    rest.split('<').next().expect("a value").to_owned()
}

#[tokio::test]
async fn what_is_about_nobody_is_in_the_first_domains_name_and_an_unknown_domain_has_no_metadata() {
    let contoso = Contoso::with_domains().await;
    let app = contoso.idp.app("fabrikam.com").await.expect("found by it");
    assert_eq!(
        (app.domain.as_deref(), app.issuer.as_str()),
        (Some("adatum.com"), ADATUM)
    );
    let domains: Vec<_> = app
        .domains
        .iter()
        .map(|one| (&*one.domain, &*one.issuer))
        .collect();
    assert_eq!(
        domains,
        [
            ("adatum.com", ADATUM),
            ("contoso.com", "https://contoso.com"),
            ("fabrikam.com", FABRIKAM),
        ]
    );
    let of_host = contoso.idp.microsoft365_metadata().await.expect("metadata");
    assert!(of_host.contains(&format!("entityID=\"{ADATUM}\"")));
    for unknown in ["eu.fabrikam.com", "", "evil.example"] {
        let metadata = contoso.idp.wsfed_metadata(&app.id, Some(unknown)).await;
        assert_eq!(refusal(metadata), Refusal::UnknownDomain);
        let metadata = contoso
            .idp
            .saml_metadata(&app.id, Some(unknown), false)
            .await;
        assert_eq!(refusal(metadata), Refusal::UnknownDomain);
    }
    let which = invalid(contoso.idp.federation_of(app.clone(), None));
    assert!(
        which.contains("--domain: adatum.com, contoso.com, fabrikam.com"),
        "{which}"
    );
    let none = invalid(contoso.idp.federation_of(app, Some("evil.example")));
    assert!(
        none.contains("has no domain evil.example; it has adatum.com"),
        "{none}"
    );
}

#[tokio::test]
async fn a_promoted_sub_domain_speaks_for_itself() {
    let contoso = Contoso::with_domains().await;
    let (_, notes) = contoso
        .domain("eu.fabrikam.com", None)
        .await
        .expect("added");
    assert!(
        notes.iter().any(|note| note.contains("promoted")),
        "{notes:?}"
    );
    let session = contoso.session_of("erin@eu.fabrikam.com").await;
    let token = posted(contoso.ask("", &session).await).fields[1].1.clone();
    assert!(
        token.contains("Issuer=\"https://eu.fabrikam.com\""),
        "{token}"
    );

    let effect = invalid(contoso.without("eu.fabrikam.com", None).await);
    assert!(
        effect.contains(
            "one person (erin@eu.fabrikam.com) of eu.fabrikam.com would get tokens of fabrikam.com"
        ),
        "{effect}"
    );
    let (_, notes) = contoso
        .without("eu.fabrikam.com", Some("EU.fabrikam.com"))
        .await
        .expect("removed");
    assert!(notes[0].contains("get tokens of fabrikam.com"), "{notes:?}");
    let token = posted(contoso.ask("", &session).await).fields[1].1.clone();
    assert!(token.contains("Issuer=\"https://fabrikam.com\""), "{token}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of mistakes")]
async fn a_domain_is_added_once_and_only_where_domains_are() {
    let contoso = Contoso::new().await;
    let new = NewWsFed {
        label: "Wiki".to_owned(),
        realm: "urn:wiki".to_owned(),
        replies: vec!["https://wiki.example/".to_owned()],
        name_id: None,
        attributes: Vec::new(),
    };
    let origin = at("command line");
    contoso.idp.add_wsfed(new, &origin).await.expect("an app");
    let new = NewMicrosoft365 {
        domain: "adatum.com".to_owned(),
        label: Some("Adatum".to_owned()),
        cloud: Cloud::Worldwide,
        entra_url: None,
    };
    contoso
        .idp
        .add_microsoft365(new, &origin)
        .await
        .expect("an app");
    let before = contoso.last_audit().await;
    for (app, domain, issuer, why) in [
        (
            "contoso.com",
            "Contoso.COM",
            None,
            "served by the application Microsoft 365 (contoso.com)",
        ),
        (
            "contoso.com",
            "adatum.com",
            None,
            "served by the application Adatum",
        ),
        (
            "contoso.com",
            "fabrikam.com",
            Some("https://adatum.com"),
            "the issuer of adatum.com in the application Adatum",
        ),
        (
            "contoso.com",
            "fabrikam.com",
            Some("not a URI"),
            "not an absolute URI",
        ),
        (
            "contoso.com",
            "x.onmicrosoft.com",
            None,
            "cannot be federated",
        ),
        (
            "contoso.com",
            "f\u{e4}brikam.com",
            None,
            "write it as xn--fbrikam-5wa.com",
        ),
        (
            "contoso.com",
            "f\u{430}brikam.com",
            None,
            "write it as xn--",
        ),
        ("contoso.com", "fabrikam.com.", None, "not a domain name"),
        (
            "contoso.com",
            "fabrikam.com'; Remove-Item x; '",
            None,
            "not a domain name",
        ),
        ("contoso.com", "$(reboot).com", None, "not a domain name"),
        ("contoso.com", "`reboot`.com", None, "not a domain name"),
        (
            "Wiki",
            "fabrikam.com",
            None,
            "only Microsoft 365 applications have domains",
        ),
        ("Nothing", "fabrikam.com", None, "no such application"),
    ] {
        let refused = contoso.idp.add_domain(app, domain, issuer, &origin).await;
        let text = invalid(refused);
        assert!(text.contains(why), "{domain}: {text}");
    }
    assert_eq!(contoso.last_audit().await, before, "nothing has changed");

    let (app, notes) = contoso
        .domain(" XN--FBRIKAM-5WA.com ", None)
        .await
        .expect("added");
    assert_eq!(app.domains[1].domain, "xn--fbrikam-5wa.com");
    assert!(
        notes[0].contains("--domain xn--fbrikam-5wa.com"),
        "{notes:?}"
    );
    let line = contoso.last_audit().await;
    assert_eq!(
        (&*line.event, line.app_id.as_deref()),
        ("app.domain-added", Some(&*contoso.app_id))
    );
    assert_eq!(line.details["domain"], "xn--fbrikam-5wa.com");
    assert_eq!(line.details["issuer"], "https://xn--fbrikam-5wa.com");
}

#[tokio::test]
async fn a_domain_is_removed_when_its_name_was_typed_again_and_never_the_last() {
    let contoso = Contoso::with_domains().await;
    for many in 1..=6 {
        contoso.add(&format!("user{many}@adatum.com")).await;
    }
    let before = contoso.last_audit().await;
    for (domain, confirmed, why) in [
        (
            "evil.example",
            Some("evil.example"),
            "has no domain evil.example; it has adatum.com, contoso.com, fabrikam.com",
        ),
        (
            "adatum.com",
            None,
            "7 people (ann@adatum.com, user1@adatum.com, user2@adatum.com, user3@adatum.com, user4@adatum.com and 2 more) of adatum.com would get no token",
        ),
        ("adatum.com", None, "--confirm adatum.com"),
        ("adatum.com", Some("fabrikam.com"), "nothing was removed"),
        (
            "fabrikam.com",
            None,
            "2 people (erin@eu.fabrikam.com, frank@fabrikam.com)",
        ),
    ] {
        let text = invalid(contoso.without(domain, confirmed).await);
        assert!(text.contains(why), "{domain}: {text}");
    }
    assert_eq!(contoso.last_audit().await, before, "nothing has changed");

    let frank = contoso.session_of("frank@fabrikam.com").await;
    posted(contoso.ask("", &frank).await);
    contoso
        .without("fabrikam.com", Some("Fabrikam.com"))
        .await
        .expect("removed");
    let line = contoso.last_audit().await;
    assert_eq!(line.event, "app.domain-removed");
    assert_eq!(
        (&line.details["domain"], &line.details["users"]),
        (&"fabrikam.com".into(), &2.into())
    );
    assert!(matches!(
        refusal(contoso.ask("", &frank).await),
        Refusal::OutsideDomain { .. }
    ));
    contoso
        .without("contoso.com", Some("contoso.com"))
        .await
        .expect("removed");
    let last = invalid(contoso.without("adatum.com", Some("adatum.com")).await);
    assert!(last.contains("only domain"), "{last}");
    // Somebody else may have it now.
    let new = NewMicrosoft365 {
        domain: "contoso.com".to_owned(),
        label: None,
        cloud: Cloud::Worldwide,
        entra_url: None,
    };
    let added = contoso.idp.add_microsoft365(new, &at("command line")).await;
    added.expect("it is free");
}

#[tokio::test]
async fn a_tile_leads_by_the_persons_own_domain() {
    let contoso = Contoso::with_domains().await;
    for (upn, domain) in [
        ("alice@contoso.com", "contoso.com"),
        ("ann@adatum.com", "adatum.com"),
        ("erin@eu.fabrikam.com", "fabrikam.com"),
    ] {
        let person = contoso.idp.signed_in(&contoso.session_of(upn).await).await;
        let user = person.expect("a look").expect("signed in").user;
        let tiles = contoso.idp.tiles(&user).await.expect("tiles");
        let [tile] = &tiles[..] else {
            panic!("one tile")
        };
        assert_eq!(tile.detail, domain);
        let link =
            format!("https://login.microsoftonline.com/login.srf?wa=wsignin1.0&whr={domain}");
        assert_eq!(tile.href, link);
    }
}

#[tokio::test]
async fn users_of_no_domain_are_listed_with_whose_they_are() {
    let contoso = Contoso::with_domains().await;
    let origin = at("command line");
    let new = NewMicrosoft365 {
        domain: "tailspin.example".to_owned(),
        label: Some("Tailspin".to_owned()),
        cloud: Cloud::Worldwide,
        entra_url: None,
    };
    contoso
        .idp
        .add_microsoft365(new, &origin)
        .await
        .expect("an app");
    for upn in ["tom@eu.tailspin.example", "mallory@evilcontoso.com"] {
        contoso.add(upn).await;
    }
    let off = contoso
        .idp
        .set_user_enabled("mallory@evilcontoso.com", false, &origin);
    off.await.expect("disabled");
    let check = contoso
        .idp
        .check_users("contoso.com")
        .await
        .expect("a report");
    assert_eq!(check.checked, 6);
    assert_eq!(check.domains, ["adatum.com", "contoso.com", "fabrikam.com"]);
    let blocked = |upn: &str, domain: &str, enabled, other: Option<&str>| BlockedUser {
        upn: upn.to_owned(),
        domain: domain.to_owned(),
        enabled,
        other_app: other.map(str::to_owned),
    };
    assert_eq!(
        check.blocked,
        [
            blocked("mallory@evilcontoso.com", "evilcontoso.com", false, None),
            blocked(
                "tom@eu.tailspin.example",
                "eu.tailspin.example",
                true,
                Some("Tailspin")
            ),
        ]
    );
}

#[tokio::test]
async fn an_issuer_changes_for_the_domain_that_is_named() {
    let contoso = Contoso::with_domains().await;
    let to = |issuer: &str, domain: Option<&str>| AppChange {
        issuer: Some(issuer.to_owned()),
        domain: domain.map(str::to_owned),
        ..AppChange::default()
    };
    let id = contoso.app_id.clone();
    for (change_to, why) in [
        (
            to("urn:x:1", None),
            "--domain: adatum.com, contoso.com, fabrikam.com",
        ),
        (
            to("urn:x:1", Some("evil.example")),
            "has no domain evil.example",
        ),
        (
            to(FABRIKAM, Some("contoso.com")),
            "already the issuer of fabrikam.com",
        ),
    ] {
        let text = invalid(change(&contoso, &id, change_to).await);
        assert!(text.contains(why), "{text}");
    }
    change(&contoso, &id, to("urn:x:fabrikam", Some("Fabrikam.com")))
        .await
        .expect("changed");
    let line = contoso.last_audit().await;
    assert_eq!(line.details["domain"], "fabrikam.com");
    assert_eq!(
        line.details["issuer"],
        "https://fabrikam.com -> urn:x:fabrikam"
    );
    // The domain that names the app is the one that is meant.
    let app = change(&contoso, "contoso.com", to("urn:x:contoso", None))
        .await
        .expect("changed");
    let found: Vec<_> = app.domains.iter().map(|one| &*one.issuer).collect();
    assert_eq!(found, [ADATUM, "urn:x:contoso", "urn:x:fabrikam"]);
}

#[tokio::test]
async fn a_key_is_handed_over_for_each_domain() {
    let contoso = Contoso::with_domains().await;
    let new = idp::certificates::NewKey::default();
    let origin = at("command line");
    let app = contoso
        .idp
        .add_next_certificate(&contoso.app_id, new, &origin)
        .await;
    let steps = idp::certificates::next_steps(&app.expect("a next key"), contoso.idp.now());
    for domain in ["adatum.com", "contoso.com", "fabrikam.com"] {
        let command = format!("countersign app commands {domain} --action rotate");
        assert!(steps[0].contains(&command), "{steps:?}");
    }
}
