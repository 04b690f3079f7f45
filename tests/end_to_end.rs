//! The product from outside: the real server on both databases, spoken to as people, Microsoft and operators do.

#[path = "end_to_end/anchors.rs"]
mod anchors;
#[path = "end_to_end/bad_input.rs"]
mod bad_input;
#[path = "end_to_end/certificates.rs"]
mod certificates;
#[path = "end_to_end/chromium.rs"]
mod chromium;
#[path = "end_to_end/command_line.rs"]
mod command_line;
#[path = "end_to_end/company.rs"]
mod company;
#[path = "end_to_end/demo.rs"]
mod demo;
#[path = "end_to_end/device_setup.rs"]
mod device_setup;
#[path = "end_to_end/doctor.rs"]
mod doctor;
#[path = "end_to_end/domains.rs"]
mod domains;
#[path = "end_to_end/help.rs"]
mod help;
#[path = "end_to_end/portal.rs"]
mod portal;
#[path = "end_to_end/run_book.rs"]
mod run_book;
#[path = "end_to_end/saml.rs"]
mod saml;
#[path = "end_to_end/saml_logout.rs"]
mod saml_logout;
#[path = "end_to_end/saml_messages.rs"]
mod saml_messages;
#[path = "end_to_end/saml_metadata.rs"]
mod saml_metadata;
#[path = "end_to_end/serve.rs"]
mod serve;
#[path = "end_to_end/shibboleth.rs"]
mod shibboleth;
#[path = "end_to_end/wiki.rs"]
mod wiki;
#[path = "end_to_end/windows_page.rs"]
mod windows_page;
#[path = "end_to_end/wsfed.rs"]
mod wsfed;
#[path = "end_to_end/wstrust.rs"]
mod wstrust;
#[path = "end_to_end/wstrust_clients.rs"]
mod wstrust_clients;
