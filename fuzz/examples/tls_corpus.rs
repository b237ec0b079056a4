//! Regenerates the corpora of `tls_server` and `tls_client`, from the root of the project:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example tls_corpus
//! ```
//!
//! The output of clients is recorded: of this crate, `openssl s_client` and `gnutls-cli`, each with
//! the settings that it supports; and that of servers: of this crate and `openssl s_server`. The
//! random numbers of the other end are deterministic, so that the whole conversation is valid when
//! it is replayed. In addition there are a few changes by a man in the middle.

#[path = "../fuzz_targets/tls/endpoint.rs"]
#[allow(dead_code)]
mod endpoint;
#[path = "../fuzz_targets/tls/configs.rs"]
#[allow(dead_code)]
mod configs;
#[path = "../fuzz_targets/tls/wire.rs"]
#[allow(dead_code)]
mod wire;

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use qio::ChannelTls;

use self::{
    endpoint::End,
    configs::{IDENTITY, KEY, NAME, Setting, restart_chance, swap_chance},
    wire::Wire,
};

/// The length of the output of the server, and the header of an input before the data of the
/// client.
const WORDS: usize = 100;
const HEAD: [u8; 4] = [0; 4];

fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let corpus = corpora.join("tls_server");
    let of_clients = corpora.join("tls_client");
    fs::create_dir_all(&of_clients)?;
    let folder = std::env::temp_dir().join(format!("qio-tls-corpus-{}", std::process::id()));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&folder)?;
    let (certificate, key) = &*IDENTITY;
    fs::write(folder.join("cert.pem"), certificate)?;
    fs::write(folder.join("key.pem"), key)?;
    for (number, setting) in (0..).zip(Setting::ALL) {
        let name = format!("{setting:?}").to_lowercase();
        let put = |what: &str, head: &[u8], rest: &[u8]| {
            let input = [&[number], head, rest].concat();
            fs::write(corpus.join(format!("{name}-{what}")), input)
        };
        put(
            "own",
            &HEAD,
            &record(setting, server, &mut Own::client(setting))?,
        )?;
        let put_server = |what: &str, words: &[u8]| {
            let input = [&[number, 0, 0, 0], words].concat();
            fs::write(of_clients.join(format!("{name}-{what}")), input)
        };
        put_server("own", &record(setting, client, &mut Own::server(setting))?)?;
        if let Some(arguments) = s_server(setting) {
            let mut peer = Program::serve(&arguments, &folder)?;
            let words = record(setting, client, &mut peer)?;
            peer.child.kill()?;
            peer.child.wait()?;
            put_server("openssl", &words)?;
        }
        for program in ["openssl", "gnutls"] {
            if let Some(mut command) = command(setting, program) {
                let mut peer = Program::start(command.current_dir(&folder))?;
                let words = record(setting, server, &mut peer)?;
                peer.child.kill()?;
                peer.child.wait()?;
                put(program, &HEAD, &words)?;
            }
        }
        put("middle", &[1, 0, 0, 0], &[])?;
        // In each direction: one of the first records, and one of the last.
        for (what, record, kind) in [
            ("hello", 0, number),
            ("flight", 2, number + 5),
            ("data", 6, number + 9),
        ] {
            let change = |way: u8| [way | record, kind, 0, number * 9, number + 1, number];
            put(
                what,
                &[1, number, 0, 0],
                &[change(0), change(0x80)].concat(),
            )?;
        }
    }
    fs::remove_dir_all(folder)
}

/// The peer of an end of the target.
trait Peer {
    /// Processes input, and returns its output; empty at its end.
    fn answer(&mut self, input: &[u8]) -> io::Result<Vec<u8>>;
}

/// Records the output of a peer to an end, which must accept it, also when it is replayed.
fn record(setting: Setting, make: fn(Setting) -> End, peer: &mut impl Peer) -> io::Result<Vec<u8>> {
    let mut words = Vec::new();
    let mut end = make(setting);
    loop {
        while end.step() {}
        let output = peer.answer(&end.wire.take().0)?;
        if output.is_empty() {
            break;
        }
        words.extend(&output);
        end.wire.put(&output);
    }
    assert!(end.tls.is_handshake_done(), "{setting:?}: {:?}", end.error);
    let mut again = make(setting);
    again.wire.put(&words);
    while again.step() {}
    assert!(
        again.tls.is_handshake_done(),
        "{setting:?} once more: {:?}",
        again.error
    );
    Ok(words)
}

/// As the target has it.
fn server(setting: Setting) -> End {
    let creds = setting.server();
    restart_chance(0);
    let wire = Wire::new(0, 0);
    let tls = ChannelTls::new_server(&wire, &creds).expect("a server");
    End::new(tls, wire, (0, None), WORDS, 0)
}

/// The same.
fn client(setting: Setting) -> End {
    let creds = setting.client();
    restart_chance(0);
    let wire = Wire::new(0, 0);
    let tls = ChannelTls::new_client(&wire, &creds, NAME).expect("a client");
    End::new(tls, wire, (0x55, None), WORDS, 0)
}

/// An end of this crate, which has random numbers of its own.
struct Own {
    end: End,
    chance: u64,
}

impl Own {
    fn client(setting: Setting) -> Self {
        let wire = Wire::new(0, 0);
        let tls = ChannelTls::new_client(&wire, &setting.client(), NAME).expect("a client");
        Self::new(tls, wire)
    }

    fn server(setting: Setting) -> Self {
        let wire = Wire::new(0, 0);
        let tls = ChannelTls::new_server(&wire, &setting.server()).expect("a server");
        Self::new(tls, wire)
    }

    fn new(tls: ChannelTls, wire: Wire) -> Self {
        Self {
            end: End::new(tls, wire, (1, None), WORDS, 0),
            chance: 1 << 40,
        }
    }
}

impl Peer for Own {
    fn answer(&mut self, input: &[u8]) -> io::Result<Vec<u8>> {
        self.end.wire.put(input);
        let theirs = swap_chance(self.chance);
        while self.end.step() {}
        self.chance = swap_chance(theirs);
        Ok(self.end.wire.take().0)
    }
}

/// A program.
struct Program {
    child: Child,
    stream: TcpStream,
}

impl Program {
    fn start(command: &mut Command) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port().to_string();
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy().replace("PORT", &port))
            .collect();
        let mut child = Command::new(command.get_program())
            .args(arguments)
            .current_dir(command.get_current_dir().unwrap_or(Path::new(".")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"some words\n")?;
        Ok(Self { child, stream })
    }
}

impl Program {
    /// `openssl s_server`, once it listens.
    fn serve(arguments: &str, folder: &Path) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-accept",
                &format!("127.0.0.1:{port}"),
            ])
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(e) if child.try_wait()?.is_some() => return Err(e),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(Self { child, stream })
    }
}

impl Peer for Program {
    fn answer(&mut self, input: &[u8]) -> io::Result<Vec<u8>> {
        let _ = self.stream.write_all(input);
        let mut output = vec![0; 1 << 16];
        // A peer without output for a while has ended, or waits for input.
        let count = self.stream.read(&mut output).unwrap_or(0);
        output.truncate(count);
        Ok(output)
    }
}

/// The key of the settings that have one, as programs are given it.
fn hex_key() -> String {
    KEY.1.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server of a setting is given, if `openssl s_server` has it.
fn s_server(setting: Setting) -> Option<String> {
    let shown = "-cert cert.pem -key key.pem";
    let key = format!("-psk_identity {} -psk {} -nocert", KEY.0, hex_key());
    Some(match setting {
        Setting::Certificate | Setting::Tickets => format!("{shown} -tls1_3"),
        Setting::Certificate12 | Setting::Tickets12 => format!("{shown} -tls1_2"),
        Setting::ClientRequired | Setting::ClientRequested => {
            format!("{shown} -tls1_3 -CAfile cert.pem -Verify 1")
        }
        Setting::ClientRequired12 => format!("{shown} -tls1_2 -CAfile cert.pem -Verify 1"),
        Setting::Psk => format!("{key} -tls1_3"),
        Setting::Psk12 => format!("{key} -tls1_2"),
        Setting::Alpn => format!("{shown} -alpn echo"),
        Setting::Anonymous => "-nocert -tls1_2 -cipher aNULL:@SECLEVEL=0".to_owned(),
        Setting::PskSha384 | Setting::PskOrCertificate => return None,
    })
}

/// A client of a setting, if this program has it.
fn command(setting: Setting, program: &str) -> Option<Command> {
    let key = hex_key();
    let words = |text: &str| {
        let text = text.replace("KEY", &key).replace("USER", KEY.0);
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (name, always, more) = match program {
        "openssl" => {
            let more = match setting {
                Setting::Certificate | Setting::Tickets | Setting::PskOrCertificate => "-tls1_3",
                Setting::Certificate12 | Setting::Tickets12 => "-tls1_2",
                Setting::ClientRequired | Setting::ClientRequested => {
                    "-tls1_3 -cert cert.pem -key key.pem"
                }
                Setting::ClientRequired12 => "-tls1_2 -cert cert.pem -key key.pem",
                Setting::Psk => "-tls1_3 -psk_identity USER -psk KEY",
                Setting::Psk12 => "-tls1_2 -psk_identity USER -psk KEY",
                Setting::Alpn => "-alpn other,echo",
                Setting::Anonymous => "-tls1_2 -cipher aNULL:@SECLEVEL=0",
                Setting::PskSha384 => return None,
            };
            ("openssl", "s_client -connect 127.0.0.1:PORT", more)
        }
        _ => {
            let more = match setting {
                Setting::Certificate | Setting::Tickets | Setting::PskOrCertificate => {
                    "--priority NORMAL"
                }
                Setting::Certificate12 | Setting::Tickets12 => "--priority NORMAL:-VERS-TLS1.3",
                Setting::ClientRequired | Setting::ClientRequested => {
                    "--x509certfile cert.pem --x509keyfile key.pem"
                }
                Setting::ClientRequired12 => {
                    "--x509certfile cert.pem --x509keyfile key.pem --priority NORMAL:-VERS-TLS1.3"
                }
                Setting::Psk | Setting::PskSha384 => {
                    "--pskusername USER --pskkey KEY --priority NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:+PSK"
                }
                Setting::Psk12 => {
                    "--pskusername USER --pskkey KEY --priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"
                }
                Setting::Alpn => "--alpn other --alpn echo",
                Setting::Anonymous => {
                    "--priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH:+ANON-DH"
                }
            };
            ("gnutls-cli", "--insecure --port PORT 127.0.0.1", more)
        }
    };
    let mut command = Command::new(name);
    command.args(words(always)).args(words(more));
    Some(command)
}
