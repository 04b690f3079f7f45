//! XML signatures through the front door: what we sign, what we believe, and what we refuse to read.

mod canonical;
mod fixture;
mod profile;
mod reading;
mod signing;
mod wrapped_requests;
mod wrapping;
