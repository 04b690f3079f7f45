//! The ways to spoil a good sign-in, one at a time.

/// A check, the code of its failure, and the change that must lead to it: this text becomes that.
pub type Change = (u8, u32, &'static str, &'static str);

/// Changes to the form that the browser posts.
#[rustfmt::skip]
pub const FORM: &[Change] = &[
    (2, 90014, "&wresult=", "&result="),
    (2, 20012, "&wctx=", "&SAMLResponse=PHg%2BPC94Pg&wctx="),
    (2, 20012, "wa=wsignin1.0", "wa=wsignin1.0&wa=wsignin1.0"),
    (2, 20012, "&wctx=", "&wctx=&wctx="),
    (2, 20012, "&wctx=", "&wresult=&wctx="),
    (4, 20001, "LoginOptions%3D3", "LoginOptions%3D1"),
    (4, 20001, "&wctx=", "&wctx=+"),
    (4, 20001, "&wctx=", "&context="),
    (4, 20001, "%2Bl", "+l"),
    (5, 20012, "wa=wsignin1.0", "wa=wsignout1.0"),
    (5, 20012, "wa=wsignin1.0", "wa=WSIGNIN1.0"),
    (5, 20012, "wa=wsignin1.0", "wb=wsignin1.0"),
    (6, 75001, "alice%40", "al%FFice%40"),
];

/// Changes to the token response around the signed assertion.
#[rustfmt::skip]
pub const MESSAGE: &[Change] = &[
    (7, 20012, "<t:RequestSecurityTokenResponse", "<!DOCTYPE t><t:RequestSecurityTokenResponse"),
    (7, 20012, "</t:RequestSecurityTokenResponse>", "</t:RequestSecurityTokenResponse><more/>"),
    (7, 20012, "</t:TokenType>", ""),
    (7, 20012, "alice@", "&alice;@"),
    (8, 20012, "t:RequestSecurityTokenResponse", "t:RequestSecurityTokenResponseCollection"),
    (8, 20012, "xmlns:t=\"http://schemas.xmlsoap.org/ws/2005/02/trust\"", "xmlns:t=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\""),
    (13, 20012, "t:Lifetime", "t:Life"),
    (13, 20012, ">2026-11-21T09:59:58.123Z</wsu:Created>", ">2026-11-21T10:05:01Z</wsu:Created>"),
    (13, 20012, ">2026-11-21T10:59:58.123Z</wsu:Expires>", ">2026-11-21T09:55:00Z</wsu:Expires>"),
    (13, 20012, ">2026-11-21T10:59:58.123Z</wsu:Expires>", ">soon</wsu:Expires>"),
    (14, 20012, "MicrosoftOnline</wsa:Address>", "partner.microsoftonline.cn</wsa:Address>"),
    (14, 20012, "wsp:AppliesTo", "wsp:Applies"),
    (14, 20012, "SAML:1.0:assertion</t:TokenType>", "SAML:2.0:assertion</t:TokenType>"),
    (14, 20012, "/Issue</t:RequestType>", "/Renew</t:RequestType>"),
    (14, 20012, "/NoProofKey<", "/Bearer<"),
    (18, 50008, "t:RequestedSecurityToken>", "t:RequestedToken>"),
    (18, 50008, "xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"", "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\""),
    (18, 50008, "xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"", "xmlns:saml=\"urn:example\""),
    (18, 50008, "<t:TokenType>", "<x:Assertion xmlns:x=\"urn:oasis:names:tc:SAML:1.0:assertion\"/><t:TokenType>"),
    (18, 50008, "<t:TokenType>", "<e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"/><t:TokenType>"),
];

/// Changes to the signed assertion, without signing it again.
#[rustfmt::skip]
pub const SIGNATURE: &[Change] = &[
    (19, 50008, "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"", "xmlns:ds=\"urn:example\""),
    (19, 50008, "</ds:Signature>", "</ds:Signature><saml:Advice></saml:Advice>"),
    (19, 50008, "</ds:KeyInfo>", "</ds:KeyInfo><ds:Object><ds:Signature/></ds:Object>"),
    (20, 50008, "URI=\"#_a1\"", "URI=\"\""),
    (20, 50008, "URI=\"#_a1\"", "URI=\"#_a2\""),
    (20, 50008, "</ds:Reference>", "</ds:Reference><ds:Reference URI=\"#_a1\"/>"),
    (20, 50008, "<t:TokenType>", "<x ID=\"_a1\"/><t:TokenType>"),
    (20, 50008, "<t:TokenType>", "<x xmlns:w=\"urn:w\" w:Id=\"_a1\"/><t:TokenType>"),
    (21, 50008, "xmldsig#enveloped-signature\">", "xmldsig#base64\">"),
    (21, 50008, "</ds:Transforms>", "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>"),
    (21, 50008, "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">", "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\">"),
    (22, 50008, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    (22, 50008, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
    (22, 50008, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
    (22, 50008, "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
    (23, 50006, "alice@contoso.example", "mallory@contoso.example"),
    (23, 50006, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
    (23, 50006, "<ds:DigestValue>", "<ds:DigestValue>AAAA"),
    (23, 50008, "</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>"),
];

/// Changes to the assertion before it is signed.
#[rustfmt::skip]
pub const ASSERTION: &[Change] = &[
    (16, 50107, r#"Issuer="https://contoso.example""#, r#"Issuer="https://contoso.example/""#),
    (16, 50107, r#"Issuer="https://contoso.example""#, r#"Issuer="http://contoso.example""#),
    (16, 50107, r#"Issuer="https://contoso.example""#, r#"Issuer="https://Contoso.example""#),
    (16, 50107, r#"Issuer="https://contoso.example""#, r#"Issuer="https://saml.example""#),
    (27, 50008, r#"MinorVersion="1""#, r#"MinorVersion="0""#),
    (27, 50008, r#"MajorVersion="1""#, r#"MajorVersion="2""#),
    (28, 50013, "saml:Conditions", "saml:Condition"),
    (28, 50013, "NotBefore", "NotAfter"),
    (28, 50013, r#"NotOnOrAfter="2026-11-21T10:59:58.123Z""#, r#"NotOnOrAfter="2026-11-21T10:59:58.123""#),
    (28, 50013, r#"NotOnOrAfter="2026-11-21T10:59:58.123Z""#, r#"NotOnOrAfter="2026-11-21T10:59:58+01:00""#),
    (28, 500_133, "2026-11-21T09:58:58.123Z", "2026-11-21T10:05:01.000Z"),
    (28, 500_133, "2026-11-21T10:59:58.123Z", "2026-11-21T09:55:00.000Z"),
    (28, 500_133, r#"IssueInstant="2026-11-21T09:59:58.123Z""#, r#"IssueInstant="2026-11-21T10:05:01.000Z""#),
    (29, 50008, ">urn:federation:MicrosoftOnline<", ">urn:federation:microsoftonline<"),
    (29, 50008, ">urn:federation:MicrosoftOnline<", "> urn:federation:MicrosoftOnline<"),
    (29, 50008, "saml:AudienceRestrictionCondition", "saml:DoNotCacheCondition"),
    (30, 50008, "cm:bearer", "cm:holder-of-key"),
    (31, 50008, "nameid-format:unspecified", "nameid-format:emailAddress"),
    (31, 50008, ">Id-Alice</saml:NameIdentifier>", "></saml:NameIdentifier>"),
    (31, 50008, ">Id-Alice</saml:NameIdentifier>", "> Id-Alice</saml:NameIdentifier>"),
    (31, 50008, "saml:NameIdentifier", "saml:NameID"),
    (32, 90020, "AttributeName=\"ImmutableID\"", "AttributeName=\"immutableid\""),
    (32, 90020, "http://schemas.microsoft.com/LiveID/Federation/2008/05", "http://schemas.xmlsoap.org/claims"),
    (32, 90020, ">Id-Alice</saml:AttributeValue>", ">Id-Carol</saml:AttributeValue>"),
    (32, 90020, ">Id-Alice</saml:AttributeValue>", ">Id-Alice</saml:AttributeValue><saml:AttributeValue>Id-Carol</saml:AttributeValue>"),
    (34, 50008, "saml:AuthenticationStatement", "saml:SubjectStatement"),
    (34, 50008, "AuthenticationInstant=\"2026-11-21T09:59:30.000Z\"", "AuthenticationInstant=\"yesterday\""),
    (34, 50008, "urn:oasis:names:tc:SAML:1.0:am:password", ""),
    (34, 50013, "2026-11-21T09:59:30.000Z", "2026-11-21T10:05:01.000Z"),
    (34, 50013, "2026-11-21T09:59:30.000Z", "2026-11-21T09:59:59.000Z"),
    (36, 50008, "</saml:AttributeStatement>", r#"<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>bob@contoso.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#),
    (37, 51004, "Id-Alice", "id-alice"),
    (37, 51004, "Id-Alice", "Id-Nobody"),
    (38, 50057, "Id-Alice", "Id-Bob"),
    (39, 5_000_820, "Id-Alice", "Id-Carol"),
    (39, 5_000_820, r#"Issuer="https://contoso.example""#, r#"Issuer="https://fabrikam.example""#),
];
