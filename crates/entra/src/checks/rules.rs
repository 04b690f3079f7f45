//! The lists of checks: their numbers, titles for people, and the codes they raise.

use super::Grant;
use crate::tenant::Protocol;

/// A check that an answer has to pass.
#[derive(Debug)]
pub struct Rule {
    pub number: u8,
    pub title: &'static str,
    /// The codes that a failure can have; none when the check can only warn.
    pub raises: &'static [u32],
}

/// Every check of an answer in this protocol, in the order in which they are made.
///
/// The numbers are those of one list for both protocols. What is in neither belongs to the transport (1) or
/// to the settings of a tenant (40).
pub fn rules(protocol: Protocol) -> &'static [Rule] {
    match protocol {
        Protocol::WsFed => WSFED,
        Protocol::Saml => SAML,
    }
}

/// Every check of an assertion that is exchanged at the token endpoint, in the order in which they are made.
pub fn grant_rules(grant: Grant) -> &'static [Rule] {
    match grant {
        Grant::Saml11 => SAML11_GRANT,
        Grant::Saml20 => SAML20_GRANT,
    }
}

#[rustfmt::skip]
const WSFED: &[Rule] = &[
    rule(2, ONE_ANSWER, &[90014, 20012]),
    rule(3, "The answer speaks the domain's protocol, WS-Federation", &[7_500_514]),
    rule(4, "wctx came back byte for byte", &[20001, 50089]),
    rule(5, "wa is wsignin1.0", &[20012]),
    rule(6, "The answer is UTF-8 text", &[75001]),
    rule(7, WELL_FORMED, &[20012]),
    rule(8, "It is a WS-Trust token response", &[20012]),
    rule(13, "The response was made just now and has not expired", &[20012]),
    rule(14, "The response is for this cloud and says what it holds", &[20012]),
    ONE_ASSERTION, REALM, ASKED_REALM,
    SIGNED_LAST,
    REFERENCE, TRANSFORMS, ALGORITHMS, KEY, LINE_BREAKS, IN_DATE,
    SAML11, VALID_NOW, AUDIENCE, BEARER, NAME_IDENTIFIER, IMMUTABLE_ID, UPN,
    AUTHENTICATION, UNUSED, NO_DUPLICATES, KNOWN, ENABLED, SAME_ROOT, MULTI_FACTOR, FRESH,
];

#[rustfmt::skip]
const SAML: &[Rule] = &[
    rule(2, ONE_ANSWER, &[750_054, 75001]),
    rule(3, "The answer speaks the domain's protocol, SAML 2.0", &[20012]),
    rule(4, "RelayState came back byte for byte", &[50089]),
    rule(6, "The answer is UTF-8 text in base64, not compressed", &[75001]),
    rule(7, WELL_FORMED, &[75001]),
    rule(8, "It is a SAML 2.0 response", &[7_500_514]),
    rule(9, "The response is version 2.0 and has an identifier", &[50008]),
    rule(10, "The response's destination is this address", &[50008]),
    rule(11, "InResponseTo is the request, answered for the first time; or nobody asked", &[50008, 50013]),
    rule(12, "The status is success", &[50008]),
    rule(13, "The response was made just now", &[50008, 500_133]),
    ONE_ASSERTION,
    rule(15, "Response and assertion have the same issuer", &[50008]),
    REALM, ASKED_REALM,
    SIGNED_AFTER_ISSUER,
    REFERENCE, TRANSFORMS, ALGORITHMS, KEY, LINE_BREAKS, IN_DATE,
    rule(26, "The response's own signature, if it has one, verifies too", &[5_000_811, 50006, 50008]),
    SAML20, VALID_NOW, AUDIENCE,
    rule(30, "The bearer is confirmed for this address and this request", &[50008, 500_133]),
    NAME_ID, IDP_EMAIL,
    AUTHENTICATION, UNUSED, NO_DUPLICATES, KNOWN, ENABLED, SAME_ROOT,
    FACTORS, MULTI_FACTOR, FRESH,
];

#[rustfmt::skip]
const SAML11_GRANT: &[Rule] = &[
    IN_BASE64, ASSERTION_ALONE,
    rule(45, "The grant type is that of a SAML 1.1 assertion", &[50008]),
    ONE_ASSERTION, REALM,
    SIGNED_LAST, REFERENCE, TRANSFORMS, ALGORITHMS, KEY, LINE_BREAKS, IN_DATE,
    SAML11, VALID_NOW, AUDIENCE, BEARER, NAME_IDENTIFIER, IMMUTABLE_ID, UPN,
    AUTHENTICATION, UNUSED, NO_DUPLICATES, KNOWN, ENABLED, SAME_ROOT, MULTI_FACTOR, FRESH,
];

#[rustfmt::skip]
const SAML20_GRANT: &[Rule] = &[
    IN_BASE64, ASSERTION_ALONE,
    rule(45, "The grant type is that of a SAML 2.0 assertion", &[50008]),
    ONE_ASSERTION,
    rule(15, "The assertion names its issuer", &[50008]),
    REALM,
    SIGNED_AFTER_ISSUER, REFERENCE, TRANSFORMS, ALGORITHMS, KEY, LINE_BREAKS, IN_DATE,
    SAML20, VALID_NOW, AUDIENCE,
    rule(30, "The bearer is confirmed for this cloud", &[50008, 500_133]),
    NAME_ID, IDP_EMAIL,
    AUTHENTICATION, UNUSED, NO_DUPLICATES, KNOWN, ENABLED, SAME_ROOT, FACTORS, MULTI_FACTOR, FRESH,
];

const IN_BASE64: Rule = rule(
    6,
    "The assertion is UTF-8 text in base64 or base64url",
    &[50008],
);
const ASSERTION_ALONE: Rule = rule(
    7,
    "By itself it is well-formed XML without a document type",
    &[50008],
);

const ONE_ANSWER: &str = "The form carries one answer, and each field once";
const WELL_FORMED: &str = "The answer is well-formed XML without a document type";
const ONE_ASSERTION: Rule = rule(
    18,
    "It holds exactly one assertion, not encrypted",
    &[50008],
);
const REALM: Rule = rule(16, "The issuer is a federated domain's issuerUri", &[50107]);
const ASKED_REALM: Rule = rule(17, "The domain that answers is the one that was asked", &[]);
const SIGNED_LAST: Rule = rule(
    19,
    "The assertion is signed once, as its last element",
    &[50008],
);
const SIGNED_AFTER_ISSUER: Rule = rule(
    19,
    "The assertion is signed once, right after its issuer",
    &[50008],
);
const REFERENCE: Rule = rule(
    20,
    "The signature covers this assertion and only it",
    &[50008],
);
const TRANSFORMS: Rule = rule(
    21,
    "The transforms are enveloped signature and exclusive c14n",
    &[50008],
);
const ALGORITHMS: Rule = rule(22, "The algorithms are RSA-SHA256 and SHA-256", &[50008]);
const KEY: Rule = rule(
    23,
    "The signature verifies with a registered certificate",
    &[5_000_811, 50006, 50008, 50017],
);
const LINE_BREAKS: Rule = rule(24, "Base64 in the signature has no line breaks", &[]);
const IN_DATE: Rule = rule(25, "The signing certificate is in date", &[]);
const SAML11: Rule = rule(
    27,
    "The assertion is SAML 1.1 and has an identifier",
    &[50008],
);
const SAML20: Rule = rule(
    27,
    "The assertion is SAML 2.0 and has an identifier",
    &[50008],
);
const VALID_NOW: Rule = rule(28, "The assertion is valid now", &[50013, 500_133]);
const AUDIENCE: Rule = rule(29, "The audience is this cloud", &[50008]);
const BEARER: Rule = rule(30, "The subject is confirmed as bearer", &[50008]);
const NAME_IDENTIFIER: Rule = rule(31, "One NameIdentifier names the subject", &[50008]);
const NAME_ID: Rule = rule(31, "One persistent NameID names the subject", &[50008]);
const IMMUTABLE_ID: Rule = rule(
    32,
    "ImmutableID is there and equals the NameIdentifier",
    &[90020],
);
const UPN: Rule = rule(33, "UPN is there and is the person's", &[]);
const IDP_EMAIL: Rule = rule(33, "IDPEmail is there and is the person's UPN", &[]);
const AUTHENTICATION: Rule = rule(
    34,
    "It says how and when the person authenticated",
    &[50008, 50013],
);
const UNUSED: Rule = rule(35, "The assertion was not used before", &[50013]);
const NO_DUPLICATES: Rule = rule(36, "No attribute is there twice", &[50008]);
const KNOWN: Rule = rule(37, "The ImmutableID is a person in this tenant", &[51004]);
const ENABLED: Rule = rule(38, "The account is enabled", &[50057]);
const SAME_ROOT: Rule = rule(
    39,
    "The issuing domain is the root domain of the person's UPN",
    &[5_000_820],
);
const FACTORS: Rule = rule(
    41,
    "Several factors are told by AuthnContextClassRef only",
    &[],
);
const MULTI_FACTOR: Rule = rule(
    42,
    "Multi-factor authentication, if it was asked for",
    &[50158],
);
const FRESH: Rule = rule(
    43,
    "Authenticated since the request, if that was asked for",
    &[50173],
);

const fn rule(number: u8, title: &'static str, raises: &'static [u32]) -> Rule {
    Rule {
        number,
        title,
        raises,
    }
}
