//! A query in the language of the search module.

use replug_component::Error;
use replug_component::state::SortOrder;

use super::{Indexed, Kind, alias};
use crate::builtin::query::{Bound, Comparison, Filter, Path, Plan, Scalar};

/// Which entries are asked for, and by which path they are sorted, downwards or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) filter: String,
    pub(super) sort: Option<(String, bool)>,
}

impl Question {
    pub(super) fn new(plan: &Plan, paths: &[Indexed]) -> Result<Self, Error> {
        let sort = match &plan.sort[..] {
            [] => None,
            [(path, order)] => Some((find(paths, path)?.0, *order == SortOrder::Descending)),
            _ => {
                return Err(Error::Invalid(
                    "multiple SORTBY steps are not allowed: sort by one path".into(),
                ));
            }
        };
        let filter = match &plan.filter {
            None => "*".to_owned(),
            Some(filter) => translated(filter, paths)?,
        };
        Ok(Self { filter, sort })
    }
}

fn translated(filter: &Filter, paths: &[Indexed]) -> Result<String, Error> {
    match filter {
        Filter::Is(path, values) => {
            let each: Result<Vec<_>, _> =
                values.iter().map(|value| equal(path, value, paths)).collect();
            Ok(format!("({})", each?.join("|")))
        }
        Filter::IsNot(path, value) => Ok(format!("-({})", equal(path, value, paths)?)),
        Filter::Compares(path, comparison, bound) => {
            let Bound::Number(number) = bound else {
                return Err(Error::Invalid(format!(
                    "`{}` is compared with a text, and this store compares numbers alone",
                    shown(path)
                )));
            };
            let alias = of_kind(path, Kind::Number, paths)?;
            Ok(match comparison {
                Comparison::Greater => format!("@{alias}:[({number} +inf]"),
                Comparison::GreaterOrEqual => format!("@{alias}:[{number} +inf]"),
                Comparison::Less => format!("@{alias}:[-inf ({number}]"),
                Comparison::LessOrEqual => format!("@{alias}:[-inf {number}]"),
            })
        }
        Filter::All(filters) => joined(filters, " ", paths),
        Filter::Any(filters) => joined(filters, "|", paths),
    }
}

fn joined(filters: &[Filter], between: &str, paths: &[Indexed]) -> Result<String, Error> {
    let each: Result<Vec<_>, _> = filters
        .iter()
        .map(|filter| Ok::<_, Error>(format!("({})", translated(filter, paths)?)))
        .collect();
    Ok(format!("({})", each?.join(between)))
}

fn equal(path: &Path, value: &Scalar, paths: &[Indexed]) -> Result<String, Error> {
    match value {
        Scalar::Text(text) => {
            let alias = of_kind(path, Kind::Text, paths)?;
            Ok(format!("@{alias}:({})", words(text)?))
        }
        Scalar::Number(number) => {
            let alias = of_kind(path, Kind::Number, paths)?;
            Ok(format!("@{alias}:[{number} {number}]"))
        }
        Scalar::Null | Scalar::Bool(_) => Err(Error::Invalid(format!(
            "`{}` is compared with what is neither a text nor a number, and is in no index",
            shown(path)
        ))),
    }
}

/// The words of a text, parted as the module parts those that it indexes: nothing is left that has a
/// meaning to it.
fn words(text: &str) -> Result<String, Error> {
    let parts = |letter: char| letter.is_ascii_punctuation() && letter != '_';
    let words = text.replace(parts, " ");
    if words.trim().is_empty() {
        return Err(Error::Invalid(format!("`{text}` has no words that could be looked for")));
    }
    Ok(words)
}

fn of_kind(path: &Path, kind: Kind, paths: &[Indexed]) -> Result<String, Error> {
    match find(paths, path)? {
        (alias, found) if found == kind => Ok(alias),
        (_, found) => Err(Error::Invalid(format!(
            "`{}` is indexed as {} and compared as {}",
            shown(path),
            found.name(),
            kind.name()
        ))),
    }
}

/// What the module calls a path, and as what it has it.
fn find(paths: &[Indexed], path: &Path) -> Result<(String, Kind), Error> {
    let key = shown(path);
    let found = paths.iter().position(|indexed| indexed.key == key);
    let number =
        found.ok_or_else(|| Error::Invalid(format!("JSON path \"{key}\" is not indexed")))?;
    Ok((alias(number), paths[number].kind))
}

fn shown(path: &Path) -> String {
    path.parts().join(".")
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Number => "NUMERIC",
        }
    }
}
