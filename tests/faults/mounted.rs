//! File systems of our own: small, made for a test, gone after it, and their power.
//!
//! They need root, loop devices and the tools of the file system; [`Mounted::new`] says what is not
//! there. A power cut is what the kernel calls a shutdown of the file system, as xfstests do it: from
//! then on nothing reaches the disk, not even what its journal holds. That is a disk without a cache
//! of its own, and nothing else is.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::PATIENCE;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
    /// In memory, for what has no power to lose.
    Tmpfs,
}

/// A file system that is mounted. Dropped, it is unmounted, whatever happened.
pub(crate) struct Mounted {
    kind: Kind,
    folder: tempfile::TempDir,
    in_place: bool,
}

impl Mounted {
    /// Makes a file system of so many bytes and mounts it; or why that cannot be.
    pub(crate) fn new(kind: Kind, bytes: u64) -> Result<Mounted, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mounted = Mounted { kind, folder, in_place: false };
        std::fs::create_dir(mounted.path()).map_err(|error| error.to_string())?;
        if kind == Kind::Tmpfs {
            run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "finis", &text(&mounted.path())])?;
            mounted.in_place = true;
            return Ok(mounted);
        }
        let image = mounted.image();
        File::create(&image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        match kind {
            Kind::Ext4 => run("mkfs.ext4", &["-q", "-F", &text(&image)])?,
            _ => run("mkfs.xfs", &["-q", "-f", &text(&image)])?,
        }
        mounted.mount()?;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", &text(&self.image()), &text(&self.path())])?;
        self.in_place = true;
        Ok(())
    }

    /// Somebody with a hand on the switch.
    pub(crate) fn switch(&self) -> Result<Switch, String> {
        // The ioctl is EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN, with NOLOGFLUSH. There is no safe way to
        // it in Rust.
        let shutdown = "import fcntl, os, struct, sys\n\
                        mounted = os.open(sys.argv[1], os.O_RDONLY)\n\
                        print('ready', flush=True)\n\
                        if sys.stdin.readline():\n    \
                            fcntl.ioctl(mounted, 0x8004587d, struct.pack('I', 2))\n    \
                            print('cut', flush=True)";
        let mut command = Command::new("python3");
        command.args(["-c", shutdown, &text(&self.path())]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = command.spawn().map_err(|error| format!("`python3` does not run: {error}"))?;
        let answers = python.stdout.take().map(BufReader::new).ok_or("`python3` has no output")?;
        let mut switch = Switch { python, answers };
        switch.hears("ready")?;
        Ok(switch)
    }

    /// Gives the power back: unmounts, and mounts what is on the disk.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }

    /// Whoever had a file open may still be about to close it.
    fn unmount(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while self.in_place {
            match run("umount", &[&text(&self.path())]) {
                Ok(()) => self.in_place = false,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        Ok(())
    }

    /// Whether the file system itself is sound, by its own tool. It must not be mounted any more.
    pub(crate) fn verify(mut self) -> Result<(), String> {
        self.unmount()?;
        let image = text(&self.image());
        match self.kind {
            Kind::Ext4 => run("e2fsck", &["-f", "-n", &image]),
            Kind::Xfs => run("xfs_repair", &["-n", "-f", &image]),
            Kind::Tmpfs => Ok(()),
        }
    }
}

/// Cuts the power of a file system, at once when it is told to.
pub(crate) struct Switch {
    python: Child,
    answers: BufReader<ChildStdout>,
}

impl Switch {
    /// Cuts the power: what is not durable now never is, and every write fails.
    pub(crate) fn cut(mut self) -> Result<(), String> {
        let told = self.python.stdin.take().ok_or("no input")?.write_all(b"now\n");
        told.map_err(|error| error.to_string())?;
        self.hears("cut")
    }

    fn hears(&mut self, word: &str) -> Result<(), String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(_) if line.trim() == word => Ok(()),
            _ => Err(format!("the file system cannot be shut down: not `{word}` but `{}`", line.trim())),
        }
    }
}

/// It lets go of the file system.
impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.python.stdin.take());
        let _ = self.python.wait();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // In vain when somebody still has a file open; it then goes with its last.
        if self.in_place && run("umount", &[&text(&self.path())]).is_err() {
            let _ = run("umount", &["-l", &text(&self.path())]);
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of a test").to_owned()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Err(error) => Err(format!("`{program}` does not run: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let words = String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
            Err(format!("`{program}`: {}", words.trim()))
        }
    }
}
