//! Makes a dictionary for bodies: `cargo run --release -p finis-store --example train -- OUT FOLDER…`.
//!
//! The samples are the lines of all files in the folders that begin with `{`: payloads, deliveries and
//! records, as the fixtures have them. A dictionary that was shipped is never made again: what was written
//! with it is read with it.

use std::fs;
use std::path::Path;

/// Bytes of the dictionary.
const BYTES: usize = 16 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let out = arguments.next().ok_or("name the file to write, then folders with samples")?;
    let mut samples = Vec::new();
    for folder in arguments {
        collect(Path::new(&folder), &mut samples)?;
    }
    // So that it does not hang on the order of a folder.
    samples.sort_unstable();
    samples.dedup();
    let dictionary = zstd::dict::from_samples(&samples, BYTES)?;
    fs::write(out, &dictionary)?;
    println!("{} bytes of {} samples", dictionary.len(), samples.len());
    Ok(())
}

fn collect(folder: &Path, samples: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, samples)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
        samples.extend(lines.filter(|line| (60..4000).contains(&line.len())).map(<[u8]>::to_vec));
    }
    Ok(())
}
