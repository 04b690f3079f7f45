//! WS-Federation passive: the main job, judged by others.

use harness::judges::{self, Signed};
use harness::{Browser, databases};

use crate::company::{CORRELATION_ID, Contoso, PASSWORD, assertion, correlation_id, posted, text};

#[tokio::test]
async fn alice_signs_in_at_microsoft_and_comes_back() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let start = contoso
            .microsoft
            .join("/start?user=alice@contoso.com")
            .expect("a path");
        let page = contoso
            .sign_in(&browser, &start, "alice@contoso.com", PASSWORD)
            .await;
        let back = browser.submit(&posted(&page)).await;
        assert_eq!(
            back.text("h1"),
            "Signed in as alice",
            "{}",
            back.text(".failed")
        );
        assert_eq!(
            back.count(".checks li.failed, .checks li.not-reached, .checks li.warned"),
            0
        );
        assert!(back.count(".checks li.passed") > 30);

        // A signed-in session answers at once, without a page to type into.
        let again = browser.open(&start).await;
        assert_eq!(
            browser.submit(&posted(&again)).await.text("h1"),
            "Signed in as alice"
        );
        // Every variant that Microsoft sends, each of which asks for the password again.
        for ask in ["prompt-login", "fresh-password", "fresh"] {
            let start = contoso
                .microsoft
                .join(&format!(
                    "/start?user=alice@contoso.com&ask={ask}&long_context=1&with_reply=1"
                ))
                .expect("a path");
            let page = contoso
                .sign_in(&browser, &start, "alice@contoso.com", PASSWORD)
                .await;
            let back = browser.submit(&posted(&page)).await;
            assert_eq!(
                back.text("h1"),
                "Signed in as alice",
                "{ask}: {}",
                back.text(".failed")
            );
        }
    }
}

#[tokio::test]
async fn independent_judges_accept_the_token_as_posted_and_refuse_it_altered() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let form = posted(&browser.get(&contoso.wsfed("+&wctx=abc")).await);
        let answer = form.value("wresult").expect("a token");
        judges::everyone(answer, Signed::Assertion, contoso.certificate())
            .expect("every judge accepts the answer");
        judges::everyone(assertion(answer), Signed::Assertion, contoso.certificate())
            .expect("and the assertion cut out of it");
        let altered = answer.replace("alice@contoso.com", "admin@contoso.com");
        assert!(
            judges::xmlsec1::judge(&altered, Signed::Assertion, contoso.certificate()).is_err()
        );
        assert!(
            !assertion(answer).contains(['\n', '\r']),
            "no line breaks in base64"
        );
    }
}

#[tokio::test]
async fn the_metadata_is_signed_and_valid_and_found_where_entra_looks() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let url = text(&contoso.app, "federation_metadata_url")
            .parse()
            .expect("a URL");
        let own = browser.get(&url).await;
        let host = browser
            .get(
                &contoso
                    .server
                    .url("/FederationMetadata/2007-06/FederationMetadata.xml"),
            )
            .await;
        for page in [&own, &host] {
            assert_eq!(page.status, 200);
            assert!(
                page.header("content-type")
                    .is_some_and(|kind| kind.starts_with("application/samlmetadata+xml"))
            );
            judges::everyone(page.source(), Signed::Metadata, contoso.certificate())
                .expect("every judge accepts the metadata");
            assert!(page.source().contains("entityID=\"https://contoso.com\""));
        }
        let second = ["app", "add", "m365", "--domain", "fabrikam.com"];
        contoso.server.cli(&second).succeeded();
        let host = browser.get(&host.url).await;
        assert_eq!(
            host.status, 404,
            "with two domains nobody could say whose it is"
        );
    }
}

#[tokio::test]
async fn every_parameter_that_microsoft_sends_is_taken() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let query = format!(
            "client-request-id={CORRELATION_ID}&username=alice%40contoso.com&+&wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3drQQI\
             &cbcxt=&popupui=&id=1&wp=MBI&ct=1700000000&rver=7.0&mkt=de-DE&lc=1031&ui_locales=de&whr=contoso.com&domain_hint=x&wct=2026-01-01T00:00:00Z\
             &wfresh=&wauth=&wreply=&foo=1&foo=2"
        );
        let page = browser.open(&contoso.wsfed(&query)).await;
        let form = page.form("form");
        assert_eq!(form.value("username"), Some("alice@contoso.com"));
        assert!(form.value("password").is_some());
        assert!(page.text("main").contains("Contoso 365"));
        let answer = browser.submit(&form.fill("password", PASSWORD)).await;
        let form = posted(&browser.follow(answer).await);
        assert_eq!(
            form.action,
            contoso.microsoft.join("/login.srf").expect("a path")
        );
        assert_eq!(
            form.value("wctx"),
            Some("LoginOptions=3&estsredirect=2&estsrequest=rQQI")
        );
        let issued = contoso
            .audit()
            .into_iter()
            .find(|line| line["event"] == "token.issued")
            .expect("on record");
        assert_eq!(issued["correlation_id"], CORRELATION_ID);
    }
}

#[tokio::test]
async fn wctx_comes_back_byte_for_byte_by_get_and_by_post() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let odd = "\"><script>alert('x')</script>&amp;\u{e9}\u{1f511} \t\r\n\n+%41%zz\u{2028}";
        let long = format!("{odd}{}", "x".repeat(64 << 10));
        for context in [odd, "", &long] {
            let page = browser
                .post(
                    &contoso.server.url(&format!("/wsfed/{}", contoso.id())),
                    &[
                        ("wa", "wsignin1.0"),
                        ("wtrealm", crate::company::REALM),
                        ("wctx", context),
                    ],
                )
                .await;
            assert_eq!(posted(&page).value("wctx"), Some(context));
        }
        let mut url = contoso.wsfed("+");
        url.query_pairs_mut()
            .append_pair("wctx", &format!("{odd}{}", "y".repeat(60_000)));
        assert!(
            posted(&browser.get(&url).await)
                .value("wctx")
                .is_some_and(|context| context.starts_with(odd))
        );
        assert_eq!(
            posted(&browser.get(&contoso.wsfed("+")).await).value("wctx"),
            None
        );
    }
}

#[tokio::test]
async fn a_post_from_another_site_is_parked_and_answered() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        // The browser does not send SameSite=Lax cookies with the post, but with the redirect that follows.
        let stranger = Browser::new();
        let fields = [
            ("wa", "wsignin1.0"),
            ("wtrealm", crate::company::REALM),
            ("wctx", "a\u{e9}<b"),
        ];
        let answer = stranger
            .post(
                &contoso.server.url(&format!("/wsfed/{}", contoso.id())),
                &fields,
            )
            .await;
        assert_eq!(answer.status, 303);
        let next = answer.redirect().expect("somewhere to go");
        assert_eq!(
            posted(&browser.get(&next).await).value("wctx"),
            Some("a\u{e9}<b")
        );
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_and_nothing_is_posted() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url = contoso.wsfed(&format!(
            "client-request-id={CORRELATION_ID}&+&wctx=secret-context"
        ));
        for (upn, reason, words) in [
            (
                "carol@contoso.com",
                "not-granted",
                "does not have access to Contoso 365",
            ),
            (
                "frank@fabrikam.com",
                "outside-domain",
                "The domain of this user name is not the domain",
            ),
            ("dave@contoso.com", "user-disabled", "is disabled"),
        ] {
            let page = contoso.sign_in(&Browser::new(), &url, upn, PASSWORD).await;
            assert_eq!(page.status, 403, "{upn}");
            let words_on_page = page.text("main");
            assert!(words_on_page.contains(words), "{words_on_page}");
            assert!(words_on_page.contains("administrator"), "{words_on_page}");
            assert_eq!(correlation_id(&page), CORRELATION_ID);
            assert_eq!(page.count("form"), 0);
            assert!(
                !page.source().contains("wresult") && !page.source().contains("secret-context")
            );
            let event = if reason == "user-disabled" {
                "sign-in.refused"
            } else {
                "token.refused"
            };
            assert_eq!(contoso.last_reason(event), reason);
        }
    }
}

#[tokio::test]
async fn a_grant_that_is_taken_back_and_a_person_who_is_disabled_count_at_once() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let alice = contoso.browser_of("alice@contoso.com").await;
        let ada = contoso.browser_of("ada@contoso.com").await;
        posted(&alice.get(&contoso.wsfed("+")).await);
        contoso
            .server
            .cli(&["app", "revoke", "contoso.com", "Staff"])
            .succeeded();
        assert_eq!(alice.get(&contoso.wsfed("+")).await.status, 403);
        contoso
            .server
            .cli(&["app", "grant", "contoso.com", "Staff"])
            .succeeded();
        posted(&alice.get(&contoso.wsfed("+")).await);
        // In the middle of signing in, too.
        let half_way = Browser::new();
        let page = half_way.open(&contoso.wsfed("+")).await;
        contoso
            .server
            .cli(&["user", "disable", "alice@contoso.com"])
            .succeeded();
        let form = page
            .form("form")
            .fill("username", "alice@contoso.com")
            .fill("password", PASSWORD);
        assert_eq!(half_way.submit(&form).await.status, 403);
        let page = alice.open(&contoso.wsfed("+")).await;
        assert!(
            page.form("form").value("password").is_some(),
            "her session is over"
        );
        posted(&ada.get(&contoso.wsfed("+")).await);
    }
}

#[tokio::test]
async fn a_second_factor_is_refused_with_a_clear_page() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let wauth = "wauth=http%3a%2f%2fschemas.microsoft.com%2fclaims%2fmultipleauthn&mfa_max_age=259200&+";
        let page = Browser::new().open(&contoso.wsfed(wauth)).await;
        assert_eq!(
            (page.status, page.text("h1").as_str()),
            (403, "A second factor is needed")
        );
        assert_eq!(
            contoso.last_reason("token.refused"),
            "multi-factor-requested"
        );
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_whichever_way_it_is_said() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let elsewhere = "wreply=https%3a%2f%2fevil.example%2f";
        for query in [
            "/signout".to_owned(),
            "/signout?wa=wsignout1.0".to_owned(),
            "?wa=wsignout1.0".to_owned(),
            format!("/signout?wa=wsignout1.0&{elsewhere}"),
            "/signout?wa=wsignoutcleanup1.0".to_owned(),
            format!("?wa=wsignoutcleanup1.0&{elsewhere}"),
        ] {
            let browser = contoso.browser_of("alice@contoso.com").await;
            let cookie = browser.cookies(&contoso.server.url("/"));
            let page = browser
                .get(
                    &contoso
                        .server
                        .url(&format!("/wsfed/{}{query}", contoso.id())),
                )
                .await;
            assert_eq!(page.status, 200, "{query}");
            assert!(page.header("location").is_none(), "{query}");
            // Not only this browser forgot it: the session itself is over.
            let thief = Browser::new();
            for one in cookie.split("; ") {
                thief.plant_cookie(one, &contoso.server.url("/"));
            }
            assert_eq!(
                thief.open(&contoso.server.url("/")).await.url.path(),
                "/sign-in",
                "{query}"
            );
        }
        let reply = format!("{}login.srf", contoso.microsoft);
        let back = contoso.server.url(&format!(
            "/wsfed/{}/signout?wa=wsignout1.0&wreply={reply}",
            contoso.id()
        ));
        let answer = Browser::new().get(&back).await;
        assert_eq!(
            answer.redirect().map(String::from),
            Some(reply),
            "its own reply address is allowed"
        );
    }
}

#[tokio::test]
async fn any_ws_federation_application_is_served() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let wiki = contoso.server.cli_json(&[
            "app",
            "add",
            "wsfed",
            "--label",
            "Wiki & <b>",
            "--realm",
            "urn:example:wiki",
            "--reply",
            "https://wiki.example/a?x=1",
            "--reply",
            "https://wiki.example/b",
            "--name-id",
            "emailAddress=email",
            "--attribute",
            "http://schemas.xmlsoap.org/claims/Group=groups",
            "--attribute",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name=display-name",
            "--attribute",
            "http://wiki.example/tier='gold & \"<silver>'",
        ]);
        let id = text(&wiki, "id");
        contoso
            .server
            .cli(&["app", "grant", id, "Staff"])
            .succeeded();
        contoso
            .server
            .cli(&["group", "add", "Writers & <editors>"])
            .succeeded();
        contoso
            .server
            .cli(&["group", "join", "Writers & <editors>", "alice@contoso.com"])
            .succeeded();
        let browser = contoso.browser_of("alice@contoso.com").await;
        let ask = |more: &str| {
            contoso.server.url(&format!(
                "/wsfed/{id}?wa=wsignin1.0&wtrealm=urn:example:wiki{more}"
            ))
        };
        let form = posted(&browser.get(&ask("")).await);
        assert_eq!(form.action.as_str(), "https://wiki.example/a?x=1");
        let answer = form.value("wresult").expect("a token");
        judges::everyone(
            answer,
            Signed::Assertion,
            text(&wiki, "signing_certificate"),
        )
        .expect("every judge accepts it");
        let document = roxmltree::Document::parse(answer).expect("XML");
        let values: Vec<_> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "AttributeValue")
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(
            values,
            ["Staff", "Writers & <editors>", "alice", "gold & \"<silver>"]
        );
        let name_id = document
            .descendants()
            .find(|node| node.tag_name().name() == "NameIdentifier")
            .expect("a subject");
        assert_eq!(
            name_id.attribute("Format"),
            Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
        );
        let second = posted(
            &browser
                .get(&ask("&wreply=https%3a%2f%2fwiki.example%2fb"))
                .await,
        );
        assert_eq!(second.action.as_str(), "https://wiki.example/b");
        let carol = contoso.browser_of("carol@contoso.com").await;
        assert_eq!(carol.get(&ask("")).await.status, 403);
        // Frank's domain is nobody's, which is Microsoft's rule and not the wiki's.
        posted(
            &contoso
                .browser_of("frank@fabrikam.com")
                .await
                .get(&ask(""))
                .await,
        );
    }
}

#[tokio::test]
async fn the_page_that_posts_the_token_works_without_scripts_and_under_its_policy() {
    let contoso = Contoso::on(harness::Database::Sqlite).await;
    let browser = contoso.browser_of("alice@contoso.com").await;
    let page = browser.get(&contoso.wsfed("+")).await;
    assert_eq!(
        page.count("form button"),
        1,
        "a button for those without scripts"
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("script-src 'self'")
            && !policy.contains("unsafe")
            && !policy.contains("form-action")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.count("[style], [onload], [onclick], style"), 0);
    assert_eq!(page.attributes("script", "src").len(), page.count("script"));
}
