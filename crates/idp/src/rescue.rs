//! The rescue pack: everything to take a domain back to Microsoft, and to bring it home again, while we are gone.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Datelike, Timelike, Utc};
use crypto::certificate::Certificate;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{StoredPack, User};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::apps::AppInfo;
use crate::audit::Entry;
use crate::error::{Error, Refusal, Result};
use crate::federate::{Action, Federation, Flavor, script};
use crate::{Idp, Origin};

/// A ZIP file; the same state gives the same bytes.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Tells whether what somebody has stored is still what we would give them: a hash of the contents.
    pub version: String,
    pub file_name: String,
    pub bytes: Vec<u8>,
}

/// Whether the present pack is the one that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RescueState {
    /// Of the present pack.
    pub version: String,
    /// The last one that was fetched, or that somebody said to have.
    pub stored: Option<StoredPack>,
    /// Whether they are the same.
    pub up_to_date: bool,
}

impl Idp {
    /// The pack of a Microsoft 365 app as it is now.
    pub fn rescue_pack(&self, app: AppInfo) -> Result<Pack> {
        let made_for = app.created_at;
        pack(&self.federations_of(app)?, made_for)
    }

    /// The federations of all domains of an app.
    fn federations_of(&self, app: AppInfo) -> Result<Vec<Federation>> {
        if app.domains.is_empty() {
            return Err(Refusal::NoCommands { label: app.label }.into());
        }
        let domains = app.domains.iter();
        domains
            .map(|one| self.federation_of(app.clone(), Some(&one.domain)))
            .collect()
    }

    /// Whether somebody has the present pack; nothing for apps that have none.
    pub async fn rescue_state(&self, app: AppInfo) -> Result<Option<RescueState>> {
        if app.commands_url.is_none() {
            return Ok(None);
        }
        let id = app.id.clone();
        let version = version_of(&files(&self.federations_of(app)?)?);
        let stored = self.store.read().await?.stored_pack(&id).await?;
        Ok(Some(RescueState {
            up_to_date: stored.as_ref().is_some_and(|pack| pack.version == version),
            version,
            stored,
        }))
    }

    /// Remembers who took this pack away; at the command line that is nobody by name.
    pub async fn remember_rescue_pack(
        &self,
        app_id: &str,
        pack: &Pack,
        who: Option<&User>,
        origin: &Origin,
    ) -> Result<()> {
        self.remember("rescue.fetched", app_id, &pack.version, who, origin)
            .await
    }

    /// Takes an administrator's word that they have the present pack.
    pub async fn vouch_for_rescue_pack(
        &self,
        app: AppInfo,
        version: &str,
        admin: &User,
        origin: &Origin,
    ) -> Result<()> {
        let id = app.id.clone();
        if version_of(&files(&self.federations_of(app)?)?) != version {
            return Err(Error::Invalid(
                "the rescue pack has changed since this page was shown; download the present one"
                    .to_owned(),
            ));
        }
        self.remember("rescue.vouched", &id, version, Some(admin), origin)
            .await
    }

    async fn remember(
        &self,
        event: &'static str,
        app_id: &str,
        version: &str,
        who: Option<&User>,
        origin: &Origin,
    ) -> Result<()> {
        let stored = StoredPack {
            version: version.to_owned(),
            stored_by: who.map(|user| user.upn.clone()),
            stored_at: self.now(),
        };
        let mut entry = Entry::new(event, origin)
            .app(app_id)
            .with("version", version);
        if let Some(user) = who {
            entry = entry.user(&user.upn);
        }
        let mut write = self.store.write().await?;
        write.set_stored_pack(app_id, &stored).await?;
        write.append_audit(&entry.at(stored.stored_at)).await?;
        Ok(write.commit().await?)
    }
}

/// What is in a pack; where there are several domains, a folder for each.
fn files(federations: &[Federation]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for federation in federations {
        for (name, contents) in files_of(federation)? {
            let path = match federations {
                [_] => name,
                _ => format!("{}/{name}", federation.domain),
            };
            all.push((path, contents));
        }
    }
    Ok(all)
}

/// The flavors' scripts of the two ways, and what they are about.
fn files_of(federation: &Federation) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![("README.txt".to_owned(), readme(federation).into_bytes())];
    for action in [Action::Disable, Action::Restore] {
        for flavor in Flavor::ALL {
            let name = format!("{action}-{flavor}.{}", flavor.file_ending());
            files.push((name, script(federation, &[], action, *flavor).into_bytes()));
        }
    }
    files.push((
        "configuration.json".to_owned(),
        format!("{:#}\n", configuration(federation)).into_bytes(),
    ));
    let values = script(federation, &[], Action::Show, Flavor::Manual);
    files.push(("values.txt".to_owned(), values.into_bytes()));
    let next = federation.next.as_ref().map(|next| &next.certificate);
    for (name, base64) in [
        ("certificate", Some(&federation.signing_certificate)),
        ("next-certificate", next),
    ] {
        let Some(base64) = base64 else { continue };
        let der = BASE64_STANDARD.decode(base64).map_err(Error::broken)?;
        let certificate = Certificate::from_der(&der).map_err(Error::broken)?;
        files.push((format!("{name}.pem"), certificate.pem().into_bytes()));
        files.push((format!("{name}.der"), der));
        let line = format!("{base64}\n");
        files.push((format!("{name}-one-line.txt"), line.into_bytes()));
    }
    Ok(files)
}

fn readme(federation: &Federation) -> String {
    let title = format!("Rescue pack for {}", federation.domain);
    let text = include_str!("rescue/readme.txt")
        .replace("DOMAIN", &federation.domain)
        .replace("MFA", federation.mfa_behavior.in_graph())
        .replace("PROMPT", federation.prompt_login.in_graph());
    format!("{title}\n{}\n{text}", "=".repeat(title.len()))
}

/// The federation as the scripts save it: those of bash read the list in it, those of PowerShell what stands beside.
fn configuration(federation: &Federation) -> Value {
    let settings: Map<String, Value> = federation
        .settings()
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect();
    let mut state = settings.clone();
    // PowerShell knows no two names that differ in upper and lower case alone.
    for name in ["domain", "domainId"] {
        state.insert(name.to_owned(), federation.domain.as_str().into());
    }
    state.insert("authenticationType".to_owned(), "Federated".into());
    let list = Value::Array(vec![Value::Object(settings)]);
    state.insert("federationConfiguration".to_owned(), list);
    Value::Object(state)
}

/// The beginning of a SHA-256 is enough to tell packs apart.
fn version_of(files: &[(String, Vec<u8>)]) -> String {
    let mut all = Vec::new();
    for (name, contents) in files {
        for part in [name.as_bytes(), contents] {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        }
    }
    let digest = crypto::digest(&all);
    let (beginning, _) = digest.split_first_chunk().expect("it is longer");
    format!("{:016x}", u64::from_be_bytes(*beginning))
}

/// The pack of an app, named after its first domain.
fn pack(federations: &[Federation], made_for: DateTime<Utc>) -> Result<Pack> {
    let mut files = files(federations)?;
    let version = version_of(&files);
    for (name, contents) in &mut files {
        if name.ends_with("README.txt") {
            contents.extend_from_slice(format!("\nThis pack is version {version}.\n").as_bytes());
        }
    }
    let first = federations.first().map_or("", |first| &first.domain);
    let folder = format!("rescue-{first}");
    let file_name = format!("{folder}.zip");
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o644)
        .last_modified_time(zip_time(made_for));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in files {
        zip.start_file(format!("{folder}/{name}"), options)
            .map_err(Error::broken)?;
        zip.write_all(&contents).map_err(Error::broken)?;
    }
    let bytes = zip.finish().map_err(Error::broken)?.into_inner();
    Ok(Pack {
        version,
        file_name,
        bytes,
    })
}

/// A moment as ZIP knows it, which begins in 1980; not that of the download, so that the bytes stay the same.
fn zip_time(moment: DateTime<Utc>) -> zip::DateTime {
    let part = |number: u32| u8::try_from(number).unwrap_or_default();
    u16::try_from(moment.year())
        .ok()
        .and_then(|year| {
            zip::DateTime::from_date_and_time(
                year,
                part(moment.month()),
                part(moment.day()),
                part(moment.hour()),
                part(moment.minute()),
                part(moment.second()),
            )
            .ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crypto::certificate::SigningKey;
    use store::Protocol;

    use super::*;
    use crate::cloud::Cloud;
    use crate::federate::{MfaBehavior, NextCertificate, PromptLogin};

    fn certificate(name: &str) -> String {
        let key = SigningKey::generate(name, at(0), 1000).expect("openssl makes one");
        key.certificate().base64().to_owned()
    }

    fn federation() -> Federation {
        let base = "https://id.contoso.com/wsfed/663a8fb979aa83c58df6081e";
        Federation {
            app_id: "663a8fb979aa83c58df6081e".to_owned(),
            label: "Contoso".to_owned(),
            domain: "contoso.com".to_owned(),
            issuer: "https://contoso.com".to_owned(),
            protocol: Protocol::Wsfed,
            passive_sign_in_url: base.to_owned(),
            sign_out_url: format!("{base}/signout"),
            metadata_exchange_url: None,
            active_sign_in_url: None,
            signing_certificate: certificate("contoso.com"),
            thumbprint: "0123456789ABCDEF0123456789ABCDEF01234567".to_owned(),
            next: None,
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: Cloud::Worldwide,
            commands_url: format!("{base}/commands"),
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).expect("a moment in 2026")
    }

    #[test]
    fn the_same_state_gives_the_same_bytes_and_every_change_another_version() {
        let federation = federation();
        let first = pack(std::slice::from_ref(&federation), at(0)).expect("it packs");
        let again = pack(std::slice::from_ref(&federation), at(0)).expect("it packs");
        assert_eq!(
            (&first.version, &first.bytes),
            (&again.version, &again.bytes)
        );
        assert_eq!(first.version.len(), 16);
        let changes: [fn(&mut Federation); 4] = [
            |it| it.label = "Contoso 365".to_owned(),
            |it| it.signing_certificate = certificate("contoso.com"),
            |it| it.cloud = Cloud::China,
            |it| {
                it.next = Some(NextCertificate {
                    certificate: certificate("contoso.com"),
                    thumbprint: "89ABCDEF0123456789ABCDEF0123456789ABCDEF".to_owned(),
                });
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = federation.clone();
            change(&mut other);
            let other = pack(&[other], at(0)).expect("it packs");
            assert_ne!(other.version, first.version, "change {number}");
        }
    }

    #[test]
    fn the_check_list_names_every_file_and_its_lines_fit_on_paper() {
        let with_next = Federation {
            next: Some(NextCertificate {
                certificate: certificate("contoso.com"),
                thumbprint: String::new(),
            }),
            ..federation()
        };
        let files = files_of(&with_next).expect("it packs");
        let readme = readme(&with_next);
        for (name, contents) in &files {
            let named = readme.contains(name.as_str())
                || name.starts_with("next-certificate.")
                || name.starts_with("README");
            assert!(named || name.starts_with("next-certificate-"), "{name}");
            assert!(!contents.is_empty(), "{name}");
            let text = String::from_utf8_lossy(contents);
            assert!(!text.contains("PRIVATE KEY"), "{name}");
        }
        assert_eq!(files.len(), 1 + 2 * Flavor::ALL.len() + 2 + 2 * 3);
        assert!(
            readme.contains("acceptIfMfaDoneByFederatedIdp") && readme.contains("nativeSupport")
        );
        for line in readme.lines() {
            assert!(line.len() <= 116 && line.is_ascii(), "{line}");
        }
        for left_over in ["DOMAIN", "MFA", "PROMPT"] {
            assert!(!readme.contains(left_over), "{left_over}");
        }
    }

    #[test]
    fn the_configuration_is_one_that_either_script_puts_back() {
        let state = configuration(&federation());
        let names = state.as_object().expect("an object").keys();
        let mut lower: Vec<_> = names.map(|name| name.to_ascii_lowercase()).collect();
        lower.sort_unstable();
        lower.dedup();
        assert_eq!(lower.len(), state.as_object().map_or(0, Map::len));
        for (name, value) in [
            ("domain", "contoso.com"),
            ("domainId", "contoso.com"),
            ("authenticationType", "Federated"),
            ("issuerUri", "https://contoso.com"),
        ] {
            assert_eq!(state[name], value);
        }
        let listed = &state["federationConfiguration"];
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        assert_eq!(listed[0]["signingCertificate"], state["signingCertificate"]);
        assert!(
            listed[0].get("activeSignInUri").is_none(),
            "what is absent stays so"
        );
    }

    #[test]
    fn every_domain_has_a_folder_where_there_are_several() {
        let first = federation();
        let second = Federation {
            domain: "contoso.org".to_owned(),
            ..first.clone()
        };
        let both = files(&[first.clone(), second]).expect("it packs");
        let alone = files(&[first]).expect("it packs");
        assert_eq!(both.len(), 2 * alone.len());
        for (name, _) in &alone {
            for domain in ["contoso.com", "contoso.org"] {
                let path = format!("{domain}/{name}");
                assert!(both.iter().any(|(other, _)| *other == path), "{path}");
            }
        }
    }

    #[test]
    fn a_time_that_zip_does_not_know_is_its_first() {
        let before = DateTime::from_timestamp(0, 0).expect("1970");
        assert_eq!(zip_time(before), zip::DateTime::default());
        assert_eq!(zip_time(at(0)).year(), 2026);
    }
}
