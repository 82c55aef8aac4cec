//! Paths into a payload, and all paths of a contract as one tree, so that one walk finds them all.

use std::fmt;

/// A JSON Pointer (RFC 6901), as `/data/sessionId`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(String);

impl Pointer {
    /// Reads a pointer; the problem, in words, when it is none.
    ///
    /// # Errors
    /// When the text does not start with `/`, or `~` is not followed by `0` or `1`.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        if text.is_empty() {
            return Err("it is empty: write a JSON Pointer, as `/sessionId`".to_owned());
        }
        if !text.starts_with('/') {
            let meant = text.replace('.', "/");
            return Err(format!("`{text}` is not a JSON Pointer: write it with a leading `/`, as `/{meant}`"));
        }
        let sound = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !sound {
            return Err(format!("`{text}` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)"));
        }
        Ok(Pointer(text.to_owned()))
    }

    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Keys on the way, outermost first, unescaped.
    pub fn tokens(&self) -> impl Iterator<Item = String> + '_ {
        self.0.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
    }

    /// Whether this is `other` or leads to something inside it.
    #[must_use]
    pub fn is_within(&self, other: &Pointer) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of a path among those of a contract.
pub(crate) type Slot = u16;

/// A tree of paths. The root is place 0.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    branches: Vec<Branch>,
    slots: usize,
}

#[derive(Clone, Debug, Default)]
struct Branch {
    children: Vec<Child>,
    /// Places of the children, plus one, by the hash of their prefix; then by the next free place.
    /// A power of two of them, at least twice as many as children.
    table: Vec<u16>,
    slot: Option<Slot>,
    /// What is here is no part of the identity.
    volatile: bool,
}

#[derive(Clone, Debug)]
struct Child {
    /// See [`prefix`]: nearly all keys that differ differ here already.
    prefix: u64,
    key: Box<[u8]>,
    branch: u16,
}

/// The first eight bytes of a key as a number that sorts as they do.
pub(crate) fn prefix(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    key.iter().zip(0..).fold(0, |prefix, (byte, place)| prefix | u64::from(*byte) << (56 - 8 * place))
}

/// Where in a table of this many places the search for a prefix begins.
fn home(prefix: u64, places: usize) -> usize {
    let spread = prefix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    spread as usize & places.wrapping_sub(1)
}

impl Branch {
    fn add(&mut self, child: Child) {
        self.children.push(child);
        let places = (self.children.len() * 2).next_power_of_two();
        self.table = vec![0; places];
        for (child, place) in self.children.iter().zip(1..) {
            let mut at = home(child.prefix, places);
            while self.table[at] > 0 {
                at = (at + 1) & (places - 1);
            }
            self.table[at] = place;
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Paths { branches: vec![Branch::default()], slots: 0 }
    }
}

impl Paths {
    /// The slot of a path; the same path has the same slot.
    pub(crate) fn slot(&mut self, pointer: &Pointer) -> Slot {
        let place = self.grow(pointer);
        let next = self.slots as Slot;
        let slot = *self.branches[place].slot.get_or_insert(next);
        self.slots = self.slots.max(usize::from(slot) + 1);
        slot
    }

    /// Leaves what is at a path out of the identity.
    pub(crate) fn set_volatile(&mut self, pointer: &Pointer) {
        let place = self.grow(pointer);
        self.branches[place].volatile = true;
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// The branch for a key below `branch`.
    #[inline]
    pub(crate) fn child(&self, branch: u16, prefix: u64, key: &[u8]) -> Option<u16> {
        let Branch { children, table, .. } = &self.branches[usize::from(branch)];
        let mut at = home(prefix, table.len());
        while let Some(place) = table.get(at).filter(|place| **place > 0) {
            let child = &children[usize::from(*place) - 1];
            if child.prefix == prefix && *child.key == *key {
                return Some(child.branch);
            }
            at = (at + 1) & (table.len() - 1);
        }
        None
    }

    pub(crate) fn has_children(&self, branch: u16) -> bool {
        !self.branches[usize::from(branch)].children.is_empty()
    }

    pub(crate) fn slot_at(&self, branch: u16) -> Option<Slot> {
        self.branches[usize::from(branch)].slot
    }

    pub(crate) fn is_volatile(&self, branch: u16) -> bool {
        self.branches[usize::from(branch)].volatile
    }

    fn grow(&mut self, pointer: &Pointer) -> usize {
        let mut place = 0;
        for token in pointer.tokens() {
            let known = self.child(place as u16, prefix(token.as_bytes()), token.as_bytes());
            place = known.map_or_else(
                || {
                    // Contracts bound their paths far below 65,536.
                    let child = self.branches.len();
                    self.branches.push(Branch::default());
                    let (prefix, branch) = (prefix(token.as_bytes()), child as u16);
                    self.branches[place].add(Child { prefix, key: token.into_bytes().into(), branch });
                    child
                },
                usize::from,
            );
        }
        place
    }
}
