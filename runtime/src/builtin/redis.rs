//! Components over Redis. All of them share the settings ([`settings`]) and the way to the server
//! ([`server`]), be it one ([`node`]), the master that sentinels name ([`sentinel`]) or a cluster
//! ([`cluster`]), and are a file each.

mod binding;
mod change;
mod cluster;
mod dial;
mod json;
mod node;
mod one_for_all;
mod pubsub;
mod search;
mod sentinel;
mod server;
mod settings;
mod state;

pub(super) use binding::RedisBindingType;
pub(super) use pubsub::RedisPubSubType;
pub(super) use state::RedisStateType;
