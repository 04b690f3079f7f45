//! What the end-to-end tests speak through: the built server as a process, browsers, databases and independent judges.
//!
//! Nothing here depends on a crate of the server. The tests see what a person, an administrator at the command line and
//! a relying party see, and the judges share no code with what wrote the messages they read.

pub mod browser;
pub mod cable;
pub mod chromium;
pub mod database;
pub mod judges;
pub mod server;
pub mod site;

pub use browser::{Browser, Form, Page};
pub use cable::Cable;
pub use database::{Database, databases};
pub use server::{Ran, Server, Setup, binary};
pub use site::Site;

use std::path::PathBuf;

/// Cargo's target directory, found from where the running test lies in it.
pub fn target_directory() -> PathBuf {
    let profile = profile_directory();
    profile
        .parent()
        .map(PathBuf::from)
        .expect("a profile directory lies in the target directory")
}

/// The directory of the running profile: `target/debug` for `cargo test`.
fn profile_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("the system tells where this test lies");
    let directory = executable
        .parent()
        .expect("an executable lies in a directory");
    // Tests lie in target/debug/deps, programs in target/debug.
    if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory).to_path_buf()
    } else {
        directory.to_path_buf()
    }
}
