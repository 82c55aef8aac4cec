//! Files that are whole or not there: written beside their place, and moved in when done.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// Output that goes to a file or to standard output.
pub(crate) struct Output {
    writer: Option<Box<dyn Write + Send>>,
    /// The file under its name while it is written, and the name it will have.
    moved: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// Opens an output; `-` is standard output. What is no plain file (a device, a pipe) is
    /// written to as it is.
    pub(crate) fn open(path: &Path, inputs: &[PathBuf]) -> Result<Output, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Output { writer: Some(Box::new(BufWriter::new(io::stdout()))), moved: None });
        }
        if let Some(input) = inputs.iter().find(|input| is_same(input, path)) {
            let (path, input) = (path.display(), input.display());
            return Err(Failure(format!("`{path}` is the export `{input}` itself: write to another file")));
        }
        let cannot = |error: io::Error| Failure(format!("cannot write `{}`: {error}", path.display()));
        // A link stays, and what it leads to is written.
        let path_behind = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, moved) = if special {
            (options.open(path).map_err(cannot)?, None)
        } else {
            let mut partial = path_behind.clone().into_os_string();
            partial.push(format!(".{}.partial", std::process::id()));
            let partial = PathBuf::from(partial);
            // Of our own making: whatever else is called so is not touched.
            (options.create_new(true).open(&partial).map_err(cannot)?, Some((partial, path_behind)))
        };
        Ok(Output { writer: Some(Box::new(BufWriter::with_capacity(1 << 16, file))), moved })
    }

    /// The writer, once.
    pub(crate) fn take(&mut self) -> Box<dyn Write + Send> {
        self.writer.take().unwrap_or_else(|| Box::new(io::sink()))
    }

    /// Puts the file in its place. The writer is flushed before.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if let Some((partial, path)) = self.moved.take() {
            fs::rename(&partial, &path)
                .map_err(|error| Failure(format!("cannot write `{}`: {error}", path.display())))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    /// What was not finished is removed.
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.moved {
            // It is ours, and nothing depends on its being gone.
            let _ = fs::remove_file(partial);
        }
    }
}

/// Whether two paths lead to one file, be it there or not.
pub(crate) fn is_same(left: &Path, right: &Path) -> bool {
    let whole = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    whole(left).zip(whole(right)).is_some_and(|(left, right)| left == right)
}
