//! The list of checks: their numbers, titles for people, and the codes they raise.

/// A check that an answer has to pass.
#[derive(Debug)]
pub struct Rule {
    pub number: u8,
    pub title: &'static str,
    /// The codes that a failure can have; none when the check can only warn.
    pub raises: &'static [u32],
}

/// Every check of a WS-Federation answer, in the order in which they are made.
///
/// The numbers are those of one list for all protocols. What is missing here belongs to SAML 2.0 (9 to 12,
/// 15, 26), to the transport (1) or to the settings of a tenant (40, 41).
pub const RULES: &[Rule] = &[
    rule(
        2,
        "The form carries one answer, and each field once",
        &[90014, 20012],
    ),
    rule(
        3,
        "The answer speaks the domain's protocol, WS-Federation",
        &[20012, 7_500_514],
    ),
    rule(4, "wctx came back byte for byte", &[20001, 50089]),
    rule(5, "wa is wsignin1.0", &[20012]),
    rule(6, "The answer is UTF-8 text", &[75001]),
    rule(
        7,
        "The answer is well-formed XML without a document type",
        &[20012],
    ),
    rule(8, "It is a WS-Trust token response", &[20012]),
    rule(
        13,
        "The response was made just now and has not expired",
        &[20012],
    ),
    rule(
        14,
        "The response is for this cloud and says what it holds",
        &[20012],
    ),
    rule(
        18,
        "It holds exactly one assertion, not encrypted",
        &[50008],
    ),
    rule(16, "The issuer is a federated domain's issuerUri", &[50107]),
    rule(17, "The domain that answers is the one that was asked", &[]),
    rule(
        19,
        "The assertion is signed once, as its last element",
        &[50008],
    ),
    rule(
        20,
        "The signature covers this assertion and only it",
        &[50008],
    ),
    rule(
        21,
        "The transforms are enveloped signature and exclusive c14n",
        &[50008],
    ),
    rule(22, "The algorithms are RSA-SHA256 and SHA-256", &[50008]),
    rule(
        23,
        "The signature verifies with a registered certificate",
        &[5_000_811, 50006, 50008, 50017],
    ),
    rule(24, "Base64 in the signature has no line breaks", &[]),
    rule(25, "The signing certificate is in date", &[]),
    rule(
        27,
        "The assertion is SAML 1.1 and has an identifier",
        &[50008],
    ),
    rule(28, "The assertion is valid now", &[50013, 500_133]),
    rule(29, "The audience is this cloud", &[50008]),
    rule(30, "The subject is confirmed as bearer", &[50008]),
    rule(31, "One NameIdentifier names the subject", &[50008]),
    rule(
        32,
        "ImmutableID is there and equals the NameIdentifier",
        &[90020],
    ),
    rule(33, "UPN is there and is the person's", &[]),
    rule(
        34,
        "It says how and when the person authenticated",
        &[50008, 50013],
    ),
    rule(35, "The assertion was not used before", &[50013]),
    rule(36, "No attribute is there twice", &[50008]),
    rule(37, "The ImmutableID is a person in this tenant", &[51004]),
    rule(38, "The account is enabled", &[50057]),
    rule(
        39,
        "The issuing domain is the root domain of the person's UPN",
        &[5_000_820],
    ),
    rule(
        42,
        "Multi-factor authentication, if it was asked for",
        &[50158],
    ),
    rule(
        43,
        "Authenticated since the request, if that was asked for",
        &[50173],
    ),
];

const fn rule(number: u8, title: &'static str, raises: &'static [u32]) -> Rule {
    Rule {
        number,
        title,
        raises,
    }
}
