//! Where lines come from, and under which contract and terms they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{Contract, Terms};

/// What a source is read under.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What its provider promises.
    pub contract: Arc<Contract>,
    /// What it is subscribed to, and how long it waits.
    pub terms: Terms,
}

impl Plan {
    /// The contract on its own terms.
    #[must_use]
    pub fn new(contract: Contract) -> Plan {
        let terms = Terms::new(&contract);
        Plan { contract: Arc::new(contract), terms }
    }
}

/// The sources that lines may come from.
#[derive(Clone, Debug)]
pub struct Sources {
    plans: Vec<Plan>,
    /// Plans of sources that were named.
    named: BTreeMap<String, usize>,
    /// The plan of sources that were not.
    other: Option<usize>,
    /// The source of lines that name none.
    unnamed: Option<String>,
}

/// A source that lines came from: a number, by order of first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SourceId(pub(crate) u32);

impl Sources {
    /// Any source, all of one provider. Lines that name none come from `unnamed`.
    #[must_use]
    pub fn all_of(plan: Plan, unnamed: String) -> Sources {
        Sources { plans: vec![plan], named: BTreeMap::new(), other: Some(0), unnamed: Some(unnamed) }
    }

    /// These sources, and no others but those of `other`, if there is such a plan. Lines that name
    /// no source come from `unnamed`; without one they are refused.
    #[must_use]
    pub fn named(named: Vec<(String, Plan)>, other: Option<Plan>, unnamed: Option<String>) -> Sources {
        let mut sources = Sources { plans: Vec::new(), named: BTreeMap::new(), other: None, unnamed };
        for (name, plan) in named {
            sources.named.insert(name, sources.plans.len());
            sources.plans.push(plan);
        }
        if let Some(plan) = other {
            sources.other = Some(sources.plans.len());
            sources.plans.push(plan);
        }
        sources
    }

    /// Every plan there is.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Names of sources that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().chain(&self.unnamed).map(String::as_str)
    }

    /// Every plan, to be changed, with the name of its source; of the plan that is for any source, that
    /// of lines which name none.
    pub fn plans_mut(&mut self) -> impl Iterator<Item = (Option<&str>, &mut Plan)> {
        let Sources { plans, named, unnamed, .. } = self;
        plans.iter_mut().enumerate().map(|(place, plan)| {
            let name = named.iter().find(|(_, of)| **of == place).map(|(name, _)| name);
            (name.or(unnamed.as_ref()).map(String::as_str), plan)
        })
    }

    /// The source of a line that names this one, or none, and the place of its plan.
    ///
    /// # Errors
    /// When there is no such source; the text says what to do.
    pub fn resolve<'n>(&'n self, name: Option<&'n str>) -> Result<(&'n str, usize), String> {
        let name = match (name, &self.unnamed) {
            (Some(name), _) => name,
            (None, Some(unnamed)) => unnamed,
            (None, None) => {
                return Err("the line names no source, and several are given: name one with --source NAME".into());
            }
        };
        let plan = self.named.get(name).copied().or(self.other);
        let plan = plan
            .ok_or_else(|| format!("the source `{name}` is not known: say what it is with --source {name}=PROVIDER"))?;
        Ok((name, plan))
    }
}

/// The sources that were met, numbered; shared by the threads of a fold.
#[derive(Debug, Default)]
pub(crate) struct Met {
    sources: Mutex<BTreeMap<String, (SourceId, usize)>>,
}

impl Met {
    fn number(&self, name: &str, plan: usize) -> SourceId {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, _)) = sources.get(name) {
            return *known;
        }
        // As many sources as sessions at the most, and those fit.
        let number = SourceId(sources.len() as u32);
        sources.insert(name.to_owned(), (number, plan));
        number
    }

    /// Names and plans, by number.
    pub(crate) fn into_list(self) -> Vec<(String, usize)> {
        let sources = self.sources.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = sources.into_iter().map(|(name, (number, plan))| (number, name, plan)).collect();
        list.sort_unstable_by_key(|(number, ..)| number.0);
        list.into_iter().map(|(_, name, plan)| (name, plan)).collect()
    }
}

/// One thread's way to sources: it asks the others only for names it has not met.
pub(crate) struct Resolver<'s> {
    sources: &'s Sources,
    met: &'s Met,
    known: RefCell<BTreeMap<Option<String>, (SourceId, usize)>>,
    /// The source of the line before, which is nearly always that of the next one.
    last: RefCell<Option<(Option<String>, SourceId, usize)>>,
}

impl<'s> Resolver<'s> {
    pub(crate) fn new(sources: &'s Sources, met: &'s Met) -> Resolver<'s> {
        Resolver { sources, met, known: RefCell::default(), last: RefCell::default() }
    }

    /// What a line that names this source, or none, comes from: with the number of its plan, and the
    /// contract.
    pub(crate) fn resolve(&self, name: Option<&str>) -> Result<(SourceId, u32, &'s Contract), String> {
        // There are as many plans as were given by hand.
        let of = |source, plan: usize| (source, plan as u32, &*self.sources.plans[plan].contract);
        if let Some((last, source, plan)) = &*self.last.borrow()
            && last.as_deref() == name
        {
            return Ok(of(*source, *plan));
        }
        let owned = name.map(str::to_owned);
        let known = self.known.borrow().get(&owned).copied();
        let (source, plan) = if let Some(known) = known {
            known
        } else {
            let (resolved, plan) = self.sources.resolve(name)?;
            let met = (self.met.number(resolved, plan), plan);
            self.known.borrow_mut().insert(owned.clone(), met);
            met
        };
        self.last.replace(Some((owned, source, plan)));
        Ok(of(source, plan))
    }
}
