//! The Redis server of a component, in whichever form there is one: a single server, the master that
//! sentinels name, or a cluster. Components speak to all of them in the same way.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};
use replug_component::Error;

use super::cluster::Cluster;
use super::dial::Dialer;
use super::node::{Node, Place};
use super::sentinel::Sentinels;
use super::settings::{Settings, Topology};

/// What a request does, which says what may be done with it when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::builtin) enum Doing {
    /// Sent again when its answer is lost.
    Read,
    /// Not sent again.
    Write,
}

/// The server. Dropped, it closes its connections.
pub(in crate::builtin) enum Server {
    /// One server, or the master of some.
    Node(Node),
    Cluster(Cluster),
}

impl Server {
    /// The server of these settings. Nothing is dialled yet.
    pub(in crate::builtin) fn new(settings: Settings) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        let dialer = Arc::new(Dialer::new(&settings)?);
        let place = match &settings.topology {
            Topology::Node(address) => Place::At(address.clone()),
            Topology::Sentinels(watched) => {
                let (username, password) = (watched.username.as_deref(), watched.password.as_ref());
                let asking = dialer.for_sentinels(username, password);
                Place::Asked(Sentinels::new(watched.clone(), asking))
            }
            Topology::Cluster(seeds) => {
                return Ok(Self::Cluster(Cluster::new(settings.clone(), dialer, seeds)));
            }
        };
        let retries = settings.retries;
        Ok(Self::Node(Node::new(settings, dialer, place, retries)))
    }

    /// Sends commands and gives what is answered to each, which may be an error of the server's.
    /// Given up when dropped. Commands with keys in several slots of a cluster go out side by side.
    pub(in crate::builtin) async fn ask(
        &self,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        self.ask_for(Duration::ZERO, doing, commands).await
    }

    /// As [`ask`](Self::ask), of commands that the server `holds` before it answers.
    pub(in crate::builtin) async fn ask_for(
        &self,
        holds: Duration,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        match self {
            Self::Node(node) => Ok(node.ask_for(holds, doing, commands).await?),
            Self::Cluster(cluster) => cluster.ask_for(holds, doing, commands).await,
        }
    }

    /// Whether the server answers at this moment; of a cluster, whether any of its masters does.
    pub(in crate::builtin) async fn ping(&self) -> Result<(), Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("PING");
        match self.ask(Doing::Read, &commands).await?.into_iter().next() {
            Some(Value::ServerError(error)) => Err(self.told(error.to_string())),
            _ => Ok(()),
        }
    }

    /// How many replicas have every value at this moment.
    pub(in crate::builtin) async fn replicas(&self) -> Result<usize, Error> {
        if let Self::Cluster(cluster) = self {
            return cluster.replicas().await;
        }
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("INFO").arg("replication");
        let answer = self.ask(Doing::Read, &commands).await?.into_iter().next();
        let info = match &answer {
            Some(Value::BulkString(info)) => String::from_utf8_lossy(info),
            Some(Value::VerbatimString { text, .. }) => text.into(),
            // Who may not ask has none to wait for.
            Some(Value::ServerError(error)) if error.code() != "NOPERM" => {
                return Err(self.told(error.to_string()));
            }
            _ => return Ok(0),
        };
        let count = info.lines().find_map(|line| line.strip_prefix("connected_slaves:"));
        Ok(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
    }

    /// An error of this server, without any password.
    pub(in crate::builtin) fn told(&self, text: String) -> Error {
        match self {
            Self::Node(node) => node.told(text),
            Self::Cluster(cluster) => cluster.told(text),
        }
    }
}
