//! Reading by comparing: lines whose outline is known.

use super::values::Values;
use crate::bytes::begins_with;
use crate::contract::draft::TimeFormat;

/// Ways to go on after one value that are learned. Keys that are data, as in a map by phone number,
/// would come to any number of them.
const BRANCHES_MAX: usize = 16;

/// Texts that are learned in all.
const NODES_MAX: usize = 4096;

/// Bytes of the longest of them.
const TEXT_BYTES_MAX: usize = 4096;

/// Everything that may stand between the values of lines, as a tree: after each text a value, after
/// the value one of several texts. Who follows it to a leaf has read the whole line.
#[derive(Debug, Default)]
pub(super) struct Outlines {
    roots: Vec<u32>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Node {
    text: Box<[u8]>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    Value {
        depth: usize,
        texts: Vec<u32>,
    },
    /// The line ends, and this is the leaf.
    End(u32),
}

/// A text of an outline that is to be learned.
pub(super) struct Text {
    pub(super) bytes: Box<[u8]>,
    pub(super) then: At,
}

/// What comes after a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A value in which so many containers may open.
    Value {
        depth: usize,
    },
    End,
}

/// What a line of a known outline holds. Values are numbered as they stand in the line.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) form: u32,
    /// The values of the identity, in the order of the canonical form.
    pub(super) order: Vec<usize>,
    pub(super) id: usize,
    pub(super) at: Option<usize>,
    pub(super) received_at: Option<usize>,
    /// These must be objects.
    pub(super) objects: Vec<usize>,
    pub(super) format: TimeFormat,
}

impl Outlines {
    /// Follows a line to its leaf, and finds its values on the way. Nothing when no outline that was
    /// learned fits, or the line is not sound.
    pub(super) fn follow(&self, line: &str, values: &mut Values) -> Option<u32> {
        values.start(self.nodes.len());
        let bytes = line.as_bytes();
        let mut rest = bytes;
        let mut texts = &self.roots;
        loop {
            let fits = |place: &&u32| begins_with(rest, &self.nodes[**place as usize].text);
            let number = *texts.iter().find(fits)? as usize;
            let node = &self.nodes[number];
            rest = &rest[node.text.len()..];
            match &node.then {
                Then::End(leaf) => return rest.is_empty().then_some(*leaf),
                Then::Value { depth, texts: next } => {
                    let end = values.read(line, bytes.len() - rest.len(), *depth, number)?;
                    rest = &bytes[end..];
                    texts = next;
                }
            }
        }
    }

    pub(super) fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    /// Learns an outline, which then has the next number; `false` when it is known, or there is no more
    /// room for it.
    pub(super) fn learn(&mut self, texts: Vec<Text>, leaf: impl FnOnce() -> Leaf) -> bool {
        let fits = texts.iter().all(|text| text.bytes.len() <= TEXT_BYTES_MAX);
        if !fits || self.nodes.len() + texts.len() > NODES_MAX {
            return false;
        }
        let mut parent = None;
        let mut is_new = false;
        for text in texts {
            let siblings = match parent {
                None => &self.roots,
                Some(parent) => self.texts_after(parent),
            };
            let same = |place: &&u32| {
                let node = &self.nodes[**place as usize];
                node.text == text.bytes && node.then.at() == text.then
            };
            let known = siblings.iter().find(same).copied();
            let (full, number) = (siblings.len() >= BRANCHES_MAX, self.nodes.len() as u32);
            is_new = known.is_none();
            parent = Some(match known {
                Some(known) => known,
                None if full => return false,
                None => {
                    let then = match text.then {
                        At::Value { depth } => Then::Value { depth, texts: Vec::new() },
                        At::End => Then::End(self.leaves.len() as u32),
                    };
                    self.nodes.push(Node { text: text.bytes, then });
                    self.add(parent, number);
                    number
                }
            });
        }
        if is_new {
            self.leaves.push(leaf());
        }
        is_new
    }

    fn texts_after(&self, node: u32) -> &Vec<u32> {
        match &self.nodes[node as usize].then {
            Then::Value { texts, .. } => texts,
            // Nothing comes after an end; the roots are as good as nothing.
            Then::End(_) => &self.roots,
        }
    }

    /// Adds a node after another, or as a root: longer texts first, so that none hides behind its
    /// own beginning.
    fn add(&mut self, parent: Option<u32>, number: u32) {
        let length = |place: u32| self.nodes[place as usize].text.len();
        let mut siblings = match parent {
            None => self.roots.clone(),
            Some(parent) => self.texts_after(parent).clone(),
        };
        let at = siblings.partition_point(|sibling| length(*sibling) >= length(number));
        siblings.insert(at, number);
        match parent.map(|parent| &mut self.nodes[parent as usize].then) {
            None => self.roots = siblings,
            Some(Then::Value { texts, .. }) => *texts = siblings,
            Some(Then::End(_)) => {}
        }
    }
}

impl Then {
    fn at(&self) -> At {
        match self {
            Then::Value { depth, .. } => At::Value { depth: *depth },
            Then::End(_) => At::End,
        }
    }
}
