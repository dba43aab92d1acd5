//! The HTTP/1.1 server border: who may connect and how much may come in, whatever is served.
//!
//! A [`listener::Listener`] accepts connections within [`limits::Limits`] and gives each request to one handler;
//! the handler reads the request with [`body::read`] and answers with what [`respond`] builds.
//! There is no HTTP/2, hence none of its floods.

pub mod address;
pub mod api;
pub mod body;
mod connection;
pub mod encoding;
pub mod limits;
pub mod listener;
pub mod request;
pub mod respond;
pub mod router;
pub mod stream;
mod watched;
