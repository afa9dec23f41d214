//! The files of a resources folder, and the documents in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::Problem;
use super::manifest::{self, Document, Manifest};
use super::yaml::YamlError;
use crate::system_error::in_go;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 16 << 20;

/// A folder or a file of resources that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {cause}", .path.display())]
pub struct FolderError {
    /// Which.
    pub path: PathBuf,
    /// What is in the way.
    #[source]
    pub cause: io::Error,
}

/// The manifests in the folder's own files, in the order of their names; a file is read by itself.
/// What is wrong with a file or a document is added to `problems`, and the others count.
pub fn read_folder(path: &Path, problems: &mut Vec<Problem>) -> Result<Vec<Manifest>, FolderError> {
    let failed = |cause| FolderError { path: path.to_owned(), cause };
    if path.metadata().map_err(failed)?.is_file() {
        return Ok(read_file(path, problems));
    }
    let entries = fs::read_dir(path).map_err(failed)?;
    let files = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<_> = files.collect::<Result<_, _>>().map_err(failed)?;
    files.sort();
    let mut told = false;
    let mut manifests = Vec::new();
    for file in files {
        if file.is_dir() {
            continue;
        }
        if is_yaml(&file) {
            manifests.extend(read_file(&file, problems));
        } else if !std::mem::replace(&mut told, true) {
            problems.push(Problem::NotYaml { file });
        }
    }
    Ok(manifests)
}

/// Whether its name ends as one of YAML; `.yaml` alone does.
fn is_yaml(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    let ending = name.rsplit(|byte| *byte == b'.').next().filter(|ending| *ending != name);
    ending.is_some_and(|it| it.eq_ignore_ascii_case(b"yaml") || it.eq_ignore_ascii_case(b"yml"))
}

fn read_file(file: &Path, problems: &mut Vec<Problem>) -> Vec<Manifest> {
    match data_of(file) {
        Ok(data) => read_text(data, file, problems),
        Err(cause) => {
            problems.push(Problem::Unreadable { file: file.to_owned(), cause: in_go(&cause) });
            Vec::new()
        }
    }
}

/// The text of a file that is not too long to be one.
pub(super) fn text_of(file: &Path) -> io::Result<String> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(data_of(file)?).map_err(invalid)
}

/// What is in a file that is not too long: UTF-8, or what somebody takes for it. Of UTF-16, which
/// its first two bytes tell, as of files that PowerShell has written, UTF-8 is made.
fn data_of(file: &Path) -> io::Result<Vec<u8>> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if found.len() > LONGEST_FILE {
        return Err(io::Error::other(format!("it is longer than {LONGEST_FILE} bytes")));
    }
    let data = fs::read(file)?;
    let units = |of: fn([u8; 2]) -> u16| {
        let units = data[2..].chunks(2).map(move |unit| match unit {
            [one, other] => of([*one, *other]),
            // Half of one stands for none.
            _ => 0xD800,
        });
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map(String::into_bytes).map_err(|_| io::Error::other("it is no UTF-16"))
    };
    match &data[..] {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        _ => Ok(data),
    }
}

/// The manifests in what is in `file`. A document that is no UTF-8 is broken, and no other.
#[must_use]
pub fn read_text(
    data: impl AsRef<[u8]>,
    file: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Manifest> {
    let file: Arc<Path> = file.into();
    let mut manifests = Vec::new();
    for (before, document) in documents(data.as_ref()) {
        let read = match std::str::from_utf8(document) {
            Ok(text) => manifest::read(text, before, &file),
            Err(error) => {
                let good = &document[..error.valid_up_to()];
                let lines = good.split(|byte| *byte == b'\n').count();
                Err(YamlError { line: before + lines, message: "this is no UTF-8".to_owned() })
            }
        };
        match read {
            Ok(Document::Manifest(manifest)) => manifests.push(*manifest),
            Ok(Document::Empty) => {}
            Ok(Document::PassedOver { line, why }) => {
                let file = file.to_path_buf();
                problems.push(Problem::PassedOver { file, line, why });
            }
            Err(error) => problems.push(Problem::Broken {
                file: file.to_path_buf(),
                line: Some(error.line),
                message: error.message,
            }),
        }
    }
    manifests
}

/// The documents of a text, which lines that begin with `---` part, and how many lines stand before
/// each.
pub(super) fn documents(text: &[u8]) -> Vec<(usize, &[u8])> {
    let mut documents = Vec::new();
    let (mut start, mut before, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.starts_with(b"---") {
            documents.push((before, &text[start..at]));
            start = at + line.len();
            before = number + 1;
        }
        at += line.len();
    }
    documents.push((before, &text[start..]));
    documents
}
