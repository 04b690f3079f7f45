//! People and their anchors.

use axum::body::Body;
use axum::http::StatusCode;
use entra::graph::{Role, User};
use serde_json::{Value, json};

use super::{Answer, Console, FEDERATION, federation};

/// Asks as those do who take what may be a little old.
async fn eventually(console: &mut Console, path: &str) -> Answer {
    let request = console
        .request("GET", path)
        .header("ConsistencyLevel", "eventual");
    console
        .send(request.body(Body::empty()).expect("it is a request"))
        .await
}

fn names(answer: &Answer) -> Vec<&str> {
    let people = answer.body["value"]
        .as_array()
        .unwrap_or_else(|| panic!("{}", answer.body));
    people
        .iter()
        .map(|person| person["userPrincipalName"].as_str().expect("it is text"))
        .collect()
}

#[tokio::test]
async fn an_anchor_comes_only_when_it_is_asked_for() {
    let mut console = Console::new();
    let alice = console.get("/users/Alice@contoso.example").await;
    assert_eq!(alice.status, StatusCode::OK);
    assert_eq!(alice.body.get("onPremisesImmutableId"), None);
    let id = alice.body["id"].as_str().expect("it has an id");
    let select = "$select=userPrincipalName,onPremisesImmutableId,onPremisesSyncEnabled";
    let asked = console.get(&format!("/users/{id}?{select}")).await.body;
    assert_eq!(asked["onPremisesImmutableId"], "Id-Alice");
    assert_eq!(asked["onPremisesSyncEnabled"], Value::Null);
    assert_eq!(asked.get("id"), None);
}

#[tokio::test]
async fn people_come_in_pages() {
    let mut console = Console::new();
    console.graph().arrange(|directory| {
        for number in 0..7 {
            directory
                .users
                .push(User::new(&format!("p{number}+x@contoso.example"), None));
        }
    });
    let filter = "endswith(userPrincipalName,'%2Bx@contoso.example')";
    let mut path = format!("/users?$filter={filter}&$count=true&$top=3&$select=userPrincipalName");
    let mut found = Vec::new();
    loop {
        let page = eventually(&mut console, &path).await;
        assert_eq!(page.body["@odata.count"], 7);
        found.extend(names(&page).iter().map(|&name| name.to_owned()));
        let Some(next) = page.body["@odata.nextLink"].as_str() else {
            break;
        };
        assert_eq!(names(&page).len(), 3);
        path = next
            .strip_prefix(console.graph().base_url())
            .expect("the next page is Graph's")
            .to_owned();
    }
    let expected: Vec<_> = (0..7)
        .map(|number| format!("p{number}+x@contoso.example"))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn people_are_found_by_upn_and_anchor() {
    let mut console = Console::new();
    let by_upn = console
        .get("/users?$filter=userPrincipalName%20eq%20'ALICE@contoso.example'")
        .await;
    assert_eq!(names(&by_upn), ["alice@contoso.example"]);
    let by_anchor = console
        .get("/users?$filter=onPremisesImmutableId+eq+'Id-Bob'")
        .await;
    assert_eq!(names(&by_anchor), ["bob@contoso.example"]);
    let other_case = console
        .get("/users?$filter=onPremisesImmutableId+eq+'id-bob'")
        .await;
    assert!(names(&other_case).is_empty());

    let suffix = "/users?$filter=endswith(userPrincipalName,'@contoso.example')";
    assert_eq!(
        console.get(suffix).await.said(),
        (400, "Request_UnsupportedQuery")
    );
    assert_eq!(
        eventually(&mut console, suffix).await.said(),
        (400, "Request_UnsupportedQuery")
    );
    let counted = eventually(&mut console, &format!("{suffix}&$count=true")).await;
    assert_eq!(
        names(&counted),
        ["alice@contoso.example", "bob@contoso.example"]
    );
}

#[tokio::test]
async fn an_anchor_that_is_set_lets_a_person_in() {
    let mut console = Console::new();
    let free = json!({ "onPremisesImmutableId": null });
    assert_eq!(
        console
            .patch("/users/alice@contoso.example", &free)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    console.post(FEDERATION, &federation()).await;
    assert_eq!(console.outcome("alice").await, "AADSTS51004");

    // In a federated domain an anchor is given by way of another domain alone.
    let alice = console.graph().snapshot();
    let alice = format!(
        "/users/{}",
        alice
            .user("alice@contoso.example")
            .expect("she is there")
            .id
    );
    let anchor = json!({ "onPremisesImmutableId": "Id-Alice" });
    assert_eq!(
        console.patch(&alice, &anchor).await.said(),
        (400, "Request_BadRequest")
    );
    for (upn, anchor) in [
        ("alice@contoso.onmicrosoft.com", None),
        ("alice@contoso.example", Some("Id-Alice")),
    ] {
        let mut body = json!({ "userPrincipalName": upn });
        if let Some(anchor) = anchor {
            body["onPremisesImmutableId"] = json!(anchor);
        }
        let moved = console.patch(&alice, &body).await;
        assert_eq!(moved.status, StatusCode::NO_CONTENT, "{}", moved.body);
    }
    assert_eq!(console.outcome("alice").await, "Signed in as alice");
    // The anchor that somebody has can be said again.
    assert_eq!(
        console.patch(&alice, &anchor).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn the_administrators_are_known() {
    let mut console = Console::new();
    let global = "/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members";
    assert_eq!(
        console.get(global).await.said(),
        (403, "Authorization_RequestDenied")
    );
    let graph = console.graph();
    console.token = Some(graph.admin_token(&["RoleManagement.Read.Directory"]));
    graph.arrange(|directory| {
        let alice = directory.user_mut("alice@contoso.example");
        alice.expect("she is there").roles = vec![Role::GlobalAdministrator];
        let bob = directory.user_mut("bob@contoso.example");
        bob.expect("he is there").roles = vec![Role::SecurityAdministrator];
    });
    let members = console
        .get(&format!(
            "{global}?$select=id,userPrincipalName,accountEnabled"
        ))
        .await;
    assert_eq!(
        names(&members),
        ["alice@contoso.example", "admin@contoso.onmicrosoft.com"]
    );
    assert_eq!(members.body["value"][0]["accountEnabled"], true);
    let unknown = "/directoryRoles(roleTemplateId='62e90394')/members";
    assert_eq!(
        console.get(unknown).await.said(),
        (404, "Request_ResourceNotFound")
    );
    let mine = "/me/transitiveMemberOf/microsoft.graph.directoryRole";
    let mine = console.get(mine).await.body;
    assert_eq!(mine["value"][0]["displayName"], "Global Administrator");
    assert_eq!(mine["value"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_caller_and_the_company_are_known() {
    let mut console = Console::new();
    let me = console.get("/me?$select=userPrincipalName").await;
    assert_eq!(
        me.body["userPrincipalName"],
        "admin@contoso.onmicrosoft.com"
    );
    let organization = console.get("/organization").await.body;
    assert_eq!(
        organization["value"][0]["onPremisesSyncEnabled"],
        Value::Null
    );
    console
        .graph()
        .arrange(|directory| directory.sync_enabled = true);
    let organization = console
        .get("/organization?$select=id,onPremisesSyncEnabled")
        .await
        .body;
    assert_eq!(organization["value"][0]["onPremisesSyncEnabled"], true);
    let policy = console
        .get("/policies/federatedTokenValidationPolicy")
        .await
        .body;
    assert_eq!(policy["validatingDomains"]["rootDomains"], "all");
}
