//! How paths and the network are closed to a process: by namespaces, or by Landlock.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use super::super::SpawnError;
use super::super::abilities::{Abilities, Namespace};
use super::super::act::Act;
use super::super::landlock::{Denied, KNOWS_TCP};
use super::super::mounts;
use super::super::pre_exec::Namespaces;
use super::{Start, text};

/// File systems that the kernel makes up: closing them to writes takes more than files away.
const MADE_UP: [&str; 3] = ["/dev", "/proc", "/sys"];

/// By what means paths and the network are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Namespaces { users: bool },
    Landlock,
}

impl Start<'_> {
    pub(super) fn close_paths_and_network(&mut self) -> Result<(), SpawnError> {
        let asked = &self.launch.confinement;
        let read_only = present(&asked.read_only);
        let hidden = present(&asked.hidden);
        let paths = !read_only.is_empty() || !hidden.is_empty();
        if !paths && !asked.no_network {
            return Ok(());
        }
        let mut writable = present(&asked.writable);
        if read_only.iter().any(|path| path == Path::new("/")) {
            writable.extend(present(&MADE_UP.map(PathBuf::from)));
        }
        let means = self.means(paths, asked.no_network)?;
        let by = match means {
            Means::Namespaces { users } => {
                let mut namespaces = Namespaces::empty();
                namespaces.set(Namespaces::NEWUSER, users);
                namespaces.set(Namespaces::NEWNS, paths);
                namespaces.set(Namespaces::NEWNET, asked.no_network);
                self.acts.push(Act::Unshare("namespaces", namespaces));
                if users {
                    self.map_own_user();
                }
                if paths {
                    self.mount(&hidden, &read_only, &writable)?;
                }
                if asked.no_network {
                    self.acts.push(Act::Loopback);
                }
                "namespaces"
            }
            Means::Landlock => {
                let denied = Denied {
                    hidden: &hidden,
                    read_only: &read_only,
                    writable: &writable,
                    tcp: asked.no_network,
                };
                let rules = denied.rules().map_err(SpawnError::Confinement)?;
                let rules = rules.ok_or_else(|| {
                    SpawnError::Confinement("the kernel has no Landlock any more".to_owned())
                })?;
                self.acts.push(Act::Landlock(rules));
                "Landlock"
            }
        };
        let shown = |paths: &[PathBuf]| {
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            paths.join(" ")
        };
        let said = &mut self.bounds.confinement;
        if !read_only.is_empty() {
            said.push(format!("read-only {} but {} ({by})", shown(&read_only), shown(&writable)));
        }
        if !hidden.is_empty() {
            said.push(format!("hidden {} ({by})", shown(&hidden)));
        }
        if asked.no_network {
            let tcp = if means == Means::Landlock { " TCP" } else { "" };
            said.push(format!("no{tcp} network ({by})"));
        }
        Ok(())
    }

    /// Namespaces where they can be had, since they close a thing as a whole; else Landlock, which
    /// needs no right at all.
    fn means(&self, paths: bool, network: bool) -> Result<Means, SpawnError> {
        let Abilities { mounts, networks, landlock, .. } = &self.grounds.abilities;
        let wanted = [(paths, mounts), (network, networks)];
        let wanted = || wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, had)| *had);
        if wanted().all(|had| *had == Ok(Namespace::Own)) {
            return Ok(Means::Namespaces { users: false });
        }
        // A user namespace has one user in it, replug's own.
        if self.launch.identity.is_none() && wanted().all(Result::is_ok) {
            return Ok(Means::Namespaces { users: true });
        }
        let least = if network { KNOWS_TCP } else { 1 };
        if landlock.is_some_and(|version| version >= least) {
            return Ok(Means::Landlock);
        }
        let why = wanted()
            .find_map(|had| had.as_ref().err().cloned())
            .unwrap_or_else(|| "namespaces with a user of its own are root's to give".to_owned());
        Err(SpawnError::Confinement(format!(
            "paths and network cannot be closed here: neither by namespaces ({why}) nor by Landlock \
             (which this kernel has not, or not new enough)"
        )))
    }

    /// Who it was, it is in the user namespace too.
    fn map_own_user(&mut self) {
        let (uid, gid) = (self.grounds.abilities.uid, nix::unistd::getegid().as_raw());
        let mut tell = |file: &'static CStr, text: String| {
            self.acts.push(Act::Tell("the user namespace", file, text.into_bytes()));
        };
        tell(c"/proc/self/setgroups", "deny".to_owned());
        tell(c"/proc/self/gid_map", format!("{gid} {gid} 1"));
        tell(c"/proc/self/uid_map", format!("{uid} {uid} 1"));
    }

    /// What is writable in a read-only place becomes a mount first, so that it can be told apart.
    fn mount(
        &mut self,
        hidden: &[PathBuf],
        read_only: &[PathBuf],
        writable: &[PathBuf],
    ) -> Result<(), SpawnError> {
        let below = |path: &Path, others: &[PathBuf]| others.iter().any(|it| path.starts_with(it));
        self.acts.push(Act::OwnMounts);
        for path in read_only {
            // The root is a mount as it is; one more would not be seen by who is in it already.
            if path != Path::new("/") {
                self.acts.push(Act::Bind(text(path)?));
            }
        }
        let writable: Vec<_> = writable.iter().filter(|path| below(path, read_only)).collect();
        for path in &writable {
            self.acts.push(Act::Bind(text(path)?));
        }
        for path in read_only {
            self.acts.push(Act::ReadOnly(text(path)?));
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for path in writable.iter().flat_map(|path| mounts::writable(&mounts, path)) {
            self.acts.push(Act::Writable(text(&path)?));
        }
        for path in hidden {
            let path_text = text(path)?;
            self.acts.push(if path.is_dir() {
                Act::HideFolder(path_text)
            } else {
                Act::HideFile(path_text)
            });
        }
        Ok(())
    }
}

/// Those of the paths that are there, without links in them: a mount is where a path leads.
fn present(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut present: Vec<_> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    present.sort();
    present.dedup();
    present
}
