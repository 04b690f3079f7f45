//! The Microsoft clouds that a domain can live in; they differ in audience, address and Graph environment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A Microsoft 365 cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Everyone's cloud, GCC included.
    #[default]
    Worldwide,
    /// Microsoft 365 operated by 21Vianet.
    China,
    /// GCC High and DoD.
    UsGov,
}

impl Cloud {
    /// Every cloud, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Worldwide, Self::China, Self::UsGov];

    /// The name by which an admin chooses the cloud, and by which it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worldwide => "worldwide",
            Self::China => "china",
            Self::UsGov => "usgov",
        }
    }

    /// The realm that Microsoft sends as `wtrealm` and expects as the audience of a token.
    pub const fn audience(self) -> &'static str {
        match self {
            Self::Worldwide => "urn:federation:MicrosoftOnline",
            Self::China => "urn:federation:partner.microsoftonline.cn",
            Self::UsGov => "urn:federation:microsoftonline.us",
        }
    }

    /// Where Microsoft's sign-in lives, unless the app names another address.
    pub const fn entra_url(self) -> &'static str {
        match self {
            Self::Worldwide => "https://login.microsoftonline.com",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::UsGov => "https://login.microsoftonline.us",
        }
    }

    /// Where Microsoft Graph of this cloud lives.
    pub const fn graph_url(self) -> &'static str {
        match self {
            Self::Worldwide => "https://graph.microsoft.com",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::UsGov => "https://graph.microsoft.us",
        }
    }

    /// The `-Environment` that `Connect-MgGraph` wants for this cloud.
    pub const fn graph_environment(self) -> &'static str {
        match self {
            Self::Worldwide => "Global",
            Self::China => "China",
            Self::UsGov => "USGov",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no cloud.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no Microsoft cloud; choose worldwide, china or usgov")]
pub struct UnknownCloud(String);

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.as_str() == text)
            .ok_or_else(|| UnknownCloud(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_is_found_by_its_name() {
        for cloud in Cloud::ALL {
            assert_eq!(cloud.to_string().parse(), Ok(cloud));
            assert_eq!(
                serde_json::to_value(cloud).expect("a unit variant is a string"),
                cloud.as_str()
            );
        }
    }

    #[test]
    fn no_other_text_is_a_cloud() {
        for text in ["", "Worldwide", "us-gov", "china ", "germany"] {
            assert_eq!(Cloud::from_str(text), Err(UnknownCloud(text.to_owned())));
        }
    }

    #[test]
    fn no_two_clouds_share_an_audience_or_an_address() {
        for (one, other) in [
            (Cloud::Worldwide, Cloud::China),
            (Cloud::China, Cloud::UsGov),
            (Cloud::UsGov, Cloud::Worldwide),
        ] {
            assert_ne!(one.audience(), other.audience());
            assert_ne!(one.entra_url(), other.entra_url());
            assert_ne!(one.graph_environment(), other.graph_environment());
            assert_ne!(one.graph_url(), other.graph_url());
        }
    }
}
