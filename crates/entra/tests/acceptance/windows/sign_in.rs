//! The page that signs in as a Windows PC does, in front of an identity provider that listens.

use axum::http::{Method, StatusCode, header};
use entra::checks::windows::{Client, Version};

use super::idp::{Idp, Manner, PASSWORD};
use crate::browser::{Browser, Page};

fn form(user: &str, password: &str, client: Client) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("user", user)
        .append_pair("password", password)
        .append_pair("client", client.value())
        .finish()
}

async fn sign_in(idp: &Idp, user: &str, password: &str, client: Client) -> Page {
    let mut browser = Browser::of(idp.tenant(), "http://localhost:8081");
    browser.post("/windows", form(user, password, client)).await
}

#[tokio::test]
async fn every_client_signs_in_with_a_password() {
    let idp = Idp::start(Manner::GOOD).await;
    for client in Client::ALL {
        let page = sign_in(&idp, " alice@contoso.example ", PASSWORD, client).await;
        let name = client.name();
        assert_eq!(page.status, StatusCode::OK, "{name}: {}", page.text);
        assert_eq!(page.heading(), "Signed in as alice");
        assert_eq!(
            page.texts(".checks li").len(),
            page.texts(".checks li.passed").len(),
            "{name}"
        );
        assert_eq!(
            page.texts("h2")[..4],
            [
                "1. Realm discovery",
                "2. Metadata",
                match client {
                    Client::DotNet => "3. Password by WS-Trust of February 2005",
                    _ => "3. Password by WS-Trust 1.3",
                },
                "4. Tokens for the assertion",
            ]
        );
        assert!(!page.text.contains("wörd"), "the password is in the page");
        assert_eq!(page.headers.get(header::SET_COOKIE), None);
    }
    assert_eq!(idp.seen().len(), 2 * Client::ALL.len());
}

#[tokio::test]
async fn each_client_asks_in_its_own_way() {
    let idp = Idp::start(Manner::GOOD).await;
    for client in Client::ALL {
        let before = idp.seen().len();
        sign_in(&idp, "alice@contoso.example", PASSWORD, client).await;
        let [metadata, password] = &idp.seen()[before..] else {
            panic!(
                "{} asks for the metadata and sends a password",
                client.name()
            );
        };
        assert_eq!(
            (&metadata.method, &password.method),
            (&Method::GET, &Method::POST)
        );
        let version = match client {
            Client::DotNet => Version::Feb2005,
            _ => Version::Trust13,
        };
        assert_eq!(password.headers["soapaction"], version.request_action());
        assert_eq!(password.text("Action"), version.request_action());
        assert_eq!(password.headers[header::CONTENT_TYPE], super::idp::SOAP);
        assert_eq!(
            password.text("To"),
            format!(
                "http://{}{}",
                password.headers[header::HOST].to_str().expect("it is text"),
                password.path
            )
        );
        assert_eq!(password.text("Password"), PASSWORD);
        assert_eq!(
            password.text("Created").get(..19),
            Some("2026-11-21T10:00:00")
        );
        assert_eq!(
            metadata.headers["client-request-id"],
            password.headers["client-request-id"]
        );
        let sends_a_type = metadata.headers.contains_key(header::CONTENT_TYPE);
        assert_eq!(sends_a_type, client == Client::Go);
        let agent = metadata.headers[header::USER_AGENT].to_str();
        let is_windows = agent.is_ok_and(|agent| agent.starts_with("Windows-AzureAD-"));
        assert_eq!(is_windows, client == Client::Windows);
    }
}

#[tokio::test]
async fn odd_names_and_passwords_arrive_as_they_were_typed() {
    let idp = Idp::start(Manner::GOOD).await;
    for client in Client::ALL {
        let (user, password) = ("o'neil+test@contoso.example", "\t&lt;<]]>'\" +%41ß ");
        sign_in(&idp, user, password, client).await;
        let seen = idp.sent().pop().expect("it was sent");
        assert_eq!(
            (seen.text("Username"), seen.text("Password")),
            (user.to_owned(), password.to_owned())
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_and_refused_with_the_words_of_the_domain() {
    for client in Client::ALL {
        let idp = Idp::start(Manner::GOOD).await;
        let page = sign_in(&idp, "alice@contoso.example", "wröng", client).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(page.heading(), "Not signed in");
        assert_eq!(page.texts(".notice"), ["The password is <b>wrong</b>."]);
        assert!(page.text.contains("0xc000006d"), "{}", page.text);
        assert!(page.texts(".checks li.failed").is_empty());
        assert!(!page.text.contains("wröng"));
        assert_eq!(idp.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_status_of_500_makes_one_client_send_the_password_twice() {
    for (client, retry_after, times) in [
        (Client::DotNet, false, 2),
        (Client::DotNet, true, 1),
        (Client::Python, false, 1),
        (Client::Windows, false, 1),
    ] {
        let idp = Idp::start(Manner {
            status_of_refusal: StatusCode::INTERNAL_SERVER_ERROR,
            retry_after,
            ..Manner::GOOD
        })
        .await;
        let page = sign_in(&idp, "alice@contoso.example", "wrong", client).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(idp.sent().len(), times, "{} {retry_after}", client.name());
    }
}

#[tokio::test]
async fn a_check_that_fails_is_shown_with_its_code_and_ends_the_way() {
    let idp = Idp::start(Manner {
        change: Some(("<t:RequestedSecurityToken>", "<t:RequestedSecurityToken>\n")),
        ..Manner::GOOD
    })
    .await;
    let page = sign_in(&idp, "alice@contoso.example", PASSWORD, Client::Java).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(
        page.texts(".notice"),
        ["AADSTS50008: there is space around it."]
    );
    assert_eq!(page.texts(".checks li.failed .number"), ["57.11"]);
    assert!(!page.texts(".checks li.not-reached").is_empty());
    let page = sign_in(&idp, "alice@contoso.example", PASSWORD, Client::Python).await;
    assert_eq!(page.heading(), "Signed in as alice");
    assert_eq!(page.texts(".checks li.warned .number"), ["57.11"]);
}

#[tokio::test]
async fn an_account_that_cannot_sign_in_so_never_leaves_the_stand_in() {
    let idp = Idp::start(Manner::GOOD).await;
    for (user, code, number) in [
        ("dave@nowhere.example", "AADSTS50126", "55.1"),
        ("dave@managed.example", "AADSTS50126", "55.1"),
        ("dave", "AADSTS50126", "55.1"),
        ("erin@saml.example", "0xcaa90017", "55.2"),
        ("carol@fabrikam.example", "0xc004848b", "55.3"),
    ] {
        let page = sign_in(&idp, user, PASSWORD, Client::Windows).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(page.texts(".checks li.failed .number"), [number], "{user}");
        assert!(page.texts(".notice").concat().starts_with(code), "{user}");
    }
    assert!(idp.seen().is_empty());
}

#[tokio::test]
async fn nobody_is_followed_anywhere() {
    let idp = Idp::start(Manner {
        change: Some(("/contoso/trust/13", "/fabrikam/trust/13")),
        ..Manner::GOOD
    })
    .await;
    let page = sign_in(&idp, "alice@contoso.example", PASSWORD, Client::Go).await;
    assert_eq!(page.texts(".checks li.failed .number"), ["56.1"]);

    for (address, why) in [
        (format!("{}/trust/away", idp.base), "the status is 307"),
        ("https://127.0.0.1:1/mex".to_owned(), "is not http"),
        ("http://127.0.0.1:1/mex".to_owned(), "Connection refused"),
        ("http://".to_owned(), "cannot be asked"),
    ] {
        let before = idp.seen().len();
        let mut tenant = idp.tenant();
        let federation = tenant.domains[0].federation.as_mut();
        federation.expect("it is federated").metadata_exchange_uri = Some(address);
        let mut browser = Browser::of(tenant, "http://localhost:8081");
        let form = form("alice@contoso.example", PASSWORD, Client::Windows);
        let page = browser.post("/windows", form).await;
        assert_eq!(page.texts(".checks li.failed .number"), ["55.5"]);
        assert!(
            page.texts(".notice").concat().contains(why),
            "{}",
            page.text
        );
        assert!(idp.seen().len() <= before + 1);
    }
}

#[tokio::test]
async fn a_form_without_an_account_is_turned_away() {
    let mut browser = Browser::new();
    for form in ["", "user=alice", "password=x"] {
        let page = browser.post("/windows", form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{form}");
    }
    let page = browser.get("/windows").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    let page = browser.post("/windows", vec![b'a'; 1024 * 1024 + 1]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_home_page_offers_it_with_every_client() {
    let page = Browser::new().get("/").await;
    let radios = page.texts("form[action='/windows'] fieldset label");
    assert_eq!(radios, Client::ALL.map(Client::name));
    assert_eq!(
        page.texts("input[type=password][autocomplete=current-password]")
            .len(),
        1
    );
}
