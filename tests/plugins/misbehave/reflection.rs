//! The reflection service, honest or not.

use replug_proto::FILE_DESCRIPTOR_SET;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::{Builder, Error};

use crate::mode::Mode;

const SERVED: [&str; 2] =
    ["dapr.proto.components.v1.StateStore", "dapr.proto.components.v1.TransactionalStateStore"];
/// A service that is in the descriptors and that no runtime calls on a plugin.
const UNKNOWN: [&str; 1] = ["replug.control.v1.Control"];

/// What the mode says of itself.
pub(crate) fn service(mode: Mode) -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
    let names: &[&str] = if mode == Mode::UnknownService { &UNKNOWN } else { &SERVED };
    let builder = Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET);
    let builder = names.iter().fold(builder, |builder, name| builder.with_service_name(*name));
    builder.include_reflection_service(false).build_v1()
}
