//! One run of replug, and an application on an SDK that uses it.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::rig::{Home, Led, Replug, Sdk};

/// The replug, its plan's home, and the application.
pub(super) struct Session {
    pub(super) sdk: Sdk,
    pub(super) home: Home,
    pub(super) replug: Replug,
    pub(super) application: Led,
}

impl Session {
    /// Starts replug, and when these components are ready the application. It uses `orders` for
    /// state, `vault` for secrets, `bus` for messages and `inbox` as a binding, whose events it takes
    /// on this port.
    pub(super) async fn start(
        sdk: Sdk,
        home: Home,
        components: &[&str],
        port: Option<u16>,
    ) -> Self {
        let mut replug = Replug::start(&home).await;
        let mut status = replug.status().await;
        for component in components {
            status = replug.until_usable(component).await;
        }
        let names = json!({
            "state": "orders", "secrets": "vault", "pubsub": "bus", "binding": "inbox",
        });
        let application = Led::start(sdk, &status, names, port).await;
        Self { sdk, home, replug, application }
    }

    /// A step of the application, which has to succeed.
    pub(super) async fn step<T: DeserializeOwned>(&mut self, step: &str, arguments: Value) -> T {
        let done = self.application.step(step, arguments).await;
        done.unwrap_or_else(|error| panic!("{:?}, {step}: {error:?}", self.sdk))
    }

    /// A step that succeeds although the plugin has been killed before it, and is not back.
    pub(super) async fn step_after_kill<T: DeserializeOwned>(
        &mut self,
        plugin: &str,
        step: &str,
        arguments: Value,
    ) -> T {
        self.replug.kill_at_once(plugin).await;
        self.step(step, arguments).await
    }

    /// Asserts that the plugin has been killed that often, and is back.
    pub(super) async fn assert_killed(&mut self, plugin: &str, kills: u64) {
        let status = self.replug.until_ready(plugin).await;
        let plugin = status.plugin(plugin).unwrap();
        assert_eq!((plugin.generation, plugin.restarts), (kills + 1, kills));
        assert!(plugin.end().contains("SIGKILL"), "{}", plugin.end());
    }

    /// Stops replug, which leaves nothing behind.
    pub(super) async fn stop(self) {
        drop(self.application);
        self.replug.stop(&self.home).await;
    }
}
