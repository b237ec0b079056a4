//! What arrives of data that a TLS connection carries, and which end is reported: client by server,
//! by direction, by how the connection ends, with TLS 1.2 and 1.3, in full and in resumed
//! handshakes.

mod glib_networking;
mod openssl_lib;
mod ours;
mod plan;
mod programs;
mod python_ssl;
mod table;

use std::thread;

use self::{
    ours::Mode,
    plan::{DIRECTIONS, Direction, ENDINGS, End, Ending, Outcome, Plan, Role, Version},
    table::Table,
};
use crate::common::{alone::alone, in_time};

/// What a server does when it is connected to.
type Serving<'a> = Box<dyn FnOnce() -> Outcome + Send + 'a>;

/// What the two ends of a connection have in common.
#[derive(Debug, Clone, Copy)]
struct TlsSetting {
    version: Version,
    /// Whether the connection resumes a session.
    resumes: bool,
}

const SETTINGS: [TlsSetting; 4] = [
    TlsSetting::new(Version::Tls13, true),
    TlsSetting::new(Version::Tls12, false),
    TlsSetting::new(Version::Tls13, false),
    TlsSetting::new(Version::Tls12, true),
];

impl TlsSetting {
    const fn new(version: Version, resumes: bool) -> Self {
        Self { version, resumes }
    }
}

/// An implementation of TLS, with what both of its roles need.
trait Implementation: Sync {
    fn name(&self) -> &'static str;

    fn is_ours(&self) -> bool {
        false
    }

    fn connect(&self, port: u16, plan: Plan) -> Outcome;

    /// Listens, and returns at which port.
    fn serve(&self, plan: Plan) -> (u16, Serving<'_>);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours(Mode),
    Gio,
    Python,
    OpenSsl,
}

const KINDS: [Kind; 5] = [
    Kind::Ours(Mode::Blocking),
    Kind::Ours(Mode::Futures),
    Kind::Gio,
    Kind::Python,
    Kind::OpenSsl,
];

impl Kind {
    fn is_ours(self) -> bool {
        matches!(self, Self::Ours(_))
    }

    fn make(self, setting: TlsSetting) -> Box<dyn Implementation> {
        match self {
            Self::Ours(mode) => Box::new(ours::Ours::new(mode, setting)),
            Self::Gio => Box::new(glib_networking::Gio),
            Self::Python => Box::new(python_ssl::Python::new(setting)),
            Self::OpenSsl => Box::new(openssl_lib::OpenSsl::new(setting)),
        }
    }

    /// Python's module sends close_notify only where it waits for that of the peer, and reads
    /// nothing after it.
    fn has(self, ending: Ending) -> bool {
        self != Self::Python || ending != Ending::HalfClose
    }
}

/// The outcomes of the client and of the server.
fn meet(client: &dyn Implementation, server: &dyn Implementation, plan: Plan) -> [Outcome; 2] {
    let (port, serving) = server.serve(plan);
    thread::scope(|scope| {
        let there = scope.spawn(serving);
        let here = client.connect(port, plan);
        [here, there.join().expect("no panic")]
    })
}

/// What is wrong with the outcome of one end, whose peer is of the kind `peer`.
fn fault(plan: Plan, role: Role, [own, peer]: [Kind; 2], outcome: &Outcome) -> Option<String> {
    let ends = plan.ends(role);
    let expected = plan.expected(role);
    let killed_by_us = !ends && plan.ending == Ending::Kill && peer.is_ours() && !own.is_ours();
    // Unread session tickets make the system of a peer that has been killed answer by a reset.
    if outcome.received != expected && !(killed_by_us && outcome.received < expected) {
        return Some(format!("{} of {expected} bytes", outcome.received));
    }
    let end = match plan.ending {
        Ending::Close | Ending::Kill if ends => return None,
        Ending::Kill if killed_by_us => {
            return (outcome.end == End::Clean).then(|| "a clean end".to_owned());
        }
        Ending::Kill => End::Truncated,
        Ending::Close if peer == Kind::Python => End::Truncated,
        _ => End::Clean,
    };
    (outcome.end != end).then(|| format!("{:?} in place of {end:?}", outcome.end))
}

/// Runs all directions and endings between two kinds so often, and adds the outcome to the
/// table.
fn run_pair(
    [client, server]: [Kind; 2],
    setting: TlsSetting,
    times: usize,
    table: &mut Table,
    faults: &mut Vec<String>,
) {
    let [one, other] = [client, server].map(|kind| kind.make(setting));
    for direction in DIRECTIONS {
        for ending in ENDINGS {
            let plan = Plan::new(direction, ending);
            let by_server = direction == Direction::Download;
            if !if by_server { server } else { client }.has(ending) {
                continue;
            }
            for _ in 0..times {
                if setting.resumes {
                    meet(&*one, &*other, Plan::first());
                }
                let [here, there] = meet(&*one, &*other, plan);
                let passive = if by_server { &here } else { &there };
                let role = if by_server {
                    Role::Client
                } else {
                    Role::Server
                };
                let whole = passive.received == plan.expected(role);
                table.add([one.name(), other.name()], plan, whole, &passive.end);
                if !one.is_ours() && !other.is_ours() {
                    continue;
                }
                let found = [
                    fault(plan, Role::Client, [client, server], &here),
                    fault(plan, Role::Server, [server, client], &there),
                ];
                for (fault, end) in found.into_iter().zip(["client", "server"]) {
                    faults.extend(fault.map(|fault| {
                        let [one, other] = [one.name(), other.name()];
                        format!("{one} to {other}, {setting:?}, {plan:?}: the {end}: {fault}")
                    }));
                }
            }
        }
    }
}

/// Pairs of kinds that `has` has.
fn run_pairs(settings: &[TlsSetting], has: impl Fn(Kind, Kind) -> bool, times: usize) -> Table {
    let mut table = Table::default();
    let mut faults = Vec::new();
    for &setting in settings {
        for client in KINDS {
            for server in KINDS {
                // Versions are set by one of the peers of GIO.
                let is_gio = client == Kind::Gio && server == Kind::Gio;
                if has(client, server) && !(is_gio && setting.version == Version::Tls12) {
                    run_pair([client, server], setting, times, &mut table, &mut faults);
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    table
}

#[test]
fn data_arrives_whole_and_its_end_is_reported_with_every_peer() {
    needs!("glib-networking", "python3-gi");
    in_time(|| {
        let blocking = Kind::Ours(Mode::Blocking);
        let with_us = |client: Kind, server: Kind| client == blocking || server == blocking;
        drop(run_pairs(&SETTINGS[..2], with_us, 1));
    });
}

#[test]
#[ignore = "takes minutes: make soak runs it"]
fn the_table_of_deliveries_holds() {
    let name = "layer::tls::delivery::the_table_of_deliveries_holds";
    alone(name, || {
        let mut table = run_pairs(&SETTINGS, |_, _| true, 5);
        programs::run_all(5, &mut table);
        table.write();
    });
}

#[test]
fn programs_deliver_whole_and_their_end_is_reported() {
    needs!("openssl", "gnutls-bin", "ncat", "curl");
    in_time(|| programs::run_all(1, &mut Table::default()));
}

#[test]
#[ignore = "takes a minute: make soak runs it"]
fn of_240_uploads_by_six_clients_none_is_lost() {
    programs::upload_by_six(40);
}

#[test]
fn uploads_by_six_clients_arrive_whole() {
    needs!(
        "openssl",
        "gnutls-bin",
        "ncat",
        "glib-networking",
        "python3-gi"
    );
    in_time(|| programs::upload_by_six(4));
}
