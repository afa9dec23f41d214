//! Which files count, and in which writing.

use super::*;

/// A folder with these files, of any bytes.
fn read(files: &[(&str, &[u8])]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    for (name, data) in files {
        fs::write(folder.path().join(name), data).unwrap();
    }
    load(&[folder.path().to_owned()], "shop", "").unwrap()
}

#[test]
fn a_file_counts_by_how_its_name_ends() {
    let files = [".yaml", "a.YML", "b.c.yaml", "c.yaml~", "yaml", "d.json"];
    let files: Vec<_> = files.into_iter().zip(["v", "w", "x", "no", "no", "no"]).collect();
    let texts: Vec<_> = files.iter().map(|(file, name)| (*file, component(name, ""))).collect();
    let files: Vec<_> = texts.iter().map(|(file, text)| (*file, text.as_bytes())).collect();
    let loaded = read(&files);
    assert_eq!(names(&loaded.resources), ["v", "w", "x"]);
    let [Problem::NotYaml { file }] = loaded.problems.as_slice() else {
        panic!("{:?}", loaded.problems)
    };
    assert_eq!(file.file_name().unwrap(), "c.yaml~");
}

#[test]
fn files_of_utf_16_are_read_as_daprd_reads_them() {
    let units = |name: &str| component(name, "").encode_utf16().collect::<Vec<_>>();
    let little: Vec<u8> =
        [0xFEFF].into_iter().chain(units("little")).flat_map(u16::to_le_bytes).collect();
    let mut big: Vec<u8> =
        [0xFEFF].into_iter().chain(units("big")).flat_map(u16::to_be_bytes).collect();
    let loaded = read(&[("a.yaml", &little), ("b.yaml", &big)]);
    assert_eq!(loaded.problems, []);
    assert_eq!(names(&loaded.resources), ["little", "big"]);
    big.pop();
    let loaded = read(&[("a.yaml", &little), ("b.yaml", &big)]);
    assert_eq!(names(&loaded.resources), ["little"]);
    let [Problem::Unreadable { cause, .. }] = loaded.problems.as_slice() else {
        panic!("{:?}", loaded.problems)
    };
    assert_eq!(cause, "it is no UTF-16");
}

#[test]
fn a_document_that_is_no_utf_8_is_broken_and_no_other_of_its_file() {
    let mut data = component("a", "").into_bytes();
    let lines = component("a", "").lines().count();
    data.extend(b"---\n# \xFF\n---\n");
    data.extend(component("b", "").into_bytes());
    let loaded = read(&[("a.yaml", &data)]);
    assert_eq!(names(&loaded.resources), ["a", "b"]);
    let [Problem::Broken { line: Some(line), message, .. }] = loaded.problems.as_slice() else {
        panic!("{:?}", loaded.problems)
    };
    assert_eq!((*line, message.as_str()), (lines + 2, "this is no UTF-8"));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_in_gos_words_and_the_others_count() {
    let folder = folder(&[("b.yaml", &component("b", ""))]);
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("a.yaml")).unwrap();
    let loaded = load(&[folder.path().to_owned()], "shop", "").unwrap();
    assert_eq!(names(&loaded.resources), ["b"]);
    let [Problem::Unreadable { cause, .. }] = loaded.problems.as_slice() else {
        panic!("{:?}", loaded.problems)
    };
    assert_eq!(cause, "no such file or directory");
}

#[test]
fn an_item_that_is_nothing_has_no_fields() {
    let text = component("a", "") + "  metadata:\n  - {name: one, value: 1}\n  -\n";
    let loaded = loaded(&[("a.yaml", &text)], "shop", "");
    assert_eq!(loaded.problems, []);
    let items = &loaded.resources.components[0].metadata;
    assert_eq!(items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["one", ""]);
}

#[test]
fn a_component_without_a_version_is_called_without_one() {
    let text = component("a", "").replace("  version: v1\n", "");
    let loaded = loaded(&[("a.yaml", &text)], "shop", "");
    assert_eq!(loaded.resources.components[0].log_name(), "a (state.in-memory)");
}
