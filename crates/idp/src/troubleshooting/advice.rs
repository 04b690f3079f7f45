//! What the configuration of this server says about a code, for its administrators.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto::certificate::Certificate;
use store::{App, AppKind, Issuer, Protocol, SigningKey, Stage, User};

use super::Topic;
use crate::Idp;
use crate::error::{Error, Result};
use crate::parse::Upn;
use crate::sign_on::issuer_for;

/// What is so on this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// One for each Microsoft 365 application, oldest first.
    pub apps: Vec<Facts>,
    /// Whether the code is about a person, who can be looked up.
    pub asks_for_a_person: bool,
    /// The one who was looked up; `None` when nobody has this name.
    pub person: Option<Facts>,
}

/// Names and values about one thing, and the command that shows Microsoft's side of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub title: String,
    pub facts: Vec<(String, String)>,
    pub command: Option<String>,
}

impl Idp {
    /// What this installation has to say about a topic, and about a person who was asked for. `None` when the
    /// topic has nothing to do with it.
    pub async fn advice(&self, topic: Topic, user: Option<&str>) -> Result<Option<Advice>> {
        if topic == Topic::None {
            return Ok(None);
        }
        let mut read = self.store.read().await?;
        let mut apps = Vec::new();
        for app in read.apps().await? {
            if app.kind == AppKind::M365 {
                let issuers = read.issuers_of(&app.id).await?;
                let keys = read.signing_keys(&app.id).await?;
                apps.push((app, issuers, keys));
            }
        }
        let person = match user.map(Upn::parse) {
            Some(Ok(upn)) => read.user_by_upn(&upn.key()).await?,
            Some(Err(_)) | None => None,
        };
        let person = match person {
            None => None,
            Some(user) => {
                let mut granted = Vec::new();
                for (app, ..) in &apps {
                    if read.is_granted(&app.id, user.id).await? {
                        granted.push(app.id.clone());
                    }
                }
                Some(about(&user, &apps, &granted))
            }
        };
        drop(read);
        let facts: Result<Vec<Facts>> = apps
            .iter()
            .map(|(app, issuers, keys)| self.facts(topic, app, issuers, keys))
            .collect();
        Ok(Some(Advice {
            apps: facts?,
            asks_for_a_person: matches!(topic, Topic::Anchor | Topic::Issuer | Topic::Password),
            person,
        }))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each topic")]
    fn facts(
        &self,
        topic: Topic,
        app: &App,
        issuers: &[Issuer],
        keys: &[SigningKey],
    ) -> Result<Facts> {
        let domains: Vec<&str> = issuers
            .iter()
            .filter_map(|issuer| issuer.domain.as_deref())
            .collect();
        let mut facts = Vec::new();
        let mut say = |name: &str, value: String| facts.push((name.to_owned(), value));
        if !app.enabled {
            say(
                "Application",
                "disabled: nobody gets a token for it".to_owned(),
            );
        }
        let federation = of_each(&domains, "Get-MgDomainFederationConfiguration");
        let command = match topic {
            Topic::Issuer => {
                for issuer in issuers {
                    let domain = issuer.domain.as_deref().unwrap_or_default();
                    say(&format!("Issuer of {domain}"), issuer.issuer.clone());
                }
                say("Cloud", app.cloud.clone().unwrap_or_default());
                Some(format!("{federation} | Select-Object IssuerUri"))
            }
            Topic::Certificate => {
                for key in keys.iter().filter(|key| key.withdrawn_at.is_none()) {
                    let certificate =
                        Certificate::from_der(&key.certificate).map_err(Error::broken)?;
                    let name = match key.stage {
                        Stage::Next => "Certificate that signs next",
                        Stage::Current => "Certificate that signs",
                        Stage::Retired => "Certificate that has signed",
                    };
                    let until = certificate.not_after().format("%Y-%m-%d");
                    say(name, format!("{}, until {until}", certificate.thumbprint()));
                }
                if let Some(wsfed) = &app.wsfed {
                    say("Audience (realm)", wsfed.realm.clone());
                }
                say("Metadata", self.urls().wsfed_metadata(&app.id));
                Some(format!(
                    "{federation} | ForEach-Object {{ $_.SigningCertificate; $_.NextSigningCertificate }} | Where-Object {{ $_ }} | ForEach-Object {{ [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($_)).Thumbprint }}"
                ))
            }
            Topic::Anchor => {
                say("Domains", domains.join(", "));
                say(
                    "ImmutableID",
                    "sent in every token exactly as “countersign user show” prints it".to_owned(),
                );
                None
            }
            Topic::Clock => {
                let now = self.now().format("%Y-%m-%d %H:%M:%S UTC");
                say("Clock of this server", now.to_string());
                say(
                    "A token holds",
                    match app.protocol {
                        Protocol::Wsfed => "from one minute before it is made, for one hour",
                        Protocol::Saml => "from one minute before it is made, for five minutes",
                    }
                    .to_owned(),
                );
                Some("(Get-Date).ToUniversalTime()".to_owned())
            }
            Topic::Protocol => {
                let urls = self.urls();
                let (name, graph, sign_in, sign_out) = match app.protocol {
                    Protocol::Wsfed => (
                        "WS-Federation",
                        "wsFed",
                        urls.wsfed(&app.id),
                        urls.wsfed_sign_out(&app.id),
                    ),
                    Protocol::Saml => (
                        "SAML 2.0",
                        "saml",
                        urls.saml(&app.id),
                        urls.saml_sign_out(&app.id),
                    ),
                };
                say(
                    "Protocol",
                    format!("{name} (PreferredAuthenticationProtocol: {graph})"),
                );
                say("Sign-in (PassiveSignInUri)", sign_in);
                say("Sign-out (SignOutUri)", sign_out);
                Some(format!(
                    "{federation} | Format-List PreferredAuthenticationProtocol,PassiveSignInUri,SignOutUri"
                ))
            }
            Topic::SecondFactor => {
                say(
                    "Second factor",
                    "none: this server checks passwords only, and no token of it says otherwise"
                        .to_owned(),
                );
                Some(format!(
                    "{federation} | Select-Object FederatedIdpMfaBehavior"
                ))
            }
            Topic::Password => {
                say("Domains", domains.join(", "));
                let domain = of_each(&domains, "Get-MgDomain");
                Some(format!("{domain} | Select-Object Id,AuthenticationType"))
            }
            Topic::Windows => {
                if app.protocol == Protocol::Saml {
                    say("Protocol", "SAML 2.0, which has no WS-Trust".to_owned());
                }
                if let Some(wsfed) = &app.wsfed {
                    let active = &wsfed.active;
                    let state = match (active.on, active.networks.is_empty()) {
                        (false, _) => "off".to_owned(),
                        (true, true) => "on, from everywhere".to_owned(),
                        (true, false) => format!("on, from {} only", active.networks.join(", ")),
                    };
                    say("WS-Trust", state);
                }
                say("Metadata exchange", self.urls().mex(&app.id));
                say("ActiveSignInUri", self.urls().trust_2005(&app.id));
                Some(format!(
                    "{federation} | Format-List ActiveSignInUri,MetadataExchangeUri"
                ))
            }
            Topic::None => None,
        };
        Ok(Facts {
            title: app.label.clone(),
            facts,
            command,
        })
    }
}

/// A cmdlet of Microsoft Graph for every domain; none of them holds anything that PowerShell would read.
fn of_each(domains: &[&str], cmdlet: &str) -> String {
    match domains {
        [domain] => format!("{cmdlet} -DomainId {domain}"),
        several => format!(
            "'{}' | ForEach-Object {{ {cmdlet} -DomainId $_ }}",
            several.join("', '")
        ),
    }
}

fn about(user: &User, apps: &[(App, Vec<Issuer>, Vec<SigningKey>)], granted: &[String]) -> Facts {
    let mut facts = vec![("ImmutableID".to_owned(), user.immutable_id.clone())];
    // Written the one way here and the other there is how they come to differ.
    let bytes = BASE64_STANDARD.decode(&user.immutable_id).ok();
    if let Some(bytes) = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        facts.push((
            "the same as a GUID".to_owned(),
            uuid::Uuid::from_bytes_le(bytes).to_string(),
        ));
    }
    let state = if user.enabled { "enabled" } else { "disabled" };
    facts.push(("Account".to_owned(), state.to_owned()));
    for (app, issuers, _) in apps {
        let says = match issuer_for(user, app, issuers) {
            Err(_) => "no token: the UPN is outside of its domain".to_owned(),
            Ok(_) if !granted.contains(&app.id) => {
                "no token: in no group that may use it".to_owned()
            }
            Ok(issuer) => format!("a token with the issuer {issuer}"),
        };
        facts.push((app.label.clone(), says));
    }
    Facts {
        title: user.upn.clone(),
        facts,
        command: Some(format!(
            "Get-MgUser -UserId '{}' -Property UserPrincipalName,OnPremisesImmutableId | Select-Object UserPrincipalName,OnPremisesImmutableId",
            user.upn.replace('\'', "''")
        )),
    }
}
