"""The programs that `.ci/bench-command` compares, each as a server on one processor, and the services behind them."""

import contextlib
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
QIO = os.path.join(TARGET, "release", "qio")
PEER = os.path.join(ROOT, ".ci", "peer")
SIZE = int(os.environ.get("SIZE", str(1 << 30)))
TICK = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
PROCESSORS = sorted(os.sched_getaffinity(0))


def has(program):
    return subprocess.run([PEER, "--has", program], check=False).returncode == 0


class Backend:
    """The service behind the programs: `sink`, `source` or `echo`."""

    def __init__(self, what):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.received = threading.Event()
        self.kept = []
        threading.Thread(target=getattr(self, what), daemon=True).start()

    def clients(self):
        while True:
            try:
                yield self.listener.accept()[0]
            except OSError:
                return

    def sink(self):
        for client in self.clients():
            buffer = bytearray(1 << 20)
            with client:
                while client.recv_into(buffer):
                    pass
            self.received.set()

    def source(self):
        block = bytes(1 << 20)
        for client in self.clients():
            with client, contextlib.suppress(OSError):
                for _ in range(SIZE >> 20):
                    client.sendall(block)

    def idle(self):
        self.kept.extend(self.clients())

    def echo(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self.listener:
                    client = self.listener.accept()[0]
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(client, selectors.EVENT_READ)
                    continue
                with contextlib.suppress(OSError):
                    data = key.fileobj.recv(65536)
                    if data:
                        key.fileobj.sendall(data)
                        continue
                selector.unregister(key.fileobj)
                key.fileobj.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Server:
    """A program that serves on one processor."""

    def __init__(self, command, port):
        def limits():
            os.sched_setaffinity(0, PROCESSORS[:1])
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

        self.port = port
        log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=limits)
        for _ in range(500):
            if self.process.poll() is not None:
                break
            if self.is_listening():
                return
            time.sleep(0.02)
        log.seek(0)
        sys.exit(f"{command}: {log.read().decode()}")

    def is_listening(self):
        with open("/proc/net/tcp") as table:
            rows = [row.split() for row in table]
        return any(row[1].endswith(f":{self.port:04X}") and row[3] == "0A" for row in rows)

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        # With that of children that have ended.
        return sum(map(int, fields[11:15])) / TICK

    def has_children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return bool(children.read().strip())

    def memory(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as rollup:
            lines = dict(line.split(":") for line in list(rollup)[1:])
        return int(lines["Pss"].split()[0]) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Programs:
    """How the programs are started for the same task."""

    def __init__(self, folder):
        self.folder = folder
        self.pem = os.path.join(folder, "server.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
            + ["-subj", "/CN=localhost", "-addext", "keyUsage=digitalSignature"]
            + ["-keyout", self.pem, "-out", self.pem + ".cert"],
            check=True,
            capture_output=True,
        )
        with open(self.pem, "a") as both, open(self.pem + ".cert") as certificate:
            both.write(certificate.read())

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def qio(self, backend, tls):
        port = free_port()
        first = f"{'tls' if tls else 'tcp'}-listen:127.0.0.1:{port}"
        command = [QIO, "relay", "--quiet", "--fork"]
        if tls:
            command += [f"--tls-cert={self.pem}", "--tls-clients=off"]
        return Server([*command, first, f"tcp:127.0.0.1:{backend.port}"], port)

    def socat(self, backend, buffer):
        port = free_port()
        first = f"TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=4096"
        return Server(["socat", "-b", str(buffer), first, f"TCP4:127.0.0.1:{backend.port}"], port)

    def haproxy(self, backend, tls):
        port = free_port()
        crt = f"ssl crt {self.pem}" if tls else ""
        path = self.write(
            f"haproxy-{port}.cfg",
            "global\n nbthread 1\n maxconn 6000\n no numa-cpu-mapping\n"
            "defaults\n mode tcp\n timeout connect 60s\n timeout client 600s\n timeout server 600s\n"
            f"listen relay\n bind 127.0.0.1:{port} {crt}\n server one 127.0.0.1:{backend.port}\n",
        )
        return Server([PEER, "haproxy", "-db", "-q", "-f", path], port)

    def stunnel(self, backend, _tls):
        port = free_port()
        path = self.write(
            f"stunnel-{port}.conf",
            f"foreground = yes\npid =\ndebug = err\ncert = {self.pem}\n"
            f"[relay]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{backend.port}\n",
        )
        return Server([PEER, "stunnel4", path], port)
