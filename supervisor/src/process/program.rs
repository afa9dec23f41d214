//! What a child becomes: a program's candidates, arguments, environment and folder, as the kernel
//! takes them. All of it is made before the child is there, which may not allocate.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::ptr;

/// Where a program is looked up whose environment has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program, ready to be executed.
#[derive(Debug)]
pub(super) struct Program {
    /// Files to try, one after the other: a path, or a name below each folder of `PATH`.
    files: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    folder: Option<CString>,
}

/// A list of texts in the kernel's form: their addresses, and a null after the last.
#[derive(Debug)]
pub(super) struct List<'a> {
    addresses: Vec<*const c_char>,
    _texts: &'a [CString],
}

// === impl Program ===

impl Program {
    /// A program with its arguments, its own name apart, and its whole environment, run in `folder`;
    /// none: replug's. A name without a slash is looked up in the `PATH` of that environment, from
    /// `folder` where it is relative.
    ///
    /// Fails with [`io::ErrorKind::InvalidInput`] for what has a NUL byte in it.
    pub(super) fn new(
        program: &OsStr,
        arguments: &[OsString],
        environment: BTreeMap<OsString, OsString>,
        folder: Option<&Path>,
    ) -> io::Result<Self> {
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let files = candidates(program, path.unwrap_or(OsStr::new(DEFAULT_PATH)));
        let arguments = [program].into_iter().chain(arguments.iter().map(OsString::as_os_str));
        let variable = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            text(name)
        };
        Ok(Self {
            files: files.into_iter().map(text).collect::<Result<_, _>>()?,
            arguments: arguments.map(text).collect::<Result<_, _>>()?,
            environment: environment.into_iter().map(variable).collect::<Result<_, _>>()?,
            folder: folder.map(text).transpose()?,
        })
    }

    /// The files to try, in their order.
    pub(super) fn files(&self) -> &[CString] {
        &self.files
    }

    /// Its own name and its arguments.
    pub(super) fn arguments(&self) -> List<'_> {
        List::of(&self.arguments)
    }

    /// Its environment, in which each name stands once.
    pub(super) fn environment(&self) -> List<'_> {
        List::of(&self.environment)
    }

    /// Where it runs; none: where replug does.
    pub(super) fn folder(&self) -> Option<&CString> {
        self.folder.as_ref()
    }
}

// === impl List ===

impl<'a> List<'a> {
    fn of(texts: &'a [CString]) -> Self {
        let addresses = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { addresses, _texts: texts }
    }

    /// For the kernel, for as long as the list is there.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.addresses.as_ptr()
    }
}

/// The files that a name may mean. An empty folder in `path` is the working directory.
fn candidates(program: &OsStr, path: &OsStr) -> Vec<OsString> {
    if program.as_bytes().contains(&b'/') || program.is_empty() {
        return vec![program.to_owned()];
    }
    env::split_paths(path).map(|folder| folder.join(program).into_os_string()).collect()
}

fn text(text: impl AsRef<OsStr>) -> io::Result<CString> {
    Ok(CString::new(text.as_ref().to_owned().into_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(program: &str, path: Option<&str>) -> Vec<CString> {
        let path = path.map(|path| ("PATH".into(), path.into()));
        Program::new(program.as_ref(), &[], path.into_iter().collect(), None).unwrap().files
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_of_its_own_environment_and_a_path_is_not() {
        assert_eq!(files("sh", Some("/a:b::/c/")), [c"/a/sh", c"b/sh", c"sh", c"/c/sh"]);
        assert_eq!(files("sh", None), [c"/bin/sh", c"/usr/bin/sh"]);
        assert_eq!(files("./sh", Some("/a")), [c"./sh"]);
        assert_eq!(files("", Some("/a")), [c""]);
    }

    #[test]
    fn a_nul_byte_is_refused_wherever_it_is() {
        let refused = |program: &str, argument: &str, value: &str, folder: &str| {
            let environment = [("NAME".into(), value.into())].into();
            let program = program.as_ref();
            let made =
                Program::new(program, &[argument.into()], environment, Some(folder.as_ref()));
            made.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput)
        };
        assert!(!refused("/p", "a", "v", "/f"));
        assert!(refused("/p\0", "a", "v", "/f"));
        assert!(refused("/p", "a\0", "v", "/f"));
        assert!(refused("/p", "a", "v\0", "/f"));
        assert!(refused("/p", "a", "v", "/f\0"));
    }
}
