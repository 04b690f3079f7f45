//! Checks 56 to 59: answers that each client understands, and the same spoilt in one way.

use entra::checks::Grant;
use entra::checks::windows::{
    Answer, Arrived, Asked, Client, FAULT, Fault, Fetched, MEX, Outcome, RESPONSE, Step, Version,
    answer,
};

use super::{changes, fails, idp, passes, trips};
use crate::token::{FOREIGN_KEY, KEY, Scene, changed, federation, now, tenant};

const ID: &str = "urn:uuid:1";

fn arrived(status: u16, body: String) -> Arrived {
    Arrived {
        status,
        content_type: Some(idp::SOAP.to_owned()),
        retry_after: false,
        body: body.into_bytes(),
        asked: 1,
    }
}

fn read(client: Client, version: Version, fetched: &Fetched) -> Step<Answer> {
    let (federation, tenant) = (federation("contoso.example", &KEY), tenant());
    let asked = Asked {
        client,
        version,
        message_id: ID,
        cloud: &tenant.cloud,
        federation: &federation,
    };
    answer(&asked, fetched, now())
}

#[track_caller]
fn check(number: &str, code: &str, what: &str, status: u16, body: &str, version: Version) {
    for client in Client::ALL {
        let step = read(client, version, &Ok(arrived(status, body.to_owned())));
        trips(number, code, what, client, &step);
    }
}

fn assertion(step: &Step<Answer>) -> &str {
    match &step.result {
        Some(Answer::Token { assertion }) => assertion,
        other => panic!("there is no token: {other:?}"),
    }
}

fn refusal(step: &Step<Answer>) -> &Fault {
    match &step.result {
        Some(Answer::Fault(fault)) => fault,
        other => panic!("there is no fault: {other:?} {:?}", step.failed()),
    }
}

#[test]
fn every_client_takes_the_token_and_what_it_passes_on_is_believed() {
    for version in Version::BOTH {
        for client in Client::ALL {
            let step = read(client, version, &Ok(arrived(200, idp::token(version, ID))));
            passes(client, &step);
            let mut scene = Scene::new();
            let verdict = entra::checks::redeem(
                &scene.tenant,
                Grant::Saml11,
                &base64(assertion(&step)),
                &mut scene.replay,
                scene.now,
            );
            assert_eq!(verdict.code(), None, "{}", client.name());
        }
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn two_clients_write_the_assertion_in_their_own_hand() {
    let pretty = changed(
        &idp::token(Version::Feb2005, ID),
        "<saml:AttributeStatement",
        "<saml:AttributeStatement xmlns:saml='urn:oasis:names:tc:SAML:1.0:assertion'",
    );
    let read = |client| {
        let step = read(client, Version::Feb2005, &Ok(arrived(200, pretty.clone())));
        assertion(&step).to_owned()
    };
    let as_it_was = read(Client::Windows);
    assert_eq!(read(Client::Go), as_it_was);
    assert_eq!(read(Client::Python), as_it_was);
    assert!(read(Client::Java).starts_with("<saml:Assertion AssertionID="));
    let without = read(Client::DotNet);
    assert!(without.contains("<saml:AttributeStatement><saml:Subject>"));
}

#[test]
fn an_answer_that_was_changed_trips_whom_it_trips_outside() {
    for version in Version::BOTH {
        for (number, code, from, to) in changes::RESPONSE {
            let mut body = changed(&idp::token(version, ID), from, to);
            if to.starts_with("t-1:") {
                let namespace = version.namespace();
                body = changed(
                    &body,
                    "<s:Body>",
                    &format!("<s:Body xmlns:t-1=\"{namespace}\">"),
                );
            }
            check(number, code, to, 200, &body, version);
        }
    }
}

#[test]
fn a_refusal_that_was_changed_trips_whom_it_trips_outside() {
    for (number, code, from, to) in changes::FAULT {
        let body = changed(&idp::fault(ID), from, to);
        let status = if *number == "58.6" { 403 } else { 400 };
        check(number, code, to, status, &body, Version::Trust13);
    }
}

#[test]
fn an_answer_of_the_other_version_is_none() {
    for [asked, answered] in [
        [Version::Feb2005, Version::Trust13],
        [Version::Trust13, Version::Feb2005],
    ] {
        let body = changed(
            &idp::token(answered, ID),
            &answered.response_action(),
            &asked.response_action(),
        );
        check("57.7", "0xc00484c1", "the other version", 200, &body, asked);
    }
}

#[test]
fn the_prefix_of_the_assertion_matters_to_one_and_that_it_is_declared_to_all() {
    let mut scene = Scene::new();
    scene.write("saml:", "asrt:");
    scene.write("xmlns:saml", "xmlns:asrt");
    let body = idp::issued(Version::Trust13, ID, &scene.signed());
    let what = "another prefix";
    check(
        "57.12",
        "couldn't parse SAML assertion",
        what,
        200,
        &body,
        Version::Trust13,
    );

    let declaration = " xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"";
    let body = changed(&idp::token(Version::Trust13, ID), declaration, "");
    let body = changed(&body, "<s:Body>", &format!("<s:Body{declaration}>"));
    for client in Client::ALL {
        let number = if client == Client::Go {
            "57.12"
        } else {
            "57.14"
        };
        let rule = RESPONSE.iter().find(|rule| rule.number == number);
        let step = read(client, Version::Trust13, &Ok(arrived(200, body.clone())));
        fails(rule.expect("it is there"), "declared above", client, &step);
    }
}

#[test]
fn an_assertion_that_somebody_else_signed_is_not_believed() {
    let mut scene = Scene::new();
    scene.key = &FOREIGN_KEY;
    let body = idp::issued(Version::Feb2005, ID, &scene.signed());
    check(
        "59",
        "AADSTS50006",
        "a foreign key",
        200,
        &body,
        Version::Feb2005,
    );
}

#[test]
fn an_answer_is_sent_as_soap() {
    for content_type in [
        None,
        Some("text/xml; charset=utf-8"),
        Some("application/soap+xml"),
        Some("application/soap+xml; charset=utf-16"),
    ] {
        let spoilt = |status, body| Arrived {
            content_type: content_type.map(str::to_owned),
            ..arrived(status, body)
        };
        for client in Client::ALL {
            let token = Ok(spoilt(200, idp::token(Version::Feb2005, ID)));
            let step = read(client, Version::Feb2005, &token);
            trips("57.1", "0xcaa90014", "a token", client, &step);
            let fault = Ok(spoilt(400, idp::fault(ID)));
            let step = read(client, Version::Feb2005, &fault);
            trips("58.1", "0xcaa90014", "a fault", client, &step);
        }
    }
}

#[test]
fn who_writes_no_message_id_needs_no_answer_to_it() {
    for body in [idp::token(Version::Trust13, ID), idp::fault(ID)] {
        let status = if body.contains("s:Fault") { 400 } else { 200 };
        let relation = format!("<a:RelatesTo>{ID}</a:RelatesTo>");
        let body = changed(&body, &relation, "");
        for client in Client::ALL {
            let step = read(client, Version::Trust13, &Ok(arrived(status, body.clone())));
            if [Client::Go, Client::Java].contains(&client) {
                passes(client, &step);
            } else {
                let number = if status == 200 { "57.5" } else { "58.4" };
                trips(number, "0xcaa90014", "no relation", client, &step);
            }
        }
    }
}

#[test]
fn a_token_has_status_200_and_nothing_is_no_token() {
    let body = idp::token(Version::Trust13, ID);
    for status in [202, 400, 500] {
        check(
            "56.1",
            "0xc000023c",
            "a token",
            status,
            &body,
            Version::Trust13,
        );
    }
    let rule = RESPONSE.iter().find(|rule| rule.number == "56.1");
    let rule = rule.expect("it is there");
    for client in Client::ALL {
        let nothing = Err("nobody listens".to_owned());
        let step = read(client, Version::Trust13, &nothing);
        fails(rule, "nothing", client, &step);
    }
}

#[test]
fn a_refusal_is_understood_with_its_words() {
    for client in Client::ALL {
        let step = read(client, Version::Feb2005, &Ok(arrived(400, idp::fault(ID))));
        passes(client, &step);
        assert_eq!(
            refusal(&step),
            &Fault {
                subcode: Some("FailedAuthentication".to_owned()),
                reason: "The password is <b>wrong</b>.".to_owned(),
                windows: "0xc000006d",
            }
        );
    }
}

#[test]
fn the_status_tells_windows_who_is_at_fault() {
    let fault = idp::fault(ID);
    let policy = changed(&fault, "w:FailedAuthentication", "w:RequestFailed");
    let ours = changed(&fault, ">s:Sender<", ">s:Receiver<");
    let bare = changed(&ours, "s:Subcode", "s:Detail");
    for (body, status, windows) in [
        (&policy, 400, "0xc00000d0"),
        (&policy, 403, "0xc000023c"),
        (&ours, 500, "0xc000023c"),
        (&bare, 503, "0xc000023c"),
    ] {
        let step = read(
            Client::Windows,
            Version::Trust13,
            &Ok(arrived(status, body.clone())),
        );
        passes(Client::Windows, &step);
        assert_eq!(refusal(&step).windows, windows);
    }
    for (body, status) in [(&fault, 401), (&fault, 403), (&fault, 200), (&ours, 400)] {
        check(
            "56.3",
            "0xc000023c",
            "a wrong status",
            status,
            body,
            Version::Trust13,
        );
    }
}

#[test]
fn a_status_of_500_leads_one_client_to_ask_again_and_windows_to_blame_the_network() {
    for client in Client::ALL {
        let step = read(client, Version::Trust13, &Ok(arrived(500, idp::fault(ID))));
        let number = if client == Client::DotNet {
            "56.2"
        } else {
            "56.3"
        };
        let rule = FAULT.iter().find(|rule| rule.number == number);
        fails(rule.expect("it is there"), "500", client, &step);
    }
}

#[test]
fn a_wrong_password_with_status_500_passes_when_it_says_when_to_come_back() {
    let fault = Arrived {
        retry_after: true,
        ..arrived(500, idp::fault(ID))
    };
    for client in Client::ALL {
        let step = read(client, Version::Trust13, &Ok(fault.clone()));
        for check in &step.checks {
            let warned = matches!(check.outcome, Outcome::Warned(_));
            assert_eq!(warned, check.rule.number == "56.3", "{}", check.rule.number);
        }
        assert_eq!(refusal(&step).windows, "0xc000023c");
    }
}

#[test]
fn every_check_is_spoilt_by_some_test() {
    let tables = [changes::MEX, changes::RESPONSE, changes::FAULT].concat();
    let elsewhere = [
        "55.4", "55.5", "55.6", "55.8", "55.20", "56.1", "57.1", "57.12", "57.14", "58.1", "56.2",
        "56.3",
    ];
    for rule in MEX.iter().chain(RESPONSE).chain(FAULT) {
        let number = rule.number;
        let in_tables = tables.iter().any(|change| change.0 == number);
        assert!(in_tables || elsewhere.contains(&number), "{number}");
    }
}
