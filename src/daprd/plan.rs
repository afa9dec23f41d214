//! The plan that daprd's flags and resource files come to.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use replug_runtime::resources::Configuration;
use replug_supervisor::plan::{
    Checked, Diagnostic, Plan, Severity, Surroundings, Wrong, WrongWith, default_run_dir,
};
use replug_supervisor::reload::{HOT_RELOAD, Source, Wanted};

use super::log::SCOPE;
use super::outcome::{self, PROCESSOR};
use super::settings::Settings;
use crate::check;

/// The control socket, in the folder of what belongs to a run.
const CONTROL: &str = "control.sock";

/// The scope of what is said of resource files.
const LOADER: &str = "dapr.runtime.loader.disk";

/// What a plan without a file is called.
const NO_FILE: &str = "daprd";

/// What is to be run, and what is wrong with it in spite of that, which is told here. An error is
/// for people, in daprd's words where it has any.
pub(super) fn plan(settings: &Settings) -> Result<(Plan, Vec<Diagnostic>), String> {
    let surroundings = check::surroundings();
    let base = base(settings, &surroundings).plan.ok_or("the plugins are wrong, as shown above")?;
    let mut plan = fitted(base, settings, &surroundings)?;
    tracing::info!(target: SCOPE, "Loading components…");
    let hot = plan.configuration.feature(HOT_RELOAD, true);
    if hot && !plan.runtime.resources.is_empty() {
        tracing::info!(
            target: "dapr.runtime.hotreload.loader.disk",
            "Watching directories: {}",
            bracketed(&plan.runtime.resources)
        );
        tracing::info!(
            target: "dapr.runtime.hotreload",
            "Hot reloading enabled. Daprd will reload 'Component' and 'Subscription' resources when \
             they are added, updated or deleted."
        );
    }
    let (read, wrong) = plan.resources_read(&surroundings);
    plan = read;
    let diagnostics = plan.diagnostics(wrong.clone());
    let mut duplicates = Vec::new();
    for wrong in wrong {
        match told(wrong) {
            Told::Fatal(message) => return Err(message),
            Told::Duplicate(message) => duplicates.push(message),
            Told::Logged => {}
        }
    }
    if !duplicates.is_empty() {
        return Err(format!("failed to load components: {}", duplicates.join("\n")));
    }
    Ok((plan, diagnostics))
}

/// Where plans come from while everything runs.
pub(super) fn source(settings: Settings) -> Source {
    Source::new(move |wanted| {
        let surroundings = check::surroundings();
        let present = match wanted {
            Wanted::Resources(present) => present.clone(),
            Wanted::Text(text) => {
                return Plan::check(text.to_owned(), Path::new("plugins.toml"), &surroundings);
            }
            Wanted::File(file) => return Plan::load(file, &surroundings),
            Wanted::Everything(before) => {
                let mut checked = base(&settings, &surroundings);
                let Some(base) = checked.plan.take() else { return checked };
                match fitted(base, &settings, &surroundings) {
                    Ok(plan) => match before {
                        Some(before) => plan.after(before),
                        None => plan,
                    },
                    Err(error) => {
                        tracing::error!(target: SCOPE, "{error}");
                        return checked;
                    }
                }
            }
        };
        present.with_resources_again(&surroundings, is_told_again)
    })
}

/// Whether something wrong is told when resources are read again; of documents of other kinds it is
/// told here, for those who want to know all.
fn is_told_again(wrong: &Wrong) -> bool {
    if wrong.with == WrongWith::OtherKind {
        tracing::debug!(target: SCOPE, "{}: {}", wrong.file.display(), wrong.message);
        return false;
    }
    true
}

/// The plugins, with the defaults of everything else.
fn base(settings: &Settings, surroundings: &Surroundings) -> Checked {
    let checked = match &settings.plugins {
        Some(file) => Plan::load(file, surroundings),
        None => Plan::check(String::new(), Path::new(NO_FILE), surroundings),
    };
    for diagnostic in &checked.diagnostics {
        match diagnostic.severity {
            Severity::Error => tracing::error!(target: SCOPE, "{diagnostic}"),
            Severity::Warning => tracing::warn!(target: SCOPE, "{diagnostic}"),
        }
    }
    checked
}

/// The plan as the flags have it.
fn fitted(
    mut plan: Plan,
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<Plan, String> {
    let said_where = plan.runtime.run_dir != default_run_dir(&plan.runtime.app_id, surroundings);
    let runtime = &mut plan.runtime;
    runtime.app_id.clone_from(&settings.app_id);
    if !said_where {
        let control_is_below = runtime.control == runtime.run_dir.join(CONTROL);
        runtime.run_dir = run_dir(&settings.app_id, surroundings);
        if control_is_below {
            runtime.control = runtime.run_dir.join(CONTROL);
        }
    }
    runtime.grpc.clone_from(&settings.grpc);
    runtime.http.clone_from(&settings.http);
    runtime.socket_dir = Some(settings.sockets.clone());
    runtime.max_message = settings.max_body;
    plan.app.clone_from(&settings.app);
    let runtime = &mut plan.runtime;
    runtime.resources.extend(settings.resources.iter().cloned());
    runtime.configuration.extend(settings.configuration.iter().cloned());
    plan.configuration = Configuration::load(&plan.runtime.configuration, |name| {
        surroundings.env.get(name).cloned()
    })
    .map_err(|error| error.to_string())?;
    Ok(plan)
}

/// Has the sidecar keep what is its own apart from another one of the application, which has begun
/// in the same moment. Whether it does now: not where its plan says where that is.
pub(super) fn part(plan: &mut Plan) -> bool {
    let runtime = &mut plan.runtime;
    let usual = default_run_dir(&folder_name(&runtime.app_id), &check::surroundings());
    if runtime.run_dir != usual || runtime.control != usual.join(CONTROL) {
        return false;
    }
    runtime.run_dir = own_run_dir(&usual, &runtime.app_id);
    runtime.control = runtime.run_dir.join(CONTROL);
    true
}

/// Where this sidecar keeps what is its own. Two of one application may run on one machine, as
/// Dapr's can: the second has its process's number in the name.
fn run_dir(app_id: &str, surroundings: &Surroundings) -> PathBuf {
    let usual = default_run_dir(&folder_name(app_id), surroundings);
    let control = usual.join(CONTROL);
    let another_is_there = UnixStream::connect(&control).is_ok();
    // Its own, when the plan is read again.
    let own = own_run_dir(&usual, app_id);
    if own.exists() || another_is_there && !is_own(&control) { own } else { usual }
}

/// The folder of this very process, beside the usual one.
fn own_run_dir(usual: &Path, app_id: &str) -> PathBuf {
    usual.with_file_name(format!("{}-{}", folder_name(app_id), std::process::id()))
}

/// What of an application's id is a name of a folder.
fn folder_name(app_id: &str) -> String {
    app_id.replace('/', "_")
}

/// Where the sidecar of an application answers unless its plan says otherwise: the first of them,
/// where there are several.
pub(crate) fn control_of(app_id: &str) -> PathBuf {
    default_run_dir(&folder_name(app_id), &check::surroundings()).join(CONTROL)
}

/// Whether this very process listens there.
fn is_own(control: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(control) else { return false };
    let peer = nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials);
    peer.is_ok_and(|peer| peer.pid().cast_unsigned() == std::process::id())
}

enum Told {
    Fatal(String),
    Duplicate(String),
    Logged,
}

/// Tells of what is wrong with resources as daprd does, or gives what it ends with.
fn told(wrong: Wrong) -> Told {
    let file = wrong.file.display();
    match wrong.with {
        WrongWith::NotYaml => {
            let name = wrong.file.file_name().unwrap_or_default().display();
            tracing::warn!(
                target: LOADER,
                "A non-YAML Component file {name} was detected, it will not be loaded"
            );
        }
        WrongWith::Unreadable => tracing::warn!(
            target: LOADER,
            "daprd load Component error when opening file {file}: open {file}: {}",
            wrong.message
        ),
        WrongWith::Document => {
            let line = wrong.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            tracing::warn!(
                target: LOADER,
                "daprd load Component error when parsing manifests yaml resource in {file}: \
                 {line}{}",
                wrong.message
            );
        }
        // Told as it is made.
        WrongWith::Version => {}
        WrongWith::OtherKind => tracing::debug!(target: SCOPE, "{file}: {}", wrong.message),
        WrongWith::Refused | WrongWith::Value | WrongWith::Circle => {
            tracing::warn!(target: SCOPE, "{}", wrong.message);
        }
        WrongWith::Name => return Told::Duplicate(wrong.message),
        WrongWith::Folder => {
            return Told::Fatal(format!(
                "failed to load components: open {file}: {}",
                wrong.message
            ));
        }
        WrongWith::Component if wrong.severity == Severity::Warning => {
            tracing::error!(
                target: PROCESSOR,
                "Ignoring error processing component: {}",
                wrong.message
            );
        }
        WrongWith::Component => {
            outcome::tell_exit(&wrong.message);
            return Told::Fatal(wrong.message);
        }
        WrongWith::Subscription => return Told::Fatal(wrong.message),
    }
    Told::Logged
}

fn bracketed(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    format!("[{}]", shown.join(" "))
}
