//! The files of a resources folder, and the documents in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::Problem;
use super::manifest::{self, Document, Manifest};

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

fn is_yaml(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
}

fn read_file(file: &Path, problems: &mut Vec<Problem>) -> Vec<Manifest> {
    match text_of(file) {
        Ok(text) => read_text(&text, file, problems),
        Err(error) => {
            let (file, message) = (file.to_owned(), error.to_string());
            problems.push(Problem::Broken { file, line: None, message });
            Vec::new()
        }
    }
}

/// The text of a file that is not too long to be one.
pub(super) fn text_of(file: &Path) -> io::Result<String> {
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if data.len() > LONGEST_FILE {
        return Err(io::Error::other(format!("it is longer than {LONGEST_FILE} bytes")));
    }
    fs::read_to_string(file)
}

/// The manifests in the text of `file`.
#[must_use]
pub fn read_text(text: &str, file: &Path, problems: &mut Vec<Problem>) -> Vec<Manifest> {
    let file: Arc<Path> = file.into();
    let mut manifests = Vec::new();
    for (before, document) in documents(text) {
        match manifest::read(document, before, &file) {
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
pub(super) fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut before, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") {
            documents.push((before, &text[start..at]));
            start = at + line.len();
            before = number + 1;
        }
        at += line.len();
    }
    documents.push((before, &text[start..]));
    documents
}
