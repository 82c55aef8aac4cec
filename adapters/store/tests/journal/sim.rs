//! A disk that fails: what is not synced may be lost in any part, and any call may err.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use finis_store::journal::{Access, Disk, DiskFile, LockError};

/// Written whole or not at all.
const SECTOR: usize = 512;

/// What happens at the nth call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It and everything after it fails: the machine is off.
    PowerCut,
    /// It fails, and what it was to write is half written; a sync loses what it was to sync.
    Eio,
    /// It fails for want of space, half written.
    Enospc,
}

#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<World>>);

#[derive(Clone, Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<(String, Option<usize>)>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
    capacity: Option<u64>,
    locked: bool,
    salt: u64,
}

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Sector(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Sector(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Change::Length(bytes) => to.resize(*bytes, 0),
        }
    }

    fn is_nothing(&self, of: &[u8]) -> bool {
        match self {
            Change::Sector(offset, bytes) => of.get(*offset..offset + bytes.len()) == Some(bytes),
            Change::Length(bytes) => of.len() == *bytes,
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    pub(crate) fn new() -> Sim {
        Sim(Arc::new(Mutex::new(World { salt: 0x5EED, ..World::default() })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The nth changing call from now on, from 0, goes wrong.
    pub(crate) fn fail_at(&self, nth: u64, fault: Fault) {
        let mut world = self.world();
        let at = world.calls + nth;
        world.fault = Some((at, fault));
    }

    pub(crate) fn no_faults(&self) {
        self.world().fault = None;
    }

    /// Whether the fault has happened.
    pub(crate) fn has_failed(&self) -> bool {
        let world = self.world();
        world.fault.is_some_and(|(at, _)| world.calls > at)
    }

    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity = bytes;
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.world().used()
    }

    /// The machine after a power cut, in every state that it may be in; of more than `most` states,
    /// some, by the seed.
    pub(crate) fn crashed(&self, most: usize, seed: u64) -> Vec<Sim> {
        let world = self.world();
        let sizes: usize = world.inodes.iter().map(|inode| inode.changes().count()).sum();
        let mut random = seed | 1;
        let mut masks: Vec<Option<u64>> = Vec::new(); // nothing: at random
        if sizes < 20 && (1_usize << sizes) <= most {
            masks.extend((0..1_u64 << sizes).map(Some));
        } else {
            masks.extend([Some(0), Some(u64::MAX)]);
            masks.extend((0..sizes.min(60)).map(|lost| Some(!(1_u64 << lost))));
            masks.extend((0..sizes.min(60)).map(|kept| Some(1_u64 << kept)));
            masks.truncate(most);
            masks.resize(most, None);
        }
        let mut states = Vec::new();
        for prefix in 0..=world.pending_names.len() {
            for mask in &masks {
                states.push(world.after_crash(prefix, |index| match mask {
                    Some(mask) => mask >> index.min(63) & 1 == 1,
                    None => next(&mut random) & 1 == 1,
                }));
            }
        }
        states.into_iter().map(|world| Sim(Arc::new(Mutex::new(world)))).collect()
    }

    fn change(&self, what: impl FnOnce(&mut World, Option<Fault>) -> io::Result<()>) -> io::Result<()> {
        let mut world = self.world();
        if world.off {
            return Err(io::Error::other("the power is off"));
        }
        let fault = world.fault.filter(|(at, _)| *at == world.calls).map(|(_, fault)| fault);
        world.calls += 1;
        let result = what(&mut world, fault);
        match fault {
            None => result,
            Some(Fault::PowerCut) => {
                world.off = true;
                Err(io::Error::other("the power is off"))
            }
            Some(Fault::Eio) => Err(io::Error::other("injected")),
            Some(Fault::Enospc) => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

pub(crate) fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random >> 17
}

impl Inode {
    /// Changes that would be seen if they were lost.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.pending.iter().filter(|change| !change.is_nothing(&self.durable))
    }
}

impl World {
    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].seen.len() as u64).sum()
    }

    fn after_crash(&self, names: usize, mut kept: impl FnMut(usize) -> bool) -> World {
        let mut world = World { salt: self.salt, durable_names: self.durable_names.clone(), ..World::default() };
        for (name, inode) in &self.pending_names[..names] {
            world.durable_names.remove(name);
            if let Some(inode) = inode {
                world.durable_names.insert(name.clone(), *inode);
            }
        }
        let mut index = 0;
        for inode in &self.inodes {
            let mut durable = inode.durable.clone();
            for change in inode.changes() {
                if kept(index) {
                    change.apply(&mut durable);
                }
                index += 1;
            }
            world.inodes.push(Inode { seen: durable.clone(), durable, pending: Vec::new() });
        }
        world.names = world.durable_names.clone();
        world
    }

    fn name(&mut self, name: &str, inode: Option<usize>) {
        self.names.remove(name);
        if let Some(inode) = inode {
            self.names.insert(name.to_owned(), inode);
        }
        self.pending_names.push((name.to_owned(), inode));
    }

    fn room(&self, inode: usize, end: usize) -> bool {
        let more = end.saturating_sub(self.inodes[inode].seen.len()) as u64;
        self.capacity.is_none_or(|capacity| self.used() + more <= capacity)
    }

    fn write(&mut self, inode: usize, bytes: &[u8], offset: usize) -> io::Result<()> {
        if !self.room(inode, offset + bytes.len()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = &mut self.inodes[inode];
        Change::Sector(offset, bytes.to_vec()).apply(&mut file.seen);
        let mut at = offset;
        while at < offset + bytes.len() {
            let end = (at / SECTOR + 1) * SECTOR;
            let end = end.min(offset + bytes.len());
            file.pending.push(Change::Sector(at, bytes[at - offset..end - offset].to_vec()));
            at = end;
        }
        Ok(())
    }

    fn length(&mut self, inode: usize, bytes: usize) -> io::Result<()> {
        if !self.room(inode, bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let change = Change::Length(bytes);
        let file = &mut self.inodes[inode];
        change.apply(&mut file.seen);
        file.pending.push(change);
        Ok(())
    }
}

impl Disk for Sim {
    fn name(&self) -> String {
        "sim".to_owned()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.world().names.keys().cloned().collect())
    }

    fn open(&self, name: &str, _: Access) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.world().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { sim: self.clone(), inode }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.change(|world, fault| {
            if fault.is_none() || fault == Some(Fault::PowerCut) {
                // In place of what was there: a new file, which is a little kinder than truncating.
                world.inodes.push(Inode::default());
                let inode = world.inodes.len() - 1;
                world.name(name, Some(inode));
            }
            Ok(())
        })?;
        self.open(name, Access::Write)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|world, fault| {
            if fault.is_none() || fault == Some(Fault::PowerCut) {
                let inode = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
                world.name(to, Some(inode));
                world.name(from, None);
            }
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|world, fault| {
            if !world.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if fault.is_none() || fault == Some(Fault::PowerCut) {
                world.name(name, None);
            }
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.change(|world, fault| {
            if fault.is_none() {
                world.pending_names.clear();
                world.durable_names = world.names.clone();
            }
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.world();
        Ok(world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(world.used())))
    }

    fn lock(&self, _: &str) -> Result<Box<dyn Any + Send>, LockError> {
        let mut world = self.world();
        if world.locked {
            return Err(LockError::Held { pid: Some(4711) });
        }
        world.locked = true;
        Ok(Box::new(Unlock(self.clone())))
    }

    fn salt(&self) -> io::Result<u64> {
        Ok(self.world().salt)
    }
}

struct Unlock(Sim);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.world().locked = false;
    }
}

#[derive(Debug)]
struct SimFile {
    sim: Sim,
    inode: usize,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.sim.world().inodes[self.inode].seen.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.sim.world();
        let from = world.inodes[self.inode].seen.get(offset as usize..).unwrap_or_default();
        // In pieces, as a disk may.
        let length = into.len().min(from.len()).min(10_000);
        into[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.sim.change(|world, fault| {
            let written = match fault {
                None | Some(Fault::PowerCut) => bytes,
                // In whole sectors: a page is written to, or not.
                Some(_) => &bytes[..bytes.len() / 2 / SECTOR * SECTOR],
            };
            world.write(self.inode, written, offset as usize)
        })
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.sim.change(|world, fault| match fault {
            None | Some(Fault::PowerCut) => world.length(self.inode, bytes as usize),
            Some(_) => Ok(()),
        })
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        if self.length()? >= bytes { Ok(()) } else { self.set_length(bytes) }
    }

    fn sync(&self) -> io::Result<()> {
        self.sim.change(|world, fault| {
            let calls = world.calls;
            let file = &mut world.inodes[self.inode];
            match fault {
                None => {
                    file.pending.clear();
                    file.durable.clone_from(&file.seen);
                }
                Some(Fault::PowerCut) => {}
                // As kernels do it: pages count as clean after a failed sync, and are read from memory.
                Some(_) => {
                    for (index, change) in std::mem::take(&mut file.pending).into_iter().enumerate() {
                        if (calls as usize + index).is_multiple_of(3) {
                            change.apply(&mut file.durable);
                        }
                    }
                }
            }
            Ok(())
        })
    }
}
