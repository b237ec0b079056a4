//! Disks over NBD, between QEMU's server and libnbd's programs: with their TLS, which is GnuTLS,
//! with ours, and with both.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::PathBuf,
};

use qio::{TlsCreds, TlsEndpoint};
use tempfile::TempDir;

use crate::{
    pki::Pki,
    process::{Running, tool},
    starttls::{Between, Both},
    tls::{server, stop},
};

const SIZE: usize = 256 << 20;
const PART: usize = 1 << 20;

/// The authentication of both ends of a connection.
#[derive(Clone, Copy)]
enum By {
    Certificates,
    Key,
}

/// A disk image, what a server serves, which is empty, and certificates.
struct Disks {
    folder: TempDir,
    pki: Pki,
}

impl Disks {
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().expect("a directory"),
            pki: Pki::new(),
        };
        let empty = File::create(this.path("served")).expect("made");
        empty.set_len(SIZE as u64).expect("space");
        let mut image = File::create(this.path("image")).expect("made");
        image.set_len(SIZE as u64).expect("space");
        let pattern = crate::pattern(2 * PART);
        // Every fourth megabyte is a hole, and no two others are alike.
        for part in (0..SIZE / PART).filter(|part| part % 4 != 1) {
            let at = SeekFrom::Start((part * PART) as u64);
            image.seek(at).expect("a file");
            let shifted = &pattern[part * 4093..];
            image.write_all(&shifted[..PART]).expect("space");
        }
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn written(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// QEMU's server of the second disk, at the socket `server`, with its own TLS or without. It
    /// listens from the start on: the socket is ours.
    fn qemu(&self, tls: Option<By>) -> Running {
        let socket = UnixListener::bind(self.path("server")).expect("listens");
        let folder = self.pki.file("");
        let mut qemu = tool("sh", "dash");
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        qemu.args(["-c", script, "sh"]);
        qemu.arg(tool("qemu-nbd", "qemu-utils").get_program());
        qemu.args(["--persistent", "--shared=8", "--format=raw"]);
        if let Some(by) = tls {
            let kind = match by {
                By::Certificates => "x509,verify-peer=yes",
                By::Key => "psk",
            };
            let object = format!("tls-creds-{kind},id=tls,endpoint=server,dir={folder}");
            qemu.args(["--object", &object, "--tls-creds=tls"]);
        }
        Running::new(qemu.arg(self.path("served")).stdin(OwnedFd::from(socket)))
    }

    /// The URI of a socket for libnbd, with its own TLS or without.
    fn uri(&self, socket: &str, tls: Option<By>) -> String {
        let socket = self.written(socket);
        match tls {
            None => format!("nbd+unix:///?socket={socket}"),
            Some(By::Certificates) => {
                let folder = self.pki.file("");
                format!("nbds+unix:///?socket={socket}&tls-certificates={folder}")
            }
            Some(By::Key) => {
                let file = self.pki.file("keys.psk");
                format!("nbds+unix://alice@localhost/?socket={socket}&tls-psk-file={file}")
            }
        }
    }

    /// Copies the image to the server, and back from there.
    #[track_caller]
    fn copy(&self, uri: &str) {
        let size = nbd("nbdinfo", &["--size", uri]).success();
        assert_eq!(size, format!("{SIZE}\n").as_bytes());
        let (image, back) = (self.written("image"), self.written("back"));
        nbd("nbdcopy", &[&image, uri]).success();
        self.same_as_image("served");
        nbd("nbdcopy", &[uri, &back]).success();
        self.same_as_image("back");
    }

    #[track_caller]
    fn same_as_image(&self, name: &str) {
        let mut files = ["image", name].map(|name| File::open(self.path(name)).expect("there"));
        let mut parts = [vec![0; PART], vec![0; PART]];
        for part in 0..SIZE / PART {
            for (file, buf) in files.iter_mut().zip(&mut parts) {
                file.read_exact(buf).expect("as large");
            }
            assert!(parts[0] == parts[1], "{name} differs in megabyte {part}");
        }
        let length = fs::metadata(self.path(name)).expect("there").len();
        assert_eq!(length, SIZE as u64, "{name}");
    }

    fn creds(&self, end: TlsEndpoint, by: By) -> TlsCreds {
        let builder = TlsCreds::builder(end);
        let builder = match (by, end) {
            (By::Key, _) => builder.psk_file(self.pki.file("keys.psk")),
            (By::Certificates, TlsEndpoint::Client) => builder.directory(self.pki.file("")),
            (By::Certificates, TlsEndpoint::Server) => builder
                .directory(self.pki.file(""))
                .client_certificates(gio::TlsAuthenticationMode::Required),
        };
        builder.build().expect("good")
    }

    fn both(&self, by: By) -> Both {
        Both {
            client: self.creds(TlsEndpoint::Client, by),
            server: self.creds(TlsEndpoint::Server, by),
        }
    }

    fn between(&self, creds: Both) -> Between {
        Between::new(&self.path("socket"), creds, &self.path("server"))
    }
}

fn nbd(program: &str, arguments: &[&str]) -> Running {
    Running::new(tool(program, "libnbd-bin").args(arguments))
}

/// TLS of QEMU and libnbd at both ends, through a plain relay.
#[track_caller]
fn through_a_plain_relay(by: By) {
    let disks = Disks::new();
    let _qemu = disks.qemu(Some(by));
    let [first, second] = [("unix-listen", "socket"), ("unix", "server")]
        .map(|(scheme, name)| format!("{scheme}:{}", disks.written(name)));
    let (relay, _) = server(&[""; 0], &first, &second);
    disks.copy(&disks.uri("socket", Some(by)));
    // It reports resets at the end: QEMU does not read the close_notify of GnuTLS.
    stop(relay);
}

/// Plain programs, and between them two relays that speak TLS to each other.
#[track_caller]
fn between_two_relays(by: By) {
    let disks = Disks::new();
    let _qemu = disks.qemu(None);
    let options = match by {
        By::Certificates => vec![disks.pki.directory()],
        By::Key => vec![disks.pki.option("psk", "keys.psk")],
    };
    let server_options = match by {
        By::Certificates => [&options[..], &["--tls-clients=required".to_owned()]].concat(),
        By::Key => options.clone(),
    };
    let target = format!("unix:{}", disks.written("server"));
    let (there, address) = server(&server_options, "tls-listen:127.0.0.1:0", &target);
    let first = format!("unix-listen:{}", disks.written("socket"));
    let (here, _) = server(&options, &first, &address);
    disks.copy(&disks.uri("socket", None));
    assert!(!stop(here).contains("Unable"));
    assert!(!stop(there).contains("Unable"));
}

/// Their TLS at both ends, and ours on both sides between.
#[track_caller]
fn to_ours_and_from_ours(by: By) {
    let disks = Disks::new();
    let _qemu = disks.qemu(Some(by));
    let between = disks.between(disks.both(by));
    disks.copy(&disks.uri("socket", Some(by)));
    assert_eq!(between.end(), [""; 0]);
}

#[test]
fn qemu_certificates_go_through_a_plain_relay() {
    needs!("qemu-utils", "libnbd-bin");
    through_a_plain_relay(By::Certificates);
}

#[test]
fn qemu_psk_goes_through_a_plain_relay() {
    needs!("qemu-utils", "libnbd-bin");
    through_a_plain_relay(By::Key);
}

#[test]
fn two_relays_have_certificates_for_plain_programs() {
    needs!("qemu-utils", "libnbd-bin");
    between_two_relays(By::Certificates);
}

#[test]
fn two_relays_have_a_psk_for_plain_programs() {
    needs!("qemu-utils", "libnbd-bin");
    between_two_relays(By::Key);
}

#[test]
fn both_relay_ends_have_certificates_for_qemu_programs() {
    needs!("qemu-utils", "libnbd-bin");
    to_ours_and_from_ours(By::Certificates);
}

#[test]
fn both_relay_ends_have_a_psk_with_qemu_programs() {
    needs!("qemu-utils", "libnbd-bin");
    to_ours_and_from_ours(By::Key);
}

#[test]
fn a_client_without_a_certificate_is_rejected_at_both_ends() {
    needs!("qemu-utils", "libnbd-bin");
    let disks = Disks::new();
    let mut qemu = disks.qemu(Some(By::Certificates));
    let uncertified = TlsCreds::builder(TlsEndpoint::Client)
        .trust_file(disks.pki.file("ca-cert.pem"))
        .build()
        .expect("good");
    let both = disks.both(By::Certificates);
    let between = disks.between(Both {
        client: uncertified,
        ..both
    });
    let uri = disks.uri("socket", Some(By::Certificates));
    assert!(!nbd("nbdinfo", &[&uri]).end().status.success());
    qemu.wait_for_log("No certificate was found");
    assert_eq!(
        between.end(),
        [""; 0],
        "which is not known before the handshake is done"
    );

    for file in ["client-cert.pem", "client-key.pem"] {
        fs::remove_file(disks.pki.file(file)).expect("there");
    }
    let between = disks.between(Both {
        client: disks.creds(TlsEndpoint::Client, By::Certificates),
        server: disks.creds(TlsEndpoint::Server, By::Certificates),
    });
    assert!(!nbd("nbdinfo", &[&uri]).end().status.success());
    let [refused] = &between.end()[..] else {
        panic!("there was one");
    };
    assert!(
        refused.contains("peer did not return a certificate"),
        "{refused}"
    );
}
