//! `replug install`: writes the service's unit, which is deploy/replug.service with the paths of this
//! machine.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::InstallArgs;
use crate::exit::Failure;
use crate::stdout;

/// The unit as a package installs it.
const UNIT: &str = include_str!("../deploy/replug.service");

/// What stands in [`UNIT`] for the executable and the plan.
const EXECS: [&str; 2] = ["ExecStart=", "ExecReload="];
const PROGRAM: &str = "/usr/bin/replug ";
const CONFIG: &str = " --config /etc/replug/plugins.toml";

/// Where units go that an administrator installs.
const UNIT_FILE: &str = "etc/systemd/system/replug.service";

/// What goes beside it where the service is to have a user that stays: for systemd-sysusers and
/// systemd-tmpfiles, as a package installs them.
const WITH_USER: [(&str, &str); 2] = [
    ("etc/sysusers.d/replug.conf", include_str!("../deploy/replug.sysusers")),
    ("etc/tmpfiles.d/replug.conf", include_str!("../deploy/replug.tmpfiles")),
];

/// Folders whose content the unit hides from the service: `ProtectHome` and `PrivateTmp`.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Writes the unit, and says what to do next.
pub(crate) fn install(args: &InstallArgs) -> Result<(), Failure> {
    let root = std::path::absolute(&args.root).map_err(Failure::failed)?;
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let program = seen_from(&root, program)?;
    let config = seen_from(&root, args.config.clone())?;
    let unit = unit(&program, &config)?;
    if args.print {
        return stdout::write(unit.as_bytes());
    }
    for path in [&program, &config] {
        if let Some(hidden) = HIDDEN.iter().find(|hidden| path.starts_with(hidden)) {
            eprintln!(
                "replug: {} is below {hidden}, which the service does not see: put it elsewhere",
                path.display()
            );
        }
    }
    let more = WITH_USER.into_iter().filter(|_| args.with_user);
    let mut said = String::new();
    for (file, content) in std::iter::once((UNIT_FILE, unit.as_str())).chain(more) {
        let file = root.join(file);
        write(&file, content, args.force)?;
        // Writing to a string does not fail.
        let _ = writeln!(said, "{} is written.", file.display());
    }
    said = format!("{said}\n{}", next(&root, &config, args.with_user));
    stdout::write(said.as_bytes())
}

/// The path, whole, as a system sees it that has its root there.
fn seen_from(root: &Path, path: PathBuf) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).map_err(Failure::failed)?;
    Ok(match path.strip_prefix(root) {
        Ok(below) => Path::new("/").join(below),
        Err(_) => path,
    })
}

fn unit(program: &Path, config: &Path) -> Result<String, Failure> {
    let program = format!("{} ", word(program)?);
    let config = format!(" --config {}", word(config)?);
    let line = |line: &str| {
        if EXECS.iter().any(|exec| line.starts_with(exec)) {
            line.replace(PROGRAM, &program).replace(CONFIG, &config)
        } else {
            line.to_owned()
        }
    };
    Ok(UNIT.lines().map(|it| line(it) + "\n").collect())
}

/// The path as a word of a unit. One that systemd would take for something else, such as `%h` or
/// two words, is refused and not quoted: its rules differ from place to place.
fn word(path: &Path) -> Result<&str, Failure> {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=~".contains(c);
    path.to_str().filter(|path| path.chars().all(plain)).ok_or_else(|| {
        Failure::failed(format!(
            "{} has a character that means something in a unit: put it where the path has letters, \
             digits and `/._-+@:,=~` only",
            path.display()
        ))
    })
}

/// Writes the file as a whole or not at all.
fn write(file: &Path, content: &str, force: bool) -> Result<(), Failure> {
    let wrong =
        |error: io::Error| Failure::failed(format!("cannot write {}: {error}", file.display()));
    match fs::read(file) {
        Ok(there) if there != content.as_bytes() && !force => {
            return Err(Failure::failed(format!(
                "{} is there already and is another: --force replaces it; changes of your own \
                 belong into a drop-in (`systemctl edit replug`)",
                file.display()
            )));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    let fresh = file.with_extension("new");
    fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).map_err(wrong)?;
    fs::write(&fresh, content).and_then(|()| fs::rename(&fresh, file)).map_err(wrong)
}

/// What is to be done next.
fn next(root: &Path, config: &Path, with_user: bool) -> String {
    let config = config.display();
    let plan =
        format!("Next:\n  replug check --config {config}    # the plan: is it there, and right?\n");
    let here = root == Path::new("/");
    let user = match (with_user, here) {
        (true, true) => "  systemd-sysusers && systemd-tmpfiles --create\n",
        // Both run when the system starts.
        (true, false) | (false, _) => "",
    };
    let start = if here {
        "  systemctl daemon-reload\n  systemctl enable --now replug\n  systemctl status replug\n"
            .to_owned()
    } else {
        format!("  systemctl --root={} enable replug\n", root.display())
    };
    plan + user + &start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_differs_from_the_packaged_one_in_what_is_executed_only() {
        let made = unit(Path::new("/opt/replug"), Path::new("/srv/plan.toml")).unwrap();
        let differ: Vec<_> = UNIT.lines().zip(made.lines()).filter(|(a, b)| a != b).collect();
        let written: Vec<_> = differ.iter().map(|(_, written)| *written).collect();
        assert_eq!(
            written,
            [
                "ExecStart=/opt/replug run --config /srv/plan.toml",
                "ExecReload=/opt/replug reload --config /srv/plan.toml",
            ]
        );
        assert_eq!(UNIT.lines().count(), made.lines().count());
    }

    #[test]
    fn a_path_that_systemd_would_take_for_something_else_is_refused() {
        for path in ["/a b", "/%h/plan", "/$HOME/plan", "/a\"b", "/a\nb", "/a\\b", "/a;b"] {
            assert!(word(Path::new(path)).is_err(), "{path}");
        }
        assert!(word(Path::new("/opt/réplug-1.0/bin/replug")).is_ok());
    }

    #[test]
    fn what_is_in_an_image_is_named_as_the_image_sees_it() {
        let seen = |path: &str| seen_from(Path::new("/image"), path.into()).unwrap();
        assert_eq!(seen("/image/usr/bin/replug"), Path::new("/usr/bin/replug"));
        assert_eq!(seen("/etc/replug/plugins.toml"), Path::new("/etc/replug/plugins.toml"));
    }
}
