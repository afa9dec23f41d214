//! Dapr's resources: the YAML files that declare components and subscriptions, and the one that
//! configures the runtime.
//!
//! Files become [`Manifest`]s, one for each document, and these become values: components the same
//! that `plugins.toml` declares, so that nothing after this knows where one was written. Reading
//! changes nothing and starts nothing; what is wrong with one document is told and does not hold up
//! the others, but for two of one name.

mod component;
mod configuration;
mod fields;
mod folder;
mod load;
mod manifest;
mod scope;
mod spec;
mod subscription;
mod template;
mod yaml;

pub use component::{ComponentResource, Item, SecretKeyRef, log_name};
pub use configuration::{
    ApiLogging, ApiProtocol, ApiRule, Configuration, ConfigurationError, HttpMetrics, MetricsRule,
    MetricsSettings,
};
pub use fields::FieldError;
pub use folder::{FolderError, read_folder, read_text};
pub use load::{ConfigurationResource, Duplicate, Duplicates, Loaded, Problem, Resources, load};
pub use manifest::{Kind, Manifest};
pub use scope::SecretScope;
pub use spec::{SpecError, Specified};
pub use subscription::{BulkSubscribe, SubscriptionResource, SubscriptionRule};
pub use template::{Names, TemplateError};

/// A duration as Go prints it, such as `1m30s`.
#[must_use]
pub fn go_duration_text(duration: std::time::Duration) -> String {
    crate::go_duration::text(duration)
}

/// The duration of a text in Go's form, such as `1m30s`; none where it is none.
#[must_use]
pub fn go_duration(text: &str) -> Option<std::time::Duration> {
    crate::go_duration::parse(text)
}

pub use yaml::{Node, Value, YamlError};
