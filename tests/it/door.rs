//! The command as a person starts it: arguments, a folder to stand in, perhaps standard input.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A line that the shipped contracts know, of this kind, session and time.
pub(crate) fn pathors(kind: &str, session: &str, at: &str) -> String {
    format!(r#"{{"event":"{kind}","sessionId":"{session}","timestamp":"{at}"}}"#)
}

/// The folder of all fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Whether the fixtures are to be written anew.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1")
}

/// Holds a text against the fixture that says what it must be, or writes it there.
#[track_caller]
pub(crate) fn check_snapshot(fixture: &Path, text: &str) {
    if updating() {
        std::fs::create_dir_all(fixture.parent().unwrap()).unwrap();
        std::fs::write(fixture, text).unwrap();
        return;
    }
    let name = fixture.strip_prefix(fixtures()).unwrap().display().to_string();
    let expected = std::fs::read_to_string(fixture).unwrap_or_else(|error| panic!("fixtures/{name}: {error}"));
    assert_eq!(text, expected, "fixtures/{name}; run with UPDATE_FIXTURES=1 if what is said now is right");
}

/// A folder that is gone when the test ends.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    /// A folder with one export in it, `export.jsonl`, of these lines.
    pub(crate) fn with_export<L: AsRef<[u8]>>(lines: &[L]) -> Scratch {
        let scratch = Scratch::new();
        scratch.write("export.jsonl", joined(lines));
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// The bytes of a file; nothing when it is not there.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path().join(name)).ok()
    }

    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        let bytes = self.bytes(name).unwrap_or_else(|| panic!("`{name}` was not written"));
        String::from_utf8(bytes).unwrap()
    }

    /// Names of all files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `finis` in this folder; the arguments are separated by blanks.
    pub(crate) fn finis(&self, arguments: &str) -> Finis {
        Finis::in_folder(self.path()).and(arguments.split_whitespace())
    }
}

/// Lines, each ended by a line feed.
pub(crate) fn joined<L: AsRef<[u8]>>(lines: &[L]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_ref(), b"\n"].concat()).collect()
}

/// Bytes as one gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes as one zstd frame, with a checksum as the tools of zstd write it.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Each line of NDJSON.
#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The command, about to be run.
pub(crate) struct Finis {
    command: Command,
    input: Option<Vec<u8>>,
}

impl Finis {
    pub(crate) fn in_folder(folder: &Path) -> Finis {
        let mut command = Command::new(env!("CARGO_BIN_EXE_finis"));
        // What the terminal of whoever runs the tests likes is of no interest.
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"] {
            command.env_remove(variable);
        }
        command.current_dir(folder);
        Finis { command, input: None }
    }

    /// Adds arguments.
    pub(crate) fn and<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Finis {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Finis {
        self.command.env(name, value);
        self
    }

    /// Gives it standard input; without, there is none.
    pub(crate) fn input(mut self, bytes: impl AsRef<[u8]>) -> Finis {
        self.input = Some(bytes.as_ref().to_vec());
        self
    }

    /// Starts it with pipes on all sides.
    pub(crate) fn start(mut self) -> std::process::Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Ended {
        let input = self.input.take();
        let mut child = self.start();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            // It may end before it has read everything, as when it refuses its arguments.
            let _ = input.map(|input| stdin.write_all(&input));
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ended::new(output)
    }

    /// Runs it to its end, which must be exit 0 with nothing on standard error.
    #[track_caller]
    pub(crate) fn fine(self) -> Ended {
        let ended = self.run();
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
        ended
    }

    /// Runs it to its end, which must be exit 2, nothing on standard output, and this one message.
    #[track_caller]
    pub(crate) fn fails_with(self, message: &str) {
        let ended = self.run();
        assert_eq!((ended.code, ended.out.as_str(), ended.err.trim_end()), (2, "", message));
    }
}

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ended {
    fn new(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        // Ended by a signal, it has no code: that is no way to end.
        let code = output.status.code().unwrap_or(-1);
        Ended { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The line of standard output that starts with this word, blanks around it left off.
    #[track_caller]
    pub(crate) fn line(&self, start: &str) -> &str {
        let line = self.out.lines().map(str::trim).find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line starts with `{start}`:\n{}", self.out))
    }
}
