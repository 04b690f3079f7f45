//! Microsoft's MSAL for Python: its reading of our description, its own WS-Trust messages, its reading of our answers.

use std::sync::Mutex;

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use url::Url;

use super::program::Program;
use super::trusted;

/// What MSAL reports.
#[derive(Debug)]
pub struct Said {
    /// What it made of the last answer, or what it complains about.
    pub verdict: Result<Value, String>,
    /// The HTTP status of every answer that it was given.
    pub statuses: Vec<u64>,
}

/// An application that signs people in with MSAL.
pub struct Msal {
    certificate: NamedTempFile,
    hosts: Map<String, Value>,
    program: Mutex<Program>,
}

impl Msal {
    /// One that trusts this certificate alone.
    pub fn trusting(certificate_pem: &str) -> Self {
        Self {
            certificate: trusted(certificate_pem),
            hosts: Map::new(),
            program: Mutex::new(Program::start("msal_client.py")),
        }
    }

    /// Finds whoever is meant by `https://HOST/` at another address.
    #[must_use]
    pub fn finding(mut self, host: &str, at: &Url) -> Self {
        let host = format!("https://{host}/");
        self.hosts.insert(host, at.as_str().into());
        self
    }

    /// Lets it do something.
    pub fn ask(&self, action: &str, more: Value) -> Said {
        let mut order = json!({
            "action": action,
            "certificate": self.certificate.path(),
            "hosts": self.hosts,
        });
        if let (Value::Object(order), Value::Object(more)) = (&mut order, more) {
            order.extend(more);
        }
        let mut program = self
            .program
            .lock()
            .expect("no thread panics with this lock");
        let mut said = program.said(&order);
        let statuses = said["statuses"].as_array().into_iter().flatten();
        Said {
            statuses: statuses.filter_map(Value::as_u64).collect(),
            verdict: match said["refused"].take() {
                Value::String(reason) => Err(reason),
                _ => Ok(said["answer"].take()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{assertion, key, response};
    use super::*;
    use crate::Site;
    use crate::site::Answer;

    const PATH: &str = "/trust/2005/usernamemixed";
    const FAULT: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault><s:Code>\
        <s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:No</s:Value></s:Subcode></s:Code><s:Reason>\
        <s:Text xml:lang=\"en\">Because.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>";

    fn request(address: &str) -> Value {
        json!({ "username": "<alice>", "password": " & ", "audience": "urn:x", "address": address })
    }

    // Several threads: one waits for MSAL while another answers it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_asks_in_xml_and_tells_a_token_from_a_fault() {
        let assertion = assertion();
        let refusal = Answer {
            status: 500,
            ..Answer::page(FAULT)
        };
        let pages = [
            (PATH, Answer::page(&response(&assertion))),
            ("/refused/trust/13/usernamemixed", refusal),
        ];
        let site = Site::with_pages(pages).await;
        let msal = Msal::trusting(&key().certificate).finding("idp.example", &site.url("/"));
        let said = msal.ask("trust", request(&format!("https://idp.example{PATH}")));
        let issued = said.verdict.expect("there is a token");
        assert_eq!(issued["token"], assertion.as_str());
        assert_eq!(issued["type"], "urn:oasis:names:tc:SAML:1.0:assertion");
        let visits = site.visits(PATH);
        let sent = String::from_utf8_lossy(&visits[0].body);
        assert!(sent.contains("http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue"));
        assert!(sent.contains(">&lt;alice&gt;<") && sent.contains("> &amp; <"));

        let refused = "https://idp.example/refused/trust/13/usernamemixed";
        let said = msal.ask("trust", request(refused));
        let reason = said.verdict.expect_err("there is none");
        assert!(reason.contains("Because.") && reason.contains("a:No"));
        assert_eq!(said.statuses, [500]);
    }
}
