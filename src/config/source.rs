//! The places settings come from, and how they are put together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::environment::{CONFIG, PREFIX};
use super::origin::Origins;
use super::problem::{ConfigError, Problem};
use super::settings::Settings;

/// The file that is read without being asked for, if it is there.
const FILE_DEFAULT: &str = "odometer.toml";

/// What settings are read from, beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The operator's file; it must exist.
    pub file: Option<PathBuf>,
    /// The environment. Variables without our prefix are ignored.
    pub env: BTreeMap<String, String>,
    /// Flags as (`section.key`, value), the last one winning.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The sources of a process: `file` from `--config`, else from `ODOMETER_CONFIG`, else
    /// `odometer.toml` in `folder` if there is one.
    ///
    /// Fails when a variable of ours is not UTF-8.
    pub fn gather(
        file: Option<PathBuf>,
        folder: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        overrides: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut env = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    env.insert(name.to_owned(), value);
                }
                Err(_) => problems.push(Problem::new(
                    format!("environment variable {name} cannot be read"),
                    "its value is not UTF-8",
                )),
            }
        }
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let named = file.or_else(|| env.get(CONFIG).filter(|v| !v.is_empty()).map(PathBuf::from));
        let file = named.or_else(|| {
            let path = folder.join(FILE_DEFAULT);
            // A file that is there but cannot be looked at is reported when it is read.
            path.try_exists().unwrap_or(true).then_some(path)
        });
        Ok(Self { file, env, overrides })
    }
}

impl Settings {
    /// Puts the settings together: defaults, then the file, the environment, the flags.
    ///
    /// Fails with every problem of every source.
    pub fn load(sources: &Sources) -> Result<(Self, Origins), ConfigError> {
        let mut draft = Draft::default();
        draft.read_defaults();
        if let Some(file) = &sources.file {
            draft.read_file(file);
        }
        draft.read_environment(&sources.env);
        draft.read_flags(&sources.overrides);
        draft.finish()
    }
}

/// Splits `section.key=value` as it is written after `--set`.
pub fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => {
            Ok((path.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` has no form section.key=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_flag_names_the_file_before_the_environment_before_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let found = |flag: Option<&str>, env: &[(&str, &str)]| {
            let flag = flag.map(PathBuf::from);
            Sources::gather(flag, folder.path(), environment(env), vec![]).unwrap().file
        };
        assert_eq!(found(None, &[("HOME", "/root")]), None);
        std::fs::write(folder.path().join("odometer.toml"), "").unwrap();
        assert_eq!(found(None, &[]), Some(folder.path().join("odometer.toml")));
        assert_eq!(found(None, &[(CONFIG, "")]), Some(folder.path().join("odometer.toml")));
        assert_eq!(found(None, &[(CONFIG, "b.toml")]), Some("b.toml".into()));
        assert_eq!(found(Some("a.toml"), &[(CONFIG, "b.toml")]), Some("a.toml".into()));
    }

    #[test]
    #[cfg(unix)]
    fn a_variable_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0xff]);
        let ours = vec![("ODOMETER_STORE_PATH".into(), value.clone())];
        let error = Sources::gather(None, Path::new("/"), ours, vec![]).unwrap_err();
        assert!(error.to_string().contains("ODOMETER_STORE_PATH"), "{error}");
        let others = vec![("LESSOPEN".into(), value)];
        assert!(Sources::gather(None, Path::new("/"), others, vec![]).is_ok());
    }

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(parse_assignment("store.path=/a=b"), pair("store.path", "/a=b"));
        assert_eq!(parse_assignment("kafka.brokers="), pair("kafka.brokers", ""));
        assert!(parse_assignment("store.path").is_err());
        assert!(parse_assignment("=x").is_err());
    }
}
