//! Settings from `config/*.toml` and the environment, checked together so that one start names every mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use url::{Host, Url};

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub database_url: String,
    /// What was set; see [`Config::public_url`].
    pub given_public_url: Option<Url>,
    /// With port 0 the system chooses, and this is what it chose once the socket is bound.
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub master_key_file: PathBuf,
    /// Whether `master_key_file` was left to us: only then is a missing file made.
    pub may_make_master_key: bool,
    pub tls: Option<TlsFiles>,
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read `/metrics` besides this machine.
    pub metrics_networks: Vec<IpNet>,
    pub log_format: LogFormat,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

/// The key in a file; in the environment it is upper case with this prefix.
const PREFIX: &str = "COUNTERSIGN_";
const CONFIG_DIR: &str = "COUNTERSIGN_CONFIG_DIR";
const KEYS: [&str; 10] = [
    "database_url",
    "public_url",
    "listen",
    "data_dir",
    "master_key_file",
    "tls_cert",
    "tls_key",
    "trusted_proxies",
    "metrics_networks",
    "log_format",
];

/// Every mistake that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} mistake(s):", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl Config {
    /// Reads the files of the configuration folder and the environment.
    pub fn load() -> Result<Self, Mistakes> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        let given_folder = environment
            .get(CONFIG_DIR)
            .filter(|folder| !folder.trim().is_empty());
        let folder = given_folder.map_or_else(|| PathBuf::from("config"), PathBuf::from);
        let mut mistakes = Vec::new();
        if given_folder.is_some() && !folder.is_dir() {
            mistakes.push(format!(
                "{CONFIG_DIR}: there is no folder {}",
                folder.display()
            ));
        }
        let files = read_files(&folder, &mut mistakes);
        Self::from_settings(&files, &environment, mistakes)
    }

    fn from_settings(
        files: &[(PathBuf, toml::Table)],
        environment: &BTreeMap<String, String>,
        mut mistakes: Vec<String>,
    ) -> Result<Self, Mistakes> {
        let mut given = Given::collect(files, environment, &mut mistakes);
        let listen = given.take("listen", &mut mistakes, parse_listen);
        let trusted_proxies = given
            .take("trusted_proxies", &mut mistakes, parse_networks)
            .unwrap_or_default();
        let metrics_networks = given
            .take("metrics_networks", &mut mistakes, parse_networks)
            .unwrap_or_default();
        let public_url = given.take("public_url", &mut mistakes, parse_public_url);
        let log_format = given.take("log_format", &mut mistakes, parse_log_format);
        let data_dir = given
            .take("data_dir", &mut mistakes, parse_path)
            .unwrap_or_else(|| PathBuf::from("countersign-data"));
        let master_key_file = given.take("master_key_file", &mut mistakes, parse_path);
        let database_url = given.take("database_url", &mut mistakes, parse_database_url);
        let certificate = given.take("tls_cert", &mut mistakes, parse_existing_file);
        let key = given.take("tls_key", &mut mistakes, parse_existing_file);
        let tls = match (given.has("tls_cert"), given.has("tls_key")) {
            (true, false) => {
                mistakes.push("tls_key: is needed beside tls_cert".to_owned());
                None
            }
            (false, true) => {
                mistakes.push("tls_cert: is needed beside tls_key".to_owned());
                None
            }
            _ => certificate
                .zip(key)
                .map(|(certificate, key)| TlsFiles { certificate, key }),
        };

        let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        if !listen.ip().is_loopback() && !given.has("tls_cert") && !given.has("trusted_proxies") {
            mistakes.push(format!(
                "listen: {listen} can be reached from other machines, and passwords must not travel in clear: set tls_cert and tls_key, or name the TLS proxy in trusted_proxies, or listen on 127.0.0.1"
            ));
        }
        if (given.has("tls_cert") || given.has("trusted_proxies")) && !given.has("public_url") {
            mistakes.push(
                "public_url: is needed with TLS, such as https://login.contoso.com".to_owned(),
            );
        }
        if let Some(url) = &public_url
            && url.scheme() == "http"
            && tls.is_some()
        {
            mistakes.push("public_url: must begin with https:// because TLS is on".to_owned());
        }

        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        Ok(Self {
            database_url: database_url.unwrap_or_else(|| sqlite_url(&data_dir)),
            may_make_master_key: master_key_file.is_none(),
            master_key_file: master_key_file.unwrap_or_else(|| data_dir.join("master.key")),
            log_format: log_format.unwrap_or_else(LogFormat::for_this_terminal),
            given_public_url: public_url,
            listen,
            data_dir,
            tls,
            trusted_proxies,
            metrics_networks,
        })
    }

    /// Under which address people and Microsoft reach this server: without a setting, on this machine.
    pub fn public_url(&self) -> Url {
        self.given_public_url.clone().unwrap_or_else(|| {
            Url::parse(&format!("http://localhost:{}", self.listen.port()))
                .expect("a port number makes a URL")
        })
    }

    /// The settings of the demonstration: nothing from files or the environment, everything in `data_dir`.
    pub fn for_demo(data_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            database_url: sqlite_url(&data_dir),
            given_public_url: None,
            master_key_file: data_dir.join("master.key"),
            may_make_master_key: true,
            log_format: LogFormat::Text,
            listen,
            data_dir,
            tls: None,
            trusted_proxies: Vec::new(),
            metrics_networks: Vec::new(),
        }
    }
}

impl LogFormat {
    fn for_this_terminal() -> Self {
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// Settings as text, with the name by which their author knows them.
struct Given(BTreeMap<&'static str, (String, String)>);

impl Given {
    fn collect(
        files: &[(PathBuf, toml::Table)],
        environment: &BTreeMap<String, String>,
        mistakes: &mut Vec<String>,
    ) -> Self {
        let mut given = BTreeMap::new();
        for (path, table) in files {
            for (name, value) in table {
                let place = format!("{name} in {}", path.display());
                match (KEYS.iter().find(|key| *key == name), value) {
                    (Some(key), toml::Value::String(text)) => {
                        given.insert(*key, (place, text.clone()));
                    }
                    (Some(_), _) => mistakes.push(format!("{place}: must be text in quotes")),
                    (None, _) => mistakes.push(format!(
                        "{place}: there is no such setting; there are {}",
                        KEYS.join(", ")
                    )),
                }
            }
        }
        for (variable, value) in environment {
            let name = variable.trim_start_matches(PREFIX).to_lowercase();
            match KEYS.iter().find(|key| **key == name) {
                // Compose and its like pass on what is not set as an empty text.
                Some(_) if value.trim().is_empty() => {}
                Some(key) => {
                    given.insert(key, (variable.clone(), value.clone()));
                }
                None if variable == CONFIG_DIR => {}
                None => mistakes.push(format!(
                    "{variable}: there is no such setting; there are {PREFIX} and {} in upper case",
                    KEYS.join(", ")
                )),
            }
        }
        Self(given)
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The parsed value; a wrong one is a mistake under the name by which it was set.
    fn take<T>(
        &mut self,
        key: &str,
        mistakes: &mut Vec<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (place, text) = self.0.get(key)?;
        parse(text.trim())
            .map_err(|problem| mistakes.push(format!("{place}: {problem}")))
            .ok()
    }
}

fn read_files(folder: &Path, mistakes: &mut Vec<String>) -> Vec<(PathBuf, toml::Table)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let table = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        match table.and_then(|text| {
            text.parse::<toml::Table>()
                .map_err(|error| error.message().to_owned())
        }) {
            Ok(table) => files.push((path, table)),
            Err(problem) => mistakes.push(format!("{}: {problem}", path.display())),
        }
    }
    files
}

fn sqlite_url(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("countersign.db").display())
}

/// An address and a port, or the name of a host and a port.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .filter(|(host, _)| !host.is_empty() && !host.contains([':', '[', ']']))
        .ok_or(
            "must be an address and a port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080",
        )?;
    let found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("{host} is no address of this machine: {error}"))?
        .collect();
    // There is one socket, and whoever gives a name of both kinds expects what the default is.
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| format!("{host} is no address of this machine"))
}

fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

fn parse_existing_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("there is no file {text}"))
    }
}

fn parse_database_url(text: &str) -> Result<String, String> {
    // The value may hold a password: it is never repeated.
    if ["sqlite://", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        Ok(text.to_owned())
    } else {
        Err("must begin with sqlite:// or postgres://".to_owned())
    }
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("must be json or text".to_owned()),
    }
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let networks = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let networks: Vec<IpNet> = networks
        .map(|part| {
            part.parse()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
        })
        .collect::<Result<_, _>>()
        .map_err(|_| {
            "must be addresses or networks separated by commas, such as 10.0.0.5, 10.1.0.0/16"
                .to_owned()
        })?;
    if networks.is_empty() {
        Err("names no address".to_owned())
    } else {
        Ok(networks)
    }
}

fn parse_public_url(text: &str) -> Result<Url, String> {
    let example = "such as https://login.contoso.com";
    let url = Url::parse(text).map_err(|_| format!("must be an absolute URL {example}"))?;
    let this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if this_machine => {}
        "http" => {
            return Err(format!(
                "plain http is for localhost only; use https, {example}"
            ));
        }
        _ => return Err(format!("must begin with https://, {example}")),
    }
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(format!(
            "must be a scheme, a host and perhaps a port, nothing more, {example}"
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(settings: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let environment = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_settings(&[], &environment, Vec::new())
    }

    fn mistakes(settings: &[(&str, &str)]) -> String {
        load(settings).expect_err("a mistake").to_string()
    }

    #[test]
    fn without_settings_it_is_sqlite_on_loopback() {
        let config = load(&[]).expect("defaults");
        assert_eq!(
            config.database_url,
            "sqlite://countersign-data/countersign.db"
        );
        assert_eq!(config.public_url().as_str(), "http://localhost:8080/");
        assert!(config.listen.ip().is_loopback() && config.may_make_master_key);
    }

    #[test]
    fn all_mistakes_are_reported_together_by_name_and_without_secrets() {
        let text = mistakes(&[
            ("COUNTERSIGN_DATABASE_URL", "mysql://root:hunter2@db/x"),
            ("COUNTERSIGN_LISTEN", "nowhere"),
            ("COUNTERSIGN_PUBLIC_URL", "http://login.contoso.com"),
            ("COUNTERSIGN_LOG_FORMAT", "xml"),
            ("COUNTERSIGN_PUBLIC_ULR", "https://login.contoso.com"),
            ("COUNTERSIGN_TRUSTED_PROXIES", "proxy.local"),
        ]);
        for name in [
            "DATABASE_URL",
            "LISTEN",
            "PUBLIC_URL",
            "LOG_FORMAT",
            "PUBLIC_ULR",
            "TRUSTED_PROXIES",
        ] {
            assert!(
                text.contains(&format!("COUNTERSIGN_{name}:")),
                "{name} is not named in {text}"
            );
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn plain_http_to_other_machines_is_refused_with_the_reason() {
        assert!(
            mistakes(&[("COUNTERSIGN_LISTEN", "0.0.0.0:80")]).contains("must not travel in clear")
        );
        let behind = [
            ("COUNTERSIGN_LISTEN", "0.0.0.0:80"),
            ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.5"),
            ("COUNTERSIGN_PUBLIC_URL", "https://login.contoso.com"),
        ];
        assert!(load(&behind).is_ok());
    }

    #[test]
    fn an_empty_variable_is_no_setting() {
        let empty = [
            ("COUNTERSIGN_TLS_CERT", ""),
            ("COUNTERSIGN_TLS_KEY", " "),
            ("COUNTERSIGN_TRUSTED_PROXIES", ""),
            ("COUNTERSIGN_LISTEN", ""),
        ];
        let config = load(&empty).expect("nothing is set");
        assert!(config.tls.is_none() && config.listen.port() == 8080);
        assert!(
            mistakes(&[
                ("COUNTERSIGN_TRUSTED_PROXIES", ""),
                ("COUNTERSIGN_LISTEN", "0.0.0.0:80")
            ])
            .contains("must not travel in clear")
        );
    }

    #[test]
    fn a_place_to_listen_is_an_address_or_a_name_with_a_port() {
        for (good, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(parse_listen(good), Ok(address.parse().expect(address)));
        }
        for bad in [
            "localhost",
            ":8080",
            "localhost:http",
            "localhost:65536",
            "::1:80",
            "countersign.invalid:80",
            "",
        ] {
            assert!(parse_listen(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn files_are_read_in_order_and_the_environment_wins() {
        let file = |name: &str, text: &str| {
            (
                PathBuf::from(name),
                text.parse::<toml::Table>().expect("TOML"),
            )
        };
        let files = [
            file("a.toml", "listen = '127.0.0.1:1'\ndata_dir = 'a'"),
            file("b.toml", "listen = '127.0.0.1:2'"),
        ];
        let environment = BTreeMap::from([("COUNTERSIGN_DATA_DIR".to_owned(), "env".to_owned())]);
        let config =
            Config::from_settings(&files, &environment, Vec::new()).expect("good settings");
        assert_eq!(
            (config.listen.port(), config.data_dir),
            (2, PathBuf::from("env"))
        );
        let wrong = Config::from_settings(
            &[file("a.toml", "port = 1\nlisten = 80")],
            &BTreeMap::new(),
            Vec::new(),
        );
        let text = wrong.expect_err("mistakes").to_string();
        assert!(
            text.contains("port in a.toml") && text.contains("listen in a.toml"),
            "{text}"
        );
    }

    #[test]
    fn a_public_url_is_an_origin() {
        for bad in [
            "login.contoso.com",
            "https://login.contoso.com/path",
            "ftp://x",
            "https://u@x.example",
            "http://localhost.evil.example",
        ] {
            assert!(parse_public_url(bad).is_err(), "{bad} was accepted");
        }
        for good in [
            "https://login.contoso.com",
            "https://login.contoso.com:8443/",
            "http://localhost:8080",
            "http://127.0.0.1:9",
        ] {
            assert!(parse_public_url(good).is_ok(), "{good} was refused");
        }
    }
}
