//! What the tables of a plan have to do with each other.

use std::path::Path;

use replug_component::ComponentType;

use super::component;
use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::plugin;
use super::reader::{Context, Placed};
use super::runtime::Settings;
use super::{Launch, Listen, SOCKET_PATH_LIMIT};

/// How many digits of a generation have room in a private socket's path: at ten restarts a second,
/// the lives of thirty years.
const GENERATION_DIGITS: usize = 10;

/// How many bytes the name of the folder has that a replug makes for itself alone, below that of
/// all private folders.
const OWN_FOLDER: usize = "p-XXXXXX/".len();

/// How many bytes a plugin may name its socket with, `.sock` included, in its private folder. It is
/// also told a path with its own name there.
const SOCKET_NAME_ROOM: usize = 24;

/// Checks what no table shows by itself.
pub(super) fn check(
    settings: &Settings,
    plugins: &[Placed<plugin::Declared>],
    components: &[Placed<component::Declared>],
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) {
    one_listener_each(settings, plugins, findings);
    nothing_of_ours_is_found(settings, plugins, findings);
    for plugin in plugins {
        private_sockets_fit(settings, plugin, findings);
    }
    for component in components {
        somebody_may_serve(&component.value, settings, plugins, context, findings);
    }
}

/// No two listen at one place.
fn one_listener_each(
    settings: &Settings,
    plugins: &[Placed<plugin::Declared>],
    findings: &mut Findings<'_>,
) {
    let own = settings.listens.iter().map(|it| (it.place.clone(), it.value.clone()));
    let sockets = plugins.iter().filter_map(|plugin| {
        let socket = plugin.value.spec.socket.clone()?;
        Some((plugin.value.socket.clone(), Listen::Unix(socket)))
    });
    let mut seen: Vec<(Place, Listen)> = Vec::new();
    for (place, listen) in own.chain(sockets) {
        // With port 0 the system picks another one each time.
        if matches!(&listen, Listen::Tcp(address) if address.port() == 0) {
            continue;
        }
        match seen.iter().find(|(_, other)| *other == listen) {
            None => seen.push((place, listen)),
            Some((other, _)) => {
                // The one that is written can be mended.
                let (place, other) =
                    if place.span.is_some() { (&place, other) } else { (other, &place) };
                let fault = Fault::new(
                    format!("is {listen}, where `{}` listens already", other.key),
                    "give each its own",
                );
                findings.conflict(place, fault, other, "the other one");
            }
        }
    }
}

/// What replug itself listens at is not in the folder where it looks for the sockets of others.
fn nothing_of_ours_is_found(
    settings: &Settings,
    plugins: &[Placed<plugin::Declared>],
    findings: &mut Findings<'_>,
) {
    let Some(folder) = &settings.values.socket_dir else { return };
    let own = settings.listens.iter().filter_map(|it| match &it.value {
        Listen::Unix(path) => Some((&it.place, path.as_path())),
        Listen::Tcp(_) => None,
    });
    let sockets =
        plugins.iter().filter_map(|it| Some((&it.value.socket, it.value.spec.socket.as_deref()?)));
    for (place, path) in own.chain(sockets).filter(|(_, path)| path.parent() == Some(folder)) {
        let (place, other) = if place.span.is_some() {
            (place, &settings.socket_dir)
        } else {
            // Only the default: it is the folder that was written.
            (&settings.socket_dir, place)
        };
        let fault = Fault::new(
            format!("puts {} into the folder of found plugins", path.display()),
            "that folder is for plugins that replug does not run: use another one",
        );
        findings.conflict(place, fault, other, "that folder");
    }
}

/// A plugin's private socket has a path that the system takes.
fn private_sockets_fit(
    settings: &Settings,
    declared: &Placed<plugin::Declared>,
    findings: &mut Findings<'_>,
) {
    let spec = &declared.value.spec;
    // A name that is too long in itself has been reported.
    if spec.socket.is_some() || spec.name.len() > plugin::NAME_LIMIT {
        return;
    }
    let folder = settings.values.plugins_dir().join(spec.instance_name(spec.instances));
    let room = SOCKET_NAME_ROOM.max(spec.name.len() + ".sock".len());
    let length = bytes(&folder) + OWN_FOLDER + ".".len() + GENERATION_DIGITS + "/".len() + room;
    if length > SOCKET_PATH_LIMIT {
        let fault = Fault::new(
            format!(
                "would have sockets in {} with paths of up to {length} bytes, and the system takes \
                 {SOCKET_PATH_LIMIT}",
                settings.values.run_dir.display()
            ),
            format!(
                "set a `run_dir` in [runtime] that is {} bytes shorter, or shorten the name",
                length - SOCKET_PATH_LIMIT
            ),
        );
        findings.error(&declared.place, fault);
    }
}

fn bytes(path: &Path) -> usize {
    path.as_os_str().len()
}

/// There is somebody who may serve the component's type. What a command serves is only known when
/// it runs, and a built-in that runs as a plugin may go by the plugin's name.
fn somebody_may_serve(
    component: &component::Declared,
    settings: &Settings,
    plugins: &[Placed<plugin::Declared>],
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(spec) = &component.spec else { return };
    let wanted = &spec.component_type;
    let builtins = &context.surroundings.builtins;
    let by_plugin = plugins.iter().any(|plugin| match &plugin.value.spec.launch {
        Launch::Command { .. } => true,
        Launch::Builtin { component_type, .. } => component_type.block() == wanted.block(),
    });
    if builtins.contains(wanted) || by_plugin || settings.values.socket_dir.is_some() {
        return;
    }
    let names = || builtins.iter().map(ComponentType::as_str);
    let help = nearest(wanted.as_str(), names()).map_or_else(
        || {
            let all = names().collect::<Vec<_>>().join(", ");
            format!("declare a plugin that does, set `socket_dir`, or use one of {all}")
        },
        |name| format!("did you mean {name:?}?"),
    );
    let message = format!("is \"{wanted}\", which no plugin here serves and replug does not have");
    findings.missing_warning(&component.component_type, Fault::new(message, help));
}
