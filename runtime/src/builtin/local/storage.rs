//! `bindings.localstorage`: files below a folder, `rootPath`.
//!
//! What leads out of the folder stays in it, as in Dapr: see [`place`].

mod place;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use replug_component::binding::{InvokeRequest, InvokeResponse, OutputBinding, OutputBindingType};
use replug_component::{Context, Error, Features, Metadata};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::builtin::setting;
use crate::system_error;

/// Metadata of a call: which file.
const FILE_NAME: &str = "fileName";

/// The type `bindings.localstorage`.
pub(in crate::builtin) struct StorageType;

#[async_trait]
impl OutputBindingType for StorageType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        let root = setting::text(&metadata, &["rootPath"])?.unwrap_or_default().to_owned();
        let root = blocking(move || {
            let root = place::root(&root)?;
            fs::create_dir_all(&root).map_err(|error| {
                let folder = root.display();
                format!("unable to create directory specified by 'rootPath' {folder}: {error}")
            })?;
            Ok(root)
        });
        Ok(Arc::new(Storage { root: root.await?.into() }))
    }
}

struct Storage {
    root: Arc<Path>,
}

#[async_trait]
impl OutputBinding for Storage {
    async fn operations(&self, _cx: &Context) -> Result<Features, Error> {
        Ok(Features::new(["create", "get", "list", "delete"]))
    }

    async fn invoke(
        &self,
        _cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let root = self.root.clone();
        blocking(move || {
            let InvokeRequest { operation, data, metadata } = request;
            let name = metadata.get(FILE_NAME).map(String::as_str).unwrap_or_default();
            match operation.as_str() {
                "create" if name.is_empty() => create(&root, &Uuid::new_v4().to_string(), &data),
                "create" => create(&root, name, &data),
                "get" => get(&root, name),
                "list" => list(&root, name),
                "delete" => delete(&root, name).map(|()| None),
                other => Err(format!("unsupported operation {other}")),
            }
        })
        .await
    }
}

/// Does what may block where it may, and what it says is an error of the component.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(Error::Failed),
        Err(panicked) => Err(Error::Failed(panicked.to_string())),
    }
}

fn located(root: &Path, name: &str) -> Result<PathBuf, String> {
    place::below(root, name)
        .map_err(|error| format!("error getting absolute path for file {name}: {error}"))
}

fn create(root: &Path, name: &str, data: &Bytes) -> Result<Option<InvokeResponse>, String> {
    let path = located(root, name)?;
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(|error| {
        format!("error creating directory {}: {}", folder.display(), in_go("mkdir", folder, &error))
    })?;
    fs::write(&path, content(data)).map_err(|error| {
        format!("error creating file {}: {}", path.display(), in_go("open", &path, &error))
    })?;
    let relative = path.strip_prefix(root).unwrap_or(&path);
    let answer = serde_json::json!({ FILE_NAME: relative.to_string_lossy() });
    Ok(Some(response(answer.to_string())))
}

fn get(root: &Path, name: &str) -> Result<Option<InvokeResponse>, String> {
    let path = located(root, name)?;
    match fs::read(&path) {
        Ok(content) => Ok(Some(response(content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("file not found: {}", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(format!("error reading file {}: {}", path.display(), in_go("read", &path, &error)))
        }
        Err(error) => {
            Err(format!("error opening path {}: {}", path.display(), in_go("open", &path, &error)))
        }
    }
}

/// The paths of all files below a folder, in the order of the alphabet.
fn list(root: &Path, name: &str) -> Result<Option<InvokeResponse>, String> {
    let path = located(root, name)?;
    let known = fs::metadata(&path).map_err(|error| {
        format!("error getting stats for path {}: {}", path.display(), in_go("stat", &path, &error))
    })?;
    if !known.is_dir() {
        return Err(format!(
            "unable to list files as the file specified is not a directory: {}",
            path.display()
        ));
    }
    let mut files = Vec::new();
    walk(&path, &mut files).map_err(|error| {
        format!("error listing files in the directory {}: {error}", path.display())
    })?;
    files.sort();
    // Dapr has no word for no files but this.
    let answer = if files.is_empty() { serde_json::Value::Null } else { files.into() };
    Ok(Some(response(answer.to_string())))
}

/// A link is a file here, wherever it leads.
fn walk(folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path().to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Deletes a file, or a folder with nothing in it.
fn delete(root: &Path, name: &str) -> Result<(), String> {
    let path = located(root, name)?;
    let failed = |error: io::Error| {
        format!("error deleting file {}: {}", path.display(), in_go("remove", &path, &error))
    };
    if fs::symlink_metadata(&path).map_err(failed)?.is_dir() {
        fs::remove_dir(&path).map_err(failed)
    } else {
        fs::remove_file(&path).map_err(failed)
    }
}

/// An error of a file system as Go says it.
fn in_go(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("{operation} {}: {}", path.display(), system_error::in_go(error))
}

/// What is written: the text of a JSON string, and what base64 stands for, where the data are so.
fn content(data: &Bytes) -> Bytes {
    let text = serde_json::from_slice::<String>(data).map_or_else(|_| data.clone(), Bytes::from);
    BASE64_STANDARD.decode(&text).map_or(text, Bytes::from)
}

fn response(data: impl Into<Bytes>) -> InvokeResponse {
    InvokeResponse { data: data.into(), ..InvokeResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(root: &Path) -> Arc<dyn OutputBinding> {
        let root = root.to_str().unwrap().to_owned();
        StorageType.open(Metadata::from([("rootpath".to_owned(), root)])).await.unwrap()
    }

    async fn invoke(
        storage: &Arc<dyn OutputBinding>,
        operation: &str,
        file: &str,
        data: &'static str,
    ) -> Result<Option<String>, String> {
        let request = InvokeRequest {
            operation: operation.to_owned(),
            data: Bytes::from(data),
            metadata: Metadata::from([(FILE_NAME.to_owned(), file.to_owned())]),
        };
        let answer = storage.invoke(&Context::default(), request).await;
        let text = |answer: InvokeResponse| String::from_utf8(answer.data.to_vec()).unwrap();
        answer.map(|answer| answer.map(text)).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn files_are_made_read_listed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let storage = open(&root.join("made")).await;
        let root = root.join("made");
        let made = invoke(&storage, "create", "a/b.txt", "\"hello\"").await.unwrap().unwrap();
        assert_eq!(made, r#"{"fileName":"a/b.txt"}"#);
        assert_eq!(invoke(&storage, "get", "a/b.txt", "").await.unwrap().unwrap(), "hello");
        let listed = invoke(&storage, "list", "", "").await.unwrap().unwrap();
        assert_eq!(listed, format!("[{:?}]", root.join("a/b.txt")));
        assert_eq!(invoke(&storage, "delete", "a/b.txt", "").await.unwrap(), None);
        let told = invoke(&storage, "get", "a/b.txt", "").await.unwrap_err();
        assert_eq!(told, format!("file not found: {}", root.join("a/b.txt").display()));
        assert_eq!(invoke(&storage, "list", "a", "").await.unwrap().unwrap(), "null");
    }

    #[tokio::test]
    async fn base64_is_written_as_what_it_stands_for_and_a_name_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path()).await;
        let made = invoke(&storage, "create", "", "\"aGVsbG8=\"").await.unwrap().unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let name = made[FILE_NAME].as_str().unwrap();
        assert!(Uuid::parse_str(name).is_ok(), "{name}");
        assert_eq!(invoke(&storage, "get", name, "").await.unwrap().unwrap(), "hello");
    }

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let outside = folder.path().join("secret");
        fs::write(&outside, "secret").unwrap();
        let storage = open(&root).await;
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        std::os::unix::fs::symlink("../..", root.join("up")).unwrap();
        for name in ["../secret", "/../secret", "link", "up/secret", outside.to_str().unwrap()] {
            let told = invoke(&storage, "get", name, "").await.unwrap_err();
            assert!(told.starts_with("file not found: "), "{name}: {told}");
        }
        let told = invoke(&storage, "create", "../../made", "x").await.unwrap().unwrap();
        assert_eq!(told, r#"{"fileName":"made"}"#);
        assert!(root.join("made").exists());
        for name in ["", ".", ".."] {
            let told = invoke(&storage, "delete", name, "").await.unwrap_err();
            let shown = root.canonicalize().unwrap().display().to_string();
            let why = format!("error deleting file {shown}: remove {shown}: directory not empty");
            assert_eq!(told, why, "{name:?}");
        }
        let told = invoke(&storage, "get", "", "").await.unwrap_err();
        assert!(told.ends_with(": is a directory"), "{told}");
        assert_eq!(fs::read(outside).unwrap(), b"secret");
    }

    #[tokio::test]
    async fn a_root_that_is_missing_a_file_or_the_systems_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = async |root: &str| {
            let metadata = Metadata::from([("rootPath".to_owned(), root.to_owned())]);
            StorageType.open(metadata).await.err().unwrap().to_string()
        };
        assert_eq!(open("").await, "property rootPath must not be empty");
        assert_eq!(
            open(file.path().to_str().unwrap()).await,
            "property rootPath represents a file and not a directory"
        );
        for system in ["/proc/self", "/sys", "/usr/../proc/1"] {
            assert_eq!(open(system).await, "property rootPath points to a disallowed location");
        }
    }
}
