//! What is closed to a process, as a value. Unlike a limit, none of it is ever left out: a process
//! that cannot be confined as asked is not started.

use std::ffi::{CString, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User, getgrouplist};
pub use rustix::thread::CapabilitySet;
use rustix::thread::capabilities;

/// What is closed to a process; nothing unless told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Whom it runs as; none: as replug's own user.
    pub account: Account,
    /// What is taken from the permissions of files that it makes.
    pub umask: Option<u32>,
    /// It gains no rights by executing a file.
    pub no_new_privs: bool,
    /// The rights of root that it keeps; none: nothing is dropped.
    pub capabilities: Option<CapabilitySet>,
    /// Folders and files that it cannot change, with what is in them.
    pub read_only: Vec<PathBuf>,
    /// What it can change in spite of `read_only`, as far as its user may.
    pub writable: Vec<PathBuf>,
    /// Folders and files that it does not see.
    pub hidden: Vec<PathBuf>,
    /// The homes of users are hidden too, but for those that hold what it is made of.
    pub homes_hidden: bool,
    /// It has no network but one of its own, in which nobody else is.
    pub no_network: bool,
}

/// The names of a user and of groups; all empty: those of replug itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// A name, or a number.
    pub user: Option<String>,
    /// A name, or a number; the user's own group unless told.
    pub group: Option<String>,
    /// Further groups, besides those that the user is a member of.
    pub groups: Vec<String>,
}

/// Whom a process runs as, in the kernel's numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// For people: the user, or the group where only that is another.
    pub name: String,
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its further groups.
    pub groups: Vec<u32>,
    /// Variables that tell a program who it is.
    pub env: Vec<(OsString, OsString)>,
}

/// Where the homes of users are.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

impl Confinement {
    /// What the process does not see, with the homes of users where these are hidden: but for one
    /// that holds something of `needed`, without which the process could not run.
    #[must_use]
    pub fn all_hidden(&self, needed: &[&Path]) -> Vec<PathBuf> {
        let homes = HOMES.iter().map(Path::new).filter(|home| {
            self.homes_hidden
                && !needed.iter().any(|path| path.starts_with(home))
                && !self.writable.iter().any(|path| path.starts_with(home))
        });
        self.hidden.iter().map(PathBuf::as_path).chain(homes).map(Path::to_owned).collect()
    }
}

impl Account {
    /// Whether it is that of replug itself.
    #[must_use]
    pub fn is_own(&self) -> bool {
        *self == Self::default()
    }

    /// Looks the names up, as the system does, which may take long: it blocks. An error is a text
    /// for people.
    pub fn resolve(&self) -> Result<Option<Identity>, String> {
        if self.is_own() {
            return Ok(None);
        }
        let user = match &self.user {
            Some(name) => find_user(name)?,
            None => User::from_uid(nix::unistd::geteuid())
                .ok()
                .flatten()
                .ok_or("replug's own user has no name, so `group` needs a `user` beside it")?,
        };
        let gid = match &self.group {
            Some(name) => find_group(name)?,
            None => user.gid.as_raw(),
        };
        let name = CString::new(user.name.as_str()).map_err(|error| error.to_string())?;
        let member_of = getgrouplist(&name, nix::unistd::Gid::from_raw(gid))
            .map_err(|error| format!("the groups of user {}: {}", user.name, error.desc()))?;
        let mut groups: Vec<_> = member_of.into_iter().map(nix::unistd::Gid::as_raw).collect();
        for name in &self.groups {
            groups.push(find_group(name)?);
        }
        groups.sort_unstable();
        groups.dedup();
        let (replug, its_group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
        if !capabilities(None).is_ok_and(|sets| sets.effective.contains(needed)) {
            if user.uid == replug && gid == its_group.as_raw() && self.groups.is_empty() {
                return Ok(None);
            }
            return Err(format!(
                "user {} cannot be had: replug runs as uid {replug}, and only root, or who has the \
                 capabilities setuid and setgid, starts programs as another user",
                user.name
            ));
        }
        let env = [
            ("USER", OsString::from(&user.name)),
            ("LOGNAME", OsString::from(&user.name)),
            ("HOME", user.dir.into_os_string()),
        ];
        Ok(Some(Identity {
            name: match (&self.user, &self.group) {
                (None, Some(group)) => format!("group {group}"),
                _ => format!("user {}", user.name),
            },
            uid: user.uid.as_raw(),
            gid,
            groups,
            env: env.map(|(name, value)| (name.into(), value)).into(),
        }))
    }
}

/// The user of that name, or number; an error names it.
pub(crate) fn find_user(name: &str) -> Result<User, String> {
    let found = match name.parse() {
        Ok(uid) => User::from_uid(nix::unistd::Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    match found {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("there is no user {name}")),
        Err(error) => Err(format!("user {name} cannot be looked up: {}", error.desc())),
    }
}

/// The group of that name, or number; an error names it.
pub(crate) fn find_group(name: &str) -> Result<u32, String> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!("there is no group {name}")),
        Err(error) => Err(format!("group {name} cannot be looked up: {}", error.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_holds_what_the_process_needs_is_seen() {
        let strict = Confinement {
            hidden: vec!["/secret".into()],
            homes_hidden: true,
            writable: vec!["/run/user/7/x".into()],
            ..Confinement::default()
        };
        let program = Path::new("/home/me/plugin");
        assert_eq!(strict.all_hidden(&[program]), [Path::new("/secret"), Path::new("/root")]);
        let open = Confinement { homes_hidden: false, ..strict };
        assert_eq!(open.all_hidden(&[]), [Path::new("/secret")]);
    }

    #[test]
    fn names_are_looked_up_and_an_unknown_one_is_named() {
        assert_eq!(Account::default().resolve(), Ok(None));
        assert_eq!(find_user("root").unwrap().uid.as_raw(), 0);
        assert_eq!((find_group("root"), find_group("12")), (Ok(0), Ok(12)));
        let nobody = Account { user: Some("no-such-user".into()), ..Account::default() };
        assert_eq!(nobody.resolve(), Err("there is no user no-such-user".to_owned()));
    }
}
