//! `countersign app` and `countersign audit`.

use clap::Subcommand;
use idp::apps::{AppInfo, NewMicrosoft365, NewWsFed};
use idp::cloud::Cloud;
use idp::federate;
use serde::Serialize;

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
    /// Print the PowerShell that federates a Microsoft 365 domain.
    Commands { app: String },
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
        /// NAME=SOURCE, NAME being a full URI (namespace/name).
        #[arg(long)]
        attribute: Vec<String>,
    },
}

impl App {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = Here::origin();
        let app = match self {
            Self::Add(Add::M365 {
                domain,
                label,
                cloud,
                entra_url,
            }) => {
                here.idp
                    .add_microsoft365(
                        NewMicrosoft365 {
                            domain,
                            label,
                            cloud,
                            entra_url,
                        },
                        &origin,
                    )
                    .await?
            }
            Self::Add(Add::Wsfed {
                label,
                realm,
                reply,
                name_id,
                attribute,
            }) => {
                let new = NewWsFed {
                    label,
                    realm,
                    replies: reply,
                    name_id,
                    attributes: attribute,
                };
                here.idp.add_wsfed(new, &origin).await?
            }
            Self::Grant { app, group } => here.idp.grant(&app, &group, &origin).await?,
            Self::Revoke { app, group } => here.idp.revoke(&app, &group, &origin).await?,
            Self::Show { app } => here.idp.app(&app).await?,
            Self::List => {
                let apps = here.idp.apps().await?;
                return here.out.print(&apps, || {
                    lines(&apps, |app| {
                        format!("{}\t{}\t{}", app.id, app.kind_in_words(), app.label)
                    })
                });
            }
            Self::Commands { app } => {
                let script =
                    federate::commands(&here.idp.federation_of(here.idp.app(&app).await?)?);
                return here
                    .out
                    .print(&Script { script: &script }, || script.clone());
            }
        };
        here.out.print(&app, || shown(&app))
    }
}

#[derive(Serialize)]
struct Script<'a> {
    script: &'a str,
}

fn shown(app: &AppInfo) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "Id                  {}\nKind                {}\nLabel               {}\nEnabled             {}\nDomain              {}\nIssuer              {}\nRealm               {}\nReply addresses     {}\nSign-in             {}\nSign-out            {}\nFederation metadata {}\nCommands            {}\nThumbprint          {}\nCertificate until   {}\nGranted to          {}\n",
        app.id,
        app.kind_in_words(),
        app.label,
        if app.enabled { "yes" } else { "no" },
        or_none(&app.domain),
        app.issuer,
        app.realm,
        app.reply_urls.join(" "),
        app.wsfed_url,
        app.signout_url,
        app.federation_metadata_url,
        or_none(&app.commands_url),
        app.certificate_thumbprint,
        app.certificate_expires_at.format("%Y-%m-%d"),
        if app.groups.is_empty() {
            "nobody; use “countersign app grant”".to_owned()
        } else {
            app.groups.join(", ")
        },
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
