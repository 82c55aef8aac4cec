//! Secrets: where they come from. They never stand in the file, and are shown nowhere.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::section::{At, Section};

/// Bytes of the longest secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// A secret. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Hidden {
        Hidden(text.into())
    }

    /// What it is, for whoever has to use it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// What a file of settings is read beside.
pub struct Surroundings<'s> {
    /// Paths that are relative are relative to it.
    pub folder: PathBuf,
    /// The variables of the environment.
    pub variable: &'s dyn Fn(&str) -> Option<OsString>,
}

impl Surroundings<'_> {
    /// A path as the file has it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads `NAME_env` and `NAME_file`: each names one place or several, and all that is there counts.
pub(super) fn hidden(
    section: &Section<'_, '_>,
    [plain, env, file]: [&'static str; 3],
    around: &Surroundings<'_>,
) -> Vec<Hidden> {
    if section.has(plain) {
        // What it is, is not repeated.
        section.fault(format!(
            "`{plain}` does not stand in this file, where many can read it: put it into a variable of the environment \
             and write `{env} = \"NAME\"`, or into a file of its own and write `{file} = \"PATH\"`"
        ));
    }
    let mut all = Vec::new();
    for name in section.texts(env).unwrap_or_default() {
        match variable(name.value, around) {
            Ok(text) => all.push(Hidden(text)),
            Err(problem) => section.fault_at(&name, problem),
        }
    }
    for path in section.texts(file).unwrap_or_default() {
        match content(&around.path(path.value)) {
            Ok(text) => all.push(Hidden(text)),
            Err(problem) => section.fault_at(&path, problem),
        }
    }
    all
}

fn variable(name: &str, around: &Surroundings<'_>) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(is_name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        // It may be the secret itself, so it is not repeated.
        return Err("this is no name of a variable: name the variable that has the secret, not the secret".to_owned());
    }
    match (around.variable)(name).map(OsString::into_string) {
        None => Err(format!("the variable `{name}` is not set: set it before finis is started")),
        Some(Err(_)) => Err(format!("the variable `{name}` is not UTF-8")),
        Some(Ok(text)) if text.is_empty() => {
            Err(format!("the variable `{name}` is empty: set it before finis is started"))
        }
        Some(Ok(text)) => Ok(text),
    }
}

fn content(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no file `{shown}`: write the secret into it, or name the one that has it")
        }
        io::ErrorKind::PermissionDenied => {
            format!("`{shown}` may not be read by this user: let whoever runs finis read it")
        }
        _ => format!("cannot read `{shown}`: {error}"),
    };
    if std::fs::metadata(path).map_err(cannot)?.len() > SECRET_BYTES_MAX {
        return Err(format!("`{shown}` is longer than any secret"));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("`{shown}` is not UTF-8"))?;
    // Editors end a file with a line break.
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err(format!("`{shown}` is empty: write the secret into it")) } else { Ok(text.to_owned()) }
}

/// The same, where there has to be at least one.
pub(super) fn required(all: Vec<Hidden>, is_told: bool, missing: impl FnOnce()) -> Vec<Hidden> {
    if all.is_empty() && !is_told {
        missing();
    }
    all
}

/// Whether any of these keys is there.
pub(super) fn is_told(section: &Section<'_, '_>, keys: [&'static str; 3]) -> bool {
    keys.into_iter().any(|key| section.has(key))
}

/// One name of many that all have to be different.
pub(super) fn is_name(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(part) && !name.starts_with('.')
}

/// What a name of a source or an endpoint may be.
pub(super) const NAME_RULE: &str = "a name is 1 to 64 letters, digits, `-`, `_` and `.`, and does not begin with `.`";

/// An address to listen on: IP and port.
pub(super) fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address: write an IP and a port, as `127.0.0.1:8080` or `[::1]:8080`"))
}

/// An address that is on this machine alone.
pub(super) fn is_local(at: &At<std::net::SocketAddr>) -> bool {
    at.value.ip().to_canonical().is_loopback()
}
