//! Private keys, pre-shared keys and passwords do not stay in memory when the credentials that had
//! them are gone.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use gio::TlsProtocolVersion::{Tls12, Tls13};
use openssl::{pkey::PKey, rsa::Rsa, symm::Cipher};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};

use super::fixtures::{self, handshake, with};
use crate::common::{
    alone::{is_alone, rerun_command},
    certs::Directory,
};

/// Where the process that is scanned finds the secrets.
const FOLDER: &str = "QIO_TEST_SECRETS";

/// The texts by which a secret is found in memory.
struct Needle {
    name: &'static str,
    bytes: [u8; 16],
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    openssl::rand::rand_bytes(&mut bytes).expect("random");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes secrets of each kind to a folder, and returns by what they are found.
fn write_secrets(directory: &Directory) -> Vec<Needle> {
    let (in_file, in_memory) = (random::<64>(), random::<64>());
    let password = hex(&random::<32>());
    let ec = PKey::private_key_from_pem(fixtures::server_cert().key.as_bytes()).expect("a key");
    let rsa = Rsa::generate(2048).expect("a key");
    let rsa_factor = rsa.p().expect("a factor").to_vec();
    let rsa = PKey::from_rsa(rsa).expect("a key");
    let scalar = ec.ec_key().expect("of a curve").private_key().to_vec();
    let locked = rsa
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password.as_bytes())
        .expect("locked");
    let lines = (0..20).map(|i| format!("user{i}:{}\n", hex(&in_file)));
    directory.write("psk", lines.collect::<String>());
    directory.write("memory", hex(&in_memory));
    directory.write("password", &password);
    directory.write("ca.pem", &fixtures::authority().pem);
    directory.write("cert.pem", &fixtures::server_cert().pem);
    directory.write("key.pem", &fixtures::server_cert().key);
    let both = [
        &fixtures::server_cert().key[..],
        &fixtures::server_cert().pem,
    ]
    .concat();
    directory.write("both.pem", &both);
    directory.write("locked.pem", std::str::from_utf8(&locked).expect("PEM"));
    let line = fixtures::server_cert().key.lines().nth(1).expect("a line");
    // The beginning of memory that is free is overwritten.
    let needle = |name, bytes: &[u8]| Needle {
        name,
        bytes: bytes[bytes.len() - 16..].try_into().expect("long enough"),
    };
    vec![
        needle("a pre-shared key of a file", &in_file),
        needle("its text", hex(&in_file).as_bytes()),
        needle("a pre-shared key in memory", &in_memory),
        needle("a password", password.as_bytes()),
        needle("a private key's scalar", &scalar),
        // OpenSSL keeps numbers with the least significant word first.
        needle(
            "its number",
            &scalar.iter().rev().copied().collect::<Vec<_>>(),
        ),
        needle("its text in PEM", line.as_bytes()),
        needle("a factor of a locked key", &rsa_factor),
        needle(
            "its number",
            &rsa_factor.iter().rev().copied().collect::<Vec<_>>(),
        ),
    ]
}

/// What is in a file of the folder, in the one place that it is read to.
fn read(path: &Path) -> Vec<u8> {
    let size = fs::metadata(path).expect("there").len() as usize;
    let mut bytes = vec![0; size];
    let mut file = fs::File::open(path).expect("there");
    file.read_exact(&mut bytes).expect("read");
    bytes
}

/// Digits are replaced by what they stand for, where they are.
fn from_hex(mut text: Vec<u8>) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    let half = text.len() / 2;
    for at in 0..half {
        text[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
    }
    text[half..].fill(0);
    text.truncate(half);
    text
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("ASCII")
}

fn connect(client: &TlsCreds, server: &TlsCreds) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let (client, server) = with(&here, client, &there, server);
    handshake(&client, &server);
    server.write_all(b"x").expect("written");
    client.read_all(&mut [0]).expect("read");
    client.close().expect("closed");
    server.close().expect("closed");
}

/// Makes credentials of all secrets in a folder.
fn credentials(folder: &Path) -> Vec<TlsCreds> {
    let file = |name: &str| folder.join(name);
    let (client, server) = (TlsEndpoint::Client, TlsEndpoint::Server);
    let psk = |end, version| {
        let key = from_hex(read(&file("memory")));
        let builder = TlsCreds::builder(end).psk("carol", key).psk_user("carol");
        let builder = builder.psk_file(file("psk")).max_version(version);
        builder.clone().build().expect("a copy");
        builder.build().expect("keys")
    };
    let pem = |name| read(&file(name));
    let mut all = vec![
        psk(client, Tls12),
        psk(client, Tls13),
        psk(server, Tls13),
        TlsCreds::builder(client)
            .trust_file(file("ca.pem"))
            .build()
            .expect("trust"),
    ];
    let both = TlsCreds::builder(server).certificate_files(file("cert.pem"), file("key.pem"));
    all.push(both.build().expect("files"));
    let both = TlsCreds::builder(server).certificate_files(file("both.pem"), file("both.pem"));
    all.push(both.build().expect("one file"));
    let both = TlsCreds::builder(server).certificate_pem(pem("cert.pem"), pem("key.pem"));
    all.push(both.build().expect("memory"));
    // What fails gives back what it had as well.
    for wrong in ["", "wrong"] {
        let locked = TlsCreds::builder(server)
            .certificate_files(file("cert.pem"), file("locked.pem"))
            .password(text(read(&file("password"))) + wrong);
        locked
            .build()
            .expect_err("another key than the certificate's");
    }
    all
}

/// What the process does that is scanned: has secrets, and then has none.
fn have_secrets(folder: &Path) {
    let all = credentials(folder);
    let server = &all[2];
    connect(&all[0], server);
    connect(&all[1], server);
    for server in &all[4..] {
        connect(&all[3], server);
    }
    // A peer that does not use TLS.
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let server = ChannelTls::new_server(&there, server).expect("a server");
    here.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
    server.handshake().expect_err("no TLS");
    drop((here, server));
    report("has");
    drop(all);
    report("had");
}

/// Prints the state of this process, and waits to be scanned.
fn report(state: &str) {
    println!("\n{state}");
    std::io::stdout().flush().expect("written");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).expect("read");
}

/// Which of these are in the memory of a process, and where.
fn found(process: u32, needles: &[Needle]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("alive");
    let mut memory = fs::File::open(format!("/proc/{process}/mem")).expect("ours");
    let mut all = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().expect("a range"), fields.next());
        if !rights.is_some_and(|rights| rights.starts_with("rw")) {
            continue;
        }
        let (start, end) = range.split_once('-').expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("a number");
        let (start, end) = (number(start), number(end));
        let mut bytes = vec![0; (end - start) as usize];
        memory.seek(SeekFrom::Start(start)).expect("an address");
        if memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        for needle in needles {
            let hits = bytes.windows(16).enumerate();
            let hits = hits.filter(|(_, window)| *window == needle.bytes);
            all.extend(hits.map(|(at, _)| {
                let address = start + at as u64;
                format!("{} at {address:x} of {line}", needle.name)
            }));
        }
    }
    all
}

struct Scanned {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Scanned {
    fn start(mut command: Command, folder: &Path) -> Self {
        let command = command.env(FOLDER, folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    fn wait_until(&mut self, state: &str) {
        let lines = self.lines.by_ref().lines();
        let reached = lines.map_while(Result::ok).any(|line| line == state);
        assert!(reached, "the process ended before");
    }

    fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(b"\n").expect("it reads");
    }

    fn end(mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        let status = self.child.wait().expect("awaited");
        assert!(status.success(), "{status}\n{rest}");
    }
}

#[test]
fn no_private_key_or_pre_shared_key_is_left_in_memory_after_the_last_unref() {
    let name = "layer::tls::secrets::no_private_key_or_pre_shared_key_is_left_in_memory_after_the_last_unref";
    if is_alone() {
        let folder = std::env::var_os(FOLDER).map(PathBuf::from).expect("set");
        return have_secrets(&folder);
    }
    let directory = Directory::new();
    let needles = write_secrets(&directory);
    let mut process = Scanned::start(rerun_command(name), directory.path());
    process.wait_until("has");
    let has = found(process.child.id(), &needles);
    assert!(!has.is_empty(), "the scan finds what is there");
    process.go_on();
    process.wait_until("had");
    let left = found(process.child.id(), &needles);
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
    process.go_on();
    process.end();
}

#[test]
fn credentials_and_handshakes_are_clean_under_memcheck() {
    needs!("valgrind");
    let name = "layer::tls::secrets::credentials_and_handshakes_are_clean_under_memcheck";
    if is_alone() {
        let folder = std::env::var_os(FOLDER).map(PathBuf::from).expect("set");
        return have_secrets(&folder);
    }
    let directory = Directory::new();
    write_secrets(&directory);
    let inner = rerun_command(name);
    let mut valgrind = Command::new("valgrind");
    let environment = inner
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let output = valgrind
        .args(["-q", "--track-origins=yes", "--error-exitcode=99"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(environment)
        .env(FOLDER, directory.path())
        .stdin(Stdio::null())
        .output()
        .expect("valgrind runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    assert!(!errors.contains("=="), "{errors}");
}
