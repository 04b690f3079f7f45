//! A real browser: headless Chromium, driven through chromedriver.

use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::{fs, thread};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};

use crate::target_directory;

/// Runs a story in a Chromium of its own, with a window of this many CSS pixels.
///
/// If the story panics, what Chromium showed is in `target/screenshots` under the story's name.
pub async fn in_chromium(name: &str, window: (u32, u32), story: impl AsyncFnOnce(Chromium)) {
    let driver = Driver::start();
    let chromium = driver.open(window).await;
    let mut story = pin!(story(chromium.clone()));
    let ended = poll_fn(|context| {
        // A story is not looked at again after it panicked.
        let polled = catch_unwind(AssertUnwindSafe(|| story.as_mut().poll(context)));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    if ended.is_err() {
        let kept = chromium.save_screenshot(name).await;
        eprintln!("--- what Chromium showed is in {} ---", kept.display());
    }
    // The driver ends with this function and takes the browser along, so a failure here changes nothing.
    let _ = chromium.client.close().await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// A window of Chromium, with everything that [`Client`] can do.
#[derive(Clone, Debug)]
pub struct Chromium {
    client: Client,
    driver: String,
}

impl Deref for Chromium {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Chromium {
    /// What Chromium has complained about since the last time: violated policies, missing files, errors of scripts.
    pub async fn complaints(&self) -> Vec<String> {
        self.log("browser").await
    }

    /// What went over the network and happened to pages since the last time: events of the DevTools protocol as
    /// (method, parameters).
    pub async fn events(&self) -> Vec<(String, Value)> {
        let event = |line: String| {
            let mut line: Value = serde_json::from_str(&line).expect("an event is JSON");
            let event = &mut line["message"];
            let method = event["method"].as_str().unwrap_or_default().to_owned();
            (method, event["params"].take())
        };
        self.log("performance")
            .await
            .into_iter()
            .map(event)
            .collect()
    }

    /// A command of the DevTools protocol, for what `WebDriver` has no words for.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.ask("goog/cdp/execute", &body).await
    }

    async fn log(&self, kind: &str) -> Vec<String> {
        let log = self.ask("se/log", &json!({ "type": kind })).await;
        let lines = log.as_array();
        let lines = lines.unwrap_or_else(|| panic!("chromedriver gives no log: {log}"));
        let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.iter().map(message).collect()
    }

    /// What chromedriver has to say beyond the standard.
    async fn ask(&self, endpoint: &str, body: &Value) -> Value {
        let session = self.client.session_id().await;
        let session = session.ok().flatten().expect("the session is open");
        let mut answer: Value = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("the client needs nothing from outside")
            .post(format!("{}/session/{session}/{endpoint}", self.driver))
            .body(body.to_string())
            .send()
            .await
            .expect("chromedriver answers")
            .bytes()
            .await
            .map(|body| serde_json::from_slice(&body).expect("chromedriver answers with JSON"))
            .expect("the answer arrives whole");
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{endpoint}: {value}");
        value
    }

    /// Keeps what the window shows as `target/screenshots/{name}.png` and says where.
    pub async fn save_screenshot(&self, name: &str) -> PathBuf {
        let directory = target_directory().join("screenshots");
        let file = directory.join(name).with_extension("png");
        let png = self.client.screenshot().await;
        let png = png.expect("Chromium takes a picture of its window");
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&file, png))
            .expect("the target directory can be written");
        file
    }
}

/// A chromedriver of one story's own, killed when dropped.
#[derive(Debug)]
struct Driver {
    process: Child,
    url: String,
    profile: tempfile::TempDir,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; see scripts/install.sh"));
        let output = process.stdout.take().expect("it is piped");
        let port = port(output);
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            profile: tempfile::tempdir().expect("the system has room for temporary files"),
        }
    }

    async fn open(&self, (width, height): (u32, u32)) -> Chromium {
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(self.profile.path(), width, height))
            .connect(&self.url)
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        Chromium {
            client,
            driver: self.url.clone(),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It has closed the browser or dies with it; there is no third way to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn capabilities(profile: &Path, width: u32, height: u32) -> Map<String, Value> {
    let capabilities = json!({
        "acceptInsecureCerts": true,
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": { "args": [
            "--headless=new",
            // Containers have neither user namespaces for its sandbox nor a large /dev/shm.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            // Nothing but the pages under test may use the network.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--lang=en",
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={width},{height}"),
        ]},
    });
    let Value::Object(capabilities) = capabilities else {
        unreachable!("a JSON object was written above")
    };
    capabilities
}

/// Chromedriver chooses a free port itself and says which.
fn port(output: impl Read + Send + 'static) -> u16 {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let port = lines
        .find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        })
        .expect("chromedriver names its port");
    // It must never wait for somebody to read what else it says.
    thread::spawn(move || lines.for_each(drop));
    port
}

#[cfg(test)]
mod tests {
    use fantoccini::Locator;

    use super::*;
    use crate::site::{Answer, Site};

    #[tokio::test]
    async fn a_story_in_chromium_types_and_submits_and_hears_complaints() {
        let form = r#"<!doctype html><title>Form</title><form method=post action=/in><input name=username></form>
            <script>document.title = "scripted"</script>"#;
        let answer = Answer::page(form).with("content-security-policy", "default-src 'none'");
        let site = Site::with_pages([("/", answer)]).await;
        let address = site.url("/");

        in_chromium("harness", (320, 640), async |chromium| {
            chromium.goto(address.as_str()).await.expect("it opens");
            assert_eq!(chromium.title().await.expect("it has one"), "Form");
            let complaints = chromium.complaints().await.join("\n");
            assert!(
                complaints.contains("Content Security Policy"),
                "{complaints}"
            );

            let field = chromium
                .find(Locator::Css("input"))
                .await
                .expect("it is there");
            field
                .send_keys("alice\u{e007}")
                .await
                .expect("it can be typed in");
            let thanks = Locator::XPath("//p[.='Thank you.']");
            chromium
                .wait()
                .for_element(thanks)
                .await
                .expect("it answers");
        })
        .await;

        let visits = site.visits("/in");
        assert_eq!(visits[0].field("username").as_deref(), Some("alice"));
    }

    #[tokio::test]
    #[should_panic(expected = "the story went wrong")]
    async fn a_story_that_fails_fails_its_test_and_leaves_a_picture() {
        in_chromium("harness-failure", (320, 640), async |_| {
            panic!("the story went wrong")
        })
        .await;
    }
}
