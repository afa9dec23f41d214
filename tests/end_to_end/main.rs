//! End to end: the real binary, real plugin processes, real clients.
//!
//! One test binary, because linking is what takes the time. `rig` is what the tests stand on: a home
//! per test, a running replug, its status, clients and fixtures. Tests wait for events, and a test
//! that ends leaves no process, no socket and no file outside `target/`.

mod reload;
mod restart;
mod rig;
#[path = "../../runtime/tests/servers/mod.rs"]
mod servers;

mod activation;
mod app;
mod bad_input;
mod bindings;
mod bounds;
mod builtins;
mod bulk;
mod clock;
mod control;
mod control_clients;
mod crowd;
mod dapr_sdk;
mod daprd;
mod declared;
mod deliveries;
mod deliveries_storm;
mod encryption;
mod failures;
mod features_page;
mod first_process;
mod found;
mod go_plugin;
mod health;
mod http_proxy;
mod inotify;
mod instances;
mod kept;
mod late_answers;
mod logs;
mod messages;
mod notify;
mod order;
mod plan;
mod probes;
mod rolling;
mod rust_sample;
mod samples;
mod scale;
mod secrets;
mod stopping;
mod storm;
mod systemd;
mod top;
mod upgrade;
mod watch;
