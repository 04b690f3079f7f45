//! The ways to spoil what an identity provider says, one at a time.

use super::Change;

/// Changes to the metadata.
#[rustfmt::skip]
pub const MEX: &[Change] = &[
    ("55.7", "0xc00cee4f", "<wsdl:definitions", "<!DOCTYPE d><wsdl:definitions"),
    ("55.7", "0xc00cee4f", "<wsdl:types/>", "<wsdl:types>"),
    ("55.9", "", "<wsdl:types/>", "<wsp:Policy wsu:Id=\"Feb2005_policy\"/>"),
    ("55.9", "", "<wsdl:types/>", "<wsdl:binding name=\"Trust13_binding\"/>"),
    ("55.10", "0xcaa90023", "sp:SignedSupportingTokens", "sp:SupportingTokens"),
    ("55.11", "0xcaa90023", "sp:SignedEncryptedSupportingTokens", "sp:SignedSupportingTokens"),
    ("55.12", "0xcaa90023", "wsu:Id=\"Feb2005_policy\"", "xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" u:Id=\"Feb2005_policy\""),
    ("55.13", "no policies for mex document", "<wsp:All><sp:TransportBinding xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\">", "<wsp:All xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\"><sp:TransportBinding>"),
    ("55.14", "0xcaa90023", "<wsp:All><sp:TransportBinding xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\"><wsp:Policy/></sp:TransportBinding><sp:SignedEncryptedSupportingTokens xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\">", "<wsp:All xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\"><sp:TransportBinding xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\"><wsp:Policy/></sp:TransportBinding><sp:SignedEncryptedSupportingTokens>"),
    ("55.15", "found unknown spec version in mex document", "200512/RST/Issue", "200512/RST/Renew"),
    ("55.15", "found unknown spec version in mex document", "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue", "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue"),
    ("55.15", "found unknown spec version in mex document", "soap12:operation", "soap12:fault"),
    ("55.15", "found unknown spec version in mex document", "http://schemas.xmlsoap.org/soap/http", "http://schemas.xmlsoap.org/soap/smtp"),
    ("55.15", "found unknown spec version in mex document", "URI=\"#Trust13_policy\"", "URI=\"Trust13_policy\""),
    ("55.16", "0xcaa90023", "</wsdl:service>", "</wsdl:service><wsdl:service name=\"other\"/>"),
    ("55.16", "0xcaa90023", "binding=\"tns:Feb2005_binding\"", "binding=\"Feb2005_binding\""),
    ("55.17", "0xcaa90023", "<wsa10:Address>", "<wsa10:Address>\n  "),
    ("55.18", "", "/trust/2005/usernamemixed</wsa10", "/active</wsa10"),
    ("55.18", "", "/trust/13/usernamemixed</wsa10", "/trust/13/usernamemixed?app=contoso</wsa10"),
    ("55.19", "0xc004848b", "wsdl:port", "wsdl:door"),
];

/// Changes to the answer with a token; the version's own words are in the tests.
#[rustfmt::skip]
pub const RESPONSE: &[Change] = &[
    ("57.2", "0xcaa9002c", "<s:Envelope", "<!DOCTYPE e><s:Envelope"),
    ("57.3", "0xcaa90014", "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
    ("57.3", "0xcaa90014", "s:Header", "s:Head"),
    ("57.3", "0xcaa90014", "</s:Body>", "<more/></s:Body>"),
    ("57.4", "0xcaa90014", "a:Action", "a:Act"),
    ("57.4", "0xcaa90014", "/RSTR", "/RST"),
    ("57.5", "0xcaa90014", "<a:RelatesTo>urn:uuid:1<", "<a:RelatesTo>urn:uuid:2<"),
    ("57.5", "0xcaa90014", "</a:RelatesTo>", "</a:RelatesTo><a:RelatesTo>urn:uuid:1</a:RelatesTo>"),
    ("57.6", "0xcaa90014", "o:Security", "o:Secure"),
    ("57.6", "0xcaa90014", "2026-11-21T10:04:59Z", "2026-11-21T09:54:59Z"),
    ("57.6", "0xcaa90014", "2026-11-21T09:59:59Z", "2026-11-21T10:05:01Z"),
    ("57.7", "0xc00484c1", "t:RequestSecurityTokenResponse", "t:RequestSecurityTokenAnswer"),
    ("57.8", "AADSTS50008", "SAML:1.0:assertion</t:TokenType>", "SAML:2.0:assertion</t:TokenType>"),
    ("57.8", "AADSTS50008", "urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>", "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</t:TokenType>"),
    ("57.8", "AADSTS50008", "<t:TokenType>", "<t:TokenType> "),
    ("57.8", "AADSTS50008", "t:TokenType", "t:Type"),
    ("57.8", "AADSTS50008", "</t:Lifetime>", "</t:Lifetime><x:TokenType xmlns:x=\"urn:x\"/>"),
    ("57.9", "0xcaa90014", "t:Lifetime", "t:Life"),
    ("57.9", "0xcaa90014", "MicrosoftOnline</a:Address>", "partner.microsoftonline.cn</a:Address>"),
    ("57.9", "0xcaa90014", "/Issue</t:RequestType>", "/Renew</t:RequestType>"),
    ("57.9", "0xcaa90014", "</t:KeyType>", "/x</t:KeyType>"),
    ("57.10", "0xc00484c1", "t:RequestedSecurityToken", "t:RequestedToken"),
    ("57.10", "0xc00484c1", "</saml:Assertion>", "</saml:Assertion><more/>"),
    ("57.10", "0xc00484c1", "xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"", "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\""),
    ("57.11", "AADSTS50008", "<t:RequestedSecurityToken>", "<t:RequestedSecurityToken>\n  "),
    ("57.11", "AADSTS50008", "</t:RequestedSecurityToken>", " </t:RequestedSecurityToken>"),
    ("57.13", "AADSTS50008", "t:RequestedSecurityToken", "t-1:RequestedSecurityToken"),
    ("59", "AADSTS50006", "alice@contoso.example", "mallory@contoso.example"),
    ("59", "AADSTS50006", "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
];

/// Changes to the answer that refuses.
#[rustfmt::skip]
pub const FAULT: &[Change] = &[
    ("58.2", "0xcaa9002c", "<s:Envelope", "<!DOCTYPE e><s:Envelope"),
    ("58.2", "0xcaa9002c", "&lt;b", "&b;"),
    ("58.3", "0xcaa90014", "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
    ("58.3", "0xcaa90014", "</s:Fault>", "</s:Fault><more/>"),
    ("58.4", "0xcaa90014", "addressing/soap/fault", "addressing/fault"),
    ("58.4", "0xcaa90014", "urn:uuid:1", "urn:uuid:2"),
    ("58.5", "0xcaa90014", ">s:Sender<", ">Sender<"),
    ("58.5", "0xcaa90014", ">s:Sender<", ">s:Client<"),
    ("58.5", "0xcaa90014", ">s:Sender<", ">a:Sender<"),
    ("58.6", "ArrayIndexOutOfBoundsException", ">w:FailedAuthentication<", ">FailedAuthentication<"),
    ("58.6", "ArrayIndexOutOfBoundsException", ">w:FailedAuthentication<", ">x:FailedAuthentication<"),
    ("58.6", "ArrayIndexOutOfBoundsException", "</s:Subcode>", "<s:Subcode><s:Value>s:Sender</s:Value></s:Subcode></s:Subcode>"),
    ("58.6", "ArrayIndexOutOfBoundsException", "s:Subcode", "s:Sub"),
    ("58.7", "", "w:FailedAuthentication", "w:WrongPassword"),
    ("58.8", "'NoneType' object has no attribute 'text'", "s:Reason", "s:Why"),
    ("58.8", "'NoneType' object has no attribute 'text'", "s:Text", "s:Words"),
    ("58.8", "'NoneType' object has no attribute 'text'", " xml:lang=\"en\"", ""),
    ("58.8", "'NoneType' object has no attribute 'text'", "The password is &lt;b&gt;wrong&lt;/b&gt;.", ""),
];
