//! Check 55: metadata that each client understands, and the same spoilt in one way.

use entra::checks::windows::{Arrived, Client, Endpoint, Fetched, MEX, Step, Version, mex};

use super::{changes, fails, idp, passes, trips};
use crate::token::{KEY, changed, federation};

const BASE: &str = "https://idp.example/contoso";
const ADDRESS: &str = "https://idp.example/contoso/trust/mex";

fn arrived(body: String) -> Arrived {
    Arrived {
        status: 200,
        content_type: Some("text/xml; charset=utf-8".to_owned()),
        retry_after: false,
        body: body.into_bytes(),
        asked: 1,
    }
}

fn read(client: Client, fetched: &Fetched) -> Step<Endpoint> {
    mex(
        client,
        ADDRESS,
        &federation("contoso.example", &KEY),
        fetched,
    )
}

#[track_caller]
fn check_arrived(number: &str, code: &str, change: impl Fn(&mut Arrived)) {
    let mut spoilt = arrived(idp::mex(BASE));
    change(&mut spoilt);
    for client in Client::ALL {
        let step = read(client, &Ok(spoilt.clone()));
        trips(number, code, number, client, &step);
    }
}

#[test]
fn every_client_finds_its_endpoint() {
    for (client, version, path) in [
        (
            Client::DotNet,
            Version::Feb2005,
            "/trust/2005/usernamemixed",
        ),
        (Client::Go, Version::Trust13, "/trust/13/usernamemixed"),
        (Client::Java, Version::Trust13, "/trust/13/usernamemixed"),
        (Client::Python, Version::Trust13, "/trust/13/usernamemixed"),
        (Client::Windows, Version::Trust13, "/trust/13/usernamemixed"),
    ] {
        let step = read(client, &Ok(arrived(idp::mex(BASE))));
        passes(client, &step);
        let address = format!("{BASE}{path}");
        assert_eq!(step.result, Some(Endpoint { address, version }));
    }
}

#[test]
fn metadata_that_was_changed_trips_whom_it_trips_outside() {
    for (number, code, from, to) in changes::MEX {
        let body = changed(&idp::mex(BASE), from, to);
        for client in Client::ALL {
            let step = read(client, &Ok(arrived(body.clone())));
            trips(number, code, to, client, &step);
        }
    }
}

#[test]
fn what_http_says_about_metadata_counts() {
    check_arrived("55.5", "0xc004848b", |arrived| arrived.status = 202);
    check_arrived("55.5", "0xc004848b", |arrived| arrived.status = 404);
    check_arrived("55.6", "0xcaa9002c", |arrived| arrived.content_type = None);
    check_arrived("55.6", "0xcaa9002c", |arrived| {
        arrived.content_type = Some("text/html".to_owned());
    });
    check_arrived("55.7", "0xc00cee4f", |arrived| arrived.body.push(0xff));
    check_arrived("55.7", "0xc00cee4f", |arrived| arrived.body.clear());
    for media_type in ["application/xml", "application/soap+xml;charset=UTF-8"] {
        let mut other = arrived(idp::mex(BASE));
        other.content_type = Some(media_type.to_owned());
        passes(Client::Windows, &read(Client::Windows, &Ok(other)));
    }
    let nothing = Err("nobody listens".to_owned());
    for client in Client::ALL {
        let rule = MEX
            .iter()
            .find(|rule| rule.number == "55.5")
            .expect("it is there");
        fails(rule, "nothing", client, &read(client, &nothing));
    }
}

#[test]
fn an_address_with_a_query_trips_who_leaves_it_out() {
    for client in Client::ALL {
        let step = mex(
            client,
            &format!("{ADDRESS}?app=contoso"),
            &federation("contoso.example", &KEY),
            &Ok(arrived(idp::mex(BASE))),
        );
        trips("55.4", "", "a query", client, &step);
    }
}

#[test]
fn metadata_in_an_envelope_trips_who_does_not_search() {
    let bare = idp::mex(BASE).replace("<?xml version=\"1.0\" encoding=\"utf-8\"?>", "");
    let wrapped = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{bare}</s:Body></s:Envelope>"
    );
    for client in Client::ALL {
        let step = read(client, &Ok(arrived(wrapped.clone())));
        trips("55.8", "0xcaa9002c", "an envelope", client, &step);
    }
}

#[test]
fn whoever_prefers_the_newer_version_takes_the_older_one_where_it_is_alone() {
    let body = changed(
        &idp::mex(BASE),
        "SignedEncryptedSupportingTokens",
        "OtherTokens",
    );
    for client in [Client::Java, Client::Python, Client::Windows] {
        let step = read(client, &Ok(arrived(body.clone())));
        let endpoint = step.result.expect("it is found");
        assert_eq!(endpoint.version, Version::Feb2005, "{}", client.name());
    }
}

#[test]
fn a_password_goes_to_no_host_that_the_domain_did_not_register() {
    let elsewhere = idp::mex("https://other.example/contoso");
    for client in Client::ALL {
        let step = read(client, &Ok(arrived(elsewhere.clone())));
        trips("55.20", "", "another host", client, &step);
    }
    let mut both = federation("contoso.example", &KEY);
    both.active_sign_in_uri = Some("https://other.example/active".to_owned());
    let step = mex(Client::Windows, ADDRESS, &both, &Ok(arrived(elsewhere)));
    passes(Client::Windows, &step);
}

#[test]
fn http_is_enough_on_this_machine_alone() {
    for (base, is_safe) in [
        ("http://localhost:8080", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://idp.example", false),
        ("http://127.0.0.1.example", false),
    ] {
        let mut registered = federation("contoso.example", &KEY);
        registered.active_sign_in_uri = Some(base.to_owned());
        for client in Client::ALL {
            let fetched = Ok(arrived(idp::mex(base)));
            let step = mex(client, ADDRESS, &registered, &fetched);
            if is_safe {
                passes(client, &step);
            } else {
                trips("55.17", "0xcaa90023", base, client, &step);
            }
        }
    }
}
