//! A Python program that stays, because it takes most of a second to start: it answers each line of its standard
//! input, an order in JSON, by a line of JSON with the `answer`, or with why it `refused`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::file;
use crate::target_directory;

#[derive(Debug)]
pub struct Program {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    /// One of the project's programs for the judges.
    pub fn start(name: &str) -> Self {
        let mut process = Command::new(target_directory().join("judges/bin/python"))
            .arg(file(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // what matters of it is in the answers
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; run scripts/install.sh test"));
        let orders = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Self {
            process,
            orders,
            answers,
        }
    }

    /// What it says to an order.
    pub fn said(&mut self, order: &Value) -> Value {
        let mut said = String::new();
        writeln!(self.orders, "{order}")
            .and_then(|()| self.answers.read_line(&mut said))
            .expect("it runs; see scripts/install.sh");
        serde_json::from_str(&said).expect("it answers in JSON")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It waits for orders, and nobody gives any.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
