//! A plugin: a name, what it serves, and how.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use replug_component::binding::{BindingType, InputBindingType, OutputBindingType};
use replug_component::hello::HelloType;
use replug_component::pubsub::PubSubType;
use replug_component::secret::SecretStoreType;
use replug_component::state::StateStoreType;
use tokio::net::UnixListener;

use crate::Error;
use crate::connections::Connections;
use crate::folder::socket_folder;
use crate::services::Services;
use crate::signals::Signals;
use crate::socket;

/// What follows the plugin's name in the name of its socket.
const SOCKET_EXTENSION: &str = "sock";

/// A plugin to be: what it serves is said first, then [`serve`](Self::serve) does it.
#[must_use = "a plugin does nothing until it serves"]
pub struct Plugin {
    name: String,
    folder: Option<PathBuf>,
    state: Option<Arc<dyn StateStoreType>>,
    hello: Option<Arc<dyn HelloType>>,
    secrets: Option<Arc<dyn SecretStoreType>>,
    pubsub: Option<Arc<dyn PubSubType>>,
    binding: BindingType,
    message_limit: usize,
    drain: Duration,
}

impl Plugin {
    /// The largest message that a plugin takes unless told otherwise, in bytes. Every value, and
    /// every bulk request or transaction as a whole, has to fit.
    pub const MESSAGE_LIMIT: usize = 64 << 20;

    /// How long a plugin that stops waits for calls under way unless told otherwise.
    pub const DRAIN: Duration = Duration::from_secs(10);

    /// A plugin whose socket is `NAME.sock`. The runtime calls its component types after it: a
    /// state store of the plugin `orders` is `state.orders`.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            folder: None,
            state: None,
            hello: None,
            secrets: None,
            pubsub: None,
            binding: BindingType::default(),
            message_limit: Self::MESSAGE_LIMIT,
            drain: Self::DRAIN,
        }
    }

    /// Serves state stores of this type. An `Arc<dyn StateStoreType>` is one too.
    pub fn state(mut self, of: impl StateStoreType) -> Self {
        self.state = Some(Arc::new(of));
        self
    }

    /// Serves greetings of this type. An `Arc<dyn HelloType>` is one too.
    pub fn hello(mut self, of: impl HelloType) -> Self {
        self.hello = Some(Arc::new(of));
        self
    }

    /// Serves secret stores of this type. An `Arc<dyn SecretStoreType>` is one too.
    pub fn secrets(mut self, of: impl SecretStoreType) -> Self {
        self.secrets = Some(Arc::new(of));
        self
    }

    /// Serves pubsub components of this type. An `Arc<dyn PubSubType>` is one too.
    pub fn pubsub(mut self, of: impl PubSubType) -> Self {
        self.pubsub = Some(Arc::new(of));
        self
    }

    /// Serves inputs of this type: bindings that are read. An `Arc<dyn InputBindingType>` is one too.
    pub fn input_binding(mut self, of: impl InputBindingType) -> Self {
        self.binding.input = Some(Arc::new(of));
        self
    }

    /// Serves outputs of this type: bindings that are invoked. An `Arc<dyn OutputBindingType>` is
    /// one too. One plugin can serve both, as the two sides of one component type.
    pub fn output_binding(mut self, of: impl OutputBindingType) -> Self {
        self.binding.output = Some(Arc::new(of));
        self
    }

    /// Serves bindings of this type, with the sides that it has.
    pub fn binding(mut self, of: BindingType) -> Self {
        self.binding = of;
        self
    }

    /// Puts the socket into `folder`, whatever the environment says.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Takes messages of up to `bytes` instead of [`Self::MESSAGE_LIMIT`]; a larger one is refused
    /// with `OUT_OF_RANGE`.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// Waits for `patience` instead of [`Self::DRAIN`] before calls under way are cut off at the
    /// end.
    pub fn drain(mut self, patience: Duration) -> Self {
        self.drain = patience;
        self
    }

    /// Serves until SIGTERM or SIGINT. Then the socket is removed, no new call is taken, and calls
    /// under way are waited for.
    ///
    /// The socket is in the folder that [`folder`](Self::folder) says, else in the one that the
    /// runtime says: the first that is set of `REPLUG_SOCKET_FOLDER`,
    /// `DAPR_COMPONENTS_SOCKETS_FOLDER`, `DAPR_COMPONENT_SOCKETS_FOLDER`,
    /// `DAPR_COMPONENT_SOCKET_FOLDER` and `LAYOTTO_COMPONENTS_SOCKETS_FOLDER`, else
    /// `/tmp/dapr-components-sockets`. The folder is made where it is missing. A socket of the same
    /// name that nobody listens on is replaced; anything else of that name is an error.
    ///
    /// Fails only before it serves. Dropped, it cuts off every connection and removes the socket.
    pub async fn serve(self) -> Result<(), Error> {
        // First of all: a signal that comes during the start ends it in order.
        let mut signals = Signals::catch()?;
        self.check()?;
        let folder = self.folder.clone().unwrap_or_else(|| socket_folder(|v| std::env::var_os(v)));
        let path = folder.join(format!("{}.{SOCKET_EXTENSION}", self.name));
        let (listener, file) = socket::listen(path).await?;
        self.serve_on(listener, async move {
            signals.first().await;
            // Nobody should find a socket that takes no calls any more.
            drop(file);
        })
        .await
    }

    /// Serves on a socket that the caller made, until `shutdown` is over. Then the listener is
    /// closed, no new call is taken, and calls under way are waited for. The socket's file is the
    /// caller's.
    ///
    /// Fails only before it serves. Dropped, it cuts off every connection.
    pub async fn serve_on(
        self,
        listener: UnixListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        self.check()?;
        let mut services = Services::new(self.message_limit);
        if let Some(of) = self.state {
            services = services.state(of);
        }
        if let Some(of) = self.hello {
            services = services.hello(of);
        }
        if let Some(of) = self.secrets {
            services = services.secrets(of);
        }
        if let Some(of) = self.pubsub {
            services = services.pubsub(of);
        }
        services = services.binding(self.binding);
        let (routes, mut lasting) = services.finish().await;
        let mut connections = Connections::new(routes);
        connections.accept_until(listener, shutdown).await;
        lasting.end().await;
        connections.drain(self.drain).await;
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) {
            return Err(Error::Name(self.name.clone()));
        }
        let nothing = self.state.is_none()
            && self.hello.is_none()
            && self.secrets.is_none()
            && self.pubsub.is_none()
            && self.binding.input.is_none()
            && self.binding.output.is_none();
        if nothing {
            return Err(Error::NothingToServe(self.name.clone()));
        }
        Ok(())
    }
}
