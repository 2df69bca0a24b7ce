//! What a plugin says about itself when docker looks for its plugins (docker/cli,
//! `cli-plugins/metadata`).

use std::fmt;

use serde::Serialize;

/// The argument that asks for [`Metadata`], in the place of the plugin's name.
pub const COMMAND: &str = "docker-cli-plugin-metadata";

/// The only version of the schema that docker commands before 28.4.1 accept.
const SCHEMA_VERSION: &str = "0.1.0";

/// What the plugin says, displayed as the one JSON object that docker wants on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// What it is for, in one line of `docker --help`.
    pub short_description: &'a str,
    /// Who made it; docker refuses a plugin that leaves this empty.
    pub vendor: &'a str,
    /// Its version, such as `v0.1.0`.
    pub version: &'a str,
}

impl fmt::Display for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Object<'a> {
            schema_version: &'a str,
            short_description: &'a str,
            vendor: &'a str,
            version: &'a str,
        }
        let Self { short_description, vendor, version } = *self;
        let object = Object { schema_version: SCHEMA_VERSION, short_description, vendor, version };
        f.write_str(&serde_json::to_string(&object).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_one_json_object() {
        let metadata = Metadata { short_description: "say \"hello\"", vendor: "me", version: "v1" };
        let wanted =
            r#"{"SchemaVersion":"0.1.0","ShortDescription":"say \"hello\"","Vendor":"me","Version":"v1"}"#;
        assert_eq!(metadata.to_string(), wanted);
    }
}
