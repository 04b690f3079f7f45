//! pysaml2 as a service provider: its own messages, its own reading of ours.

use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::key::Key;
use super::program::Program;

/// A service provider with a key of its own.
pub struct ServiceProvider {
    order: Map<String, Value>,
    key: Key,
    program: Mutex<Option<Program>>,
}

impl ServiceProvider {
    /// At a URL that ends in a slash; nothing has to listen there.
    pub fn at(url: &str) -> Self {
        let key = Key::generate("service provider");
        let order = json!({
            "url": url,
            "entity_id": format!("{url}metadata"),
            "key": key.file(),
            "certificate": key.certificate_file(),
            "encrypted": false,
            "sign_requests": false,
            "want_assertions_signed": true,
            "want_response_signed": true,
            "unsolicited": false,
        });
        let Value::Object(order) = order else {
            unreachable!("it was written as an object")
        };
        Self {
            order,
            key,
            program: Mutex::default(),
        }
    }

    /// The same with another setting of `service_provider.py`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.order.insert(name.to_owned(), value.into());
        self
    }

    /// Its metadata.
    pub fn metadata(&self) -> String {
        let answer = self
            .ask("metadata", json!({}))
            .expect("it can describe itself");
        text(&answer, "metadata").to_owned()
    }

    /// A file with its metadata.
    pub fn metadata_file(&self) -> String {
        let path = self.key.file().with_file_name("metadata.xml");
        std::fs::write(&path, self.metadata()).expect("the folder can be written");
        path.display().to_string()
    }

    /// The file of the key that it signs and decrypts with.
    pub fn key(&self) -> PathBuf {
        self.key.file()
    }

    /// Its entity id.
    pub fn entity_id(&self) -> &str {
        self.order["entity_id"].as_str().expect("it is text")
    }

    /// Lets it do something; what it complains about is the error.
    pub fn ask(&self, action: &str, more: Value) -> Result<Value, String> {
        let mut order = self.order.clone();
        order.insert("action".to_owned(), action.into());
        if let Value::Object(more) = more {
            order.extend(more);
        }
        let mut program = self
            .program
            .lock()
            .expect("no thread panics with this lock");
        let mut said = program
            .get_or_insert_with(|| Program::start("service_provider.py"))
            .said(&Value::Object(order));
        match said["refused"].take() {
            Value::String(reason) => Err(reason),
            _ => Ok(said["answer"].take()),
        }
    }
}

/// A text of an answer.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("{answer} has no text {name}"))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::samples::saml2::{
        self, Answer, encrypt, id_of, logout_request, logout_response, query, received, unsigned,
    };
    use super::super::samples::{Key, key, other_key, sign};
    use super::super::{Signed, query_signature, schema, xmlsec1};
    use super::*;

    const ACS: &str = "https://sp.example/acs";
    const SLO: &str = "https://sp.example/slo";
    const ID: &str = "_request";

    fn provider() -> ServiceProvider {
        let metadata = unsigned(&saml2::metadata(key()));
        ServiceProvider::at("https://sp.example/").with("idp_metadata", metadata)
    }

    fn answer(provider: &ServiceProvider) -> Answer {
        Answer::to(ID, ACS, provider.entity_id())
    }

    fn signed(answer: &Answer, key: &Key) -> String {
        let assertion = sign(&answer.assertion(), Signed::Assertion2, key);
        sign(&answer.response(&assertion), Signed::Response, key)
    }

    fn judge(provider: &ServiceProvider, response: &str) -> Result<Value, String> {
        let response = openssl::base64::encode_block(response.as_bytes());
        provider.ask("response", json!({"id": ID, "response": response}))
    }

    #[test]
    fn it_asks_by_either_binding_and_signs_if_it_is_told_to() {
        let provider = provider().with("sign_requests", true);
        let metadata = provider.metadata();
        schema::judge(&metadata, Signed::Metadata).expect("its metadata is valid");
        let certificate = &provider.key.certificate;

        let asked = provider.ask("request", json!({"binding": "redirect"}));
        let asked = asked.expect("it asks");
        let url = Url::parse(text(&asked, "location")).expect("it is a URL");
        query_signature(&url, certificate).expect("it is signed");
        let request = received(&url, "SAMLRequest");
        schema::judge(&request, Signed::AuthnRequest).expect("it is valid");
        assert_eq!(id_of(&request), text(&asked, "id"));

        let asked = provider.ask("request", json!({"binding": "post"}));
        let asked = asked.expect("it asks");
        let request = openssl::base64::decode_block(text(&asked["fields"], "SAMLRequest"));
        let request = String::from_utf8(request.expect("base64")).expect("text");
        xmlsec1::judge(&request, Signed::AuthnRequest, certificate).expect("it is signed");

        let silent = provider.with("sign_requests", false);
        let asked = silent.ask("request", json!({"binding": "redirect"}));
        let asked = asked.expect("it asks");
        let url = Url::parse(text(&asked, "location")).expect("it is a URL");
        query_signature(&url, &silent.key.certificate).expect_err("it is not signed");
    }

    #[test]
    fn it_reads_a_response_and_wants_it_signed_as_it_is_told() {
        let provider = provider();
        let answer = answer(&provider);
        let both = signed(&answer, key());
        let read = judge(&provider, &both).expect("it is signed twice");
        assert_eq!(read["name_id"], "a1");
        assert_eq!(read["session_index"], answer.id.as_str());
        assert_eq!(read["in_response_to"], ID);
        assert_eq!(read["issuer"], saml2::ISSUER);
        assert_eq!(read["attributes"]["mail"], json!(["alice@contoso.example"]));
        let assertion_only = unsigned(&both);
        let response_only = answer.response(&unsigned(&answer.assertion()));
        let response_only = sign(&response_only, Signed::Response, key());
        judge(&provider, &assertion_only).expect_err("the response is not signed");
        judge(&provider, &response_only).expect_err("the assertion is not signed");
        let provider = provider.with("want_response_signed", false);
        judge(&provider, &assertion_only).expect("it wants no more");
        let provider = provider
            .with("want_response_signed", true)
            .with("want_assertions_signed", false);
        judge(&provider, &response_only).expect("it wants no more");
    }

    #[test]
    fn it_refuses_a_response_that_is_wrong_in_anything() {
        let provider = provider();
        let good = answer(&provider);
        let changed = |change: fn(&mut Answer)| {
            let mut answer = good.clone();
            change(&mut answer);
            signed(&answer, key())
        };
        for (case, response) in [
            (
                "changed",
                signed(&good, key()).replace("alice@", "mallory@"),
            ),
            ("by another key", signed(&good, other_key())),
            (
                "for somebody else",
                changed(|answer| answer.audience.push('x')),
            ),
            (
                "sent elsewhere",
                changed(|answer| answer.recipient.push('x')),
            ),
            (
                "to another request",
                changed(|answer| answer.in_response_to.push('x')),
            ),
            (
                "too late",
                changed(|answer| "-10 minutes".clone_into(&mut answer.until)),
            ),
            ("by a stranger", changed(|answer| answer.issuer.push('x'))),
        ] {
            let verdict = judge(&provider, &response);
            assert!(verdict.is_err(), "accepted one {case}: {verdict:?}");
        }
    }

    #[test]
    fn it_decrypts_with_its_own_key_only_and_verifies_what_comes_out() {
        let provider = provider()
            .with("encrypted", true)
            .with("want_response_signed", false);
        for (case, reader, author, expected) in [
            ("good", &provider.key, key(), true),
            ("for another reader", other_key(), key(), false),
            ("by another author", &provider.key, other_key(), false),
        ] {
            let response = unsigned(&signed(&answer(&provider), author));
            let verdict = judge(&provider, &encrypt(&response, reader));
            assert_eq!(verdict.is_ok(), expected, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn it_asks_for_logout_and_believes_the_answer_of_its_provider_only() {
        let provider = provider();
        for binding in ["redirect", "post"] {
            let order = json!({
                "binding": binding,
                "name_id": "a1",
                "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
                "session_indexes": ["s1"],
            });
            let asked = provider.ask("logout", order).expect("it asks");
            let certificate = &provider.key.certificate;
            let request = if binding == "redirect" {
                let url = Url::parse(text(&asked, "location")).expect("it is a URL");
                query_signature(&url, certificate).expect("it is signed");
                received(&url, "SAMLRequest")
            } else {
                let request = openssl::base64::decode_block(text(&asked["fields"], "SAMLRequest"));
                let request = String::from_utf8(request.expect("base64")).expect("text");
                xmlsec1::judge(&request, Signed::LogoutRequest, certificate).expect("it is signed");
                request
            };
            schema::judge(&request, Signed::LogoutRequest).expect("it is valid");
            assert_eq!(id_of(&request), text(&asked, "id"));
        }

        let response = logout_response(SLO, ID);
        let response = |key| sign(&response, Signed::LogoutResponse, key);
        let judge = |response: &str| {
            let response = openssl::base64::encode_block(response.as_bytes());
            provider.ask(
                "logout-answered",
                json!({"binding": "post", "response": response}),
            )
        };
        let read = judge(&response(key())).expect("its provider has signed it");
        assert_eq!(read["in_response_to"], ID);
        let success = "urn:oasis:names:tc:SAML:2.0:status:Success";
        assert_eq!(read["status"], json!([success]));
        judge(&response(other_key())).expect_err("somebody else has signed it");
        let changed = response(key()).replace("status:Success", "status:Responder");
        judge(&changed).expect_err("it was changed");
        judge(&unsigned(&logout_response(SLO, ID))).expect_err("it is not signed");

        let response = unsigned(&logout_response(SLO, ID));
        let judge = |query: &str| {
            let query = fields(query);
            let order = json!({
                "binding": "redirect", "response": query["SAMLResponse"], "query": query,
            });
            provider.ask("logout-answered", order)
        };
        let good = query("SAMLResponse", &response, "state", key());
        judge(&good).expect("its provider has signed it");
        judge(&good.replace("=state", "=other")).expect_err("it was changed");
        let other = query("SAMLResponse", &response, "state", other_key());
        judge(&other).expect_err("somebody else has signed it");
        let (bare, _) = good.split_once("&SigAlg=").expect("it is signed");
        judge(bare).expect_err("it is not signed");
    }

    fn fields(query: &str) -> Value {
        url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
            .collect::<Map<_, _>>()
            .into()
    }

    #[test]
    fn it_logs_out_when_its_provider_asks_and_for_nobody_else() {
        let provider = provider();
        let request = unsigned(&logout_request(SLO, "s1"));
        let ask = |query: &str| {
            let query = fields(query);
            let order = json!({
                "binding": "redirect", "request": query["SAMLRequest"], "query": query,
            });
            provider.ask("logout-asked", order)
        };
        let good = query("SAMLRequest", &request, "state", key());
        let asked = ask(&good).expect("its provider has signed it");
        assert_eq!(asked["name_id"], "a1");
        assert_eq!(asked["session_index"], "s1");
        let answered = Url::parse(text(&asked, "location")).expect("it is a URL");
        query_signature(&answered, &provider.key.certificate).expect("it is signed");
        let response = received(&answered, "SAMLResponse");
        schema::judge(&response, Signed::LogoutResponse).expect("it is valid");

        let other = query("SAMLRequest", &request, "state", other_key());
        ask(&other).expect_err("somebody else has signed it");
        ask(&good.replace("=state", "=other")).expect_err("it was changed");
        let (bare, _) = good.split_once("&SigAlg=").expect("it is signed");
        ask(bare).expect_err("it is not signed");
    }
}
