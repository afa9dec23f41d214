//! Components over a Redis server. All of them share the settings ([`settings`]) and the connection
//! ([`server`]), and are a file each.

mod binding;
mod change;
mod pubsub;
mod server;
mod settings;
mod state;

pub(super) use binding::RedisBindingType;
pub(super) use pubsub::RedisPubSubType;
pub(super) use state::RedisStateType;
