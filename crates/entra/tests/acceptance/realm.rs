//! Realm discovery, asked as clients do.

use axum::http::StatusCode;

use crate::browser::Browser;
use crate::token::{Scene, body, tenant};

/// Asks for a realm as JSON.
async fn realm(path: &str) -> serde_json::Value {
    let page = Browser::new().get(path).await;
    serde_json::from_str(&page.text)
        .unwrap_or_else(|error| panic!("{path}: {error}: {}", page.text))
}

#[tokio::test]
async fn realm_discovery_tells_how_an_account_signs_in() {
    let federated = realm("/common/userrealm/alice%40contoso.example?api-version=1.0").await;
    assert_eq!(
        federated,
        serde_json::json!({
            "ver": "1.0",
            "account_type": "Federated",
            "domain_name": "contoso.example",
            "federation_protocol": "WSTrust",
            "cloud_instance_name": "example",
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        })
    );
    let spelt_by_go = realm("/common/UserRealm/alice@contoso.example?api-version=1.0").await;
    assert_eq!(spelt_by_go, federated);
    let managed = realm("/common/userrealm/dave@managed.example?api-version=1.0").await;
    assert_eq!(managed["account_type"], "Managed");
    assert_eq!(managed.get("federation_protocol"), None);
    let unknown = realm("/common/userrealm/dave@nowhere.example?api-version=1.0").await;
    assert_eq!(unknown["account_type"], "Unknown");

    let newer = realm("/common/userrealm?user=alice%40contoso.example&api-version=2.1&checkForMicrosoftAccount=false").await;
    assert_eq!(newer["NameSpaceType"], "Federated");
    assert!(
        newer["AuthURL"]
            .as_str()
            .is_some_and(|url| url.contains("username=alice%40contoso.example&wa=wsignin1.0"))
    );
    assert_eq!(
        realm("/common/userrealm?user=x&api-version=9").await["error"],
        "api-version is one of 1.0, 2.0 and 2.1"
    );
}

#[tokio::test]
async fn realm_discovery_tells_clients_where_a_password_may_go() {
    let mut tenant = tenant();
    for domain in &mut tenant.domains {
        if let Some(federation) = &mut domain.federation {
            federation.metadata_exchange_uri = Some("https://idp.example/trust/mex".to_owned());
            federation.active_sign_in_uri = Some("https://idp.example/trust/2005".to_owned());
        }
    }
    let mut browser = Browser::of(tenant, "http://localhost:8081");
    let federated = browser
        .get("/common/userrealm/alice@contoso.example?api-version=1.0")
        .await
        .json();
    assert_eq!(federated["federation_protocol"], "WSTrust");
    assert_eq!(
        federated["federation_metadata_url"],
        "https://idp.example/trust/mex"
    );
    assert_eq!(
        federated["federation_active_auth_url"],
        "https://idp.example/trust/2005"
    );
    let oldest = browser
        .get("/GetUserRealm.srf?login=alice%40contoso.example&json=1")
        .await
        .json();
    assert_eq!(oldest["STSAuthURL"], "https://idp.example/trust/2005");
    let saml = browser
        .get("/common/userrealm/erin@saml.example?api-version=1.0")
        .await
        .json();
    assert_eq!(saml["federation_protocol"], "SAML20");
}

#[tokio::test]
async fn the_oldest_realm_discovery_answers_in_json_and_xml() {
    let json = realm("/GetUserRealm.srf?login=alice%40contoso.example&json=1").await;
    assert_eq!(
        (&json["State"], &json["UserState"]),
        (&serde_json::json!(3), &serde_json::json!(2))
    );
    assert_eq!(json["NameSpaceType"], "Federated");
    let mut browser = Browser::new();
    let xml = browser
        .post("/GetUserRealm.srf", "login=alice%40contoso.example&xml=1")
        .await;
    assert!(
        xml.text
            .starts_with("<RealmInfo Success=\"true\"><State>3</State>"),
        "{}",
        xml.text
    );
    assert!(
        xml.text
            .contains("<NameSpaceType>Federated</NameSpaceType>")
    );
    assert_eq!(
        realm("/GetUserRealm.srf?login=dave%40nowhere.example").await["NameSpaceType"],
        "Unknown"
    );
    assert_eq!(
        browser.get("/GetUserRealm.srf").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_discovered_address_can_be_followed() {
    let mut browser = Browser::new();
    let page = browser
        .get("/common/userrealm?user=alice%40contoso.example&api-version=2.1")
        .await;
    let json: serde_json::Value = serde_json::from_str(&page.text).expect("it is JSON");
    let url = url::Url::parse(json["AuthURL"].as_str().expect("it is text")).expect("it is a URL");
    let wctx = url
        .query_pairs()
        .find(|(name, _)| name == "wctx")
        .expect("there is one")
        .1
        .into_owned();
    let page = browser
        .post("/login.srf", body(&Scene::new().wresult(), &wctx))
        .await;
    assert_eq!(page.heading(), "Signed in as alice");
}
