//! The names these checks look for, taken from the standards and from Microsoft's documents.

pub const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
pub const TRUST_ISSUE: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue";
pub const NO_PROOF_KEY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey";
pub const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
pub const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
pub const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The namespace of SAML 1.0 and 1.1, and the token type of both.
pub const SAML1: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
pub const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub const BEARER1: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// The protocol of SAML 2.0, whose assertions are in [`SAML2`].
pub const SAML2P: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";
pub const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

pub const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub const ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";

pub const UPN: (&str, &str) = ("http://schemas.xmlsoap.org/claims", "UPN");
pub const IMMUTABLE_ID: (&str, &str) = (
    "http://schemas.microsoft.com/LiveID/Federation/2008/05",
    "ImmutableID",
);
/// The attribute of SAML 2.0 for the UPN.
pub const IDP_EMAIL: &str = "IDPEmail";
/// Where Microsoft's documents look for the methods, and where AD FS really puts them.
pub const METHODS: [(&str, &str); 2] = [
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims",
        "authenticationmethod",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authnmethodsreferences",
    ),
];
pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
pub const MULTI_FACTOR: [&str; 2] = [
    MULTIPLE_AUTHN,
    "http://schemas.microsoft.com/claims/wiaormultiauthn",
];
