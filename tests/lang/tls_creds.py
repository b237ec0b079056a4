"""TLS credentials in Python: errors, the password callback, copies of a builder."""

import gc
import os
import subprocess
import sys
import tempfile

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

CLIENT, SERVER = Qio.TlsEndpoint.CLIENT, Qio.TlsEndpoint.SERVER


def refused(builder, domain, code, text):
    try:
        builder.build()
    except GLib.Error as error:
        assert error.matches(domain, code), error
        assert text in error.message, error
        return
    raise SystemExit("no error")


creds = Qio.TlsCredsBuilder.new(CLIENT).build()
assert creds.get_endpoint() == creds.props.endpoint == CLIENT
assert creds.verifies_peer() and creds.props.verifies_peer

# Constructed by type alone, these are client credentials without trust anchors.
assert Qio.TlsCreds().verifies_peer()

builder = Qio.TlsCredsBuilder.new(SERVER)
refused(builder, Gio.io_error_quark(), Gio.IOErrorEnum.INVALID_ARGUMENT, "a server needs a certificate")
builder.add_psk("qemu", b"\0 an example \xff")
builder.add_psk("xen", GLib.Bytes.new(b"another"))
builder.set_alpn_protocols(["h2", "http/1.1"])
assert not builder.copy().build().verifies_peer()
builder.set_ciphers("ROT13")
refused(builder, Gio.io_error_quark(), Gio.IOErrorEnum.INVALID_ARGUMENT, "no cipher match")

with tempfile.TemporaryDirectory() as folder:
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost -passout pass:sesame"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)

    builder = Qio.TlsCredsBuilder.new(SERVER)
    builder.set_certificate_files(certificate, key)
    refused(builder, Gio.tls_error_quark(), Gio.TlsError.BAD_CERTIFICATE_PASSWORD, key)
    calls = []

    def password(what, answers):
        calls.append(what)
        return answers.pop()

    answers = [None, "tahini", "sesame"]
    builder.set_password_func(password, answers)
    assert builder.build().props.endpoint == SERVER
    for text in ["another password", "no password was given"]:
        refused(builder, Gio.tls_error_quark(), Gio.TlsError.BAD_CERTIFICATE_PASSWORD, text)
    assert calls == [key] * 3

    # The password callback is freed with the last of the builders.
    other = builder.copy()
    del builder
    gc.collect()
    answers.append("sesame")
    other.build()
    other.set_password("sesame")
    other.build()
    assert calls == [key] * 4

    # A callback that raises an exception returns no password.
    shown = []
    sys.excepthook = lambda kind, error, traceback: shown.append(kind)
    builder = Qio.TlsCredsBuilder.new(SERVER)
    builder.set_certificate_files(certificate, key)
    builder.set_password_func(lambda what: {}[what])
    refused(builder, Gio.tls_error_quark(), Gio.TlsError.BAD_CERTIFICATE_PASSWORD, "no password was given")
    sys.excepthook = sys.__excepthook__
    assert shown == [KeyError]

    builder = Qio.TlsCredsBuilder.new(CLIENT)
    builder.add_trust_file(certificate)
    with open(certificate, "rb") as file:
        builder.add_trust_pem(file.read())
    assert builder.build().verifies_peer()
    builder.add_crl_file(certificate)
    refused(builder, Gio.tls_error_quark(), Gio.TlsError.BAD_CERTIFICATE, "certificate revocation list")

refused(builder, Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND, "No such file or directory")
print("credentials: ok")
