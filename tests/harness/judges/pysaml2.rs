//! pysaml2 as a service provider: its own messages, its own reading of ours.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::key::Key;
use super::{answer, file};
use crate::target_directory;

/// A service provider with a key of its own.
pub struct ServiceProvider {
    order: Map<String, Value>,
    key: Key,
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
        Self { order, key }
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
        let said = answer(
            Command::new(target_directory().join("judges/bin/python"))
                .arg(file("service_provider.py")),
            &Value::Object(order).to_string(),
        )?;
        Ok(serde_json::from_str(&said).expect("it answers in JSON"))
    }
}

/// A text of an answer.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("{answer} has no text {name}"))
}
