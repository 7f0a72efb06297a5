//! The bytes of a file, in pages that copies of it share.

use std::sync::Arc;

/// What a disk writes as a whole, in bytes.
pub const PAGE: usize = 4096;

type Page = Arc<[u8; PAGE]>;

/// The bytes of a file. A page that was never written reads as zeros; a copy shares its
/// pages until one of the two is written to.
#[derive(Clone, Default)]
pub struct Pages {
    pages: Vec<Option<Page>>,
    size: u64,
}

impl Pages {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages a file of this size takes.
    pub fn count(size: u64) -> u64 {
        size.div_ceil(PAGE as u64)
    }

    /// What is there from `offset` on, at most `length` bytes.
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(length);
        let mut at = offset;
        while at < end {
            let (page, from) = place(at);
            let to = PAGE.min(from + (end - at) as usize);
            match self.page(page) {
                Some(page) => bytes.extend_from_slice(&page[from..to]),
                None => bytes.resize(bytes.len() + to - from, 0),
            }
            at += (to - from) as u64;
        }
        bytes
    }

    /// Writes, and grows where that is needed.
    pub fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        self.grow(offset + bytes.len() as u64);
        let mut at = offset;
        while !bytes.is_empty() {
            let (page, from) = place(at);
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE - from));
            self.page_to_write(page)[from..from + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            bytes = rest;
        }
    }

    /// Grows with zeros, or cuts off.
    pub fn resize(&mut self, size: u64) {
        if size >= self.size {
            return self.grow(size);
        }
        self.size = size;
        self.pages.truncate(Self::count(size) as usize);
        let (last, from) = place(size);
        if from > 0 && self.page(last).is_some_and(|page| page[from..].iter().any(|it| *it != 0)) {
            self.page_to_write(last)[from..].fill(0);
        }
    }

    fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
        self.pages.resize(Self::count(self.size) as usize, None);
    }

    /// The numbers of the pages that were written since `older` was a copy of this.
    pub fn newer_than<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = usize> + 'a {
        (0..self.pages.len()).filter(|number| match (self.page(*number), older.page(*number)) {
            (Some(page), Some(old)) => !Arc::ptr_eq(page, old),
            (None, None) => false,
            _ => true,
        })
    }

    /// Takes one page of another version of the file.
    pub fn take(&mut self, number: usize, other: &Self) {
        self.pages[number] = other.page(number).cloned();
    }

    fn page(&self, number: usize) -> Option<&Page> {
        self.pages.get(number)?.as_ref()
    }

    fn page_to_write(&mut self, number: usize) -> &mut [u8; PAGE] {
        Arc::make_mut(self.pages[number].get_or_insert_with(|| Arc::new([0; PAGE])))
    }
}

/// The page of a position, and the place in it.
fn place(at: u64) -> (usize, usize) {
    ((at / PAGE as u64) as usize, (at % PAGE as u64) as usize)
}
