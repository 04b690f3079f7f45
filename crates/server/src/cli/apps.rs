//! `countersign app` and `countersign audit`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use idp::Origin;
use idp::apps::{
    ActiveChange, AppChange, AppInfo, NewMicrosoft365, NewSaml, NewWsFed, Preview, SamlChange,
};
use idp::certificates::CertificateInfo;
use idp::cloud::Cloud;
use idp::federate::{Action, Choices, Flavor, MfaBehavior, PromptLogin};
use idp::rescue::RescueState;
use idp::saml::Import;
use serde::Serialize;

use super::domains::{self, Compare, Domain};
use super::{Here, lines};

#[derive(Subcommand)]
pub enum App {
    /// Add an application.
    #[command(subcommand)]
    Add(Add),
    /// Let the members of a group use an application.
    Grant { app: String, group: String },
    /// Take that back.
    Revoke { app: String, group: String },
    /// List all applications.
    List,
    /// Show everything that the other side needs to know.
    Show {
        /// Its id, its domain, or its label.
        app: String,
    },
    /// Print a script of the run-book: what to paste to federate a Microsoft 365 domain, to look after it, and to go back.
    Commands(Commands),
    /// Write the rescue pack of a Microsoft 365 domain: the way back to Microsoft while this server is gone.
    Rescue {
        app: String,
        /// The ZIP file to write, over an older one too; rescue-DOMAIN.zip here without it, and - is standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add, remove and list the domains of a Microsoft 365 application.
    #[command(subcommand)]
    Domain(Domain),
    /// List who may use a Microsoft 365 application and is of none of its domains.
    CheckUsers { app: String },
    /// Compare what Microsoft has stored about a domain with what it should be. Exit code 0: the same; 2: it differs.
    Compare(Compare),
    /// Change settings of an application; those that are not named stay. “none” clears what may be absent.
    Set(Box<Set>),
    /// Show what a user's token of an application would say.
    Preview { app: String, user: String },
    /// Print our SAML metadata for an application, as its service provider reads it.
    Metadata {
        app: String,
        /// Sign it with the application's key.
        #[arg(long)]
        signed: bool,
        /// In the name of this domain, when the application has several.
        #[arg(long)]
        domain: Option<String>,
    },
    /// Import a SAML service provider's metadata again, and show what that changes. What was demanded
    /// before stays demanded, whatever the file says.
    ImportMetadata {
        app: String,
        /// Its metadata; - reads standard input.
        file: PathBuf,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

/// One script of the run-book.
#[derive(Args)]
pub struct Commands {
    /// Its id, its domain, or its label.
    app: String,
    /// check, enable, show, rotate, promote, disable, restore or users.
    #[arg(long, default_value = "enable")]
    action: Action,
    /// graph (PowerShell with the cmdlets of Microsoft.Graph), rest (PowerShell without them), curl (bash) or manual.
    #[arg(long, default_value = "graph")]
    flavor: Flavor,
    /// Whose second factor counts (federatedIdpMfaBehavior): accept, enforce or reject.
    #[arg(long, default_value = "accept")]
    mfa: MfaBehavior,
    /// How Microsoft asks for a fresh sign-in (promptLoginBehavior): native, translate or disabled.
    #[arg(long, default_value = "native")]
    prompt: PromptLogin,
    /// The domain, when the application has several.
    #[arg(long)]
    domain: Option<String>,
}

/// The settings that can change.
#[derive(Args)]
pub struct Set {
    /// Its id, its slug, its domain, or its label.
    app: String,
    /// What people call it.
    #[arg(long)]
    label: Option<String>,
    /// Whether it is served.
    #[arg(long)]
    enabled: Option<Switch>,
    /// Microsoft 365: the protocol that the federation commands set up.
    #[arg(long)]
    protocol: Option<Speaks>,
    /// Microsoft 365: worldwide, china or usgov.
    #[arg(long)]
    cloud: Option<Cloud>,
    /// Another name for the id in the SAML addresses: /saml2/SLUG.
    #[arg(long)]
    slug: Option<String>,
    /// Our issuer (entity id) for this application. The other side must be told before it takes tokens again.
    #[arg(long)]
    issuer: Option<String>,
    /// Microsoft 365: the domain whose issuer changes, when there are several.
    #[arg(long, requires = "issuer")]
    domain: Option<String>,
    /// WS-Federation: whether a user name and a password alone get a token, by WS-Trust. For Windows and scripts.
    #[arg(long)]
    active: Option<Switch>,
    /// WS-Federation: networks (CIDR) or addresses from which alone they do, all of them.
    #[arg(long, value_name = "NETWORK")]
    active_from: Vec<String>,
    /// WS-Federation: the HTTP status when the password is refused there: 400, or 500 as AD FS answers.
    #[arg(long, value_name = "STATUS")]
    active_status: Option<u16>,
    /// SAML: the service provider's entity id.
    #[arg(long)]
    entity_id: Option<String>,
    /// SAML: its assertion consumer services, all of them, the default first.
    #[arg(long)]
    acs: Vec<String>,
    /// SAML: the address of its logout service (HTTP-Redirect).
    #[arg(long)]
    logout: Option<String>,
    /// SAML: FORMAT=SOURCE, as in “app add saml”.
    #[arg(long)]
    name_id: Option<String>,
    /// SAML: NAME=SOURCE, all of them, as in “app add saml”.
    #[arg(long)]
    attribute: Vec<String>,
    /// SAML: what is signed.
    #[arg(long)]
    sign: Option<Sign>,
    /// SAML: rsa-sha256, rsa-sha384 or rsa-sha512.
    #[arg(long)]
    signature_algorithm: Option<String>,
    /// SAML: whether assertions are encrypted to the service provider's key.
    #[arg(long)]
    encrypt: Option<Switch>,
    /// SAML: whether its requests have to be signed.
    #[arg(long)]
    signed_requests: Option<Switch>,
    /// SAML: the RelayState of a sign-on that starts in the portal.
    #[arg(long)]
    relay_state: Option<String>,
    /// SAML: files with the certificates that verify its messages (PEM or DER), all of them.
    #[arg(long, value_name = "FILE")]
    signing_certificate: Vec<PathBuf>,
    /// SAML: a file with the certificate to encrypt to (PEM or DER).
    #[arg(long, value_name = "FILE")]
    encryption_certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Speaks {
    Wsfed,
    Saml,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sign {
    Assertion,
    Response,
    Both,
}

impl Set {
    /// The change that is asked for, with the files read.
    fn change(self) -> anyhow::Result<(String, AppChange)> {
        let on = |switch: Option<Switch>| switch.map(|switch| switch == Switch::On);
        let read = |path: &PathBuf| file(path);
        let change = AppChange {
            label: self.label,
            enabled: on(self.enabled),
            protocol: self.protocol.map(|protocol| match protocol {
                Speaks::Wsfed => store::Protocol::Wsfed,
                Speaks::Saml => store::Protocol::Saml,
            }),
            cloud: self.cloud,
            slug: self.slug,
            issuer: self.issuer,
            domain: self.domain,
            active: ActiveChange {
                on: on(self.active),
                networks: self.active_from,
                credential_status: self.active_status,
            },
            saml: SamlChange {
                entity_id: self.entity_id,
                acs: self.acs,
                logout: self.logout,
                name_id: self.name_id,
                attributes: self.attribute,
                sign: self.sign.map(|sign| match sign {
                    Sign::Assertion => store::Signed::Assertion,
                    Sign::Response => store::Signed::Response,
                    Sign::Both => store::Signed::Both,
                }),
                signature_algorithm: self.signature_algorithm,
                encrypt: on(self.encrypt),
                signed_requests: on(self.signed_requests),
                relay_state: self.relay_state,
                signing_certificates: self
                    .signing_certificate
                    .iter()
                    .map(read)
                    .collect::<anyhow::Result<_>>()?,
                encryption_certificate: self
                    .encryption_certificate
                    .as_ref()
                    .map(read)
                    .transpose()?,
            },
        };
        Ok((self.app, change))
    }
}

/// A file's contents, or standard input's; more than any metadata has is not read.
pub(super) fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    file_up_to(path, 16 << 20)
}

/// The first bytes of a file, or of standard input.
pub(super) fn file_up_to(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes)
}

#[derive(Subcommand)]
pub enum Add {
    /// A Microsoft 365 domain.
    M365 {
        /// The domain to federate, such as contoso.com.
        #[arg(long)]
        domain: String,
        /// What people call it.
        #[arg(long)]
        label: Option<String>,
        /// worldwide, china or usgov.
        #[arg(long, default_value = "worldwide")]
        cloud: Cloud,
        /// Instead of https://login.microsoftonline.com: a stand-in, a test.
        #[arg(long)]
        entra_url: Option<String>,
    },
    /// Any application that speaks WS-Federation.
    Wsfed {
        /// What people call it.
        #[arg(long)]
        label: String,
        /// Its realm (wtrealm), a URI.
        #[arg(long)]
        realm: String,
        /// Where tokens may be posted (wreply); the first is used when a request names none.
        #[arg(long, required = true)]
        reply: Vec<String>,
        /// FORMAT=SOURCE. FORMAT: unspecified, emailAddress, persistent or a URI. SOURCE: upn, email,
        /// display-name, given-name, family-name, immutable-id, groups or a constant in quotes.
        #[arg(long)]
        name_id: Option<String>,
        /// NAME=SOURCE, NAME being a full URI of the form namespace/name (not urn:…), which SAML 1.1 splits.
        #[arg(long)]
        attribute: Vec<String>,
    },
    /// Any application that speaks SAML 2.0.
    Saml {
        /// What people call it.
        #[arg(long)]
        label: String,
        /// A file with its metadata; - reads standard input.
        #[arg(long, value_name = "FILE", required_unless_present = "entity_id")]
        metadata: Option<PathBuf>,
        /// Its entity id; with --metadata it picks one of several.
        #[arg(long)]
        entity_id: Option<String>,
        /// Its assertion consumer services (HTTP-POST); the first is used when a request names none.
        #[arg(long, required_unless_present = "metadata")]
        acs: Vec<String>,
        /// FORMAT=SOURCE. FORMAT: persistent, transient, emailAddress, unspecified or a URI. SOURCE: upn,
        /// email, display-name, given-name, family-name, immutable-id, groups, pairwise, transient or a
        /// constant in quotes.
        #[arg(long)]
        name_id: Option<String>,
        /// NAME=SOURCE; uri:, basic: or unspecified: before NAME chooses its NameFormat.
        #[arg(long)]
        attribute: Vec<String>,
        /// Our issuer (entity id) for it, instead of the address of our metadata.
        #[arg(long)]
        issuer: Option<String>,
    },
}

impl App {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = Here::origin();
        let app = match self {
            Self::Add(add) => add.run(here, &origin).await?,
            Self::Set(set) => {
                let (app, change) = set.change()?;
                let turns_on = change.active.on == Some(true);
                let app = here.idp.change_app(&app, change, &origin).await?;
                if turns_on {
                    eprintln!("{}", what_turning_on_means(&app));
                }
                app
            }
            Self::Preview { app, user } => {
                let preview = here.idp.preview(&app, &user).await?;
                return here.out.print(&preview, || previewed(&preview));
            }
            Self::Metadata {
                app: reference,
                signed,
                domain,
            } => {
                let app = here.idp.app(&reference).await?;
                let domain = app.domain_meant(&reference, domain.as_deref())?;
                let metadata = here.idp.saml_metadata(&app.id, domain, signed).await?;
                return here.out.print(
                    &Document {
                        metadata: &metadata,
                    },
                    || metadata.clone(),
                );
            }
            Self::ImportMetadata {
                app,
                file: path,
                dry_run,
            } => {
                let metadata = file(&path)?;
                let import = if dry_run {
                    here.idp.plan_import(&app, &metadata).await?
                } else {
                    here.idp.import_metadata(&app, &metadata, &origin).await?
                };
                return here.out.print(&import, || imported(&import, dry_run));
            }
            Self::Grant { app, group } => here.idp.grant(&app, &group, &origin).await?,
            Self::Revoke { app, group } => here.idp.revoke(&app, &group, &origin).await?,
            Self::Show { app } => {
                let app = here.idp.app(&app).await?;
                let rescue = here.idp.rescue_state(app.clone()).await?;
                let words = || shown(&app) + &rescue.as_ref().map(in_words).unwrap_or_default();
                return here.out.print(
                    &Shown {
                        app: &app,
                        rescue: rescue.as_ref(),
                    },
                    words,
                );
            }
            Self::List => {
                let apps = here.idp.apps().await?;
                return here.out.print(&apps, || {
                    lines(&apps, |app| {
                        format!("{}\t{}\t{}", app.id, app.kind_in_words(), app.label)
                    })
                });
            }
            Self::Domain(command) => return command.run(here, &origin).await,
            Self::CheckUsers { app } => return domains::check_users(here, &app).await,
            Self::Compare(command) => return command.run(here).await,
            Self::Commands(command) => return command.run(here).await,
            Self::Rescue { app, output } => return rescue(here, &app, output, &origin).await,
        };
        here.out.print(&app, || shown(&app))
    }
}

impl Add {
    async fn run(self, here: &Here, origin: &Origin) -> anyhow::Result<AppInfo> {
        Ok(match self {
            Self::M365 {
                domain,
                label,
                cloud,
                entra_url,
            } => {
                here.idp
                    .add_microsoft365(
                        NewMicrosoft365 {
                            domain,
                            label,
                            cloud,
                            entra_url,
                        },
                        origin,
                    )
                    .await?
            }
            Self::Wsfed {
                label,
                realm,
                reply,
                name_id,
                attribute,
            } => {
                let new = NewWsFed {
                    label,
                    realm,
                    replies: reply,
                    name_id,
                    attributes: attribute,
                };
                here.idp.add_wsfed(new, origin).await?
            }
            Self::Saml {
                label,
                metadata,
                entity_id,
                acs,
                name_id,
                attribute,
                issuer,
            } => {
                let new = NewSaml {
                    label,
                    metadata: metadata.as_deref().map(file).transpose()?,
                    entity_id,
                    acs,
                    name_id,
                    attributes: attribute,
                    issuer,
                };
                let (app, notes) = here.idp.add_saml(new, origin).await?;
                for note in notes {
                    eprintln!("note: {note}");
                }
                app
            }
        })
    }
}

impl Commands {
    async fn run(self, here: &Here) -> anyhow::Result<()> {
        let choices = Choices {
            action: self.action,
            flavor: self.flavor,
            mfa: self.mfa,
            prompt: self.prompt,
        };
        let app = here.idp.app(&self.app).await?;
        let domain = app.domain_meant(&self.app, self.domain.as_deref())?;
        let domain = domain.map(str::to_owned);
        let book = here.idp.run_book(app, domain.as_deref(), choices).await?;
        let script = book.script()?;
        let result = Printed {
            script: &script,
            action: self.action.as_str(),
            flavor: self.flavor.as_str(),
        };
        here.out.print(&result, || script.clone())
    }
}

/// Writes the pack first, and remembers that somebody has it when they have.
async fn rescue(
    here: &Here,
    app: &str,
    output: Option<PathBuf>,
    origin: &Origin,
) -> anyhow::Result<()> {
    use std::io::Write as _;
    let app = here.idp.app(app).await?;
    let id = app.id.clone();
    let pack = here.idp.rescue_pack(app)?;
    let path = output.unwrap_or_else(|| PathBuf::from(&pack.file_name));
    let is_stdout = path == Path::new("-");
    if is_stdout {
        std::io::stdout().write_all(&pack.bytes)?;
    } else {
        std::fs::write(&path, &pack.bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    here.idp
        .remember_rescue_pack(&id, &pack, None, origin)
        .await?;
    if is_stdout {
        return Ok(());
    }
    let written = WrittenPack {
        file: &path.to_string_lossy(),
        version: &pack.version,
        size: pack.bytes.len(),
    };
    here.out.print(&written, || {
        format!(
            "Wrote {}, version {}. Keep it where it can be read while nobody can sign in.",
            written.file, written.version
        )
    })
}

#[derive(Serialize)]
struct WrittenPack<'a> {
    file: &'a str,
    version: &'a str,
    size: usize,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    app: &'a AppInfo,
    rescue: Option<&'a RescueState>,
}

/// Whether somebody has the present rescue pack.
fn in_words(rescue: &RescueState) -> String {
    let state = match &rescue.stored {
        None => "nobody has it; use “countersign app rescue”".to_owned(),
        Some(stored) => format!(
            "{}, stored {} by {}{}",
            stored.version,
            stored.stored_at.format("%Y-%m-%d"),
            stored.stored_by.as_deref().unwrap_or("the command line"),
            if rescue.up_to_date {
                String::new()
            } else {
                format!("; out of date, the present one is {}", rescue.version)
            }
        ),
    };
    format!("{:<21}{state}\n", "Rescue pack")
}

#[derive(Serialize)]
struct Printed<'a> {
    script: &'a str,
    action: &'a str,
    flavor: &'a str,
}

#[derive(Serialize)]
struct Document<'a> {
    metadata: &'a str,
}

fn imported(import: &Import, dry_run: bool) -> String {
    let mut text = String::new();
    for change in &import.changes {
        let _ = writeln!(
            text,
            "{}\n  from  {}\n  to    {}",
            change.what, change.from, change.to
        );
    }
    for note in &import.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push_str(match (import.changes.is_empty(), dry_run) {
        (true, _) => "Nothing changes.",
        (false, true) => "Nothing was changed; without --dry-run this will be.",
        (false, false) => "Changed.",
    });
    text
}

fn previewed(preview: &Preview) -> String {
    let mut text = format!(
        "Issuer           {}\nName identifier  {}\n  format         {}\n",
        preview.issuer,
        preview
            .name_id
            .as_deref()
            .unwrap_or("(made at the first sign-in)"),
        preview.name_id_format
    );
    for attribute in &preview.attributes {
        let _ = writeln!(
            text,
            "{}\n  {}",
            attribute.name,
            attribute.values.join("\n  ")
        );
    }
    text
}

pub(super) fn shown(app: &AppInfo) -> String {
    let groups = if app.groups.is_empty() {
        "nobody; use “countersign app grant”".to_owned()
    } else {
        app.groups.join(", ")
    };
    let protocol =
        (app.wsfed_url.is_some() && app.saml.is_some()).then(|| app.protocol.to_string());
    let saml = app.saml.as_ref();
    let until = |stage| app.certificate(stage).map(CertificateInfo::until_in_words);
    let several = app.domains.len() > 1;
    let lines = [
        ("Id", Some(app.id.clone())),
        ("Kind", Some(app.kind_in_words().to_owned())),
        ("Label", Some(app.label.clone())),
        (
            "Enabled",
            Some(if app.enabled { "yes" } else { "no" }.to_owned()),
        ),
        ("Protocol", protocol),
        ("Slug", app.slug.clone()),
        ("Domain", app.domain.clone().filter(|_| !several)),
        ("Issuer", Some(app.issuer.clone()).filter(|_| !several)),
        ("Domains", several.then(|| domains::listed(&app.domains))),
        ("Realm", app.realm.clone()),
        (
            "Reply addresses",
            app.realm.as_ref().map(|_| app.reply_urls.join(" ")),
        ),
        ("Sign-in", app.wsfed_url.clone()),
        ("Sign-out", app.signout_url.clone()),
        ("Federation metadata", app.federation_metadata_url.clone()),
        ("Metadata exchange", app.mex_url.clone()),
        ("WS-Trust 2005", app.trust2005_url.clone()),
        ("WS-Trust 1.3", app.trust13_url.clone()),
        ("Password alone", app.active.as_ref().map(opened)),
        ("SAML sign-in", app.saml_sso_url.clone()),
        ("SAML sign-out", app.saml_slo_url.clone()),
        ("SAML metadata", app.saml_metadata_url.clone()),
        ("Entity id", app.entity_id.clone()),
        ("ACS addresses", saml.map(|_| app.acs_urls.join(" "))),
        (
            "Signed",
            saml.map(|saml| format!("{} with {}", saml.sign, saml.signature_algorithm)),
        ),
        (
            "Encrypted",
            saml.map(|saml| if saml.encrypt { "yes" } else { "no" }.to_owned()),
        ),
        (
            "Signed requests",
            saml.map(|saml| {
                if saml.signed_requests {
                    "required"
                } else {
                    "not required"
                }
                .to_owned()
            }),
        ),
        ("Commands", app.commands_url.clone()),
        ("Thumbprint", Some(app.certificate_thumbprint.clone())),
        ("Certificate until", until(store::Stage::Current)),
        (
            "Next certificate",
            app.certificate(store::Stage::Next)
                .map(|next| next.thumbprint.clone()),
        ),
        ("  valid until", until(store::Stage::Next)),
        (
            "Replaced certificate",
            app.certificate(store::Stage::Retired)
                .map(|old| old.thumbprint.clone()),
        ),
        ("Granted to", Some(groups)),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<21}{value}");
        }
    }
    text
}

/// Whether a password alone opens an app, and from where.
fn opened(active: &store::Active) -> String {
    match (active.on, active.networks.as_slice()) {
        (false, _) => "gets no token (off)".to_owned(),
        (true, []) => format!(
            "gets a token (on), from everywhere; refused with {}",
            active.credential_status
        ),
        (true, networks) => format!(
            "gets a token (on), from {} only; refused with {}",
            networks.join(" "),
            active.credential_status
        ),
    }
}

/// Nobody shall learn from an incident that the second factor is not asked for here.
fn what_turning_on_means(app: &AppInfo) -> String {
    let set = format!("countersign app set {}", app.id);
    let networks = app.active.as_ref().map(|active| active.networks.join(" "));
    let (from, narrower) = match networks.filter(|networks| !networks.is_empty()) {
        Some(networks) => (format!("from {networks}"), "choose other networks"),
        None => ("from everywhere".to_owned(), "allow some networks only"),
    };
    format!(
        "note: from now on a user name and a password alone get a token for {}, {from}: without a page and without a second factor. Only Windows sign-in and scripts need that.
note: to {narrower}: {set} --active-from NETWORK
note: to turn it off: {set} --active off",
        app.label
    )
}

#[derive(Subcommand)]
pub enum Audit {
    /// The newest lines, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

impl Audit {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let Self::List { limit } = self;
        let found = here.idp.audit(limit, None).await?;
        here.out.print(&found, || {
            lines(&found, |line| {
                let or_none =
                    |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let details = serde_json::Value::Object(line.details.clone());
                format!(
                    "{}  {}  {}  {}  {}  {}  {details}",
                    line.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
                    line.event,
                    or_none(&line.user_upn),
                    or_none(&line.app_id),
                    or_none(&line.source),
                    or_none(&line.correlation_id),
                )
            })
        })
    }
}
