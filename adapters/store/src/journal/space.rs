//! Space: a journal stops before the disk is full, and keeps a reserve to come back with.

use super::disk::{Access, Disk};
use super::error::{IoFault, JournalError};
use super::layout::BALLAST_FILE;
use super::writer::Settings;
use crate::crash::crash_point;

/// What a commit may take of the space that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// What need not stay free.
    Spare,
    /// All there is, and the reserve when that is not enough: for a commit after which there is more room.
    Reserve,
}

/// What a journal leaves free.
#[derive(Debug)]
pub(super) struct Space {
    free_bytes_min: u64,
    reserve_bytes: u64,
    held: bool,
}

impl Space {
    pub(super) fn new(free_bytes_min: u64, reserve_bytes: u64) -> Space {
        Space { free_bytes_min, reserve_bytes, held: false }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Makes the reserve, if it is not there and the disk has room for it. That it has none is no
    /// error: a full disk is when a journal must open, and appends are refused then anyhow.
    pub(super) fn hold(&mut self, disk: &dyn Disk) -> Result<bool, IoFault> {
        if self.held || self.reserve_bytes == 0 {
            return Ok(self.held);
        }
        let length = disk.open(BALLAST_FILE, Access::Read).and_then(|file| file.length()).unwrap_or(0);
        if length == self.reserve_bytes {
            self.held = true;
            return Ok(true);
        }
        let free = disk.free_bytes().map_err(IoFault::to("measure", ""))?;
        if free < self.reserve_bytes.saturating_add(self.free_bytes_min) {
            return Ok(false);
        }
        let made = disk.create(BALLAST_FILE);
        crash_point!("reserve.made");
        let made = made.and_then(|file| file.reserve(self.reserve_bytes));
        crash_point!("reserve.taken");
        if made.is_err() {
            // Somebody was faster in taking the space. What was taken of it goes back.
            let _ = disk.remove(BALLAST_FILE);
        }
        self.held = made.is_ok();
        Ok(self.held)
    }

    /// Gives the reserve back to the disk. Appends do not get it: what they leave free grows by as
    /// much.
    pub(super) fn release(&mut self, disk: &dyn Disk) -> Result<(), IoFault> {
        match disk.remove(BALLAST_FILE) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(IoFault::to("remove", BALLAST_FILE)(error));
            }
            _ => self.held = false,
        }
        Ok(())
    }

    /// Refuses when writing `bytes` more would leave less than must stay free.
    pub(super) fn check(&mut self, disk: &dyn Disk, bytes: u64, room: Room) -> Result<(), JournalError> {
        if self.free_bytes_min == 0 && self.reserve_bytes == 0 {
            return Ok(());
        }
        let owed = if self.held { 0 } else { self.reserve_bytes };
        let needed = match room {
            Room::Spare => self.free_bytes_min.saturating_add(owed).saturating_add(bytes),
            Room::Reserve => bytes,
        };
        let mut free = disk.free_bytes().map_err(IoFault::to("measure", ""))?;
        if free < needed && room == Room::Reserve && self.held {
            self.release(disk)?;
            free = disk.free_bytes().map_err(IoFault::to("measure", ""))?;
        }
        if free < needed { Err(JournalError::Full { free, needed }) } else { Ok(()) }
    }
}

/// Gives the reserve back to a disk that is too full to open on: somebody took what was left free. Whether
/// there was any. Nobody else may have the journal open.
pub(crate) fn release_to_open(disk: &dyn Disk, settings: &Settings) -> Result<bool, IoFault> {
    let free = disk.free_bytes().map_err(IoFault::to("measure", ""))?;
    if free >= settings.free_bytes_min.max(settings.reserve_bytes) {
        return Ok(false);
    }
    match disk.remove(BALLAST_FILE) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(IoFault::to("remove", BALLAST_FILE)(error)),
    }
}
