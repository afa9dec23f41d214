//! The smallest plugin that there is to be had with the SDK: one thread, one component type
//! `hello.NAME`. A thousand of them fit into a machine, and what a benchmark sees is replug.
//!
//! usage: `replug-tiny [NAME]`. Where `REPLUG_TINY_STAMPS` names a datagram socket, the first thing
//! it does is to say there when it began: its process id and the monotonic clock in nanoseconds.

use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::sync::Arc;

use replug_sdk::component::hello::{Hello, HelloConfig, HelloType};
use replug_sdk::component::{Context, Error};
use replug_sdk::{Plugin, async_trait};
use rustix::time::{ClockId, clock_gettime};

/// The name where none is told.
const NAME: &str = "tiny";

fn main() -> ExitCode {
    if let Some(socket) = std::env::var_os("REPLUG_TINY_STAMPS") {
        let now = clock_gettime(ClockId::Monotonic);
        let stamp = format!("{} {}{:09}", std::process::id(), now.tv_sec, now.tv_nsec);
        // Nobody who listens is nobody to tell.
        let _ = UnixDatagram::unbound().and_then(|s| s.send_to(stamp.as_bytes(), socket));
    }
    // s6-supervise tells a program the folder of its service.
    let told = std::env::args().nth(1);
    let name = told.as_deref().and_then(|told| told.rsplit('/').next()).unwrap_or(NAME);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let plugin = Plugin::named(name).hello(GreetingType);
        runtime.block_on(plugin.serve()).map_err(|error| error.to_string())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replug-tiny: {error}");
            ExitCode::FAILURE
        }
    }
}

struct GreetingType;

#[async_trait]
impl HelloType for GreetingType {
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error> {
        Ok(Arc::new(Greeting(config.greeting)))
    }
}

struct Greeting(String);

#[async_trait]
impl Hello for Greeting {
    async fn say_hello(&self, _cx: &Context, name: String) -> Result<String, Error> {
        Ok(format!("{} {name}", self.0))
    }
}
