//! Whatever is called in whatever order, a tenant stays one that Microsoft could have.

use std::collections::HashSet;

use entra::graph::{AuthenticationType, Directory, Fault, Habits, Moment};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Console, federation_with};

const DOMAINS: [&str; 4] = [
    "contoso.example",
    "mail.contoso.example",
    "managed.example",
    "contoso.onmicrosoft.com",
];

/// A call that a script of the run-book might make, on one of the domains.
#[derive(Clone, Debug)]
enum Step {
    Create { issuer: usize },
    Delete,
    Update { issuer: usize },
    Type(&'static str),
    Default,
    Promote,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step, Option<Moment>)>> {
    let step = prop_oneof![
        3 => (0..3_usize).prop_map(|issuer| Step::Create { issuer }),
        1 => Just(Step::Delete),
        1 => (0..3_usize).prop_map(|issuer| Step::Update { issuer }),
        2 => prop_oneof![Just("Managed"), Just("Federated")].prop_map(Step::Type),
        1 => Just(Step::Default),
        1 => Just(Step::Promote),
    ];
    let moment = prop_oneof![
        4 => Just(None),
        1 => prop_oneof![Just(Moment::Before), Just(Moment::After)].prop_map(Some),
    ];
    prop::collection::vec((0..DOMAINS.len(), step, moment), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tenant_stays_possible(steps in steps(), create_federates: bool, managed_keeps_configuration: bool, promote_manages: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it is Linux");
        runtime.block_on(async {
            let mut console = Console::new();
            console.graph().set_habits(Habits {
                create_federates,
                managed_keeps_configuration,
                promote_manages,
                ..Habits::default()
            });
            for (domain, step, moment) in steps {
                if let Some(moment) = moment {
                    console.graph().fail(Fault { call: 1, moment, lasting: false });
                }
                let domain = DOMAINS[domain];
                let before = console.graph().snapshot();
                let status = take(&mut console, domain, &step).await;
                let after = console.graph().snapshot();
                if status >= 400 && moment != Some(Moment::After) {
                    assert_eq!(after, before, "{step:?} was refused");
                }
                is_possible(&after);
                for domain in DOMAINS {
                    agrees(&mut console, domain).await;
                }
            }
        });
    }
}

async fn take(console: &mut Console, domain: &str, step: &Step) -> u16 {
    let path = format!("/domains/{domain}");
    let issuer = |number: &usize| json!(format!("https://issuer-{number}.example"));
    // Looked up by the side, so that a failure strikes the call that is meant.
    let directory = console.graph().directory();
    let configuration = directory
        .domain(domain)
        .and_then(|domain| domain.configuration.as_ref());
    let id = configuration.map_or("none", |found| &found.id);
    let one = format!("{path}/federationConfiguration/{id}");
    let (method, path, body) = match step {
        Step::Create { issuer: number } => (
            "POST",
            format!("{path}/federationConfiguration"),
            federation_with("issuerUri", issuer(number)),
        ),
        Step::Delete => ("DELETE", one, Value::Null),
        Step::Update { issuer: number } => ("PATCH", one, json!({ "issuerUri": issuer(number) })),
        Step::Type(name) => ("PATCH", path, json!({ "authenticationType": name })),
        Step::Default => ("PATCH", path, json!({ "isDefault": true })),
        Step::Promote => ("POST", format!("{path}/promote"), Value::Null),
    };
    let body = (!body.is_null()).then_some(&body);
    console.call(method, &path, body).await.status.as_u16()
}

fn is_possible(directory: &Directory) {
    let defaults: Vec<_> = directory
        .domains
        .iter()
        .filter(|domain| domain.is_default)
        .collect();
    assert_eq!(defaults.len(), 1);
    let federated = |domain: &&entra::graph::Domain| {
        domain.authentication_type == AuthenticationType::Federated
    };
    for domain in directory.domains.iter().filter(federated) {
        assert!(!domain.is_default && !domain.is_initial, "{}", domain.id);
    }
    let issuers: Vec<_> = directory
        .domains
        .iter()
        .filter_map(|domain| domain.configuration.as_ref()?.issuer_uri.clone())
        .collect();
    let different: HashSet<_> = issuers.iter().collect();
    assert_eq!(different.len(), issuers.len(), "{issuers:?}");
}

/// Graph and the sign-in page say the same of a domain.
async fn agrees(console: &mut Console, domain: &str) {
    let realm = format!("/common/userrealm/somebody@{domain}?api-version=1.0");
    let realm = console.browser.get(&realm).await.json();
    let said = console.authentication_type(domain).await;
    assert_eq!(realm["account_type"], said, "{domain}");
}
