//! Whatever comes in wrong gets a clear answer, a line in the audit, and changes nothing.

use harness::{Browser, databases};

use crate::company::{CORRELATION_ID, Contoso, PASSWORD, REALM, assertion, correlation_id, posted};

#[tokio::test]
async fn parameters_that_are_missing_doubled_or_oversized_are_named() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let realm = "wtrealm=urn%3afederation%3aMicrosoftOnline";
        let long = format!("+&wfresh={}", "1".repeat(5000));
        for (query, parameter) in [
            (realm, "wa"),
            ("", "wa"),
            ("wa=wsignin1.0", "wtrealm"),
            ("wa=wsignin1.0&wtrealm=", "wtrealm"),
            ("wa=wsignin1.0&+", "wa"),
            ("+&wtrealm=x", "wtrealm"),
            ("+&wctx=a&wctx=b", "wctx"),
            ("+&wreply=a&wreply=a", "wreply"),
            ("wa=WSIGNIN1.0&wtrealm=x", "wa"),
            ("wa=wattr1.0", "wa"),
            ("wa=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "wa"),
            ("+&wfresh=soon", "wfresh"),
            ("+&wfresh=-1", "wfresh"),
            ("+&wctx=%00", "wctx"),
            ("+&wctx=%ff%fe", "wctx"),
            ("+&wctx=%4", "wctx"),
            (&long, "wfresh"),
        ] {
            let page = browser
                .get(&contoso.wsfed(&format!("client-request-id={CORRELATION_ID}&{query}")))
                .await;
            assert_eq!(page.status, 400, "{query}");
            assert!(
                page.text("main")
                    .contains(&format!("parameter {parameter} ")),
                "{query}: {}",
                page.text("main")
            );
            assert_eq!(correlation_id(&page), CORRELATION_ID);
            assert!(!page.source().contains("<script>alert"));
            let line = contoso.audit().remove(0);
            assert_eq!(
                (&line["event"], &line["details"]["parameter"]),
                (&"token.refused".into(), &parameter.into()),
                "{query}"
            );
        }
        // Half in the query and half in the form is doubled too.
        let twice = browser
            .post(
                &contoso.wsfed("wa=wsignin1.0"),
                &[("wa", "wsignin1.0"), ("wtrealm", REALM)],
            )
            .await;
        assert_eq!(twice.status, 400);
        let huge = browser
            .post(
                &contoso.wsfed(""),
                &[
                    ("wa", "wsignin1.0"),
                    ("wtrealm", REALM),
                    ("wctx", &"x".repeat(300 << 10)),
                ],
            )
            .await;
        assert_eq!(huge.status, 400);
        let enormous = Browser::new()
            .post(&contoso.wsfed(""), &[("wctx", &"x".repeat(3 << 20))])
            .await;
        assert_eq!(enormous.status, 413);
        posted(&browser.get(&contoso.wsfed("+")).await);
    }
}

#[tokio::test]
async fn a_foreign_realm_or_reply_is_an_error_page_and_never_a_redirect() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let port = contoso.microsoft.port().expect("a port");
        for realm in [
            "urn:federation:microsoftonline",
            "urn:federation:MicrosoftOnline/",
            "urn:federation:MicrosoftOnline ",
            "https://evil.example",
        ] {
            let page = browser
                .post(
                    &contoso.wsfed(""),
                    &[("wa", "wsignin1.0"), ("wtrealm", realm)],
                )
                .await;
            assert_eq!((page.status, page.count("form")), (400, 0), "{realm}");
            assert_eq!(contoso.last_reason("token.refused"), "foreign-realm");
        }
        for reply in [
            format!("http://localhost:{port}/login.srf/"),
            format!("http://localhost:{port}/Login.srf"),
            format!("http://localhost:{port}/login.srf?x"),
            format!("http://localhost:{port}/login.srf#"),
            format!("http://localhost:{port}/./login.srf"),
            format!("http://localhost:{port}/a/../login.srf"),
            format!("http://localhost:{port}/login%2esrf"),
            format!("http://localhost:{port}//login.srf"),
            format!("http://localhost.:{port}/login.srf"),
            format!("http://LOCALHOST:{port}/login.srf"),
            format!("http://localhost:{}/login.srf", port ^ 1),
            format!("http://localhost:0{port}/login.srf"),
            format!("http://localhost:{port}@evil.example/login.srf"),
            format!("http://alice@localhost:{port}/login.srf"),
            format!("http://localhost.evil.example:{port}/login.srf"),
            format!("http://localhost:{port}.evil.example/login.srf"),
            format!("https://localhost:{port}/login.srf"),
            format!(" http://localhost:{port}/login.srf"),
            format!("http://localhost:{port}/login.srf\n"),
            "//evil.example/login.srf".to_owned(),
            "/login.srf".to_owned(),
            "javascript:alert(document.domain)".to_owned(),
            "data:text/html,<script>alert(1)</script>".to_owned(),
            "https://login.microsoftonline.com/login.srf".to_owned(),
        ] {
            let page = browser
                .post(
                    &contoso.wsfed(""),
                    &[("wa", "wsignin1.0"), ("wtrealm", REALM), ("wreply", &reply)],
                )
                .await;
            assert_eq!((page.status, page.count("form")), (400, 0), "{reply}");
            assert!(page.header("location").is_none(), "{reply}");
            assert!(
                !page.source().contains("evil.example") && !page.source().contains("alert("),
                "{reply} is echoed"
            );
            assert_eq!(contoso.last_reason("token.refused"), "foreign-reply");
        }
    }
}

#[tokio::test]
async fn an_address_of_no_application_is_not_found() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("ada@contoso.com").await;
        for id in [
            "663a8fb979aa83c58df6081e",
            "663A8FB979AA83C58DF6081E",
            "x",
            "%00",
            "%ff",
            "..%2f..%2fetc",
            &"a".repeat(5000),
        ] {
            for path in [
                "",
                "/commands",
                "/windows",
                "/FederationMetadata/2007-06/FederationMetadata.xml",
            ] {
                let page = browser
                    .get(
                        &contoso
                            .server
                            .url(&format!("/wsfed/{id}{path}?wa=wsignin1.0&wtrealm=x")),
                    )
                    .await;
                assert!(
                    matches!(page.status, 400 | 404),
                    "{id}{path}: {}",
                    page.status
                );
                let explained =
                    !correlation_id(&page).is_empty() || page.source().contains("Correlation id: ");
                assert!(explained, "{}", page.source());
            }
        }
    }
}

#[tokio::test]
async fn a_form_without_its_code_or_with_another_browsers_changes_nothing() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let (browser, other) = (Browser::new(), Browser::new());
        let form = browser
            .open(&contoso.wsfed("+"))
            .await
            .form("form")
            .fill("username", "alice@contoso.com")
            .fill("password", PASSWORD);
        let stolen = other
            .open(&contoso.wsfed("+"))
            .await
            .form("form")
            .value("form_token")
            .expect("a code")
            .to_owned();
        let long = "A".repeat(1000);
        for wrong in [
            form.clone().without("form_token"),
            form.clone().fill("form_token", ""),
            form.clone().fill("form_token", &stolen),
            form.clone().fill("form_token", &long),
        ] {
            let page = browser.submit(&wrong).await;
            assert_eq!((page.status, page.header("set-cookie")), (403, None));
            assert_eq!(contoso.last_reason("request.refused"), "foreign-form");
        }
        // Nor does one that is sent without the cookie that it belongs to.
        let page = Browser::new().submit(&form).await;
        assert_eq!(page.status, 403);
        assert_eq!(page.text("h1"), "Cookies are needed");
        assert_eq!(contoso.last_reason("request.refused"), "no-cookie");
        assert_eq!(
            browser.submit(&form).await.status,
            303,
            "the right one still works"
        );
        // The code of before the sign-in is worth nothing after it.
        let sign_out = contoso.server.url("/sign-out");
        let old = form.value("form_token").expect("a code");
        assert_eq!(
            browser.post(&sign_out, &[("form_token", old)]).await.status,
            403
        );
        let portal = browser.open(&contoso.server.url("/")).await;
        assert_eq!(
            browser
                .submit(&portal.form("form[action='/sign-out']"))
                .await
                .status,
            200
        );
        assert_eq!(
            browser.open(&contoso.server.url("/")).await.url.path(),
            "/sign-in"
        );
    }
}

#[tokio::test]
async fn wrong_names_and_passwords_of_every_kind_are_answered_alike() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let mut answers = Vec::new();
        for (name, password) in [
            ("alice@contoso.com", "wrong"),
            ("nobody@contoso.com", "wrong"),
            ("alice@contoso.com", ""),
            ("", ""),
            ("\u{430}lice@contoso.com", PASSWORD),
            ("al\u{200b}ice@contoso.com", PASSWORD),
            ("alice\0@contoso.com", PASSWORD),
            ("alice@contoso.com\u{202e}", PASSWORD),
            ("\u{1f511}@\u{130}", "\u{1f511}"),
            ("alice@contoso.com' OR 1=1 --", PASSWORD),
            ("hunter2", "alice@contoso.com"),
        ] {
            let page = contoso
                .sign_in(
                    &Browser::new(),
                    &contoso.server.url("/sign-in"),
                    name,
                    password,
                )
                .await;
            assert_eq!(page.status, 403, "{name:?}");
            answers.push((
                page.text("[role=alert]"),
                page.form("form").value("password").map(str::to_owned),
            ));
        }
        answers.dedup();
        assert_eq!(
            answers,
            [(
                "The user name or password is incorrect.".to_owned(),
                Some(String::new())
            )]
        );
        let audit = serde_json::to_string(&contoso.audit()).expect("JSON");
        assert!(
            !audit.contains("hunter2") && !contoso.server.log().contains("hunter2"),
            "a name that is none is not kept"
        );

        let page = Browser::new();
        let form = page
            .open(&contoso.server.url("/sign-in"))
            .await
            .form("form");
        let huge = page
            .submit(
                &form
                    .fill("username", "alice@contoso.com")
                    .fill("password", &"x".repeat(1 << 20)),
            )
            .await;
        assert_eq!(huge.status, 413);
        assert!(!correlation_id(&huge).is_empty());
    }
}

#[tokio::test]
async fn guessing_is_answered_with_a_delay() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let url = contoso.server.url("/sign-in");
        for upn in ["alice@contoso.com", "nobody@contoso.com"] {
            let mut page = contoso.sign_in(&Browser::new(), &url, upn, "guess").await;
            for _ in 0..5 {
                page = contoso.sign_in(&Browser::new(), &url, upn, "guess").await;
            }
            assert_eq!(page.status, 429);
            assert!(
                page.header("retry-after").is_some_and(|seconds| seconds
                    .parse::<u32>()
                    .is_ok_and(|seconds| seconds <= 30))
            );
            assert!(
                page.text("[role=alert]")
                    .contains("Too many wrong passwords")
            );
        }
        assert_eq!(contoso.last_reason("sign-in.refused"), "locked");
        let other = contoso
            .sign_in(&Browser::new(), &url, "ada@contoso.com", PASSWORD)
            .await;
        assert_eq!(other.status, 200, "nobody else is slowed");
    }
}

#[tokio::test]
async fn the_session_is_new_after_every_sign_in_and_a_planted_one_is_worth_nothing() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let home = contoso.server.url("/");
        browser.plant_cookie("countersign-session=planted; Path=/", &home);
        let page = contoso
            .sign_in(
                &browser,
                &contoso.server.url("/sign-in"),
                "alice@contoso.com",
                PASSWORD,
            )
            .await;
        assert_eq!(page.url.path(), "/");
        let first = browser.cookies(&home);
        assert!(!first.contains("planted"), "{first}");
        let again = contoso
            .sign_in(
                &browser,
                &contoso.wsfed("+&wfresh=0"),
                "alice@contoso.com",
                PASSWORD,
            )
            .await;
        posted(&again);
        assert_ne!(browser.cookies(&home), first);
        let thief = Browser::new();
        for cookie in first.split("; ") {
            thief.plant_cookie(cookie, &home);
        }
        assert_eq!(thief.open(&home).await.url.path(), "/sign-in");
    }
}

#[tokio::test]
async fn made_up_sign_ins_and_methods_are_answered_with_pages() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        for path in ["/sign-in/nothing", "/sign-in/%00", "/setup/nothing"] {
            let page = browser.get(&contoso.server.url(path)).await;
            assert_eq!(page.status, 410, "{path}");
            assert!(!correlation_id(&page).is_empty());
        }
        assert_eq!(
            browser.get(&contoso.server.url("/nowhere")).await.status,
            404
        );
        assert_eq!(
            browser.get(&contoso.server.url("/sign-out")).await.status,
            405
        );
        let doubled = browser
            .post(
                &contoso.server.url("/sign-in"),
                &[("username", "a"), ("username", "b")],
            )
            .await;
        assert_eq!(doubled.status, 422);
        let not_utf8 = browser
            .post_body(
                &contoso.server.url("/sign-in"),
                b"username=%ff&password=%fe".to_vec(),
            )
            .await;
        assert!(
            not_utf8.status >= 400 && not_utf8.status < 500,
            "{}",
            not_utf8.status
        );
        let json = contoso.server.url("/sign-in");
        let json = browser
            .client()
            .post(json)
            .header("content-type", "application/json")
            .body("{}");
        assert_eq!(browser.send(json).await.status, 415);
    }
}

#[tokio::test]
async fn nothing_secret_is_in_the_log_the_audit_or_the_database() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = contoso.browser_of("alice@contoso.com").await;
        let form = posted(&browser.get(&contoso.wsfed("+&wctx=opaque-context")).await);
        let token = assertion(form.value("wresult").expect("a token")).to_owned();
        let session = browser.cookies(&contoso.server.url("/"));
        let session = session
            .split("countersign-session=")
            .nth(1)
            .expect("a session cookie")
            .split(';')
            .next()
            .expect("its value");
        let signature =
            &token[token.find("<ds:SignatureValue>").expect("a signature") + 19..][..60];
        let mut places = vec![
            ("log", contoso.server.log().into_bytes()),
            ("audit", serde_json::to_vec(&contoso.audit()).expect("JSON")),
        ];
        let data = contoso.server.setup().directory().join("data");
        for name in ["countersign.db", "countersign.db-wal"] {
            places.extend(
                std::fs::read(data.join(name))
                    .ok()
                    .map(|bytes| ("database", bytes)),
            );
        }
        for (place, bytes) in places {
            for secret in [PASSWORD, session, signature, "PRIVATE KEY"] {
                assert!(
                    !bytes
                        .windows(secret.len())
                        .any(|window| window == secret.as_bytes()),
                    "{secret} is in the {place}"
                );
            }
        }
        let setup_link = contoso
            .server
            .log()
            .lines()
            .filter(|line| line.contains("/setup/") && line.contains("\"level\""))
            .count();
        assert_eq!(setup_link, 0, "the link is printed and not logged");
    }
}

#[tokio::test]
async fn what_http_itself_refuses_is_on_record_with_the_id_that_the_page_shows() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let sign_in = contoso.server.url("/sign-in");
        let post = |body: Vec<u8>, kind: &str| {
            let request = browser.client().post(sign_in.clone()).body(body);
            request.header("content-type", kind)
        };
        let form = "application/x-www-form-urlencoded";
        let get = |path: &str| browser.client().get(contoso.server.url(path));
        for (request, status, reason) in [
            (
                post(b"username=a&username=b".to_vec(), form),
                422,
                "malformed",
            ),
            (post(vec![b'x'; 1 << 20], form), 413, "too-large"),
            (
                post(b"{}".to_vec(), "application/json"),
                415,
                "unsupported-media-type",
            ),
            (get("/sign-out/x/seven"), 400, "malformed"),
            (
                get(&format!(
                    "/saml2/{}/metadata?signed=1&signed=1",
                    contoso.id()
                )),
                400,
                "malformed",
            ),
        ] {
            let page = browser.send(request).await;
            assert_eq!(page.status, status, "{reason}");
            let line = contoso.audit().remove(0);
            assert_eq!(
                (
                    &line["event"],
                    &line["details"]["reason"],
                    &line["correlation_id"]
                ),
                (
                    &"request.refused".into(),
                    &reason.into(),
                    &correlation_id(&page).into()
                ),
                "{status}"
            );
        }
        // An address that leads nowhere is a slip of somebody's hand.
        let before = contoso.audit().len();
        assert_eq!(browser.send(get("/nowhere")).await.status, 404);
        assert_eq!(browser.send(get("/sign-out")).await.status, 405);
        assert_eq!(contoso.audit().len(), before);
    }
}

#[tokio::test]
async fn a_post_of_nothing_at_all_is_a_form_without_its_code() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let browser = Browser::new();
        let attempt = browser.open(&contoso.wsfed("+")).await.url;
        for url in [
            attempt,
            contoso.server.url("/sign-in"),
            contoso.server.url("/sign-out"),
            contoso.server.url("/setup/nothing"),
        ] {
            let page = browser.send(browser.client().post(url.clone())).await;
            assert_eq!(page.status, 403, "{url}");
            let line = contoso.audit().remove(0);
            assert_eq!(
                (&line["details"]["reason"], &line["correlation_id"]),
                (&"foreign-form".into(), &correlation_id(&page).into()),
                "{url}"
            );
        }
    }
}
