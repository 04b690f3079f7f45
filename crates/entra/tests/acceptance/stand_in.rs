//! The stand-in's pages, spoken to as a browser does.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::browser::Browser;
use crate::token::{Scene, body, changed};

#[tokio::test]
async fn a_person_is_sent_to_their_domain_and_comes_back_signed_in() {
    let mut browser = Browser::new();
    assert_eq!(browser.get("/").await.heading(), "Sign in");

    let sent = browser
        .post("/start", "user=+alice%40contoso.example+")
        .await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert!(
        sent.location()
            .starts_with("https://idp.example/wsfed/contoso.example?client-request-id=")
    );
    assert!(sent.location().contains("&username=alice%40contoso.example&wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3d"));
    let request_id = sent.parameter("client-request-id").expect("there is one");
    let wctx = sent.parameter("wctx").expect("there is one");

    let page = browser
        .post("/login.srf", body(&Scene::new().wresult(), &wctx))
        .await;
    assert_eq!(
        (page.status, page.heading().as_str()),
        (StatusCode::OK, "Signed in as alice"),
        "{}",
        page.text
    );
    assert_eq!(
        page.texts(".checks li").len(),
        page.texts(".checks li.passed").len()
    );
    assert!(page.text.contains(&request_id));
    let home = browser.get("/").await;
    assert_eq!(home.heading(), "Signed in as alice");
}

#[tokio::test]
async fn every_switch_changes_the_request() {
    let mut browser = Browser::new();
    let mut start = async |switches: &str| {
        browser
            .get(&format!("/start?user=alice%40contoso.example&{switches}"))
            .await
    };
    assert_eq!(
        start("without_username=1").await.parameter("username"),
        None
    );
    assert_eq!(
        start("with_reply=1").await.parameter("wreply").as_deref(),
        Some("https://login.example/login.srf")
    );
    assert_eq!(
        start("ask=prompt-login")
            .await
            .parameter("prompt")
            .as_deref(),
        Some("login")
    );
    assert_eq!(
        start("ask=fresh").await.parameter("wfresh").as_deref(),
        Some("0")
    );
    assert!(
        start("ask=fresh-password")
            .await
            .parameter("wauth")
            .is_some_and(|wauth| wauth.ends_with("/password"))
    );
    assert!(
        start("ask=multi-factor")
            .await
            .parameter("wauth")
            .is_some_and(|wauth| wauth.ends_with("/multipleauthn"))
    );
    assert!(
        start("long_context=1")
            .await
            .parameter("wctx")
            .is_some_and(|wctx| wctx.len() > 4096)
    );
    assert_eq!(start("ask=else").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_long_context_comes_back_as_it_went() {
    let page = Browser::new()
        .sign_in("/start?user=alice%40contoso.example&long_context=1")
        .await;
    assert_eq!(page.heading(), "Signed in as alice");
}

#[tokio::test]
async fn what_the_request_asked_for_is_checked() {
    for (ask, code) in [
        ("multi-factor", "AADSTS50158"),
        ("prompt-login", "AADSTS50173"),
        ("fresh", "AADSTS50173"),
    ] {
        let page = Browser::new()
            .sign_in(&format!("/start?user=alice%40contoso.example&ask={ask}"))
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(
            page.texts(".notice").concat().starts_with(code),
            "{}",
            page.text
        );
    }
}

#[tokio::test]
async fn a_refused_answer_says_why_and_opens_no_session() {
    let mut browser = Browser::new();
    let wctx = browser
        .get("/start?user=alice%40contoso.example")
        .await
        .parameter("wctx")
        .expect("there is one");
    let wresult = changed(
        &Scene::new().wresult(),
        "alice@contoso.example",
        "<b>mallory</b>",
    );
    let page = browser.post("/login.srf", body(&wresult, &wctx)).await;
    assert_eq!(
        (page.status, page.heading().as_str()),
        (StatusCode::FORBIDDEN, "Sign-in failed")
    );
    assert!(
        page.texts(".notice").concat().starts_with("AADSTS50006"),
        "{}",
        page.text
    );
    assert_eq!(page.texts(".checks li.failed").len(), 1);
    assert!(!page.texts(".checks li.not-reached").is_empty());
    assert_eq!(browser.cookie, None);
    assert_eq!(browser.get("/").await.heading(), "Sign in");
}

#[tokio::test]
async fn an_answer_counts_once_and_not_for_ever() {
    let mut browser = Browser::new();
    let wctx = browser
        .get("/start?user=alice%40contoso.example")
        .await
        .parameter("wctx")
        .expect("there is one");
    let answer = body(&Scene::new().wresult(), &wctx);
    assert_eq!(
        browser.post("/login.srf", answer.clone()).await.status,
        StatusCode::OK
    );
    assert!(
        browser
            .post("/login.srf", answer.clone())
            .await
            .text
            .contains("AADSTS50013")
    );
    browser.minutes.store(61, Ordering::Relaxed);
    assert!(
        browser
            .post("/login.srf", answer.clone())
            .await
            .text
            .contains("AADSTS50089")
    );
    browser.minutes.store(121, Ordering::Relaxed);
    assert!(
        browser
            .post("/login.srf", answer)
            .await
            .text
            .contains("AADSTS20001")
    );
}

#[tokio::test]
async fn markup_in_what_others_wrote_stays_text() {
    let mut browser = Browser::new();
    let evil = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%40nowhere.example";
    let page = browser.get(&format!("/start?user={evil}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.texts("script").is_empty());
    assert!(
        page.texts(".notice")
            .concat()
            .starts_with("This username may be incorrect.")
    );
    let realm = browser
        .get(&format!("/GetUserRealm.srf?xml=1&login={evil}"))
        .await;
    assert!(!realm.text.contains("<script"), "{}", realm.text);
}

#[tokio::test]
async fn an_account_without_a_federated_domain_goes_nowhere() {
    let mut browser = Browser::new();
    for (user, notice) in [
        ("dave%40managed.example", "This domain is not federated."),
        ("dave", "This username may be incorrect."),
        ("", "This username may be incorrect."),
    ] {
        let page = browser.post("/start", format!("user={user}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(
            page.texts(".notice").concat().starts_with(notice),
            "{user}: {}",
            page.text
        );
    }
    assert_eq!(
        browser.post("/start", "").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_smart_link_starts_at_the_domain() {
    let mut browser = Browser::new();
    let sent = browser
        .get("/login.srf?wa=wsignin1.0&whr=contoso.example")
        .await;
    assert!(
        sent.location()
            .starts_with("https://idp.example/wsfed/contoso.example?")
    );
    assert_eq!(sent.parameter("username"), None);
    let page = browser
        .sign_in("/login.srf?wa=wsignin1.0&whr=contoso.example")
        .await;
    assert_eq!(page.heading(), "Signed in as alice");

    for whr in ["managed.example", "nowhere.example"] {
        let page = browser
            .get(&format!("/login.srf?wa=wsignin1.0&whr={whr}"))
            .await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{whr}");
    }
    assert_eq!(browser.get("/login.srf").await.location(), "/");
    assert_eq!(
        browser.get("/login.srf?wa=wattr1.0").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_asks_the_domain_to() {
    let mut browser = Browser::new();
    browser.sign_in("/start?user=alice%40contoso.example").await;
    let stolen = browser.cookie.clone();
    let page = browser.get("/sign-out").await;
    assert_eq!(
        page.location(),
        "https://idp.example/wsfed/contoso.example/signout?wa=wsignout1.0"
    );
    assert_eq!(browser.cookie, None);
    browser.cookie = stolen;
    assert_eq!(browser.get("/").await.heading(), "Sign in");
    assert_eq!(browser.get("/sign-out").await.heading(), "Signed out");
}

#[tokio::test]
async fn a_sign_out_clean_up_ends_the_session() {
    let mut browser = Browser::new();
    browser.sign_in("/start?user=alice%40contoso.example").await;
    let stolen = browser.cookie.clone();
    assert_eq!(
        browser.get("/login.srf?wa=wsignoutcleanup1.0").await.status,
        StatusCode::OK
    );
    browser.cookie = stolen;
    assert_eq!(browser.get("/").await.heading(), "Sign in");
}

#[tokio::test]
async fn each_sign_in_has_a_session_of_its_own() {
    let mut browser = Browser::at("https://login.example");
    browser.cookie = Some("stand-in-session=chosen-by-somebody".to_owned());
    let page = browser.sign_in("/start?user=alice%40contoso.example").await;
    let cookie = page.headers[header::SET_COOKIE]
        .to_str()
        .expect("it is text");
    assert!(!cookie.contains("chosen-by-somebody"));
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    browser.minutes.store(8 * 60, Ordering::Relaxed);
    assert_eq!(
        browser.get("/").await.heading(),
        "Sign in",
        "a session ends by itself"
    );
}

#[tokio::test]
async fn input_that_is_no_answer_is_turned_away() {
    let mut browser = Browser::new();
    assert_eq!(
        browser
            .post("/login.srf", vec![b'a'; 1024 * 1024 + 1])
            .await
            .status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        browser
            .post("/start", vec![b'a'; 1024 * 1024 + 1])
            .await
            .status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert!(
        browser
            .post("/login.srf", vec![b'a'; 1024 * 1024])
            .await
            .text
            .contains("AADSTS90014")
    );
    let json = Request::post("/login.srf")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"));
    assert_eq!(
        browser.send(json.expect("it is a request")).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        browser.post("/", "").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn no_page_loads_or_runs_anything_foreign() {
    let mut browser = Browser::new();
    for path in [
        "/",
        "/nowhere",
        "/sign-out",
        "/start?user=x",
        "/assets/stand-in.css",
    ] {
        let page = browser.get(path).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("it is text");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{path}"
        );
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        for inline in [
            "<script",
            "<style",
            "style=",
            " onclick",
            "http://",
            "https://fonts",
        ] {
            assert!(!page.text.contains(inline), "{path} has {inline}");
        }
    }
}
