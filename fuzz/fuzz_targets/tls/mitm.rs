//! A man in the middle, which changes records in transit according to the input.

use std::collections::VecDeque;

use super::wire::Wire;

/// The bytes of one change.
const LEN: usize = 6;

/// A record that has been doubled so often is not made longer: that memory would be of this
/// program.
const TOO_LONG: usize = 4096;

/// What is done to a record.
#[derive(Debug, Clone)]
struct Change {
    /// Which one, counted from the first; for both directions.
    record: usize,
    kind: u8,
    at: usize,
    value: u8,
    more: u8,
}

impl Change {
    fn parse(bytes: &[u8; LEN]) -> Self {
        let [record, kind, high, low, value, more] = *bytes;
        Self {
            record: usize::from(record),
            kind: kind % 12,
            at: usize::from(u16::from_be_bytes([high, low])),
            value,
            more,
        }
    }

    /// How a record is forwarded.
    fn apply(&self, mut record: Vec<u8>, later: &mut Option<Vec<u8>>, cut: &mut bool) -> Vec<u8> {
        let at = self.at % record.len();
        match self.kind {
            // A byte is another one.
            0 => record[at] ^= self.value.max(1),
            1 => record[at] = self.value,
            // The header has another length or type.
            2 => {
                let header = record.len().min(5);
                record[usize::from(self.more) % header] = self.value;
            }
            // A part is missing, or too much.
            3 => record.truncate(at),
            4 => {
                record.drain(at..record.len().min(at + 1 + usize::from(self.value)));
            }
            5 => {
                let many = vec![self.value; usize::from(self.more)];
                record.splice(at..at, many);
            }
            // The record is missing, comes twice, or after the next one.
            6 => record.clear(),
            7 if record.len() < TOO_LONG => record.extend_from_within(..),
            8 => {
                let before = later.replace(record);
                record = before.unwrap_or_default();
            }
            // Another record comes before it: of another kind, with other contents, in plain text.
            9 => {
                let len = usize::from(self.more % 64);
                let mut other = vec![20 + self.value % 6, 3, 3, 0, len as u8];
                other.extend((0..len).map(|i| (self.at >> (i % 2 * 8)) as u8));
                other.append(&mut record);
                record = other;
            }
            // It comes as two, if it is in plain text as a message in parts.
            10 if record.len() > 6 => {
                let at = 5 + at % (record.len() - 5);
                let rest = record.split_off(at);
                let len = |bytes: usize| (bytes as u16).to_be_bytes();
                let mut second = record[..3].to_vec();
                second.extend(len(rest.len()));
                second.extend(rest);
                let first = len(record.len() - 5);
                record[3..5].copy_from_slice(&first);
                record.extend(second);
            }
            // All is over after a part of it.
            11 => {
                record.truncate(at);
                *cut = true;
            }
            _ => {}
        }
        record
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    changes: Vec<Change>,
    /// The beginning of a record.
    part: Vec<u8>,
    later: Option<Vec<u8>>,
    count: usize,
    cut: bool,
}

impl Way {
    /// Forwards what has been written, and the end.
    fn carry(&mut self, from: &Wire, to: &Wire) -> bool {
        let (written, goes_on) = from.take();
        let moves = !written.is_empty();
        self.part.extend(written);
        while let Some(record) = self.next() {
            let number = self.count;
            self.count += 1;
            let mut record = record;
            for change in self.changes.iter().filter(|it| it.record == number) {
                if !record.is_empty() {
                    record = change.apply(record, &mut self.later, &mut self.cut);
                }
            }
            if self.cut {
                to.put(&record);
                to.end();
                return moves;
            }
            to.put(&record);
            if !self
                .changes
                .iter()
                .any(|it| it.record == number && it.kind == 8)
            {
                to.put(&self.later.take().unwrap_or_default());
            }
        }
        if !goes_on {
            to.end();
        }
        moves
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let &[_, _, _, high, low, ..] = &self.part[..] else {
            return None;
        };
        let len = 5 + usize::from(u16::from_be_bytes([high, low]));
        if self.part.len() < len || self.cut {
            return None;
        }
        let rest = self.part.split_off(len);
        Some(std::mem::replace(&mut self.part, rest))
    }
}

/// Both directions.
#[derive(Debug, Default)]
pub struct Middle {
    to_server: Way,
    to_client: Way,
}

impl Middle {
    pub fn new(input: &[u8]) -> Self {
        let mut this = Self::default();
        let changes: VecDeque<_> = input.as_chunks().0.iter().map(Change::parse).collect();
        for mut change in changes {
            let way = match change.record & 0x80 {
                0 => &mut this.to_server,
                _ => &mut this.to_client,
            };
            change.record &= 0x7f;
            way.changes.push(change);
        }
        this
    }

    /// Whether everything goes as it is.
    pub fn is_passive(&self) -> bool {
        self.to_server.changes.is_empty() && self.to_client.changes.is_empty()
    }

    pub fn carry(&mut self, client: &Wire, server: &Wire) -> bool {
        let there = self.to_server.carry(client, server);
        self.to_client.carry(server, client) || there
    }
}
