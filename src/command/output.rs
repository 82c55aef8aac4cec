//! Files that are whole or not there: written beside their place, and moved in when done.

use std::fs::{self, File};
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
        let same = |input: &&PathBuf| {
            fs::canonicalize(input).ok().zip(fs::canonicalize(path).ok()).is_some_and(|(a, b)| a == b)
        };
        if let Some(input) = inputs.iter().find(same) {
            let (path, input) = (path.display(), input.display());
            return Err(Failure(format!("`{path}` is the export `{input}` itself: write to another file")));
        }
        let cannot = |error: io::Error| Failure(format!("cannot write `{}`: {error}", path.display()));
        let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(if special { path } else { &partial }).map_err(cannot)?;
        let moved = (!special).then(|| (partial, path.to_owned()));
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
