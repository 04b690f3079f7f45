//! The process: configuration, routes, pages, background jobs, start and stop; and the command line.
//!
//! It knows HTTP and nothing of SQL or signatures: every decision is a verb of [`idp`].

mod accept;
pub mod app;
pub mod cli;
pub mod config;
mod demo;
mod doctor;
mod extract;
mod foundation;
mod listen;
mod pages;
mod problem;
mod routes;
mod telemetry;
