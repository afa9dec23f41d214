//! How one of a plugin's processes is named where there are several: `NAME@2`. Names of plugins have
//! no `@` in them.

/// The name of one of a plugin's processes; the plugin's own, where it is the only one.
#[must_use]
pub fn name(plugin: &str, instance: Option<u32>) -> String {
    instance.map_or_else(|| plugin.to_owned(), |instance| format!("{plugin}@{instance}"))
}

/// The plugin and the process that `NAME@2` names; none where it is no such name.
#[must_use]
pub fn split(name: &str) -> Option<(&str, u32)> {
    let (plugin, instance) = name.rsplit_once('@')?;
    // As it is written, and in no other way.
    let number = instance.parse().ok().filter(|number: &u32| number.to_string() == instance)?;
    (number > 0 && !plugin.is_empty()).then_some((plugin, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_as_it_is_made() {
        assert_eq!(split(&name("kv", Some(12))), Some(("kv", 12)));
        assert_eq!(name("kv", None), "kv");
        for no in ["kv", "kv@", "kv@0", "kv@x", "kv@+1", "kv@01", "@1"] {
            assert_eq!(split(no), None, "{no}");
        }
    }
}
