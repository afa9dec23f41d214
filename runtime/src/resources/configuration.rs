//! `kind: Configuration`: how the runtime is to behave. Files are laid over each other, later ones
//! over earlier ones: tables field by field, everything else as a whole.

mod expanded;

use std::num::FpCategory;
use std::path::{Path, PathBuf};

use self::expanded::expanded;
use super::fields::{FieldError, Fields};
use super::folder::{documents, text_of};
use super::scope::SecretScope;
use super::yaml::{self, Node, Value};

/// What all configuration files together say. What replug does not act on is kept in the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What is measured, and how.
    pub metrics: MetricsSettings,
    /// Features by name, and whether they are on.
    pub features: Vec<(String, bool)>,
    /// Which secrets can be had over the API, a store each.
    pub secret_scopes: Vec<SecretScope>,
    /// Component types, `TYPE` or `TYPE/VERSION`, of which no components are made.
    pub denied_components: Vec<String>,
    /// The parts of the API that can be called; none: all.
    pub api_allowed: Vec<ApiRule>,
    /// The parts of the API that cannot be called.
    pub api_denied: Vec<ApiRule>,
    /// Whether calls are logged.
    pub api_logging: ApiLogging,
    /// Whether tracing is off altogether: no trace is looked at.
    pub tracing_off: bool,
    /// All of it.
    pub document: Node,
}

/// What is measured, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Whether anything is.
    pub enabled: bool,
    /// What is particular to HTTP.
    pub http: HttpMetrics,
    /// Upper bounds of latencies in milliseconds; none: Dapr's own.
    pub latency_buckets: Vec<i64>,
    /// Whether errors are counted by their code.
    pub record_error_codes: bool,
    /// How labels are changed before they are counted.
    pub rules: Vec<MetricsRule>,
}

/// How the labels of one metric are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsRule {
    /// The metric, with or without `dapr_`.
    pub name: String,
    /// Labels, and for each what takes the place of what an expression finds in its value.
    pub labels: Vec<(String, Vec<(String, String)>)>,
}

/// How calls over HTTP are told apart in metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpMetrics {
    /// Whether paths are.
    pub increased_cardinality: bool,
    /// Patterns of paths that count as one.
    pub path_matching: Vec<String>,
    /// Whether methods are not.
    pub exclude_verbs: bool,
}

/// A part of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRule {
    /// Its name, such as `state`.
    pub name: String,
    /// Its version, such as `v1` or `v1.0`.
    pub version: String,
    /// What the rule is for; none where it names neither, and has no effect.
    pub protocol: Option<ApiProtocol>,
}

/// How the API is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiProtocol {
    /// Over HTTP.
    Http,
    /// Over gRPC.
    Grpc,
}

/// Whether calls are logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiLogging {
    /// Whether they are, where the file says so.
    pub enabled: Option<bool>,
    /// The operation is shown in the place of the path.
    pub obfuscate_urls: bool,
    /// Health checks are not shown.
    pub omit_health_checks: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file cannot be read.
    #[error("error loading configuration: cannot read {}: {cause}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is in the way.
        #[source]
        cause: std::io::Error,
    },
    /// A file is no YAML, or a field of it holds what it cannot hold.
    #[error("error loading configuration: {}:{}: {}", .file.display(), .cause.line, .cause.message)]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: FieldError,
    },
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            metrics: MetricsSettings::default(),
            features: Vec::new(),
            secret_scopes: Vec::new(),
            denied_components: Vec::new(),
            api_allowed: Vec::new(),
            api_denied: Vec::new(),
            api_logging: ApiLogging::default(),
            tracing_off: false,
            document: Node { line: 0, value: Value::Map(Vec::new()) },
        }
    }
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            http: HttpMetrics::default(),
            latency_buckets: Vec::new(),
            record_error_codes: false,
            rules: Vec::new(),
        }
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self { increased_cardinality: true, path_matching: Vec::new(), exclude_verbs: false }
    }
}

// === impl Configuration ===

impl Configuration {
    /// What these files say together. `variable` gives the environment's variables, to which their
    /// text may refer.
    pub fn load(
        files: &[PathBuf],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigurationError> {
        let mut all = Self::default();
        for file in files {
            let text = text_of(file)
                .map_err(|cause| ConfigurationError::Unreadable { file: file.clone(), cause })?;
            all = all.over(&expanded(&text, &variable), file)?;
        }
        Ok(all)
    }

    /// This with the text of another file laid over it.
    pub fn over(self, text: &str, file: &Path) -> Result<Self, ConfigurationError> {
        let wrong = |cause| ConfigurationError::Wrong { file: file.to_owned(), cause };
        // The first document that has anything in it.
        // Parts of a text, parted where lines begin, are texts.
        let parted = documents(text.as_bytes());
        let mut parted =
            parted.iter().map(|(before, part)| (before, std::str::from_utf8(part).unwrap_or("")));
        let first = parted.find(|(_, text)| !says_nothing(text));
        let Some((before, first)) = first else { return Ok(self) };
        let document = yaml::read(first, *before).map_err(wrong)?;
        if document.is_null() {
            return Ok(self);
        }
        // What is wrong in this file is told with a line of this file.
        Self::read(&document).map_err(wrong)?;
        Self::read(&laid_over(self.document, document)).map_err(wrong)
    }

    fn read(document: &Node) -> Result<Self, FieldError> {
        let mut read = Self { document: document.clone(), ..Self::default() };
        Fields::of(document)?.table("spec", |spec| {
            for name in ["metric", "metrics"] {
                spec.table(name, |fields| read.metrics.read(fields))?;
            }
            let feature = |fields: Fields<'_>| {
                let name = fields.text("name")?.unwrap_or_default();
                Ok((name, fields.bool("enabled")?.unwrap_or_default()))
            };
            read.features = spec.tables("features", feature)?.unwrap_or_default();
            let scopes = spec.table("secrets", |secrets| secrets.tables("scopes", scope))?;
            read.secret_scopes = scopes.flatten().unwrap_or_default();
            for (at, scope) in read.secret_scopes.iter().enumerate() {
                if read.secret_scopes[..at].iter().any(|earlier| earlier.store == scope.store) {
                    let store = &scope.store;
                    return Err(spec.wrong(
                        "secrets",
                        &format!("has two scopes of the store {store:?}; write one of each store"),
                    ));
                }
            }
            let deny = spec.table("components", |components| components.texts("deny"))?;
            read.denied_components = deny.flatten().unwrap_or_default();
            spec.table("api", |api| {
                read.api_allowed = api.tables("allowed", ApiRule::read)?.unwrap_or_default();
                read.api_denied = api.tables("denied", ApiRule::read)?.unwrap_or_default();
                Ok(())
            })?;
            let logging = |logging: Fields<'_>| logging.table("apiLogging", ApiLogging::read);
            read.api_logging = spec.table("logging", logging)?.flatten().unwrap_or_default();
            let rate = spec.table("tracing", |tracing| tracing.text("samplingRate"))?.flatten();
            read.tracing_off = rate.is_some_and(|rate| {
                rate.parse::<f64>().is_ok_and(|rate| rate.classify() == FpCategory::Zero)
            });
            Ok(())
        })?;
        Ok(read)
    }

    /// Whether the runtime acts on both alike, whatever else they say.
    #[must_use]
    pub fn acts_as(&self, other: &Self) -> bool {
        let acted_on = |it: &Self| Self { document: Node::null(0), ..it.clone() };
        acted_on(self) == acted_on(other)
    }

    /// Whether a feature is on, which it is by default where `default` says so.
    #[must_use]
    pub fn feature(&self, name: &str, default: bool) -> bool {
        let listed = self.features.iter().rev().find(|(known, _)| known == name);
        listed.map_or(default, |(_, enabled)| *enabled)
    }

    /// Whether components of this type and version are refused. Where any are, those without a
    /// version are too, as in Dapr.
    #[must_use]
    pub fn denies(&self, component_type: &str, version: &str) -> bool {
        let denied = |denied: &String| match denied.split_once('/') {
            Some((of_type, "")) => of_type == component_type,
            Some((of_type, of_version)) => of_type == component_type && of_version == version,
            None => !denied.is_empty() && denied == component_type,
        };
        !self.denied_components.is_empty()
            && (version.is_empty() || self.denied_components.iter().any(denied))
    }
}

impl MetricsSettings {
    /// What is said takes the place of what was.
    fn read(&mut self, fields: Fields<'_>) -> Result<(), FieldError> {
        if let Some(enabled) = fields.bool("enabled")? {
            self.enabled = enabled;
        }
        let http = |fields: Fields<'_>| {
            let default = HttpMetrics::default();
            let increased = fields.bool("increasedCardinality")?;
            Ok(HttpMetrics {
                increased_cardinality: increased.unwrap_or(default.increased_cardinality),
                path_matching: fields.texts("pathMatching")?.unwrap_or_default(),
                exclude_verbs: fields.bool("excludeVerbs")?.unwrap_or_default(),
            })
        };
        if let Some(http) = fields.table("http", http)? {
            self.http = http;
        }
        if let Some(texts) = fields.texts("latencyDistributionBuckets")? {
            let bound = |text: &String| {
                text.parse().map_err(|_| {
                    let message = format!("has {text:?} in it; write whole milliseconds");
                    fields.wrong("latencyDistributionBuckets", &message)
                })
            };
            self.latency_buckets = texts.iter().map(bound).collect::<Result<_, _>>()?;
        }
        if let Some(record) = fields.bool("recordErrorCodes")? {
            self.record_error_codes = record;
        }
        let label =
            |label: Fields<'_>| Ok((label.text("name")?.unwrap_or_default(), label.map("regex")?));
        let rule = |rule: Fields<'_>| {
            Ok(MetricsRule {
                name: rule.text("name")?.unwrap_or_default(),
                labels: rule.tables("labels", label)?.unwrap_or_default(),
            })
        };
        if let Some(rules) = fields.tables("rules", rule)? {
            self.rules = rules;
        }
        Ok(())
    }
}

impl ApiRule {
    fn read(fields: Fields<'_>) -> Result<Self, FieldError> {
        let protocol = fields.text("protocol")?.unwrap_or_default();
        let protocol = match protocol.as_str() {
            "grpc" => Some(ApiProtocol::Grpc),
            text if text.eq_ignore_ascii_case("http") => Some(ApiProtocol::Http),
            _ => None,
        };
        Ok(Self {
            name: fields.text("name")?.unwrap_or_default(),
            version: fields.text("version")?.unwrap_or_default(),
            protocol,
        })
    }
}

impl ApiLogging {
    fn read(fields: Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            enabled: fields.bool("enabled")?,
            obfuscate_urls: fields.bool("obfuscateURLs")?.unwrap_or_default(),
            omit_health_checks: fields.bool("omitHealthChecks")?.unwrap_or_default(),
        })
    }
}

fn scope(fields: Fields<'_>) -> Result<SecretScope, FieldError> {
    let access = fields.text("defaultAccess")?.unwrap_or_default();
    let deny_by_default = match access.to_lowercase().as_str() {
        "" | "allow" => false,
        "deny" => true,
        _ => {
            let message = format!("is {access:?}; write allow or deny");
            return Err(fields.wrong("defaultAccess", &message));
        }
    };
    Ok(SecretScope {
        store: fields.text("storeName")?.unwrap_or_default(),
        deny_by_default,
        allowed: fields.texts("allowedSecrets")?.unwrap_or_default(),
        denied: fields.texts("deniedSecrets")?.unwrap_or_default(),
    })
}

/// Whether there is no document in this part of a file: what stands before the line that a document
/// begins with is no more than comments and directives.
fn says_nothing(part: &str) -> bool {
    let part = part.strip_prefix('\u{feff}').unwrap_or(part);
    part.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with(['#', '%']))
}

/// `over` laid over `under`.
fn laid_over(under: Node, over: Node) -> Node {
    let line = over.line;
    match (under.value, over.value) {
        (Value::Map(mut fields), Value::Map(more)) => {
            for (name, value) in more {
                match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                    Some((_, known)) => {
                        let under = std::mem::replace(known, Node::null(0));
                        *known = laid_over(under, value);
                    }
                    None => fields.push((name, value)),
                }
            }
            Node { line, value: Value::Map(fields) }
        }
        (_, value) => Node { line, value },
    }
}
