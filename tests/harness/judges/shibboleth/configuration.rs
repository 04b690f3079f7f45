//! What lies in its folder: keys, pages, and the configuration of both programs.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::{Binding, NAME_IDS, ServiceProvider, Settings, VARIABLES};
use crate::judges::file;
use crate::judges::key::Key;

/// The user www-data, whose number is the same on every Debian: Apache serves nobody as root.
pub(super) const WWW_DATA: u32 = 33;

impl ServiceProvider {
    pub(super) fn configure(&self, entity_id: &str, metadata: &str) {
        let folder = self.folder.path();
        own(folder);
        for name in ["pages", "pages/protected"] {
            let directory = folder.join(name);
            fs::create_dir_all(&directory).expect("the folder can be written");
            own(&directory);
        }
        self.keep("pages/index.html", &self.page());
        self.keep("pages/protected/index.html", &self.page());
        self.keep("idp.xml", metadata);
        self.keep("attribute-map.xml", &self.attribute_map());
        self.keep_key("signing", &self.signing);
        self.keep_key("encryption", &self.encryption);
        for name in ["shibd", "mod_shib"] {
            let log = folder.join(name).with_extension("log");
            let filled = template("logger").replace("@FILE@", &log.display().to_string());
            self.keep(&format!("{name}.logger"), &filled);
        }
        for name in ["shibboleth2.xml", "apache.conf"] {
            self.keep(name, &self.fill(&template(name), entity_id));
        }
    }

    fn fill(&self, template: &str, entity_id: &str) -> String {
        const KEY: &str = "<CredentialResolver type=\"File\" use=\"encryption\" key=\"@FOLDER@/encryption.key\" \
            certificate=\"@FOLDER@/encryption.crt\"/>";
        let Settings {
            sign_requests,
            unsolicited,
            sign_on,
            sign_out,
            encryption,
            ..
        } = &self.settings;
        // Both are names of /etc/shibboleth/security-policy.xml.
        let policy = if *unsolicited {
            "default"
        } else {
            "blockUnsolicited"
        };
        // What its metadata announces; "conditional" is what it would do by itself.
        let signing = if *sign_requests {
            "true"
        } else {
            "conditional"
        };
        template
            .replace("@POLICY@", policy)
            .replace("@SIGNING@", signing)
            .replace("@ENCRYPTION-KEY@", if *encryption { KEY } else { "" })
            .replace("@FOLDER@", &self.folder.path().display().to_string())
            .replace("@URL@", self.url("").as_str())
            .replace("@PORT@", &self.port.to_string())
            .replace("@MODULES@", "/usr/lib/apache2/modules")
            .replace("@IDP@", &attribute_value(entity_id))
            .replace("@SIGN-REQUESTS@", &sign_requests.to_string())
            .replace("@SIGN-ON-BINDING@", sign_on.uri())
            .replace("@SIGN-OUT-BINDING@", sign_out.uri())
    }

    /// A page of HTML with server-side includes that tells who is signed in.
    fn page(&self) -> String {
        let attributes = self.settings.attributes.iter().map(|(name, _)| &**name);
        let name_ids = NAME_IDS.iter().map(|format| short(format));
        let told: Vec<_> = VARIABLES
            .into_iter()
            .chain(name_ids)
            .chain(attributes)
            .map(|name| format!("<data id=\"{name}\" value='<!--#echo var=\"{name}\" -->'></data>"))
            .collect();
        format!("<!doctype html><title>Session</title>{}", told.concat())
    }

    fn attribute_map(&self) -> String {
        const NAME_ID: &str =
            "<AttributeDecoder xsi:type=\"NameIDAttributeDecoder\" formatter=\"$Name\"/>";
        let name_ids = NAME_IDS.iter().map(|format| {
            let name = short(format);
            format!("<Attribute name=\"{format}\" id=\"{name}\">{NAME_ID}</Attribute>")
        });
        let attributes = self.settings.attributes.iter().map(|(name, format)| {
            let (name, format) = (attribute_value(name), attribute_value(format));
            format!("<Attribute name=\"{name}\" nameFormat=\"{format}\" id=\"{name}\"/>")
        });
        let map: String = name_ids.chain(attributes).collect();
        format!(
            "<Attributes xmlns=\"urn:mace:shibboleth:2.0:attribute-map\" \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{map}</Attributes>"
        )
    }

    fn keep_key(&self, name: &str, key: &Key) {
        let private = fs::read_to_string(key.file()).expect("openssl has written it");
        self.keep(&format!("{name}.key"), &private);
        self.keep(&format!("{name}.crt"), &key.certificate);
    }

    fn keep(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("the folder can be written");
        own(&path);
    }
}

/// Hands a file to the user whom both programs run as.
fn own(path: &Path) {
    if we_are_root() {
        chown(path, Some(WWW_DATA), Some(WWW_DATA)).expect("root may give a file away");
    }
}

pub(super) fn we_are_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The entity id of an identity provider that nobody can believe.
pub(super) const NOBODY: &str = "urn:example:nobody";

/// Its metadata, without a key.
pub(super) fn nobody() -> String {
    let redirect = Binding::Redirect.uri();
    format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{NOBODY}\"><IDPSSODescriptor \
        protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><SingleSignOnService \
        Binding=\"{redirect}\" Location=\"https://nobody.example/\"/></IDPSSODescriptor></EntityDescriptor>"
    )
}

fn template(name: &str) -> String {
    let path = file(&format!("shibboleth/{name}"));
    fs::read_to_string(path).expect("the project has this file")
}

fn short(format: &str) -> &str {
    format.rsplit(':').next().unwrap_or(format)
}

fn attribute_value(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
