//! Every URI that we write or compare, once.

use crate::xml::Namespace;

/// SAML core 1.1 §1.2: assertions of SAML 1.0 and 1.1.
pub const SAML: Namespace = Namespace::new("saml", "urn:oasis:names:tc:SAML:1.0:assertion");
/// SAML metadata 2.0; written without a prefix, as AD FS does.
pub const METADATA: Namespace = Namespace::new("", "urn:oasis:names:tc:SAML:2.0:metadata");
/// XML Signature §1.3; written without a prefix inside `KeyDescriptor`, as AD FS does.
pub const KEY_INFO: Namespace = Namespace::new("", "http://www.w3.org/2000/09/xmldsig#");
/// SAML core 2.0 §1.2: assertions.
pub const ASSERTION: Namespace = Namespace::new("saml", "urn:oasis:names:tc:SAML:2.0:assertion");
/// SAML core 2.0 §1.2: requests and responses.
pub const PROTOCOL: Namespace = Namespace::new("samlp", "urn:oasis:names:tc:SAML:2.0:protocol");
/// SAML metadata profile for algorithm support §2.1: which algorithms an entity takes.
pub const ALGORITHMS: Namespace =
    Namespace::new("alg", "urn:oasis:names:tc:SAML:metadata:algsupport");
/// SAML asynchronous single logout profile extension §2.1.
pub const ASYNC_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo";
/// WS-Fed 1.2: federation metadata (§3).
pub const FEDERATION: Namespace =
    Namespace::new("fed", "http://docs.oasis-open.org/wsfed/federation/200706");
/// WS-Fed 1.2: claim types (§9.3).
pub const AUTHORIZATION: Namespace = Namespace::new(
    "auth",
    "http://docs.oasis-open.org/wsfed/authorization/200706",
);
/// WS-Trust of February 2005, the one that Entra and AD FS speak in `wresult`.
pub const TRUST: Namespace = Namespace::new("t", "http://schemas.xmlsoap.org/ws/2005/02/trust");
/// WS-Trust 1.3 and 1.4.
pub const TRUST_13: Namespace =
    Namespace::new("trust", "http://docs.oasis-open.org/ws-sx/ws-trust/200512");
/// SOAP 1.2.
pub const SOAP: Namespace = Namespace::new("s", "http://www.w3.org/2003/05/soap-envelope");
/// WS-Security 1.0 and 1.1: `Security`, `UsernameToken`, and the faults about them (§12).
pub const SECURITY: Namespace = Namespace::new(
    "wsse",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
);
/// WS-MetadataExchange of 2004, as AD FS answers it.
pub const METADATA_EXCHANGE: Namespace =
    Namespace::new("wsx", "http://schemas.xmlsoap.org/ws/2004/09/mex");
/// WSDL 1.1.
pub const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// WS-Policy 1.2, home of `AppliesTo`.
pub const POLICY: Namespace = Namespace::new("wsp", "http://schemas.xmlsoap.org/ws/2004/09/policy");
/// WS-Addressing 1.0.
pub const ADDRESSING: Namespace = Namespace::new("wsa", "http://www.w3.org/2005/08/addressing");
/// WS-Addressing 1.0 as AD FS writes it in metadata.
pub const ADDRESSING_UNPREFIXED: Namespace = Namespace::new("", ADDRESSING.uri);
/// WS-Security 1.0 utility: `Created` and `Expires`.
pub const UTILITY: Namespace = Namespace::new(
    "wsu",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
);
/// XML Schema part 1 §2.6: `xsi:type`.
pub const SCHEMA_INSTANCE: Namespace =
    Namespace::new("xsi", "http://www.w3.org/2001/XMLSchema-instance");

/// The key type of a bearer token in WS-Trust 2005/02.
pub const NO_PROOF_KEY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey";
/// The token type of a SAML 1.1 assertion, as AD FS and Entra name it: the URI of its namespace.
pub const SAML11_TOKEN: &str = SAML.uri;
/// The same as OASIS names it (WSS SAML token profile 1.1 §3.4).
pub const SAML11_TOKEN_OASIS: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1";
/// A password that is sent as it is (WSS username token profile 1.1 §3.1).
pub const PASSWORD_TEXT: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

/// SAML bindings 1.1 §5: whoever bears the assertion is its subject.
pub const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";

/// Formats of a name identifier (SAML core 1.1 §7.3).
pub mod name_id {
    /// The format that Entra expects around the ImmutableID.
    pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    /// An e-mail address.
    pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    /// A stable opaque name (SAML core 2.0 §8.3.7).
    pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
    /// A name that means nothing after the session (SAML core 2.0 §8.3.8).
    pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
    /// The name of a system entity (SAML core 2.0 §8.3.6).
    pub const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
    /// A user principal name, as WS-Federation services of AD FS's time know it.
    pub const UPN: &str = "http://schemas.xmlsoap.org/claims/UPN";
}

/// How a person proved who they are: values of `AuthenticationMethod` and of `wauth`.
pub mod method {
    /// SAML core 1.1 §7.1.1: a password.
    pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:1.0:am:password";
    /// A password, as Entra writes it in `wauth` when it wants one typed again.
    pub const PASSWORD_WS: &str =
        "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
    /// The same with the scheme that some of Microsoft's pages print.
    pub const PASSWORD_WS_HTTPS: &str =
        "https://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
    /// Two factors, proven.
    pub const MULTIPLE: &str = "http://schemas.microsoft.com/claims/multipleauthn";
}

/// Attributes of an assertion; in SAML 1.1 a namespace and a name, elsewhere the two joined by `/`.
pub mod claim {
    /// The namespace of `UPN` and of the other claims that AD FS 1.x knew.
    pub const CLAIMS: &str = "http://schemas.xmlsoap.org/claims";
    /// The user principal name in [`CLAIMS`].
    pub const UPN: &str = "UPN";
    /// The namespace of `ImmutableID`.
    pub const LIVE_ID: &str = "http://schemas.microsoft.com/LiveID/Federation/2008/05";
    /// The ImmutableID in [`LIVE_ID`].
    pub const IMMUTABLE_ID: &str = "ImmutableID";
    /// The namespace of the identity claims (`emailaddress`, `givenname`, `surname`, `name`, `upn`).
    pub const IDENTITY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
    /// The namespace of Microsoft's identity claims (`role`, `groups`, `authenticationmethod`).
    pub const IDENTITY_2008: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims";
}

/// Bindings (SAML bindings §3).
pub mod binding {
    /// §3.4.
    pub const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
    /// §3.5.
    pub const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
    /// §3.4.4.1: how a message in a query is compressed.
    pub const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
}

/// Authentication context classes (SAML authn context §3.4), and the names of stronger ones.
pub mod context {
    /// Nothing is said.
    pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
    /// A password.
    pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
    /// A password over a protected transport.
    pub const PASSWORD_PROTECTED_TRANSPORT: &str =
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    /// A code that changes with time.
    pub const TIME_SYNC_TOKEN: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken";
    /// Several factors, as research federations name them.
    pub const REFEDS_MFA: &str = "https://refeds.org/profile/mfa";
}

/// Status codes (SAML core 2.0 §3.2.2.2).
pub mod status {
    /// The request was carried out.
    pub const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
    /// The requester is at fault.
    pub const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
    /// The responder is.
    pub const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
    /// Some session participant was not reached.
    pub const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";
}

/// Why somebody is signed out (SAML core 2.0 §3.7.3).
pub mod logout {
    /// They want it.
    pub const USER: &str = "urn:oasis:names:tc:SAML:2.0:logout:user";
}
