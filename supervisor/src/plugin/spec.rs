//! What a declared plugin's settings mean for its process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use replug_runtime::component::SecretReference;
use replug_runtime::plugin::Seat;

use crate::plan::{self, EnvValue, PluginSpec};
use crate::process;
use crate::process::confinement::Identity;
use crate::sockets::Place;

/// The subcommand by which replug serves a built-in in a process of its own.
const BUILTIN_COMMAND: &str = "plugin";

/// The variables that tell a process which plugin it is, which of its processes, in which life.
const PLUGIN_VARIABLE: &str = "REPLUG_PLUGIN";
const INSTANCE_VARIABLE: &str = "REPLUG_INSTANCE";
const GENERATION_VARIABLE: &str = "REPLUG_GENERATION";

/// What secret stores have given for what variables refer to. Not to be shown.
pub(super) type Secrets = BTreeMap<SecretReference, String>;

impl PluginSpec {
    /// What its variables refer to in secret stores.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretReference> {
        self.env.values().filter_map(EnvValue::reference)
    }

    /// The stores that keep this, each once.
    pub(super) fn secret_stores(&self) -> Vec<String> {
        let mut stores: Vec<_> = self.secrets().map(|secret| secret.store.clone()).collect();
        stores.sort_unstable();
        stores.dedup();
        stores
    }

    /// Program and arguments; `replug` is the executable that serves built-ins.
    fn program(&self, replug: &Path) -> (OsString, Vec<OsString>) {
        match &self.launch {
            plan::Launch::Command { program, args } => {
                (program.into(), args.iter().map(Into::into).collect())
            }
            plan::Launch::Builtin { component_type, args } => {
                let fixed = [BUILTIN_COMMAND, component_type.as_str()].map(OsString::from);
                (replug.into(), fixed.into_iter().chain(args.iter().map(Into::into)).collect())
            }
        }
    }

    /// What one life of one of its processes is called, in folders and cgroups: `NAME@2.5`.
    pub(super) fn life_name(&self, seat: Seat) -> String {
        format!("{}.{}", self.instance_name(seat.instance), seat.generation)
    }

    /// What is run, for people.
    pub(super) fn command_line(&self, replug: &Path) -> Vec<String> {
        let (program, args) = self.program(replug);
        let words = std::iter::once(program).chain(args);
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// What its process is started with, told who it is and of its private socket folder, as
    /// `identity` unless it runs as replug's own user. Values that come from files are read anew, those
    /// that secret stores keep are in `secrets`. An error is a text for people.
    pub(super) async fn process(
        &self,
        seat: Seat,
        replug: &Path,
        folder: &Place,
        identity: Option<Identity>,
        secrets: &Secrets,
    ) -> Result<process::Launch, String> {
        let declared = if self.env.values().any(|value| matches!(value, EnvValue::Secret(_))) {
            let env = self.env.clone();
            let read = tokio::task::spawn_blocking(move || variables(&env)).await;
            read.unwrap_or_else(|error| Err(format!("cannot read its variables: {error}")))
        } else {
            variables(&self.env)
        };
        let mut declared = declared?;
        for (name, value) in &self.env {
            let Some(reference) = value.reference() else { continue };
            let value =
                secrets.get(reference).ok_or_else(|| format!("has no secret {reference}"))?;
            if value.contains('\0') {
                return Err(format!("the secret {reference} has a zero byte in it"));
            }
            declared.push((name.into(), value.into()));
        }
        Ok(self.process_with(declared, seat, replug, folder, identity))
    }

    /// The same, with variables as they were when the plan was read, and without what secret stores
    /// keep: for what is started beside a process that runs already.
    pub(super) fn process_as_read(
        &self,
        seat: Seat,
        replug: &Path,
        folder: &Place,
        identity: Option<Identity>,
    ) -> process::Launch {
        let read = self.env.iter().filter_map(|(name, value)| {
            Some((OsString::from(name), OsString::from(value.expose()?)))
        });
        self.process_with(read.collect(), seat, replug, folder, identity)
    }

    fn process_with(
        &self,
        declared: Vec<(OsString, OsString)>,
        seat: Seat,
        replug: &Path,
        folder: &Place,
        identity: Option<Identity>,
    ) -> process::Launch {
        let (program, args) = self.program(replug);
        let own = identity.iter().flat_map(|identity| identity.env.clone());
        let mut confinement = self.confinement.clone();
        let socket = self.socket.as_deref().and_then(Path::parent);
        confinement.hidden =
            confinement.all_hidden(&[Path::new(&program), &self.cwd, folder.path()]);
        confinement.writable.extend([folder.path()].into_iter().chain(socket).map(PathBuf::from));
        let told = [
            (PLUGIN_VARIABLE, self.name.clone()),
            (INSTANCE_VARIABLE, seat.instance.to_string()),
            (GENERATION_VARIABLE, seat.generation.to_string()),
        ];
        let told = told.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        process::Launch {
            program,
            args,
            // What the plan declares counts more, for a plugin with ideas of its own.
            env: told.into_iter().chain(folder.environment()).chain(own).chain(declared).collect(),
            cwd: Some(self.cwd.clone()),
            name: folder.name().to_owned(),
            limits: self.limits,
            confinement,
            identity,
        }
    }
}

fn variables(env: &BTreeMap<String, EnvValue>) -> Result<Vec<(OsString, OsString)>, String> {
    let mut variables = Vec::new();
    for (name, value) in env {
        if let Some(value) = value.now()? {
            variables.push((name.into(), value.into()));
        }
    }
    Ok(variables)
}
