//! What the system says of this process and of a folder.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::Failure;

/// Processor time of this process so far, of all its threads, in user space and in the kernel.
pub(crate) fn processor_time() -> Result<Duration, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros as u64))
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// What it has.
    pub(crate) now: u64,
    /// The most it had, since it began or since [`forget_peak`].
    pub(crate) peak: u64,
}

pub(crate) fn memory() -> Result<Memory, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
        Ok::<u64, Failure>(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok(Memory { now: kib("VmRSS:")? << 10, peak: kib("VmHWM:")? << 10 })
}

/// From now on, the peak is the most that it has from now on.
pub(crate) fn forget_peak() -> Result<(), Failure> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

/// A folder for stores, in this one or in the system's for such things; it goes when dropped.
pub(crate) fn scratch(within: Option<&Path>) -> Result<TempDir, Failure> {
    let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
    let scratch = tempfile::Builder::new().prefix("finis-bench-stores-").tempdir_in(&within)?;
    if statfs(scratch.path())?.filesystem_type() == TMPFS_MAGIC {
        return Err(format!("`{}` is in memory, where a sync costs nothing: name a --dir", within.display()).into());
    }
    Ok(scratch)
}

/// Bytes of a folder.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Disk {
    /// Blocks that its files take.
    pub(crate) blocks: u64,
    /// Lengths of its files. Longer than the blocks, where a file has holes.
    pub(crate) lengths: u64,
}

/// Files with this name are counted as nothing.
pub(crate) fn disk(folder: &Path, but: &str) -> Result<Disk, Failure> {
    let mut disk = Disk::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let within = self::disk(&entry.path(), but)?;
            disk.blocks += within.blocks;
            disk.lengths += within.lengths;
        } else if entry.file_name() != but {
            disk.blocks += metadata.blocks() * 512;
            disk.lengths += metadata.len();
        }
    }
    Ok(disk)
}

/// Of sorted times, the one that so many of a hundred do not exceed.
pub(crate) fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let place = sorted.len() * share / 100;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle one; of an even number, the greater of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
