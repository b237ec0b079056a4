//! What two ends of a connection do, and what each of them has received.

use std::{io, sync::LazyLock};

/// How much goes in each direction that has data: more than the buffers of a record, and of a
/// socket that is not read.
pub(super) const SIZE: usize = 300_000;

/// What the end that reads sends after a half-close.
const REPLY: usize = 1000;

/// How much is written at once where both directions have data: less than a socket takes that is
/// not read.
const PIECE: usize = 16_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the server.
    Upload,
    Download,
    Both,
}

/// How the sender of the data ends; the client, where both send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It closes the connection, and reads nothing before.
    Close,
    /// It sends close_notify, and waits for that of the peer.
    Bye,
    /// It shuts down writing, and reads an answer.
    HalfClose,
    /// Its socket is closed without close_notify, as when its process is killed.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) direction: Direction,
    pub(super) ending: Ending,
    pub(super) size: usize,
}

pub(super) const DIRECTIONS: [Direction; 3] =
    [Direction::Upload, Direction::Download, Direction::Both];
pub(super) const ENDINGS: [Ending; 4] =
    [Ending::Close, Ending::Bye, Ending::HalfClose, Ending::Kill];

impl Plan {
    pub(super) const fn new(direction: Direction, ending: Ending) -> Self {
        Self {
            direction,
            ending,
            size: SIZE,
        }
    }

    /// A connection that leaves a session to be resumed.
    pub(super) const fn first() -> Self {
        Self {
            size: 1,
            ..Self::new(Direction::Both, Ending::Bye)
        }
    }

    /// Whether an end of this role is the one that ends the connection.
    pub(super) fn ends(self, role: Role) -> bool {
        (self.direction == Direction::Download) == (role == Role::Server)
    }

    /// What an end of this role receives where nothing is lost.
    pub(super) fn expected(self, role: Role) -> usize {
        let ends = self.ends(role);
        let data = match self.direction == Direction::Both || !ends {
            true => self.size,
            false => 0,
        };
        let answered = ends && self.ending == Ending::HalfClose;
        data + usize::from(answered) * REPLY
    }
}

/// How the data of a peer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was read up to an end.
    #[default]
    NotRead,
    /// By close_notify.
    Clean,
    /// Without it.
    Truncated,
    Reset,
    Other(String),
}

impl End {
    /// Classifies the error message of an implementation.
    pub(super) fn of(text: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&[
            "eof",
            "EOF",
            "without close_notify",
            "close_notify",
            "terminated",
        ]) {
            Self::Truncated
        } else if has(&["reset", "Broken pipe", "Connection closed"]) {
            Self::Reset
        } else {
            Self::Other(text.to_owned())
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub(super) received: usize,
    pub(super) end: End,
}

/// One end, by some implementation. A failed read returns an error whose text [`End::of`]
/// classifies.
pub(super) trait Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    fn write_all(&mut self, data: &[u8]) -> io::Result<()>;
    /// Sends close_notify.
    fn bye(&mut self) -> io::Result<()>;
    /// Ends writing; reading continues.
    fn half_close(&mut self) -> io::Result<()> {
        self.bye()
    }
    fn close(&mut self) -> io::Result<()>;
    fn kill(&mut self) -> io::Result<()>;
}

/// The data of both directions.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let bytes = (0..=250).cycle();
    bytes.take(SIZE + REPLY).collect()
});

/// The data that is sent by uploads and downloads.
pub(super) fn data() -> &'static [u8] {
    &PATTERN[..SIZE]
}

/// One end at work.
struct Work<'a> {
    connection: &'a mut dyn Connection,
    sent: usize,
    outcome: Outcome,
}

impl Work<'_> {
    fn send(&mut self, count: usize) -> io::Result<()> {
        self.connection
            .write_all(&PATTERN[self.sent..self.sent + count])?;
        self.sent += count;
        Ok(())
    }

    /// Returns whether there was something.
    fn receive(&mut self, most: usize) -> io::Result<bool> {
        let mut buf = vec![0; most];
        let count = self.connection.read(&mut buf)?;
        let expected = PATTERN.get(self.outcome.received..self.outcome.received + count);
        assert!(
            Some(&buf[..count]) == expected,
            "the data of the peer differs"
        );
        self.outcome.received += count;
        Ok(count > 0)
    }

    fn receive_to_end(&mut self) -> io::Result<()> {
        while self.receive(100_000)? {}
        self.outcome.end = End::Clean;
        Ok(())
    }

    fn exchange(&mut self, size: usize) -> io::Result<()> {
        while self.sent < size {
            self.send(PIECE.min(size - self.sent))?;
            while self.outcome.received < self.sent {
                if !self.receive(self.sent - self.outcome.received)? {
                    return Err(io::Error::other("an early end"));
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, role: Role, plan: Plan) -> io::Result<()> {
        if plan.direction == Direction::Both {
            self.exchange(plan.size)?;
        }
        if !plan.ends(role) {
            self.receive_to_end()?;
            if plan.ending == Ending::HalfClose {
                self.send(REPLY)?;
            }
            return self.connection.close();
        }
        self.send(plan.size - self.sent)?;
        match plan.ending {
            Ending::Close => return self.connection.close(),
            Ending::Kill => return self.connection.kill(),
            Ending::Bye => self.connection.bye()?,
            Ending::HalfClose => self.connection.half_close()?,
        }
        self.receive_to_end()?;
        self.connection.close()
    }
}

/// Does what a plan has for an end of this role.
pub(super) fn run(connection: &mut dyn Connection, role: Role, plan: Plan) -> Outcome {
    let mut work = Work {
        connection,
        sent: 0,
        outcome: Outcome::default(),
    };
    let result = work.run(role, plan);
    let mut outcome = work.outcome;
    if let Err(e) = result
        && outcome.end != End::Clean
    {
        outcome.end = End::of(&e.to_string());
    }
    outcome
}
