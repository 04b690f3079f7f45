//! pysaml2 as a service provider: its own messages, its own reading of ours.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::file;
use crate::target_directory;

/// A service provider with a key of its own.
pub struct ServiceProvider {
    order: Map<String, Value>,
    folder: TempDir,
}

impl ServiceProvider {
    /// At a URL that ends in a slash; nothing has to listen there.
    pub fn at(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("the system has room for temporary files");
        let (key, certificate) = (
            folder.path().join("key.pem"),
            folder.path().join("cert.pem"),
        );
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            ])
            .args(["-subj", "/CN=service provider", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        let order = json!({
            "url": url,
            "entity_id": format!("{url}metadata"),
            "key": key,
            "certificate": certificate,
            "encrypted": false,
            "sign_requests": false,
            "want_assertions_signed": true,
            "want_response_signed": true,
            "unsolicited": false,
        });
        let Value::Object(order) = order else {
            unreachable!("it was written as an object")
        };
        Self { order, folder }
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
        let path = self.folder.path().join("metadata.xml");
        std::fs::write(&path, self.metadata()).expect("the folder can be written");
        path.display().to_string()
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
        let mut child = Command::new(target_directory().join("judges/bin/python"))
            .arg(file("service_provider.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; run scripts/install.sh test"));
        let mut stdin = child.stdin.take().expect("it is piped");
        // One that refuses early stops reading.
        let _ = stdin.write_all(Value::Object(order).to_string().as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it is our child");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).expect("it answers in JSON"))
    }
}

/// A text of an answer.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("{answer} has no text {name}"))
}
