//! Something for some values of a graph: an array where most have it, a table where few do.

use hashbrown::HashMap;

use super::Val;

/// A map from values: dense between two of them, sparse elsewhere.
pub struct Slots<T> {
    first: u32,
    dense: Vec<Option<T>>,
    sparse: HashMap<Val, T>,
}

impl<T> Slots<T> {
    /// Dense for `len` values from `first` on.
    pub fn dense(first: Val, len: usize) -> Slots<T> {
        Slots { first: first.0, dense: (0..len).map(|_| None).collect(), sparse: HashMap::new() }
    }

    pub fn sparse() -> Slots<T> {
        Slots { first: 0, dense: Vec::new(), sparse: HashMap::new() }
    }

    pub fn get(&self, val: Val) -> Option<&T> {
        match self.place(val) {
            Some(place) => self.dense[place].as_ref(),
            None => self.sparse.get(&val),
        }
    }

    pub fn insert(&mut self, val: Val, item: T) {
        match self.place(val) {
            Some(place) => self.dense[place] = Some(item),
            None => {
                self.sparse.insert(val, item);
            }
        }
    }

    pub fn remove(&mut self, val: Val) -> Option<T> {
        match self.place(val) {
            Some(place) => self.dense[place].take(),
            None => self.sparse.remove(&val),
        }
    }

    /// The values that have something, ascending.
    pub fn keys(&self) -> Vec<Val> {
        let dense = (self.first..).zip(&self.dense).filter(|(_, item)| item.is_some()).map(|(index, _)| Val(index));
        let mut keys: Vec<Val> = dense.chain(self.sparse.keys().copied()).collect();
        keys.sort_unstable();
        keys
    }

    fn place(&self, val: Val) -> Option<usize> {
        let place = val.0.checked_sub(self.first)? as usize;
        (place < self.dense.len()).then_some(place)
    }
}
