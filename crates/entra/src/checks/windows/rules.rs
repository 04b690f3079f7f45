//! The lists of checks of a password sign-in: their numbers, titles for people, and the codes that are seen.

use super::Client;

/// A check of one step.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number in the list of all checks, and which of its parts this is.
    pub number: &'static str,
    pub title: &'static str,
    /// What Windows, Entra ID or a library says when it fails; empty where each says something else.
    pub code: &'static str,
    /// The clients that fail; empty for those checks in which all do, or only a warning is due.
    pub trips: &'static [Client],
}

impl Rule {
    /// What a client is told whom it does not trip.
    pub(super) fn warning(&self, why: &str) -> String {
        let names: Vec<_> = self.trips.iter().map(|client| client.name()).collect();
        match names.as_slice() {
            [] => why.to_owned(),
            [one] => format!("{why}; {one} would fail"),
            [first @ .., last] => format!("{why}; {} and {last} would fail", first.join(", ")),
        }
    }
}

/// Whom the account signs in with.
#[rustfmt::skip]
pub const REALM: &[Rule] = &[
    all("55.1", "The account belongs to a federated domain", "AADSTS50126"),
    all("55.2", "The domain is federated in a protocol that brings WS-Trust", "0xcaa90017"),
    all("55.3", "The domain says where its metadata is", "0xc004848b"),
];

/// The metadata: a WSDL with policies.
#[rustfmt::skip]
pub const MEX: &[Rule] = &[
    some("55.4", "The address needs no query", "", &[Client::Go]),
    all("55.5", "It answers to GET with status 200", "0xc004848b"),
    all("55.6", "It is sent as XML", "0xcaa9002c"),
    all("55.7", "It is well-formed XML without a document type", "0xc00cee4f"),
    some("55.8", "Its root is wsdl:definitions, not an envelope", "0xcaa9002c", &[Client::Go, Client::Python]),
    some("55.9", "Identifiers of policies and names of bindings are there once", "", &[Client::DotNet]),
    some("55.10", "A policy of 2005 takes a user name and password over TLS", "0xcaa90023", &[Client::DotNet]),
    some("55.11", "A policy of WS-Trust 1.3 does so too", "0xcaa90023", &[Client::Go]),
    some("55.12", "The policies are identified by wsu:Id, in these letters", "0xcaa90023", &[Client::Java]),
    some("55.13", "xmlns:sp stands on sp:TransportBinding itself", "no policies for mex document", &[Client::Go]),
    some("55.14", "xmlns:sp stands on the supporting tokens, too", "0xcaa90023", &[Client::Java]),
    all("55.15", "A binding over HTTP leads to each policy, with its version's action", "found unknown spec version in mex document"),
    some("55.16", "There is one service, whose ports name their bindings with a prefix", "0xcaa90023", &[Client::DotNet]),
    some("55.17", "Each port's wsa10:Address begins with https:// (http:// for this machine)", "0xcaa90023", &[Client::Java, Client::Python]),
    some("55.18", "The addresses end in their version's path, without a query", "", &[Client::Python]),
    all("55.19", "The client finds an endpoint that takes a password", "0xc004848b"),
    all("55.20", "The endpoint is on a host that the domain registered", ""),
];

/// An answer with a token.
#[rustfmt::skip]
pub const RESPONSE: &[Rule] = &[
    all("56.1", "A token comes with status 200", "0xc000023c"),
    all("57.1", "It is sent as SOAP 1.2 in UTF-8", "0xcaa90014"),
    all("57.2", "It is well-formed XML without a document type", "0xcaa9002c"),
    all("57.3", "It is an envelope of SOAP 1.2 with a header and one thing in its body", "0xcaa90014"),
    all("57.4", "wsa:Action is that of the answer", "0xcaa90014"),
    all("57.5", "wsa:RelatesTo is the request's wsa:MessageID", "0xcaa90014"),
    all("57.6", "Its timestamp is of now", "0xcaa90014"),
    all("57.7", "The token response is where its version has it", "0xc00484c1"),
    all("57.8", "One TokenType in the whole answer is SAML 1.0's", "AADSTS50008"),
    all("57.9", "It is for this cloud, and says how long and what for", "0xcaa90014"),
    all("57.10", "It holds one assertion of SAML 1.1", "0xc00484c1"),
    some("57.11", "Nothing is around the assertion, not even white space", "AADSTS50008", &[Client::Java]),
    some("57.12", "The assertion declares its prefix itself, and it is saml", "couldn't parse SAML assertion", &[Client::Go]),
    some("57.13", "A regular expression can cut the assertion out", "AADSTS50008", &[Client::Python]),
    all("57.14", "The assertion declares every prefix that it uses", "AADSTS50008"),
    all("59", "Cut out, or written again by another hand, the assertion still verifies", "AADSTS50006"),
];

/// An answer that refuses.
#[rustfmt::skip]
pub const FAULT: &[Rule] = &[
    all("58.1", "It is sent as SOAP 1.2 in UTF-8", "0xcaa90014"),
    all("58.2", "It is well-formed XML without a document type", "0xcaa9002c"),
    all("58.3", "It is an envelope of SOAP 1.2 with a fault alone in its body", "0xcaa90014"),
    all("58.4", "wsa:Action is that of a fault, wsa:RelatesTo the request's wsa:MessageID", "0xcaa90014"),
    all("58.5", "The code says whose fault it is, s:Sender or s:Receiver", "0xcaa90014"),
    some("58.6", "There is one subcode, a name with a prefix that is declared", "ArrayIndexOutOfBoundsException", &[Client::Java]),
    some("58.7", "The subcode is one that clients know", "", &[]),
    all("58.8", "The reason is a text in a language", "'NoneType' object has no attribute 'text'"),
    some("56.2", "Nobody is led to send the password again", "", &[Client::DotNet]),
    all("56.3", "The status is 400 for a password, another 4xx for another no, 5xx for own failures", "0xc000023c"),
];

const fn all(number: &'static str, title: &'static str, code: &'static str) -> Rule {
    some(number, title, code, &[])
}

const fn some(
    number: &'static str,
    title: &'static str,
    code: &'static str,
    trips: &'static [Client],
) -> Rule {
    Rule {
        number,
        title,
        code,
        trips,
    }
}
