//! Everything that runs while ways are compared: the plugin in several processes, replug, daprd.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use replug_proto::dapr::components::v1::output_binding_client::OutputBindingClient;
use replug_proto::dapr::components::v1::secret_store_client::SecretStoreClient;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_proto::dapr::components::v1::{
    InitRequest, MetadataRequest, OutputBindingInitRequest, SecretStoreInitRequest,
};
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::LoadArgs;
use super::operation::secrets;
use super::relay::Relay;
use super::way::{Address, Speaks, Way};
use crate::Failure;
use crate::by_hand::ByHand;
use crate::daprd::Daprd;
use crate::home::{Home, text};
use crate::plugin::{COMPONENT, Name, Plugin};
use crate::replug::Replug;
use crate::tiny::tiny;
use crate::vitals::Memory;

/// The ways by their names in tables.
pub(super) const DIRECT: &str = "direct";
pub(super) const RELAY: &str = "byte relay";
pub(super) const REPLUG: &str = "replug";
pub(super) const REPLUG_SOCKET: &str = "replug, socket";
pub(super) const REPLUG_HTTP: &str = "replug, HTTP";
pub(super) const MANY: &str = "replug, many plugins";
pub(super) const DAPRD: &str = "daprd";
pub(super) const DAPRD_HTTP: &str = "daprd, HTTP";

/// How long a process has to come to rest after its start.
const REST: Duration = Duration::from_secs(4);

/// What runs, and the ways through it.
pub(super) struct Stage {
    pub(super) plugin: Plugin,
    /// The direct one first.
    pub(super) ways: Vec<Way>,
    pub(super) notes: Vec<String>,
    /// Between the load and the plugin: its name, its process, what it had resident before any load.
    idle: Vec<(&'static str, u32, u64)>,
    replugs: Vec<Replug>,
    _direct: ByHand,
    _daprd: Option<Daprd>,
    _relay: Option<Relay>,
    _homes: Vec<Home>,
}

impl Stage {
    /// Starts all that is asked for.
    pub(super) async fn set(
        program: &Path,
        name: Name,
        args: &LoadArgs,
        size: usize,
    ) -> Result<Self, Failure> {
        let plugin = Plugin::find(name, program).await?;
        let mut notes = Vec::new();
        let (mut homes, mut replugs, mut idle) = (Vec::new(), Vec::new(), Vec::new());

        let home = furnished(&plugin, size)?;
        let direct = ByHand::start(&plugin).await?;
        init(&direct, &plugin, &home.path("")).await?;
        homes.push(home);
        let plugin_pid = direct.child.id().ok_or("the plugin has ended")?;
        let socket = Address::Unix(direct.socket.clone());
        let way = |name, address: &Address, speaks, between, plugin| Way {
            name,
            address: address.clone(),
            speaks,
            between,
            plugin,
        };
        let mut ways = vec![way(DIRECT, &socket, Speaks::Contract, None, plugin_pid)];
        let relay = if args.lone { Relay::start(&direct.socket).await? } else { None };
        if let Some(relay) = &relay {
            ways.push(way(RELAY, &relay.address, Speaks::Contract, None, plugin_pid));
        } else if args.lone {
            notes.push("there is no socat: apt install socat".to_owned());
        }

        let counts = [(REPLUG, Some(0)), (MANY, args.plugins.map(|all| all.saturating_sub(1)))];
        for (name, others) in counts {
            let Some(others) = others else { continue };
            let home = furnished(&plugin, size)?;
            home.write_plan(&(plugin.plan(&home, "{ initial = \"1s\" }") + &more(others)?))?;
            let mut replug = Replug::start(program, &home).await?;
            replug.until_all(|lives| lives.ready() == others + 1).await?;
            let (pid, plugin) = (replug.pid(), replug.life().pid);
            idle.push((name, pid, at_rest(pid).await?));
            let grpc = Address::Tcp(replug.grpc().to_owned());
            ways.push(way(name, &grpc, Speaks::Grpc, Some(pid), plugin));
            if args.socket && others == 0 {
                let socket = Address::Unix(home.grpc_socket());
                ways.push(way(REPLUG_SOCKET, &socket, Speaks::Grpc, Some(pid), plugin));
            }
            if args.http && others == 0 {
                let http = Address::Tcp(replug.http().to_owned());
                ways.push(way(REPLUG_HTTP, &http, Speaks::Http, Some(pid), plugin));
            }
            replugs.push(replug);
            homes.push(home);
        }

        let mut daprd = None;
        if let Some(program) = &args.daprd {
            let home = furnished(&plugin, size)?;
            let running = Daprd::start(program, &plugin, &home.path(""), None).await?;
            let pid = running.pid()?;
            let plugin = running.plugin.child.id().ok_or("daprd's plugin has ended")?;
            idle.push((DAPRD, pid, at_rest(pid).await?));
            let (grpc, http) =
                (Address::Tcp(running.grpc.clone()), Address::Tcp(running.http.clone()));
            ways.push(way(DAPRD, &grpc, Speaks::Grpc, Some(pid), plugin));
            if args.http {
                ways.push(way(DAPRD_HTTP, &http, Speaks::Http, Some(pid), plugin));
            }
            daprd = Some(running);
            homes.push(home);
        }
        Ok(Self {
            plugin,
            ways,
            notes,
            idle,
            replugs,
            _direct: direct,
            _daprd: daprd,
            _relay: relay,
            _homes: homes,
        })
    }

    /// What each process between had resident before any load, and has now.
    pub(super) fn memory(&self) -> Result<Vec<(&'static str, u64, u64)>, Failure> {
        let with_now = |&(name, pid, idle)| Ok((name, idle, Memory::of(pid)?.rss));
        self.idle.iter().map(with_now).collect()
    }

    /// Ends everything.
    pub(super) async fn clear(self) -> Result<(), Failure> {
        for replug in self.replugs {
            replug.stop().await?;
        }
        Ok(())
    }
}

/// What a process that has just started has resident when it has come to rest, in bytes.
async fn at_rest(pid: u32) -> Result<u64, Failure> {
    tokio::time::sleep(REST).await;
    Ok(Memory::of(pid)?.rss)
}

/// A home with what the plugin needs in it.
fn furnished(plugin: &Plugin, size: usize) -> Result<Home, Failure> {
    let home = Home::new()?;
    for (name, file) in plugin.metadata(&home.path("")) {
        if name == "secretsFile" {
            std::fs::write(file, secrets(size))?;
        }
    }
    Ok(home)
}

/// Initialises the plugin's component as replug does.
async fn init(by_hand: &ByHand, plugin: &Plugin, data: &Path) -> Result<(), Failure> {
    let properties: HashMap<_, _> = plugin.metadata(data).into_iter().collect();
    let metadata = Some(MetadataRequest { properties });
    let channel = by_hand.channel.clone();
    let instance = MetadataValue::from_static(COMPONENT);
    if plugin.component_type().starts_with("bindings.") {
        let mut request = Request::new(OutputBindingInitRequest { metadata });
        request.metadata_mut().insert("x-component-instance", instance);
        OutputBindingClient::new(channel).init(request).await?;
    } else if plugin.component_type().starts_with("secretstores.") {
        let mut request = Request::new(SecretStoreInitRequest { metadata });
        request.metadata_mut().insert("x-component-instance", instance);
        SecretStoreClient::new(channel).init(request).await?;
    } else {
        let mut request = Request::new(InitRequest { metadata });
        request.metadata_mut().insert("x-component-instance", instance);
        StateStoreClient::new(channel).init(request).await?;
    }
    Ok(())
}

/// So many more plugins, each with a component.
fn more(plugins: usize) -> Result<String, Failure> {
    let tiny = tiny()?;
    let mut plan = "[defaults]\nstart_timeout = \"5m\"\n".to_owned();
    for number in 0..plugins {
        let _ = writeln!(
            plan,
            "[plugins.t{number}]\ncommand = [{:?}, \"t{number}\"]\n\
             [components.t{number}]\ntype = \"hello.t{number}\"",
            text(&tiny)
        );
    }
    Ok(plan)
}
