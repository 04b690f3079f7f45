//! `countersign user` and `countersign group`.

use anyhow::bail;
use clap::Subcommand;
use idp::people::{GroupInfo, NewUser, UserInfo};

use zeroize::Zeroizing;

use super::{Here, lines, password_from_stdin};

#[derive(Subcommand)]
pub enum User {
    /// Add a user.
    Add {
        /// The user principal name, such as alice@contoso.com.
        upn: String,
        #[arg(long)]
        display_name: String,
        /// The anchor that Microsoft 365 already knows the user by; without it a new one is made.
        #[arg(long)]
        immutable_id: Option<String>,
        /// Without it, the UPN.
        #[arg(long)]
        email: Option<String>,
        #[arg(long)]
        given_name: Option<String>,
        #[arg(long)]
        family_name: Option<String>,
        /// May administer this server.
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user a new password; every session ends at once.
    SetPassword {
        upn: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Switch a user off: no sign-in, and every session ends at once.
    Disable { upn: String },
    /// Switch a user on again.
    Enable { upn: String },
    /// Show a user.
    Show { upn: String },
    /// List all users.
    List,
}

impl User {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = Here::origin();
        let user = match self {
            Self::Add {
                upn,
                display_name,
                immutable_id,
                email,
                given_name,
                family_name,
                admin,
                password_stdin,
            } => {
                let password = new_password(password_stdin)?;
                let new = NewUser {
                    upn,
                    display_name,
                    email,
                    given_name,
                    family_name,
                    immutable_id,
                    admin,
                    password,
                };
                here.idp.add_user(new, &origin).await?
            }
            Self::SetPassword {
                upn,
                password_stdin,
            } => {
                let password = new_password(password_stdin)?;
                here.idp.set_password(&upn, password, &origin).await?
            }
            Self::Disable { upn } => here.idp.set_user_enabled(&upn, false, &origin).await?,
            Self::Enable { upn } => here.idp.set_user_enabled(&upn, true, &origin).await?,
            Self::Show { upn } => here.idp.user(&upn).await?,
            Self::List => {
                let users = here.idp.users().await?;
                return here.out.print(&users, || lines(&users, line));
            }
        };
        here.out.print(&user, || shown(&user))
    }
}

#[derive(Subcommand)]
pub enum Group {
    /// Add a group.
    Add { name: String },
    /// Put a user into a group.
    Join { group: String, upn: String },
    /// Take a user out of a group.
    Leave { group: String, upn: String },
}

impl Group {
    pub async fn run(self, here: &Here) -> anyhow::Result<()> {
        let origin = Here::origin();
        let group = match self {
            Self::Add { name } => here.idp.add_group(&name, &origin).await?,
            Self::Join { group, upn } => here.idp.join_group(&group, &upn, &origin).await?,
            Self::Leave { group, upn } => here.idp.leave_group(&group, &upn, &origin).await?,
        };
        here.out.print(&group, || members(&group))
    }
}

fn new_password(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    if !from_stdin {
        bail!(
            "give the password on standard input and say so with --password-stdin: a password on the command line can be read by other users of this machine"
        );
    }
    password_from_stdin()
}

fn line(user: &UserInfo) -> String {
    let state = match (user.enabled, user.admin) {
        (false, _) => "disabled",
        (true, true) => "admin",
        (true, false) => "",
    };
    format!("{}\t{}\t{state}", user.upn, user.display_name)
}

fn shown(user: &UserInfo) -> String {
    let yes_no = |yes| if yes { "yes" } else { "no" };
    format!(
        "UPN           {}\nName          {}\nE-mail        {}\nImmutableID   {}\nAdministrator {}\nEnabled       {}\nGroups        {}\n",
        user.upn,
        user.display_name,
        user.email.as_deref().unwrap_or("-"),
        user.immutable_id,
        yes_no(user.admin),
        yes_no(user.enabled),
        if user.groups.is_empty() {
            "-".to_owned()
        } else {
            user.groups.join(", ")
        },
    )
}

fn members(group: &GroupInfo) -> String {
    let members = if group.members.is_empty() {
        "nobody".to_owned()
    } else {
        group.members.join(", ")
    };
    format!("{}: {members}\n", group.name)
}
