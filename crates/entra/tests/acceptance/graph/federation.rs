//! Federating a domain and going back.

use axum::body::Body;
use axum::http::{StatusCode, header};
use entra::graph::{AuthenticationType, Fault, Habits, Moment};
use serde_json::{Value, json};

use super::{CONTOSO, Console, FEDERATION, federation, federation_with, oneline};
use crate::token::FOREIGN_KEY;

#[tokio::test]
async fn a_domain_federated_through_graph_can_be_signed_in_to_at_once() {
    let mut console = Console::new();
    assert_eq!(console.account_type().await, "Managed");
    let created = console.post(FEDERATION, &federation()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(console.account_type().await, "Federated");

    assert_eq!(console.outcome("alice").await, "Signed in as alice");
}

#[tokio::test]
async fn what_was_sent_is_stored_and_given_back() {
    let mut console = Console::federated().await;
    let stored = console.stored().await;
    for (name, value) in federation().as_object().expect("it is an object") {
        assert_eq!(&stored[name], value, "{name}");
    }
    let id = stored["id"].as_str().expect("it has an id");
    assert_eq!(stored["isSignedAuthenticationRequestRequired"], false);

    let one = console.get(&format!("{FEDERATION}/{id}")).await;
    assert_eq!(one.status, StatusCode::OK);
    assert_eq!(
        one.body["@odata.context"],
        "http://localhost:8081/graph/v1.0/$metadata#domains('contoso.example')/federationConfiguration/$entity"
    );
    assert_eq!(one.body["issuerUri"], "https://contoso.example");
    let some = console
        .get(&format!("{FEDERATION}/{id}?$select=id,issuerUri"))
        .await;
    let names: Vec<_> = some
        .body
        .as_object()
        .expect("it is an object")
        .keys()
        .collect();
    assert_eq!(names, ["@odata.context", "id", "issuerUri"]);
}

#[tokio::test]
async fn another_certificate_counts_for_the_next_sign_in() {
    let mut console = Console::federated().await;
    let one = console.the_one().await;
    let foreign = oneline(FOREIGN_KEY.certificate().der());
    let rotated = json!({ "signingCertificate": foreign, "nextSigningCertificate": null });
    let answer = console.patch(&one, &rotated).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["signingCertificate"], foreign.as_str());
    assert_eq!(answer.body["nextSigningCertificate"], Value::Null);
    assert_eq!(answer.body["displayName"], "Contoso login");

    assert_eq!(console.outcome("alice").await, "AADSTS5000811");
}

#[tokio::test]
async fn going_back_leaves_the_tenant_as_it_was() {
    let mut console = Console::new();
    let before = console.graph().snapshot();
    console.post(FEDERATION, &federation()).await;
    assert_ne!(console.graph().snapshot(), before);
    let back = console
        .patch(CONTOSO, &json!({ "authenticationType": "Managed" }))
        .await;
    assert_eq!(
        (back.status, back.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    assert_eq!(console.graph().snapshot(), before);
    assert_eq!(console.account_type().await, "Managed");
    let gone = console.get(FEDERATION).await;
    assert_eq!(gone.said(), (404, "Request_ResourceNotFound"));
    assert!(
        gone.message()
            .starts_with("Resource 'federationConfiguration' does not exist")
    );

    // Likewise for what was federated before: deleted, and created from what had been saved.
    let mut console = Console::federated().await;
    let (before, saved) = (console.graph().snapshot(), console.stored().await);
    let id = saved["id"].as_str().expect("it has an id");
    let deleted = console.delete(&format!("{FEDERATION}/{id}")).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Managed"
    );
    assert_ne!(console.graph().snapshot(), before);
    console.post(FEDERATION, &saved).await;
    assert_eq!(console.graph().snapshot(), before);
    assert_ne!(console.stored().await["id"], id);
}

#[tokio::test]
async fn creating_federates_or_does_not() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        create_federates: false,
        ..Habits::default()
    });
    console.post(FEDERATION, &federation()).await;
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Managed"
    );
    assert_eq!(console.account_type().await, "Managed");
    let federated = json!({ "authenticationType": "Federated" });
    for _ in 0..2 {
        let answer = console.patch(CONTOSO, &federated).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }
    assert_eq!(console.account_type().await, "Federated");
}

#[tokio::test]
async fn a_managed_domain_may_keep_its_federation() {
    let mut console = Console::federated().await;
    console.graph().set_habits(Habits {
        managed_keeps_configuration: true,
        ..Habits::default()
    });
    let managed = json!({ "authenticationType": "Managed" });
    console.patch(CONTOSO, &managed).await;
    assert_eq!(console.account_type().await, "Managed");
    assert_eq!(
        console.stored().await["issuerUri"],
        "https://contoso.example"
    );
    let again = console.post(FEDERATION, &federation()).await;
    assert_eq!(
        again.message(),
        "Domain already has Federation Configuration set."
    );
}

#[tokio::test]
async fn without_a_certificate_a_domain_may_become_federated_and_unmanageable() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        takes_no_certificate: true,
        ..Habits::default()
    });
    let created = console
        .post(
            FEDERATION,
            &federation_with("signingCertificate", Value::Null),
        )
        .await;
    let internal = (500, "Service_InternalServerError");
    assert_eq!(created.said(), internal);
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Federated"
    );
    assert_eq!(console.account_type().await, "Federated");
    assert_eq!(console.get(FEDERATION).await.said(), internal);
    let managed = json!({ "authenticationType": "Managed" });
    assert_eq!(console.patch(CONTOSO, &managed).await.said(), internal);
    assert_eq!(console.outcome("alice").await, "AADSTS50017");
}

#[tokio::test]
async fn addresses_may_lose_their_last_slash() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        drops_trailing_slashes: true,
        ..Habits::default()
    });
    let sent = federation_with("issuerUri", "http://contoso.example/adfs/services/trust/");
    console.post(FEDERATION, &sent).await;
    let stored = console.stored().await;
    assert_eq!(
        stored["issuerUri"],
        "http://contoso.example/adfs/services/trust"
    );
}

#[tokio::test]
async fn a_domain_without_a_federation_may_list_nothing() {
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        lists_nothing: true,
        ..Habits::default()
    });
    let listed = console.get(FEDERATION).await;
    assert_eq!(
        (listed.status, &listed.body["value"]),
        (StatusCode::OK, &json!([]))
    );
}

#[tokio::test]
async fn a_sub_domain_follows_its_parent_until_it_is_promoted() {
    let mail = "/domains/mail.contoso.example";
    let mut console = Console::federated().await;
    assert_eq!(
        console.authentication_type("mail.contoso.example").await,
        "Federated"
    );
    let own = format!("{mail}/federationConfiguration");
    let mut other = federation_with("issuerUri", "https://mail.contoso.example");
    let refused = console.post(&own, &other).await;
    assert_eq!(refused.said(), (400, "Request_BadRequest"));

    let promoted = console.call("POST", &format!("{mail}/promote"), None).await;
    assert_eq!(
        (promoted.status, &promoted.body["value"]),
        (StatusCode::OK, &json!(true))
    );
    let domain = console.get(mail).await.body;
    assert_eq!(domain["isRoot"], true);
    // Its people still sign in as the parent's do.
    assert_eq!(domain["authenticationType"], "Federated");
    let realm = "/common/userrealm/m@mail.contoso.example?api-version=1.0";
    assert_eq!(
        console.browser.get(realm).await.json()["account_type"],
        "Federated"
    );

    let managed = json!({ "authenticationType": "Managed" });
    console.patch(mail, &managed).await;
    assert_eq!(
        console.browser.get(realm).await.json()["account_type"],
        "Managed"
    );
    assert_eq!(console.account_type().await, "Federated");
    other["passiveSignInUri"] = json!("https://idp.example/wsfed/mail");
    let created = console.post(&own, &other).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let sent = console
        .browser
        .get("/start?user=m@mail.contoso.example")
        .await;
    assert!(
        sent.location()
            .starts_with("https://idp.example/wsfed/mail?"),
        "{}",
        sent.location()
    );
}

#[tokio::test]
async fn a_promoted_sub_domain_follows_its_parent_until_it_is_managed_itself() {
    let mail = "mail.contoso.example";
    let managed = json!({ "authenticationType": "Managed" });
    for (change, then) in [
        (json!({}), "Federated"),
        (json!({ "isDefault": true }), "Managed"),
        (managed.clone(), "Managed"),
    ] {
        let mut console = Console::federated().await;
        let promote = format!("/domains/{mail}/promote");
        console.call("POST", &promote, None).await;
        console.patch(CONTOSO, &managed).await;
        assert_eq!(console.authentication_type(mail).await, "Managed");
        let changed = console.patch(&format!("/domains/{mail}"), &change).await;
        assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.body);
        console.post(FEDERATION, &federation()).await;
        assert_eq!(console.authentication_type(mail).await, then, "{change}");
    }
}

#[tokio::test]
async fn promoting_may_make_a_sub_domain_managed() {
    let mut console = Console::federated().await;
    console.graph().set_habits(Habits {
        promote_manages: true,
        ..Habits::default()
    });
    console
        .call("POST", "/domains/mail.contoso.example/promote", None)
        .await;
    assert_eq!(
        console.authentication_type("mail.contoso.example").await,
        "Managed"
    );
}

#[tokio::test]
async fn another_domain_becomes_the_default() {
    let mut console = Console::new();
    let default = console
        .patch("/domains/managed.example", &json!({ "isDefault": true }))
        .await;
    assert_eq!(default.status, StatusCode::NO_CONTENT, "{}", default.body);
    let domains = console.get("/domains?$select=id,isDefault").await.body;
    let defaults: Vec<_> = domains["value"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter(|domain| domain["isDefault"] == true)
        .map(|domain| &domain["id"])
        .collect();
    assert_eq!(defaults, ["managed.example"]);
}

#[tokio::test]
async fn the_journal_tells_what_was_called() {
    let mut console = Console::new();
    let graph = console.graph();
    console.get("/domains/contoso.example?$select=id").await;
    console
        .patch(CONTOSO, &json!({ "authenticationType": "Federated" }))
        .await;
    let calls: Vec<_> = graph
        .journal()
        .into_iter()
        .map(|call| {
            (
                call.is_write(),
                call.method,
                call.path,
                call.body,
                call.status,
                call.code,
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            (
                false,
                "GET".to_owned(),
                "/domains/contoso.example?$select=id".to_owned(),
                None,
                200,
                None
            ),
            (
                true,
                "PATCH".to_owned(),
                "/domains/contoso.example".to_owned(),
                Some(r#"{"authenticationType":"Federated"}"#.to_owned()),
                400,
                Some("Request_BadRequest"),
            ),
        ]
    );
    graph.forget();
    assert_eq!(graph.journal(), []);
}

#[tokio::test]
async fn a_call_fails_before_or_after_its_effect() {
    let unavailable = (503, "serviceNotAvailable");
    for (moment, federated) in [(Moment::Before, false), (Moment::After, true)] {
        let mut console = Console::new();
        let graph = console.graph();
        graph.fail(Fault {
            call: 2,
            moment,
            lasting: false,
        });
        assert_eq!(console.get(CONTOSO).await.status, StatusCode::OK);
        assert_eq!(
            console.post(FEDERATION, &federation()).await.said(),
            unavailable
        );
        let kind = graph
            .snapshot()
            .domain("contoso.example")
            .map(|domain| domain.authentication_type);
        assert_eq!(
            kind == Some(AuthenticationType::Federated),
            federated,
            "{moment:?}"
        );
        assert_eq!(console.get(CONTOSO).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_call_too_many_has_no_effect_and_may_be_made_again() {
    let mut console = Console::new();
    console.graph().fail(Fault {
        call: 1,
        moment: Moment::Throttled,
        lasting: false,
    });
    let request = console.request("GET", CONTOSO).body(Body::empty());
    let page = console
        .browser
        .send(request.expect("it is a request"))
        .await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers[header::RETRY_AFTER], "0");
    assert_eq!(page.json()["error"]["code"], "TooManyRequests");
    assert_eq!(console.get(CONTOSO).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_lasting_failure_lasts_until_it_is_mended() {
    let mut console = Console::new();
    let fault = Fault {
        call: 1,
        moment: Moment::After,
        lasting: true,
    };
    console.graph().fail(fault);
    assert_eq!(
        console.post(FEDERATION, &federation()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let managed = json!({ "authenticationType": "Managed" });
    for _ in 0..2 {
        assert_eq!(
            console.patch(CONTOSO, &managed).await.status,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    console.graph().mend();
    assert_eq!(
        console.authentication_type("contoso.example").await,
        "Federated"
    );
}
