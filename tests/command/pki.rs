//! Certificates and keys for both ends of TLS, in files.

use std::fmt::Display;

use crate::certs::{Cert, Directory, ENCIPHERS, Heed, Request, SIGNS};

/// The name of the server, in addition to its address, which is 127.0.0.1.
pub(crate) const NAME: &str = "server.test";

/// The key that both ends have, of alice.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff";

/// A directory in QEMU's layout, with keys in `keys.psk`, and with files of an unrelated CA.
/// Removed with the test.
pub(crate) struct Pki(Directory, Cert);

impl Pki {
    pub(crate) fn new() -> Self {
        let authority = Request::authority("authority").signed_by_itself();
        // QEMU before 10.2 refuses to load a certificate without the second one, whatever its key
        // is for.
        let usage = |request: Request| request.usage(Heed::Must, SIGNS | ENCIPHERS);
        let server = usage(Request::server("server").dns(NAME).ip("127.0.0.1"));
        let directory = Directory::of_server(&authority.pem, &server.signed_by(&authority));
        let this = Self(directory, authority);
        let authority = &this.1;
        this.write(
            "client",
            &usage(Request::client("client")).signed_by(authority),
        );
        let authority = Request::authority("authority of others").signed_by_itself();
        let unrelated = Request::client("unrelated").signed_by(&authority);
        this.0.write("others.pem", &authority.pem);
        this.write("unrelated", &unrelated);
        this.0.write("keys.psk", format!("alice:{KEY}\n"));
        let turned: String = KEY.chars().rev().collect();
        this.0.write("wrong.psk", format!("alice:{turned}\n"));
        this.0
            .write("two.psk", format!("bob:{turned}\nalice:{KEY}\n"));
        this
    }

    fn write(&self, name: &str, cert: &Cert) {
        self.0.write(&format!("{name}-cert.pem"), &cert.pem);
        self.0.write(&format!("{name}-key.pem"), &cert.key);
    }

    /// Writes two certificates with this in the subject, `NAME-client` and `NAME-server`.
    pub(crate) fn write_named(&self, name: &str, subject: &str) {
        let certs = [Request::client(subject), Request::server(subject)];
        for (end, request) in ["client", "server"].into_iter().zip(certs) {
            self.write(&format!("{name}-{end}"), &request.signed_by(&self.1));
        }
    }

    pub(crate) fn file(&self, name: impl Display) -> String {
        self.0.file(&name.to_string()).display().to_string()
    }

    /// An option of the example that has a file.
    pub(crate) fn option(&self, option: &str, name: impl Display) -> String {
        format!("--tls-{option}={}", self.file(name))
    }

    /// The option that has everything.
    pub(crate) fn directory(&self) -> String {
        format!("--tls-dir={}", self.0.path().display())
    }

    /// The options for presenting the certificate of `whose`.
    pub(crate) fn shown(&self, whose: &str) -> [String; 2] {
        [
            self.option("cert", format_args!("{whose}-cert.pem")),
            self.option("key", format_args!("{whose}-key.pem")),
        ]
    }
}
