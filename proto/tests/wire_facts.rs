//! Holds the compiled contracts against the tables in `tests/facts`: every rpc, field and enum
//! value of Dapr's and Layotto's packages, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};

const TABLES: [&str; 2] = [include_str!("facts/dapr.tsv"), include_str!("facts/layotto.tsv")];

/// A row: what it is, full name, number, name, label, type, and what is left to say.
type Row = [String; 7];
type Rows = BTreeMap<String, BTreeSet<Row>>;

#[test]
fn the_contracts_are_what_the_tables_say() {
    let (told, compiled) = (told(), compiled());
    let mut differences = Vec::new();
    for (package, told) in &told {
        let empty = BTreeSet::new();
        let compiled = compiled.get(package).unwrap_or(&empty);
        let mut say = |what: &str, row: &Row| {
            let row = row.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>();
            differences.push(format!("{package}: {what}: {}", row.join(" ")));
        };
        told.difference(compiled).for_each(|row| say("missing", row));
        compiled.difference(told).for_each(|row| say("not in the table", row));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // A table that was read as nothing would differ from nothing.
    assert!(told.len() >= 11, "{:?}", told.keys());
    assert!(told.values().map(BTreeSet::len).sum::<usize>() > 1600);
}

fn told() -> Rows {
    let mut rows = Rows::new();
    for table in TABLES {
        let mut package = String::new();
        for line in table.lines() {
            if let Some(heading) = line.strip_prefix('#') {
                let name = heading.split("package ").nth(1).unwrap().trim();
                name.clone_into(&mut package);
                continue;
            }
            let mut cells = line.split('\t').map(|cell| cell.trim().to_owned());
            let row = std::array::from_fn(|_| cells.next().unwrap_or_default());
            rows.entry(package.clone()).or_default().insert(row);
        }
    }
    rows
}

fn compiled() -> Rows {
    let set = FileDescriptorSet::decode(replug_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut rows = Rows::new();
    for file in &set.file {
        let rows = rows.entry(file.package().to_owned()).or_default();
        add_file(file, rows);
    }
    rows
}

fn add_file(file: &FileDescriptorProto, rows: &mut BTreeSet<Row>) {
    let package = file.package();
    for service in &file.service {
        add_service(service, package, rows);
    }
    for message in &file.message_type {
        add_message(message, package, rows);
    }
    for values in &file.enum_type {
        add_enum(values, package, rows);
    }
}

fn add_service(service: &ServiceDescriptorProto, package: &str, rows: &mut BTreeSet<Row>) {
    for rpc in &service.method {
        let streams = match (rpc.client_streaming(), rpc.server_streaming()) {
            (false, false) => "",
            (true, false) => "client-stream",
            (false, true) => "server-stream",
            (true, true) => "client-stream server-stream",
        };
        let full = format!("{package}.{}", service.name());
        let (input, output) = (bare(rpc.input_type()), bare(rpc.output_type()));
        rows.insert(["rpc", &full, "", rpc.name(), streams, input, output].map(str::to_owned));
    }
}

fn add_message(message: &DescriptorProto, scope: &str, rows: &mut BTreeSet<Row>) {
    let full = format!("{scope}.{}", message.name());
    let is_map = |nested: &&DescriptorProto| {
        nested.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry)
    };
    let maps: BTreeMap<String, &DescriptorProto> = message
        .nested_type
        .iter()
        .filter(is_map)
        .map(|nested| (format!("{full}.{}", nested.name()), nested))
        .collect();
    if message.field.is_empty() {
        rows.insert(["message", &full, "", "", "", "", ""].map(str::to_owned));
    }
    for field in &message.field {
        let (kind, label) = match maps.get(bare(field.type_name())) {
            Some(entry) => {
                let (key, value) = (type_of(&entry.field[0]), type_of(&entry.field[1]));
                (format!("map<{key},{value}>"), "")
            }
            None if field.label() == Label::Repeated => (type_of(field), "repeated"),
            None if field.proto3_optional() => (type_of(field), "optional"),
            None => (type_of(field), ""),
        };
        let oneof = match field.oneof_index {
            Some(index) if !field.proto3_optional() => {
                let index = usize::try_from(index).unwrap();
                format!("oneof {}", message.oneof_decl[index].name())
            }
            _ => String::new(),
        };
        let number = field.number().to_string();
        let row = ["field", &full, &number, field.name(), label, &kind, &oneof];
        rows.insert(row.map(str::to_owned));
    }
    for nested in message.nested_type.iter().filter(|nested| !is_map(nested)) {
        add_message(nested, &full, rows);
    }
    for values in &message.enum_type {
        add_enum(values, &full, rows);
    }
}

fn add_enum(values: &EnumDescriptorProto, scope: &str, rows: &mut BTreeSet<Row>) {
    for value in &values.value {
        let full = format!("{scope}.{}", values.name());
        let number = value.number().to_string();
        rows.insert(["enum", &full, &number, value.name(), "", "", ""].map(str::to_owned));
    }
}

/// A message's or enum's full name, or a scalar's name as `.proto` files write it.
fn type_of(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum | Type::Group => bare(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn bare(type_name: &str) -> &str {
    type_name.trim_start_matches('.')
}
